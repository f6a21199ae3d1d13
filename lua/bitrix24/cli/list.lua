--- bitrix24 list METHOD: every record of a list, to standard output or into a
-- file that an interrupted export can go on with.

local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local export = require "bitrix24.cli.export"
local format = require "bitrix24.cli.format"
local given = require "bitrix24.cli.given"
local portals = require "bitrix24.cli.portal"
local records = require "bitrix24.list.records"

local concat, sort = table.concat, table.sort
local error, pairs, pcall, tonumber = error, pairs, pcall, tonumber
local tointeger = math.tointeger

local _ENV = nil -- luacheck: ignore

local function check(options)
  if options.checkpoint and not options.output then
    errors.config("--checkpoint goes with --output: it remembers how much of a file is written")
  end
  if options.checkpoint and options.limit then
    errors.config("--checkpoint and --limit do not go together", "leave one of them out")
  end
end

--- What was left out of the columns is told.
local function tell_left(here, writer, options)
  local names = {}
  for name in pairs(writer.left) do names[#names + 1] = name end
  sort(names)
  if #names > 0 then
    here:note(("note: fields that came later are in no column: %s; name them with --columns"):format(
      concat(names, ",", 1, #names > 8 and 8 or #names)))
  end
  local hidden = writer:hidden()
  if hidden > 0 and not options.columns then
    here:note(("note: %d more columns; choose with --columns, or --format csv"):format(hidden))
  end
end

--- To standard output.
local function print_list(here, options, open_list, writer)
  local progress = not here.pretty and here:progress() or nil
  for page in open_list(progress) do
    here:write(writer:page(page))
    here:flush()
  end
  here:write(writer:finish())
  here:clear()
  tell_left(here, writer, options)
end

--- Into a file.
local function export_list(here, options, open_list, writer, row)
  local asked = { format = writer.kind, columns = options.columns }
  local file = export.open(options.output, options.checkpoint, asked)
  if file.resumed then
    writer.started, writer.columns = file.resumed > 0, writer.columns or file.columns
    writer.own = options.columns == nil
    here:note(("going on behind %d records"):format(file.resumed))
  end
  local ok, e = pcall(function()
    for page in open_list(here:progress(file.resumed)) do
      local last = options.checkpoint and tointeger(tonumber(records.id(page[#page], row))) or nil
      file:write(writer:page(page), #page, last, writer.columns)
    end
    file:commit(writer:finish())
  end)
  if not ok then
    local kept = file:abandon()
    here:clear()
    if kept then
      here:note(("%d records are in %s.part; the same command goes on"):format(file.records, options.output))
    end
    error(e, 0)
  end
  here:clear()
  tell_left(here, writer, options)
  here:note(("%d records in %s"):format(file.records, options.output))
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  check(options)
  local method, version = options.METHOD, tonumber(options.rest)
  local params, message, hint = given.params(options.PARAMETER, method, version, here.input)
  if not params then errors.config(message, hint) end
  local kind = options.format or options.output and format.of_path(options.output) or "json"
  local to_terminal = here.pretty and not options.output
  local writer = format.new {
    kind = kind, columns = format.names(options.columns), pretty = to_terminal,
    color = here.color and to_terminal, width = to_terminal and here.width or nil,
  }
  local portal <close> = portals.open(options, here)
  local view = portals.version(portal, options.rest)
  local row = catalogue.find(method, version)
  local function open_list(progress)
    return view:pages(method, params, {
      limit = options.limit, checkpoint = options.checkpoint, progress = progress,
    })
  end
  if options.output then
    export_list(here, options, open_list, writer, row)
  else
    print_list(here, options, open_list, writer)
  end
end
