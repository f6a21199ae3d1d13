--- Puts values where a recorded command has references: the platform's own
-- syntax for a result of the same request, else the value itself, and writes the
-- command's text.

local json = require "bitrix24.json"
local reference = require "bitrix24.batch.reference"
local wire = require "bitrix24.wire"

local concat = table.concat
local getmetatable, ipairs, next = getmetatable, ipairs, next
local setmetatable, type = setmetatable, type

local _ENV = nil -- luacheck: ignore

local fill = {}

-- The mark of a REST 3.0 reference of ours, as against a parameter that happens
-- to have that name.
local Remote = {}

--- Can the platform resolve this reference within a request? Without a stop at
-- the first failure it would run a command with the reference's text for a value
-- (settings/how-to-call-rest-api/batch). In REST 3.0 only what is below `item` or
-- `items` can be referred to, along a path of names joined by dots.
local function is_remote(run, info)
  if not run.halt then return false end
  if run.wire == 2 then return true end
  local path = info.path
  if #path < 2 or (path[1] ~= "item" and path[1] ~= "items") then return false end
  for _, step in ipairs(path) do
    if type(step) == "string" and (step == "" or step:find(".", 1, true)) then return false end
  end
  return true
end

--- A reference as the platform writes it; places count from 0 there.
local function remote(run, info, place)
  local steps = {}
  for i, step in ipairs(info.path) do steps[i] = type(step) == "string" and step or step - 1 end
  if run.wire == 2 then return wire.reference(place, steps) end
  return setmetatable({ ["$ref"] = wire.key(place) .. "." .. concat(steps, ".") }, Remote)
end

local WORDS = { failed = "failed", skipped = "was skipped" }

--- Why a reference cannot be filled in, or nil and its value.
local function resolve(info)
  local target = info.command
  if target.state == "ok" then
    local value = reference.lookup(target.result, info.path)
    if value ~= nil then return nil, value end
    return reference.describe(info) .. " is absent or null"
  end
  return ("command %d (%s) %s"):format(target.index, target.method,
    WORDS[target.state] or "has no known result")
end

--- The parameters of a command as they are to be sent. `waits`: the commands it
-- refers to, which are in the same request, must be answered first.
---@param run bitrix24.Run
---@param command bitrix24.Command
---@param places table<bitrix24.Command, integer> places of the request's commands
---@return table? params
---@return string? missing why there are none
---@return boolean? waits
function fill.params(run, command, places)
  if #command.references == 0 then return command.params end
  local values = {}
  for _, info in ipairs(command.references) do
    local place = places[info.command]
    if place then
      if command.alone or not is_remote(run, info) then return nil, nil, true end
      values[info] = remote(run, info, place)
    else
      local missing, value = resolve(info)
      if missing then return nil, missing end
      values[info] = run.client.plan and run.client.plan:shown(value) or value
    end
  end
  return reference.replace(command.params, function(leaf, info)
    if info then return values[info] end
    return leaf
  end)
end

--- Why a command that the platform ran cannot be trusted: it had a reference's
-- text for a value. nil when all its references led somewhere.
---@param command bitrix24.Command
---@param places table<bitrix24.Command, integer> places of the request's commands
---@return string?
function fill.dangling(command, places)
  for _, info in ipairs(command.references) do
    local missing = places[info.command] and resolve(info)
    if missing then return missing end
  end
end

--- Does a parameter read as a reference of REST 3.0?
local function has_syntax(value)
  if type(value) ~= "table" or getmetatable(value) == Remote or json.is_file(value) then return false end
  local ordered = json.kind(value) == "ordered"
  for key, item in next, value do
    local name = ordered and type(item) == "table" and item[1] or key
    if name == "$ref" or name == "$refArray" or has_syntax(item) then return true end
  end
  return false
end

--- The text of a command, or nil when it must travel alone.
---@param run bitrix24.Run
---@param command bitrix24.Command
---@param params table as fill.params gave them
---@param place integer in the request, from 1
---@return string?
function fill.compose(run, command, params, place)
  if command.alone or run.client.planner.alone[command.method] then return nil end
  if run.wire == 2 then
    return wire.command { method = command.method, version = 2, row = command.row, params = params }
  end
  if has_syntax(params) then return nil end
  local shape = command.row and command.row.shape()
  return (json.encode({ as = wire.key(place), method = command.method, query = params },
    { query = { array = false, children = shape } }, "params"))
end

return fill
