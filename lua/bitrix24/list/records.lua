--- Finding the records in an answer. The platform puts a list into `result`,
-- under a key of it that differs per method, or into an object keyed by
-- identifier; PHP turns what is empty into `[]`, `false` or null.

local errors = require "bitrix24.errors"

local concat, sort = table.concat, table.sort
local min = math.min
local next, pairs, tonumber, tostring, type = next, pairs, tonumber, tostring, type

local _ENV = nil -- luacheck: ignore

local KEYS_SHOWN = 8

local records = {}

--- nil, JSON null (light userdata) and false stand for "nothing".
local function is_nothing(value)
  return value == nil or value == false or type(value) == "userdata"
end

local function is_sequence(value)
  return type(value) == "table" and value[1] ~= nil
end

local function by_key(a, b)
  local x, y = tonumber(a), tonumber(b)
  if x and y then return x < y end
  if x or y then return x ~= nil end
  return tostring(a) < tostring(b)
end

--- The values of an object in ascending order of its keys.
local function values(map)
  local keys, out = {}, {}
  for key in pairs(map) do keys[#keys + 1] = key end
  sort(keys, by_key)
  for i = 1, #keys do out[i] = map[keys[i]] end
  return out
end

--- An object whose keys are identifiers: what PHP makes of an array with gaps.
local function is_keyed_by_id(value)
  for key, item in pairs(value) do
    if not tonumber(key) or type(item) ~= "table" then return false end
  end
  return true
end

--- An object that holds nothing but objects, such as templates by code.
local function is_map(value)
  for _, item in pairs(value) do
    if type(item) ~= "table" then return false end
  end
  return true
end

local function refuse(method, result)
  local found
  if type(result) == "table" then
    local keys = {}
    for key in pairs(result) do keys[#keys + 1] = tostring(key) end
    sort(keys)
    found = "an object with " .. concat(keys, ", ", 1, min(#keys, KEYS_SHOWN))
    if #keys > KEYS_SHOWN then found = found .. (" and %d more"):format(#keys - KEYS_SHOWN) end
  else
    found = "a " .. type(result)
  end
  errors.throw(errors.protocol(method, "no list of records in the answer: `result` is " .. found,
    ("portal:call(%q, params) returns it as it is"):format(method or "METHOD")))
end

--- What stands where the catalogue says the list is.
local function read_list(value, row, method, result)
  if is_nothing(value) then return {} end
  if type(value) ~= "table" then refuse(method, result) end
  if is_sequence(value) or next(value) == nil then return value end
  if row and row.items_map or is_map(value) then return values(value) end
  return refuse(method, result)
end

--- The only list among the fields of an object the catalogue does not know.
local function only_list(result, method)
  local found
  for _, value in pairs(result) do
    if type(value) == "table" and (is_sequence(value) or next(value) == nil) then
      if found then refuse(method, result) end
      found = value
    end
  end
  return found or refuse(method, result)
end

--- The records of one answer, as a sequence.
---@param result any the decoded `result`
---@param row table? catalogue row
---@param method string for messages
---@return any[]
function records.find(result, row, method)
  if is_nothing(result) then return {} end
  if type(result) ~= "table" then refuse(method, result) end
  if is_sequence(result) or next(result) == nil then return result end
  local key = row and row.items_key
  if key then
    if result[key] == nil then
      if is_keyed_by_id(result) then return values(result) end
      refuse(method, result)
    end
    return read_list(result[key], row, method, result)
  end
  if row and row.items_map or is_keyed_by_id(result) then return values(result) end
  if type(result.items) == "table" then return read_list(result.items, row, method, result) end
  -- a record's own lists (PHONE of crm.deal.get) are not a list of records
  if row and row.kind ~= "list" and row.page and row.page.style == "none" then refuse(method, result) end
  return only_list(result, method)
end

--- The identifier of a record, or nil.
---@param record any
---@param row table?
---@return any id nil when it has none
function records.id(record, row)
  if type(record) ~= "table" then return nil end
  local id = row and row.id_field and record[row.id_field]
  if is_nothing(id) then id = record.id end
  if is_nothing(id) then id = record.ID end
  if is_nothing(id) then return nil end
  return id
end

records.is_nothing = is_nothing

return records
