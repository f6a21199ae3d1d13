--- The command `bitrix24` as a process of its own: what it prints where, and
-- how it ends.

local core = require "bitrix24.core"

local command = {}

local function quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

--- The Lua that runs the tests.
function command.interpreter()
  local first = 0
  while arg[first - 1] do first = first - 1 end
  return arg[first]
end

--- A folder of the test's own, removed by `command.clean`.
function command.folder()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkdir -m 700 " .. quote(path)))
  return path
end

function command.clean(folder) os.execute("rm -rf " .. quote(folder)) end

function command.read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

function command.write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

--- The shell's words for the command.
---@param words string[]
---@param environment table<string, string>?
local function line_of(words, environment)
  local out = { "env -u BITRIX24_WEBHOOK -u BITRIX24_PROFILE -u NO_COLOR TERM=xterm" }
  for name, value in pairs(environment or {}) do out[#out + 1] = quote(name .. "=" .. value) end
  out[#out + 1] = quote(command.interpreter())
  out[#out + 1] = "csrc/cli/bitrix24"
  for _, word in ipairs(words) do out[#out + 1] = quote(word) end
  return table.concat(out, " ")
end

--- Run the command and wait.
---@param words string[]
---@param environment table<string, string>?
---@param input string? standard input
---@param before string? what the shell does before it, "ulimit -f 8;"
---@return string out, string err, integer status
function command.run(words, environment, input, before)
  local folder = command.folder()
  command.write(folder .. "/in", input or "")
  local _, _, status = os.execute(("%s %s <%s/in >%s/out 2>%s/err"):format(
    before or "", line_of(words, environment), folder, folder, folder))
  local out, err = command.read(folder .. "/out"), command.read(folder .. "/err")
  command.clean(folder)
  return out, err, status
end

--- Run the command at a terminal: standard output and error are one.
---@return string text, integer status
function command.terminal(words, environment)
  local folder = command.folder()
  -- the shell's own words are quoted once more for `script`
  local _, _, status = os.execute(("script -qec %s /dev/null </dev/null >%s/out 2>&1"):format(
    quote("stty cols 80; exec " .. line_of(words, environment)), folder))
  local text = command.read(folder .. "/out")
  command.clean(folder)
  return (text:gsub("\r\n", "\n")), status
end

---@class support.Running
local Running = {}
Running.__index = Running

--- Start the command and go on.
---@param input string? path of what it reads
---@return support.Running
function command.start(words, environment, input)
  local self = setmetatable({ folder = command.folder() }, Running)
  local at = self.folder .. "/"
  local script = ("%s <%s >%sout 2>%serr & echo $! >%spid; wait $!; echo $? >%snew; mv %snew %sstatus")
    :format(line_of(words, environment), quote(input or "/dev/null"), at, at, at, at, at, at)
  assert(os.execute(("{ %s; } >/dev/null 2>&1 &"):format(script)))
  self:wait(function() return (command.read(self.folder .. "/pid") or ""):find("\n", 1, true) end)
  return self
end

--- Wait until something is so; fails after a minute.
function Running:wait(is_so) -- luacheck: ignore 212
  for _ = 1, 6000 do
    local found = is_so()
    if found then return found end
    core.sleep(0.01)
  end
  error("it did not come to pass", 2)
end

--- Has it ended? Its status.
function Running:status()
  local text = command.read(self.folder .. "/status")
  return text and math.tointeger(tonumber(text))
end

function Running:out() return command.read(self.folder .. "/out") or "" end
function Running:err() return command.read(self.folder .. "/err") or "" end

--- Send a signal and wait for the end.
---@param signal string "INT", "KILL"
---@return integer status
function Running:stop(signal)
  os.execute(("kill -%s %d 2>/dev/null"):format(signal, tonumber(command.read(self.folder .. "/pid"))))
  return self:wait(function() return self:status() end)
end

function Running:close()
  if not self:status() then self:stop("KILL") end
  command.clean(self.folder)
end

Running.__close = Running.close

return command
