-- im.user.get, im.user.list.get and im.notify.get.

local json = require "bitrix24.json"
local users = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local im = {}

--- The caller when ID is absent (chats/users/im-user-get).
function im.get(call)
  local given = call:param("ID")
  local id = given == nil and call.user_id or world.int(given)
  if not id or id < 1 then
    call:fail("ID_EMPTY", "User ID can't be empty")
  end
  local user = call.store:get("users", id)
  if not user then
    call:fail("USER_NOT_EXISTS", "User doesn't exist")
  end
  return users.im(call.portal, user)
end

-- A list of ids or their text with commas.
local function ids_of(value)
  if type(value) == "string" then
    local list = {}
    for digits in value:gmatch("%d+") do
      list[#list + 1] = world.int(digits)
    end
    return list
  end
  return type(value) == "table" and value or {}
end

--- An object keyed by id with null for unknown users, or a list when
--- RESULT_TYPE is `array` (chats/users/im-user-list-get).
function im.list(call)
  local ids = ids_of(call:param("ID"))
  if #ids == 0 then
    call:fail("INVALID_FORMAT", "A wrong format for the ID field is passed")
  end
  local as_list = call:param("RESULT_TYPE") == "array"
  local out = as_list and json.array {} or {}
  for _, given in ipairs(ids) do
    local id = world.int(given, 0)
    local user = id > 0 and call.store:get("users", id)
    local shown = user and users.im(call.portal, user) or json.null
    if not as_list then
      out[tostring(given)] = shown
    elseif user then
      out[#out + 1] = shown
    end
  end
  return as_list and out or json.object(out)
end

local NOTIFICATIONS = 120

local function notification(call, seed, id)
  return {
    id = id,
    chat_id = 77,
    author_id = 1 + world.roll(seed, "notifier", id) % world.size(call.portal, "users"),
    date = call.portal:date(world.EPOCH - (NOTIFICATIONS - id) * 7200),
    notify_type = id % 9 == 0 and 1 or 3,
    notify_module = "tasks",
    notify_event = "manage",
    notify_tag = "TASKS|TASK|" .. id,
    notify_sub_tag = "",
    notify_title = "",
    setting_name = "tasks|manage",
    text = ("Task %d was changed"):format(id),
    notify_read = id > NOTIFICATIONS - 5 and "N" or "Y",
    params = json.null,
  }
end

-- LAST_ID and LAST_TYPE come together: first the ones that ask for an answer
-- (type 1), then the others, each from new to old (chats/notifications/im-notify-get).
local function after(list, last_type, last_id)
  if not last_id then
    return list
  end
  local rest = {}
  for _, entry in ipairs(list) do
    if (entry.notify_type == last_type and entry.id < last_id) or entry.notify_type > last_type then
      rest[#rest + 1] = entry
    end
  end
  return rest
end

function im.notifications(call)
  local given_id, given_type = call:param("LAST_ID"), call:param("LAST_TYPE")
  if (given_id == nil) ~= (given_type == nil) then
    call:fail("LAST_ID_AND_LAST_TYPE", "Parameters LAST_ID and LAST_TYPE should be used together.")
  end
  local last_id = world.int(given_id)
  if given_id ~= nil and not last_id then
    call:fail("LAST_ID_STRING", "Last notification ID can't be string")
  end
  local list, seed = {}, world.seed(call.portal)
  for id = 1, NOTIFICATIONS do
    list[id] = notification(call, seed, id)
  end
  table.sort(list, function(a, b)
    if a.notify_type ~= b.notify_type then
      return a.notify_type < b.notify_type
    end
    return a.id > b.id
  end)
  local rest = after(list, world.int(given_type, 3), last_id)
  local shown, authors, seen = json.array {}, json.array {}, {}
  for i = 1, math.min(world.limit(call:param("LIMIT"), 50, 50), #rest) do
    shown[i] = rest[i]
    local author = not seen[rest[i].author_id] and call.store:get("users", rest[i].author_id)
    seen[rest[i].author_id] = true
    if author then
      authors[#authors + 1] = users.im(call.portal, author)
    end
  end
  return {
    total_count = NOTIFICATIONS, total_unread_count = 5, chat_id = 77,
    notifications = shown, users = authors,
  }
end

return im
