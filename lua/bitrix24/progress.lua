--- One line of progress on a terminal, for scripts that want it:
--
--     local progress = require "bitrix24.progress"
--     progress("reading chats", done, total)   -- as often as you like
--     progress()                               -- the line is cleared
--
-- Writes to standard error, and only when that is a terminal.

local core = require "bitrix24.core"

local stderr = io.stderr
local floor = math.floor

local _ENV = nil -- luacheck: ignore

local WIDTH = 24
local shown = false

--- Show how far a phase has come.
---@param label string? nil clears the line
---@param done integer?
---@param total integer? without it no bar is drawn
return function(label, done, total)
  if not core.is_terminal() then return end
  if label == nil then
    if shown then stderr:write("\r\27[K") end
    shown = false
    return
  end
  local line = ("\r\27[K%s %s"):format(label, done or "")
  if total and total > 0 and done then
    local filled = floor(WIDTH * (done < total and done or total) / total)
    line = line .. ("/%d [%s%s]"):format(total, ("#"):rep(filled), ("."):rep(WIDTH - filled))
  end
  stderr:write(line)
  stderr:flush()
  shown = true
end
