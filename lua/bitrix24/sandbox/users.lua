-- Users: user.get, user.search, user.current, user.fields.
--
-- user.get and user.search take their filter at the top level as well as in
-- FILTER, `sort` and `order` as two scalars, and never show bots, mail users
-- and clients of Open Channels (user/user-get, user/user-search).

local json = require "bitrix24.json"
local records = require "bitrix24.sandbox.users.records"
local world = require "bitrix24.sandbox.users.world"

local FIELDS = {
  ID = "ID", XML_ID = "External code", ACTIVE = "Active", NAME = "First name",
  LAST_NAME = "Last name", SECOND_NAME = "Second name", TITLE = "Title", EMAIL = "E-Mail",
  LAST_LOGIN = "Last login", DATE_REGISTER = "Date of registration", TIME_ZONE = "Time zone",
  IS_ONLINE = "Is online", TIMESTAMP_X = "Changed", LAST_ACTIVITY_DATE = "Last activity",
  PERSONAL_GENDER = "Gender", PERSONAL_WWW = "Homepage", PERSONAL_BIRTHDAY = "Birthday",
  PERSONAL_PHOTO = "Photo", PERSONAL_MOBILE = "Mobile phone", PERSONAL_PHONE = "Private phone",
  PERSONAL_CITY = "City", WORK_PHONE = "Company phone", WORK_POSITION = "Position",
  UF_EMPLOYMENT_DATE = "Date of employment", UF_DEPARTMENT = "Departments", USER_TYPE = "User type",
}

-- Top-level names that are no fields to filter by.
local CONTROL = {
  SORT = true, ORDER = true, FILTER = true, SELECT = true, START = true,
  ADMIN_MODE = true, IMAGE_RESIZE = true, AUTH = true, FIND = true,
}

local function bare(key)
  return (key:upper():gsub("^[^%w_]+", ""))
end

-- Everything the caller filters by, from both places.
local function wanted(call)
  local filter = {}
  local function take(from, known_only)
    for key, value in pairs(type(from) == "table" and from or {}) do
      local name = type(key) == "string" and bare(key)
      if name and not CONTROL[name] and (FIELDS[name] or not known_only) then
        filter[key:upper()] = value
      end
    end
  end
  take(call.params, true)
  take(call:param("FILTER"))
  return filter
end

-- An `in any of` test for UF_DEPARTMENT, whose stored value is a list.
local function in_department(value)
  local departments = {}
  for _, id in ipairs(type(value) == "table" and value or { value }) do
    departments[world.int(id, 0)] = true
  end
  return function(user)
    for _, id in ipairs(user.UF_DEPARTMENT) do
      if departments[id] then
        return true
      end
    end
    return false
  end
end

local function named(text)
  return function(user)
    return world.contains(table.concat({ user.NAME, user.LAST_NAME, user.NAME, user.EMAIL,
      user.WORK_POSITION }, " "), tostring(text))
  end
end

-- Takes what the common filter cannot know out of it: the list of departments,
-- the name search, booleans however they were sent, wildcards in plain values.
local function tests(filter)
  local list = { function(user) return not records.system(user) end }
  for key, value in pairs(filter) do
    local name = bare(key)
    if name == "UF_DEPARTMENT" then
      list[#list + 1], filter[key] = in_department(value), nil
    elseif name == "NAME_SEARCH" then
      list[#list + 1], filter[key] = named(value), nil
    elseif name == "ACTIVE" or name == "IS_ONLINE" then
      local flag = world.yes(value)
      if key:find("^!") then
        flag = not flag
      end
      list[#list + 1] = function(user) return user[name] == flag end
      filter[key] = nil
    end
  end
  for _, key in ipairs { "NAME", "LAST_NAME", "EMAIL", "WORK_POSITION", "PERSONAL_CITY" } do
    local value = filter[key]
    if type(value) == "string" and value:find("%", 1, true) then
      filter[key], filter["=%" .. key] = nil, value
    end
  end
  return list
end

-- The finished list in the order asked for.
local function select_users(call, filter, extra)
  local checks = tests(filter)
  table.move(extra or {}, 1, #(extra or {}), #checks + 1, checks)
  local sort = call:param("sort")
  sort = type(sort) == "string" and FIELDS[sort:upper()] and sort:upper() or "ID"
  local direction = tostring(call:param("order") or "ASC"):upper() == "DESC" and "DESC" or "ASC"
  local found = world.find(call, "users", filter, { [sort] = direction })
  local list = {}
  for _, user in ipairs(found) do
    local fits, whole = true, records.whole(user)
    for _, check in ipairs(checks) do
      fits = fits and check(whole)
    end
    if fits then
      list[#list + 1] = user
    end
  end
  return list
end

local function answer(call, list)
  local page, envelope = world.page(list, world.start(call:param("start")))
  local out = json.array {}
  for i, user in ipairs(page) do
    out[i] = records.rest(user)
  end
  return out, envelope
end

local function user_get(call)
  return answer(call, select_users(call, wanted(call)))
end

-- user.search looks for the words inside the fields (user/user-search).
local function user_search(call)
  local filter, extra = wanted(call), {}
  for _, name in ipairs { "NAME", "LAST_NAME", "WORK_POSITION" } do
    local value = filter[name]
    if type(value) == "string" then
      filter[name] = nil
      local text = value:gsub("%%", "")
      extra[#extra + 1] = function(user) return world.contains(user[name], text) end
    end
  end
  local department = filter.UF_DEPARTMENT_NAME
  if department then
    filter.UF_DEPARTMENT_NAME = nil
    extra[#extra + 1] = function(user)
      for _, id in ipairs(user.UF_DEPARTMENT) do
        local node = call.store:get("nodes", id)
        if node and world.contains(node.name, tostring(department)) then
          return true
        end
      end
      return false
    end
  end
  local find = call:param("FIND")
  if type(find) == "string" and find ~= "" then
    extra[#extra + 1] = named(find)
  end
  return answer(call, select_users(call, filter, extra))
end

local function user_current(call)
  local user = records.rest(call.store:get("users", call.user_id))
  user.LAST_ACTIVITY_DATE = call.portal:date(call.portal:now()):gsub("T", " "):sub(1, 19)
  return user
end

return function(portal)
  world.define(portal, "users", "ID", records.maker(portal))
  local define = { version = 2, scope = "user" }
  portal:method("user.get", define, user_get)
  portal:method("user.search", define, user_search)
  portal:method("user.current", define, user_current)
  portal:method("user.fields", define, function()
    local fields = json.object {}
    for name, title in pairs(FIELDS) do
      fields[name] = title
    end
    return fields
  end)
end
