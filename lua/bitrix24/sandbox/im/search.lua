-- im.search.chat.list and im.search.user.list: three characters at least,
-- LIMIT 10 and at most 50, `next` is the OFFSET of the next page.

local json = require "bitrix24.json"
local chats = require "bitrix24.sandbox.chats.records"
local users = require "bitrix24.sandbox.users.records"
local views = require "bitrix24.sandbox.chats.views"
local world = require "bitrix24.sandbox.users.world"

local search = {}

-- One page and what the answer says about the rest.
local function cut(call, list)
  local limit = world.limit(call:param("LIMIT"), 10, 50)
  local offset = math.max(world.int(call:param("OFFSET"), 0), 0)
  local page = table.move(list, offset + 1, math.min(offset + limit, #list), 1, {})
  local more = offset + limit < #list
  return page, { total = #list, next = more and offset + limit or nil }
end

-- Ids of the users whose name contains the phrase.
local function named(call, phrase)
  local ids = {}
  for _, user in ipairs(call.store:records("users")) do
    if world.contains(users.name(user), phrase) then
      ids[user.ID] = true
    end
  end
  return ids
end

local function has_any(chat, ids)
  for _, id in ipairs(chat.members) do
    if ids[id] then
      return true
    end
  end
  return false
end

-- A test for one kind of chats; nil when its phrase was not sent.
local function matcher(call, name)
  local phrase = world.phrase(call, name)
  if not phrase then
    return nil
  end
  local ids, lower = named(call, phrase), world.lower(phrase)
  return function(chat)
    return world.lower(chat.name):find(lower, 1, true) ~= nil or has_any(chat, ids)
  end
end

-- FIND looks in titles and members' names, FIND_LINES in the chats of Open
-- Channels; newest id first (chats/search/im-search-chat-list).
function search.chats(call)
  local ordinary, lines = matcher(call, "FIND"), matcher(call, "FIND_LINES")
  if not ordinary and not lines then
    call:fail("FIND_SHORT", "Too short a search phrase.")
  end
  local found = {}
  for _, record in ipairs(call.store:records("chats")) do
    local chat = chats.whole(record)
    local test = ordinary
    if chat.type == "lines" then
      test = lines
    end
    if test and chats.reads(chat, call.user_id) and test(chat) then
      found[#found + 1] = chat
    end
  end
  table.sort(found, function(a, b) return a.id > b.id end)
  local page, envelope = cut(call, found)
  local list = json.array {}
  for i, chat in ipairs(page) do
    list[i] = views.search(chat, call.user_id)
  end
  return list, envelope
end

-- The result is an object keyed by user id, and [] when nobody is found
-- (chats/search/im-search-user-list).
function search.users(call)
  local phrase = world.phrase(call, "FIND")
  if not phrase then
    call:fail("FIND_SHORT", "Too short a search phrase.")
  end
  local found = {}
  for _, record in ipairs(call.store:records("users")) do
    local user = users.whole(record)
    local text = users.name(user) .. " " .. user.WORK_POSITION
    if user.ACTIVE and world.contains(text, phrase)
      and user.USER_TYPE ~= "imconnector" and user.USER_TYPE ~= "email" then
      found[#found + 1] = user
    end
  end
  local page, envelope = cut(call, found)
  if #page == 0 then
    return json.array {}, envelope
  end
  local map = {}
  for _, user in ipairs(page) do
    map[tostring(user.ID)] = users.im(call.portal, user)
  end
  return json.object(map), envelope
end

return search
