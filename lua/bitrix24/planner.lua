--- Packs calls that wait at the same time into `batch` requests
-- (settings/how-to-call-rest-api/batch): a batch counts as one request.
--
-- Calls are kept in the order they were made, so that the same script makes
-- the same requests. Reads and writes travel apart: a batch of reads may be
-- sent again on doubt, one that holds a write may not. A full batch leaves at
-- once; a part of one waits while an earlier batch is on its way, because what
-- that one wakes will fill it. A method whose working time is used up travels
-- apart until it is answered again: the others need not wait for it.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local faults = require "bitrix24.fault"
local wire = require "bitrix24.wire"

local judge = core.client.judge
local max, min = math.max, math.min
local ipairs, pcall, select, setmetatable, tonumber = ipairs, pcall, select, setmetatable, tonumber

local _ENV = nil -- luacheck: ignore

--- What may share a batch: same version, same harm. Writes that the caller
-- calls idempotent are apart from those that are not.
local LANES = {
  { name = "read2", version = 2, harmless = true },
  { name = "write2", version = 2, harmless = false },
  { name = "again2", version = 2, harmless = true },
  { name = "read3", version = 3, harmless = true },
}

-- ---- a queue of calls --------------------------------------------------------

-- Taken from the front; what is dropped elsewhere is passed over. `#queue` is
-- how many wait.
local Queue = {}
Queue.__index = Queue

function Queue.__len(queue) return queue.count end

local function new_queue() return setmetatable({ first = 1, last = 0, count = 0, listed = false }, Queue) end

function Queue:push(pending)
  local last = self.last + 1
  self[last] = pending -- first what may lack memory
  pending.queued = self
  self.last, self.count = last, self.count + 1
end

--- The foremost call that somebody still waits for, or nil.
function Queue:head()
  while self.first <= self.last do
    local pending = self[self.first]
    -- nil: a debug hook closed the portal just now, which empties the queue
    if pending and pending.queued == self then return pending end
    self[self.first] = nil
    self.first = self.first + 1
  end
  self.first, self.last, self.count = 1, 0, 0
  return nil
end

function Queue:drop(pending)
  if pending.queued == self then
    pending.queued, self.count = nil, self.count - 1
  end
end

-- ---- the planner ---------------------------------------------------------------

---@class bitrix24.Planner
local Planner = {}
Planner.__index = Planner

local planner = {}

---@param client bitrix24.Client
---@return bitrix24.Planner
function planner.new(client)
  local self = setmetatable({
    client = client, width = wire.WIDTH_MAX,
    flying = 0, -- batches whose answer others wait for
    alone = {}, -- methods that the portal refused in a batch
    blocked = {}, -- methods whose working time was used up
    lanes = {}, -- name → queue
    order = {}, -- the lanes, in the order in which they are sent
  }, Planner)
  for i, lane in ipairs(LANES) do
    self.order[i], self.lanes[lane.name] = lane, new_queue()
  end
  return self
end

--- The lane for one method of what would else travel in `base`.
local function lane_apart(self, base, method)
  local name = base.name .. " " .. method
  local queue = self.lanes[name] or new_queue()
  if not queue.listed then
    self.lanes[name] = queue -- listed only when there was memory for both
    self.order[#self.order + 1] = {
      name = name, base = base, version = base.version, harmless = base.harmless, apart = true,
    }
    queue.listed = true
  end
  return name
end

--- The lane of a call, or nil when it must travel alone: the platform forbids
-- it in a batch (by the catalogue, or learnt), or it is a write of REST 3.0,
-- where one failing command takes the others' results with it.
---@param pending bitrix24.Pending
---@param opts table? of the call
---@return string? lane
function Planner:lane(pending, opts)
  local row = pending.row
  if self.alone[pending.method] then return nil end
  if row and (row.batch == false or row.binary or row.body_array) then return nil end
  if opts and (opts.timeout or opts.idempotency_key) then return nil end
  local reads = row and not row.write
  local lane
  if pending.version == 3 then
    if not reads then return nil end
    lane = LANES[4]
  elseif reads then
    lane = LANES[1]
  else
    lane = LANES[opts and opts.idempotent and 3 or 2]
  end
  if self.blocked[pending.method] then return lane_apart(self, lane, pending.method) end
  return lane.name
end

--- Take a call that waits.
---@param lane string
---@param pending bitrix24.Pending
---@return boolean taken false: it cannot be a command
function Planner:take(lane, pending)
  local command = wire.command(pending)
  if not command then return false end
  pending.command = command
  self.lanes[lane]:push(pending)
  return true
end

--- Forget a call that nobody waits for any more. A batch on its way of which
-- nobody waits for any command is dropped.
function Planner:forget(pending)
  if pending.queued then
    pending.queued:drop(pending)
    return
  end
  local shared = pending.shared
  if not shared then return end
  pending.shared, shared.wanted = nil, shared.wanted - 1
  if shared.wanted == 0 then self.client:cancel(shared) end
end

--- Empty the queues; what was in them.
---@return table[] pending calls
function Planner:drain()
  local out = {}
  for _, lane in ipairs(self.order) do
    local queue = self.lanes[lane.name]
    local pending = queue:head()
    while pending do
      queue:drop(pending)
      out[#out + 1] = pending
      pending = queue:head()
    end
  end
  return out
end

--- Take the next batch out of a lane.
local function cut(queue, width)
  local commands, count, bytes = {}, 0, 0
  while count < width do
    local pending = queue:head()
    if not pending then break end
    bytes = bytes + #pending.command
    if count > 0 and bytes > wire.BYTES_MAX then break end
    queue:drop(pending)
    count = count + 1
    commands[count] = pending
  end
  return commands
end

--- Send what should leave now.
---@param force boolean? also parts of batches while others are on their way
function Planner:flush(force)
  for _, lane in ipairs(self.order) do
    local queue = self.lanes[lane.name]
    while queue.count >= self.width do self:send(lane, cut(queue, self.width)) end
  end
  -- decided before the first part leaves: the lanes do not wait for each other
  if not force and self.flying > 0 then return end
  for _, lane in ipairs(self.order) do
    local queue = self.lanes[lane.name]
    while queue.count > 0 do self:send(lane, cut(queue, self.width)) end
  end
end

--- Submit what others wait for: it is they who are told of a failure.
local function submit(self, commands, f, ...)
  local client = self.client
  local ok, fault = pcall(f, client, ...)
  if ok then return true end
  for _, pending in ipairs(commands) do
    client:finish(pending, client:is_closed() and errors.new {
      kind = "cancelled", method = pending.method, message = "the portal was closed",
    } or errors.for_method(fault, pending.method))
  end
end

--- A command that is sent by itself after all.
function Planner:send_alone(pending)
  pending.shared, pending.command = nil, nil
  if not pending.done then submit(self, { pending }, self.client.submit_one, pending) end
end

--- A batch is done, or waits before it is sent again: what is queued does not
-- wait for it any more.
function Planner:landed(shared)
  if shared.flying then
    shared.flying, self.flying = nil, self.flying - 1
  end
end

function Planner:send(lane, commands)
  local client, count = self.client, #commands
  if count == 0 then return end
  if count == 1 then
    commands[1].turn = not lane.apart or nil
    return self:send_alone(commands[1])
  end
  local version = lane.version
  local shared = {
    method = "batch", version = version, commands = count, wanted = count, calls = commands,
    done = false,
  }
  for i = 1, count do commands[i].shared = shared end
  if not lane.apart then
    shared.turn, shared.flying, self.flying = true, true, self.flying + 1
  end
  function shared.on_late() self:landed(shared) end
  function shared.on_done()
    self:landed(shared)
    self:deliver(lane, commands, shared)
  end
  local call = {
    method = "batch", version = version, harmless = lane.harmless,
    body = wire.body(version, commands, false), commands = wire.methods(commands),
  }
  if not submit(self, commands, client.submit, call, shared) then self:landed(shared) end
end

--- Adapt the width to what the portal reports of its work.
function Planner:adapt(count, time)
  local seconds = time and tonumber(time.duration)
  if not seconds or seconds <= 0 then return end
  local fit = wire.fit(count, seconds)
  -- down at once, up by steps: one quick batch does not make a slow portal fast
  self.width = fit < self.width and fit or min(fit, self.width + max(1, self.width // 2))
end

--- May a command that failed in a batch be asked again by itself, because it
-- surely did not run, or harms nobody? Learns what must not be in a batch.
---@param command table `method`; gets `refused`, what the portal said of it
---@param code string the portal's
---@param harmless boolean may it be repeated
---@return boolean
function Planner:ask_alone(command, code, harmless)
  if code == "ERROR_BATCH_METHOD_NOT_ALLOWED" then
    self.alone[command.method] = true
    return true
  end
  -- by itself the call gets a new token first, or is refused once more
  if code == "expired_token" then return true end
  command.refused = code
  return (select(4, judge(code, harmless)))
end

--- The outcome of one command that the platform refused before it ran, or
-- that may be asked again: it is sent alone, never the whole batch.
local function again(self, pending, code)
  if code == "OPERATION_TIME_LIMIT" then self.blocked[pending.method] = true end
  return self:ask_alone(pending, code, pending.harmless)
end

--- A batch that was never sent because one of its methods has no working time
-- left: each method again, in a batch of its own.
local function part(self, lane, commands)
  local first, several = commands[1].method, false
  for _, pending in ipairs(commands) do several = several or pending.method ~= first end
  if not several then
    self.blocked[first] = true
    return false
  end
  for _, pending in ipairs(commands) do
    if not pending.done then
      pending.shared = nil
      self.lanes[lane_apart(self, lane.base or lane, pending.method)]:push(pending)
    end
  end
  return true
end

--- The batch failed as a whole. One of REST 3.0 is all or nothing: when the
-- portal answered at all, its reads are asked one by one.
local function fail(self, lane, commands, fault)
  local client = self.client
  local known = errors.is_error(fault)
  local unsent = known and fault.kind == "limit" and fault.code == nil
  if unsent and part(self, lane, commands) then return end
  -- a refused batch says nothing of its commands: where a repeat is harmless
  -- each is asked by itself
  local ask = known and fault.sent and lane.harmless
    and (lane.version == 3 and fault.kind ~= "limit" or fault.kind == "api")
  for _, pending in ipairs(commands) do
    if pending.done then -- luacheck: ignore
      -- cancelled meanwhile
    elseif ask then
      self:send_alone(pending)
    else
      client:finish(pending, errors.for_method(fault, pending.method))
    end
  end
end

--- Give every command of an answered batch its own outcome.
function Planner:deliver(lane, commands, shared)
  if shared.fault ~= nil then return fail(self, lane, commands, shared.fault) end
  local client, response = self.client, shared.response
  self:adapt(#commands, response.time)
  local outcomes = wire.read(shared, #commands)
  for i, pending in ipairs(commands) do
    local answer = outcomes[i]
    client:note_command(pending.method, answer)
    if pending.done then -- luacheck: ignore
      -- cancelled meanwhile
    elseif answer.code == "expired_token" and client.renewal and not pending.repacked then
      -- the token ended on the way: together they are refused, which renews it
      pending.shared, pending.repacked = nil, true
      self.lanes[lane.name]:push(pending)
    elseif answer.code and again(self, pending, answer.code) then
      self:send_alone(pending)
    elseif answer.code or answer.message then
      client:finish(pending, faults.of_command(client, pending, answer, shared))
    else
      if lane.apart then self.blocked[pending.method] = nil end
      client:finish(pending, nil, answer.result, {
        total = answer.total, next = answer.next, time = answer.time, status = response.status,
        method = pending.method, attempts = response.attempts,
      })
    end
  end
end

return planner
