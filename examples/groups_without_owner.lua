-- List the open workgroups whose owner is dismissed or was deleted, with who could take them over.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/groups_without_owner.lua
local portal <close> = require "bitrix24".connect()
local users, groups = portal:gather(
  function() return portal.user.get:all{ FILTER = { ACTIVE = true } } end,
  function()
    return portal.socialnetwork.api.workgroup.list:all{
      select = { "ID", "NAME", "OWNER_ID" }, filter = { CLOSED = "N" }, params = { IS_ADMIN = "Y" },
    }
  end)
local works, orphans = {}, {}
for _, user in ipairs(users) do works[user.ID] = ("%s %s"):format(user.NAME, user.LAST_NAME) end
for _, group in ipairs(groups) do
  if not works[group.ownerId] then orphans[#orphans + 1] = group end
end
local members = portal:map(orphans, function(group) return portal.sonet_group.user.get{ ID = group.id } end,
  { on_error = "collect" }) -- the members of a secret group are not for everybody
for i, group in ipairs(orphans) do
  local names = {}
  for _, member in ipairs(members[i] or {}) do
    local moderates = member.ROLE == "E" and " (moderator)" or "" -- A owner, E moderator, K member
    if works[member.USER_ID] then names[#names + 1] = works[member.USER_ID] .. moderates end
  end
  local who = #names > 0 and table.concat(names, ", ", 1, math.min(3, #names)) or "nobody"
  print(("%6s  %s: user %s is gone, ask %s"):format(group.id, group.name, group.ownerId, who))
end
print(("%d of %d open workgroups have no owner"):format(#orphans, #groups))
