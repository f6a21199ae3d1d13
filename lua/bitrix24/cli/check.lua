--- bitrix24 check SCRIPT…: what is wrong with the calls in scripts, by the
-- catalogue. Sends nothing.

local check = require "bitrix24.check"
local errors = require "bitrix24.errors"
local files = require "bitrix24.files"

local concat, sort = table.concat, table.sort
local ipairs, pairs, type = ipairs, pairs, type

local _ENV = nil -- luacheck: ignore

--- One finding, as editors read it.
local function show(here, finding, path)
  here:write(("%s:%d:%d: %s: %s%s\n"):format(finding.file or path, finding.line or 0, finding.column or 0,
    finding.severity or "error", finding.message, finding.hint and " (" .. finding.hint .. ")" or ""))
end

---@param here bitrix24.cli.Console
---@param options table
return function(here, options)
  local scopes, failed = {}, false
  for _, path in ipairs(options.SCRIPT) do
    local source, why = files.read(path)
    if not source then errors.config("cannot check: " .. why) end
    local findings = check.script(source, path)
    for _, finding in ipairs(findings) do
      failed = failed or finding.severity ~= "warning"
      show(here, finding, path)
    end
    for key, value in pairs(findings.scopes or {}) do
      scopes[type(key) == "string" and key or value] = true
    end
  end
  local names = {}
  for name in pairs(scopes) do names[#names + 1] = name end
  sort(names)
  if #names > 0 then here:note("scopes: " .. concat(names, ", ")) end
  return failed and 1 or 0
end
