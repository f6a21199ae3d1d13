--- What the targets in Lua share. A target is a function that is given bytes
-- and raises a plain string when something is not as it must be; host.c runs
-- it under libFuzzer, spec/fuzz_spec.lua feeds it the corpus.

local errors = require "bitrix24.errors"

local error, getmetatable, pairs, pcall, rawequal = error, getmetatable, pairs, pcall, rawequal
local select, tostring, type = select, tostring, type
local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub
local math_type = math.type

local _ENV = nil -- luacheck: ignore

local check = {
  --- The corpora hold it where a password would be.
  secret = "Xq7s3cr3tW0rd",
  --- What an object of the script's own raises: it is the script's error.
  asked = {},
}

--- Like assert, with a format.
---@param truth any
---@param format string
function check.that(truth, format, ...)
  if not truth then error("fuzz: " .. format:format(...), 2) end
  return truth
end

local that = check.that

--- The first line and what follows it.
---@param data string
---@return string line, string rest
function check.line(data)
  local line, rest = match(data, "^([^\n]*)\n?(.*)$")
  return line, rest
end

--- Every structured error: its fields have their types, it is one line, and it
-- shows no secret.
---@param e any
---@param ... string kinds that are right
function check.structured(e, ...)
  that(errors.is_error(e), "raised %s: %s", type(e), tostring(e))
  local text, right = tostring(e), select("#", ...) == 0
  for i = 1, select("#", ...) do right = right or e.kind == select(i, ...) end
  that(right, "an error of kind %s: %s", tostring(e.kind), text)
  that(type(e.message) == "string", "an error without a message")
  that(e.code == nil or type(e.code) == "string", "a code that is a %s", type(e.code))
  that(e.hint == nil or type(e.hint) == "string", "a hint that is a %s", type(e.hint))
  that(not find(text, "[%z\1-\31]"), "an error of several lines: %q", text)
  that(not find(text, check.secret, 1, true), "an error with a secret: %s", text)
  return e
end

--- Call f: what it returns, or nil and the structured error that it raised.
function check.returns(kinds, f, ...)
  local function sorted_out(ok, ...)
    if ok then return ... end
    if (...) ~= check.asked then check.structured((...), kinds) end
    return nil, (...)
  end
  return sorted_out(pcall(f, ...))
end

--- Are two numbers one to JSON? 1 and 1.0 are, and so are an integer beyond
-- 2^53 and the double next to it.
local function same_number(a, b)
  return a == b or a + 0.0 == b + 0.0
end

--- Deep equality of plain tables.
---@param a any
---@param b any
---@return boolean
function check.same(a, b)
  if math_type(a) and math_type(b) then return same_number(a, b) end
  if type(a) ~= "table" or type(b) ~= "table" then return rawequal(a, b) end
  if getmetatable(a) ~= nil or getmetatable(b) ~= nil then return rawequal(a, b) end
  for key, value in pairs(a) do
    if not check.same(value, b[key]) then return false end
  end
  for key in pairs(b) do
    if a[key] == nil then return false end
  end
  return true
end

--- One line of a value for a message, cut short.
function check.show(value)
  return sub(gsub(tostring(value), "%c", "?"), 1, 200)
end

return check
