-- Fire the automation trigger CODE ("Incoming webhook") on deals: the robots of its stage begin to work.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/fire_trigger.lua CODE DEAL …
local code, deals = ..., { select(2, ...) }
assert(code and #deals > 0, "usage: fire_trigger.lua CODE DEAL …, the code of a trigger and ids of deals")
for _, id in ipairs(deals) do assert(id:find "^%d+$", id .. " is not the id of a deal") end
local portal <close> = require "bitrix24".connect()
local titles, missing = portal:map(deals, function(id)
  return portal.crm.item.get{ entityTypeId = 2, id = id }.item.title
end, { on_error = "collect" })
local failed = 0
for i, id in ipairs(deals) do
  local ok, why = not missing[i], missing[i]
  if ok then ok, why = pcall(portal.crm.automation.trigger, { target = "DEAL_" .. id, code = code }) end
  print(("deal %s: %s"):format(id, ok and titles[i] .. ", fired" or tostring(why)))
  if not ok then failed = failed + 1 end
end
if failed > 0 then os.exit(1, true) end
