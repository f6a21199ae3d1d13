--- A budget in a file that two portals share.

local bitrix24 = require "bitrix24"
local sandbox = ...
local path = sandbox.folder .. "/budget"
local options = { webhook = sandbox.webhook, limits = { rate = 1000, burst = 1000 }, retries = 0 }

local function call()
  local limiter = bitrix24.limiter_file(path)
  options.limiter = limiter
  local one <close> = bitrix24.connect(options)
  local other <close> = bitrix24.connect(options)
  assert(one:call("profile").ID == "1")
  assert(other:call("profile").ID == "1")
end

return call, call
