--- What to do about an error, where the catalogue can tell.

local catalogue = require "bitrix24.catalogue"
local parameters = require "bitrix24.parameters"

local concat = table.concat
local ipairs, type = ipairs, type

local _ENV = nil -- luacheck: ignore

local hints = {
  --- Where the names are, for one that is like none of them.
  SEARCH = "no documented method has a name like it: bitrix24 methods WORD searches them",
  --- What to do about a signed link that is refused.
  LINK = "a signed link is good for a short time: ask the portal for the file again and use its new link",
}

--- "did you mean a, b or c?" for a method the portal does not know.
---@param method string
---@return string?
function hints.closest(method)
  local names = catalogue.closest(method, 3)
  if #names == 0 then return nil end
  if #names == 1 then return ("did you mean %s?"):format(names[1]) end
  return ("did you mean %s or %s?"):format(concat(names, ", ", 1, #names - 1), names[#names])
end

--- "missing required parameters: A, B", or nil.
---@param row table? catalogue row
---@param params any what was sent
---@return string?
function hints.missing(row, params)
  if not row or type(params) ~= "table" or row.body_array then return nil end
  if not row.positional and parameters.by_position(row, params) then return nil end
  local names = row.required(params)
  if #names == 0 then return nil end
  return ("missing required parameter%s: %s"):format(#names > 1 and "s" or "", concat(names, ", "))
end

--- What a strict portal refuses to send, and what to do about it; nil when the
-- documentation has nothing against it.
---@param row table? catalogue row
---@param params any
---@return string? message
---@return string? hint
function hints.refusal(row, params)
  local missing = hints.missing(row, params or {})
  if missing then return missing, nil end
  for _, problem in ipairs(parameters.problems(row, params)) do
    if problem.certain then return problem.message, problem.hint end
  end
  return nil, nil
end

local function not_found(code)
  return code == "ERROR_METHOD_NOT_FOUND" or code:find("METHODNOTFOUND", 1, true) ~= nil
end

--- What to do about a method that is not there, nil when nothing is near.
---@param method string
---@param version 2|3|nil
---@return string?
function hints.unknown_method(method, version)
  local other = catalogue.find(method, version == 3 and 2 or 3)
  if other and not catalogue.find(method, version) then
    return ("%s is a method of REST %s: call it through portal.v%d"):format(method,
      other.version == 3 and "3.0" or "2", other.version)
  end
  if catalogue.is_method(method) then
    return "the portal does not have this method: an older edition, or a module that is off"
  end
  return hints.closest(method)
end

local ADVICE = {
  NO_AUTH_FOUND = "check the webhook's address, or whether it was deleted",
  INVALID_CREDENTIALS = "the webhook's user lacks the permission",
  expired_token = "the access token lives one hour: get a new one",
  QUERY_LIMIT_EXCEEDED = "other programs share the portal's request budget: call less often",
  OPERATION_TIME_LIMIT = "the method has used up its working time: call it later, or raise wait_max",
  OVERLOAD_LIMIT = "ask Bitrix24 support to lift the block",
  METHOD_CONFIRM_WAITING = "a portal administrator must confirm the method's use",
  METHOD_CONFIRM_DENIED = "a portal administrator refused the method's use: ask there",
  user_access_error = "a portal administrator must allow the user to use the application",
  PORTAL_DELETED = "the portal is gone: check its address",
  BITRIX_REST_V3_EXCEPTION_IDEMPOTENCYKEYREUSEDEXCEPTION =
    "the key was used with other parameters: give each call another key",
  INVALID_REQUEST = "call the portal over https",
  ERROR_BATCH_METHOD_NOT_ALLOWED = "call this method outside of a batch",
}

--- The same of who calls with an access token.
local TOKEN_ADVICE = {
  NO_AUTH_FOUND = "check the access token, and that it is of this portal",
  INVALID_CREDENTIALS = "the user of the access token lacks the permission",
}

local APPLICATION = "the method works with an application's authorization only, not with a webhook"

--- The hint for an error the portal answered.
---@param failed { method: string, version: integer, row: table?, params: any, code: string, status: integer }
---@return string?
function hints.for_code(failed)
  local row, code = failed.row, failed.code
  if not_found(code) then return hints.unknown_method(failed.method, failed.version) or hints.SEARCH end
  if failed.token and TOKEN_ADVICE[code] then return TOKEN_ADVICE[code] end
  if ADVICE[code] then return ADVICE[code] end
  if code == "insufficient_scope" or code:find("INSUFFICIENTSCOPE", 1, true) then
    return row and row.scope and row.scope[1]
      and ("give the webhook or application the scope %s"):format(concat(row.scope, ", ")) or nil
  end
  if failed.status >= 500 then return nil end
  local needs_app = not failed.token and (code == "WRONG_AUTH_TYPE" or row and row.app_context)
  -- a refusal of who calls says nothing of what was given
  local refused = code == "WRONG_AUTH_TYPE" or code == "ACCESS_DENIED"
  local missing = not (needs_app and refused) and hints.missing(row, failed.params)
  return missing or needs_app and APPLICATION or nil
end

return hints
