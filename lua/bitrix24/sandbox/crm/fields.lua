--- The fields of leads, deals, contacts, companies and smart process items:
-- their names in the older methods (ASSIGNED_BY_ID) and in crm.item.*
-- (assignedById), their types, and who may write them. From the pages of
-- crm.*.fields and crm.item.fields.

local gmatch, gsub, lower, match, upper =
  string.gmatch, string.gsub, string.lower, string.match, string.upper
local ipairs = ipairs

local _ENV = nil -- luacheck: ignore

local fields = {}

-- NAME type flags: r read-only, m multiple, 2 absent from the older methods.
-- Phones and the like (crm_multifield) are `fm` in crm.item.*.
local COMMON = [[
ID integer r
DATE_CREATE datetime r
DATE_MODIFY datetime r
CREATED_BY_ID user r
MODIFY_BY_ID user r
ASSIGNED_BY_ID user
OPENED char
SOURCE_ID crm_status
SOURCE_DESCRIPTION string
COMMENTS string
ORIGINATOR_ID string
ORIGIN_ID string
UTM_SOURCE string
UTM_MEDIUM string
UTM_CAMPAIGN string
UTM_CONTENT string
UTM_TERM string
LAST_ACTIVITY_BY user r
LAST_ACTIVITY_TIME datetime r
OBSERVERS user m2
]]

local REACHABLE = [[
HAS_PHONE char r
HAS_EMAIL char r
HAS_IMOL char r
PHONE crm_multifield m
EMAIL crm_multifield m
WEB crm_multifield m
IM crm_multifield m
]]

local SOURCES = {
  [1] = COMMON .. REACHABLE .. [[
TITLE string
HONORIFIC crm_status
NAME string
SECOND_NAME string
LAST_NAME string
BIRTHDATE date
COMPANY_TITLE string
POST string
STATUS_ID crm_status
STATUS_DESCRIPTION string
STATUS_SEMANTIC_ID string r
OPPORTUNITY double
CURRENCY_ID crm_currency
IS_MANUAL_OPPORTUNITY char
IS_RETURN_CUSTOMER char r
COMPANY_ID crm_company
CONTACT_ID crm_contact
CONTACT_IDS crm_contact m2
DATE_CLOSED datetime r
MOVED_BY_ID user r
MOVED_TIME datetime r
UF_CRM_1700000101 string
]],
  [2] = COMMON .. [[
TITLE string
TYPE_ID crm_status
CATEGORY_ID crm_category
STAGE_ID crm_status
STAGE_SEMANTIC_ID string r
IS_NEW char r
IS_RECURRING char
IS_RETURN_CUSTOMER char
IS_REPEATED_APPROACH char
PROBABILITY integer
CURRENCY_ID crm_currency
OPPORTUNITY double
IS_MANUAL_OPPORTUNITY char
TAX_VALUE double
LEAD_ID crm_lead r
COMPANY_ID crm_company
CONTACT_ID crm_contact
CONTACT_IDS crm_contact m2
QUOTE_ID crm_quote r
BEGINDATE date
CLOSEDATE date
CLOSED char
ADDITIONAL_INFO string
LOCATION_ID location
MOVED_BY_ID user r
MOVED_TIME datetime r
UF_CRM_1700000201 string
]],
  [3] = COMMON .. REACHABLE .. [[
HONORIFIC crm_status
NAME string
SECOND_NAME string
LAST_NAME string
PHOTO file
BIRTHDATE date
TYPE_ID crm_status
POST string
ADDRESS string
EXPORT char
COMPANY_ID crm_company
COMPANY_IDS crm_company m2
LEAD_ID crm_lead r
FACE_ID integer
UF_CRM_1700000301 string
]],
  [4] = COMMON .. REACHABLE .. [[
TITLE string
COMPANY_TYPE crm_status
LOGO file
INDUSTRY crm_status
EMPLOYEES crm_status
CURRENCY_ID crm_currency
REVENUE double
BANKING_DETAILS string
IS_MY_COMPANY char
LEAD_ID crm_lead r
CONTACT_IDS crm_contact m2
UF_CRM_1700000401 string
]],
  dynamic = COMMON .. [[
TITLE string
XML_ID string
CATEGORY_ID crm_category
STAGE_ID crm_status
PREVIOUS_STAGE_ID crm_status r
BEGINDATE date
CLOSEDATE date
COMPANY_ID crm_company
CONTACT_ID crm_contact
CONTACT_IDS crm_contact m2
OPPORTUNITY double
IS_MANUAL_OPPORTUNITY char
TAX_VALUE double
CURRENCY_ID crm_currency
MYCOMPANY_ID crm_company
WEBFORM_ID integer
MOVED_BY_ID user r
MOVED_TIME datetime r
]],
}

-- crm.item.* renames some fields.
local RENAMED = {
  DATE_CREATE = "createdTime", DATE_MODIFY = "updatedTime", CREATED_BY_ID = "createdBy",
  MODIFY_BY_ID = "updatedBy", MOVED_BY_ID = "movedBy", STATUS_ID = "stageId",
  STATUS_SEMANTIC_ID = "stageSemanticId",
}
-- Companies and contacts name their type in one way there.
local RENAMED_OF = { [4] = { COMPANY_TYPE = "typeId" } }

--- ASSIGNED_BY_ID → assignedById, UF_CRM_17 → ufCrm_17, UF_CRM_2_17 → ufCrm2_17.
---@param name string
---@return string
function fields.camel(name)
  local type_id, code = match(name, "^UF_CRM_(%d+)_(.+)$")
  if type_id then return "ufCrm" .. type_id .. "_" .. code end
  code = match(name, "^UF_CRM_(.+)$")
  if code then return "ufCrm_" .. code end
  return (gsub(lower(name), "_(%w)", upper))
end

local function read(source, renamed)
  local set = { list = {}, by_name = {}, by_camel = {} }
  for name, kind, flags in gmatch(source, "([%w_]+) ([%w_]+) ?(%w*)\n") do
    local field = {
      name = name,
      type = kind,
      camel = renamed and renamed[name] or RENAMED[name] or fields.camel(name),
      read_only = match(flags, "r") ~= nil,
      multiple = match(flags, "m") ~= nil,
      contact_data = kind == "crm_multifield",
      item_only = match(flags, "2") ~= nil,
      custom = match(name, "^UF_") ~= nil,
    }
    set.list[#set.list + 1] = field
    set.by_name[name] = field
    if not field.contact_data then set.by_camel[field.camel] = field end
  end
  -- Names a filter, an order or a selection may use, in both spellings.
  set.filter, set.item_filter = {}, {}
  for _, field in ipairs(set.list) do
    set.filter[field.name] = true
    set.item_filter[field.camel] = field.name
    set.item_filter[field.name] = field.name
  end
  return set
end

local sets = {}
for id, source in ipairs(SOURCES) do
  sets[id] = read(source, RENAMED_OF[id])
end

local dynamic = {}

--- The fields of a type of objects: { list, by_name, by_camel, filter, item_filter }.
-- A smart process has one custom field, named with the id of its type.
---@param entity_type_id integer
---@param type_id integer? of a smart process
---@return table
function fields.of(entity_type_id, type_id)
  if sets[entity_type_id] then return sets[entity_type_id] end
  local set = dynamic[type_id]
  if not set then
    set = read(SOURCES.dynamic .. "UF_CRM_" .. type_id .. "_1700000501 string\n")
    dynamic[type_id] = set
  end
  return set
end

return fields
