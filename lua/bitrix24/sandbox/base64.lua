--- Base64 as it arrives in file parameters (api-reference/files/how-to-upload-files).

local char, gmatch, gsub, match = string.char, string.gmatch, string.gsub, string.match
local concat = table.concat

local _ENV = nil -- luacheck: ignore

local base64 = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local VALUES = {}
for i = 1, #ALPHABET do VALUES[ALPHABET:sub(i, i)] = i - 1 end

--- The bytes that the text stands for; nil when it is no base64.
---@param text string
---@return string?
function base64.decode(text)
  local body, padding = match(gsub(text, "%s", ""), "^([%w+/]*)(=*)$")
  if not body or #padding > 2 or (#body + #padding) % 4 ~= 0 then return nil end
  local out, bits, held = {}, 0, 0
  for letter in gmatch(body, ".") do
    held, bits = (held << 6 | VALUES[letter]) & 0xFFFFFF, bits + 6
    if bits >= 8 then
      bits = bits - 8
      out[#out + 1] = char(held >> bits & 0xFF)
    end
  end
  return concat(out)
end

return base64
