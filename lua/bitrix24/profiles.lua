--- Portals by name, as `bitrix24 login` stores them: profiles.json below
-- $XDG_CONFIG_HOME/bitrix24, mode 0600, in a folder of mode 0700. The tokens
-- of an application are in a file beside it, which renews them.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local files = require "bitrix24.files"
local json = require "bitrix24.json"
local tokens = require "bitrix24.tokens"

local getenv = os.getenv
local ipairs, next, pairs, type = ipairs, next, pairs, type
local concat, sort = table.concat, table.sort

local _ENV = nil -- luacheck: ignore

local profiles = {}

--- The fields of a profile: a webhook's address, or an application.
local FIELDS = {
  webhook = true, domain = true, client_id = true, client_secret = true, oauth_url = true,
  limits = true, ca_file = true,
}

--- The options of `connect` that say which portal is meant.
local NAMED = { "webhook", "domain", "access_token", "tokens", "client_id", "client_secret" }

local function is_name(name)
  return type(name) == "string" and #name <= 64 and name:match("^[%w_][%w_.-]*$") ~= nil
end

local function check_name(name)
  if not is_name(name) then
    -- it is not shown: it may be a secret in the wrong place
    errors.config("a profile's name is letters, digits, dots, _ and -", 'e.g. profile = "sales"')
  end
end

--- Where profiles are. The specification of XDG wants an absolute path.
---@return string folder
function profiles.folder()
  local base = getenv("XDG_CONFIG_HOME")
  if not base or base:sub(1, 1) ~= "/" then
    local home = getenv("HOME")
    if not home or home == "" then
      errors.config("no folder for profiles: neither XDG_CONFIG_HOME nor HOME is set",
        "set one of them, or BITRIX24_WEBHOOK to a webhook's address")
    end
    base = home .. "/.config"
  end
  return base .. "/bitrix24"
end

---@return string path of the file of profiles
function profiles.path() return profiles.folder() .. "/profiles.json" end

--- Every profile by name; empty when nothing was stored yet.
local function read()
  local path = profiles.path()
  local text, why, code = files.read(path)
  if not text then
    if code == files.ENOENT then return {} end
    errors.config("the profiles cannot be read: " .. why)
  end
  local all = json.decode(text)
  if type(all) ~= "table" or all[1] ~= nil then
    errors.config(("%s holds no profiles"):format(path), "remove it and log in again: bitrix24 login")
  end
  return all
end

--- The names of the profiles, sorted.
---@return string[]
function profiles.names()
  local names = {}
  for name in pairs(read()) do
    if is_name(name) then names[#names + 1] = name end
  end
  sort(names)
  return names
end

--- A profile as it was stored; nil when there is none of that name.
---@param name string
---@return table?
function profiles.find(name)
  check_name(name)
  local found = read()[name]
  return type(found) == "table" and found or nil
end

--- The disk's fault, not that of whoever asked.
local function not_stored(why)
  errors.throw(errors.new {
    kind = "config", broken = true, message = "cannot store the profile: " .. why,
    hint = "XDG_CONFIG_HOME may name a folder that can be written",
  })
end

local function make_folder()
  local path = ""
  for step in profiles.folder():gmatch("[^/]+") do
    path = path .. "/" .. step
    local made, why = core.console.make_folder(path)
    if not made and not core.console.mode(path) then not_stored(why) end
  end
end

--- Change the file of profiles while nobody else does.
local function change(f)
  make_folder()
  local path = profiles.path()
  local lock <close>, why = core.lock(path .. ".lock")
  if lock == false then
    errors.config("another program is storing a profile", "try again")
  elseif not lock then
    not_stored(why)
  end
  local all = read()
  f(all)
  local text = next(all) and json.encode(all) or "{}"
  local saved, problem = core.save_private(path, text .. "\n")
  if not saved then not_stored(problem) end
end

--- Store a profile, in place of one of that name.
---@param name string
---@param fields { webhook: string?, domain: string?, client_id: string?, client_secret: string?,
--- oauth_url: string?, limits: string?, ca_file: string? }
function profiles.save(name, fields)
  check_name(name)
  errors.check_options(fields, FIELDS, "profiles.save")
  change(function(all) all[name] = fields end)
end

--- Forget a profile. Its tokens, if it has any, stay.
---@param name string
function profiles.remove(name)
  check_name(name)
  change(function(all) all[name] = nil end)
end

--- The store of an application's tokens.
---@param name string
---@return bitrix24.TokenFile
function profiles.tokens(name)
  check_name(name)
  make_folder()
  return tokens.file(("%s/%s.tokens.json"):format(profiles.folder(), name))
end

--- What `connect` needs for a profile.
---@param name string
---@return table options
function profiles.options(name)
  local found = profiles.find(name)
  if not found then
    local names = profiles.names()
    local nearest = errors.nearest(name, names)
    -- the name is not shown: it may be a secret in the wrong place
    errors.config("there is no profile of that name", nearest and ("did you mean '%s'?"):format(nearest)
      or #names > 0 and "there is " .. concat(names, ", ") or "store it: bitrix24 login --profile NAME")
  end
  -- without this the webhook of the environment would be spoken to instead
  if type(found.webhook) ~= "string" and type(found.domain) ~= "string" then
    errors.config("the profile names no portal: it has neither 'webhook' nor 'domain'",
      "log in again: bitrix24 login --profile NAME")
  end
  local out = {}
  for key in pairs(FIELDS) do out[key] = found[key] end
  if out.client_id then out.tokens = profiles.tokens(name) end
  return out
end

--- The options given to `connect`, completed from the profile that they or
-- BITRIX24_PROFILE name. What is given goes before what is stored; options that
-- say which portal is meant, or BITRIX24_WEBHOOK, go before BITRIX24_PROFILE.
---@param given table
---@return table options a fresh table, without `profile`
function profiles.complete(given)
  local name = given.profile
  if name == nil then
    if given.replay ~= nil then return given end -- no portal is needed
    for _, key in ipairs(NAMED) do
      if given[key] ~= nil then return given end
    end
    local webhook = getenv("BITRIX24_WEBHOOK")
    if webhook and webhook ~= "" then return given end
    name = getenv("BITRIX24_PROFILE")
    if not name or name == "" then return given end
  else
    for _, key in ipairs(NAMED) do
      if given[key] ~= nil then
        errors.config(("connect: give either 'profile' or '%s', not both"):format(key))
      end
    end
  end
  local out = profiles.options(name)
  for key, value in pairs(given) do out[key] = value end
  out.profile = nil
  return out
end

return profiles
