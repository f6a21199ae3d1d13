-- Who is in a conversation: im.dialog.users.list, im.chat.user.list, and
-- im.chat.get, which finds the chat of an object.

local json = require "bitrix24.json"
local chats = require "bitrix24.sandbox.chats.records"
local named = require "bitrix24.sandbox.chats.dialogs".named
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local dialogs = {}

-- Types of system users to keep although they are skipped: "bot, email".
local function kept_types(call)
  local kept, given = {}, call:param("SKIP_EXTERNAL_EXCEPT_TYPES")
  for _, text in ipairs(type(given) == "table" and given or { given }) do
    for name in tostring(text):gmatch("[%w_]+") do
      kept[name] = true
    end
  end
  return kept
end

local function participants(call, chat)
  local skip, kept = world.yes(call:param("SKIP_EXTERNAL")), kept_types(call)
  local list = {}
  for _, id in ipairs(chat.members) do
    local user = call.store:get("users", id)
    if user and (not skip or not users.system(user) or kept[user.USER_TYPE]) then
      list[#list + 1] = user
    end
  end
  return list
end

-- Position behind the user LAST_ID names. The list is in the order of joining,
-- not of ids, as the example of the page shows it; somebody who is not in the
-- list has nobody behind.
local function behind(list, last_id)
  for i, user in ipairs(list) do
    if user.ID == last_id then
      return i
    end
  end
  return #list
end

function dialogs.users(call)
  local list = participants(call, named(call, 403))
  local limit = world.limit(call:param("LIMIT"), 50, 200)
  local last_id = world.int(call:param("LAST_ID"), 0)
  local offset = math.max(world.int(call:param("OFFSET"), 0), 0)
  if last_id > 0 then
    offset = behind(list, last_id)
  end
  local page = json.array {}
  for i = offset + 1, math.min(offset + limit, #list) do
    page[#page + 1] = users.im(call.portal, list[i])
  end
  local more = offset + limit < #list
  return page, { total = #list, next = more and offset + limit or nil }
end

-- Ids alone, not paged; [] where the caller may not look
-- (chats/chat-users/im-chat-user-list).
function dialogs.user_ids(call)
  local id = world.int(call:param("CHAT_ID"))
  if not id or id < 1 then
    call:fail("CHAT_ID_EMPTY", "Chat ID can't be empty")
  end
  local chat = chats.whole(call.store:get("chats", id))
  if not chat then
    call:fail("ACCESS_ERROR", "Action unavailable", 403)
  end
  local list = json.array {}
  if chats.reads(chat, call.user_id) then
    table.move(chat.members, 1, #chat.members, 1, list)
    table.sort(list)
  end
  return list
end

-- {"ID": N} of the chat that belongs to an object, null when there is none
-- (chats/im-chat-get).
function dialogs.chat_of_entity(call)
  local entity_type, entity_id = call:param("ENTITY_TYPE"), call:param("ENTITY_ID")
  if entity_type and entity_id then
    for _, chat in ipairs(call.store:records("chats")) do
      if chat.entity_type == tostring(entity_type) and chat.entity_id == tostring(entity_id)
        and chats.reads(chat, call.user_id) then
        return { ID = chat.id }
      end
    end
  end
  return json.null
end

return dialogs
