--- Triggers of automation: crm.automation.trigger, which a webhook may call,
-- and crm.automation.trigger.*, which only an application of an administrator
-- may (crm/automation/triggers/index). Most of their errors have an empty code.

local ipairs = ipairs
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local entities = require "bitrix24.sandbox.crm.entities"

local _ENV = nil -- luacheck: ignore

local function find(call, code)
  for id in call.store:ids("triggers") do
    local record = call.store:get("triggers", id)
    if record.CODE == code then return record end
  end
  return nil
end

-- Runs are kept for whoever looks into the portal: kind "trigger_runs".
local function note(call, code, entity, id)
  call.store:add("trigger_runs", {
    CODE = code, OWNER_TYPE_ID = entity.id, OWNER_ID = id, DATE = call.portal:date(call.portal:now()),
    USER_ID = call.user_id,
  })
end

local function activate(call)
  local target = common.text(call:param("target"))
  if not target then call:fail("", "Target is not set.") end
  local name, number = target:match("^([A-Z_%d]-)_(%d+)$")
  -- DYNAMIC_1030 alone is a type without an id.
  if not name or name == "" or name == "DYNAMIC" then call:fail("", "Incorrect target format.") end
  local entity = entities.named(call.store, name)
  if not entity or entity.id == 3 or entity.id == 4 or not call.store:exists(entity.kind, number) then
    call:fail("", "Target is not found.")
  end
  note(call, common.text(call:param("code")), entity, common.int(number))
  return true
end

local function code_of(call)
  local code = common.text(call:param("CODE"))
  if not code then call:fail("", "Empty trigger code!") end
  if not code:find("^[a-z0-9.%-_]+$") then call:fail("", "Wrong trigger code!") end
  return code
end

local function add(call)
  local code = code_of(call)
  local name = common.text(call:param("NAME"))
  if not name then call:fail("", "Empty trigger name!") end
  -- A code that exists already gets the new name.
  local known = find(call, code)
  if known then
    call.store:update("triggers", known.ID, { NAME = name })
  else
    call.store:add("triggers", { CODE = code, NAME = name })
  end
  return true
end

local function execute(call)
  local code = code_of(call)
  if not find(call, code) then call:fail("", "Trigger with code " .. code .. " is not registered.") end
  local entity = entities.of(call.store, common.int(call:param("OWNER_TYPE_ID")))
  if not entity then call:fail("", "Incorrect parameter OWNER_TYPE_ID.") end
  local id = common.id(call, "OWNER_ID")
  if not id then call:fail("", "Incorrect parameter OWNER_ID.") end
  note(call, code, entity, id)
  return true
end

local function list(call)
  local out = json.array {}
  for i, record in ipairs(call.store:records("triggers")) do
    out[i] = { NAME = record.NAME, CODE = record.CODE }
  end
  return out
end

local function delete(call)
  local known = find(call, code_of(call))
  if not known then call:fail("", "Trigger not found") end
  return call.store:delete("triggers", known.ID)
end

return function(portal)
  portal.store:define("triggers", { id = "ID", size = 0 })
  portal.store:define("trigger_runs", { id = "ID", size = 0 })
  portal:method("crm.automation.trigger", { version = 2, scope = "crm", write = true }, activate)
  local about = { version = 2, scope = "crm", app = true, admin = true }
  local changing = { version = 2, scope = "crm", app = true, admin = true, write = true }
  portal:method("crm.automation.trigger.add", changing, add)
  portal:method("crm.automation.trigger.execute", changing, execute)
  portal:method("crm.automation.trigger.list", about, list)
  portal:method("crm.automation.trigger.delete", changing, delete)
end
