-- Exports that go on after a crash.

local bulk = require "support.bulk"
local catalogue = require "bitrix24.catalogue"
local errors = require "bitrix24.errors"
local list = require "bitrix24.list"
local sandbox = require "bitrix24.sandbox"

local contacts = catalogue.find("crm.contact.list")

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  file:write(text)
end

local function failure(kind, f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(errors.is_error(e), tostring(e))
  assert.equal(kind, e.kind, tostring(e))
  return e
end

describe("a checkpoint", function()
  local path

  before_each(function() path = os.tmpname() os.remove(path) end)
  after_each(function() os.remove(path) os.remove(path .. ".new") end)

  -- Walk until `stop` records came, then crash (an error in the loop's body).
  local function run(log, stop, opts, params)
    opts = opts or {}
    opts.checkpoint = path
    local out = {}
    pcall(function()
      for record in list.each(log.caller, params or {}, opts) do
        out[#out + 1] = record.ID
        if #out == stop then error("crash") end
      end
    end)
    return out
  end

  it("brings every record, and at most one page twice a crash", function()
    for _, strategy in ipairs { "auto", "keyset" } do
      local seen, twice, from = {}, 0, 0
      for _, stop in ipairs { 1, 49, 50, 51, 100, 1234, 2551, 100000 } do
        local log = bulk.portal(contacts, { ids = bulk.numbers(8000) })
        local out, again = run(log, stop, { strategy = strategy }), 0
        for i, id in ipairs(out) do
          assert.equal(out[1] + i - 1, id)
          if seen[id] then again = again + 1 end
          seen[id] = true
        end
        assert.is_true(again <= 50, again)
        assert.is_true(out[1] <= from + 1)
        twice, from = twice + again, out[#out]
      end
      assert.equal(8000, #seen)
      assert.is_true(twice > 0)
      assert.is_false(exists(path)) -- finished: the next run starts anew
      assert.equal(1, run(bulk.portal(contacts, { ids = bulk.numbers(8000) }), 1)[1])
      os.remove(path)
    end
  end)

  it("is written when the page has been finished, not before", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(300) })
    local states = {}
    for record in list.each(log.caller, {}, { checkpoint = path }) do
      if record.ID % 50 < 2 then
        states[record.ID] = exists(path) and tonumber(read(path):match('"last":(%d+)')) or 0
      end
    end
    assert.same({ [1] = 0, [50] = 0, [51] = 50, [100] = 50, [101] = 100, [150] = 100, [151] = 150,
      [200] = 150, [201] = 200, [250] = 200, [251] = 250, [300] = 250 }, states)
    assert.is_false(exists(path))
    assert.is_false(exists(path .. ".new"))
  end)

  it("goes on behind the last id, also with the caller's own bound", function()
    local filter = { filter = { [">=ID"] = 100, ["<=ID"] = 900 } }
    local first = run(bulk.portal(contacts, { ids = bulk.numbers(5000) }), 130, nil, filter)
    assert.equal(100, first[1])
    local log = bulk.portal(contacts, { ids = bulk.numbers(5000) })
    local rest = run(log, nil, nil, filter)
    assert.same(bulk.numbers(701, 200), rest)
    assert.same({ [">=ID"] = 100, ["<=ID"] = 900, [">ID"] = 199 }, log.requests[1].list[1].filter)
  end)

  it("keeps its place where a limit ended the run", function()
    local portal = function() return bulk.portal(contacts, { ids = bulk.numbers(250) }) end
    assert.same(bulk.numbers(120), run(portal(), nil, { limit = 120 }))
    assert.same(bulk.numbers(120, 121), run(portal(), nil, { limit = 120 }))
    assert.same(bulk.numbers(10, 241), run(portal(), nil, { limit = 120 }))
    assert.is_false(exists(path))
  end)

  it("counts pages too", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(300) })
    for page in list.pages(log.caller, {}, { checkpoint = path }) do
      if page[1].ID == 101 then break end
    end
    assert.matches('"last":100', read(path))
  end)

  it("of another method or other parameters is refused", function()
    run(bulk.portal(contacts, { ids = bulk.numbers(300) }), 70, nil, { filter = { NAME = "a" } })
    local log = bulk.portal(contacts, { ids = bulk.numbers(300) })
    local e = failure("config", list.each, log.caller, { filter = { NAME = "b" } }, { checkpoint = path })
    assert.matches("other parameters", e.message)
    log.caller.method, log.caller.row = "crm.deal.list", catalogue.find("crm.deal.list")
    e = failure("config", list.each, log.caller, { filter = { NAME = "a" } }, { checkpoint = path })
    assert.matches("crm.contact.list", e.message)
    assert.equal(0, #log.requests)
    assert.matches('"last":50', read(path))
  end)

  it("that is damaged is refused and left as it is", function()
    local log = bulk.portal(contacts, { ids = {} })
    for _, text in ipairs { "", "{", "[]", "null", '{"format":1}', '{"format":1,"method":"crm.contact.list"}',
      '{"format":2,"method":"crm.contact.list","params":"x","last":1}',
      '{"format":1,"method":"crm.contact.list","params":"x","last":"1"}' } do
      write(path, text)
      local e = failure("config", list.each, log.caller, {}, { checkpoint = path })
      assert.matches("damaged", e.message)
      assert.matches("delete it", e.hint)
      assert.equal(text, read(path))
    end
  end)

  it("that cannot be read is not called damaged", function()
    local e = failure("config", list.each, bulk.portal(contacts, { ids = {} }).caller, {},
      { checkpoint = "tests" })
    assert.equal("opts.checkpoint: cannot read tests: Is a directory", e.message)
    assert.is_nil(e.hint)
  end)

  it("goes with lists by id, and with loops, alone", function()
    local log = bulk.portal(contacts, { ids = {} })
    for _, strategy in ipairs { "batch", "sequential" } do
      local e = failure("config", list.each, log.caller, {}, { checkpoint = path, strategy = strategy })
      assert.matches("keyset", e.message)
    end
    failure("config", list.each, log.caller, { order = { NAME = "ASC" } }, { checkpoint = path })
    failure("config", list.all, log.caller, {}, { checkpoint = path })
    failure("config", list.each, log.caller, {}, { checkpoint = "" })
    failure("config", list.each, log.caller, {}, { checkpoint = 7 })
    log.caller.row = catalogue.find("user.get")
    failure("config", list.each, log.caller, {}, { checkpoint = path })
    assert.equal(0, #log.requests)
  end)

  it("that cannot be written stops the loop", function()
    local log = bulk.portal(contacts, { ids = bulk.numbers(300) })
    local seen = 0
    local e = failure("config", function()
      for _ in list.each(log.caller, {}, { checkpoint = path .. "/no/where" }) do seen = seen + 1 end
    end)
    assert.matches("cannot write", e.message)
    assert.equal(50, seen)
    assert.equal(0, log.flying)
  end)

  it("holds no parameters", function()
    run(bulk.portal(contacts, { ids = bulk.numbers(300) }), 70, nil, { filter = { NAME = "secret" } })
    assert.is_nil(read(path):find("secret"))
  end)

  it("serves an export over HTTP that fails half-way", function()
    local sb <close> = sandbox.start { contacts = 1500, limits = false }
    local portal <close> = sb:connect { limits = false }
    local seen, runs = {}, 0
    sb:fault { method = "crm.contact.list", nth = 12, action = "ACCESS_DENIED" }
    repeat
      runs = runs + 1
      local ok, e = pcall(function()
        for contact in portal.crm.contact.list:each({ select = { "ID" } }, { checkpoint = path }) do
          seen[#seen + 1] = tonumber(contact.ID)
        end
      end)
      assert(ok or e.code == "ACCESS_DENIED", tostring(e))
    until ok
    assert.equal(2, runs)
    local once = {}
    for _, id in ipairs(seen) do once[id] = true end
    assert.equal(1500, #once)
    assert.is_true(#seen <= 1550)
  end)

  it("is the same portal's when that moves meanwhile", function()
    local sb <close> = sandbox.start { contacts = 120, limits = false }
    local portal <close> = sb:connect { limits = false }
    local function walk(last)
      local count = 0
      for contact in portal.crm.contact.list:each({}, { checkpoint = path }) do
        count = count + 1
        if contact.ID == last then break end
      end
      return count
    end
    assert.equal(70, walk "70")
    sb:move()
    portal.crm.contact.get { ID = 1 }
    assert.equal(70, walk()) -- from the second page on
  end)
end)
