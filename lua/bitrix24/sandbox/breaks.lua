--- What a fault does to an answer. An answer is { status=, headers=, body=,
-- delay=, transfer=, every=, forget= }; headers is a map, the body is text;
-- `transfer` is how it goes out and `forget` what becomes of the connection
-- (absent: as HTTP wants it).

local format, match, rep = string.format, string.match, string.rep
local pairs, tointeger, type = pairs, math.tointeger, type
local failure = require "bitrix24.sandbox.failure"

local _ENV = nil -- luacheck: ignore

local breaks = {}

local JSON, HTML = "application/json; charset=utf-8", "text/html"
local DEEP = 10000

-- What a front-end server shows when the portal behind it is gone.
local PAGE = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n"
  .. "<center><h1>%s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

local function page(status, title)
  return { status = status, headers = { ["Content-Type"] = HTML }, body = format(PAGE, title, title) }
end

--- An answer whose body begins as a result does.
local function endless(transfer)
  return function()
    return { status = 200, headers = { ["Content-Type"] = JSON }, body = '{"result":"', transfer = transfer }
  end
end

local function deep(depth)
  return { status = 200, headers = { ["Content-Type"] = JSON },
    body = '{"result":' .. rep("[", depth) .. rep("]", depth) .. "}" }
end

local function redirect(to)
  return { status = 302, headers = { Location = to, ["Content-Type"] = HTML }, body = "" }
end

-- Answers that have nothing of the method's: action → function(request).
local own = {
  reset = function() return { transfer = "reset" } end,
  hang = function() return { delay = -1, transfer = "reset" } end,
  html = function() return page(502, "502 Bad Gateway") end,
  unavailable = function() return page(503, "503 Service Temporarily Unavailable") end,
  empty = function() return { status = 200, headers = { ["Content-Type"] = HTML }, body = "" } end,
  gzip = function()
    return { status = 200, headers = { ["Content-Type"] = JSON, ["Content-Encoding"] = "gzip" },
      body = '{"result":true}' }
  end,
  deep = function() return deep(DEEP) end,
  flood = endless "flood",
  flood_length = endless "flood_length",
  headers = endless "headers",
  bomb = endless "bomb",
  redirect = function(request) return redirect(request.uri) end,
  -- router.lua serves the method under these addresses too
  redirect_new = function(request)
    local hop, rest = match(request.uri, "^/rest/hop%-(%d+)/(.*)$")
    return redirect(format("/rest/hop-%d/%s", (tointeger(hop) or 0) + 1,
      rest or match(request.uri, "^/rest/(.*)$") or ""))
  end,
}

-- Ways in which the method's answer goes out.
local transfers = {
  cut = true, reset_body = true, length = true, stall = true, drip = true, gzip_cut = true,
}

-- What becomes of the connection once the method's answer is out.
local forgets = { forget = true, vanish = true }

--- Actions that strike every request from then on unless a count is given.
breaks.endless = { redirect = true, redirect_new = true }

--- Is this action one of the connection rather than of a method?
---@param action any
---@return boolean
function breaks.is_transport(action)
  if type(action) == "table" then return action.error == nil end
  return transfers[action] ~= nil or forgets[action] ~= nil or own[action] ~= nil
end

--- Does the answer of the method remain, so that it has to run?
local function keeps_answer(action)
  if type(action) ~= "table" then return transfers[action] or forgets[action] end
  return not (action.error or action.body or action.status or action.depth)
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

local function apply_name(action, natural, word, request)
  if transfers[action] then
    natural.transfer = action
  elseif forgets[action] then
    natural.forget = action
  else
    local make = own[action]
    return make and make(request) or word(breaks.failure(action))
  end
  return natural
end

--- The answer that a table describes, or the one there is.
local function described(action, natural, word)
  if action.error ~= nil then return word(breaks.failure(action)) end
  if action.depth then return deep(action.depth) end
  if action.body or action.status then
    return { status = 200, headers = { ["Content-Type"] = JSON }, body = "" }
  end
  return natural
end

--- Turn a natural answer (nil when the method did not run) into the broken one.
---@param action any
---@param natural table?
---@param word fun(failed: table): table puts a failure into an answer
---@param request table
---@return table answer
function breaks.apply(action, natural, word, request)
  if type(action) ~= "table" then return apply_name(action, natural, word, request) end
  local answer = described(action, natural, word)
  answer.status = action.status or answer.status
  answer.body = action.body or answer.body
  for name, value in pairs(action.headers or {}) do answer.headers[name] = value end
  if action.retry_after then answer.headers["Retry-After"] = action.retry_after end
  answer.delay = action.delay
  answer.transfer, answer.every, answer.forget = action.transfer, action.every, action.forget
  return answer
end

return breaks
