--- What stands for a result that a plan does not have, because what would give
-- it was not sent.
--
--     local id = portal.crm.deal.add{ … }     -- <result of crm.deal.add #1>
--     id.ID                                   -- <result of crm.deal.add #1>.ID
--
-- It prints as what it stands for, also in a text and in later parameters, and
-- the same place is the same value, also as a key. Taken for a list it has one
-- item, which stands for each. It cannot be calculated or compared with, nor
-- called: what a script does then depends on what nobody knows.

local errors = require "bitrix24.errors"

local getmetatable, next, rawget, setmetatable = getmetatable, next, rawget, setmetatable
local tostring, type = tostring, type

local _ENV = nil -- luacheck: ignore

--- Key of its text. As a key of a table that is sent it has no form in JSON, so
-- that one which outlives its plan is refused and not sent.
local TEXT = {}

--- Key of the placeholders of its places, by name.
local PLACES = {}

--- The name is for people: "number expected, got result not known in a plan".
---@class bitrix24.Placeholder
local Placeholder = { __name = "result not known in a plan" }

local placeholder = {}

---@param text string
---@return bitrix24.Placeholder
function placeholder.new(text)
  return setmetatable({ [TEXT] = text, [PLACES] = {} }, Placeholder)
end

--- The text of a placeholder, nil for every other value.
---@param value any
---@return string?
function placeholder.text(value)
  if type(value) ~= "table" or getmetatable(value) ~= Placeholder then return nil end
  return rawget(value, TEXT)
end

function Placeholder.__index(self, key)
  local text, places = rawget(self, TEXT), rawget(self, PLACES)
  if type(key) ~= "string" and key ~= 1 then return nil end
  if not places[key] then
    places[key] = placeholder.new(key == 1 and text .. "[1]"
      or key:find("^[%a_][%w_]*$") and ("%s.%s"):format(text, key) or ("%s[%q]"):format(text, key))
  end
  return places[key]
end

function Placeholder.__len() return 1 end

function Placeholder.__pairs(self)
  return next, { self[1] }, nil
end

Placeholder.__tostring = placeholder.text

function Placeholder.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local function refuse(what)
  return function(a, b)
    errors.config(("%s is not known in a plan: it cannot be %s")
      :format(placeholder.text(a) or placeholder.text(b), what),
      "pass it on as a parameter; what depends on its value cannot be planned")
  end
end

for _, name in next, {
  "add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor", "bxor", "shl", "shr", "bnot",
} do
  Placeholder["__" .. name] = refuse("calculated with")
end
for _, name in next, { "lt", "le" } do Placeholder["__" .. name] = refuse("compared") end
Placeholder.__call = refuse("called")

return placeholder
