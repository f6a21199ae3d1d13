-- tasks.task.list, get and add of REST 3.0: result.items and result.item,
-- numbers as numbers, states as words. Without `select` the list gives ids
-- alone, and it filters by `id` only (tasks/tasks-task-list-rest-v3).

local json = require "bitrix24.json"
local filter = require "bitrix24.sandbox.hr.filter"
local common = require "bitrix24.sandbox.hr.rest3"
local create = require "bitrix24.sandbox.tasks.rest2".create
local records = require "bitrix24.sandbox.tasks.records"
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local rest3 = {}

local FIELDS = {
  "id", "title", "description", "creatorId", "responsibleId", "groupId", "parentId", "deadline", "status",
  "priority", "mark", "created", "changed", "activity", "closed", "needsControl", "siteId", "link",
  "startPlan", "endPlan", "fileIds", "checklist", "epicId", "storyPoints", "statusChanged",
  "containsChecklist", "chatId", "estimatedTime", "replicate", "xmlId", "allowsTimeTracking",
  "dependsOn", "scenarios",
}
local FILTERABLE, SORTABLE = {}, { id = true }
for _, name in ipairs(FIELDS) do
  FILTERABLE[name] = name == "id"
end

local function view(task)
  return {
    id = task.ID, title = task.TITLE, description = task.DESCRIPTION, creatorId = task.CREATED_BY,
    responsibleId = task.RESPONSIBLE_ID, groupId = task.GROUP_ID > 0 and task.GROUP_ID or nil,
    parentId = task.PARENT_ID > 0 and task.PARENT_ID or nil, deadline = task.DEADLINE,
    status = records.STATUS[task.STATUS], priority = records.PRIORITY[task.PRIORITY],
    mark = task.MARK ~= "" and task.MARK or "none", created = task.CREATED_DATE, changed = task.CHANGED_DATE,
    activity = task.ACTIVITY_DATE, closed = task.CLOSED_DATE, needsControl = false, siteId = "s1",
    statusChanged = task.CHANGED_DATE, containsChecklist = false, estimatedTime = 0, replicate = false,
    allowsTimeTracking = false, dependsOn = json.array {}, scenarios = json.array { "default" },
    link = ("/company/personal/user/%d/tasks/task/view/%d/"):format(task.RESPONSIBLE_ID, task.ID),
  }
end

-- Related objects that `select` reaches with a dot.
local function related(call)
  local function person(field)
    return function(record)
      local user = call.store:get("users", record[field])
      return user and { id = user.ID, name = users.name(user), email = user.EMAIL } or {}
    end
  end
  return { responsible = person("responsibleId"), creator = person("creatorId") }
end

function rest3.list(call)
  local names = common.select(call) or { "id" }
  local fits = filter.read(call, FILTERABLE, "TaskDto")
  local offset, limit = common.page(call, 50, 1000)
  local found = {}
  for _, task in ipairs(call.store:records("tasks")) do
    local shown = view(task)
    if records.sees(call, task) and fits(shown) then
      found[#found + 1] = shown
    end
  end
  common.sort(call, found, SORTABLE)
  return common.items(found, offset, limit, function(task)
    return common.project(call, task, names, FIELDS, related(call))
  end)
end

-- A selection of related fields alone leaves the own ones in: the example
-- selects responsible.name and has the whole task (tasks/tasks-task-get-rest-v3).
local function with_own(names)
  for _, name in ipairs(names or {}) do
    if not name:find(".", 1, true) then
      return names
    end
  end
  return names and table.move(FIELDS, 1, #FIELDS, #names + 1, names)
end

function rest3.get(call)
  local id, names = common.id(call, "id"), with_own(common.select(call))
  local task = call.store:get("tasks", id)
  if not task or not records.sees(call, task) then
    common.not_found(call, id)
  end
  return { item = common.project(call, view(task), names, FIELDS, related(call)) }
end

local function field(call, fields, name)
  if fields[name] == nil or fields[name] == json.null or fields[name] == "" then
    common.invalid(call, name, ("Required field `%s` is not specified"):format(name))
  end
  return fields[name]
end

local function person(call, fields, name)
  local id = world.int(field(call, fields, name))
  if not id or not call.store:get("users", id) then
    common.invalid(call, name, ("User with ID = `%s` not found"):format(tostring(fields[name])))
  end
  return id
end

function rest3.add(call)
  local fields = common.required(call, "fields")
  if type(fields) ~= "table" then
    common.invalid(call, "fields", "Required field `fields` is not specified")
  end
  local task = create(call, {
    TITLE = tostring(field(call, fields, "title")),
    CREATED_BY = person(call, fields, "creatorId"),
    RESPONSIBLE_ID = person(call, fields, "responsibleId"),
    DESCRIPTION = type(fields.description) == "string" and fields.description or "",
    DEADLINE = type(fields.deadline) == "string" and fields.deadline or nil,
  })
  return { item = common.project(call, view(task), nil, FIELDS) }
end

return rest3
