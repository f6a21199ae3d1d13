--- Closed in the middle, in any order, or never.

local bitrix24 = require "bitrix24"
local core = require "bitrix24.core"
local sandbox = ...
local portal, handle, request, loose

return function()
  portal = bitrix24.connect { webhook = sandbox.webhook, limits = false }
  handle = assert(core.client.new { webhook = sandbox.webhook, rate = 0 })
  request = assert(handle:submit { method = "profile", body = "{}" })
  loose = assert(handle:submit { method = "profile", body = "{}" })
  handle:step(0)
  portal:close()
  handle:close()
  request:drop()
end, function()
  if portal then portal:close() end
  if handle then handle:close() end
  portal, handle, request, loose = nil, nil, nil, nil
  collectgarbage()
  assert(loose == nil)
end
