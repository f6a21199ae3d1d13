--- Several pages of a list in one request: a `batch` of commands, or a plain
-- call where it is only one. What came of each page is told apart here; what
-- to do about it is up to the strategy.

local wire = require "bitrix24.wire"

local error, ipairs, max, min, pcall = error, ipairs, math.max, math.min, pcall
local setmetatable, tonumber, type = setmetatable, tonumber, type

local _ENV = nil -- luacheck: ignore

---@class bitrix24.list.Answer one page's
---@field result any
---@field response table? total, next, time; nil when there is a fault
---@field fault any the structured error
---@field again boolean? the same page may be asked alone
---@field alone boolean? the method refuses to be in a batch
---@field skipped boolean? the batch stopped before this command

---@class bitrix24.list.Flight
local Flight = {}
Flight.__index = Flight

local flight = {}

--- Send; does not block. What fails here is raised by wait, when it is due.
---@param caller table
---@param list table[] parameters, one table a page
---@param halt boolean stop at the first command that fails
---@return bitrix24.list.Flight
function flight.send(caller, list, halt)
  local self = setmetatable({ caller = caller, count = #list }, Flight)
  local ok, pending
  if #list == 1 then
    ok, pending = pcall(caller.send, list[1])
  else
    ok, pending = pcall(caller.send_batch, list, halt)
  end
  if ok then self.pending = pending else self.failure = pending end
  return self
end

--- Refused before it ran, or harmless to repeat: the page is asked alone, where
-- the client waits as the portal wants it, never the whole batch again.
local function read(outcome, caller, pending)
  if outcome.code == nil and outcome.message == nil then
    return { result = outcome.result, response = outcome }
  end
  local fault = caller.fault(outcome, pending)
  local alone = outcome.code == "ERROR_BATCH_METHOD_NOT_ALLOWED"
  return {
    fault = fault, skipped = outcome.skipped, alone = alone,
    again = alone or outcome.code == "expired_token" or type(fault) == "table" and fault.retryable,
  }
end

--- Wait; raises when the request as a whole failed.
---@return bitrix24.list.Answer[] one for each page, in order
function Flight:wait()
  if self.failure ~= nil then error(self.failure, 0) end
  local caller, pending = self.caller, self.pending
  -- Stays known until the answer is here: who closes meanwhile cancels it.
  if self.count == 1 then
    local ok, result, response = pcall(caller.wait, pending)
    self.pending = nil
    if not ok then error(result, 0) end
    return { { result = result, response = response or {} } }
  end
  local ok, outcomes = pcall(caller.wait_batch, pending)
  self.pending = nil
  if not ok then error(outcomes, 0) end
  local answers = {}
  for i = 1, self.count do
    local outcome = outcomes[i] or { skipped = true, message = "the batch's answer has no such command" }
    answers[i] = read(outcome, caller, pending)
  end
  return answers
end

--- Cancel when it is on its way. Idempotent.
function Flight:cancel()
  local pending = self.pending
  self.pending = nil
  if pending ~= nil then self.caller.cancel(pending) end
end

--- How many pages may share a request, by the size of one command.
---@param caller table
---@param params table of a page
---@return integer 1: the method, or these parameters, cannot be in a batch
function flight.widest(caller, params)
  local row = caller.row
  if not caller.may_batch or not row or row.write or row.batch == false or row.version ~= 2 then return 1 end
  local command = caller.command(params)
  if not command then return 1 end
  return max(1, min(wire.WIDTH_MAX, wire.BYTES_MAX // (#command + 16)))
end

--- Is a request of its own worth it for so many pages? Single calls travel with
-- those of the functions that run beside: then only where they would take more.
---@param caller table
---@param pages number
---@return boolean
function flight.pays(caller, pages)
  local beside = caller.beside and caller.beside() or 1
  return beside < 2 or pages > beside
end

local function duration(response)
  return response and type(response.time) == "table" and tonumber(response.time.duration) or nil
end

--- How many pages may share a request, by the work that pages were for the
-- portal; nil when it does not tell.
---@param answers bitrix24.list.Answer[]
---@return integer?
function flight.width(answers)
  local seconds, count = 0, 0
  for _, answer in ipairs(answers) do
    local one = duration(answer.response)
    if one then seconds, count = seconds + one, count + 1 end
  end
  if count == 0 or seconds <= 0 then return nil end
  return wire.fit(count, seconds)
end

return flight
