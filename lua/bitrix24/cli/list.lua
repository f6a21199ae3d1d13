--- bitrix24 list METHOD: every record of a list, to standard output or into a
-- file that an interrupted export can go on with.

local catalogue = require "bitrix24.catalogue"
local columns = require "bitrix24.cli.columns"
local doubts = require "bitrix24.cli.doubts"
local errors = require "bitrix24.errors"
local export = require "bitrix24.cli.export"
local format = require "bitrix24.cli.format"
local given = require "bitrix24.cli.given"
local portals = require "bitrix24.cli.portal"
local records = require "bitrix24.list.records"

local error, ipairs, pcall, tonumber = error, ipairs, pcall, tonumber
local tointeger = math.tointeger

local _ENV = nil -- luacheck: ignore

local function check(options, kind)
  if options.output and export.is_output(options.output) then options.output = nil end
  if not options.checkpoint then return end
  if not options.output then
    errors.config("--checkpoint goes with --output FILE: it remembers how much of a file is written",
      "name a file, or leave out --checkpoint")
  end
  if options.limit then
    errors.config("--checkpoint and --limit do not go together", "leave one of them out")
  end
  if kind == "table" then
    errors.config("a table takes its widths from the first page: it cannot be gone on with",
      "--format csv, jsonl or json")
  end
end

local function counted(n) return n == 1 and "1 record" or ("%d records"):format(n) end

-- ---- where it goes ---------------------------------------------------------

--- To standard output.
local function print_list(here, options, asked, writer)
  local progress, first = not here.pretty and here:progress() or nil, true
  for page in asked.open(progress) do
    here:write(writer:page(page))
    here:flush()
    if first then columns.warn_unseen(here, asked, writer, page) end
    first = false
  end
  here:write(writer:finish())
  here:flush()
  columns.tell_left(here, writer, options)
end

--- Into a file.
local function export_list(here, options, asked, writer)
  local file = export.open(options.output, options.checkpoint, {
    format = writer.kind, columns = options.columns,
  })
  if file.resumed then
    writer.started, writer.columns = file.resumed > 0, writer.columns or file.columns
    writer.own = options.columns == nil
    for _, name in ipairs(file.left) do writer.left[name] = true end
    here:note("going on behind " .. counted(file.resumed))
  end
  local ok, e = pcall(function()
    local first, count = true, #file.left
    for page in asked.open(here:progress(file.resumed)) do
      local last = options.checkpoint and tointeger(tonumber(records.id(page[#page], asked.row))) or nil
      local body, left = writer:page(page), writer:left_names()
      file:write(body, #page, last, writer.columns, #left > count and left or nil)
      count = #left
      if first then columns.warn_unseen(here, asked, writer, page) end
      first = false
    end
    file:commit(writer:finish())
  end)
  if not ok then
    local kept = file:abandon()
    here:clear()
    columns.tell_left(here, writer, options, true)
    if kept and not (errors.is_error(e) and e.kind == "config" and not e.broken) then
      here:note(("%s are in %s.part; the same command goes on"):format(counted(file.records), file.path))
    end
    error(e, 0)
  end
  columns.tell_left(here, writer, options, file.resumed)
  local plain = options.format or format.of_path(options.output)
  here:note(("%s in %s%s"):format(counted(file.records), options.output, plain and "" or ", as JSON: --format"
    .. " csv or jsonl, or such an ending, makes another file"))
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  local kind = options.format or options.output and format.of_path(options.output) or "json"
  check(options, kind)
  local method, version = options.METHOD, tonumber(options.rest)
  local params, message, hint = given.params(options.PARAMETER, method, version, here.input)
  if not params then errors.config(message, hint) end
  local row = catalogue.find(method, version)
  if row and row.write and row.kind ~= "list" then
    errors.config("this method writes: it is no list", ("bitrix24 call %s"):format(method), method)
  end
  local to_terminal = here.pretty and not options.output
  local writer = format.new {
    kind = kind, columns = format.names(options.columns), asked = columns.selected(params),
    pretty = to_terminal, color = here.color and to_terminal, width = to_terminal and here.width or nil,
  }
  local portal <close> = portals.open(options, here)
  doubts.tell(here, row, params)
  local view = portals.version(portal, options.rest)
  local asked = { view = view, method = method, params = params, row = row }
  function asked.open(progress)
    return view:pages(method, params, {
      limit = options.limit, checkpoint = options.checkpoint, progress = progress,
    })
  end
  if options.output then
    export_list(here, options, asked, writer)
  else
    print_list(here, options, asked, writer)
  end
end
