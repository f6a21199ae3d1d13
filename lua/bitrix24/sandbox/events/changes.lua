--- Changes of CRM records as events: each is put into the queues of those who
-- bound it as offline.

local ipairs, lower, tointeger, tonumber, tostring, type =
  ipairs, string.lower, math.tointeger, tonumber, tostring, type
local common = require "bitrix24.sandbox.events.common"

local _ENV = nil -- luacheck: ignore

-- By number of their type.
local OBJECTS = { "LEAD", "DEAL", "CONTACT", "COMPANY" }

--- Put an event into a queue. One about the same object that nobody has taken
-- yet is brought up to date instead.
local function enqueue(portal, name, fields, user_id, connector_id)
  local store = portal.store
  local about = common.message_id(
    ("%s|%s|%s"):format(name, tostring(fields.ENTITY_TYPE_ID), tostring(fields.ID)))
  local fresh = {
    TIMESTAMP_X = portal:date(), EVENT_DATA = { FIELDS = fields }, EVENT_ADDITIONAL = { user_id = user_id },
  }
  for id in store:ids(common.QUEUE) do
    local known = common.complete(store:get(common.QUEUE, id))
    if known.MESSAGE_ID == about and known.CONNECTOR_ID == connector_id and known.PROCESS_ID == "" then
      store:update(common.QUEUE, id, fresh)
      return
    end
  end
  fresh.EVENT_NAME, fresh.MESSAGE_ID, fresh.CONNECTOR_ID = name, about, connector_id
  store:add(common.QUEUE, common.complete(fresh))
end

--- Tell the queues of all who bound the event, but not the one of the connector
-- that made the change (events/offline-events, how to avoid cycles).
local function happened(call, name, fields)
  local mine, store = common.connector(call), call.store
  for id in store:ids(common.HANDLERS) do
    local bound = store:get(common.HANDLERS, id)
    if bound.OFFLINE == 1 and bound.EVENT_NAME == name and (mine == "" or bound.CONNECTOR_ID ~= mine) then
      enqueue(call.portal, name, fields, call.user_id, bound.CONNECTOR_ID)
    end
  end
end

local function id_of(call, result)
  if type(result) == "table" and type(result.item) == "table" then return tointeger(result.item.id) end
  return tointeger(tonumber(result)) or tointeger(tonumber(call:param("id")))
end

local function watch(method, name_of)
  local run = method.run
  function method.run(call)
    local result, more = run(call)
    local name, fields = name_of(call, id_of(call, result))
    happened(call, name, fields)
    return result, more
  end
end

return function(portal)
  local methods = portal.methods[2]
  for _, verb in ipairs { "ADD", "UPDATE", "DELETE" } do
    for _, object in ipairs(OBJECTS) do
      local method = methods["crm." .. lower(object) .. "." .. lower(verb)]
      if method then
        watch(method, function(_, id) return "ONCRM" .. object .. verb, { ID = id } end)
      end
    end
    local items = methods["crm.item." .. lower(verb)]
    if items then
      watch(items, function(call, id)
        local number = tointeger(tonumber(call:param("entityTypeId")))
        if OBJECTS[number] then return "ONCRM" .. OBJECTS[number] .. verb, { ID = id } end
        return "ONCRMDYNAMICITEM" .. verb, { ID = id, ENTITY_TYPE_ID = number }
      end)
    end
  end
end
