--- Reading an answer: what the platform wraps results and errors in.
-- REST 2: {result, next?, total?, time} or {error, error_description}; an
-- error may come with HTTP 200, with an empty, numeric or phrase code.
-- REST 3.0: {result, time} or {error = {code, message, validation?}}.

local json = require "bitrix24.json"

local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub
local math_type, tointeger = math.type, math.tointeger
local ipairs, next, tonumber, tostring, type = ipairs, next, tonumber, tostring, type

local _ENV = nil -- luacheck: ignore

---@class bitrix24.Answer
---@field decoded boolean was it readable as an answer of the platform
---@field result any
---@field total integer?
---@field next integer?
---@field time table?
---@field code string? the portal's error code; nil = no error
---@field description string?
---@field validation table?
---@field message string? why it is not readable

local envelope = {}

--- The integer that PHP sent as a number or as a string, else nil.
---@param value any
---@return integer?
function envelope.integer(value)
  if value == nil or math_type(value) == "integer" then return value end
  return tointeger(tonumber(value))
end

local integer = envelope.integer

--- A code or description as text; numbers are codes too.
local function text(value)
  if value == nil or value == json.null then return nil end
  if type(value) == "string" then return value end
  if type(value) == "number" or type(value) == "boolean" then return tostring(value) end
  return json.encode(value)
end

--- Descriptions may hold HTML line breaks (tasks/comment-item).
local function plain(words)
  return words and gsub(gsub(words, "<[bB][rR]%s*/?>", " "), "%s+$", "")
end

--- Put an error of the platform into an answer: the body of a failed call, or
-- a command's entry in `result_error`.
---@param answer bitrix24.Answer
---@param body any { error, error_description }; in a batch also a bare code
function envelope.read_fault(answer, body)
  if type(body) ~= "table" then body = { error = body } end
  local fault = body.error
  if type(fault) == "table" then
    answer.code = text(fault.code) or ""
    answer.description = plain(text(fault.message) or text(fault.error_description)
      or text(body.error_description) or answer.code == "" and next(fault) ~= nil and text(fault) or nil)
    local list = fault.validation
    if type(list) == "table" and list[1] ~= nil then
      answer.validation = {}
      for i, item in ipairs(list) do
        answer.validation[i] = type(item) == "table"
          and { field = text(item.field), message = plain(text(item.message)) }
          or { message = text(item) }
      end
    end
  else
    answer.code = text(fault)
    answer.description = plain(text(body.error_description))
  end
end

--- Some methods answer "200" and hide the failure inside `result`
-- (imconnector.register, humanresources.hcmlink.employee.set and job.update).
---@param answer bitrix24.Answer
---@param result any
function envelope.read_inner_fault(answer, result)
  if type(result) ~= "table" then return end
  local failed = result.result == false or result.error_description ~= nil and result.result == nil
  if failed and result.error ~= nil and result.error ~= json.null then
    answer.code = text(result.error)
    answer.description = plain(text(result.error_description))
  elseif result.status == "error" and type(result.errors) == "table" then
    local first = result.errors[1]
    answer.code, answer.description = "", nil
    if type(first) == "table" then
      answer.code = text(first.code) or ""
      answer.description = plain(text(first.message))
    else
      answer.description = plain(text(first))
    end
  end
end

--- The beginning of a title, of whole words: a secret that is cut in two is
-- not known any more.
local function heading(title)
  if #title <= 100 then return title end
  return gsub(sub(title, 1, 100), "%S*$", "") .. "..."
end

--- A stranger's header is shown as far as it is a name, and whole.
local function media_type(header)
  local name = match(header .. ";", "^([%w.+-]+/[%w.+-]+)%s*;")
  return name and #name <= 60 and name or "unknown type"
end

--- A short description of a body that is not JSON.
local function unreadable(body, content_type, why)
  if body == "" then return "the answer is empty" end
  if find(body, "^%s*<") or find(content_type, "html", 1, true) then
    local title = match(body, "<[tT][iI][tT][lL][eE][^>]*>%s*(.-)%s*</")
      or match(body, "<[hH]1[^>]*>%s*(.-)%s*</")
    return title and ("the answer is an HTML page: \"%s\""):format(heading(title))
      or "the answer is an HTML page"
  end
  return ("the answer is not whole JSON (%d bytes of %s): %s"):format(#body,
    media_type(content_type), why)
end

--- Read one answer.
---@param body string
---@param status integer HTTP status
---@param content_type string
---@param row table? catalogue row of the method
---@param nulls "drop"|"keep"
---@param below integer? objects down to this depth keep their nulls all the same
---@return bitrix24.Answer
function envelope.read(body, status, content_type, row, nulls, below)
  local good = status >= 200 and status < 300
  if row and row.binary and good and not find(content_type, "json", 1, true) then
    return { decoded = true, result = body }
  end
  local decoded, why = json.decode(body, { nulls = nulls, below = below })
  if decoded == nil then
    return { decoded = false, message = unreadable(body, content_type, why) }
  end
  if type(decoded) ~= "table" or decoded == json.null then
    return { decoded = false, message = "the answer is not an object" }
  end
  local answer = { decoded = true, time = type(decoded.time) == "table" and decoded.time or nil }
  if decoded.error ~= nil and decoded.error ~= false and decoded.error ~= json.null then
    envelope.read_fault(answer, decoded)
    return answer
  end
  envelope.read_inner_fault(answer, decoded.result)
  if answer.code then return answer end
  if not good then
    local words = plain(text(decoded.error_description))
    return { decoded = false, message = ("HTTP %d without an error code%s"):format(status,
      words and ": " .. words or "") }
  end
  if row and row.envelope == false and decoded.result == nil then
    answer.result = decoded
    return answer
  end
  local result = decoded.result
  if result == json.null then result = nil end
  if result == nil and not answer.time and not find(body, '"result"%s*:%s*null') then
    return { decoded = false, message = "the answer has neither result nor error" }
  end
  answer.result, answer.total, answer.next = result, integer(decoded.total), integer(decoded.next)
  return answer
end

return envelope
