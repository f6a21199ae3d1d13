--- The two limits of the cloud (limits): a leaky bucket of requests per
-- portal, and working time per method and application in one-minute baskets.
-- Both are functions of the time they are given.

local ceil, floor, max = math.ceil, math.floor, math.max
local ipairs, pairs, setmetatable, type = ipairs, pairs, setmetatable, type
local remove = table.remove

local _ENV = nil -- luacheck: ignore

local limits = {}

local tariffs = {
  standard = { rate = 2, burst = 50 },
  enterprise = { rate = 5, burst = 250 },
}

local Bucket = { __name = "bitrix24.sandbox.bucket" }
Bucket.__index = Bucket

--- A bucket, or nil when nothing limits the rate.
---@param option any "standard", "enterprise", {rate=, burst=, leak=, phase=} or false
---@return table?
function limits.bucket(option)
  if option == false then return nil end
  if option == nil then option = "standard" end
  if type(option) == "string" then option = tariffs[option] end
  return setmetatable({
    rate = option.rate,
    burst = option.burst,
    leak = option.leak or "step", -- fall once a second, or "even"
    phase = option.phase or 0,    -- when in the second it falls
    level = 0,
  }, Bucket)
end

function Bucket:drain(now)
  local last = self.last or now
  local elapsed = now - last
  if self.leak == "step" then elapsed = floor(now - self.phase) - floor(last - self.phase) end
  self.level = max(0, self.level - elapsed * self.rate)
  self.last = max(now, last)
end

--- Count a request; false when it is one too many, and then not counted.
---@param now number
---@return boolean
function Bucket:admit(now)
  self:drain(now)
  if self.level + 1 > self.burst then return false end
  self.level = self.level + 1
  return true
end

local Ledger = { __name = "bitrix24.sandbox.ledger" }
Ledger.__index = Ledger

--- A ledger of working time.
---@param option table? {limit=, window=, scale=, cost=, charge=}
---@return table
function limits.ledger(option)
  option = option or {}
  local cost = option.cost
  if type(cost) == "table" then
    local lower = {}
    for method, seconds in pairs(cost) do lower[method:lower()] = seconds end
    cost = lower
  end
  return setmetatable({
    limit = option.limit or 480,
    window = option.window or 600,
    scale = option.scale or 1,
    charge = option.charge or "command", -- who pays for a batch: its commands, or "batch"
    cost = cost,
    accounts = {},
  }, Ledger)
end

--- What a run of a method costs.
---@param method string
---@param measured number seconds it took
---@return number
function Ledger:price(method, measured)
  local cost = self.cost
  if type(cost) == "table" then cost = cost[method:lower()] or cost["*"] end
  return cost or measured * self.scale
end

--- The live baskets of a client's method.
function Ledger:baskets(client, method, now)
  local key = client .. "\0" .. method:lower()
  local baskets = self.accounts[key] or {}
  self.accounts[key] = baskets
  while baskets[1] and baskets[1].start + self.window <= now do remove(baskets, 1) end
  return baskets
end

--- Seconds used in the window, and when the oldest basket leaves it.
---@return number used, integer reset_at
function Ledger:report(client, method, now)
  local baskets, used = self:baskets(client, method, now), 0
  for _, basket in ipairs(baskets) do used = used + basket.used end
  local start = baskets[1] and baskets[1].start or now
  return used, ceil(start + self.window)
end

---@return boolean
function Ledger:blocked(client, method, now)
  return (self:report(client, method, now)) > self.limit
end

function Ledger:add(client, method, now, seconds)
  local baskets = self:baskets(client, method, now)
  local width = self.window / 10
  local start = floor(now / width) * width
  local last = baskets[#baskets]
  if not last or last.start ~= start then
    last = { start = start, used = 0 }
    baskets[#baskets + 1] = last
  end
  last.used = last.used + seconds
end

return limits
