-- Messages of a chat or dialog, generated and written, as one list.
--
-- A generated message's id is its chat's id * 1000 + its number, so ids grow
-- within a chat; written ones are in the store and come after all of those.

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.chats.records"
local world = require "bitrix24.sandbox.users.world"

local messages = {}

--- Ids of written messages are above this.
messages.WRITTEN = 2000000000

local TEXTS = {
  "Good morning!", "The offer is on its way.", "Who takes this over?", "See the attached plan.",
  "Done, please check.", "Call at 15:00?", "Thanks a lot", "We need one more day.",
  "Customer has confirmed.", "I will look into it.", "Schöne Grüße aus München", "New numbers are in.",
}

--- A dialog of `user_id` with the user `partner`, as a chat.
function messages.dialog(seed, user_id, partner)
  local c = records.PRIVATE + partner
  return {
    id = c, type = "private", owner = user_id, dialog = partner,
    members = user_id == partner and { user_id } or { user_id, partner },
    message_count = records.message_count(seed, c),
    last_activity = world.EPOCH - world.roll(seed, "chat active", c) % (300 * 86400),
    counter = world.roll(seed, "unread", c) % 5 == 0 and 1 or 0,
  }
end

local function generated(seed, portal, chat, number, count)
  local id = chat.id * 1000 + number
  local author = chat.members[1 + world.roll(seed, "author", id) % math.max(#chat.members, 1)]
  return {
    id = id,
    chat_id = chat.id,
    author_id = number > 1 and author or 0,
    date = portal:date(chat.last_activity - (count - number) * 1800),
    text = number == 1 and "The chat was created" or world.pick(TEXTS, seed, "text", id),
    unread = false,
    uuid = json.null,
    params = json.null,
  }
end

local function shown(record)
  return {
    id = record.message_id, chat_id = record.chat_id, author_id = record.author_id,
    date = record.date, text = record.text, unread = false, uuid = json.null,
    params = record.params or json.null,
  }
end

--- All messages of the chat, the oldest first.
function messages.all(call, chat)
  local list = {}
  local count = records.message_count(world.seed(call.portal), chat.id)
  for number = 1, chat.written_only and 0 or count do
    list[number] = generated(world.seed(call.portal), call.portal, chat, number, count)
  end
  for _, record in ipairs(call.store:records("messages")) do
    if record.chat_id == chat.id then
      list[#list + 1] = shown(record)
    end
  end
  return list
end

--- The last message of the chat; nil when there is none yet.
function messages.last(call, chat)
  local last
  for _, record in ipairs(call.store:records("messages")) do
    if record.chat_id == chat.id then
      last = record
    end
  end
  if last then
    return shown(last)
  elseif chat.written_only then
    return nil
  end
  local seed = world.seed(call.portal)
  local count = records.message_count(seed, chat.id)
  return generated(seed, call.portal, chat, count, count)
end

--- Writes a message and returns its id.
function messages.write(call, chat, text, params)
  local now = call.portal:now()
  local id = call.store:add("messages", {
    chat_id = chat.id, author_id = params.system and 0 or call.user_id, text = text,
    date = call.portal:date(now), at = now, params = params.extra,
  })
  call.store:update("messages", id, { message_id = messages.WRITTEN + id })
  if not chat.dialog then
    call.store:update("chats", chat.id, {
      message_count = chat.message_count + 1, last_message_id = messages.WRITTEN + id, last_activity = now,
    })
  end
  return messages.WRITTEN + id
end

return messages
