--- The generated records of the CRM: leads, deals, contacts, companies, smart
-- processes and their items, activities. Each is a pure function of the seed
-- and its id. Some contacts are users of the portal, some leads are contacts,
-- and a few contacts share a phone: what somebody looking for duplicates finds.

local date, format = os.date, string.format
local floor = math.floor
local people = require "bitrix24.sandbox.people"

local _ENV = nil -- luacheck: ignore

local generate = {}

local mix = people.mix

-- Generated records are older than this, 2026-01-01T00:00:00Z.
local EPOCH = 1767225600
local DAY = 86400

-- Persons by the object that shows them. Contacts come after the users.
generate.CONTACT_BASE, generate.COMPANY_BASE, generate.LEAD_BASE = 1000000, 2100000, 2300000

local function stamp(at)
  return date("!%Y-%m-%dT%H:%M:%S+03:00", at + 3 * 3600)
end

local function midnight(at)
  return date("!%Y-%m-%dT00:00:00+03:00", at + 3 * 3600)
end

local function pick(list, roll)
  return list[1 + roll % #list]
end

--- How many contacts are users of the portal as well.
---@param sizes table
---@return integer
function generate.shared(sizes)
  return floor(0.8 * sizes.users)
end

local function spaced(phone)
  return format("%s %s %s-%s", phone:sub(1, 2), phone:sub(3, 5), phone:sub(6, 8), phone:sub(9))
end

local function dashed(phone)
  return format("%s (%s) %s-%s", phone:sub(1, 2), phone:sub(3, 5), phone:sub(6, 8), phone:sub(9))
end

-- Gathers the phones and addresses of one record; each value has an id.
local function values(base)
  local list, next_id = { PHONE = {}, EMAIL = {}, WEB = {} }, base
  local function add(kind, value_type, value)
    local of_kind = list[kind]
    of_kind[#of_kind + 1] = { ID = next_id, VALUE_TYPE = value_type, VALUE = value, TYPE_ID = kind }
    next_id = next_id + 1
  end
  return list, add
end

local function reach(record, list)
  record.PHONE, record.EMAIL, record.WEB = list.PHONE, list.EMAIL, list.WEB
  record.HAS_PHONE = list.PHONE[1] and "Y" or "N"
  record.HAS_EMAIL = list.EMAIL[1] and "Y" or "N"
  record.HAS_IMOL = "N"
end

-- What all objects have.
local function begin(seed, id, use, users)
  if users < 1 then users = 1 end
  local roll = mix(seed, id, use)
  local created = EPOCH - 20 * DAY - roll % (900 * DAY)
  local record = {
    ID = id,
    DATE_CREATE = stamp(created),
    DATE_MODIFY = stamp(created + (roll >> 9) % (20 * DAY)),
    CREATED_BY_ID = 1 + (roll >> 3) % users,
    MODIFY_BY_ID = 1 + (roll >> 5) % users,
    ASSIGNED_BY_ID = 1 + (roll >> 7) % users,
    OPENED = roll % 8 == 0 and "N" or "Y",
    LAST_ACTIVITY_BY = 1 + (roll >> 7) % users,
  }
  record.LAST_ACTIVITY_TIME = record.DATE_MODIFY
  return record, roll, created
end

local SOURCES = {
  "CALL", "EMAIL", "WEB", "ADVERTISING", "PARTNER", "RECOMMENDATION", "TRADE_SHOW", "WEBFORM",
}
local CONTACT_TYPES = { "CLIENT", "CLIENT", "CLIENT", "SUPPLIER", "PARTNER", "OTHER" }

-- A contact who is a user: everything the same, or one thing alone, and that
-- perhaps written in another way.
local function like_user(person, c, add)
  local way = c % 4
  if way == 0 then
    add("PHONE", "WORK", person.work_phone)
    add("PHONE", "MOBILE", person.mobile)
    add("EMAIL", "WORK", person.email)
  elseif way == 1 then
    add("PHONE", "MOBILE", spaced(person.mobile))
  elseif way == 2 then
    add("PHONE", "WORK", dashed(person.work_phone))
  else
    add("EMAIL", "HOME", person.email:gsub("^%l", function(letter) return letter:upper() end))
  end
end

local function like_stranger(seed, person, c, add)
  if c % 10 ~= 7 then
    add("PHONE", "MOBILE", c % 3 == 0 and spaced(person.mobile) or person.mobile)
    if c % 2 == 0 then add("PHONE", "WORK", person.work_phone) end
    -- Every 25th gave the phone of the contact before them.
    if c % 25 == 0 then
      add("PHONE", "HOME", people.person(seed, generate.CONTACT_BASE + c - 1).mobile)
    end
  end
  if c % 10 ~= 3 then add("EMAIL", "WORK", person.email) end
end

---@param sizes table
---@return fun(seed: integer, id: integer): table
function generate.contact(sizes)
  local users, shared, companies = sizes.users, generate.shared(sizes), sizes.companies
  return function(seed, c)
    local record, roll = begin(seed, c, 11, users)
    local person = people.person(seed, c <= shared and c or generate.CONTACT_BASE + c)
    record.NAME, record.LAST_NAME = person.first_name, person.last_name
    record.POST = person.position
    record.BIRTHDATE = roll % 3 == 0 and person.birthday .. "T00:00:00+03:00" or nil
    record.TYPE_ID = pick(CONTACT_TYPES, roll >> 4)
    record.SOURCE_ID = pick(SOURCES, roll >> 6)
    record.EXPORT = roll % 20 == 0 and "N" or "Y"
    record.HONORIFIC = roll % 5 == 0 and (person.gender == "F" and "HNR_EN_2" or "HNR_EN_1") or nil
    record.COMPANY_ID = companies > 0 and roll % 4 ~= 0 and 1 + (roll >> 8) % companies or nil
    record.UF_CRM_1700000301 = format("C-%06d", c)
    local list, add = values(c * 4)
    if c <= shared then like_user(person, c, add) else like_stranger(seed, person, c, add) end
    reach(record, list)
    return record
  end
end

local COMPANY_WORDS = {
  { "Northern", "Blue", "Alpine", "Silver", "Central", "Harbor", "Green", "United", "Prime", "Atlas" },
  { "Logistics", "Foods", "Energy", "Systems", "Textiles", "Builders", "Motors", "Media", "Pharma" },
  { "Ltd", "GmbH", "Inc.", "S.A.", "AG", "LLC" },
}
local COMPANY_TYPES = { "CUSTOMER", "CUSTOMER", "SUPPLIER", "COMPETITOR", "PARTNER", "OTHER" }
local INDUSTRIES = { "IT", "TELECOM", "MANUFACTURING", "BANKING", "CONSULTING", "FINANCE", "OTHER" }

---@param sizes table
---@return fun(seed: integer, id: integer): table
function generate.company(sizes)
  return function(seed, k)
    local record, roll = begin(seed, k, 12, sizes.users)
    local person = people.person(seed, generate.COMPANY_BASE + k)
    local words = COMPANY_WORDS
    record.TITLE = format("%s %s %s",
      pick(words[1], roll), pick(words[2], roll >> 5), pick(words[3], roll >> 11))
    record.COMPANY_TYPE = pick(COMPANY_TYPES, roll >> 2)
    record.INDUSTRY = pick(INDUSTRIES, roll >> 13)
    record.EMPLOYEES = pick({ "EMPLOYEES_1", "EMPLOYEES_2", "EMPLOYEES_3", "EMPLOYEES_4" }, roll >> 15)
    record.REVENUE = (roll % 900 + 1) * 10000.0
    record.CURRENCY_ID = "USD"
    record.IS_MY_COMPANY = "N"
    record.SOURCE_ID = pick(SOURCES, roll >> 6)
    record.UF_CRM_1700000401 = format("K-%05d", k)
    local list, add = values(20000000 + k * 4)
    add("PHONE", "WORK", k % 2 == 0 and dashed(person.work_phone) or person.work_phone)
    add("EMAIL", "WORK", "office." .. k .. "@example.com")
    add("WEB", "WORK", "https://company" .. k .. ".example.com")
    reach(record, list)
    return record
  end
end

local STAGES = {
  [0] = {
    "NEW", "PREPARATION", "PREPAYMENT_INVOICE", "EXECUTING", "FINAL_INVOICE", "WON", "LOSE", "APOLOGY",
  },
  [1] = { "C1:NEW", "C1:PREPARATION", "C1:EXECUTING", "C1:WON", "C1:LOSE" },
}

-- "P" in progress, "S" success, "F" failure.
local function semantics(stage)
  if stage:find("WON", 1, true) or stage:find("SUCCESS", 1, true) then return "S" end
  if stage == "CONVERTED" then return "S" end
  if stage:find("LOSE", 1, true) or stage:find("FAIL", 1, true) then return "F" end
  if stage == "APOLOGY" or stage == "JUNK" then return "F" end
  return "P"
end
generate.semantics = semantics

---@param sizes table
---@return fun(seed: integer, id: integer): table
function generate.deal(sizes)
  local contacts, companies, leads = sizes.contacts, sizes.companies, sizes.leads
  return function(seed, d)
    local record, roll, created = begin(seed, d, 13, sizes.users)
    local category = d % 5 == 0 and 1 or 0
    local stage = pick(STAGES[category], roll >> 4)
    record.TITLE = "Deal #" .. d
    record.TYPE_ID = pick({ "SALE", "COMPLEX", "GOODS", "SERVICES", "SERVICE" }, roll >> 6)
    record.CATEGORY_ID, record.STAGE_ID, record.STAGE_SEMANTIC_ID = category, stage, semantics(stage)
    record.CLOSED = record.STAGE_SEMANTIC_ID == "P" and "N" or "Y"
    record.IS_NEW = stage:find("NEW", 1, true) and "Y" or "N"
    record.IS_RECURRING, record.IS_RETURN_CUSTOMER, record.IS_REPEATED_APPROACH = "N", "N", "N"
    record.IS_MANUAL_OPPORTUNITY = "Y"
    record.OPPORTUNITY = (roll % 2000 + 1) * 25.0
    record.CURRENCY_ID = roll % 4 == 0 and "EUR" or "USD"
    record.TAX_VALUE = 0.0
    record.PROBABILITY = roll % 3 == 0 and roll % 100 or nil
    record.CONTACT_ID = contacts > 0 and 1 + (roll >> 8) % contacts or nil
    record.CONTACT_IDS = { record.CONTACT_ID }
    record.COMPANY_ID = companies > 0 and roll % 3 ~= 0 and 1 + (roll >> 12) % companies or nil
    record.LEAD_ID = leads > 0 and roll % 6 == 0 and 1 + (roll >> 10) % leads or nil
    record.SOURCE_ID = pick(SOURCES, roll >> 14)
    record.BEGINDATE = midnight(created)
    record.CLOSEDATE = midnight(created + 7 * DAY)
    record.MOVED_BY_ID, record.MOVED_TIME = record.MODIFY_BY_ID, record.DATE_MODIFY
    record.UF_CRM_1700000201 = format("D-%06d", d)
    return record
  end
end

---@param sizes table
---@return fun(seed: integer, id: integer): table
function generate.lead(sizes)
  local contacts, shared = sizes.contacts, generate.shared(sizes)
  return function(seed, l)
    local record, roll = begin(seed, l, 14, sizes.users)
    -- Every third lead is somebody who is a contact already.
    local known = l % 3 == 0 and l > shared and l <= contacts
    local person = people.person(seed, (known and generate.CONTACT_BASE or generate.LEAD_BASE) + l)
    record.TITLE = "Lead #" .. l
    record.NAME, record.LAST_NAME, record.POST = person.first_name, person.last_name, person.position
    record.STATUS_ID = pick({ "NEW", "NEW", "IN_PROCESS", "PROCESSED", "CONVERTED", "JUNK" }, roll >> 4)
    record.STATUS_SEMANTIC_ID = semantics(record.STATUS_ID)
    record.OPPORTUNITY = (roll % 800) * 25.0
    record.CURRENCY_ID = "USD"
    record.IS_MANUAL_OPPORTUNITY = "Y"
    record.IS_RETURN_CUSTOMER = known and "Y" or "N"
    record.SOURCE_ID = pick(SOURCES, roll >> 8)
    record.MOVED_BY_ID, record.MOVED_TIME = record.MODIFY_BY_ID, record.DATE_MODIFY
    record.UF_CRM_1700000101 = format("L-%06d", l)
    local list, add = values(40000000 + l * 4)
    add("PHONE", "WORK", l % 2 == 0 and dashed(person.mobile) or person.mobile)
    add("EMAIL", "WORK", person.email)
    reach(record, list)
    return record
  end
end

---@param sizes table
---@param type_record table
---@return fun(seed: integer, id: integer): table
function generate.item(sizes, type_record)
  local entity, type_id = type_record.entityTypeId, type_record.id
  local prefix = format("DT%d_%d:", entity, type_id)
  return function(seed, i)
    local record, roll = begin(seed, i, 1000 + entity, sizes.users)
    record.TITLE = format("%s #%d", type_record.title, i)
    record.CATEGORY_ID = type_id
    record.STAGE_ID = prefix .. pick({ "NEW", "PREPARATION", "CLIENT", "SUCCESS", "FAIL" }, roll >> 4)
    record.OPPORTUNITY = (roll % 400) * 25.0
    record.TAX_VALUE = 0.0
    record.CURRENCY_ID = "USD"
    record.IS_MANUAL_OPPORTUNITY = "N"
    record.CONTACT_ID = sizes.contacts > 0 and 1 + (roll >> 8) % sizes.contacts or nil
    record.CONTACT_IDS = { record.CONTACT_ID }
    record.MOVED_BY_ID, record.MOVED_TIME = record.MODIFY_BY_ID, record.DATE_MODIFY
    record[format("UF_CRM_%d_1700000501", type_id)] = format("T%d-%d", type_id, i)
    return record
  end
end

generate.stamp = stamp
generate.EPOCH = EPOCH

return generate
