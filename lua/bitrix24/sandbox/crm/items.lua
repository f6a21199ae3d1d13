--- crm.item.*: leads, deals, contacts, companies and smart processes behind one
-- set of methods (crm/universal/crm-item-list and its neighbours), and the
-- pipelines of deals and smart processes, crm.category.list.

local ipairs = ipairs
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local entities = require "bitrix24.sandbox.crm.entities"
local view = require "bitrix24.sandbox.crm.view"
local write = require "bitrix24.sandbox.crm.write"

local _ENV = nil -- luacheck: ignore

local function entity_of(call)
  local sent = call:param("entityTypeId")
  if sent == nil then common.missing(call, "entityTypeId") end
  local entity = entities.of(call.store, common.int(sent))
  if not entity then call:fail("NOT_FOUND", "Smart process not found") end
  return entity
end

local function item_of(call)
  local entity = entity_of(call)
  if call:param("id") == nil then common.missing(call, "id") end
  local id = common.id(call)
  local record = id and call.store:get(entity.kind, id)
  if not record then call:fail("NOT_FOUND", "Item not found") end
  return entity, record, id
end

-- The answer of get, add and update.
local function show(call, entity, record)
  local columns = view.item_columns(entity.set)
  local extra = entity.set.by_name.PHONE and view.EXTRA
  local item = view.item(record, columns, extra, common.yes(call:param("useOriginalUfNames")))
  item.entityTypeId = entity.id
  return { item = item }
end

local function list(call)
  local entity = entity_of(call)
  local found, page = common.query(call, entity.kind, {
    fields = entity.set.item_filter, unknown = common.not_allowed(call),
  })
  local columns, extra = view.item_columns(entity.set, call:param("select"))
  local original = common.yes(call:param("useOriginalUfNames"))
  local items = json.array {}
  for i, record in ipairs(found) do items[i] = view.item(record, columns, extra, original) end
  return { items = items }, page
end

local function get(call)
  local entity, record = item_of(call)
  return show(call, entity, record)
end

local function given_fields(call)
  local given = call:param("fields")
  if given == nil then common.missing(call, "fields") end
  return common.table(given) or {}
end

local function add(call)
  local entity = entity_of(call)
  local id = write.add(call, entity, given_fields(call), true)
  return show(call, entity, call.store:get(entity.kind, id))
end

local function update(call)
  local entity, _, id = item_of(call)
  write.update(call, entity, id, given_fields(call), true)
  return show(call, entity, call.store:get(entity.kind, id))
end

local function delete(call)
  local entity, _, id = item_of(call)
  call.store:delete(entity.kind, id)
  return json.array {}
end

local function fields(call)
  return { fields = view.fields(entity_of(call).set, true) }
end

local function category(id, name, sort, entity, default)
  return { id = id, name = name, sort = sort, entityTypeId = entity, isDefault = default, originId = "",
    originatorId = "" }
end

local function categories(call)
  local entity = entity_of(call)
  local out = json.array {}
  if entity.id == 2 then
    out[1] = category(0, "General", 200, 2, "Y")
    out[2] = category(1, "Partners", 300, 2, "N")
  elseif entity.type_id then
    out[1] = category(entity.type_id, "General", 500, entity.id, "Y")
  else
    call:fail("ENTITY_TYPE_NOT_SUPPORTED", "Entity type {" .. entity.title .. "} is not supported")
  end
  return { categories = out }, { total = #out }
end

return function(portal)
  local about = { version = 2, scope = "crm" }
  local changing = { version = 2, scope = "crm", write = true }
  portal:method("crm.item.list", about, list)
  portal:method("crm.item.get", about, get)
  portal:method("crm.item.add", changing, add)
  portal:method("crm.item.update", changing, update)
  portal:method("crm.item.delete", changing, delete)
  portal:method("crm.item.fields", about, fields)
  portal:method("crm.category.list", about, categories)
end
