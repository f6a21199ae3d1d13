--- Further pages 50 to a `batch` request.
--
-- The walk is the sequential one, with every rule by which a list ends there.
-- This file stands between it and the portal: once a total is known, the pages
-- that are due next are asked together, and handed over one by one as they are
-- asked for. A guess that turns out wrong (a short page in the middle, another
-- `next`) costs a request and never a record: the walk then goes on page by
-- page.

local flight = require "bitrix24.list.flight"
local forms = require "bitrix24.list.forms"
local params_of = require "bitrix24.list.params"
local sequential = require "bitrix24.list.sequential"

local error, next, pairs, pcall, setmetatable = error, next, pairs, pcall, setmetatable
local huge, max, min = math.huge, math.max, math.min
local remove = table.remove

local _ENV = nil -- luacheck: ignore

local Pool = {}
Pool.__index = Pool

--- The position behind the last record that is wanted and said to exist.
local function end_of(self)
  return min(self.total or 0, self.first + self.limit)
end

--- Ask for the pages from `from` on.
local function launch(self, from)
  local list, offsets, offset = {}, {}, from
  local stop = end_of(self)
  while #list < self.width and offset < stop do
    list[#list + 1] = params_of.said(self.form:params { offset = offset })
    offsets[#offsets + 1] = offset
    offset = offset + self.step
  end
  self.upto = offset
  local made = flight.send(self.caller, list, false)
  self.flights[#self.flights + 1] = made
  for i, at in pairs(offsets) do self.tickets[at] = { flight = made, index = i, params = list[i] } end
end

--- Forget what was asked ahead.
local function drop(self)
  for _, made in pairs(self.flights) do made:cancel() end
  self.flights, self.tickets = {}, {}
end

--- Is it worth a batch from here on? Needs a total, and a page's step.
local function foresees(self, offset)
  if not self.trust or not self.total or self.step < 1 then return false end
  local rest = end_of(self) - offset
  return rest > self.step and flight.pays(self.caller, rest / self.step)
end

--- The walk asks for a page.
function Pool:send(params, position, form)
  if position == nil then
    self.form, self.first, self.at = form, form.cursor.first or 0, form.cursor.first or 0
    return { pending = self.caller.send(params) }
  end
  local offset = position.offset
  local ticket = self.tickets[offset]
  if not ticket and next(self.tickets) ~= nil then
    drop(self)
    self.trust = false
  end
  self.step, self.at = offset - self.at, offset
  if not ticket and foresees(self, offset) then
    self.width = self.width or flight.widest(self.caller, params_of.said(params))
    if self.width > 1 then
      launch(self, offset)
      ticket = self.tickets[offset]
    end
  end
  self.tickets[offset] = nil
  return ticket or { pending = self.caller.send(params) }
end

--- While a request is awaited, `ahead` others may be on their way.
local function top_up(self)
  while #self.flights <= self.ahead and self.upto < end_of(self) do launch(self, self.upto) end
end

local function wait_plain(self, ticket)
  local ok, result, response = pcall(self.caller.wait, ticket.pending)
  ticket.pending = nil
  if not ok then error(result, 0) end
  return result, response
end

local function wait_shared(self, ticket)
  local shared = ticket.flight
  if not shared.answers then
    top_up(self)
    shared.answers = shared:wait()
    remove(self.flights, 1)
    self.width = min(self.width, max(flight.width(shared.answers) or self.width, 2))
  end
  local answer = shared.answers[ticket.index]
  shared.answers[ticket.index] = false
  if not answer.fault then return answer.result, answer.response end
  if not answer.again then error(answer.fault, 0) end
  if answer.alone then
    drop(self)
    self.trust = false
  end
  ticket.pending = self.caller.send(ticket.params)
  return wait_plain(self, ticket)
end

--- The walk waits for a page.
function Pool:wait(ticket)
  local result, response
  if ticket.flight then
    result, response = wait_shared(self, ticket)
  else
    result, response = wait_plain(self, ticket)
  end
  self.total = response and response.total or self.total
  return result, response
end

function Pool:cancel(ticket)
  local pending = ticket.pending
  ticket.pending = nil
  if pending ~= nil then self.caller.cancel(pending) end
end

local batch = {}

--- Pages by position, a total, and a method that only reads and may be in a
-- batch. REST 3.0 lists count nothing, and a failing command there takes the
-- others' results with it.
---@param caller table
---@param params table
---@return boolean
function batch.fits(caller, params)
  local row = caller.row
  if not caller.may_batch or not row or row.version ~= 2 then return false end
  if row.write or row.overlap or row.batch == false or not row.total then return false end
  local style = forms.new({ method = caller.method, row = row, given = params }).cursor.style
  return style == "start" or style == "offset"
end

---@param walk bitrix24.list.Walk
function batch.open(walk)
  local caller = walk.caller
  if not batch.fits(caller, walk.params) then return sequential.open(walk) end
  local pool = setmetatable({
    caller = caller, limit = walk.limit or huge, ahead = walk.ahead, trust = true, step = 0, upto = 0,
    flights = {}, tickets = {},
  }, Pool)
  local proxied = setmetatable({
    caller = setmetatable({
      send = function(...) return pool:send(...) end,
      wait = function(ticket) return pool:wait(ticket) end,
      cancel = function(ticket) pool:cancel(ticket) end,
    }, { __index = caller }),
  }, { __index = walk })
  local pages = sequential.open(proxied)
  return {
    next = function() return pages:next() end,
    close = function()
      pages:close()
      drop(pool)
    end,
  }
end

return batch
