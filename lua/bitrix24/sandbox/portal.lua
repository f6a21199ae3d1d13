--- The portal: its clock, its methods and who may call them. Domain files
-- register methods here; the router and batches run them.

local date, time = os.date, os.time
local floor = math.floor
local error, pairs, setmetatable, tostring, type, xpcall =
  error, pairs, setmetatable, tostring, type, xpcall
local traceback = debug.traceback
local sort = table.sort
local failure = require "bitrix24.sandbox.failure"
local faults = require "bitrix24.sandbox.faults"
local journal = require "bitrix24.sandbox.journal"
local keyorder = require "bitrix24.sandbox.keyorder"
local limits = require "bitrix24.sandbox.limits"
local secrets = require "bitrix24.sandbox.secrets"
local tokens = require "bitrix24.sandbox.tokens"

local _ENV = nil -- luacheck: ignore

local portal = {}

local Portal = { __name = "bitrix24.sandbox.portal" }
Portal.__index = Portal

local Call = { __name = "bitrix24.sandbox.call" }
Call.__index = Call

-- Portals show their own time zone; this one lives three hours east.
local OFFSET_SECONDS, OFFSET_TEXT = 3 * 3600, "+03:00"
local DEFAULT_SEED = 7

---@param options table of sandbox.start, checked
---@param store table
---@param clock (fun(): number)?
---@return table
function portal.new(options, store, clock)
  local self = setmetatable({
    options = options,
    edition = options.edition or "seeds",
    store = store,
    clock = clock or time,
    methods = { [2] = {}, [3] = {} },
    url = "http://127.0.0.1",
  }, Portal)
  self:restart()
  return self
end

--- Everything but the methods back to the start.
function Portal:restart()
  local source = secrets.new(self.options.seed or DEFAULT_SEED)
  self.shift = 0
  self.code = source:text(16)
  self.tokens = tokens.new(self, source)
  self.bucket = limits.bucket(self.options.limits)
  self.ledger = self.options.operating ~= false and limits.ledger(self.options.operating) or nil
  self.faults = faults.new()
  self.journal = journal.new(self)
  self.replays = {} -- by idempotency key
  self.errors = {}
end

--- Seconds since 1970, with a fraction.
---@return number
function Portal:now()
  return self.clock() + self.shift
end

--- ISO 8601 in the portal's time zone.
---@param at number?
---@return string
function Portal:date(at)
  return date("!%Y-%m-%dT%H:%M:%S", floor((at or self:now()) + OFFSET_SECONDS)) .. OFFSET_TEXT
end

--- Register a method.
---@param name string
---@param about table { version=2|3, scope=, app=, admin=, write=, envelope=, batch= }
---@param run fun(call: table): any, table?
function Portal:method(name, about, run)
  local version = about.version or 2
  self.methods[version][name:lower()] = {
    name = name,
    version = version,
    scope = about.scope,
    app = about.app,
    admin = about.admin,
    write = about.write,
    envelope = about.envelope, -- false: the answer has no `result` around it
    batch = about.batch,       -- false: not allowed in a batch
    run = run,
  }
end

--- Names of the methods of a version, sorted.
---@param version integer
---@param scope string?
---@return string[]
function Portal:method_names(version, scope)
  local names = {}
  for _, method in pairs(self.methods[version]) do
    if not scope or method.scope == scope then names[#names + 1] = method.name end
  end
  sort(names)
  return names
end

--- May a webhook or application use this scope?
function Portal:permits(scope)
  local granted = self.options.scope
  if not granted or not scope or scope == "" or scope == "basic" then return true end
  for i = 1, #granted do
    if granted[i] == scope then return true end
  end
  return false
end

--- A parameter by name, however its case was sent.
---@param name string
function Call:param(name)
  local params = self.params
  if params[name] ~= nil then return params[name] end
  name = name:lower()
  for key, value in pairs(params) do
    if type(key) == "string" and key:lower() == name then return value end
  end
  return nil
end

--- Keys of an object of the parameters in the order they were sent.
---@param object table
---@return any[]
function Call:keys(object) -- luacheck: ignore self
  return keyorder.keys(object)
end

--- Refuse, as REST 2 does.
function Call:fail(code, description, status, more) -- luacheck: ignore self
  error(failure.new(code, description, status, more), 0)
end

--- Refuse, as REST 3.0 does.
function Call:fail3(suffix, message, status, validation) -- luacheck: ignore self
  error(failure.new3(suffix, message, status, validation), 0)
end

--- The `time` of an answer (data-types).
local function measure(self, visitor, name, started)
  local finished = self:now()
  local spent = finished - started
  local times = {
    start = started,
    finish = finished,
    duration = spent,
    processing = spent,
    date_start = self:date(started),
    date_finish = self:date(finished),
  }
  if self.ledger then
    times.operating, times.operating_reset_at = self.ledger:report(visitor.client, name, finished)
  end
  return times
end

local function refusal(self, visitor, method)
  if not self:permits(method.scope) then
    local token = visitor.auth == "app" and "access" or "webhook"
    return failure.new("insufficient_scope",
      ("The request requires higher privileges than provided by the %s token"):format(token))
  end
  if method.app and visitor.auth ~= "app" then
    local status = type(method.app) == "number" and method.app or 400
    return failure.new("ACCESS_DENIED", "Access denied! Application context required", status)
  end
  if method.admin and visitor.user_id ~= 1 then
    return failure.new("ACCESS_DENIED", "Access denied! Admin permissions required", 400)
  end
  if self.ledger and self.ledger:blocked(visitor.client, method.name, self:now()) then
    return failure.new("OPERATION_TIME_LIMIT")
  end
end

--- Find a method: case does not matter.
---@param version integer
---@param name string
---@return table? method, table? failure
function Portal:find(version, name)
  local method = self.methods[version][name:lower()]
  if method then return method end
  return nil, failure.new("ERROR_METHOD_NOT_FOUND")
end

local function handler(problem)
  if failure.is(problem) then return problem end
  return traceback(tostring(problem), 2)
end

--- Run a method. → outcome { result=, total=, next=, time= } or { failure= }
---@param visitor table { auth=, user_id=, client=, entry= }
---@param method table found by find
---@param params table
---@return table outcome
function Portal:run(visitor, method, params)
  local started = self:now()
  local refused = refusal(self, visitor, method)
  if refused then return { failure = refused } end
  local call = setmetatable({
    method = method.name,
    version = method.version,
    params = params,
    user_id = visitor.user_id,
    auth = visitor.auth,
    visitor = visitor,
    store = self.store,
    portal = self,
  }, Call)
  local done, result, extra = xpcall(method.run, handler, call)
  local own_charge = method.name:lower() ~= "batch"
  if self.ledger and own_charge and not (visitor.in_batch and self.ledger.charge == "batch") then
    local price = self.ledger:price(method.name, self:now() - started)
    self.ledger:add(visitor.client, method.name, started, price)
  end
  if not done and not failure.is(result) then
    self:report(method.name, result)
    result = failure.new("INTERNAL_SERVER_ERROR")
  end
  if not done then return { failure = result } end
  extra = extra or {}
  return {
    result = result,
    total = extra.total,
    next = extra.next,
    time = measure(self, visitor, method.name, started),
  }
end

--- Charge a batch for its commands, where that is the model of working time.
---@param visitor table
---@param method_names string[]
---@param measured number
function Portal:charge_batch(visitor, method_names, measured)
  local ledger = self.ledger
  if not ledger or ledger.charge ~= "batch" then return end
  local total = 0
  for i = 1, #method_names do total = total + ledger:price(method_names[i], measured / #method_names) end
  ledger:add(visitor.client, "batch", self:now(), total)
end

--- Keep an error of the sandbox itself for sb:errors().
---@param where string
---@param text string
function Portal:report(where, text)
  self.errors[#self.errors + 1] = where .. ": " .. text
end

return portal
