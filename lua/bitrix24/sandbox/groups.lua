-- Workgroups: socialnetwork.api.workgroup.list and .get, sonet_group.*.

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.groups.records"
local sonet = require "bitrix24.sandbox.groups.sonet"
local workgroups = require "bitrix24.sandbox.groups.workgroups"
local world = require "bitrix24.sandbox.users.world"

-- The roles of all members; not paged (sonet-group/members/sonet-group-user-get).
local function members(call)
  local id = world.int(call:param("ID"))
  if not id or id < 1 then
    call:fail("", "Wrong socialnetwork group ID")
  end
  local group = call.store:get("workgroups", id)
  if not group or not records.sees(group, call.user_id) then
    call:fail("", "Socialnetwork group not found")
  end
  local list = json.array {}
  for i, u in ipairs(group.MEMBERS) do
    list[i] = { USER_ID = tostring(u), ROLE = records.role(group, u) }
  end
  return list
end

return function(portal)
  world.define(portal, "workgroups", "ID", records.maker(portal))
  local network = { version = 2, scope = "socialnetwork" }
  portal:method("socialnetwork.api.workgroup.list", network, workgroups.list)
  portal:method("socialnetwork.api.workgroup.get", network, workgroups.get)
  local define = { version = 2, scope = "sonet" }
  portal:method("sonet_group.get", define, sonet.get)
  local change = { version = 2, scope = "sonet", write = true }
  portal:method("sonet_group.create", change, sonet.create)
  portal:method("sonet_group.update", change, sonet.update)
  portal:method("sonet_group.delete", change, sonet.delete)
  portal:method("sonet_group.user.get", define, members)
end
