--- The portal that a command speaks to: --profile, BITRIX24_WEBHOOK,
-- BITRIX24_PROFILE, the profile "default", in this order.

local bitrix24 = require "bitrix24"
local errors = require "bitrix24.errors"
local profiles = require "bitrix24.profiles"

local getenv = os.getenv
local pairs, type = pairs, type

local _ENV = nil -- luacheck: ignore

local portal = {}

--- Which portal: options of connect, and where they come from.
---@param profile string?
---@return table options
---@return string source
---@return string? name of the profile
function portal.choose(profile)
  local named = getenv("BITRIX24_PROFILE")
  if named == "" then named = nil end
  if not profile then
    local webhook = getenv("BITRIX24_WEBHOOK")
    if webhook and webhook ~= "" then return { webhook = webhook }, "BITRIX24_WEBHOOK" end
    profile = named or profiles.find("default") and "default" or nil
  end
  if not profile then
    errors.config("no portal given", "run bitrix24 login, or set BITRIX24_WEBHOOK to a webhook's address")
  end
  return profiles.options(profile), ("profile %s"):format(profile), profile
end

--- Options of connect as the command's options want them.
---@param options table of the command line
---@param console bitrix24.cli.Console
---@param given table? what a script asks for itself
---@return table
function portal.options(options, console, given)
  local out = portal.choose(options.profile)
  for _, name in pairs { "limits", "ca_file", "timeout" } do
    if options[name] ~= nil then out[name] = options[name] end
  end
  out.log = console:log()
  for name, value in pairs(given or {}) do out[name] = value end
  return out
end

--- Connect, for a command that shows what comes: nulls are shown too.
---@param options table
---@param console bitrix24.cli.Console
---@return bitrix24.Portal
function portal.open(options, console)
  return bitrix24.connect(portal.options(options, console, { nulls = "keep" }))
end

--- The portal, or its view of one version.
function portal.version(opened, rest)
  if rest == "2" then return opened.v2 end
  if rest == "3" then return opened.v3 end
  return opened
end

--- Does a script leave it to us which portal it speaks to?
---@param given any what it gave to connect
---@return boolean
function portal.is_open_question(given)
  if given == nil then return true end
  if type(given) ~= "table" then return false end
  for _, name in pairs { "webhook", "domain", "access_token", "tokens", "client_id", "profile", "replay" } do
    if given[name] ~= nil then return false end
  end
  return true
end

return portal
