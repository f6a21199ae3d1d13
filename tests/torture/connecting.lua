--- A portal is made and closed.

local bitrix24 = require "bitrix24"
local sandbox = ...

local function connect()
  local portal <close> = bitrix24.connect { webhook = sandbox.webhook, log = function() end }
  return portal
end

return connect, connect
