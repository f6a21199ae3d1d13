--- Structured errors: the one shape in which every failure is raised.
-- A table, so that a script can ask `e.kind` and `e.code`; its tostring is one
-- line that says what failed, in whose words, and what to do.

local core = require "bitrix24.core"

local concat, sort = table.concat, table.sort
local getmetatable, setmetatable, tostring, type = getmetatable, setmetatable, tostring, type
local error, ipairs, pairs = error, ipairs, pairs
local min = math.min

local gsub, match, sub = string.gsub, string.match, string.sub
local getinfo = debug and debug.getinfo -- a host may have taken it away

local _ENV = nil -- luacheck: ignore

---@class bitrix24.Error
---@field kind "config"|"network"|"protocol"|"auth"|"limit"|"api"|"cancelled"
---@field code string? the portal's code as it spells it, possibly ""
---@field message string the portal's words, or ours
---@field method string? the REST method
---@field status integer? HTTP status
---@field attempts integer? how often the call was sent
---@field retryable boolean may the same call succeed later without a change
---@field sent boolean? false: it surely did not run; true: the portal answered; nil: unknown
---@field validation { field: string, message: string }[]? REST 3.0
---@field hint string? what to do
---@field where string? the script's line that asked, "file:line"
---@field cause any the error behind this one

local Error = { __name = "bitrix24.error" }

--- One line of text: line breaks and control characters become spaces.
local function one_line(text)
  return (tostring(text):gsub("%c+", " "))
end

function Error.__tostring(e)
  local out = { "bitrix24: " }
  local function put(text) out[#out + 1] = text end
  if e.method then put(e.method .. ": ") end
  put(e.kind .. " error")
  if e.code then put((" %q"):format(e.code):gsub("\\\n", " ")) end
  if e.status then put((" (HTTP %d)"):format(e.status)) end
  if e.message and e.message ~= "" then put(": " .. e.message) end
  for _, fault in ipairs(e.validation or {}) do
    local field, message = fault.field, fault.message
    put("; " .. (field and message and field .. ": " .. message or field or message or "?"))
  end
  if e.attempts and e.attempts > 1 then put((" (after %d attempts)"):format(e.attempts)) end
  if e.where then put((" [%s]"):format(e.where)) end
  if e.hint then put(". Hint: " .. e.hint) end
  return one_line(concat(out))
end

--- "failed: " .. e, as with the messages of Lua.
function Error.__concat(left, right)
  return tostring(left) .. tostring(right)
end

local errors = {}

--- Clients whose secrets no error shows, whoever makes it.
local watched = setmetatable({}, { __mode = "k" })

--- From now on errors are made without the secrets of this client.
---@param client { redact: fun(self: any, text: string): string? } nil when it is closed
function errors.watch(client)
  watched[client] = true
end

--- The fields that may quote what a script, a store or a portal said.
local QUOTING = { "message", "hint", "cause" }
local NAMES = { "code", "method" }

--- A name or a code without secrets. A code that decides what happens next is
-- none, though a secret may be a word of it. The others are whole: they do not
-- end with the beginning of a secret that was cut off.
---@param client { redact: fun(self: any, text: string): string? }
---@param name string
---@return string? nil when the client is closed
function errors.clean_name(client, name)
  if core.client.judge(name, false) ~= "api" then return name end
  local clean = client:redact(name .. " ")
  return clean and (gsub(clean, " $", ""))
end

--- Make a structured error without raising it.
---@param fields table the fields of bitrix24.Error; `kind` is required
---@return bitrix24.Error
function errors.new(fields)
  local e = {}
  for key, value in pairs(fields) do e[key] = value end
  for client in pairs(watched) do
    for _, name in ipairs(QUOTING) do
      if type(e[name]) == "string" then e[name] = client:redact(e[name]) or e[name] end
    end
    for _, name in ipairs(NAMES) do
      if type(e[name]) == "string" then e[name] = errors.clean_name(client, e[name]) or e[name] end
    end
  end
  e.message = one_line(e.message or "")
  if e.retryable == nil then e.retryable = false end
  if e.kind == "config" then e.sent = false end
  return setmetatable(e, Error)
end

--- The folder of the module's own sources.
local HOME = getinfo and match(getinfo(1, "S").source, "^@(.*)errors%.lua$")

--- The first line outside of the module that is being run.
local function script_line()
  if not HOME then return nil end
  for level = 3, 30 do
    local about = getinfo(level, "Sl")
    if not about then return nil end
    if about.currentline > 0 and sub(about.source, 2, #HOME + 1) ~= HOME then
      -- a chunk made from a string is named by its text, which may hold an address
      if not match(about.source, "^[@=]") then return nil end
      return ("%s:%d"):format(about.short_src, about.currentline)
    end
  end
  return nil
end

--- Raise a structured error as it is, noting which line of the script asked.
---@param e any
function errors.throw(e)
  if errors.is_error(e) and e.where == nil then e.where = script_line() end
  error(e, 0)
end

--- Raise a structured error.
---@param fields table see errors.new
function errors.raise(fields)
  errors.throw(errors.new(fields))
end

--- An answer that is not what the platform promises; `sent`, for there was one.
---@param method string
---@param message string
---@param hint string?
---@return bitrix24.Error
function errors.protocol(method, message, hint)
  return errors.new { kind = "protocol", method = method, sent = true, message = message, hint = hint }
end

--- Raise a `config` error: the caller's mistake, found before sending.
---@param message string what is wrong and what to do
---@param hint string?
---@param method string?
function errors.config(message, hint, method)
  errors.throw(errors.new { kind = "config", message = message, hint = hint, method = method })
end

--- A failure that several calls share as the error of one of them; `cause` is the
-- failure itself.
---@param fault any
---@param method string of that call
---@return any fault as it is when it is no structured error
function errors.for_method(fault, method)
  if not errors.is_error(fault) then return fault end
  local e = errors.new(fault)
  e.method, e.cause = method, fault
  return e
end

--- Is this value a structured error of this module?
---@param value any
---@return boolean
function errors.is_error(value)
  return type(value) == "table" and getmetatable(value) == Error
end

--- Edit distance between two short strings, ignoring case.
local function distance(a, b)
  a, b = a:lower(), b:lower()
  local previous = {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    local current = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      current[j] = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + cost)
    end
    previous = current
  end
  return previous[#b]
end

--- How many letters two names share at their beginning, ignoring case.
---@param a string
---@param b string
---@return integer
function errors.common_start(a, b)
  a, b = a:lower(), b:lower()
  local n = 0
  while n < #a and a:byte(n + 1) == b:byte(n + 1) do n = n + 1 end
  return n
end

--- The candidate closest to a misspelt name, or nil when none is near; of
-- equally close ones, the one that begins alike: retry means retries.
---@param name any
---@param candidates string[]
---@return string?
function errors.nearest(name, candidates)
  if type(name) ~= "string" or #name > 64 then return nil end
  local best, best_distance
  for _, candidate in ipairs(candidates) do
    local d = distance(name, candidate)
    if not best or d < best_distance
      or (d == best_distance
        and errors.common_start(name, candidate) > errors.common_start(name, best)) then
      best, best_distance = candidate, d
    end
  end
  if best and best_distance <= min(3, #best // 2) then return best end
  return nil
end

--- A name as it is, unless it may be a secret in the wrong place: words have
-- neither digits nor more than 15 letters, codes and tokens have.
local function shown(key, nearest)
  if nearest then return ("'%s'"):format(key) end
  if type(key) ~= "string" then return tostring(key) end
  for word in key:gmatch("[^_-]+") do
    if #word > 15 or word:find("%A") then return "(not a name)" end
  end
  return ("'%s'"):format(key)
end

--- Refuse unknown keys of an options table, naming the nearest valid one.
---@param options table
---@param known table<string, any> valid names as keys
---@param where string what the options belong to, e.g. "connect"
---@param method string? REST method, for the error
function errors.check_options(options, known, where, method)
  local names = {}
  for name in pairs(known) do names[#names + 1] = name end
  sort(names)
  for key in pairs(options) do
    if known[key] == nil then
      local nearest = errors.nearest(key, names)
      errors.config(("%s: unknown option %s"):format(where, shown(key, nearest)),
        nearest and ("did you mean '%s'?"):format(nearest) or ("there are " .. concat(names, ", ")), method)
    end
  end
end

return errors
