--- Errors in the words of the command line. The library speaks to whoever
-- writes Lua; at the keyboard its options have other names.

local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"

local find, gsub = string.find, string.gsub
local ipairs, type = ipairs, type

local _ENV = nil -- luacheck: ignore

local words = {}

local function option(name) return "--" .. gsub(name, "_", "-") end

--- What the library says, and what is typed.
local PHRASES = {
  { "call it through portal%.v(%d)", "use --rest %1" },
  { "file as ca_file", "file by --ca-file FILE" },
  { " %(or insecure = true%)", "" },
  { "longer than wait_max", "longer than the command waits" },
  { "^connect: webhook: ", "the webhook's address: " },
  { "^connect: webhook has ", "the webhook's address has " },
  { "^%a+: option '([%w_]+)'", option },
  { "^connect: ", "" },
  { "^sandbox%.start: ", "" },
  { "^oauth%.[%w_]+: option '[%w_]+': ", "" },
  { "opts%.([%w_]+)", option },
  { "portal:call%(\"([^\"]*)\", params%)", "bitrix24 call %1" },
  { "use strategy = \"sequential\"", "give an order of your own, e.g. order[ID]=ASC" },
  { "e%.g%. profile = ", "e.g. --profile " },
  { ", or pass { idempotent = true } if a repeat is harmless", "" },
}

local function translated(text)
  if type(text) ~= "string" then return text end
  for _, phrase in ipairs(PHRASES) do text = gsub(text, phrase[1], phrase[2]) end
  return text
end

--- Does what was asked for change nothing?
local function only_reads(e, command)
  local row = e.method and catalogue.find(e.method)
  return command == "list" or row ~= nil and not row.write
end

--- The error as the user of a command should read it.
---@param e bitrix24.Error
---@param command string its name
---@return bitrix24.Error
function words.of_command(e, command)
  local out = errors.new(e)
  out.message, out.hint = translated(e.message), translated(e.hint)
  if out.hint and find(out.hint, "^look whether it took effect") and only_reads(e, command) then
    out.hint = "it only reads: run it again"
  end
  return out
end

return words
