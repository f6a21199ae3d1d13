--- The scenarios of tests/torture, each against a fresh sandbox and under
-- another Lua than this one: gcstress.lua LUA FOLDER NAME …
-- The last line is `N passed, M failed`.

local sandbox = require "bitrix24.sandbox"

local interpreter, folder = arg[1], arg[2]
local sb <close> = sandbox.start { limits = false, contacts = 60, users = 20, chats = 8 }

local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local about = { webhook = sb.webhook }
for name, value in pairs(sb.oauth) do about[name] = value end
local text = {}
for name, value in pairs(about) do text[#text + 1] = ("%s=%q"):format(name, value) end
local words = "{" .. table.concat(text, ",") .. "}"

local passed, failed = 0, 0
for i = 3, #arg do
  sb:reset()
  local command = ("rm -f %s/*; BITRIX24_WEBHOOK=%s FOLDER=%s timeout 300 %s %s %s %s"):format(
    quote(folder), quote(sb.webhook), quote(folder), quote(interpreter),
    "tests/support/gcstress_scenario.lua", quote(arg[i]), quote(words))
  local ok = os.execute(command)
  if ok then passed = passed + 1 else failed = failed + 1 end
  print(("%-6s %s"):format(ok and "ok" or "FAILED", arg[i]))
end
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0, true)
