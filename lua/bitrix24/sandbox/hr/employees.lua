-- humanresources.employee.count, search, multidepartment, subordinates.

local json = require "bitrix24.json"
local nodes = require "bitrix24.sandbox.hr.nodes"
local rest3 = require "bitrix24.sandbox.hr.rest3"
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local employees = {}

local FIELDS = { "userId", "name", "workPosition", "avatar", "url", "departments", "teams" }

local function guard(call)
  if not nodes.may_see(call) then
    rest3.denied(call)
  end
end

local function everybody(call)
  local list = {}
  for _, user in ipairs(call.store:records("users")) do
    if user.USER_TYPE == "employee" and user.ACTIVE then
      list[#list + 1] = user
    end
  end
  return list
end

-- Nodes a user is in: {id, name} by type.
local function places(call, user_id)
  local found = { DEPARTMENT = json.array {}, TEAM = json.array {} }
  for _, node in ipairs(call.store:records("nodes")) do
    for _, member in ipairs(node.members) do
      if member.userId == user_id then
        table.insert(found[node.type], { id = node.id, name = node.name })
      end
    end
  end
  return found
end

local function view(call, user)
  local found = places(call, user.ID)
  local shown = users.im(call.portal, user)
  return {
    userId = user.ID, name = shown.name, workPosition = user.WORK_POSITION,
    avatar = shown.avatar ~= "" and shown.avatar or json.null,
    url = ("/company/personal/user/%d/"):format(user.ID),
    departments = found.DEPARTMENT, teams = found.TEAM,
  }
end

function employees.count(call)
  guard(call)
  return { total = #everybody(call) }
end

function employees.search(call)
  local name = tostring(rest3.required(call, "name", "Parameter \"name\" is required."))
  local node_id, names = world.int(call.params.nodeId), rest3.select(call)
  guard(call)
  local inside = node_id and {}
  local node = node_id and call.store:get("nodes", node_id)
  for _, member in ipairs(node and node.members or {}) do
    inside[member.userId] = true
  end
  local found = {}
  for _, user in ipairs(everybody(call)) do
    if world.contains(users.name(user), name) and (not inside or inside[user.ID]) then
      found[#found + 1] = user
    end
  end
  return rest3.items(found, 0, #found, function(user)
    return rest3.project(call, view(call, user), names, FIELDS)
  end)
end

--- Who works in more than one department; no items, a key of its own.
function employees.multidepartment(call)
  guard(call)
  local list = json.array {}
  for _, user in ipairs(everybody(call)) do
    if #user.UF_DEPARTMENT > 1 then
      list[#list + 1] = {
        userId = user.ID, name = users.name(user), workPosition = user.WORK_POSITION,
        departments = places(call, user.ID).DEPARTMENT,
      }
    end
  end
  return { employees = list, total = #list }
end

local LEADING = { MEMBER_HEAD = "HEAD", MEMBER_DEPUTY_HEAD = "DEPUTY_HEAD" }

--- The departments a user leads.
function employees.subordinates(call)
  local id = rest3.id(call, "id", "Parameter \"id\" is required and must be a positive integer.")
  guard(call)
  local list = json.array {}
  for _, node in ipairs(nodes.of_type(call.store, "DEPARTMENT")) do
    for _, member in ipairs(node.members) do
      if member.userId == id and LEADING[member.role] then
        list[#list + 1] = {
          nodeId = node.id, name = node.name, role = LEADING[member.role],
          subordinatesCount = #node.members - 1,
        }
      end
    end
  end
  return { userId = id, departments = list }
end

return employees
