--- What the methods of the CRM share: reading parameters as the platform reads
-- them, refusing in its words, and answering a list with its page.

local ipairs, next, tonumber, type = ipairs, next, tonumber, type
local tointeger = math.tointeger
local json = require "bitrix24.json"
local query = require "bitrix24.sandbox.query"

local _ENV = nil -- luacheck: ignore

local common = {}

--- A whole number however it was sent, or nil.
---@param value any
---@return integer?
function common.int(value)
  if type(value) == "table" then return nil end
  return tointeger(tonumber(value))
end

--- A table, or nil for anything else, null included.
---@param value any
---@return table?
function common.table(value)
  if type(value) == "table" and value ~= json.null then return value end
  return nil
end

--- Text that is not empty, or nil. Numbers count as text.
---@param value any
---@return string?
function common.text(value)
  if type(value) == "number" then value = value .. "" end
  if type(value) == "string" and value:find("%S") then return value end
  return nil
end

--- "Y", true, 1, "1" are yes.
---@param value any
---@return boolean
function common.yes(value)
  return value == true or value == "Y" or value == "y" or value == 1 or value == "1" or value == "true"
end

--- The id parameter of the older methods.
---@param call table
---@param name string?
---@return integer?
function common.id(call, name)
  local id = common.int(call:param(name or "id"))
  return id and id > 0 and id or nil
end

--- Keys of an object in the order in which they were sent, if the call knows.
---@param call table
---@return (fun(object: table): any[])?
function common.keys(call)
  if not call.keys then return nil end
  return function(object) return call:keys(object) end
end

--- Values of a list, or of an object with the keys "0", "1", ….
---@param value any
---@return any[]
function common.list(value)
  local list = {}
  if not common.table(value) then return list end
  if #value > 0 then
    for _, item in ipairs(value) do list[#list + 1] = item end
    return list
  end
  local index = 0
  while value[index .. ""] ~= nil do
    list[#list + 1] = value[index .. ""]
    index = index + 1
  end
  return list
end

--- Whether a table arrived as a list (PHP knows one kind of array only, but an
-- object with names is none of the lists a method asks for).
---@param value any
---@return boolean
function common.is_list(value)
  if not common.table(value) then return false end
  return next(value) == nil or #common.list(value) > 0
end

--- Run the query of a list method.
---@param call table
---@param kind string
---@param spec table { fields=, unknown=, flat=, limit=, filter=, order=, start= }; the last three are
---  read from the call when absent
---@return table[] records, table page { total=, next= } for the envelope
function common.query(call, kind, spec)
  local start = spec.start or common.int(call:param("start")) or 0
  local records, total, following = query.run(call.store, kind, {
    filter = spec.filter or common.table(call:param("filter")),
    order = spec.order or common.table(call:param("order")),
    start = start,
    limit = spec.limit,
    fields = spec.fields,
    flat = spec.flat,
    unknown = spec.unknown,
    keys = common.keys(call),
  })
  -- Without counting the answer says 0 (settings/performance/huge-data).
  return records, { total = total or 0, next = following }
end

--- Refuse a call that lacks a parameter.
---@param call table
---@param name string
function common.missing(call, name)
  call:fail("100", "Could not find value for parameter {" .. name .. "}")
end

--- The refusal of filter, order or select in the newer methods.
---@param call table
---@return fun(name: string, where: string)
function common.not_allowed(call)
  return function(name, where)
    call:fail("INVALID_ARG_VALUE",
      ("Invalid %s: field '%s' is not allowed in %s"):format(where, name, where))
  end
end

return common
