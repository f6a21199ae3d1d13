--- cqueues: calls made in a coroutine of a controller yield to it.
--
--     local cqueues = require "cqueues"
--     local portal = bitrix24.connect{ webhook = …, loop = require "bitrix24.loop.cqueues" }
--     local controller = cqueues.new()
--     controller:wrap(function() print(portal.user.current().NAME) end)
--     assert(controller:loop())
--
-- While a portal has something to do, a coroutine of its own waits for its
-- sockets; then it ends, so that a controller with idle portals ends, too.
--
-- A controller must be told of a descriptor's end before it is closed, or it
-- fails for everybody; libcurl closes as it likes. So a copy of the descriptor
-- is watched, which is closed here.

local cqueues = require "cqueues"
local condition = require "cqueues.condition"
local errno = require "cqueues.errno"
local socket = require "cqueues.socket"

local error, next, pairs, pcall, select, tostring, type = error, next, pairs, pcall, select, tostring, type
local max = math.max
local pack, unpack = table.pack, table.unpack
local monotime, poll, running = cqueues.monotime, cqueues.poll, cqueues.running

local _ENV = nil -- luacheck: ignore

--- An adapter for one portal.
---@return table
return function()
  local adapter = {}
  local sockets = {} -- descriptor → { pollfd, events: for cqueues; copy, ready, fd }
  local fire, due
  local changed = condition.new()
  local controller -- where the portal is driven
  local driver = 0 -- its number; an earlier one ends when it sees that
  local driving = false

  --- What fails does so in the controller's way, and does not end the driver.
  local function guarded(f, ...)
    local ok, fault = pcall(f, ...)
    if not ok then controller:wrap(function() error(fault, 0) end) end
  end

  local function wait_once()
    local list, n = { changed }, 1
    for _, item in pairs(sockets) do
      n = n + 1
      list[n] = item
    end
    if due then
      n = n + 1
      list[n] = max(0, due - monotime())
    end
    return pack(poll(unpack(list, 1, n)))
  end

  local function drive(number)
    while number == driver and (due or next(sockets)) do
      local ready = wait_once()
      if number ~= driver then return end
      for i = 1, ready.n do
        local item = ready[i]
        if type(item) == "table" and sockets[item.fd] == item then
          guarded(item.ready, item.fd, item.events)
        end
      end
      if due and monotime() >= due then
        local f = fire
        fire, due = nil, nil
        guarded(f)
      end
    end
    if number == driver then driving = false end
  end

  --- See to it that somebody waits for what there is.
  local function look_after()
    local here = running()
    if here and here ~= controller then
      -- whoever calls is driven by his own controller; the other may be gone
      controller, driver, driving = here, driver + 1, false
    end
    if driving then
      changed:signal()
    elseif controller and (due or next(sockets)) then
      driving = true
      local number = driver
      controller:wrap(function() drive(number) end)
    end
  end

  local function drop(item)
    sockets[item.fd] = nil
    cqueues.cancel(item.pollfd)
    item.copy:close()
  end

  function adapter.watch(fd, what, ready)
    local item = sockets[fd]
    if not what then
      if item then drop(item) end
    elseif item then
      item.events = what
    else
      local copy, code = socket.dup(fd)
      if not copy then error("cqueues: " .. tostring(errno.strerror(code)), 0) end
      sockets[fd] = { pollfd = copy:pollfd(), events = what, copy = copy, ready = ready, fd = fd }
    end
    look_after()
  end

  function adapter.timer(seconds, f)
    fire, due = f, seconds and monotime() + seconds
    look_after()
  end

  function adapter.suspend(arm)
    local done, woken = condition.new(), false
    arm(function()
      woken = true
      done:signal()
    end)
    look_after()
    repeat poll(done) until woken
  end

  --- A coroutine inside one of the controller's yields to somebody else.
  function adapter.inside() return (select(2, running())) end

  function adapter.close()
    for _, item in pairs(sockets) do drop(item) end
    fire, due = nil, nil
    changed:signal()
  end

  return adapter
end
