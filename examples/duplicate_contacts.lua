-- Find contacts that share a phone, however it is written, the oldest contact first.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/duplicate_contacts.lua [DIGITS]
-- DIGITS at the end of a number are compared (10), so that +1 555 010 2030 and 5550102030 are one.
local digits = math.tointeger(tonumber((...) or 10))
assert(digits and digits >= 5, "usage: duplicate_contacts.lua [DIGITS], a number from 5 on")
local portal <close> = require "bitrix24".connect()
local owners, phones = {}, {} -- phone → contacts; phones in the order of their first contact
for contact in portal.crm.item.list:each{
  entityTypeId = 3, select = { "id", "name", "lastName", "fm" }, filter = { hasPhone = "Y" },
} do
  local mine = {} -- a contact may have a number twice
  for _, entry in ipairs(contact.fm or {}) do -- phones, addresses, sites
    local key = entry.typeId == "PHONE" and entry.value:gsub("%D", ""):sub(-digits) or ""
    if #key >= 5 and not mine[key] then
      if not owners[key] then
        owners[key] = {}
        phones[#phones + 1] = key
      end
      table.insert(owners[key], contact)
      mine[key] = true
    end
  end
end
local count = 0
for _, phone in ipairs(phones) do
  if #owners[phone] > 1 then
    count = count + 1
    print("…" .. phone)
    for _, contact in ipairs(owners[phone]) do
      print(("  %6d  %s %s"):format(contact.id, contact.name or "", contact.lastName or ""))
    end
  end
end
print(("%d phones belong to more than one contact"):format(count))
