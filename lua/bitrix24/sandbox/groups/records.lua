-- Workgroups of the sandbox: the stored record, who is in one, and the chat
-- that belongs to it. Ids are numbers here; the methods turn them into text
-- where their pages show text.

local world = require "bitrix24.sandbox.users.world"

local records = {}

local THEMES = {
  "template development", "website relaunch", "warehouse move", "mobile app", "new price list",
  "trade fair", "customer survey", "data migration", "office renovation", "annual report",
}
local TYPES = { "group", "project", "group", "scrum", "project", "group", "collab", "project" }
local TITLES = {
  group = "Open group: %s", project = 'Project: "%s"', scrum = 'Scrum Project: "%s"', collab = "Collab: %s",
}

--- Whether group g may be seen by everybody.
function records.visible(seed, g)
  return world.roll(seed, "group visible", g) % 8 ~= 0
end

-- Whether the webhook's owner is in it: in most groups, in half of the secret ones.
local function mine(seed, g)
  return world.roll(seed, "group mine", g) % (records.visible(seed, g) and 6 or 2) ~= 0
end

--- Type of group g: group, project, scrum or collab.
function records.type(seed, g)
  return TYPES[1 + (g + world.roll(seed, "group type")) % #TYPES]
end

--- Members of group g, the owner first.
function records.members(seed, g, users)
  local owner = 1 + world.roll(seed, "group owner", g) % users
  local with_me = mine(seed, g)
  if with_me and g % 4 == 1 then
    owner = 1
  elseif not with_me and owner == 1 then
    owner = users
  end
  local count = 2 + world.roll(seed, "group size", g) % 14
  local members = world.sample(seed, "group", g, users, count, owner)
  for i, u in ipairs(members) do
    if u == 1 then
      if not with_me and #members > 1 then
        table.remove(members, i)
      end
      return members
    end
  end
  if with_me then
    members[#members + 1] = 1
  end
  return members
end

--- Name of group g.
function records.name(seed, g)
  local theme = THEMES[1 + (g - 1) % #THEMES]
  if g > #THEMES then
    theme = ("%s %d"):format(theme, 1 + (g - 1) // #THEMES)
  end
  return TITLES[records.type(seed, g)]:format(theme)
end

--- The chat of group g; nil when the portal has too few chats.
function records.chat(g, chats)
  return 3 * g <= chats and 3 * g or nil
end

--- A generator of workgroups, for store:define.
function records.maker(portal)
  local users, chats = world.size(portal, "users"), world.size(portal, "chats")
  return function(seed, g)
    local kind = records.type(seed, g)
    local members = records.members(seed, g, users)
    local created = world.EPOCH - 86400 * (30 + world.roll(seed, "group age", g) % 700)
    local touched = created + world.roll(seed, "group touched", g) % (29 * 86400)
    return {
      ID = g,
      SITE_ID = "s1",
      NAME = records.name(seed, g),
      DESCRIPTION = g % 3 == 0 and "" or "Work on " .. records.name(seed, g),
      KEYWORDS = g % 4 == 0 and "internal, planning" or "",
      ACTIVE = "Y",
      CLOSED = world.roll(seed, "group closed", g) % 10 == 0 and "Y" or "N",
      VISIBLE = records.visible(seed, g) and "Y" or "N",
      OPENED = kind == "group" and "Y" or "N",
      PROJECT = kind == "group" and "N" or "Y",
      LANDING = "N",
      TYPE = kind,
      SUBJECT_ID = 1,
      OWNER_ID = members[1],
      MEMBERS = members,
      NUMBER_OF_MEMBERS = #members,
      NUMBER_OF_MODERATORS = #members > 4 and 2 or 1,
      INITIATE_PERMS = "K",
      IMAGE_ID = g % 2 == 0 and 500 + g or 0,
      AVATAR_TYPE = kind == "project" and "folder" or nil,
      PROJECT_DATE_START = kind == "project" and portal:date(created) or nil,
      PROJECT_DATE_FINISH = kind == "project" and portal:date(created + 90 * 86400) or nil,
      SCRUM_OWNER_ID = kind == "scrum" and members[1] or 0,
      SCRUM_MASTER_ID = kind == "scrum" and members[#members] or 0,
      SCRUM_SPRINT_DURATION = kind == "scrum" and 1209600 or 0,
      SCRUM_TASK_RESPONSIBLE = kind == "scrum" and "A" or "",
      DATE_CREATE = portal:date(created),
      DATE_UPDATE = portal:date(touched),
      DATE_ACTIVITY = portal:date(touched),
      CHAT_ID = records.chat(g, chats) or 0,
    }
  end
end

--- Role of a member as sonet_group.user.get tells it: A owner, E moderator, K member.
function records.role(group, user_id)
  for i, u in ipairs(group.MEMBERS) do
    if u == user_id then
      return u == group.OWNER_ID and "A" or (i == 2 and #group.MEMBERS > 4) and "E" or "K"
    end
  end
  return nil
end

--- Whether this user may see the group.
function records.sees(group, user_id)
  return group.VISIBLE == "Y" or records.role(group, user_id) ~= nil
end

return records
