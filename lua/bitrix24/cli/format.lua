--- Records as they go out: json, jsonl, csv, table. A writer takes pages and
-- knows how to go on behind what an earlier run wrote.
-- Invariant: the text of a page depends on the pages before it only by
-- `started` and `columns`, which a checkpoint keeps; of a table, which takes
-- its widths from the first page, on more.

local errors = require "bitrix24.errors"
local text = require "bitrix24.cli.text"

local concat, move, sort = table.concat, table.move, table.sort
local max, min = math.max, math.min
local find, gsub, lower, match = string.find, string.gsub, string.lower, string.match
local ipairs, next, pairs = ipairs, next, pairs
local setmetatable, tostring, type = setmetatable, tostring, type

local _ENV = nil -- luacheck: ignore

local format = {}

---@class bitrix24.cli.Writer
---@field columns string[]? of csv and table, known from the first page on
---@field started boolean was anything written
---@field left table<string, boolean> fields that are in no column
---@field unseen table<string, boolean> columns that were asked for and that no record had
local Writer = {}
Writer.__index = Writer

-- ---- csv: RFC 4180 ---------------------------------------------------------

local function quoted(cell)
  if not find(cell, '[",\r\n]') then return cell end
  return '"' .. gsub(cell, '"', '""') .. '"'
end

local function csv_row(cells)
  -- a row of one empty cell would be an empty line
  if #cells == 1 and cells[1] == "" then return '""\r\n' end
  return concat(cells, ",") .. "\r\n"
end

--- Fields that came later than the columns were chosen: told, not dropped in
-- silence. In a table, those with anything to show.
local function note_left(self, record)
  if not self.own then return end
  if not self.known then
    self.known = {}
    for _, name in ipairs(self.columns) do self.known[name] = true end
  end
  local known, left = self.known, self.left
  if type(record) ~= "table" then
    if not known.value then left.value = true end
    return
  end
  for key, value in pairs(record) do
    if not known[key] then
      key = tostring(key)
      if not known[key] and not left[key] then
        left[key] = self.kind ~= "table" or text.shown(value) ~= "" or nil
      end
    end
  end
end

--- ID, id and Id, CREATED_BY and createdBy: methods answer in another spelling
-- than they are asked in.
---@param name string
---@return string
function format.plain(name) return (gsub(lower(name), "_", "")) end

local plain = format.plain

--- The header of a csv comes before the records do: what is on the first page,
-- and what was asked for by name and may come later.
local function csv_columns(self, records)
  local columns, like, later = text.columns(records), {}, {}
  for _, name in ipairs(columns) do like[plain(name)] = true end
  for _, name in ipairs(self.asked or {}) do
    if not like[plain(name)] then later[name] = true end
  end
  if next(later) == nil then return columns end
  return text.columns(move(records, 1, #records, 2, { later }))
end

local function csv_page(self, records, out)
  if not self.columns then self.columns, self.own = csv_columns(self, records), true end
  local function csv_cell(value)
    local cell = text.cell(value)
    return quoted(self.pretty and text.safe(cell, "\n\t") or cell)
  end
  if not self.started and #self.columns > 0 then
    local heads = {}
    for i, name in ipairs(self.columns) do heads[i] = csv_cell(name) end
    out[#out + 1] = csv_row(heads)
  end
  for _, record in ipairs(records) do
    note_left(self, record)
    local cells = {}
    for i, name in ipairs(self.columns) do cells[i] = csv_cell(text.field(record, name)) end
    out[#out + 1] = csv_row(cells)
  end
end

-- ---- json ------------------------------------------------------------------

--- The record with the chosen columns alone.
local function picked(self, record)
  if not self.columns then return record end
  local out = {}
  for _, name in ipairs(self.columns) do out[name] = text.field(record, name) end
  return out
end

local function jsonl_page(self, records, out)
  for _, record in ipairs(records) do
    local line = text.line(picked(self, record))
    out[#out + 1] = (self.pretty and text.harmless(line) or line) .. "\n"
  end
end

local function json_page(self, records, out)
  for i, record in ipairs(records) do
    local first = i == 1 and not self.started
    if self.pretty then
      out[#out + 1] = (first and "[\n  " or ",\n  ") .. text.pretty(picked(self, record), self.color, "  ")
    else
      out[#out + 1] = (first and "[" or ",") .. text.line(picked(self, record))
    end
  end
end

local function json_end(self)
  if not self.started then return "[]\n" end
  return self.pretty and "\n]\n" or "]\n"
end

-- ---- table -----------------------------------------------------------------

local GAP = "  "
local COLUMN_MIN, COLUMN_MAX = 4, 40

--- Columns that hold anything on the first page.
local function filled(records, columns)
  local out = {}
  for _, name in ipairs(columns) do
    for _, record in ipairs(records) do
      if text.shown(text.field(record, name)) ~= "" then
        out[#out + 1] = name
        break
      end
    end
  end
  return #out > 0 and out or columns
end

--- Columns as wide as the first page needs; of a terminal no more than fit.
local function layout(self, records)
  if not self.columns then
    self.columns, self.own = filled(records, text.columns(records, true)), true
  end
  local widths, used, count = {}, 0, 0
  for i, name in ipairs(self.columns) do
    local width = text.width(text.shown(name))
    for _, record in ipairs(records) do
      width = max(width, text.width(text.shown(text.field(record, name))))
    end
    -- later numbers are longer
    if find(text.shown(text.field(records[1], name)), "^%d+$") then width = width + 2 end
    width = min(width, COLUMN_MAX)
    local room = self.width and self.width - used - (i > 1 and #GAP or 0)
    if room and width > room then
      if not self.own or i == 1 then
        width = max(room, COLUMN_MIN)
      else
        break
      end
    end
    count, widths[i] = i, width
    used = used + width + (i > 1 and #GAP or 0)
  end
  self.widths, self.shown = widths, count
end

local function table_row(self, cell_of)
  local cells = {}
  for i = 1, self.shown do
    local cell = cell_of(self.columns[i])
    -- where there is room to the right, a longer cell is shown whole
    local whole = not self.width and text.width(cell) <= COLUMN_MAX
    cell = whole and cell .. (" "):rep(self.widths[i] - text.width(cell)) or text.fit(cell, self.widths[i])
    cells[i] = i == self.shown and gsub(cell, " +$", "") or cell
  end
  return concat(cells, GAP) .. "\n"
end

local function table_page(self, records, out)
  if not self.widths then
    layout(self, records)
    local heads = table_row(self, text.shown)
    out[#out + 1] = self.color and "\27[1m" .. heads:sub(1, -2) .. "\27[0m\n" or heads
  end
  for _, record in ipairs(records) do
    note_left(self, record)
    out[#out + 1] = table_row(self, function(name) return text.shown(text.field(record, name)) end)
  end
end

-- ---- writers ---------------------------------------------------------------

local PAGES = { csv = csv_page, json = json_page, jsonl = jsonl_page, table = table_page }

--- Is there something in the record at "a.b", or where that could be?
local function is_seen(record, name)
  if text.field(record, name) ~= nil then return true end
  local head = type(record) == "table" and record[match(name, "^[^.]*")] or nil
  return head ~= nil and (type(head) ~= "table" or next(head) == nil)
end

--- The text of a page.
---@param records any[]
---@return string
function Writer:page(records)
  local out = {}
  for name in pairs(self.unseen) do
    for _, record in ipairs(records) do
      if is_seen(record, name) then
        self.unseen[name] = nil
        break
      end
    end
  end
  PAGES[self.kind](self, records, out)
  self.started = true
  return concat(out)
end

--- The text behind the last page.
---@return string
function Writer:finish()
  if self.kind == "json" then return json_end(self) end
  if self.kind == "csv" and not self.started and (self.columns or self.asked) then
    self.unseen = {} -- there is no record that could have them
    return self:page {}
  end
  return ""
end

--- Columns that did not fit on the terminal.
function Writer:hidden() return self.shown and #self.columns - self.shown or 0 end

--- What note_left has found, in order.
---@return string[]
function Writer:left_names()
  local names = {}
  for name in pairs(self.left) do names[#names + 1] = name end
  sort(names)
  return names
end

-- `asked`: fields that the list is asked for by name; `pretty`: at a terminal.

---@param options { kind: string, columns: string[]?, asked: string[]?, pretty: boolean?,
--- color: boolean?, width: integer?, started: boolean?, own: boolean? }
---@return bitrix24.cli.Writer
function format.new(options)
  local self = setmetatable({ left = {}, unseen = {} }, Writer)
  for name, value in pairs(options) do self[name] = value end
  for _, name in ipairs(options.columns or {}) do self.unseen[name] = true end
  self.started = options.started or false
  return self
end

--- The fields of --columns: "a,b.c".
---@param list string?
---@return string[]?
function format.names(list)
  if not list then return nil end
  local out = {}
  for name in list:gmatch("[^,]+") do
    name = match(name, "^%s*(.-)%s*$")
    if name ~= "" then out[#out + 1] = name end
  end
  if #out == 0 then errors.config("--columns names no field") end
  return out
end

--- The format that the name of a file asks for.
---@param path string
---@return string? kind
function format.of_path(path)
  local ending = (path:match("%.(%w+)$") or ""):lower()
  return ({ csv = "csv", jsonl = "jsonl", ndjson = "jsonl", json = "json" })[ending]
end

return format
