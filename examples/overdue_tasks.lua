-- Count the overdue tasks of each user, the worst first, and show the oldest one.
-- BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ lua5.4 examples/overdue_tasks.lua [DATE]
local date = ... or os.date "!%Y-%m-%dT%H:%M:%S+00:00"
assert(date:find "^%d%d%d%d%-%d%d%-%d%d", "usage: overdue_tasks.lua [DATE], as 2026-01-31")
local portal <close> = require "bitrix24".connect()
local COMPLETED = 5
local people, order, total = {}, {}, 0
for task in portal.tasks.task.list:each{
  select = { "ID", "TITLE", "DEADLINE", "RESPONSIBLE_ID" },
  filter = { ["<DEADLINE"] = date, ["!REAL_STATUS"] = COMPLETED }, order = { DEADLINE = "ASC" },
} do
  local id = task.responsibleId
  if not people[id] then
    local name = task.responsible and task.responsible.name or "user " .. id
    people[id] = { count = 0, name = name, oldest = task }
    order[#order + 1] = people[id]
  end
  people[id].count, total = people[id].count + 1, total + 1
end
table.sort(order, function(a, b)
  if a.count ~= b.count then return a.count > b.count end
  return a.oldest.deadline < b.oldest.deadline
end)
for _, person in ipairs(order) do
  local task = person.oldest
  print(("%4d since %s  %s: %s"):format(person.count, task.deadline:sub(1, 10), person.name, task.title))
end
print(("%d overdue tasks of %d users"):format(total, #order))
