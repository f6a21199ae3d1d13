-- Append what happened to deals to a log: events wait at the portal until this takes them, none is lost.
-- CLIENT_ID=… CLIENT_SECRET=… lua5.4 examples/event_log.lua TOKENS LOG [SECONDS]
-- TOKENS comes from install_app.lua. With SECONDS it asks again so often, else it ends with the queue.
local bitrix24 = require "bitrix24"
local events = require "bitrix24.events"
local path, log_path, poll = ...
assert(path and log_path, "usage: event_log.lua TOKENS LOG [SECONDS]")
local store = bitrix24.token_file(path)
local tokens = assert(store:load(), path .. " has no tokens: install_app.lua makes it")
local app <close> = bitrix24.connect{
  domain = tokens.domain, tokens = store,
  client_id = os.getenv "CLIENT_ID", client_secret = os.getenv "CLIENT_SECRET",
}
local bound = {}
for _, handler in ipairs(app.event.get()) do
  if tonumber(handler.offline) == 1 then bound[handler.event:upper()] = true end
end
for _, name in ipairs{ "ONCRMDEALADD", "ONCRMDEALUPDATE", "ONCRMDEALDELETE" } do
  if not bound[name] then app.event.bind{ event = name, event_type = "offline" } end
end
local log <close> = assert(io.open(log_path, "a"))
local count = 0
for event in events.offline(app, { poll = tonumber(poll) }) do
  local id = event.data.FIELDS and event.data.FIELDS.ID or "?"
  log:write(("%s %s %s\n"):format(event.TIMESTAMP_X, event.event, id))
  assert(log:flush()) -- written before the portal forgets it
  count = count + 1
end
print(("%d events written to %s"):format(count, log_path))
