--- What is said of a call that failed: the portal's words or ours, without
-- secrets, and what to do.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local hints = require "bitrix24.hints"

local pairs = pairs

local _ENV = nil -- luacheck: ignore

local fault = {}

--- The structured error of a call that ended badly.
---@param client bitrix24.Client
---@param pending table
---@param answer bitrix24.Answer? nil when none could be read
---@param verdict { kind: string, sent: boolean?, retryable: boolean, reason: string } the core's
---@param seen table what the transport saw
---@return bitrix24.Error
function fault.of_call(client, pending, answer, verdict, seen)
  local code = answer and answer.code
  local message, hint
  if code then
    message = answer.description
    if message == nil or message == "" then
      message = code ~= "" and code or "the portal gave no description"
    end
    hint = pending.path and hints.LINK or hints.for_code {
      method = pending.method, version = pending.version, row = pending.row,
      params = pending.params, code = code, status = seen.status, token = client.token,
    }
    if verdict.kind == "limit" and verdict.reason ~= "" then
      message = ("%s (%s)"):format(message, verdict.reason)
    end
  elseif answer then
    message = answer.message or verdict.reason
    if seen.location ~= "" then
      message = verdict.reason -- why the redirect was not followed
      local origin = seen.location:match("^https://[%w.-]+:?%d*%f[/?\0]")
      if origin and origin ~= client.at then
        hint = ("the portal answers from %s: use that address"):format(origin)
      end
    end
  else
    local reason = seen.outcome == "sink" and "cannot write " .. pending.path or verdict.reason
    message = seen.message ~= "" and ("%s: %s"):format(reason, seen.message) or reason
    if verdict.kind == "network" and verdict.sent == nil and not pending.harmless then
      hint = "look whether it took effect before you repeat it, "
        .. "or pass { idempotent = true } if a repeat is harmless"
    elseif seen.outcome == "not_trusted" then
      hint = "give the certificate authority's file as ca_file"
    elseif seen.outcome == "blocked" then
      code = pending.refused -- what the portal said when it was in a batch
    end
  end
  local validation = answer and answer.validation
  for _, item in pairs(validation or {}) do
    item.field, item.message = client:clean(item.field), client:clean(item.message)
  end
  return errors.new {
    kind = verdict.kind, code = client:clean_name(code), message = client:clean(message),
    method = pending.method,
    status = seen.status ~= 0 and seen.status or nil, attempts = seen.attempts,
    retryable = verdict.retryable, sent = verdict.sent, validation = validation, hint = client:clean(hint),
  }
end

--- The structured error of one command of a batch.
---@param client bitrix24.Client
---@param pending table the command
---@param answer bitrix24.Answer
---@param shared bitrix24.Pending the batch
---@return bitrix24.Error
function fault.of_command(client, pending, answer, shared)
  local kind, sent, retryable = "protocol", nil, false
  if answer.code then
    local harmless = pending.row ~= nil and not pending.row.write
    kind, sent, retryable = core.client.judge(answer.code, harmless)
  end
  local response = shared.response
  return fault.of_call(client, pending, answer,
    { kind = kind, sent = sent, retryable = retryable, reason = "" },
    { status = response.status, location = "", message = "", attempts = response.attempts })
end

return fault
