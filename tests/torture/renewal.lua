--- The access token expired: it is renewed, and the new pair is saved, by the
-- call that meets it.

local common = require "torture.common"
local sandbox = ...
local kept = { access_token = sandbox.expired_token, refresh_token = sandbox.refresh_token }
local renewed = false

local store = {}
function store.load()
  local copy = {}
  for name, value in pairs(kept) do copy[name] = value end
  return copy
end
function store.save(_, t) kept = t end

local get, again = common.application(sandbox, store)

return function()
  assert(get():call("user.current").ID == "1")
  assert(kept.access_token ~= sandbox.expired_token)
  renewed = true
end, function()
  common.renewed(again, renewed or kept.access_token ~= sandbox.expired_token)
end
