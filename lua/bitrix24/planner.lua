--- Packs calls that wait at the same time into `batch` requests
-- (settings/how-to-call-rest-api/batch): a batch counts as one request.
--
-- Calls are kept in the order they were made, so that the same script makes
-- the same requests. Reads and writes travel apart: a batch of reads may be
-- sent again on doubt, one that holds a write may not. A full batch leaves at
-- once; a part of one waits while an earlier batch is on its way, because what
-- that one wakes will fill it.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local wire = require "bitrix24.wire"

local max, min = math.max, math.min
local floor = math.floor
local remove = table.remove
local ipairs, select, setmetatable, tonumber = ipairs, select, setmetatable, tonumber

local _ENV = nil -- luacheck: ignore

--- Commands in a batch, bytes in its body.
local WIDTH_MAX, BYTES_MAX = 50, 1000000

--- A request is cut at 60 s of work, batch included (limits); a batch is kept
-- to a third of that.
local WORK_SECONDS = 20

---@class bitrix24.Planner
local Planner = {}
Planner.__index = Planner

local planner = {}

--- What may share a batch: same version, same harm.
local LANES = { "read2", "write2", "read3" }

---@param client bitrix24.Client
---@return bitrix24.Planner
function planner.new(client)
  local self = setmetatable({ client = client, width = WIDTH_MAX, flying = 0, alone = {} }, Planner)
  self.lanes = {}
  for _, lane in ipairs(LANES) do self.lanes[lane] = {} end
  return self
end

--- The lane of a call, or nil when it must travel alone: the platform forbids
-- it in a batch (by the catalogue, or learnt), or it is a write of REST 3.0,
-- where one failing command takes the others' results with it.
function Planner:lane(pending, opts)
  local row = pending.row
  if self.alone[pending.method] or opts.timeout or opts.idempotency_key then return nil end
  if row and (row.batch == false or row.binary or row.body_array) then return nil end
  if pending.version == 3 then
    return row and not row.write and "read3" or nil
  end
  return row and not row.write and "read2" or "write2"
end

--- Take a call that waits. `pending.call` is what to submit when it goes alone.
---@return boolean taken
function Planner:take(lane, pending)
  local command = wire.command(pending)
  if not command then return false end
  pending.command, pending.queued = command, true
  local queue = self.lanes[lane]
  queue[#queue + 1] = pending
  return true
end

--- Forget a call that nobody waits for any more.
function Planner:forget(pending)
  for _, lane in ipairs(LANES) do
    local queue = self.lanes[lane]
    for i = #queue, 1, -1 do
      if queue[i] == pending then remove(queue, i) end
    end
  end
  pending.queued = false
end

--- Empty the queues; what was in them.
---@return table[] pending calls
function Planner:drain()
  local out = {}
  for _, lane in ipairs(LANES) do
    for _, pending in ipairs(self.lanes[lane]) do out[#out + 1] = pending end
    self.lanes[lane] = {}
  end
  for _, pending in ipairs(out) do pending.queued = false end
  return out
end

--- Take the next batch out of a lane.
local function cut(queue, width)
  local commands, bytes = {}, 0
  for i = 1, min(width, #queue) do
    bytes = bytes + #queue[i].command
    if i > 1 and bytes > BYTES_MAX then break end
    commands[i] = queue[i]
  end
  local count, left = #commands, #queue
  for i = 1, left do queue[i] = queue[i + count] end
  return commands
end

--- Send what should leave now.
---@param force boolean? also parts of batches while others are on their way
function Planner:flush(force)
  for _, lane in ipairs(LANES) do
    local queue = self.lanes[lane]
    while #queue >= self.width or (#queue > 0 and (force or self.flying == 0)) do
      self:send(lane, cut(queue, self.width))
    end
  end
end

--- A command that is sent by itself after all.
function Planner:send_alone(pending)
  pending.queued, pending.shared = false, nil
  self.client:submit(pending.call(), pending)
end

function Planner:send(lane, commands)
  for _, pending in ipairs(commands) do pending.queued = false end
  if #commands == 1 then return self:send_alone(commands[1]) end
  local version = lane == "read3" and 3 or 2
  self.flying = self.flying + 1
  local shared = { method = "batch", version = version, commands = #commands, nulls = "keep" }
  for _, pending in ipairs(commands) do pending.shared = shared end
  function shared.on_done()
    self.flying = self.flying - 1
    self:deliver(lane, commands, shared)
  end
  self.client:submit({
    method = "batch", version = version, harmless = lane ~= "write2",
    body = version == 3 and wire.body3(commands) or wire.body2(commands, false),
    commands = wire.methods(commands),
  }, shared)
end

--- Adapt the width to what the portal reports of its work.
function Planner:adapt(count, time)
  local seconds = time and tonumber(time.duration)
  if not seconds or seconds <= 0 then return end
  local per_command = seconds / count
  local fit = max(1, min(WIDTH_MAX, floor(WORK_SECONDS / per_command)))
  -- down at once, up by steps: one quick batch does not make a slow portal fast
  self.width = fit < self.width and fit or min(fit, self.width + max(1, self.width // 2))
end

--- The outcome of one command that the platform refused before it ran, or
-- that may be asked again: it is sent alone, never the whole batch.
local function again(self, pending, answer)
  if answer.code == "ERROR_BATCH_METHOD_NOT_ALLOWED" then
    self.alone[pending.method] = true
    return true
  end
  local harmless = pending.row ~= nil and not pending.row.write
  return select(4, core.client.judge(answer.code, harmless))
end

--- Give every command of an answered batch its own outcome.
function Planner:deliver(lane, commands, shared)
  local client = self.client
  if shared.fault ~= nil then
    -- all or nothing in REST 3.0: ask the reads one by one
    if lane == "read3" and errors.is_error(shared.fault) and shared.fault.kind == "api" then
      for _, pending in ipairs(commands) do
        if not pending.done then self:send_alone(pending) end
      end
      return
    end
    for _, pending in ipairs(commands) do
      if not pending.done then client:finish(pending, errors.of_command(shared.fault, pending.method)) end
    end
    return
  end
  self:adapt(#commands, shared.response.time)
  local outcomes = wire.read(shared, #commands, client.nulls)
  for i, pending in ipairs(commands) do
    local answer = outcomes[i]
    client:note_command(pending.method, answer)
    if pending.done then -- luacheck: ignore
      -- cancelled meanwhile
    elseif answer.code and again(self, pending, answer) then
      self:send_alone(pending)
    elseif answer.code or answer.message then
      client:finish(pending, client:command_fault(pending, answer, shared))
    else
      client:finish(pending, nil, answer.result, {
        total = answer.total, next = answer.next, time = answer.time, status = shared.response.status,
        method = pending.method, attempts = shared.response.attempts,
      })
    end
  end
end

return planner
