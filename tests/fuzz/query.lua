--- A fuzz target: parameters of a command in a batch. The input is a JSON text;
-- what is written of it must be read back as what it was, by the sandbox's
-- reading of PHP's rules, or must not be written as a query at all.

local check = require "fuzz.check"
local form = require "bitrix24.sandbox.form"
local json = require "bitrix24.json"
local wire = require "bitrix24.wire"

local math_type, next, pairs, tonumber, tostring, type = math.type, next, pairs, tonumber, tostring, type
local match = string.match

local _ENV = nil -- luacheck: ignore

local that = check.that

--- Is `got` what PHP has of `sent`? Everything is text there; 1.0 may be
-- written in any way that means it.
local function arrived(sent, got)
  if type(sent) == "table" then
    if type(got) ~= "table" then return false end
    for key, value in pairs(sent) do
      if not arrived(value, got[key] == nil and got[tonumber(key) or key] or got[key]) then return false end
    end
    return true
  end
  if type(got) ~= "string" then return false end
  if math_type(sent) == "integer" then return got == tostring(sent) end
  if math_type(sent) then return tonumber(got) == sent end
  if type(sent) == "boolean" then return got == (sent and "1" or "0") end
  return got == sent
end

--- A list of keys "0", "1", … is a sequence to PHP.
local function as_sequences(value)
  if type(value) ~= "table" then return value end
  local out, count, is_list = {}, 0, true
  for _ in next, value do count = count + 1 end
  for i = 0, count - 1 do
    if value[tostring(i)] == nil then is_list = false end
  end
  for key, item in next, value do
    out[is_list and type(key) == "string" and tonumber(key) + 1 or key] = as_sequences(item)
  end
  return out
end

local function check_query(params)
  local command = wire.command { method = "crm.deal.list", version = 2, params = params }
  if not command then return end
  local method, query = match(command, "^([%w.]+)%??(.*)$")
  that(method == "crm.deal.list", "a command of %s", check.show(command))
  that(not query:find("[^%w%-._~%%&=%[%]]"), "not encoded: %s", check.show(query))
  local got = form.decode(query)
  that(arrived(as_sequences(params), got), "%s does not say %s", check.show(query),
    check.show(json.encode(params)))
end

local function check_bodies(params)
  local calls = {
    { method = "crm.item.list", version = 3, params = params },
    { method = "tasks.task.list", version = 3, params = params },
  }
  for _, call in pairs(calls) do
    call.command = wire.command(call)
    if not call.command then return end
  end
  local back = json.decode(wire.body(3, calls, true), { nulls = "keep" })
  that(back and #back == 2, "a batch that is not JSON")
  that(back[1].method == "crm.item.list" and check.same(back[2].query, params), "a batch of something else")
end

return function(data)
  local params = json.decode(data, { nulls = "keep" })
  if type(params) ~= "table" then return end
  check_query(params)
  check_bodies(params)
end
