-- humanresources.node.communication.list and .edit: the chats, channels and
-- collabs of a department or team. One object of three lists, no paging; what
-- the caller may not see is only counted.

local json = require "bitrix24.json"
local chats = require "bitrix24.sandbox.chats.records"
local nodes = require "bitrix24.sandbox.hr.nodes"
local rest3 = require "bitrix24.sandbox.hr.rest3"
local world = require "bitrix24.sandbox.users.world"

local communications = {}

-- Kind of a communication by the type of the chat.
local KIND = { chat = "CHAT", open = "CHAT", channel = "CHANNEL", collab = "COLLAB" }
local KEY = { CHAT = "chats", CHANNEL = "channels", COLLAB = "collabs" }
local MESSAGE_TYPE = { CHAT = "C", CHANNEL = "N", COLLAB = "B" }
local SUBTITLE = { CHAT = "Private chat", CHANNEL = "Private channel", COLLAB = "Collab" }

-- The next chat of a kind from `first` on, going round once.
local function find(store, kind, first, count)
  for i = 0, count - 1 do
    local chat = store:get("chats", (first - 1 + i) % count + 1)
    if chat and KIND[chat.type] == kind then
      return chat.id
    end
  end
  return nil
end

-- What a generated node is linked with: one chat or two, a channel, and every
-- third a collab.
local function generated(call, node)
  local count, ids, seen = world.size(call.portal, "chats"), {}, {}
  local seed = world.seed(call.portal)
  local function take(kind, number)
    local first = 1 + world.roll(seed, kind, node.id, number) % math.max(count, 1)
    local id = find(call.store, kind, first, count)
    if id and not seen[id] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  take("CHAT", 1)
  if node.id % 2 == 0 then
    take("CHAT", 2)
  end
  take("CHANNEL", 1)
  if node.id % 3 ~= 2 then
    take("COLLAB", 1)
  end
  return ids
end

local function linked(call, node)
  return node.chats or generated(call, node)
end

local function view(chat, kind)
  local item = {
    avatar = kind == "COLLAB" and json.null or "",
    dialogId = "chat" .. chat.id,
    hasAccess = true,
    id = chat.id,
    originalNodeId = json.null,
    subtitle = chat.type == "open" and "Open chat" or SUBTITLE[kind],
    title = chat.name,
    type = kind,
  }
  if kind ~= "COLLAB" then
    item.color, item.isExtranet = chat.color, false
  end
  return item
end

function communications.list(call)
  local id = rest3.id(call, "id", "Required field `id` is missing")
  local node = call.store:get("nodes", id)
  if not node then
    call:fail3("ENTITYNOTFOUNDEXCEPTION", ("Object with identifier `%d` not found"):format(id), 400)
  elseif not nodes.may_see(call) then
    rest3.denied(call)
  end
  local result = { chatsNoAccess = 0, channelsNoAccess = 0, collabsNoAccess = 0 }
  for _, key in pairs(KEY) do
    result[key] = json.array {}
  end
  for _, chat_id in ipairs(linked(call, node)) do
    local chat = call.store:get("chats", chat_id)
    local kind = chat and KIND[chat.type]
    if kind and chats.reads(chat, call.user_id) then
      table.insert(result[KEY[kind]], view(chat, kind))
    elseif kind then
      result[KEY[kind] .. "NoAccess"] = result[KEY[kind] .. "NoAccess"] + 1
    end
  end
  return result
end

local function ids_of(call, name)
  local list, given = {}, call.params[name]
  for _, value in ipairs(type(given) == "table" and given or {}) do
    list[#list + 1] = world.int(value)
  end
  return list
end

local function new_chat(call, node, kind)
  local now = call.portal:now()
  local members = {}
  for i, member in ipairs(node.members) do
    members[i] = member.userId
  end
  if #members == 0 then
    members[1] = call.user_id
  end
  local id = call.store:add("chats", {
    name = node.name, type = kind:lower(), message_type = MESSAGE_TYPE[kind],
    owner = members[1], members = members, color = "#1eb4aa", entity_type = "", entity_id = "",
    message_count = 0, last_message_id = 0, counter = 0, date_create = call.portal:date(now),
    last_activity = now, written_only = true,
  })
  return id
end

local function change(call, node, added, removed)
  local gone, list, seen = {}, {}, {}
  for _, id in ipairs(removed) do
    gone[id] = true
  end
  for _, ids in ipairs { linked(call, node), added } do
    for _, id in ipairs(ids) do
      if not gone[id] and not seen[id] and call.store:get("chats", id) then
        seen[id] = true
        list[#list + 1] = id
      end
    end
  end
  call.store:update("nodes", node.id, { chats = list })
end

function communications.edit(call)
  local id = rest3.id(call, "nodeId")
  local kind = rest3.required(call, "communicationType", "Parameter \"communicationType\" is required.")
  if not KEY[kind] then
    rest3.invalid(call, "communicationType",
      "Parameter \"communicationType\" must be CHAT, CHANNEL or COLLAB.")
  end
  local node = call.store:get("nodes", id)
  if not node then
    rest3.not_found(call, id)
  elseif not nodes.may_change(call) then
    rest3.denied(call)
  end
  local added = ids_of(call, "ids")
  if world.yes(call.params.createDefault) then
    added[#added + 1] = new_chat(call, node, kind)
  end
  change(call, node, added, ids_of(call, "removeIds"))
  return { success = true }
end

--- Links what humanresources.node.add asks for with the new node.
function communications.bind(call, id)
  local node, added = call.store:get("nodes", id), {}
  for kind, name in pairs { CHAT = "Chat", CHANNEL = "Channel", COLLAB = "Collab" } do
    for _, chat_id in ipairs(ids_of(call, "binding" .. name .. "Ids")) do
      added[#added + 1] = chat_id
    end
    if world.yes(call.params["create" .. name]) then
      added[#added + 1] = new_chat(call, node, kind)
    end
  end
  table.sort(added)
  call.store:update("nodes", id, { chats = {} })
  change(call, call.store:get("nodes", id), added, {})
end

return communications
