-- Recording a batch: what handles and references are, and what is refused
-- before anything is sent. No portal answers here.

local bitrix24 = require "bitrix24"
local reference = require "bitrix24.batch.reference"

describe("a batch that is recorded", function()
  local portal, b

  before_each(function()
    portal = bitrix24.connect { webhook = "http://127.0.0.1:9/rest/1/abc/" }
    b = portal:batch()
  end)
  after_each(function() portal:close() end)

  local function refused(pattern, f, ...)
    local ok, e = pcall(f, ...)
    assert.is_false(ok)
    assert.is_true(bitrix24.is_error(e), tostring(e))
    assert.equal("config", e.kind)
    assert.is_false(e.sent)
    assert.matches(pattern, tostring(e))
    return e
  end

  it("shows what its references stand for", function()
    local me = b.user.current()
    assert.equal("reference to result of command 1 (user.current)", tostring(me))
    local list = b.crm.item.list { entityTypeId = 3 }
    assert.equal('reference to result.items[2]["odd name"].id of command 2 (crm.item.list)',
      tostring(list.items[2]["odd name"].id))
    assert.equal("bitrix24 batch (2 commands)", tostring(b))
  end)

  it("knows what became of a command", function()
    local me = b.user.current()
    assert.equal("pending", bitrix24.state(me))
    assert.equal("pending", bitrix24.state(me.UF_DEPARTMENT[1]))
    for _, value in ipairs { 1, "x", {}, true } do
      refused("state: expected a handle", bitrix24.state, value)
    end
    refused("state: expected a handle", bitrix24.state, nil)
  end)

  it("has no results before the run", function()
    local me = b.user.current()
    assert.matches("b:run", refused("command 1 has not run yet", me).hint)
    refused("has not run yet", me.NAME)
    refused("batch_spec%.lua:%d+%]", function() return (me()) end)
  end)

  it("refuses to be calculated with, compared, joined or walked through", function()
    local me, other = b.user.current(), b.user.current()
    local id = me.ID
    local uses = {
      function() return id + 1 end, function() return 1 - id end, function() return id * 2 end,
      function() return id / 2 end, function() return id // 2 end, function() return id % 2 end,
      function() return id ^ 2 end, function() return -id end, function() return id & 1 end,
      function() return id | 1 end, function() return id ~ 1 end, function() return ~id end,
      function() return id << 1 end, function() return id >> 1 end,
      function() return id < 5 end, function() return 5 >= id end, function() return id == other end,
      function() return "chat" .. id end, function() return id .. "x" end, function() return #id end,
      function() for _ in pairs(me) do break end end, function() for _ in ipairs(me) do end end, -- luacheck: ignore
      function() id.x = 1 end,
    }
    for i, use in ipairs(uses) do refused("command 1 %(user%.current%)", use, i) end
    assert.is_true(id == id) -- luacheck: ignore
  end)

  it("indexes references by names, and by places counted from 1", function()
    local me = b.user.current()
    for _, key in ipairs { 0, -1, 1.5, true, {} } do
      refused("counted from 1", function() return me[key] end)
    end
    assert.equal(tostring(me[2]), tostring(me[2.0]))
  end)

  it("refuses parameters at once, naming their place", function()
    local me = b.user.current()
    refused("params%.f is a function", b.user.get, { ID = me.ID, f = print })
    refused("params%.a%[2%]%.x", b.user.get, { a = { 1, { x = 0 / 0 } } })
    refused("parameters must be a table", b.user.get, 5)
    local loop = {}
    loop.loop = loop
    refused("params", b.user.get, loop)
    local deep = { ID = me.ID }
    for _ = 1, 250000 do deep = { a = deep } end
    refused("nested more than 100", b.user.get, deep)
    refused("params", b.user.get, { [me] = 1 })
    refused("expected a method name", b.call, b, 5)
    for _, name in ipairs { "", "user.get?ID=1", "a&b", "a b", ".a", "a..b" } do
      refused("a method's name is", b.call, b, name)
    end
    refused("no options", b.user.get, {}, { timeout = 1 })
    refused("call it with a colon", b.run)
    refused("dot, not a colon", function() b.user:get {} end)
    assert.equal("bitrix24 batch (1 command)", tostring(b))
  end)

  it("checks names and required parameters where the portal is strict", function()
    local strict <close> = bitrix24.connect { webhook = "http://127.0.0.1:9/rest/1/abc/", strict = true }
    local s = strict:batch()
    refused("does not know this method", function() s.crm.item.lst {} end)
    refused("missing required parameter", function() s.crm.item.get {} end)
    local me = s.user.current()
    s.crm.item.get { entityTypeId = 3, id = me.ID }
  end)

  it("refuses unknown options, lists and assignments", function()
    b.user.current()
    assert.matches("halt", refused("unknown option 'hlt'", b.run, b, { hlt = true }).hint)
    refused("'halt' must be", b.run, b, { halt = 1 })
    refused("options must be a table", b.run, b, true)
    refused("single calls", function() b.crm.contact.list:all() end)
    refused("b:map%(…%): a batch has only run and call", function() b:map({}, print) end)
    refused("b:each%(…%)", function() b:each("crm.contact.list") end)
    refused("b:batch%(…%)", function() b:batch() end)
    refused("cannot be assigned", function() b.x = 1 end)
    local b3 = portal.v3:batch()
    b3.tasks.task.get { id = 1 }
    refused("all or nothing", b3.run, b3, { halt = false })
  end)

  it("keeps the module's own names apart from the platform's", function()
    assert.matches("batch", tostring(portal.batch))
    refused("closed", function()
      portal:close()
      portal:batch()
    end)
    refused("closed", b.user.current)
  end)

  describe("looks values up", function()
    local lookup = reference.lookup

    it("as the platform does, places from 1", function()
      assert.equal(5, lookup({ a = { 4, 5 } }, { "a", 2 }))
      assert.equal(5, lookup({ a = { 4, 5 } }, { "a", "1" }))
      assert.equal("x", lookup({ ["0"] = "x", k = 1 }, { 1 }))
      assert.equal(7, lookup(7, {}))
      assert.equal(false, lookup({ a = false }, { "a" }))
      assert.equal("", lookup({ a = "" }, { "a" }))
    end)

    it("and finds nothing in nulls, ends and scalars", function()
      assert.is_nil(lookup(nil, {}))
      assert.is_nil(lookup({ a = bitrix24.null }, { "a" }))
      assert.is_nil(lookup({ a = bitrix24.null }, { "a", "b" }))
      assert.is_nil(lookup({ a = 1 }, { "a", "b" }))
      assert.is_nil(lookup({ 1, 2 }, { 3 }))
      assert.is_nil(lookup("text", { "len" }))
    end)
  end)
end)
