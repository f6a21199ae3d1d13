--- Reading and writing the parameters that move a page. The caller's tables
-- are never changed: what is written goes into copies.

local errors = require "bitrix24.errors"

local lower, match = string.lower, string.match
local math_type, tointeger = math.type, math.tointeger
local getmetatable, pairs, setmetatable = getmetatable, pairs, setmetatable
local tonumber, tostring, type = tonumber, tostring, type

local _ENV = nil -- luacheck: ignore

local params = {}

--- A copy of the outer table; a mark such as bitrix24.array stays.
---@param from any
---@return table
function params.copy(from)
  local out = {}
  if type(from) ~= "table" then return out end
  for key, value in pairs(from) do out[key] = value end
  return setmetatable(out, getmetatable(from))
end

--- A copy with some keys replaced.
function params.with(from, changes)
  local out = params.copy(from)
  for key, value in pairs(changes) do out[key] = value end
  return out
end

--- The caller's own spelling of a parameter (the platform compares without
-- case), or `name` where it was not given.
---@param given table
---@param name string
---@return string key
---@return any value nil when it was not given
function params.find(given, name)
  if given[name] ~= nil then return name, given[name] end
  local wanted = lower(name)
  for key, value in pairs(given) do
    if type(key) == "string" and lower(key) == wanted then return key, value end
  end
  return name, nil
end

--- `name` in upper or lower case, as the parameter it belongs to is spelled.
function params.alike(name, model)
  return model and match(model, "%l") and lower(name) or name
end

--- A value that must be an integer; numbers in strings count.
---@param value any
---@param name string for the message
---@param method string
---@return integer?
function params.integer(value, name, method)
  if value == nil or type(value) == "userdata" or value == "" then return nil end
  local number = math_type(value) == "integer" and value or tointeger(tonumber(value))
  if not number then
    errors.config(("%s must be a whole number, not %s"):format(name,
      type(value) == "number" and tostring(value) or "a " .. type(value)), nil, method)
  end
  return number
end

return params
