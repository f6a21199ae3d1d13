-- im.recent.list, a list that must not be paged by what arrives.
--
-- The portal cuts pages out of internal records and only then folds several
-- records of one conversation into one. So a page may hold fewer items than
-- LIMIT although more follow, neighbouring pages may overlap by one or two
-- conversations, and `total` is -1: OFFSET grows by LIMIT until hasMore is
-- false. Without Open Channels there are no such doubles (chats/im-recent-list).

local json = require "bitrix24.json"
local mine = require "bitrix24.sandbox.chats.dialogs".mine
local messages = require "bitrix24.sandbox.chats.messages"
local users = require "bitrix24.sandbox.users.records"
local views = require "bitrix24.sandbox.chats.views"
local world = require "bitrix24.sandbox.users.world"

local recent = {}

local function wanted(call)
  local skip_dialog, skip_chat = world.yes(call:param("SKIP_DIALOG")), world.yes(call:param("SKIP_CHAT"))
  local skip_lines, unread = world.yes(call:param("SKIP_OPENLINES")), world.yes(call:param("UNREAD_ONLY"))
  local copilot, channel = world.yes(call:param("ONLY_COPILOT")), world.yes(call:param("ONLY_CHANNEL"))
  local before = call:param("LAST_MESSAGE_DATE")
  return function(chat)
    if copilot or (channel and chat.type ~= "channel") or (unread and chat.counter == 0) then
      return false
    elseif chat.dialog and skip_dialog or chat.type == "lines" and skip_lines then
      return false
    elseif not chat.dialog and chat.type ~= "lines" and skip_chat then
      return false
    end
    return type(before) ~= "string" or call.portal:date(chat.last_activity) < before
  end
end

-- Every fifth internal record is a second one of the conversation six places up.
local function internal(list)
  local rows = {}
  for i, chat in ipairs(list) do
    rows[#rows + 1] = chat
    if i % 4 == 0 and i > 4 then
      rows[#rows + 1] = list[i - 4]
    end
  end
  return rows
end

local function last_message(call, chat)
  local last = messages.last(call, chat)
    or { id = 0, text = "", author_id = 0, date = call.portal:date(chat.last_activity) }
  return {
    id = last.id, text = last.text, file = false, author_id = last.author_id, attach = false,
    sticker = json.null, date = last.date, status = "received",
    uuid = ("%08x-6ab8-4d4d-9234-%012x"):format(last.id, chat.id),
  }
end

local function item(call, chat)
  local message = last_message(call, chat)
  local object = {
    chat_id = chat.id, message = message, counter = chat.counter, last_id = message.id - chat.counter,
    pinned = false, unread = false, has_reminder = false, date_update = message.date,
    date_last_activity = message.date, options = json.array {},
  }
  if chat.dialog then
    local partner = users.im(call.portal, call.store:get("users", chat.dialog))
    object.id, object.type, object.title = chat.dialog, "user", partner.name
    object.avatar = { url = partner.avatar, color = partner.color }
    object.user = partner
    object.chat = { text_field_enabled = true, background_id = json.null, mute_list = json.array {} }
  else
    object.id, object.type, object.title = "chat" .. chat.id, "chat", chat.name
    object.avatar = { url = "", color = chat.color }
    object.chat = views.recent(chat, call.user_id)
    local author = call.store:get("users", message.author_id)
    if author then
      object.user = users.im(call.portal, author)
    end
  end
  return object
end

function recent.list(call)
  local fits, list = wanted(call), {}
  for _, chat in ipairs(mine(call)) do
    if fits(chat) then
      list[#list + 1] = chat
    end
  end
  local rows = world.yes(call:param("SKIP_OPENLINES")) and list or internal(list)
  local limit = world.limit(call:param("LIMIT"), 50, 200)
  local offset = math.max(world.int(call:param("OFFSET"), 0), 0)
  local items, seen = json.array {}, {}
  for i = offset + 1, math.min(offset + limit, #rows) do
    local chat = rows[i]
    if not seen[chat.id] then
      seen[chat.id] = true
      items[#items + 1] = item(call, chat)
    end
  end
  local more = offset + limit < #rows
  return {
    items = items, hasMore = more, hasMorePages = more,
    copilot = { chats = json.null, messages = json.null, roles = json.array {},
      recommendedRoles = json.array {} },
    messagesAutoDeleteConfigs = json.array {},
  }, { total = -1 }
end

return recent
