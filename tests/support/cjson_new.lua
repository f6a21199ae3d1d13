--- A stand-in for the later line of lua-cjson (2.1.0.14 and up): integers are
-- Lua integers and saturate at int64, arrays may carry `array_mt`, a NUL byte
-- ends the text. Private instances as there: `new()` has its own settings.
-- Only what decoding needs; encoding is not the library's way to send.

local stand_in = {}

local null = require "cjson".null
local array_mt, empty_array_mt = {}, {}

local ESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local Parser = {}
Parser.__index = Parser

function Parser:fail(expected, found, at)
  error(("Expected %s but found %s at character %d"):format(expected, found, at or self.at), 0)
end

function Parser:blank()
  self.at = self.text:find("[^ \t\r\n]", self.at) or #self.text + 1
end

--- strtoll of C: digits as far as they go, saturating.
local function saturated(digits)
  local value = math.tointeger(tonumber(digits))
  if value and math.type(tonumber(digits)) == "integer" then return value end
  return digits:sub(1, 1) == "-" and math.mininteger or math.maxinteger
end

function Parser:number()
  local digits, stop = self.text:match("^(-?%d+)()", self.at)
  if not digits or digits:find("^-?0%d") then self:fail("value", "invalid number") end
  local fraction = self.text:match("^%.%d*()", stop) or stop
  local finish = self.text:match("^[eE][-+]?%d+()", fraction) or fraction
  local token = self.text:sub(self.at, finish - 1)
  self.at = finish
  if finish > stop then return tonumber(token) end
  return saturated(digits)
end

function Parser:unicode(start)
  local unit = tonumber(self.text:match("^\\u(%x%x%x%x)", self.at) or "", 16)
  if not unit then self:fail("value", "invalid unicode escape code", start) end
  self.at = self.at + 6
  if unit & 0xF800 ~= 0xD800 then return utf8.char(unit) end
  local low = tonumber(self.text:match("^\\u(%x%x%x%x)", self.at) or "", 16)
  if unit & 0x400 ~= 0 or not low or low & 0xFC00 ~= 0xDC00 then
    self:fail("value", "invalid unicode escape code", start)
  end
  self.at = self.at + 6
  return utf8.char(((unit & 0x3FF) << 10 | low & 0x3FF) + 0x10000)
end

function Parser:string()
  local parts, start = {}, self.at
  self.at = start + 1
  while true do
    local stop = self.text:find('["\\\0]', self.at)
    local what = stop and self.text:sub(stop, stop) or "\0"
    if what == "\0" then self:fail("value", "unexpected end of string", start) end
    parts[#parts + 1] = self.text:sub(self.at, stop - 1)
    self.at = stop
    if what == '"' then
      self.at = stop + 1
      return table.concat(parts)
    end
    local letter = self.text:sub(stop + 1, stop + 1)
    if letter == "u" then
      parts[#parts + 1] = self:unicode(start)
    else
      if not ESCAPES[letter] then self:fail("value", "invalid escape code", start) end
      parts[#parts + 1] = ESCAPES[letter]
      self.at = stop + 2
    end
  end
end

function Parser:descend()
  self.depth = self.depth + 1
  if self.depth > self.settings.depth then
    error(("Found too many nested data structures (%d) at character %d"):format(self.depth, self.at), 0)
  end
end

--- The separator after a member; true when the container ends.
function Parser:ends(close, what)
  self:blank()
  local separator = self.text:sub(self.at, self.at)
  if separator ~= close and separator ~= "," then
    self:fail("comma or " .. what .. " end", "invalid token")
  end
  self.at = self.at + 1
  return separator == close
end

function Parser:array()
  local list, count = {}, 0
  self:descend()
  if self.settings.array_mt then setmetatable(list, array_mt) end
  self.at = self.at + 1
  self:blank()
  if self.text:sub(self.at, self.at) == "]" then
    self.at = self.at + 1
  else
    repeat
      count = count + 1
      list[count] = self:value()
    until self:ends("]", "array")
  end
  self.depth = self.depth - 1
  return list
end

function Parser:object()
  local fields = {}
  self:descend()
  self.at = self.at + 1
  self:blank()
  if self.text:sub(self.at, self.at) == "}" then
    self.at = self.at + 1
  else
    repeat
      self:blank()
      if self.text:sub(self.at, self.at) ~= '"' then self:fail("object key string", "invalid token") end
      local key = self:string()
      self:blank()
      if self.text:sub(self.at, self.at) ~= ":" then self:fail("colon", "invalid token") end
      self.at = self.at + 1
      fields[key] = self:value()
    until self:ends("}", "object")
  end
  self.depth = self.depth - 1
  return fields
end

local WORDS = { { "true", true }, { "false", false }, { "null", null } }

function Parser:value()
  self:blank()
  local first = self.text:sub(self.at, self.at)
  if first == '"' then return self:string() end
  if first == "{" then return self:object() end
  if first == "[" then return self:array() end
  if first:find("^[-%d]") then return self:number() end
  for _, word in ipairs(WORDS) do
    if self.text:sub(self.at, self.at + #word[1] - 1) == word[1] then
      self.at = self.at + #word[1]
      return word[2]
    end
  end
  self:fail("value", first == "" and "T_END" or "invalid token")
end

function stand_in.new()
  local settings = { depth = 1000, array_mt = false }
  local cjson = {
    _NAME = "cjson", _VERSION = "2.1.0.14", new = stand_in.new,
    null = null, array_mt = array_mt, empty_array_mt = empty_array_mt,
  }
  function cjson.decode(text)
    if text:find("^%z") or text:find("^.%z") then
      error("JSON parser does not support UTF-16 or UTF-32", 0)
    end
    local parser = setmetatable({ text = text, at = 1, depth = 0, settings = settings }, Parser)
    local value = parser:value()
    parser:blank()
    local rest = text:sub(parser.at, parser.at)
    if rest ~= "" and rest ~= "\0" then parser:fail("the end", "invalid token") end
    return value
  end
  function cjson.decode_max_depth(depth)
    settings.depth = depth or settings.depth
    return settings.depth
  end
  function cjson.decode_array_with_array_mt(on)
    if on ~= nil then settings.array_mt = on end
    return settings.array_mt
  end
  function cjson.decode_invalid_numbers()
    return false
  end
  return cjson
end

return stand_in.new()
