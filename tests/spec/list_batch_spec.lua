-- Further pages of a list in batches: scripted portals and the sandbox.

local bulk = require "support.bulk"
local catalogue = require "bitrix24.catalogue"
local list = require "bitrix24.list"
local sandbox = require "bitrix24.sandbox"

local users = catalogue.find("user.get")
local chats = catalogue.find("im.search.chat.list")

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
  assert.equal(0, log.flying)
end

local function counts(log)
  local out = {}
  for i, request in ipairs(log.requests) do out[i] = request.count end
  return out
end

describe("a list in batches", function()
  for _, n in ipairs { 0, 1, 50, 51, 100, 101, 149, 2550, 2551, 6000 } do
    it("has all of " .. n .. " records, once, in order", function()
      for _, strategy in ipairs { "auto", "batch" } do
        for ahead = 0, 2 do
          local log = bulk.portal(users, { ids = bulk.numbers(n) })
          complete(log, {}, { strategy = strategy, ahead = ahead }, bulk.numbers(n))
        end
      end
    end)
  end

  it("costs one request for each 2,500 records after the first page", function()
    local log = bulk.portal(users, { ids = bulk.numbers(5030) })
    complete(log, {}, nil, bulk.numbers(5030))
    assert.same({ 1, 50, 50 }, counts(log))
  end)

  it("asks a single further page plainly", function()
    local log = bulk.portal(users, { ids = bulk.numbers(90) })
    complete(log, {}, nil, bulk.numbers(90))
    assert.same({ 1, 1 }, counts(log))
  end)

  it("keeps the caller's order and parameters, and starts where the caller says", function()
    local log = bulk.portal(users, { ids = bulk.numbers(400) })
    complete(log, { start = 100, sort = "NAME", order = "DESC" }, nil, bulk.numbers(300, 101))
    assert.same({ start = 100, sort = "NAME", order = "DESC" }, log.requests[1].list[1])
    assert.same({ start = 200, sort = "NAME", order = "DESC" }, log.requests[2].list[2])
    assert.is_falsy(log.requests[2].halt)
  end)

  it("goes by OFFSET where that is the position", function()
    local log = bulk.portal(chats, { ids = bulk.numbers(330), key = "id" })
    local answer = log.caller
    -- LIMIT and OFFSET in place of start
    local function translated(params) return { start = params.OFFSET or 0, LIMIT = params.LIMIT } end
    local send, send_batch = answer.send, answer.send_batch
    local asked = {}
    answer.send = function(params) return send(translated(params)) end
    answer.send_batch = function(many, halt)
      local out = {}
      for i, params in ipairs(many) do out[i], asked[i] = translated(params), params end
      return send_batch(out, halt)
    end
    local records = walk(log, { FIND = "chat" })
    assert.same(bulk.numbers(330), bulk.ids(records, "id"))
    assert.same({ 1, 6 }, counts(log))
    assert.same({ FIND = "chat", LIMIT = 50, OFFSET = 150 }, asked[3])
  end)

  it("stops at the limit without asking for more", function()
    local log = bulk.portal(users, { ids = bulk.numbers(9000) })
    complete(log, {}, { limit = 170 }, bulk.numbers(170))
    assert.same({ 1, 3 }, counts(log))
  end)

  it("has at most `ahead` requests on their way that the loop does not wait for", function()
    for ahead = 0, 2 do
      local log = bulk.portal(users, { ids = bulk.numbers(30000) })
      local handing_out = 0
      for record in list.each(log.caller, {}, { ahead = ahead }) do
        handing_out = math.max(handing_out, log.flying)
        if record.ID == 12000 then break end
      end
      assert.equal(ahead, handing_out)
      assert.equal(0, log.flying)
    end
  end)

  it("is complete where the total is too small, too large or gone", function()
    for _, lie in ipairs { 60, 120, 700, 10000, false } do
      local log = bulk.portal(users, { ids = bulk.numbers(620), total = lie })
      complete(log, {}, { strategy = "batch" }, bulk.numbers(620))
    end
  end)

  it("is complete where a page in the middle is short", function()
    local log = bulk.portal(users, { ids = bulk.numbers(620), page = function(rows, params)
      if params.start == 150 then rows[50] = nil end
      return rows
    end })
    -- `next` says where to go on: what was left out is the portal's own
    local records = walk(log)
    assert.equal(619, #records)
    -- without it, the position is what came
    log = bulk.portal(users, { ids = bulk.numbers(620), page = function(rows, params)
      if params.start == 150 then rows[50] = nil end
      return rows
    end })
    local wait, wait_batch = log.caller.wait, log.caller.wait_batch
    log.caller.wait = function(pending)
      local result, response = wait(pending)
      response.next = nil
      return result, response
    end
    log.caller.wait_batch = function(pending)
      local out = wait_batch(pending)
      for _, outcome in ipairs(out) do outcome.next = nil end
      return out
    end
    complete(log, {}, nil, bulk.numbers(620))
    -- a portal that surprised once is asked page by page
    for i = 3, #log.requests do assert.equal(1, log.requests[i].count) end
  end)

  it("asks a refused page again alone, and keeps the others", function()
    local log = bulk.portal(users, { ids = bulk.numbers(620), fail = function(n, k)
      return n == 2 and k == 4 and { code = "OPERATION_TIME_LIMIT", kind = "limit", retryable = true } or nil
    end })
    complete(log, {}, nil, bulk.numbers(620))
    assert.same({ 1, 12, 1 }, counts(log))
    assert.equal(200, log.requests[3].list[1].start)
  end)

  it("raises another error after the records before it", function()
    local log = bulk.portal(users, { ids = bulk.numbers(620), fail = function(n, k)
      return n == 2 and k == 4 and { code = "ACCESS_DENIED" } or nil
    end })
    local records, e = walk(log)
    assert.equal(200, #records)
    assert.equal("ACCESS_DENIED", e.code)
    assert.equal(0, log.flying)
  end)

  it("raises what takes a whole request, after the records before it", function()
    local log = bulk.portal(users, { ids = bulk.numbers(6200) })
    local wait_batch, lost = log.caller.wait_batch, nil
    log.caller.wait_batch = function(pending)
      local out = wait_batch(pending)
      if pending.n == 3 then error(lost, 0) end
      return out
    end
    lost = log.caller.fault { kind = "network", message = "cut" }
    local records, e = walk(log)
    assert.equal(2550, #records)
    assert.equal(lost, e)
  end)

  it("goes on page by page where the method refuses to be in a batch", function()
    local log = bulk.portal(users, { ids = bulk.numbers(290), fail = function(_, k)
      return k > 0 and { code = "ERROR_BATCH_METHOD_NOT_ALLOWED" } or nil
    end })
    complete(log, {}, nil, bulk.numbers(290))
    assert.same({ 1, 5, 1, 1, 1, 1, 1 }, counts(log))
  end)

  it("is left alone where it would change the meaning or gain nothing", function()
    local cases = {
      { users, { uncommandable = true } }, { users, {}, false },
      { catalogue.find("im.recent.list"), {} }, { catalogue.find("tasks.task.list", 3), {} },
    }
    for _, case in ipairs(cases) do
      for _, strategy in ipairs { "auto", "batch" } do
        local log = bulk.portal(case[1], { ids = bulk.numbers(130), may_batch = case[3] })
        pcall(walk, log, case[2], { strategy = strategy, limit = 130 })
        for _, request in ipairs(log.requests) do assert.equal(1, request.count) end
      end
    end
  end)
end)

describe("a list in batches over HTTP", function()
  it("is complete, in the caller's order", function()
    local sb <close> = sandbox.start { contacts = 3000, limits = false }
    local portal <close> = sb:connect { limits = false }
    local last, count = math.huge, 0
    for contact in portal.crm.contact.list:each { order = { ID = "DESC" }, select = { "ID" } } do
      local id = math.tointeger(tonumber(contact.ID))
      assert(id < last)
      last, count = id, count + 1
    end
    assert.equal(3000, count)
    assert.equal(3, #sb:requests())
    sb:fault { method = "crm.contact.list", nth = 9, action = "QUERY_LIMIT_EXCEEDED" }
    assert.equal(700, #portal.crm.contact.list:all({ order = { NAME = "ASC" } }, { limit = 700 }))
    assert.same({}, sb:errors())
  end)
end)
