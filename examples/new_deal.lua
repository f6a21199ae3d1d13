-- Add a customer, a deal and a call to make, in one request: each refers to what the one before gave.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/new_deal.lua NAME PHONE TITLE [AMOUNT]
local name, phone, title, amount = ...
assert(title and tonumber(amount or 0), "usage: new_deal.lua NAME PHONE TITLE [AMOUNT]")
local bitrix24 = require "bitrix24"
local portal <close> = bitrix24.connect()
local known = portal.crm.duplicate.findbycomm{ type = "PHONE", values = { phone }, entity_type = "CONTACT" }
local first, last = name:match "^(%S+)%s+(.+)$"
local b = portal:batch()
local contact = known.CONTACT and known.CONTACT[1] or b.crm.item.add{
  entityTypeId = 3,
  fields = {
    name = first or name, lastName = last, fm = { { typeId = "PHONE", valueType = "WORK", value = phone } },
  },
}.item.id
local deal = b.crm.item.add{
  entityTypeId = 2,
  fields = { title = title, contactId = contact, opportunity = amount or 0, currencyId = "USD" },
}.item.id
local call = b.crm.activity.todo.add{
  ownerTypeId = 2, ownerId = deal, title = "Call " .. name .. ", " .. phone,
  deadline = os.date("!%Y-%m-%dT%H:%M:%S+00:00", os.time() + 24 * 3600),
}
b:run() -- stops at the first that fails: no deal without its contact
local is_new = not known.CONTACT
print(("contact %s (%s), deal %s, call %s"):format(
  is_new and contact() or contact, is_new and "new" or "known", (deal()), call().id))
