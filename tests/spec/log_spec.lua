-- The log: what happens, in order, and nothing secret.

describe("the log", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 60, chats = 5 })
  local events

  before_each(function() events = {} end)

  local function logged(options)
    options = options or {}
    options.log = function(event) events[#events + 1] = event end
    return here:connect(options)
  end

  local function names()
    local out = {}
    for i, event in ipairs(events) do out[i] = event.event end
    return out
  end

  --- Every text anywhere in a value, keys too.
  local function scan(value, secret, seen)
    seen = seen or {}
    if type(value) == "string" then
      assert.falsy(value:find(secret, 1, true), "a secret in: " .. value)
    elseif type(value) == "table" and not seen[value] then
      seen[value] = true
      assert.falsy(tostring(value):find(secret, 1, true))
      for key, item in next, value do
        scan(key, secret, seen)
        scan(item, secret, seen)
      end
    end
  end

  it("tells of a call sent and answered", function()
    logged().profile()
    assert.same({ "send", "answer" }, names())
    assert.equal("profile", events[1].method)
    assert.equal(2, events[1].version)
    assert.equal(200, events[2].status)
    assert.equal(1, events[2].attempt)
    assert.truthy(events[2].bytes > 0)
    assert.truthy(events[2].seconds >= 0)
  end)

  it("tells of a repeat: when and why", function()
    here.sb:fault { method = "profile", action = "reset" }
    logged().profile()
    assert.same({ "send", "answer", "retry", "answer" }, names())
    assert.is_number(events[3].wait)
    assert.truthy(#events[3].reason > 0)
    assert.equal(2, events[4].attempt)
  end)

  it("tells of a failure, with the error that is raised", function()
    local portal = logged()
    local e = here.raises("api", portal.crm.item.get, { entityTypeId = 3, id = 99999 })
    assert.same({ "send", "answer", "error" }, names())
    assert.equal(e, events[3].error)
    assert.equal("crm.item.get", events[3].method)
  end)

  it("tells of every page of a list", function()
    logged().crm.item.list:all({ entityTypeId = 3 }, { strategy = "sequential" })
    assert.same({ "send", "answer", "send", "answer" }, names())
  end)

  it("tells nothing of what was refused before sending", function()
    local portal = logged()
    here.raises("config", portal.crm.item.get, { id = print })
    assert.same({}, names())
  end)

  it("never holds a secret", function()
    local secrets = {}
    for name, value in pairs(here.sb.oauth) do
      if name:find("token") then secrets[#secrets + 1] = value end
    end
    secrets[#secrets + 1] = here.sb.webhook:match("([^/]+)/$")
    assert.truthy(#secrets >= 3)
    local function exercise(portal)
      local code = here.sb.webhook:match("([^/]+)/$")
      portal.profile()
      for _, action in ipairs { "reset", "cut", "html", "hang",
        -- the portal quotes what it was given
        { error = "X", description = ("bad %s %s"):format(code, here.sb.oauth.access_token) },
        { body = ('<html><title>%s %s</title>'):format(code, here.sb.oauth.access_token), status = 400 },
        { error = code, description = here.sb.oauth.access_token },
      } do
        here.sb:fault { method = "profile", action = action, count = 3 }
        pcall(portal.call, portal, "profile", {}, { timeout = 0.3 })
        here.sb:reset()
      end
      pcall(portal.download, portal, here.sb.webhook .. "nothing", "/nonexistent/x")
      pcall(portal.call, portal, code)
      pcall(portal.crm.deal.get, { [code] = print })
    end
    exercise(logged { retries = 1 })
    exercise(logged { retries = 1, domain = here.sb.url, access_token = here.sb.oauth.access_token })
    exercise(logged { retries = 0, domain = here.sb.url, access_token = here.sb.oauth.expired_token })
    assert.truthy(#events > 20)
    for _, secret in ipairs(secrets) do scan(events, secret) end
  end)

  it("that fails loses no answer", function()
    local seen = 0
    local portal = here:connect { log = function() seen = seen + 1; error("the log is full") end }
    assert.equal("1", portal.profile().ID)
    assert.equal(60, #portal.crm.item.list:all { entityTypeId = 3 })
    local e = here.raises("api", portal.crm.item.get, { entityTypeId = 3, id = 99999 })
    assert.equal("crm.item.get", e.method)
    assert.truthy(seen >= 6)
  end)

  it("may close the portal or call it", function()
    local portal
    portal = here:connect { log = function(event)
      if event.event == "answer" and event.method == "profile" then
        assert(portal.server.time())
      end
    end }
    assert.equal("1", portal.profile().ID)
    local closing
    closing = here:connect { log = function(event)
      if event.event == "send" then closing:close() end
    end }
    local ok, e = pcall(closing.profile)
    assert.is_false(ok)
    assert.truthy(type(e) == "table" and (e.kind == "cancelled" or e.kind == "config"), tostring(e))
  end)
end)
