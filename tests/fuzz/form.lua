--- A fuzz target: what a portal, or somebody else, posts to a handler of
-- events. The first line is the content type, the rest the body.

local check = require "fuzz.check"
local events = require "bitrix24.events"
local form = require "bitrix24.events.form"
local json = require "bitrix24.json"
local other_form = require "bitrix24.sandbox.form"

local ipairs, pairs, type = ipairs, pairs, type
local find, gmatch = string.find, string.gmatch

local _ENV = nil -- luacheck: ignore

local that = check.that

--- Nothing but text in tables.
local function check_tree(value)
  if type(value) ~= "table" then
    that(type(value) == "string", "a form with a %s", type(value))
    return
  end
  for key, item in pairs(value) do
    that(type(key) == "string" or #value > 0, "a key that is a %s", type(key))
    check_tree(item)
  end
end

--- Names that PHP changes, or takes for numbers: the module keeps them, the
-- sandbox does as PHP.
local function is_changed(body)
  for name in gmatch(body, "[^&]+") do
    name = other_form.unescape(name)
    if find(name, "^[^=]*[ .%z]") or find(name, "^[%[%d]") or find(name, "%[%s%]") then return true end
  end
  return false
end

--- The module and the sandbox read a form on their own: where the module reads
-- one at all, they have read the same.
local function check_form(body)
  local expected = other_form.decode(body)
  check_tree(expected)
  local got, problem = form.decode(body)
  if got == nil then
    that(type(problem) == "string" and problem ~= "", "refused without a reason")
    that(not find(problem, check.secret, 1, true), "a reason with a secret: %s", problem)
    return
  end
  check_tree(got)
  if not is_changed(body) then
    that(check.same(got, expected), "%s, to the sandbox %s", json.encode(got), json.encode(expected))
  end
end

local function check_event(event)
  that(type(event) == "table", "an event that is a %s", type(event))
  that(event.event == nil or type(event.event) == "string", "a name that is a %s", type(event.event))
  that(type(event.data) == "table" and type(event.auth) == "table", "an event without its tables")
  local token = event.auth.application_token
  that(events.verify(event, check.secret) == (token == check.secret), "verified what is not the token")
  if type(token) == "string" and token ~= "" then
    that(events.verify(event, token) == true, "did not verify the token itself")
    that(events.verify(event, token .. "x") == false, "verified a longer token")
  end
  local tokens = events.tokens(event)
  if tokens then
    that(type(tokens.access_token) == "string" and type(tokens.refresh_token) == "string", "half a pair")
  end
end

return function(data)
  local content_type, body = check.line(data)
  check_form(body)
  for _, kind in ipairs { content_type, false } do
    local event = check.returns("protocol", events.parse, body, kind or nil)
    if event ~= nil then check_event(event) end
  end
end
