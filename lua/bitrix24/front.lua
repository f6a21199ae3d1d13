--- Stands in front of a client's core and answers some requests in its place:
-- what a plan holds back, what a recording knows. Everything else passes.
--
-- Answers are handed to the client in the order in which the requests were made,
-- at its next step: never while they are being submitted. So nothing that a
-- script does depends on which connection was quicker.

local core = require "bitrix24.core"

local judge = core.client.judge
local rawset, setmetatable = rawset, setmetatable
local open, remove, rename = io.open, os.remove, os.rename

local _ENV = nil -- luacheck: ignore

local front = {}

-- ---- a request that was answered here -----------------------------------------

--- Does for a client what a request of the core does. `inner`: a request that
-- the core carries for it.
---@class bitrix24.StandIn
---@field seen table outcome, status, body, content_type, location, message, attempts
---@field harmless boolean? may it be repeated
---@field verdict table? of an attempt that failed: kind, sent, retryable, reason
---@field bytes string? content of a download
---@field inner any
---@field decode fun(self, body: string, status: integer, content_type: string): bitrix24.Answer | nil
---@field ended boolean? an attempt has ended, and the client was not told yet
---@field over boolean? there will be no other attempt
---@field silent boolean? nothing is sent: the log has nothing to tell
local StandIn = {}
StandIn.__index = StandIn

function StandIn:answer()
  if self.inner then return self.inner:answer() end
  local seen = self.seen
  return seen.outcome or "answer", seen.status or 200, seen.body or "",
    seen.content_type or "application/json", seen.location or "", seen.message or "", seen.attempts or 1, 0
end

--- What the core says; when that is the end of it, others may follow.
local function pass(self, action, ...)
  if action == "done" or action == "fail" then self.over = true end
  return action, ...
end

function StandIn:settle(decoded, code, ...)
  if self.inner then return pass(self, self.inner:settle(decoded, code, ...)) end
  local verdict = self.verdict
  self.over = true
  if verdict then
    return "fail", verdict.kind, verdict.sent, verdict.retryable or false, 0, verdict.reason or ""
  elseif not decoded then
    return "fail", "protocol", true, false, 0, "the answer cannot be read"
  elseif code then
    local kind, sent, retryable = judge(code, self.harmless)
    return "fail", kind, sent, retryable, 0, ""
  end
  return "done", "ok", true, false, 0, ""
end

--- Write a download: beside its place first, as the core does.
function StandIn:commit(path)
  local bytes = self.bytes
  if self.inner then return self.inner:commit(path) end
  if not bytes then return 0 end
  local beside = path .. ".part"
  local file, why = open(beside, "wb")
  if not file then return nil, why end
  local done
  done, why = file:write(bytes)
  if not file:close() or not done then
    remove(beside)
    return nil, why or "it is not whole"
  end
  done, why = rename(beside, path)
  if not done then
    remove(beside)
    return nil, why
  end
  return #bytes
end

function StandIn:drop()
  local inner = self.inner
  self.over, self.inner = true, nil
  if inner then
    self.front.outer[inner] = nil
    inner:drop()
  end
end

-- ---- the front ------------------------------------------------------------------

---@class bitrix24.Front
local Front = {}

--- The foremost request, if an attempt of it has ended.
local function next_ended(self)
  local queue = self.queue
  while self.first <= self.last do
    local request = queue[self.first]
    if not request.over then
      if not request.ended then return nil end
      request.ended = false
      return request
    end
    queue[self.first] = nil
    self.first = self.first + 1
  end
  self.first, self.last = 1, 0
end

function Front:submit(call, pending)
  local request, kind, message = self.take(call, pending)
  if request == false then return self.real:submit(call, pending) end
  if not request then return nil, kind, message end
  setmetatable(request, StandIn)
  request.front = self
  if request.inner then self.outer[request.inner] = request else request.ended = true end
  self.last = self.last + 1
  self.queue[self.last] = request
  return request
end

function Front:step(seconds)
  local real = self.real
  while true do
    local request = next_ended(self)
    if request then return request end
    local kind, message
    request, kind, message = real:step(seconds)
    local outer = request and self.outer[request]
    if outer then
      outer.ended = true
    elseif request or kind or not self.patient or seconds <= 0 or real:is_closed() or real:pending() == 0 then
      return request, kind, message
    end
  end
end

function Front:pending()
  local count = 0
  for i = self.first, self.last do
    local request = self.queue[i]
    if not request.over and not request.inner then count = count + 1 end
  end
  return self.real:pending() + count
end

--- The next attempt that ended, for a host's loop.
function Front:loop_next()
  while true do
    local request = next_ended(self)
    if request then return request end
    request = self.real:loop_next()
    local outer = request and self.outer[request]
    if not outer then return request end
    outer.ended = true
  end
end

--- Everything else is the core's to do.
local meta = { __name = "bitrix24.front" }

function meta.__index(self, name)
  local found = Front[name]
  if not found then
    local real = self.real
    local f = real[name]
    if f == nil then return nil end
    found = function(_, ...) return f(real, ...) end
  end
  rawset(self, name, found)
  return found
end

--- Put something in front of a core.
---@param real userdata the core's client
---@param take fun(call: table, pending: table): table|false|nil, string?, string?
--- a request answered or carried here; false = the core's; nil, kind, message = refused
---@param patient boolean? a step waits until there is an answer: a quick portal and a slow
--- one are the same to the client
---@return bitrix24.Front
function front.new(real, take, patient)
  return setmetatable({
    real = real, take = take, patient = patient or false,
    queue = {}, first = 1, last = 0, -- requests in order
    outer = {}, -- request of the core → what it belongs to
  }, meta)
end

return front
