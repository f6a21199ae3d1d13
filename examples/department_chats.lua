-- Report the chats, channels and collabs that belong to each department.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/department_chats.lua
local portal <close> = require "bitrix24".connect()
local departments = portal.humanresources.node.list:all{ type = "DEPARTMENT", select = { "id", "name" } }
local found = portal:map(departments, function(department)
  return portal.humanresources.node.communication.list{ id = department.id }
end)
local chats, seen = 0, {}
for i, department in ipairs(departments) do
  local it = found[i]
  local hidden = it.chatsNoAccess + it.channelsNoAccess + it.collabsNoAccess -- counted, but not shown to us
  print(("%s: %d chats, %d channels, %d collabs, %d hidden"):format(
    department.name, #it.chats, #it.channels, #it.collabs, hidden))
  for _, kind in ipairs{ "chats", "channels", "collabs" } do
    for _, chat in ipairs(it[kind]) do
      print(("  %-8s %-10s %s"):format(chat.type:lower(), chat.dialogId, chat.title))
      if not seen[chat.dialogId] then chats, seen[chat.dialogId] = chats + 1, true end
    end
  end
end
print(("%d departments, %d different chats"):format(#departments, chats))
