-- tasks.task.list, get and add of REST 2: fields are named in upper case and
-- answered in camelCase with every number as text; a task nobody may see is
-- an empty list with status 200 (tasks/tasks-task-get).

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.tasks.records"
local world = require "bitrix24.sandbox.users.world"

local rest2 = {}

local FIELDS = {
  "ID", "TITLE", "DESCRIPTION", "STATUS", "PRIORITY", "DEADLINE", "CREATED_BY", "RESPONSIBLE_ID",
  "GROUP_ID", "PARENT_ID", "ACCOMPLICES", "AUDITORS", "MARK", "CREATED_DATE", "CHANGED_DATE",
  "ACTIVITY_DATE", "CLOSED_DATE",
}
local SORTABLE = {
  ID = "ID", TITLE = "TITLE", DATE_START = "ID", CREATED_DATE = "CREATED_DATE", CHANGED_DATE = "CHANGED_DATE",
  CLOSED_DATE = "CLOSED_DATE", ACTIVITY_DATE = "ACTIVITY_DATE", START_DATE_PLAN = "ID", END_DATE_PLAN = "ID",
  DEADLINE = "DEADLINE", REAL_STATUS = "STATUS", STATUS_COMPLETE = "STATUS", PRIORITY = "PRIORITY",
  MARK = "MARK", GROUP_ID = "GROUP_ID", TIME_ESTIMATE = "ID", ALLOW_CHANGE_DEADLINE = "ID",
  ALLOW_TIME_TRACKING = "ID", MATCH_WORK_TIME = "ID", FAVORITE = "ID", SORTING = "ID", IS_PINNED = "ID",
  IS_PINNED_IN_GROUP = "ID", TIME_SPENT_IN_LOGS = "ID", CREATED_BY_LAST_NAME = "CREATED_BY",
  RESPONSIBLE_LAST_NAME = "RESPONSIBLE_ID",
}
local ALIAS = { REAL_STATUS = "STATUS" }

local function camel(name)
  return (name:lower():gsub("_(%w)", string.upper))
end

local function texts(ids)
  local list = json.array {}
  for i, id in ipairs(ids) do
    list[i] = tostring(id)
  end
  return list
end

local function value_of(task, name)
  local value = task[name]
  if name == "ACCOMPLICES" or name == "AUDITORS" then
    return texts(value)
  elseif value == nil then
    return json.null
  end
  return tostring(value)
end

-- The chosen fields, nil for all; `select` of another type fails the call.
local function selected(call)
  local given = call:param("select")
  if given == nil or given == json.null then
    return nil
  elseif type(given) ~= "table" then
    call:fail("100", "Invalid value {} to match with parameter {select}. "
      .. "Should be value of type array. (internal error)")
  end
  local wanted = {}
  for _, name in ipairs(given) do
    name = tostring(name)
    -- both spellings are taken: subStatus and SUB_STATUS
    wanted[(name:find("%l") and name:gsub("(%u)", "_%1") or name):upper()] = true
  end
  return next(wanted) and not wanted["*"] and wanted or nil
end

local function people_data(call, ids)
  local map = {}
  for _, id in ipairs(ids) do
    map[tostring(id)] = records.person(call, id)
  end
  return next(map) and json.object(map) or json.array {}
end

local function group_of(call, task)
  local group = task.GROUP_ID > 0 and call.store:get("workgroups", task.GROUP_ID)
  if not group then
    return json.array {}
  end
  return { id = tostring(group.ID), name = group.NAME, opened = group.OPENED == "Y",
    membersCount = group.NUMBER_OF_MEMBERS, image = "", additionalData = json.array {} }
end

local function shown(call, task, wanted)
  local item = { id = tostring(task.ID), group = group_of(call, task), descriptionInBbcode = "Y" }
  for _, name in ipairs(FIELDS) do
    if not wanted or wanted[name] then
      item[camel(name)] = value_of(task, name)
    end
  end
  if item.createdBy then
    item.creator = records.person(call, task.CREATED_BY)
  end
  if item.responsibleId then
    item.responsible = records.person(call, task.RESPONSIBLE_ID)
  end
  if item.accomplices then
    item.accomplicesData = people_data(call, task.ACCOMPLICES)
  end
  if item.auditors then
    item.auditorsData = people_data(call, task.AUDITORS)
  end
  if item.status then
    item.subStatus = item.status
  end
  return item
end

local function filter_of(call)
  local filter, given = {}, call:param("filter")
  for key, value in pairs(type(given) == "table" and given or {}) do
    if type(key) == "string" and not key:find("^::") then
      local prefix, name = key:upper():match("^([^%w_]*)(.*)$")
      filter[prefix .. (ALIAS[name] or name)] = value
    end
  end
  return filter
end

local function order_of(call)
  return world.order(call:param("order"), function(name)
    if not SORTABLE[name] then
      call:fail("0", "Invalid sorting key (internal error)")
    end
    return SORTABLE[name]
  end, "ID")
end

function rest2.list(call)
  local wanted = selected(call)
  local found = world.find(call, "tasks", filter_of(call), order_of(call))
  local seen = {}
  for _, task in ipairs(found) do
    if records.sees(call, task) then
      seen[#seen + 1] = task
    end
  end
  local page, envelope = world.page(seen, world.start(call:param("start")))
  local list = json.array {}
  for i, task in ipairs(page) do
    list[i] = shown(call, task, wanted)
  end
  return { tasks = list }, envelope
end

function rest2.get(call)
  local id = world.int(call:param("taskId"))
  if not id then
    call:fail("100", "Could not find value for parameter {taskId} (internal error)")
  end
  local wanted = selected(call)
  local task = call.store:get("tasks", id)
  if not task or not records.sees(call, task) then
    return json.array {}
  end
  local item = shown(call, task, wanted)
  item.favorite = "N"
  item.action = { edit = true, remove = true, complete = task.STATUS ~= 5, start = task.STATUS == 2 }
  return { task = item }
end

--- A task out of the fields both versions of `add` have brought to one shape.
function rest2.create(call, fields)
  local now = call.portal:date(call.portal:now())
  local record = {
    DESCRIPTION = "", STATUS = 2, PRIORITY = 1, CREATED_BY = call.user_id, GROUP_ID = 0, PARENT_ID = 0,
    ACCOMPLICES = {}, AUDITORS = {}, MARK = "", CREATED_DATE = now, CHANGED_DATE = now, ACTIVITY_DATE = now,
  }
  for name, value in pairs(fields) do
    record[name] = value
  end
  return call.store:get("tasks", call.store:add("tasks", record))
end

function rest2.add(call)
  local given, fields = call:param("fields"), {}
  if type(given) ~= "table" then
    call:fail("100", "Could not find value for parameter {fields} (internal error)")
  end
  for key, value in pairs(given) do
    fields[tostring(key):upper()] = value
  end
  local responsible = world.int(fields.RESPONSIBLE_ID)
  if type(fields.TITLE) ~= "string" or fields.TITLE == "" then
    call:fail("ERROR_CORE", "TASKS_BAD_TITLE")
  elseif not responsible or not call.store:get("users", responsible) then
    call:fail("ERROR_CORE", "TASKS_BAD_RESPONSIBLE_ID")
  end
  return { task = shown(call, rest2.create(call, {
    TITLE = fields.TITLE, DESCRIPTION = tostring(fields.DESCRIPTION or ""), RESPONSIBLE_ID = responsible,
    CREATED_BY = world.int(fields.CREATED_BY, call.user_id), PRIORITY = world.int(fields.PRIORITY, 1),
    GROUP_ID = world.int(fields.GROUP_ID, 0),
    DEADLINE = type(fields.DEADLINE) == "string" and fields.DEADLINE ~= "" and fields.DEADLINE or nil,
  })) }
end

return rest2
