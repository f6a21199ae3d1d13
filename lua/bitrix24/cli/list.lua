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
local error, ipairs, next, pairs, pcall = error, ipairs, next, pairs, pcall
local tonumber, tostring, type = tonumber, tostring, type
local find, lower, match = string.find, string.lower, string.match
local tointeger = math.tointeger

local _ENV = nil -- luacheck: ignore

--- Names shown of many.
local NAMES_SHOWN = 8

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

local function listed(names)
  local text = concat(names, ", ", 1, #names > NAMES_SHOWN and NAMES_SHOWN or #names)
  return #names > NAMES_SHOWN and ("%s and %d more"):format(text, #names - NAMES_SHOWN) or text
end

-- ---- columns ---------------------------------------------------------------

--- The fields that the list is asked for by name.
local function selected(params)
  local out = {}
  for name, value in pairs(params) do
    if lower(tostring(name)) == "select" and type(value) == "table" then
      for _, field in ipairs(value) do
        if type(field) == "string" and find(field, "^[%w_]+$") then out[#out + 1] = field end
      end
    end
  end
  return out
end

--- The fields that the portal says such records have, in lower case: what the
-- method's neighbour `fields` answers.
local function described(view, method, params)
  local names = {}
  for _, neighbour in ipairs { "fields", "getFields" } do
    local name = match(method, "^(.*%.)[^.]*$")
    local row = name and catalogue.find(name .. neighbour)
    local needed = {}
    for _, param in ipairs(row and row.params() or {}) do needed[param.name] = params[param.name] end
    local ok, result = pcall(function() return row and view:call(row.name, needed) end)
    if not ok and not errors.is_error(result) then error(result, 0) end -- Ctrl-C
    if ok and type(result) == "table" then
      local inner = type(result.fields) == "table" and result.fields or result
      local key, only = next(inner)
      if key ~= nil and next(inner, key) == nil and type(only) == "table" then inner = only end
      for field, about in pairs(inner) do
        names[lower(tostring(field))] = true
        if type(about) == "table" and type(about.upperName) == "string" then
          names[lower(about.upperName)] = true
        end
      end
    end
  end
  return names
end

--- The documented parameters, and what they are made of.
local function documented(row, names)
  local function add(params)
    for _, param in ipairs(params or {}) do
      names[lower(param.name)] = true
      add(param.children)
    end
  end
  if row then add(row.params()) end
  return names
end

--- A column that the first page has not: it may be misspelt.
local function warn_unseen(here, asked, writer, page)
  if next(writer.unseen) == nil then return end
  local known, candidates = documented(asked.row, described(asked.view, asked.method, asked.params)), {}
  for field in pairs(type(page[1]) == "table" and page[1] or {}) do
    if type(field) == "string" then candidates[#candidates + 1] = field end
  end
  sort(candidates)
  for _, name in ipairs(writer.columns) do
    if writer.unseen[name] and not known[lower(match(name, "^[^.]*"))] then
      local nearest = errors.nearest(name, candidates)
      here:note(("warning: no record has a field '%s'; %s"):format(name,
        nearest and ("did you mean '%s'?"):format(nearest)
          or #candidates > 0 and "there are " .. listed(candidates) or "they have no fields"))
      writer.unseen[name] = nil
    end
  end
end

--- What is in no column, and what stayed empty, is told.
local function tell_left(here, writer, options, resumed)
  local left = writer:left_names()
  if #left > 0 then
    here:warn(("warning: fields that came later are in no column: %s; name them with --columns"):format(
      listed(left)))
  end
  local hidden = writer:hidden()
  if hidden > 0 and not options.columns then
    here:note(("note: %d more columns; choose with --columns, or --format csv"):format(hidden))
  end
  local empty = {}
  for name in pairs(not resumed and writer.started and writer.unseen or {}) do empty[#empty + 1] = name end
  sort(empty)
  if #empty > 0 then
    here:note(("note: no record came with %s; select[]=… may ask for it"):format(listed(empty)))
  end
end

-- ---- where it goes ---------------------------------------------------------

--- To standard output.
local function print_list(here, options, asked, writer)
  local progress, first = not here.pretty and here:progress() or nil, true
  for page in asked.open(progress) do
    here:write(writer:page(page))
    here:flush()
    if first then warn_unseen(here, asked, writer, page) end
    first = false
  end
  here:write(writer:finish())
  here:flush()
  tell_left(here, writer, options)
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
      if first then warn_unseen(here, asked, writer, page) end
      first = false
    end
    file:commit(writer:finish())
  end)
  if not ok then
    local kept = file:abandon()
    here:clear()
    tell_left(here, writer, options, true)
    if kept and not (errors.is_error(e) and e.kind == "config" and not e.broken) then
      here:note(("%s are in %s.part; the same command goes on"):format(counted(file.records), file.path))
    end
    error(e, 0)
  end
  tell_left(here, writer, options, file.resumed)
  here:note(("%s in %s"):format(counted(file.records), options.output))
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
    kind = kind, columns = format.names(options.columns), asked = selected(params), pretty = to_terminal,
    color = here.color and to_terminal, width = to_terminal and here.width or nil,
  }
  local portal <close> = portals.open(options, here)
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
