--- The options of `connect`: checked by name, type and range before anything
-- else happens. An unknown option is an error that names the nearest one.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local grant = require "bitrix24.grant"
local loop = require "bitrix24.loop"
local profiles = require "bitrix24.profiles"
local rules = require "bitrix24.rules"
local tokens = require "bitrix24.tokens"

local getenv = os.getenv
local huge = math.huge
local find, lower, match = string.find, string.lower, string.match
local ipairs, pairs, type = ipairs, pairs, type

local _ENV = nil -- luacheck: ignore

local is_string = rules.STRING[1]
--- A header's value ends at a line break; what follows would be a header.
local function is_token(value) return is_string(value) and not find(value, "[^\32-\126]") end
--- [SCHEME://]HOST[:PORT], by the schemes that libcurl knows for proxies.
local SCHEMES = { http = true, https = true, socks4 = true, socks4a = true, socks5 = true, socks5h = true }
local function is_proxy(value)
  if not is_token(value) or find(value, " ", 1, true) then return false end
  local scheme, rest = match(value, "^(.-)://(.*)$")
  return (not scheme or SCHEMES[lower(scheme)] == true) and find(rest or value, "^[^/]") ~= nil
end
local function is_wait(value) return type(value) == "number" and value >= 0 and value < huge end
local function is_nulls(value) return value == "drop" or value == "keep" end
local function is_rate(value) return type(value) == "number" and value > 0 and value < huge end
local function is_store(value) return not tokens.problem(value) end
local function is_loop(value) return not loop.problem(value) end
local function is_replay(value)
  if type(value) ~= "table" then return is_string(value) end
  for key in pairs(value) do
    if key ~= "path" and key ~= "strict" then return false end
  end
  return is_string(value.path) and (value.strict == nil or type(value.strict) == "boolean")
end
local function is_limiter(value) return core.limiter.is_limiter(value) end
local function is_limits(value)
  if value == "standard" or value == "enterprise" or value == false then return true end
  if type(value) ~= "table" then return false end
  for key in pairs(value) do
    if key ~= "rate" and key ~= "burst" then return false end
  end
  return is_rate(value.rate) and is_rate(value.burst)
end

local STRING, SECONDS, BOOLEAN = rules.STRING, rules.SECONDS, rules.BOOLEAN

local KNOWN = {
  webhook = { is_string, "the address of an inbound webhook, https://HOST/rest/USER/CODE/" },
  domain = STRING, access_token = STRING, client_id = STRING, client_secret = STRING, oauth_url = STRING,
  tokens = { is_store, "a store of tokens, e.g. bitrix24.token_file(path)" },
  limiter = { is_limiter, "a budget, e.g. bitrix24.limiter_file(path)" },
  limits = { is_limits, [["standard", "enterprise", {rate=, burst=} or false]] },
  max_connections = rules.POSITIVE,
  timeout = SECONDS, connect_timeout = SECONDS,
  wait_max = { is_wait, "a number of seconds", number = true },
  retries = rules.COUNT,
  batch = BOOLEAN, strict = BOOLEAN, insecure = BOOLEAN,
  nulls = { is_nulls, [["drop" or "keep"]] },
  ca_file = STRING, proxy = { is_proxy, "the address of a proxy, [http://|https://|socks5://]HOST:PORT" },
  user_agent = { is_token, "printable ASCII text" },
  log = rules.FUNCTION,
  record = rules.PATH,
  profile = { is_string, "the name of a profile of `bitrix24 login`" },
  replay = { is_replay, "the path of a recording, or {path=, strict=false}" },
  loop = { is_loop, "an adapter of an event loop, e.g. require \"bitrix24.loop.luv\"" },
}

--- Requests a second, and at once (limits).
local TARIFFS = {
  standard = { rate = 2, burst = 50 },
  enterprise = { rate = 5, burst = 250 },
  [false] = { rate = 0, burst = 0 },
}

local APPLICATION = { "client_id", "client_secret", "tokens", "oauth_url" }

local function missing(name, what, hint)
  errors.config(("connect: option '%s' is missing: %s"):format(name, what), hint)
end

--- An application that renews its tokens.
local function read_application(out)
  local store = out.tokens
  if out.access_token then
    errors.config("connect: give either 'tokens' or 'access_token', not both")
  end
  if not store then
    missing("tokens", "an application's tokens are renewed and must be kept",
      'tokens = bitrix24.token_file("tokens.json")')
  end
  for _, name in ipairs { "client_id", "client_secret" } do
    if not out[name] then missing(name, "without it the tokens cannot be renewed") end
  end
  if not out.domain then
    missing("domain", "give the portal's host", 'domain = "example.bitrix24.com"')
  end
  local server, why = grant.origin(out.oauth_url or grant.SERVER, out.insecure)
  if not server then errors.config("connect: option 'oauth_url': " .. why) end
  out.oauth_url = server
  out.renewable, out.account = true, out.client_id
end

--- Nobody is called: what is said of portal, credentials and budget does not
-- matter, and nothing ever waits.
local function read_replay(out)
  if out.record then errors.config("connect: give either 'record' or 'replay', not both") end
  for _, name in ipairs(APPLICATION) do out[name] = nil end
  for _, name in ipairs { "webhook", "domain", "access_token", "limiter", "loop" } do out[name] = nil end
end

--- One way to authorize, and all that it needs.
local function read_credentials(out)
  if out.replay then return read_replay(out) end
  local application = false
  for _, name in ipairs(APPLICATION) do application = application or out[name] ~= nil end
  if out.webhook and (out.domain or out.access_token or application) then
    errors.config("connect: give either 'webhook' or 'domain' with 'access_token' or 'tokens', not both")
  end
  if application then return read_application(out) end
  if out.domain and not out.access_token then
    missing("access_token", "'domain' needs it, or 'tokens' with 'client_id' and 'client_secret'")
  end
  if not out.webhook and not out.access_token then
    out.webhook = getenv("BITRIX24_WEBHOOK")
    if not is_string(out.webhook) then
      errors.config("connect: no portal given",
        "pass the address of an inbound webhook, or set BITRIX24_WEBHOOK to it")
    end
  end
end

local options = {}

--- Check what was given to `connect` and complete it.
---@param given string|table|nil webhook address, options, or nothing: BITRIX24_WEBHOOK
---@return table options a fresh table
function options.read(given)
  if given == nil then given = {} end
  if type(given) == "string" then given = { webhook = given } end
  if type(given) ~= "table" then
    errors.config(("connect: expected a webhook address or a table of options, got %s"):format(type(given)))
  end
  if given[1] ~= nil then
    errors.config("connect: options are given by name", 'connect{ webhook = "https://HOST/rest/USER/CODE/" }')
  end
  errors.check_options(given, KNOWN, "connect")
  local out = {}
  for name, value in pairs(rules.check(profiles.complete(given), KNOWN, "connect")) do
    if type(value) == "string" and find(value, "\0", 1, true) then
      errors.config(("connect: option '%s' cannot have a zero byte in it"):format(name))
    end
    out[name] = value
  end
  local tariff = TARIFFS[out.limits == nil and "standard" or out.limits] or out.limits
  out.rate, out.burst = tariff.rate, tariff.burst
  read_credentials(out)
  return out
end

return options
