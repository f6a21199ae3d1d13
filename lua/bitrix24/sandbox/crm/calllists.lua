--- Call lists, crm.calllist.* (crm/call-list/index). A call list is known by
-- its activity, which carries the members' progress in the interface and whose
-- deletion deletes the list.
--
-- Editions differ in the errors: the older pages name them by phrases
-- ("Incorrect list id"), those of August 2026 by codes (LIST_ID_ERROR).

local format = string.format
local ipairs, pairs, tostring = ipairs, pairs, tostring
local json = require "bitrix24.json"
local activities = require "bitrix24.sandbox.crm.activities"
local common = require "bitrix24.sandbox.crm.common"
local generate = require "bitrix24.sandbox.crm.generate"
local people = require "bitrix24.sandbox.people"
local query = require "bitrix24.sandbox.query"

local _ENV = nil -- luacheck: ignore

local TYPES = { CONTACT = 3, COMPANY = 4 }
local NAMES = { [3] = "CONTACT", [4] = "COMPANY" }
local KINDS = { [3] = "contacts", [4] = "companies" }

-- What is wrong → { older code, older text, newer code, newer text, status }.
local ERRORS = {
  arguments = { "Invalid parameters.", "Invalid parameters were provided.", "ERROR_ARGUMENT",
    "Invalid parameters" },
  type = { "Incorrect entity type", "An unsupported object type was specified.", "ENTITY_TYPE_ERROR",
    "EntityType is incorrect" },
  not_list = { "Entities is not array", "The ENTITIES parameter is not an array.", "ENTITIES_ERROR",
    "Entities is not array" },
  members = { "Incorrect entities id", "Invalid ID of elements were provided.", "ENTITY_ERROR",
    "Incorrect entities id" },
  members_update = { "Incorrect entities id", "Invalid IDs of elements were provided.", "ENTITIES_ERROR",
    "Incorrect entities id" },
  webform = { "Incorrect webform id", "Invalid ID of the CRM form.", "WEBFORM_ERROR",
    "Incorrect webform id" },
  list = { "Incorrect list id", "An incorrect list identifier was provided.", "LIST_ID_ERROR",
    "Incorrect list id" },
  list_positive = { "Incorrect list id", "An incorrect list identifier was provided.", "LIST_ID_ERROR",
    "List id should be positive" },
  list_update = { "Incorrect list id or access denied", "Invalid list identifier or no access.",
    "LIST_ID_ERROR", "Incorrect list id or access denied" },
  other_type = { "Discrepancy between the type of call participants and incoming type",
    "Mismatch between participant type and provided type.", "ENTITY_TYPE_ERROR",
    "Discrepancy between the type of call participants and incoming type" },
  status = { "Incorrect status", "Incorrect call status.", "STATUS_ERROR", "Incorrect status" },
}

local function refuse(call, what)
  local words = ERRORS[what]
  if call.portal.options.edition == "2026" then call:fail(words[3], words[4]) end
  call:fail(words[1], words[2])
end

local FIELDS = {
  ID = true, DATE_CREATE = true, CREATED_BY_ID = true, WEBFORM_ID = true, ENTITY_TYPE_ID = true,
}

local function unknown_field(call)
  return function(name)
    local text = format('Unknown field definition "%s"', name)
    if call.portal.options.edition == "2026" then
      text = format("Unknown field definition `%s` (%s) for %s Entity.",
        name, name, "\\Bitrix\\Crm\\CallList\\Internals\\CallList")
    end
    call:fail("100", text)
  end
end

-- "2025-07-14 08:47:19": no zone, unlike the dates of other objects.
local function plain_date(date)
  return (date:sub(1, 19):gsub("T", " "))
end

-- Call lists of the start: some contacts, partly called.
local function maker(portal)
  local sizes = portal.store.sizes
  local statuses = { "IN_WORK", "IN_WORK", "SUCCESS", "WRONG_NUMBER", "STOP_CALLING" }
  return function(seed, id)
    local roll = people.mix(seed, id, 31)
    local company = id % 3 == 0 and sizes.companies > 0
    local total = company and sizes.companies or sizes.contacts
    local members, first = {}, roll % (total > 0 and total or 1)
    for i = 1, total < 5 + roll % 8 and total or 5 + roll % 8 do
      members[i] = { id = (first + i - 1) % total + 1, status = statuses[1 + (roll >> i) % #statuses] }
    end
    local created = generate.stamp(generate.EPOCH - roll % (90 * 86400))
    return {
      CREATED = created, DATE_CREATE = plain_date(created),
      CREATED_BY_ID = 1 + (roll >> 6) % (sizes.users > 0 and sizes.users or 1),
      WEBFORM_ID = roll % 2 == 0 and 1 or nil,
      ENTITY_TYPE_ID = company and 4 or 3,
      members = members,
    }
  end
end

local function show(record, names)
  local out = {}
  for _, name in ipairs(names) do
    local value = record[name]
    out[name] = value == nil and json.null or tostring(value)
  end
  return out
end

-- The members and the form as add and update take them.
local function read_members(call, update)
  local type_name, sent = call:param("ENTITY_TYPE"), call:param("ENTITIES")
  if type_name == nil or sent == nil or sent == json.null then refuse(call, "arguments") end
  local type_id = TYPES[type_name]
  if not type_id then refuse(call, "type") end
  if not common.is_list(sent) then refuse(call, "not_list") end
  local ids, seen = {}, {}
  for _, value in ipairs(common.list(sent)) do
    local id = common.int(value)
    if not id or not call.store:exists(KINDS[type_id], id) then
      refuse(call, update and "members_update" or "members")
    end
    if not seen[id] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  if #ids == 0 then refuse(call, update and "members_update" or "members") end
  local webform = call:param("WEBFORM_ID")
  if webform == json.null or webform == "" or webform == 0 or webform == "0" then webform = nil end
  if webform ~= nil then
    webform = common.int(webform)
    if not webform or webform < 1 or webform > call.store.sizes.webforms then refuse(call, "webform") end
  end
  return type_id, ids, webform
end

local function add(call)
  local type_id, ids, webform = read_members(call, false)
  local created = call.portal:date(call.portal:now())
  local record = {
    CREATED = created, DATE_CREATE = plain_date(created), CREATED_BY_ID = call.user_id,
    WEBFORM_ID = webform, ENTITY_TYPE_ID = type_id, members = {},
  }
  for i, id in ipairs(ids) do record.members[i] = { id = id, status = "IN_WORK" } end
  record.ID = call.store:add("calllists", record)
  call.store:add("activities", activities.of_call_list(call.portal.options.edition, record, created))
  return record.ID
end

local function update(call)
  if call:param("LIST_ID") == nil then refuse(call, "arguments") end
  local id = common.id(call, "LIST_ID")
  local record = id and call.store:get("calllists", id)
  if not record then refuse(call, "list_update") end
  local type_id, ids, webform = read_members(call, true)
  if type_id ~= record.ENTITY_TYPE_ID then refuse(call, "other_type") end
  local status, members = {}, {}
  for _, member in ipairs(record.members) do status[member.id] = member.status end
  for i, member in ipairs(ids) do members[i] = { id = member, status = status[member] or "IN_WORK" } end
  record.members = members
  record.WEBFORM_ID = webform -- cleared when not sent (crm-calllist-update)
  call.store:set("calllists", id, record)
  return true
end

local function get(call)
  if call:param("ID") == nil then refuse(call, "arguments") end
  local id = common.id(call, "ID")
  local record = id and call.store:get("calllists", id)
  if not record then refuse(call, "list") end
  local out = show(record, { "ID", "DATE_CREATE", "CREATED_BY_ID", "WEBFORM_ID", "ENTITY_TYPE_ID" })
  out.ENTITY_TYPE = NAMES[record.ENTITY_TYPE_ID]
  return out
end

local function statuses(call)
  return (query.run(call.store, "statuses", {
    filter = { ["=ENTITY_ID"] = "CALL_LIST" }, order = { SORT = "ASC" },
    limit = call.store:count("statuses") + 1,
  }))
end

local function items_get(call)
  if call:param("LIST_ID") == nil then refuse(call, "arguments") end
  local id = common.id(call, "LIST_ID")
  if not id then refuse(call, "list_positive") end
  local record = call.store:get("calllists", id)
  if not record then refuse(call, "list") end
  local filter = common.table(call:param("FILTER")) or {}
  local wanted = filter.STATUS
  if wanted ~= nil then
    local known = false
    for _, status in ipairs(statuses(call)) do known = known or status.STATUS_ID == wanted end
    if not known then refuse(call, "status") end
  end
  local out = json.array {}
  for _, member in ipairs(record.members) do
    if wanted == nil or member.status == wanted then
      out[#out + 1] = { ID = member.id, STATUS = member.status, ENTITY_TYPE = record.ENTITY_TYPE_ID }
    end
  end
  return out
end

-- No pages: the whole list at once.
local function list(call)
  local names = { "ID", "DATE_CREATE", "CREATED_BY_ID", "WEBFORM_ID", "ENTITY_TYPE_ID" }
  for _, name in pairs { "SELECT", "FILTER", "ORDER" } do
    local sent = call:param(name)
    if sent ~= nil and not common.table(sent) then refuse(call, "arguments") end
  end
  local select = common.list(call:param("SELECT"))
  local unknown = unknown_field(call)
  for _, name in ipairs(select) do
    if not FIELDS[name] and name ~= "*" then unknown(tostring(name)) end
    if name == "*" then select = names end
  end
  local found = common.query(call, "calllists", {
    fields = FIELDS, unknown = unknown, start = 0, limit = call.store:count("calllists") + 1,
  })
  local out = json.array {}
  for i, record in ipairs(found) do out[i] = show(record, #select > 0 and select or names) end
  return out
end

local function statuslist(call)
  local out = json.array {}
  for i, status in ipairs(statuses(call)) do
    out[i] = { ID = status.ID, NAME = status.NAME, SORT = status.SORT, STATUS_ID = status.STATUS_ID }
  end
  return out
end

return function(portal)
  local sizes = portal.store.sizes
  local possible = sizes.contacts > 0 or sizes.companies > 0
  portal.store:define("calllists", {
    id = "ID", make = maker(portal), size = possible and sizes.calllists or 0,
  })
  local about = { version = 2, scope = "crm" }
  local changing = { version = 2, scope = "crm", write = true }
  portal:method("crm.calllist.add", changing, add)
  portal:method("crm.calllist.update", changing, update)
  portal:method("crm.calllist.get", about, get)
  portal:method("crm.calllist.items.get", about, items_get)
  portal:method("crm.calllist.list", about, list)
  portal:method("crm.calllist.statuslist", about, statuslist)
end
