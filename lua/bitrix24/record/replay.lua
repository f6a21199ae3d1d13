--- Answers from a recording, without a network: `connect{ replay = path }`.
--
-- Each recorded answer is given once, in the order of the recording; a read that
-- is asked more often gets the last one again, a write does not. A request that
-- was not recorded as a whole is put together from parts: a batch from single
-- calls and from commands of other batches, a call from a command. So a script
-- may be packed otherwise than when it was recorded. What is not found is an
-- error that names the nearest thing recorded; with `strict = false` it is
-- answered as that was, if it is of the same method: for parameters that are
-- other ones each time, such as the time of the day.

local catalogue = require "bitrix24.catalogue"
local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local exchange = require "bitrix24.record.exchange"
local front = require "bitrix24.front"
local json = require "bitrix24.json"

local find, gsub, match = string.find, string.gsub, string.match
local ipairs, pairs, select, setmetatable = ipairs, pairs, select, setmetatable
local tostring, type = tostring, type
local open = io.open
local sort = table.sort

local _ENV = nil -- luacheck: ignore

--- The webhook of a portal that nobody calls. Its code is no text that meets
-- anybody, for it would be masked.
local NOWHERE, CODE = "https://replay.invalid", "replay0000000000"

---@class bitrix24.Recording
---@field path string
---@field origin string
---@field whole table<string, table[]> exchanges by key
---@field parts table<string, table[]> outcomes of calls and commands by key
---@field masked table<table, string[]> by map: its keys in which a secret was masked, in order
---@field known table[] what can be named as the nearest: { method, flat, part }
---@field strict boolean
local Recording = {}
Recording.__index = Recording

local replay = {}

local function refuse(path, why, hint)
  errors.config(("connect: option 'replay': %s: %s"):format(path, why), hint)
end

-- ---- reading ------------------------------------------------------------------------

local function add(map, key, item)
  local list = map[key] or { given = 0 }
  map[key] = list
  list[#list + 1] = item
end

local function map_of(value)
  return type(value) == "table" and value or {}
end

--- Keep what became of one call, alone or in a batch.
---@param usable any can it be given by itself
local function add_part(self, key, method, params, part, usable)
  if key then add(self.parts, key, part) end
  self.known[#self.known + 1] = {
    method = method, flat = exchange.flat(params), part = usable and part or nil,
  }
  return part
end

--- A call by itself.
local function read_single(self, line)
  local answer = type(line.answer) == "table" and line.answer or nil
  local key = type(line.request) == "table"
    and exchange.command(line.method, line.version, line.request) or nil
  local usable = answer and (line.outcome == nil) and (answer.error ~= nil or line.verdict == nil)
  return { add_part(self, usable and key, line.method, line.url and { url = line.url } or line.request, {
    fault = answer and answer.error ~= nil and answer or nil, result = answer and answer.result,
    total = answer and answer.total, next = answer and answer.next, time = answer and answer.time,
  }, usable) }
end

--- The commands of a batch of REST 2 in the order of their keys: { key, text, method, query }.
local function commands2(request)
  local cmd, out = map_of(map_of(request).cmd), {}
  for key, text in pairs(cmd) do
    text = tostring(text)
    local method, query = match(text, "^([^?]*)%??(.*)$")
    out[#out + 1] = { key = key, text = text, method = method, query = query }
  end
  sort(out, function(a, b) return a.key < b.key end) -- JSON: all are names, or all are places
  return out
end

--- The commands of a batch of REST 2. What refers to another command is of use
-- in this batch only.
local function read_batch2(self, line)
  local out = {}
  local result = map_of(map_of(line.answer).result)
  local results, faults = map_of(result.result), map_of(result.result_error)
  for i, command in ipairs(commands2(line.request)) do
    local key, text = command.key, command.text
    local fault = faults[key]
    local ran = fault ~= nil or results[key] ~= nil
    local apart = ran and not find(text, "$result", 1, true) and not find(text, "%24result", 1, true)
    if fault ~= nil and type(fault) ~= "table" then fault = { error = fault } end
    out[i] = add_part(self, apart and text, command.method, command.query, {
      fault = fault, result = results[key], total = map_of(result.result_total)[key],
      next = map_of(result.result_next)[key], time = map_of(result.result_time)[key],
    }, ran)
  end
  return out
end

--- A command as it may stand in a script's own `batch` call.
local function command3(given)
  local command = map_of(given)
  return { method = tostring(command.method), query = command.query }
end

local function read_batch3(self, line)
  local out = {}
  local results = map_of(map_of(line.answer).result)
  for i, one in ipairs(map_of(line.request)) do
    local command = command3(one)
    local key = results[i] ~= nil and exchange.command(command.method, 3, command.query) or nil
    out[i] = add_part(self, key, command.method, command.query, { result = results[i] }, results[i] ~= nil)
  end
  return out
end

local function read_line(self, line)
  local reader = line.method ~= "batch" and read_single or line.version == 3 and read_batch3 or read_batch2
  line.parts = reader(self, line)
  add(self.whole, exchange.key(line.method, line.version, line.url or line.request), line)
end

--- What a line may say, by name. A recording may have passed through many hands.
local LINE = {
  method = "string", url = "string", outcome = "string", status = "number", attempts = "number",
  type = "string", message = "string", location = "string", verdict = "table", text = "string",
  base64 = "string", bytes = "number",
}

local function is_exchange(line)
  if type(line) ~= "table" or line.method == nil then return false end
  for name, kind in pairs(LINE) do
    if line[name] ~= nil and type(line[name]) ~= kind then return false end
  end
  local verdict = line.verdict
  return not verdict or type(verdict.kind) == "string"
end

--- The lines of a file, one by one.
local function each_line(path)
  local file, why = open(path, "rb")
  return function()
    local text
    if file then text, why = file:read("l") end
    if why then refuse(path, (gsub(why, "^.*: ", ""))) end
    return text
  end, file
end

--- Read a recording.
---@param path string
---@param strict boolean
---@return bitrix24.Recording
function replay.read(path, strict)
  local next_line, file = each_line(path)
  local guard <close> = file -- luacheck: ignore
  local self = setmetatable({ path = path, strict = strict, whole = {}, parts = {}, known = {} }, Recording)
  local number = 0
  for text in next_line do
    number = number + 1
    local line = exchange.decode(text)
    if number == 1 then
      if type(line) ~= "table" or line.recording ~= "bitrix24" then refuse(path, "it is no recording") end
      if line.version ~= 1 then refuse(path, "it is of a later version") end
      self.origin = type(line.origin) == "string" and find(line.origin, "^https?://[^/]+$") and line.origin
        or NOWHERE
    elseif not is_exchange(line) then
      -- the last line of a script that was killed
      if next_line() then refuse(path, ("line %d is no exchange"):format(number)) end
    else
      line.version = line.version == 3 and 3 or 2
      read_line(self, line)
    end
  end
  if number == 0 then refuse(path, "it is empty") end
  self.masked = { [self.whole] = exchange.masked(self.whole), [self.parts] = exchange.masked(self.parts) }
  return self
end

-- ---- finding ------------------------------------------------------------------------

--- The list of a key; of one that was recorded with masked secrets, too.
local function list_of(self, map, key)
  if map[key] then return map[key] end
  for _, recorded in ipairs(self.masked[map]) do
    if exchange.fits(recorded, key) then return map[recorded] end
  end
end

--- The next item of a list that was not given yet; of a read also the last.
local function next_of(list, harmless)
  if not list then return nil end
  for i = list.given + 1, #list do
    list.given = i
    if not list[i].given then return list[i] end
  end
  return harmless and list[#list] or nil
end

--- The request fails when somebody waits for it: one that was only asked ahead
-- need not be in a recording.
local function refused(message)
  return nil, {
    seen = { outcome = "none", status = 0 }, verdict = { kind = "config", sent = false, reason = message },
  }
end

--- What was not recorded: the error that names the nearest that was, or that.
---@return table? part
---@return table? failure
local function unknown(self, method, flat, often)
  local names, best, alike, difference = {}, nil, nil, nil
  for i, one in ipairs(self.known) do names[i] = one.method end
  local near = errors.nearest(method, names)
  for _, one in ipairs(self.known) do
    local score, what = exchange.compare(one.flat, flat)
    if one.method ~= (near or method) then score = errors.common_start(one.method, method) - 1000000 end
    if not best or score > alike then best, alike, difference = one, score, what end
  end
  if not self.strict and best and best.method == method and best.part then return best.part end
  local asked = exchange.words(method, flat)
  if often and not difference then
    return refused(("the recording %s has this write %s, and it is asked once more: %s"):format(
      self.path, often == 1 and "once" or often .. " times", asked))
  end
  return refused(("not in the recording %s: %s; %s"):format(self.path, asked, best
    and ("the nearest recorded one is %s%s"):format(exchange.words(best.method, best.flat),
      best.method == method and difference and (" (%s)"):format(difference) or "")
    or "nothing is recorded there"))
end

-- ---- answers ------------------------------------------------------------------------

--- A recorded exchange, as it was.
local function as_recorded(line, call)
  for _, part in ipairs(line.parts) do part.given = true end
  line.given = true
  local body = line.text or line.base64 and exchange.bytes(line.base64)
    or line.answer ~= nil and json.encode(line.answer) or ""
  return {
    harmless = call.harmless, verdict = line.verdict, bytes = call.url and body or nil,
    seen = {
      outcome = line.outcome, status = line.status, body = body, content_type = line.type,
      message = line.message, location = line.location, attempts = line.attempts,
    },
  }
end

local function answer_with(body, call, failed)
  return {
    harmless = call.harmless, seen = { body = json.encode(body), status = failed and 400 or 200 },
  }
end

--- One call, from a command or another call.
local function from_part(part, call, version)
  part.given = true
  if part.fault then
    local body = part.fault
    if version == 3 and type(body.error) ~= "table" then
      body = { error = { code = body.error, message = body.error_description } }
    end
    return answer_with(body, call, true)
  end
  return answer_with({
    result = part.result == nil and json.null or part.result, total = part.total, next = part.next,
    time = part.time or json.object {},
  }, call)
end

--- The next outcome of one call or command.
local function part_of(self, method, key, params)
  local row = catalogue.find(method)
  local list = key and list_of(self, self.parts, key)
  local part = next_of(list, row ~= nil and not row.write)
  if part then return part end
  return unknown(self, method, exchange.flat(params), list and #list)
end

--- A batch of REST 2, put together.
local function compose2(self, call, request)
  local out = { result = {}, result_error = {}, result_total = {}, result_next = {}, result_time = {} }
  for _, command in ipairs(commands2(request)) do
    local key = command.key
    local part, failure = part_of(self, command.method, command.text, command.query)
    if not part then return failure end
    part.given = true
    if part.fault then
      out.result_error[key] = part.fault
      if request.halt == 1 then break end
    else
      out.result[key] = part.result == nil and json.null or part.result
      out.result_total[key], out.result_next[key] = part.total, part.next
    end
    out.result_time[key] = part.time or json.object {}
  end
  return answer_with({ result = out, time = json.object {} }, call)
end

--- One of REST 3.0: all or nothing.
local function compose3(self, call, request)
  local results = {}
  for i, one in ipairs(request) do
    local command = command3(one)
    local params = command.query
    local key = exchange.command(command.method, 3, params)
    local part, failure = part_of(self, command.method, key, params)
    if not part then return failure end
    if part.fault then return from_part(part, call, 3) end
    part.given = true
    results[i] = part.result == nil and json.null or part.result
  end
  return answer_with({ result = json.array(results), time = json.object {} }, call)
end

--- Answer a request of the client.
local function take(self, clean, call)
  local version = call.version == 3 and 3 or 2
  local request = call.url and clean(call.url) or exchange.clean(call.body, clean)
  local list = list_of(self, self.whole, exchange.key(call.method, version, request))
  local line = next_of(list, call.harmless)
  if line and line.bytes then
    return select(2, refused(("the recording %s has only the size of this download: %d bytes"):format(
      self.path, line.bytes)))
  end
  if line then return as_recorded(line, call) end
  if call.method == "batch" and type(request) == "table" then
    if version == 3 then return compose3(self, call, request) end
    return compose2(self, call, request)
  end
  if call.url then return select(2, unknown(self, call.method, { url = request })) end
  local key = exchange.command(call.method, version, request)
  local part, failure = part_of(self, call.method, key, request)
  if not part then return failure end
  return from_part(part, call, version)
end

-- ---- the core of a portal that is not there ---------------------------------------

--- In place of core.client.new: nothing of it ever reaches the network, and the
-- credentials are nobody's.
---@param options table as options.read returns them
---@return bitrix24.Front? core
---@return string? kind
---@return string? message
function replay.open(options)
  local given = options.replay
  local recording = type(given) == "table" and replay.read(given.path, given.strict ~= false)
    or replay.read(given, true)
  local real, kind, message = core.client.new {
    webhook = ("%s/rest/1/%s/"):format(recording.origin, CODE), insecure = true,
  }
  if not real then return nil, kind, message end
  return front.new(real, function(call)
    return take(recording, function(text) return real:redact(text) end, call)
  end)
end

return replay
