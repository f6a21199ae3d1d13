-- Scripts made of the documented requests, for `check`: each call written in
-- every way that scripts reach a portal, with slips planted where asked.

local catalogue = require "bitrix24.catalogue"
local json = require "bitrix24.json"

local corpus = {}

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

--- Documented requests: method, version, request.
corpus.examples = json.decode(read "tests/fixtures/examples.json")

-- ---- Lua from values -----------------------------------------------------------

local function is_name(text) return text:find "^[%a_][%w_]*$" and load("local " .. text) ~= nil end

local function write_value(value)
  if value == json.null then return "bitrix24.null" end
  if type(value) ~= "table" then return ("%q"):format(value) end
  local out, keys = {}, {}
  for i, item in ipairs(value) do out[i] = write_value(item) end
  for key in pairs(value) do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys)
  for _, key in ipairs(keys) do
    out[#out + 1] = (is_name(key) and "%s = %s" or "[%q] = %s"):format(key, write_value(value[key]))
  end
  return #out == 0 and "{}" or "{ " .. table.concat(out, ", ") .. " }"
end

corpus.HEAD = [[
local bitrix24 = require "bitrix24"
local portal <close> = bitrix24.connect(os.getenv "BITRIX24_WEBHOOK")
]]

--- The ways to write a call. `view` is "" or ".v3".
local FORMS = {
  path = function(view, name, params) return ("print(portal%s.%s%s)"):format(view, name, params) end,
  alias = function(view, name, params)
    local first, rest = name:match "^([^.]+)%.(.+)$"
    if not first then return ("local f = portal%s.%s\nf(%s)"):format(view, name, params) end
    return ("local domain = portal%s.%s\nlocal _ = domain.%s(%s)"):format(view, first, rest, params)
  end,
  name = function(view, name, params)
    return ("local x = portal%s:call(%q, %s)"):format(view, name, params)
  end,
  commands = function(view, name, params)
    return ("portal%s:batch{ one = { %q, %s } }"):format(view, name, params)
  end,
  recorder = function(view, name, params)
    return ("local b = portal%s:batch()\nlocal it = b.%s(%s)\nb:run()"):format(view, name, params)
  end,
  protected = function(view, name, params)
    return ("print(pcall(portal%s.%s, %s))"):format(view, name, params)
  end,
  task = function(view, name, params)
    return ("local function f(p)\n  p.%s(%s)\nend\nportal:map({ 1 }, function() f(portal%s) end)"):format(
      name, params, view)
  end,
  walk = function(view, name, params)
    return ("for x in portal%s.%s:each%s do print(x) end"):format(view, name, params)
  end,
  held = function(view, name, params)
    return ("local params = %s\nlocal x = portal%s.%s(params)\nprint(x)"):format(params, view, name)
  end,
}
corpus.FORMS = { "path", "alias", "name", "commands", "recorder", "protected", "task", "walk", "held" }

--- A script with one call; where it is called with version 3, that is asked for.
function corpus.script_of(form, method, version, params)
  local default = catalogue.find(method)
  local view = default and default.version ~= version and (".v%d"):format(version) or ""
  if params and params[1] ~= nil and form == "walk" then form = "path" end
  return corpus.HEAD .. FORMS[form](view, method, write_value(params))
end

--- What is wrong, besides what is only discouraged.
function corpus.errors_in(findings)
  local out = {}
  for _, finding in ipairs(findings) do
    if finding.code ~= "deprecated" and finding.code ~= "application" then out[#out + 1] = finding end
  end
  return out
end

function corpus.show(findings, script)
  local out = {}
  for _, f in ipairs(findings) do
    out[#out + 1] = ("%d:%d: %s: %s (%s)"):format(f.line, f.column, f.severity, f.message, f.hint or "")
  end
  return table.concat(out, "\n") .. "\n" .. (script or "")
end

function corpus.copy(value)
  if type(value) ~= "table" then return value end
  local out = setmetatable({}, getmetatable(value))
  for key, item in pairs(value) do out[key] = corpus.copy(item) end
  return out
end

-- ---- slips -----------------------------------------------------------------------

--- A word with two letters swapped, one left out, or one changed.
function corpus.misspell(word, seed)
  if #word < 2 then return word .. "x" end
  local at = 2 + seed % math.max(1, #word - 2)
  for i = 0, #word do
    local j = (at + i - 1) % (#word - 1) + 1
    local a, b = word:sub(j, j), word:sub(j + 1, j + 1)
    if a ~= b and (a .. b):find "^%a%a$" then
      local slips = { [0] = a, [1] = a .. "q", [2] = b .. a }
      return word:sub(1, j - 1) .. slips[seed % 3] .. word:sub(j + 2)
    end
  end
  return word .. "x"
end

function corpus.find(findings, code, word)
  for _, finding in ipairs(findings) do
    local said = finding.message .. " " .. (finding.hint or "")
    if finding.code == code and (not word or said:find(word, 1, true)) then return finding end
  end
end

return corpus
