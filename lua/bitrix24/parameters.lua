--- What the documentation says against the parameters of a call: names that
-- it does not have, and values outside an enumeration. What is missing tells
-- row.required. Nothing is judged that the documentation leaves open: custom
-- fields, keys with operators of a filter, tables marked as references or
-- arrays, methods without documented parameters.

local errors = require "bitrix24.errors"
local json = require "bitrix24.json"

local abs, huge, math_type, tointeger = math.abs, math.huge, math.type, math.tointeger
local concat, sort = table.concat, table.sort
local getmetatable, ipairs, next, tostring, type = getmetatable, ipairs, next, tostring, type

local _ENV = nil -- luacheck: ignore

local parameters = {}

---@class bitrix24.Problem
---@field code "unknown"|"value"
---@field certain boolean false: a key of an object, of which the page may list some only
---@field message string
---@field hint string?
---@field holder table the table it is in
---@field key any its key there

-- Every method takes these, documented or not (settings/how-to-call-rest-api/general-principles,
-- list-methods-pecularities).
local ALWAYS = { auth = true }
local OF_LISTS = { start = true }

--- The part of a pattern that is text: `UF_...` → "uf_"; "" stands for anything.
local function pattern_start(name)
  local at = name:find("[<*%[|]") or name:find("...", 1, true)
  return at and name:sub(1, at - 1):lower()
end

local function has_start(text, start)
  return text:sub(1, #start) == start
end

--- name, as it is spelled and in lower case → parameter (department.get has a
-- `sort` and a `SORT`); the starts that patterns allow; the names.
local function index(params)
  local known, starts, names = {}, {}, {}
  for _, param in ipairs(params) do
    local start = pattern_start(param.name)
    if start then
      starts[#starts + 1] = start
    else
      known[param.name:lower()] = known[param.name:lower()] or param
      known[param.name] = param
      names[#names + 1] = param.name
    end
    for _, alias in ipairs(param.aliases or {}) do known[alias:lower()] = param end
  end
  return known, starts, names
end

--- Custom fields, and fields of smart processes, have names of their own.
local function is_custom(lower)
  return has_start(lower, "uf_") or has_start(lower, "ufcrm") or has_start(lower, "parent_id_")
    or has_start(lower, "parentid") or has_start(lower, "property") or has_start(lower, "~")
end

--- Is one the other with a letter more, less, changed, or two swapped? Digits
-- count fields (ADDRESS, ADDRESS_2), they are no slips.
local function is_slip(a, b)
  if #b < 4 or abs(#a - #b) > 1 or a:gsub("%d", "") == b:gsub("%d", "") then return false end
  local from, tail = 1, 0
  while a:byte(from) == b:byte(from) do from = from + 1 end
  while tail < #a - from + 1 and tail < #b - from + 1 and a:byte(#a - tail) == b:byte(#b - tail) do
    tail = tail + 1
  end
  local left, right = a:sub(from, #a - tail), b:sub(from, #b - tail)
  return #left <= 1 and #right <= 1 or #left == 2 and left:reverse() == right
end

--- The documented name that was probably meant.
local function find_slip(name, names)
  for _, candidate in ipairs(names) do
    if is_slip(name:lower(), candidate:lower()) then return candidate end
  end
end

--- The nearest name, whatever its case.
local function nearest(name, names)
  local lower, by_lower = {}, {}
  for i, candidate in ipairs(names) do
    lower[i] = candidate:lower()
    by_lower[lower[i]] = candidate
  end
  local found = errors.nearest(name:lower(), lower)
  return found and by_lower[found]
end

local function keys_of(given)
  local keys = {}
  for key in next, given do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  sort(keys)
  return keys
end

local function meant(name)
  return name and ("did you mean %s?"):format(name) or nil
end

-- ---- values ------------------------------------------------------------------

-- The forms of a boolean, whichever of them a page lists (api-reference/data-types).
local BOOLEANS = { y = true, n = true, ["1"] = true, ["0"] = true, ["true"] = true, ["false"] = true }

local function is_code(value, param)
  if math_type(value) and not concat(param.enum):find("^%d+$") then
    -- codes that are words beside a type that also takes numbers
    local documented = param.type or ""
    if documented:find("integer", 1, true) or documented:find("double", 1, true) then return true end
  end
  local text = tostring(math_type(value) and tointeger(value) or value):lower()
  if text == "" or BOOLEANS[text] and (param.type or ""):find("boolean", 1, true) then return true end
  for _, code in ipairs(param.enum) do
    if code:lower() == text then return true end
  end
  return false
end

local function judge_value(out, param, holder, key, path)
  local value = holder[key]
  if type(value) == "table" then
    if getmetatable(value) then return end
    for i, item in ipairs(value) do
      if type(item) ~= "table" then judge_value(out, param, value, i, ("%s[%d]"):format(path, i)) end
    end
  elseif (type(value) == "string" or math_type(value)) and not is_code(value, param) then
    out[#out + 1] = {
      code = "value", certain = true, holder = holder, key = key,
      message = ("%s must be one of %s"):format(path, concat(param.enum, ", ")),
      hint = meant(nearest(tostring(value), param.enum)),
    }
  end
end

-- ---- objects -----------------------------------------------------------------

local judge_object

local function judge_param(out, param, holder, key, path)
  local value = holder[key]
  if param.enum then judge_value(out, param, holder, key, path) end
  if not param.children or type(value) ~= "table" or getmetatable(value) then return end
  if value[1] == nil then return judge_object(out, param.children, value, path .. ".") end
  for i, item in ipairs(value) do
    if type(item) == "table" and not getmetatable(item) then
      judge_object(out, param.children, item, ("%s[%d]."):format(path, i))
    end
  end
end

--- The keys of an object that is not the whole: only what is nearly a
-- documented name is told, since pages list the usual fields.
function judge_object(out, params, given, prefix)
  local known, starts, names = index(params)
  for _, key in ipairs(keys_of(given)) do
    local operator, name = key:match("^([^%w_]*)(.*)$")
    local lower = name:lower()
    local param = known[name] or known[lower]
    if param then
      if operator == "" then judge_param(out, param, given, key, prefix .. param.name) end
    elseif #starts == 0 and not is_custom(lower) then
      local slip = find_slip(name, names)
      if slip then
        out[#out + 1] = {
          code = "unknown", certain = false, holder = given, key = key,
          message = ("unknown field: %s%s"):format(prefix, key), hint = meant(slip),
        }
      end
    end
  end
end

local function is_allowed(lower, starts, row)
  for _, start in ipairs(starts) do
    if has_start(lower, start) then return true end
  end
  return is_custom(lower) or ALWAYS[lower] or row.kind == "list" and OF_LISTS[lower]
end

--- These take the fields of their filter beside it, whichever a user has
-- (api-reference/user/user-get, user-search).
local FILTERS = { ["user.get"] = true, ["user.search"] = true }

local function judge_top(out, row, given)
  if FILTERS[row.name:lower()] then return judge_object(out, row.params(), given, "") end
  local known, starts, names = index(row.params())
  for _, key in ipairs(keys_of(given)) do
    local lower = key:lower()
    local param = known[key] or known[lower]
    if param then
      judge_param(out, param, given, key, param.name)
    elseif not is_allowed(lower, starts, row) then
      local close = nearest(key, names)
      out[#out + 1] = {
        code = "unknown", certain = true, holder = given, key = key,
        message = ("unknown parameter: %s"):format(key),
        hint = meant(close) or #names <= 12 and ("%s takes %s"):format(row.name, concat(names, ", ")) or nil,
      }
    end
  end
end

--- Are these parameters given by their places?
---@param row bitrix24.Row
---@param given table
function parameters.by_position(row, given)
  return given[1] ~= nil and row.places
end

local PLAIN = { array = true, object = true }

--- Parameters as a method wants them that goes by their places: given by their
-- names they are sent in the documented order, with empty tables at the places
-- that were left out between them; else the portal takes one for another. All
-- else is returned as it is.
---@param row bitrix24.Row?
---@param given table
---@return table
function parameters.placed(row, given)
  if not row or not row.places or row.version ~= 2 or given[1] ~= nil or getmetatable(given)
    or next(given) == nil then
    return given
  end
  local place, names, out = {}, {}, {}
  local params, filled = row.params(), 0
  for i, param in ipairs(params) do place[param.name:lower()] = i end
  for name in next, given do
    if type(name) ~= "string" then return given end -- refused where it is encoded
    names[#names + 1] = name
  end
  sort(names, function(a, b)
    local left, right = place[a:lower()] or huge, place[b:lower()] or huge
    if left ~= right then return left < right end
    return a < b
  end)
  for _, name in ipairs(names) do
    local last = place[name:lower()] or filled
    for i = filled + 1, last - 1 do
      local left_out = params[i]
      if PLAIN[left_out.type] and place[left_out.name:lower()] == i then
        out[#out + 1] = { left_out.name, {} }
      end
    end
    filled, out[#out + 1] = last, { name, given[name] }
  end
  return json.ordered(out)
end

--- What is wrong with the parameters of a call, besides what is missing.
---@param row bitrix24.Row?
---@param given any the parameters
---@return bitrix24.Problem[]
function parameters.problems(row, given)
  local out = {}
  if not row or type(given) ~= "table" or getmetatable(given) or row.body_array then return out end
  local params = row.params()
  if #params == 0 then return out end
  if parameters.by_position(row, given) then
    for i, param in ipairs(params) do
      if given[i] ~= nil then judge_param(out, param, given, i, param.name) end
    end
  else
    judge_top(out, row, given)
  end
  return out
end

return parameters
