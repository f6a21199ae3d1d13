-- The company structure: humanresources.node.*, humanresources.employee.*
-- (REST 3.0), and humanresources.hcmlink.company.list (REST 2).

local communications = require "bitrix24.sandbox.hr.communications"
local employees = require "bitrix24.sandbox.hr.employees"
local fields = require "bitrix24.sandbox.hr.fields"
local hcmlink = require "bitrix24.sandbox.hr.hcmlink"
local members = require "bitrix24.sandbox.hr.members"
local nodes = require "bitrix24.sandbox.hr.nodes"
local structure = require "bitrix24.sandbox.hr.structure"
local world = require "bitrix24.sandbox.users.world"

local NODE_FIELDS = {
  { "id", "int", filterable = true, sortable = true }, { "name", "string", sortable = true },
  { "type", "string", filterable = true }, { "structureId", "int", filterable = true },
  { "parentId", "int", filterable = true }, { "description", "string" }, { "accessCode", "string" },
  { "userCount", "int" }, { "colorName", "string" }, { "xmlId", "string" },
  { "createdAt", "string", sortable = true }, { "updatedAt", "string" }, { "members", "array" },
}
local MEMBER_FIELDS = {
  { "userId", "int" }, { "name", "string" }, { "workPosition", "string" }, { "role", "string" },
  { "avatar", "string" }, { "url", "string" },
}
local EMPLOYEE_FIELDS = {
  { "userId", "int" }, { "name", "string" }, { "workPosition", "string" }, { "avatar", "string" },
  { "url", "string" }, { "departments", "array" }, { "teams", "array" },
}

return function(portal)
  world.define(portal, "nodes", "id", nodes.maker(portal),
    world.size(portal, "departments") + world.size(portal, "teams"))
  local read = { version = 3, scope = "humanresources" }
  local write = { version = 3, scope = "humanresources", write = true }
  local prefix = "humanresources.node."
  for name, run in pairs {
    list = structure.list, get = structure.get, search = structure.search,
    children = structure.children, count = structure.count,
    ["communication.list"] = communications.list,
  } do
    portal:method(prefix .. name, read, run)
  end
  for name, run in pairs {
    add = structure.add, edit = structure.edit, move = structure.move,
    ["communication.edit"] = communications.edit,
    ["member.add"] = members.add, ["member.set"] = members.set,
    ["member.move"] = members.move, ["member.remove"] = members.remove,
  } do
    portal:method(prefix .. name, write, run)
  end
  for name, run in pairs(employees) do
    portal:method("humanresources.employee." .. name, read, run)
  end
  fields.register(portal, "humanresources.node", "humanresources", NODE_FIELDS)
  fields.register(portal, "humanresources.node.member", "humanresources", MEMBER_FIELDS)
  fields.register(portal, "humanresources.employee", "humanresources", EMPLOYEE_FIELDS)
  hcmlink(portal)
end
