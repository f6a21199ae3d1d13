--- The types of objects of the CRM by their numbers (crm.enum.ownertype) and
-- where their records are kept.

local ipairs = ipairs
local format, match = string.format, string.match
local tonumber, tointeger = tonumber, math.tointeger
local fields = require "bitrix24.sandbox.crm.fields"
local generate = require "bitrix24.sandbox.crm.generate"

local _ENV = nil -- luacheck: ignore

local entities = {}

local FIXED = {
  [1] = { id = 1, kind = "leads", name = "LEAD", title = "Lead", short = "L" },
  [2] = { id = 2, kind = "deals", name = "DEAL", title = "Deal", short = "D" },
  [3] = { id = 3, kind = "contacts", name = "CONTACT", title = "Contact", short = "C" },
  [4] = { id = 4, kind = "companies", name = "COMPANY", title = "Company", short = "CO" },
}
for id, entity in ipairs(FIXED) do entity.set = fields.of(id) end

-- Types that exist on every portal and hold nothing here.
entities.OTHER = {
  { ID = 5, NAME = "Invoice (old version)", SYMBOL_CODE = "INVOICE", SYMBOL_CODE_SHORT = "I" },
  { ID = 31, NAME = "Invoice", SYMBOL_CODE = "SMART_INVOICE", SYMBOL_CODE_SHORT = "SI" },
  { ID = 7, NAME = "Quote", SYMBOL_CODE = "QUOTE", SYMBOL_CODE_SHORT = "Q" },
  { ID = 8, NAME = "Billing Details", SYMBOL_CODE = "REQUISITE", SYMBOL_CODE_SHORT = "RQ" },
  { ID = 36, NAME = "Document", SYMBOL_CODE = "SMART_DOCUMENT", SYMBOL_CODE_SHORT = "DO" },
  { ID = 39, NAME = "Company Document", SYMBOL_CODE = "SMART_B2E_DOC", SYMBOL_CODE_SHORT = "SBD" },
}

--- The smart process with this number.
---@param store table
---@param entity_type_id integer
---@return table? type record
function entities.type_of(store, entity_type_id)
  for id in store:ids("types") do
    local record = store:get("types", id)
    if record.entityTypeId == entity_type_id then return record end
  end
  return nil
end

--- Declare the collection of a smart process, if it has none yet.
---@param store table
---@param record table of the type
---@return string kind
function entities.declare(store, record)
  local kind = format("items_%d", record.entityTypeId)
  if not store:has(kind) then
    store:define(kind, {
      id = "ID", make = generate.item(store.sizes, record), size = record.seeded and store.sizes.items or 0,
    })
  end
  return kind
end

local function of_type(store, record)
  return {
    id = record.entityTypeId,
    kind = entities.declare(store, record),
    name = format("DYNAMIC_%d", record.entityTypeId),
    title = record.title,
    short = format("T%x", record.entityTypeId),
    set = fields.of(record.entityTypeId, record.id),
    type_id = record.id,
  }
end

--- A type of objects by its number.
---@param store table
---@param entity_type_id integer?
---@return table? { id, kind, name, title, short, set, type_id? }
function entities.of(store, entity_type_id)
  if not entity_type_id then return nil end
  if FIXED[entity_type_id] then return FIXED[entity_type_id] end
  local record = entities.type_of(store, entity_type_id)
  return record and of_type(store, record)
end

--- A type of objects by its name: DEAL, DYNAMIC_1030.
---@param store table
---@param name string
---@return table?
function entities.named(store, name)
  for _, entity in ipairs(FIXED) do
    if entity.name == name then return entity end
  end
  local number = match(name, "^DYNAMIC_(%d+)$")
  return number and entities.of(store, tointeger(tonumber(number)))
end

--- Every type of objects that holds records here.
---@param store table
---@return table[]
function entities.all(store)
  local list = { FIXED[1], FIXED[2], FIXED[3], FIXED[4] }
  for id in store:ids("types") do list[#list + 1] = of_type(store, store:get("types", id)) end
  return list
end

return entities
