-- Take over what a portal posts when an application is installed (ONAPPINSTALL), and call as the application.
-- TOKENS=tokens.json lua5.4 examples/install_app.lua < BODY
-- The web server hands the body of the request over; TOKENS is what event_log.lua and others begin with.
local bitrix24 = require "bitrix24"
local events = require "bitrix24.events"
local path = assert(os.getenv "TOKENS", "TOKENS is not set: usage: TOKENS=tokens.json install_app.lua < BODY")
local event = events.parse(io.read "a")
assert(event.event == "ONAPPINSTALL", "the body is not that of ONAPPINSTALL")
local tokens = assert(events.tokens(event), "the event has no refresh token")
local store = bitrix24.token_file(path)
local known = store:load()
-- anybody can post here: an application that is installed keeps its portal, and tokens must work to be kept
assert(not known or known.member_id == tokens.member_id and known.domain == tokens.domain,
  path .. " is of another portal")
local app <close> = bitrix24.connect{ domain = tokens.domain, access_token = tokens.access_token }
local user, info = app.user.current(), app.app.info()
store:save(tokens)
print(("installed on %s by %s %s; application %s, version %s"):format(
  tokens.domain, user.NAME, user.LAST_NAME, info.CODE or info.ID, info.VERSION))
