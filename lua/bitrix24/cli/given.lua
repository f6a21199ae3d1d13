--- Parameters as they are typed: key=text, key[sub]=text, key[]=text, key:=JSON,
-- key@file, @file.json, {…}, - . What JSON says is kept as it was said: empty
-- arrays and objects, nulls, and the order of `order`, which the platform
-- obeys (api-reference/crm, sorting by several fields).

local catalogue = require "bitrix24.catalogue"
local doubts = require "bitrix24.cli.doubts"
local files = require "bitrix24.files"
local json = require "bitrix24.json"
local trees = require "bitrix24.cli.tree"

local byte, find, gmatch, lower, match = string.byte, string.find, string.gmatch, string.lower, string.match
local error, ipairs, math_type, pairs, pcall = error, ipairs, math.type, pairs, pcall
local sub, tonumber, type = string.sub, tonumber, type
local tointeger = math.tointeger

local _ENV = nil -- luacheck: ignore

local given = {}

-- ---- JSON ------------------------------------------------------------------

--- An integer that only fits in a float, or no number at all.
local INEXACT = {}

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
  return trees.is_order(name) and #list > 1 and json.ordered(list) or fields, at + 1
end

--- The value at `at` of a text that is known to be JSON, and where it ends.
function build(text, at, name)
  local first = byte(text, at)
  if first == 123 then return build_object(text, at, name) end
  if first == 91 then return build_array(text, at) end
  if first == 34 then return build_string(text, at) end
  local word, stop = match(text, "^([^%s,%]}]+)()", at)
  local value = json.decode(word)
  if math_type(value) == "float" and (find(word, "^-?%d+$") or value - value ~= 0) then error(INEXACT, 0) end
  return value, stop
end

--- What is wrong with a text, with its line and column where it has several.
local function located(text, why)
  local before, at = match(why, "^(.-) at character (%d+)$")
  if not at or not find(text, "\n", 1, true) then return why end
  local line, start = 1, 1
  for stop in gmatch(sub(text, 1, tonumber(at) - 1), "\n()") do
    line, start = line + 1, stop
  end
  return ("%s at line %d, column %d"):format(before, line, tonumber(at) - start + 1)
end

--- A JSON text as parameters of a call are made of it.
---@param text string
---@return any value nil when it is no JSON
---@return string? message
---@return string? hint
function given.json(text)
  if sub(text, 1, 3) == "\xEF\xBB\xBF" then text = sub(text, 4) end
  local value, why = json.decode(text, { nulls = "keep" })
  if value == nil then return nil, located(text, why) end
  local ok, built = pcall(build, text, skip(text, 1), "")
  if ok then return built end
  if built ~= INEXACT then error(built, 0) end
  return nil, "a number in it is longer than can be sent exactly", "put it in quotes"
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

--- Is this text JSON for an object or an array, in want of a colon? As text it
-- would be lost, and what it is for be made without it.
local function is_unmarked(text, param, step)
  if not param or not find(text, "^[ \t\r\n]*[{%[]") then return false end
  local wanted = param.children or not match(step, "^%d*$") and doubts.structure(param)
  return wanted and json.decode(text) ~= nil
end

-- ---- words -----------------------------------------------------------------

local NO_PATH = "@ wants the path of a file behind it"

--- The content of a file; what went wrong names it.
local function read_whole(path, input)
  if path == "-" then return input:read("a") or "" end
  if path == "" then return nil, NO_PATH end
  local text, why = files.read(path)
  if not text then return nil, "cannot read " .. why end
  return text
end

--- All parameters: a JSON text, @file or -.
local function whole(word, input)
  local text, where = word, "the parameter"
  if find(word, "^[@-]") then
    local problem
    local path = word == "-" and word or sub(word, 2)
    where = path == "-" and "standard input" or path
    text, problem = read_whole(path, input)
    if not text then return nil, problem end
  end
  if find(text, "^[ \t\r\n]*$") then
    return nil, where .. " is empty", "parameters are a JSON object, {} where there are none"
  end
  local value, why, hint = given.json(text)
  if value == nil then return nil, ("%s is not JSON: %s"):format(where, why), hint end
  if type(value) ~= "table" or value == json.null then
    return nil, where .. " must be an object or an array of parameters"
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
  if operator == "=" then
    local param, step = documented(row, steps), steps[#steps]
    if is_unmarked(text, param, step) then
      local key = sub(word, 1, #word - #text - 1)
      return nil, key .. "=… is text, and this is JSON",
        ("with a colon it is sent as JSON: '%s:=…'"):format(key)
    end
    return trees.put(tree, steps, typed(text, param, step))
  end
  if operator == "@" then
    if text == "" then return nil, NO_PATH end
    local ok, file = pcall(json.file, text)
    if not ok then return nil, file.message end
    return trees.put(tree, steps, file)
  end
  local value, why, hint = given.json(text)
  if value == nil then
    local key = sub(word, 1, #word - #text - 2) -- its value is not shown: it may be a secret
    return nil, ("%s is not JSON: %s"):format(key, why), hint or "text is given by key=text"
  end
  return trees.put(tree, steps, value)
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
  local tree, seen = trees.new(), false
  for _, word in ipairs(words) do
    local put, value = take, word
    if word == "-" or find(word, "^[@{[]") then
      if seen then return nil, "parameters are given as a whole twice" end
      local message, hint
      seen, put = true, trees.put_all
      value, message, hint = whole(word, input)
      if not value then return nil, message, hint end
    end
    local done, message, hint = put(tree, value, row)
    if not done then return nil, message, hint end
  end
  return #words > 0 and trees.grown(tree, "") or {}
end

--- Plain options from key=value words: numbers and true/false are understood.
---@param words string[]
---@return table? options
---@return string? message
---@return string? hint
function given.options(words)
  local tree = trees.new()
  for _, word in ipairs(words) do
    local done, message, hint = take(tree, word, nil)
    if not done then return nil, message, hint end
  end
  local out = {}
  for key, value in pairs(#words > 0 and trees.grown(tree, "") or {}) do
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
