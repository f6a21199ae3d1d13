-- What the whole company of the sandbox has in common: its sizes, the dice its
-- people and chats are made with, and the reading of parameters as the
-- platform reads them (numbers may come as text, "Y" is true).
--
-- Everything made here is a pure function of the seed, so that a record can be
-- generated the first time somebody asks for it and still be the same always.

local keyorder = require "bitrix24.sandbox.keyorder"
local query = require "bitrix24.sandbox.query"

local world = {}

-- Sizes of the collections that are the same on every portal.
local DEFAULT = {
  teams = 5, events = 260, notes = 120, sources = 70, hcm_companies = 130, files = 25,
}

-- Generated records are older than this moment, 2026-01-01T00:00:00Z: records
-- that a script adds carry the portal's clock and are newer.
world.EPOCH = 1767225600

--- How many records of a kind this portal has.
---@param portal table
---@param name string
---@return integer? nil when nothing names a number
function world.size(portal, name)
  local size = portal.store.sizes[name] or DEFAULT[name]
  -- there is always the webhook's owner, and the company he works for
  return (name == "users" or name == "departments") and math.max(size, 1) or size
end

--- The number everything is generated from.
function world.seed(portal)
  return portal.store.seed
end

-- Records kept by a generator before it starts anew.
local KEPT = 20000

-- A generator that makes a record once and then hands out copies. Only the
-- record is copied: lists in it are shared and must not be changed in place.
local function remembering(make)
  local made, count = {}, 0
  return function(seed, id)
    local record = made[id]
    if not record then
      if count == KEPT then
        made, count = {}, 0
      end
      record = make(seed, id)
      made[id], count = record, count + 1
    end
    local copy = {}
    for name, value in pairs(record) do
      copy[name] = value
    end
    return copy
  end
end

--- Declares a kind of records. A fixture may leave fields out: they are those
--- of the generated record with the same id.
---@param portal table
---@param kind string
---@param id_field string
---@param make fun(seed: integer, id: integer): table
---@param size integer? the size called like the kind
function world.define(portal, kind, id_field, make, size)
  local store = portal.store
  make = remembering(make)
  local full = store:given(kind, id_field, make)
  for index, given in ipairs(full or {}) do
    local record = make(store.seed, given[id_field])
    for name, value in pairs(given) do
      record[name] = value
    end
    full[index] = record
  end
  store:define(kind, { id = id_field, make = make, given = full, size = size or world.size(portal, kind) })
end

--- All records that fit a filter, in an order made by world.order.
---@return table[]
function world.find(call, kind, filter, order)
  return (query.run(call.store, kind, {
    filter = filter, order = order, keys = keyorder.keys, start = 0, limit = math.maxinteger,
  }))
end

--- Address of the portal, without a slash at the end.
function world.url(portal)
  return portal.options and portal.options.url or portal.url or ""
end

--- Throws the dice: the same arguments give the same number.
---@param seed integer
---@param ... string|integer
---@return integer 31 bits, never negative
function world.roll(seed, ...)
  local h = 0x9e3779b97f4a7c15 ~ (math.tointeger(seed) or 0)
  for i = 1, select("#", ...) do
    local part = select(i, ...)
    if type(part) == "string" then
      for j = 1, #part do
        h = (h ~ part:byte(j)) * 0x100000001b3
      end
    else
      h = (h ~ part) * 0x100000001b3
    end
    h = (h ~ (h >> 32)) * 0x2545f4914f6cdd1d
  end
  return (h ~ (h >> 29)) >> 33
end

--- One of the list, by the dice.
function world.pick(list, seed, ...)
  return list[1 + world.roll(seed, ...) % #list]
end

local function gcd(a, b)
  while b ~= 0 do
    a, b = b, a % b
  end
  return a
end

--- `count` different numbers of 1…n in a mixed order that begins with `first`.
---@return integer[]
function world.sample(seed, name, id, n, count, first)
  local step = 1 + world.roll(seed, name, id, "step") % n
  while gcd(step, n) ~= 1 do
    step = step + 1
  end
  local list = {}
  for k = 0, math.min(count, n) - 1 do
    list[#list + 1] = (first - 1 + k * step) % n + 1
  end
  return list
end

--- A whole number however it was sent, or the default.
---@return integer?
function world.int(value, default)
  local number = tonumber(value)
  return number and math.tointeger(number) or default
end

--- Whether a flag is set: true, "Y", "1", 1, "true".
function world.yes(value)
  if type(value) == "string" then
    local text = value:upper()
    return text == "Y" or text == "1" or text == "TRUE"
  end
  return value == true or value == 1
end

--- LIMIT as the messenger reads it: the default for none or nonsense, cut at the maximum.
function world.limit(value, default, max)
  local limit = world.int(value, default)
  if limit < 1 then
    limit = default
  end
  return math.min(limit, max)
end

--- `start` names a page: the page size is fixed and a number in between means
--- the page it lies in (settings/how-to-call-rest-api/list-methods-pecularities;
--- the example of user.get sends 10 and gets the first page).
function world.start(value)
  local start = world.int(value, 0)
  if start < 0 then
    return -1
  end
  return start - start % 50
end

--- Cuts one page of 50 out of a finished list.
---@return table[] page, table envelope
function world.page(list, start)
  local first = math.max(start, 0)
  local page = table.move(list, first + 1, math.min(first + 50, #list), 1, {})
  if start < 0 then
    return page, {}
  end
  return page, { total = #list, next = first + 50 < #list and first + 50 or nil }
end

-- Upper to lower for the two-byte letters names are written with: Latin-1,
-- Latin Extended-A, where pairs of codes are upper and lower, and Cyrillic.
-- Everything else is its own lower case.
local function lower_code(code)
  if code < 128 then
    return string.char(code):lower():byte()
  elseif code >= 0xC0 and code <= 0xDE and code ~= 0xD7 then
    return code + 0x20
  elseif (code >= 0x100 and code <= 0x137) or (code >= 0x14A and code <= 0x177) then
    return code | 1
  elseif (code >= 0x139 and code <= 0x148) or (code >= 0x179 and code <= 0x17E) then
    return code + code % 2
  elseif code >= 0x410 and code <= 0x42F then
    return code + 0x20
  elseif code >= 0x400 and code <= 0x40F then
    return code + 0x50
  end
  return code
end

--- An order {COLUMN = "ASC"|"DESC"} of what was sent, with its keys in the
--- order in which they came, because the first one ranks first.
---@param given any
---@param column fun(name: string): string? column of a name; nil: not sortable
---@param default string column to sort by when nothing was sent
---@return table<string, string>
function world.order(given, column, default)
  local order, names = {}, {}
  for _, key in ipairs(type(given) == "table" and keyorder.keys(given) or {}) do
    local name = column(tostring(key):upper())
    if name and not order[name] then
      names[#names + 1] = name
      order[name] = tostring(given[key]):upper():find("^DESC") and "DESC" or "ASC"
    end
  end
  if #names == 0 then
    return { [default] = "ASC" }
  end
  keyorder.set(order, names)
  return order
end

--- Lower case of UTF-8 text; bytes that are no UTF-8 stay as they are.
function world.lower(text)
  if not text:find("[\x80-\xFF]") or not utf8.len(text) then
    return text:lower()
  end
  local parts = {}
  for _, code in utf8.codes(text) do
    parts[#parts + 1] = utf8.char(lower_code(code))
  end
  return table.concat(parts)
end

--- Length in characters, not bytes.
function world.characters(text)
  return utf8.len(text) or #text
end

--- Whether the text contains the phrase, in any letter case.
function world.contains(text, phrase)
  return world.lower(text):find(world.lower(phrase), 1, true) ~= nil
end

--- A search phrase of at least three characters, nil when there is none.
--- Fails the call with FIND_SHORT when it is shorter (chats/search/*).
function world.phrase(call, name)
  local text = call:param(name)
  if text == nil or text == "" or type(text) == "table" or type(text) == "userdata" then
    return nil
  end
  text = tostring(text):match("^%s*(.-)%s*$")
  if world.characters(text) < 3 then
    call:fail("FIND_SHORT", "Too short a search phrase.")
  end
  return text
end

return world
