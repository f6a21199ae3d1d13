--- How two values compare in filters and in sorting. The platform's database
-- decides by the type of the column; here the values decide: two numbers
-- (however written) as numbers, two dates as moments, anything else as text.
-- Texts are told apart by case in equality alone.

local find, gsub, lower, match, sub = string.find, string.gsub, string.lower, string.match, string.sub
local concat = table.concat
local ipairs, pairs, tonumber, tostring, type = ipairs, pairs, tonumber, tostring, type
local null = require "bitrix24.json".null

local _ENV = nil -- luacheck: ignore

local compare = {}

-- Dates without a zone are in the portal's.
local PORTAL_OFFSET = 3 * 3600

local function days(year, month, day)
  -- Days since 1970 of the Gregorian calendar, years beginning in March.
  if month <= 2 then year, month = year - 1, month + 12 end
  return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469
end

--- Seconds since 1970 of an ISO 8601 date or "YYYY-MM-DD hh:mm:ss".
---@param text any
---@return number?
function compare.moment(text)
  if type(text) ~= "string" then return nil end
  local year, month, day, rest = match(text, "^(%d%d%d%d)%-(%d%d)%-(%d%d)(.*)$")
  if not year then return nil end
  local at = days(tonumber(year), tonumber(month), tonumber(day)) * 86400
  if rest == "" then return at - PORTAL_OFFSET end
  local hour, minute, second, zone = match(rest, "^[T ](%d%d):(%d%d):?(%d*)%.?%d*(.*)$")
  if not hour then return nil end
  at = at + tonumber(hour) * 3600 + tonumber(minute) * 60 + (tonumber(second) or 0)
  if zone == "" then return at - PORTAL_OFFSET end
  if zone == "Z" then return at end
  local sign, east, south = match(zone, "^([+%- ])(%d%d):?(%d%d)$")
  if not sign then return nil end
  -- A plus that was not encoded in a form body arrives as a space.
  local offset = tonumber(east) * 3600 + tonumber(south) * 60
  return sign == "-" and at + offset or at - offset
end
local moment = compare.moment

local function empty(value)
  return value == nil or value == null or value == "" or type(value) == "table" and #value == 0
    and not value.VALUE
end

-- Does the test hold for the value, or for one of a multiple field? Items of
-- PHONE, EMAIL and the like count by their VALUE.
local function holds(test, value)
  if type(value) ~= "table" or value == null then return test(value) end
  for _, item in ipairs(value) do
    if type(item) == "table" then item = item.VALUE or item.value end
    if test(item) then return true end
  end
  return false
end

local function truth(value)
  if value == true or value == "Y" or value == "1" or value == 1 then return true end
  if value == false or value == "N" or value == "0" or value == 0 then return false end
  return nil
end

-- A test for equality with one value.
local function equality(wanted)
  if wanted == nil or wanted == null or wanted == "" then return empty end
  if type(wanted) == "boolean" then
    return function(value) return truth(value) == wanted or not wanted and empty(value) end
  end
  local number, at, as_truth = tonumber(wanted), moment(wanted), truth(wanted)
  local text = tostring(wanted)
  return function(value)
    local kind = type(value)
    if kind == "boolean" then return value == as_truth end
    if value == text then return true end
    if number and (kind == "number" or kind == "string") then return tonumber(value) == number end
    return at ~= nil and moment(value) == at
  end
end

local function among(wanted)
  if type(wanted) ~= "table" or wanted == null then return equality(wanted) end
  local tests = {}
  for _, item in pairs(wanted) do tests[#tests + 1] = equality(item) end
  return function(value)
    for i = 1, #tests do
      if tests[i](value) then return true end
    end
    return false
  end
end

local function contains(wanted)
  if type(wanted) == "table" and wanted ~= null then
    local tests = {}
    for _, item in pairs(wanted) do tests[#tests + 1] = contains(item) end
    return function(value)
      for i = 1, #tests do
        if tests[i](value) then return true end
      end
      return false
    end
  end
  local text = lower(tostring(wanted))
  return function(value)
    return not empty(value) and find(lower(tostring(value)), text, 1, true) ~= nil
  end
end

-- LIKE: % stands for any text, the whole value has to match.
local function like(wanted)
  local parts = {}
  for part in (lower(tostring(wanted)) .. "%"):gmatch("([^%%]*)%%") do
    parts[#parts + 1] = gsub(part, "%p", "%%%0")
  end
  local pattern = "^" .. concat(parts, ".*") .. "$"
  return function(value)
    return not empty(value) and find(lower(tostring(value)), pattern) ~= nil
  end
end

-- A test whether a value lies on one side of the wanted one.
local function side(wanted, accept)
  local number, at = tonumber(wanted), moment(wanted)
  local text = lower(tostring(wanted))
  return function(value)
    if empty(value) then return false end
    if number then
      local own = tonumber(value)
      return own ~= nil and accept(own, number)
    elseif at then
      local own = moment(value)
      return own ~= nil and accept(own, at)
    end
    return accept(lower(tostring(value)), text)
  end
end

local function from(a, b) return a >= b end
local function to(a, b) return a <= b end

local makers = {
  EQUAL = among,
  ["IN"] = among,
  CONTAINS = contains,
  LIKE = like,
  ABOVE = function(wanted) return side(wanted, function(a, b) return a > b end) end,
  FROM = function(wanted) return side(wanted, from) end,
  BELOW = function(wanted) return side(wanted, function(a, b) return a < b end) end,
  TO = function(wanted) return side(wanted, to) end,
  BETWEEN = function(wanted)
    if type(wanted) ~= "table" then wanted = { wanted, wanted } end
    local low, high = side(wanted[1], from), side(wanted[2], to)
    return function(value) return low(value) and high(value) end
  end,
}

--- A predicate of records.
---@param field string
---@param operation string EQUAL, IN, ABOVE, FROM, BELOW, TO, BETWEEN, CONTAINS, LIKE,
---  and EQUAL, IN, BETWEEN, CONTAINS, LIKE with NOT before them
---@param wanted any
---@return fun(record: table): boolean
function compare.test(field, operation, wanted)
  local negated = sub(operation, 1, 4) == "NOT "
  local test = makers[negated and sub(operation, 5) or operation](wanted)
  -- An empty multiple field is empty as a whole.
  return function(record)
    local value = record[field]
    if type(value) == "table" and #value == 0 then value = nil end
    return holds(test, value) ~= negated
  end
end

--- A value as sorting sees it. Empty ones come first.
---@param value any
---@return number|string|false
function compare.sort_key(value)
  if empty(value) or type(value) == "table" then return false end
  if type(value) == "boolean" then return value and 1 or 0 end
  return tonumber(value) or lower(tostring(value))
end

--- Which of two sort keys comes first: below, at or above zero.
---@param a number|string|false
---@param b number|string|false
---@return integer
function compare.rank(a, b)
  if a == b then return 0 end
  local left, right = type(a), type(b)
  if left == right and a then return a < b and -1 or 1 end
  if left == right then return 0 end
  -- "boolean" < "number" < "string" is the order wanted.
  return left < right and -1 or 1
end

return compare
