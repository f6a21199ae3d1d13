--- Planted secrets: how portals quote them, what is done with a portal, and the
-- search through all that came out for every piece of every secret.
--
-- To be required before the library, whose warnings are heard too.

local warned = {}
rawset(_G, "warn", function(...) warned[#warned + 1] = table.concat { ... } end)

local bitrix24 = require "bitrix24"
local events = require "bitrix24.events"
local json = require "bitrix24.json"

--- Characters in a row that are too many of a secret.
local PIECE = 8

-- ---- chance --------------------------------------------------------------------

local SEED = math.tointeger(tonumber(os.getenv "SECRETS_SEED")) or os.time() % 1000000
math.randomseed(SEED)
local random = math.random

local function pick(list) return list[random(#list)] end

local LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

local function secret_text(size)
  local out = {}
  for i = 1, size do
    local at = random(#LETTERS)
    out[i] = LETTERS:sub(at, at)
  end
  return table.concat(out)
end

-- ---- what came out, and the search ---------------------------------------------

--- Everything that came out, until `start`: { text =, channel =, during = }.
local said, situation = {}, "start"

--- Forget what came out so far.
local function start()
  said, situation = {}, "start"
end

local function say(channel, text)
  if text ~= "" then said[#said + 1] = { text = text, channel = channel, during = situation } end
end

--- Every text in a value: keys, values, what it prints as, what is behind it.
local function hear(channel, value, seen)
  if type(value) == "string" then return say(channel, value) end
  if type(value) ~= "table" and type(value) ~= "userdata" then return end
  seen = seen or {}
  if seen[value] then return end
  seen[value] = true
  say(channel .. " tostring", tostring(value))
  if type(value) ~= "table" then return end
  for key, item in next, value do
    hear(channel, key, seen)
    hear(channel .. "." .. tostring(key):sub(1, 20), item, seen)
  end
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The spellings in which a reader, or a program, would still know a secret.
local function spellings(text)
  local once = unescape(text)
  return {
    text, once, unescape(once), (text:gsub("%s+", "")),
    (text:gsub("\\u00(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)),
  }
end

--- Pieces of all secrets → whose they are.
local function pieces_of(secrets)
  local pieces = {}
  for name, secret in pairs(secrets) do
    for at = 1, #secret - PIECE + 1 do pieces[secret:sub(at, at + PIECE - 1)] = name end
  end
  return pieces
end

local function leak_in(text, pieces)
  for _, spelled in ipairs(spellings(text)) do
    for at = 1, #spelled - PIECE + 1 do
      local name = pieces[spelled:sub(at, at + PIECE - 1)]
      if name then return name end
    end
  end
end

--- What leaked, in words; nil when nothing did.
local function leaks(secrets)
  local pieces, found, known = pieces_of(secrets), {}, {}
  for _, item in ipairs(said) do
    local name = known[item.text]
    if name == nil then
      name = leak_in(item.text, pieces) or false
      known[item.text] = name
    end
    if name then
      found[#found + 1] = ("the %s, in %s, during: %s\n  %s"):format(name, item.channel, item.during,
        item.text)
    end
  end
  if #found > 0 then
    return ("%d leaks with SECRETS_SEED=%d, the first:\n%s"):format(#found, SEED, table.concat(found, "\n", 1,
      math.min(#found, 8)))
  end
end

--- Run something that may fail; all that its failure says is heard.
local function try(words, f, ...)
  situation = words
  local ok, e = xpcall(f, function(e)
    say("traceback", debug.traceback(tostring(e), 1))
    return e
  end, ...)
  if not ok then hear("error", e) end
  for _, text in ipairs(warned) do say("warning", text) end
  warned = {}
  return ok, e
end

local function log(event) hear("log", event) end

-- ---- how a secret is quoted ------------------------------------------------------

local function percent(text, share)
  return (text:gsub(".", function(c)
    if random() > share then return nil end
    return (random() < 0.5 and "%%%02x" or "%%%02X"):format(c:byte())
  end))
end

local FORMS = {
  plain = function(s) return s end,
  ["in brackets"] = function(s) return "[" .. s .. "]" end,
  percent = function(s) return percent(s, 0.5) end,
  ["percent, all"] = function(s) return percent(s, 1) end,
  ["percent twice"] = function(s) return (percent(s, 0.5):gsub("%%", "%%25")) end,
  json = function(s)
    return (s:gsub(".", function(c)
      return random() < 0.4 and (random() < 0.5 and "\\u%04x" or "\\u%04X"):format(c:byte()) or nil
    end))
  end,
  ["two lines"] = function(s)
    local at = random(#s - 1)
    return s:sub(1, at) .. pick { "\n", "\r\n" } .. s:sub(at + 1)
  end,
  twice = function(s) return s .. s end,
  ["among letters"] = function(s) return "x" .. s .. "y" end,
  address = function(s) return ("https://127.0.0.1:9/rest/1/%s/crm.deal.list"):format(s) end,
  ["address, json"] = function(s) return ("https:\\/\\/127.0.0.1:9\\/rest\\/1\\/%s\\/x"):format(s) end,
  ["address, percent"] = function(s)
    return ("https%%3A%%2F%%2F127.0.0.1%%3A9%%2Frest%%2F1%%2F%s%%2Fx"):format(s) end,
  query = function(s) return ("/x?a=1&auth=%s&b=2"):format(s) end,
  named = function(s) return ('{"access_token":"%s","refresh_token" : "%s"}'):format(s, s) end,
  bearer = function(s) return "Authorization: Bearer " .. s end,
  user = function(s) return ("http://me:%s@127.0.0.1:9"):format(s) end,
  -- where texts are cut somewhere on their way
  late = function(s) return ("z"):rep(random(0, 300)) .. s end,
  ["late word"] = function(s) return ("zz "):rep(random(0, 100)) .. s end,
}

local form_names = {}
for name in pairs(FORMS) do form_names[#form_names + 1] = name end
table.sort(form_names)

-- ---- where a portal quotes it --------------------------------------------------

local function html(tag)
  return function(s)
    return { status = pick { 200, 400, 403, 502 }, headers = { ["Content-Type"] = "text/html" },
      body = ("<html><%s>%s</%s></html>"):format(tag, s, tag) }
  end
end

local function object(make)
  return function(s)
    return { status = pick { 200, 400, 401, 403, 500 }, body = json.encode(make(s)) }
  end
end

--- What cannot stand in a header is left out.
local function header(name, status)
  return function(s)
    s = s:gsub("%c", "")
    return { status = status, body = "x",
      headers = { [name] = (name == "Content-Type" and "text/" or "") .. s } }
  end
end

local PLACES = {
  description = object(function(s) return { error = "X", error_description = "bad " .. s .. ", really" } end),
  code = object(function(s) return { error = s, error_description = pick { "", "x" } } end),
  ["code without words"] = object(function(s) return { error = s } end),
  ["an object for a code"] = object(function(s) return { error = { [s] = { s } },
    error_description = { s } } end),
  ["REST 3.0"] = object(function(s)
    return { error = { code = s, message = s, validation = { { field = s, message = s }, s, { [s] = s } } } }
  end),
  inner = object(function(s) return { result = { error = s, error_description = s, result = false } } end),
  ["inner list"] = object(function(s) return { result = { status = "error", errors = { { code = s,
    message = s } } } } end),
  keys = object(function(s) return { result = { [s] = 1, [s .. "2"] = { s } }, time = {} } end),
  ["keys outside"] = object(function(s) return { [s] = s } end),
  ["a batch's commands"] = object(function(s)
    return { result = { result = { c1 = {} }, result_error = { c0 = { error = s, error_description = s },
      [s] = s },
      result_total = { [s] = s } }, time = { [s] = s } }
  end),
  ["a list's page"] = object(function(s) return { result = { { ID = s, id = s } }, next = s, total = s,
    time = {} } end),
  title = html "title", heading = html "h1",
  ["no JSON"] = function(s) return { status = 200, body = "text " .. s } end,
  ["cut JSON"] = function(s) return { status = 200, body = '{"result":{"' .. s } end,
  ["content type"] = header("Content-Type", 200),
  place = header("Location", 302),
  ["a place elsewhere"] = function(s)
    local where = pick { "https://127.0.0.1:9/rest/1/", "https://127.0.0.1:9?auth=", "http://x:",
      "//127.0.0.1:9/rest/",
      "https://u:", "ftp://" }
    return { status = pick { 301, 302, 307, 308 }, body = "",
      headers = { Location = where .. s:gsub("%c", "") .. pick { "", "/x", "@127.0.0.1:9/" } } }
  end,
  reset = function() return "reset" end,
  cut = function() return "cut" end,
  ["a message of curl"] = header("Transfer-Encoding", 200),
}

local place_names = {}
for name in pairs(PLACES) do place_names[#place_names + 1] = name end
table.sort(place_names)

-- ---- what is done with a portal ---------------------------------------------------

local function drain(iterator)
  for _ in iterator do if random() < 0.02 then break end end
end

local OPERATIONS = {
  call = function(portal) portal:call(pick { "profile", "crm.deal.list", "crm.deal.add", "no.such.method" },
    {}) end,
  node = function(portal) portal.crm.deal.get { id = 1 } end,
  v3 = function(portal) portal.v3:call(pick { "tasks.task.get", "tasks.task.add" }, { id = 1 }) end,
  array = function(portal) portal:call("some.method", bitrix24.array { 1 }) end,
  ["array, v3"] = function(portal) portal.v3:call("some.method", bitrix24.array { 1 }) end,
  each = function(portal) drain(portal.crm.contact.list:each()) end,
  sequential = function(portal) drain(portal:each("crm.contact.list", {}, { strategy = "sequential" })) end,
  pages = function(portal) drain(portal:pages(pick { "crm.item.list", "user.get" },
    { entityTypeId = 3 })) end,
  all = function(portal) portal.user.get:all() end,
  ["unknown list"] = function(portal) portal:all("any.list") end,
  first = function(portal) portal.crm.deal.list:first() end,
  count = function(portal) portal.crm.deal.list:count() end,
  batch = function(portal)
    local b = portal:batch()
    local one, two = b.user.current(), b.crm.deal.get { id = 1 }
    local ok, e = pcall(b.run, b)
    for _, value in ipairs { b, one, two } do say("tostring", tostring(value)) end
    for _, handle in ipairs { one, two } do
      local _, fault = pcall(handle)
      hear("error of a command", bitrix24.is_error(fault) and fault or "")
    end
    if not ok then error(e, 0) end
  end,
  ["batch by table"] = function(portal)
    local _, faults = portal:batch { me = { "user.current" }, d = { "crm.deal.get", { id = 9 } } }
    hear("error of a command", faults)
  end,
  ["batch, v3"] = function(portal)
    local b = portal.v3:batch()
    b.tasks.task.get { id = 1 }
    b:run()
  end,
  map = function(portal)
    local _, faults = portal:map({ 1, 2, 3 }, function(id) return portal.crm.deal.get { id = id } end,
      { on_error = "collect" })
    hear("error of a task", faults)
  end,
  gather = function(portal)
    portal:gather(function() return portal.profile() end, function() return portal.user.current() end)
  end,
  offline = function(portal) drain(events.offline(portal)) end,
}

local operation_names = {}
for name in pairs(OPERATIONS) do operation_names[#operation_names + 1] = name end
table.sort(operation_names)

return {
  seed = SEED, random = random, pick = pick, text = secret_text,
  start = start, during = function(words) situation = words end, count = function() return #said end,
  say = say, hear = hear, try = try, log = log, leaks = leaks, drain = drain,
  forms = FORMS, form_names = form_names, places = PLACES, place_names = place_names,
  operations = OPERATIONS, operation_names = operation_names,
}
