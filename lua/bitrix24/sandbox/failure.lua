--- What a method refuses with, and how each version of the API words it.
-- REST 2: {"error", "error_description"}; REST 3.0: {"error": {"code",
-- "message", "validation"}}. Texts and statuses: _includes/system-errors.

local getmetatable, pairs, setmetatable, type = getmetatable, pairs, setmetatable, type
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local failure = {}

local Failure = { __name = "bitrix24.sandbox.failure" }

failure.V3 = "BITRIX_REST_V3_EXCEPTION_"

-- Code → { status, text }.
local system = {
  INTERNAL_SERVER_ERROR = { 500, "Internal server error" },
  ERROR_UNEXPECTED_ANSWER = { 500, "Server returned an unexpected response" },
  QUERY_LIMIT_EXCEEDED = { 503, "Too many requests" },
  ERROR_BATCH_METHOD_NOT_ALLOWED = { 405, "Method is not allowed for batch usage" },
  ERROR_BATCH_LENGTH_EXCEEDED = { 400, "Max batch length exceeded" },
  NO_AUTH_FOUND = { 401, "Wrong authorization data" },
  INVALID_REQUEST = { 400, "Https required" },
  OVERLOAD_LIMIT = { 503, "REST API is blocked due to overload" },
  ACCESS_DENIED = { 403, "REST is available only on commercial plans" },
  INVALID_CREDENTIALS = { 403, "Invalid request credentials" },
  ERROR_MANIFEST_IS_NOT_AVAILABLE = { 404, "Manifest is not available" },
  insufficient_scope = { 403, "The request requires higher privileges than provided by the access token" },
  expired_token = { 401, "The access token provided has expired" },
  user_access_error = { 403, "The user does not have access to the application" },
  PORTAL_DELETED = { 500, "Portal was deleted" },
  OPERATION_TIME_LIMIT = { 429, "Method is blocked due to operation time limit" },
  ERROR_METHOD_NOT_FOUND = { 404, "Method not found!" },
  METHOD_CONFIRM_WAITING = { 401, "Waiting for confirmation" },
  METHOD_CONFIRM_DENIED = { 403, "Method call denied" },
  WRONG_AUTH_TYPE = { 403, "Current authorization type is denied for this method" },
  invalid_request = { 400, "Invalid request" },
  invalid_client = { 401, "Invalid client" },
  invalid_grant = { 400, "Invalid grant" },
  invalid_scope = { 400, "Invalid scope" },
  PAYMENT_REQUIRED = { 402, "Payment required" },
}

-- Codes of REST 3.0 whose status is not 400.
local v3_status = {
  ACCESSDENIEDEXCEPTION = 403,
  INSUFFICIENTSCOPEEXCEPTION = 403,
  IDEMPOTENCYKEYREUSEDEXCEPTION = 422,
}

--- Make a failure.
---@param code any as the portal spells it: a string, possibly "", or a number
---@param description string? a documented code has its own text
---@param status integer? a documented code has its own status, else 400
---@param more table? further fields of the answer
---@return table
function failure.new(code, description, status, more)
  local known = system[code] or {}
  return setmetatable({
    code = code,
    description = description or known[2] or "",
    status = status or known[1] or 400,
    more = more,
  }, Failure)
end

--- Make a failure of REST 3.0.
---@param suffix string the code without its prefix
---@param message string
---@param status integer?
---@param validation table[]? list of {field=, message=}
---@return table
function failure.new3(suffix, message, status, validation)
  local made = failure.new(failure.V3 .. suffix, message, status or v3_status[suffix] or 400)
  made.validation = validation
  return made
end

--- A failure by its code alone, as tests ask for it.
---@param code string
---@return table
function failure.named(code)
  local suffix = type(code) == "string" and code:match("^" .. failure.V3 .. "(.+)$")
  if suffix then return failure.new3(suffix, suffix) end
  return failure.new(code)
end

---@param value any
---@return boolean
function failure.is(value)
  return type(value) == "table" and getmetatable(value) == Failure
end

--- The body of an answer that carries a failure.
---@param made table
---@param version integer
---@return table
function failure.body(made, version)
  local body
  if version == 3 then
    local validation = made.validation and json.array(made.validation) or nil
    return { error = { code = made.code, message = made.description, validation = validation } }
  end
  body = { error = made.code, error_description = made.description }
  for key, value in pairs(made.more or {}) do body[key] = value end
  return body
end

return failure
