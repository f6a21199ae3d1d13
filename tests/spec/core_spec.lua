-- The binding by itself: what scripts cannot do wrong through the library, and
-- what happens when a finalizer runs in the middle of it.

local core = require "bitrix24.core"

local HOOK = "http://127.0.0.1:9/rest/1/abcdefgh12345678/"

describe("core.client", function()
  it("refuses names and addresses that go on after a zero byte", function()
    local client, kind, message = core.client.new { webhook = HOOK .. "\0x", rate = 0 }
    assert.is_nil(client)
    assert.equal("config", kind)
    assert.truthy(message:find("zero byte", 1, true))
    client = assert(core.client.new { webhook = HOOK, rate = 0 })
    for field, value in pairs { method = "user.get\0x", idempotency_key = "k\0x" } do
      local call = { method = "user.get", body = "{}" }
      call[field] = value
      local request
      request, kind = client:submit(call)
      assert.is_nil(request)
      assert.equal("config", kind)
    end
    assert.equal(0, client:pending())
    client:close()
  end)

  it("refuses a body that is neither an object nor an array", function()
    local client = assert(core.client.new { webhook = HOOK, rate = 0 })
    for _, body in ipairs { "", "x", "{", "null" } do
      local request, kind = client:submit { method = "user.get", body = body }
      assert.is_nil(request)
      assert.equal("config", kind)
    end
    client:close()
  end)

  it("lets a request that has not ended be settled without harm", function()
    local client = assert(core.client.new { webhook = HOOK, rate = 0 })
    local request = assert(client:submit { method = "user.get", body = "{}" })
    assert.equal("retry", (request:settle(true)))
    assert.equal(1, client:pending())
    client:step(0)
    assert.equal("retry", (request:settle(true)))
    request:drop()
    assert.equal(0, client:pending())
    client:close()
  end)

  it("survives finalizers in any order", function()
    for _ = 1, 50 do
      local client = assert(core.client.new { webhook = HOOK, rate = 0 })
      local keep = {}
      for i = 1, 20 do keep[i] = assert(client:submit { method = "user.get", body = "{}" }) end
      client:step(0)
      if #keep % 2 == 0 then client = nil else keep = nil end -- luacheck: ignore
      collectgarbage()
    end
    collectgarbage()
  end)
end)

describe("core.query", function()
  it("keeps two encodings apart when a finalizer encodes amid another", function()
    local encode = core.query.encoder {}
    local params = { a = 1, filter = { x = { y = 2, z = "3" }, list = { 1, 2, { k = 4 } } }, zz = "end" }
    local wanted = encode(params)
    local inside = 0
    local finalize = { __gc = function()
      inside = inside + 1
      assert(encode { other = { inner = "value" } } == "other[inner]=value")
    end }
    collectgarbage("setpause", 1)
    collectgarbage("setstepmul", 1000)
    for _ = 1, 20000 do
      setmetatable({}, finalize)
      local got = encode(params)
      if got ~= wanted then assert.equal(wanted, got) end
    end
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 100)
    assert(inside > 0)
  end)
end)
