-- Find chats by a phrase, list their members, find the CRM contacts among
-- them, and make a call list:
--   BITRIX24_WEBHOOK=https://…/rest/1/CODE/ lua5.4 examples/call_list.lua [PHRASE]
local bitrix24 = require "bitrix24"
local progress = require "bitrix24.progress"
local portal <close> = bitrix24.connect()
local phrase = arg[1] or "Project"

local chats, values, seen = 0, { PHONE = {}, EMAIL = {} }, {}
local function note(list, value)
  if value and value ~= "" and not seen[value] then seen[value] = true; list[#list + 1] = value end
end
for chat in portal.im.search.chat.list:each{ FIND = phrase } do
  chats = chats + 1
  for user in portal.im.dialog.users.list:each{ DIALOG_ID = "chat" .. chat.id, SKIP_EXTERNAL = "Y" } do
    for _, phone in pairs(user.phones or {}) do note(values.PHONE, phone) end
    note(values.EMAIL, user.email)
  end
  progress("chats read:", chats)
end

local contacts = {}
for kind, list in pairs(values) do
  for i = 1, #list, 20 do -- at most 20 values a call
    local some = table.move(list, i, math.min(i + 19, #list), 1, {})
    local found = portal.crm.duplicate.findbycomm{ entity_type = "CONTACT", type = kind, values = some }
    for _, id in ipairs(found.CONTACT or {}) do seen[id] = seen[id] or table.insert(contacts, id) or true end
    progress("looking up " .. kind, i, #list)
  end
end
progress()
print(("%d chats with “%s”, %d phones and e-mails, %d contacts"):format(chats, phrase,
  #values.PHONE + #values.EMAIL, #contacts))
if #contacts == 0 then return end

local id = portal.crm.calllist.add{ ENTITY_TYPE = "CONTACT", ENTITIES = contacts }
local names, statuses = {}, {}
for contact in portal.crm.item.list:each{ entityTypeId = 3, filter = { ["@id"] = contacts } } do
  names[contact.id] = contact.name .. " " .. contact.lastName
end
for _, status in ipairs(portal.crm.calllist.statuslist()) do statuses[status.STATUS_ID] = status.NAME end
print("call list " .. id)
for _, item in ipairs(portal.crm.calllist.items.get{ LIST_ID = id }) do
  print(("%6d  %-30s %s"):format(item.ID, names[item.ID] or "?", statuses[item.STATUS] or item.STATUS))
end
