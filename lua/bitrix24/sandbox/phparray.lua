--- PHP has one type for lists and maps: a map with the keys 0..n-1 in this
-- order leaves as a JSON array, an empty one as [].

local ipairs, tostring = ipairs, tostring
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local phparray = {}

--- An array under construction.
---@return table
function phparray.new()
  return { keys = {}, values = {} }
end

--- Add a value under a new key.
---@param array table
---@param key string
---@param value any
function phparray.put(array, key, value)
  array.keys[#array.keys + 1] = key
  array.values[key] = value
end

--- What json_encode makes of it.
---@param array table
---@return table
function phparray.finish(array)
  local list = {}
  for i, key in ipairs(array.keys) do
    if key ~= tostring(i - 1) then return json.object(array.values) end
    list[i] = array.values[key]
  end
  return json.array(list)
end

return phparray
