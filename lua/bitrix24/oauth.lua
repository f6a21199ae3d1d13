--- What an application says to the authorization server (settings/oauth): the
-- address of the consent page, a code for the first pair of tokens, a refresh
-- token for the next one. The client's secret goes there and nowhere else.

local client = require "bitrix24.client"
local errors = require "bitrix24.errors"
local grant = require "bitrix24.grant"
local rules = require "bitrix24.rules"
local tokens = require "bitrix24.tokens"

local error, pcall, type = error, pcall, type

local _ENV = nil -- luacheck: ignore

local oauth = {}

local STRING = rules.STRING

local function check(given, known, required, where)
  if type(given) ~= "table" then
    errors.config(("%s: expected a table of options, got %s"):format(where, type(given)))
  end
  rules.check(given, known, where)
  for i = 1, #required do
    if given[required[i]] == nil then
      errors.config(("%s: option '%s' is missing"):format(where, required[i]))
    end
  end
end

--- "https://host" of a portal or server, however it was spelled.
local function origin_of(address, insecure, where, name)
  local origin, why = grant.origin(address, insecure)
  if not origin then errors.config(("%s: option '%s': %s"):format(where, name, why)) end
  return origin
end

local AUTHORIZE = {
  domain = STRING, client_id = STRING, state = STRING, redirect_uri = STRING, oauth_url = STRING,
  insecure = rules.BOOLEAN,
}

--- The address where a user of the portal agrees; the browser then comes back
-- to the application's address with `code` and `state`, for 30 seconds
-- (settings/oauth/complete).
---@param given { domain: string?, client_id: string, state: string?, redirect_uri: string?,
--- oauth_url: string?, insecure: boolean? }
--- without a domain the authorization server asks which portal it is
---@return string address
function oauth.authorize_url(given)
  local where = "oauth.authorize_url"
  check(given, AUTHORIZE, { "client_id" }, where)
  local origin = given.domain and origin_of(given.domain, given.insecure, where, "domain")
    or origin_of(given.oauth_url or grant.SERVER, given.insecure, where, "oauth_url")
  return ("%s/oauth/authorize/?%s"):format(origin, grant.query {
    client_id = given.client_id, response_type = "code", state = given.state,
    redirect_uri = given.redirect_uri,
  })
end

local EXCHANGE = {
  client_id = STRING, client_secret = STRING, code = STRING, oauth_url = STRING,
  tokens = {}, ca_file = STRING, proxy = STRING, timeout = rules.SECONDS, insecure = rules.BOOLEAN,
}

--- Exchange the code of the consent page for the first pair of tokens, and put
-- it into the store.
---@param given { client_id: string, client_secret: string, code: string, tokens: table?, oauth_url: string?,
--- ca_file: string?, proxy: string?, timeout: number?, insecure: boolean? }
---@return bitrix24.Tokens
function oauth.exchange(given)
  local where = "oauth.exchange"
  check(given, EXCHANGE, { "client_id", "client_secret", "code" }, where)
  local store = given.tokens
  local problem = store ~= nil and tokens.problem(store)
  if problem then errors.config(("%s: option 'tokens' must be %s"):format(where, problem)) end
  local origin = origin_of(given.oauth_url or grant.SERVER, given.insecure, where, "oauth_url")
  local here <close> = client.new {
    domain = origin, renewable = true, ca_file = given.ca_file, proxy = given.proxy,
    timeout = given.timeout, insecure = given.insecure, rate = 0, burst = 0,
  }
  here:hide(given.client_secret)
  here:hide(given.code)
  local function ask()
    return grant.ask(here, origin, {
      grant_type = "authorization_code", client_id = given.client_id, client_secret = given.client_secret,
      code = given.code,
    })
  end
  if not store then return ask() end
  local answered = true
  local ok, result = pcall(tokens.locked, store, function()
    -- the code works once: better no room on the disk now than afterwards
    if store.reserve then store:reserve() end
    local t
    answered, t = pcall(ask)
    if not answered then
      if store.unreserve then store:unreserve() end
      error(t, 0)
    end
    tokens.put(store, t)
    return t
  end)
  if not ok then
    if answered then result = tokens.fault("the new tokens could not be saved", result) end
    errors.throw(result)
  end
  return result
end

return oauth
