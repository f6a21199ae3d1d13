--- Smart processes: crm.type.* (crm/universal/user-defined-object-types), and
-- the reference of object types, crm.enum.ownertype.

local format = string.format
local ipairs, pairs = ipairs, pairs
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local entities = require "bitrix24.sandbox.crm.entities"
local generate = require "bitrix24.sandbox.crm.generate"
local people = require "bitrix24.sandbox.people"

local _ENV = nil -- luacheck: ignore

local types = {}

local FLAGS = {
  "isCategoriesEnabled", "isStagesEnabled", "isBeginCloseDatesEnabled", "isClientEnabled",
  "isUseInUserfieldEnabled", "isLinkWithProductsEnabled", "isMycompanyEnabled", "isDocumentsEnabled",
  "isSourceEnabled", "isObserversEnabled", "isRecyclebinEnabled", "isAutomationEnabled",
  "isBizProcEnabled", "isSetOpenPermissions", "isPaymentsEnabled", "isCountersEnabled",
}
local NAMES = { "id", "title", "code", "createdBy", "entityTypeId", "customSectionId", "createdTime",
  "updatedTime", "updatedBy" }
local FILTER = {}
for _, name in ipairs(NAMES) do FILTER[name] = true end
for _, name in ipairs(FLAGS) do FILTER[name] = true end

local TITLES = { "Vacation Request", "Equipment Purchase", "Onboarding", "Service Contract", "Claim",
  "Delivery" }

-- Generated numbers begin here; even ones are free for smart processes.
local FIRST_NUMBER = 1030

-- Which automated solution a generated type begins in: the first has two types,
-- the second one, the rest none.
local function solution_of(id, solutions)
  local solution = id <= 2 and 1 or id == 3 and 2 or nil
  return solution and solution <= solutions and solution or nil
end

local function maker(portal)
  local solutions = portal.store.sizes.automatedsolutions
  return function(seed, id)
    local roll = people.mix(seed, id, 41)
    local created = generate.stamp(generate.EPOCH - 400 * 86400 + id * 3600)
    local record = {
      title = TITLES[id] or format("Smart Process #%d", id),
      code = "", createdBy = 1, updatedBy = 1, createdTime = created, updatedTime = created,
      entityTypeId = FIRST_NUMBER + 2 * (id - 1),
      automatedSolutionId = solution_of(id, solutions),
      seeded = true,
    }
    for i, flag in ipairs(FLAGS) do record[flag] = (roll >> i) & 1 == 1 and "Y" or "N" end
    record.isClientEnabled, record.isStagesEnabled = "Y", "Y"
    return record
  end
end

local function show(record, whole)
  local out = {}
  for _, name in ipairs(NAMES) do
    local value = record[name]
    if value == nil then value = json.null end
    out[name] = value
  end
  for _, flag in ipairs(FLAGS) do out[flag] = record[flag] or "N" end
  if whole then
    out.relations = { parent = json.array {}, child = json.array {} }
    out.linkedUserFields = {
      ["CALENDAR_EVENT|UF_CRM_CAL_EVENT"] = "N", ["TASKS_TASK|UF_CRM_TASK"] = "N",
      ["TASKS_TASK_TEMPLATE|UF_CRM_TASK"] = "N",
    }
    out.customSections = json.array {}
  end
  return out
end

local function list(call)
  local found, page = common.query(call, "types", { fields = FILTER, unknown = common.not_allowed(call) })
  local out = json.array {}
  for i, record in ipairs(found) do out[i] = show(record, false) end
  return { types = out }, page
end

local function named(call)
  if call:param("id") == nil then common.missing(call, "id") end
  local id = common.id(call)
  local record = id and call.store:get("types", id)
  if not record then call:fail(0, "SPA not found") end
  return record, id
end

local function by_number(call)
  local number = call:param("entityTypeId")
  if number == nil then common.missing(call, "entityTypeId") end
  local record = entities.type_of(call.store, common.int(number))
  if not record then call:fail(0, "SPA not found") end
  return { type = show(record, true) }
end

local function apply(call, record, given)
  if given.title ~= nil then record.title = common.text(given.title) end
  for _, flag in ipairs(FLAGS) do
    if given[flag] ~= nil then record[flag] = common.yes(given[flag]) and "Y" or "N" end
  end
  record.updatedBy, record.updatedTime = call.user_id, call.portal:date(call.portal:now())
end

local function add(call)
  local given = common.table(call:param("fields"))
  if not given then common.missing(call, "fields") end
  local record = { code = "", createdBy = call.user_id, createdTime = call.portal:date(call.portal:now()) }
  apply(call, record, given)
  if not record.title then call:fail("BX_EMPTY_REQUIRED", 'The required field "title" is not filled') end
  local number = common.int(given.entityTypeId)
  if number and (number < FIRST_NUMBER or number % 2 == 1 or entities.type_of(call.store, number)) then
    call:fail("INVALID_ARG_VALUE", "Field 'entityTypeId' has an invalid value")
  end
  if not number then
    number = FIRST_NUMBER
    while entities.type_of(call.store, number) do number = number + 2 end
  end
  record.entityTypeId = number
  local id = call.store:add("types", record)
  record.id = id
  entities.declare(call.store, record)
  return { type = show(record, true) }
end

local function update(call)
  local record, id = named(call)
  apply(call, record, common.table(call:param("fields")) or {})
  call.store:set("types", id, record)
  return { type = show(record, true) }
end

local function delete(call)
  local record, id = named(call)
  if call.store:count(entities.declare(call.store, record)) > 0 then
    call:fail("BX_ERROR", "Cannot delete the SPA because it has items")
  end
  call.store:delete("types", id)
  return json.array {}
end

local function fields()
  local out = {}
  for _, names in ipairs { NAMES, FLAGS } do
    for _, name in ipairs(names) do
      local kind = names == FLAGS and "boolean" or name:find("Time$") and "datetime" or "string"
      if name == "id" or name == "entityTypeId" then kind = "integer" end
      out[name] = {
        type = kind, isRequired = name == "title", isReadOnly = names == NAMES and name ~= "title",
        isImmutable = name == "entityTypeId", isMultiple = false, isDynamic = false, title = name,
        upperName = name:gsub("%u", "_%0"):upper(),
      }
    end
  end
  return { fields = out }
end

local function owner_types(call)
  local out = json.array {}
  for _, entity in ipairs(entities.all(call.store)) do
    out[#out + 1] = {
      ID = entity.id, NAME = entity.title, SYMBOL_CODE = entity.name, SYMBOL_CODE_SHORT = entity.short,
    }
  end
  for _, entry in ipairs(entities.OTHER) do
    local row = {}
    for name, value in pairs(entry) do row[name] = value end
    out[#out + 1] = row
  end
  return out
end

function types.load(portal)
  local store, make = portal.store, maker(portal)
  local given = store:given("types", "id", make)
  for _, record in ipairs(given or {}) do -- a fixture may leave out the number, and what else is made
    for name, value in pairs(make(store.seed, record.id)) do
      if record[name] == nil and name ~= "seeded" then record[name] = value end
    end
  end
  store:define("types", { id = "id", make = make, given = given, size = store.sizes.types })
  for id in store:ids("types") do entities.declare(store, store:get("types", id)) end
  local about = { version = 2, scope = "crm" }
  local changing = { version = 2, scope = "crm", write = true }
  portal:method("crm.type.list", about, list)
  portal:method("crm.type.get", about, function(call) return { type = show(named(call), true) } end)
  portal:method("crm.type.getByEntityTypeId", about, by_number)
  portal:method("crm.type.fields", about, fields)
  portal:method("crm.type.add", changing, add)
  portal:method("crm.type.update", changing, update)
  portal:method("crm.type.delete", changing, delete)
  portal:method("crm.enum.ownertype", about, owner_types)
end

return types
