-- sonet_group.get, .create, .update, .delete. Failures carry an empty code and
-- must be told apart by their text (sonet-group/sonet-group-create and others).

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.groups.records"
local world = require "bitrix24.sandbox.users.world"

local sonet = {}

local COLUMNS = {
  "SITE_ID", "NAME", "DATE_CREATE", "DATE_UPDATE", "ACTIVE", "VISIBLE", "OPENED", "CLOSED",
  "SUBJECT_ID", "OWNER_ID", "NUMBER_OF_MEMBERS", "DATE_ACTIVITY", "PROJECT",
}
local WRITABLE = {
  "NAME", "DESCRIPTION", "VISIBLE", "OPENED", "CLOSED", "KEYWORDS", "INITIATE_PERMS",
  "PROJECT_DATE_START", "PROJECT_DATE_FINISH",
}

local SORTABLE = { ID = true }
for _, name in ipairs(COLUMNS) do
  SORTABLE[name] = true
end

local function sortable(name)
  return SORTABLE[name] and name
end

local function shown(group)
  local item = { ID = tostring(group.ID) }
  for _, name in ipairs(COLUMNS) do
    item[name] = tostring(group[name])
  end
  item.DESCRIPTION = group.DESCRIPTION ~= "" and group.DESCRIPTION or json.null
  item.KEYWORDS = group.KEYWORDS ~= "" and group.KEYWORDS or json.null
  item.SUBJECT_NAME = "Workgroups"
  item.IS_EXTRANET = "N"
  return item
end

local function upper_keys(object)
  local out = {}
  for key, value in pairs(type(object) == "table" and object or {}) do
    if type(key) == "string" then
      out[key:upper()] = value
    end
  end
  return out
end

function sonet.get(call)
  local filter = upper_keys(call:param("FILTER"))
  local one = world.int(call:param("GROUP_ID"))
  if one then
    filter = { ID = one }
  end
  filter.IS_EXTRANET = nil
  local found = world.find(call, "workgroups", filter, world.order(call:param("ORDER"), sortable, "ID"))
  local me = call.store:get("users", call.user_id)
  local all = world.yes(call:param("IS_ADMIN")) and me and me.ADMIN
  local seen = {}
  for _, group in ipairs(found) do
    if all or records.sees(group, call.user_id) then
      seen[#seen + 1] = group
    end
  end
  local page, envelope = world.page(seen, world.start(call:param("start")))
  local list = json.array {}
  for i, group in ipairs(page) do
    list[i] = shown(group)
  end
  return list, envelope
end

local function writable(call)
  local fields = {}
  for _, name in ipairs(WRITABLE) do
    local value = call:param(name)
    if value ~= nil and value ~= json.null then
      fields[name] = tostring(value)
    end
  end
  return fields
end

function sonet.create(call)
  local fields = writable(call)
  if not fields.NAME or fields.NAME == "" then
    call:fail("", "Cannot create group")
  end
  local owner = world.int(call:param("OWNER_ID"), call.user_id)
  if not call.store:get("users", owner) then
    owner = call.user_id
  end
  local master = world.int(call:param("SCRUM_MASTER_ID"), 0)
  local project = world.yes(call:param("PROJECT"))
  local now = call.portal:date(call.portal:now())
  local members = owner == call.user_id and { owner } or { owner, call.user_id }
  local record = {
    SITE_ID = "s1", DESCRIPTION = "", KEYWORDS = "", ACTIVE = "Y", CLOSED = "N", VISIBLE = "Y",
    OPENED = "N", PROJECT = project and "Y" or "N", LANDING = "N",
    TYPE = master > 0 and "scrum" or project and "project" or "group",
    SUBJECT_ID = world.int(call:param("SUBJECT_ID"), 1), OWNER_ID = owner, MEMBERS = members,
    NUMBER_OF_MEMBERS = #members, NUMBER_OF_MODERATORS = 1, INITIATE_PERMS = "K", IMAGE_ID = 0,
    SCRUM_OWNER_ID = master > 0 and owner or 0, SCRUM_MASTER_ID = master,
    SCRUM_SPRINT_DURATION = master > 0 and 1209600 or 0, SCRUM_TASK_RESPONSIBLE = master > 0 and "A" or "",
    DATE_CREATE = now, DATE_UPDATE = now, DATE_ACTIVITY = now, CHAT_ID = 0,
  }
  for name, value in pairs(fields) do
    record[name] = value
  end
  return call.store:add("workgroups", record)
end

-- The group to change, which only its owner and administrators may.
local function own(call, refusal)
  local id = world.int(call:param("GROUP_ID"))
  local group = id and call.store:get("workgroups", id)
  if not group then
    call:fail("", "Wrong group ID")
  end
  local me = call.store:get("users", call.user_id)
  if group.OWNER_ID ~= call.user_id and not (me and me.ADMIN) then
    call:fail("", refusal)
  end
  return group
end

function sonet.update(call)
  local group = own(call, "User has no permissions to update group")
  local fields = writable(call)
  local owner = world.int(call:param("OWNER_ID"))
  if owner and call.store:get("users", owner) then
    fields.OWNER_ID = owner
    if not records.role(group, owner) then
      local members = table.move(group.MEMBERS, 1, #group.MEMBERS, 2, { owner })
      fields.MEMBERS, fields.NUMBER_OF_MEMBERS = members, #members
    end
  end
  fields.DATE_UPDATE = call.portal:date(call.portal:now())
  call.store:update("workgroups", group.ID, fields)
  return group.ID
end

function sonet.delete(call)
  local group = own(call, "User has no permissions to delete group")
  call.store:delete("workgroups", group.ID)
  return true
end

return sonet
