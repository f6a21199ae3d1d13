-- One user of the sandbox: the stored record, and the two shapes the platform
-- shows it in: user.* (upper-case names, the id as text) and im.* (lower-case
-- names, the id as a number, phones false or an object).

local json = require "bitrix24.json"
local people = require "bitrix24.sandbox.people"
local tree = require "bitrix24.sandbox.users.tree"
local world = require "bitrix24.sandbox.users.world"

local records = {}

local COLORS = { "#58cc47", "#df532d", "#1eb4aa", "#3e99ce", "#ab7761", "#8474c8", "#4ba984", "#728f7a" }
local CITIES = { "Berlin", "Vienna", "Zurich", "Hamburg", "Munich", "Graz", "Bern" }
local SYSTEM = { bot = "Assistant", imconnector = "Open Channel", email = "Mail" }

--- A generator of users, for store:define.
function records.maker(portal)
  local departments = world.size(portal, "departments")
  return function(seed, u)
    local person = people.person(seed, u)
    local kind = tree.kind(seed, u)
    local system = SYSTEM[kind] ~= nil
    local reachable = not system and (u == 1 or world.roll(seed, "phones", u) % 4 ~= 0)
    local seen = world.EPOCH - world.roll(seed, "seen", u) % (40 * 86400)
    return {
      ID = u,
      ACTIVE = u == 1 or world.roll(seed, "active", u) % 15 ~= 0,
      NAME = kind == "bot" and SYSTEM.bot or person.first_name,
      LAST_NAME = kind == "bot" and tostring(u) or person.last_name,
      EMAIL = person.email,
      PERSONAL_GENDER = person.gender or "",
      PERSONAL_BIRTHDAY = person.birthday or "",
      PERSONAL_MOBILE = reachable and person.mobile or "",
      PERSONAL_PHONE = reachable and person.personal_phone or "",
      WORK_PHONE = reachable and person.work_phone or "",
      WORK_POSITION = system and "" or person.position or "",
      PERSONAL_CITY = world.pick(CITIES, seed, "city", u),
      UF_DEPARTMENT = tree.departments(seed, u, departments),
      USER_TYPE = kind,
      IS_ONLINE = u == 1 or world.roll(seed, "online", u) % 3 == 0,
      COLOR = world.pick(COLORS, seed, "color", u),
      HAS_AVATAR = world.roll(seed, "avatar", u) % 3 == 0,
      ADMIN = u == 1,
      LAST_ACTIVITY_DATE = portal:date(seen),
      LAST_LOGIN = portal:date(seen - 900),
      DATE_REGISTER = portal:date(world.EPOCH - 86400 * (400 + u % 300)),
    }
  end
end

-- What a record put there by a test may lack.
local EMPTY = {
  NAME = "", LAST_NAME = "", EMAIL = "", PERSONAL_GENDER = "", PERSONAL_BIRTHDAY = "", PERSONAL_MOBILE = "",
  PERSONAL_PHONE = "", WORK_PHONE = "", WORK_POSITION = "", PERSONAL_CITY = "", USER_TYPE = "employee",
  COLOR = COLORS[1], LAST_ACTIVITY_DATE = "", LAST_LOGIN = "", DATE_REGISTER = "", UF_DEPARTMENT = {},
  ACTIVE = true, IS_ONLINE = false, HAS_AVATAR = false,
}

--- The record with nothing missing, to be read only.
---@param user table
---@return table
local function whole(user)
  return setmetatable({}, { __index = function(_, name)
    local value = user[name]
    if value == nil then
      return EMPTY[name]
    end
    return value
  end })
end

records.whole = whole

--- Full name as the messenger writes it.
function records.name(user)
  return ((user.NAME or "") .. " " .. (user.LAST_NAME or "")):match("^%s*(.-)%s*$")
end

--- Whether this is no person: a bot, an Open Channel client, a mail user.
function records.system(user)
  return SYSTEM[user.USER_TYPE] ~= nil
end

-- The month and day of a birthday written either way round, "" when unknown.
local function birthday_parts(text)
  local month, day = text:match("^%d%d%d%d%-(%d%d)%-(%d%d)")
  if not month then
    day, month = text:match("^(%d%d)[%-%.](%d%d)")
  end
  return day, month
end

local function phones(user)
  local found = {}
  for name, field in pairs {
    work_phone = "WORK_PHONE", personal_mobile = "PERSONAL_MOBILE", personal_phone = "PERSONAL_PHONE",
  } do
    if user[field] ~= "" then
      found[name] = user[field]
    end
  end
  return next(found) and found or false
end

local function bot_data(user)
  if user.USER_TYPE ~= "bot" then
    return json.null
  end
  return { code = "assistant_" .. user.ID, type = "bot", app_id = "", is_hidden = false,
    is_support_openline = false }
end

--- A user as im.* methods show it (chats/chat-users/im-dialog-users-list).
function records.im(portal, user)
  user = whole(user)
  local external = user.USER_TYPE
  if external == "employee" or external == "extranet" then
    external = "socservices"
  end
  local avatar = ""
  if user.HAS_AVATAR then
    avatar = ("%s/upload/avatars/%d.png"):format(world.url(portal), user.ID)
  end
  local day, month = birthday_parts(user.PERSONAL_BIRTHDAY)
  return {
    id = user.ID,
    active = user.ACTIVE,
    name = records.name(user),
    first_name = user.NAME,
    last_name = user.LAST_NAME,
    work_position = user.WORK_POSITION,
    color = user.COLOR,
    avatar = avatar,
    avatar_hr = user.HAS_AVATAR and avatar:gsub("%.png$", "@2x.png") or "/bitrix/js/im/images/blank.gif",
    gender = user.PERSONAL_GENDER ~= "" and user.PERSONAL_GENDER or "M",
    birthday = day and day .. "-" .. month or "",
    extranet = user.USER_TYPE == "extranet",
    network = false,
    bot = user.USER_TYPE == "bot",
    connector = user.USER_TYPE == "imconnector",
    external_auth_id = external,
    status = "online",
    idle = false,
    last_activity_date = user.LAST_ACTIVITY_DATE,
    mobile_last_date = false,
    desktop_last_date = false,
    absent = false,
    departments = json.array(table.move(user.UF_DEPARTMENT, 1, #user.UF_DEPARTMENT, 1, {})),
    phones = phones(user),
    bot_data = bot_data(user),
    type = user.USER_TYPE == "bot" and "bot" or user.USER_TYPE == "extranet" and "extranet" or "user",
    website = "",
    email = user.EMAIL,
  }
end

local function midnight(text)
  local date = text:match("^%d%d%d%d%-%d%d%-%d%d$")
  return date and date .. "T00:00:00+00:00" or text
end

--- A user as user.get and user.search show it (user/user-get).
function records.rest(user)
  user = whole(user)
  return {
    ID = tostring(user.ID),
    ACTIVE = user.ACTIVE,
    NAME = user.NAME,
    LAST_NAME = user.LAST_NAME,
    SECOND_NAME = "",
    EMAIL = user.EMAIL,
    LAST_LOGIN = user.LAST_LOGIN,
    DATE_REGISTER = user.DATE_REGISTER,
    TIME_ZONE = "",
    IS_ONLINE = user.IS_ONLINE and "Y" or "N",
    TIMESTAMP_X = json.object {},
    LAST_ACTIVITY_DATE = json.object {},
    PERSONAL_GENDER = user.PERSONAL_GENDER,
    PERSONAL_WWW = "",
    PERSONAL_BIRTHDAY = midnight(user.PERSONAL_BIRTHDAY),
    PERSONAL_MOBILE = user.PERSONAL_MOBILE,
    PERSONAL_PHONE = user.PERSONAL_PHONE,
    PERSONAL_CITY = user.PERSONAL_CITY,
    WORK_PHONE = user.WORK_PHONE,
    WORK_POSITION = user.WORK_POSITION,
    UF_EMPLOYMENT_DATE = "",
    UF_DEPARTMENT = json.array(table.move(user.UF_DEPARTMENT, 1, #user.UF_DEPARTMENT, 1, {})),
    USER_TYPE = user.USER_TYPE,
  }
end

return records
