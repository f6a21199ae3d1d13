-- The chats and messages of the portal as records, and the files sent in them.
-- The methods that show chats are in im.lua.

local files = require "bitrix24.sandbox.chats.files"
local records = require "bitrix24.sandbox.chats.records"
local world = require "bitrix24.sandbox.users.world"

return function(portal)
  world.define(portal, "chats", "id", records.maker(portal))
  -- only what is written during the run: generated messages are no records
  portal.store:define("messages", { id = "id", make = function() return nil end, size = 0 })
  files.load(portal)
end
