--- The same with the store that ships: a file, locked between processes.

local bitrix24 = require "bitrix24"
local core = require "bitrix24.core"
local common = require "torture.common"
local sandbox = ...
local path = sandbox.folder .. "/tokens.json"
local renewed = false

local get, again = common.application(sandbox, bitrix24.token_file(path))

return function()
  assert(get():call("user.current").ID == "1")
  renewed = true
end, function()
  collectgarbage()
  local lock = core.lock(path .. ".lock")
  assert(lock, "the lock of the token file is held")
  lock:release()
  local kept = bitrix24.token_file(path):load()
  assert(kept.refresh_token, "the file is not whole")
  common.renewed(again, renewed or kept.access_token ~= sandbox.expired_token)
end, function()
  bitrix24.token_file(path):save {
    access_token = sandbox.expired_token, refresh_token = sandbox.refresh_token,
  }
end
