--- What a fault does to an answer. An answer is { status=, headers=, body=,
-- drop=, cut=, delay= }; headers is a map, the body is text.

local pairs, type = pairs, type
local failure = require "bitrix24.sandbox.failure"

local _ENV = nil -- luacheck: ignore

local breaks = {}

-- What a front-end server shows when the portal behind it is gone.
local PAGE = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
  .. "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

local transport = {
  reset = function() return { drop = true } end,
  hang = function() return { delay = -1, drop = true } end,
  html = function() return { status = 502, headers = { ["Content-Type"] = "text/html" }, body = PAGE } end,
  empty = function() return { status = 200, headers = { ["Content-Type"] = "text/html" }, body = "" } end,
}

--- Is this action one of the connection rather than of a method?
---@param action any
---@return boolean
function breaks.is_transport(action)
  if type(action) == "table" then return action.error == nil end
  return action == "cut" or transport[action] ~= nil
end

--- Does the answer of the method remain, so that it has to run?
local function keeps_answer(action)
  if type(action) ~= "table" then return action == "cut" end
  return not (action.error or action.body or action.status)
end

--- Must the method run before the answer is broken?
---@param fault table
---@return boolean
function breaks.runs_first(fault)
  return fault.after or keeps_answer(fault.action)
end

--- The failure that an action stands for, as a command of a batch has it.
---@param action any
---@return table
function breaks.failure(action)
  if type(action) ~= "table" then return failure.named(action) end
  local made = failure.named(action.error)
  made.description = action.description or made.description
  made.status = action.status or made.status
  return made
end

--- Turn a natural answer (nil when the method did not run) into the broken one.
---@param action any
---@param natural table?
---@param word fun(failed: table): table puts a failure into an answer
---@return table answer
function breaks.apply(action, natural, word)
  if type(action) ~= "table" then
    if action == "cut" then
      natural.cut = true
      return natural
    end
    local make = transport[action]
    return make and make() or word(breaks.failure(action))
  end
  local answer
  if action.error ~= nil then
    answer = word(breaks.failure(action))
  elseif action.body or action.status then
    answer = { status = 200, headers = { ["Content-Type"] = "application/json; charset=utf-8" }, body = "" }
  else
    answer = natural
  end
  answer.status = action.status or answer.status
  answer.body = action.body or answer.body
  for name, value in pairs(action.headers or {}) do answer.headers[name] = value end
  if action.retry_after then answer.headers["Retry-After"] = action.retry_after end
  answer.delay = action.delay
  return answer
end

return breaks
