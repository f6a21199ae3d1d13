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

  describe("never holds a secret,", function()
    local ways = {
      ["a webhook's code"] = function(sb) return {}, sb.webhook:match("([^/]+)/$") end,
      ["an access token"] = function(sb)
        return { domain = sb.url, access_token = sb.oauth.access_token }, sb.oauth.access_token
      end,
      ["a token that is used up"] = function(sb)
        return { domain = sb.url, access_token = sb.oauth.expired_token }, sb.oauth.expired_token
      end,
    }
    for name, way in pairs(ways) do
      it(name .. ", even where the portal quotes it", function()
        local options, secret = way(here.sb)
        options.retries = 0
        local portal = logged(options)
        pcall(portal.profile)
        for _, action in ipairs { "reset", "cut", "html",
          { error = "X", description = "bad " .. secret }, { error = secret, description = "x" },
          { body = ("<html><title>%s</title>"):format(secret), status = 400 },
          { status = 302, headers = { Location = "https://elsewhere.example/rest/1/" .. secret .. "/x" } },
        } do
          here.sb:fault { method = "profile", action = action, count = 2 }
          pcall(portal.profile)
          here.sb:reset()
        end
        here.sb:fault { method = "profile", action = "hang" }
        pcall(portal.call, portal, "profile", {}, { timeout = 0.2 })
        pcall(portal.download, portal, here.sb.url .. "/x?auth=" .. secret, "/nonexistent/x")
        pcall(portal.download, portal, here.sb.url .. "/x?auth=" .. secret, "/tmp")
        pcall(portal.crm.deal.get, { ID = secret })
        assert.truthy(#events > 15, #events)
        scan(events, secret)
      end)
    end
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
