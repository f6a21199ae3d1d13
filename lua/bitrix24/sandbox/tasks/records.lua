-- Tasks of the sandbox: the stored record, in the upper-case names of REST 2,
-- and the people of a task as both versions show them.

local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local records = {}

local VERBS = { "Collect feedback", "Prepare the contract", "Approve the estimate", "Call the customer",
  "Update the price list", "Check the delivery", "Write the report", "Plan the workshop" }

-- Status numbers of REST 2 and names of REST 3.0.
records.STATUS = { [1] = "new", [2] = "pending", [3] = "in_progress", [4] = "supposedly_completed",
  [5] = "completed", [6] = "deferred", [7] = "declined" }
records.PRIORITY = { [0] = "low", [1] = "average", [2] = "high" }

--- A generator of tasks, for store:define.
function records.maker(portal)
  local people, groups = world.size(portal, "users"), world.size(portal, "workgroups")
  return function(seed, id)
    local created = world.EPOCH - 86400 * (1 + world.roll(seed, "task", id) % 300)
    local status = ({ 2, 2, 3, 5, 5, 6 })[1 + world.roll(seed, "status", id) % 6]
    local due = world.roll(seed, "due", id) % 4
    return {
      ID = id,
      TITLE = ("%s %d"):format(world.pick(VERBS, seed, "verb", id), id),
      DESCRIPTION = id % 3 == 0 and "Please [B]check[/B] it twice." or "",
      STATUS = status,
      PRIORITY = id % 7 == 0 and 2 or 1,
      DEADLINE = due > 0 and portal:date(created + 86400 * 7 * due) or nil,
      CREATED_BY = 1 + world.roll(seed, "task from", id) % people,
      RESPONSIBLE_ID = 1 + world.roll(seed, "task for", id) % people,
      GROUP_ID = id % 3 == 0 and groups > 0 and 1 + world.roll(seed, "task group", id) % groups or 0,
      PARENT_ID = 0,
      ACCOMPLICES = {},
      AUDITORS = id % 5 == 0 and { 1 + world.roll(seed, "auditor", id) % people } or {},
      MARK = "",
      CREATED_DATE = portal:date(created),
      CHANGED_DATE = portal:date(created + 3600),
      ACTIVITY_DATE = portal:date(created + 7200),
      CLOSED_DATE = status == 5 and portal:date(created + 86400 * 3) or nil,
    }
  end
end

--- A person of a task as REST 2 shows him; an empty list for nobody.
function records.person(call, id)
  local user = call.store:get("users", id)
  return user and {
    id = tostring(id), name = users.name(user), link = ("/company/personal/user/%d/"):format(id),
    icon = "/bitrix/images/tasks/default_avatar.png", workPosition = user.WORK_POSITION,
  } or nil
end

--- Whether the caller may see the task: administrators all, others their own.
function records.sees(call, task)
  local me = call.store:get("users", call.user_id)
  if me and me.ADMIN or task.CREATED_BY == call.user_id or task.RESPONSIBLE_ID == call.user_id then
    return true
  end
  for _, id in ipairs(task.AUDITORS) do
    if id == call.user_id then
      return true
    end
  end
  return false
end

return records
