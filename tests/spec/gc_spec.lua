-- The collector at its worst: a full collection every few instructions, things
-- abandoned without a close, parents collected before their children.

local bitrix24 = require "bitrix24"
local leaks = require "support.leaks"

--- Run `f` with a full collection every 100 instructions.
local function stressed(f)
  debug.sethook(function() collectgarbage() end, "", 100)
  local ok, e = pcall(f)
  debug.sethook()
  if not ok then error(e, 0) end
end

local function collect()
  for _ = 1, 3 do collectgarbage() end
end

describe("under a collector that never rests", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 120, chats = 5 })

  it("calls work, by name and by table", function()
    stressed(function()
      for i = 1, 3 do
        assert(here.portal.crm.item.get { entityTypeId = 3, id = i }.item.id == i)
        assert(here.portal:call("crm.item.get", { entityTypeId = 3, id = i }).item.id == i)
      end
    end)
  end)

  it("lists are complete and in order", function()
    local seen = {}
    stressed(function()
      for contact in here.portal.crm.item.list:each { entityTypeId = 3, select = { "id" } } do
        seen[#seen + 1] = contact.id
      end
    end)
    assert.equal(120, #seen)
    for i = 1, 120 do assert.equal(i, seen[i]) end
  end)

  it("map and its batches work", function()
    local found
    stressed(function()
      found = here.portal:map({ 1, 2, 3 }, function(id)
        return here.portal.crm.item.get { entityTypeId = 3, id = id }.item.id
      end)
    end)
    assert.same({ 1, 2, 3, n = 3 }, found)
  end)

  it("errors are whole", function()
    stressed(function()
      local ok, e = pcall(here.portal.crm.item.get, { entityTypeId = 3, id = 999999 })
      assert(not ok and e.kind == "api" and e.method == "crm.item.get")
    end)
  end)

  it("a portal that nobody holds lives as long as its call", function()
    stressed(function()
      assert(bitrix24.connect(here.sb.webhook).profile().ID == "1")
      assert(bitrix24.connect(here.sb.webhook):call("profile").ID == "1")
      assert(bitrix24.connect(here.sb.webhook).v2.profile().ID == "1")
      assert(bitrix24.connect(here.sb.webhook).user.get:count() == 5)
    end)
    collect()
  end)

  it("a portal that nobody holds lives as long as the loop over it", function()
    local n = 0
    for _ in bitrix24.connect(here.sb.webhook):each("crm.item.list", { entityTypeId = 3 }) do
      n = n + 1
      if n % 25 == 0 then collect() end
    end
    assert.equal(120, n)
    local function fresh() return bitrix24.connect(here.sb.webhook) end
    local rows = fresh():pages("crm.item.list", { entityTypeId = 3 })
    collect()
    assert.equal(50, #rows())
    collect()
    assert.equal(50, #rows())
    collect()
    assert.equal(20, #rows())
    assert.is_nil(rows())
    rows = nil -- luacheck: ignore
    collect()
  end)
end)

describe("what is abandoned", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 120, chats = 5 })

  it("portals are collected and closed", function()
    local before = leaks.alive()
    local weak = setmetatable({}, { __mode = "v" })
    do
      local portal = bitrix24.connect(here.sb.webhook)
      assert.equal("1", portal.profile().ID)
      assert.is_table(portal.v3.tasks.task.get)
      weak.portal, weak.node, weak.v3 = portal, portal.crm.deal, portal.v3
    end
    collect()
    assert.same({}, weak)
    assert.equal(before, leaks.alive())
  end)

  it("an iterator takes what it fetched ahead with it", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local step, _, _, closing = here.portal.crm.item.list:each({ entityTypeId = 3 }, { ahead = 1 })
      assert.truthy(step())
      weak[closing] = true
    end
    collect()
    assert.is_nil(next(weak))
    assert.same({}, leaks.find { [here.portal] = true })
  end)

  it("a coroutine in the middle of a loop too", function()
    do
      local co = coroutine.wrap(function()
        for contact in here.portal.crm.item.list:each { entityTypeId = 3 } do coroutine.yield(contact) end
      end)
      assert.equal(1, co().id)
    end
    collect()
    assert.same({}, leaks.find { [here.portal] = true })
  end)

  it("parents may go before their children", function()
    local portal = bitrix24.connect(here.sb.webhook)
    local node, v3 = portal.crm.item, portal.v3
    portal = nil -- luacheck: ignore
    collect()
    assert.equal(7, node.get { entityTypeId = 3, id = 7 }.item.id)
    node = nil -- luacheck: ignore
    collect()
    assert.truthy(v3.tasks.task.get { id = 1 })
    v3 = nil -- luacheck: ignore
    collect()
  end)

  it("a loop that raises, breaks or returns is closed at once", function()
    local list = here.portal.crm.item.list
    local spared = { [here.portal] = true }
    assert.has_error(function()
      for _ in list:each { entityTypeId = 3 } do error("stop", 0) end
    end, "stop")
    assert.same({}, leaks.find(spared))
    for contact in list:each { entityTypeId = 3 } do
      if contact.id == 1 then break end
    end
    assert.same({}, leaks.find(spared))
    assert.equal(2, (function()
      for contact in list:each { entityTypeId = 3 } do
        if contact.id == 2 then return contact.id end
      end
    end)())
    assert.same({}, leaks.find(spared))
    for page in list:pages { entityTypeId = 3 } do
      if #page > 0 then break end
    end
    assert.same({}, leaks.find(spared))
    local sent = #here:sent()
    assert.truthy(sent <= 8, sent .. " requests for four loops")
  end)

  it("a portal closed inside a loop ends it with an error, not quietly", function()
    local portal, count = here:connect(), 0
    local ok, e = pcall(function()
      for _ in portal.crm.item.list:each { entityTypeId = 3 } do
        count = count + 1
        portal:close()
      end
    end)
    -- the rest may have arrived before: then it is all of them
    assert.truthy(ok and count == 120 or not ok and (e.kind == "cancelled" or e.kind == "config"), count)
  end)

  it("a sandbox stays while a portal is connected to it", function()
    local portal = require "bitrix24.sandbox".start { limits = false }:connect()
    collect()
    assert.equal("1", portal.profile().ID)
    portal:close()
  end)
end)

describe("a list that is forgotten while its next page is being read", function()
  it("takes nothing away from under the reader", function()
    local sandbox = require "bitrix24.sandbox"
    local sb <close> = sandbox.start { contacts = 400, limits = false }
    local portal <close> = sb:connect()
    collectgarbage("generational")
    for _ = 1, 60 do
      portal.crm.item.list:each({ entityTypeId = 3 }, { strategy = "sequential", ahead = 2 })()
      -- forgotten, its pages on their way; answers are read while others are asked
      portal.user.current()
    end
    collectgarbage("incremental")
    assert.equal("1", portal.user.current().ID)
  end)
end)
