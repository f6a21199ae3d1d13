-- What becomes of calls in a batch when something goes wrong, how wide a batch
-- is, and what the queues cost.

local json = require "bitrix24.json"
local planner = require "bitrix24.planner"

local function numbers(n)
  local out = {}
  for i = 1, n do out[i] = i end
  return out
end

local function sizes(here)
  local out = {}
  for i, request in ipairs(here:sent()) do out[i] = request.commands and #request.commands or 0 end
  return out
end

describe("a batch of calls that wait", function()
  local here = require "support.portal" (_ENV, { contacts = 200, deals = 60 })

  local function name_of(id) return here.portal.crm.contact.get { ID = id }.ID end

  local function rename(id)
    return here.portal.crm.contact.update { ID = id, FIELDS = { NAME = "renamed" } }
  end

  describe("when a command meets a limit", function()
    it("asks that command again by itself, never the batch", function()
      here.sb:fault { method = "crm.contact.get", nth = 3, action = "QUERY_LIMIT_EXCEEDED" }
      local got = here.portal:map(numbers(5), name_of)
      assert.same({ "1", "2", "3", "4", "5", n = 5 }, got)
      assert.same({ 5, 0 }, sizes(here))
      assert.same("3", tostring(here:sent()[2].params.ID))
    end)

    it("also when it writes: it was refused before it ran", function()
      here.sb:fault { method = "crm.contact.update", nth = 2, action = "QUERY_LIMIT_EXCEEDED" }
      here.portal:map(numbers(3), rename)
      assert.same({ 3, 0 }, sizes(here))
      assert.equal("renamed", here.portal.crm.contact.get { ID = 2 }.NAME)
    end)

    it("tells only that call when waiting would take too long", function()
      local portal = here:connect { wait_max = 0.05, retries = 1, limits = { rate = 1000, burst = 1000 } }
      here.sb:fault { method = "crm.contact.get", nth = 2, count = 9, action = "OPERATION_TIME_LIMIT" }
      local got, faults = portal:map(numbers(3), function(id)
        if id == 3 then return #portal.crm.deal.list:first { select = { "ID" } }.ID end
        return portal.crm.contact.get { ID = id }.ID
      end, { on_error = "collect" })
      assert.equal("1", got[1])
      assert.equal("limit", faults[2].kind)
      assert.equal("OPERATION_TIME_LIMIT", faults[2].code)
      assert.equal("crm.contact.get", faults[2].method)
      assert.is_nil(faults[3])
    end)

    it("keeps the calls of that method apart from the others", function()
      local requests = 0
      local portal = here:connect {
        wait_max = 0.05, retries = 1, limits = { rate = 1000, burst = 1000 },
        log = function(event) if event.event == "send" then requests = requests + 1 end end,
      }
      here.sb:fault { method = "crm.contact.get", action = "OPERATION_TIME_LIMIT" }
      local function ask(i)
        if i % 2 == 0 then return portal.crm.deal.get { ID = i }.ID end
        return portal.crm.contact.get { ID = i }.ID
      end
      pcall(portal.map, portal, { 1, 2, 3 }, ask)
      requests = 0
      local got, faults = portal:map(numbers(8), ask, { on_error = "collect" })
      assert.same({ nil, "2", nil, "4", nil, "6", nil, "8", n = 8 }, got)
      for i = 1, 7, 2 do assert.equal("limit", faults[i].kind) end
      assert.equal(2, requests) -- none was tried that holds both methods
    end)

    it("that is known before it is sent spares the others of its batch", function()
      local portal = here:connect { wait_max = 0.05, retries = 0, limits = { rate = 1000, burst = 1000 } }
      here.sb:fault { method = "crm.contact.get", action = "OPERATION_TIME_LIMIT" }
      pcall(portal.call, portal, "crm.contact.get", { ID = 1 }) -- no batch: the planner does not hear of it
      local got, faults = portal:map(numbers(4), function(i)
        if i % 2 == 0 then return portal.crm.deal.get { ID = i }.ID end
        return portal.crm.contact.get { ID = i }.ID
      end, { on_error = "collect" })
      assert.same({ nil, "2", nil, "4", n = 4 }, got)
      assert.equal("limit", faults[1].kind)
    end)
  end)

  describe("when commands fail", function()
    it("gives each its own outcome", function()
      local action = { error = "", description = "no<br>way" }
      here.sb:fault { method = "crm.contact.get", nth = 2, action = action }
      local got, faults = here.portal:map(numbers(4), name_of, { on_error = "collect" })
      assert.same({ "1", nil, "3", "4", n = 4 }, got)
      local e = faults[2]
      assert.same({ "api", "", "no way", "crm.contact.get", true },
        { e.kind, e.code, e.message, e.method, e.sent })
      assert.same({ 4 }, sizes(here))
    end)

    it("claims nothing of a write that the answer does not mention", function()
      here.sb:fault { method = "batch", action = {
        body = '{"result":{"result":{"c00":true},"result_error":[],"result_time":{"c00":{}}},"time":{}}',
      } }
      local got, faults = here.portal:map(numbers(2), rename, { on_error = "collect" })
      assert.same({ true, n = 2 }, got)
      local e = faults[2]
      assert.same({ "protocol", "crm.contact.update", false }, { e.kind, e.method, e.retryable })
      assert.is_nil(e.sent) -- it may have run
      assert.matches("does not mention", e.message)
      assert.equal(1, #here:sent())
    end)

    it("does not repeat a write on doubt", function()
      here.sb:fault { method = "crm.contact.update", after = true, action = "INTERNAL_SERVER_ERROR" }
      local _, faults = here.portal:map(numbers(2), rename, { on_error = "collect" })
      assert.truthy(faults[1])
      assert.same({ 2 }, sizes(here))
    end)
  end)

  describe("when the request is lost", function()
    it("reads are sent again together", function()
      here.sb:fault { method = "batch", action = "cut" }
      assert.same({ "1", "2", "3", n = 3 }, here.portal:map(numbers(3), name_of))
      assert.equal(2, #here:sent("batch"))
    end)

    it("writes are not, and nobody knows whether they ran", function()
      here.sb:fault { method = "batch", after = true, action = "reset" }
      local _, faults = here.portal:map(numbers(3), rename, { on_error = "collect" })
      for i = 1, 3 do
        assert.equal("crm.contact.update", faults[i].method)
        assert.is_nil(faults[i].sent)
        assert.is_false(faults[i].retryable)
      end
      assert.equal(1, #here:sent())
    end)

    it("writes that the caller calls idempotent are", function()
      here.sb:fault { method = "batch", action = "cut" }
      here.portal:map(numbers(3), function(id)
        here.portal:call("crm.contact.update", { ID = id, FIELDS = { NAME = "x" } }, { idempotent = true })
      end)
      assert.equal(2, #here:sent("batch"))
    end)

    it("a part that waited for it goes on", function()
      local portal = here:connect { retries = 0 }
      here.sb:fault { method = "batch", action = "cut" }
      local got, faults = portal:map(numbers(60), function(id)
        return portal.crm.contact.get { ID = id }.ID
      end, { on_error = "collect" })
      for i = 1, 50 do assert.truthy(faults[i]) end
      for i = 51, 60 do assert.equal(tostring(i), got[i]) end
    end)

    it("a part does not wait while it is held back", function()
      local order = {}
      local portal = here:connect { log = function(event)
        if event.event == "send" or event.event == "retry" then order[#order + 1] = event.event end
      end }
      here.sb:fault { method = "batch", action = "QUERY_LIMIT_EXCEEDED" }
      portal:map(numbers(60), function(id) return portal.crm.contact.get { ID = id } end)
      assert.same({ "send", "retry", "send" }, order)
    end)
  end)

  describe("is narrower on a slow portal:", function()
    --- The answer of a batch of contacts that took `seconds`.
    local function answer(count, seconds)
      local result = {}
      for i = 1, count do result[("c%02d"):format(i - 1)] = { ID = "slow" } end
      return json.encode {
        result = { result = result, result_error = json.array {}, result_total = json.array {} },
        time = { start = 0, finish = seconds, duration = seconds, processing = seconds },
      }
    end

    it("a batch stays far from the 60 seconds after which it is cut", function()
      here.sb:fault { method = "batch", action = { status = 200, body = answer(50, 50) } }
      here.portal:map(numbers(100), name_of, { concurrency = 50 })
      local got = sizes(here)
      assert.equal(50, got[1] == 0 and 50 or got[1])
      for i = 2, #got do assert.truthy(got[i] <= 30, "as wide as " .. got[i]) end
    end)

    it("it takes what is left of the time into account", function()
      local plan = planner.new { cancel = error }
      local function width(count, seconds)
        plan:adapt(count, { duration = seconds })
        return plan.width
      end
      assert.equal(50, width(50, 1))
      assert.equal(20, width(50, 50)) -- a second each
      assert.equal(10, width(20, 40))
      assert.equal(1, width(1, 50))
      assert.equal(2, width(1, 0.01)) -- up by steps
      assert.equal(3, width(1, 0.01))
      plan:adapt(1, nil)
      plan:adapt(1, { duration = json.null })
      plan:adapt(1, { duration = 0 })
      assert.equal(3, plan.width)
    end)
  end)

  it("is not made of more than a million bytes", function()
    local text = ("x"):rep(30000)
    here.portal:map(numbers(50), function(id)
      return here.portal.crm.contact.get { ID = id, NOTE = text }.ID
    end)
    assert.same({ 33, 17 }, sizes(here))
  end)

  it("long parameters go alone", function()
    local text = ("x"):rep(150000)
    here.portal:map(numbers(2), function(id)
      return here.portal.crm.contact.get { ID = id, NOTE = text }.ID
    end)
    assert.same({ 0, 0 }, sizes(here))
  end)

  it("is dropped when nobody waits for any of it", function()
    local lost = 0
    here.sb:fault { method = "batch", action = { delay = 30 } }
    pcall(here.portal.map, here.portal, numbers(3), function(id)
      if id < 3 then return name_of(id) end
      -- only what has arrived cannot turn up in the next test
      repeat here.portal:call("profile", nil, { timeout = 20 }) until #here:sent("batch") > 0
      lost = lost + 1
      error("stop")
    end)
    assert.equal(1, lost) -- what is in flight is looked for after each test
  end)

  it("empty and null parameters arrive as they are: alone", function()
    here.portal:map({ 1, 2 }, function(id)
      return here.portal.crm.contact.update { ID = id, FIELDS = { COMMENTS = json.null } }
    end)
    assert.same({ 0, 0 }, sizes(here))
    for _, request in ipairs(here:sent()) do assert.truthy(request.body:find("null", 1, true)) end
  end)
end)

describe("the queues of a planner", function()
  --- Virtual machine instructions of f, in hundreds.
  local function cost(f)
    local count = 0
    debug.sethook(function() count = count + 1 end, "", 100)
    f()
    debug.sethook()
    return count
  end

  local function fill(plan, n)
    local list = {}
    for i = 1, n do
      list[i] = { method = "crm.contact.get", version = 2, params = { ID = i } }
      assert(plan:take("read2", list[i]))
    end
    return list
  end

  local function run(n)
    local plan = planner.new { submit = function() end, cancel = error }
    local list = fill(plan, n)
    for i = n, 1, -2 do plan:forget(list[i]) end -- from the back
    assert.equal(n // 2, #plan.lanes.read2)
    plan:flush(true)
    assert.equal(0, #plan.lanes.read2)
    fill(plan, n)
    assert.equal(n, #plan:drain())
    assert.equal(0, #plan.lanes.read2)
  end

  it("cost the same for each call, however many wait", function()
    local few, many = cost(function() run(2000) end), cost(function() run(20000) end)
    assert.truthy(many < 12 * few, ("%d and %d"):format(few, many))
  end)
end)
