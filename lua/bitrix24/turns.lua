--- Answers to tasks are handed out in the order in which their requests left,
-- whichever connection was quicker: what the tasks ask next, and so the whole
-- run, is the same each time.
--
-- One that is sent again gives up its turn, and after a silence all do: nobody
-- waits for long because of somebody else. Nor has one that is fifty calls long
-- a turn, a batch that a list or a script makes by itself.

local setmetatable = setmetatable

local _ENV = nil -- luacheck: ignore

---@class bitrix24.Turns
local Turns = {}
Turns.__index = Turns

local turns = {}

--- The order of one client's answers.
---@param finish fun(pending: table, fault: any, result: any, response: table?)
---@return bitrix24.Turns
function turns.new(finish)
  return setmetatable({ finish = finish, queue = {}, first = 1, last = 0 }, Turns)
end

--- A request leaves.
---@param pending bitrix24.Pending
function Turns:enter(pending)
  local last = self.last + 1
  pending.turn = true
  self.queue[last] = pending -- first what may lack memory
  self.last = last
end

--- The others need not wait for it any more.
local function pass(pending)
  if not pending.turn then return end
  pending.turn = nil
  if pending.on_late then pending.on_late() end
end

--- It is sent again, some time.
function Turns.pass(_, pending)
  pass(pending)
end

--- Its outcome is here; it is finished when its turn comes.
---@param pending bitrix24.Pending
---@param fault any
---@param result any
---@param response table?
function Turns:arrive(pending, fault, result, response)
  pending.outcome = { fault, result, response }
  self:advance()
end

--- Finish what is due.
function Turns:advance()
  local queue = self.queue
  while self.first <= self.last do
    local pending = queue[self.first]
    local outcome = pending.outcome
    if not outcome and pending.turn and not pending.done then return end
    queue[self.first] = nil
    self.first = self.first + 1
    if outcome then
      pending.turn, pending.outcome = nil, nil
      self.finish(pending, outcome[1], outcome[2], outcome[3])
    end
  end
  self.first, self.last = 1, 0
end

--- Finish all that is here, and wait for nobody.
function Turns:skip()
  for i = self.first, self.last do
    local pending = self.queue[i]
    if pending and not pending.outcome then pass(pending) end
  end
  self:advance()
end

return turns
