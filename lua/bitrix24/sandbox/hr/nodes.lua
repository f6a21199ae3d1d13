-- Departments and teams, the nodes of the company structure: the stored
-- record, how REST 3.0 shows it, and the rules of changing who is in one.

local json = require "bitrix24.json"
local tree = require "bitrix24.sandbox.users.tree"
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local nodes = {}

--- Fields of a node as they are shown; `members` only when it is selected.
nodes.FIELDS = {
  "id", "name", "type", "structureId", "parentId", "description", "accessCode", "userCount",
  "colorName", "xmlId", "createdAt", "updatedAt",
}

nodes.ROLES = { MEMBER_HEAD = true, MEMBER_DEPUTY_HEAD = true, MEMBER_EMPLOYEE = true }
nodes.TEAM_ROLES = { MEMBER_TEAM_HEAD = true, MEMBER_TEAM_DEPUTY_HEAD = true, MEMBER_TEAM_EMPLOYEE = true }
nodes.COLORS = { blue = true, green = true, cyan = true, orange = true, purple = true, pink = true }

--- A generator of nodes, for store:define: the departments first, then teams.
function nodes.maker(portal)
  local count, people = world.size(portal, "departments"), world.size(portal, "users")
  local staff
  return function(seed, id)
    staff = staff or tree.members(seed, count, people)
    local team = id > count
    local created = world.EPOCH - 86400 * (200 + world.roll(seed, "node", id) % 600)
    return {
      id = id,
      name = team and tree.team(id - count) or tree.name(id),
      type = team and "TEAM" or "DEPARTMENT",
      structureId = 1,
      parentId = team and 1 or tree.parent(id),
      description = not team and id % 3 ~= 0 and "Responsible for: " .. tree.name(id) or nil,
      accessCode = "DR" .. id,
      colorName = team and world.pick({ "blue", "green", "cyan", "orange" }, seed, "node color", id) or nil,
      xmlId = id % 5 == 2 and "unit_" .. id or nil,
      createdAt = portal:date(created),
      updatedAt = portal:date(created + 86400 * (id % 90)),
      members = team and tree.team_members(seed, id - count, people) or staff[id],
    }
  end
end

local function member_view(call, member)
  local user = call.store:get("users", member.userId)
  return {
    userId = member.userId,
    name = user and users.name(user) or "",
    workPosition = user and user.WORK_POSITION or "",
    role = member.role,
    avatar = user and user.HAS_AVATAR and users.im(call.portal, user).avatar or json.null,
    url = ("/company/personal/user/%d/"):format(member.userId),
  }
end

--- All fields of a node as REST 3.0 shows them, members too.
function nodes.view(call, node)
  local out = { userCount = #node.members, members = json.array {} }
  for _, name in ipairs(nodes.FIELDS) do
    if out[name] == nil then
      out[name] = node[name] == nil and json.null or node[name]
    end
  end
  for i, member in ipairs(node.members) do
    out.members[i] = member_view(call, member)
  end
  return out
end

--- All nodes of a type in the order of their ids.
function nodes.of_type(store, kind)
  local list = {}
  for _, node in ipairs(store:records("nodes")) do
    if node.type == kind then
      list[#list + 1] = node
    end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return list
end

-- UF_DEPARTMENT of a user follows the departments he is in.
local function refresh_user(store, user_id)
  local departments = {}
  for _, node in ipairs(nodes.of_type(store, "DEPARTMENT")) do
    for _, member in ipairs(node.members) do
      if member.userId == user_id then
        departments[#departments + 1] = node.id
      end
    end
  end
  store:update("users", user_id, { UF_DEPARTMENT = departments })
end

--- Replaces the members of a node.
function nodes.set_members(call, node, members)
  local touched = {}
  for _, list in ipairs { node.members, members } do
    for _, member in ipairs(list) do
      touched[member.userId] = true
    end
  end
  call.store:update("nodes", node.id, {
    members = members, updatedAt = call.portal:date(call.portal:now()),
  })
  for user_id in pairs(touched) do
    if node.type == "DEPARTMENT" and call.store:get("users", user_id) then
      refresh_user(call.store, user_id)
    end
  end
end

--- The members without the users in `ids`.
function nodes.without(members, ids)
  local gone, rest = {}, {}
  for _, id in ipairs(ids) do
    gone[id] = true
  end
  for _, member in ipairs(members) do
    if not gone[member.userId] then
      rest[#rest + 1] = { userId = member.userId, role = member.role }
    end
  end
  return rest
end

--- Whether the caller is an employee: others do not see the structure.
function nodes.may_see(call)
  local me = call.store:get("users", call.user_id)
  return me ~= nil and me.ACTIVE and me.USER_TYPE == "employee"
end

--- Whether the caller may change the structure.
function nodes.may_change(call)
  local me = call.store:get("users", call.user_id)
  return me ~= nil and me.ADMIN
end

return nodes
