--- Texts for people, cut where they are too long.

local byte, sub = string.byte, string.sub

local _ENV = nil -- luacheck: ignore

local text = {}

--- The beginning of a text, never half a character of UTF-8.
---@param whole string
---@param most integer bytes
---@return string beginning
---@return boolean cut
function text.beginning(whole, most)
  if #whole <= most then return whole, false end
  while most > 0 and byte(whole, most + 1) & 0xC0 == 0x80 do most = most - 1 end
  return sub(whole, 1, most), true
end

return text
