-- Compare two portals: how much each holds, and which stages and smart processes one of them lacks.
-- BITRIX24_WEBHOOK=https://A/rest/1/CODE/ OTHER_WEBHOOK=https://B/… lua5.4 examples/compare_portals.lua
local bitrix24 = require "bitrix24"
local a <close> = bitrix24.connect()
local b <close> = bitrix24.connect(assert(os.getenv "OTHER_WEBHOOK", "OTHER_WEBHOOK is not set"))

local function look(portal)
  local names = { stages = {}, processes = {} }
  for _, stage in ipairs(portal.crm.status.list:all{ filter = { ENTITY_ID = "DEAL_STAGE" } }) do
    names.stages[stage.NAME] = true
  end
  for kind in portal.crm.type.list:each() do names.processes[kind.title] = true end
  local counts = table.pack(portal:gather(
    function() return portal.crm.item.list:count{ entityTypeId = 3 } end,
    function() return portal.crm.item.list:count{ entityTypeId = 4 } end,
    function() return portal.crm.item.list:count{ entityTypeId = 2 } end,
    function() return portal.user.get:count{ FILTER = { ACTIVE = true } } end))
  return names, counts
end

local names_a, counts_a = look(a)
local names_b, counts_b = look(b)
for i, what in ipairs{ "contacts", "companies", "deals", "active users" } do
  print(("%-14s %8d %8d"):format(what, counts_a[i], counts_b[i]))
end
for _, what in ipairs{ "stages", "processes" } do
  for side, pair in ipairs{ { names_a, names_b }, { names_b, names_a } } do
    local only = {}
    for name in pairs(pair[1][what]) do
      if not pair[2][what][name] then only[#only + 1] = name end
    end
    table.sort(only)
    local whose = side == 1 and "first" or "second"
    if #only > 0 then print(("%s of the %s alone: %s"):format(what, whose, table.concat(only, ", "))) end
  end
end
