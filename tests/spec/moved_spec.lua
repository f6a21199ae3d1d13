-- A portal that moved: followed with method and body kept, at most 3 hops,
-- remembered, and stored where there is a store.

describe("a moved portal", function()
  local bitrix24 = require "bitrix24"
  local here = require "support.portal" (_ENV, { users = 5, contacts = 130, chats = 40 })
  local events, files

  before_each(function() events, files = {}, {} end)
  after_each(function()
    for _, path in ipairs(files) do
      os.remove(path)
      os.remove(path .. ".lock")
    end
  end)

  local function log(event) events[#events + 1] = event end

  --- The same server under its other name.
  local function elsewhere() return (here.sb.url:gsub("127%.0%.0%.1", "localhost")) end

  --- Let the next requests be answered with a redirect.
  local function move(status, to, count, method)
    here.sb:fault { method = method, count = count or 1, action = {
      status = status, body = "<html>moved</html>",
      headers = { Location = (to or elsewhere()) .. "/rest/1/code/x", ["Content-Type"] = "text/html" },
    } }
  end

  local function hosts()
    local out = {}
    for i, request in ipairs(here:sent()) do out[i] = request.headers.host:match("^[^:]+") end
    return out
  end

  local function store(t)
    local path = os.tmpname()
    files[#files + 1] = path
    os.remove(path)
    local kept = bitrix24.token_file(path)
    kept:save(t)
    return kept
  end

  local function application(t)
    local oauth = here.sb.oauth
    local kept = store(t)
    local portal = here:connect {
      domain = here.sb.url, client_id = oauth.client_id, client_secret = oauth.client_secret,
      tokens = kept, oauth_url = here.sb.url, log = log,
    }
    return portal, kept
  end

  for _, status in ipairs { 301, 302, 307, 308 } do
    it("is followed on " .. status .. ", a write too", function()
      move(status)
      local portal = here:connect { log = log, retries = 0 }
      local _, response = portal.crm.contact.add { fields = { NAME = "Moved" } }
      local sent = here:sent()
      assert.equal(2, #sent)
      assert.same({ "127.0.0.1", "localhost" }, hosts())
      for _, request in ipairs(sent) do
        assert.equal("POST", request.http_method)
        assert.equal("Moved", request.params.fields.NAME)
      end
      assert.equal(2, response.attempts)
      assert.matches("localhost", tostring(portal))
      portal.user.current()
      assert.same({ "127.0.0.1", "localhost", "localhost" }, hosts())
      local told
      for _, event in ipairs(events) do told = told or event.event == "moved" and event end
      assert.equal(elsewhere(), told.origin)
    end)
  end

  it("is followed whatever else its answer holds", function()
    for i, body in ipairs { '{"error":"MOVED","error_description":"Go on"}', '{"result":false}', "" } do
      here.sb:reset()
      here.sb:fault { method = "user.current", action = { status = 302, body = body, headers = {
        Location = (i % 2 == 1 and elsewhere() or here.sb.url) .. "/rest/1/code/user.current" } } }
      assert.equal("1", here.portal.user.current().ID)
      assert.equal(2, #here:sent())
    end
  end)

  it("is followed in REST 3.0, its key kept", function()
    move(308)
    here.portal.v3.tasks.task.get { id = 1 }
    assert.same({ "127.0.0.1", "localhost" }, hosts())
    here.sb:reset()
    move(302, here.sb.url)
    here.portal.v3.tasks.task.add { fields = { title = "One", creatorId = 1, responsibleId = 1 } }
    local first, second = table.unpack(here:sent())
    assert.truthy(first.headers["idempotency-key"])
    assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"])
  end)

  it("is followed by calls that were on their way together, and by lists", function()
    move(302, nil, 4)
    local names = here.portal:map({ 1, 2, 3, 4, 5 }, function(id)
      return here.portal.user.get { ID = id }[1].ID
    end, { batch = false })
    assert.equal(5, names.n)
    move(302, here.sb.url, 1, "crm.contact.list")
    local count = 0
    for _ in here.portal.crm.contact.list:each({}, { strategy = "sequential" }) do count = count + 1 end
    assert.equal(130, count)
  end)

  it("is not followed for ever", function()
    move(302, here.sb.url, 100)
    local e = here.raises("protocol", here.portal.crm.contact.add, { fields = { NAME = "Round" } })
    assert.matches("without end", e.message)
    assert.equal(false, e.sent)
    assert.is_nil(e.hint) -- nobody is sent to where he is
    assert.equal(4, e.attempts)
    assert.equal(4, #here:sent())
  end)

  it("is not followed where the credentials would be given away", function()
    local oauth = here.sb.oauth
    for place, hint in pairs {
      ["https://elsewhere.example/login/?x="] = "https://elsewhere.example",
      ["ftp://elsewhere.example"] = false,
      ["http://elsewhere.example/rest/"] = false, ["//"] = false, ["https://[::1/rest/"] = false,
    } do
      here.sb:reset()
      here.sb:fault { action = { status = 302, headers = { Location = place } } }
      local portal = here:connect { domain = here.sb.url, access_token = oauth.access_token }
      local e = here.raises("protocol", portal.user.current)
      assert.equal(false, e.sent)
      assert.equal(hint, e.hint and e.hint:match("https://[^:]*") or false)
      assert.equal(1, #here:sent())
    end
  end)

  it("is stored with the tokens: the next program goes there at once", function()
    local oauth = here.sb.oauth
    local portal, kept = application {
      access_token = oauth.access_token, refresh_token = oauth.refresh_token,
      client_endpoint = oauth.client_endpoint, member_id = "m", mine = "kept",
    }
    move(302)
    portal.user.current()
    local t = kept:load()
    assert.equal(elsewhere() .. "/rest/", t.client_endpoint)
    assert.equal(elsewhere():match("//(.*)"), t.domain)
    assert.equal(oauth.refresh_token, t.refresh_token)
    assert.equal("kept", t.mine)
    here.sb:reset()
    local next_one = here:connect {
      domain = here.sb.url, client_id = oauth.client_id, client_secret = oauth.client_secret,
      tokens = kept, oauth_url = here.sb.url,
    }
    next_one.user.current()
    assert.same({ "localhost" }, hosts())
  end)

  it("is told by the authorization server, too", function()
    local oauth = here.sb.oauth
    local portal, kept = application {
      access_token = oauth.expired_token, refresh_token = oauth.refresh_token,
      client_endpoint = elsewhere() .. "/rest/",
    }
    portal.user.current()
    local asked = here:sent("user.current")
    assert.same("localhost", asked[1].headers.host:match("^[^:]+"))
    assert.same("127.0.0.1", asked[2].headers.host:match("^[^:]+"))
    assert.equal(oauth.client_endpoint, kept:load().client_endpoint)
    assert.matches("127.0.0.1", tostring(portal))
  end)
end)
