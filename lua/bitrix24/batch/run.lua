--- Runs what a batch has recorded: cuts it into requests, fills in what the
-- platform cannot, and gives every command its own outcome.
--
-- Commands are taken in the order they were recorded. A request holds up to 50;
-- it ends earlier before a command that must travel alone, or that needs from
-- this request what only the client can fill in. A reference inside a request
-- is the platform's to resolve, and only where the platform stops at the first
-- failure: without that it would run the command with the reference's text
-- (settings/how-to-call-rest-api/batch).
--
-- Invariant: a command is sent once, unless the portal refused it before it
-- ran; whatever ends a run, each command is left in a state that tells the truth.

local errors = require "bitrix24.errors"
local faults = require "bitrix24.fault"
local fill = require "bitrix24.batch.fill"
local wire = require "bitrix24.wire"

local error, ipairs, pcall, setmetatable = error, ipairs, pcall, setmetatable

local _ENV = nil -- luacheck: ignore

---@class bitrix24.Command
---@field index integer place in the batch, from 1
---@field method string
---@field version 2|3
---@field row bitrix24.Row?
---@field params table a copy, references in place
---@field references bitrix24.ReferenceInfo[]
---@field alone boolean must not travel in a batch
---@field refused string? what the portal said of it in a batch, before it ran
---@field state "pending"|"sent"|"ok"|"failed"|"skipped"|"unknown"
---@field fault any
---@field result any
---@field response table?

---@class bitrix24.Run
---@field client bitrix24.Client
---@field wire 2|3 which of the platform's batches carries it
---@field commands bitrix24.Command[]
---@field halt boolean
---@field failed integer commands that failed or were skipped
---@field stopped bitrix24.Command? the failure that stops the rest
---@field flight bitrix24.Command[] on their way

-- ---- outcomes ------------------------------------------------------------------

local function succeed(command, result, response)
  command.state, command.result, command.response, command.fault = "ok", result, response, nil
end

local function fail(run, command, fault, state)
  command.state, command.fault = state or "failed", fault
  run.failed = run.failed + 1
  if run.halt then run.stopped = run.stopped or command end
end

--- A command that is not sent because of another one.
local function skip(run, command, message, cause, hint)
  fail(run, command, errors.new {
    kind = "cancelled", method = command.method, sent = false, cause = cause, hint = hint,
    message = message, retryable = errors.is_error(cause) and cause.retryable or false,
  }, "skipped")
end

local function writes(command)
  return command.row == nil or command.row.write
end

-- Refusals of a whole request, before any of its commands ran.
local REFUSED = { QUERY_LIMIT_EXCEEDED = true, OVERLOAD_LIMIT = true, expired_token = true }

--- What is known of a command whose request ended in an error.
local function state_after(run, command, e)
  if not errors.is_error(e) then return "unknown" end
  if e.code == nil then
    -- never sent: it may be run again
    return e.sent == false and "pending" or "unknown"
  end
  if e.sent == false and REFUSED[e.code] then return "failed" end
  -- in REST 3.0 the error may be that of a later command
  if run.wire == 2 and (e.kind == "auth" or e.kind == "limit") then
    return e.sent == nil and "unknown" or "failed"
  end
  return writes(command) and "unknown" or "failed"
end

--- The request on its way is over and its answer did not come.
local function lose(run, e)
  for _, command in ipairs(run.flight) do
    command.state = state_after(run, command, e)
    command.fault = e ~= nil and errors.for_method(e, command.method) or errors.new {
      kind = "cancelled", method = command.method, message = "the run was abandoned",
    }
  end
  run.flight = {}
end

-- ---- sending -------------------------------------------------------------------

local function send_alone(run, command, params)
  local client = run.client
  run.flight = { command }
  command.state = "sent"
  local pending = client:send(command.method, command.version, params, nil, true)
  pending.refused = command.refused
  local ok, result, response = pcall(client.wait, client, pending)
  if ok then
    succeed(command, result, response)
  else
    local e = result
    -- an error that the portal gave is the command's own; all others end the run
    if not errors.is_error(e) or e.sent == nil or e.code == nil and e.kind ~= "config" then error(e, 0) end
    fail(run, command, e)
  end
  run.flight = {}
  if not ok and run.wire == 3 then error(result, 0) end
end

--- Give each command of an answered request its outcome.
local function take(run, chunk, calls, places, outcomes, shared)
  local client, response, refused = run.client, shared.response, false
  for i, command in ipairs(chunk) do
    local answer = outcomes[i]
    if answer.skipped and (run.stopped or refused) then
      command.state = "pending" -- skipped by the run, or sent after what was refused
    elseif answer.skipped then
      fail(run, command, errors.new {
        kind = "protocol", method = command.method, status = response.status, attempts = response.attempts,
        message = "the answer of the batch does not mention this command",
      }, "unknown")
    elseif answer.code and client.planner:ask_alone(command, answer.code, not writes(command)) then
      command.state, command.alone, refused = "pending", true, run.halt
    elseif answer.message and run.wire == 3 then
      fail(run, command, faults.of_command(client, calls[i], answer, shared), "unknown")
    elseif answer.code or answer.message then
      local fault = faults.of_command(client, calls[i], answer, shared)
      local missing = fill.dangling(command, places)
      if missing then fault.hint = missing .. ": the command ran without that value" end
      fail(run, command, fault)
    else
      succeed(command, answer.result, {
        total = answer.total, next = answer.next, time = answer.time, status = response.status,
        method = command.method, attempts = response.attempts,
      })
      local missing = fill.dangling(command, places)
      if missing then
        fail(run, command, errors.new {
          kind = "protocol", method = command.method, status = response.status, sent = true,
          attempts = response.attempts, cause = run.stopped and run.stopped.fault,
          message = missing .. ", and the portal ran this command without it",
          hint = "look what it did, and ask for the value before you build on it",
        })
      end
    end
  end
end

local function send_chunk(run, chunk, calls, places)
  run.flight = chunk
  for _, command in ipairs(chunk) do command.state = "sent" end
  local client = run.client
  local shared = client:send_batch(run.wire, calls, run.halt)
  local outcomes = client:wait_batch(shared)
  run.flight = {}
  take(run, chunk, calls, places, outcomes, shared)
  if run.wire == 3 and run.stopped then error(run.stopped.fault, 0) end
end

--- Send the next request: as many of the pending commands from `at` on as may
-- travel together.
local function send_next(run, at)
  local chunk, calls, places, bytes = {}, {}, {}, 0
  for i = at, #run.commands do
    local command = run.commands[i]
    if #chunk == wire.WIDTH_MAX then break end
    if command.state == "pending" then
      local params, missing, waits = fill.params(run, command, places)
      if waits or missing and run.halt and #chunk > 0 then break end
      if missing then
        local cause = nil
        for _, info in ipairs(command.references) do cause = cause or info.command.fault end
        skip(run, command, "not sent: " .. missing, cause)
        if run.halt then return end
      else
        local text = fill.compose(run, command, params, #chunk + 1)
        if not text and #chunk == 0 then return send_alone(run, command, params) end
        bytes = bytes + #(text or "")
        if not text or (#chunk > 0 and bytes > wire.BYTES_MAX) then break end
        chunk[#chunk + 1] = command
        places[command] = #chunk
        calls[#calls + 1] = {
          method = command.method, version = run.wire, row = command.row, params = params, command = text,
        }
      end
    end
  end
  -- one write of REST 3.0 is safer by itself: there it has an Idempotency-Key
  if run.wire == 3 and #chunk == 1 then return send_alone(run, chunk[1], calls[1].params) end
  if #chunk > 0 then send_chunk(run, chunk, calls, places) end
end

--- Run every pending command.
---@param client bitrix24.Client
---@param version 2|3 which of the platform's batches carries it
---@param commands bitrix24.Command[]
---@param halt boolean stop at the first command that fails
---@return integer failed commands that failed or were skipped
return function(client, version, commands, halt)
  local run = {
    client = client, wire = version, commands = commands, halt = halt, failed = 0, flight = {},
  }
  local guard <close> = setmetatable({}, { __close = function(_, e) lose(run, e) end }) -- luacheck: ignore
  for at, command in ipairs(commands) do
    while command.state == "pending" do
      local stopper = run.stopped
      if stopper then
        skip(run, command, ("skipped: command %d (%s) failed before it")
          :format(stopper.index, stopper.method), stopper.fault)
      else
        send_next(run, at)
      end
    end
  end
  return run.failed
end
