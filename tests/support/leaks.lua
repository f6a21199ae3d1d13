--- What a test leaves behind: portals that are still open, requests still on
-- their way. Clients are seen as they are made, whoever makes them.

local client = require "bitrix24.client"

local leaks = {}

local made = setmetatable({}, { __mode = "k" })
local new = client.new

function client.new(...)
  local self = new(...)
  local place = debug.traceback("", 2):match("[^%s]+_spec%.lua:%d+")
  made[self] = place and "opened at " .. place or "the one made for the test"
  return self
end

--- Requests that are queued or on their way in a client.
local function in_flight(self)
  local count = self.core:pending() or 0
  for _, queue in pairs(self.planner.lanes) do count = count + #queue end
  for _ in pairs(self.pending) do count = count + 1 end
  return count
end

--- What is left, in words; empty when all is well.
---@param but table<table, boolean>? portals that may be open, though not busy
---@return string[]
function leaks.find(but)
  local spared, found = {}, {}
  for portal in pairs(but or {}) do
    for _, value in next, portal do spared[value] = true end
  end
  for self, place in pairs(made) do
    if in_flight(self) > 0 then
      found[#found + 1] = "a request is in flight; its portal was " .. place
    elseif not self.core:is_closed() and not spared[self] then
      found[#found + 1] = "a portal is open, " .. place
    end
  end
  return found
end

--- Raise when something is left.
---@param but table<table, boolean>?
function leaks.check(but)
  local found = leaks.find(but)
  for self in pairs(made) do made[self] = nil end -- the next test is not to blame
  if #found > 0 then error(table.concat(found, "\n"), 0) end
end

--- Clients that the collector has not taken yet.
---@return integer
function leaks.alive()
  local count = 0
  for _ in pairs(made) do count = count + 1 end
  return count
end

return leaks
