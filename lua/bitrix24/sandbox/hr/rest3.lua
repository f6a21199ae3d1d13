-- What all methods of REST 3.0 read alike: select, order, filter, pagination,
-- and required parameters (api-reference/rest-v3).

local json = require "bitrix24.json"
local world = require "bitrix24.sandbox.users.world"

local rest3 = {}

local function missing(value)
  return value == nil or value == json.null or value == ""
end

--- Fails the call with one fault of one field.
function rest3.invalid(call, field, message)
  call:fail3("VALIDATION_REQUESTVALIDATIONEXCEPTION", "Error during request object validation", 400,
    { { field = field, message = message } })
end

--- A required parameter.
function rest3.required(call, name, message)
  local value = call.params[name]
  if missing(value) then
    rest3.invalid(call, name, message or ("Required field `%s` is not specified"):format(name))
  end
  return value
end

--- A required id.
function rest3.id(call, name, message)
  local id = world.int(rest3.required(call, name, message))
  if not id or id < 1 then
    rest3.invalid(call, name, ("Parameter \"%s\" is required and must be a positive integer."):format(name))
  end
  return id
end

--- Fails the call: there is no such record.
function rest3.not_found(call, id)
  call:fail3("ENTITYNOTFOUNDEXCEPTION", ("Record with ID = `%s` not found"):format(tostring(id)), 400)
end

--- Fails the call: the caller may not do this.
function rest3.denied(call)
  call:fail3("ACCESSDENIEDEXCEPTION", "Access denied", 403)
end

--- Names in `select`; nil when it was not sent.
---@return string[]?
function rest3.select(call)
  local given = call.params.select
  if missing(given) then
    return nil
  end
  local list, size = {}, 0
  if type(given) == "table" then
    for _ in pairs(given) do
      size = size + 1
    end
    for i, name in ipairs(given) do
      list[i] = type(name) == "string" and name or nil
    end
  end
  if type(given) ~= "table" or #list ~= size then
    call:fail3("INVALIDSELECTEXCEPTION", "Select must be an array of strings", 400)
  end
  return size > 0 and list or nil
end

--- The chosen fields of a record. Unknown own fields are dropped without a
--- word; a dotted name takes a field of a related object, and there an unknown
--- one is an error.
---@param names string[]? nil: all fields of `all`
---@param all string[]
---@param related table<string, fun(record: table): table>?
function rest3.project(call, record, names, all, related)
  local out = {}
  for _, name in ipairs(names or all) do
    local object, field = name:match("^(%w+)%.(.+)$")
    if object and related and related[object] then
      local value = related[object](record)[field]
      if value == nil then
        call:fail3("UNKNOWNDTOPROPERTYEXCEPTION",
          ("Unknown field `%s` for entity `%s`"):format(field, object), 400)
      end
      out[object] = out[object] or {}
      out[object][field] = value
    else
      for _, known in ipairs(all) do
        if known == name then
          local value = record[name]
          if value == nil then
            value = json.null
          end
          out[name] = value
        end
      end
    end
  end
  return json.object(out)
end

local function shown(value)
  if type(value) == "number" or type(value) == "boolean" then
    return tostring(value)
  end
  return type(value) == "string" and ('"%s"'):format(value) or "[]"
end

local function bad_page(call, name, value)
  call:fail3("INVALIDPAGINATIONEXCEPTION",
    ("Cannot recognize pagination parameter `{\"%s\":%s}`"):format(name, shown(value)), 400)
end

--- Fails the call for a page size that is no number or no size.
rest3.bad_page = bad_page

--- offset and limit of `pagination {page, limit, offset}`. A page and a limit
--- make the offset; a limit above the maximum is cut without a word.
---@return integer offset, integer limit
function rest3.page(call, default, max)
  local given = call.params.pagination
  if missing(given) then
    return 0, default
  end
  if type(given) ~= "table" then
    bad_page(call, "pagination", given)
  end
  local numbers = {}
  for _, name in ipairs { "page", "limit", "offset" } do
    local value = given[name]
    if not missing(value) then
      numbers[name] = world.int(value)
      if not numbers[name] or numbers[name] < 0 or (name == "limit" and numbers[name] == 0) then
        bad_page(call, name, value)
      end
    end
  end
  local limit = math.min(numbers.limit or default, max or math.maxinteger)
  if numbers.page and numbers.page > 0 then
    return (numbers.page - 1) * limit + (numbers.offset or 0), limit
  end
  return numbers.offset or 0, limit
end

--- One page of a list as {items = …}.
function rest3.items(list, offset, limit, show)
  local items = json.array {}
  for i = offset + 1, math.min(offset + limit, #list) do
    items[#items + 1] = show(list[i])
  end
  return { items = items }
end

--- Orders the list in place by `order {field = "ASC"|"DESC"}`, the id last.
function rest3.sort(call, list, sortable)
  local order = call.params.order
  local field, descending = "id", false
  if not missing(order) and not (type(order) == "table" and next(order) == nil) then
    local name, direction = nil, nil
    if type(order) == "table" then
      name, direction = next(order)
    end
    direction = type(direction) == "string" and direction:upper()
    if not sortable[name] or (direction ~= "ASC" and direction ~= "DESC") then
      call:fail3("INVALIDORDEREXCEPTION", "Cannot recognize order expression", 400)
    end
    field, descending = name, direction == "DESC"
  end
  table.sort(list, function(a, b)
    local x, y = a[field], b[field]
    if x == y then
      x, y = a.id, b.id
    end
    if descending then
      x, y = y, x
    end
    return x < y
  end)
end

return rest3
