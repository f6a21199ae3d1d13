-- One entry of the source as one B24_METHOD line. Decides the traits that the
-- documentation does not state itself: whether a list can be walked by
-- identifier, and whether a method may travel in a batch.
--
-- Grammar of the parameter string, read by lua/bitrix24/catalogue.lua:
--   params  = param { " " param }
--   param   = name ["~" alias] ["!"] [":" type] ["(" code { "|" code } ")"] ["{" params "}"]
-- `!` marks a required parameter; a type is a letter of LETTERS or a name of
-- the documentation, with [] for an array and | between alternatives; codes
-- are the whole set of values; the braces hold the keys of an object or of an
-- array's items. `needs` is "A|B&C|D" (one of each group) or "a+b/c" (one of
-- the sets).

local row = {}

local LETTERS = {
  string = "s", integer = "i", double = "d", boolean = "b", char = "c", object = "o",
  array = "a", datetime = "t", file = "f",
}

local function encode_type(type_name)
  return (type_name:gsub("[^|]+", function(alternative)
    local base, brackets = alternative:match("^(.-)(%[?%]?)$")
    return (LETTERS[base] or base) .. brackets
  end))
end

--- An empty text is taken wherever there are codes, and is none of them here.
local function encode_codes(codes)
  local out = {}
  for _, code in ipairs(codes or {}) do
    assert(not code:find("[ |(){}]"), "a code the grammar cannot hold: " .. code)
    if code ~= "" then out[#out + 1] = code end
  end
  return #out > 0 and "(" .. table.concat(out, "|") .. ")" or ""
end

local function encode_params(params)
  local out = {}
  for i, param in ipairs(params) do
    local name = param.name:gsub("%s+", "-") -- patterns such as "<node selector>@<position>"
    for _, alias in ipairs(param.aliases or {}) do name = name .. "~" .. alias end
    assert(not name:find("[!:(){}\"]"), "a parameter name the grammar cannot hold: " .. name)
    out[i] = name
      .. (param.required and "!" or "")
      .. (param.type and ":" .. encode_type(param.type) or "")
      .. encode_codes(param.enum)
      .. (param.children and #param.children > 0 and "{" .. encode_params(param.children) .. "}" or "")
  end
  return table.concat(out, " ")
end

local function join(groups, inner, outer)
  local out = {}
  for i, group in ipairs(groups) do out[i] = table.concat(group, inner) end
  return table.concat(out, outer)
end

local function encode_needs(method)
  assert(not (method.any_of and method.variants), method.method .. ": any_of beside variants")
  if method.any_of then return join(method.any_of, "|", "&") end
  if method.variants then return join(method.variants, "+", "/") end
  return ""
end

local function find_param(params, lower_name)
  for _, param in ipairs(params or {}) do
    if param.name:lower() == lower_name then return param end
  end
end

--- A filter or order that can hold the identifier; its spelling there.
local function id_in(method, name)
  local param = find_param(method.params, name)
  if not param or param.type ~= "object" then return nil end
  if not param.children or #param.children == 0 then return method.id_field end
  local id = find_param(param.children, "id")
  return id and id.name
end

--- How the filter spells the identifier when the list can be walked by it:
-- order by id, ">ID" filter and start = -1, until fewer than a page comes
-- (settings/performance/huge-data). "" when it cannot.
local function keyset_id(method)
  if method.keyset ~= nil then return method.keyset or "" end
  local pages_by_50 = method.pagination == "start" and method.page_size == 50
    and (method.max_page_size or 50) == 50
  if method.version ~= 2 or method.kind ~= "list" or not pages_by_50 then return "" end
  if method.items_map or method.positional or not method.id_field then return "" end
  local filter, order = id_in(method, "filter"), id_in(method, "order")
  if not filter or not order then return "" end
  -- children of either are the page's own spelling; the answer's may differ
  -- (tasks.task.list: id in the answer, ID in the filter)
  return filter ~= method.id_field and filter or order
end

--- A batch in a batch and transfers of files are refused
-- (settings/how-to-call-rest-api/batch); an answer without the envelope
-- cannot be part of one.
local function is_refused_in_batch(method)
  if method.result == "file" or method.envelope == false then return true end
  local last = method.method:lower():match("[^.]+$")
  if last == "batch" or last:find("^upload") or last:find("^download") then return true end
  local fields = find_param(method.params, "fields")
  for _, name in ipairs { "filecontent", "file_content" } do
    if find_param(method.params, name) or fields and find_param(fields.children, name) then return true end
  end
  return false
end

local function traits_of(method, keyset)
  local out = {}
  local function add(condition, name)
    if condition then out[#out + 1] = name end
  end
  add(method.write, "WRITE")
  add(method.app_context, "APP_CONTEXT")
  add(method.deprecated, "DEPRECATED")
  add(method.positional, "POSITIONAL")
  add(method.body == "array", "BODY_ARRAY")
  add(method.items_map, "ITEMS_MAP")
  add(method.envelope == false, "NO_ENVELOPE")
  add(method.result == "file", "BINARY")
  add(method.total, "TOTAL")
  add(method.next, "NEXT")
  add(method.empty_array, "EMPTY_ARRAY")
  add(method.overlap, "OVERLAP")
  add(keyset ~= "", "KEYSET")
  add(is_refused_in_batch(method), "NO_BATCH")
  return #out > 0 and table.concat(out, " | ") or "0"
end

local STYLES = {
  none = "NONE", start = "START", offset = "OFFSET", last_id = "LAST_ID", page = "PAGE",
  cursor = "CURSOR", limit = "LIMIT",
}
local RESULTS = {
  array = "ARRAY", object = "OBJECT", boolean = "BOOLEAN", integer = "INTEGER", string = "STRING",
  null = "NULL", file = "FILE",
}
local KINDS = {
  list = "LIST", get = "GET", add = "ADD", update = "UPDATE", delete = "DELETE", fields = "FIELDS",
  other = "OTHER",
}

local function quote(text)
  text = text or ""
  assert(not text:find('[%c"\128-\255]') and not text:find("??", 1, true), "cannot be a C string: " .. text)
  -- the longest string a C11 compiler must take (5.2.4.1)
  assert(#text <= 4095, "longer than a C string may be: " .. text:sub(1, 60))
  return '"' .. text:gsub("\\", "\\\\") .. '"'
end

--- The line of an entry.
---@param method table an entry with its overrides applied
---@return string
function row.format(method)
  local name, version = method.method, math.tointeger(method.version)
  assert(name:find("^[%w_.]+$"), "a method name the catalogue cannot hold: " .. name)
  local keyset = keyset_id(method)
  local columns = {
    ("%s_%d"):format(name:lower():gsub("%.", "_"), version),
    quote(name), version,
    assert(KINDS[method.kind], name .. ": unknown kind"),
    method.result and assert(RESULTS[method.result], name .. ": unknown result") or "UNKNOWN",
    traits_of(method, keyset),
    assert(STYLES[method.pagination], name .. ": unknown pagination"),
    math.tointeger(method.page_size or 0), math.tointeger(method.max_page_size or 0),
    quote(method.page_param), quote(table.concat(method.pagination_also or {}, " ")),
    quote(method.items_key), quote(method.item_key), quote(method.id_field), quote(keyset),
    quote(table.concat(method.more_keys or {}, " ")),
    quote(table.concat(method.scope, " ")),
    quote(table.concat(method.replacement or {}, " ")), quote(encode_needs(method)),
    quote(encode_params(method.params)), quote(method.doc),
  }
  return "B24_METHOD(" .. table.concat(columns, ", ") .. ")"
end

return row
