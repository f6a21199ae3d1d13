--- REST 3.0 `batch` (api-reference/rest-v3): an array of {method, query, as};
-- `{"$ref": "alias.path"}` and `{"$refArray": "alias.field"}` stand for what
-- earlier commands gave. All or nothing: one failure is the whole answer,
-- though what ran before it has run.

local gmatch, match = string.gmatch, string.match
local ipairs, pairs, tonumber, tostring, type = ipairs, pairs, tonumber, tostring, type
local error = error
local breaks = require "bitrix24.sandbox.breaks"
local failure = require "bitrix24.sandbox.failure"
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local COMMANDS_MAX = 50

local function refuse(message)
  error(failure.new3("INVALIDSELECTEXCEPTION", message), 0)
end

local function descend(value, path)
  for segment in gmatch(path, "[^.]+") do
    if type(value) ~= "table" then return nil end
    local index = match(segment, "^%d+$") and tonumber(segment)
    local item = value[segment]
    if item == nil and index then item = value[index + 1] end
    value = item
  end
  return value
end

--- The earlier result a reference begins with, and the rest of its path.
-- Only results that hold `item` or `items` can be referred to.
local function target(reference, results)
  local alias, path = match(tostring(reference), "^([^.]+)%.?(.*)$")
  local result = alias and results[alias]
  if type(result) ~= "table" or (result.item == nil and result.items == nil) then
    refuse("Unresolved reference: " .. tostring(reference))
  end
  return result, path
end

local function resolve_ref(reference, results)
  local result, path = target(reference, results)
  local value = path ~= "" and descend(result, path) or nil
  if value == nil and path ~= "" then value = descend(result.item or result.items, path) end
  if value == nil then refuse("Unresolved reference: " .. tostring(reference)) end
  return value
end

local function resolve_array(reference, results)
  local result, path = target(reference, results)
  local values = {}
  if path == "" or type(result.items) ~= "table" then
    refuse("Unresolved reference: " .. tostring(reference))
  end
  for i, item in ipairs(result.items) do
    local value = descend(item, path)
    if value == nil then refuse("Unresolved reference: " .. tostring(reference)) end
    values[i] = value
  end
  return json.array(values)
end

local function resolve(value, results)
  if type(value) ~= "table" then return value end
  if value["$ref"] ~= nil then return resolve_ref(value["$ref"], results) end
  if value["$refArray"] ~= nil then return resolve_array(value["$refArray"], results) end
  -- In place: the parameters are this request's own, and their marks stay.
  local replaced = {}
  for key, item in pairs(value) do
    if type(item) == "table" then replaced[key] = resolve(item, results) end
  end
  for key, item in pairs(replaced) do value[key] = item end
  return value
end

local function run_command(call, visitor, index, command, results)
  local portal = call.portal
  local name = type(command) == "table" and command.method
  local query = type(command) == "table" and command.query or {}
  if type(name) ~= "string" or type(query) ~= "table" then refuse("A command needs a method and a query") end
  if name:lower() == "batch" then refuse("A batch cannot hold a batch") end
  query = resolve(query, results)
  portal.journal:command(visitor.entry, command.as or tostring(index - 1), name, query)
  local fault = portal.faults:take(name, true)
  if fault and breaks.is_transport(fault.action) then -- it takes the whole request with it
    visitor.broken = visitor.broken or fault
    if not breaks.runs_first(fault) then error(failure.new("ERROR_UNEXPECTED_ANSWER"), 0) end
    fault = nil
  end
  if fault and not fault.after then error(breaks.failure(fault.action), 0) end
  local method, missing = portal:find(3, name)
  if not method then error(missing, 0) end
  local outcome = portal:run(visitor, method, query)
  if fault then error(breaks.failure(fault.action), 0) end
  if outcome.failure then error(outcome.failure, 0) end
  return outcome.result
end

local function batch(call)
  local commands, visitor = call.params, call.visitor
  local results, answer = {}, {}
  if commands[1] == nil then refuse("A batch is an array of commands") end
  if #commands > COMMANDS_MAX then refuse("Too many commands") end
  visitor.in_batch = true
  for i, command in ipairs(commands) do
    local result = run_command(call, visitor, i, command, results)
    if result == nil then result = json.null end
    answer[i] = result
    results[tostring(i - 1)] = result
    if type(command.as) == "string" then results[command.as] = result end
  end
  visitor.in_batch = nil
  return json.array(answer)
end

return function(portal)
  portal:method("batch", { version = 3, write = false }, batch)
end
