-- What an outside audit found: each test is a sentence of the contract that
-- once did not hold.

local bitrix24 = require "bitrix24"
local sandbox = require "bitrix24.sandbox"

local CODE = "s3cr3tc0de77"

local function caught(f, ...)
  local ok, e = pcall(f, ...)
  assert.is_false(ok)
  assert.is_true(bitrix24.is_error(e), tostring(e))
  return e
end

describe("an answer", function()
  local sb, portal

  before_each(function()
    sb = sandbox.start { contacts = 1, chats = 1 }
    portal = sb:connect { retries = 0, limits = false }
    portal.profile() -- a connection that is kept alive
  end)
  after_each(function()
    portal:close()
    sb:stop()
  end)

  it("that never comes is not hidden by a repeat that nobody counts", function()
    local before = #sb:requests()
    sb:fault { method = "crm.deal.list", action = "reset" }
    local e = caught(portal.crm.deal.list, {})
    assert.equal("network", e.kind)
    assert.equal(1, e.attempts)
    assert.equal(before + 1, #sb:requests())
  end)

  it("that never comes counts as an attempt of a read", function()
    local patient <close> = sb:connect { retries = 2, limits = false }
    patient.profile()
    local before = #sb:requests()
    sb:fault { method = "crm.deal.list", action = "reset", count = 2 }
    local _, response = patient.crm.deal.list {}
    assert.equal(3, response.attempts)
    assert.equal(before + 3, #sb:requests())
  end)

  it("with an error of a strange shape keeps the portal's words", function()
    for _, shape in ipairs { "{}", "[]" } do
      sb:fault { method = "profile", action = {
        status = 400, body = '{"error":' .. shape .. ',"error_description":"these words"}',
      } }
      assert.equal("these words", caught(portal.profile).message)
    end
    sb:fault { method = "profile", action = { status = 200, body = '{"error":false,"result":7}' } }
    assert.equal(7, (portal.profile()))
  end)

  it("that is not HTTP does not make a write go out again", function()
    local odd <close> = sandbox.start { contacts = 1, chats = 1, tls = true }
    local plain <close> = bitrix24.connect {
      webhook = odd.webhook:gsub("^https", "http"), retries = 2, limits = false, timeout = 10,
    }
    local e = caught(plain.crm.deal.add, { fields = {} })
    assert.equal(1, e.attempts)
    assert.is_not_false(e.sent)
  end)

  it("that asks for an endless wait ends in a limit error", function()
    sb:fault { method = "profile", action = {
      status = 503, body = '{"error":"QUERY_LIMIT_EXCEEDED"}',
      headers = { ["Retry-After"] = "Fri, 21 Oct 2099 07:28:00 GMT" },
    } }
    local patient <close> = sb:connect { limits = false }
    local e = caught(patient.profile)
    assert.equal("limit", e.kind)
    assert.equal(1, e.attempts)
  end)

  it("of a failing gateway to a write is not for a loop to repeat", function()
    sb:fault { method = "crm.deal.add", action = "html" }
    local e = caught(portal.crm.deal.add, { fields = {} })
    assert.equal("protocol", e.kind)
    assert.is_false(e.retryable)
  end)
end)

describe("the caller's mistake", function()
  it("in array, ordered and file is a config error", function()
    for _, row in ipairs {
      { bitrix24.array, 3 }, { bitrix24.array, { 1, nil, 3 } }, { bitrix24.ordered, { { "A" } } },
      { bitrix24.file, "/nonexistent/file" }, { bitrix24.file, { name = "x" } }, { bitrix24.file },
    } do
      assert.equal("config", caught(row[1], row[2]).kind)
    end
  end)

  it("in user_agent cannot add a header", function()
    local e = caught(bitrix24.connect, {
      webhook = "https://example.com/rest/1/abc123/", user_agent = "a\r\nX: y",
    })
    assert.equal("config", e.kind)
    assert.truthy(e.message:find("user_agent", 1, true))
  end)

  it("of a whole address as method's name does not show its code", function()
    local portal <close> = bitrix24.connect("https://example.com/rest/1/" .. CODE .. "/")
    local address = "https://example.com/rest/1/" .. CODE .. "/crm.deal.get"
    for _, name in ipairs { "call", "each", "all", "first", "count" } do
      local e = caught(portal[name], portal, address, "no table")
      assert.equal("config", e.kind)
      for key, value in pairs(e) do
        assert.is_nil(tostring(value):find(CODE, 1, true), name .. ": " .. key)
      end
      assert.is_nil(tostring(e):find(CODE, 1, true))
    end
  end)

  it("of a dot before call is told so", function()
    local portal <close> = bitrix24.connect("https://example.com/rest/1/abc123/")
    local e = caught(portal.call, "crm.deal.get", { id = 1 })
    assert.truthy(e.message:find("portal:call(", 1, true), e.message)
  end)

  it("of the wrong version names the other one in strict mode", function()
    local portal <close> = bitrix24.connect { webhook = "https://example.com/rest/1/abc123/", strict = true }
    assert.truthy(caught(portal.v3.crm.deal.get, { id = 1 }).hint:find("portal.v2", 1, true))
  end)
end)
