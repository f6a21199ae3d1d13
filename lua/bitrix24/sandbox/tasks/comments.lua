-- task.commentitem.add, get and getlist: methods that take their parameters by
-- places. A JSON array gives them so; of an object or a form the order counts
-- and not the names (tasks/comment-item/task-comment-item-add: "in the order
-- of the table", else WRONG_ARGUMENTS).

local json = require "bitrix24.json"
local keyorder = require "bitrix24.sandbox.keyorder"
local records = require "bitrix24.sandbox.tasks.records"
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local FIELDS = { "ID", "AUTHOR_ID", "AUTHOR_NAME", "AUTHOR_EMAIL", "POST_DATE", "POST_MESSAGE" }
local SORTABLE = { ID = true, AUTHOR_ID = true, AUTHOR_NAME = true, AUTHOR_EMAIL = true, POST_DATE = true }
local FILTERS = { ID = true, AUTHOR_ID = true, AUTHOR_NAME = true, POST_DATE = true }

local function fail(call, number, what, name)
  call:fail("ERROR_CORE", ("TASKS_ERROR_EXCEPTION_#%d; %s; %d/TE/%s<br>"):format(number, what, number, name))
end

local function wrong(call, place, name, what)
  fail(call, 256, ("Param #%d (%s) for method ctaskcommentitem::%s() %s."):format(place, name,
    call.method:match("%w+$"):lower(), what), "WRONG_ARGUMENTS")
end

--- What stands at each place.
local function arguments(call)
  local out = {}
  for _, key in ipairs(keyorder.keys(call.params)) do
    if key ~= "auth" then
      out[#out + 1] = call.params[key]
    end
  end
  return out
end

--- The task named at the first place.
local function task_of(call, given)
  local id = world.int(given)
  if not id then
    wrong(call, 0, "taskId", 'expected to be of type "integer", but given something else')
  end
  local task = call.store:get("tasks", id)
  if not task or not records.sees(call, task) then
    fail(call, 8, "Action failed", "ACTION_FAILED_TO_BE_PROCESSED")
  end
  return task
end

local function object_at(call, place, name, given)
  if given == nil then
    return {}
  elseif type(given) ~= "table" then
    wrong(call, place, name, 'expected to be of type "array", but given something else')
  end
  return given
end

local function shown(comment)
  local item = { POST_MESSAGE_HTML = json.null, ATTACHED_OBJECTS = json.object {} }
  for _, name in ipairs(FIELDS) do
    item[name] = tostring(comment[name])
  end
  return item
end

local function add(call)
  local given = arguments(call)
  local task = task_of(call, given[1])
  local fields = object_at(call, 1, "arFields", given[2])
  local author = call.store:get("users", world.int(fields.AUTHOR_ID, call.user_id))
  if type(fields.POST_MESSAGE) ~= "string" or fields.POST_MESSAGE == "" or not author then
    fail(call, 8, "Action failed", "ACTION_FAILED_TO_BE_PROCESSED")
  end
  return call.store:add("comments", {
    TASK_ID = task.ID, AUTHOR_ID = author.ID, AUTHOR_NAME = users.name(author), AUTHOR_EMAIL = "",
    POST_DATE = call.portal:date(call.portal:now()), POST_MESSAGE = fields.POST_MESSAGE,
  })
end

local function get(call)
  local given = arguments(call)
  local task = task_of(call, given[1])
  local comment = call.store:get("comments", world.int(given[2], 0))
  if not comment or comment.TASK_ID ~= task.ID then
    fail(call, 8, "Action failed", "ACTION_FAILED_TO_BE_PROCESSED")
  end
  return shown(comment)
end

--- Keys that are none of the place: they tell that the places are mixed up.
local function check_keys(call, place, name, object, allowed, prefix)
  for _, key in ipairs(keyorder.keys(object)) do
    if not allowed[tostring(key):match(prefix)] then
      wrong(call, place, name, ('must not contain key "%s"'):format(tostring(key)))
    end
  end
end

local function list(call)
  local given = arguments(call)
  local task = task_of(call, given[1])
  local order = object_at(call, 1, "arOrder", given[2])
  local filter = object_at(call, 2, "arFilter", given[3])
  check_keys(call, 1, "arOrder", order, SORTABLE, "^.*$")
  check_keys(call, 2, "arFilter", filter, FILTERS, "^[!<>]?=?(.*)$")
  local wanted = { TASK_ID = task.ID }
  for key, value in pairs(filter) do
    wanted[key] = value
  end
  local items = json.array {}
  local by = next(order) and world.order(order, function(name) return SORTABLE[name] and name end, "ID")
  for i, comment in ipairs(world.find(call, "comments", wanted, by or { ID = "DESC" })) do
    items[i] = shown(comment)
  end
  return items
end

return function(portal)
  world.define(portal, "comments", "ID", function(_, id) return { ID = id } end, 0)
  local reads = { version = 2, scope = "task" }
  portal:method("task.commentitem.add", { version = 2, scope = "task", write = true }, add)
  portal:method("task.commentitem.get", reads, get)
  portal:method("task.commentitem.getlist", reads, list)
end
