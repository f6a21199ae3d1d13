-- The sandbox's portal called directly: no sockets, a clock of its own, three
-- methods. What goes over the wire is sandbox_spec's.

local form = require "bitrix24.sandbox.form"
local json = require "bitrix24.json"
local keyorder = require "bitrix24.sandbox.keyorder"
local portals = require "bitrix24.sandbox.portal"
local router = require "bitrix24.sandbox.router"

local DOMAINS = {
  (require "bitrix24.sandbox.system"),
  (require "bitrix24.sandbox.batch"),
  (require "bitrix24.sandbox.batch3"),
}

local function test_methods(portal)
  local made = 0
  portal:method("test.echo", { version = 2, scope = "test" }, function(call) return call.params end)
  portal:method("test.crash", { version = 2, scope = "test" }, function() error("on purpose") end)
  portal:method("test.refuse", { version = 2, scope = "test" }, function(call) call:fail("", "No.") end)
  portal:method("test.list", { version = 2, scope = "test" }, function(call)
    local start = tonumber(call:param("START")) or 0
    return json.array { { ID = "7" }, { ID = "9" } }, { total = 120, next = start + 50 }
  end)
  portal:method("test.item.get", { version = 3, scope = "test" }, function(call)
    if not call.params.id then
      local faults = { { field = "id", message = "missing" } }
      call:fail3("VALIDATION_REQUESTVALIDATIONEXCEPTION", "Bad", 400, faults)
    end
    return { item = { id = call.params.id, tags = json.array { 4, 5 } } }
  end)
  portal:method("test.item.list", { version = 3, scope = "test" }, function(call)
    return { items = json.array { { id = 1 }, { id = 2 } }, given = call.params }
  end)
  portal:method("test.item.add", { version = 3, scope = "test" }, function()
    made = made + 1
    return { item = { id = made } }
  end)
end

-- A portal whose clock stands still: portal.at is moved by the test.
local function new_portal(options)
  local at = { now = 1780000000.25 }
  local store = { records = function() return {} end, get = function() return nil end }
  local portal = portals.new(options or { limits = false }, store, function() return at.now end)
  for _, domain in ipairs(DOMAINS) do domain(portal) end
  test_methods(portal)
  return portal, at
end

-- → decoded answer, raw answer
local function send(portal, uri, body, headers)
  local sent = { ["content-type"] = "application/json" }
  for name, value in pairs(headers or {}) do sent[name] = value end
  local text = type(body) == "table" and json.encode(body) or body or ""
  local answer = router.handle(portal, {
    http_method = body and "POST" or "GET", uri = uri, headers = sent, body = text,
  })
  return answer.body ~= "" and answer.body and json.decode(answer.body) or nil, answer
end

local function hook(portal, method) return "/rest/1/" .. portal.code .. "/" .. method end
local function hook3(portal, method) return "/rest/api/1/" .. portal.code .. "/" .. method end

describe("form bodies", function()
  local rows = {
    { "a=1&b=x+y%21", { a = "1", b = "x y!" } },
    { "a[]=1&a[]=2", { a = { "1", "2" } } },
    { "a[0]=x&a[1]=y", { a = { "x", "y" } } },
    { "a[1]=x", { a = { ["1"] = "x" } } },
    { "filter[%3E%3DID]=5", { filter = { [">=ID"] = "5" } } },
    { "f[P][0][VALUE]=1&f[P][0][TYPE]=W", { f = { P = { { VALUE = "1", TYPE = "W" } } } } },
    { "a%5Bb%5D=1", { a = { b = "1" } } },
    { "a=1&a=2", { a = "2" } },
    { "a", { a = "" } },
    { "a.b=1", { a_b = "1" } },
    { "a[b=1", { a_b = "1" } },
    { "0=7&1[X]=y", { "7", { X = "y" } } },
    { "", {} },
    { "=1&&", {} },
  }
  for _, row in ipairs(rows) do
    it("reads " .. row[1], function() assert.same(row[2], form.decode(row[1])) end)
  end

  it("keeps the order of keys", function()
    assert.same({ "NAME", "ID" }, keyorder.keys(form.decode("order[NAME]=ASC&order[ID]=DESC").order))
  end)
end)

describe("the order of keys in JSON", function()
  it("is that of the text, at every depth", function()
    local text = ' { "order" : {"z":1, "a\\"b": [ {"y":"}", "x":null} ], "m":{} } , "b" : 2 }'
    local value = json.decode(text, { nulls = "keep" })
    keyorder.learn(text, value)
    assert.same({ "z", 'a"b', "m" }, keyorder.keys(value.order))
    assert.same({ "y", "x" }, keyorder.keys(value.order['a"b'][1]))
    assert.same({ "order", "b" }, keyorder.keys(value))
  end)
end)

describe("addresses and authorization", function()
  it("answers a webhook whatever the case, with or without .json", function()
    local portal = new_portal()
    for _, name in ipairs { "server.time", "SERVER.Time", "server.time.json" } do
      local body, raw = send(portal, hook(portal, name))
      assert.equal(200, raw.status)
      assert.equal("2026-05-28T23:26:40+03:00", body.result)
    end
  end)

  local function expired(p) return "/rest/profile?auth=" .. p.tokens.first_expired end
  local function other_user(p) return "/rest/2/" .. p.code .. "/server.time" end
  local UNKNOWN = "ERROR_METHOD_NOT_FOUND"
  local rows = {
    { "a wrong code", function() return "/rest/1/nonsense/server.time" end, 401, "NO_AUTH_FOUND" },
    { "another user's code", other_user, 401, "NO_AUTH_FOUND" },
    { "no token", function() return "/rest/server.time" end, 401, "NO_AUTH_FOUND" },
    { "an expired token", expired, 401, "expired_token" },
    { "an unknown method", function(p) return hook(p, "no.such") end, 404, UNKNOWN },
    { "a method of REST 3.0 at /rest/", function(p) return hook(p, "test.item.get") end, 404, UNKNOWN },
    { "an application's method", function(p) return hook(p, "app.info") end, 400, "ACCESS_DENIED" },
    { "an empty code", function(p) return hook(p, "test.refuse") end, 400, "" },
    { "a failing handler", function(p) return hook(p, "test.crash") end, 500, "INTERNAL_SERVER_ERROR" },
  }
  for _, row in ipairs(rows) do
    it("refuses " .. row[1], function()
      local portal = new_portal()
      local body, raw = send(portal, row[2](portal))
      assert.same({ row[3], row[4] }, { raw.status, body.error })
    end)
  end

  it("keeps the traceback of a failing handler", function()
    local portal = new_portal()
    send(portal, hook(portal, "test.crash"))
    assert.matches("^test%.crash: .*on purpose.*traceback", portal.errors[1])
  end)

  it("takes a token from the body, the query or the header, and hides it from the method", function()
    local portal = new_portal()
    local token = portal.tokens.first.access_token
    assert.same({ a = 1 }, (send(portal, "/rest/test.echo", { auth = token, a = 1 })).result)
    assert.same({ a = 1 }, (send(portal, "/rest/test.echo?auth=" .. token, { a = 1 })).result)
    local header = { authorization = "Bearer " .. token }
    assert.same({ a = 1 }, (send(portal, "/rest/test.echo", { a = 1 }, header)).result)
  end)

  it("lets tokens expire, and a refresh token work once", function()
    local portal, at = new_portal { limits = false, token_ttl = 60 }
    local t = portal.tokens
    local uri = ("/oauth/token/?grant_type=refresh_token&client_id=%s&client_secret=%s&refresh_token=%s")
      :format(t.client_id, t.client_secret, t.first.refresh_token)
    at.now = at.now + 61
    assert.equal("expired_token", (send(portal, "/rest/profile?auth=" .. t.first.access_token)).error)
    local pair = send(portal, uri)
    assert.equal(60, pair.expires_in)
    assert.equal("1", (send(portal, "/rest/profile?auth=" .. pair.access_token)).result.ID)
    assert.equal("invalid_grant", (send(portal, uri)).error)
    assert.equal("invalid_client", (send(portal, (uri:gsub("client_secret=", "client_secret=x")))).error)
  end)

  it("restricts scopes", function()
    local portal = new_portal { limits = false, scope = { "crm" } }
    local body, raw = send(portal, hook(portal, "test.echo"))
    assert.same({ 403, "insufficient_scope" }, { raw.status, body.error })
    assert.equal(200, (select(2, send(portal, hook(portal, "profile")))).status)
  end)

  it("writes down what arrived, without secrets", function()
    local portal = new_portal()
    local token = portal.tokens.first.access_token
    send(portal, hook(portal, "test.echo"), { a = 1 })
    send(portal, "/rest/test.echo", { auth = token, b = token }, { authorization = "Bearer " .. token })
    local list = portal.journal.list
    assert.same({ "/rest/1/***/test.echo", "test.echo", 2, 200 },
      { list[1].path, list[1].method, list[1].version, list[1].status })
    assert.same({ b = "***" }, list[2].params)
    assert.equal('{"auth":"***","b":"***"}', list[2].body)
    assert.equal("Bearer ***", list[2].headers.authorization)
  end)
end)

describe("a batch", function()
  local function batch(portal, cmd, more)
    local params = { cmd = cmd }
    for key, value in pairs(more or {}) do params[key] = value end
    return (send(portal, hook(portal, "batch"), params)).result
  end

  it("runs in the order sent and fills references in", function()
    local portal = new_portal()
    local text = '{"cmd":{"z":"test.list?start=50",'
      .. '"b":"test.echo?v=$result[z][1][ID]&w=n$result[z][0][ID]!&l=$result[z]"}}'
    local got = (send(portal, hook(portal, "batch"), text)).result
    assert.same({ v = "9", w = "n7!", l = { { ID = "7" }, { ID = "9" } } }, got.result.b)
    assert.same({ z = 120 }, got.result_total)
    assert.same({ z = 100 }, got.result_next)
    local commands = portal.journal.list[1].commands
    assert.same({ "z", "b" }, { commands[1].key, commands[2].key })
  end)

  it("decodes once, and substitutes no value that was substituted", function()
    local got = batch(new_portal(), {
      a = "test.echo?x=%2526%20$result[no][0]", b = "test.echo?y=$result[a][x]",
    })
    assert.same({ x = "%26 $result[no][0]" }, got.result.a)
    assert.same({ y = "%26 $result[no][0]" }, got.result.b)
  end)

  it("leaves the text where the command referred to failed", function()
    local got = batch(new_portal(), { "test.refuse", "test.echo?id=$result[0][ID]" })
    assert.same({ ["1"] = { id = "$result[0][ID]" } }, got.result)
    assert.same({ { error = "", error_description = "No." } }, got.result_error)
  end)

  it("stops at a failure when told to halt", function()
    local got = batch(new_portal(), { "test.echo?a=1", "no.such", "test.echo?a=2" }, { halt = 1 })
    assert.same({ { a = "1" } }, got.result)
    assert.equal("ERROR_METHOD_NOT_FOUND", got.result_error["1"].error)
  end)

  it("refuses the 51st command, batches and uploads", function()
    local cmd = {}
    for i = 1, 52 do cmd[i] = "server.time" end
    cmd[1], cmd[2] = "batch?cmd[]=server.time", "disk.folder.uploadFile"
    local got = batch(new_portal(), cmd)
    assert.equal("ERROR_BATCH_METHOD_NOT_ALLOWED", got.result_error["0"].error)
    assert.equal("ERROR_BATCH_METHOD_NOT_ALLOWED", got.result_error["1"].error)
    assert.equal("ERROR_BATCH_LENGTH_EXCEEDED", got.result_error["50"].error)
    assert.equal("ERROR_BATCH_LENGTH_EXCEEDED", got.result_error["51"].error)
    assert.truthy(got.result["49"])
  end)

  it("answers [] for what is empty and arrays for 0..n-1", function()
    local portal = new_portal()
    local _, raw = send(portal, hook(portal, "batch"), { cmd = { "test.echo?a=1" } })
    assert.matches('"result":%[{"a":"1"}%]', raw.body)
    assert.matches('"result_error":%[%]', raw.body)
  end)

  it("of REST 3.0 fills references in and is all or nothing", function()
    local portal = new_portal()
    local refs = { a = { ["$ref"] = "one.item.tags.1" }, b = { ["$refArray"] = "1.id" } }
    local got = send(portal, hook3(portal, "batch"), {
      { method = "test.item.get", query = { id = 8 }, as = "one" },
      { method = "test.item.list" },
      { method = "test.item.list", query = refs },
    })
    assert.same({ a = 5, b = { 1, 2 } }, got.result[3].given)
    local code = "BITRIX_REST_V3_EXCEPTION_INVALIDSELECTEXCEPTION"
    for _, bad in ipairs {
      { { method = "test.item.get", query = { id = { ["$ref"] = "x.item.id" } } } },
      { { method = "batch", query = {} } },
      { cmd = { a = "test.item.get" } },
    } do
      local body, raw = send(portal, hook3(portal, "batch"), bad)
      assert.same({ 400, code }, { raw.status, body.error.code })
    end
  end)
end)

describe("REST 3.0", function()
  it("takes JSON alone and words failures its own way", function()
    local portal = new_portal()
    local form_type = { ["content-type"] = "application/x-www-form-urlencoded" }
    local body, raw = send(portal, hook3(portal, "test.item.get"), "id=5", form_type)
    assert.same({ 400, "BITRIX_REST_V3_EXCEPTION_INVALIDJSONEXCEPTION" }, { raw.status, body.error.code })
    body = send(portal, hook3(portal, "test.item.get") .. "?id=5", {})
    assert.same({ { field = "id", message = "missing" } }, body.error.validation)
  end)

  it("remembers a write by its idempotency key", function()
    local portal, at = new_portal()
    local function add(body, key)
      return send(portal, hook3(portal, "test.item.add"), body, { ["idempotency-key"] = key })
    end
    local first = add({ a = 1 }, "k")
    local again, raw = add({ a = 1 }, "k")
    assert.equal(first.result.item.id, again.result.item.id)
    assert.equal("true", raw.headers["Idempotent-Replayed"])
    local other, refused = add({ a = 2 }, "k")
    assert.equal(422, refused.status)
    assert.equal("BITRIX_REST_V3_EXCEPTION_IDEMPOTENCYKEYREUSEDEXCEPTION", other.error.code)
    assert.equal(400, (select(2, add({ a = 1 }, ("k"):rep(256)))).status)
    at.now = at.now + 24 * 3600 + 1
    assert.equal(2, (add({ a = 1 }, "k")).result.item.id)
  end)
end)

describe("limits", function()
  local function refused(portal, count)
    local n = 0
    for _ = 1, count do
      local _, raw = send(portal, hook(portal, "server.time"))
      if raw.status == 503 then n = n + 1 end
    end
    return n
  end

  it("of the standard tariff: 50 at once, then 2 a second", function()
    local portal, at = new_portal {}
    assert.equal(3, refused(portal, 53))
    at.now = at.now + 0.5 -- the counter falls at whole seconds
    assert.equal(1, refused(portal, 1))
    at.now = at.now + 0.5
    assert.equal(1, refused(portal, 3))
  end)

  it("can fall evenly, and start elsewhere in the second", function()
    local portal, at = new_portal { limits = { rate = 2, burst = 4, leak = "even" } }
    assert.equal(1, refused(portal, 5))
    at.now = at.now + 0.5
    assert.equal(1, refused(portal, 2))
    portal, at = new_portal { limits = { rate = 2, burst = 4, phase = 0.5 } }
    assert.equal(0, refused(portal, 4))
    at.now = at.now + 0.25
    assert.equal(0, refused(portal, 2))
  end)

  it("count a batch as one request", function()
    local portal = new_portal { limits = { rate = 1, burst = 2 } }
    send(portal, hook(portal, "batch"), { cmd = { "server.time", "server.time", "server.time" } })
    assert.equal(1, refused(portal, 2))
  end)

  it("block a method that worked too long, and no other", function()
    local portal, at = new_portal { limits = false, operating = { cost = { ["test.echo"] = 200 } } }
    local body, raw
    for _ = 1, 3 do body = send(portal, hook(portal, "test.echo"), {}) end
    assert.equal(600, body.time.operating)
    local reset_at = body.time.operating_reset_at
    body, raw = send(portal, hook(portal, "test.echo"), {})
    assert.same({ 429, "OPERATION_TIME_LIMIT" }, { raw.status, body.error })
    assert.equal(200, (select(2, send(portal, hook(portal, "server.time")))).status)
    at.now = reset_at
    assert.equal(200, (select(2, send(portal, hook(portal, "test.echo"), {}))).status)
  end)

  it("charge a batch's commands, or the batch", function()
    for charge, other in pairs { command = "test.echo", batch = "batch" } do
      local portal = new_portal { limits = false, operating = { cost = 200, charge = charge } }
      send(portal, hook(portal, "batch"), { cmd = { "test.echo", "test.echo", "test.echo" } })
      local _, raw = send(portal, hook(portal, "test.echo"), {})
      assert.equal(charge == "command" and 429 or 200, raw.status)
      assert.equal(429, (select(2, send(portal, hook(portal, other), { cmd = {} }))).status)
    end
  end)
end)

describe("faults", function()
  it("strike the nth matching request, count times", function()
    local portal = new_portal()
    portal.faults:add { method = "Test.Echo", nth = 2, count = 2, action = "OVERLOAD_LIMIT" }
    local seen = {}
    for i = 1, 4 do
      send(portal, hook(portal, "server.time"))
      seen[i] = (select(2, send(portal, hook(portal, "test.echo")))).status
    end
    assert.same({ 200, 503, 503, 200 }, seen)
  end)

  it("strike commands of a batch as errors, the connection as a whole", function()
    local portal = new_portal()
    portal.faults:add { method = "test.echo", nth = 2, action = { error = "ODD", description = "why" } }
    local cmd = { "test.echo", "test.echo", "test.echo" }
    local got = (send(portal, hook(portal, "batch"), { cmd = cmd })).result
    assert.same({ ["1"] = { error = "ODD", error_description = "why" } }, got.result_error)
    portal.faults:add { method = "test.echo", action = "reset" }
    local _, answer = send(portal, hook(portal, "batch"), { cmd = { "test.echo" } })
    assert.equal("reset", answer.transfer)
  end)

  it("may come after the method ran", function()
    local portal = new_portal()
    portal.faults:add { method = "test.item.add", action = "reset" }
    portal.faults:add { method = "test.item.add", nth = 2, action = "reset", after = true }
    send(portal, hook3(portal, "test.item.add"), {})
    send(portal, hook3(portal, "test.item.add"), {})
    assert.equal(2, (send(portal, hook3(portal, "test.item.add"), {})).result.item.id)
  end)

  it("take any status, body and headers", function()
    local portal = new_portal()
    portal.faults:add { action = { status = 503, error = "X", retry_after = 4, delay = 2 } }
    local body, raw = send(portal, hook(portal, "profile"))
    assert.same({ 503, "X", 4, 2 }, { raw.status, body.error, raw.headers["Retry-After"], raw.delay })
    portal.faults:add { action = { status = 302, headers = { Location = "https://new.example/" } } }
    raw = select(2, send(portal, hook(portal, "profile")))
    assert.same({ 302, "https://new.example/", "" }, { raw.status, raw.headers.Location, raw.body })
  end)
end)
