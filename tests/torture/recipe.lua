--- The recipe, as it stands in examples/.

local _, again = require "torture.common".plain(...)
local printed = {}
local function print(text) printed[#printed + 1] = text end
local recipe = assert(loadfile("examples/call_list.lua", "t",
  setmetatable({ print = print, arg = {} }, { __index = _G })))

return function()
  printed = {}
  recipe()
  assert(printed[1]:match('^[1-9]%d* chats with "Project", [1-9]%d* contacts'), printed[1])
  assert(printed[2]:find("call list", 1, true))
end, again
