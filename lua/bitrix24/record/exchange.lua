--- What was asked and what was answered, in the form in which it is kept and
-- compared: text without secrets, read as JSON, names in order. Equal requests
-- give equal keys, whatever their Idempotency-Key, portal and credentials are.

local beginning_of = require "bitrix24.record.text".beginning
local json = require "bitrix24.json"
local wire = require "bitrix24.wire"

local concat, sort = table.concat, table.sort
local find, format, gsub, sub = string.find, string.format, string.gsub, string.sub
local char, gmatch = string.char, string.gmatch
local ipairs, next, pairs, tonumber, tostring, type = ipairs, next, pairs, tonumber, tostring, type

local _ENV = nil -- luacheck: ignore

--- What stands in the place of a secret.
local MASK = "***"

--- Text shown of one request in a message.
local SHOWN_MAX = 200

local exchange = {}

-- ---- bytes -----------------------------------------------------------------------

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- The bytes of a base64 text, as json.base64 writes it.
---@param text string
---@return string
function exchange.bytes(text)
  local out = {}
  for a, b, c, d in gmatch(text, "(.)(.)(.)(.)") do
    local n = 0
    for _, letter in ipairs { a, b, c, d } do
      n = n << 6 | (letter ~= "=" and find(ALPHABET, letter, 1, true) or 1) - 1
    end
    local three = char(n >> 16 & 255, n >> 8 & 255, n & 255)
    out[#out + 1] = sub(three, 1, c == "=" and 1 or d == "=" and 2 or 3)
  end
  return concat(out)
end

-- ---- keys ------------------------------------------------------------------------

--- What a text says, as JSON; nil when it is none.
---@param text string
---@return any
function exchange.decode(text)
  return (json.decode(text, { nulls = "keep" }))
end

--- A value without secrets, each text by itself but beside its name. A number
-- with the name of a credential may be one.
local function mask(value, clean, name)
  if type(value) == "table" then
    local out = {}
    for key, item in next, value do
      local shown = type(key) == "string" and clean(key) or key
      out[shown] = mask(item, clean, type(key) == "string" and key or name)
    end
    return out
  end
  if type(value) ~= "string" and type(value) ~= "number" then return value end
  local cleaned = json.decode(clean(json.encode { [name] = tostring(value) }))
  local text = cleaned and cleaned[name] or MASK
  return text == tostring(value) and value or text
end

--- A text without secrets, and what it says as JSON.
---@param text string
---@param clean fun(text: string): string
---@return any value nil when the text is no JSON
---@return string cleaned
function exchange.clean(text, clean)
  local cleaned = clean(text)
  local value = exchange.decode(cleaned)
  if value == nil and cleaned ~= text then
    -- {"token":5} is {"token":***} now
    value = exchange.decode(text)
    if value ~= nil then value = mask(value, clean, "") end
  end
  return value, cleaned
end

--- What identifies a request.
---@param method string
---@param version integer
---@param request any decoded parameters, or the address of a download
---@return string
function exchange.key(method, version, request)
  return ("%s/%d %s"):format(method, version, json.encode(request) or "")
end

--- What identifies a call that may also be a command of a batch; nil when it
-- cannot be one.
---@param method string
---@param version integer
---@param params table
---@return string?
function exchange.command(method, version, params)
  if version == 3 then return exchange.key(method, 3, params) end
  return wire.command { method = method, version = 2, params = params }
end

--- Does a recorded key, in which secrets are masked, fit one that is asked?
---@param recorded string
---@param asked string
---@return boolean
function exchange.fits(recorded, asked)
  if not find(recorded, MASK, 1, true) then return recorded == asked end
  local pattern = gsub(recorded, "%W", "%%%0")
  return find(asked, "^" .. gsub(pattern, "%%%*%%%*%%%*", ".*") .. "$") ~= nil
end

--- The keys of a map in which a secret was masked, in order.
---@param map table<string, any>
---@return string[]
function exchange.masked(map)
  local out = {}
  for key in pairs(map) do
    if find(key, MASK, 1, true) then out[#out + 1] = key end
  end
  sort(out)
  return out
end

-- ---- the nearest ------------------------------------------------------------------

local function put(out, path, value)
  if type(value) ~= "table" then
    out[path] = type(value) == "string" and value or value == json.null and "null" or tostring(value)
    return
  end
  for key, item in next, value do
    local name = type(key) == "number" and tostring(key - 1) or key
    put(out, path == "" and name or ("%s[%s]"):format(path, name), item)
  end
end

local function unescape(text)
  return (gsub(gsub(text, "%+", " "), "%%(%x%x)", function(hex) return char(tonumber(hex, 16)) end))
end

--- Parameters as flat names and values: `filter[ID]` = "5".
---@param params any decoded, or the query of a command
---@return table<string, string>
function exchange.flat(params)
  local out = {}
  if type(params) ~= "string" then
    put(out, "", params)
    return out
  end
  for name, value in gmatch(params, "([^&=]+)=([^&]*)") do out[unescape(name)] = unescape(value) end
  return out
end

local function names_of(...)
  local names, seen = {}, {}
  for _, flat in ipairs { ... } do
    for name in pairs(flat) do
      if not seen[name] then
        seen[name] = true
        names[#names + 1] = name
      end
    end
  end
  sort(names)
  return names
end

--- How much two requests have in common, and the first thing they have not.
---@param recorded table<string, string> as exchange.flat gives them
---@param asked table<string, string>
---@return integer alike
---@return string? difference
function exchange.compare(recorded, asked)
  local alike, difference = 0, nil
  for _, name in ipairs(names_of(recorded, asked)) do
    local here, there = asked[name], recorded[name]
    if here == there then
      alike = alike + 1
    else
      alike = alike - 1
      difference = difference or ("%s is %s there, and %s here"):format(name,
        there and format("%q", there) or "absent", here and format("%q", here) or "absent")
    end
  end
  return alike, difference and exchange.cut(difference)
end

--- A text that is not too long for a message.
---@param text string
---@return string
function exchange.cut(text)
  local beginning, cut = beginning_of(text, SHOWN_MAX)
  return cut and beginning .. "..." or beginning
end

--- A request in words.
---@param method string
---@param flat table<string, string>
---@return string
function exchange.words(method, flat)
  local out = {}
  for _, name in ipairs(names_of(flat)) do out[#out + 1] = ("%s=%s"):format(name, flat[name]) end
  return exchange.cut(("%s{%s}"):format(method, concat(out, ", ")))
end

return exchange
