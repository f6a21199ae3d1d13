-- Calls in the coroutines of libuv's loop: while they wait, the loop turns.
--
--     BITRIX24_WEBHOOK=https://… lua5.4 examples/loop_luv.lua

local bitrix24 = require "bitrix24"
local uv = require "luv"

local portal = bitrix24.connect { loop = require "bitrix24.loop.luv" }

local ticks, left = 0, 3
local timer = uv.new_timer()
timer:start(1, 1, function() ticks = ticks + 1 end)

--- Run f in a coroutine; when the last one is through, so is the loop.
local function go(f)
  coroutine.wrap(function()
    f()
    left = left - 1
    if left == 0 then timer:close() end
  end)()
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

uv.run()
print(ticks .. " ticks meanwhile")
portal:close()
