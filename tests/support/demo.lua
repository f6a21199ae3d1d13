-- Starts a sandbox portal and runs a recipe against it, unchanged and in a
-- process of its own, as a person would who has a webhook:
--   lua5.4 tests/support/demo.lua examples/call_list.lua [ARGUMENT …]
--
-- DEMO_UNDER is put before the recipe's interpreter (valgrind).

local sandbox = require "bitrix24.sandbox"

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local interpreter = 0
while arg[interpreter - 1] do interpreter = interpreter - 1 end

local status
do
  local sb <close> = sandbox.start {}
  local words = {}
  for _, word in ipairs(arg) do words[#words + 1] = quote(word) end
  local command = ("BITRIX24_WEBHOOK=%s %s %s %s"):format(quote(sb.webhook),
    os.getenv "DEMO_UNDER" or "", quote(arg[interpreter]), table.concat(words, " "))
  local _, how, number = os.execute(command)
  status = how == "signal" and 128 + number or number
  print(("%d HTTP requests"):format(#sb:requests()))
end
os.exit(status, true)
