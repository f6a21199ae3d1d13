-- The sandbox over the wire: raw HTTP and HTTPS by curl, so that nothing of
-- the client is in between.

local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"
local server = require "bitrix24.sandbox.server"

-- curl prints the body, then a line with what it knows about the transfer.
local FACTS = "\\n%{exitcode} %{http_code} %{num_connects}"

-- → { body=, exit=, status=, connects= }
local function curl(arguments)
  local pipe <close> = assert(io.popen(("curl -gs -m 20 -w '%s' %s"):format(FACTS, arguments)))
  local text = pipe:read("a")
  local body, exit, status, connects = text:match("^(.*)\n(%d+) (%d+) (%d+)$")
  return {
    body = body, exit = tonumber(exit), status = tonumber(status), connects = tonumber(connects),
    text = text,
  }
end

local function decoded(arguments)
  return assert(json.decode(curl(arguments).body))
end

local function post(url, body)
  return ("-H 'Content-Type: application/json' -d '%s' '%s'"):format(body, url)
end

-- Wait until a request has arrived.
local function await_requests(sb, count)
  for _ = 1, 1000 do
    if #sb:requests() >= count then return true end
    os.execute("sleep 0.01")
  end
  return false
end

describe("a sandbox", function()
  local sb

  before_each(function() sb = sandbox.start { limits = false, users = 5 } end)
  after_each(function()
    assert.same({}, sb.server and sb:errors() or {})
    sb:stop()
  end)

  it("has a webhook on loopback whose code comes from the seed", function()
    local code = sb.webhook:match("^http://127%.0%.0%.1:%d+/rest/1/(%w+)/$")
    assert.truthy(code and #code >= 16)
    assert.equal(sb.webhook, sb.url .. "/rest/1/" .. code .. "/")
    local same <close> = sandbox.start {}
    local other <close> = sandbox.start { seed = 8 }
    assert.truthy(same.webhook:find(code, 1, true))
    assert.falsy(other.webhook:find(code, 1, true))
  end)

  it("answers in the platform's envelope", function()
    local answer = decoded(sb.webhook .. "profile")
    assert.equal("1", answer.result.ID)
    for _, name in ipairs { "start", "finish", "duration", "processing", "date_start", "date_finish",
      "operating", "operating_reset_at" } do
      assert.not_nil(answer.time[name], name)
    end
  end)

  it("keeps a connection alive", function()
    assert.equal(1, curl(sb.webhook .. "profile").connects)
    local text = curl(("%sprofile %sserver.time"):format(sb.webhook, sb.webhook)).text
    assert.same({ "1", "0" }, { text:match("\n0 200 (%d).*\n0 200 (%d)$") })
  end)

  it("takes parameters from the query, forms and JSON", function()
    curl(sb.webhook .. "'profile?a[]=1&a[]=2'")
    curl(("-d 'f[X]=%%D0%%B6' %sprofile"):format(sb.webhook))
    curl(post(sb.webhook .. "profile", '{"n":null,"list":[1]}'))
    local list = sb:requests()
    assert.same({ a = { "1", "2" } }, list[1].params)
    assert.same({ f = { X = "ж" } }, list[2].params)
    assert.same({ n = json.null, list = { 1 } }, list[3].params)
    assert.same({ "POST", "/rest/1/***/profile", '{"n":null,"list":[1]}', 200, 2 },
      { list[3].http_method, list[3].path, list[3].body, list[3].status, list[3].version })
  end)

  it("keeps a body of any bytes", function()
    curl(("--data-binary @- %sprofile <<'E'\n\255\1\195\169\nE\n"):format(sb.webhook))
    assert.equal("\255\1\195\169\n", sb:requests()[1].body)
  end)

  it("notes the commands of a batch", function()
    curl(post(sb.webhook .. "batch", '{"cmd":{"b":"profile","a":"user.get?ID=$result[b][ID]"}}'))
    local request = sb:requests()[1]
    assert.same({ "batch", "b", "a" }, { request.method, request.commands[1].key, request.commands[2].key })
    assert.same({ ID = "1" }, request.commands[2].params)
  end)

  it("compresses a long answer for whoever accepts that", function()
    local url = sb.webhook .. "user.get"
    local plain = curl("'" .. url .. "'")
    local packed = curl(("-H 'Accept-Encoding: gzip' '%s' | gzip -dc 2>/dev/null"):format(url))
    assert.equal(200, plain.status)
    assert.truthy(#plain.body > 1024)
    assert.truthy(packed.text:find('"result":[{', 1, true))
  end)

  it("changes and forgets", function()
    assert.equal(5, #sb:records "users")
    sb:set("users", 5, nil)
    sb:set("users", 77, { NAME = "New" })
    local users = sb:records "users"
    assert.same({ 5, "New" }, { #users, users[5].NAME })
    sb:fault { action = "html" }
    sb:reset()
    assert.equal(200, curl(sb.webhook .. "profile").status)
    assert.same({ 1, 5 }, { #sb:requests(), #sb:records "users" })
    assert.error_matches(function() sb:records("userz") end, "no records of kind 'userz'")
  end)

  it("breaks on demand", function()
    local rows = {
      { "reset", function(r) return r.exit == 52 or r.exit == 56 end },
      { "cut", function(r) return r.exit == 18 and r.status == 200 and #r.body > 0 end },
      { "html", function(r) return r.status == 502 and r.body:find("<html>", 1, true) end },
      { "empty", function(r) return r.exit == 0 and r.status == 200 and r.body == "" end },
      { "QUERY_LIMIT_EXCEEDED", function(r) return r.status == 503 and r.body:find("Too many", 1, true) end },
      { { status = 500 }, function(r) return r.status == 500 and r.body == "" end },
      { { headers = { ["Transfer-Encoding"] = "chunked" } }, function(r) return json.decode(r.body) end },
    }
    for _, row in ipairs(rows) do
      sb:fault { method = "profile", nth = 2, action = row[1] }
      assert.equal(200, curl(sb.webhook .. "profile").status)
      assert.truthy(row[2](curl(sb.webhook .. "profile")), tostring(row[1]))
      assert.equal(200, curl(sb.webhook .. "profile").status)
    end
  end)

  it("answers others while one hangs, and stopping ends the hanging", function()
    sb:fault { method = "profile", action = "hang" }
    local command = "curl -gs -m 60 -o /dev/null -w '%%{exitcode}' %sprofile"
    local hanging <close> = assert(io.popen(command:format(sb.webhook)))
    assert.truthy(await_requests(sb, 1))
    assert.equal(200, curl(sb.webhook .. "server.time").status)
    sb:stop()
    local exit = hanging:read("a")
    assert.truthy(exit == "52" or exit == "56", exit)
  end)

  it("drops a hanging request when the client gives up", function()
    sb:fault { method = "profile", action = "hang" }
    assert.equal(28, curl("-m 0.2 " .. sb.webhook .. "profile").exit)
    assert.equal(200, curl(sb.webhook .. "profile").status)
  end)

  it("lets an application in by token, and renews it", function()
    local o = sb.oauth
    local bearer = ("-H 'Authorization: Bearer %s'"):format(o.access_token)
    assert.equal(200, curl(("%s %s/rest/app.info"):format(bearer, sb.url)).status)
    assert.equal("expired_token", decoded(("%s/rest/profile?auth=%s"):format(sb.url, o.expired_token)).error)
    local uri = ("'%s/oauth/token/?grant_type=%s&client_id=%s&client_secret=%s&code=%s'")
      :format(o.oauth_url, "authorization_code", o.client_id, o.client_secret, o.code)
    local pair = decoded(uri)
    assert.equal(sb.url .. "/rest/", pair.client_endpoint)
    local by_token = ("%sprofile?auth=%s"):format(pair.client_endpoint, pair.access_token)
    assert.equal("1", decoded(by_token).result.ID)
    for _, request in ipairs(sb:requests()) do
      local text = json.encode(request)
      for _, secret in ipairs {
        o.access_token, o.expired_token, o.client_secret, o.code, pair.access_token,
      } do
        assert.falsy(text:find(secret, 1, true))
      end
    end
  end)

  it("is stopped for good", function()
    sb:stop()
    sb:stop()
    assert.error_matches(function() sb:requests() end, "the sandbox is stopped")
    assert.equal(7, curl(sb.webhook .. "profile").exit)
    assert.equal("bitrix24.sandbox (stopped)", tostring(sb))
  end)
end)

describe("a sandbox with TLS", function()
  it("is trusted by its own authority alone, under both names", function()
    local sb <close> = sandbox.start { tls = true }
    local by_number = sb.webhook:gsub("localhost", "127.0.0.1")
    assert.matches("^https://localhost:%d+$", sb.url)
    assert.equal(60, curl(sb.webhook .. "profile").exit)
    assert.equal(200, curl(("--cacert %s %sprofile"):format(sb.ca_file, sb.webhook)).status)
    assert.equal(200, curl(("--cacert %s %sprofile"):format(sb.ca_file, by_number)).status)
    sb:fault { action = "cut" }
    assert.equal(18, curl(("--cacert %s %sprofile"):format(sb.ca_file, sb.webhook)).exit)
  end)

  it("leaves nothing on disk, and never a private key", function()
    local sb = sandbox.start { tls = true }
    local path = sb.ca_file
    local file <close> = assert(io.open(path))
    assert.falsy(file:read("a"):find("PRIVATE", 1, true))
    local mode <close> = assert(io.popen("ls -l " .. path))
    assert.matches("^%-rw%-%-%-%-%-%-%-", mode:read("a"))
    sb:stop()
    assert.is_nil(io.open(path))
  end)
end)

describe("sandbox.start", function()
  it("refuses what it does not know", function()
    local rows = {
      { { contcats = 1 }, "unknown option 'contcats'.*did you mean 'contacts'" },
      { { users = -1 }, "'users' must be a number of records" },
      { { limits = "fast" }, "'limits' must be" },
      { { limits = { rate = 2, burts = 3 } }, "unknown option 'burts'.*'burst'" },
      { { latency = "1" }, "'latency' must be a number of seconds" },
      { { port = 70000 }, "'port' must be a port number" },
      { { edition = "2025" }, "'edition' must be" },
      { { fixture = "/no/such/file.json" }, "cannot read the fixture" },
    }
    for _, row in ipairs(rows) do
      assert.error_matches(function() sandbox.start(row[1]) end, row[2])
    end
  end)

  it("says when the port is taken", function()
    local first <close> = sandbox.start {}
    local port = tonumber(first.url:match("%d+$"))
    assert.error_matches(function() sandbox.start { port = port } end, "cannot listen on the port")
  end)

  it("is undone by collection", function()
    local url
    do
      local sb = sandbox.start {}
      url = sb.url
    end
    collectgarbage()
    collectgarbage()
    assert.equal(7, curl(url .. "/rest/").exit)
  end)

  it("checks the faults it is given", function()
    local sb <close> = sandbox.start {}
    assert.error_matches(function() sb:fault { acton = "reset" } end, "unknown option 'acton'")
    assert.error_matches(function() sb:fault { action = "rest" } end, "did you mean 'reset'")
    assert.error_matches(function() sb:fault { action = "reset", nth = 0 } end, "'nth' must be")
  end)
end)

describe("the server", function()
  local function start(chunk, body_max)
    local running = assert(server.start {
      path = package.path, cpath = package.cpath, options = "", chunk = chunk, body_max = body_max,
    })
    return running, ("http://127.0.0.1:%d/x"):format(running:port())
  end

  it("survives a handler that raises, or answers nonsense", function()
    for _, handler in ipairs {
      "error{}", "return", "return 200, {}", "return 'x', {}, '', {}", "return 200, {1, 2}, '', {}",
    } do
      local chunk = "return function() %s end, function(t) return t end"
      local running <close>, url = start(chunk:format(handler))
      assert.equal(500, curl(url).status)
      assert.equal("ping", running:control("ping"))
    end
  end)

  it("refuses a body that is too long, announced or not", function()
    local chunk = "return function(_, _, _, b) return 200, {}, tostring(#b), {} end, print"
    local running <close>, url = start(chunk, 10)
    assert.equal("10", curl("-d 0123456789 " .. url).body)
    assert.equal(413, curl("-d 01234567890 " .. url).status)
    assert.equal(413, curl("-H 'Transfer-Encoding: chunked' -d 01234567890 " .. url).status)
    assert.truthy(running)
  end)

  it("says why it cannot start, and why a control call failed", function()
    local none, why = server.start { path = "", cpath = "", options = "", chunk = "error('on purpose')" }
    assert.is_nil(none)
    assert.matches("on purpose", why)
    local running <close> = start("return print, function() error('no way') end")
    none, why = running:control("x")
    assert.is_nil(none)
    assert.matches("no way", why)
  end)
end)
