--- Values as text: JSON on one line or for people, and the cells of tables.

local json = require "bitrix24.json"
local width = require "bitrix24.cli.width"

local concat, sort = table.concat, table.sort
local math_type, tointeger = math.type, math.tointeger
local byte, find, format, gmatch, gsub = string.byte, string.find, string.format, string.gmatch, string.gsub
local length = utf8.len
local error, ipairs, next, pairs = error, ipairs, next, pairs
local tonumber, tostring, type = tonumber, tostring, type

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

local function escape_c1(line)
  return (gsub(line, "\xC2([\x80-\x9F])", function(last) return format("\\u%04x", byte(last)) end))
end

--- JSON that a terminal does not obey: the controls that JSON lets stand for
-- themselves, DEL and those of C1 (U+0080 to U+009F), as escapes.
---@param line string
---@return string
function text.harmless(line) return escape_c1((gsub(line, "\127", "\\u007f"))) end

--- JSON for people, at a terminal.
---@param value any
---@param color boolean?
---@param indent string? what stands before the lines behind the first
---@return string
function text.pretty(value, color, indent)
  local out = {}
  put(out, value, indent or "", color and COLORS or PLAIN)
  return text.harmless(concat(out))
end

--- A field of a table by its name; those of an array are counted from `first`.
local function part(value, step, first)
  local inner = value[step]
  if inner == nil and find(step, "^%d+$") then inner = value[tointeger(tonumber(step)) + 1 - first] end
  return inner
end

--- The field of a record at "a.b"; a record that is no object is "value", and
-- the columns of one that is an array are 1, 2, …
---@param record any
---@param column string
---@return any
function text.field(record, column)
  if type(record) ~= "table" then
    if column == "value" then return record end
    return nil
  end
  local value = part(record, column, 1)
  if value ~= nil or not find(column, ".", 1, true) then return value end
  value = record
  for step in gmatch(column, "[^.]+") do
    if type(value) ~= "table" then return nil end
    value = part(value, step, value == record and 1 or 0)
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

local function escape(bytes)
  return (gsub(bytes, ".", function(one) return format("\\x%02x", byte(one)) end))
end

--- A text for a terminal, which must not obey what a portal stores: control
-- characters are shown as escapes, and so is what is no UTF-8.
---@param line string
---@param kept string? of the control characters, those that are harmless here
---@return string
function text.safe(line, kept)
  line = gsub(line, "%c", function(one)
    return kept and find(kept, one, 1, true) and one or escape(one)
  end)
  if not find(line, "[\x80-\xFF]") then return line end
  if not length(line) then return (gsub(line, "[\x80-\xFF]+", escape)) end
  return escape_c1(line)
end

--- A cell of a table, which is one line.
---@param value any
---@return string
function text.shown(value)
  local cell = text.cell(value)
  if not find(cell, "[%c\x80-\xFF]") then return cell end
  return text.safe((gsub(cell, "[\t\r\n]+", " ")))
end

--- Columns that a text takes.
text.width = width.of

--- Cut or filled to a width.
---@param line string
---@param columns integer
---@return string
function text.fit(line, columns)
  local n = width.of(line)
  if n <= columns then return line .. (" "):rep(columns - n) end
  local cut, used = width.cut(line, columns - 1)
  return cut .. "…" .. (" "):rep(columns - 1 - used)
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
    local x, y = tonumber(a), tonumber(b) -- of an array
    if x and y and x ~= y then return x < y end
    if (x == nil) ~= (y == nil) then return x ~= nil end
    return a < b
  end)
  return names
end

return text
