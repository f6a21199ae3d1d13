--- The offline queue: events wait at the portal until a program asks
-- (api-reference/events/offline-events). Every event is handed out at least
-- once: it leaves the queue after the body of the loop has finished with it.
--
-- `event.offline.get` with clear=0 reserves what it gives under a process id;
-- nobody gets it again, and it stays until `event.offline.clear` removes it. So a
-- run that died leaves its reservations behind, and only
-- `event.offline.list` tells their process ids. A loop begins with those. The
-- same is done when an answer of `get` was lost on the way, and with it a
-- process id.
--
-- What is finished is confirmed together, at the end of a page or after
-- CONFIRM_SECONDS, since each request costs part of the portal's limits. A process
-- that is killed in between meets at most those events again.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local placeholder = require "bitrix24.plan.placeholder"
local portals = require "bitrix24.portal"
local rules = require "bitrix24.rules"

local tointeger = math.tointeger
local error, ipairs, pairs, pcall, setmetatable, time = error, ipairs, pairs, pcall, setmetatable, os.time
local tonumber, type = tonumber, type

local _ENV = nil -- luacheck: ignore

--- A page is confirmed in parts when working on it takes longer than this.
local CONFIRM_SECONDS = 2
--- Waiting returns to Lua at least this often, so that Ctrl-C is heard.
local SLICE_SECONDS = 0.25
--- Asking again for what was reserved, or removing it twice, harms nobody.
local HARMLESS = { idempotent = true }

--- Process ids that a loop of this Lua state works on: no leftovers of a crash.
-- A loop that was abandoned is collected, and its entry with it.
local live = setmetatable({}, { __mode = "v" })

---@class bitrix24.OfflineOptions
---@field filter table? by ID, TIMESTAMP_X, EVENT_NAME, MESSAGE_ID
---@field order table? by the same fields; the portal's own is TIMESTAMP_X
---@field limit integer? events reserved at a time (50); 1 confirms each before the next is taken
---@field auth_connector string? the queue of this connector
---@field poll number? seconds after which an empty queue is asked again; without it the loop ends
---@field recover boolean? false: leave alone what others reserved, several programs share the queue

---@class bitrix24.OfflineEvent the portal's record and, as an online event has them, event and data
---@field ID string
---@field EVENT_NAME string
---@field EVENT_DATA table|false
---@field EVENT_ADDITIONAL table|false
---@field MESSAGE_ID string
---@field TIMESTAMP_X string
---@field event string EVENT_NAME
---@field data table EVENT_DATA, {} when there is none

local OPTIONS = {
  filter = rules.TABLE, order = rules.TABLE, limit = rules.POSITIVE, auth_connector = rules.STRING,
  poll = rules.SECONDS, recover = rules.BOOLEAN,
}

local function check(portal, opts)
  if not portals.is_portal(portal) then
    errors.config(("events.offline: expected a portal, got %s"):format(type(portal)),
      "events.offline(portal, opts)")
  end
  return rules.check(opts, OPTIONS, "events.offline")
end

local Queue = {}

local function protocol(method, message)
  errors.throw(errors.protocol(method, message))
end

--- The parameters that name the queue, and others.
function Queue:params(more)
  more.auth_connector = self.opts.auth_connector
  return more
end

--- Process ids under which events are reserved that nobody works on.
function Queue:abandoned()
  local ids, known = {}, {}
  -- Ordered so that reserved ones come first: filters know no "not empty".
  local params = self:params { filter = self.opts.filter, order = { PROCESS_ID = "DESC" } }
  for page in self.portal:pages("event.offline.list", params, { strategy = "sequential", ahead = 0 }) do
    for _, record in ipairs(page) do
      local id = record.PROCESS_ID
      if type(id) ~= "string" or id == "" then return ids end
      if not known[id] and not live[id] then ids[#ids + 1] = id end
      known[id] = true
    end
  end
  return ids
end

--- Let go of the process id that was worked on.
function Queue:leave()
  if self.process and live[self.process] == self then live[self.process] = nil end
  self.process, self.given = nil, {}
end

--- Take a page: new events, or what is reserved under a process id.
---@return boolean any
function Queue:take(process)
  local opts = self.opts
  local result, response = self.portal:call("event.offline.get", self:params {
    clear = 0, process_id = process, filter = opts.filter, order = opts.order, limit = opts.limit,
  }, self.recover and HARMLESS or nil)
  if placeholder.text(result) then -- a plan: nothing was reserved, no event is known
    opts.poll = nil
    return false
  end
  local found = type(result) == "table" and result.events
  if type(found) ~= "table" then protocol("event.offline.get", "the answer has no list of events") end
  -- an earlier attempt may have reserved events under an id that nobody learned
  if not process and self.recover and response.attempts > 1 then self.look = true end
  if #found == 0 then return false end
  local id = process or result.process_id
  if type(id) ~= "string" or id == "" then
    protocol("event.offline.get", "events came without a process_id: they could not be confirmed")
  end
  if id ~= self.process then self:leave() end
  self.process, live[id] = id, self
  self.page, self.at, self.since = found, 0, time()
  return true
end

--- Get more events: what was left behind first, then new ones.
---@return boolean any
function Queue:fetch()
  repeat
    if self.look then
      self.look, self.left = false, self:abandoned()
    end
    while #self.left > 0 do
      if self:take(self.left[#self.left]) then return true end
      self.left[#self.left] = nil
    end
    if self:take(nil) then return true end
  until not self.look
  self:leave()
  return false
end

--- Tell the portal what is finished.
function Queue:confirm()
  local ids = self.finished
  if #ids == 0 then return end
  -- forgotten first: what cannot be confirmed comes again, and is not tried twice
  self.finished, self.since = {}, time()
  self.portal:call("event.offline.clear", self:params { process_id = self.process, id = ids }, HARMLESS)
end

--- The loop asks on: it has finished the event that it was given.
function Queue:note()
  local id = self.current
  if id == nil then return end
  self.current = nil
  self.finished[#self.finished + 1] = id
  if time() - self.since >= CONFIRM_SECONDS then self:confirm() end
end

--- Keep the current event at the portal, marked as erroneous, instead of
-- confirming it (api-reference/events/event-offline-error).
function Queue:refuse(record, id)
  if self.current ~= id then
    errors.config("refuse() is for the event that the loop is at")
  end
  self.portal:call("event.offline.error",
    self:params { process_id = self.process, message_id = { record.MESSAGE_ID } }, HARMLESS)
  self.current = nil
end

local function wait(seconds)
  while seconds > 0 do
    core.sleep(seconds < SLICE_SECONDS and seconds or SLICE_SECONDS)
    seconds = seconds - SLICE_SECONDS
  end
end

--- Make a record ready for the loop, and remember its id.
function Queue:hand_out(record)
  local id = type(record) == "table" and tointeger(tonumber(record.ID))
  if not id then protocol("event.offline.get", "an event without an ID") end
  if self.given[id] then
    protocol("event.offline.get", "the portal gives again what was confirmed")
  end
  self.given[id], self.current = true, id
  record.event = record.EVENT_NAME
  record.data = type(record.EVENT_DATA) == "table" and record.EVENT_DATA or {}
  return record, function() self:refuse(record, id) end
end

function Queue:next()
  self:note()
  while not self.over do
    local at = self.at + 1
    local record = self.page[at]
    if record ~= nil then
      self.at = at
      return self:hand_out(record)
    end
    self:confirm()
    if not self:fetch() then
      if not self.opts.poll then break end
      wait(self.opts.poll)
    end
  end
  self.over = true
  return nil
end

--- The loop was left. The event it was at is not finished and comes again; an
-- error that is under way is not replaced by one of the confirmation.
function Queue:close(problem)
  self.over, self.current = true, nil
  local ok, fault = pcall(self.confirm, self)
  self:leave()
  if not ok and problem == nil then error(fault, 0) end
end

local metatable = { __name = "bitrix24.offline", __index = Queue, __close = Queue.close }

--- Iterate over the offline queue:
--
--     for event, refuse in events.offline(portal, { poll = 60 }) do
--       if not pcall(handle, event) then refuse() end
--     end
--
-- An event is confirmed after the body of the loop has finished with it. What a
-- run that crashed, or left the loop early, did not finish comes again in the
-- next one, the event it was at included: each comes at least once. `refuse()`
-- keeps an event at the portal, marked as erroneous, out of the queue.
--
-- What is finished is confirmed together, at the end of a page of `limit` events
-- or after two seconds: a process that is killed meets those again. With
-- `limit = 1` that is one event, at the price of two requests for each.
--
-- Only an application of an administrator may do this (OAuth). Where several
-- programs take from one queue, all but one give `recover = false`. Waiting for
-- `poll` blocks the whole Lua state, tasks of `map` and `gather` too.
---@param portal bitrix24.Portal
---@param opts bitrix24.OfflineOptions?
---@return fun(): bitrix24.OfflineEvent?, fun()? next
---@return nil
---@return nil
---@return table closing
return function(portal, opts)
  local given = check(portal, opts)
  local copy = {}
  for name, value in pairs(given) do copy[name] = value end
  local recover = copy.recover ~= false
  local queue = setmetatable({
    portal = portal.v2, opts = copy, recover = recover, look = recover,
    left = {}, page = {}, at = 0, given = {}, finished = {}, since = 0,
  }, metatable)
  return function() return queue:next() end, nil, nil, queue
end
