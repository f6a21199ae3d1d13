--- Form-encoded text as PHP reads it: `filter[ID][]=1&filter[ID][]=2`
-- (settings/how-to-call-rest-api/data-encoding). Arrays with the keys 0..n-1
-- become sequences, others tables with string keys in remembered order.

local char, find, gmatch, gsub, match, sub =
  string.char, string.find, string.gmatch, string.gsub, string.match, string.sub
local tonumber, tostring, type = tonumber, tostring, type
local keyorder = require "bitrix24.sandbox.keyorder"

local _ENV = nil -- luacheck: ignore

local form = {}

--- Percent-decode; `+` is a space.
---@param text string
---@return string
function form.unescape(text)
  text = gsub(text, "%+", " ")
  return (gsub(text, "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

-- A PHP array under construction: values by string key, keys in order, and
-- the integer that `[]` takes next.
local function new_array()
  return { keys = {}, values = {}, free = 0 }
end

local function put(array, key, value)
  if key == "" then key = tostring(array.free) end
  local index = match(key, "^%d+$") and #key < 16 and tonumber(key)
  if index and tostring(index) == key and index >= array.free then array.free = index + 1 end
  if array.values[key] == nil then array.keys[#array.keys + 1] = key end
  array.values[key] = value
end

--- Name and bracketed segments of a decoded key, by PHP's rules: an unclosed
-- bracket is part of the name, what follows the last bracket is ignored.
local function segments(key)
  local base, rest = match(key, "^ *([^%[]*)(.*)$")
  local path = {}
  while sub(rest, 1, 1) == "[" do
    local inside, after = match(rest, "^%[([^%]]*)%](.*)$")
    if not inside then
      if #path == 0 then base = base .. "_" .. sub(rest, 2) end
      break
    end
    path[#path + 1] = find(inside, "^%s$") and "" or inside -- a blank is nothing
    rest = after
  end
  return (gsub(base, "[ .]", "_")), path
end

local function assign(root, key, value)
  local base, path = segments(key)
  if base == "" then return end
  local array, name = root, base
  for i = 1, #path do
    local child = name ~= "" and array.values[name]
    if type(child) ~= "table" then
      child = new_array()
      put(array, name, child)
    end
    array, name = child, path[i]
  end
  put(array, name, value)
end

local function finish(array)
  local result, is_list = {}, #array.keys > 0
  for i = 1, #array.keys do
    if array.values[tostring(i - 1)] == nil then is_list = false end
  end
  for i = 1, #array.keys do
    local key = array.keys[i]
    local value = array.values[key]
    if type(value) == "table" then value = finish(value) end
    result[is_list and tonumber(key) + 1 or key] = value
  end
  if not is_list then keyorder.set(result, array.keys) end
  return result
end

--- Decode the fields of a multipart form; its files are no parameters to PHP either.
---@param text string
---@param content_type string with the boundary
---@return table params
function form.multipart(text, content_type)
  local root = new_array()
  local boundary = match(content_type, "boundary=\"([^\"]+)") or match(content_type, "boundary=([^;%s]+)")
  local delimiter = boundary and "\r\n--" .. boundary
  text = "\r\n" .. text
  local _, from = find(text, delimiter or "", 1, true)
  while delimiter and from do
    local stop, last = find(text, delimiter, from + 1, true)
    local about, at = match(text, "^\r\n(.-)\r\n\r\n()", from + 1)
    if stop and at and at <= stop and not find(about, "[; ]filename=") then
      local key = match(about, "[; ]name=\"([^\"]*)\"")
      if key then assign(root, key, sub(text, at, stop - 1)) end
    end
    from = last
  end
  return finish(root)
end

--- Decode a query string or form body.
---@param text string
---@return table params
function form.decode(text)
  local root = new_array()
  for pair in gmatch(text, "[^&]+") do
    local equals = find(pair, "=", 1, true)
    local key = form.unescape(equals and sub(pair, 1, equals - 1) or pair)
    assign(root, key, equals and form.unescape(sub(pair, equals + 1)) or "")
  end
  return finish(root) -- a sequence for positional parameters: 0=…&1=…
end

return form
