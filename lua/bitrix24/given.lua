--- What a call is given: checked, and made into the bytes that are sent.

local errors = require "bitrix24.errors"
local hints = require "bitrix24.hints"
local json = require "bitrix24.json"
local parameters = require "bitrix24.parameters"
local rules = require "bitrix24.rules"

local find, open = string.find, io.open
local next, type = next, type

local _ENV = nil -- luacheck: ignore

--- Where a result of a batch is given to a call outside of it.
local REFERENCE = "call it after the batch's run() for its value: handle()"

local given = {
  --- Seconds for everything that a call or a download does, however long: math.huge, too.
  TIMEOUT = {
    function(value) return type(value) == "number" and value > 0 end, "a positive number of seconds",
    number = true,
  },
}

local OPTIONS = { timeout = given.TIMEOUT, idempotent = rules.BOOLEAN, idempotency_key = rules.STRING }

--- A key that no other call of any process has (REST 3.0, Idempotency-Key).
---@return string? nil when the system has no random bytes
function given.new_key()
  local source <close> = open("/dev/urandom", "rb")
  local bytes = source and source:read(16)
  if not bytes or #bytes < 16 then return nil end
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

--- Refuse what the documentation has something against (option `strict`).
---@param method string
---@param version 2|3|nil
---@param row bitrix24.Row?
---@param params table?
function given.check_strict(method, version, row, params)
  if not row then
    errors.config("the catalogue does not know this method (strict)",
      hints.unknown_method(method, version), method)
  end
  local wrong, hint = hints.refusal(row, params)
  if wrong then errors.config(wrong .. " (strict)", hint, method) end
end

--- Refuse arguments and options of the wrong type, and options that do not exist.
---@param method any
---@param params any
---@param opts any of the call
---@param signed boolean? an access token is put to the parameters
function given.check(method, params, opts, signed)
  if type(method) ~= "string" then
    errors.config(("expected a method name, got %s"):format(type(method)))
  end
  if params ~= nil and type(params) ~= "table" then
    errors.config(("parameters must be a table, got %s"):format(type(params)),
      ("call it as %s{ name = value }"):format(method), method)
  end
  if signed and type(params) == "table" and type(params.auth) == "string" then
    errors.config("parameter 'auth' is where the portal puts its own access token",
      "leave it out, or connect{ domain =, access_token = } with the one you have", method)
  end
  if opts ~= nil then rules.check(opts, OPTIONS, "call", method) end
end

--- Encode parameters as the catalogue types them.
---@param method string
---@param row bitrix24.Row?
---@param params table?
---@return string body
function given.encode(method, row, params)
  local shape = row and row.shape() or nil
  if (params == nil or next(params) == nil) and not json.is_array(params)
    and row and (row.positional or row.body_array) then
    return "[]"
  end
  local body, path, message = json.encode(parameters.placed(row, params or {}), shape, "params")
  if not body then
    errors.config(("%s %s"):format(path, message),
      find(message, "reference to a batch", 1, true) and REFERENCE or nil, method)
  end
  return body
end

return given
