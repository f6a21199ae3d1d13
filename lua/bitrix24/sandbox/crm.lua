--- The CRM of the portal: its collections and its methods.

local activities = require "bitrix24.sandbox.crm.activities"
local automated_solutions = require "bitrix24.sandbox.crm.automatedsolutions"
local call_lists = require "bitrix24.sandbox.crm.calllists"
local duplicates = require "bitrix24.sandbox.crm.duplicates"
local generate = require "bitrix24.sandbox.crm.generate"
local items = require "bitrix24.sandbox.crm.items"
local records = require "bitrix24.sandbox.crm.records"
local statuses = require "bitrix24.sandbox.crm.statuses"
local triggers = require "bitrix24.sandbox.crm.triggers"
local types = require "bitrix24.sandbox.crm.types"

return function(portal)
  local store = portal.store
  local sizes = store.sizes
  store:define("contacts", { id = "ID", make = generate.contact(sizes), size = sizes.contacts })
  store:define("companies", { id = "ID", make = generate.company(sizes), size = sizes.companies })
  store:define("deals", { id = "ID", make = generate.deal(sizes), size = sizes.deals })
  store:define("leads", { id = "ID", make = generate.lead(sizes), size = sizes.leads })
  -- Only gives out the ids of phones and addresses that are added.
  store:define("contact_data", { id = "ID", size = 0 })
  types.load(portal)
  automated_solutions(portal)
  statuses(portal)
  call_lists(portal)
  activities.load(portal)
  records(portal)
  items(portal)
  triggers(portal)
  duplicates(portal)
end
