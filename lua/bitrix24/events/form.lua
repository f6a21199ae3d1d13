--- Form-encoded text with bracketed names, as a portal posts it:
-- `data[FIELDS][ID]=7&auth[domain]=…` (settings/how-to-call-rest-api/data-encoding).
--
-- It comes from whoever knows the handler's address, so that what a portal
-- never sends is refused rather than guessed at, and the work done is linear in
-- the length of the text. What is wrong is told by the number of the pair: its
-- text may hold a secret.

local byte, char, find, gsub, match, sub =
  string.byte, string.char, string.find, string.gsub, string.match, string.sub
local pairs, tointeger, tonumber, tostring, type = pairs, math.tointeger, tonumber, tostring, type
local length = utf8.len

local _ENV = nil -- luacheck: ignore

local form = {
  DEPTH_MAX = 32,    -- of brackets in a name
  PAIRS_MAX = 10000,
}

local OPEN = byte "["

local function from_hex(hex) return char(tonumber(hex, 16)) end

--- Percent-decode; `+` is a space.
---@return string? text
---@return string? problem
local function unescape(text)
  if find(text, "[%%+]") then
    local rest = gsub(text, "%%%x%x", "")
    if find(rest, "%", 1, true) then return nil, "a percent sign without two hexadecimal digits" end
    text = gsub(gsub(text, "%+", " "), "%%(%x%x)", from_hex)
  end
  if not length(text) then return nil, "bytes that are not UTF-8" end
  return text
end

--- The name and what stands in its brackets.
---@return string? name
---@return string[]|string path, or the problem
local function split(key)
  local at = find(key, "[", 1, true)
  if not at then return key, {} end
  local name, path = sub(key, 1, at - 1), {}
  while at <= #key do
    if byte(key, at) ~= OPEN then return nil, "text behind a closing bracket" end
    local close = find(key, "]", at, true)
    if not close then return nil, "a bracket that is not closed" end
    if #path == form.DEPTH_MAX then
      return nil, ("brackets nested deeper than %d"):format(form.DEPTH_MAX)
    end
    path[#path + 1] = sub(key, at + 1, close - 1)
    at = close + 1
  end
  return name, path
end

-- An array under construction: its values, how many, and the integer that `[]`
-- takes next. Whole numbers are integer keys, as in PHP.
local function new_node() return { values = {}, count = 0, free = 0 } end

local function key_of(node, key)
  if key == "" then return node.free end
  if #key < 16 and (key == "0" or match(key, "^[1-9]%d*$")) then return tointeger(tonumber(key)) end
  return key
end

local function put(node, key, value)
  if type(key) == "number" and key >= node.free then node.free = key + 1 end
  if node.values[key] == nil then node.count = node.count + 1 end
  node.values[key] = value
end

--- Put a value where its name says; the problem when it has none.
local function assign(node, name, path, value)
  local key = name
  for i = 1, #path do
    local child = node.values[key]
    if child == nil then
      child = new_node()
      put(node, key, child)
    elseif type(child) ~= "table" then
      return "a name that is both a value and a list"
    end
    node, key = child, key_of(child, path[i])
  end
  if type(node.values[key]) == "table" then return "a name that is both a value and a list" end
  put(node, key, value)
  return nil
end

--- Arrays with the keys 0..n-1 become sequences, others have strings as keys.
local function finish(node)
  local out, is_list = {}, node.count > 0
  for i = 0, node.count - 1 do
    if node.values[i] == nil then
      is_list = false
      break
    end
  end
  for key, value in pairs(node.values) do
    if type(value) == "table" then value = finish(value) end
    out[is_list and key + 1 or tostring(key)] = value
  end
  return out
end

--- One pair, read into the array.
---@return string? problem
local function read(root, pair)
  local equals = find(pair, "=", 1, true)
  local key, problem = unescape(equals and sub(pair, 1, equals - 1) or pair)
  if not key then return problem end
  local value
  value, problem = unescape(equals and sub(pair, equals + 1) or "")
  if not value then return problem end
  local name, path = split(key)
  if not name then return path end
  if name == "" then return "a value without a name" end
  return assign(root, name, path, value)
end

--- Decode a form. Values are strings; a name that comes twice has the last of
-- its values, as in PHP.
---@param text string
---@return table? params
---@return string? problem
function form.decode(text)
  local root, at, n = new_node(), 1, 0
  while at <= #text do
    local stop = find(text, "&", at, true) or #text + 1
    if stop > at then
      n = n + 1
      if n > form.PAIRS_MAX then return nil, ("more than %d pairs"):format(form.PAIRS_MAX) end
      local problem = read(root, sub(text, at, stop - 1))
      if problem then return nil, ("pair %d has %s"):format(n, problem) end
    end
    at = stop + 1
  end
  return finish(root)
end

return form
