-- humanresources.node.member.add, set, move, remove.

local json = require "bitrix24.json"
local nodes = require "bitrix24.sandbox.hr.nodes"
local rest3 = require "bitrix24.sandbox.hr.rest3"
local structure = require "bitrix24.sandbox.hr.structure"
local world = require "bitrix24.sandbox.users.world"

local members = {}

local NEEDS_IDS = "Parameter \"userIds\" is required and must be a non-empty array."

local function target(call)
  local id = rest3.id(call, "nodeId")
  local node = call.store:get("nodes", id)
  if not node then
    call:fail3("ENTITYNOTFOUNDEXCEPTION", ("Record with ID = `%d` not found."):format(id), 400)
  elseif not nodes.may_change(call) then
    rest3.denied(call)
  end
  return node
end

local function user_ids(call)
  local given, ids = call.params.userIds, {}
  if type(given) ~= "table" or #given == 0 then
    rest3.invalid(call, "userIds", NEEDS_IDS)
  end
  for i, value in ipairs(given) do
    ids[i] = world.int(value)
    if not ids[i] or not call.store:get("users", ids[i]) then
      rest3.invalid(call, "userIds", ("User with ID = `%s` not found"):format(tostring(value)))
    end
  end
  return ids
end

local function role_of(call, default)
  local role = call.params.role
  if (role == nil or role == json.null) and default then
    return default
  end
  role = rest3.required(call, "role", "Parameter \"role\" is required.")
  if not nodes.ROLES[role] and not nodes.TEAM_ROLES[role] then
    rest3.invalid(call, "role",
      ("Invalid role: %s. Allowed: MEMBER_HEAD, MEMBER_DEPUTY_HEAD, MEMBER_EMPLOYEE."):format(tostring(role)))
  end
  return role
end

local function joined(node, ids, role)
  local list = nodes.without(node.members, ids)
  for _, id in ipairs(ids) do
    list[#list + 1] = { userId = id, role = role }
  end
  return list
end

function members.add(call)
  local ids, role = user_ids(call), role_of(call)
  local node = target(call)
  nodes.set_members(call, node, joined(node, ids, role))
  return { success = true }
end

--- Into this node and out of all other departments.
function members.move(call)
  local ids, role = user_ids(call), role_of(call, "MEMBER_EMPLOYEE")
  local node = target(call)
  local list = joined(node, ids, role)
  if node.type == "DEPARTMENT" then
    structure.move_out(call, list, node.id)
  end
  nodes.set_members(call, node, list)
  return { success = true }
end

--- Replaces all members, role by role.
function members.set(call)
  local node, by_role = target(call), call.params.userIds
  if type(by_role) ~= "table" or next(by_role) == nil then
    rest3.invalid(call, "userIds", "Parameter \"userIds\" is required and must be a non-empty object.")
  end
  local allowed = node.type == "TEAM" and nodes.TEAM_ROLES or nodes.ROLES
  for role in pairs(by_role) do
    if not allowed[role] then
      local names = node.type == "TEAM"
        and "MEMBER_TEAM_HEAD, MEMBER_TEAM_DEPUTY_HEAD, MEMBER_TEAM_EMPLOYEE"
        or "MEMBER_HEAD, MEMBER_DEPUTY_HEAD, MEMBER_EMPLOYEE"
      rest3.invalid(call, "userIds", ("Invalid roles: %s. Allowed: %s."):format(tostring(role), names))
    end
  end
  nodes.set_members(call, node, structure.members_of(call, by_role, allowed))
  return { success = true }
end

--- Tells who could not be removed instead of failing.
function members.remove(call)
  local given = call.params.userIds
  if type(given) ~= "table" or #given == 0 then
    rest3.invalid(call, "userIds", NEEDS_IDS)
  end
  local node, inside = target(call), {}
  for _, member in ipairs(node.members) do
    inside[member.userId] = true
  end
  local removed, failed = json.array {}, json.array {}
  for _, value in ipairs(given) do
    local id = world.int(value)
    if id and inside[id] then
      removed[#removed + 1] = id
    else
      failed[#failed + 1] = { userId = value, reason = "Not found in this node" }
    end
  end
  nodes.set_members(call, node, nodes.without(node.members, removed))
  return { removed = removed, failed = failed }
end

return members
