--- The offline queue: event.offline.get, .clear, .error and .list.
--
-- What is reserved by event.offline.get with clear=0 stays under its process id
-- until event.offline.clear, whoever asks meanwhile
-- (events/offline-events, events/event-offline-get).

local lower, match, upper = string.lower, string.match, string.upper
local ipairs, pairs, setmetatable, tointeger, tonumber, tostring, type =
  ipairs, pairs, setmetatable, math.tointeger, tonumber, tostring, type
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.events.common"
local keyorder = require "bitrix24.sandbox.keyorder"
local query = require "bitrix24.sandbox.query"

local _ENV = nil -- luacheck: ignore

local PAGE, ALL = 50, 1000000

-- Filter operations and fields that the methods know; anything else is refused.
local OPERATIONS = {
  [""] = true, ["="] = true, [">"] = true, ["<"] = true,
  [">="] = true, ["<="] = true, ["@"] = true, ["%"] = true,
}
local GET_FIELDS = { ID = true, TIMESTAMP_X = true, EVENT_NAME = true, MESSAGE_ID = true }
local LIST_FIELDS = setmetatable({ PROCESS_ID = true, ERROR = true }, { __index = GET_FIELDS })

--- Filter and order of a request, checked.
local function selection(call, fields, first)
  local filter, order = call:param("filter"), call:param("order")
  local out = {}
  if filter ~= nil and type(filter) ~= "table" then
    common.bad_argument(call, "The filter is not an array.")
  end
  for key, value in pairs(filter or {}) do
    local operation, field = match(upper(tostring(key)), "^([^A-Z]*)(.*)$")
    if not OPERATIONS[operation] then
      common.bad_argument(call, "Filter operation not allowed: " .. operation)
    elseif not fields[field] then
      common.bad_argument(call, "Filter field not allowed: " .. field)
    end
    out[operation .. field] = value
  end
  local by = {}
  for _, key in ipairs(type(order) == "table" and keyorder.keys(order) or {}) do
    if not fields[upper(tostring(key))] then
      common.bad_argument(call, "Order field not allowed: " .. tostring(key))
    end
    by[#by + 1] = { upper(tostring(key)), order[key] }
  end
  if #by == 0 then by[1] = { first, "ASC" } end
  return out, by
end

--- Records of the queue that pass, in order; tests may have put incomplete ones.
local function find(call, filter, order, from, limit)
  for id in call.store:ids(common.QUEUE) do
    local record = call.store:get(common.QUEUE, id)
    if not common.is_complete(record) then call.store:update(common.QUEUE, id, common.complete(record)) end
  end
  filter["=CONNECTOR_ID"] = common.connector(call)
  return query.run(call.store, common.QUEUE, {
    filter = filter, order = order, start = from, limit = limit, flat = true,
  })
end

local function show(record, all)
  return {
    ID = tostring(record.ID), TIMESTAMP_X = record.TIMESTAMP_X, EVENT_NAME = record.EVENT_NAME,
    EVENT_DATA = record.EVENT_DATA, EVENT_ADDITIONAL = record.EVENT_ADDITIONAL,
    MESSAGE_ID = record.MESSAGE_ID,
    PROCESS_ID = all and record.PROCESS_ID or nil, ERROR = all and tostring(record.ERROR) or nil,
  }
end

local function get(call)
  common.need_admin(call)
  local clear, process = call:param("clear"), call:param("process_id")
  local removes = clear == nil or (tointeger(tonumber(clear)) or 0) ~= 0
  local limit = tointeger(tonumber(call:param("limit") or PAGE))
  if not limit or limit <= 0 then common.bad_argument(call, "Value must be positive integer", "LIMIT") end
  local filter, order = selection(call, GET_FIELDS, "TIMESTAMP_X")
  filter["=ERROR"] = tonumber(call:param("error")) == 1 and 1 or 0
  filter["=PROCESS_ID"] = common.text(process)
  local found = find(call, filter, order, 0, limit)
  if process == nil then
    process = call.portal.processes:text(32)
    for _, record in ipairs(found) do call.store:update(common.QUEUE, record.ID, { PROCESS_ID = process }) end
    if removes then process = json.null end
  end
  local out = json.array {}
  for i, record in ipairs(found) do
    out[i] = show(record, false)
    if removes then call.store:delete(common.QUEUE, record.ID) end
  end
  return { process_id = process, events = out }
end

--- The process id of a request, and its list of what to look for as a set.
local function marked(call, name, is_valid)
  local process, given = call:param("process_id"), call:param(name)
  if process == nil then common.bad_argument(call, "Argument 'PROCESS_ID' is null or empty", "PROCESS_ID") end
  local set = given ~= nil and {} or nil
  if given ~= nil and type(given) ~= "table" then common.bad_argument(call, "Value must be array", name) end
  for _, value in pairs(given or {}) do
    if not is_valid(value) then common.bad_argument(call, "Value must be array", name) end
    set[tostring(value)] = true
  end
  return common.text(process), set
end

local function is_message(value) return type(value) == "string" and #value == 32 end
local function is_id(value) return (tointeger(tonumber(value)) or 0) > 0 end

local function clear(call)
  common.need_admin(call)
  local by = call:param("message_id") ~= nil and call:param("id") == nil and "MESSAGE_ID" or "ID"
  local process, set = marked(call, lower(by), by == "ID" and is_id or is_message)
  for _, record in ipairs(find(call, { ["=PROCESS_ID"] = process }, { { "ID", "ASC" } }, -1, ALL)) do
    if not set or set[tostring(record[by])] then call.store:delete(common.QUEUE, record.ID) end
  end
  return true
end

--- An event that failed is nobody's any more and shows up with error=1 alone.
-- One about the same object that came meanwhile is dropped with it.
local function set_error(call)
  common.need_admin(call)
  local process, set = marked(call, "message_id", is_message)
  if not set then common.bad_argument(call, "Value must be array of MESSAGE_ID values", "message_id") end
  for _, record in ipairs(find(call, { ["=ERROR"] = 0 }, { { "ID", "ASC" } }, -1, ALL)) do
    if set[record.MESSAGE_ID] and record.PROCESS_ID == process then
      call.store:update(common.QUEUE, record.ID, { ERROR = 1, PROCESS_ID = "" })
    elseif set[record.MESSAGE_ID] then
      call.store:delete(common.QUEUE, record.ID)
    end
  end
  return true
end

local function list(call)
  common.need_admin(call)
  local filter, order = selection(call, LIST_FIELDS, "ID")
  local found, total, next_start = find(call, filter, order, call:param("start"), PAGE)
  local out = json.array {}
  for i, record in ipairs(found) do out[i] = show(record, true) end
  return out, { total = total, next = next_start }
end

return { get = get, clear = clear, error = set_error, list = list }
