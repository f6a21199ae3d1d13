--- Parameters as they are typed: key=text, key[sub]=text, key[]=text, key:=JSON,
-- key@file, @file.json, {…}, - . What JSON says is kept as it was said: empty
-- arrays and objects, nulls, and the order of `order`, which the platform
-- obeys (api-reference/crm, sorting by several fields).

local catalogue = require "bitrix24.catalogue"
local json = require "bitrix24.json"

local byte, find, lower, match, sub = string.byte, string.find, string.lower, string.match, string.sub
local ipairs, math_type, open, pairs, pcall = ipairs, math.type, io.open, pairs, pcall
local tonumber, tostring, type = tonumber, tostring, type
local tointeger = math.tointeger

local _ENV = nil -- luacheck: ignore

local given = {}

-- ---- JSON ------------------------------------------------------------------

--- Objects whose keys are in an order that means something.
local function is_order(name) return lower(name) == "order" or lower(name) == "sort" end

local build

local function skip(text, at) return match(text, "^[ \t\r\n]*()", at) end

--- The string at `at` and where it ends.
local function build_string(text, at)
  local stop = at + 1
  while true do
    stop = find(text, '["\\]', stop)
    if byte(text, stop) == 34 then break end
    stop = stop + 2
  end
  return json.decode(sub(text, at, stop)), stop + 1
end

local function build_array(text, at)
  local items = {}
  at = skip(text, at + 1)
  while byte(text, at) ~= 93 do
    local value
    value, at = build(text, at, "")
    items[#items + 1] = value
    at = skip(text, at)
    if byte(text, at) == 44 then at = skip(text, at + 1) end
  end
  return json.array(items), at + 1
end

local function build_object(text, at, name)
  local fields, list, places = {}, {}, {}
  at = skip(text, at + 1)
  while byte(text, at) ~= 125 do
    local key, value
    key, at = build_string(text, at)
    value, at = build(text, skip(text, skip(text, at) + 1), key)
    fields[key] = value
    local place = places[key] or #list + 1
    places[key], list[place] = place, { key, value }
    at = skip(text, at)
    if byte(text, at) == 44 then at = skip(text, at + 1) end
  end
  if #list == 0 then return json.object {}, at + 1 end
  return is_order(name) and #list > 1 and json.ordered(list) or fields, at + 1
end

--- The value at `at` of a text that is known to be JSON, and where it ends.
function build(text, at, name)
  local first = byte(text, at)
  if first == 123 then return build_object(text, at, name) end
  if first == 91 then return build_array(text, at) end
  if first == 34 then return build_string(text, at) end
  local word, stop = match(text, "^([^%s,%]}]+)()", at)
  local value = json.decode(word)
  return value, stop
end

--- A JSON text as parameters of a call are made of it.
---@param text string
---@return any value nil when it is no JSON
---@return string? message
function given.json(text)
  local value, why = json.decode(text, { nulls = "keep" })
  if value == nil then return nil, why end
  if sub(text, 1, 3) == "\xEF\xBB\xBF" then text = sub(text, 4) end
  return (build(text, skip(text, 1), ""))
end

-- ---- keys ------------------------------------------------------------------

--- Cut `fields[PHONE][0]=7` into steps, operator and text; nil when there is no
-- operator. Brackets are read first: filters are named [>=ID].
local function cut(word)
  local name, at = match(word, "^([^%[=:@]+)()")
  if not name then return nil end
  local steps = { name }
  while byte(word, at) == 91 do
    local inner, after = match(word, "^%[([^%]]*)%]()", at)
    if not inner then return nil end
    steps[#steps + 1], at = inner, after
  end
  local operator = match(word, "^:=", at) or match(word, "^[=@]", at)
  if not operator then return nil end
  return steps, operator, sub(word, at + #operator)
end

--- The documented parameter that the steps lead to.
local function documented(row, steps)
  local params, found = row and row.params() or {}, nil
  for i, step in ipairs(steps) do
    -- items of an array are described by its children
    if i == 1 or not match(step, "^%d*$") then
      found = nil
      for _, param in ipairs(params or {}) do
        if lower(param.name) == lower(step) then found = param end
      end
      if not found then return nil end
      params = found.children
    end
  end
  return found
end

--- Text as the type that the documentation gives the parameter, or its items.
local function typed(text, param, step)
  local kind = param and param.type
  if kind and match(step, "^%d*$") then kind = match(kind, "^(.*)%[%]$") end
  if kind == "integer" and match(text, "^-?%d+$") then return tointeger(tonumber(text)) or text end
  if kind == "double" and match(text, "^-?%d+%.?%d*$") then return tonumber(text) end
  if kind == "boolean" and (text == "true" or text == "false") then return text == "true" end
  return text
end

--- A tree as it grows: keys in order, and whether each was [] or a number.
local function node() return { keys = {}, values = {}, count = 0 } end

local function put(tree, steps, value, word)
  for i = 1, #steps do
    local key = steps[i]
    if key == "" then key = tostring(tree.count) end
    local known = tree.values[key]
    if known == nil then
      tree.keys[#tree.keys + 1], tree.count = key, tree.count + 1
    end
    if i == #steps then
      if type(known) == "table" and known.keys then return nil, ("%s: has parts already"):format(word) end
      tree.values[key] = { leaf = value }
    else
      if known and not known.keys then return nil, ("%s: has a value already"):format(word) end
      tree.values[key] = known or node()
      tree = tree.values[key]
    end
  end
  return true
end

--- The tree as parameters: 0, 1, 2 … make an array.
local function grown(tree, name)
  if not tree.keys then return tree.leaf end
  local items, pairs_list, fields = {}, {}, {}
  for i, key in ipairs(tree.keys) do
    local value = grown(tree.values[key], key)
    pairs_list[i], fields[key] = { key, value }, value
    if key == tostring(i - 1) then items[i] = value end
  end
  if #items == #tree.keys then return json.array(items) end
  return is_order(name) and #pairs_list > 1 and json.ordered(pairs_list) or fields
end

-- ---- words -----------------------------------------------------------------

local function read_whole(path, input)
  if path == "-" then return input:read("a") or "" end
  local file <close>, why = open(path, "rb")
  if not file then return nil, why end
  local text, problem = file:read("a")
  return text, problem
end

--- All parameters as one JSON text.
local function whole(text, where)
  local value, why = given.json(text)
  if value == nil then return nil, ("%s is not JSON: %s"):format(where, why) end
  if type(value) ~= "table" or value == json.null then
    return nil, ("%s must be an object or an array of parameters"):format(where)
  end
  return value
end

--- The parameter of one word, put into the tree.
local function take(tree, word, row)
  local steps, operator, text = cut(word)
  if not steps then
    return nil, ("'%s' is not a parameter"):format(match(word, "^[%w_.-]*$") and word or "…"),
      "give key=text, key[sub]=text, key:=JSON, key@file, @file.json or -"
  end
  local key = match(word, "^[^=@]*") -- its value is not shown: it may be a secret
  if operator == "=" then
    return put(tree, steps, typed(text, documented(row, steps), steps[#steps]), key)
  elseif operator == "@" then
    local ok, file = pcall(json.file, text)
    if not ok then return nil, file.message end
    return put(tree, steps, file, key)
  end
  local value, why = given.json(text)
  if value == nil then return nil, ("%s= is not JSON: %s"):format(key, why), 'text is given by key=text' end
  return put(tree, steps, value, key)
end

--- Parameters of a call from the words of the command line.
---@param words string[]
---@param method string?
---@param version 2|3|nil
---@param input file* where - reads
---@return table? params
---@return string? message
---@return string? hint
function given.params(words, method, version, input)
  local row = method and catalogue.find(method, version)
  local tree, base = node(), nil
  for _, word in ipairs(words) do
    local first = sub(word, 1, 1)
    local message, hint
    if word == "-" or first == "@" or first == "{" or first == "[" then
      local text, where = word, "the parameter"
      if word == "-" then where = "standard input" elseif first == "@" then where = sub(word, 2) end
      if base then return nil, "parameters are given as a whole twice" end
      if where ~= "the parameter" then
        text, message = read_whole(word == "-" and "-" or where, input)
        if not text then return nil, message end
      end
      base, message = whole(text, where)
      if not base then return nil, message end
    else
      local _
      _, message, hint = take(tree, word, row)
      if message then return nil, message, hint end
    end
  end
  local out = grown(tree, "")
  if json.is_array(out) and #tree.keys > 0 then
    -- 0=… 1=…: parameters by position
    if base then return nil, "parameters by position and by name cannot be mixed" end
    return out
  end
  if not base then return #tree.keys > 0 and out or {} end
  if #tree.keys == 0 then return base end
  if json.is_array(base) then return nil, "parameters by position and by name cannot be mixed" end
  local merged = {}
  for key, value in pairs(base) do merged[key] = value end
  for key, value in pairs(out) do merged[key] = value end
  return merged
end

--- Plain options from key=value words: numbers and true/false are understood.
---@param words string[]
---@return table? options
---@return string? message
---@return string? hint
function given.options(words)
  local tree = node()
  for _, word in ipairs(words) do
    local _, message, hint = take(tree, word, nil)
    if message then return nil, message, hint end
  end
  local out = {}
  for key, value in pairs(#tree.keys > 0 and grown(tree, "") or {}) do
    if type(value) == "string" then
      local number = tonumber(value)
      if value == "true" or value == "false" then value = value == "true" end
      if number and (math_type(number) == "integer" or number == number) then value = number end
    end
    out[key] = value
  end
  return out
end

return given
