-- The source of the catalogue: methods.jsonl, one line per (method, version).
-- Decides which facts are kept and how they are written: fixed key order,
-- sorted lines, false and empty left out, so that a new edition of the
-- documentation reads as a diff.

local cjson = require "cjson"

local source = {}

local METHOD_KEYS = {
  "method", "version", "kind", "write", "scope", "params", "any_of", "variants", "positional", "body",
  "pagination", "pagination_also", "page_param", "page_size", "max_page_size", "result", "envelope",
  "items_key", "items_map", "item_key", "id_field", "more_keys", "empty_array", "total", "next",
  "app_context", "deprecated", "replacement", "doc",
}
local PARAM_KEYS = { "name", "type", "required", "aliases", "enum", "children" }

-- What a key says when it is absent.
local DEFAULT = {
  write = false, scope = {}, params = {}, pagination = "none", envelope = true,
  app_context = false, deprecated = false, required = false,
}

local function is_given(key, value)
  if value == nil or value == cjson.null then return false end
  if type(value) == "table" then return next(value) ~= nil end
  return value ~= DEFAULT[key] and not (value == false and DEFAULT[key] == nil)
end

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function encode_string(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return ESCAPES[c] or ("\\u%04x"):format(c:byte())
  end) .. '"'
end

local encode_param

local function encode_value(key, value)
  if type(value) == "string" then return encode_string(value) end
  if type(value) ~= "table" then
    return tostring(math.type(value) == "float" and assert(math.tointeger(value), key) or value)
  end
  local out = {}
  for i, item in ipairs(value) do
    local is_param = key == "params" or key == "children"
    out[i] = is_param and encode_param(item) or encode_value(nil, item)
  end
  return "[" .. table.concat(out, ",") .. "]"
end

local function encode_object(keys, object)
  local out = {}
  for _, key in ipairs(keys) do
    local value = object[key]
    if is_given(key, value) then
      out[#out + 1] = encode_string(key) .. ":" .. encode_value(key, value)
    end
  end
  return "{" .. table.concat(out, ",") .. "}"
end

function encode_param(param)
  -- An open list of codes is only a sample of what the platform takes.
  if param.enum_open and param.enum_open ~= cjson.null then
    local closed = {}
    for key, value in pairs(param) do closed[key] = value end
    closed.enum = nil
    param = closed
  end
  return encode_object(PARAM_KEYS, param)
end

local function restore(keys, object)
  for _, key in ipairs(keys) do
    if object[key] == cjson.null then object[key] = nil end
    if object[key] == nil then
      local default = DEFAULT[key]
      object[key] = type(default) == "table" and {} or default
    end
  end
  for _, param in ipairs(object.params or object.children or {}) do restore(PARAM_KEYS, param) end
  return object
end

--- Compare as the portal does: without case.
local function before(a, b)
  local name_a, name_b = a.method:lower(), b.method:lower()
  if name_a ~= name_b then return name_a < name_b end
  return a.version < b.version
end

--- Check, complete and sort an edition.
---@param methods table[] entries as decoded
---@return table[] entries sorted by name without case, then version
function source.normalize(methods)
  local seen = {}
  for _, method in ipairs(methods) do
    assert(type(method.method) == "string", "an entry without a method name")
    assert(method.version == 2 or method.version == 3, method.method .. ": version must be 2 or 3")
    assert(method.kind and method.doc, method.method .. ": kind and doc must be given")
    local key = method.method:lower() .. "/" .. math.tointeger(method.version)
    assert(not seen[key], key .. " appears twice")
    seen[key] = true
    restore(METHOD_KEYS, method)
    if type(method.replacement) == "string" then method.replacement = { method.replacement } end
  end
  table.sort(methods, before)
  return methods
end

--- The text of methods.jsonl.
---@param methods table[] normalized entries
---@return string
function source.format(methods)
  local lines = {}
  for i, method in ipairs(methods) do lines[i] = encode_object(METHOD_KEYS, method) end
  return table.concat(lines, "\n") .. "\n"
end

--- Parse methods.jsonl.
---@param text string
---@return table[]
function source.parse(text)
  local methods = {}
  for line in text:gmatch("[^\n]+") do methods[#methods + 1] = cjson.decode(line) end
  return source.normalize(methods)
end

--- Parse an edition: a JSON array of entries.
---@param text string
---@return table[]
function source.parse_edition(text)
  -- through the text, so that nothing but what is kept can be used
  return source.parse(source.format(source.normalize(cjson.decode(text))))
end

--- Lay corrections over the entries.
---@param methods table[] normalized entries
---@param overrides { method: string, version: integer, set: table, optional: string[]? }[]
---@return string? wrong a correction whose method or parameter is gone
function source.correct(methods, overrides)
  local by_key = {}
  for _, method in ipairs(methods) do
    by_key[("%s/%d"):format(method.method, math.tointeger(method.version))] = method
  end
  for _, override in ipairs(overrides) do
    local key = ("%s/%d"):format(override.method, override.version)
    local method = by_key[key]
    if not method then return key end
    for name, value in pairs(override.set) do method[name] = value end
    for _, path in ipairs(override.optional or {}) do
      local params, found = method.params, nil
      for name in path:gmatch("[^.]+") do
        found = nil
        for _, param in ipairs(params or {}) do
          if param.name == name then found, params = param, param.children end
        end
      end
      if not found then return ("%s: %s"):format(key, path) end
      found.required = false
    end
  end
end

return source
