--- Parameters as the commands of a batch have them.

local core = require "bitrix24.core"

local params = {
  a = 1, b = { 1.5, true, { c = "d e" } },
  filter = { x = {}, [">=y"] = ("long "):rep(400) },
}
params.filter.x.z = 1
local wanted = core.query.encoder {}(params)
assert(#wanted > 2000)

local function encode_twice()
  local encode = core.query.encoder {}
  for _ = 1, 2 do assert(encode(params) == wanted) end
end

return encode_twice, encode_twice
