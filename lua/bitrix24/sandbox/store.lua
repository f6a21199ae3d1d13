--- The records of the portal, by kind. A collection is a generator and an
-- overlay: record `id` of 1…size is made when somebody asks for it, always the
-- same one, and what was added, changed or deleted lies above. A million
-- contacts cost nothing until they are read.
--
-- What goes in and out is copied: a caller may change what it was given.

local error, getmetatable, ipairs, pairs, setmetatable, tonumber, tostring, type =
  error, getmetatable, ipairs, pairs, setmetatable, tonumber, tostring, type
local max, maxinteger, tointeger = math.max, math.maxinteger, math.tointeger
local concat, insert, remove, sort = table.concat, table.insert, table.remove, table.sort
local gsub, lower = string.gsub, string.lower
local null = require "bitrix24.json".null
local default_sizes = require "bitrix24.sandbox.seed".sizes

local _ENV = nil -- luacheck: ignore

local store = {}

local Store = { __name = "bitrix24.sandbox.store" }
Store.__index = Store

-- A collection: id (name of the id field), make(seed, id), base (how many are
-- generated), initial (records it begins with instead), over (id → record or
-- false when deleted), gone (deleted generated ids), extra (sorted ids above
-- the generated ones), last (highest id ever given).

local function copy(value)
  if type(value) ~= "table" or value == null then return value end
  local to = {}
  for key, item in pairs(value) do
    if type(item) == "table" then item = copy(item) end
    to[key] = item
  end
  return setmetatable(to, getmetatable(value))
end

local function to_id(id)
  return tointeger(tonumber(id))
end

--- Position of the first element of a sorted list that is >= id.
local function lower_bound(list, id)
  local low, high = 1, #list + 1
  while low < high do
    local middle = (low + high) // 2
    if list[middle] < id then low = middle + 1 else high = middle end
  end
  return low
end

local function put_id(list, id)
  local at = lower_bound(list, id)
  if list[at] ~= id then insert(list, at, id) end
end

local function drop_id(list, id)
  local at = lower_bound(list, id)
  if list[at] == id then remove(list, at) end
end

local function fill(collection)
  collection.over, collection.gone, collection.extra = {}, {}, {}
  collection.last = collection.base
  for index, record in ipairs(collection.initial or {}) do
    local id = to_id(record[collection.id]) or index
    local mine = copy(record)
    mine[collection.id] = id
    collection.over[id] = mine
    put_id(collection.extra, id)
    if id > collection.last then collection.last = id end
  end
end

--- Make a store.
---@param options table? { seed=, sizes=, fixture= }
---@return table
function store.new(options)
  options = options or {}
  local sizes = {}
  for name, size in pairs(default_sizes) do sizes[name] = size end
  for name, size in pairs(options.sizes or {}) do
    sizes[name] = tointeger(tonumber(size)) or sizes[name]
  end
  return setmetatable({
    seed = tointeger(tonumber(options.seed)) or 7,
    sizes = sizes,
    fixture = options.fixture or {},
    kinds = {},
  }, Store)
end

-- So many made records show which fields there are.
local SAMPLES = 8

local function plain(name) return (gsub(lower(name), "_", "")) end

--- A function that copies a record of a fixture, its fields spelled as those of
-- made records are: LAST_NAME, where somebody writes lastName as in answers.
local function speller(make, seed)
  local names = {}
  for id = 1, make and SAMPLES or 0 do
    for name in pairs(make(seed, id) or {}) do names[plain(name)] = name end
  end
  return function(record)
    local mine = {}
    for name, value in pairs(copy(record)) do
      local known = names[plain(name)] or name
      if known == name or record[known] == nil then mine[known] = value end
    end
    return mine
  end
end

--- Records of the fixture, each with an id: its own, however it is written, else
-- one that is free. nil where the fixture says nothing of the kind.
---@param kind string
---@param id_field string
---@param make (fun(seed: integer, id: integer): table?)? what others of the kind are made by
---@return table[]?
function Store:given(kind, id_field, make)
  local records = self.fixture[kind]
  if not records then return nil end
  local list, taken, last, spelled = {}, {}, 0, speller(make, self.seed)
  for i, record in ipairs(records) do
    local mine = spelled(record)
    local id = to_id(mine[id_field] or mine.ID or mine.id)
    mine.ID, mine.id = nil, nil
    mine[id_field] = id
    if id then taken[id], last = true, max(last, id) end
    list[i] = mine
  end
  for i, mine in ipairs(list) do
    if not mine[id_field] then
      local id = taken[i] and last + 1 or i
      mine[id_field], taken[id], last = id, true, max(last, id)
    end
  end
  return list
end

--- Declare a kind of records.
---@param kind string
---@param definition table { id = name of the id field ("ID"), make = fun(seed, id): table,
---  size = how many, records = list to begin with instead of a generator, given = the fixture's }
function Store:define(kind, definition)
  local id_field = definition.id or "ID"
  local records = definition.given or self:given(kind, id_field, definition.make) or definition.records
  local collection = {
    id = id_field,
    make = definition.make,
    base = not records and tointeger(tonumber(definition.size)) or 0,
    initial = records,
  }
  fill(collection)
  self.kinds[kind] = collection
end

local function find(self, kind)
  local collection = self.kinds[kind]
  if collection then return collection end
  local names = {}
  for name in pairs(self.kinds) do names[#names + 1] = name end
  sort(names)
  error(("the sandbox has no records of kind '%s'; it has %s")
    :format(tostring(kind), concat(names, ", ")), 3)
end

local function exists(collection, id)
  if not id then return false end
  local over = collection.over[id]
  if over ~= nil then return over ~= false end
  return id >= 1 and id <= collection.base
end

local function fetch(self, collection, id)
  local over = collection.over[id]
  if over then return copy(over) end
  if over == nil and id >= 1 and id <= collection.base then
    local record = collection.make(self.seed, id)
    if record then record[collection.id] = id end
    return record
  end
  return nil
end

--- Whether a kind is declared.
---@param kind string
---@return boolean
function Store:has(kind)
  return self.kinds[kind] ~= nil
end

--- Name of the id field of a kind.
---@param kind string
---@return string
function Store:id_field(kind)
  return find(self, kind).id
end

--- A record, or nil.
---@param kind string
---@param id integer|string
---@return table?
function Store:get(kind, id)
  local collection = find(self, kind)
  id = to_id(id)
  return id and fetch(self, collection, id)
end

--- Whether there is such a record, without making it.
---@param kind string
---@param id integer|string
---@return boolean
function Store:exists(kind, id)
  return exists(find(self, kind), to_id(id))
end

local function write(collection, id, record)
  if id > collection.base then put_id(collection.extra, id) else collection.gone[id] = nil end
  if id > collection.last then collection.last = id end
  record[collection.id] = id
  collection.over[id] = record
end

--- Add a record under the next free id. Ids of deleted records are not reused.
---@param kind string
---@param fields table
---@return integer id
function Store:add(kind, fields)
  local collection = find(self, kind)
  local id = collection.last + 1
  write(collection, id, copy(fields))
  return id
end

--- Overwrite the fields given. → false when there is no such record
---@param kind string
---@param id integer|string
---@param fields table
---@return boolean
function Store:update(kind, id, fields)
  local collection = find(self, kind)
  id = to_id(id)
  local record = id and fetch(self, collection, id)
  if not record then return false end
  for name, value in pairs(copy(fields)) do record[name] = value end
  write(collection, id, record)
  return true
end

--- Delete a record. → false when there is no such record
---@param kind string
---@param id integer|string
---@return boolean
function Store:delete(kind, id)
  local collection = find(self, kind)
  id = to_id(id)
  if not exists(collection, id) then return false end
  if id > collection.base then
    drop_id(collection.extra, id)
    collection.over[id] = nil
  else
    collection.over[id] = false
    collection.gone[id] = true
  end
  return true
end

--- Put a record in place of whatever is there; nil deletes.
---@param kind string
---@param id integer|string
---@param fields table?
function Store:set(kind, id, fields)
  if fields == nil then
    self:delete(kind, id)
  else
    local collection = find(self, kind)
    id = to_id(id)
    if not id or id < 1 then error("an id is a positive integer", 2) end
    write(collection, id, copy(fields))
  end
end

--- Ids that exist, ascending, between two inclusive bounds.
---@param kind string
---@param from integer?
---@param to integer?
---@return fun(): integer?
function Store:ids(kind, from, to)
  local collection = find(self, kind)
  local over, base, extra = collection.over, collection.base, collection.extra
  from, to = from or 1, to or maxinteger
  local id = from < 1 and 0 or from - 1
  local at = lower_bound(extra, from)
  return function()
    while id < base do
      id = id + 1
      if id > to then return nil end
      if over[id] ~= false then return id end
    end
    local found = extra[at]
    if not found or found > to then return nil end
    at = at + 1
    return found
  end
end

--- How many ids exist between two inclusive bounds; all of them without bounds.
---@param kind string
---@param from integer?
---@param to integer?
---@return integer
function Store:count(kind, from, to)
  local collection = find(self, kind)
  from, to = from or 1, to or maxinteger
  if from < 1 then from = 1 end
  if to < from then return 0 end
  local high = to < collection.base and to or collection.base
  local count = high >= from and high - from + 1 or 0
  for id in pairs(collection.gone) do
    if id >= from and id <= to then count = count - 1 end
  end
  local extra = collection.extra
  local above = to == maxinteger and #extra + 1 or lower_bound(extra, to + 1)
  return count + above - lower_bound(extra, from)
end

--- All records of a kind, in the order of their ids.
---@param kind string
---@return table[]
function Store:records(kind)
  local collection, list = find(self, kind), {}
  for id in self:ids(kind) do
    list[#list + 1] = fetch(self, collection, id)
  end
  return list
end

--- The records that were added or changed since the start, in no order; those
-- of a fixture count as added.
---@param kind string
---@return table[]
function Store:changed(kind)
  local list = {}
  for _, record in pairs(find(self, kind).over) do
    if record then list[#list + 1] = copy(record) end
  end
  return list
end

--- Highest id ever used.
---@param kind string
---@return integer
function Store:last_id(kind)
  return find(self, kind).last
end

--- Everything back to the start.
function Store:reset()
  for _, collection in pairs(self.kinds) do fill(collection) end
end

return store
