--- What a command says, and where: results go to standard output, everything
-- else to standard error. Whether that is a terminal decides colors and the
-- progress bar.

local core = require "bitrix24.core"
local errors = require "bitrix24.errors"

local terminal = core.console.is_terminal
local now = core.now
local floor, min = math.floor, math.min
local getenv = os.getenv
local error, pcall, setmetatable, tostring = error, pcall, setmetatable, tostring

local _ENV = nil -- luacheck: ignore

--- How often the bar is drawn anew.
local BAR_SECONDS = 0.1
local BAR_WIDTH = 20

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
  local plain = (getenv("NO_COLOR") or "") ~= "" or getenv("TERM") == "dumb"
  return setmetatable({
    out = streams.out, err = streams.err, input = streams.input,
    pretty = terminal("stdout"), color = terminal("stdout") and not plain,
    marks = terminal("stderr") and not plain, live = terminal("stderr"), asks = terminal("stdin"),
    width = terminal("stdout") and (core.console.width() or 80) or nil,
  }, Console)
end

--- Take over what every command may be told.
function Console:set(options)
  self.quiet, self.verbose = options.quiet or false, options.verbose or false
end

--- A part of the result. A full disk is a failure.
function Console:write(body)
  local written, why = self.out:write(body)
  if not written then error(("cannot write: %s"):format(why), 0) end
end

--- The result is complete.
function Console:flush()
  local written, why = self.out:flush()
  if not written then error(("cannot write: %s"):format(why), 0) end
end

local function say(self, line)
  self:clear()
  self.err:write(line, "\n")
end

--- Something to know, unless --quiet.
function Console:note(line)
  if not self.quiet then say(self, line) end
end

--- What went wrong, and what to do.
function Console:fail(message, hint)
  say(self, (self.marks and "\27[31mbitrix24:\27[0m " or "bitrix24: ") .. message)
  if hint then say(self, "hint: " .. hint) end
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

--- The line of the bar.
---@param done integer
---@param total integer? nil where nobody knows
---@param rate number records a second
---@return string
function console.bar(done, total, rate)
  local line = ("%d"):format(done)
  if total and total > 0 then
    local share = min(done / total, 1)
    local filled = floor(BAR_WIDTH * share)
    line = ("[%s%s] %3d%% %d/%d"):format(("#"):rep(filled), ("."):rep(BAR_WIDTH - filled),
      floor(100 * share), done, total)
  end
  if rate > 0 then
    line = line .. (", %.0f/s"):format(rate)
    local left = total and total > done and floor((total - done) / rate + 0.5)
    if left then line = line .. ", " .. clock(left) .. " left" end
  end
  return line
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
    self.err:write("\r\27[K", console.bar(done + before, total and total + before, rate))
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
