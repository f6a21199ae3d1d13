--- What list methods do with their parameters: filter, order, select, page.
-- Prefixes of filter keys and their meaning: crm/universal/crm-item-list,
-- crm/contacts/crm-contact-list; paging: list-methods-pecularities and
-- settings/performance/huge-data.
--
-- Filters that only bound the id, walked in the order of ids, never look at
-- other records; every other query looks at all of them.

local error, floor, ipairs, next, pairs, select, tonumber, tostring, type =
  error, math.floor, ipairs, next, pairs, select, tonumber, tostring, type
local tointeger, maxinteger = math.tointeger, math.maxinteger
local move, sort = table.move, table.sort
local compare = require "bitrix24.sandbox.compare"

local _ENV = nil -- luacheck: ignore

local query = {}

local MULTIPLE = { ["IN"] = true, ["NOT IN"] = true }

-- Filter prefix → operation. None is equality, or IN when a list is given.
local PREFIX = {
  [""] = "EQUAL", ["="] = "EQUAL", ["!"] = "NOT EQUAL", ["!="] = "NOT EQUAL",
  [">"] = "ABOVE", [">="] = "FROM", ["<"] = "BELOW", ["<="] = "TO",
  ["@"] = "IN", ["!@"] = "NOT IN", ["><"] = "BETWEEN", ["!><"] = "NOT BETWEEN",
  ["%"] = "CONTAINS", ["!%"] = "NOT CONTAINS", ["?"] = "CONTAINS",
  ["=%"] = "LIKE", ["%="] = "LIKE", ["!=%"] = "NOT LIKE", ["!%="] = "NOT LIKE",
}

--- Take a filter key apart: ">=ID" → ">=", "ID".
---@param key string
---@return string prefix, string name
function query.key(key)
  return key:match("^([!=<>@%%?]*)(.*)$")
end

local function resolve(name, spec, where)
  local fields = spec.fields
  if not fields then return name end
  local field = fields[name]
  if field == nil and spec.fold then field = fields[name:upper()] end
  if field then return field == true and name or field end
  local unknown = spec.unknown
  if unknown == "error" then error("unknown field " .. name .. " in " .. where, 0) end
  if type(unknown) == "function" then unknown(name, where) end
  return nil
end

local function is_group(key, value)
  return type(value) == "table" and (type(key) == "number" or key:find("^%d+$") ~= nil)
end

-- Bounds of ids the top level of a filter sets; true when it does nothing else.
local function narrow(range, operation, value)
  local id = tonumber(value)
  if operation == "EQUAL" and type(value) == "table" then operation = "IN" end
  if MULTIPLE[operation] then
    if operation ~= "IN" or type(value) ~= "table" then return false end
    local ids = {}
    for _, item in pairs(value) do ids[#ids + 1] = tointeger(tonumber(item)) end
    sort(ids)
    range.only = range.only or ids
    return false
  end
  if not id then return false end
  if operation == "EQUAL" then
    local exact = tointeger(id) or 0
    if exact > range.from then range.from = exact end
    if exact < range.to then range.to = exact end
    return true
  elseif operation == "ABOVE" or operation == "FROM" then
    local from = operation == "ABOVE" and floor(id) + 1 or -floor(-id)
    if from > range.from then range.from = from end
    return true
  elseif operation == "BELOW" or operation == "TO" then
    local to = operation == "BELOW" and -floor(-id) - 1 or floor(id)
    if to < range.to then range.to = to end
    return true
  end
  return false
end

-- A filter as a predicate; nil when it lets everything pass.
local function compile(filter, spec, range)
  local tests, any = {}, false
  for key, value in pairs(filter) do
    if type(key) == "string" and key:lower() == "logic" and not spec.flat then
      any = tostring(value):upper() == "OR"
      if any then range = nil end
    end
  end
  for key, value in pairs(filter) do
    if is_group(key, value) then
      if not spec.flat then
        tests[#tests + 1] = compile(value, spec) or function() return true end
      end
    elseif type(key) == "string" and key:lower() ~= "logic" then
      local prefix, name = query.key(key)
      local operation = PREFIX[prefix]
      local field = resolve(operation and name or key, spec, "filter")
      if operation and field then
        local settled = range and field == spec.id and narrow(range, operation, value)
        if not settled then
          tests[#tests + 1] = compare.test(field, operation, value)
        end
      end
    end
  end
  local count = #tests
  if count == 0 then return nil end
  if count == 1 then return tests[1] end
  return function(record)
    for i = 1, count do
      if tests[i](record) == any then return any end
    end
    return not any
  end
end

--- A filter as a predicate of records.
---@param filter table?
---@param spec table? { fields=, unknown= }
---@return fun(record: table): boolean
function query.predicate(filter, spec)
  return compile(filter or {}, spec or {}) or function() return true end
end

-- The order as a list of { field, descending }. Order of the keys: spec.keys.
local function directions(order, spec)
  local list = {}
  if type(order) ~= "table" then return list end
  local keys
  if spec.keys then
    keys = spec.keys(order)
  else
    keys = {}
    for key in pairs(order) do keys[#keys + 1] = key end
    sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  end
  for _, key in ipairs(keys) do
    local value = order[key]
    if type(key) == "number" and type(value) == "table" then
      key, value = value[1] or next(value), value[2] or select(2, next(value))
    elseif type(key) == "number" then
      key, value = value, "ASC"
    end
    local field = type(key) == "string" and resolve(key, spec, "order")
    if field then
      list[#list + 1] = { field, tostring(value):upper():find("^DESC") ~= nil }
    end
  end
  return list
end

--- Sort records in place; equal ones by id.
---@param list table[]
---@param by table[] list of { field, descending }
---@param id_field string
local function arrange(list, by, id_field)
  local keys = {}
  for _, record in ipairs(list) do
    local key = {}
    for i = 1, #by do key[i] = compare.sort_key(record[by[i][1]]) end
    keys[record] = key
  end
  sort(list, function(a, b)
    local left, right = keys[a], keys[b]
    for i = 1, #by do
      local way = compare.rank(left[i], right[i])
      if way ~= 0 then
        if by[i][2] then return way > 0 end
        return way < 0
      end
    end
    return a[id_field] < b[id_field]
  end)
end

--- Fields of a selection with its masks.
---@param record table
---@param names string[]
---@param id_field string
local function project(record, names, id_field)
  local out = { [id_field] = record[id_field] }
  for _, name in ipairs(names) do
    if name == "*" or name == "UF_*" then
      for field, value in pairs(record) do
        if (field:find("^UF_") ~= nil) == (name == "UF_*") then out[field] = value end
      end
    else
      out[name] = record[name]
    end
  end
  return out
end

-- Ids in the range, one after the other in either direction.
local function walker(store, kind, range, descending)
  if range.only then
    local list = {}
    for i, id in ipairs(range.only) do
      if id ~= range.only[i - 1] and id >= range.from and id <= range.to and store:exists(kind, id) then
        list[#list + 1] = id
      end
    end
    local at, step = descending and #list + 1 or 0, descending and -1 or 1
    return function()
      at = at + step
      return list[at]
    end
  end
  if not descending then return store:ids(kind, range.from, range.to) end
  local id = range.to < store:last_id(kind) and range.to + 1 or store:last_id(kind) + 1
  return function()
    repeat
      id = id - 1
      if id < range.from then return nil end
    until store:exists(kind, id)
    return id
  end
end

-- One page in the order of ids. Without a test the total is counted, not walked.
local function walk(store, kind, range, test, descending, offset, limit, counted)
  local list, seen = {}, 0
  local plain = not test and not range.only
  local low, high = range.from, range.to
  if plain and offset > 0 and store:count(kind) == store:last_id(kind) then
    -- No holes: ids are positions, so the offset needs no walking.
    if descending then
      high = (high < store:last_id(kind) and high or store:last_id(kind)) - offset
    else
      low = low + offset
    end
    seen = offset
  end
  for id in walker(store, kind, { from = low, to = high, only = range.only }, descending) do
    local record = (test or seen >= offset) and store:get(kind, id)
    if not test or test(record) then
      seen = seen + 1
      if seen > offset and #list < limit then
        list[#list + 1] = record
      end
      if #list >= limit and (plain or not counted) then break end
    end
  end
  if not counted then return list end
  return list, plain and store:count(kind, range.from, range.to) or seen
end

local function integer(value, default)
  return tointeger(tonumber(value)) or default
end

--- Run a list query.
---@param store table
---@param kind string
---@param spec table { filter=, order=, select=, start=, limit=50,
---  fields = map of allowed names to field names or true, fold = names in any case,
---  flat = groups and `logic` are passed over,
---  unknown = "ignore"|"error"|fun(name, where), keys = fun(object) → its keys in order }
---@return table[] records, integer? total, integer? next
function query.run(store, kind, spec)
  local id_field = store:id_field(kind)
  local inner = {
    fields = spec.fields, fold = spec.fold, flat = spec.flat, unknown = spec.unknown, keys = spec.keys,
    id = id_field,
  }
  local limit, start = spec.limit or 50, integer(spec.start, 0)
  local counted = start >= 0
  local offset = counted and start or 0
  local range = { from = 1, to = maxinteger }
  local test = type(spec.filter) == "table" and compile(spec.filter, inner, range) or nil
  local by = directions(spec.order, inner)
  local list, total
  if #by == 0 or by[1][1] == id_field then
    local descending = #by > 0 and by[1][2]
    list, total = walk(store, kind, range, test, descending, offset, limit, counted)
  else
    local all = {}
    for id in walker(store, kind, range) do
      local record = store:get(kind, id)
      if not test or test(record) then all[#all + 1] = record end
    end
    arrange(all, by, id_field)
    total = #all
    list = move(all, offset + 1, limit < total - offset and offset + limit or total, 1, {})
  end
  if type(spec.select) == "table" and #spec.select > 0 then
    for i, record in ipairs(list) do list[i] = project(record, spec.select, id_field) end
  end
  if not counted then return list end
  return list, total, limit < total - offset and offset + limit or nil
end

return query
