-- Find chats by a phrase, find the CRM contacts among their members, make a call list of them.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/call_list.lua [PHRASE]
local progress = require "bitrix24.progress"
local portal <close>, phrase = require "bitrix24".connect(), arg[1] or "Project"
local chats = portal.im.search.chat.list:all{ FIND = phrase }
local members = portal:map(chats, function(chat, i)
  local users = portal.im.dialog.users.list:all{ DIALOG_ID = "chat" .. chat.id, SKIP_EXTERNAL = "Y" }
  progress("reading chats", i, #chats)
  return users
end)
local phones, emails, ids, known = {}, {}, {}, {}
local function note(list, value) -- everything once
  if (value or "") ~= "" and not known[value] then known[value] = table.insert(list, value) or true end
end
for i = 1, #chats do
  for _, user in ipairs(members[i]) do
    for _, kind in ipairs{ "personal_mobile", "work_phone" } do note(phones, (user.phones or {})[kind]) end
    note(emails, user.email)
  end
end
local lots, kinds = {}, { "PHONE", "EMAIL" }
for k, list in ipairs{ phones, emails } do
  for i = 1, #list, 20 do -- at most 20 values a call
    lots[#lots + 1] = { entity_type = "CONTACT", type = kinds[k], values = { table.unpack(list, i, i + 19) } }
  end
end
for _, found in ipairs(portal:map(lots, function(lot) return portal.crm.duplicate.findbycomm(lot) end)) do
  for _, id in ipairs(found.CONTACT or {}) do note(ids, id) end
end
progress()
print(("%d chats with \"%s\", %d contacts among their members"):format(#chats, phrase, #ids))
if #ids == 0 then return end
local list, names, statuses = portal.crm.calllist.add{ ENTITY_TYPE = "CONTACT", ENTITIES = ids }, {}, {}
for person in portal.crm.item.list:each{ entityTypeId = 3, filter = { ["@id"] = ids } } do
  names[person.id] = (person.name or "") .. " " .. (person.lastName or "")
end
for _, status in ipairs(portal.crm.calllist.statuslist()) do statuses[status.STATUS_ID] = status.NAME end
for _, item in ipairs(portal.crm.calllist.items.get{ LIST_ID = list }) do
  print(("call list %s: %-28s %s"):format(list, names[item.ID], statuses[item.STATUS]))
end
