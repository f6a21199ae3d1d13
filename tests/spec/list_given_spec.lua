-- Lists and what they are given: parameters that change or say nothing, a
-- selection that cannot hold the id, answers that count more than they give.

local bulk = require "support.bulk"
local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local json = require "bitrix24.json"
local list = require "bitrix24.list"

local contacts = catalogue.find("crm.contact.list")
local users = catalogue.find("user.get")

-- How wire.command judges parameters.
local function no_empty_tables(log)
  log.caller.command = function(params)
    for _, value in pairs(params) do
      if type(value) == "table" and next(value) == nil then return nil end
    end
    return "x.list?y"
  end
  return log
end

local function ids_of(log, params, opts)
  return bulk.ids(list.all(log.caller, params, opts))
end

-- A caller without a batch: answer(params) → result, response.
local function single(row, answer)
  local log = { sent = {} }
  log.caller = {
    method = "x.list", row = row,
    send = function(params)
      log.sent[#log.sent + 1] = params
      return params
    end,
    wait = answer, cancel = function() end,
  }
  return log
end

local function protocol_error(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal("protocol", e.kind)
  return e
end

describe("the parameters of a list", function()
  for _, strategy in ipairs { "sequential", "batch", "keyset" } do
    it("are those of the call, whatever becomes of the tables: " .. strategy, function()
      local log = bulk.portal(contacts, { ids = bulk.numbers(400) })
      local given = { filter = { [">ID"] = 100 }, select = { "ID" } }
      local seen = {}
      for record in list.each(log.caller, given, { strategy = strategy }) do
        seen[#seen + 1] = record.ID
        given.filter[">ID"], given.select[2], given.start = 390, "NAME", 350
      end
      assert.same(bulk.numbers(300, 101), seen)
    end)
  end

  it("keep their marks, and files as they are", function()
    local log = bulk.portal(users, { ids = bulk.numbers(60) })
    local file = json.file { name = "a", content = "b" }
    local given = { one = json.array { 1 }, two = json.ordered { { "B", 1 }, { "A", 2 } }, three = file }
    list.all(log.caller, given)
    for _, request in ipairs(log.requests) do
      local sent = request.list[1]
      assert.equal("array", json.kind(sent.one))
      assert.equal('{"B":1,"A":2}', json.encode(sent.two))
      assert.equal(file, sent.three)
    end
  end)

  it("may hold themselves: that is refused where they are sent", function()
    local given = {}
    given.filter = { a = given, b = given }
    local log = bulk.portal(users, { ids = bulk.numbers(3) })
    list.all(log.caller, given)
    assert.is_nil((json.encode(log.requests[1].list[1])))
  end)

  for _, empty in ipairs { "filter", "FILTER", "select", "order" } do
    it("cost no more with an empty " .. empty, function()
      local log = no_empty_tables(bulk.portal(users, { ids = bulk.numbers(3000) }))
      assert.same(bulk.numbers(3000), ids_of(log, { [empty] = {}, ACTIVE = true }))
      assert.equal(3, #log.requests)
      assert.same({ [empty] = {}, ACTIVE = true }, log.requests[1].list[1])
      assert.same({ start = 50, ACTIVE = true }, log.requests[2].list[1])
    end)
  end

  it("cost no more with an empty selection where the list is walked by id", function()
    local log = no_empty_tables(bulk.portal(contacts, { ids = bulk.numbers(3000) }))
    assert.same(bulk.numbers(3000), ids_of(log, { select = {}, filter = {}, order = {} }))
    assert.equal(3, #log.requests)
  end)

  it("with another empty table go page by page: it may mean something", function()
    local log = no_empty_tables(bulk.portal(users, { ids = bulk.numbers(120) }))
    assert.same(bulk.numbers(120), ids_of(log, { UF_DEPARTMENT = {} }))
    assert.same({ start = 100, UF_DEPARTMENT = {} }, log.requests[3].list[1])
  end)

  for name, select in pairs { text = "NAME", map = { a = "NAME" } } do
    it("with a selection that cannot take the id are not walked by id: " .. name, function()
      local log = bulk.portal(contacts, { ids = bulk.numbers(170), page = function(rows)
        for i in ipairs(rows) do rows[i] = { NAME = "n" .. rows[i].ID } end
        return rows
      end })
      assert.equal(170, #list.all(log.caller, { select = select }))
      local ok, e = pcall(list.all, log.caller, { select = select }, { strategy = "keyset" })
      assert.is_false(ok)
      assert.equal("config", e.kind)
      assert.matches("select", e.message)
    end)
  end
end)

describe("first and count", function()
  it("take no options, and say so", function()
    for _, name in ipairs { "first", "count" } do
      local ok, e = pcall(list[name], single(users, function() return {} end).caller, {}, { limit = 5 })
      assert.is_false(ok)
      assert.equal("config", e.kind)
      assert.matches(name .. " takes parameters alone", e.message)
    end
  end)
end)

describe("a portal that ignores the position", function()
  local function ignoring(row, total, count)
    return single(row, function()
      local rows = {}
      for i = 1, count or 50 do rows[i] = { ID = i } end
      return rows, { total = total }
    end)
  end

  it("and counts more than it gives is an error", function()
    for _, row in ipairs { users, catalogue.find("disk.folder.getChildren"), false } do
      for _, total in ipairs { 51, 99, 150, 5000 } do
        local seen = 0
        local e = protocol_error(function()
          for _ in list.each(ignoring(row or nil, total).caller) do seen = seen + 1 end
        end)
        assert.matches("repeats itself", e.message)
        assert.equal(50, seen)
      end
    end
  end)

  it("and counts many more than its short page is one, too", function()
    assert.matches("repeats itself", protocol_error(list.all, ignoring(users, 500, 3).caller).message)
    assert.equal(3, #list.all(ignoring(users, 4, 3).caller)) -- one that nobody may see
  end)

  it("is none that gives its last page, with hidden records, once more to who began there", function()
    local log = ignoring(users, 120, 18)
    assert.equal(18, #list.all(log.caller, { start = 100 }))
    assert.same({ { start = 100 }, { start = 118 } }, log.sent)
    local e = protocol_error(list.all, ignoring(users, 500, 18).caller, { start = 100 })
    assert.matches("repeats itself", e.message)
  end)

  it("and gave all it counts is a list of one page", function()
    for _, total in ipairs { 50, 3 } do
      assert.equal(50, #list.all(ignoring(users, total).caller))
    end
    assert.equal(50, #list.all(ignoring(users, nil).caller))
  end)
end)

describe("a next of 0", function()
  local function zero(count, size)
    return single(users, function(params)
      local rows, start = {}, params.start or 0
      for i = start + 1, math.min(start + size, count) do rows[#rows + 1] = { ID = i } end
      return rows, { total = count, next = start + size < count and start + size or 0 }
    end)
  end

  for _, count in ipairs { 0, 30, 50, 120, 150 } do
    it("behind the last of " .. count .. " records is the end", function()
      assert.same(bulk.numbers(count), ids_of(zero(count, 50)))
    end)
  end

  it("behind a full page while more are counted is a cursor that stands", function()
    local log = single(users, function()
      local rows = {}
      for i = 1, 50 do rows[i] = { ID = i } end
      return rows, { total = 150, next = 0 }
    end)
    assert.matches("stalled cursor", protocol_error(list.all, log.caller).message)
  end)
end)

describe("a list whose pages are all full", function()
  for _, count in ipairs { 100, 150, 2500, 5000 } do
    it("of " .. count .. " ends where `next`, given until then, is absent", function()
      local log = bulk.portal(users, { ids = bulk.numbers(count) })
      assert.same(log.ids, ids_of(log))
      assert.equal(1 + math.ceil((count - 50) / 2500), #log.requests)
    end)
  end
end)

describe("lists side by side", function()
  local here = require "support.portal" (_ENV, { contacts = 1200, users = 400, deals = 70 })

  it("that are long and few take batches of their own", function()
    local cards, people = here.portal:gather(
      function() return here.portal.crm.contact.list:all { select = { "ID" } } end,
      function() return here.portal.user.get:all() end)
    assert.is_true(#here:sent() <= 4, #here:sent())
    assert.same(bulk.numbers(1200), bulk.ids(cards))
    assert.same(here.portal.user.get:all(), people)
  end)

  it("that are long and uncounted take batches of their own, too", function()
    local function walk() return #here.portal.crm.contact.list:all({}, { strategy = "keyset" }) end
    assert.same({ 1200, 1200 }, { here.portal:gather(walk, walk) })
    assert.is_true(#here:sent() <= 8, #here:sent())
  end)

  it("within others share theirs with all of them", function()
    here.portal:map(bulk.numbers(20), function()
      local cards, deals = here.portal:gather(
        function() return here.portal.crm.contact.list:all { filter = { ["<=ID"] = 220 } } end,
        function() return here.portal.crm.deal.list:all() end)
      assert.same({ 220, 70 }, { #cards, #deals })
    end)
    assert.is_true(#here:sent() <= 6, #here:sent())
  end)

  it("that are short and many share theirs", function()
    local got = here.portal:map(bulk.numbers(40), function()
      return #here.portal.crm.deal.list:all()
    end)
    for i = 1, 40 do assert.equal(70, got[i]) end
    assert.is_true(#here:sent() <= 3, #here:sent())
  end)

  it("that may not share a request do not", function()
    here.portal:map({ 1, 2 }, function()
      assert.equal(1200, #here.portal.crm.contact.list:all { select = { "ID" } })
    end, { batch = false })
    assert.equal(0, #here:sent("batch"))
  end)

  it("end with the one that fails, wherever they are", function()
    here.sb:fault { method = "crm.deal.list", nth = 1, action = "ACCESS_DENIED" }
    here.raises("api", here.portal.gather, here.portal,
      function() return here.portal.crm.contact.list:all() end,
      function()
        here.portal.user.get:all()
        return here.portal.crm.deal.list:all()
      end)
  end)

  it("may be begun by one and finished by another", function()
    local walk = here.portal.crm.contact.list:each { select = { "ID" } }
    local count = 0
    here.portal:map(bulk.numbers(4), function()
      for _ = 1, 300 do
        if walk() then count = count + 1 end
      end
    end, { concurrency = 1 })
    assert.equal(1200, count)
    assert.is_nil(walk())
  end)
end)
