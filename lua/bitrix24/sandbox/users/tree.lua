-- The structure of the sandbox company: which departments there are, who works
-- where and who leads. Pure functions of the seed and the sizes; the records
-- of the store are made from them.

local world = require "bitrix24.sandbox.users.world"

local tree = {}

local NAMES = {
  "Head Office", "Sales Department", "Support Department", "Development Department",
  "Marketing Department", "Accounting", "Human Resources", "Legal Department",
  "Logistics", "Purchasing", "B2B Sales", "Retail Sales", "Quality Assurance",
  "Project Office",
}
local TEAMS = { "Website relaunch", "Customer board", "Green office", "Data quality", "Trade fair" }

--- Name of department d.
function tree.name(d)
  local name = NAMES[(d - 1) % #NAMES + 1]
  return d <= #NAMES and name or ("%s %d"):format(name, 1 + (d - 1) // #NAMES)
end

--- Name of team t.
function tree.team(t)
  local name = TEAMS[(t - 1) % #TEAMS + 1]
  return t <= #TEAMS and name or ("%s %d"):format(name, 1 + (t - 1) // #TEAMS)
end

--- Parent of department d; nil for the first, the company itself.
function tree.parent(d)
  if d == 1 then
    return nil
  end
  return d <= 6 and 1 or 2 + d % 5
end

--- What kind of account user u is: "employee", "extranet", or the
--- external_auth_id of a system user: "bot", "imconnector", "email".
function tree.kind(seed, u)
  if u == 1 then
    return "employee"
  end
  local dice = world.roll(seed, "account", u) % 24
  if dice < 2 then
    return world.pick({ "bot", "imconnector", "email" }, seed, "system", u)
  end
  return dice == 2 and "extranet" or "employee"
end

--- Departments user u works in, the main one first; empty for outsiders.
function tree.departments(seed, u, count)
  if tree.kind(seed, u) ~= "employee" then
    return {}
  end
  if u == 1 then
    return { 1 }
  end
  local main = (u - 2) % count + 1
  if count > 1 and world.roll(seed, "second", u) % 9 == 0 then
    return { main, main % count + 1 }
  end
  return { main }
end

--- Members of every department as {userId, role}, the head first.
---@return table<integer, table[]>
function tree.members(seed, count, users)
  local all = {}
  for d = 1, count do
    all[d] = {}
  end
  for u = 1, users do
    for _, d in ipairs(tree.departments(seed, u, count)) do
      table.insert(all[d], { userId = u, role = "MEMBER_EMPLOYEE" })
    end
  end
  for _, members in ipairs(all) do
    if members[1] then
      members[1].role = "MEMBER_HEAD"
    end
    if #members > 4 then
      members[2].role = "MEMBER_DEPUTY_HEAD"
    end
  end
  return all
end

--- Members of team t: employees of several departments.
function tree.team_members(seed, t, users)
  local members = {}
  local first = 1 + world.roll(seed, "team", t) % users
  for _, u in ipairs(world.sample(seed, "team", t, users, 7, first)) do
    if tree.kind(seed, u) == "employee" then
      local role = #members == 0 and "MEMBER_TEAM_HEAD" or "MEMBER_TEAM_EMPLOYEE"
      members[#members + 1] = { userId = u, role = role }
    end
  end
  return members
end

return tree
