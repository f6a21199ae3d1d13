-- The messenger: im.* methods. Parameters are upper case, lists are paged by
-- LIMIT with OFFSET or LAST_ID instead of `start`.

local dialogs = require "bitrix24.sandbox.im.dialogs"
local recent = require "bitrix24.sandbox.im.recent"
local search = require "bitrix24.sandbox.im.search"
local talk = require "bitrix24.sandbox.im.talk"
local users = require "bitrix24.sandbox.im.users"

return function(portal)
  local define = { version = 2, scope = "im" }
  portal:method("im.search.chat.list", define, search.chats)
  portal:method("im.search.user.list", define, search.users)
  portal:method("im.dialog.users.list", define, dialogs.users)
  portal:method("im.chat.user.list", define, dialogs.user_ids)
  portal:method("im.chat.get", define, dialogs.chat_of_entity)
  portal:method("im.dialog.messages.get", define, talk.messages)
  portal:method("im.message.add", { version = 2, scope = "im", write = true }, talk.add)
  portal:method("im.recent.list", define, recent.list)
  portal:method("im.user.get", define, users.get)
  portal:method("im.user.list.get", define, users.list)
  portal:method("im.notify.get", define, users.notifications)
end
