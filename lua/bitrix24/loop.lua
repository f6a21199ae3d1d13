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
-- portal: bitrix24.loop.luv, .copas and .cqueues are such functions.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"

local error, isyieldable, pcall = error, coroutine.isyieldable, pcall
local min, huge = math.min, math.huge
local next, pairs, select = next, pairs, select
local setmetatable, type = setmetatable, type

local _ENV = nil -- luacheck: ignore

local WHAT = { "r", "w", "rw" }
local BITS = { r = 1, w = 2, rw = 3 }
local METHODS = { watch = true, timer = true, suspend = true }

---@class bitrix24.Loop
---@field client bitrix24.Client
---@field adapter table
---@field waiting table<table, boolean> coroutines that wait for anything to happen
---@field woken function[] coroutines that go on when everything else is done
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
  for name in pairs(METHODS) do
    if type(adapter[name]) ~= "function" then
      return ("an adapter of an event loop: it has no function %s"):format(name)
    end
  end
end

---@param client bitrix24.Client
---@param adapter table|fun(): table
---@return bitrix24.Loop
function loop.new(client, adapter)
  if type(adapter) == "function" then adapter = adapter() end
  local self = setmetatable({
    client = client, adapter = adapter, waiting = {}, woken = {}, settles = 0,
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

--- May the running code be suspended?
function Loop:inside()
  if not isyieldable() or self.client.tasks:resuming() then return false end
  local inside = self.adapter.inside
  return inside == nil or inside() == true
end

-- ---- the host's side ---------------------------------------------------------------

--- Set the host's timer to the earliest of what is wanted.
local function set_timer(self)
  local now = core.now()
  local at = min(self.core_at or huge, self.own_at or huge)
  if at == self.timed then return end
  if at == huge then
    if self.timed then self.adapter.timer(nil) end
    self.timed = nil
  else
    self.timed = at
    self.adapter.timer(at > now and at - now or 0, self.fire)
  end
end

--- Tell the host what the core wants watched.
local function apply(self, timer, ...)
  if timer ~= nil then self.core_at = timer and core.now() + timer or nil end
  for i = 1, select("#", ...), 2 do
    local fd, what = select(i, ...)
    self.adapter.watch(fd, WHAT[what], self.ready)
  end
end

--- Come back soon: something was submitted or dropped.
function Loop:kick()
  if self.turning then
    self.again = true
  elseif not self.client:is_closed() then
    self.own_at = 0
    set_timer(self)
  end
end

--- Everything that can be done without waiting.
local function drive(self, fd, what)
  local client = self.client
  repeat
    self.again = false
    local pause = client.renewal and client.renewal:advance(huge) or huge
    if self.rest_at and core.now() >= self.rest_at then self.settled = true end
    self.own_at = min(self.rest_at or huge, core.now() + pause)
    if client:is_closed() then return end
    local ok, kind, message = client.core:loop_act(fd, what)
    if not ok then errors.raise { kind = kind, message = message } end
    fd, what = -1, 0
    local request = client.core:loop_next()
    while request do
      client:take(request)
      self.settles = self.settles + 1
      self.settled, self.again = true, true
      request = client.core:loop_next()
    end
  until not self.again or client:is_closed()
end

--- Let those go on that were waiting.
local function wake_all(self)
  if self.settled then
    self.settled, self.rest_at = false, nil
    local waiting = self.waiting
    self.waiting = {}
    for wake in pairs(waiting) do self.woken[#self.woken + 1] = wake end
  end
  local woken = self.woken
  if #woken == 0 then return end
  self.woken = {}
  local failed, fault
  for i = 1, #woken do
    local ok, e = pcall(woken[i])
    if not ok and not failed then failed, fault = true, e end
  end
  if failed then error(fault, 0) end
end

--- A socket is ready, or the timer has fired.
function Loop:turn(fd, what)
  if self.turning or self.client:is_closed() then return end
  self.turning = true
  local ok, fault = pcall(drive, self, fd, what)
  self.turning = false
  self:flush()
  if not ok then error(fault, 0) end
  wake_all(self)
end

--- Tell the host what changed.
function Loop:flush()
  apply(self, self.client.core:loop_changes())
  set_timer(self)
end

-- ---- the script's side -------------------------------------------------------------

--- Wait until a call is done. When the coroutine is closed instead, the call is
-- dropped.
---@param pending bitrix24.Pending
function Loop:wait_for(pending)
  local client = self.client
  local guard <close> = setmetatable({}, { -- luacheck: ignore
    __close = function()
      pending.wake = nil
      if not pending.done then client:cancel(pending) end
    end,
  })
  while not pending.done do
    self.adapter.suspend(function(wake)
      pending.wake = function() self.woken[#self.woken + 1] = wake end
      self:kick()
    end)
    pending.wake = nil
  end
end

--- Wait until anything has happened, or the time is over.
---@param seconds number
---@return boolean settled has an attempt ended?
function Loop:rest(seconds)
  local before, mine = self.settles, nil
  local guard <close> = setmetatable({}, { -- luacheck: ignore
    __close = function() if mine then self.waiting[mine] = nil end end,
  })
  self.rest_at = min(self.rest_at or huge, core.now() + seconds)
  self.adapter.suspend(function(wake)
    mine, self.waiting[wake] = wake, true
    self:kick()
  end)
  return self.settles > before
end

--- The portal is closed.
function Loop:close()
  local adapter = self.adapter
  self.core_at, self.own_at, self.rest_at, self.settled = nil, nil, nil, true
  self:flush()
  local function last()
    if adapter.close then adapter.close() end
    wake_all(self)
  end
  -- not from here: who closes is not to be interrupted by those who waited
  if next(self.waiting) or #self.woken > 0 then adapter.timer(0, last) else last() end
end

return loop
