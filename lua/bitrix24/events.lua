--- Events of a portal: what it posts to a handler, and its offline queue.
--
--     local events = require "bitrix24.events"
--     local event = events.parse(body, content_type)
--     if not events.verify(event, application_token) then return forbidden() end
--
--     for event in events.offline(portal) do … end
--
-- Events are plain tables: printing one shows no token. What is in `auth`
-- belongs into no log.

local core = require "bitrix24.core"
local envelope = require "bitrix24.envelope"
local errors = require "bitrix24.errors"
local form = require "bitrix24.events.form"
local json = require "bitrix24.json"
local offline = require "bitrix24.events.offline"

local find, lower, match = string.find, string.lower, string.match
local ipairs, time, type = ipairs, os.time, type
local integer = envelope.integer

local _ENV = nil -- luacheck: ignore

local events = {
  --- Take what waits in the offline queue: see events/offline.lua.
  offline = offline,
}

--- A body that is longer is refused unread.
local BYTES_MAX = 8 * 1024 * 1024

---@class bitrix24.Event
---@field event string? name in capitals, e.g. "ONCRMDEALADD"; a robot's call has none
---@field event_handler_id string?
---@field data table what happened; {} when the portal sent nothing
---@field auth table domain, member_id, application_token, access_token, …; {} when there is none
---@field ts string|number|nil when, in seconds since 1970
-- and whatever else came, under its own name

local function refuse(what)
  errors.raise { kind = "protocol", message = "events.parse: " .. what }
end

--- Is it a form or JSON? What says neither, is told by its first character.
local function is_json(body, content_type)
  local given = content_type and lower(match(content_type, "^%s*([^;%s]*)")) or ""
  if given == "" then return find(body, "^%s*[{%[]") ~= nil end
  if given == "application/x-www-form-urlencoded" then return false end
  if given == "application/json" or find(given, "^application/[%w.-]+%+json$") then return true end
  -- a stranger's header is shown only as far as it is a name
  local is_name = #given <= 60 and find(given, "^[%w.+-]+/[%w.+-]+$")
  local shown = is_name and ("'%s'"):format(given) or "what is given"
  return refuse(("the content type is to be a form or JSON, not %s"):format(shown))
end

local function is_empty(value)
  return value == nil or value == "" or value == json.null
end

--- A field that is a table or is not there.
local function table_of(t, name)
  if is_empty(t[name]) then
    t[name] = {}
  elseif type(t[name]) ~= "table" then
    refuse(("'%s' is not a list of fields"):format(name))
  end
end

--- Decode what a portal posted to a handler, a form or JSON. The values of a
-- form are strings, ids too. Raises a `protocol` error for what is neither, has
-- broken encoding, neither an `event` nor an `auth`, more than 8 MiB, 10,000
-- pairs or brackets nested deeper than 32. Nothing of it is to be believed
-- before `verify` says so.
---@param body string
---@param content_type string? header of the request; without it the body decides
---@return bitrix24.Event
function events.parse(body, content_type)
  if type(body) ~= "string" then
    errors.config(("events.parse: the body must be a string, got %s"):format(type(body)))
  end
  if content_type ~= nil and type(content_type) ~= "string" then
    errors.config(("events.parse: the content type must be a string, got %s"):format(type(content_type)))
  end
  if #body > BYTES_MAX then refuse(("the body is longer than %d bytes"):format(BYTES_MAX)) end
  if not find(body, "%S") then refuse "the body is empty" end
  local event, problem
  if is_json(body, content_type) then
    event, problem = json.decode(body)
    if type(event) ~= "table" or event[1] ~= nil then
      refuse(problem and "not JSON: " .. problem or "the body is not a JSON object")
    end
  else
    event, problem = form.decode(body)
    if not event then refuse("not a form: " .. problem) end
  end
  if not is_empty(event.event) and type(event.event) ~= "string" then refuse "'event' is not a name" end
  if is_empty(event.event) then event.event = nil end
  if event.event == nil and is_empty(event.auth) then
    refuse "neither 'event' nor 'auth': this is not what a portal posts"
  end
  table_of(event, "data")
  table_of(event, "auth")
  return event
end

local function check_event(event, where)
  if type(event) ~= "table" then
    errors.config(("%s: expected an event, got %s"):format(where, type(event)),
      "events.parse(body) gives one")
  end
  return type(event.auth) == "table" and event.auth or {}
end

--- Did this event come from the portal? Compares its `auth.application_token`
-- with the one that came with ONAPPINSTALL and was kept
-- (api-reference/events/safe-event-handlers), in a time that does not depend on
-- where they differ.
---@param event bitrix24.Event
---@param application_token string
---@return boolean
function events.verify(event, application_token)
  local auth = check_event(event, "events.verify")
  if type(application_token) ~= "string" or application_token == "" then
    -- the value is not shown: it may be a secret of another type
    errors.config("events.verify: the application token must be a non-empty string",
      "keep auth.application_token of ONAPPINSTALL and give it here")
  end
  local given = auth.application_token
  return type(given) == "string" and core.equal(given, application_token)
end

local TOKENS = { "access_token", "refresh_token", "domain", "client_endpoint", "member_id" }

local function is_text(value) return type(value) == "string" and value ~= "" end

--- The tokens that came with an event, as a token store takes them:
-- `store:save(events.tokens(event))`. Only ONAPPINSTALL and ONOFFLINEEVENT bring
-- a refresh token (api-reference/events); without a pair the answer is nil.
---@param event bitrix24.Event
---@return bitrix24.Tokens?
function events.tokens(event)
  local auth = check_event(event, "events.tokens")
  if not is_text(auth.access_token) or not is_text(auth.refresh_token) then return nil end
  local tokens = {}
  for _, name in ipairs(TOKENS) do
    if is_text(auth[name]) then tokens[name] = auth[name] end
  end
  local lifetime = integer(auth.expires_in)
  tokens.expires = integer(auth.expires) or lifetime and (integer(event.ts) or time()) + lifetime or nil
  return tokens
end

return events
