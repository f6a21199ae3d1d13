--- The Bitrix24 REST API for Lua 5.4.
--
--     local bitrix24 = require "bitrix24"
--     local portal <close> = bitrix24.connect("https://example.bitrix24.com/rest/1/CODE/")
--     for contact in portal.crm.item.list:each{ entityTypeId = 3 } do print(contact.name) end
--
-- `bitrix24.crm`, `bitrix24.im`, … are the same tables on the default portal.

local batch = require "bitrix24.batch"
local core = require "bitrix24.core"
local domain = require "bitrix24.domain"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"
local oauth = require "bitrix24.oauth"
local options = require "bitrix24.options"
local portal = require "bitrix24.portal"
local tokens = require "bitrix24.tokens"

local rawset, setmetatable, type = rawset, setmetatable, type

local _ENV = nil -- luacheck: ignore

---@class bitrix24
local bitrix24 = {
  _VERSION = "bitrix24 " .. core.version,
  --- JSON null, to send one.
  null = json.null,
  --- Force a table to be a JSON array: `bitrix24.array{}` is `[]`.
  array = json.array,
  --- An object whose keys keep their order: `ordered{ {"LAST_NAME", "ASC"}, {"ID", "DESC"} }`.
  ordered = json.ordered,
  --- File content for a parameter: `file(path)` or `file{ name=, content= }`.
  file = json.file,
  --- Is this value a structured error of this module?
  is_error = errors.is_error,
  --- A store of an application's tokens in a file: `token_file(path)`.
  token_file = tokens.file,
  --- Authorizing an application: `oauth.authorize_url{…}`, `oauth.exchange{…}`.
  oauth = oauth,
  --- What became of a command of a batch: "ok", "failed", "skipped", "unknown" or "pending".
  state = batch.state,
}

--- Connect to a portal. No network traffic happens here.
---@param given string|table|nil webhook address, options, or nothing: BITRIX24_WEBHOOK
---@return bitrix24.Portal portal to be closed, or left to the collector
function bitrix24.connect(given)
  if given == bitrix24 then errors.config("connect: call it with a dot: bitrix24.connect(…)") end
  return portal.open(options.read(given))
end

--- A budget of requests that several processes share through a file: the
-- option `limiter` of all of them, one file for each portal.
---@param path string
---@return userdata limiter
function bitrix24.limiter_file(path)
  if type(path) ~= "string" or path == "" then
    errors.config(("limiter_file: expected the path of a file, got %s"):format(type(path)))
  end
  local limiter, _, message = core.limiter.file(path)
  if not limiter then errors.config("limiter_file: " .. message) end
  return limiter
end

local default

--- Make a portal the one that `bitrix24.crm` and the others speak to.
---@param given bitrix24.Portal
---@return bitrix24.Portal given
function bitrix24.use(given)
  if not portal.is_portal(given) then
    errors.config(("use: expected a portal, got %s"):format(type(given)), "use(bitrix24.connect(…))")
  end
  default = given
  return given
end

--- The default portal: the one given to `use`, else made on first use.
local function default_portal()
  if not default then default = bitrix24.connect() end
  return default
end

return setmetatable(bitrix24, {
  __name = "bitrix24.module",
  __index = function(self, key)
    if type(key) ~= "string" then return nil end
    if key == "v2" or key == "v3" then return default_portal()[key] end
    local node = domain.node(default_portal, key)
    rawset(self, key, node)
    return node
  end,
})
