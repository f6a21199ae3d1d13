-- List the open deals for which nothing is planned, the largest first, and who is responsible.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/idle_deals.lua [CATEGORY]
local category = ...
assert(not category or category:find("^%d+$"), "usage: idle_deals.lua [CATEGORY], the number of a pipeline")
local portal <close> = require "bitrix24".connect()
local DEAL = 2 -- the type of deals in the CRM (crm.enum.ownertype)
local deals, activities = portal:gather(
  function()
    return portal.crm.item.list:all{
      entityTypeId = DEAL, select = { "id", "title", "opportunity", "currencyId", "assignedById" },
      filter = { closed = "N", categoryId = category },
    }
  end,
  function()
    return portal.crm.activity.list:all{
      select = { "OWNER_ID" }, filter = { OWNER_TYPE_ID = DEAL, COMPLETED = "N" },
    }
  end)
local planned, idle, ids, names = {}, {}, {}, {}
for _, activity in ipairs(activities) do planned[tonumber(activity.OWNER_ID)] = true end
for _, deal in ipairs(deals) do
  if not planned[deal.id] then
    idle[#idle + 1] = deal
    local id = deal.assignedById
    if not names[id] then ids[#ids + 1], names[id] = id, "user " .. id end
  end
end
table.sort(idle, function(a, b) return a.opportunity > b.opportunity end)
for _, user in ipairs(#ids > 0 and portal.user.get:all{ FILTER = { ID = ids } } or {}) do
  names[tonumber(user.ID)] = ("%s %s"):format(user.NAME, user.LAST_NAME)
end
for _, deal in ipairs(idle) do
  print(("%6d %12.2f %s  %s (%s)"):format(
    deal.id, deal.opportunity, deal.currencyId, deal.title, names[deal.assignedById]))
end
print(("%d of %d open deals have no activity planned"):format(#idle, #deals))
