--- A fuzz target: answers of a portal. The first line says how it came, the
-- rest is the body:
--
--     200 application/json crm.deal.list keep
--
-- (status, content type, method, whether nulls are kept; all may be missing).

local catalogue = require "bitrix24.catalogue"
local check = require "fuzz.check"
local cjson = require "cjson"
local client = require "bitrix24.client"
local core = require "bitrix24.core"
local envelope = require "bitrix24.envelope"
local faults = require "bitrix24.fault"
local json = require "bitrix24.json"
local list = require "bitrix24.list"
local options = require "bitrix24.options"

local getmetatable, ipairs, math_type, pcall, tonumber = getmetatable, ipairs, math.type, pcall, tonumber
local tostring, type = tostring, type
local find, gmatch, sub = string.find, string.gmatch, string.sub

local _ENV = nil -- luacheck: ignore

local that = check.that

--- A portal that always promises more cannot be told from a long list.
local PAGES_MAX = 20

local plain = cjson.new()
plain.decode_max_depth(1000)
plain.decode_invalid_numbers(false)

--- A portal whose code is the secret of the corpora; nothing is sent.
local portal = client.new(options.read("https://portal.example.com/rest/1/" .. check.secret .. "/"))

local function is_text(value) return value == nil or type(value) == "string" end
local function is_integer(value) return value == nil or math_type(value) == "integer" end

--- Our decoder and lua-cjson agree on what is JSON and, the exactness of
-- numbers aside, on what it says.
local function compare(body)
  local text = sub(body, 1, 3) == "\xEF\xBB\xBF" and sub(body, 4) or body
  local kept, why = json.decode(body, { nulls = "keep" })
  local ok, expected = pcall(plain.decode, text)
  if kept == nil then
    that(type(why) == "string" and why ~= "", "refused without a reason")
    -- lua-cjson takes numbers and NUL bytes that RFC 8259 does not
    that(not ok or why:find("found a", 1, true), "refused what is JSON: %s", why)
    that(json.decode(body) == nil, "JSON only without its nulls")
    return
  end
  that(ok, "took what is not JSON: %s", check.show(expected))
  that(check.same(kept, expected), "decoded to something else")
  that(json.decode(body) ~= nil, "JSON only with its nulls")
  local again = json.encode(kept)
  if again and type(kept) == "table" and kept ~= json.null then
    local back, fault = json.decode(again, { nulls = "keep" })
    that(back ~= nil, "wrote what is not JSON: %s", tostring(fault))
    that(check.same(back, kept), "wrote something else")
  end
end

local function check_shape(answer)
  that(type(answer.decoded) == "boolean", "decoded is a %s", type(answer.decoded))
  if not answer.decoded then
    that(is_text(answer.message) and answer.message ~= nil, "unreadable without a message")
    that(answer.code == nil and answer.result == nil, "unreadable, and yet read")
    return
  end
  that(is_text(answer.code) and is_text(answer.description), "words that are no text")
  that(is_integer(answer.total) and is_integer(answer.next), "numbers that are not whole")
  that(answer.time == nil or type(answer.time) == "table", "a time that is a %s", type(answer.time))
  that(answer.result ~= json.null, "a result of null")
  for _, fault in ipairs(answer.validation or {}) do
    that(is_text(fault.field) and is_text(fault.message), "validation that is no text")
  end
end

--- The error that a script gets.
local function check_fault(answer, method, version, row, status)
  local kind, sent, retryable = "protocol", nil, false
  if answer.code then kind, sent, retryable = core.client.judge(answer.code, true) end
  check.structured(faults.of_call(portal,
    { method = method, version = version, row = row, params = {} }, answer,
    { kind = kind, sent = sent, retryable = retryable, reason = "a reason" },
    { outcome = "answer", status = status, location = "", message = "", attempts = 1 }))
end

--- A list of which every page is this answer: its records, then the end of it
-- or an error; never for ever.
local function check_list(answer, method, version, row)
  local caller = {
    method = method, version = version, row = row, may_batch = false,
    send = function() return {} end,
    wait = function() return answer.result, answer end,
    cancel = function() end,
    clean = function(text) return portal:clean(text) end,
  }
  local pages = check.returns("config", list.pages, caller, nil, { strategy = "sequential" })
  for _ = 1, PAGES_MAX do
    local page = pages and check.returns("protocol", pages)
    if page == nil then return end
    that(type(page) == "table" and getmetatable(page) == nil, "records in a %s", type(page))
    that(#page > 0, "a page without records")
  end
end

return function(data)
  local line, body = check.line(data)
  local words = {}
  for word in gmatch(line, "%S+") do words[#words + 1] = word end
  local status = math_type(tonumber(words[1])) == "integer" and tonumber(words[1]) % 1000 or 200
  local method, nulls = words[3] or "", words[4] == "keep" and "keep" or "drop"
  -- a call of another name was refused before it was sent
  if not find(method, "^[%w_.-]+$") or find(method, check.secret, 1, true) then method = "crm.deal.list" end
  local row = catalogue.find(method)
  compare(body)
  local answer = envelope.read(body, status, words[2] or "", row, nulls)
  check_shape(answer)
  if not answer.decoded or answer.code then
    check_fault(answer, method, row and row.version or 2, row, status)
  else
    check_list(answer, method, row and row.version or 2, row)
  end
end
