--- crm.duplicate.findbycomm: who has one of these phones or e-mail addresses
-- (crm/duplicates/crm-duplicate-find-by-comm).
--
-- Generated records are not searched one by one: a phone tells whose it is, so
-- only the few records that person can be in are looked at.

local gsub, lower = string.gsub, string.lower
local ipairs, tostring = ipairs, tostring
local sort = table.sort
local json = require "bitrix24.json"
local common = require "bitrix24.sandbox.crm.common"
local generate = require "bitrix24.sandbox.crm.generate"
local people = require "bitrix24.sandbox.people"

local _ENV = nil -- luacheck: ignore

local VALUES_MAX = 20  -- of one call
local FOUND_MAX = 20   -- of one type of objects, the oldest ones

-- The order matters: a type with FOUND_MAX records ends the search.
local ORDER = { "LEAD", "CONTACT", "COMPANY" }
local KINDS = { LEAD = "leads", CONTACT = "contacts", COMPANY = "companies" }

-- Phones are compared by digits; ten digits are a number without its country.
local function phone_key(value)
  local digits = gsub(tostring(value), "%D", "")
  if #digits == 10 then digits = "1" .. digits end
  return digits
end

local function email_key(value)
  return (lower(tostring(value)):match("^%s*(.-)%s*$"))
end

-- Ids of generated records that could have what person `i` has.
local function candidates(kind, i)
  local contact = i - generate.CONTACT_BASE
  if kind == "contacts" then return { i, contact, contact + 1 } end
  if kind == "leads" then return { contact, i - generate.LEAD_BASE } end
  return { i - generate.COMPANY_BASE }
end

local function has(record, field, key_of, wanted)
  for _, item in ipairs(record[field] or {}) do
    if wanted[key_of(item.VALUE)] then return true end
  end
  return false
end

local function search(call, kind, field, key_of, wanted, persons)
  local found, seen = {}, {}
  local function try(record)
    if record and not seen[record.ID] and has(record, field, key_of, wanted) then
      seen[record.ID] = true
      found[#found + 1] = record.ID
    end
  end
  for _, record in ipairs(call.store:changed(kind)) do try(record) end
  for _, i in ipairs(persons) do
    for _, id in ipairs(candidates(kind, i)) do try(call.store:get(kind, id)) end
    -- The address of a company carries the number of the company.
    if kind == "companies" and field == "EMAIL" then try(call.store:get(kind, i)) end
  end
  sort(found)
  for i = #found, FOUND_MAX + 1, -1 do found[i] = nil end
  return found
end

local function find_by_comm(call)
  local kind = common.text(call:param("type"))
  if not kind then call:fail("Communication type is not defined", "Parameter 'type' is required.") end
  local field = kind:upper()
  if field ~= "PHONE" and field ~= "EMAIL" then
    local text = "Communication type '" .. kind .. "' is not supported in current context"
    call:fail(text, text)
  end
  local values = common.list(call:param("values"))
  if #values == 0 then
    call:fail("Communication values is not defined", "Parameter 'values' is required.")
  end
  local key_of = field == "PHONE" and phone_key or email_key
  local wanted, persons = {}, {}
  -- Values beyond the limit are not searched for.
  for at = 1, #values < VALUES_MAX and #values or VALUES_MAX do
    local key = key_of(values[at])
    if key ~= "" then
      wanted[key] = true
      persons[#persons + 1] = field == "PHONE" and people.by_phone(call.store.seed, key)
        or field == "EMAIL" and people.by_email(key) or nil
    end
  end
  local only = common.text(call:param("entity_type"))
  only = only and KINDS[only:upper()] and only:upper()
  local out, any = {}, false
  for _, name in ipairs(ORDER) do
    if not only or only == name then
      local found = search(call, KINDS[name], field, key_of, wanted, persons)
      if #found > 0 then
        out[name], any = json.array(found), true
        if #found >= FOUND_MAX then break end
      end
    end
  end
  if not any then return json.array {} end
  return out
end

return function(portal)
  portal:method("crm.duplicate.findbycomm", { version = 2, scope = "crm" }, find_by_comm)
end
