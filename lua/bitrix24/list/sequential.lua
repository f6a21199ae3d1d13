--- One page after the other, the next one under way while this one is read.
--
-- A strategy is a module with `open(walk) → pages`; `pages:next()` gives the
-- records and the facts of one page, nil after the last, or raises; and
-- `pages:close()` cancels what is in flight. What fails ahead of the loop is
-- kept and raised when its page is due: records that came are handed out.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local find = require "bitrix24.list.records"
local forms = require "bitrix24.list.forms"

local error, pcall, setmetatable = error, pcall, setmetatable
local huge = math.huge

local _ENV = nil -- luacheck: ignore

local Pages = {}

local function protocol(self, message, hint)
  return errors.protocol(self.caller.method, message, hint)
end

--- Ask for a page; a failure becomes due with the page. The position is told
-- for a caller that asks for several pages at once (list/batch.lua).
local function send(self, position)
  local ok, pending = pcall(function()
    return self.caller.send(self.form:params(position), position, self.form)
  end)
  if ok then self.pending = pending else self.failure = pending end
end

--- Send what was decided and not sent yet.
local function send_due(self)
  if not self.position then return end
  local position = self.position
  self.position = nil
  send(self, position)
end

--- What follows after the facts of a page. True when its records are new.
local function decide(self, facts)
  local verdict, position, repeated = self.cursor:advance(facts)
  if verdict == "more" then
    self.position = position
  elseif verdict == "end" then
    self.done = true
  elseif verdict == "truncated" then
    self.failure = protocol(self,
      "there are more records than the method gives, and it has no further pages",
      "narrow the filter, or say with opts.limit how many are enough")
  else
    self.failure = protocol(self, position)
  end
  return not repeated
end

--- Where pages overlap, only what was not handed out before.
local function only_new(self, records)
  local out, seen = {}, self.seen
  for i = 1, #records do
    local id = find.id(records[i], self.caller.row)
    if id == nil or not seen[id] then
      out[#out + 1] = records[i]
      if id ~= nil then seen[id] = true end
    end
  end
  return out
end

--- The next page, or nil when the list is complete.
---@return any[]? records
---@return table? facts count, total, more …
function Pages:next()
  if self.failure then error(self.failure, 0) end
  if self.done then return nil end
  send_due(self)
  if self.failure then error(self.failure, 0) end
  local caller = self.caller
  -- Stays known until the answer is here: who closes meanwhile cancels it.
  local ok, result, response = pcall(caller.wait, self.pending)
  self.pending = nil
  if not ok then error(result, 0) end
  if self.promised and find.is_nothing(result) then
    error(protocol(self, "the portal announced a further page and gave nothing for it"), 0)
  end
  local records = find.find(result, caller.row, caller.method)
  local facts = self.form:facts(records, result, response)
  facts.fingerprint = core.page.fingerprint(records, caller.row and caller.row.id_field)
  self.promised = facts.next ~= nil
  local fresh = decide(self, facts)
  if self.seen then
    records = only_new(self, records)
  elseif not fresh then
    if self.failure then error(self.failure, 0) end
    records = {}
  end
  self.got = self.got + #records
  if self.ahead and self.got < self.limit then
    send_due(self)
    if caller.poll then caller.poll() end
  end
  return records, facts
end

--- Cancel what is in flight. Idempotent.
function Pages:close()
  local pending = self.pending
  self.pending, self.position, self.done = nil, nil, true
  if pending ~= nil then self.caller.cancel(pending) end
end

local metatable = { __index = Pages }

local sequential = {}

--- What a method that changes or consumes must not be asked unasked; of an
-- unknown method nobody can say.
local function may_read_ahead(row)
  return row ~= nil and not row.write
end

---@class bitrix24.list.Walk
---@field caller table method, row, send, wait, cancel
---@field params table the caller's parameters
---@field limit number records wanted, math.huge = all
---@field ahead integer requests that may be out before their page is due
---@field fresh boolean? begin at the beginning, whatever the parameters say

---@param walk bitrix24.list.Walk
function sequential.open(walk)
  local caller = walk.caller
  local form = forms.new {
    method = caller.method, row = caller.row, version = caller.version,
    given = walk.params, want = walk.limit < huge and walk.limit or nil, fresh = walk.fresh,
  }
  local self = setmetatable({
    caller = caller, form = form, limit = walk.limit, got = 0,
    cursor = core.page.new(form.cursor),
    ahead = walk.ahead > 0 and may_read_ahead(caller.row),
    seen = caller.row and caller.row.overlap and {} or nil,
    position = false,
  }, metatable)
  send(self, nil)
  return self
end

return sequential
