--- One operation under one fault, looked at from both ends: what the sandbox
-- saw and ran, and what the caller got, in words.

local bitrix24 = require "bitrix24"
local sandbox = require "bitrix24.sandbox"

local faults = {}

local DEALS = 120
local NEW = { "First", "Second" }

local function contact(name) return { fields = { NAME = name } } end

local function task(title) return { fields = { title = title, creatorId = 1, responsibleId = 1 } } end

-- ---- operations ----------------------------------------------------------------

--- How often each record that an operation makes is there.
local function records_of(kind, field)
  return function(sb)
    local ran = {}
    for _, name in ipairs(NEW) do ran[name] = 0 end
    for _, record in ipairs(sb:records(kind)) do
      local name = record[field]
      if ran[name] then ran[name] = ran[name] + 1 end
    end
    return ran
  end
end

local contacts, tasks = records_of("contacts", "NAME"), records_of("tasks", "TITLE")

--- Every record of a list, each once.
local function walk(strategy)
  return function(portal)
    local seen, count = {}, 0
    for deal in portal.crm.deal.list:each({ select = { "ID" } }, { strategy = strategy }) do
      assert(not seen[deal.ID], "a record twice")
      seen[deal.ID], count = true, count + 1
    end
    assert(count == DEALS, ("%d of %d records"):format(count, DEALS))
  end
end

--- Run a batch made on purpose; what became of its commands.
local function run_batch(batch, handles, id_of)
  local ok, e = pcall(batch.run, batch)
  local state = bitrix24.state(handles[1])
  assert(state == bitrix24.state(handles[2]), "two commands of one request, two states")
  if not ok then return { fault = e, state = state } end
  assert(state == "ok", state)
  assert(id_of(handles[1]()) ~= id_of(handles[2]()))
  return {}
end

--- Run a call; what it says of itself.
local function call(portal, ...)
  local ok, result, response = pcall(portal.call, portal, ...)
  if not ok then return { fault = result } end
  return { result = result, attempts = response.attempts }
end

--- The error of two calls that shared a request.
local function same_fault(errors)
  local first, second = errors[1], errors[2]
  for _, name in ipairs { "kind", "code", "status", "sent", "attempts", "retryable" } do
    assert(first[name] == second[name], "two calls of one request, two outcomes")
  end
  return first
end

local function is_id(id) return math.type(id) == "integer" and id > 0 end

--- name → what it does, which method and which of its requests is struck, how
-- often its records are there (writes).
faults.operations = {
  read = { method = "crm.contact.get", run = function(portal)
    local got = call(portal, "crm.contact.get", { ID = 1 })
    assert(got.fault or got.result.ID == "1")
    return got
  end },
  list = { method = "crm.deal.list", nth = 2, run = function(portal)
    local ok, e = pcall(walk "sequential", portal)
    return { fault = not ok and e or nil }
  end },
  ["list in batches"] = { method = "batch", run = function(portal)
    local ok, e = pcall(walk "batch", portal)
    return { fault = not ok and e or nil }
  end },
  ["list by keyset"] = { method = "batch", run = function(portal)
    local ok, e = pcall(walk "keyset", portal)
    return { fault = not ok and e or nil }
  end },
  ["reads side by side"] = { method = "batch", run = function(portal)
    local found, errors = portal:map({ 1, 2 }, function(id)
      return portal.crm.contact.get { ID = id }
    end, { on_error = "collect" })
    if next(errors) then return { fault = same_fault(errors) } end
    assert(found[1].ID == "1" and found[2].ID == "2")
    return {}
  end },
  -- a write of which the caller says that a repeat is harmless
  update = { method = "crm.contact.update", run = function(portal)
    local same = { ID = 1, fields = { NAME = "Same" } }
    local got = call(portal, "crm.contact.update", same, { idempotent = true })
    assert(got.fault or got.result == true)
    return got
  end },
  write = { method = "crm.contact.add", ran = contacts, one = true, run = function(portal)
    local got = call(portal, "crm.contact.add", contact(NEW[1]))
    assert(got.fault or is_id(got.result))
    return got
  end },
  ["REST 3.0 write"] = { method = "tasks.task.add", ran = tasks, one = true, run = function(portal)
    local got = call(portal.v3, "tasks.task.add", task(NEW[1]))
    assert(got.fault or is_id(got.result.item.id))
    return got
  end },
  batch = { method = "batch", ran = contacts, run = function(portal)
    local b = portal:batch()
    local handles = {}
    for i, name in ipairs(NEW) do handles[i] = b.crm.contact.add(contact(name)) end
    return run_batch(b, handles, function(id) return id end)
  end },
  ["REST 3.0 batch"] = { method = "batch", ran = tasks, run = function(portal)
    local b = portal.v3:batch()
    local handles = {}
    for i, name in ipairs(NEW) do handles[i] = b.tasks.task.add(task(name)) end
    return run_batch(b, handles, function(result) return result.item.id end)
  end },
  ["writes side by side"] = { method = "batch", ran = contacts, run = function(portal)
    local ids, errors = portal:map(NEW, function(name)
      return portal.crm.contact.add(contact(name))
    end, { on_error = "collect" })
    if next(errors) then return { fault = same_fault(errors) } end
    assert(is_id(ids[1]) and is_id(ids[2]) and ids[1] ~= ids[2])
    return {}
  end },
}

-- ---- what was seen -------------------------------------------------------------

local TIMES = { [0] = "never", "once", "twice" }

local function times(n) return TIMES[n] or n .. " times" end

--- How often the request that arrived most often did.
local function arrivals(sb)
  local counts, most = {}, 0
  for _, request in ipairs(sb:requests()) do
    if request.method ~= "profile" then
      local key = request.path .. "\n" .. request.body
      counts[key] = (counts[key] or 0) + 1
      most = math.max(most, counts[key])
    end
  end
  return most
end

local function runs(operation, sb)
  local ran = operation.ran(sb)
  if not operation.one then assert(ran[NEW[1]] == ran[NEW[2]], "one command ran, the other did not") end
  return ran[NEW[1]]
end

--- What the caller got, in words. Attempts are told where they are not those
-- that arrived.
local function outcome(got, arrived)
  local e = got.fault
  local words = { e and e.kind or "returns" }
  if e then words[1] = table.concat({ e.kind, e.code or e.status }, " ") end
  local attempts = e and e.attempts or got.attempts
  if attempts and attempts ~= arrived then words[2] = "attempts=" .. attempts end
  if e then
    words[#words + 1] = "sent=" .. tostring(e.sent)
    words[#words + 1] = e.retryable and "retryable" or "final"
    words[#words + 1] = got.state
  end
  return table.concat(words, ", ")
end

-- ---- sandboxes -----------------------------------------------------------------

local OPTIONS = { limits = false, deals = DEALS, contacts = 5 }

--- A sandbox serves one row at a time, and then another one: starting takes longer.
local idle = { plain = {}, tls = {} }

local function take(kind)
  local sb = table.remove(idle[kind])
  if sb then return sb end
  local options = { tls = kind == "tls" }
  for name, value in pairs(OPTIONS) do options[name] = value end
  return sandbox.start(options)
end

local function give_back(sb, kind)
  sb:reset()
  table.insert(idle[kind], sb)
end

--- Stop all sandboxes.
function faults.stop()
  for _, list in pairs(idle) do
    while list[1] do table.remove(list):stop() end
  end
end

--- What a fault needs for an operation of its own: the same sandbox elsewhere.
---@param port integer
function faults.start(port)
  local options = { port = port }
  for name, value in pairs(OPTIONS) do options[name] = value end
  return sandbox.start(options)
end

-- ---- one row -------------------------------------------------------------------

---@class support.Fault
---@field strikes { action: any, after: boolean?, method: string? }[]? requests struck, one after the other
---@field each boolean? the last strike for ever, and one retry; else two retries
---@field timeout number? of the portal, seconds
---@field fresh boolean? the struck request opens its connection
---@field scene (fun(sb, options): table)? changes the options of connect; `served` is the sandbox to look at

--- Run an operation under a fault.
---@param operation string
---@param fault support.Fault
---@param tls boolean?
---@return { words: { arrives: string, runs: string, caller: string }, fault: any, ran: integer? }
function faults.run(operation, fault, tls)
  operation = faults.operations[operation]
  local kind = tls and "tls" or "plain"
  local sb = take(kind)
  local guard <close> = setmetatable({}, { __close = function() give_back(sb, kind) end }) -- luacheck: ignore
  local options = { timeout = fault.timeout or 60, retries = fault.each and 1 or 2 }
  local scene <close> = fault.scene and fault.scene(sb, options) or nil
  local portal <close> = sb:connect(options)
  local nth, strikes = operation.nth or 1, fault.strikes or {}
  for i, strike in ipairs(strikes) do
    sb:fault {
      method = strike.method or operation.method, nth = strike.method and 1 or nth + i - 1,
      action = strike.action, after = strike.after, count = fault.each and i == #strikes and 99 or 1,
    }
  end
  -- else the struck request meets a connection that has been used
  if not fault.fresh then portal:call("profile") end
  local got = operation.run(portal)
  local served = scene and scene.served or sb
  local failed = served:errors()
  assert(#failed == 0, failed[1])
  local arrived, ran = arrivals(served), operation.ran and runs(operation, served)
  local words = { arrives = times(arrived), runs = ran and times(ran) or "", caller = outcome(got, arrived) }
  return { words = words, fault = got.fault, ran = ran }
end

return faults
