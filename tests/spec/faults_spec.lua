-- What can go wrong between a client and a portal, and what the client does
-- about it, seen from both ends. "Did it run?" decides: what surely did not run
-- is sent again, what may have run only where a repeat is harmless.

local bitrix24 = require "bitrix24"
local faults = require "support.faults"
local sandbox = require "bitrix24.sandbox"
local together = require "support.together"

-- A fault strikes the first request of an operation, the second page of a list,
-- or, as "always", all of them. "run": the method ran before the fault.
-- `sent` is false when the call surely did not run, true when the portal
-- answered, readably or not, and nil when nobody knows.
local TABLE = [[
fault                  | of what | arrives| runs | and the caller gets
no fault               | reads   | once   |      | returns
no fault               | all     | once   | once | returns

port refuses always    | reads   | never  |      | network, attempts=2, sent=false, retryable
port refuses always    | v3 write| never  | never| network, attempts=2, sent=false, retryable
port refuses always    | writes  | never  | never| network, attempts=2, sent=false, retryable
port refuses always    | batches | never  | never| network, attempts=2, sent=false, retryable, pending
port refuses once      | 1 read  | once   |      | returns, attempts=2
port refuses once      | n reads | once   |      | returns
port refuses once      | 1 write | once   | once | returns, attempts=2
port refuses once      | n writes| once   | once | returns
connect times out      | reads   | never  |      | network, attempts=2, sent=false, retryable
connect times out      | v3 write| never  | never| network, attempts=2, sent=false, retryable
connect times out      | writes  | never  | never| network, attempts=2, sent=false, retryable
connect times out      | batches | never  | never| network, attempts=2, sent=false, retryable, pending
timeout when connecting| read    | never  |      | network, attempts=2, sent=false, retryable
timeout when connecting| write   | never  | never| network, attempts=2, sent=false, retryable
no TLS at the port     | read    | never  |      | network, attempts=2, sent=false, retryable
no TLS at the port     | write   | never  | never| network, attempts=2, sent=false, retryable

reset, not run         | reads   | twice  |      | returns
reset, not run         | v3 write| twice  | once | returns
reset, not run         | writes  | once   | never| network, sent=nil, final
reset, not run         | batches | once   | never| network, sent=nil, final, unknown
reset, run             | reads   | twice  |      | returns
reset, run             | v3 write| twice  | once | returns
reset, run             | writes  | once   | once | network, sent=nil, final
reset, run             | batches | once   | once | network, sent=nil, final, unknown
reset when new, run    | reads   | twice  |      | returns
reset when new, run    | v3 write| twice  | once | returns
reset when new, run    | writes  | once   | once | network, sent=nil, final
reset when new, run    | batches | once   | once | network, sent=nil, final, unknown
reset midway, run      | reads   | twice  |      | returns
reset midway, run      | v3 write| twice  | once | returns
reset midway, run      | writes  | once   | once | protocol 200, sent=true, final
reset midway, run      | batches | once   | once | protocol 200, sent=true, final, unknown

timeout, not run       | reads   | twice  |      | returns
timeout, not run       | v3 write| twice  | once | returns
timeout, not run       | writes  | once   | never| network, sent=nil, final
timeout, not run       | batches | once   | never| network, sent=nil, final, unknown
timeout, run           | reads   | twice  |      | returns
timeout, run           | v3 write| twice  | once | returns
timeout, run           | writes  | once   | once | network, sent=nil, final
timeout, run           | batches | once   | once | network, sent=nil, final, unknown
slow drip, run         | reads   | twice  |      | returns
slow drip, run         | v3 write| twice  | once | returns
slow drip, run         | writes  | once   | once | network 200, sent=true, final
slow drip, run         | batches | once   | once | network 200, sent=true, final, unknown
stall midway, run      | reads   | twice  |      | returns
stall midway, run      | v3 write| twice  | once | returns
stall midway, run      | writes  | once   | once | network 200, sent=true, final
stall midway, run      | batches | once   | once | network 200, sent=true, final, unknown
dropped while idle     | 1 read  | once   |      | returns, attempts=2
dropped while idle     | n reads | once   |      | returns
dropped while idle     | v3 write| once   | once | returns, attempts=2
dropped while idle     | writes  | never  | never| network, attempts=1, sent=nil, final
dropped while idle     | batches | never  | never| network, attempts=1, sent=nil, final, unknown

cut, run               | reads   | twice  |      | returns
cut, run               | v3 write| twice  | once | returns
cut, run               | writes  | once   | once | protocol 200, sent=true, final
cut, run               | batches | once   | once | protocol 200, sent=true, final, unknown
wrong length, run      | reads   | twice  |      | returns
wrong length, run      | v3 write| twice  | once | returns
wrong length, run      | writes  | once   | once | protocol 200, sent=true, final
wrong length, run      | batches | once   | once | protocol 200, sent=true, final, unknown
bad gzip, run          | reads   | twice  |      | returns
bad gzip, run          | v3 write| twice  | once | returns
bad gzip, run          | writes  | once   | once | protocol 200, sent=true, final
bad gzip, run          | batches | once   | once | protocol 200, sent=true, final, unknown
empty, not run         | reads   | twice  |      | returns
empty, not run         | v3 write| twice  | once | returns
empty, not run         | writes  | once   | never| protocol 200, sent=true, final
empty, not run         | batches | once   | never| protocol 200, sent=true, final, unknown
empty, run             | reads   | twice  |      | returns
empty, run             | v3 write| twice  | once | returns
empty, run             | writes  | once   | once | protocol 200, sent=true, final
empty, run             | batches | once   | once | protocol 200, sent=true, final, unknown

HTML 502, not run      | reads   | twice  |      | returns
HTML 502, not run      | v3 write| twice  | once | returns
HTML 502, not run      | writes  | once   | never| protocol 502, sent=true, final
HTML 502, not run      | batches | once   | never| protocol 502, sent=true, final, unknown
HTML 502, run          | reads   | twice  |      | returns
HTML 502, run          | v3 write| twice  | once | returns
HTML 502, run          | writes  | once   | once | protocol 502, sent=true, final
HTML 502, run          | batches | once   | once | protocol 502, sent=true, final, unknown
503 uncoded, not run   | reads   | twice  |      | returns
503 uncoded, not run   | v3 write| twice  | once | returns
503 uncoded, not run   | writes  | once   | never| protocol 503, sent=true, final
503 uncoded, not run   | batches | once   | never| protocol 503, sent=true, final, unknown
503 uncoded, run       | reads   | twice  |      | returns
503 uncoded, run       | v3 write| twice  | once | returns
503 uncoded, run       | writes  | once   | once | protocol 503, sent=true, final
503 uncoded, run       | batches | once   | once | protocol 503, sent=true, final, unknown
500 coded, not run     | reads   | twice  |      | returns
500 coded, not run     | v3 write| once   | never| api INTERNAL_SERVER_ERROR, sent=true, final
500 coded, not run     | writes  | once   | never| api INTERNAL_SERVER_ERROR, sent=true, final
500 coded, not run     | batches | once   | never| api INTERNAL_SERVER_ERROR, sent=true, final, unknown
500 coded, run         | reads   | twice  |      | returns
500 coded, run         | v3 write| once   | once | api INTERNAL_SERVER_ERROR, sent=true, final
500 coded, run         | writes  | once   | once | api INTERNAL_SERVER_ERROR, sent=true, final
500 coded, run         | batches | once   | once | api INTERNAL_SERVER_ERROR, sent=true, final, unknown

reset always           | reads   | twice  |      | network, sent=nil, retryable
reset always           | v3 write| twice  | once | network, sent=nil, retryable
reset midway always    | reads   | twice  |      | protocol 200, sent=true, retryable
reset midway always    | v3 write| twice  | once | protocol 200, sent=true, retryable
timeout always         | reads   | twice  |      | network, sent=nil, retryable
timeout always         | v3 write| twice  | once | network, sent=nil, retryable
slow drip always       | reads   | twice  |      | network 200, sent=true, retryable
slow drip always       | v3 write| twice  | once | network 200, sent=true, retryable
stall midway always    | reads   | twice  |      | network 200, sent=true, retryable
stall midway always    | v3 write| twice  | once | network 200, sent=true, retryable
cut always             | reads   | twice  |      | protocol 200, sent=true, retryable
cut always             | v3 write| twice  | once | protocol 200, sent=true, retryable
wrong length always    | reads   | twice  |      | protocol 200, sent=true, retryable
wrong length always    | v3 write| twice  | once | protocol 200, sent=true, retryable
bad gzip always        | reads   | twice  |      | protocol 200, sent=true, retryable
bad gzip always        | v3 write| twice  | once | protocol 200, sent=true, retryable
empty always           | reads   | twice  |      | protocol 200, sent=true, retryable
empty always           | v3 write| twice  | once | protocol 200, sent=true, retryable
HTML 502 always        | reads   | twice  |      | protocol 502, sent=true, retryable
HTML 502 always        | v3 write| twice  | once | protocol 502, sent=true, retryable
503 uncoded always     | reads   | twice  |      | protocol 503, sent=true, retryable
503 uncoded always     | v3 write| twice  | once | protocol 503, sent=true, retryable
500 coded always       | unshared| twice  |      | api INTERNAL_SERVER_ERROR, sent=true, retryable

refused once           | reads   | twice  |      | returns
refused once           | all     | twice  | once | returns
refused always         | reads   | twice  |      | limit QUERY_LIMIT_EXCEEDED, sent=false, retryable
refused always         | v3 write| twice  | never| limit QUERY_LIMIT_EXCEEDED, sent=false, retryable
refused always         | writes  | twice  | never| limit QUERY_LIMIT_EXCEEDED, sent=false, retryable
refused always         | batches | twice  | never| limit QUERY_LIMIT_EXCEEDED, sent=false, retryable, failed
refused, then reset    | v3 write| 3 times| once | returns
refused, then reset    | writes  | twice  | once | network, sent=nil, final
refused, then reset    | batches | twice  | once | network, sent=nil, final, unknown
reset, refused always  | v3 write| twice  | once | limit QUERY_LIMIT_EXCEEDED, sent=nil, retryable
]]

local OPERATIONS = {
  reads = { "read", "reads side by side", "list", "list in batches", "list by keyset", "update" },
  ["1 read"] = { "read", "update" },
  ["n reads"] = { "reads side by side", "list", "list in batches", "list by keyset" },
  -- of a batch that failed, calls made side by side are asked one by one
  unshared = { "read", "list", "list in batches", "list by keyset", "update" },
  all = { "write", "writes side by side", "batch", "REST 3.0 batch", "REST 3.0 write" },
  writes = { "write", "writes side by side" },
  ["1 write"] = { "write", "REST 3.0 write" },
  ["n writes"] = { "writes side by side", "batch", "REST 3.0 batch" },
  ["v3 write"] = { "REST 3.0 write" },
  batches = { "batch", "REST 3.0 batch" },
  read = { "read" },
  write = { "write" },
}

-- ---- the faults ----------------------------------------------------------------

-- Long enough for an answer that does come, however busy the machine is.
local LATE_SECONDS = 1.5

local function before(action) return { strikes = { { action = action } } } end

local function after(action) return { strikes = { { action = action, after = true } } } end

local function late(fault)
  fault.timeout = LATE_SECONDS
  return fault
end

local function always(fault)
  fault.each = true
  return fault
end

local function at_port(sb, port)
  return (sb.webhook:gsub(":%d+/", (":%d/"):format(port)))
end

local function closing(scene, close)
  return setmetatable(scene, { __close = close })
end

--- Nobody listens.
local function refuses(sb, options)
  local port = sandbox.closed_port()
  options.webhook = at_port(sb, port.port)
  return closing({}, function() port:close() end)
end

--- Nobody listens until the client has tried.
local function refuses_once(sb, options)
  local port, scene = sandbox.closed_port(), {}
  options.webhook = at_port(sb, port.port)
  function options.log(event)
    if event.event ~= "retry" or scene.served then return end
    port:close()
    scene.served = faults.start(port.port)
  end
  return closing(scene, function() if scene.served then scene.served:stop() else port:close() end end)
end

--- Nobody answers a connection; the option is what gives up.
local function blackhole(option)
  return function(sb, options)
    local hole = sandbox.blackhole()
    options.webhook, options[option] = at_port(sb, hole.port), 0.3
    return closing({}, function() hole:close() end)
  end
end

local function no_tls(sb, options)
  options.webhook = sb.webhook:gsub("^http:", "https:")
  return nil
end

-- Faults of connecting have no connection that has been used.
local function unconnected(scene) return { scene = scene, each = true, fresh = true } end

local FAULTS = {
  ["no fault"] = {},
  ["port refuses always"] = unconnected(refuses),
  ["port refuses once"] = { scene = refuses_once, fresh = true },
  ["connect times out"] = unconnected(blackhole "connect_timeout"),
  ["timeout when connecting"] = unconnected(blackhole "timeout"),
  ["no TLS at the port"] = unconnected(no_tls),
  ["reset when new, run"] = { strikes = after("reset").strikes, fresh = true },
  ["dropped while idle"] = late { strikes = { { method = "profile", action = "vanish" } } },
  ["500 coded always"] = always(after "INTERNAL_SERVER_ERROR"),
  ["refused once"] = before "QUERY_LIMIT_EXCEEDED",
  ["refused always"] = always(before "QUERY_LIMIT_EXCEEDED"),
  ["refused, then reset"] = {
    strikes = { { action = "QUERY_LIMIT_EXCEEDED" }, { action = "reset", after = true } },
  },
  ["reset, refused always"] = always {
    strikes = { { action = "reset", after = true }, { action = "QUERY_LIMIT_EXCEEDED" } },
  },
}

for name, action in pairs {
  reset = "reset", ["reset midway"] = "reset_body", cut = "cut", ["wrong length"] = "length",
  ["bad gzip"] = "gzip", empty = "empty", ["HTML 502"] = "html", ["503 uncoded"] = "unavailable",
  ["500 coded"] = "INTERNAL_SERVER_ERROR", timeout = "hang", ["slow drip"] = "drip",
  ["stall midway"] = "stall",
} do
  local timed = name == "timeout" or name == "slow drip" or name == "stall midway"
  local strike = timed and late or function(fault) return fault end
  FAULTS[name .. ", not run"] = strike(before(action))
  FAULTS[name .. ", run"] = strike(after(action))
  FAULTS[name .. " always"] = always(strike(after(action)))
end

-- ---- the rows ------------------------------------------------------------------

local rows = {}

for line in TABLE:gsub("^[^\n]+", ""):gmatch("[^\n]+") do
  local name, group, arrives, runs, caller =
    line:match("^(.-) *| *(.-) *| *(.-) *| *(.-) *| *(.-)$")
  for _, operation in ipairs(assert(OPERATIONS[group], group)) do
    rows[#rows + 1] = {
      name = name, operation = operation, fault = assert(FAULTS[name], name),
      expected = { arrives = arrives, runs = runs, caller = caller },
    }
  end
end

-- Over TLS once more, where one call is enough.
local LONE = { read = true, write = true, ["REST 3.0 write"] = true }

for i = 1, #rows do
  local row = rows[i]
  local strike = row.fault.strikes and row.fault.strikes[1]
  -- (an idle connection with a ticket to read may be given up for a new one)
  if LONE[row.operation] and strike and not strike.method then
    local copy = { tls = true }
    for key, value in pairs(row) do copy[key] = value end
    rows[#rows + 1] = copy
  end
end

--- Every row at the same time, those that wait longest first.
---@return table outcomes by row
local function run(chosen)
  local function slow(row) return row.fault.timeout or row.name:find("refuse") and 1 or 0 end
  local order, jobs, outcomes = {}, {}, {}
  for i, row in ipairs(chosen) do order[i] = { row = row, place = i } end
  table.sort(order, function(a, b)
    local first, second = slow(a.row), slow(b.row)
    if first ~= second then return first > second end
    return a.place < b.place
  end)
  for i, entry in ipairs(order) do
    local row = entry.row
    jobs[i] = function() return faults.run(row.operation, row.fault, row.tls) end
  end
  for i, outcome in ipairs(together(jobs, 80)) do outcomes[order[i].row] = outcome end
  return outcomes
end

local function sentence(row, words)
  return ("%s%s (%s): arrives %s,%s %s"):format(row.operation, row.tls and " over TLS" or "", row.name,
    words.arrives, words.runs ~= "" and " runs " .. words.runs .. "," or "", words.caller)
end

local function title(row) return sentence(row, row.expected) end

--- What holds whatever the table says: a call returns or raises, what returned
-- ran, what was surely not sent did not, and nothing ran twice.
local function check(row, outcome)
  if not outcome.ok then error(("%s: %s"):format(row.operation, tostring(outcome.value)), 0) end
  local e, ran = outcome.value.fault, outcome.value.ran
  assert(e == nil or bitrix24.is_error(e), tostring(e))
  assert(not tostring(e):find("%c"), "more than one line")
  if ran then
    assert(ran <= 1, "ran twice: " .. row.operation)
    assert(e ~= nil or ran == 1, "returned and did not run: " .. row.operation)
    assert(e == nil or e.sent ~= false or ran == 0, "surely not sent, and it ran: " .. row.operation)
  end
end

describe("a fault", function()
  local outcomes
  setup(function() outcomes = run(rows) end)
  teardown(faults.stop)

  for _, row in ipairs(rows) do
    it(title(row), function()
      local outcome = outcomes[row]
      if not outcome.ok then error(outcome.value, 0) end
      assert.equal(title(row), sentence(row, outcome.value.words))
    end)
  end

  it("never makes a write run twice, and loses nothing silently", function()
    for _, row in ipairs(rows) do check(row, outcomes[row]) end
  end)

  -- Whether the client sees it before it sends or after is a matter of luck.
  it("of a connection that was reset while idle is a new one, or nobody knows", function()
    local chosen = {}
    for operation in pairs(faults.operations) do
      chosen[#chosen + 1] = { name = "reset while idle", operation = operation,
        fault = { strikes = { { method = "profile", action = "forget" } } } }
    end
    for row, outcome in pairs(run(chosen)) do
      check(row, outcome)
      local e = outcome.value.fault
      assert(e == nil or e.kind == "network" and e.sent == nil and not e.retryable, tostring(e))
      assert(e == nil or faults.operations[row.operation].ran, "a read that failed")
    end
  end)
end)
