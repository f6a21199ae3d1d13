--- JSON as the platform and Lua both mean it. The only file that knows
-- lua-cjson, and that makes its two lines alike: 2.1.0 decodes every number as
-- a float, 2.1.0.14 and later yield integers that saturate at int64. It is
-- asked, and words the error, wherever the decoder of our own is not certain.
--
--     json.decode('{"id":9007199254740993,"name":null}')  --> { id = 9007199254740993 }
--     json.encode{ id = 7, tags = json.array{} }           --> {"id":7,"tags":[]}
--
-- What is certain, which numbers a decoder would get wrong, and what a table is
-- in JSON, is decided in C (csrc/lua/json_decode.c, csrc/core/json_scan.c,
-- csrc/lua/json_encode.c).

local cjson = require "cjson"
local core = require "bitrix24.core"
local errors = require "bitrix24.errors"

local byte, match, sub = string.byte, string.match, string.sub
local error, getmetatable, next, pcall, rawget = error, getmetatable, next, pcall, rawget
local setmetatable, tostring, type = setmetatable, tostring, type
local math_type, open = math.type, io.open
local config = errors.config

local _ENV = nil -- luacheck: ignore

--- Arrays and objects may nest this deep in an answer.
local DEPTH_MAX = 1000

-- An instance of our own: the settings of the shared one are the script's.
local decoder = cjson.new()
decoder.decode_max_depth(DEPTH_MAX)
decoder.decode_invalid_numbers(false)
-- settings of the later line only; made sure of, because they shape results
if decoder.decode_array_with_array_mt then decoder.decode_array_with_array_mt(false) end
if decoder.decode_json_null then decoder.decode_json_null(true) end

local decode_text = decoder.decode
local FLOATS_ONLY = math_type(decode_text("[1]")[1]) == "float"

local decode_certain, prepare, restore = core.json.decode, core.json.prepare, core.json.restore

---@class bitrix24.json
local json = {
  --- JSON null: in a sequence it holds a place, as a parameter it sends null. The same as `cjson.null`.
  null = cjson.null,
  --- File content as the platform takes it: base64 on one line, padded.
  ---@type fun(bytes: string): string
  base64 = core.json.base64,
}

local Array = { __name = "bitrix24.array" }
local Object = { __name = "bitrix24.object" }
local Ordered = { __name = "bitrix24.ordered" }
local File = { __name = "bitrix24.file" }

local KINDS = { [Array] = "array", [Object] = "object", [Ordered] = "ordered", [File] = "file" }
-- what a script has marked by lua-cjson's own means
if type(cjson.array_mt) == "table" then KINDS[cjson.array_mt] = "array" end
if type(cjson.empty_array_mt) == "table" then KINDS[cjson.empty_array_mt] = "array" end

--- Decode a JSON text. Integers are exact from -2^63 to 2^63-1 and floats
-- beyond; tables are plain. A null in an array stays `json.null`, one in an
-- object is absent unless kept; a text that is `null` gives `json.null`.
---@param text string
---@param options? { nulls?: "drop"|"keep", below?: integer } `below`: null fields are
--- dropped only in objects nested deeper than that, where the outermost value is 1
---@return any value nil when the text is not JSON
---@return string? message why; never quotes the text
function json.decode(text, options)
  if type(text) ~= "string" then
    error(("decode: expected a string, got %s"):format(type(text)), 2)
  end
  local nulls = options and options.nulls or "drop"
  if nulls ~= "drop" and nulls ~= "keep" then
    error("decode: nulls must be \"drop\" or \"keep\"", 2)
  end
  local drop, below = nulls == "drop", options and options.below or 0
  if math_type(below) ~= "integer" then error("decode: below must be an integer", 2) end
  if byte(text, 1) == 0xEF and sub(text, 1, 3) == "\xEF\xBB\xBF" then text = sub(text, 4) end

  local certain = decode_certain(text, drop and below or nil)
  if certain ~= nil then return certain end
  local ready, marker, needed = prepare(text, FLOATS_ONLY, drop)
  if not ready then return nil, marker end
  local ok, value = pcall(decode_text, ready)
  if not ok then
    -- the offset in the message is to be that of the text as it came
    if ready ~= text then ok, value = pcall(decode_text, text) end
    if value == "not enough memory" then error(value, 0) end
    return nil, not ok and value or "the text is not JSON"
  end
  if needed then value = restore(value, marker, FLOATS_ONLY, drop, below) end
  return value
end

--- Content of a file value; called while encoding.
local function read_file(file)
  if file.content then return file.content end
  local handle <close>, why = open(file.path, "rb")
  if not handle then return nil, why end
  return handle:read("a")
end

--- Encode a value; equal values give equal bytes: names go out sorted by their
-- bytes. A sequence is an array, a table with string keys an object, an empty
-- table `[]` where the shape says array and `{}` elsewhere. Metamethods are
-- never called.
--
-- A shape is `{ NAME = { array = boolean, children = shape? } }`, where the
-- children of an array describe its items. At the top level NAME is matched
-- without regard to case when no exact one is there.
--
-- Tables may nest 100 deep, or as deep as `depth` says.
---@type fun(value: any, shape?: table, root?: string, depth?: integer): string?, string?, string?
---@return string? text nil when the value has no JSON form
---@return string? path what has none: `params.fields.X`; starts with `root` ("params")
---@return string? message the rest of the sentence: "is a function, …"
json.encode = core.json.encoder(KINDS, read_file)

--- Encode a table of parameters as PHP reads a query: `fields[PHONE][0]=…`.
-- nil when a query cannot say it exactly (null, an empty array, a file, text
-- that a batch would take for a reference): then it must travel as JSON.
---@param references table metatable of values that have `steps`, a reference to an earlier command
---@return fun(params: table): string?
function json.query_encoder(references)
  local kinds = { [references] = "reference" }
  for metatable, kind in next, KINDS do kinds[metatable] = kind end
  return core.query.encoder(kinds)
end

--- A JSON array, also when it is empty. A marked copy: the argument stays as it
-- is, and the copy may be appended to like any sequence.
---@param items table a sequence
---@return table
function json.array(items)
  if type(items) ~= "table" then
    config(("array: expected a sequence, got %s"):format(type(items)))
  end
  local copy, count = {}, 0
  for key, value in next, items do
    if math_type(key) ~= "integer" or key < 1 then
      config("array: expected a sequence, got a table with other keys")
    end
    copy[key], count = value, count + 1
  end
  for i = 1, count do
    if copy[i] == nil then config("array: the sequence has holes; null fills them") end
  end
  return setmetatable(copy, Array)
end

--- A JSON object, also where an empty table would be an array. A marked copy.
---@param fields table with string keys
---@return table
function json.object(fields)
  if type(fields) ~= "table" then
    config(("object: expected a table, got %s"):format(type(fields)))
  end
  local copy = {}
  for key, value in next, fields do
    if type(key) ~= "string" then config("object: names must be strings") end
    copy[key] = value
  end
  return setmetatable(copy, Object)
end

--- Name and value of a pair, or nothing.
local function pair_of(pair)
  if type(pair) ~= "table" then return nil end
  local name, value, count = rawget(pair, 1), rawget(pair, 2), 0
  for _ in next, pair do count = count + 1 end
  if type(name) ~= "string" or value == nil or count ~= 2 then return nil end
  return name, value
end

--- A JSON object whose fields keep their order, from a sequence of pairs:
-- `bitrix24.ordered{ {"LAST_NAME", "ASC"}, {"ID", "DESC"} }`. A marked copy; it
-- reads as that sequence of pairs.
---@param pairs_list table
---@return table
function json.ordered(pairs_list)
  if type(pairs_list) ~= "table" then
    config(("ordered: expected a sequence of pairs, got %s"):format(type(pairs_list)))
  end
  local copy, seen, count = {}, {}, 0
  for _ in next, pairs_list do count = count + 1 end
  for i = 1, count do
    local pair = rawget(pairs_list, i)
    local name, value = pair_of(pair)
    if name == nil then
      config(("ordered: item %d is not a pair {name, value}"):format(i))
    end
    if seen[name] then config(("ordered: %q is named twice"):format(name)) end
    seen[name] = true
    copy[i] = { name, value }
  end
  return setmetatable(copy, Ordered)
end

File.__tostring = function(file) return ("file %q"):format(file.name) end

--- Can this file be read? nil, or why not.
local function unreadable(path)
  local handle <close>, why = open(path, "rb")
  if not handle then return why end
  local _, fault = handle:read(0) -- a directory opens, but does not read
  return fault and ("%s: %s"):format(path, fault)
end

--- A file for a parameter, sent as the pair `["name","base64"]`. One given by its
-- path must be readable now and is read when the call is made.
---@param source string|{ name: string, content: string }
---@return table
function json.file(source)
  if type(source) == "string" then
    local why = unreadable(source)
    if why then config("file: cannot read " .. why) end
    return setmetatable({ name = match(source, "[^/]*$"), path = source }, File)
  end
  if type(source) ~= "table" then
    config(("file: expected a path or { name =, content = }, got %s"):format(type(source)))
  end
  local name, content = rawget(source, "name"), rawget(source, "content")
  for key in next, source do
    if key ~= "name" and key ~= "content" then
      config(("file: unknown field %s; the fields are name and content"):format(tostring(key)))
    end
  end
  if type(name) ~= "string" or name == "" then config("file: name must be a string") end
  if type(content) ~= "string" then config("file: content must be a string of bytes") end
  return setmetatable({ name = name, content = content }, File)
end

--- What the functions above have made of a table: "array", "object", "ordered",
-- "file"; nil for every other value.
---@param value any
---@return string?
function json.kind(value)
  if type(value) ~= "table" then return nil end
  local metatable = getmetatable(value)
  return metatable and KINDS[metatable]
end

--- Was the value made by `json.array`?
---@param value any
---@return boolean
function json.is_array(value) return json.kind(value) == "array" end

--- Was the value made by `json.file`?
---@param value any
---@return boolean
function json.is_file(value) return json.kind(value) == "file" end

return json
