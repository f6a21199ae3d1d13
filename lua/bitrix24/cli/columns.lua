--- What is to be said of the columns of a result: the ones that were asked for
-- and did not come, the ones that did not fit.

local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local format = require "bitrix24.cli.format"

local concat, sort = table.concat, table.sort
local error, ipairs, next, pairs, pcall = error, ipairs, next, pairs, pcall
local tostring, type = tostring, type
local find, lower, match = string.find, string.lower, string.match

local _ENV = nil -- luacheck: ignore

local columns = {}

--- Names shown of many.
local NAMES_SHOWN = 8

local function listed(names)
  local text = concat(names, ", ", 1, #names > NAMES_SHOWN and NAMES_SHOWN or #names)
  return #names > NAMES_SHOWN and ("%s and %d more"):format(text, #names - NAMES_SHOWN) or text
end

--- The fields that the list is asked for by name.
---@param params table of the call
---@return string[]
function columns.selected(params)
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
---@param here bitrix24.cli.Console
---@param asked { view: table, method: string, params: table, row: bitrix24.Row? }
---@param writer bitrix24.cli.Writer
---@param page any[]
function columns.warn_unseen(here, asked, writer, page)
  if next(writer.unseen) == nil then return end
  local known, candidates = documented(asked.row, described(asked.view, asked.method, asked.params)), {}
  local spelled = {} -- ID and id, CREATED_BY and createdBy are the same field to the portal, not here
  for field in pairs(type(page[1]) == "table" and page[1] or {}) do
    if type(field) == "string" then
      candidates[#candidates + 1], spelled[format.plain(field)] = field, field
    end
  end
  sort(candidates)
  for _, name in ipairs(writer.columns) do
    local other = spelled[format.plain(name)]
    local hopeless = other or #candidates == 0 or not known[lower(match(name, "^[^.]*"))]
    if writer.unseen[name] and hopeless then
      local nearest = other or errors.nearest(name, candidates)
      here:note(("warning: no record has a field '%s'; %s"):format(name,
        nearest and ("did you mean '%s'?"):format(nearest)
          or #candidates > 0 and "there are " .. listed(candidates) or "they have no fields"))
      writer.unseen[name] = nil
    end
  end
end

--- What is in no column, and what stayed empty, is told.
---@param here bitrix24.cli.Console
---@param writer bitrix24.cli.Writer
---@param options table
---@param resumed any it was not seen from the beginning
function columns.tell_left(here, writer, options, resumed)
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

return columns
