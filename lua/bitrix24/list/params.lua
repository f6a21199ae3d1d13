--- Reading and writing the parameters that move a page. The caller's tables
-- are never changed: what is written goes into copies.

local envelope = require "bitrix24.envelope"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"

local lower, match = string.lower, string.match
local getmetatable, next, pairs, setmetatable = getmetatable, next, pairs, setmetatable
local tostring, type = tostring, type

local _ENV = nil -- luacheck: ignore

local params = {}

--- Parameters nest so deep at most; what is deeper is refused when it is sent.
local DEPTH_MAX = 100

local function keep(value, known, depth)
  if type(value) ~= "table" or depth > DEPTH_MAX then return value end
  local kind = json.kind(value)
  if getmetatable(value) ~= nil and (kind == nil or kind == "file") then return value end
  local out = known[value]
  if out then return out end
  out = {}
  known[value] = out
  for key, item in next, value do out[key] = keep(item, known, depth + 1) end
  return setmetatable(out, getmetatable(value))
end

--- The parameters as they are now, whatever becomes of the caller's tables
-- while the list is read; marks such as bitrix24.array stay.
---@param from any
---@return table
function params.keep(from)
  return keep(type(from) == "table" and from or {}, {}, 1)
end

local SILENT = { filter = true, order = true, select = true }

--- Parameters without an empty filter, order or selection: it says nothing,
-- and a command of a batch cannot hold it.
---@param from table
---@return table
function params.said(from)
  local out = from
  for key, value in pairs(from) do
    if type(key) == "string" and SILENT[lower(key)] and type(value) == "table"
      and next(value) == nil then
      if out == from then out = params.copy(from) end
      out[key] = nil
    end
  end
  return out
end

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
---@param from any
---@param changes table
---@return table
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
---@param name string in upper case
---@param model string? the parameter
---@return string
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
  local number = envelope.integer(value)
  if not number then
    errors.config(("%s must be a whole number, not %s"):format(name,
      type(value) == "number" and tostring(value) or "a " .. type(value)), nil, method)
  end
  return number
end

return params
