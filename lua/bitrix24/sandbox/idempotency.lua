--- `Idempotency-Key` of REST 3.0 (api-reference/rest-v3): a successful write
-- is remembered for a day per client, user and method; a repeat with the same
-- body is answered from memory.

local match = string.match
local concat = table.concat
local failure = require "bitrix24.sandbox.failure"
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local idempotency = {}

local KEPT_SECONDS = 24 * 3600

-- Last words of the names of methods that change nothing.
local READS = {
  get = true, list = true, count = true, search = true, children = true, tail = true, thread = true,
  senders = true, subordinates = true, multidepartment = true, listcontacts = true,
  listemployees = true, openapi = true, documentation = true,
}

--- Does the method change something?
---@param method table
---@return boolean
function idempotency.is_write(method)
  if method.write ~= nil then return method.write end
  return not READS[match(method.name:lower(), "[^.]*$")]
end

--- Answer a write from memory, or run it and remember a success.
---@param portal table
---@param visitor table
---@param method table
---@param params table
---@param key string
---@param run fun(): table makes the answer
---@return table? answer, table? failure, function? forget takes the answer out of memory
function idempotency.around(portal, visitor, method, params, key, run)
  if #key < 1 or #key > 255 or match(key, "[^\32-\126]") then
    return nil, failure.new3("INVALIDIDEMPOTENCYKEYEXCEPTION", "Invalid Idempotency-Key")
  end
  local slot = concat({ visitor.client, visitor.user_id, method.name, key }, "\0")
  local body = json.encode(params)
  local kept = portal.replays[slot]
  if kept and kept.expires > portal:now() then
    if kept.request ~= body then
      return nil, failure.new3("IDEMPOTENCYKEYREUSEDEXCEPTION",
        "The Idempotency-Key was used with another body")
    end
    return {
      status = kept.status,
      body = kept.body,
      headers = {
        ["Content-Type"] = kept.content_type,
        ["Idempotency-Key"] = key,
        ["Idempotent-Replayed"] = "true",
      },
    }
  end
  local answer = run()
  answer.headers["Idempotency-Key"] = key
  if answer.status == 200 then
    portal.replays[slot] = {
      request = body,
      status = answer.status,
      body = answer.body,
      content_type = answer.headers["Content-Type"],
      expires = portal:now() + KEPT_SECONDS,
    }
  end
  return answer, nil, function() portal.replays[slot] = nil end
end

return idempotency
