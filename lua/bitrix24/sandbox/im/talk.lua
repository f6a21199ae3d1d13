-- im.dialog.messages.get and im.message.add.

local json = require "bitrix24.json"
local messages = require "bitrix24.sandbox.chats.messages"
local named = require "bitrix24.sandbox.chats.dialogs".named
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local talk = {}

-- LAST_ID or FIRST_ID as a number; text that is no number fails the call.
local function bound(call, name, what)
  local value = call:param(name)
  if value == nil or value == "" or value == json.null then
    return nil
  end
  local id = world.int(value)
  if not id then
    call:fail(name .. "_STRING", what .. " message ID can't be string")
  end
  return id
end

-- With FIRST_ID the messages after it, oldest first; otherwise the ones before
-- LAST_ID, newest first.
local function choose(list, first_id, last_id, limit)
  local page = json.array {}
  local from, to, step = #list, 1, -1
  if first_id then
    from, to, step = 1, #list, 1
  end
  for i = from, to, step do
    local message = list[i]
    local fits = not first_id or message.id > first_id
    if fits and (first_id or not last_id or message.id < last_id) then
      page[#page + 1] = message
      if #page == limit then
        break
      end
    end
  end
  return page
end

local function authors(call, page)
  local list, seen = json.array {}, {}
  for _, message in ipairs(page) do
    local user = not seen[message.author_id] and call.store:get("users", message.author_id)
    seen[message.author_id] = true
    if user then
      list[#list + 1] = users.im(call.portal, user)
    end
  end
  return list
end

-- No total: the page moves by LAST_ID (chats/messages/im-dialog-messages-get).
function talk.messages(call)
  local chat = named(call, 400)
  local first_id, last_id = bound(call, "FIRST_ID", "First"), bound(call, "LAST_ID", "Last")
  local limit = world.limit(call:param("LIMIT"), 20, 50)
  local page = choose(messages.all(call, chat), first_id, last_id, limit)
  return { chat_id = chat.id, messages = page, users = authors(call, page), files = json.array {} }
end

-- The message REPLY_ID points at must be in the same conversation.
local function check_reply(call, chat)
  local reply = world.int(call:param("REPLY_ID"))
  if not reply then
    return nil
  end
  for _, message in ipairs(messages.all(call, chat)) do
    if message.id == reply then
      return { REPLY_ID = reply }
    end
  end
  call:fail("REPLY_FROM_OTHER_CHAT_ERROR", "You cannot reply to a message from another chat")
end

local function present(value)
  return value ~= nil and value ~= "" and value ~= json.null
end

function talk.add(call)
  local chat = named(call, 400)
  local text = call:param("MESSAGE")
  if not present(text) and not present(call:param("ATTACH")) then
    call:fail("MESSAGE_EMPTY", "Message can't be empty")
  end
  local extra = check_reply(call, chat)
  return messages.write(call, chat, present(text) and tostring(text) or "", {
    system = world.yes(call:param("SYSTEM")), extra = extra,
  })
end

return talk
