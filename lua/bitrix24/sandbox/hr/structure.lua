-- humanresources.node.list, get, search, children, count, add, edit, move.

local json = require "bitrix24.json"
local communications = require "bitrix24.sandbox.hr.communications"
local nodes = require "bitrix24.sandbox.hr.nodes"
local rest3 = require "bitrix24.sandbox.hr.rest3"
local world = require "bitrix24.sandbox.users.world"

local structure = {}

-- A change answers with the bare node, not with {item = …}
-- (departments/node/humanresources-node-add).
local function bare(call, node, with_members)
  local view = nodes.view(call, node)
  if not with_members then
    view.members = nil
  end
  return view
end

local function shower(call)
  local names = rest3.select(call)
  local known = table.move(nodes.FIELDS, 1, #nodes.FIELDS, 1, {})
  if names then
    known[#known + 1] = "members"
  end
  return function(node)
    return rest3.project(call, nodes.view(call, node), names, known)
  end
end

local function node_type(call)
  local kind = rest3.required(call, "type")
  if kind ~= "DEPARTMENT" and kind ~= "TEAM" then
    rest3.invalid(call, "type", "Invalid value of field `type`. Allowed: DEPARTMENT, TEAM.")
  end
  return kind
end

--- Fails the call for whoever may not see or change the structure.
local function guard(call, allowed)
  if not allowed(call) then
    rest3.denied(call)
  end
end

local function existing(call, id)
  local node = call.store:get("nodes", id)
  if not node then
    rest3.not_found(call, id)
  end
  return node
end

function structure.list(call)
  local kind, show = node_type(call), shower(call)
  local offset, limit = rest3.page(call, 50, 200)
  guard(call, nodes.may_see)
  return rest3.items(nodes.of_type(call.store, kind), offset, limit, show)
end

function structure.get(call)
  local id, show = rest3.id(call, "id"), shower(call)
  guard(call, nodes.may_see)
  return { item = show(existing(call, id)) }
end

-- A limit and no further page (departments/node/humanresources-node-search).
function structure.search(call)
  local kind = node_type(call)
  local name = tostring(rest3.required(call, "name"))
  local parent = world.int(call.params.parentId)
  local _, limit = rest3.page(call, 50, 200)
  guard(call, nodes.may_see)
  local found = {}
  for _, node in ipairs(nodes.of_type(call.store, kind)) do
    if world.contains(node.name, name) and (not parent or node.parentId == parent) then
      found[#found + 1] = node
    end
  end
  return rest3.items(found, 0, limit, function(node) return bare(call, node) end)
end

-- Direct children, all of them.
function structure.children(call)
  local id, show = rest3.id(call, "id"), shower(call)
  guard(call, nodes.may_see)
  local found = {}
  for _, node in ipairs(call.store:records("nodes")) do
    if node.parentId == id then
      found[#found + 1] = node
    end
  end
  return rest3.items(found, 0, math.maxinteger, show)
end

function structure.count(call)
  guard(call, nodes.may_see)
  return {
    departments = #nodes.of_type(call.store, "DEPARTMENT"), teams = #nodes.of_type(call.store, "TEAM"),
  }
end

-- {MEMBER_HEAD = {7}, …} as a list of members; a user stands in it once.
local function members_of(call, by_role, roles)
  local list, seen = {}, {}
  for _, role in ipairs { "MEMBER_HEAD", "MEMBER_DEPUTY_HEAD", "MEMBER_EMPLOYEE", "MEMBER_TEAM_HEAD",
    "MEMBER_TEAM_DEPUTY_HEAD", "MEMBER_TEAM_EMPLOYEE" } do
    local ids = by_role[role]
    for _, given in ipairs(roles[role] and type(ids) == "table" and ids or {}) do
      local id = world.int(given)
      if not id or not call.store:get("users", id) then
        rest3.invalid(call, "userIds", ("User with ID = `%s` not found"):format(tostring(given)))
      end
      if not seen[id] then
        seen[id] = true
        list[#list + 1] = { userId = id, role = role }
      end
    end
  end
  return list
end
structure.members_of = members_of

local function color_of(call)
  local color = call.params.colorName
  if color == nil or color == json.null then
    return nil
  elseif not nodes.COLORS[color] then
    rest3.invalid(call, "colorName", "Invalid value of field `colorName`.")
  end
  return color
end

local function text(value)
  return value ~= nil and value ~= json.null and tostring(value) or nil
end

-- Employees put into a new department leave their other ones when asked to.
local function move_out(call, members, except)
  local ids = {}
  for i, member in ipairs(members) do
    ids[i] = member.userId
  end
  for _, node in ipairs(nodes.of_type(call.store, "DEPARTMENT")) do
    local rest = nodes.without(node.members, ids)
    if node.id ~= except and #rest < #node.members then
      nodes.set_members(call, node, rest)
    end
  end
end
structure.move_out = move_out

function structure.add(call)
  local kind = node_type(call)
  local name = tostring(rest3.required(call, "name"))
  local parent = rest3.id(call, "parentId")
  guard(call, nodes.may_change)
  existing(call, parent)
  local by_role = call.params.userIds
  local members = members_of(call, type(by_role) == "table" and by_role or {},
    kind == "TEAM" and nodes.TEAM_ROLES or nodes.ROLES)
  local now = call.portal:date(call.portal:now())
  local id = call.store:add("nodes", {
    name = name, type = kind, structureId = 1, parentId = parent, description = text(call.params.description),
    colorName = color_of(call), createdAt = now, updatedAt = now, members = {},
  })
  call.store:update("nodes", id, { accessCode = "DR" .. id })
  if world.yes(call.params.moveUsersToNode) and kind == "DEPARTMENT" then
    move_out(call, members, id)
  end
  nodes.set_members(call, call.store:get("nodes", id), members)
  communications.bind(call, id)
  return bare(call, call.store:get("nodes", id), true)
end

function structure.edit(call)
  local id = rest3.id(call, "id")
  local fields = { name = text(call.params.name), description = text(call.params.description),
    colorName = color_of(call) }
  if next(fields) == nil then
    rest3.invalid(call, "name",
      "At least one of the following fields must be provided: name, description, colorName.")
  end
  guard(call, nodes.may_change)
  existing(call, id)
  fields.updatedAt = call.portal:date(call.portal:now())
  call.store:update("nodes", id, fields)
  return bare(call, call.store:get("nodes", id))
end

-- Whether node `id` is `ancestor` or below it.
local function below(store, id, ancestor)
  while id do
    if id == ancestor then
      return true
    end
    local node = store:get("nodes", id)
    id = node and node.parentId
  end
  return false
end

function structure.move(call)
  local id, parent = rest3.id(call, "id"), rest3.id(call, "parentId")
  guard(call, nodes.may_change)
  existing(call, id)
  existing(call, parent)
  if below(call.store, parent, id) then
    rest3.invalid(call, "parentId", "A node cannot be moved into itself or its own children.")
  end
  call.store:update("nodes", id, {
    parentId = parent, updatedAt = call.portal:date(call.portal:now()),
  })
  return bare(call, call.store:get("nodes", id))
end

return structure
