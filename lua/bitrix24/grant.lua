--- One request to the authorization server, /oauth/token/ (settings/oauth/complete,
-- settings/oauth/auto-renewal): what is asked, and what makes a pair of tokens
-- of the answer.

local core = require "bitrix24.core"
local envelope = require "bitrix24.envelope"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"

local error, ipairs, pairs, pcall, type = error, ipairs, pairs, pcall, type
local concat, sort = table.concat, table.sort
local integer, time = envelope.integer, os.time

local _ENV = nil -- luacheck: ignore

local grant = {
  --- The authorization server of the cloud.
  SERVER = "https://oauth.bitrix.info",
}

--- What the platform's words mean for whoever runs the program.
local AGAIN = "authorize again: oauth.authorize_url, then oauth.exchange"
local ADVICE = {
  invalid_client = "check client_id and client_secret",
  PAYMENT_REQUIRED = "the portal's subscription, or the application's, has ended",
  insufficient_scope = "the application asks for a scope that it was not given",
  invalid_scope = "the application asks for a scope that it was not given",
}
local GRANT_ADVICE = {
  refresh_token = "the refresh token was used up, withdrawn or is older than 180 days: " .. AGAIN,
  authorization_code = "a code lives 30 seconds and works once: " .. AGAIN,
}

--- "https://host" of an authorization server or portal, however it is spelled.
---@param address string
---@param insecure boolean?
---@return string? origin
---@return string? message why it is none; does not quote it
function grant.origin(address, insecure)
  local here, _, message = core.client.new {
    domain = address, insecure = insecure, renewable = true, rate = 0,
  }
  if not here then return nil, message end
  local origin = here:origin()
  here:close()
  return origin
end

--- A query of flat parameters, sorted by name.
---@param params table<string, string>
---@return string
function grant.query(params)
  local out = {}
  for name, value in pairs(params) do
    out[#out + 1] = name .. "=" .. value:gsub("[^%w_.~-]", function(c) return ("%%%02X"):format(c:byte()) end)
  end
  sort(out)
  return concat(out, "&")
end

--- Read the server's answer.
---@return bitrix24.Answer
local function read(body, status)
  local t = json.decode(body)
  if type(t) == "table" and t.error ~= nil then
    local answer = { decoded = true }
    envelope.read_fault(answer, t)
    return answer
  end
  if type(t) ~= "table" or status < 200 or status > 299 then
    return { decoded = false, message = ("HTTP %d, and no answer of an authorization server"):format(status) }
  end
  return { decoded = true, result = t }
end

local function is_text(value) return type(value) == "string" and value ~= "" end

--- The pair in an answer, on top of what was kept of the one before.
local function pair_of(answer, before)
  if not is_text(answer.access_token) then return nil end
  local t = {}
  for name, value in pairs(before or {}) do t[name] = value end
  for _, name in ipairs { "access_token", "refresh_token", "client_endpoint", "member_id" } do
    if is_text(answer[name]) then t[name] = answer[name] end
  end
  for _, name in ipairs { "scope", "status", "user_id" } do
    if answer[name] ~= nil then t[name] = answer[name] end
  end
  -- `domain` of the answer is the authorization server's
  t.domain = t.client_endpoint and t.client_endpoint:match("^%a+://([^/]+)") or t.domain
  local lifetime = integer(answer.expires_in)
  t.expires = integer(answer.expires) or lifetime and time() + lifetime or t.expires
  return is_text(t.refresh_token) and t or nil
end

--- Ask and wait. Any failure is an `auth` error, with what failed as `cause`.
---@param client bitrix24.Client who sends it
---@param origin string of the authorization server
---@param params table<string, string> secrets among them
---@param wait fun(pending: table)? waits until the request is done
---@param before bitrix24.Tokens? the pair that is renewed
---@return bitrix24.Tokens
function grant.ask(client, origin, params, wait, before)
  local pending = client:ask_server(("%s/oauth/token/?%s"):format(origin, grant.query(params)), read)
  if wait then wait(pending) end
  local ok, answer = pcall(client.wait, client, pending)
  if not ok then
    local cause = answer
    if not errors.is_error(cause) or cause.kind == "cancelled" then error(cause, 0) end
    errors.raise {
      kind = "auth", method = "oauth.token", code = cause.code, status = cause.status, sent = cause.sent,
      message = "the authorization server: " .. cause.message, attempts = cause.attempts,
      -- in doubt, too: a code works once; a renewal is simply tried again
      hint = (cause.code == "invalid_grant" or cause.sent == nil and params.code)
        and GRANT_ADVICE[params.grant_type] or ADVICE[cause.code] or cause.sent ~= nil and cause.hint or nil,
      retryable = cause.retryable, cause = cause,
    }
  end
  local t = pair_of(answer, before)
  if not t then
    errors.raise {
      kind = "auth", method = "oauth.token", sent = true,
      message = "the authorization server's answer holds no pair of tokens",
      hint = params.code and GRANT_ADVICE.authorization_code,
    }
  end
  client:hide(t.access_token, true)
  client:hide(t.refresh_token, true)
  return t
end

return grant
