-- A look behind the authorization server of a sandbox:
--
--     local sb <close> = probe.start(options)   -- in the spec
--     local watch = probe.watch(sb)
--     watch { expire = true }                   -- every access token expires now
--     watch {}.asked                            -- who asked with which refresh token, and got what
--
-- In the sandbox's own state this file is a domain with the method probe.oauth.

local json = require "bitrix24.json"

local probe = {}

local HERE = "tests/support/probe/?.lua;"

--- Start a sandbox that has the probe.
---@param options table?
function probe.start(options)
  local path = package.path
  package.path = HERE .. path
  local ok, sb = pcall(require("bitrix24.sandbox").start, options)
  package.path = path
  return ok and sb or error(sb, 0)
end

--- Ask the probe. `expire`: all access tokens expire; `pair`: a new pair, as
-- if the user had agreed once more; `refresh`: is this one still good?
---@return fun(order: table): table
function probe.watch(sb)
  local portal = sb:connect { limits = false }
  return function(order)
    if order == false then return portal:close() end
    return (portal:call("probe.oauth", order, { idempotent = true }))
  end
end

--- Note every use of a refresh token, with the User-Agent that came with it.
local function note(portal, state)
  local tokens = portal.tokens
  local exchange = tokens.exchange
  function tokens.exchange(self, params)
    local answer, refused = exchange(self, params)
    local list = portal.journal.list
    state.asked[#state.asked + 1] = {
      by = list[#list].headers["user-agent"], grant = params.grant_type, used = params.refresh_token,
      got = answer and answer.refresh_token, refused = refused and refused.code,
    }
    return answer, refused
  end
  state.tokens = tokens
end

--- Let everything expire; how many tokens had not expired before.
local function expire(portal)
  local now, count = portal:now(), 0
  for _, known in pairs(portal.tokens.access) do
    if known.expires > now then known.expires, count = now, count + 1 end
  end
  return count
end

local function domain(portal)
  local state = { asked = {}, expired = 0, calls = {} }
  -- calls of workers, counted: what they did since they started
  local user = portal.methods[2]["user.current"]
  local run = user.run
  function user.run(call)
    local by = call.visitor.entry.headers["user-agent"] or ""
    state.calls[by] = (state.calls[by] or 0) + 1
    return run(call)
  end
  portal:method("probe.oauth", { scope = "" }, function(call)
    local params = call.params
    if state.tokens ~= portal.tokens then note(portal, state) end
    if params.expire then state.expired = state.expired + expire(portal) end
    if params.trim then portal.journal.list = {} end
    return {
      pair = params.pair and portal.tokens:issue(1) or nil,
      good = params.refresh and portal.tokens.refresh[params.refresh] ~= nil or nil,
      asked = json.array(state.asked), expired = state.expired, calls = state.calls,
    }
  end)
end

return setmetatable(probe, { __call = function(_, portal) return domain(portal) end })
