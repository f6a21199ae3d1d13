--- The order in which the keys of an object arrived. JSON objects and form
-- arrays are ordered for PHP: batch commands run in the order sent
-- (settings/how-to-call-rest-api/batch), several sort fields rank by it, and
-- some methods of tasks go by places.
-- Lua tables forget it, so it is kept beside them, weakly.

local find, match, sub = string.find, string.match, string.sub
local pairs, setmetatable, tostring, type = pairs, setmetatable, tostring, type
local sort = table.sort
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local keyorder = {}

local orders = setmetatable({}, { __mode = "k" })

--- Remember the order of an object's keys.
---@param object table
---@param keys string[]
function keyorder.set(object, keys)
  orders[object] = keys
end

--- Keys of an object in the order they arrived; sorted when that is unknown.
-- A sequence has the keys 1..n.
---@param object table
---@return any[]
function keyorder.keys(object)
  local keys = {}
  local known = orders[object]
  if known then
    for i = 1, #known do
      if object[known[i]] ~= nil then keys[#keys + 1] = known[i] end
    end
    return keys
  end
  if #object > 0 then
    for i = 1, #object do keys[i] = i end
    return keys
  end
  for key in pairs(object) do keys[#keys + 1] = key end
  sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

--- Position after the string that starts at `at`, and its text.
local function scan_string(text, at)
  local stop = at + 1
  while true do
    stop = find(text, '["\\]', stop)
    if not stop then return #text + 1, "" end
    if sub(text, stop, stop) == '"' then break end
    stop = stop + 2
  end
  local raw = sub(text, at + 1, stop - 1)
  if find(raw, "\\", 1, true) then raw = json.decode("[" .. sub(text, at, stop) .. "]")[1] end
  return stop + 1, raw
end

local scan

local function scan_object(text, at, value)
  local keys, seen = {}, {}
  at = match(text, "^%s*()", at + 1)
  while sub(text, at, at) == '"' do
    local key
    at, key = scan_string(text, at)
    if not seen[key] then
      seen[key] = true
      keys[#keys + 1] = key
    end
    at = match(text, "^%s*:%s*()", at)
    at = scan(text, at, type(value) == "table" and value[key] or nil)
    at = match(text, "^%s*,?%s*()", at)
  end
  if type(value) == "table" then orders[value] = keys end
  return at + 1
end

local function scan_array(text, at, value)
  local index = 0
  at = match(text, "^%s*()", at + 1)
  while sub(text, at, at) ~= "]" do
    index = index + 1
    at = scan(text, at, type(value) == "table" and value[index] or nil)
    at = match(text, "^%s*,?%s*()", at)
  end
  return at + 1
end

--- Walk over one value of valid JSON beside its decoded form.
function scan(text, at, value)
  local first = sub(text, at, at)
  if first == "{" then return scan_object(text, at, value) end
  if first == "[" then return scan_array(text, at, value) end
  if first == '"' then return (scan_string(text, at)) end
  return match(text, "^[^,%]}%s]+()", at) or #text + 1
end

--- Remember the order of every object in a decoded JSON text. Only texts that
-- hold something ordered are walked.
---@param text string valid JSON
---@param value any what it was decoded to
function keyorder.learn(text, value)
  if type(value) ~= "table" then return end
  if not find(text, "[Oo][Rr][Dd][Ee][Rr]") and not find(text, "[Cc][Mm][Dd]")
    and not find(text, "[Ss][Oo][Rr][Tt]") and not find(text, "[Tt][Aa][Ss][Kk][Ii][Dd]") then
    return
  end
  scan(text, match(text, "^%s*()"), value)
end

return keyorder
