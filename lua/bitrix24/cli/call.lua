--- bitrix24 call METHOD: one call, its result.

local catalogue = require "bitrix24.catalogue"
local columns = require "bitrix24.cli.columns"
local doubts = require "bitrix24.cli.doubts"
local errors = require "bitrix24.errors"
local format = require "bitrix24.cli.format"
local given = require "bitrix24.cli.given"
local portals = require "bitrix24.cli.portal"
local records = require "bitrix24.list.records"
local text = require "bitrix24.cli.text"

local pcall, tonumber, type = pcall, tonumber, type

local _ENV = nil -- luacheck: ignore

--- The records in a result: the list that it holds, or itself.
local function records_of(result, row, method)
  if row and row.kind == "list" then
    local ok, found = pcall(records.find, result, row, method)
    if ok then return found end
  end
  if type(result) == "table" and result[1] ~= nil then return result end
  return { result }
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  local method, version = options.METHOD, tonumber(options.rest)
  local params, message, hint = given.params(options.PARAMETER, method, version, here.input)
  if not params then errors.config(message, hint) end
  local chosen = format.names(options.columns)
  local timeout = options.timeout
  options.timeout = nil -- it is the call's
  local portal <close> = portals.open(options, here)
  local row, view = catalogue.find(method, version), portals.version(portal, options.rest)
  doubts.tell(here, row, params)
  local result = view:call(method, params, timeout and { timeout = timeout })
  local kind = options.format
  if kind and kind ~= "json" or chosen then
    local list = records_of(result, row, method)
    local writer = format.new {
      kind = kind or "json", columns = chosen, pretty = here.pretty, color = here.color, width = here.width,
    }
    here:write(#list > 0 and writer:page(list) or "")
    here:write(writer:finish())
    here:flush()
    if #list > 0 then
      columns.warn_unseen(here, { view = view, method = method, params = params, row = row }, writer, list)
    end
    columns.tell_left(here, writer, options)
    return
  end
  here:write((here.pretty and text.pretty(result, here.color) or text.line(result)) .. "\n")
end
