-- The filter of REST 3.0: a list of conditions ["field", "op", value] or
-- ["field", value], all of which must hold, and groups
-- {"logic": "or", "conditions": […]} (api-reference/rest-v3).

local json = require "bitrix24.json"
local moment = require "bitrix24.sandbox.compare".moment

local filter = {}

local function invalid(call, text)
  call:fail3("INVALIDFILTEREXCEPTION", ("Unable to recognize filter expression `%s`"):format(text), 400)
end

-- Both as numbers where both are, as moments where both are dates, else as text.
local function pair(a, b)
  local x, y = tonumber(a) or moment(a), tonumber(b) or moment(b)
  if x and y then
    return x, y
  end
  return tostring(a), tostring(b)
end

local function equal(a, b)
  local x, y = pair(a, b)
  return x == y
end

local function among(value, list)
  for _, one in ipairs(list) do
    if equal(value, one) then
      return true
    end
  end
  return false
end

local OPERATORS = {
  ["="] = equal,
  ["!="] = function(a, b) return not equal(a, b) end,
  [">"] = function(a, b) local x, y = pair(a, b) return x > y end,
  [">="] = function(a, b) local x, y = pair(a, b) return x >= y end,
  ["<"] = function(a, b) local x, y = pair(a, b) return x < y end,
  ["<="] = function(a, b) local x, y = pair(a, b) return x <= y end,
  ["in"] = among,
  between = function(a, range)
    local x, low = pair(a, range[1])
    local z, high = pair(a, range[2])
    return x >= low and z <= high
  end,
}

local function check_value(call, field, operator, value)
  local wants_list = operator == "in" or operator == "between"
  if wants_list ~= (type(value) == "table") or (operator == "between" and #value ~= 2) then
    call:fail3("VALIDATION_REQUESTVALIDATIONEXCEPTION", "Error during request object validation", 400,
      { { field = "filter", message = ("Invalid value of field `%s`"):format(field) } })
  end
end

local function condition(call, part, fields, entity)
  local field, operator, value = part[1], part[2], part[3]
  if type(field) ~= "string" or #part < 2 or #part > 3 then
    invalid(call, json.encode and json.encode(part) or "condition")
  end
  if #part == 2 then
    value, operator = operator, type(operator) == "table" and "in" or "="
  end
  local test = OPERATORS[operator]
  if not test then
    call:fail3("UNKNOWNFILTEROPERATOREXCEPTION",
      ("Unknown filter operator `%s`"):format(tostring(operator)), 400)
  end
  if fields[field] == nil then
    call:fail3("UNKNOWNDTOPROPERTYEXCEPTION",
      ("Unknown field `%s` for entity `%s`"):format(field, entity), 400)
  elseif fields[field] == false then
    call:fail3("VALIDATION_REQUESTVALIDATIONEXCEPTION", "Error during request object validation", 400,
      { { field = "filter", message = ("Field `%s` is not filterable"):format(field) } })
  end
  check_value(call, field, operator, value)
  return function(record)
    local own = record[field]
    if own == nil then
      return operator == "!="
    end
    return test(own, value)
  end
end

local compile

local function group(call, part, fields, entity)
  local logic = tostring(part.logic or "and"):lower()
  if (logic ~= "and" and logic ~= "or") or type(part.conditions) ~= "table" then
    invalid(call, "group")
  end
  return compile(call, part.conditions, fields, entity, logic)
end

function compile(call, parts, fields, entity, logic)
  local tests = {}
  for i, part in ipairs(parts) do
    if type(part) ~= "table" then
      invalid(call, tostring(part))
    end
    local make = part.conditions ~= nil and group or condition
    tests[i] = make(call, part, fields, entity)
  end
  return function(record)
    for _, test in ipairs(tests) do
      local holds = test(record)
      if logic == "or" and holds then
        return true
      elseif logic == "and" and not holds then
        return false
      end
    end
    return logic == "and" or #tests == 0
  end
end

--- A test for records made of the parameter `filter`; true for all when it is
--- absent.
---@param fields table<string, boolean> true: may be filtered by, false: known but not
---@param entity string name used in errors
---@return fun(record: table): boolean
function filter.read(call, fields, entity)
  local given = call.params.filter
  if given == nil or given == json.null then
    return function() return true end
  end
  if type(given) ~= "table" or (next(given) ~= nil and #given == 0) then
    invalid(call, type(given) == "table" and "object" or tostring(given))
  end
  return compile(call, given, fields, entity, "and")
end

--- Names of all fields the filter mentions.
---@return table<string, boolean>
function filter.mentions(parts, into)
  into = into or {}
  for _, part in ipairs(type(parts) == "table" and parts or {}) do
    if type(part) == "table" and part.conditions then
      filter.mentions(part.conditions, into)
    elseif type(part) == "table" and type(part[1]) == "string" then
      into[part[1]] = true
    end
  end
  return into
end

return filter
