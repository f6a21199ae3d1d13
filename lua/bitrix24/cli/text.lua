--- Values as text: JSON on one line or for people, and the cells of tables.

local json = require "bitrix24.json"

local concat, sort = table.concat, table.sort
local math_type = math.type
local gsub, sub = string.gsub, string.sub
local char_at, length = utf8.offset, utf8.len
local error, ipairs, next, pairs, tostring, type = error, ipairs, next, pairs, tostring, type

local _ENV = nil -- luacheck: ignore

local text = {}

--- The platform is PHP and says [] for whatever is empty.
local EMPTY = json.array {}

--- The value with its empty tables marked as arrays. Changes tables in place:
-- results of calls are fresh.
local function seal(value)
  if type(value) ~= "table" then return value end
  if next(value) == nil then return EMPTY end
  for key, inner in next, value do
    if type(inner) == "table" then
      if next(inner) == nil then value[key] = EMPTY else seal(inner) end
    end
  end
  return value
end

--- JSON on one line.
---@param value any
---@return string
function text.line(value)
  if value == nil then return "null" end -- what many methods answer when all is well
  local out, where, why = json.encode(seal(value))
  if not out then error(("the result cannot be shown: %s %s"):format(where, why), 0) end
  return out
end

local COLORS = { key = "\27[34m", string = "\27[32m", other = "\27[33m", off = "\27[0m" }
local PLAIN = { key = "", string = "", other = "", off = "" }

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do keys[#keys + 1] = tostring(key) end
  sort(keys)
  return keys
end

local function put(out, value, indent, colors)
  if type(value) == "table" and next(value) ~= nil then
    local inner = indent .. "  "
    if value[1] ~= nil then
      out[#out + 1] = "[\n"
      for i, item in ipairs(value) do
        out[#out + 1] = (i > 1 and ",\n" or "") .. inner
        put(out, item, inner, colors)
      end
      out[#out + 1] = "\n" .. indent .. "]"
      return
    end
    out[#out + 1] = "{\n"
    for i, key in ipairs(sorted_keys(value)) do
      out[#out + 1] = (i > 1 and ",\n" or "") .. inner .. colors.key .. json.encode(key) .. colors.off .. ": "
      put(out, value[key], inner, colors)
    end
    out[#out + 1] = "\n" .. indent .. "}"
    return
  end
  local color = type(value) == "string" and colors.string or type(value) ~= "table" and colors.other or ""
  out[#out + 1] = color .. text.line(value) .. (color ~= "" and colors.off or "")
end

--- JSON for people.
---@param value any
---@param color boolean?
---@param indent string? what stands before the lines behind the first
---@return string
function text.pretty(value, color, indent)
  local out = {}
  put(out, value, indent or "", color and COLORS or PLAIN)
  return concat(out)
end

--- The field of a record at "a.b"; a record that is no object is "value".
---@param record any
---@param column string
---@return any
function text.field(record, column)
  if type(record) ~= "table" then return column == "value" and record or nil end
  local value = record[column]
  if value ~= nil or not column:find(".", 1, true) then return value end
  value = record
  for step in column:gmatch("[^.]+") do
    if type(value) ~= "table" then return nil end
    local inner = value[step]
    if inner == nil and step:match("^%d+$") then inner = value[step + 1] end
    value = inner
  end
  return value
end

--- A value in one cell; nothing for null, JSON for what has parts.
---@param value any
---@return string
function text.cell(value)
  if value == nil or value == json.null then return "" end
  -- a float as JSON has it: tostring would round it
  if type(value) == "table" or math_type(value) == "float" then return text.line(value) end
  return tostring(value)
end

--- A cell for a terminal, which must not obey what a portal stores: control
-- characters, those of C1 too, become spaces.
---@param value any
---@return string
function text.shown(value)
  local cell = gsub(text.cell(value), "%c", " ")
  return (gsub(cell, "\xC2[\x80-\x9F]", " "))
end

--- Letters of a text, bytes where it is no UTF-8.
function text.width(line) return length(line) or #line end

--- Cut or filled to a width.
function text.fit(line, width)
  local n = text.width(line)
  if n <= width then return line .. (" "):rep(width - n) end
  local cut = length(line) and char_at(line, width) or width
  return sub(line, 1, cut - 1) .. "…"
end

--- What people look for first.
local FIRST = { id = 0, title = 1, name = 2, lastname = 3, last_name = 3, subject = 4, email = 5 }

--- Columns of records: the id, then the others by name; for people, what names
-- a record comes before the rest.
---@param records any[]
---@param people boolean?
---@return string[]
function text.columns(records, people)
  local seen, names = {}, {}
  for _, record in ipairs(records) do
    local fields = type(record) == "table" and record or { value = record }
    for key in pairs(fields) do
      if not seen[key] then
        seen[key], names[#names + 1] = true, tostring(key)
      end
    end
  end
  local function rank(name)
    local place = FIRST[name:lower()] or 9
    return (people or place == 0) and place or 9
  end
  sort(names, function(a, b)
    if rank(a) ~= rank(b) then return rank(a) < rank(b) end
    return a < b
  end)
  return names
end

return text
