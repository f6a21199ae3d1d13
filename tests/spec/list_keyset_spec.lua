-- Lists by id: scripted portals for the rules, the sandbox for the wire.

local bulk = require "support.bulk"
local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local list = require "bitrix24.list"
local sandbox = require "bitrix24.sandbox"

local contacts = catalogue.find("crm.contact.list")

-- Every record of a list; what came before an error, and the error.
local function walk(log, params, opts)
  local out = {}
  local ok, e = pcall(function()
    for record in list.each(log.caller, params, opts) do out[#out + 1] = record end
  end)
  return out, not ok and e or nil
end

local function complete(log, params, opts, expected)
  local records, e = walk(log, params, opts)
  assert.is_nil(e)
  assert.same(expected, bulk.ids(records))
end

local function failure(kind, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(kind, e.kind, tostring(e))
  return e
end

describe("a list by id", function()
  for _, n in ipairs { 0, 1, 49, 50, 51, 99, 100, 101, 2499, 2500, 2549, 2550, 2551, 7001 } do
    it("has all of " .. n .. " records, once, in order", function()
      for _, strategy in ipairs { "auto", "keyset" } do
        for ahead = 0, 2 do
          local log = bulk.portal(contacts, { ids = bulk.numbers(n) })
          complete(log, {}, { strategy = strategy, ahead = ahead }, bulk.numbers(n))
          assert.equal(0, log.flying)
        end
      end
    end)
  end

  it("costs one plain request when it is short", function()
    local cases = { { "auto", 0 }, { "auto", 30 }, { "auto", 50 }, { "keyset", 0 }, { "keyset", 49 } }
    for _, case in ipairs(cases) do
      local log = bulk.portal(contacts, { ids = bulk.numbers(case[2]) })
      walk(log, {}, { strategy = case[1] })
      assert.equal(1, #log.requests, case[1] .. case[2])
    end
  end)

  it("asks no more pages than the total says", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(180) })
    walk(log)
    assert.equal(2, #log.requests)
    assert.equal(3, log.requests[2].count)
  end)

  it("does not count when asked for by name", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(6000) })
    walk(log, {}, { strategy = "keyset" })
    for _, request in ipairs(log.requests) do
      for _, params in ipairs(request.list) do assert.equal(-1, params.start) end
    end
  end)

  it("does not count either where the caller has switched it off", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(200) })
    complete(log, { start = -1 }, nil, bulk.numbers(200))
    assert.equal(-1, log.requests[1].list[1].start)
  end)

  it("takes 41 requests for 100,000 records, and one more uncounted", function()
    for strategy, most in pairs { auto = 41, keyset = 42 } do
      local log = bulk.portal(contacts, { ids = bulk.numbers(100000) })
      complete(log, {}, { strategy = strategy }, log.ids)
      assert.is_true(#log.requests <= most, strategy .. #log.requests)
      assert.equal(2, log.most)
    end
  end)

  it("wastes little where ids have gaps or come in clusters", function()
    local clusters = {}
    for base = 0, 9 do
      for i = 1, 4000 do clusters[#clusters + 1] = base * 1000000 + i end
    end
    local lists = { bulk.gaps(40000, 0.9, 1), bulk.gaps(40000, 0.3, 2), bulk.gaps(40000, 0.01, 3), clusters }
    for _, ids in ipairs(lists) do
      local log = bulk.portal(contacts, { ids = ids })
      complete(log, {}, { ahead = 2 }, ids)
      assert.is_true(#log.requests <= 21, #log.requests)
    end
  end)

  it("keeps the filter, orders by id and does not touch the caller's tables", function()
    local given = { filter = { NAME = "x", ["<ID"] = 900 }, select = { "NAME" }, order = {} }
    local log = bulk.portal(contacts, { ids = bulk.numbers(80) })
    walk(log, given)
    assert.same({ filter = { NAME = "x", ["<ID"] = 900 }, select = { "NAME" }, order = {} }, given)
    assert.same({ filter = { NAME = "x", ["<ID"] = 900 }, select = { "NAME", "ID" }, order = { ID = "ASC" } },
      log.requests[1].list[1])
    assert.same({ filter = { NAME = "x", ["<ID"] = 900, [">ID"] = 50 }, select = { "NAME", "ID" },
      order = { ID = "ASC" }, start = -1 }, log.requests[2].list[1])
  end)

  it("respects the caller's own bounds of the id", function()
    for _, case in ipairs {
      { { [">ID"] = 1000 }, 1001, 9000 }, { { [">=ID"] = 1000 }, 1000, 9000 },
      { { ["<=ID"] = 7777 }, 1, 7777 }, { { [">ID"] = 10, ["<=ID"] = 5010 }, 11, 5010 },
    } do
      local log = bulk.portal(contacts, { ids = bulk.numbers(9000) })
      complete(log, { filter = case[1] }, nil, bulk.numbers(case[3] - case[2] + 1, case[2]))
    end
  end)

  it("never widens the caller's own bound to fill a window", function()
    local ids = {}
    for i = 1, 5000 do ids[i] = i * 10 end
    for i = 5001, 15000 do ids[i] = 45000 + i end
    local log = bulk.portal(contacts, { ids = ids })
    complete(log, { filter = { ["<=ID"] = 58000 } }, { ahead = 2 }, table.move(ids, 1, 13000, 1, {}))
  end)

  it("replaces a bound of the caller in whichever case it is spelled", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(120) })
    walk(log, { filter = { [">id"] = 0, NAME = "x" } })
    assert.same({ [">id"] = 0, NAME = "x" }, log.requests[1].list[1].filter)
    assert.same({ [">ID"] = 50, NAME = "x" }, log.requests[2].list[1].filter)
  end)

  it("goes by the names of the method", function()
    local tasks = catalogue.find("tasks.task.list")
    local log = bulk.portal(tasks, { ids = bulk.numbers(120), items = "tasks", strings = true })
    log.caller.method = "tasks.task.list"
    local records = walk(log)
    assert.equal(120, #records)
    local second = log.requests[2].list[2].filter[">ID"]
    assert.equal("$result[c00][tasks][49][ID]", tostring(second))
  end)

  it("takes ids as text", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(3000), strings = true })
    complete(log, {}, nil, bulk.numbers(3000))
  end)

  it("stops at the limit without asking for more", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(9000) })
    complete(log, {}, { limit = 170 }, bulk.numbers(170))
    assert.equal(2, #log.requests)
    assert.equal(3, log.requests[2].count)
    log = bulk.portal(contacts, { ids = bulk.numbers(90000) })
    complete(log, {}, { limit = 6000, strategy = "keyset" }, bulk.numbers(6000))
    assert.is_true(#log.requests <= 4)
  end)

  it("sends the next request before it hands records out, and one only", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(30000) })
    local nothing = bulk.portal(contacts, { ids = bulk.numbers(30000) })
    for _, one in ipairs { log, nothing } do
      for record in list.each(one.caller, {}, { ahead = one == log and 1 or 0 }) do
        if record.ID == 60 then break end
      end
    end
    assert.equal(3, #log.requests) -- the page, its chain, and one ahead
    assert.equal(2, #nothing.requests)
    assert.equal(0, log.flying)
    assert.is_true(log.polls > 0)
  end)

  it("has at most `ahead` requests on their way that the loop does not wait for", function()
    for _, strategy in ipairs { "auto", "keyset" } do
      for ahead = 0, 3 do
        local log = bulk.portal(contacts, { ids = bulk.numbers(30000) })
        local at = {}
        for record in list.each(log.caller, {}, { ahead = ahead, strategy = strategy }) do
          at[record.ID] = log.flying
          if record.ID == 12000 then break end
        end
        assert.equal(math.min(ahead, strategy == "auto" and 3 or 1), at[1])
        assert.equal(ahead, at[10000])
        for _, flying in ipairs(at) do assert.is_true(flying <= ahead) end
        assert.equal(0, log.flying)
      end
    end
  end)

  it("tells progress with the total it knows", function()
    local log, seen = bulk.portal(contacts, { ids = bulk.numbers(120) }), {}
    walk(log, {}, { progress = function(done, total) seen[#seen + 1] = { done, total } end })
    assert.same({ { 50, 120 }, { 100, 120 }, { 120, 120 } }, seen)
  end)

  it("delivers who was there from start to end, once, while others come and go", function()
    local there, ids = {}, {}
    for i = 1, 12000 do ids[i] = i * 2 end
    local log
    log = bulk.portal(contacts, { ids = ids, on_request = function(_, n)
      local left = {}
      for _, id in ipairs(log.ids) do
        if id % 10 ~= 0 or (id // 10) % 7 ~= n % 7 then left[#left + 1] = id end
      end
      for i = 1, 60 do left[#left + 1] = n * 300 + i * 2 + 1 end
      table.sort(left)
      local once = {}
      for i, id in ipairs(left) do
        if id ~= left[i - 1] then once[#once + 1] = id end
      end
      log.ids = once
    end })
    for i = 1, 12000 do
      if i * 2 % 10 ~= 0 then there[#there + 1] = i * 2 end
    end
    local records, e = walk(log)
    assert.is_nil(e)
    local seen, last = {}, 0
    for _, id in ipairs(bulk.ids(records)) do
      assert.is_true(id > last)
      last, seen[id] = id, true
    end
    for _, id in ipairs(there) do assert.is_true(seen[id], id) end
  end)
end)

describe("a list by id and a total that lies", function()
  for _, lie in ipairs { 1, 60, 130, 100000 } do
    it("is complete with a total of " .. lie, function()
      local log = bulk.portal(contacts, { ids = bulk.numbers(3100), total = lie })
      complete(log, {}, nil, bulk.numbers(3100))
      assert.is_true(#log.requests <= 8, #log.requests)
    end)
  end

  it("asks on after a short page in the middle, and ends at an empty one", function()
    -- pages of 30 out of 50 places: the portal keeps some to itself
    local log = bulk.portal(contacts, { ids = bulk.numbers(100), page = function(rows)
      return table.move(rows, 1, math.min(30, #rows), 1, {})
    end })
    complete(log, {}, nil, bulk.numbers(100))
  end)
end)

describe("a list by id and a portal that cuts a page short", function()
  it("is an error when the records behind the page were never read", function()
    local struck = 0
    local log = bulk.portal(contacts, { ids = bulk.numbers(9000), page = function(rows, params)
      local bounded = params.filter and params.filter["<=ID"]
      if bounded and #rows == 50 and rows[1].ID > 4000 and struck == 0 then
        struck = struck + 1
        return table.move(rows, 1, 30, 1, {})
      end
      return rows
    end })
    local records, e = walk(log, {}, { ahead = 1 })
    assert.equal(1, struck)
    assert.is_true(errors.is_error(e) and e.kind == "protocol", tostring(e))
    assert.is_true(#records < 9000)
  end)

  it("is complete when records were merely removed meanwhile", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(9000), on_request = function(log, n)
      if n == 2 then log.ids = bulk.numbers(5999) end
    end })
    local records, e = walk(log, {}, { ahead = 1 })
    assert.is_nil(e)
    assert.is_true(#records >= 5999)
  end)
end)

describe("a list by id and failing commands", function()
  local function failing(outcome, request, command, size)
    local log = bulk.portal(contacts, { ids = bulk.numbers(size or 3000), fail = function(n, k)
      if n == request and k == command then return outcome end
    end })
    return log
  end

  it("asks the refused page again alone, then goes on in chains", function()
    local log = failing({ code = "OPERATION_TIME_LIMIT", kind = "limit", retryable = true }, 2, 20)
    complete(log, {}, { ahead = 0 }, bulk.numbers(3000))
    assert.equal(1, log.requests[3].count)
    assert.same(1000, log.requests[3].list[1].filter[">ID"])
    assert.is_true(log.requests[4].count > 1)
    assert.is_true(#log.requests <= 5)
  end)

  it("does so in a window with others side by side", function()
    for k = 1, 50, 7 do
      local log = failing({ code = "QUERY_LIMIT_EXCEEDED", kind = "limit", retryable = true }, 3, k, 20000)
      complete(log, {}, { ahead = 2 }, bulk.numbers(20000))
    end
  end)

  it("raises another error after the records before it", function()
    local log = failing({ code = "ACCESS_DENIED" }, 2, 5)
    local records, e = walk(log)
    assert.equal(250, #records)
    assert.equal("ACCESS_DENIED", e.code)
    assert.equal(0, log.flying)
  end)

  it("raises the error of the page asked alone when it is due", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(3000), fail = function(n, k)
      if n == 2 and k == 3 then return { code = "OPERATION_TIME_LIMIT", kind = "limit", retryable = true } end
      if n == 3 then return { code = "OPERATION_TIME_LIMIT" } end
    end })
    local records, e = walk(log, {}, { ahead = 0 })
    assert.equal(150, #records)
    assert.equal("alone", e.message)
  end)

  it("goes on page by page where the method refuses to be in a batch", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(400), fail = function(_, k)
      return k > 0 and { code = "ERROR_BATCH_METHOD_NOT_ALLOWED" } or nil
    end })
    complete(log, {}, nil, bulk.numbers(400))
    for i = 3, #log.requests do assert.equal(1, log.requests[i].count) end
  end)

  it("raises what could not be sent after the records before it", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(3000) })
    local closed = log.caller.fault { kind = "config", message = "the portal is closed" }
    log.caller.send_batch = function() error(closed, 0) end
    local records, e = walk(log)
    assert.equal(50, #records)
    assert.equal(closed, e)
  end)

  it("does not take a skipped command for the end", function()
    local log = failing({ skipped = true, message = "no result" }, 2, 4)
    local records, e = walk(log)
    assert.equal(200, #records)
    assert.equal("no result", e.message)
  end)
end)

describe("a list by id guards against", function()
  it("a portal that ignores the filter", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(500), page = function()
      local rows = {}
      for i = 1, 50 do rows[i] = { ID = i } end
      return rows
    end })
    local records, e = walk(log)
    assert.equal(50, #records)
    assert.equal("protocol", e.kind)
    assert.matches("id 1 came after id 50", e.message)
  end)

  it("a page that is not in order", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(500), page = function(rows)
      if rows[1] and rows[1].ID == 101 then rows[3], rows[4] = rows[4], rows[3] end
      return rows
    end })
    local records, e = walk(log)
    assert.equal(100, #records)
    assert.equal("protocol", e.kind)
  end)

  it("a bound that is ignored", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(9000), page = function(rows)
      for _, record in ipairs(rows) do
        if record.ID > 2500 then record.ID = record.ID + 100 end
      end
      return rows
    end })
    local records, e = walk(log)
    assert.equal(2500, #records)
    assert.matches("came from a filter up to", e.message)
  end)

  it("records without an id", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(500), page = function(rows)
      rows[7] = { NAME = "x" }
      return rows
    end })
    local records, e = walk(log)
    assert.equal(0, #records)
    assert.matches("no id", e.message)
  end)

  it("references that are not resolved: such a portal is asked page by page", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(300), items = "items" })
    local batch = log.caller.send_batch
    log.caller.send_batch = function(many, halt)
      for _, params in ipairs(many) do
        local after = params.filter[">ID"]
        if type(after) == "table" then params.filter[">ID"] = { steps = { "c00", "nowhere" } } end
      end
      return batch(many, halt)
    end
    complete(log, {}, nil, bulk.numbers(300))
    for i = 3, #log.requests do assert.equal(1, log.requests[i].count) end
  end)
end)

describe("choosing to go by id", function()
  local function ordered(params, row)
    local log = bulk.portal(row or contacts, { ids = bulk.numbers(3) })
    walk(log, params)
    local order = log.requests[1].list[1].order
    return type(order) == "table" and order.ID == "ASC"
  end

  it("is automatic where the caller has no order, or this one", function()
    for _, params in ipairs { {}, { order = {} }, { order = { ID = "ASC" } }, { ORDER = { id = "asc" } },
      { start = 0 }, { filter = { [">ID"] = 1 } } } do
      local log = bulk.portal(contacts, { ids = bulk.numbers(70) })
      walk(log, params)
      assert.equal(-1, log.requests[2].list[1].start)
    end
  end)

  it("never overrides the caller's order, position or logic", function()
    for _, params in ipairs { { order = { NAME = "ASC" } }, { order = { ID = "DESC" } },
      { order = { ID = "ASC", NAME = "ASC" } }, { start = 50 }, { filter = { LOGIC = "OR", NAME = "x" } },
      { filter = { { NAME = "x" } } }, { order = "ID" }, { uncommandable = true } } do
      local log = bulk.portal(contacts, { ids = bulk.numbers(70) })
      walk(log, params)
      local first = log.requests[1].list[1]
      assert.same(params.order, first.order)
      assert.not_equal(-1, (log.requests[2] or log.requests[1]).list[1].start)
    end
    assert.is_false(ordered({}, catalogue.find("user.get")))
  end)

  it("is a config error where it cannot be, saying why", function()
    for _, case in ipairs { { { order = { NAME = "ASC" } }, "order" }, { { start = 50 }, "start" },
      { { filter = { logic = "OR" } }, "logic" } } do
      local log = bulk.portal(contacts, { ids = {} })
      local e = failure("config", list.each, log.caller, case[1], { strategy = "keyset" })
      assert.matches(case[2], e.message)
      assert.equal(0, #log.requests)
    end
    local log = bulk.portal(catalogue.find("user.get"), { ids = {} })
    failure("config", list.each, log.caller, {}, { strategy = "keyset" })
    failure("config", list.each, log.caller, {}, { strategy = "keysat" })
  end)

  it("works page by page where calls cannot share a request", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(170), may_batch = false })
    complete(log, {}, { strategy = "keyset" }, bulk.numbers(170))
    for _, request in ipairs(log.requests) do assert.equal(1, request.count) end
    assert.equal(4, #log.requests)
  end)

  it("respects the work that pages are for the portal", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(9000) })
    local wait = log.caller.wait_batch
    log.caller.wait_batch = function(pending)
      local out = wait(pending)
      for _, outcome in ipairs(out) do outcome.time = { duration = 1 } end
      return out
    end
    complete(log, {}, { ahead = 0 }, bulk.numbers(9000))
    assert.equal(50, log.requests[2].count)
    for i = 3, #log.requests do assert.is_true(log.requests[i].count <= 20) end
  end)
end)

describe("a list by id over HTTP", function()
  local sb, portal

  setup(function()
    sb = sandbox.start { contacts = 20000, limits = false }
    portal = sb:connect { limits = false }
  end)
  teardown(function()
    assert.same({}, sb:errors())
    portal:close()
    sb:stop()
  end)
  before_each(function() sb:reset() end)

  local function each(f, params, opts)
    local count, last = 0, 0
    for contact in portal.crm.contact.list:each(params or { select = { "NAME" } }, opts) do
      local id = math.tointeger(tonumber(contact.ID))
      assert(id > last)
      count, last = count + 1, id
      if f then f(id, count) end
    end
    return count, last
  end

  it("is complete and in order", function()
    for strategy, most in pairs { auto = 9, keyset = 10 } do
      sb:reset()
      local count, last = each(nil, nil, { strategy = strategy })
      assert.same({ 20000, 20000 }, { count, last })
      assert.is_true(#sb:requests() <= most, #sb:requests())
    end
  end)

  it("finds nested records, and text as it was given", function()
    local count = 0
    for item in portal.crm.item.list:each({ entityTypeId = 3, select = { "id" } }, { limit = 7000 }) do
      count = count + 1
      assert(item.id == count)
    end
    assert.equal(7000, count)
    assert.same({}, portal.crm.contact.list:all { filter = { NAME = "$result[c00]" } })
  end)

  it("delivers once while records come and go", function()
    local removed = {}
    local seen = {}
    each(function(id, count)
      seen[id] = true
      if count % 2000 == 0 then
        -- behind the loop, before it, and a new one at the end
        for _, other in ipairs { id - 5, id + 3000 } do
          sb:set("contacts", other, nil)
          removed[other] = true
        end
        sb:set("contacts", 30000 + count, { NAME = "new" })
      end
    end)
    for id = 1, 20000 do assert(seen[id] or removed[id], id) end
  end)

  it("is complete although commands fail and limits trip", function()
    sb:fault { method = "crm.contact.list", nth = 70, action = "QUERY_LIMIT_EXCEEDED" }
    sb:fault { method = "crm.contact.list", nth = 180, action = "INTERNAL_SERVER_ERROR" }
    local count = each(nil, { filter = { ["<=ID"] = 12000 }, select = { "ID" } })
    assert.equal(12000, count)
  end)

  it("raises what cannot be mended, after the records before it", function()
    sb:fault { method = "crm.contact.list", nth = 12, action = "ACCESS_DENIED" }
    local count = 0
    local e = failure("api", function()
      each(function() count = count + 1 end, nil, { ahead = 0 })
    end)
    assert.equal("ACCESS_DENIED", e.code)
    assert.equal(550, count)
  end)
end)
