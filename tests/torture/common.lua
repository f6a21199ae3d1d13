--- What the scenarios share. A scenario is a chunk that gets the sandbox, as
-- tests/c/lua_host.h tells of it, and returns up to three functions: what is
-- tortured, what must work afterwards, and what is done before it.

local bitrix24 = require "bitrix24"

local common = {}

--- A portal that is connected when it is first needed, and what must work with
-- it whatever happened before: a call, and closing it.
---@param options table of connect
---@return fun(): bitrix24.Portal get
---@return fun() again
function common.portal(options)
  local portal
  local function get()
    portal = portal or bitrix24.connect(options)
    return portal
  end
  return get, function()
    assert(get():call("profile").ID == "1")
    get():close()
  end
end

--- The same for an application, whose token has expired.
---@param store table of tokens
function common.application(sandbox, store)
  return common.portal {
    domain = sandbox.oauth_url, client_id = sandbox.client_id, client_secret = sandbox.client_secret,
    tokens = store, oauth_url = sandbox.oauth_url, limits = false, retries = 0, timeout = 10,
  }
end

--- After a renewal that lacked memory: the portal works, unless the answer was
-- there and could not be read. The pair in it was the only one, as if the
-- program had been killed then, and the portal must say so.
---@param again fun()
---@param renewed boolean
function common.renewed(again, renewed)
  local ok, e = pcall(again)
  if ok then return end
  if renewed or type(e) ~= "table" or e.code ~= "invalid_grant" then error(e, 0) end
end

--- A webhook's, without limits of our own and without further attempts.
function common.plain(sandbox)
  return common.portal { webhook = sandbox.webhook, limits = false, retries = 0, timeout = 10 }
end

return common
