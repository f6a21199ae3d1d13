-- What is measured, as a script would write it:
--   lua5.4 tests/bench/jobs.lua JOB WEBHOOK SIZE [LIMITS]
-- Each job prints what it found, so that the other side can be checked.

local bitrix24 = require "bitrix24"

local FIELDS = {
  "id", "name", "lastName", "post", "honorific",
  "typeId", "sourceId", "companyId", "assignedById", "createdTime",
}

local jobs = {}

--- Every contact, ten fields each.
function jobs.export(portal)
  local count, sum = 0, 0
  for contact in portal.crm.item.list:each({ entityTypeId = 3, select = FIELDS }, {
    strategy = os.getenv "BENCH_STRATEGY",
  }) do
    count, sum = count + 1, sum + contact.id
  end
  return count, sum
end

local function read_side_by_side(portal, size)
  local ids = {}
  for i = 1, size do ids[i] = i end
  return portal:map(ids, function(id) return portal.crm.item.get { entityTypeId = 3, id = id } end)
end

--- Single reads, side by side.
function jobs.reads(portal, size)
  local sum = 0
  for _, answer in ipairs(read_side_by_side(portal, size)) do sum = sum + answer.item.id end
  return size, sum
end

--- The same many times over, for a cost too small to measure once.
function jobs.rounds(portal, size)
  for _ = 1, tonumber(os.getenv "BENCH_ROUNDS") do read_side_by_side(portal, size) end
  return size
end

--- The JSON work of those rounds alone: parameters out, answers in.
function jobs.json(_, size)
  local json = require "bitrix24.json"
  local answers = {}
  for line in io.lines(os.getenv "BENCH_ANSWERS") do answers[#answers + 1] = line end
  for _ = 1, tonumber(os.getenv "BENCH_ROUNDS") do
    for id = 1, size do json.encode { entityTypeId = 3, id = id } end
    for _, answer in ipairs(answers) do json.decode(answer) end
  end
  return size
end

local function note(seen, list, value)
  if value and value ~= "" and not seen[value] then
    seen[value] = true
    list[#list + 1] = value
  end
end

--- Phones and addresses of the members of chats, once each.
local function reach_of(members)
  local seen, values = {}, { PHONE = {}, EMAIL = {} }
  for _, users in ipairs(members) do
    for _, user in ipairs(users) do
      for _, phone in pairs(user.phones or {}) do note(seen, values.PHONE, phone) end
      note(seen, values.EMAIL, user.email)
    end
  end
  return values
end

--- Contacts who have one of the values; at most 20 values a call.
local function contacts_with(portal, values)
  local calls = {}
  for _, kind in ipairs { "PHONE", "EMAIL" } do
    local list = values[kind]
    table.sort(list)
    for i = 1, #list, 20 do
      calls[#calls + 1] = {
        entity_type = "CONTACT", type = kind, values = table.move(list, i, math.min(i + 19, #list), 1, {}),
      }
    end
  end
  local contacts, seen = {}, {}
  local answers = portal:map(calls, function(call) return portal.crm.duplicate.findbycomm(call) end)
  for _, found in ipairs(answers) do
    for _, id in ipairs(found.CONTACT or {}) do note(seen, contacts, id) end
  end
  return contacts
end

--- From a phrase to a call list with names and statuses (examples/call_list.lua).
function jobs.recipe(portal)
  local chats = portal.im.search.chat.list:all { FIND = "Project" }
  local members = portal:map(chats, function(chat)
    return portal.im.dialog.users.list:all { DIALOG_ID = "chat" .. chat.id, SKIP_EXTERNAL = "Y" }
  end)
  local contacts = contacts_with(portal, reach_of(members))
  local id = portal.crm.calllist.add { ENTITY_TYPE = "CONTACT", ENTITIES = contacts }
  local names = {}
  for contact in portal.crm.item.list:each { entityTypeId = 3, filter = { ["@id"] = contacts } } do
    names[contact.id] = contact.name .. " " .. contact.lastName
  end
  local statuses = portal.crm.calllist.statuslist()
  local items = portal.crm.calllist.items.get { LIST_ID = id }
  assert(#statuses > 0 and #items == #contacts)
  for _, item in ipairs(items) do assert(names[item.ID]) end
  return #chats, #contacts
end

local job, webhook, size, limits = arg[1], arg[2], tonumber(arg[3]), arg[4]
local portal <close> = bitrix24.connect { webhook = webhook, limits = limits or false }
print(jobs[job](portal, math.tointeger(size)))
