--- Lists in the order of ids, each page asked for as `>ID` of the one before
-- it, without counting (settings/performance/huge-data). In a batch the filter
-- of a command refers to the last record of the command before it, so that one
-- request brings 50 pages.
--
-- Ids are cut into windows that are read side by side and handed out in order.
-- A window with an upper bound ends there; only one without a bound can end the
-- list. What a window holds is a guess, and a wrong one costs a request: a
-- window that holds more is continued, and when too many held too little the
-- rest is read as one chain, which wastes nothing.
--
-- Invariant: whatever the guesses, a record is handed out when its id is above
-- that of the one before it, and everything up to `frontier` has been read.

local errors = require "bitrix24.errors"
local find = require "bitrix24.list.records"
local flight = require "bitrix24.list.flight"
local shape = require "bitrix24.list.keyset_params"
local wire = require "bitrix24.wire"

local error, ipairs, pairs, pcall, setmetatable = error, ipairs, pairs, pcall, setmetatable
local ceil, floor, huge, max, min, sqrt = math.ceil, math.floor, math.huge, math.max, math.min, math.sqrt
local remove = table.remove
local math_type = math.type
local tointeger, tonumber, tostring, type = math.tointeger, tonumber, tostring, type

local _ENV = nil -- luacheck: ignore

--- Below this many pages a request, windows are not worth their guesses.
local WINDOW_WIDTH_MIN = 10

--- Requests that may be spent on windows with too little in them.
local WASTE_MIN, WASTE_SHARE = 2, 0.1

local Pages = {}
Pages.__index = Pages

local function protocol(self, message, hint)
  return errors.protocol(self.caller.method, message, hint)
end

-- ---- asking ----------------------------------------------------------------

--- The pages of a window that one request asks for.
local function commands(self, window, count)
  local list = {}
  for i = 1, count do
    local after = window.lo
    if i > 1 then after = self.form:last_of(i - 1, self.path, self.size, self.id_key) end
    list[i] = self.form:page(after, window.hi)
  end
  if window.probe then list[count + 1] = self.form:highest() end
  return list
end

--- How many pages a window is expected to need.
local function pages_for(self, window)
  local count, expected = self.width, window.expected
  if window.alone or count < 2 or not self.path then return 1 end
  -- where nothing is known, as many again as came so far
  if not flight.pays(self.caller, (expected or self.got) / self.size) then return 1 end
  if window.hi then
    count = min(count, ceil((window.hi - window.lo) / self.size))
    if expected and self.gap > 1 then
      count = min(count, ceil((expected + 2 * sqrt(expected)) / self.size) + 1)
    end
  elseif expected and window.guessed then
    -- by the highest id: the wider the gaps, the worse the guess
    if self.gap and self.gap < 4 then count = min(count, 2 * ceil(expected / self.size) + 2) end
  elseif expected then
    -- the page behind the last full one proves the end
    count = min(count, expected // self.size + (window.cut and 0 or 1))
    if window.cut and expected % self.size > 0 then count = min(self.width, count + 1) end
  end
  if window.probe then count = min(count, self.width - 1) end
  return max(count, 1)
end

local function send(self, window)
  local count = pages_for(self, window)
  if count == 1 and not window.probe then
    window.flight = flight.send(self.caller, { self.form:page(window.lo, window.hi, window.counted) }, true)
  else
    window.flight = flight.send(self.caller, commands(self, window, count), true)
  end
end

-- ---- planning --------------------------------------------------------------

--- Records on their way.
local function awaited(self)
  local sum = 0
  for _, window in ipairs(self.queue) do sum = sum + (window.expected or 0) end
  return sum
end

--- Records behind an id, as far as the total or the highest id tell; nil =
-- nothing is known.
local function remaining(self, after)
  if self.total then return max(self.total - self.got - awaited(self), 0) end
  if self.max and after then return max(ceil((self.max - after) / (self.gap or 1)), 0) end
  return nil
end

--- Records that a window should hold: a full request, less what chance may
-- add where ids have gaps.
local function target(self)
  local full = self.size * self.width
  return floor(full - 2.5 * sqrt(full * (1 - 1 / self.gap)))
end

local function may_cut(self)
  if not self.gap or not self.form.bounded or self.width < WINDOW_WIDTH_MIN or self.lookahead < 1 then
    return false
  end
  local ideal = self.got / (self.size * self.width)
  return self.asked - ideal <= WASTE_MIN + WASTE_SHARE * ideal
end

--- The next window, or nil when it depends on an answer.
local function plan(self)
  local last = self.queue[#self.queue]
  if last and not last.hi then return nil end
  local lo = self.frontier
  if last then lo = last.hi end
  local rest, wanted = remaining(self, lo), self.limit - self.got - awaited(self)
  if wanted < 1 then return nil end
  local window = { lo = lo, expected = rest, guessed = not self.total }
  if wanted < huge and wanted <= (rest or huge) then
    window.expected, window.cut, window.guessed = wanted, true, nil
  end
  local size = may_cut(self) and target(self)
  local hi = size and lo and (window.expected or 0) > self.size * self.width
    and self.form:upper(lo + max(floor(size * self.gap), self.size))
  if hi then
    window.hi, window.expected, window.cut = hi, size, nil
  elseif not self.total and not self.probed and self.lookahead > 0 and self.width >= WINDOW_WIDTH_MIN
    and wanted > self.size * self.width and flight.pays(self.caller, 0) then
    window.probe, self.probed = true, true
  end
  return window
end

--- Send what is due, until `allowed` requests are on their way.
local function pump(self, allowed)
  if self.failure ~= nil or self.ended then return end
  local flying = 0
  for _, window in ipairs(self.queue) do
    if not window.flight and flying < allowed then send(self, window) end
    if window.flight then flying = flying + 1 end
  end
  while flying < allowed do
    local window = plan(self)
    if not window then break end
    self.queue[#self.queue + 1] = window
    send(self, window)
    flying = flying + 1
  end
  if self.caller.poll then self.caller.poll() end
end

-- ---- reading ---------------------------------------------------------------

local function id_of(self, record)
  local found = find.id(record, self.caller.row)
  local id = tointeger(tonumber(found))
  if not id then
    error(protocol(self, ("a record has no id to go on from: %s"):format(
      found == nil and "there is no such field" or ("it is %s"):format(tostring(found)))), 0)
  end
  return id
end

--- Every id above the one before it; the last one.
local function check(self, records, window, last)
  local key, high = self.id_key, window.hi
  for i = 1, #records do
    local record = records[i]
    local id = key and type(record) == "table" and record[key]
    if math_type(id) ~= "integer" then id = id_of(self, record) end
    if last and id <= last then
      error(protocol(self, ("id %d came after id %d in a list ordered by id"):format(id, last),
        "a portal that ignores the filter, the order or a reference: use strategy = \"sequential\""), 0)
    end
    if high and id > high then
      error(protocol(self, ("id %d came from a filter up to %d"):format(id, window.hi)), 0)
    end
    last = id
  end
  return last
end

--- Where the records are in `result`, as a reference must say it; nil when a
-- place in the answer does not tell a record's place in the page.
local function path_of(result, records)
  if result == records then return {} end
  for key, value in pairs(type(result) == "table" and result or {}) do
    if value == records then return { key } end
  end
  return nil
end

--- What the first page with records tells of the method.
local function learn(self, result, records)
  if self.learnt or #records == 0 then return end
  self.learnt = true
  self.path = path_of(result, records)
  self.id_key = self.form:key_of(records[#records], self.caller.row)
  self.size = max(self.size, #records)
  self.width = min(self.width, flight.widest(self.caller, self.form:sample()))
  local first, last = id_of(self, records[1]), id_of(self, records[#records])
  if #records >= self.size and last - first + 1 == #records then self.gap = 1 end
end

--- Learn how far ids are apart from the ids a window went through and the
-- records that were there. A hole widens the windows by steps.
local function measure(self, from, to, count)
  local gap, known = (to - from) / max(count, 1), self.gap
  if known then
    if to - from < self.size * known then return end -- too few to tell
    gap = (known + min(gap, 2 * known)) / 2
  end
  self.gap = gap < 1.0005 and 1 or gap
end

--- The pages of an answer up to the first that is short or failed.
-- → "full" | "short" | "again" | "failed"
local function read(self, window, answers)
  for i = 1, #answers - (window.probe and 1 or 0) do
    local answer = answers[i]
    if answer.fault then
      if answer.alone then self.width = 1 end
      if answer.again then return "again" end
      self.failure = answer.fault
      return "failed"
    end
    local result = answer.result
    local records = find.find(result, self.caller.row, self.caller.method)
    if i > 1 and records[1] ~= nil and id_of(self, records[1]) <= window.lo then
      -- The text of a reference that the portal did not resolve stays as it is,
      -- and PHP reads it as 0. Asked by number the page shows who is wrong.
      self.width = 1
      return "again"
    end
    local last = check(self, records, window, window.lo)
    learn(self, result, records)
    if #records > 0 then self.pages[#self.pages + 1] = records end
    self.got, window.lo = self.got + #records, last
    if #records < self.size then
      window.blank = #records == 0
      return "short"
    end
  end
  return "full"
end

--- The highest id; without it there is merely less to go by.
local function read_probe(self, answer)
  if answer.fault then
    self.probed = not answer.skipped
    return
  end
  local ok, id = pcall(function()
    local records = find.find(answer.result, self.caller.row, self.caller.method)
    return records[1] and id_of(self, records[1])
  end)
  if ok then self.max = id end
end

--- May there be more behind a short page? An empty one is proof by itself, but
-- for the very first where the portal counts many.
local function doubtful(self, window)
  if window.blank then return self.got == 0 and not self.looked and (self.total or 0) > self.size end
  local last = window.lo or 0
  return self.total and self.got < self.total or self.max and last < self.max or false
end

--- The first page was full and is all there is: the portal counts no more, and
-- a documented `next` is absent.
local function whole(self, window, response)
  return window.counted and self.caller.row.next and self.total == self.got and response.next == nil
end

--- A window that ended on a short page though its bound was further: where the
-- documented rule holds, nothing is between. Kept to be looked at again when
-- fewer records came than were counted.
local function remember_tail(self, window)
  if window.blank or window.lo >= window.hi then return end
  self.tails[#self.tails + 1] = { lo = window.lo, hi = window.hi }
end

--- Fewer came than were counted: removed meanwhile, or left out by a portal
-- that cuts pages short. Records behind a short page show which.
local function verify(self)
  if not self.total or self.got >= self.total then return end
  for from = 1, #self.tails, self.width do
    local list = {}
    for i = from, min(from + self.width - 1, #self.tails) do
      list[#list + 1] = self.form:page(self.tails[i].lo, self.tails[i].hi)
    end
    for _, answer in ipairs(flight.send(self.caller, list, true):wait()) do
      if answer.fault then error(answer.fault, 0) end
      if #find.find(answer.result, self.caller.row, self.caller.method) > 0 then
        error(protocol(self, ("the portal cut pages short: %d of %d records came, and there are more"):format(
          self.got, self.total), "use strategy = \"sequential\""), 0)
      end
    end
  end
end

--- What becomes of the window after its answer.
local function settle(self, window, state)
  local bounded = window.hi
  if state == "again" then
    window.alone = true
    return
  end
  if bounded and state == "full" and window.lo < bounded then
    window.alone, window.expected = nil, ceil((bounded - window.lo) / self.gap)
    return
  end
  remove(self.queue, 1)
  self.frontier = bounded or window.lo
  if bounded and state == "short" then remember_tail(self, window) end
  if bounded or state ~= "short" then return end
  if doubtful(self, window) then
    -- asked once more, alone: a list ends on evidence
    self.looked = true
    self.queue[1] = { lo = window.lo, alone = true, expected = self.size }
  else
    self.ended = true
  end
end

local function adapt(self, window, answers)
  if window.counted then return end -- counting takes longer than reading
  local width = #answers > 1 and flight.width(answers)
  if width then self.width = min(self.width, max(width, 2)) end
end

--- Wait for the first window and read its answer.
local function receive(self)
  local window = self.queue[1]
  local answers = window.flight:wait()
  window.flight = nil
  self.asked = self.asked + 1
  local from, got = window.lo, self.got
  local total = window.counted and tointeger(tonumber(answers[1].response.total))
  if total and total > 0 then self.total = total end
  local ok, state = pcall(read, self, window, answers)
  if not ok then
    self.failure = state
    return
  end
  if window.probe then read_probe(self, answers[#answers]) end
  if self.total and self.got > self.total then self.total = nil end -- it was wrong
  if state == "failed" then return end
  if state == "full" and whole(self, window, answers[1].response) then self.ended = true end
  adapt(self, window, answers)
  window.probe, window.counted = nil, nil
  local to = state == "short" and window.hi or window.lo
  if from and to and to > from then measure(self, from, to, self.got - got) end
  settle(self, window, state)
end

--- The next page, or nil when the list is complete.
---@return any[]? records
---@return table? facts total
function Pages:next()
  while true do
    local records = self.pages[self.at]
    if records then
      self.pages[self.at] = false
      self.at = self.at + 1
      if self.caller.poll then self.caller.poll() end
      return records, { count = #records, total = self.total }
    end
    if self.failure ~= nil then errors.throw(self.failure) end
    if self.ended then
      if #self.tails > 0 then verify(self) end
      self.tails = {}
      return nil
    end
    self.pages, self.at = {}, 1
    pump(self, 1 + self.lookahead)
    if not self.queue[1] then return nil end -- as many as were wanted
    receive(self)
    pump(self, self.lookahead)
  end
end

--- Cancel what is in flight. Idempotent.
function Pages:close()
  self.ended, self.pages, self.tails = true, {}, {}
  for _, window in ipairs(self.queue) do
    if window.flight then window.flight:cancel() end
  end
  self.queue = {}
end

-- ---- the strategy ----------------------------------------------------------

local keyset = {}

--- Why a list cannot be walked by id; nil when it can.
---@type fun(caller: table, params: table): string?
keyset.refusal = shape.refusal

--- Does `auto` take it? Where calls cannot share a request nothing is gained.
---@param caller table
---@param params table
---@return boolean
function keyset.fits(caller, params)
  if not caller.may_batch or shape.refusal(caller, params) then return false end
  return flight.widest(caller, shape.new(caller, params):sample()) > 1
end

---@param walk bitrix24.list.Walk with `after`, the id to go on from, and `counted`
function keyset.open(walk)
  local caller = walk.caller
  local form = shape.new(caller, walk.params)
  local size = caller.row.page.size or 50
  local self = setmetatable({
    caller = caller, form = form, limit = walk.limit, lookahead = walk.ahead, size = size,
    width = wire.WIDTH_MAX, queue = {}, tails = {}, pages = {}, at = 1, got = 0, asked = 0,
    frontier = walk.after,
  }, Pages)
  local counted = walk.counted and not form.uncounted
  self.queue[1] = { lo = walk.after, alone = true, counted = counted, expected = size }
  send(self, self.queue[1])
  return self
end

return keyset
