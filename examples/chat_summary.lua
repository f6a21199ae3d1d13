-- Post a summary of a chat into the chat itself: who wrote how much of the latest messages.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/chat_summary.lua DIALOG [MESSAGES]
-- DIALOG is chat42, sg7 (the chat of a workgroup) or the id of a user.
local dialog, limit = ...
limit = math.tointeger(tonumber(limit or 200))
assert(dialog and limit and limit > 0, "usage: chat_summary.lua DIALOG [MESSAGES], DIALOG as chat42")
local portal <close> = require "bitrix24".connect()
local counts, authors, total, newest, oldest = {}, {}, 0, nil, nil
for message in portal.im.dialog.messages.get:each({ DIALOG_ID = dialog }, { limit = limit }) do
  newest, oldest = newest or message.date, message.date
  local id = message.author_id
  if id > 0 then -- 0 is the portal itself
    if not counts[id] then authors[#authors + 1] = id end
    counts[id], total = (counts[id] or 0) + 1, total + 1
  end
end
if total == 0 then return print("nobody wrote anything in " .. dialog) end
table.sort(authors, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)
local names = {}
for _, user in ipairs(portal.im.user.list.get{ ID = authors, RESULT_TYPE = "array" }) do
  names[user.id] = user.name
end
local lines = { ("[B]%d messages from %s to %s[/B]"):format(total, oldest:sub(1, 10), newest:sub(1, 10)) }
for _, id in ipairs(authors) do
  lines[#lines + 1] = ("%s: %d"):format(names[id] or "user " .. id, counts[id])
end
local text = table.concat(lines, "\n")
local id = portal.im.message.add{ DIALOG_ID = dialog, MESSAGE = text }
print(("message %s in %s:\n%s"):format(id, dialog, text))
