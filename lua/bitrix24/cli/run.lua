--- bitrix24 run SCRIPT: a script on the chosen portal; with --plan its writes
-- are recorded, not sent.

local bitrix24 = require "bitrix24"
local errors = require "bitrix24.errors"
local portals = require "bitrix24.cli.portal"

local error, load, loadfile, pcall = error, load, loadfile, pcall
local pairs, tostring, type = pairs, tostring, type
local getenv = os.getenv
local globals = _G
local move, unpack = table.move, table.unpack

local _ENV = nil -- luacheck: ignore

local function read(here, name)
  if name == "-" then return load(here.input:read("a") or "", "=stdin") end
  return loadfile(name)
end

--- Let the script's connect() speak to `open(given)`, also by `bitrix24.crm…`.
--- The script names the portal of the environment, where --profile names another.
local function is_overruled(given, options)
  local address = type(given) == "table" and given.webhook or given
  return options.profile ~= nil and address ~= nil and address == getenv("BITRIX24_WEBHOOK")
end

local function with_connect(options, open, f)
  local connect = bitrix24.connect
  bitrix24.connect = function(given)
    if is_overruled(given, options) then
      local rest = {}
      for name, value in pairs(type(given) == "table" and given or {}) do rest[name] = value end
      rest.webhook = nil
      return open(rest)
    end
    if portals.is_open_question(given) then return open(given) end
    return connect(given)
  end
  local ok, e = pcall(f)
  bitrix24.connect = connect
  if not ok then error(e, 0) end
end

---@param here bitrix24.cli.Console
---@param options table
---@param arguments string[]? of the script
return function(here, options, arguments)
  local chunk, why = read(here, options.SCRIPT)
  if not chunk then errors.config("cannot run: " .. tostring(why)) end
  arguments = arguments or {}
  globals.arg = move(arguments, 1, #arguments, 1, { [0] = options.SCRIPT })
  local connect = bitrix24.connect
  local function script()
    local function open(given) return connect(portals.options(options, here, given)) end
    with_connect(options, open, function()
      chunk(unpack(arguments))
    end)
  end
  -- while a plan is made, portals that the script opens are planned too
  local function plan()
    local portal <close> = connect(portals.options(options, here))
    local report = tostring(portal:plan(script))
    here:write(report:sub(-1) == "\n" and report or report .. "\n")
  end
  local ok, e = pcall(options.plan and plan or script)
  if ok then return end
  -- its own mistakes are no wrong usage of the command, and it has lines to name
  if errors.is_error(e) then e.of_script = true end
  error(e, 0)
end
