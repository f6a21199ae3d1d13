--- The catalogue of documented methods: what each takes, how it pages, and
-- whether it reads or writes. Rows are made when a method is first asked for
-- and kept; parameters are parsed when somebody looks at them.

local core = require "bitrix24.core".catalogue

local getmetatable, ipairs, next = getmetatable, ipairs, next
local type = type
local concat = table.concat

local _ENV = nil -- luacheck: ignore

local catalogue = {}

---@class bitrix24.Param
---@field name string as the documentation spells it; `UF_...` and `<selector>` are patterns
---@field type string? documented type: `a|b` alternatives, `x[]` an array; nil = not stated
---@field required boolean
---@field array boolean an empty table is sent as []
---@field file boolean takes a file's content
---@field aliases string[]?
---@field enum string[]? the whole set of values
---@field children bitrix24.Param[]? keys of the object, or of the array's items

---@class bitrix24.Page
---@field style "none"|"start"|"offset"|"last_id"|"page"|"cursor"|"limit"
---@field param string? the parameter that moves the page, as spelled
---@field index integer? place of `param` in a positional call
---@field limit string? the parameter that sets the page size, where it is one of its own
---@field size integer? records a page
---@field max integer? most that can be asked for
---@field also string[] further styles the method takes

---@class bitrix24.Row
---@field name string as the documentation spells it
---@field version 2|3
---@field kind "list"|"get"|"add"|"update"|"delete"|"fields"|"other"
---@field write boolean changes state; everything else may be repeated
---@field page bitrix24.Page
---@field result string? JSON type of `result`: array, object, boolean, integer, string, null, file
---@field items_key string? key of `result` that holds the list
---@field items_map boolean the list is an object keyed by identifier or code
---@field item_key string? key of `result` that holds the one item
---@field id_field string? identifier of a record in the answer
---@field more_keys string[] keys of `result` that tell of another page
---@field empty_array boolean an object result is [] when there is nothing
---@field app_context boolean refuses webhooks
---@field deprecated boolean
---@field replacement string? what to use instead
---@field positional boolean parameters are sent as an array, in order
---@field places boolean parameters may be sent as an array: by positional, and by all of `task`, also
--- where a page does not say it (api-reference/tasks/index)
---@field body_array boolean the body is an array of what the parameters describe
---@field envelope boolean the answer has `result`
---@field binary boolean the answer is a file
---@field total boolean the answer has `total`
---@field next boolean `next` is documented
---@field overlap boolean pages may repeat records
---@field keyset { filter: string, order: string, id: string }? how to walk by identifier
---@field batch boolean may travel in a batch
---@field scope string[]
---@field doc string page of the official documentation
---@field params fun(): bitrix24.Param[]
---@field shape fun(): table NAME = { array = boolean, children = shape? }, for the JSON encoder
---@field required fun(params: table?): string[] required parameters that are missing

local function split(text, pattern)
  local out = {}
  for word in (text or ""):gmatch(pattern or "%S+") do out[#out + 1] = word end
  return out
end

-- ---- parameters: the grammar of csrc/catalogue/row.lua ---------------------

local TYPES = {
  s = "string", i = "integer", d = "double", b = "boolean", c = "char", o = "object",
  a = "array", t = "datetime", f = "file",
}
local FILES = { file = true, diskfile = true, attached_diskfile = true }

--- The documented type; is it an array; is it a file.
local function read_type(text)
  if text == "" then return nil, false, false end
  local names, array, object, file = {}, false, false, false
  for alternative in text:gmatch("[^|]+") do
    local base = alternative:gsub("%[%]$", "")
    local name = TYPES[base] or base
    local is_list = base ~= alternative
    array = array or is_list or name == "array"
    object = object or (name == "object" and not is_list)
    file = file or FILES[name] or false
    names[#names + 1] = is_list and name .. "[]" or name
  end
  return concat(names, "|"), array and not object, file
end

--- Parameters from `at` on, until a brace closes; and where that was.
local function read_params(text, at)
  local out = {}
  while at <= #text and text:sub(at, at) ~= "}" do
    local name, bang, after = text:match("^([^!:({} ]+)(!?)()", at)
    local type_text, codes
    type_text, after = text:match("^:?([^({} ]*)()", after)
    codes, after = text:match("^%(?([^){} ]*)%)?()", after)
    local names = split(name, "[^~]+")
    local type_name, array, file = read_type(type_text)
    local param = { name = names[1], type = type_name, required = bang == "!", array = array, file = file }
    if names[2] then param.aliases = { names[2] } end
    if codes ~= "" then param.enum = split(codes, "[^|]+") end
    if text:sub(after, after) == "{" then
      param.children, after = read_params(text, after + 1)
      after = after + 1
    end
    out[#out + 1] = param
    at = text:match("^ *()", after)
  end
  return out, at
end

local function make_shape(params)
  local shape = {}
  for _, param in ipairs(params) do
    local entry = { array = param.array, children = param.children and make_shape(param.children) }
    shape[param.name] = entry
    for _, alias in ipairs(param.aliases or {}) do shape[alias] = entry end
  end
  return shape
end

-- ---- required parameters ---------------------------------------------------

local function is_pattern(name)
  return name:find("[<*%[]") ~= nil or name:find("...", 1, true) ~= nil
end

local function fold(given)
  local out = {}
  for key, value in next, given do
    if type(key) == "string" then out[key:lower()] = value end
  end
  return out
end

local function lookup(folded, param)
  local value = folded[param.name:lower()]
  for _, alias in ipairs(param.aliases or {}) do
    if value == nil then value = folded[alias:lower()] end
  end
  return value
end

local missing_in

--- Look into what was given for a parameter. Marked tables (bitrix24.array,
-- references of a batch) are not looked into. An object none of whose keys is
-- documented is a map of such objects, and left alone too; one with such a key
-- is what is described, also where the page calls it an array.
local function missing_below(out, param, value, path)
  if not param.children or type(value) ~= "table" or getmetatable(value) then return end
  if value[1] ~= nil then
    for i, item in ipairs(value) do
      missing_below(out, param, item, ("%s[%d]"):format(path, i))
    end
    return
  end
  local folded, known = fold(value), not param.array and next(value) == nil
  for _, child in ipairs(param.children) do
    known = known or lookup(folded, child) ~= nil
  end
  if known then missing_in(out, param.children, folded, path .. ".") end
end

function missing_in(out, params, folded, prefix)
  for _, param in ipairs(params) do
    local value = lookup(folded, param)
    local path = prefix .. param.name
    if value ~= nil then
      missing_below(out, param, value, path)
    elseif param.required and not is_pattern(param.name) then
      out[#out + 1] = path
    end
  end
end

--- "A|B&C|D": one of each group is needed.
local function missing_groups(out, needs, folded)
  for group in needs:gmatch("[^&]+") do
    local names, given = split(group, "[^|]+"), false
    for _, name in ipairs(names) do given = given or folded[name:lower()] ~= nil end
    if not given then out[#out + 1] = concat(names, " or ") end
  end
end

--- "a+b/c": one of the sets is needed, whole.
local function missing_sets(out, needs, folded)
  local sets = {}
  for set in needs:gmatch("[^/]+") do
    local whole = true
    for name in set:gmatch("[^+]+") do whole = whole and folded[name:lower()] ~= nil end
    if whole then return end
    sets[#sets + 1] = set:gsub("%+", " and ")
  end
  out[#out + 1] = concat(sets, ", or ")
end

local function find_missing(row, needs, given)
  local out = {}
  given = given or {}
  -- marked tables hold their content in a way of their own
  if type(given) ~= "table" or getmetatable(given) or row.body_array then return out end
  local params = row.params()
  if row.positional and (given[1] ~= nil or next(given) == nil) then
    for i, param in ipairs(params) do
      if param.required and given[i] == nil then out[#out + 1] = param.name end
    end
    return out
  end
  local folded = fold(given)
  if needs:find("[+/]") then
    -- the sets decide; a parameter that a set names is not required beside it
    local free = {}
    local named = "/" .. needs:lower():gsub("%+", "/") .. "/"
    for _, param in ipairs(params) do
      if not named:find("/" .. param.name:lower() .. "/", 1, true) then free[#free + 1] = param end
    end
    missing_in(out, free, folded, "")
    missing_sets(out, needs, folded)
  else
    missing_in(out, params, folded, "")
    missing_groups(out, needs, folded)
  end
  return out
end

-- ---- rows ------------------------------------------------------------------

local function find_param(params, lower_name)
  for i, param in ipairs(params) do
    if param.name:lower() == lower_name then return param, i end
  end
end

local function make_page(raw, row)
  local page = {
    style = raw.page_style, param = raw.page_param,
    size = raw.page_size, max = raw.max_page_size, also = split(raw.page_also),
  }
  if page.style == "none" then return page end
  local params = row.params()
  local limit = find_param(params, "limit")
  page.limit = limit and limit.name
  if row.positional and page.param then
    local _, index = find_param(params, page.param:lower())
    page.index = index
  end
  return page
end

local function make_keyset(raw, row)
  if not raw.keyset then return nil end
  local params = row.params()
  return {
    filter = find_param(params, "filter").name, order = find_param(params, "order").name,
    id = raw.keyset_id,
  }
end

local function make_row(raw)
  local row = {
    name = raw.name, version = raw.version, kind = raw.kind, write = raw.write, result = raw.result,
    items_key = raw.items_key, items_map = raw.items_map, item_key = raw.item_key,
    id_field = raw.id_field, more_keys = split(raw.more_keys), empty_array = raw.empty_array,
    app_context = raw.app_context, deprecated = raw.deprecated,
    replacement = raw.replacement and raw.replacement:gsub(" ", " or ") or nil,
    positional = raw.positional, places = raw.positional or raw.name:lower():find("^task%.") ~= nil,
    body_array = raw.body_array, envelope = not raw.no_envelope,
    binary = raw.binary, total = raw.total, next = raw.next, overlap = raw.overlap,
    batch = not raw.no_batch, scope = split(raw.scope), doc = raw.doc,
  }
  local params, shape
  function row.params()
    params = params or read_params(raw.params or "", 1)
    return params
  end
  function row.shape()
    if not shape then
      local described = row.params()
      if row.body_array and described[1] then described = described[1].children or described end
      shape = make_shape(described)
    end
    return shape
  end
  function row.required(given)
    return find_missing(row, raw.needs or "", given)
  end
  row.page = make_page(raw, row)
  row.keyset = make_keyset(raw, row)
  return row
end

-- version (0 = the catalogue decides) → name as asked → row
local rows = { [0] = {}, [2] = {}, [3] = {} }

--- The row of a method; nil when it is not documented in that version.
---@param name string in any case
---@param version 2|3|nil nil: 2 where the method exists in both
---@return bitrix24.Row?
function catalogue.find(name, version)
  local known = rows[version or 0]
  if not known then return nil end
  local row = known[name]
  if row then return row end
  local raw = core.find(name, version)
  if not raw then return nil end
  row = rows[raw.version][raw.name] or make_row(raw)
  rows[raw.version][raw.name] = row
  known[name] = row
  return row
end

--- The names nearest to a misspelt one, best first; empty when none is near.
---@param name string
---@param n integer? how many at most (3; up to 16)
---@return string[]
function catalogue.closest(name, n)
  return core.closest(name, n)
end

--- Is there a method below the path, as crm.deal.list is below crm?
---@param path string
---@return boolean
function catalogue.has_prefix(path)
  return core.has_prefix(path)
end

--- Is it a documented method, in whichever version?
---@param name string
---@return boolean
function catalogue.is_method(name)
  return rows[0][name] ~= nil or core.find(name) ~= nil
end

--- Iterate over method names in order, each once; with a prefix, over the
-- method of that name and those below it.
---@param prefix string?
---@return fun(): string?
function catalogue.each(prefix)
  local index, last = 0, nil
  local path = prefix and prefix ~= "" and prefix:lower():gsub("%.$", "") or nil
  return function()
    while true do
      index = index + 1
      local name = core.name_at(index)
      if not name then return nil end
      local lower = name:lower()
      local inside = not path or lower == path or lower:sub(1, #path + 1) == path .. "."
      if inside and lower ~= last then
        last = lower
        return name
      end
    end
  end
end

--- How many entries there are: a name in two versions counts twice.
---@return integer
function catalogue.count()
  return core.count()
end

return catalogue
