-- DIALOG_ID, the three ways to name a conversation: chatN, sgN (the chat of
-- workgroup N), or the id of a user (chats/chat-users/im-dialog-users-list).

local messages = require "bitrix24.sandbox.chats.messages"
local records = require "bitrix24.sandbox.chats.records"
local world = require "bitrix24.sandbox.users.world"

local dialogs = {}

local function personal(call, id)
  local partner = call.store:get("users", id)
  return partner and messages.dialog(world.seed(call.portal), call.user_id, id)
end

-- Prefix and number: "chat", 5; "sg", 5; "", 5; nil for anything else.
local function parse(value)
  if math.type(value) == "float" then
    value = math.tointeger(value)
  end
  local prefix, digits = tostring(value):match("^(%l*)(%d+)$")
  local id = math.tointeger(tonumber(digits))
  if not id or id < 1 or (prefix ~= "" and prefix ~= "chat" and prefix ~= "sg") then
    return nil
  end
  return prefix, id
end

--- The conversation the caller names; fails the call where there is none or the
--- caller may not see it.
---@param status integer HTTP status of ACCESS_ERROR, which differs by method
---@return table chat
function dialogs.named(call, status)
  local prefix, id = parse(call:param("DIALOG_ID"))
  if not prefix then
    call:fail("DIALOG_ID_EMPTY", "Dialog ID can't be empty")
  end
  if prefix == "" then
    local chat = personal(call, id)
    if not chat then
      call:fail("ACCESS_ERROR", "You do not have access to the specified dialog", status)
    end
    return chat
  end
  if prefix == "sg" then
    local group = call.store:get("workgroups", id)
    id = group and group.CHAT_ID or 0
  end
  local chat = records.whole(id > 0 and call.store:get("chats", id) or nil)
  if not chat or not records.reads(chat, call.user_id) then
    call:fail("ACCESS_ERROR", "You don't have access to this chat", status)
  end
  return chat
end

-- Whether there was a dialog with this colleague before.
local function talks(seed, user)
  return user.USER_TYPE == "employee" and world.roll(seed, "talks", user.ID) % 3 == 0
end

--- Every chat and dialog of the caller, the liveliest first.
---@return table[]
function dialogs.mine(call)
  local list, seed, written = {}, world.seed(call.portal), {}
  for _, record in ipairs(call.store:records("messages")) do
    written[record.chat_id] = record.at
  end
  for _, chat in ipairs(call.store:records("chats")) do
    if records.member(chat, call.user_id) then
      list[#list + 1] = records.whole(chat)
    end
  end
  for _, user in ipairs(call.store:records("users")) do
    local at = written[records.PRIVATE + user.ID]
    if user.ID ~= call.user_id and (at or talks(seed, user)) then
      local dialog = messages.dialog(seed, call.user_id, user.ID)
      dialog.last_activity = at or dialog.last_activity
      list[#list + 1] = dialog
    end
  end
  table.sort(list, function(a, b)
    if a.last_activity == b.last_activity then
      return a.id > b.id
    end
    return a.last_activity > b.last_activity
  end)
  return list
end

return dialogs
