--- References: what stands for a result, or a place in it, before it is there.
--
--     local me = b.user.current()            -- a handle: the whole result
--     me.UF_DEPARTMENT[1]                    -- a place in it, counted from 1 as in Lua
--
-- A reference knows its command and its path, nothing of the wire. It is of use
-- as a parameter of a later command and, after the run, as a function; every
-- other use of what is not there yet is refused.

local errors = require "bitrix24.errors"
local json = require "bitrix24.json"

local concat = table.concat
local getmetatable, ipairs, next = getmetatable, ipairs, next
local rawget, setmetatable, tostring, type = rawget, setmetatable, tostring, type
local tointeger = math.tointeger

local _ENV = nil -- luacheck: ignore

--- Key of what a reference knows. A table as a key has no form in JSON, so that
-- a reference given to a call outside of its batch is refused, not sent as {}.
local INFO = {}

--- Lists of the platform are shorter: ipairs over a reference ends here instead
-- of never.
local PLACE_MAX = 10000

--- Deeper than any parameter may nest: what is below is for the encoder to refuse.
local DEPTH_MAX = 200

--- A result of a batch, or a place in it: index it, pass it on, call it after the run.
---@class bitrix24.Reference
---@overload fun(): any, table
local Reference = { __name = "reference to a batch's result" }

---@class bitrix24.ReferenceInfo
---@field command bitrix24.Command
---@field path (string|integer)[] names, and places counted from 1

local reference = {}

--- A reference to a command's result or to a place in it.
---@param command bitrix24.Command
---@param path (string|integer)[]
---@return bitrix24.Reference
function reference.new(command, path)
  return setmetatable({ [INFO] = { command = command, path = path } }, Reference)
end

--- What a reference stands for; nil for every other value.
---@param value any
---@return bitrix24.ReferenceInfo?
function reference.info(value)
  if type(value) ~= "table" or getmetatable(value) ~= Reference then return nil end
  return rawget(value, INFO)
end

--- In words: "result.UF_DEPARTMENT[1] of command 1 (user.current)".
---@param info bitrix24.ReferenceInfo
---@return string
function reference.describe(info)
  local out = { "result" }
  for _, step in ipairs(info.path) do
    out[#out + 1] = type(step) ~= "string" and ("[%d]"):format(step)
      or step:find("^[%a_][%w_]*$") and "." .. step or ("[%q]"):format(step)
  end
  return ("%s of command %d (%s)"):format(concat(out), info.command.index, info.command.method)
end

--- One step into a decoded value. PHP tells lists and maps apart by their keys
-- alone, so a place may be a name and a name a place.
local function step_into(value, step)
  if type(value) ~= "table" then return nil end
  local found = value[step]
  if found == nil then
    if type(step) == "string" then
      local place = step:find("^%d+$") and tointeger(step)
      found = place and value[place + 1]
    else
      found = value[tostring(step - 1)]
    end
  end
  if found == json.null then return nil end
  return found
end

--- The value at a path of a result; nil when it is absent or null.
---@param value any
---@param path (string|integer)[]
---@return any
function reference.lookup(value, path)
  if value == json.null then return nil end
  for _, step in ipairs(path) do
    value = step_into(value, step)
    if value == nil then return nil end
  end
  return value
end

--- A copy of a value in which `f` has replaced the references and files; other
-- marks of `json` stay. What has no form in JSON stays as it is, for the encoder
-- to name.
---@param value any
---@param f fun(leaf: any, info: bitrix24.ReferenceInfo?): any
---@return any
function reference.replace(value, f, above, depth)
  if type(value) ~= "table" then return value end
  local info = reference.info(value)
  if info or json.is_file(value) then return f(value, info) end
  above, depth = above or {}, (depth or 0) + 1
  if above[value] or depth > DEPTH_MAX then return value end
  above[value] = true
  local copy = {}
  for key, item in next, value do copy[key] = reference.replace(item, f, above, depth) end
  above[value] = nil
  return setmetatable(copy, json.kind(value) and getmetatable(value) or nil)
end

-- ---- what a script does with one --------------------------------------------

function Reference.__index(self, key)
  local info = rawget(self, INFO)
  local step = key
  if type(key) ~= "string" then
    step = tointeger(key)
    if type(key) ~= "number" or not step or step < 1 then
      errors.config(("%s: a reference is indexed by names, and by places counted from 1; got %s")
        :format(reference.describe(info), tostring(key)))
    end
    if step > PLACE_MAX then
      errors.config(("%s: place %d is beyond every list"):format(reference.describe(info), step),
        "to loop over a result, call its handle after the run: ipairs(handle())")
    end
  end
  local path = {}
  for i, earlier in ipairs(info.path) do path[i] = earlier end
  path[#path + 1] = step
  return reference.new(info.command, path)
end

--- After the run: the result (or the place in it) and the response, or the
-- command's error.
function Reference.__call(self)
  local info = rawget(self, INFO)
  local command = info.command
  if command.state == "ok" then
    return reference.lookup(command.result, info.path), command.response
  end
  if command.state == "pending" or command.state == "sent" then
    errors.raise {
      kind = "config", method = command.method, cause = command.fault,
      message = ("command %d has not run yet"):format(command.index),
      hint = command.fault and "its request never left (see cause): run the batch again"
        or "call b:run() first",
    }
  end
  errors.throw(command.fault)
end

function Reference.__tostring(self)
  return "reference to " .. reference.describe(rawget(self, INFO))
end

local function refuse(what)
  return function(a, b)
    local info = reference.info(a) or reference.info(b)
    errors.config(("%s cannot be %s: the portal fills it in"):format(reference.describe(info), what),
      "use it as a parameter as it is, or call it after the run to get the value")
  end
end

for _, name in next, {
  "add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor", "bxor", "shl", "shr", "bnot",
} do
  Reference["__" .. name] = refuse("calculated with")
end
for _, name in next, { "eq", "lt", "le" } do Reference["__" .. name] = refuse("compared") end
Reference.__concat = refuse("joined to a text")
Reference.__len = refuse("measured")
Reference.__pairs = refuse("walked through")
Reference.__newindex = refuse("assigned to")

return reference
