--- What a batch looks like on the wire, both versions.
-- REST 2: {"halt", "cmd": {key: "method?query"}} and an answer of five maps
-- keyed as the commands (settings/how-to-call-rest-api/batch).
-- REST 3.0: an array of {"method", "query"} and an array of results.

local envelope = require "bitrix24.envelope"
local json = require "bitrix24.json"

local concat = table.concat
local ipairs, setmetatable, type = ipairs, setmetatable, type

local _ENV = nil -- luacheck: ignore

local wire = {}

--- The key of the n-th command: never a number, so that the answer's maps
-- cannot arrive as arrays; of fixed width, so that sorted is in order.
---@param n integer from 1
---@return string
function wire.key(n)
  return ("c%02d"):format(n - 1)
end

local Reference = { __name = "bitrix24.reference" }
Reference.__tostring = function(reference)
  local out = { "$result" }
  for _, step in ipairs(reference.steps) do out[#out + 1] = ("[%s]"):format(step) end
  return concat(out)
end

local encode_query = json.query_encoder(Reference)

--- A value that the portal fills in: a place in the result of an earlier
-- command of the same batch. Only this, never a string, is written as syntax.
---@param n integer number of the command, from 1
---@param ... string|integer names, and places that count from 0 as PHP does
---@return table
function wire.reference(n, ...)
  return setmetatable({ steps = { wire.key(n), ... } }, Reference)
end

--- A pending call as a command, or nil when it cannot be one without a change
-- of meaning: nulls and empty arrays have no form in a query, and a value that
-- reads as a reference would be taken for one.
---@param pending table method, version, params
---@return string?
function wire.command(pending)
  if pending.version == 3 then
    local query = json.encode(pending.params, pending.row and pending.row.shape(), "params")
    return query and ('{"method":%s,"query":%s}'):format(json.encode(pending.method), query)
  end
  local query = encode_query(pending.params)
  if not query then return nil end
  return query == "" and pending.method or pending.method .. "?" .. query
end

--- The methods of a batch, for the limiter.
---@param commands { method: string }[]
---@return string[]
function wire.methods(commands)
  local out = {}
  for i, call in ipairs(commands) do out[i] = call.method end
  return out
end

--- The body of a REST 2 batch.
---@param commands { command: string }[]
---@param halt boolean stop at the first command that fails
---@return string
function wire.body2(commands, halt)
  local out = {}
  for i, pending in ipairs(commands) do
    out[i] = ('"%s":%s'):format(wire.key(i), (json.encode(pending.command)))
  end
  return ('{"cmd":{%s},"halt":%d}'):format(concat(out, ","), halt and 1 or 0)
end

--- The body of a REST 3.0 batch.
---@param commands { command: string }[]
---@return string
function wire.body3(commands)
  local out = {}
  for i, pending in ipairs(commands) do out[i] = pending.command end
  return "[" .. concat(out, ",") .. "]"
end

--- One command's entry in a map of the answer. An empty map arrives as `[]`,
-- a portal may make an array of a map.
local function entry(map, key, index)
  if type(map) ~= "table" or map == json.null then return nil end
  local value = map[key]
  if value == nil and map[1] ~= nil then value = map[index] end
  return value
end

local function read2(answer, count, nulls)
  local out = {}
  local times = answer.result_time
  for i = 1, count do
    local key = wire.key(i)
    local fault, result = entry(answer.result_error, key, i), entry(answer.result, key, i)
    local time = entry(times, key, i)
    local item = { time = type(time) == "table" and time or nil }
    if fault ~= nil and fault ~= json.null then
      envelope.read_fault(item, fault)
    elseif result ~= nil then
      item.result = envelope.nulls(result, nulls)
      item.total = envelope.integer(entry(answer.result_total, key, i))
      item.next = envelope.integer(entry(answer.result_next, key, i))
    elseif time == nil then
      item.skipped, item.message = true, "the batch stopped before this command"
    end
    out[i] = item
  end
  return out
end

local function read3(answer, count, nulls)
  local out = {}
  for i = 1, count do
    local result = answer[i]
    out[i] = result ~= nil and { result = envelope.nulls(result, nulls) }
      or { message = "the batch's answer has no result for this command" }
  end
  return out
end

--- The outcome of every command of an answered batch: `result` (with `total`,
-- `next`, `time`), or `code` and `description`, or `message` when there is
-- none (`skipped` when the batch stopped before it).
---@param answered { version: integer, result: any }
---@param count integer how many commands were sent
---@param nulls "drop"|"keep"
---@return bitrix24.Answer[]
function wire.read(answered, count, nulls)
  local result = answered.result
  if type(result) ~= "table" or result == json.null then result = {} end
  if answered.version == 3 then return read3(result, count, nulls) end
  return read2(result, count, nulls)
end

return wire
