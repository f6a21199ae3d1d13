-- main.eventlog.list, get and tail, for administrators. `tail` moves by a
-- cursor {field, order, value, limit}: the next value is the field of the last
-- item, and that field may not stand in the filter (event-log/main-eventlog-tail).

local filter = require "bitrix24.sandbox.hr.filter"
local rest3 = require "bitrix24.sandbox.hr.rest3"
local world = require "bitrix24.sandbox.users.world"

local FIELDS = {
  "id", "timestampX", "severity", "auditTypeId", "moduleId", "itemId", "remoteAddr", "userAgent",
  "requestUri", "siteId", "userId", "guestId", "description",
}
local KNOWN = {}
for _, name in ipairs(FIELDS) do
  KNOWN[name] = true
end

local KINDS = { "USER_AUTHORIZE", "USER_LOGIN", "USER_INFO", "PAGE_EDIT", "FILE_ADD" }

local function maker(portal)
  local users, count = world.size(portal, "users"), world.size(portal, "events")
  return function(seed, id)
    local user = 1 + world.roll(seed, "event", id) % users
    local kind = world.pick(KINDS, seed, "audit", id)
    return {
      id = id,
      timestampX = portal:date(world.EPOCH - (count - id) * 600),
      severity = kind:find("^USER") and "SECURITY" or "INFO",
      auditTypeId = kind,
      moduleId = "main",
      itemId = tostring(user),
      remoteAddr = "127.0.0.1",
      userAgent = "Mozilla/5.0",
      requestUri = "/",
      siteId = "s1",
      userId = user,
      guestId = 0,
      description = ('{"userId":%d,"method":"rest"}'):format(user),
    }
  end
end

local function guard(call)
  local me = call.store:get("users", call.user_id)
  if not me or not me.ADMIN then
    rest3.denied(call)
  end
end

local function matching(call)
  local fits, found = filter.read(call, KNOWN, "EventLogDto"), {}
  for _, event in ipairs(call.store:records("events")) do
    if fits(event) then
      found[#found + 1] = event
    end
  end
  return found
end

local function shower(call)
  local names = rest3.select(call)
  return function(event)
    return rest3.project(call, event, names, FIELDS)
  end
end

local function list(call)
  guard(call)
  local show = shower(call)
  local found = matching(call)
  local offset, limit = rest3.page(call, 50)
  rest3.sort(call, found, KNOWN)
  return rest3.items(found, offset, limit, show)
end

local function get(call)
  guard(call)
  local id, show = rest3.id(call, "id"), shower(call)
  local event = call.store:get("events", id)
  if not event then
    rest3.not_found(call, id)
  end
  return { item = show(event) }
end

local function cursor_of(call)
  local given = call.params.cursor
  given = type(given) == "table" and given or {}
  local field, limit = given.field or "id", given.limit
  if not KNOWN[field] then
    call:fail3("UNKNOWNDTOPROPERTYEXCEPTION",
      ("Unknown field `%s` for entity `EventLogDto`"):format(tostring(field)), 400)
  elseif filter.mentions(call.params.filter)[field] then
    call:fail3("INVALIDFILTEREXCEPTION",
      ("Unable to recognize filter expression `Cursor field %s cannot be used at filter.`"):format(field),
      400)
  end
  local size = limit == nil and 50 or world.int(limit)
  if not size or size < 1 then
    rest3.bad_page(call, "limit", limit)
  end
  local descending = tostring(given.order or "ASC"):upper() == "DESC"
  return field, given.value or 0, size, descending
end

-- Numbers by value, the rest as text.
local function before(a, b)
  local x, y = tonumber(a), tonumber(b)
  if x and y then
    return x < y
  end
  return tostring(a) < tostring(b)
end

local function tail(call)
  guard(call)
  local field, value, limit, descending = cursor_of(call)
  local show, found = shower(call), {}
  for _, event in ipairs(matching(call)) do
    local first, second = value, event[field]
    if descending then
      first, second = second, first
    end
    if before(first, second) then
      found[#found + 1] = event
    end
  end
  table.sort(found, function(a, b)
    local x, y = a[field], b[field]
    if x == y then
      x, y = a.id, b.id
    end
    if descending then
      x, y = y, x
    end
    return before(x, y)
  end)
  return rest3.items(found, 0, limit, show)
end

return function(portal)
  world.define(portal, "events", "id", maker(portal))
  local define = { version = 3, scope = "main" }
  portal:method("main.eventlog.list", define, list)
  portal:method("main.eventlog.get", define, get)
  portal:method("main.eventlog.tail", define, tail)
end
