--- bitrix24 sandbox: a portal on this machine, until Ctrl-C or for a command.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local given = require "bitrix24.cli.given"

local concat = table.concat
local error, execute, ipairs, pcall, require = error, os.execute, ipairs, pcall, require
local setmetatable, tostring, type = setmetatable, tostring, type

local _ENV = nil -- luacheck: ignore

--- Ctrl-C and `kill` are heard between two naps.
local NAP_SECONDS = 0.25

local function quoted(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

--- Run a command with the portal's address in its environment, not in its
-- arguments; its status.
local function run(sb, words)
  local line = { "BITRIX24_WEBHOOK=" .. quoted(sb.webhook), "BITRIX24_PROFILE=" }
  if sb.ca_file then line[#line + 1] = "SSL_CERT_FILE=" .. quoted(sb.ca_file) end
  for _, word in ipairs(words) do line[#line + 1] = quoted(word) end
  local _, how, status = execute("exec env " .. concat(line, " "))
  return how == "signal" and 1 or status
end

local function stay(here, sb, options)
  if options.quiet then
    here:write(sb.webhook .. "\n")
  else
    here:write(("BITRIX24_WEBHOOK=%s\n"):format(sb.webhook))
    if sb.ca_file then here:note("its commands need --ca-file " .. sb.ca_file) end
    here:note("the portal is there until Ctrl-C; export this in another shell")
  end
  here:flush()
  repeat core.sleep(NAP_SECONDS) until core.console.is_ending()
end

--- Let `kill` and a terminal that is closed wait until what is returned is
-- closed, behind the portal: its files go first.
local function patient()
  core.console.hold_endings(true)
  return setmetatable({}, { __close = function() core.console.hold_endings(false) end })
end

---@param here bitrix24.cli.Console
---@param options table
---@param command string[]? what to run
return function(here, options, command)
  local settings, message, hint = given.options(options.OPTION)
  if not settings then errors.config(message, hint and "give key=value, e.g. contacts=500") end
  settings.port, settings.tls = options.port or settings.port, options.tls or settings.tls
  local loaded, sandbox = pcall(require, "bitrix24.sandbox")
  if not loaded then
    local missing = tostring(sandbox):find("module 'bitrix24.sandbox' not found", 1, true)
    errors.config("the sandbox " .. (missing and "is not installed"
      or "cannot be loaded: " .. tostring(sandbox):match("^[^\n]*")), "luarocks install bitrix24-sandbox")
  end
  local runs = command ~= nil and #command > 0
  local guard <close> = not runs and patient() or nil -- luacheck: ignore 211
  local sb <close> = sandbox.start(settings)
  if runs then return run(sb, command) end
  local ok, e = pcall(stay, here, sb, options)
  if ok then return end
  if type(e) == "string" and e:find("interrupted!", 1, true) then return 0 end
  error(e, 0)
end
