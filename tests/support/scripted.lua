-- What the specs of calls and errors share: the documented examples, what
-- arrived compared with them, and failures looked at from every side.

local bitrix24 = require "bitrix24"
local json = require "bitrix24.json"

local scripted = {}

local HERE = debug.getinfo(1, "S").source:match("^@(.*)support/[^/]*$")

--- The documented examples: { method=, version=, request=, response=, error=,
-- http_error_status= }, nulls kept; `failed` is the error as the body of an
-- answer, `sent` the request as minified JSON with sorted keys, which is what
-- the client promises to send.
scripted.examples = {}

do
  local file <close> = assert(io.open(HERE .. "fixtures/examples.json"))
  for line in file:lines() do
    local text = line:match("^(%b{}),?$")
    if text then
      local example = assert(json.decode(text, { nulls = "keep" }))
      if example.error == json.null then example.error = nil end
      example.sent = text:match('"request":(.*),"response":')
      example.failed = text:match('^{"error":(.*),"http_error_status":')
      table.insert(scripted.examples, example)
    end
  end
  assert(#scripted.examples > 0, "no examples")
end

--- The example of a method.
function scripted.example(method, version)
  for _, example in ipairs(scripted.examples) do
    if example.method == method and (version == nil or example.version == version) then return example end
  end
  error("no example of " .. method, 2)
end

-- "array", "object", "integer", … as JSON and Lua know them.
local function kind_of(value)
  if value == json.null then return "null" end
  if type(value) ~= "table" then return math.type(value) or type(value) end
  if next(value) == nil then return "empty" end
  return value[1] ~= nil and "array" or "object"
end

local function is_number(kind) return kind == "integer" or kind == "float" end

--- How `got` differs from the documented shape, or nil: every documented key is
-- there with its type; an item of a list is like one of the documented items. A
-- documented null says nothing of the type, an empty [] nothing of its items.
function scripted.difference(documented, got, path)
  path = path or "result"
  if got == nil then return path .. " is missing" end
  local wanted, have = kind_of(documented), kind_of(got)
  if wanted == "null" then return nil end
  if wanted == "empty" and type(got) == "table" or wanted == "array" and have == "empty" then return nil end
  if wanted ~= have and not (wanted == "float" and is_number(have)) then
    return ("%s is %s, documented is %s"):format(path, have, wanted)
  end
  if wanted == "array" then
    for i, item in ipairs(got) do
      local found
      for _, shape in ipairs(documented) do
        found = scripted.difference(shape, item, ("%s[%d]"):format(path, i))
        if not found then break end
      end
      if found then return found end
    end
  elseif wanted == "object" then
    for key, value in pairs(documented) do
      local found = scripted.difference(value, got[key], path .. "." .. key)
      if found then return found end
    end
  end
  return nil
end

--- Assert that the last request went out as the example shows it.
---@param sb table sandbox
---@param example table
function scripted.assert_sent(sb, example)
  local list = sb:requests()
  local request = list[#list]
  local hook = example.version == 3 and "/rest/api/1/***/" or "/rest/1/***/"
  assert(request.path == hook .. example.method, "sent to " .. request.path)
  assert(request.http_method == "POST", request.http_method)
  assert(request.version == example.version)
  assert(request.headers["content-type"] == "application/json", request.headers["content-type"])
  assert(request.headers["accept"] == "application/json", request.headers["accept"])
  assert(request.body == example.sent, ("sent %s, documented %s"):format(request.body, example.sent))
end

--- Call as the example does and assert the request and the answer's shape.
---@param portal table connected with nulls = "keep"
---@return any result, table response
function scripted.call(sb, portal, example, params)
  local result, response = portal:call(example.method, params or example.request)
  if not params then scripted.assert_sent(sb, example) end
  local documented = example.response
  local found = scripted.difference(documented.result, result == nil and json.null or result)
  assert(not found, found and example.method .. ": " .. found)
  if documented.result == json.null then assert(result == nil) end
  for key, value in pairs(documented.time) do
    -- seconds are whole or not; one page shows a date where all others show seconds
    local wanted = key == "operating_reset_at" and "number" or type(value)
    assert(type(response.time[key]) == wanted, "time." .. key)
  end
  if documented.total then assert(math.type(response.total) == "integer", "total") end
  assert(response.method == example.method and response.status == 200 and response.attempts == 1)
  return result, response
end

--- What nobody may see of a sandbox.
---@return string[]
function scripted.secrets(sb)
  local list = { assert(sb.webhook:match("/rest/1/(%w+)/")) }
  for _, name in ipairs { "access_token", "refresh_token", "client_secret", "expired_token", "code" } do
    list[#list + 1] = sb.oauth[name]
  end
  return list
end

local function look(value, secrets, path)
  if type(value) == "string" then
    for _, secret in ipairs(secrets) do
      assert(not value:find(secret, 1, true), path .. " shows a secret")
    end
  elseif type(value) == "table" then
    for key, item in pairs(value) do look(item, secrets, path .. "." .. tostring(key)) end
  end
end

--- Run `f`, which must raise a structured error of the expected fields; nothing
-- of it shows a secret, and it prints as one line.
---@param sb table sandbox
---@param expected table field → value
---@param f function
---@return table error
function scripted.failure(sb, expected, f, ...)
  local ok, e = pcall(f, ...)
  assert(not ok, "it did not fail")
  assert(bitrix24.is_error(e), "no structured error: " .. tostring(e))
  local text = tostring(e)
  assert(not text:find("%c"), "more than a line: " .. text)
  local secrets = scripted.secrets(sb)
  look(text, secrets, "tostring(e)")
  look(e, secrets, "e")
  for name, value in pairs(expected) do
    local have = e[name]
    assert(have == value, ("e.%s is %s (%s), expected %s (%s): %s"):format(name, tostring(have),
      type(have), tostring(value), type(value), text))
  end
  return e
end

--- How often a method arrived.
function scripted.count(sb, method)
  local n = 0
  for _, request in ipairs(sb:requests()) do
    if request.method == method then n = n + 1 end
  end
  return n
end

--- Answer the next call of a method with a documented error.
function scripted.refuse(sb, method, status, code, description)
  sb:fault { method = method, action = { status = status, error = code, description = description } }
end

return scripted
