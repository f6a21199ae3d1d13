--- Runs functions at the same time that each wait for portals of their own:
-- what takes seconds of waiting one by one takes as long as the slowest.
--
-- Every function is a coroutine. A portal that is opened in one does not wait
-- inside the core but gives way to the other functions; apart from that it is
-- the client that everybody gets.

local client = require "bitrix24.client"

--- How long to wait for one portal when none has anything to do.
local NAP_SECONDS = 0.005

--- How many times to give way where the client asked to wait for its slice: about
-- as long as that slice, in which all is quiet.
local TURNS = 50

--- The class's own step, whether something happened since the last look, and
-- the clients of the functions that run.
local step, moved
local open = setmetatable({}, { __mode = "k" })

local function give_way(self, seconds)
  for _ = 1, seconds > 0 and TURNS or 1 do
    if step(self, 0) then
      moved = true
      return true
    end
    coroutine.yield()
    if self:is_closed() then return false end
  end
  return false
end

--- Let the sockets of some portal wake this thread.
local function nap()
  for self in pairs(open) do
    if not self:is_closed() and self.core:pending() > 0 then
      step(self, NAP_SECONDS)
      return
    end
  end
end

--- Take the next function. One at a time: beginning may take long, and meanwhile
-- the time of the others' requests runs.
local function begin(state, jobs, most)
  if state.alive >= most or state.next > #jobs then return end
  local index = state.next
  state.next, state.alive, moved = index + 1, state.alive + 1, true
  state[index] = coroutine.create(jobs[index])
end

---@param jobs (fun(): any)[]
---@param most integer how many run at the same time
---@return table[] outcomes in order: { ok = boolean, value = what was returned or raised }
return function(jobs, most)
  local state, outcomes = { alive = 0, next = 1 }, {}
  local new = client.new
  local restore <close> = setmetatable({}, { __close = function() client.new = new end }) -- luacheck: ignore
  function client.new(...)
    local self = new(...)
    step = getmetatable(self).__index.step
    self.step, open[self] = give_way, true
    return self
  end
  begin(state, jobs, most)
  while state.alive > 0 do
    for index = 1, state.next - 1 do
      local thread = state[index]
      if thread then
        local ok, value = coroutine.resume(thread)
        if coroutine.status(thread) == "dead" then
          outcomes[index] = { ok = ok, value = value }
          state[index], state.alive, moved = false, state.alive - 1, true
        end
      end
    end
    if not moved then nap() end
    moved = false
    begin(state, jobs, most)
  end
  return outcomes
end
