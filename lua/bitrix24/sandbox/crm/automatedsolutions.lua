--- Digital workplaces, crm.automatedsolution.* (crm/automated-solution/index).
-- Which smart processes belong to one is kept with the processes, so that each
-- belongs to one workplace at most: linking takes it away from another.

local ipairs, pairs = ipairs, pairs
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"

local _ENV = nil -- luacheck: ignore

local TITLES = { "HR", "Customer Success", "R&D" }
local FILTER = { id = true, title = true }

local function linked(store, id)
  local ids = json.array {}
  for type_id in store:ids("types") do
    if store:get("types", type_id).automatedSolutionId == id then ids[#ids + 1] = type_id end
  end
  return ids
end

local function show(call, record)
  return { id = record.id, title = record.title, typeIds = linked(call.store, record.id) }
end

-- The set of types is overwritten as a whole.
local function link(store, id, type_ids)
  local wanted = {}
  for _, type_id in ipairs(type_ids) do wanted[type_id] = true end
  for type_id in store:ids("types") do
    local record = store:get("types", type_id)
    if wanted[type_id] then
      record.automatedSolutionId = id
      store:set("types", type_id, record)
    elseif record.automatedSolutionId == id then
      record.automatedSolutionId = nil
      store:set("types", type_id, record)
    end
  end
end

-- typeIds as sent: nil when absent. Unknown ids are refused.
local function read_types(call, given)
  local sent = given.typeIds
  if sent == nil or sent == json.null then return nil end
  if sent == "" then return {} end -- a form cannot send an empty array otherwise
  if not common.is_list(sent) then
    call:fail("INVALID_ARG_VALUE", "Invalid value of field 'typeIds': array expected")
  end
  local ids = {}
  for i, value in ipairs(common.list(sent)) do
    local id = common.int(value)
    if not id or not call.store:exists("types", id) then
      call:fail("INVALID_ARG_VALUE", "Invalid value of field 'typeIds': SPA not found")
    end
    ids[i] = id
  end
  return ids
end

local function given_fields(call)
  local given = call:param("fields")
  if given == nil then common.missing(call, "fields") end
  return common.table(given) or {}
end

local function named(call)
  if call:param("id") == nil then common.missing(call, "id") end
  local id = common.id(call)
  local record = id and call.store:get("automatedsolutions", id)
  if not record then call:fail("NOT_FOUND", "Digital workplace with such id not found") end
  return record, id
end

local function add(call)
  local given = given_fields(call)
  local title = common.text(given.title)
  if not title then call:fail("BX_EMPTY_REQUIRED", "The required field 'Title' is not filled") end
  local type_ids = read_types(call, given)
  local id = call.store:add("automatedsolutions", { title = title })
  if type_ids then link(call.store, id, type_ids) end
  return { automatedSolution = show(call, call.store:get("automatedsolutions", id)) }
end

local function update(call)
  local _, id = named(call)
  local given = given_fields(call)
  local title = common.text(given.title)
  if given.title ~= nil and not title then
    call:fail("BX_EMPTY_REQUIRED", "Required field is not filled")
  end
  local type_ids = read_types(call, given)
  if title then call.store:update("automatedsolutions", id, { title = title }) end
  if type_ids then link(call.store, id, type_ids) end
  return { automatedSolution = show(call, call.store:get("automatedsolutions", id)) }
end

local function get(call)
  return { automatedSolution = show(call, (named(call))) }
end

local function list(call)
  local found, page = common.query(call, "automatedsolutions", {
    fields = FILTER, unknown = common.not_allowed(call),
  })
  local out = json.array {}
  for i, record in ipairs(found) do out[i] = show(call, record) end
  return { automatedSolutions = out }, page
end

local function delete(call)
  local _, id = named(call)
  if linked(call.store, id)[1] then
    call:fail("HAS_BOUND_TYPES", "Cannot delete the workplace that has SPAs. Move them to another workplace")
  end
  call.store:delete("automatedsolutions", id)
  return json.null
end

local function field(kind, name, required, read_only, multiple)
  return {
    type = kind, isRequired = required, isReadOnly = read_only, isImmutable = false,
    isMultiple = multiple, isDynamic = false, title = name, upperName = name,
  }
end

local function fields()
  return {
    id = field("integer", "ID", false, true, false),
    title = field("string", "TITLE", true, false, false),
    typeIds = field("crm_dynamic_type", "TYPE_IDS", false, false, true),
  }
end

return function(portal)
  portal.store:define("automatedsolutions", {
    id = "id",
    make = function(_, id) return { title = TITLES[id] or "Workplace " .. id } end,
    size = portal.store.sizes.automatedsolutions,
  })
  local about = { version = 2, scope = "crm" }
  for name, run in pairs { list = list, get = get, fields = fields } do
    portal:method("crm.automatedsolution." .. name, about, run)
  end
  for name, run in pairs { add = add, update = update, delete = delete } do
    portal:method("crm.automatedsolution." .. name, { version = 2, scope = "crm", write = true }, run)
  end
end
