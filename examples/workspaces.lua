-- Show the digital workplaces of a portal with their smart processes, and the processes outside of any.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/workspaces.lua [TITLE]
local title = ...
local portal <close> = require "bitrix24".connect()
local workplaces, types = portal:gather(
  function()
    return portal.crm.automatedsolution.list:all{ filter = { ["%title"] = title }, order = { id = "ASC" } }
  end,
  function() return portal.crm.type.list:all() end)
local counts = portal:map(types, function(kind)
  return portal.crm.item.list:count{ entityTypeId = kind.entityTypeId }
end)
local by_id, free = {}, {}
for i, kind in ipairs(types) do
  by_id[kind.id] = ("  %5d  %-24s %d items"):format(kind.entityTypeId, kind.title, counts[i])
  free[kind.id] = true
end
for _, workplace in ipairs(workplaces) do
  print(("%s: %d smart processes"):format(workplace.title, #workplace.typeIds))
  for _, id in ipairs(workplace.typeIds) do
    print(by_id[id] or "  type " .. id)
    free[id] = nil
  end
end
if title then return end
print "outside of any workplace:"
for _, kind in ipairs(types) do
  if free[kind.id] then print(by_id[kind.id]) end
end
