--- One portal as the module sees it: turns calls into requests of the core,
-- decodes what comes back once, tells the core the facts and carries out its
-- verdict. Everything that waits, waits here.

local core = require "bitrix24.core"
local catalogue = require "bitrix24.catalogue"
local download = require "bitrix24.download"
local envelope = require "bitrix24.envelope"
local errors = require "bitrix24.errors"
local faults = require "bitrix24.fault"
local given = require "bitrix24.given"
local loop = require "bitrix24.loop"
local plan = require "bitrix24.plan"
local planner = require "bitrix24.planner"
local record = require "bitrix24.record"
local renewal = require "bitrix24.renewal"
local replay = require "bitrix24.record.replay"
local tasks = require "bitrix24.tasks"
local turns = require "bitrix24.turns"
local wire = require "bitrix24.wire"

local error, ipairs, next, pairs, pcall, setmetatable = error, ipairs, next, pairs, pcall, setmetatable
local tonumber, tostring, type, warn = tonumber, tostring, type, warn
local getenv, find = os.getenv, string.find

local _ENV = nil -- luacheck: ignore

--- A step returns to Lua at least this often, so that a debug hook (Ctrl-C in
-- lua5.4) is heard while a call waits.
local SLICE_SECONDS = 0.25

--- The parameters of a call that has none.
local NONE = {}

---@class bitrix24.Client
local Client = {}
Client.__index = Client

---@class bitrix24.Pending a call on its way
---@field method string
---@field done boolean

local client = {}

--- The roots that the environment names, as OpenSSL reads it and libcurl does not.
local function system_roots()
  local file = getenv("SSL_CERT_FILE")
  return file ~= "" and file or nil
end

--- Open a client. No network traffic happens.
---@param options table as options.read returns them
---@return bitrix24.Client
function client.new(options)
  local self = setmetatable({
    nulls = options.nulls or "drop",
    strict = options.strict,
    log = options.log,
    token = options.access_token ~= nil or options.renewable,
    batch = options.batch ~= false,
    pending = {}, -- request → pending
    names = {}, -- of methods that were looked at
  }, Client)
  self.planner, self.tasks = planner.new(self), tasks.new(self)
  self.turns = turns.new(function(...) self:finish(...) end)
  options.ca_file = options.ca_file or system_roots()
  local open_core = options.replay and replay.open or core.client.new
  local handle, kind, message = open_core(options)
  if not handle then errors.raise { kind = kind, message = "connect: " .. message } end
  self.core = handle
  errors.watch(handle)
  self.home, self.at = handle:origin(), handle:origin() -- where the portal was, and is known to be
  if options.tokens then self.renewal = renewal.new(self, options) end
  if options.loop then self.loop = loop.new(self, options.loop) end
  if options.record then self.recorder = record.new(self, options.record) end
  plan.opened(self)
  return self
end

--- One more text that no error or event may show.
---@param secret string
---@param passing boolean? it is replaced by others in time
function Client:hide(secret, passing)
  local done, kind, message = self.core:hide(secret, passing)
  if not done then errors.raise { kind = kind, message = message } end
end

--- Tell the log; a log that fails must not lose an answer.
---@param event table `event` says what happened; without secrets
function Client:tell(event)
  if not self.log then return end
  local ok, fault = pcall(self.log, event)
  if not ok then warn("bitrix24: the log function failed: ", self:clean(tostring(fault))) end
end

--- Text without this client's secrets.
---@param text string?
---@return string? "***" when the client is closed and knows them no more
function Client:clean(text)
  return text and (self.core:redact(text) or "***")
end

--- A name or a code, which is whole, without this client's secrets.
---@param name string?
---@return string?
function Client:clean_name(name)
  return name and (errors.clean_name(self.core, name) or "***")
end

function Client:is_closed()
  return self.core:is_closed()
end

--- Refuse a call of a client that is closed.
---@param method string? for the error
function Client:check_open(method)
  if self.core:is_closed() then
    if self.tasks:surprised() then
      errors.raise { kind = "cancelled", method = method, message = "the portal was closed", sent = false }
    end
    errors.config("the portal is closed", "connect again, or close it later", method)
  end
end

--- Refuse what is no name of a method. It may be a whole address by mistake, so
-- it is not shown as it is.
function Client:check_name(method)
  if type(method) ~= "string" or self.names[method] then return end
  local shown = self:clean_name(method)
  if find(method, "[^%w_.-]") or shown ~= method and not self.core:is_closed() then
    errors.config("a method's name is letters, digits, dots, _ and -: give e.g. crm.deal.list", nil, shown)
  end
  if find(method, "%.[xX][mM][lL]$") then
    errors.config("answers are read as JSON: leave .xml off the method's name", nil, shown)
  end
  self.names[method] = true
end

--- The checks of a call that need no portal.
---@param method any
---@param version 2|3|nil nil = the catalogue decides
---@param params any
---@param opts any of the call
---@return table? row of the catalogue
---@return 2|3 version
---@return table? params as they can be encoded
function Client:examine(method, version, params, opts)
  self:check_name(method)
  given.check(method, params, opts, self.token)
  self:check_open(method)
  local row = catalogue.find(method, version)
  if self.strict then given.check_strict(method, version, row, params) end
  if self.plan then params = self.plan:params(params) end
  return row, version or (row and row.version) or 2, params
end

--- Start a call without waiting for it.
---@param method string REST method name
---@param version 2|3|nil nil = the catalogue decides
---@param params table?
---@param opts table? timeout (seconds for everything), idempotent, idempotency_key
---@param alone boolean? not in a batch, whoever else is waiting
---@return bitrix24.Pending
function Client:send(method, version, params, opts, alone)
  local row
  row, version, params = self:examine(method, version, params, opts)
  local reads = row ~= nil and not row.write
  -- encoded now, while the caller's line is known and the table is as given
  local pending = {
    method = method, version = version, row = row, params = params or NONE, opts = opts, done = false,
    body = given.encode(method, row, params), harmless = reads or opts ~= nil and opts.idempotent == true,
    result = nil, -- one field more: the table has room for what is added later, too
  }
  if opts and opts.idempotency_key ~= nil and version ~= 3 then
    errors.config("call: option 'idempotency_key' is of REST 3.0 alone", nil, method)
  elseif version == 3 then
    -- whether a batch of the caller's own honours a key is not documented
    pending.key = opts and opts.idempotency_key
      or row and row.write and not row.body_array and given.new_key() or nil
  end
  local task = self.tasks:own(pending)
  if task then
    if self.batch and not alone and task.group.batch then
      local lane = self.planner:lane(pending, opts)
      if lane and self.planner:take(lane, pending) then return pending end
    end
    pending.turn = true
  end
  return self:submit_one(pending)
end

--- Ask the authorization server, which is no portal: no token, no limits.
---@param url string holds secrets
---@param read fun(body: string, status: integer): bitrix24.Answer
---@return bitrix24.Pending
function Client:ask_server(url, read)
  return self:submit({ method = "oauth.token", version = 2, url = url, harmless = true },
    { method = "oauth.token", version = 2, params = NONE, read = read, done = false })
end

--- Hand a call to the core by itself.
function Client:submit_one(pending)
  local opts, key = pending.opts, pending.key
  return self:submit({
    method = pending.method, version = pending.version, body = pending.body,
    harmless = pending.harmless, idempotency_key = key, timeout = opts and opts.timeout,
  }, pending)
end

--- Hand a call to the core.
function Client:submit(call, pending)
  if self.renewal and not call.url then self.renewal:prepare() end
  local request, kind, message = self.core:submit(call, pending)
  if not request then
    self:check_open(pending.method) -- a finalizer may have closed it just now
    errors.raise { kind = kind, method = pending.method, message = self:clean(message), sent = false }
  end
  pending.request, pending.call = request, self.recorder and call
  pending.harmless = call.harmless or call.path ~= nil
  self.pending[request] = pending
  if self.core:is_closed() then -- by a finalizer, before this call was known here
    self:end_closed(pending)
    return pending
  end
  if pending.turn then self.turns:enter(pending) end
  if self.loop then self.loop:kick() end
  if self.log and not request.silent then
    self:tell { event = "send", method = pending.method, version = pending.version }
  end
  return pending
end

--- Drop a call that nobody waits for any more.
---@param pending bitrix24.Pending
function Client:cancel(pending)
  if pending.done then return end
  self.planner:forget(pending)
  self:finish(pending, errors.new { kind = "cancelled", method = pending.method, message = "cancelled" })
end

--- The end of a call: nothing of it stays in the core.
function Client:finish(pending, fault, result, response)
  if pending.done then return end
  local request = pending.request
  pending.fault, pending.result, pending.response = fault, result, response
  pending.done = true -- last: the others may lack memory
  pending.request = nil
  if request then
    self.pending[request] = nil
    request:drop()
  end
  self.tasks:release(pending)
  if pending.wake then pending.wake() end
  if self.loop then self.loop:kick() end
  if fault and self.log then self:tell { event = "error", method = pending.method, error = fault } end
  if pending.on_done then pending.on_done() end
end

--- What an answer's `time` says of working time: operating_reset_at (unix
-- seconds), operating and duration (seconds), nil where it says nothing.
local function used_of(answer)
  local time = answer and answer.time
  if not time then return nil, nil, nil end
  return tonumber(time.operating_reset_at), tonumber(time.operating), tonumber(time.duration)
end

--- Tell the limiter what a command of a batch used.
---@param method string
---@param answer bitrix24.Answer
function Client:note_command(method, answer)
  if answer.code == "OPERATION_TIME_LIMIT" then
    self.core:blocked(method)
  else
    local reset_at, operating, duration = used_of(answer)
    self.core:operating(method, duration, operating, reset_at)
  end
end

--- The outcome of a call is here: it ends now, or when its turn comes.
function Client:conclude(pending, ...)
  if pending.turn then return self.turns:arrive(pending, ...) end
  self:finish(pending, ...)
end

--- What was answered, as whoever asked reads it. `request`: its own, which a
-- finalizer may have taken from the call by now.
---@return bitrix24.Answer
local function read(self, pending, request, body, status, content_type)
  if pending.path then return download.read(status) end
  if pending.read then return pending.read(body, status) end
  if request.decode then return request:decode(body, status, content_type) end -- a stand-in, see front.lua
  return envelope.read(body, status, content_type, pending.row, self.nulls,
    pending.commands and wire.below(pending.version))
end

--- Look at the attempt that ended and carry out the core's verdict.
function Client:settle(pending)
  local request = pending.request
  pending.parked = nil
  local outcome, status, body, content_type, location, message, attempts, seconds = request:answer()
  local seen = {
    outcome = outcome, status = status, location = location, message = message, attempts = attempts,
    body = body, content_type = content_type,
  }
  local answer = outcome == "answer" and read(self, pending, request, body, status, content_type) or nil
  if pending.done then return end -- dropped meanwhile, by the finalizer of who asked
  local action, kind, sent, retryable, wait, reason =
    request:settle(answer ~= nil and answer.decoded, answer and answer.code, used_of(answer))
  -- new tokens are taken in before the log, which may close the portal, is told
  if pending.read and action == "done" then self:finish(pending, nil, answer.result) end
  if self.log and not request.silent then
    self:tell {
      event = "answer", method = pending.method, version = pending.version, status = status,
      attempt = attempts, seconds = seconds, bytes = #body, outcome = outcome, commands = pending.commands,
    }
  end
  if pending.done then return end -- also when the log closed the portal
  if pending.once and sent == false and answer and wire.is_of_command(answer.code) then
    action, sent, retryable = "fail", nil, false -- said of a later command: earlier ones ran
  end
  if action == "retry" then
    self.turns:pass(pending)
    self:tell { event = "retry", method = pending.method, attempt = attempts, wait = wait, reason = reason }
    if self.at ~= self.core:origin() then self:moved() end
  elseif action == "refresh" then
    self.turns:pass(pending)
    pending.parked = { sent = sent }
    self.renewal:expired()
  elseif action == "done" then
    local unwritten = pending.path and download.commit(pending)
    if self.recorder and not unwritten then self.recorder:keep(pending, seen) end
    self:conclude(pending, unwritten, answer.result, {
      total = answer.total, next = answer.next, time = answer.time,
      status = status, method = pending.method, attempts = attempts,
    })
  else
    if kind == "nomem" then
      self:conclude(pending, "not enough memory")
      return
    end
    local verdict = { kind = kind, sent = sent, retryable = retryable, reason = reason }
    if self.recorder then self.recorder:keep(pending, seen, verdict) end
    self:conclude(pending, faults.of_call(self, pending, answer, verdict, seen))
  end
end

--- The portal answers from another address, which is used from now on.
function Client:moved()
  self.at = self.core:origin()
  if not self.at then return end -- the log closed the portal
  self:tell { event = "moved", origin = self:clean(self.at) }
  if self.renewal then self.renewal:follow(self.at) end
end

--- Drive the client: at most one attempt is settled.
---@param seconds number how long to wait at most
---@return boolean? settled
function Client:step(seconds)
  if self.loop and self.loop:inside() then return self.loop:rest(seconds) end
  if self.renewal then seconds = self.renewal:advance(seconds) end
  local request, kind, message = self.core:step(seconds)
  if self.loop then self.loop:flush() end
  if request then
    self:take(request)
    return true
  elseif kind then
    errors.raise { kind = kind, message = self:clean(message) }
  end
end

--- An attempt of a request has ended.
function Client:take(request)
  local pending = self.pending[request]
  -- memory ran out when it was made: nobody waits for it
  if not pending then return request:drop() end
  local ok, fault = pcall(self.settle, self, pending)
  if ok then return end
  if pending.done and self.core:is_closed() then return end -- by a finalizer meanwhile
  -- memory ran out: it is told to whoever waits for this call, now or later,
  -- and no call waits for a renewal that did not begin
  if self.renewal and not self.renewal.thread then self.core:release() end
  if pending.done then error(fault, 0) end
  self:finish(pending, fault)
end

--- Wait until a call is done.
---@param pending bitrix24.Pending
---@return any result
---@return table response
function Client:wait(pending)
  local task = self.tasks:current()
  if task then
    self.tasks:park(task, pending)
  elseif self.loop and tasks.guest() then
    self.tasks:receive(tasks.guest(), pending)
  elseif self.loop and self.loop:inside() then
    if pending.queued then self.planner:flush(true) end
    self.loop:wait_for(pending)
  else
    -- also where a coroutine cannot yield: what is queued must leave then
    while not pending.done do
      self.planner:flush(true)
      self.turns:skip()
      if not pending.done then self:step(SLICE_SECONDS) end
    end
  end
  if pending.fault ~= nil then errors.throw(pending.fault) end
  return pending.result, pending.response
end

--- Call and wait: see Client:send.
---@return any result, table response
function Client:call(method, version, params, opts)
  return self:wait(self:send(method, version, params, opts))
end

--- Start a batch of calls that are made together on purpose (bulk lists, recorded batches).
---@param version 2|3
---@param calls { method: string, version: integer, row: table?, params: table, command: string? }[]
---@param halt boolean stop at the first command that fails
---@return bitrix24.Pending
function Client:send_batch(version, calls, halt)
  self:check_open("batch")
  local harmless = true
  for _, call in ipairs(calls) do
    call.command = call.command or wire.command(call)
    harmless = harmless and call.row ~= nil and not call.row.write
  end
  local shared = {
    method = "batch", version = version, done = false, calls = calls, commands = #calls, halt = halt,
    -- in REST 3.0 the refusal of one command ends the batch after others have run
    once = version == 3 and not harmless,
  }
  self.tasks:own(shared)
  return self:submit({
    method = "batch", version = version, harmless = harmless, body = wire.body(version, calls, halt),
    commands = wire.methods(calls),
  }, shared)
end

--- Wait for a batch; raises when the request as a whole failed.
---@param shared bitrix24.Pending as send_batch gave it
---@return bitrix24.Answer[] one outcome for every command, in order
function Client:wait_batch(shared)
  self:wait(shared)
  local outcomes = wire.read(shared, shared.commands)
  for i, answer in ipairs(outcomes) do self:note_command(shared.calls[i].method, answer) end
  return outcomes
end

--- Move what is on its way without waiting: a call leaves when it is first
-- looked after, so that what is fetched ahead travels while the script works.
function Client:poll()
  if self.tasks:current() then return end -- its loop does
  if next(self.pending) == nil or self.core:is_closed() then return end
  if self.loop then self.loop:kick() else self:step(0) end
end

--- Fetch a signed link into a file: written beside it, renamed when complete.
---@param url string as the portal gave it; "/..." is relative to the portal
---@param path string
---@param opts { timeout: number? }?
---@return string path, integer bytes
function Client:download(url, path, opts)
  local pending = download.send(self, url, path, opts)
  self:wait(pending)
  return path, pending.bytes
end

--- The portal was closed before this call was answered. May it have run? One
-- without a request never left.
function Client:end_closed(pending)
  if pending.done then return end
  local request, sent = pending.request, false
  if request then
    local _, _, _, said = pcall(request.settle, request, false)
    sent = said
  end
  self:finish(pending, errors.new {
    kind = "cancelled", method = pending.method, message = "the portal was closed", sent = sent,
  })
end

--- Close: what is in flight ends as `cancelled`. Idempotent.
function Client:close()
  if self.core:is_closed() then return end
  if self.renewal then self.renewal:stop() end
  self.tasks:closing()
  self.core:close()
  local open_calls = self.planner:drain()
  for _, pending in pairs(self.pending) do open_calls[#open_calls + 1] = pending end
  for _, pending in ipairs(open_calls) do self:end_closed(pending) end
  if self.loop then self.loop:close() end
  if self.recorder then self.recorder:close() end
end

Client.__close = Client.close

return client
