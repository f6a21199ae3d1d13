--- What a batch looks like on the wire, both versions.
-- REST 2: {"halt", "cmd": {key: "method?query"}} and an answer of five maps
-- keyed as the commands (settings/how-to-call-rest-api/batch).
-- REST 3.0: an array of {"method", "query"} and an array of results.

local envelope = require "bitrix24.envelope"
local json = require "bitrix24.json"
local parameters = require "bitrix24.parameters"

local concat, unpack = table.concat, table.unpack
local find = string.find
local floor, max, min = math.floor, math.max, math.min
local ipairs, next, setmetatable, tostring, type = ipairs, next, setmetatable, tostring, type

local _ENV = nil -- luacheck: ignore

local wire = {}

--- Commands in a batch (settings/how-to-call-rest-api/batch), bytes in its body.
wire.WIDTH_MAX, wire.BYTES_MAX = 50, 1000000

--- A request is cut at 60 s of work, batch included (limits); a batch is kept
-- to a third of that.
local WORK_SECONDS = 20

--- How many commands fit into a batch, by what some took at the portal.
---@param count integer how many they were
---@param seconds number all of them together, more than 0
---@return integer
function wire.fit(count, seconds)
  return max(1, min(wire.WIDTH_MAX, floor(WORK_SECONDS * count / seconds)))
end

local KEYS = {}
for n = 1, wire.WIDTH_MAX do KEYS[n] = ("c%02d"):format(n - 1) end

--- The key of the n-th command: never a number, so that the answer's maps
-- cannot arrive as arrays; of fixed width, so that sorted is in order.
---@param n integer from 1
---@return string
function wire.key(n)
  return KEYS[n]
end

local Reference = { __name = "bitrix24.reference" }

function Reference.__tostring(reference)
  local out = { "$result" }
  for _, step in ipairs(reference.steps) do out[#out + 1] = ("[%s]"):format(tostring(step)) end
  return concat(out)
end

--- A value that the portal fills in: a place in the result of an earlier
-- command of the same batch. Only this, never a string, is written as syntax.
---@param n integer number of the command, from 1
---@param path (string|integer)[] names, and places that count from 0 as PHP does
---@return table
function wire.reference(n, path)
  return setmetatable({ steps = { KEYS[n], unpack(path) } }, Reference)
end

local query_of = json.query_encoder(Reference)

--- Longer parameters (files, texts) travel alone: encoding them once more and
-- reading them out of a query costs more than a request saves.
local BODY_MAX = 100000

--- `{"$ref": …}` and `{"$refArray": …}` are the references of REST 3.0.
local REFERENCE3 = '"$ref'

local function command3(pending)
  local body = pending.body
  if not body then
    local row = pending.row
    body = json.encode(pending.params, row and row.shape(), "params")
  end
  if not body or #body > BODY_MAX or find(body, REFERENCE3, 1, true) then return nil end
  return ('{"method":%s,"query":%s}'):format(json.encode(pending.method), body)
end

--- A pending call as a command, or nil when it cannot be one without a change
-- of meaning: nulls and empty arrays have no form in a query, and a value that
-- reads as a reference would be taken for one.
---@param pending table method, version, row, params, and `body` when they are encoded already
---@return string?
function wire.command(pending)
  if pending.version == 3 then return command3(pending) end
  if pending.body and #pending.body > BODY_MAX then return nil end
  -- a name that is not documented may hold what ends it, or a format, which
  -- addresses alone have (settings/how-to-call-rest-api/general-principles)
  if not pending.row and (find(pending.method, "[?&#]") or find(pending.method, "%.[jJ][sS][oO][nN]$")) then
    return nil
  end
  local query = query_of(parameters.placed(pending.row, pending.params))
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

--- The body of a batch.
---@param version integer
---@param commands { command: string }[]
---@param halt boolean stop at the first command that fails; REST 3.0 always does
---@return string
function wire.body(version, commands, halt)
  local out = {}
  for i, call in ipairs(commands) do out[version == 3 and i or KEYS[i]] = call.command end
  if version == 3 then return "[" .. concat(out, ",") .. "]" end
  -- sorted by name, which is the order of the commands
  return (json.encode { cmd = out, halt = halt and 1 or 0 })
end

--- How deep an answer keeps its null fields whatever the portal's option says:
-- a command that answered null has run, one that is absent has not. Below are
-- the results of commands: REST 2 answers {result: {result: {KEY: …}}}, REST 3.0
-- {result: […]}, where a null keeps its place in any case.
---@param version integer
---@return integer
function wire.below(version)
  return version == 3 and 2 or 3
end

--- A map of the answer, nil when there is nothing in it: an empty one arrives
-- as `[]`, and a portal may make an array of one.
local function map_of(map)
  return type(map) == "table" and map ~= json.null and next(map) ~= nil and map or nil
end

local function entry(map, key, index)
  if not map then return nil end
  local value = map[key]
  if value == nil then return map[index] end
  return value
end

--- The result of a command that answered null.
local function present(result)
  if result == json.null then return nil end
  return result
end

local function read2(answer, count)
  local out = {}
  local results, faults = map_of(answer.result), map_of(answer.result_error)
  local times = map_of(answer.result_time)
  local totals, nexts = map_of(answer.result_total), map_of(answer.result_next)
  for i = 1, count do
    local key = KEYS[i]
    local fault, result, time = entry(faults, key, i), entry(results, key, i), entry(times, key, i)
    local item = { time = type(time) == "table" and time or nil, result = nil } -- room for both
    if fault ~= nil and fault ~= json.null then
      envelope.read_fault(item, fault)
      -- a failure without a code is one nevertheless
      item.code = item.code or ""
    elseif result ~= nil then
      item.result = present(result)
      item.total = envelope.integer(entry(totals, key, i))
      item.next = envelope.integer(entry(nexts, key, i))
      envelope.read_inner_fault(item, item.result)
    elseif time == nil then
      item.skipped, item.message = true, "the answer of the batch does not mention this command"
    end
    out[i] = item
  end
  return out
end

local function read3(answer, count)
  local out = {}
  for i = 1, count do
    local result = answer[i]
    out[i] = result ~= nil and { result = present(result) }
      or { message = "the batch's answer has no result for this command" }
  end
  return out
end

--- The outcome of every command of an answered batch: `result` (with `total`,
-- `next`, `time`), or `code` and `description`, or `message` when there is
-- none (`skipped` when the answer does not mention it: it did not run where the
-- batch stopped before it, else nobody knows).
---@param answered { version: integer, result: any } decoded with wire.below
---@param count integer how many commands were sent
---@return bitrix24.Answer[]
function wire.read(answered, count)
  local result = map_of(answered.result) or {}
  if answered.version == 3 then return read3(result, count) end
  return read2(result, count)
end

-- Refusals that a batch of REST 3.0 may meet at any of its commands; others are
-- met by the request as a whole, before the first one runs.
local OF_COMMAND = {
  OPERATION_TIME_LIMIT = true, insufficient_scope = true, invalid_scope = true,
  BITRIX_REST_V3_EXCEPTION_INSUFFICIENTSCOPEEXCEPTION = true,
  METHOD_CONFIRM_WAITING = true, METHOD_CONFIRM_DENIED = true,
}

--- May commands before the refused one have run?
---@param code string?
---@return boolean
function wire.is_of_command(code)
  return code ~= nil and OF_COMMAND[code] == true
end

return wire
