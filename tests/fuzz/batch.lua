--- A fuzz target: answers of a batch. The first line says what was sent, the
-- rest is the body:
--
--     2 5 keep
--
-- (REST version, number of commands, whether nulls are kept).

local check = require "fuzz.check"
local client = require "bitrix24.client"
local envelope = require "bitrix24.envelope"
local faults = require "bitrix24.fault"
local json = require "bitrix24.json"
local options = require "bitrix24.options"
local wire = require "bitrix24.wire"

local ipairs, math_type, tonumber, type = ipairs, math.type, tonumber, type
local match = string.match

local _ENV = nil -- luacheck: ignore

local that = check.that

--- A portal whose code is the secret of the corpora; nothing is sent.
local portal = client.new(options.read("https://portal.example.com/rest/1/" .. check.secret .. "/"))

local function is_text(value) return value == nil or type(value) == "string" end
local function is_integer(value) return value == nil or math_type(value) == "integer" end

--- One command has run, has failed or was skipped; never two of these.
local function check_outcome(answer)
  that(type(answer) == "table", "an outcome that is a %s", type(answer))
  that(is_text(answer.code) and is_text(answer.description) and is_text(answer.message),
    "words that are no text")
  that(is_integer(answer.total) and is_integer(answer.next), "numbers that are not whole")
  that(answer.time == nil or type(answer.time) == "table", "a time that is a %s", type(answer.time))
  that(answer.result ~= json.null, "a result of null")
  that(answer.skipped == nil or answer.message ~= nil, "skipped without a word")
  that(answer.message == nil or answer.result == nil and answer.code == nil, "an outcome and none")
  if answer.code or answer.message then
    check.structured(faults.of_command(portal, { method = "crm.deal.list", version = 2, params = {} }, answer,
      { response = { status = 200, attempts = 1 } }))
  end
end

return function(data)
  local line, body = check.line(data)
  local version, count, nulls = match(line, "^(%d) (%d+) ?(%a*)")
  version = version == "3" and 3 or 2
  count = (tonumber(count) or 3) % (wire.WIDTH_MAX + 1) // 1 | 0
  local answer = envelope.read(body, 200, "application/json", nil, nulls == "keep" and "keep" or "drop",
    wire.below(version))
  if not answer.decoded or answer.code then return end
  local outcomes = wire.read({ version = version, result = answer.result }, count)
  that(#outcomes == count, "%d outcomes of %d commands", #outcomes, count)
  for _, outcome in ipairs(outcomes) do
    check_outcome(outcome)
    portal:note_command("crm.deal.list", outcome)
  end
end
