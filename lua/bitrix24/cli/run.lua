--- bitrix24 run SCRIPT: a script on the chosen portal; with --plan its writes
-- are recorded, not sent.

local bitrix24 = require "bitrix24"
local errors = require "bitrix24.errors"
local portals = require "bitrix24.cli.portal"

local error, loadfile, pcall = error, loadfile, pcall
local pairs, setmetatable, tostring, type = pairs, setmetatable, tostring, type
local getenv = os.getenv
local globals = _G
local unpack = table.unpack

local _ENV = nil -- luacheck: ignore

local function read(name)
  if name == "-" then return loadfile() end -- standard input, with its line of #! as in a file
  return loadfile(name)
end

--- The arguments as lua5.4 gives them, with this command as the interpreter.
local function arguments_of(script, count)
  local ours, out = globals.arg, {}
  local place = #ours - count
  for i, word in pairs(ours) do out[i - place] = word end
  out[0] = script
  return out
end

--- The script names the portal of the environment, where --profile names another.
local function is_overruled(given, options)
  local address = type(given) == "table" and given.webhook or given
  return options.profile ~= nil and address ~= nil and address == getenv("BITRIX24_WEBHOOK")
end

--- Portals of the script's own tell of their requests, too.
local function heard(given, here)
  local log = here:log()
  if not log or type(given) ~= "table" and type(given) ~= "string" then return given end
  local out = {}
  for name, value in pairs(type(given) == "table" and given or { webhook = given }) do out[name] = value end
  local own = out.log
  out.log = type(own) ~= "function" and own or function(event)
    log(event)
    if own then own(event) end
  end
  return out
end

--- Let the script's connect() speak to `open(given)`, also by `bitrix24.crm…`,
-- until what is returned is closed.
local function stand_in(here, options, open)
  local connect = bitrix24.connect
  bitrix24.connect = function(given)
    if is_overruled(given, options) then
      local rest = {}
      for name, value in pairs(type(given) == "table" and given or {}) do rest[name] = value end
      rest.webhook = nil
      return open(rest)
    end
    if portals.is_open_question(given) then return open(given or {}) end
    return connect(heard(given, here))
  end
  return setmetatable({}, { __close = function() bitrix24.connect = connect end })
end

--- The portal that makes the plan. The script may need none of ours: then it is
-- one that nothing is asked of.
local function planner(here, options, connect)
  local ok, chosen = pcall(portals.options, options, here)
  if not ok and (options.profile or not errors.is_error(chosen)) then error(chosen, 0) end
  return connect(ok and chosen or { webhook = "https://nowhere.invalid/rest/1/none/" })
end

---@param here bitrix24.cli.Console
---@param options table
---@param arguments string[]? of the script
return function(here, options, arguments)
  local chunk, why = read(options.SCRIPT)
  if not chunk then errors.config("cannot run: " .. tostring(why)) end
  if options.profile then portals.choose(options.profile) end -- the command's mistake, not the script's
  arguments = arguments or {}
  globals.arg = arguments_of(options.SCRIPT, #arguments)
  local connect = bitrix24.connect
  local function script()
    local guard <close> = stand_in(here, options, function(given) -- luacheck: ignore 211
      return connect(portals.options(options, here, given.log and heard(given, here) or given))
    end)
    here.of_script = true -- from here on, what goes wrong has lines of its own to name
    chunk(unpack(arguments))
  end
  if not options.plan then return script() end
  -- while a plan is made, portals that the script opens are planned too
  local portal <close> = planner(here, options, connect)
  local done, fault
  local plan = portal:plan(function() done, fault = pcall(script) end)
  here:write(tostring(plan) .. "\n")
  if done then return end
  here:note("the script failed: the plan ends there")
  error(fault, 0)
end
