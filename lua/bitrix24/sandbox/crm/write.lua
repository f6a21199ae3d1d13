--- Writing records of the CRM: the fields a caller sends become what is kept.

local ipairs, pairs, tonumber, tostring, type = ipairs, pairs, tonumber, tostring, type
local tointeger = math.tointeger
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local generate = require "bitrix24.sandbox.crm.generate"

local _ENV = nil -- luacheck: ignore

local write = {}

local INTEGERS = {
  integer = true, user = true, crm_company = true, crm_contact = true, crm_lead = true,
  crm_category = true, crm_quote = true, location = true,
}

-- Ids of phones and addresses added later lie above those generated.
local CONTACT_DATA_BASE = 60000000

local function scalar(kind, value)
  if value == nil or value == json.null then return nil end
  if INTEGERS[kind] then return tointeger(tonumber(value)) end
  if kind == "double" then return tonumber(value) and tonumber(value) + 0.0 end
  if kind == "char" then return common.yes(value) and "Y" or "N" end
  if value == "" then return nil end
  if kind == "date" or kind == "datetime" then
    value = tostring(value)
    return value:find("^%d%d%d%d%-%d%d%-%d%d$") and value .. "T00:00:00+03:00" or value
  end
  if type(value) == "table" or type(value) == "boolean" then return value end
  return tostring(value)
end

local function integers(value)
  local list = {}
  for _, item in ipairs(common.list(value)) do
    list[#list + 1] = tointeger(tonumber(item))
  end
  return list
end

-- Phones and the like: items with an ID change or remove what is there, items
-- without one are added (crm/contacts/crm-contact-update).
local function merge_contact_data(store, kind, old, given)
  local list, position = {}, {}
  for i, item in ipairs(old or {}) do
    list[i] = item
    position[item.ID] = i
  end
  if type(given) == "string" then given = { { VALUE = given } } end
  for _, item in ipairs(common.list(given)) do
    if type(item) ~= "table" then item = { VALUE = item } end
    local value = item.VALUE ~= json.null and item.VALUE or nil
    local at = position[tointeger(tonumber(item.ID))]
    if at then
      local removed = common.yes(item.DELETE) or value == ""
      list[at] = not removed and {
        ID = list[at].ID, TYPE_ID = kind, VALUE = value and tostring(value) or list[at].VALUE,
        VALUE_TYPE = item.VALUE_TYPE or list[at].VALUE_TYPE,
      } or false
    elseif value and value ~= "" then
      local id = store:add("contact_data", { KIND = kind }) + CONTACT_DATA_BASE
      list[#list + 1] = {
        ID = id, TYPE_ID = kind, VALUE = tostring(value), VALUE_TYPE = item.VALUE_TYPE or "WORK",
      }
    end
  end
  local kept = {}
  for _, item in ipairs(list) do
    if item then kept[#kept + 1] = item end
  end
  return kept
end

-- crm.item.* sends phones as `fm`: items with typeId, valueType, value.
local function spread_fm(given, into)
  for _, item in ipairs(common.list(given)) do
    local kind = common.text(item.typeId)
    if kind then
      into[kind] = into[kind] or {}
      into[kind][#into[kind] + 1] = {
        ID = item.id, VALUE = item.value, VALUE_TYPE = item.valueType, DELETE = item.delete,
      }
    end
  end
end

--- Put the fields sent into a record. Unknown and read-only ones are passed over.
---@param store table
---@param set table of fields.lua
---@param record table changed
---@param given table
---@param item boolean names as in crm.item.*
function write.apply(store, set, record, given, item)
  local found = {}
  for name, value in pairs(given) do
    local field = item and set.by_camel[name] or set.by_name[name]
    if field then found[field.name] = value end
  end
  if item and given.fm then spread_fm(given.fm, found) end
  for name, value in pairs(found) do
    local field = set.by_name[name]
    if field.contact_data then
      record[name] = merge_contact_data(store, name, record[name], value)
    elseif field.read_only then -- luacheck: ignore 542
      -- Left as it is: the platform does not complain.
    elseif field.multiple then
      record[name] = integers(value)
    else
      record[name] = scalar(field.type, value)
    end
  end
  if found.CONTACT_IDS and set.by_name.CONTACT_ID then
    record.CONTACT_ID = record.CONTACT_IDS[1]
  elseif found.CONTACT_ID and set.by_name.CONTACT_IDS then
    record.CONTACT_IDS = { record.CONTACT_ID }
  end
  if set.by_name.HAS_PHONE then
    record.HAS_PHONE = record.PHONE and record.PHONE[1] and "Y" or "N"
    record.HAS_EMAIL = record.EMAIL and record.EMAIL[1] and "Y" or "N"
    record.HAS_IMOL = "N"
  end
  if record.STAGE_ID and set.by_name.STAGE_SEMANTIC_ID then
    record.STAGE_SEMANTIC_ID = generate.semantics(record.STAGE_ID)
    record.CLOSED = record.STAGE_SEMANTIC_ID == "P" and "N" or "Y"
  elseif record.STATUS_ID and set.by_name.STATUS_SEMANTIC_ID then
    record.STATUS_SEMANTIC_ID = generate.semantics(record.STATUS_ID)
  end
end

local function touch(call, record)
  record.MODIFY_BY_ID, record.DATE_MODIFY = call.user_id, call.portal:date(call.portal:now())
end

local DEFAULTS = {
  [1] = { STATUS_ID = "NEW", CURRENCY_ID = "USD", IS_MANUAL_OPPORTUNITY = "N", IS_RETURN_CUSTOMER = "N" },
  [2] = {
    CATEGORY_ID = 0, CURRENCY_ID = "USD", IS_MANUAL_OPPORTUNITY = "N", OPPORTUNITY = 0.0,
    TAX_VALUE = 0.0, CLOSED = "N", IS_NEW = "Y", IS_RECURRING = "N", IS_RETURN_CUSTOMER = "N",
    IS_REPEATED_APPROACH = "N",
  },
  [3] = { EXPORT = "N" },
  [4] = { IS_MY_COMPANY = "N" },
}

--- Add a record of a type of objects.
---@param call table
---@param entity table of entities.lua
---@param given table
---@param item boolean
---@return integer id
function write.add(call, entity, given, item)
  local now = call.portal:date(call.portal:now())
  local record = {
    DATE_CREATE = now, DATE_MODIFY = now, LAST_ACTIVITY_TIME = now, LAST_ACTIVITY_BY = call.user_id,
    CREATED_BY_ID = call.user_id, MODIFY_BY_ID = call.user_id, ASSIGNED_BY_ID = call.user_id,
    OPENED = "N",
  }
  for name, value in pairs(DEFAULTS[entity.id] or { CATEGORY_ID = entity.type_id }) do
    record[name] = value
  end
  write.apply(call.store, entity.set, record, given, item)
  if entity.id == 2 and not record.STAGE_ID then
    local category = record.CATEGORY_ID
    record.STAGE_ID, record.STAGE_SEMANTIC_ID = category == 0 and "NEW" or "C" .. category .. ":NEW", "P"
  elseif entity.type_id and not record.STAGE_ID then
    record.STAGE_ID = ("DT%d_%d:NEW"):format(entity.id, record.CATEGORY_ID)
  end
  local id = call.store:add(entity.kind, record)
  if entity.set.by_name.TITLE and not record.TITLE then
    call.store:update(entity.kind, id, { TITLE = ("%s #%d"):format(entity.title, id) })
  end
  return id
end

--- Change a record.
---@param call table
---@param entity table
---@param id integer
---@param given table
---@param item boolean
function write.update(call, entity, id, given, item)
  local record = call.store:get(entity.kind, id)
  local stage = record.STAGE_ID or record.STATUS_ID
  write.apply(call.store, entity.set, record, given, item)
  touch(call, record)
  if (record.STAGE_ID or record.STATUS_ID) ~= stage then
    record.MOVED_BY_ID, record.MOVED_TIME = call.user_id, record.DATE_MODIFY
  end
  call.store:set(entity.kind, id, record)
end

return write
