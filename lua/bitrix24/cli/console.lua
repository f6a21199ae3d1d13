--- What a command says, and where: results go to standard output, everything
-- else to standard error. Whether that is a terminal decides colors and the
-- progress bar.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"
local text = require "bitrix24.cli.text"

local terminal, width = core.console.is_terminal, core.console.width
local now = core.now
local floor, max, min = math.floor, math.max, math.min
local getenv = os.getenv
local error, ipairs, pcall, setmetatable, tostring = error, ipairs, pcall, setmetatable, tostring

local _ENV = nil -- luacheck: ignore

local EPIPE = 32 -- everywhere

--- How often the bar is drawn anew.
local BAR_SECONDS = 0.1
local BAR_WIDTH, BAR_WIDTH_MIN = 20, 5

---@class bitrix24.cli.Console
---@field pretty boolean is standard output a terminal
---@field color boolean
---@field quiet boolean
---@field verbose boolean
local Console = {}
Console.__index = Console

local console = {}

---@param streams { out: file*, err: file*, input: file* }
---@return bitrix24.cli.Console
function console.new(streams)
  local dumb = getenv("TERM") == "dumb"
  local plain = (getenv("NO_COLOR") or "") ~= "" or dumb
  return setmetatable({
    out = streams.out, err = streams.err, input = streams.input,
    pretty = terminal("stdout"), color = terminal("stdout") and not plain,
    marks = terminal("stderr") and not plain, asks = terminal("stdin"),
    seen = terminal("stderr"), live = terminal("stderr") and not dumb, -- a dumb one cannot wipe a line
    width = terminal("stdout") and (width("stdout") or 80) or nil,
  }, Console)
end

--- Take over what every command may be told.
function Console:set(options)
  self.quiet, self.verbose = options.quiet or false, options.verbose or false
end

--- Raised when whoever read the output is gone, as `head` is: nothing is wrong.
console.CLOSED = {}

--- A full disk is a failure.
local function check(written, why, code)
  if written then return end
  if code == EPIPE then error(console.CLOSED, 0) end
  error(("cannot write: %s"):format(why), 0)
end

--- A part of the result.
function Console:write(body) check(self.out:write(body)) end

--- The result is complete.
function Console:flush() check(self.out:flush()) end

--- One line; a terminal does not obey what a portal or a file's name says.
local function say(self, line, mark)
  self:clear()
  if self.seen then line = text.safe(line, "\t\n") end
  self.err:write(mark or "", line, "\n")
end

--- Something to know, unless --quiet.
function Console:note(line)
  if not self.quiet then say(self, text.safe(line)) end
end

--- Something of what was asked for is missing in the result: --quiet or not.
function Console:warn(line) say(self, text.safe(line)) end

--- What went wrong, and what to do.
function Console:fail(message, hint)
  say(self, message, self.marks and "\27[31mbitrix24:\27[0m " or "bitrix24: ")
  if hint then say(self, hint, "hint: ") end
end

--- The log of connect, for --verbose.
function Console:log()
  if not self.verbose then return nil end
  return function(event)
    if event.event == "answer" then
      say(self, ("%s: HTTP %s in %.3f s, attempt %d%s, %d bytes"):format(event.method,
        event.status and event.status ~= 0 and event.status or event.outcome,
        event.seconds or 0, event.attempt or 1,
        event.commands and (", %d commands"):format(event.commands) or "", event.bytes or 0))
    elseif event.event == "retry" then
      say(self, ("%s: again in %.1f s: %s"):format(event.method, event.wait or 0, event.reason or "?"))
    elseif event.event == "moved" then
      say(self, "the portal moved to " .. tostring(event.origin))
    end
  end
end

-- ---- progress --------------------------------------------------------------

local function clock(seconds)
  local minutes = seconds // 60
  if minutes < 60 then return ("%d:%02d"):format(minutes, seconds % 60) end
  return ("%d:%02d:%02d"):format(minutes // 60, minutes % 60, seconds % 60)
end

--- The line of the bar: of what is to be said, as much as there is room for.
---@param done integer
---@param total integer? nil where nobody knows
---@param rate number records a second
---@param room integer? columns
---@return string
function console.bar(done, total, rate, room)
  if total and (total < 1 or total < done) then total = nil end
  local speed, left = "", ""
  if rate > 0 then
    speed = (rate < 1 and ", %.1g/s" or ", %.0f/s"):format(rate)
    if total and total > done then left = (", %s left"):format(clock(floor((total - done) / rate + 0.5))) end
  end
  local count = total and ("%d/%d"):format(done, total) or ("%d"):format(done)
  local share = total and ("%3d%% "):format(floor(100 * done / total)) or ""
  local said = share .. count .. speed .. left
  room = room or #said + BAR_WIDTH + 3
  local bar = min(BAR_WIDTH, room - #said - 3)
  if total and bar >= BAR_WIDTH_MIN then
    local filled = floor(bar * done / total)
    return ("[%s%s] %s"):format(("#"):rep(filled), ("."):rep(bar - filled), said)
  end
  for _, shorter in ipairs { said, share .. count .. left, share .. count, count } do
    if #shorter <= room then return shorter end
  end
  return count:sub(1, max(room, 0))
end

--- A function of how far a list is, that draws a bar; nil where nobody looks.
---@param before integer? records of an earlier run
---@return fun(done: integer, total: integer?)?
function Console:progress(before)
  if not self.live or self.quiet then return nil end
  local began, drawn = now(), 0
  before = before or 0
  return function(done, total)
    local time = now()
    if time - drawn < BAR_SECONDS then return end
    drawn, self.barred = time, true
    local rate = time > began and done / (time - began) or 0
    -- the window may have got another size; in its last column a cursor wraps
    local room = (width("stderr") or 80) - 1
    self.err:write("\r\27[K", console.bar(done + before, total and total + before, rate, room))
    self.err:flush()
  end
end

--- The bar makes room for a line.
function Console:clear()
  if not self.barred then return end
  self.barred = false
  self.err:write("\r\27[K")
end

-- ---- questions -------------------------------------------------------------

--- Ask for a line.
---@param question string
---@param secret boolean? typed letters are not shown
---@return string? answer nil at the end of the input
function Console:ask(question, secret)
  if self.asks then self.err:write(question, ": ") self.err:flush() end
  if secret then core.console.echo(false) end
  local ok, line = pcall(self.input.read, self.input, "l")
  if secret then
    core.console.echo(true)
    if self.asks then self.err:write("\n") end
  end
  if not ok then error(line, 0) end
  return line and (line:match("^%s*(.-)%s*$"))
end

--- The same, and it must be answered.
function Console:need(question, secret)
  local answer = self:ask(question, secret)
  if not answer or answer == "" then
    errors.config(("no answer to: %s"):format(question), "standard input ended or the line is empty")
  end
  return answer
end

return console
