--- The options of `connect`: checked by name, type and range before anything
-- else happens. An unknown option is an error that names the nearest one.

local errors = require "bitrix24.errors"

local getenv = os.getenv
local math_type, huge = math.type, math.huge
local find = string.find
local pairs, tostring, type = pairs, tostring, type

local _ENV = nil -- luacheck: ignore

local function is_string(value) return type(value) == "string" and value ~= "" end
--- A header's value ends at a line break; what follows would be a header.
local function is_token(value) return is_string(value) and not find(value, "[^\32-\126]") end
local function is_boolean(value) return type(value) == "boolean" end
local function is_function(value) return type(value) == "function" end
local function is_seconds(value) return type(value) == "number" and value > 0 and value < huge end
local function is_wait(value) return type(value) == "number" and value >= 0 and value < huge end
local function is_count(value) return math_type(value) == "integer" and value >= 0 end
local function is_positive(value) return math_type(value) == "integer" and value > 0 end
local function is_nulls(value) return value == "drop" or value == "keep" end
local function is_rate(value) return type(value) == "number" and value > 0 and value < huge end
local function is_limits(value)
  if value == "standard" or value == "enterprise" or value == false then return true end
  if type(value) ~= "table" then return false end
  for key in pairs(value) do
    if key ~= "rate" and key ~= "burst" then return false end
  end
  return is_rate(value.rate) and is_rate(value.burst)
end

local STRING = { is_string, "a non-empty string" }
local SECONDS = { is_seconds, "a positive number of seconds" }
local BOOLEAN = { is_boolean, "true or false" }

--- name → { check, what it must be }
local KNOWN = {
  webhook = { is_string, "the address of an inbound webhook, https://HOST/rest/USER/CODE/" },
  domain = STRING, access_token = STRING,
  limits = { is_limits, [["standard", "enterprise", {rate=, burst=} or false]] },
  max_connections = { is_positive, "a positive integer" },
  timeout = SECONDS, connect_timeout = SECONDS,
  wait_max = { is_wait, "a number of seconds" },
  retries = { is_count, "an integer from 0" },
  batch = BOOLEAN, strict = BOOLEAN, insecure = BOOLEAN,
  nulls = { is_nulls, [["drop" or "keep"]] },
  ca_file = STRING, proxy = STRING, user_agent = { is_token, "printable ASCII text" },
  log = { is_function, "a function" },
}

local OAUTH = "use an inbound webhook, or domain with access_token"

--- Options of the contract that this version does not have yet, and what there is instead.
local LATER = {
  client_id = OAUTH, client_secret = OAUTH, tokens = OAUTH, oauth_url = OAUTH,
  limiter = "clients of one process share a budget by themselves",
  record = "the option log tells what happens",
  replay = "require \"bitrix24.sandbox\" answers without a portal",
  profile = "set BITRIX24_WEBHOOK to the webhook's address",
}

--- Requests a second, and at once (limits).
local TARIFFS = {
  standard = { rate = 2, burst = 50 },
  enterprise = { rate = 5, burst = 250 },
  [false] = { rate = 0, burst = 0 },
}

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
  local out, known = {}, {}
  for name in pairs(KNOWN) do known[name] = true end
  for name in pairs(LATER) do known[name] = true end
  errors.check_options(given, known, "connect")
  for name, value in pairs(given) do
    if LATER[name] then
      errors.config(("connect: option '%s' is not in this version yet"):format(name),
        LATER[name])
    end
    local rule = KNOWN[name]
    if not rule[1](value) then
      -- the value is not shown: it may be a secret in the wrong place
      errors.config(("connect: option '%s' must be %s, got %s"):format(name, rule[2],
        type(value) == "number" and tostring(value) or type(value)))
    end
    out[name] = value
  end
  local tariff = TARIFFS[out.limits == nil and "standard" or out.limits] or out.limits
  out.rate, out.burst = tariff.rate, tariff.burst
  if out.webhook and (out.domain or out.access_token) then
    errors.config("connect: give either 'webhook' or 'domain' with 'access_token', not both")
  end
  if out.domain and not out.access_token then
    errors.config("connect: 'domain' needs 'access_token'")
  end
  if not out.webhook and not out.access_token then
    out.webhook = getenv("BITRIX24_WEBHOOK")
    if not is_string(out.webhook) then
      errors.config("connect: no portal given",
        "pass the address of an inbound webhook, or set BITRIX24_WEBHOOK to it")
    end
  end
  return out
end

return options
