-- Give the open deals of one user to another. Without --yes nothing is changed: it tells what would be.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/reassign_deals.lua FROM TO [--yes]
local from, to, yes = ...
assert(tonumber(from) and tonumber(to) and (not yes or yes == "--yes"),
  "usage: reassign_deals.lua FROM TO [--yes], the ids of two users")
local portal <close> = require "bitrix24".connect()
local DEAL = 2 -- the type of deals in the CRM (crm.enum.ownertype)

local function work(here)
  local user = assert(here.user.get:first{ ID = to, ACTIVE = true }, "nobody works here as user " .. to)
  local deals = here.crm.item.list:all{
    entityTypeId = DEAL, select = { "id", "title" }, filter = { closed = "N", assignedById = from },
  }
  local _, failures = here:map(deals, function(deal)
    return here.crm.item.update{ entityTypeId = DEAL, id = deal.id, fields = { assignedById = to } }
  end, { on_error = "collect" })
  for i, deal in ipairs(deals) do
    if failures[i] then print(("deal %d (%s): %s"):format(deal.id, deal.title, failures[i])) end
  end
  return #deals, ("%s %s"):format(user.NAME, user.LAST_NAME)
end

if yes then
  print(("%d deals handed over to %s"):format(work(portal)))
else
  local plan = portal:plan(work)
  print(plan)
  print(("%d deals would be changed; add --yes to do it"):format(#plan.writes))
end
