--- Activities: crm.activity.list, .get, .add, .todo.add, .update, .delete
-- (crm/timeline/activities/activity-base). A call list is one of them: to
-- delete a call list its activity is deleted (crm/call-list/index).

local format = string.format
local ipairs, pairs, tostring, type = ipairs, pairs, tostring, type
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local entities = require "bitrix24.sandbox.crm.entities"
local generate = require "bitrix24.sandbox.crm.generate"
local people = require "bitrix24.sandbox.people"

local _ENV = nil -- luacheck: ignore

local activities = {}

local TEXT = {
  "SUBJECT", "DESCRIPTION", "LOCATION", "PROVIDER_ID", "PROVIDER_TYPE_ID", "PROVIDER_GROUP_ID",
  "ORIGINATOR_ID", "ORIGIN_ID", "START_TIME", "END_TIME", "DEADLINE",
}
local NUMBERS = {
  "OWNER_ID", "OWNER_TYPE_ID", "TYPE_ID", "ASSOCIATED_ENTITY_ID", "RESPONSIBLE_ID", "PRIORITY",
  "NOTIFY_TYPE", "NOTIFY_VALUE", "DESCRIPTION_TYPE", "DIRECTION", "STATUS",
}
local NAMES = {
  "ID", "OWNER_ID", "OWNER_TYPE_ID", "TYPE_ID", "PROVIDER_ID", "PROVIDER_TYPE_ID", "PROVIDER_GROUP_ID",
  "ASSOCIATED_ENTITY_ID", "SUBJECT", "CREATED", "LAST_UPDATED", "START_TIME", "END_TIME", "DEADLINE",
  "COMPLETED", "STATUS", "RESPONSIBLE_ID", "PRIORITY", "NOTIFY_TYPE", "NOTIFY_VALUE", "DESCRIPTION",
  "DESCRIPTION_TYPE", "DIRECTION", "LOCATION", "SETTINGS", "ORIGINATOR_ID", "ORIGIN_ID", "AUTHOR_ID",
  "EDITOR_ID", "PROVIDER_PARAMS", "PROVIDER_DATA", "RESULT_MARK", "RESULT_VALUE", "RESULT_SUM",
  "RESULT_CURRENCY_ID", "RESULT_STATUS", "RESULT_STREAM", "RESULT_SOURCE_ID", "AUTOCOMPLETE_RULE",
}
local FILTER = {}
for _, name in ipairs(NAMES) do FILTER[name] = true end

local LISTS = { SETTINGS = true, PROVIDER_PARAMS = true }
local ZERO = { ASSOCIATED_ENTITY_ID = true, RESULT_MARK = true, RESULT_STATUS = true, RESULT_STREAM = true,
  AUTOCOMPLETE_RULE = true }
local EMPTY = { DESCRIPTION = true, LOCATION = true }

--- The subject the activity of a call list has. Editions differ: `Call #ID` on
-- the older pages, `Call list #ID` on those of August 2026.
---@param edition string
---@param list_id integer
---@return string
function activities.subject(edition, list_id)
  return format(edition == "2026" and "Call list #%d" or "Call #%d", list_id)
end

--- The fields of the activity of a call list.
---@param edition string
---@param list table the call list
---@param created string date
---@return table
function activities.of_call_list(edition, list, created)
  return {
    OWNER_ID = list.members and list.members[1] and list.members[1].id,
    OWNER_TYPE_ID = list.ENTITY_TYPE_ID,
    TYPE_ID = 6,
    PROVIDER_ID = "CALL_LIST",
    PROVIDER_TYPE_ID = "CALL_LIST",
    ASSOCIATED_ENTITY_ID = list.ID,
    SUBJECT = activities.subject(edition, list.ID),
    CREATED = created, LAST_UPDATED = created,
    START_TIME = created, END_TIME = created, DEADLINE = created,
    COMPLETED = "N", STATUS = 1,
    RESPONSIBLE_ID = list.CREATED_BY_ID, AUTHOR_ID = list.CREATED_BY_ID, EDITOR_ID = list.CREATED_BY_ID,
    PRIORITY = 2, NOTIFY_TYPE = 0, NOTIFY_VALUE = 0, DESCRIPTION_TYPE = 1, DIRECTION = 2,
  }
end

-- Calls and meetings; the first ones belong to the call lists of the start.
local function maker(portal)
  local sizes = portal.store.sizes
  return function(seed, a)
    if a <= sizes.calllists and portal.store:exists("calllists", a) then
      local list = portal.store:get("calllists", a)
      local created = list.CREATED or generate.stamp(generate.EPOCH)
      return activities.of_call_list(portal.options.edition, list, created)
    end
    local roll = people.mix(seed, a, 21)
    local created = generate.stamp(generate.EPOCH - roll % (300 * 86400))
    local user = 1 + (roll >> 5) % (sizes.users > 0 and sizes.users or 1)
    local owner = sizes.contacts > 0 and 1 + (roll >> 9) % sizes.contacts or 0
    local call = roll % 3 ~= 0
    return {
      OWNER_ID = owner, OWNER_TYPE_ID = 3,
      TYPE_ID = call and 2 or 1,
      PROVIDER_ID = call and "VOXIMPLANT_CALL" or "CRM_MEETING",
      PROVIDER_TYPE_ID = call and "CALL" or "MEETING",
      SUBJECT = format(call and "Outgoing call %d" or "Meeting %d", a),
      CREATED = created, LAST_UPDATED = created,
      START_TIME = created, END_TIME = created, DEADLINE = created,
      COMPLETED = roll % 2 == 0 and "Y" or "N", STATUS = roll % 2 == 0 and 2 or 1,
      RESPONSIBLE_ID = user, AUTHOR_ID = user, EDITOR_ID = user,
      PRIORITY = 2, NOTIFY_TYPE = 1, NOTIFY_VALUE = 15, DESCRIPTION_TYPE = 1, DIRECTION = 2,
    }
  end
end

local function shown(name, value)
  if value == nil then
    if LISTS[name] then return json.array {} end
    return ZERO[name] and "0" or EMPTY[name] and "" or json.null
  end
  return type(value) == "number" and tostring(value) or value
end

local function show(record, names)
  local out = {}
  for _, name in ipairs(names) do out[name] = shown(name, record[name]) end
  return out
end

local function columns(select)
  local names = common.list(select)
  if #names == 0 then return NAMES end
  local list = { "ID" }
  for _, name in ipairs(names) do
    if name == "*" then return NAMES end
    if FILTER[name] and name ~= "ID" then list[#list + 1] = name end
  end
  return list
end

local function list(call)
  local found, page = common.query(call, "activities", { fields = FILTER })
  local names, out = columns(call:param("select")), json.array {}
  for i, record in ipairs(found) do out[i] = show(record, names) end
  return out, page
end

local function named(call)
  local id = common.id(call)
  if not id then call:fail("", "Invalid identifier.") end
  local record = call.store:get("activities", id)
  if not record then call:fail("", "Not found") end
  return record, id
end

local function apply(record, given)
  for _, name in ipairs(TEXT) do
    if given[name] ~= nil then record[name] = common.text(given[name]) end
  end
  for _, name in ipairs(NUMBERS) do
    if given[name] ~= nil then record[name] = common.int(given[name]) end
  end
  if given.COMPLETED ~= nil then record.COMPLETED = common.yes(given.COMPLETED) and "Y" or "N" end
end

local function add(call)
  local given = common.table(call:param("fields"))
  if not given then call:fail("", "Parameter 'fields' must be array.") end
  local now = call.portal:date(call.portal:now())
  local record = {
    CREATED = now, LAST_UPDATED = now, START_TIME = now, END_TIME = now, DEADLINE = now,
    COMPLETED = "N", STATUS = 1, RESPONSIBLE_ID = call.user_id, AUTHOR_ID = call.user_id,
    EDITOR_ID = call.user_id, PRIORITY = 2, NOTIFY_TYPE = 0, NOTIFY_VALUE = 0, DESCRIPTION_TYPE = 1,
  }
  apply(record, given)
  if not record.OWNER_ID or not record.OWNER_TYPE_ID then
    call:fail("", "The field OWNER_ID is required.")
  elseif not record.TYPE_ID and not record.PROVIDER_ID then
    call:fail("", "The field TYPE_ID is required.")
  elseif not record.SUBJECT then
    call:fail("", "The field SUBJECT is required.")
  end
  return call.store:add("activities", record)
end

-- The type of activities that are done, neither called nor met.
local TO_DO = ("todo"):upper()

-- An activity of today's kind (crm/timeline/activities/todo/crm-activity-todo-add).
local function add_todo(call)
  local owner_type, owner = common.int(call:param("ownerTypeId")), common.id(call, "ownerId")
  local deadline = common.text(call:param("deadline"))
  for _, name in ipairs { "ownerTypeId", "ownerId", "deadline" } do
    if call:param(name) == nil then common.missing(call, name) end
  end
  local entity = entities.of(call.store, owner_type)
  if not entity or not owner or not call.store:exists(entity.kind, owner) then
    call:fail("OWNER_NOT_FOUND", "Owner was not found")
  end
  if not deadline or not deadline:find("^%d%d%d%d%-%d%d%-%d%d") then
    call:fail("WRONG_DATETIME_FORMAT", "Wrong datetime format")
  end
  local now, user = call.portal:date(call.portal:now()), call.user_id
  local id = call.store:add("activities", {
    OWNER_ID = owner, OWNER_TYPE_ID = owner_type, TYPE_ID = 6, PROVIDER_ID = "CRM_" .. TO_DO,
    PROVIDER_TYPE_ID = TO_DO, SUBJECT = common.text(call:param("title")) or "",
    DESCRIPTION = common.text(call:param("description")), CREATED = now, LAST_UPDATED = now,
    START_TIME = now, END_TIME = deadline, DEADLINE = deadline, COMPLETED = "N", STATUS = 1,
    RESPONSIBLE_ID = common.int(call:param("responsibleId")) or user, AUTHOR_ID = user, EDITOR_ID = user,
    PRIORITY = 2, NOTIFY_TYPE = 0, NOTIFY_VALUE = 0, DESCRIPTION_TYPE = 1, DIRECTION = 0,
  })
  return { id = id }
end

local function update(call)
  local record, id = named(call)
  apply(record, common.table(call:param("fields")) or {})
  record.EDITOR_ID, record.LAST_UPDATED = call.user_id, call.portal:date(call.portal:now())
  call.store:set("activities", id, record)
  return true
end

local function delete(call)
  local record, id = named(call)
  call.store:delete("activities", id)
  if record.PROVIDER_ID == "CALL_LIST" then
    call.store:delete("calllists", record.ASSOCIATED_ENTITY_ID)
  end
  return true
end

function activities.load(portal)
  local store = portal.store
  store:define("activities", { id = "ID", make = maker(portal), size = store.sizes.activities })
  local about = { version = 2, scope = "crm" }
  for name, run in pairs { list = list, get = function(call) return show(named(call), NAMES) end } do
    portal:method("crm.activity." .. name, about, run)
  end
  for name, run in pairs { add = add, ["todo.add"] = add_todo, update = update, delete = delete } do
    portal:method("crm.activity." .. name, { version = 2, scope = "crm", write = true }, run)
  end
end

return activities
