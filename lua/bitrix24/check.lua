--- Looking a script over without running it: which methods it calls, and what
-- the catalogue has against them. Nothing is sent and nothing is executed.
--
--     local findings = require("bitrix24.check").script(text, "report.lua")
--     for _, f in ipairs(findings) do print(f.line, f.severity, f.message, f.hint) end
--     print(table.concat(findings.scopes, ", "))
--
-- It follows what comes from `connect` (or a sandbox, or the module itself)
-- through locals, globals, aliases and fields, and through the parameters and
-- results of the script's functions.
-- Parameters are judged where they are written down as a table, also as that of
-- a local variable that is only handed to portals; what only running would tell
-- is not judged.

local calls = require "bitrix24.check.calls"
local errors = require "bitrix24.errors"
local files = require "bitrix24.files"
local names = require "bitrix24.check.names"
local parser = require "bitrix24.check.parser"

local type = type

local _ENV = nil -- luacheck: ignore

local check = {}

---@alias bitrix24.FindingCode
---| "syntax" # no Lua
---| "unknown-method" # no such method, or not of that version
---| "colon" # a method called with a colon
---| "missing-parameter"
---| "unknown-parameter" # an error at the top, a warning inside of an object
---| "wrong-value" # outside of the enumeration
---| "deprecated"
---| "application" # a webhook is refused

---@class bitrix24.Finding
---@field file string
---@field line integer
---@field column integer
---@field severity "error"|"warning"
---@field code bitrix24.FindingCode "syntax", "unknown-method", "colon", "missing-parameter",
--- "unknown-parameter", "wrong-value", "deprecated" or "application"
---@field message string
---@field hint string?

---@class bitrix24.Findings: bitrix24.Finding[]
---@field scopes string[] what its webhook or application has to be allowed; `a|b` is one of them
---@field application boolean does a method refuse webhooks?
---@field errors integer how many findings are errors

--- Check a script.
---@param text string Lua
---@param name string? of the script, for the findings
---@return bitrix24.Findings
function check.script(text, name)
  if type(text) ~= "string" then
    errors.config(("check.script: expected the text of a script, got %s"):format(type(text)))
  end
  local file = name or "script"
  local tree, column_of, problem, place = parser.parse(text)
  if not tree then
    local finding = {
      file = file, line = place.line, column = column_of(place), severity = "error", code = "syntax",
      message = problem,
    }
    return { finding, scopes = {}, application = false, errors = 1 }
  end
  names.resolve(tree)
  local findings, scopes, application = calls.judge(tree, file, column_of)
  findings.scopes, findings.application, findings.errors = scopes, application, 0
  for i = 1, #findings do
    if findings[i].severity == "error" then findings.errors = findings.errors + 1 end
  end
  return findings
end

--- Check a script in a file.
---@param path string
---@return bitrix24.Findings
function check.file(path)
  local text, why = files.read(path)
  if not text then errors.config(("check: cannot read %s"):format(why)) end
  return check.script(text, path)
end

return check
