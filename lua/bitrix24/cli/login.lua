--- bitrix24 login: a webhook's address or an application's authorization, asked
-- for, tried and stored. Secrets come from the keyboard or from standard input,
-- never from the arguments, which every user of the machine can read.

local bitrix24 = require "bitrix24"
local errors = require "bitrix24.errors"
local given = require "bitrix24.given"
local oauth = require "bitrix24.oauth"
local portals = require "bitrix24.cli.portal"
local profiles = require "bitrix24.profiles"

local ipairs, pairs, pcall, require = ipairs, pairs, pcall, require
local char, tonumber, tostring, type = string.char, tonumber, tostring, type
local getenv, time = os.getenv, os.time

local _ENV = nil -- luacheck: ignore

--- How long the browser may take.
local LISTEN_SECONDS = 600
--- One look for a browser; Ctrl-C is heard between two.
local LOOK_SECONDS = 0.25

local function random()
  return given.new_key() or errors.config("no random numbers: /dev/urandom cannot be read")
end

local function unescape(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

--- A field of a query.
local function field(query, name)
  local found = ("&" .. query):match("[&?]" .. name .. "=([^&#%s]*)")
  return found and unescape(found)
end

--- The code in what was pasted: itself, or the address that the browser came to.
local function code_of(answer, state)
  if not answer:find("code=", 1, true) then
    if answer:find("[^%w_-]") then errors.config("this is neither a code nor an address with one") end
    return answer
  end
  local query = answer:match("%?(.*)$") or answer
  if field(query, "error") then errors.config("the portal refused: " .. field(query, "error")) end
  if field(query, "state") and field(query, "state") ~= state then
    errors.config("this address is the answer to another login", "begin again: bitrix24 login")
  end
  return field(query, "code")
end

-- ---- the browser comes to us ----------------------------------------------

local PAGE = "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
  .. "Content-Length: %d\r\n\r\n%s"

local function answer(connection, status, message)
  connection:send(PAGE:format(status, #message, message))
  connection:close()
end

--- The code that the browser brings to 127.0.0.1. Only the address with our own
-- `state` counts: any page on this machine could send the browser here.
local function listen(here, port, state)
  local loaded, socket = pcall(require, "socket")
  if not loaded then
    errors.config("--listen needs LuaSocket",
      "apt install lua-socket, or luarocks install luasocket, or leave --listen out")
  end
  local server, why = socket.bind("127.0.0.1", port)
  if not server then errors.config(("cannot listen on port %d: %s"):format(port, tostring(why))) end
  server:settimeout(LOOK_SECONDS)
  here:note(("waiting at http://127.0.0.1:%d/ …"):format(port))
  local until_time, code = time() + LISTEN_SECONDS, nil
  while not code and time() < until_time do
    local connection = server:accept()
    if connection then
      connection:settimeout(5)
      local line = connection:receive("*l")
      local query = type(line) == "string" and line:match("^GET /[^?%s]*%?(%S*)") or ""
      if field(query, "state") == state and field(query, "code") then
        code = field(query, "code")
        answer(connection, "200 OK", "Authorized. You can close this page.\n")
      else
        answer(connection, "400 Bad Request", "This is not the answer to the login that is under way.\n")
      end
    end
  end
  server:close()
  if not code then errors.config("nobody came with a code", "begin again: bitrix24 login") end
  return code
end

-- ---- the two ways ----------------------------------------------------------

--- An application's authorization; the tokens are stored when this returns.
local function by_oauth(here, options, name)
  local domain = options.domain or here:need("the portal's host, e.g. example.bitrix24.com")
  -- "https://HOST/whatever" as browsers show it; plain HTTP is for this machine
  domain = domain:match("^https?://[^/]+") or domain:match("^[^/]+") or domain
  local id = options.client_id or here:need("client_id")
  local state = random()
  local address = oauth.authorize_url { -- a wrong host is found before the secret is asked for
    domain = domain, client_id = id, state = state,
    redirect_uri = options.listen and ("http://127.0.0.1:%d/"):format(options.listen) or nil,
  }
  local secret = here:need("client_secret", true)
  here:note("open this address, in a browser where you are logged in to the portal:")
  -- the address is what was asked for: standard output
  here:write(address .. "\n")
  here:flush()
  local code
  if options.listen then
    code = listen(here, options.listen, state)
  else
    -- a code lives 30 seconds (settings/oauth/complete)
    local pasted = here:need("soon, the code or the whole address that the browser came to", true)
    code = code_of(pasted, state)
  end
  oauth.exchange {
    client_id = id, client_secret = secret, code = code, tokens = profiles.tokens(name),
    oauth_url = options.oauth_url, ca_file = options.ca_file,
  }
  return { domain = domain, client_id = id, client_secret = secret, oauth_url = options.oauth_url }
end

local function by_webhook(here)
  if here.asks then here:note("In the portal: Developer resources > Other > Inbound webhook.") end
  return { webhook = here:need("the webhook's address, https://HOST/rest/USER/CODE/", true) }
end

--- Who answers at this portal.
local function try(here, options)
  options.log, options.retries = here:log(), 1
  local portal <close> = bitrix24.connect(options)
  local user = portal:call("profile")
  return ("%s %s%s"):format(user.NAME or "", user.LAST_NAME or "",
    user.ADMIN == true and ", administrator" or "")
end

local function choose(here, options)
  if options.webhook and options.oauth then errors.config("give --webhook or --oauth, not both") end
  if options.webhook then return "webhook" end
  if options.oauth or options.domain or options.client_id or options.listen then return "oauth" end
  here:note("How does the portal know you?")
  here:note("  1  by an inbound webhook")
  here:note("  2  by an application (OAuth)")
  local word = here:need("1 or 2")
  if word ~= "1" and word ~= "2" then
    errors.config("answer 1 or 2", "without questions: login --webhook, its address on standard input")
  end
  return word == "1" and "webhook" or "oauth"
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  if options.names then
    for _, name in ipairs(profiles.names()) do here:write(name .. "\n") end
    return
  end
  local named = getenv("BITRIX24_PROFILE")
  local name = options.profile or named ~= "" and named or "default"
  -- before anything is asked: is it a name, can profiles be read, is there a folder
  profiles.find(name)
  profiles.tokens(name)
  local way = choose(here, options)
  local fields = way == "webhook" and by_webhook(here) or by_oauth(here, options, name)
  fields.limits, fields.ca_file = options.limits, options.ca_file
  local tried = {}
  for key, value in pairs(fields) do tried[key] = value end
  if fields.client_id then tried.tokens = profiles.tokens(name) end
  -- a code is spent by now: what came for it is kept, whatever the portal says
  if way == "oauth" then profiles.save(name, fields) end
  if not options.no_check then here:note("the portal answers: " .. try(here, tried)) end
  if way == "webhook" then profiles.save(name, fields) end
  here:note(("stored as profile %s in %s"):format(name, profiles.path()))
  local chosen, _, source = pcall(portals.choose)
  if not chosen or source ~= "profile " .. name then
    here:note(("it is used with --profile %s%s"):format(name,
      source == "BITRIX24_WEBHOOK" and "; otherwise BITRIX24_WEBHOOK is, as long as that is set"
      or " or BITRIX24_PROFILE=" .. name))
  end
end
