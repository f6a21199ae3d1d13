-- Chats of the sandbox: titles, members and links, made from the seed.
--
-- Every third chat belongs to a workgroup as long as there are groups; the
-- others are group chats, open chats, channels, Open Channel (lines) chats and
-- chats of CRM deals. About a third of the titles contain "Project". Personal
-- dialogs are chats too; their ids are far above the others.

local groups = require "bitrix24.sandbox.groups.records"
local world = require "bitrix24.sandbox.users.world"

local records = {}

--- Ids of personal dialogs are this plus the partner's id.
records.PRIVATE = 1000000

local COLORS = { "#3e99ce", "#1eb4aa", "#8474c8", "#df532d", "#58cc47", "#ab7761", "#4ba984" }
local TITLES = {
  "Project: %s", "Sales %s", "Project %s: daily", "Support: %s", "Marketing %s", "Project review: %s",
  "Logistics %s", "HR: %s", "Development: %s",
}
local SUBJECTS = {
  "Berlin", "web shop", "Müller GmbH", "north region", "new contract", "summer campaign",
  "Dr. Weber", "service desk", "packaging", "Zürich", "training", "budget",
}

-- Type and message_type: C chat, O open chat, L lines, N channel, B collab.
local MESSAGE_TYPE = {
  chat = "C", open = "O", sonetGroup = "C", lines = "L", channel = "N", collab = "B", crm = "C",
}

--- Workgroup of chat c, nil when it has none.
function records.group(c, workgroups)
  return c % 3 == 0 and c // 3 <= workgroups and c // 3 or nil
end

--- Type of chat c as im.* tells it.
function records.type(seed, c, workgroups)
  local g = records.group(c, workgroups)
  if g then
    return groups.type(seed, g) == "collab" and "collab" or "sonetGroup"
  end
  local last = c % 10
  if last == 7 then
    return "open"
  elseif last == 4 then
    return "lines"
  elseif last == 2 then
    return "crm"
  elseif c % 20 == 1 then
    return "channel"
  elseif c % 20 == 11 then
    return "collab"
  end
  return "chat"
end

-- A few chats go on without the webhook's owner.
local function without_owner(c)
  return c % 13 == 5 or c % 40 == 31
end

--- Ids of the members in the order in which they joined, the owner first.
function records.members(seed, c, sizes)
  local g = records.group(c, sizes.workgroups)
  if g and not sizes.chat_users then
    return groups.members(seed, g, sizes.users)
  end
  local count = sizes.chat_users or 2 + world.roll(seed, "chat size", c) % 19
  local owner = 1 + world.roll(seed, "chat owner", c) % sizes.users
  local members = world.sample(seed, "chat", c, sizes.users, count, owner)
  local mine
  for i, u in ipairs(members) do
    mine = mine or u == 1 and i or nil
  end
  if without_owner(c) and not g then
    if mine and #members > 1 then
      table.remove(members, mine)
    end
  elseif not mine then
    members[math.max(2, #members)] = 1
  end
  return members
end

local function title(seed, c, kind, g)
  if g then
    return groups.name(seed, g)
  elseif kind == "lines" then
    return ("Line %s - Open Channel %d"):format(world.pick(SUBJECTS, seed, "line", c), 1 + c % 3)
  elseif kind == "crm" then
    return ("Deal: %s %d"):format(world.pick(SUBJECTS, seed, "deal", c), c)
  elseif kind == "channel" then
    return "Channel " .. world.pick(SUBJECTS, seed, "channel", c)
  elseif kind == "collab" then
    return "Collab " .. world.pick(SUBJECTS, seed, "collab", c)
  end
  local form = world.pick(TITLES, seed, "theme", c)
  return form:format(world.pick(SUBJECTS, seed, "subject", c) .. " " .. c)
end

local function entity(c, kind, g)
  if g then
    return "SONET_GROUP", tostring(g)
  elseif kind == "crm" then
    return "CRM", "DEAL|" .. c
  elseif kind == "lines" then
    return "LINES", ("livechat|%d|%d|1"):format(1 + c % 3, c)
  end
  return "", ""
end

--- Number of generated messages in chat c.
function records.message_count(seed, c)
  return 1 + world.roll(seed, "messages", c) % 90
end

--- A generator of chats, for store:define.
function records.maker(portal)
  -- 0, or none: by the dice
  local chat_users = world.size(portal, "chat_users")
  local sizes = {
    users = world.size(portal, "users"), workgroups = world.size(portal, "workgroups"),
    chat_users = chat_users ~= 0 and chat_users or nil,
  }
  return function(seed, c)
    local g = records.group(c, sizes.workgroups)
    local kind = records.type(seed, c, sizes.workgroups)
    local members = records.members(seed, c, sizes)
    local entity_type, entity_id = entity(c, kind, g)
    local count = records.message_count(seed, c)
    local active = world.EPOCH - world.roll(seed, "chat active", c) % (300 * 86400)
    return {
      id = c,
      name = title(seed, c, kind, g),
      type = kind,
      message_type = MESSAGE_TYPE[kind],
      owner = members[1],
      members = members,
      color = world.pick(COLORS, seed, "chat color", c),
      description = c % 5 == 0 and "About " .. world.pick(SUBJECTS, seed, "about", c) or nil,
      entity_type = entity_type,
      entity_id = entity_id,
      message_count = count,
      last_message_id = c * 1000 + count,
      counter = world.roll(seed, "unread", c) % 6 == 0 and 1 + c % 4 or 0,
      date_create = portal:date(active - 86400 * (1 + c % 400)),
      last_activity = active,
    }
  end
end

--- Fills in what a record put there by a test may lack.
---@param chat table?
---@return table? the same one
function records.whole(chat)
  if chat and not (chat.members and chat.counter and chat.last_activity and chat.type) then
    chat.name, chat.type = chat.name or "", chat.type or "chat"
    chat.members, chat.counter = chat.members or {}, chat.counter or 0
    chat.last_activity = chat.last_activity or world.EPOCH
    chat.message_count, chat.last_message_id = chat.message_count or 0, chat.last_message_id or 0
  end
  return chat
end

--- Whether the user takes part in the chat.
function records.member(chat, user_id)
  for _, u in ipairs(chat.members or {}) do
    if u == user_id then
      return true
    end
  end
  return false
end

--- Whether the user may read the chat: members, and everybody an open one.
function records.reads(chat, user_id)
  return chat.type == "open" or records.member(chat, user_id)
end

return records
