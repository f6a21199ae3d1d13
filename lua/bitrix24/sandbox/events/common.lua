--- What the methods of events share: whose queue it is, who may, how refusals
-- are worded.

local byte, format, pairs, tostring = string.byte, string.format, pairs, tostring
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

--- Kinds of records.
local common = { HANDLERS = "event_handlers", QUEUE = "offline_events" }

--- A parameter as text; "" when it is absent.
---@param value any
---@return string
function common.text(value)
  if value == nil or value == json.null then return "" end
  return tostring(value)
end

---@param call table
---@return boolean
function common.is_admin(call) return call.user_id == 1 end

--- Refuse whoever is no administrator.
---@param call table
function common.need_admin(call)
  if not common.is_admin(call) then call:fail("ACCESS_DENIED", "Access denied!", 403) end
end

---@param call table
---@param what string
---@param name string? of the parameter
function common.bad_argument(call, what, name)
  call:fail("ERROR_ARGUMENT", name and format("%s [%s]", what, name) or what, 400)
end

--- Every connector has a queue of its own (events/offline-events).
---@param call table
---@return string
function common.connector(call) return common.text(call:param("auth_connector")) end

--- 32 hexadecimal digits that stand for an event and what it is about.
---@param content string
---@return string
function common.message_id(content)
  local high, low = 0xCBF29CE484222325, 0x84222325CBF29CE4
  for i = 1, #content do
    high = (high ~ byte(content, i)) * 0x100000001B3
    low = (low ~ byte(content, i)) * 0x100000001B3 ~ high >> 7
  end
  return format("%016x%016x", high, low)
end

local FIELDS = {
  TIMESTAMP_X = "2024-07-18T12:32:31+03:00", EVENT_NAME = "ONCRMLEADADD", EVENT_DATA = false,
  EVENT_ADDITIONAL = false, PROCESS_ID = "", CONNECTOR_ID = "", ERROR = 0,
}

---@param record table
---@return boolean
function common.is_complete(record)
  for name in pairs(FIELDS) do
    if record[name] == nil then return false end
  end
  return record.MESSAGE_ID ~= nil
end

--- A record of the queue, with what a test left out.
---@param record table
---@return table
function common.complete(record)
  local out = { ID = record.ID }
  for name, value in pairs(FIELDS) do
    out[name] = record[name]
    if out[name] == nil then out[name] = value end
  end
  out.MESSAGE_ID = record.MESSAGE_ID or common.message_id(tostring(record.ID))
  return out
end

return common
