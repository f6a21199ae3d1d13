--- A plan that is made: what a script can ask of it, and the report for people.
-- There is nothing in it that another run on the same portal would not find:
-- no times, no addresses, names in order.

local beginning_of = require "bitrix24.record.text".beginning
local json = require "bitrix24.json"

local concat, sort = table.concat, table.sort
local ceil, max = math.ceil, math.max
local find = string.find
local ipairs, next, pairs, setmetatable, tostring, type =
  ipairs, next, pairs, setmetatable, tostring, type

local _ENV = nil -- luacheck: ignore

--- Requests at once, and a second, at the standard limits (limits).
local BURST, RATE = 50, 2

--- Key of the report's text.
local TEXT = {}

--- A longer text in the report is cut.
local TEXT_MAX = 200

---@class bitrix24.Plan
---@field requests integer the script would make, batches included
---@field batches integer
---@field reads integer calls that were answered
---@field writes bitrix24.PlannedCall[] in order
---@field unasked bitrix24.PlannedCall[] reads that need the result of a write
---@field scopes string[] that the methods need
---@field unknown string[] methods that are not in the catalogue
---@field seconds integer the least that the requests take at the standard limits
local Plan = { __name = "bitrix24.plan" }

local report = {}

-- ---- text ---------------------------------------------------------------------------

--- Parameters for the report: files by name, long texts cut.
local function brief(value, above)
  if type(value) == "string" then
    local beginning, cut = beginning_of(value, TEXT_MAX)
    return cut and ("%s... (%d bytes)"):format(beginning, #value) or value
  end
  if type(value) ~= "table" then return value end
  if json.is_file(value) then return ("<%s>"):format(tostring(value)) end
  if above[value] then return "..." end
  above[value] = true
  local copy = {}
  for key, item in next, value do copy[key] = brief(item, above) end
  above[value] = nil
  local kind = json.kind(value)
  if kind == "array" then return json.array(copy) end
  if kind == "ordered" then return json.ordered(copy) end
  return copy
end

local function in_json(params)
  return json.encode(brief(params, {})) or "(parameters that have no form in JSON)"
end

local function plural(count, word)
  return ("%d %s%s"):format(count, word, count == 1 and "" or word:find("ch$") and "es" or "s")
end

--- What the report says of a call.
---@param call table method, params, known
---@return string
function report.line(call)
  return ("%s%s %s"):format(call.method, call.known and "" or " (not in the catalogue)", in_json(call.params))
end

local function put_calls(out, calls, lines)
  local width = #tostring(calls[#calls].number)
  for i, call in ipairs(calls) do
    out[#out + 1] = ("  %s#%d  %s"):format((" "):rep(width - #tostring(call.number)), call.number, lines[i])
  end
end

local function write(self, lines)
  local out = {}
  if #self.writes == 0 then
    out[1] = "Plan: no writes."
  else
    out[1] = ("Plan: %s, not sent."):format(plural(#self.writes, "write"))
    put_calls(out, self.writes, lines[self.writes])
  end
  if #self.unasked > 0 then
    out[#out + 1] = ("Not asked, for want of a write's result: %s."):format(plural(#self.unasked, "read"))
    put_calls(out, self.unasked, lines[self.unasked])
  end
  out[#out + 1] = ("Requests: %d, of them %s; %s answered."):format(self.requests,
    plural(self.batches, "batch"), plural(self.reads, "read"))
  out[#out + 1] = "Scopes: " .. (#self.scopes > 0 and concat(self.scopes, ", ") or "none") .. "."
  out[#out + 1] = ("Budget: at the standard limits (%d at once, then %d a second) at least %s."):format(
    BURST, RATE, plural(self.seconds, "second"))
  return concat(out, "\n")
end

function Plan.__tostring(self) return self[TEXT] end

-- ---- facts ----------------------------------------------------------------------------

--- Scopes of the methods, and the methods whose scopes nobody knows. `basic` is
-- what every webhook and application has.
local function scopes_of(used)
  local scopes, unknown, seen = {}, {}, { basic = true }
  for method, row in pairs(used) do
    if not row then unknown[#unknown + 1] = method end
    for i, scope in ipairs(row and row.scope or {}) do
      -- any of user, user_basic and user_brief will do, others add up
      local wanted = i == 1 or not find(scope, "^user_")
      if wanted and not seen[scope] then
        seen[scope] = true
        scopes[#scopes + 1] = scope
      end
    end
  end
  sort(scopes)
  sort(unknown)
  return scopes, unknown
end

--- The plan of a book that is full.
---@param book bitrix24.Book
---@return bitrix24.Plan
function report.new(book)
  local writes, unasked = {}, {}
  local lines = { [writes] = {}, [unasked] = {} }
  for _, entry in ipairs(book.held) do
    if not entry.skipped then
      local list = entry.write and writes or unasked
      lines[list][#list + 1] = entry.line
      list[#list + 1] = {
        method = entry.method, version = entry.version, params = entry.params, number = entry.number,
        known = entry.known,
      }
    end
  end
  local scopes, unknown = scopes_of(book.used)
  local made = {
    requests = book.requests, batches = book.batches, reads = book.reads, writes = writes,
    unasked = unasked, scopes = scopes, unknown = unknown,
    seconds = max(0, ceil((book.requests - BURST) / RATE)),
  }
  made[TEXT] = write(made, lines)
  return setmetatable(made, Plan)
end

return report
