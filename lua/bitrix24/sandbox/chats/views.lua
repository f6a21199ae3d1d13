-- How im.* methods show a chat: the object of im.search.chat.list, and the
-- slightly different one inside im.recent.list.

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.chats.records"

local views = {}

local function restrictions(chat)
  local free = not chat.entity_type or chat.entity_type == ""
  local object = {
    avatar = free, rename = free, extend = free, call = true, mute = true,
    leave = free, leave_owner = free, send = true, user_list = true,
  }
  if chat.entity_type == "SONET_GROUP" then
    object.path, object.path_title = "/workgroups/group/#ID#/", "Go to group"
  end
  return object
end

local function entity_link(chat)
  if chat.entity_type == "SONET_GROUP" then
    local id = chat.entity_id
    return { type = "SONET_GROUP", url = ("/workgroups/group/%s/"):format(id), id = id }
  elseif chat.entity_type == "CRM" then
    local id = chat.entity_id:match("%d+$")
    return { type = "CRM", url = ("/crm/deal/details/%s/"):format(id), id = id }
  end
  return { type = "", url = "", id = "" }
end

local function permissions()
  return {
    manage_users_add = "member", manage_users_delete = "manager", manage_ui = "member",
    manage_settings = "owner", manage_messages = "member", can_post = "member",
  }
end

local function role(chat, user_id)
  if chat.owner == user_id then
    return "owner"
  end
  return records.member(chat, user_id) and "member" or "guest"
end

-- Both shapes begin alike.
local function common(chat)
  return {
    id = chat.id,
    parent_chat_id = 0,
    parent_message_id = 0,
    name = chat.name,
    owner = chat.owner,
    extranet = false,
    avatar = "",
    color = chat.color,
    type = chat.type,
    user_counter = #(chat.members or {}),
    restrictions = restrictions(chat),
    entity_type = chat.entity_type or "",
    entity_id = chat.entity_id or "",
    entity_data_1 = "",
    entity_data_2 = "",
    entity_data_3 = "",
    mute_list = json.array {},
    date_create = chat.date_create,
    message_type = chat.message_type,
    public = "",
    entity_link = entity_link(chat),
    text_field_enabled = true,
    background_id = json.null,
    permissions = permissions(),
  }
end

--- The chat object of im.search.chat.list (chats/search/im-search-chat-list).
function views.search(chat, user_id)
  local object = common(chat)
  object.description = chat.description or json.null
  local unread, last = chat.counter or 0, chat.last_message_id or 0
  object.counter = unread
  object.message_count = chat.message_count or 0
  object.unread_id = unread > 0 and last - unread + 1 or 0
  object.last_message_id = last
  object.last_id = last - unread
  object.marked_id = 0
  object.disk_folder_id = 0
  object.role = role(chat, user_id)
  object.is_new = false
  return object
end

--- The chat object inside an item of im.recent.list (chats/im-recent-list).
function views.recent(chat, user_id)
  local object = common(chat)
  object.contains_collaber = false
  object.manager_list = json.array {}
  object.role = role(chat, user_id):upper()
  if chat.id % 8 == 0 then
    -- an object when somebody muted the chat, an empty list otherwise
    object.mute_list = { [tostring(chat.members[#chat.members])] = true }
  end
  return object
end

return views
