-- Calls in the coroutines of a cqueues controller: while they wait, it goes on.
--
--     BITRIX24_WEBHOOK=https://… lua5.4 examples/loop_cqueues.lua

local bitrix24 = require "bitrix24"
local cqueues = require "cqueues"

local portal = bitrix24.connect { loop = require "bitrix24.loop.cqueues" }
local controller = cqueues.new()

local ticks, left = 0, 3

--- Run f in a coroutine of the controller.
local function go(f)
  controller:wrap(function()
    f()
    left = left - 1
  end)
end

for id = 1, 2 do
  go(function()
    local user = portal.user.get { ID = id }[1]
    print(("user %d: %s %s"):format(id, user.NAME, user.LAST_NAME))
  end)
end
go(function()
  local count = 0
  for _ in portal.crm.item.list:each { entityTypeId = 3, select = { "id" } } do count = count + 1 end
  print(count .. " contacts")
end)
controller:wrap(function()
  while left > 0 do
    cqueues.sleep(0.001)
    ticks = ticks + 1
  end
end)

assert(controller:loop())
print(ticks .. " ticks meanwhile")
portal:close()
