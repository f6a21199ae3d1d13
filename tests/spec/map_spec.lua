-- Side by side over HTTP: what travels together is counted by what arrived.

local bitrix24 = require "bitrix24"

local function numbers(n)
  local out = {}
  for i = 1, n do out[i] = i end
  return out
end

--- Commands of each request that arrived, 0 for a plain call.
local function sizes(here)
  local out = {}
  for i, request in ipairs(here:sent()) do out[i] = request.commands and #request.commands or 0 end
  return out
end

describe("map and gather", function()
  local here = require "support.portal" (_ENV, {
    users = 60, contacts = 1000, deals = 120, chats = 40, tasks = 60,
  })

  local function name_of(id)
    return here.portal.crm.contact.get { ID = id }.ID
  end

  describe("results:", function()
    it("in the order of the list, f knows the index, nil stays a hole", function()
      local results = here.portal:map({ 30, 20, 10 }, function(id, index)
        local got = here.portal.crm.contact.get { ID = id }.ID
        if index == 2 then return nil end
        return got .. "/" .. index
      end)
      assert.same({ "30/1", nil, "10/3", n = 3 }, results)
    end)

    it("as many as `n` says: what a map returned can be mapped again", function()
      local first = here.portal:map({ 30, 20, 10 }, function(id) return id > 25 and id or nil end)
      local again = here.portal:map(first, function(id) return id and name_of(id) or "none" end)
      assert.same({ "30", "none", "none", n = 3 }, again)
    end)

    it("but not what stands before the first item, as in `arg`", function()
      assert.same({ "30", "20", n = 2 }, here.portal:map({ [0] = "script", [-1] = "lua", 30, 20 }, name_of))
      assert.same({ n = 0 }, here.portal:map({ [0] = "script" }, name_of))
    end)

    it("only the first of each function", function()
      local first, second, third = here.portal:gather(
        function() return name_of(1), "dropped" end,
        function() return nil end,
        function() return name_of(2) end)
      assert.same({ "1", nil, "2" }, { first, second, third })
      assert.equal(0, select("#", here.portal:gather()))
    end)

    it("an empty list costs nothing", function()
      assert.same({ n = 0 }, here.portal:map({}, error))
      assert.equal(0, #here:sent())
    end)

    it("misuse is refused before anything runs", function()
      local map = here.portal.map
      here.raises("config", map, here.portal, "list", print)
      here.raises("config", map, here.portal, {}, "f")
      here.raises("config", map, here.portal, {}, print, { concurrency = 0 })
      here.raises("config", map, here.portal, {}, print, { on_error = "ignore" })
      here.raises("config", map, here.portal, {}, print, { batch = 1 })
      here.raises("config", map, here.portal, { a = 1 }, print)
      local holes = here.raises("config", map, here.portal, { [1] = 1, [3] = 1 }, print)
      assert.truthy(tostring(holes):find("table.pack", 1, true))
      local e = here.raises("config", map, here.portal, {}, print, { concurency = 5 })
      assert.truthy(e.hint:find("concurrency", 1, true))
      here.raises("config", here.portal.gather, here.portal, print, 5)
    end)
  end)

  describe("travel:", function()
    it("1,000 calls are 20 requests", function()
      local results = here.portal:map(numbers(1000), name_of)
      for i = 1, 1000 do assert.equal(tostring(i), results[i]) end
      local got = sizes(here)
      assert.equal(20, #got)
      for _, size in ipairs(got) do assert.equal(50, size) end
    end)

    it("not together with opts.batch = false, also in a map inside", function()
      here.portal:map(numbers(5), name_of, { batch = false })
      here.portal:map({ 1 }, function() here.portal:map(numbers(3), name_of) end, { batch = false })
      assert.same({ 0, 0, 0, 0, 0, 0, 0, 0 }, sizes(here))
    end)

    it("not together where the portal says batch = false", function()
      local portal = here:connect { batch = false }
      portal:map(numbers(5), function(id) return portal.crm.contact.get { ID = id } end)
      assert.same({ 0, 0, 0, 0, 0 }, sizes(here))
    end)

    it("a call that waits alone is no batch", function()
      here.portal:map({ 7 }, name_of)
      assert.same({ 0 }, sizes(here))
    end)

    it("a method that the portal refuses in a batch goes alone, learnt once", function()
      here.sb:fault { method = "crm.contact.get", count = 4, action = "ERROR_BATCH_METHOD_NOT_ALLOWED" }
      assert.same({ "1", "2", "3", "4", n = 4 }, here.portal:map(numbers(4), name_of))
      assert.same({ 4, 0, 0, 0, 0 }, sizes(here))
      here.portal:map(numbers(3), name_of)
      assert.same({ 4, 0, 0, 0, 0, 0, 0, 0 }, sizes(here))
    end)

    it("one whose options the batch cannot carry goes alone", function()
      here.portal:map(numbers(3), function(id)
        return here.portal:call("crm.contact.get", { ID = id }, { timeout = id == 2 and 30 or nil })
      end)
      local got = sizes(here)
      table.sort(got)
      assert.same({ 0, 2 }, got)
    end)

    it("reads and writes are in batches of their own", function()
      here.portal:map(numbers(6), function(id)
        if id % 2 == 1 then return name_of(id) end
        return here.portal.crm.contact.update { ID = id, FIELDS = { NAME = "n" .. id } }
      end)
      local requests = here:sent("batch")
      assert.equal(2, #requests)
      for _, request in ipairs(requests) do
        assert.equal(3, #request.commands)
        for _, command in ipairs(request.commands) do
          assert.equal(request.commands[1].method, command.method)
        end
      end
      assert.equal("n4", here.portal.crm.contact.get { ID = 4 }.NAME)
    end)

    it("what reads like a reference goes alone and arrives as given", function()
      local names = { "$result[c00][ID]", "plain", "x $result[0] y", "also plain", "costs $total[5]" }
      local ids = here.portal:map(names, function(name)
        return here.portal.crm.contact.add { FIELDS = { NAME = name } }
      end)
      for i, name in ipairs(names) do
        assert.equal(name, here.portal.crm.contact.get { ID = ids[i] }.NAME)
      end
      local got = { table.unpack(sizes(here), 1, 4) }
      table.sort(got)
      assert.same({ 0, 0, 0, 2 }, got)
    end)

    it("parameters are those at the time of the call", function()
      here.sb:fault { method = "crm.contact.get", nth = 1, action = "ERROR_BATCH_METHOD_NOT_ALLOWED" }
      local params = {}
      local got = here.portal:map(numbers(3), function(id)
        params.ID = id -- one table for all
        return here.portal.crm.contact.get(params).ID
      end)
      assert.same({ "1", "2", "3", n = 3 }, got)
    end)

    it("a part of a batch waits while another is on its way", function()
      here.portal:map(numbers(60), function(id) return name_of(id) .. name_of(id + 1) end)
      assert.same({ 50, 50, 20 }, sizes(here))
    end)

    it("parts for reads and for writes do not wait for each other", function()
      here.portal:gather(function() return name_of(1) end, function() return name_of(2) end,
        function() here.portal.crm.contact.update { ID = 1, FIELDS = { NAME = "a" } } end,
        function() here.portal.crm.contact.update { ID = 2, FIELDS = { NAME = "b" } } end)
      assert.same({ 2, 2 }, sizes(here))
    end)

    it("a map inside a task joins the others' batches", function()
      local got = here.portal:map(numbers(10), function(i)
        local inner = here.portal:map(numbers(5), function(k) return name_of(i * 10 + k) end)
        return table.concat(inner, " ")
      end)
      assert.equal("101 102 103 104 105", got[10])
      assert.same({ 50 }, sizes(here))
    end)

    it("pages of lists travel together", function()
      local got = here.portal:map(numbers(10), function()
        return #here.portal.crm.deal.list:all({}, { strategy = "sequential", ahead = 0 })
      end)
      for i = 1, 10 do assert.equal(120, got[i]) end
      assert.same({ 10, 10, 10 }, sizes(here))
    end)

    it("opts.concurrency bounds how many live", function()
      local alive, most = 0, 0
      here.portal:map(numbers(20), function(id)
        alive = alive + 1
        most = math.max(most, alive)
        name_of(id)
        alive = alive - 1
      end, { concurrency = 5 })
      assert.equal(5, most)
      assert.same({ 5, 5, 5, 5 }, sizes(here))
    end)

    it("nobody waits for a slow answer in silence", function()
      here.sb:fault { method = "batch", action = { delay = 60 } }
      local ok, e = pcall(here.portal.map, here.portal, numbers(100), function(id)
        name_of(id)
        if id % 50 == 0 then error(name_of(id) .. name_of(id), 0) end
      end)
      assert.is_false(ok)
      assert.truthy(e == "5050" or e == "100100", e) -- whichever batch came first is slow
    end)

    it("the same input gives the same requests, whichever answer is first", function()
      local function bodies()
        here.portal:map(numbers(120), function(id)
          local first = name_of(id)
          if id % 3 == 0 then here.portal.crm.contact.update { ID = id, FIELDS = { NAME = "x" .. first } } end
          return name_of(id + 100)
        end)
        local out = {}
        for i, request in ipairs(here:sent()) do out[i] = request.body end
        table.sort(out)
        return out
      end
      local wanted = bodies()
      for nth = 1, 3 do
        here.sb:reset()
        here.sb:fault { method = "batch", nth = nth, action = { delay = 0.1 } }
        assert.same(wanted, bodies())
      end
    end)
  end)

  describe("REST 3.0:", function()
    local function get(id) return here.portal.v3.tasks.task.get { id = id, select = { "id" } }.item.id end

    it("reads share a batch", function()
      local ids = {}
      for i, task in ipairs(here.sb:records("tasks")) do
        ids[i] = math.tointeger(tonumber(task.id or task.ID))
      end
      local got = here.portal:map(ids, get)
      for i, id in ipairs(ids) do assert.equal(id, got[i]) end
      assert.same({ 50, 10 }, sizes(here))
      assert.equal(3, here:sent()[1].version)
    end)

    it("reads are asked one by one when their batch fails", function()
      local got, faults = here.portal:map({ 1, 2, 999999, 3 }, get, { on_error = "collect" })
      assert.same({ 1, 2, nil, 3, n = 4 }, got)
      assert.equal("api", faults[3].kind)
      assert.equal("tasks.task.get", faults[3].method)
      assert.equal(5, #here:sent())
    end)

    it("what reads like a reference goes alone", function()
      pcall(here.portal.map, here.portal, numbers(2), function(i)
        return here.portal.v3.tasks.task.get { id = i == 1 and { ["$ref"] = "0.id" } or 2 }
      end)
      for _, request in ipairs(here:sent()) do assert.equal("tasks.task.get", request.method) end
    end)

    it("writes are never put together", function()
      here.portal:map(numbers(3), function(id)
        return here.portal.v3.tasks.task.add {
          fields = { title = "t" .. id, creatorId = 1, responsibleId = 1 },
        }
      end)
      local keys = {}
      assert.equal(0, #here:sent("batch"))
      for _, request in ipairs(here:sent("tasks.task.add")) do
        keys[request.headers["idempotency-key"]] = true
      end
      local count = 0
      for _ in pairs(keys) do count = count + 1 end
      assert.equal(3, count)
    end)
  end)

  describe("an error in one function", function()
    it("is raised as it was thrown", function()
      for _, value in ipairs { "text", 42, false, { "a table" } } do
        local ok, got = pcall(here.portal.map, here.portal, { 1, 2 }, function(i)
          if i == 2 then error(value, 0) end
          name_of(i)
        end)
        assert.is_false(ok)
        assert.equal(value, got)
      end
      local ok, got = pcall(here.portal.map, here.portal, { 1 }, function() error() end)
      assert.is_false(ok)
      assert.is_nil(got)
      ok, got = pcall(here.portal.map, here.portal, { 1 }, function(i) return i.x.y end)
      assert.is_false(ok)
      assert.truthy(got:find("^[^\n]*map_spec.lua:%d+: attempt to index a number value"))
    end)

    it("is the structured one of a call", function()
      local e = here.raises("api", here.portal.map, here.portal, { 1, 2, 999999 }, name_of)
      assert.equal("crm.contact.get", e.method)
      assert.is_true(e.sent)
    end)

    it("ends the others: variables are closed, nothing of them goes on", function()
      local closed, after = {}, 0
      here.raises("api", here.portal.map, here.portal, { 1, 999999, 3, 4 }, function(id)
        local _ <close> = setmetatable({}, { __close = function() closed[#closed + 1] = id end })
        if id == 999999 then
          repeat here.portal:call("profile", nil, { timeout = 20 }) until #here:sent("batch") > 0
          return here.portal:call("crm.contact.get", { ID = id }, { timeout = 20 })
        end
        while true do
          here.portal:map(numbers(2), name_of)
          after = after + (#closed > 0 and 1 or 0)
        end
      end)
      assert.same({ 999999, 1, 3, 4 }, closed)
      assert.equal(0, after) -- and what is queued or in flight is looked for after each test
    end)

    it("ends the others' calls in flight as cancelled", function()
      local cancelled = 0
      local portal = here:connect { log = function(event)
        if event.event == "error" and event.error.kind == "cancelled" then cancelled = cancelled + 1 end
      end }
      here.sb:fault { method = "batch", action = { delay = 5 } }
      local ok, e = pcall(portal.map, portal, numbers(11), function(id)
        if id < 11 then return portal.crm.contact.get { ID = id } end
        repeat portal:call("profile", nil, { timeout = 20 }) until #here:sent("batch") > 0
        error("enough", 0)
      end)
      assert.is_false(ok)
      assert.equal("enough", e)
      assert.equal(11, cancelled) -- ten commands and their batch
    end)

    it("starts no further function", function()
      local started = 0
      pcall(here.portal.map, here.portal, numbers(100), function(i)
        started = started + 1
        name_of(i)
        error("stop", 0)
      end, { concurrency = 10 })
      assert.equal(10, started)
    end)

    it("raised while closing counts", function()
      local ok, e = pcall(here.portal.map, here.portal, { 1 }, function()
        local _ <close> = setmetatable({}, { __close = function() error("second", 0) end })
        error("first", 0)
      end)
      assert.is_false(ok)
      assert.equal("second", e)
    end)

    it("of a map inside is raised there, and may be caught", function()
      local got = here.portal:map({ 1, 999999 }, function(id)
        local ok, result = pcall(here.portal.map, here.portal, { id, id }, name_of)
        return ok and result[2] or result.kind
      end)
      assert.same({ "1", "api", n = 2 }, got)
    end)

    it("is kept with on_error = collect, and the others go on", function()
      local results, faults = here.portal:map({ 1, 999999, 3, 4 }, function(id)
        if id == 4 then error { code = 4 } end
        return name_of(id)
      end, { on_error = "collect" })
      assert.same({ "1", nil, "3", nil, n = 4 }, results)
      assert.is_nil(faults[1])
      assert.equal("api", faults[2].kind)
      assert.same({ code = 4 }, faults[4])
    end)

    it("may be handled by calls in __close", function()
      local undone
      pcall(here.portal.map, here.portal, { 1, 2 }, function(id)
        local _ <close> = setmetatable({}, { __close = function()
          if id == 1 then undone = here.portal:map({ 5, 6 }, name_of)[2] end
        end })
        if id == 2 then error("stop", 0) end
        name_of(id)
      end)
      assert.equal("6", undone)
    end)
  end)

  describe("lists inside", function()
    it("are left early without a trace", function()
      local got = here.portal:map(numbers(4), function()
        local found
        for deal in here.portal.crm.deal.list:each() do
          found = deal.ID
          if found then break end
        end
        return found
      end)
      assert.equal(4, got.n)
      for i = 2, 4 do assert.equal(got[1], got[i]) end
    end)

    it("an iterator may be handed from one function to the next", function()
      local walk = here.portal.crm.deal.list:each({}, { strategy = "sequential" })
      local count = 0
      here.portal:map(numbers(4), function()
        for _ = 1, 30 do
          if walk() then count = count + 1 end
        end
      end, { concurrency = 1 })
      assert.equal(120, count)
      assert.is_nil(walk())
    end)

    it("progress may call side by side as well", function()
      local seen = {}
      here.portal:map({ 1, 2 }, function(i)
        here.portal.crm.deal.list:all({}, { progress = function(done)
          local names = table.concat(here.portal:map({ 8, 9 }, name_of), ",")
          seen[#seen + 1] = i .. ":" .. done .. ":" .. names
        end })
      end)
      table.sort(seen)
      assert.same({ "1:100:8,9", "1:120:8,9", "1:50:8,9", "2:100:8,9", "2:120:8,9", "2:50:8,9" }, seen)
    end)
  end)

  describe("where a coroutine cannot yield", function()
    it("a call blocks, the others go on", function()
      local got = here.portal:map({ 3, 1, 2 }, function(id)
        if id ~= 3 then return name_of(id) .. name_of(id + 1) end
        local list = { 30, 10, 20 }
        table.sort(list, function(a, b) return tonumber(name_of(a)) < tonumber(name_of(b)) end)
        return table.concat(list, ",")
      end)
      assert.same({ "10,20,30", "12", "23", n = 3 }, got)
    end)

    it("a map of its own runs to its end", function()
      local got = here.portal:map(numbers(20), function(id)
        return (("a"):gsub("a", function()
          return table.concat(here.portal:map({ id, id + 1 }, name_of), "+")
        end))
      end)
      assert.equal("1+2", got[1])
      assert.equal("20+21", got[20])
    end)

    it("five hundred of them do not nest", function()
      local got = here.portal:map(numbers(400), function(id)
        return (("a"):gsub("a", function()
          return tostring(here.portal:map({ id }, function() return id end)[1])
        end))
      end)
      assert.equal("400", got[400])
    end)

    it("a generator of the script's own works", function()
      local got = here.portal:map({ 10, 20 }, function(from)
        local generate = coroutine.wrap(function()
          for id = from, from + 2 do coroutine.yield(name_of(id)) end
        end)
        local out = {}
        for name in generate do out[#out + 1] = name end
        return table.concat(out, " ")
      end)
      assert.same({ "10 11 12", "20 21 22", n = 2 }, got)
    end)
  end)

  it("a function that yields by itself is told so", function()
    local closed = false
    local e = here.raises("config", here.portal.map, here.portal, { 1 }, function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      coroutine.yield("mine")
    end)
    assert.truthy(e.message:find("must not yield", 1, true))
    assert.is_true(closed)
  end)

  it("a log function may call side by side as well", function()
    local portal, busy, inner = nil, false, {}
    portal = here:connect { log = function()
      if busy then return end
      busy = true
      local names = portal:map({ 8, 9 }, function(id) return portal.crm.contact.get { ID = id }.ID end)
      inner[#inner + 1] = table.concat(names, ",")
      busy = false
    end }
    local got = portal:map(numbers(60), function(id) return portal.crm.contact.get { ID = id }.ID end)
    for i = 1, 60 do assert.equal(tostring(i), got[i]) end
    assert.truthy(#inner > 0)
    for _, names in ipairs(inner) do assert.equal("8,9", names) end
  end)

  describe("closing the portal in the middle", function()
    it("by a function ends the others as cancelled", function()
      local portal, kinds = here:connect(), {}
      local e = here.raises("cancelled", portal.map, portal, numbers(60), function(id)
        if id == 1 then
          portal:call("profile", nil, { timeout = 20 })
          portal:close()
          return
        end
        local ok, fault = pcall(portal.call, portal, "crm.contact.get", { ID = id })
        if not ok then
          kinds[fault.kind] = (kinds[fault.kind] or 0) + 1
          error(fault, 0)
        end
        while true do portal:call("crm.contact.get", { ID = id }) end
      end)
      assert.truthy(e.message:find("closed", 1, true))
    end)

    it("surprises those that were about to call", function()
      local portal = here:connect()
      local results, faults = portal:map(numbers(60), function(id)
        portal:call("crm.contact.get", { ID = id })
        if id == 10 then portal:close() end
        portal:call("crm.contact.get", { ID = id })
      end, { on_error = "collect", concurrency = 50 })
      assert.equal(60, results.n)
      for id = 1, 60 do assert.equal(id == 10 and "config" or "cancelled", faults[id].kind) end
      here.raises("config", portal.map, portal, { 1 }, function() portal:call("profile") end)
    end)

    it("by the log leaves nothing that hangs", function()
      for _, at in ipairs { "send", "answer", "error" } do
        local portal
        portal = here:connect { log = function(event)
          if event.event == at then portal:close() end
        end }
        local results, faults = portal:map({ 1, 999999, 3 }, function(id)
          return portal.crm.contact.get { ID = id }
        end, { on_error = "collect" })
        assert.equal(3, results.n)
        for _, fault in pairs(faults) do assert.is_true(bitrix24.is_error(fault)) end
        if at == "error" then -- its answer was there
          assert.equal("3", results[3].ID)
        else
          assert.equal("cancelled", faults[3].kind)
        end
      end
    end)
  end)

  it("100,000 items with calls among them", function()
    local items = {}
    for i = 1, 100000 do items[i] = i end
    local results = here.portal:map(items, function(i)
      return i % 1000 == 0 and name_of(i // 1000) or i
    end)
    local seen = { results.n, results[1], results[99999], results[100000] }
    assert.same({ 100000, 1, 99999, name_of(100) }, seen)
    assert.same({ 50, 50, 0 }, sizes(here))
  end)

  it("nothing is kept of a function that is over but its result", function()
    local half, used = 50001, nil
    local results = here.portal:map(numbers(100000), function(_, index)
      if index % 5000 == 0 then name_of(index // 5000) end
      if index == half then
        collectgarbage()
        used = collectgarbage("count")
      elseif index == 99001 then
        collectgarbage()
        used = collectgarbage("count") - used
      end
      return nil
    end)
    assert.equal(100000, results.n)
    assert.truthy(used < 500, ("%d KB more"):format(used // 1)) -- a coroutine takes one
  end)
end)
