-- A sandbox portal in a process of its own, for measuring:
--   lua5.4 tests/bench/serve.lua '{"contacts":100000,"limits":false}'
-- Prints its webhook, then answers orders on standard input, one a line, with
-- one line of JSON each; ends with its input.
--   count         requests that arrived, and those refused for their rate
--   bodies FILE   writes every request as PATH <tab> BODY
--   reset         forgets requests and limits
-- "project_chats" is for the recipe: so many chats, all found by "Project".

local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"

local options = assert(json.decode(arg[1] or "{}", { nulls = "drop" }))

--- So many chats with so many members each, named alike.
local function named_chats(count, users, members)
  local sb <close> = sandbox.start { chats = count, users = users, workgroups = 0 }
  local chats = sb:records "chats"
  for i, chat in ipairs(chats) do
    chat.name, chat.type, chat.message_type = "Project " .. i, "chat", "C"
    chat.entity_type, chat.entity_id = "", ""
    chat.members = { 1 }
    local step = 1 + i % 7
    for k = 1, members - 1 do chat.members[k + 1] = 2 + (i * 13 + k * step) % (users - 1) end
    chat.owner = 1
  end
  return chats
end

if options.project_chats then
  options.fixture = { chats = named_chats(options.project_chats, options.users, options.chat_members) }
  options.project_chats, options.chat_members = nil, nil
end

local sb <close> = sandbox.start(options)
local code = sb.webhook:match "/rest/1/([^/]+)/"

local function write_bodies(path)
  local file = assert(io.open(path, "wb"))
  for _, request in ipairs(sb:requests()) do
    file:write((request.path:gsub("%*%*%*", code)), "\t", request.body, "\n")
  end
  file:close()
end

local orders = {}

function orders.count()
  local requests, refused = sb:requests(), 0
  for _, request in ipairs(requests) do
    if request.status == 503 or request.status == 429 then refused = refused + 1 end
  end
  return { requests = #requests, refused = refused, errors = #sb:errors() }
end

function orders.bodies(path)
  write_bodies(path)
  return { done = true }
end

function orders.reset()
  sb:reset()
  return { done = true }
end

local function say(value)
  io.write(json.encode(value), "\n")
  io.flush()
end

say { webhook = sb.webhook, url = sb.url }
for line in io.lines() do
  local name, rest = line:match "^(%S+)%s*(.*)$"
  say(orders[name](rest))
end
