--- The authorization server: who holds which token until when
-- (settings/oauth). A refresh hands out a new pair and the refresh token
-- before it is worth nothing any more; an access token only runs out.

local floor = math.floor
local pairs, setmetatable, tostring = pairs, setmetatable, tostring
local failure = require "bitrix24.sandbox.failure"

local _ENV = nil -- luacheck: ignore

local tokens = {}

local Tokens = { __name = "bitrix24.sandbox.tokens" }
Tokens.__index = Tokens

local DEFAULT_TTL = 3600
local REFRESH_TTL = 180 * 24 * 3600

---@param portal table
---@param source table of secrets
---@return table
function tokens.new(portal, source)
  local self = setmetatable({
    portal = portal,
    source = source,
    ttl = portal.options.token_ttl or DEFAULT_TTL,
    access = {},  -- token → { expires, user_id }
    refresh = {}, -- token → { expires, user_id }
    codes = {},   -- code → { expires, user_id }
    client_id = "local." .. source:text(14) .. "." .. source:text(8),
    client_secret = source:text(50),
    member_id = source:text(32),
  }, Tokens)
  self.first = self:issue(1)
  self.first_expired = source:text(40)
  self.access[self.first_expired] = { expires = portal:now() - 1, user_id = 1 }
  self.first_code = self:code(1, REFRESH_TTL)
  return self
end

--- A new pair for a user.
function Tokens:issue(user_id)
  local now = self.portal:now()
  local pair = {
    access_token = self.source:text(40),
    refresh_token = self.source:text(40),
    expires = floor(now + self.ttl),
  }
  self.access[pair.access_token] = { expires = now + self.ttl, user_id = user_id }
  self.refresh[pair.refresh_token] = { expires = now + REFRESH_TTL, user_id = user_id }
  return pair
end

--- A new authorization code.
function Tokens:code(user_id, ttl)
  local code = self.source:text(32)
  self.codes[code] = { expires = self.portal:now() + ttl, user_id = user_id }
  return code
end

--- Whose access token is this?
---@param token any
---@return integer? user_id, table? failure
function Tokens:check(token)
  local known = self.access[tostring(token)]
  if not known then return nil, failure.new("NO_AUTH_FOUND") end
  if known.expires <= self.portal:now() then return nil, failure.new("expired_token") end
  return known.user_id
end

--- Everything that must not be shown.
---@param put fun(secret: string)
function Tokens:each_secret(put)
  put(self.client_secret)
  for token in pairs(self.access) do put(token) end
  for token in pairs(self.refresh) do put(token) end
  for code in pairs(self.codes) do put(code) end
  for code in pairs(self.spent or {}) do put(code) end
end

function Tokens:take(from, name)
  local known = name and from[name]
  if not known then return nil end
  from[name] = nil
  self.spent = self.spent or {}
  self.spent[name] = true
  if known.expires > self.portal:now() then return known end
end

local function client_failure(self, params)
  if params.client_id ~= self.client_id or params.client_secret ~= self.client_secret then
    return failure.new("invalid_client", "Client authentication failed")
  end
end

--- /oauth/token/
---@param params table
---@return table? answer, table? failure
function Tokens:exchange(params)
  local known
  local grant = params.grant_type
  if grant ~= "refresh_token" and grant ~= "authorization_code" then
    return nil, failure.new("invalid_request", "Unknown or missing grant_type")
  end
  local refused = client_failure(self, params)
  if refused then return nil, refused end
  if grant == "refresh_token" then
    known = self:take(self.refresh, params.refresh_token)
  else
    known = self:take(self.codes, params.code)
  end
  if not known then return nil, failure.new("invalid_grant") end
  local pair = self:issue(known.user_id)
  local portal = self.portal
  return {
    access_token = pair.access_token,
    refresh_token = pair.refresh_token,
    expires = pair.expires,
    expires_in = self.ttl,
    scope = "app",
    -- The domain of the authorization server, not the portal's.
    domain = "oauth.bitrix.info",
    server_endpoint = portal.url .. "/oauth/rest/",
    client_endpoint = portal.url .. "/rest/",
    status = "L",
    member_id = self.member_id,
    user_id = known.user_id,
  }
end

return tokens
