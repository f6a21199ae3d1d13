--- The older methods of contacts, companies, deals and leads: crm.contact.list,
-- .get, .add, .update, .delete, .fields and their like. Records are in `result`
-- itself, ids are text (crm/contacts/crm-contact-list).

local ipairs = ipairs
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local entities = require "bitrix24.sandbox.crm.entities"
local view = require "bitrix24.sandbox.crm.view"
local write = require "bitrix24.sandbox.crm.write"

local _ENV = nil -- luacheck: ignore

local function list(entity)
  return function(call)
    -- `logic` and groups are for crm.item.list alone (crm/contacts/crm-contact-list).
    local found, page = common.query(call, entity.kind, { fields = entity.set.filter, flat = true })
    local columns = view.columns(entity.set, call:param("select"))
    local out = json.array {}
    for i, record in ipairs(found) do out[i] = view.record(record, columns) end
    return out, page
  end
end

-- The record a call names. A missing or wrong id and an unknown one are
-- different failures without a code.
local function named(call, entity)
  local id = common.id(call)
  if not id then call:fail("", "ID is not defined or invalid.") end
  local record = call.store:get(entity.kind, id)
  if not record then call:fail("", "Not found") end
  return record, id
end

local function get(entity)
  local columns = view.all_columns(entity.set)
  return function(call)
    return view.record(named(call, entity), columns)
  end
end

local function add(entity)
  return function(call)
    local given = call:param("fields")
    if given ~= nil and not common.table(given) then
      call:fail("", "Parameter 'fields' must be array.")
    end
    return write.add(call, entity, given or {}, false)
  end
end

local function update(entity)
  return function(call)
    local given = call:param("fields")
    if given ~= nil and not common.table(given) then
      call:fail("", "Parameter 'fields' must be array.")
    end
    local _, id = named(call, entity)
    write.update(call, entity, id, given or {}, false)
    return true
  end
end

local function delete(entity)
  return function(call)
    local _, id = named(call, entity)
    return call.store:delete(entity.kind, id)
  end
end

return function(portal)
  for id = 1, 4 do
    local entity = entities.of(portal.store, id)
    local prefix = "crm." .. entity.name:lower()
    local about = { version = 2, scope = "crm" }
    local changing = { version = 2, scope = "crm", write = true }
    portal:method(prefix .. ".list", about, list(entity))
    portal:method(prefix .. ".get", about, get(entity))
    portal:method(prefix .. ".add", changing, add(entity))
    portal:method(prefix .. ".update", changing, update(entity))
    portal:method(prefix .. ".delete", changing, delete(entity))
    portal:method(prefix .. ".fields", about, function() return view.fields(entity.set, false) end)
  end
end
