--- The parameters of a list that is walked by id: what of the caller's stays,
-- and where the bounds of a page go.

local find = require "bitrix24.list.records"
local json = require "bitrix24.json"
local params_of = require "bitrix24.list.params"
local wire = require "bitrix24.wire"

local lower, upper = string.lower, string.upper
local ipairs, next, setmetatable = ipairs, next, setmetatable
local maxinteger, tointeger = math.maxinteger, math.tointeger
local tonumber, type, unpack = tonumber, type, table.unpack

local _ENV = nil -- luacheck: ignore

---@class bitrix24.list.KeysetForm
---@field bounded boolean may an upper bound be put in the filter
---@field uncounted boolean did the caller switch counting off
local Form = {}
Form.__index = Form

local shape = {}

local function is_plain(value)
  local kind = json.kind(value)
  return type(value) == "table" and (kind == nil or kind == "object") and value[1] == nil
end

--- A filter that is a plain map; conditions joined by OR would be joined with
-- the bound of the page too.
local function filter_refusal(name, filter)
  if filter == nil then return nil end
  if not is_plain(filter) then return ("%s is not a plain table of conditions"):format(name) end
  for key in next, filter do
    if type(key) ~= "string" then return ("%s is not a plain table of conditions"):format(name) end
    if lower(key) == "logic" then return ("%s joins its conditions by %s"):format(name, key) end
  end
  return nil
end

local function order_refusal(name, order, id)
  if order == nil or type(order) == "table" and next(order) == nil then return nil end
  local by_id = is_plain(order)
  for key, value in next, by_id and order or {} do
    by_id = by_id and type(key) == "string" and lower(key) == lower(id)
      and type(value) == "string" and upper(value) == "ASC"
  end
  return not by_id and ("%s is the caller's own"):format(name) or nil
end

--- The id is put into a selection that is a list.
local function select_refusal(name, select)
  local is_list = type(select) == "table" and (select[1] ~= nil or next(select) == nil)
  return select ~= nil and not is_list and ("%s is not a list of fields"):format(name) or nil
end

--- Why the list cannot be walked by id; nil when it can.
---@param caller table
---@param params table
---@return string?
function shape.refusal(caller, params)
  local row = caller.row
  local key = row and row.keyset
  if not key then return "the method is not known to filter and sort by id" end
  if row.write or row.overlap then return "the method's answers change what it answers" end
  if json.kind(params) or params[1] ~= nil then return "its parameters are a list" end
  local start_name, start = params_of.find(params, row.page and row.page.param or "start")
  if start ~= nil and (tointeger(tonumber(start)) or 1) > 0 then
    return ("%s begins in the middle"):format(start_name)
  end
  local filter_name, filter = params_of.find(params, key.filter)
  local order_name, order = params_of.find(params, key.order)
  return filter_refusal(filter_name, filter) or order_refusal(order_name, order, key.id)
    or select_refusal(params_of.find(params, "select"))
end

--- A selection with the id in it: the walk goes on from there.
local function with_id(select, id)
  if select == nil or select[1] == nil then return nil end
  for _, name in ipairs(select) do
    if name == "*" or type(name) == "string" and lower(name) == lower(id) then return select end
  end
  local out = params_of.copy(select)
  out[#out + 1] = id
  return out
end

---@param caller table whose row has a keyset
---@param given table the caller's parameters, not refused
---@return bitrix24.list.KeysetForm
function shape.new(caller, given)
  local key, row = caller.row.keyset, caller.row
  local base = params_of.copy(given)
  local start_key, start = params_of.find(given, row.page and row.page.param or "start")
  base[start_key] = nil
  local order_key = params_of.find(given, key.order)
  base[order_key] = { [key.id] = "ASC" }
  local select_key, select = params_of.find(given, "select")
  base[select_key] = with_id(select, key.id)
  local filter_key, filter = params_of.find(given, key.filter)
  filter = filter or {}
  local after_key, from = params_of.find(filter, ">" .. key.id)
  local upto_key, to = params_of.find(filter, "<=" .. key.id)
  return setmetatable({
    id = key.id, base = base, start_key = start_key, order_key = order_key, filter_key = filter_key,
    filter = filter, after_key = after_key, from = from, upto_key = upto_key,
    to = tointeger(tonumber(to)), bounded = to == nil or tointeger(tonumber(to)) ~= nil,
    uncounted = tointeger(tonumber(start)) == -1,
  }, Form)
end

--- The parameters of a page.
---@param after any id or reference; nil: from the caller's own beginning
---@param upto integer? highest id; nil: to the caller's own end
---@param counted boolean? with the total
---@return table
function Form:page(after, upto, counted)
  local copy = params_of.copy(self.base)
  if after ~= nil or upto then
    local filter = params_of.copy(self.filter)
    if after ~= nil then
      filter[self.after_key] = nil
      filter[">" .. self.id] = after
    end
    if upto then
      filter[self.upto_key] = nil
      filter["<=" .. self.id] = upto
    end
    copy[self.filter_key] = filter
  end
  if not counted then copy[self.start_key] = -1 end
  return copy
end

--- An upper bound below the caller's own, or nil: the caller's own is nearer.
function Form:upper(id)
  if self.to and id >= self.to then return nil end
  return id
end

--- A reference to the id of the last record of a full page of an earlier command.
---@param n integer the command, from 1
---@param path (string|integer)[] where its records are
---@param size integer records of a full page
---@param id_key string
---@return table
function Form.last_of(_, n, path, size, id_key)
  local steps = { unpack(path) }
  steps[#steps + 1], steps[#steps + 2] = size - 1, id_key
  return wire.reference(n, steps)
end

--- Ask for the page with the highest id.
function Form:highest()
  local copy = params_of.copy(self.base)
  copy[self.order_key] = { [self.id] = "DESC" }
  copy[self.start_key] = -1
  return copy
end

--- Parameters as long as those of any page.
function Form:sample()
  return self:page(wire.reference(wire.WIDTH_MAX, { "xxxxxxxxxxxxxxxxxxxx", 49, self.id }), maxinteger)
end

--- The field of a record that holds its id.
function Form:key_of(record, row)
  local id = find.id(record, row)
  for _, key in ipairs { row.id_field or "id", "id", "ID" } do
    if record[key] == id then return key end
  end
  return self.id
end

return shape
