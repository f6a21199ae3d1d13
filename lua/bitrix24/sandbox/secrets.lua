--- Codes and tokens: derived from the seed, so that the same sandbox has the
-- same address, and long enough that nobody meets one by chance.

local char = string.char
local setmetatable = setmetatable
local concat = table.concat

local _ENV = nil -- luacheck: ignore

local secrets = {}

local Source = { __name = "bitrix24.sandbox.secrets" }
Source.__index = Source

local ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

---@param seed integer
---@return table
function secrets.new(seed)
  local source = setmetatable({ state = (seed ~ 0x9E3779B97F4A7C15) | 1 }, Source)
  for _ = 1, 8 do source:step() end
  return source
end

--- xorshift64*
function Source:step()
  local x = self.state
  x = x ~ (x >> 12)
  x = x ~ (x << 25)
  x = x ~ (x >> 27)
  self.state = x
  return (x * 0x2545F4914F6CDD1D) >> 33
end

--- A new text of letters and digits.
---@param length integer
---@return string
function Source:text(length)
  local out = {}
  for i = 1, length do out[i] = char(ALPHABET:byte(self:step() % #ALPHABET + 1)) end
  return concat(out)
end

return secrets
