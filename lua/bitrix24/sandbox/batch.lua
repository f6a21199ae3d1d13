--- REST 2 `batch` (settings/how-to-call-rest-api/batch): at most 50 commands
-- in the order sent, each decoded once, `$result[key][field]` replaced by what
-- earlier commands gave.

local find, lower, match, sub = string.find, string.lower, string.match, string.sub
local ipairs, pairs, tonumber, tostring, type = ipairs, pairs, tonumber, tostring, type
local concat = table.concat
local breaks = require "bitrix24.sandbox.breaks"
local failure = require "bitrix24.sandbox.failure"
local form = require "bitrix24.sandbox.form"
local json = require "bitrix24.json"
local keyorder = require "bitrix24.sandbox.keyorder"
local phparray = require "bitrix24.sandbox.phparray"

local _ENV = nil -- luacheck: ignore

local COMMANDS_MAX = 50

-- Uploads and downloads are refused inside a batch, and a batch itself.
local REFUSED = {
  ["batch"] = true,
  ["disk.folder.uploadfile"] = true,
  ["disk.storage.uploadfile"] = true,
  ["disk.file.uploadversion"] = true,
  ["user.userfield.file.get"] = true,
  ["vote.attachedvote.download"] = true,
}

local function is_refused(name, method)
  name = lower(name)
  return REFUSED[name] or (method and method.batch == false) or find(name, "%.download$") ~= nil
end

--- Follow `[key][field]…` from position `at`. → value or nil, position after it
local function follow(text, at, results)
  local value = results
  while true do
    local segment, after = match(text, "^%[([^%]]*)%]()", at)
    if not segment then return value, at end
    at = after
    if type(value) == "table" then
      -- PHP counts from 0; the value may be a list or an object.
      local index = match(segment, "^%d+$") and tonumber(segment)
      local item = value[segment]
      if item == nil and index then item = value[index + 1] end
      value = item
    else
      value = nil
    end
  end
end

local function scalar(value)
  if value == json.null or value == false then return "" end
  if value == true then return "1" end
  return tostring(value)
end

local function substitute_text(text, results)
  local at = find(text, "$result[", 1, true)
  if not at then return text end
  local out, from = {}, 1
  while at do
    local value, after = follow(text, at + #"$result", results)
    if value ~= nil and at == 1 and after > #text then return value end
    if value ~= nil and type(value) ~= "table" then
      out[#out + 1] = sub(text, from, at - 1)
      out[#out + 1] = scalar(value)
      from = after
    end
    at = find(text, "$result[", after, true)
  end
  out[#out + 1] = sub(text, from)
  return concat(out)
end

--- Replace references in the values of freshly decoded parameters. A
-- reference that leads nowhere stays as its text, and the command runs with it.
local function substitute(params, results)
  for _, key in ipairs(keyorder.keys(params)) do
    local value = params[key]
    if type(value) == "table" then
      substitute(value, results)
    elseif type(value) == "string" then
      params[key] = substitute_text(value, results)
    end
  end
end

--- Run one command. → outcome, method name
local function run_command(call, visitor, key, text, results)
  local portal = call.portal
  local name, query = match(text, "^([^?]*)%??(.*)$")
  local params = form.decode(query)
  substitute(params, results)
  portal.journal:command(visitor.entry, key, name, params)
  local method, missing = portal:find(2, name)
  if is_refused(name, method) then
    return { failure = failure.new("ERROR_BATCH_METHOD_NOT_ALLOWED") }, name
  end
  local fault = portal.faults:take(name, true)
  if fault and breaks.is_transport(fault.action) then -- it takes the whole request with it
    visitor.broken = visitor.broken or fault
    if not breaks.runs_first(fault) then return nil, name end
    fault = nil
  end
  if fault and not fault.after then return { failure = breaks.failure(fault.action) }, name end
  if not method then return { failure = missing }, name end
  local outcome = portal:run(visitor, method, params)
  if fault then outcome = { failure = breaks.failure(fault.action) } end
  return outcome, name
end

--- PHP's idea of true: "0" and "" are false, "N" is not.
local function truthy(value)
  return value ~= nil and value ~= false and value ~= json.null
    and value ~= 0 and value ~= "0" and value ~= ""
end

local function batch(call)
  local visitor = call.visitor
  local cmd, halt = call:param("cmd"), truthy(call:param("halt"))
  local results, names, started = {}, {}, call.portal:now()
  local answer = {
    result = phparray.new(), result_error = phparray.new(), result_total = phparray.new(),
    result_next = phparray.new(), result_time = phparray.new(),
  }
  local function settle(key, outcome)
    local failed = outcome.failure
    if failed then
      phparray.put(answer.result_error, key, failure.body(failed, 2))
      return
    end
    local result = outcome.result
    if result == nil then result = json.null end
    results[key] = result
    phparray.put(answer.result, key, result)
    phparray.put(answer.result_time, key, outcome.time)
    if outcome.total then phparray.put(answer.result_total, key, outcome.total) end
    if outcome.next then phparray.put(answer.result_next, key, outcome.next) end
  end
  if type(cmd) ~= "table" then cmd = {} end
  visitor.in_batch = true
  for i, index in ipairs(keyorder.keys(cmd)) do
    local key = type(index) == "number" and tostring(index - 1) or index
    local outcome, name
    if i > COMMANDS_MAX then
      outcome = { failure = failure.new("ERROR_BATCH_LENGTH_EXCEEDED") }
    elseif type(cmd[index]) == "string" then
      outcome, name = run_command(call, visitor, key, cmd[index], results)
      names[#names + 1] = name
    end
    if outcome then settle(key, outcome) end
    if outcome and outcome.failure and halt then break end
    if visitor.broken and not outcome then break end
  end
  visitor.in_batch = nil
  call.portal:charge_batch(visitor, names, call.portal:now() - started)
  local finished = {}
  for part, array in pairs(answer) do finished[part] = phparray.finish(array) end
  return finished
end

return function(portal)
  portal:method("batch", { version = 2, scope = "basic" }, batch)
end
