--- A client driven by the host's event loop: nothing of it ever waits, and a
-- call made in one of the host's coroutines yields to the host.
--
-- An adapter is what a host gives: a table with
--
--     watch(fd, what, ready)  -- call ready(fd, what) whenever the socket is ready; what is "r", "w" or
--                             -- "rw"; nil: no more, the socket may be closed already
--     timer(seconds, fire)    -- call fire() once, after so many seconds, in place of the timer before;
--                             -- nil: no timer
--     suspend(arm)            -- suspend the running coroutine: arm(wake) is called first, wake() resumes it
--     inside()                -- optional: may the running coroutine be suspended? (any that can yield)
--     close()                 -- optional: the portal is closed
--
-- The option `loop` of connect takes one, or a function that makes one for each
-- portal: bitrix24.loop.luv and .cqueues are such functions.
--
-- Everything happens in `turn`, which the host calls; it wakes those who waited
-- when it is through, so that what they do meets a loop at rest. An idle portal
-- has told the host of no socket and no timer: nothing of the host holds it.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"

local error, isyieldable, pcall = error, coroutine.isyieldable, pcall
local resume, running, status = coroutine.resume, coroutine.running, coroutine.status
local min, huge = math.min, math.huge
local ipairs, pairs, select = ipairs, pairs, select
local insert, remove, setmetatable, type = table.insert, table.remove, setmetatable, type

local _ENV = nil -- luacheck: ignore

local WHAT = { "r", "w", "rw" }
local BITS = { r = 1, w = 2, rw = 3 }
local METHODS = { "watch", "timer", "suspend" }

--- After a failure that nobody can mend the core is asked again.
local AGAIN_SECONDS = 1

---@class bitrix24.Loop
---@field client bitrix24.Client
---@field adapter table
---@field turning thread? who runs a turn
---@field soon boolean? something was submitted or dropped: come at once
---@field core_at number? when the core wants to be called
---@field renew_at number? when a renewal wants to be moved on
---@field rest_at number? when the first of those who rest goes on
---@field timed number? what the host's timer is set to
---@field resting table[] waiters that go on when anything has happened
---@field woken table[] waiters that go on at the end of the turn
---@field settles integer attempts that ended so far
local Loop = {}
Loop.__index = Loop

local loop = {}

--- What is wrong with an adapter, or nil.
---@param adapter any
---@return string?
function loop.problem(adapter)
  if type(adapter) == "function" then return nil end -- makes one for each portal
  if type(adapter) ~= "table" then
    return ("an adapter of an event loop, e.g. require \"bitrix24.loop.luv\", got %s"):format(type(adapter))
  end
  for _, name in ipairs(METHODS) do
    if type(adapter[name]) ~= "function" then
      return ("an adapter of an event loop: it has no function %s"):format(name)
    end
  end
end

---@param client bitrix24.Client
---@param adapter table|fun(): table
---@return bitrix24.Loop
function loop.new(client, adapter)
  if type(adapter) == "function" then
    adapter = adapter()
    local problem = loop.problem(adapter)
    if problem then errors.config("connect: option 'loop' must make " .. problem) end
  end
  local self = setmetatable({
    client = client, adapter = adapter, resting = {}, woken = {}, settles = 0,
  }, Loop)
  function self.ready(fd, what) self:turn(fd, BITS[what] or 3) end
  function self.fire()
    self.timed = nil
    self:turn(-1, 0)
  end
  local ok, kind, message = client.core:loop_attach(true)
  if not ok then errors.raise { kind = kind, message = message } end
  return self
end

-- ---- who may yield -------------------------------------------------------------------

--- The outermost of the library's own coroutines, while it runs. Weak: one
-- that waits is kept by nobody else but its portal.
local outermost = setmetatable({}, { __mode = "v" })

local function is_inner()
  local thread = outermost[1]
  local how = thread and status(thread)
  if how == "running" or how == "normal" then return true end
  outermost[1] = nil
  return false
end

--- Resume a coroutine of the library's own. What it yields is for the library:
-- no call in it may yield to a host.
---@param thread thread
---@return boolean ok and what coroutine.resume gives
function loop.resume(thread, ...)
  if not is_inner() then outermost[1] = thread end
  return resume(thread, ...)
end

--- May the running code be suspended?
function Loop:inside()
  if is_inner() or not isyieldable() or self.turning == running() then return false end
  local inside = self.adapter.inside
  return inside == nil or inside() == true
end

-- ---- what the host is told -------------------------------------------------------------

--- Set the host's timer to the earliest of what is wanted.
local function set_timer(self)
  local at = self.soon and 0 or min(self.core_at or huge, self.renew_at or huge, self.rest_at or huge)
  if at == (self.timed or huge) then return end
  if at == huge then
    self.timed = nil
    self.adapter.timer(nil)
  else
    local now = core.now()
    self.timed = at
    self.adapter.timer(at > now and at - now or 0, self.fire)
  end
end

--- Tell the host what the core wants watched.
---@return any fault what the host failed with
local function apply(self, timer, ...)
  local fault
  if timer ~= nil then self.core_at = timer and core.now() + timer or nil end
  for i = 1, select("#", ...), 2 do
    local fd, what = select(i, ...)
    local ok, e = pcall(self.adapter.watch, fd, WHAT[what], self.ready)
    if not ok and fault == nil then fault = e == nil and "the loop cannot watch a socket" or e end
  end
  return fault
end

local function tell(self) return apply(self, self.client.core:loop_changes()) end

--- Is there anything to come back for? A timer of the core's may be that of a
-- call which was dropped.
local function is_busy(self)
  local client = self.client
  return #self.woken > 0 or #self.resting > 0 or self.core_at ~= nil or self.trouble ~= nil
    or client.core:pending() > 0 or client.renewal ~= nil and client.renewal.thread ~= nil
end

--- Come back soon: something was submitted or dropped. What the core has
-- closed is told now, before anybody opens a socket of the same number.
function Loop:kick()
  if self.turning then
    self.again = true
  elseif not self.closed and not self.client:is_closed() then
    local fault = tell(self)
    if self.trouble == nil then self.trouble = fault end
    self.soon = is_busy(self)
    set_timer(self)
  end
end

--- The client was driven without the host, by a call that blocks.
Loop.flush = Loop.kick

-- ---- who waits -------------------------------------------------------------------------

--- Let a waiter go on when everything else is done.
local function rouse(self, waiter)
  if waiter.wake then insert(self.woken, waiter) end
end

local function rouse_resting(self)
  self.settled, self.rest_at = nil, nil
  for _, waiter in ipairs(self.resting) do rouse(self, waiter) end
end

--- Let those go on that were roused. One that fails does so in the host's
-- way; the others go on afterwards.
local function wake_all(self)
  if self.settled then rouse_resting(self) end
  local woken = self.woken
  while #woken > 0 do
    local wake = remove(woken, 1).wake
    if wake then
      local ok, fault = pcall(wake)
      if not ok then
        if self.closed then self.adapter.timer(0, self.last) else self:kick() end
        error(fault, 0)
      end
    end
  end
end

--- Give those who wait what went wrong with the loop itself.
---@return boolean told is there anybody?
local function fail_all(self, fault)
  local told = false
  local function fail(waiter)
    if waiter.wake then
      waiter.fault, told = fault, true
      rouse(self, waiter)
    end
  end
  for _, pending in pairs(self.client.pending) do
    for _, waiter in ipairs(pending.waiters or {}) do fail(waiter) end
  end
  for _, waiter in ipairs(self.resting) do fail(waiter) end
  return told
end

-- ---- the host's side -------------------------------------------------------------------

--- Everything that can be done without waiting.
local function drive(self, fd, what)
  local client = self.client
  repeat
    self.again = false
    local pause = client.renewal and client.renewal:advance(huge) or huge
    self.renew_at = pause < huge and core.now() + pause or nil
    if client:is_closed() then return end
    local ok, kind, message = client.core:loop_act(fd, what)
    if not ok then errors.raise { kind = kind, message = client:clean(message) } end
    fd, what = -1, 0
    local request = client.core:loop_next()
    while request do
      client:take(request)
      self.settles = self.settles + 1
      self.settled, self.again = true, true
      request = client.core:loop_next()
    end
    if #self.resting == 0 then -- no map is under way that would look after these
      client.planner:flush(true)
      client.turns:skip()
    end
  until not self.again or client:is_closed()
  if self.rest_at and core.now() >= self.rest_at then self.settled = true end
end

--- A socket is ready, or the timer has fired. What fails and concerns nobody who
-- waits is raised, to the host.
---@param fd integer -1: the timer
---@param what integer bits: 1 to read, 2 to write
function Loop:turn(fd, what)
  if self.closed or self.client:is_closed() then return end
  if self.turning then
    self.again = true
    return
  end
  self.turning, self.soon = running(), nil
  local trouble = self.trouble
  self.trouble = nil
  local ok, fault = pcall(drive, self, fd, what)
  self.turning = nil
  if not self.closed then
    local refused = tell(self)
    if not ok then self.core_at = core.now() + AGAIN_SECONDS end
    if ok then fault = refused == nil and trouble or refused end
    set_timer(self)
  end
  local failed = not ok or fault ~= nil
  if failed then failed = not fail_all(self, fault) end
  wake_all(self)
  if failed then error(fault, 0) end
end

--- The portal is closed.
function Loop:close()
  if self.closed then return end
  local adapter = self.adapter
  self.closed = true
  tell(self)
  self.core_at, self.renew_at, self.rest_at, self.soon = nil, nil, nil, nil
  set_timer(self)
  rouse_resting(self)
  function self.last()
    wake_all(self)
    if adapter.close then adapter.close() end
  end
  -- not from here: who closes is not to be interrupted by those who waited
  if #self.woken > 0 then adapter.timer(0, self.last) else self.last() end
end

-- ---- the script's side -------------------------------------------------------------------

local function forget(list, waiter)
  for i, one in ipairs(list) do
    if one == waiter then return remove(list, i) end
  end
end

--- Suspend the running coroutine until it is roused.
local function suspend(self, waiter)
  self.adapter.suspend(function(wake)
    waiter.wake = wake
    if not self.closed then set_timer(self) end
  end)
  waiter.wake = nil
  local fault = waiter.fault
  if fault ~= nil then
    waiter.fault = nil
    errors.throw(fault)
  end
end

--- Who waits for one call. When the coroutine is closed instead, the call is
-- dropped, unless somebody else waits for it.
local Waiter = {}

function Waiter.__close(waiter)
  local pending = waiter.pending
  waiter.wake = nil
  forget(pending.waiters, waiter)
  if not pending.done and #pending.waiters == 0 then waiter.loop.client:cancel(pending) end
end

--- Wait until a call is done.
---@param pending bitrix24.Pending
function Loop:wait_for(pending)
  if pending.done then return end
  local waiter <close> = setmetatable({ loop = self, pending = pending }, Waiter)
  if not pending.waiters then
    pending.waiters = {}
    function pending.wake()
      for _, one in ipairs(pending.waiters) do rouse(self, one) end
    end
  end
  insert(pending.waiters, waiter)
  while not pending.done do suspend(self, waiter) end
end

--- Who waits until anything has happened.
local Rest = {}

function Rest.__close(waiter)
  local self = waiter.loop
  waiter.wake = nil
  forget(self.resting, waiter)
  if #self.resting == 0 and not self.closed then
    self.rest_at = nil
    set_timer(self)
  end
end

--- Wait until anything has happened, or the time is over.
---@param seconds number
---@return boolean settled has an attempt ended?
function Loop:rest(seconds)
  if self.closed then return false end
  local before = self.settles
  local waiter <close> = setmetatable({ loop = self }, Rest)
  insert(self.resting, waiter)
  self.rest_at = min(self.rest_at or huge, core.now() + seconds)
  suspend(self, waiter)
  return self.settles > before
end

--- Those who rest are to look: what they wait for happened elsewhere.
function Loop:stir()
  if #self.resting == 0 then return end
  self.settled = true
  self:kick()
end

return loop
