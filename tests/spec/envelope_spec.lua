-- What an answer says of a failure reaches the script, however it is put.

describe("an error's words", function()
  local here = require "support.portal" (_ENV, { users = 1 })
  local raises = here.raises

  local function fails(kind, body, status, method)
    method = method or "vendor.some.method"
    here.sb:fault { method = method, action = { status = status or 400, body = body } }
    return raises(kind, here.portal.call, here.portal, method, {})
  end

  it("are the code where the description is empty", function()
    assert.equal("Incorrect list id",
      fails("api", '{"error":"Incorrect list id","error_description":""}').message)
    assert.matches("no description", fails("api", '{"error":"","error_description":""}').message)
  end)

  it("are not lost where they stand in an unknown shape", function()
    assert.matches("first.*second", fails("api", '{"error":["first","second"]}').message)
    local e = fails("api", '{"error":{"text":"wrong"}}')
    assert.equal("", e.code)
    assert.matches("wrong", e.message)
    assert.matches("no description", fails("api", '{"error":[]}').message)
    e = fails("protocol", '{"error_description":"what happened"}')
    assert.matches("what happened", e.message)
    assert.equal("HTTP 400 without an error code", fails("protocol", '{"result":1}').message)
  end)

  it("name no field where the portal names none", function()
    local e = fails("api", '{"error":{"code":"X","message":"Bad","validation":'
      .. '["plain",{"message":"no field"},{"field":"id"},{"field":"a","message":"wrong"}]}}')
    assert.same({ { message = "plain" }, { message = "no field" }, { field = "id" },
      { field = "a", message = "wrong" } }, e.validation)
    assert.matches("Bad; plain; no field; id; a: wrong", tostring(e), 1, true)
  end)

  it("are a code as the portal spells it, also where a secret is a word of it", function()
    local portal = here:connect { domain = here.sb.url, access_token = "token" }
    here.sb:fault { method = "user.current", action = { status = 401, error = "expired_token" } }
    assert.equal("expired_token", raises("auth", portal.user.current).code)
  end)

  it("speak of a token where there is no webhook", function()
    local portal = here:connect { domain = here.sb.url, access_token = "no-token-of-this-portal" }
    for _, code in ipairs { "NO_AUTH_FOUND", "INVALID_CREDENTIALS" } do
      here.sb:fault { method = "user.current", action = {
        status = 401, body = ('{"error":"%s"}'):format(code) } }
      local e = raises("auth", portal.user.current)
      assert.equal(code, e.code)
      assert.is_string(e.hint)
      assert.is_nil(e.hint:find("webhook", 1, true), e.hint)
    end
  end)

  it("do not hide the name of a method that ends as a webhook's code begins", function()
    local portal = here:connect { webhook = here.sb.url .. "/rest/1/currentabc123/" }
    local e = raises("auth", portal.user.current)
    assert.equal("user.current", e.method)
    assert.equal("NO_AUTH_FOUND", e.code)
  end)
end)

describe("a call's options", function()
  local here = require "support.portal" (_ENV, { users = 1 })

  it("are not ignored where they cannot be meant", function()
    local function refuses(word, method, opts)
      local e = here.raises("config", here.portal.call, here.portal, method, {}, opts)
      assert.matches(word, e.message)
    end
    refuses("'idempotent'", "vendor.some.method", { idempotent = "yes" })
    refuses("REST 3.0", "vendor.some.method", { idempotency_key = "order 4711" })
    assert.equal(0, #here:sent())
  end)
end)

describe("a portal that is closed", function()
  local here = require "support.portal" (_ENV, { users = 1 })

  it("tells the calls that had left from those that had not", function()
    local portal = here:connect { max_connections = 1 }
    here.sb:fault { method = "user.add", action = "hang" }
    local function add() return portal:call("user.add", { EMAIL = "a@example.com" }) end
    local errors = {}
    pcall(portal.map, portal, { 1, 2, 3 }, function(i)
      if i == 3 then
        while #here:sent "user.add" == 0 do pcall(portal.call, portal, "profile", {}, { timeout = 0.02 }) end
        return portal:close()
      end
      errors[i] = select(2, pcall(add))
    end, { batch = false })
    assert.equal("cancelled", errors[1].kind)
    assert.is_nil(errors[1].sent)
    assert.equal("cancelled", errors[2].kind)
    assert.is_false(errors[2].sent)
  end)
end)
