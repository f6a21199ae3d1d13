--- Directories of the CRM, crm.status.*: stages, sources, types, and the
-- statuses of calls in call lists (crm/status/crm-status-list).

local format, upper = string.format, string.upper
local ipairs, pairs, tostring = ipairs, pairs, tostring
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local query = require "bitrix24.sandbox.query"

local _ENV = nil -- luacheck: ignore

-- Directory → title, first id, elements: { code, name, color?, semantics? };
-- ids are odd numbers from the first one, sorting goes by tens.
local DIRECTORIES = {
  { "STATUS", "Lead statuses", 1, {
    { "NEW", "Unassigned", "#39A8EF" }, { "IN_PROCESS", "In progress", "#2FC6F6" },
    { "PROCESSED", "Processed", "#55D0E0" }, { "CONVERTED", "Good lead", "#7BD500", "S" },
    { "JUNK", "Junk lead", "#FF5752", "F" },
  } },
  { "SOURCE", "Sources", 21, {
    { "CALL", "Call" }, { "EMAIL", "E-Mail" }, { "WEB", "Website" }, { "ADVERTISING", "Advertising" },
    { "PARTNER", "Existing client" }, { "RECOMMENDATION", "Recommendation" },
    { "TRADE_SHOW", "Show/Exhibition" }, { "WEBFORM", "CRM form" }, { "OTHER", "Other" },
  } },
  { "CALL_LIST", "Call list statuses", 61, {
    { "IN_WORK", "In Progress" }, { "SUCCESS", "Successful" }, { "WRONG_NUMBER", "Wrong Number" },
    { "STOP_CALLING", "Do Not Call Again" },
  } },
  { "DEAL_STAGE", "Deal stages", 101, {
    { "NEW", "New", "#39A8EF" }, { "PREPARATION", "Document preparation", "#2FC6F6" },
    { "PREPAYMENT_INVOICE", "Prepayment invoice", "#55D0E0" }, { "EXECUTING", "In progress", "#47E4C2" },
    { "FINAL_INVOICE", "Final invoice", "#FFA900" }, { "WON", "Deal successful", "#7BD500", "S" },
    { "LOSE", "Deal failed", "#FF5752", "F" }, { "APOLOGY", "Failure reason analysis", "#FF5752", "F" },
  } },
  { "DEAL_STAGE_1", "Deal stages of Partners", 131, {
    { "C1:NEW", "New", "#39A8EF" }, { "C1:PREPARATION", "Preparation", "#2FC6F6" },
    { "C1:EXECUTING", "In progress", "#47E4C2" }, { "C1:WON", "Deal successful", "#7BD500", "S" },
    { "C1:LOSE", "Deal failed", "#FF5752", "F" },
  } },
  { "CONTACT_TYPE", "Contact types", 151, {
    { "CLIENT", "Clients" }, { "SUPPLIER", "Suppliers" }, { "PARTNER", "Partners" }, { "OTHER", "Other" },
  } },
  { "COMPANY_TYPE", "Company types", 171, {
    { "CUSTOMER", "Client" }, { "SUPPLIER", "Supplier" }, { "COMPETITOR", "Competitor" },
    { "PARTNER", "Partner" }, { "OTHER", "Other" },
  } },
  { "INDUSTRY", "Industry", 191, {
    { "IT", "Information technology" }, { "TELECOM", "Telecommunication" },
    { "MANUFACTURING", "Manufacturing" }, { "BANKING", "Banking" }, { "FINANCE", "Finance" },
    { "OTHER", "Other" },
  } },
  { "EMPLOYEES", "Number of employees", 211, {
    { "EMPLOYEES_1", "less than 50" }, { "EMPLOYEES_2", "50-250" }, { "EMPLOYEES_3", "250-500" },
    { "EMPLOYEES_4", "over 500" },
  } },
  { "DEAL_TYPE", "Deal types", 231, {
    { "SALE", "Sales" }, { "COMPLEX", "Integrated sales" }, { "GOODS", "Goods" },
    { "SERVICES", "Services" }, { "SERVICE", "After-sales service" },
  } },
  { "HONORIFIC", "Salutations", 251, { { "HNR_EN_1", "Mr." }, { "HNR_EN_2", "Ms." } } },
}

local WORDS = { S = "success", F = "failure" }

local function initial()
  local list = {}
  for _, directory in ipairs(DIRECTORIES) do
    for i, element in ipairs(directory[4]) do
      local system = element[1]:find("NEW", 1, true) or element[4] and element[1] ~= "APOLOGY"
      list[#list + 1] = {
        ID = directory[3] + 2 * (i - 1),
        ENTITY_ID = directory[1],
        STATUS_ID = element[1],
        NAME = element[2],
        NAME_INIT = system and element[2] or "",
        SORT = 10 * i,
        SYSTEM = system and "Y" or "N",
        COLOR = element[3],
        SEMANTICS = element[4],
      }
    end
  end
  return list
end

local function show(status)
  local out = {
    ID = tostring(status.ID),
    ENTITY_ID = status.ENTITY_ID,
    STATUS_ID = status.STATUS_ID,
    NAME = status.NAME,
    NAME_INIT = status.NAME_INIT or "",
    SORT = tostring(status.SORT or 10),
    SYSTEM = status.SYSTEM or "N",
    CATEGORY_ID = json.null,
    COLOR = status.COLOR or json.null,
    SEMANTICS = status.SEMANTICS or json.null,
  }
  if status.COLOR then
    local word = status.STATUS_ID:find("APOLOGY", 1, true) and "apology" or WORDS[status.SEMANTICS]
    out.EXTRA = { SEMANTICS = word or "process", COLOR = status.COLOR }
  end
  return out
end

local FIELDS = {
  ID = "integer", ENTITY_ID = "string", STATUS_ID = "string", SORT = "integer", NAME = "string",
  NAME_INIT = "string", SYSTEM = "char", CATEGORY_ID = "integer", COLOR = "string",
  SEMANTICS = "char",
}
local FILTER = {}
for name in pairs(FIELDS) do FILTER[name] = true end

-- The whole directory at once: the method does not page.
local function list(call)
  local found, page = common.query(call, "statuses", {
    fields = FILTER, limit = call.store:count("statuses") + 1, start = 0,
  })
  local out = json.array {}
  for i, status in ipairs(found) do out[i] = show(status) end
  return out, { total = page.total }
end

-- Failures carry their text as the code, the pages show (crm-status-delete).
local function refuse(call, text, description)
  call:fail(text, description or text)
end

local function named(call)
  local id = common.id(call)
  if not id then refuse(call, "Invalid identifier.", "An invalid identifier was passed.") end
  local status = call.store:get("statuses", id)
  if not status then refuse(call, "Status is not found.") end
  return status
end

local function elements(call, entity_id)
  return (query.run(call.store, "statuses", {
    filter = { ["=ENTITY_ID"] = entity_id }, order = { SORT = "ASC" },
    limit = call.store:count("statuses") + 1,
  }))
end

local function entity_title(entity_id)
  for _, directory in ipairs(DIRECTORIES) do
    if directory[1] == entity_id then return directory[2] end
  end
  return nil
end

local function add(call)
  local given = common.table(call:param("fields"))
  if not given then refuse(call, "Invalid parameters.", "Incorrect parameters provided.") end
  local entity_id, name = common.text(given.ENTITY_ID), common.text(given.NAME)
  local code = common.text(given.STATUS_ID)
  if not entity_id then refuse(call, "The field ENTITY_ID is required.") end
  if not entity_title(entity_id) then refuse(call, "Specified entity type is not supported.") end
  if not code then refuse(call, "The field STATUS_ID is required.") end
  if not name then call:fail("", 'The required field "Title" is not filled') end
  -- Stages of a further pipeline carry its prefix (crm-status-add).
  local pipeline = entity_id:match("^DEAL_STAGE_(%d+)$")
  if pipeline and not code:find("^C%d+:") then code = format("C%s:%s", pipeline, code) end
  for _, status in ipairs(elements(call, entity_id)) do
    if status.STATUS_ID == code then refuse(call, "Duplicate STATUS_ID.") end
  end
  return call.store:add("statuses", {
    ENTITY_ID = entity_id, STATUS_ID = code, NAME = name, NAME_INIT = "", SYSTEM = "N",
    SORT = common.int(given.SORT) or 10, COLOR = common.text(given.COLOR),
    SEMANTICS = common.text(given.SEMANTICS),
  })
end

local function update(call)
  local status = named(call)
  local given = common.table(call:param("fields"))
  if not given then refuse(call, "Invalid parameters.", "Incorrect parameters provided.") end
  call.store:update("statuses", status.ID, {
    NAME = common.text(given.NAME), SORT = common.int(given.SORT), COLOR = common.text(given.COLOR),
  })
  return true
end

local function delete(call)
  local status = named(call)
  local flags = common.table(call:param("params")) or {}
  if status.SYSTEM == "Y" and upper(tostring(flags.FORCED)) ~= "Y" then
    refuse(call, 'CRM System Status can be deleted only if parameter FORCED is specified and equal to "Y".')
  end
  return call.store:delete("statuses", status.ID)
end

local function entity_items(call)
  local entity_id = common.text(call:param("entityId"))
  if not entity_id then refuse(call, "Invalid parameters.", "Incorrect parameters provided.") end
  local out = json.array {}
  for i, status in ipairs(elements(call, entity_id)) do
    out[i] = { NAME = status.NAME, SORT = status.SORT, STATUS_ID = status.STATUS_ID }
  end
  return out
end

local function entity_types()
  local out = json.array {}
  for i, directory in ipairs(DIRECTORIES) do
    out[i] = { ID = directory[1], NAME = directory[2], SEMANTIC_INFO = json.array {} }
  end
  return out
end

local function fields()
  local out = {}
  for name, kind in pairs(FIELDS) do
    out[name] = {
      type = kind,
      isRequired = name == "ENTITY_ID" or name == "STATUS_ID" or name == "NAME",
      isReadOnly = name == "ID" or name == "SYSTEM" or name == "NAME_INIT",
      isImmutable = name == "ENTITY_ID" or name == "STATUS_ID",
      isMultiple = false,
      isDynamic = false,
    }
  end
  return out
end

return function(portal)
  portal.store:define("statuses", { id = "ID", records = initial() })
  local about = { version = 2, scope = "crm" }
  local changing = { version = 2, scope = "crm", write = true }
  portal:method("crm.status.list", about, list)
  portal:method("crm.status.get", about, function(call) return show(named(call)) end)
  portal:method("crm.status.add", changing, add)
  portal:method("crm.status.update", changing, update)
  portal:method("crm.status.delete", changing, delete)
  portal:method("crm.status.fields", about, fields)
  portal:method("crm.status.entity.items", about, entity_items)
  portal:method("crm.status.entity.types", about, entity_types)
end
