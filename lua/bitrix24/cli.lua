--- The command `bitrix24`: words in, a status out.
--   0  done
--   1  a call failed, something was found to be wrong, or it was interrupted
--   2  wrong usage: nothing was sent
--   141  nobody reads the output any more: what a shell says of SIGPIPE
-- Results go to standard output; what went wrong to standard error, one line
-- and what to do. Commands are lua/bitrix24/cli/NAME.lua, their words cli/usage.lua.

local console = require "bitrix24.cli.console"
local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local words_of = require "bitrix24.cli.words"

local stdin, stdout, stderr = io.stdin, io.stdout, io.stderr
local move = table.move
local ipairs, pcall, require, tostring, type, xpcall = ipairs, pcall, require, tostring, type, xpcall
local traceback = debug.traceback
local find, match, sub = string.find, string.match, string.sub
local lua_version = _VERSION

local _ENV = nil -- luacheck: ignore

local cli = {}

local DONE, FAILED, MISUSED, UNREAD = 0, 1, 2, 141

--- A message of the parser without what may be an address with a code in it.
local function masked(message)
  return (message:gsub("'[^']*[:/=%%][^']*'", "'…'"))
end

--- The arguments up to the word that ends our options: the script of `run`, the
-- first -- of `sandbox`; and those behind it, which are somebody else's.
local function split(words, usage)
  local command, rest = words[1], nil
  if command ~= "run" and command ~= "sandbox" then return words, nil end
  local takes_value = {}
  for _, option in ipairs(usage.parser_options(command)) do
    for name in option.names:gmatch("%S+") do takes_value[name] = option.value end
  end
  local i = 2
  while i <= #words do
    local word = words[i]
    if word == "--" then
      rest = i + 1
    elseif command == "run" and (sub(word, 1, 1) ~= "-" or word == "-") then
      rest = i
    end
    if rest then break end
    i = i + (takes_value[word] and 2 or 1)
  end
  if not rest then return words, nil end
  if command == "run" then rest = rest + 1 end -- behind the script
  return move(words, 1, rest - 1, 1, {}), move(words, rest, #words, 1, {})
end

local function asks_for_help(words)
  for _, word in ipairs(words) do
    if word == "--" then return false end
    if word == "-h" or word == "--help" then return true end
  end
  return false
end

--- The page of a command; wrong usage when there is none.
local function help(here, usage, name)
  local page = usage.page(name)
  if page then
    here:write(page)
    return DONE
  end
  local names = {}
  for i, command in ipairs(usage.commands) do names[i] = command.name end
  local nearest = errors.nearest(name, names)
  here:fail(nearest and ("there is no command '%s'"):format(name) or "there is no such command",
    nearest and ("did you mean '%s'?"):format(nearest) or "bitrix24 help lists the commands")
  return MISUSED
end

--- What an error means for whoever typed the command.
local function report(here, e, command)
  if e == console.CLOSED then return UNREAD end
  if errors.is_error(e) then
    local of_script = here.of_script
    local shown = of_script and errors.new(e) or words_of.of_command(e, command)
    local hint = shown.hint
    shown.hint = nil
    if not of_script then shown.where = nil end
    local line = match(tostring(shown), "^bitrix24: (.*)$") or tostring(shown)
    if e.kind == "config" then line = line:gsub("config error: ", "", 1) end
    here:fail(line, hint)
    return e.kind == "config" and not (of_script or e.broken) and MISUSED or FAILED
  end
  -- lua5.4 turns Ctrl-C into this error at the next instruction
  if type(e) == "string" and find(e, "interrupted!", 1, true) then
    here:fail("interrupted")
    return FAILED
  end
  local text = tostring(e)
  if type(e) ~= "string" and find(text, "^%a+: 0?x?%x+$") then -- as lua5.4 says it
    text = ("(error object is a %s value)"):format(type(e))
  end
  here:fail(here.verbose and text or (text:gsub("%c+", " ")))
  return FAILED
end

--- Errors of a script and of ours keep the way they took, for --verbose.
local function traced(here)
  return function(e)
    if here.verbose and not errors.is_error(e) and type(e) == "string" then return traceback(e, 2) end
    return e
  end
end

local function parse(here, usage, words)
  local ours, rest = split(words, usage)
  local ok, found = usage.parser():pparse(ours)
  if ok then return found, rest end
  local message, hint = match(found, "^(.-)\n(.*)$")
  local command = usage.command(words[1])
  if find(found, "^unknown option '%-[^-]'") then hint = nil end -- every letter is near to it
  here:fail((command and command.name .. ": " or "") .. masked(message or found),
    hint and masked(hint:gsub("^D", "d")) or ("bitrix24 help" .. (command and " " .. command.name or "")))
  return nil
end

local function version(here)
  local count = require "bitrix24.catalogue".count()
  here:write(("bitrix24 %s (%s, catalogue of %d methods)\n"):format(core.version, lua_version, count))
  return DONE
end

--- Do what the words ask for.
local function act(here, usage, words)
  if words[1] == "--version" then words[1] = "version" end
  if words[1] == "-h" or words[1] == "--help" then words = { "help", words[2] } end
  if #words == 0 then
    here.err:write(usage.page())
    return MISUSED
  end
  if asks_for_help(split(words, usage)) then return help(here, usage, words[1]) end
  local options, rest = parse(here, usage, words)
  if not options then return MISUSED end
  here:set(options)
  local name = options.command
  if name == "help" then return help(here, usage, options.COMMAND) end
  if name == "version" then return version(here) end
  return require("bitrix24.cli." .. name)(here, options, rest)
end

--- Run a command.
---@param arguments string[] as lua5.4 puts them into `arg`
---@return integer status
function cli.main(arguments)
  core.console.hold_streams()
  local here = console.new { out = stdout, err = stderr, input = stdin }
  local words = move(arguments, 1, #arguments, 1, {})
  local loaded, usage = pcall(require, "bitrix24.cli.usage")
  if not loaded then
    here:fail("the library argparse is missing", "apt install lua-argparse, or luarocks install argparse")
    return FAILED
  end
  local ok, status = xpcall(function()
    local result = act(here, usage, words)
    here:flush()
    return result
  end, traced(here))
  here:clear()
  if ok then return status or DONE end
  return report(here, status, words[1])
end

return cli
