--- Events (api-reference/events): handlers that are bound, and the offline
-- queue. Kinds of records: "event_handlers" and "offline_events"; a test may put
-- an event of its own there:
--
--     sb:set("offline_events", 1, { EVENT_NAME = "ONCRMDEALADD", EVENT_DATA = { FIELDS = { ID = 7 } } })

local pairs = pairs
local changes = require "bitrix24.sandbox.events.changes"
local common = require "bitrix24.sandbox.events.common"
local handlers = require "bitrix24.sandbox.events.handlers"
local queue = require "bitrix24.sandbox.events.queue"
local secrets = require "bitrix24.sandbox.secrets"

local _ENV = nil -- luacheck: ignore

--- An application's methods: a webhook is refused (_includes/system-errors).
local function for_applications(run)
  return function(call)
    if call.auth ~= "app" then call:fail("WRONG_AUTH_TYPE") end
    return run(call)
  end
end

return function(portal)
  portal.store:define(common.HANDLERS, { id = "ID", size = 0 })
  portal.store:define(common.QUEUE, { id = "ID", size = 0 })
  portal.processes = secrets.new((portal.options.seed or 7) ~ 0x5EED) -- not those of the tokens
  local methods = {
    ["events"] = handlers.names, ["event.get"] = handlers.get, ["event.bind"] = handlers.bind,
    ["event.unbind"] = handlers.unbind, ["event.offline.get"] = queue.get,
    ["event.offline.clear"] = queue.clear, ["event.offline.error"] = queue.error,
    ["event.offline.list"] = queue.list,
  }
  for name, run in pairs(methods) do
    local writes = name ~= "events" and name ~= "event.get" and name ~= "event.offline.list"
    portal:method(name, { version = 2, scope = "basic", write = writes }, for_applications(run))
  end
  changes(portal)
end
