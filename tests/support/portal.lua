--- A sandbox for a spec file and a fresh portal for each of its tests:
--
--     local here = require "support.portal" (_ENV, { contacts = 120 })
--     it("…", function() here.portal:call("profile") end)
--
-- Fails a test that leaves a portal open, a request in flight, or an error
-- inside the sandbox behind.

local leaks = require "support.leaks"
local sandbox = require "bitrix24.sandbox"

---@class support.Here
---@field sb bitrix24.Sandbox reset before each test
---@field portal bitrix24.Portal closed after each test
local Here = {}
Here.__index = Here

--- A further portal, closed after the test. It says in its User-Agent which
-- test it belongs to.
---@param options table?
---@return bitrix24.Portal
function Here:connect(options)
  local given = { user_agent = self.tag }
  for name, value in pairs(options or {}) do given[name] = value end
  local portal = self.sb:connect(given)
  self.opened[#self.opened + 1] = portal
  return portal
end

--- Requests that arrived, of one method or all. What an earlier test sent and
-- dropped may arrive late; it does not count.
---@param method string?
---@return table[]
function Here:sent(method)
  local out = {}
  for _, request in ipairs(self.sb:requests()) do
    local tag = (request.headers["user-agent"] or ""):match("^test/%d+")
    local ours = tag == nil or tag == self.tag
    if ours and (method == nil or request.method == method) then out[#out + 1] = request end
  end
  return out
end

--- The error that a function must raise.
---@param kind string? its kind
---@param f function
---@return bitrix24.Error
function Here.raises(kind, f, ...)
  local errors = require "bitrix24.errors"
  local ok, e = pcall(f, ...)
  if ok then error("no error was raised", 2) end
  if not errors.is_error(e) then error("not a structured error: " .. tostring(e), 2) end
  if kind and e.kind ~= kind then error(("a %s error, not %s: %s"):format(e.kind, kind, tostring(e)), 2) end
  if tostring(e):find("%c") then error("more than one line: " .. tostring(e), 2) end
  return e
end

--- Run a Lua script as a process of its own.
---@param script string path, or a program to be given by -e
---@param environment table<string, string>?
---@param arguments string[]?
---@return string output standard output and error together
---@return integer status
function Here.run(script, environment, arguments)
  local function quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end
  local words = { "env -u BITRIX24_WEBHOOK" }
  for name, value in pairs(environment or {}) do words[#words + 1] = quote(name .. "=" .. value) end
  local interpreter = 0
  while arg[interpreter - 1] do interpreter = interpreter - 1 end
  words[#words + 1] = quote(arg[interpreter])
  if not script:find("%.lua$") then words[#words + 1] = "-e" end
  words[#words + 1] = quote(script)
  for _, argument in ipairs(arguments or {}) do words[#words + 1] = quote(argument) end
  local pipe <close> = assert(io.popen(table.concat(words, " ") .. " 2>&1; echo \" $?\"", "r"))
  local output, status = pipe:read("a"):match("^(.*) (%d+)\n$")
  return output, math.tointeger(tonumber(status))
end

---@param hooks table the spec's _ENV: setup, teardown, before_each, after_each
---@param options table? of sandbox.start; without limits unless it says otherwise
---@return support.Here
return function(hooks, options)
  local here, tests = setmetatable({}, Here), 0
  local started = { limits = false }
  for name, value in pairs(options or {}) do started[name] = value end
  hooks.setup(function() here.sb = sandbox.start(started) end)
  hooks.teardown(function() here.sb:stop() end)
  hooks.before_each(function()
    here.sb:reset()
    tests = tests + 1
    here.opened, here.tag = {}, "test/" .. tests
    here.portal = here:connect()
  end)
  hooks.after_each(function()
    local open = {}
    for _, portal in ipairs(here.opened) do open[portal] = true end
    local ok, left = pcall(leaks.check, open)
    for portal in pairs(open) do portal:close() end
    if not ok then error(left, 0) end
    local failed = here.sb:errors()
    if #failed > 0 then error("the sandbox failed: " .. table.concat(failed, "\n"), 0) end
  end)
  return here
end
