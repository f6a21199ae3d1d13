-- socialnetwork.api.workgroup.list and .get.
--
-- The list answers in camelCase with every value as text; .get answers in
-- upper case with numbers (sonet-group/socialnetwork-api-workgroup-list, -get).

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.groups.records"
local world = require "bitrix24.sandbox.users.world"

local workgroups = {}

local FILTERABLE = {
  ID = true, NAME = true, OWNER_ID = true, ACTIVE = true, VISIBLE = true, OPENED = true,
  CLOSED = true, PROJECT = true, SUBJECT_ID = true, SITE_ID = true, DATE_CREATE = true,
  DATE_UPDATE = true, DATE_ACTIVITY = true,
}
local SELECTABLE = {
  "ID", "ACTIVE", "SUBJECT_ID", "NAME", "DESCRIPTION", "KEYWORDS", "CLOSED", "VISIBLE", "OPENED",
  "PROJECT", "LANDING", "DATE_CREATE", "DATE_UPDATE", "DATE_ACTIVITY", "IMAGE_ID", "AVATAR_TYPE",
  "OWNER_ID", "NUMBER_OF_MEMBERS", "NUMBER_OF_MODERATORS", "INITIATE_PERMS", "PROJECT_DATE_START",
  "PROJECT_DATE_FINISH", "SCRUM_OWNER_ID", "SCRUM_MASTER_ID", "SCRUM_SPRINT_DURATION",
  "SCRUM_TASK_RESPONSIBLE", "TYPE", "AVATAR",
}

local function camel(name)
  return (name:lower():gsub("_(%w)", string.upper))
end

-- Value of a case-insensitive key of the object `params`.
local function option(call, name)
  local params = call:param("params")
  for key, value in pairs(type(params) == "table" and params or {}) do
    if type(key) == "string" and key:lower() == name:lower() then
      return value
    end
  end
  return nil
end

-- Fields of the filter, known ones only: others are ignored.
local function filter_of(call)
  local filter, given = {}, call:param("filter")
  for key, value in pairs(type(given) == "table" and given or {}) do
    local name = type(key) == "string" and key:upper()
    if name and FILTERABLE[(name:gsub("^[^%w_]+", ""))] then
      filter[name] = value
    end
  end
  return filter
end

local function sortable(name)
  return FILTERABLE[name] and name
end

local function selected(call)
  local wanted, given = {}, call:param("select")
  for _, name in ipairs(type(given) == "table" and given or {}) do
    wanted[tostring(name):upper()] = true
  end
  if wanted["*"] then
    for _, name in ipairs(SELECTABLE) do
      wanted[name] = true
    end
  end
  wanted.ID = true
  -- the picture is what IMAGE_ID and AVATAR_TYPE describe: the example, which
  -- selects AVATAR alone, has all three
  if wanted.AVATAR then
    wanted.IMAGE_ID, wanted.AVATAR_TYPE = true, true
  end
  return wanted
end

local function avatar(portal, group)
  if group.IMAGE_ID == 0 then
    return ""
  end
  return ("%s/upload/socialnetwork/%d.png"):format(world.url(portal), group.IMAGE_ID)
end

local function list_item(call, group, wanted)
  local item = {}
  for _, name in ipairs(SELECTABLE) do
    if wanted[name] then
      local value = group[name]
      if name == "AVATAR" then
        value = avatar(call.portal, group)
      elseif value == nil then
        value = json.null
      elseif name ~= "AVATAR_TYPE" then
        value = tostring(value)
      end
      item[camel(name)] = value
    end
  end
  return item
end

-- Tools named by `features` that the group has, and the mandatory ones.
local function features(call)
  local list = json.array {}
  for _, name in ipairs { "features", "mandatoryFeatures" } do
    local given = option(call, name)
    for _, code in ipairs(type(given) == "table" and given or {}) do
      list[#list + 1] = code
    end
  end
  return list
end

local function additional_data(call, group)
  local role = records.role(group, call.user_id)
  local data = { role = role or "", initiatedByType = role and role ~= "A" and "G" or "" }
  local tools = features(call)
  if #tools > 0 then
    data.features = tools
  end
  return data
end

function workgroups.list(call)
  local me = call.store:get("users", call.user_id)
  local all = world.yes(option(call, "IS_ADMIN")) and me and me.ADMIN
  local found = world.find(call, "workgroups", filter_of(call),
    world.order(call:param("order"), sortable, "ID"))
  local seen = {}
  for _, group in ipairs(found) do
    if all or records.sees(group, call.user_id) then
      seen[#seen + 1] = group
    end
  end
  local page, envelope = world.page(seen, world.start(call:param("start")))
  local wanted, list = selected(call), json.array {}
  for i, group in ipairs(page) do
    local item = list_item(call, group, wanted)
    if option(call, "mode") == "mobile" then
      item.additionalData = additional_data(call, group)
    end
    if world.yes(option(call, "shouldSelectDialogId")) then
      item.dialogId = group.CHAT_ID ~= 0 and "chat" .. group.CHAT_ID or ""
    end
    list[i] = item
  end
  return { workgroups = list }, envelope
end

local GET_ALWAYS = {
  "ID", "ACTIVE", "SITE_ID", "SUBJECT_ID", "NAME", "DESCRIPTION", "KEYWORDS", "CLOSED", "VISIBLE",
  "OPENED", "DATE_CREATE", "DATE_UPDATE", "DATE_ACTIVITY", "IMAGE_ID", "AVATAR_TYPE", "OWNER_ID",
  "INITIATE_PERMS", "NUMBER_OF_MEMBERS", "NUMBER_OF_MODERATORS", "PROJECT", "PROJECT_DATE_START",
  "PROJECT_DATE_FINISH", "LANDING", "SCRUM_OWNER_ID", "SCRUM_SPRINT_DURATION",
  "SCRUM_TASK_RESPONSIBLE", "TYPE",
}

-- "2025-04-17T19:37:55+00:00" → "04/17/2025 19:37:55", the portal's format of dates.
local function localized(date)
  local y, m, d, time = date:match("^(%d+)-(%d+)-(%d+)T(%d+:%d+:%d+)")
  return y and ("%s/%s/%s %s"):format(m, d, y, time) or date
end

local function by_role(group, role)
  local list = json.array {}
  for _, u in ipairs(group.MEMBERS) do
    if records.role(group, u) == role then
      list[#list + 1] = u
    end
  end
  return list
end

local function tags(group)
  local list = json.array {}
  for tag in group.KEYWORDS:gmatch("[^,%s]+") do
    list[#list + 1] = tag
  end
  return list
end

function workgroups.get(call)
  local id = world.int(option(call, "groupId"))
  if not id or id < 1 then
    call:fail("SONET_CONTROLLER_WORKGROUP_EMPTY", "No value for the workgroup ID was provided.")
  end
  local group = call.store:get("workgroups", id)
  if not group or not records.sees(group, call.user_id) then
    call:fail("SONET_CONTROLLER_WORKGROUP_NOT_FOUND", "Workgroup was not found.")
  end
  local item = {}
  for _, name in ipairs(GET_ALWAYS) do
    local value = group[name]
    if value == nil then
      value = json.null
    elseif name:find("DATE", 1, true) then
      value = localized(value)
    end
    item[name] = value
  end
  item.SEARCH_INDEX = world.lower(group.NAME)
  item.MEMBERS = json.array(table.move(group.MEMBERS, 1, #group.MEMBERS, 1, {}))
  item.CHAT_ID = group.CHAT_ID
  item.DIALOG_ID = group.CHAT_ID ~= 0 and "chat" .. group.CHAT_ID or ""
  item.ORDINARY_MEMBERS = by_role(group, "K")
  item.MODERATOR_MEMBERS = by_role(group, "E")
  item.INVITED_MEMBERS = json.array {}
  item.SITE_IDS = json.array { group.SITE_ID }
  item.NUMBER_OF_MEMBERS_PLURAL = 0
  local extra = option(call, "select")
  for _, name in ipairs(type(extra) == "table" and extra or {}) do
    if name == "TAGS" then
      item.TAGS = tags(group)
    elseif name == "DEPARTMENTS" then
      item.DEPARTMENTS = json.array {}
    end
  end
  return item
end

return workgroups
