--- Records of the CRM as the methods show them. The older methods give every
-- value as text and every name in upper case, crm.item.* gives numbers and
-- camelCase (crm/contacts/crm-contact-list, crm/universal/crm-item-list).

local format = string.format
local ipairs, tostring, type = ipairs, tostring, type
local math_type, tointeger = math.type, math.tointeger
local json = require "bitrix24.json"

local _ENV = nil -- luacheck: ignore

local view = {}

local null = json.null

local function ordinary(field) return not field.contact_data end

--- The fields a selection of an older method names. `*` leaves out custom and
-- multiple fields, the id is always there.
---@param set table of fields.lua
---@param select any
---@return table[]
function view.columns(set, select)
  local wanted, columns = {}, { set.by_name.ID }
  local names = type(select) == "table" and select ~= null and select or {}
  if type(select) == "string" and select ~= "" then names = { select } end
  if #names == 0 then names = { "*", "UF_*" } end
  for _, name in ipairs(names) do wanted[tostring(name)] = true end
  for _, field in ipairs(set.list) do
    local by_mask = wanted["*"] and not field.custom and not field.contact_data
      or wanted["UF_*"] and field.custom
    if field.name ~= "ID" and not field.item_only and (by_mask or wanted[field.name]) then
      columns[#columns + 1] = field
    end
  end
  return columns
end

--- Every field of a record of an older method, as its `get` shows it.
---@param set table
---@return table[]
function view.all_columns(set)
  local columns = {}
  for _, field in ipairs(set.list) do
    if not field.item_only then columns[#columns + 1] = field end
  end
  return columns
end

--- The fields a selection of crm.item.list names, in either spelling.
---@param set table
---@param select any
---@return table[] columns, table extra names computed from phones and addresses
function view.item_columns(set, select)
  local names = type(select) == "table" and select ~= null and select or {}
  local wanted, extra = {}, {}
  local everything = #names == 0
  for _, name in ipairs(names) do
    name = tostring(name)
    if name == "*" then everything = true end
    if view.COMPUTED[name] and set.by_name.PHONE then extra[#extra + 1] = name end
    local field = set.by_camel[name] or set.by_name[name]
    if field then wanted[field] = true end
  end
  local columns = {}
  for _, field in ipairs(set.list) do
    if ordinary(field) and (everything or wanted[field] or field.name == "ID") then
      columns[#columns + 1] = field
    end
  end
  return columns, extra
end

-- A value as the older methods give it.
local function text(value)
  if value == nil or value == null then return null end
  local kind = math_type(value)
  if kind == "integer" then return tostring(value) end
  if kind == "float" then return format("%.2f", value) end
  if type(value) == "table" then
    local list = json.array {}
    for i, item in ipairs(value) do list[i] = text(item) end
    return list
  end
  return value
end

-- Records of a fixture may leave out all but VALUE.
local function contact_data(kind, values)
  local list = json.array {}
  for i, item in ipairs(values) do
    list[i] = {
      ID = tostring(item.ID or i), VALUE_TYPE = item.VALUE_TYPE or "WORK", VALUE = item.VALUE,
      TYPE_ID = kind,
    }
  end
  return list
end

--- A record as an older method shows it. Phones and the like are absent when
-- there are none.
---@param record table
---@param columns table[]
---@return table
function view.record(record, columns)
  local out = {}
  for i = 1, #columns do
    local field = columns[i]
    local name = field.name
    local value = record[name]
    if not field.contact_data then
      out[name] = text(value)
    elseif value and value[1] then
      out[name] = contact_data(name, value)
    end
  end
  return out
end

local function first(record, kind, value_type)
  for _, item in ipairs(record[kind] or {}) do
    if not value_type or item.VALUE_TYPE == value_type then return item.VALUE end
  end
  return value_type and "" or null
end

-- Fields of crm.item.* that are made of the phones and addresses.
view.COMPUTED = {
  fm = function(record)
    local list = json.array {}
    for _, kind in ipairs { "PHONE", "EMAIL", "WEB", "IM" } do
      for _, item in ipairs(record[kind] or {}) do
        list[#list + 1] = {
          id = item.ID or #list + 1, valueType = item.VALUE_TYPE or "WORK", value = item.VALUE, typeId = kind,
        }
      end
    end
    return list
  end,
  phone = function(record) return first(record, "PHONE") end,
  email = function(record) return first(record, "EMAIL") end,
  phoneWork = function(record) return first(record, "PHONE", "WORK") end,
  phoneMobile = function(record) return first(record, "PHONE", "MOBILE") end,
  emailWork = function(record) return first(record, "EMAIL", "WORK") end,
  emailHome = function(record) return first(record, "EMAIL", "HOME") end,
}

--- Names of all computed fields.
view.EXTRA = { "fm", "phone", "email", "phoneWork", "phoneMobile", "emailWork", "emailHome" }

--- A record as crm.item.* shows it.
---@param record table
---@param columns table[]
---@param extra string[]? names of COMPUTED
---@param original boolean? custom fields keep their upper-case names
---@return table
function view.item(record, columns, extra, original)
  local out = {}
  for i = 1, #columns do
    local field = columns[i]
    local value = record[field.name]
    if value == nil then
      value = field.multiple and json.array {} or null
    elseif field.multiple then
      value = json.array(value)
    elseif math_type(value) == "float" then
      value = tointeger(value) or value -- PHP writes 10000.0 as 10000
    end
    out[original and field.custom and field.name or field.camel] = value
  end
  for _, name in ipairs(extra or {}) do out[name] = view.COMPUTED[name](record) end
  return out
end

-- What the fields methods call the fields.
local function title(field)
  local words = field.name:lower():gsub("_", " "):gsub(" id$", "")
  return field.name == "ID" and "ID" or (words:gsub("^%l", function(letter) return letter:upper() end))
end

--- The answer of a fields method.
---@param set table
---@param item boolean crm.item.fields: camelCase names and upperName
---@return table
function view.fields(set, item)
  local out = json.object {}
  for _, field in ipairs(set.list) do
    if item and ordinary(field) or not item and not field.item_only then
      local about = {
        type = field.type,
        isRequired = false,
        isReadOnly = field.read_only,
        isImmutable = false,
        isMultiple = field.multiple,
        isDynamic = field.custom,
        title = title(field),
      }
      if item then about.upperName = field.name end
      out[item and field.camel or field.name] = about
    end
  end
  return out
end

return view
