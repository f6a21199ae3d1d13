-- How failures reach a script: every documented error replayed, broken
-- answers, broken connections, and what is tried again.

local bitrix24 = require "bitrix24"
local sandbox = require "bitrix24.sandbox"
local scripted = require "support.scripted"

local failure, count = scripted.failure, scripted.count

local READ, READ_PARAMS = "crm.calllist.get", { ID = 1 }
local WRITE, WRITE_PARAMS = "crm.calllist.add", { ENTITY_TYPE = "CONTACT", ENTITIES = { 1, 2 } }

local sb, portal

local function open(options, connection)
  options = options or {}
  options.limits = false
  sb = sandbox.start(options)
  connection = connection or {}
  connection.retries = connection.retries or 0
  portal = sb:connect(connection)
end

local function reconnect(connection)
  portal:close()
  portal = sb:connect(connection)
end

local function close()
  portal:close()
  if sb.server then
    assert.same({}, sb:errors())
    sb:stop()
  end
end

local function answer_with(method, status, body, content_type)
  sb:fault { method = method, action = { status = status, body = body,
    headers = { ["Content-Type"] = content_type or "application/json; charset=utf-8" } } }
end

-- Codes that tell of the credentials; all other examples are of the method.
local AUTH = { INVALID_CREDENTIALS = true, WRONG_AUTH_TYPE = true }

-- What the error of an example must say: { code=, message=, validation= }.
local function reading(documented)
  local inner = documented.error == nil and documented.result or documented
  if inner.status == "error" then return { code = "", message = inner.errors[1] } end
  local fault = inner.error
  if type(fault) == "table" then
    return { code = fault.code, message = fault.message or fault.code, validation = fault.validation }
  end
  return { code = tostring(fault), message = inner.error_description }
end

describe("a documented error", function()
  setup(open)
  teardown(close)
  after_each(function() assert.same({}, sb:errors()) end)

  local replayed = 0
  for _, example in ipairs(scripted.examples) do
    -- the example of batch is the failure of its commands, not of the call
    if example.error and not (example.method == "batch" and example.version == 2) then
      replayed = replayed + 1
      local name = ("of %s (REST %d)"):format(example.method, example.version)
      local status = example.http_error_status
      if type(status) == "table" then status = status[1] end
      if type(status) ~= "number" then status = 400 end

      it(name .. " is raised as it is spelled", function()
        local expected = reading(example.error)
        -- some failures come with HTTP 200 whatever the page says
        for _, http in ipairs { status, 200 } do
          answer_with(example.method, http, example.failed)
          local view = example.version == 3 and portal.v3 or portal.v2
          local e = failure(sb, { kind = AUTH[expected.code] and "auth" or "api", code = expected.code,
            message = expected.message:gsub("%s+$", ""), status = http, method = example.method,
            attempts = 1, retryable = false },
            view.call, view, example.method, example.request)
          assert.same(expected.validation, e.validation)
          local line = tostring(e)
          assert.truthy(line:find(example.method, 1, true))
          assert.truthy(line:find(("%q"):format(expected.code), 1, true), line)
          assert.truthy(line:find(e.message, 1, true))
          for _, item in ipairs(expected.validation or {}) do
            assert.truthy(line:find(item.field .. ": " .. item.message, 1, true))
          end
        end
      end)
    end
  end

  it("was found for every kind of code", function() assert.truthy(replayed > 70) end)

  local CODES = {
    { '""', "" }, { "0", "0" }, { "510", "510" }, { '"200040300010"', "200040300010" },
    { "200040300010", "200040300010" }, { '"Incorrect list id"', "Incorrect list id" },
    { '"Invalid parameters."', "Invalid parameters." }, { '"ERROR_CORE"', "ERROR_CORE" },
  }
  for _, row in ipairs(CODES) do
    it("has the code " .. row[1] .. " as a string", function()
      answer_with(READ, 400, ('{"error":%s,"error_description":"Words of<br>the portal"}'):format(row[1]))
      failure(sb, { kind = "api", code = row[2], message = "Words of the portal" },
        portal.call, portal, READ, READ_PARAMS)
    end)
  end

  it("without a description says its code", function()
    answer_with(READ, 400, '{"error":"ODD_CODE"}')
    local e = failure(sb, { code = "ODD_CODE" }, portal.call, portal, READ, READ_PARAMS)
    assert.truthy(tostring(e):find("ODD_CODE", 1, true))
    answer_with(READ, 400, '{"error":""}')
    e = failure(sb, { code = "" }, portal.call, portal, READ, READ_PARAMS)
    assert.truthy(#e.message > 0)
  end)

  it("inside the result is an error: imconnector", function()
    local body = '{"result":{"result":false,"error":"NO_CONNECTOR","error_description":"Unknown connector"}}'
    answer_with("imconnector.register", 200, body)
    failure(sb, { kind = "api", code = "NO_CONNECTOR", message = "Unknown connector", status = 200 },
      portal.call, portal, "imconnector.register", {})
  end)

  it("inside the result is an error, of a command too", function()
    local method = "humanresources.hcmlink.job.update"
    local failed = '{"error":510,"error_description":"Operation failed"}'
    sb:fault { method = "batch", action = { body = ('{"result":{"result":{"c00":%s,"c01":{"jobId":7}},'
      .. '"result_error":[],"result_total":[],"result_next":[],"result_time":[]}}'):format(failed) } }
    local results, problems = portal:map({ 1, 2 }, function(id)
      return portal:call(method, { jobId = id })
    end, { on_error = "collect" })
    assert.is_nil(results[1])
    local e = failure(sb, { kind = "api", code = "510", message = "Operation failed", method = method },
      error, problems[1])
    assert.is_nil(e.validation)
    assert.same({ jobId = 7 }, results[2])
  end)

  it("of the commands of a batch is the error of each call", function()
    local body = scripted.example("batch", 2).failed:gsub("get_user", "c00"):gsub("get_department", "c01")
    sb:fault { method = "batch", action = { body = body } }
    local names = { "user.current", "department.get" }
    local results, problems = portal:map(names, function(name) return portal:call(name, {}) end,
      { on_error = "collect" })
    for i, name in ipairs(names) do
      assert.is_nil(results[i])
      local e = failure(sb, { kind = "auth", code = "insufficient_scope", status = 200, method = name,
        retryable = false }, error, problems[i])
      assert.truthy(e.hint:find("the scope ", 1, true))
    end
  end)

  it("stays one line whatever the portal writes", function()
    answer_with(READ, 400, '{"error":"A\\nB","error_description":"one\\r\\ntwo\\u0007\\tthree"}')
    local e = failure(sb, { code = "A\nB" }, portal.call, portal, READ, READ_PARAMS)
    assert.truthy(tostring(e):find("one two", 1, true))
    assert.equal("failed: " .. tostring(e) .. "\n", "failed: " .. e .. "\n")
  end)
end)

describe("an answer that is none", function()
  setup(open)
  teardown(close)

  local PAGE = "<html><head><title>Access denied | Proxy</title></head><body>no</body></html>"
  local ROWS = {
    { "an HTML page", 200, PAGE, "text/html", 'HTML page: "Access denied | Proxy"' },
    { "an HTML page that claims to be JSON", 200, PAGE, nil, "HTML page" },
    { "an HTML page with 404", 404, PAGE, "text/html", "HTML page" },
    { "an HTML page with 502", 502, PAGE, "text/html", "HTML page", true },
    { "nothing with 504", 504, "", "text/plain", "empty", true },
    { "an object without a code, with 500", 500, "{}", nil, "500", true },
    { "text", 200, "OK", "text/plain", "not whole JSON (2 bytes of text/plain)" },
    { "cut JSON", 200, '{"result":[{"ID":"1"},{"ID"', nil, "not whole JSON" },
    { "JSON and more", 200, '{"result":1}{"result":2}', nil, "not whole JSON" },
    { "an empty object", 200, "{}", nil, "neither result nor error" },
    { "another object", 200, '{"status":"ok"}', nil, "neither result nor error" },
    { "a list", 200, "[]", nil, "neither result nor error" },
    { "a string", 200, '"fine"', nil, "not an object" },
    { "null", 200, "null", nil, "not an object" },
  }
  for _, row in ipairs(ROWS) do
    for _, method in ipairs { READ, WRITE } do
      it(("is a protocol error: %s, %s"):format(row[1], method), function()
        answer_with(method, row[2], row[3], row[4])
        local e = failure(sb, { kind = "protocol", sent = true, status = row[2], method = method,
          attempts = 1 }, portal.call, portal, method, {})
        assert.is_nil(e.code)
        assert.truthy(e.message:find(row[5], 1, true), e.message)
        -- a write may have run behind a gateway that failed
        if row[2] >= 300 then assert.equal(method == READ and row[6] or false, e.retryable) end
      end)
    end
  end

  it("is a protocol error when nothing is in it", function()
    sb:fault { method = READ, action = "empty" }
    local e = failure(sb, { kind = "protocol", sent = true, status = 200 }, portal.call, portal, READ, {})
    assert.truthy(e.message:find("empty", 1, true))
  end)

  it("is a protocol error when it breaks off", function()
    for _, method in ipairs { READ, WRITE } do
      sb:fault { method = method, action = "cut" }
      local e = failure(sb, { kind = "protocol", sent = true, method = method, attempts = 1 },
        portal.call, portal, method, method == READ and READ_PARAMS or WRITE_PARAMS)
      assert.truthy(e.message:find("broke off", 1, true), e.message)
    end
  end)

  it("is a refusal when a gateway says 429", function()
    answer_with(WRITE, 429, PAGE, "text/html")
    failure(sb, { kind = "limit", sent = false, status = 429, retryable = true, attempts = 1 },
      portal.call, portal, WRITE, WRITE_PARAMS)
  end)

  it("tells where a portal moved to", function()
    local closed <close> = sandbox.closed_port()
    sb:fault { method = READ, action = { status = 302, body = PAGE,
      headers = { Location = closed.url .. "/rest/", ["Content-Type"] = "text/html" } } }
    local e = failure(sb, {}, portal.call, portal, READ, READ_PARAMS)
    assert.truthy(e.kind == "protocol" or e.kind == "network", e.kind)
  end)
end)

describe("a connection", function()
  it("that is refused: network, surely not sent", function()
    open()
    sb:stop()
    for _, method in ipairs { READ, WRITE } do
      local e = failure(sb, { kind = "network", sent = false, retryable = true, attempts = 1,
        method = method }, portal.call, portal, method, {})
      assert.is_nil(e.status)
      assert.is_nil(e.code)
    end
    close()
  end)

  it("that is refused is tried again, also for a write", function()
    open({}, { retries = 1 })
    sb:stop()
    failure(sb, { kind = "network", sent = false, attempts = 2 }, portal.call, portal, WRITE, WRITE_PARAMS)
    close()
  end)

  it("to a host that does not exist: network, surely not sent", function()
    open()
    local lost <close> = bitrix24.connect {
      webhook = "https://x.invalid/rest/1/secretcode1234/", retries = 0, connect_timeout = 5,
    }
    local e = failure(sb, { kind = "network", sent = false, retryable = true }, lost.call, lost, READ, {})
    assert.falsy(tostring(e):find("secretcode1234", 1, true))
    close()
  end)

  it("to a portal with another's certificate: network, not sent, not retried", function()
    open { tls = true }
    portal:call(READ, READ_PARAMS)
    local strict <close> = bitrix24.connect { webhook = sb.webhook, retries = 5 }
    local e = failure(sb, { kind = "network", sent = false, retryable = false, attempts = 1 },
      strict.call, strict, WRITE, WRITE_PARAMS)
    assert.truthy(e.hint:find("ca_file", 1, true))
    local lax <close> = bitrix24.connect { webhook = sb.webhook, insecure = true }
    assert.equal("1", lax:call(READ, READ_PARAMS).ID)
    assert.equal(0, count(sb, WRITE))
    close()
  end)

  it("that is reset: network, unknown whether it ran", function()
    open()
    for _, method in ipairs { READ, WRITE } do
      sb:fault { method = method, action = "reset" }
      local e = failure(sb, { kind = "network", attempts = 1, method = method, retryable = method == READ },
        portal.call, portal, method, method == READ and READ_PARAMS or WRITE_PARAMS)
      assert.is_nil(e.sent)
      assert.is_nil(e.status)
      assert.equal(method == WRITE, (e.hint or ""):find("idempotent", 1, true) ~= nil) -- a read has no effect
    end
    close()
  end)

  it("that hangs: network, unknown whether it ran", function()
    open({}, { timeout = 0.3 })
    sb:fault { method = WRITE, action = "hang" }
    local e = failure(sb, { kind = "network", attempts = 1 }, portal.call, portal, WRITE, WRITE_PARAMS)
    assert.is_nil(e.sent)
    close()
  end)
end)

describe("what is tried again", function()
  before_each(function() open({}, { retries = 1 }) end)
  after_each(close)

  for _, action in ipairs { "reset", "cut", "html" } do
    it("a read after " .. action, function()
      sb:fault { method = READ, action = action }
      local result, response = portal:call(READ, READ_PARAMS)
      assert.same({ "1", 2 }, { result.ID, response.attempts })
      assert.equal(2, count(sb, READ))
    end)
  end

  it("a read as often as allowed, then its error", function()
    sb:fault { method = READ, action = "html", count = 9 }
    failure(sb, { kind = "protocol", status = 502, attempts = 2, retryable = true },
      portal.call, portal, READ, READ_PARAMS)
    assert.equal(2, count(sb, READ))
  end)

  for _, action in ipairs { "reset", "cut", "html", "empty" } do
    it("not a write after " .. action .. ": it ran once", function()
      local before = #sb:records "calllists"
      reconnect { retries = 5 }
      sb:fault { method = WRITE, action = action, after = true }
      failure(sb, { kind = action == "reset" and "network" or "protocol", attempts = 1 },
        portal.call, portal, WRITE, WRITE_PARAMS)
      assert.equal(1, count(sb, WRITE))
      assert.equal(before + 1, #sb:records "calllists")
    end)
  end

  it("a write that the caller says is harmless", function()
    local params = { LIST_ID = 1, ENTITY_TYPE = "CONTACT", ENTITIES = { 5 } }
    sb:fault { method = "crm.calllist.update", action = "reset", after = true }
    local result, response = portal:call("crm.calllist.update", params, { idempotent = true })
    assert.same({ true, 2, 2 }, { result, response.attempts, count(sb, "crm.calllist.update") })
  end)

  it("a write of REST 3.0 with the same key, executed once", function()
    local params = { name = "New department", type = "DEPARTMENT", parentId = 1 }
    local before = #sb:records "nodes"
    for _, action in ipairs { "reset", "cut" } do
      sb:reset()
      sb:fault { method = "humanresources.node.add", action = action, after = true }
      local _, response = portal:call("humanresources.node.add", params)
      assert.equal(2, response.attempts)
      assert.equal(before + 1, #sb:records "nodes")
      local first, second = table.unpack(sb:requests())
      assert.truthy(#first.headers["idempotency-key"] >= 16)
      assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"])
      assert.equal(first.body, second.body)
    end
  end)

  it("two writes of REST 3.0 are two", function()
    local params = { name = "New department", type = "DEPARTMENT", parentId = 1 }
    local before = #sb:records "nodes"
    for _ = 1, 2 do portal:call("humanresources.node.add", params) end
    local first, second = table.unpack(sb:requests())
    assert.not_equal(first.headers["idempotency-key"], second.headers["idempotency-key"])
    assert.equal(before + 2, #sb:records "nodes")
  end)

  it("the caller's own key is the one that is sent", function()
    local params = { name = "New department", type = "DEPARTMENT", parentId = 1 }
    local before = #sb:records "nodes"
    for _ = 1, 2 do
      portal:call("humanresources.node.add", params, { idempotency_key = "order 4711" })
    end
    assert.equal("order 4711", sb:requests()[2].headers["idempotency-key"])
    assert.equal(before + 1, #sb:records "nodes")
    local code = "BITRIX_REST_V3_EXCEPTION_IDEMPOTENCYKEYREUSEDEXCEPTION"
    failure(sb, { kind = "api", code = code, status = 422 }, portal.call, portal,
      "humanresources.node.add", { name = "Another", type = "DEPARTMENT", parentId = 1 },
      { idempotency_key = "order 4711" })
  end)

  it("a write that was refused for too many requests", function()
    local before = #sb:records "calllists"
    sb:fault { method = WRITE, action = "QUERY_LIMIT_EXCEEDED" }
    local _, response = portal:call(WRITE, WRITE_PARAMS)
    assert.same({ 2, 2 }, { response.attempts, count(sb, WRITE) })
    assert.equal(before + 1, #sb:records "calllists")
  end)

  it("never what support has blocked", function()
    reconnect { retries = 5 }
    sb:fault { method = READ, action = "OVERLOAD_LIMIT" }
    failure(sb, { kind = "limit", code = "OVERLOAD_LIMIT", status = 503, retryable = false, sent = false,
      attempts = 1 }, portal.call, portal, READ, READ_PARAMS)
    assert.equal(1, count(sb, READ))
  end)

  it("not where the portal asks for a longer wait than allowed", function()
    reconnect { retries = 5, wait_max = 1 }
    sb:fault { method = WRITE, action = { error = "QUERY_LIMIT_EXCEEDED", retry_after = 100 } }
    failure(sb, { kind = "limit", code = "QUERY_LIMIT_EXCEEDED", attempts = 1, sent = false,
      retryable = true }, portal.call, portal, WRITE, WRITE_PARAMS)
    sb:fault { method = WRITE, action = "OPERATION_TIME_LIMIT" }
    failure(sb, { kind = "limit", code = "OPERATION_TIME_LIMIT", attempts = 1, sent = false, status = 429 },
      portal.call, portal, WRITE, WRITE_PARAMS)
  end)

  it("not beyond the call's own time", function()
    reconnect { retries = 5 }
    sb:fault { method = READ, action = { error = "QUERY_LIMIT_EXCEEDED", retry_after = 50 } }
    failure(sb, { kind = "limit", attempts = 1 }, portal.call, portal, READ, READ_PARAMS, { timeout = 5 })
  end)

  it("a refusal after a lost answer does not claim that nothing ran", function()
    local params = { LIST_ID = 1, ENTITY_TYPE = "CONTACT", ENTITIES = { 5 } }
    for action, refusal in pairs {
      reset = "QUERY_LIMIT_EXCEEDED", cut = "QUERY_LIMIT_EXCEEDED", html = "OVERLOAD_LIMIT",
    } do
      sb:reset()
      sb:fault { method = "crm.calllist.update", action = action, after = true }
      -- faults count the requests they do not strike, too
      sb:fault { method = "crm.calllist.update", nth = 2, action = refusal }
      local e = failure(sb, { kind = "limit", code = refusal, attempts = 2 }, portal.call, portal,
        "crm.calllist.update", params, { idempotent = true })
      assert.not_equal(false, e.sent, action)
    end
  end)

  it("what has no working time left, when Retry-After says so", function()
    reconnect { retries = 1, wait_max = 5 } -- a minute is waited where nobody says anything
    sb:fault { method = WRITE, action = { error = "OPERATION_TIME_LIMIT", retry_after = 1 } }
    local _, response = portal:call(WRITE, WRITE_PARAMS)
    assert.equal(2, response.attempts)
  end)
end)

describe("no error shows a secret", function()
  local events

  local function note(value)
    if type(value) == "table" then
      for key, item in pairs(value) do note(key) note(item) end
    else
      events[#events + 1] = tostring(value)
    end
  end

  before_each(function()
    events = {}
    open()
  end)
  after_each(close)

  it("even where the portal's answer quotes it", function()
    for _, application in ipairs { false, true } do
      local token = application and { domain = sb.url, access_token = sb.oauth.access_token } or {}
      token.retries, token.log = 0, note
      reconnect(token)
      local secret = application and sb.oauth.access_token or scripted.secrets(sb)[1]
      local quoted = ("bad %s, see %s/rest/1/%s/profile"):format(secret, sb.url, secret)
      local bodies = {
        ('{"error":"X","error_description":"%s"}'):format(quoted),
        ('{"error":"%s","error_description":"wrong"}'):format(quoted),
        ('{"error":{"code":"%s","message":"%s","validation":[{"field":"%s","message":"%s"}]}}')
          :format(secret, quoted, secret, quoted),
        ('{"result":{"status":"error","errors":["%s"]}}'):format(quoted),
        ("<html><title>%s</title></html>"):format(quoted),
        quoted,
        ('"%s"'):format(quoted),
      }
      for _, status in ipairs { 200, 403, 502 } do
        for _, body in ipairs(bodies) do
          answer_with("profile", status, body)
          local e = failure(sb, { method = "profile", status = status }, portal.call, portal, "profile", {})
          assert.truthy(#e.message > 0)
        end
      end
      sb:fault { method = "profile", action = { status = 302, body = "",
        headers = { Location = ("https://%s.invalid/rest/1/%s/"):format(secret, secret) } } }
      failure(sb, {}, portal.call, portal, "profile", {})
    end
    for _, text in ipairs(events) do
      for _, secret in ipairs(scripted.secrets(sb)) do assert.falsy(text:find(secret, 1, true), text) end
    end
    assert.truthy(#events > 0)
  end)

  it("nor does a method's name that holds one", function()
    local secret = scripted.secrets(sb)[1]
    local ok, e = pcall(portal.call, portal, "x/" .. secret, {})
    assert.falsy(ok)
    assert.equal("config", e.kind)
    assert.falsy(tostring(e.message):find(secret, 1, true))
  end)
end)
