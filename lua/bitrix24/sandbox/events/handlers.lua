--- Handlers of events: event.bind, event.unbind, event.get and the list of events
-- that there are (api-reference/events). An address is kept and never called.

local lower, upper = string.lower, string.upper
local ipairs, pairs, tointeger, tonumber, tostring = ipairs, pairs, math.tointeger, tonumber, tostring
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.events.common"

local _ENV = nil -- luacheck: ignore

--- Scope → names of its events, as far as they happen here.
local EVENTS = {
  [""] = { "ONAPPUNINSTALL", "ONAPPINSTALL", "ONAPPUPDATE", "ONAPPPAYMENT", "ONAPPTEST", "ONOFFLINEEVENT" },
  crm = {}, task = { "ONTASKADD", "ONTASKUPDATE", "ONTASKDELETE" }, user = { "ONUSERADD" },
}
for _, name in ipairs { "LEAD", "DEAL", "CONTACT", "COMPANY", "DYNAMICITEM" } do
  for _, verb in ipairs { "ADD", "UPDATE", "DELETE" } do
    EVENTS.crm[#EVENTS.crm + 1] = "ONCRM" .. name .. verb
  end
end

local function named_event(call)
  local name = upper(common.text(call:param("event")))
  if name == "" then common.bad_argument(call, "Argument 'EVENT' is null or empty", "EVENT") end
  return name
end

local function is_offline(call)
  local kind = lower(common.text(call:param("event_type")))
  if kind ~= "" and kind ~= "online" and kind ~= "offline" then
    common.bad_argument(call, "Value must be one of {online|offline}", "EVENT_TYPE")
  end
  return kind == "offline"
end

local function bind(call)
  local name, offline, address = named_event(call), is_offline(call), common.text(call:param("handler"))
  local user = tointeger(tonumber(call:param("auth_type"))) or 0
  if not common.is_admin(call) then
    if offline or user > 0 and user ~= call.user_id then common.need_admin(call) end
    user = call.user_id
  end
  if offline then
    address, user = "", 0
  elseif address == "" then
    common.bad_argument(call, "Argument 'HANDLER' is null or empty", "HANDLER")
  end
  local known = false
  for scope, names in pairs(EVENTS) do
    for _, each in ipairs(names) do
      if each == name and call.portal:permits(scope) then known = true end
    end
  end
  if not known then call:fail("ERROR_EVENT_NOT_FOUND", "Event not found", 400) end
  if offline and name == "ONOFFLINEEVENT" then
    call:fail("ERROR_ARGUMENT", "Offline event cannot be registered for this event.", 400)
  end
  local record = {
    EVENT_NAME = name, EVENT_HANDLER = address, USER_ID = user, CONNECTOR_ID = common.connector(call),
    OFFLINE = offline and 1 or 0,
  }
  for id in call.store:ids(common.HANDLERS) do
    local same = call.store:get(common.HANDLERS, id)
    for field, value in pairs(record) do
      if same[field] ~= value then same = nil break end
    end
    if same then call:fail("ERROR_CORE", "Unable to set event handler: Handler already binded", 400) end
  end
  call.store:add(common.HANDLERS, record)
  return true
end

local function unbind(call)
  local name, offline, address = named_event(call), is_offline(call), common.text(call:param("handler"))
  common.need_admin(call)
  if not offline and address == "" then
    common.bad_argument(call, "Argument 'HANDLER' is null or empty", "HANDLER")
  end
  local user, count = call:param("auth_type"), 0
  for _, bound in ipairs(call.store:records(common.HANDLERS)) do
    local fits = bound.EVENT_NAME == name and bound.OFFLINE == (offline and 1 or 0)
    if offline then
      fits = fits and bound.CONNECTOR_ID == common.connector(call)
    else
      fits = fits and bound.EVENT_HANDLER == address
        and (user == nil or bound.USER_ID == (tointeger(tonumber(user)) or 0))
    end
    if fits and call.store:delete(common.HANDLERS, bound.ID) then count = count + 1 end
  end
  return { count = count }
end

local function handlers(call)
  local out = json.array {}
  for _, bound in ipairs(call.store:records(common.HANDLERS)) do
    if bound.OFFLINE == 1 then
      out[#out + 1] = { event = bound.EVENT_NAME, connector_id = bound.CONNECTOR_ID, offline = 1 }
    else
      out[#out + 1] = {
        event = bound.EVENT_NAME, handler = bound.EVENT_HANDLER, auth_type = tostring(bound.USER_ID),
        offline = 0,
      }
    end
  end
  return out
end

local function names(call)
  local scope, full = call:param("SCOPE"), call:param("FULL")
  local everything = full ~= nil and full ~= false and full ~= "" and full ~= 0 and full ~= "0"
  local out = json.array {}
  for _, each in ipairs { "", "crm", "task", "user" } do
    local wanted = everything or call.portal:permits(each)
    if scope ~= nil then wanted = each == scope end
    for _, name in ipairs(wanted and EVENTS[each] or {}) do out[#out + 1] = name end
  end
  return out
end

return { bind = bind, unbind = unbind, get = handlers, names = names }
