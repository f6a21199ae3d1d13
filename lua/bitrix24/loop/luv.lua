--- libuv through luv: calls made in a coroutine yield to `uv.run()`.
--
--     local uv = require "luv"
--     local portal = bitrix24.connect{ webhook = …, loop = require "bitrix24.loop.luv" }
--     coroutine.wrap(function() print(portal.user.current().NAME) end)()
--     uv.run()
--
-- luv keeps every handle until it is closed, and crashes when Lua ends before
-- its loop has turned once more after that. So none is closed here: they are
-- stopped and used again, timers by whom they may concern, polls for the next
-- socket of the same number. Idle ones hold nothing but themselves.
--
-- A connection that the other side resets is an error to libuv, and luv itself
-- writes "EBADF: bad file descriptor" to the standard error then; the call is
-- sent again or fails as it does without a loop.

local uv = require "luv"

local debug = debug
local error, pcall, setmetatable, tostring = error, pcall, setmetatable, tostring
local close, resume, running, yield = coroutine.close, coroutine.resume, coroutine.running, coroutine.yield
local ceil, remove = math.ceil, table.remove

local _ENV = nil -- luacheck: ignore

local timers = {} -- that nobody uses
local polls = {} -- by descriptor

--- Lua is ending: the handles are gone. Slots are finalized only then, and
-- before the handles, which are older.
local over = false
local Slot = { __gc = function() over = true end }

local function new_slot(handle, message)
  if not handle then error("luv: " .. tostring(message), 0) end
  return setmetatable({ handle = handle }, Slot)
end

--- What a generator of one's own hands to its consumer when a call in it waits:
-- it cannot tell the host's coroutines from others.
local function misplaced()
  error("bitrix24: a call in a coroutine yields to the host's loop until its answer is here: a generator "
    .. "that makes calls needs a portal without a loop", 2)
end
local WAITING = setmetatable({}, {
  __name = "bitrix24.waiting", __index = misplaced, __newindex = misplaced, __call = misplaced,
  __tostring = function() return "bitrix24: waiting for an answer" end,
})

--- luv shows strings alone, and then ends the process.
local function in_words(fault)
  return tostring(fault == nil and "<no error object>" or fault)
end

local function guarded(f, ...)
  local ok, fault = pcall(f, ...)
  if not ok then error(in_words(fault), 0) end
end

local function go_on(thread)
  local ok, fault = resume(thread)
  if ok then return end
  local trace = debug and debug.traceback(thread, in_words(fault))
  local closed, later = close(thread)
  if not closed and later ~= fault then trace, fault = nil, later end
  error(trace or in_words(fault), 0)
end

--- A timer that is not in use.
local function take_timer()
  local slot = remove(timers)
  while slot and slot.handle:is_closing() do slot = remove(timers) end -- by somebody who closes everything
  if slot then return slot end
  slot = new_slot(uv.new_timer())
  function slot.call()
    local expired = slot.expired
    if expired then expired() end
  end
  return slot
end

--- The poll of a descriptor.
local function take_poll(fd)
  local slot = polls[fd]
  if slot and not slot.handle:is_closing() then return slot end
  slot = new_slot(uv.new_poll(fd))
  function slot.call(_, events)
    local ready = slot.ready
    if not ready then return end
    -- an error is an event, too, and reading finds out which; libuv stops there
    guarded(ready, fd, events or "rw")
    if not events and slot.ready == ready then slot.handle:start(slot.what, slot.call) end
  end
  polls[fd] = slot
  return slot
end

--- An adapter for one portal.
---@return table
return function()
  local adapter, timer, fire = {}, nil, nil

  function adapter.watch(fd, what, ready)
    if over then return end
    if what then
      local slot = take_poll(fd)
      slot.ready, slot.what = ready, what
      local ok, message = slot.handle:start(what, slot.call)
      if not ok then
        slot.ready = nil
        error("luv: " .. tostring(message), 0)
      end
    else
      local slot = polls[fd]
      -- not when another portal has the number by now
      if not slot or slot.ready ~= ready then return end
      slot.ready = nil
      if not slot.handle:is_closing() then slot.handle:stop() end
    end
  end

  local function give_back()
    local slot = timer
    timer, slot.expired = nil, nil
    timers[#timers + 1] = slot
  end

  local function expired()
    give_back()
    guarded(fire)
  end

  function adapter.timer(seconds, f)
    if over then return end
    if seconds then
      if timer and timer.handle:is_closing() then timer = nil end
      timer, fire = timer or take_timer(), f
      timer.expired = expired
      uv.update_time() -- or a host that was busy is called too early
      timer.handle:start(ceil(seconds * 1000), 0, timer.call)
    elseif timer then
      timer.handle:stop()
      give_back()
    end
  end

  function adapter.suspend(arm)
    local thread = running()
    arm(function() go_on(thread) end)
    yield(WAITING)
  end

  return adapter
end
