-- The errors any method may answer (_includes/system-errors, limits,
-- api-reference/rest-v3, settings/oauth/error-codes): their kind, whether they
-- are tried again, and the hint.

local sandbox = require "bitrix24.sandbox"
local scripted = require "support.scripted"

local failure, count = scripted.failure, scripted.count

local V3 = "BITRIX_REST_V3_EXCEPTION_"
local READ, WRITE = "crm.calllist.get", "crm.calllist.add"
local READ3, WRITE3 = "humanresources.node.get", "humanresources.node.add"
local PARAMS = {
  [READ] = { ID = 1 },
  [WRITE] = { ENTITY_TYPE = "CONTACT", ENTITIES = { 1, 2 } },
  [READ3] = { id = 1 },
  [WRITE3] = { name = "New", type = "DEPARTMENT", parentId = 1 },
}

-- code, HTTP status, kind, part of the hint
local REST2 = {
  { "INTERNAL_SERVER_ERROR", 500, "api" },
  { "ERROR_UNEXPECTED_ANSWER", 500, "api" },
  { "QUERY_LIMIT_EXCEEDED", 503, "limit", "call less often" },
  { "ERROR_BATCH_METHOD_NOT_ALLOWED", 405, "api", "outside of a batch" },
  { "ERROR_BATCH_LENGTH_EXCEEDED", 400, "api" },
  { "NO_AUTH_FOUND", 401, "auth", "webhook's address" },
  { "INVALID_REQUEST", 400, "api", "https" },
  { "OVERLOAD_LIMIT", 503, "limit", "support" },
  { "ACCESS_DENIED", 403, "api" },
  { "INVALID_CREDENTIALS", 403, "auth", "permission" },
  { "ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, "api" },
  { "insufficient_scope", 403, "auth", "scope crm" },
  { "expired_token", 401, "auth", "one hour" },
  { "user_access_error", 403, "auth", "administrator" },
  { "PORTAL_DELETED", 500, "api", "address" },
  { "OPERATION_TIME_LIMIT", 429, "limit", "wait_max" },
  { "ERROR_METHOD_NOT_FOUND", 404, "api", "the portal does not have this method" },
  { "METHOD_CONFIRM_WAITING", 401, "auth", "administrator must confirm" },
  { "METHOD_CONFIRM_DENIED", 403, "auth", "administrator" },
  { "WRONG_AUTH_TYPE", 403, "auth" },
  { "invalid_request", 400, "auth" },
  { "invalid_client", 401, "auth" },
  { "invalid_scope", 400, "auth" },
  { "invalid_grant", 400, "auth" },
  { "PAYMENT_REQUIRED", 402, "auth" },
}

local REST3 = {
  { V3 .. "IDEMPOTENCYKEYREUSEDEXCEPTION", 422, "api", "another key" },
  { V3 .. "INVALIDIDEMPOTENCYKEYEXCEPTION", 400, "api" },
  { V3 .. "VALIDATION_REQUESTVALIDATIONEXCEPTION", 400, "api" },
  { V3 .. "INVALIDJSONEXCEPTION", 400, "api" },
  { V3 .. "UNKNOWNDTOPROPERTYEXCEPTION", 400, "api" },
  { V3 .. "UNKNOWNFILTEROPERATOREXCEPTION", 400, "api" },
  { V3 .. "ENTITYNOTFOUNDEXCEPTION", 400, "api" },
  { V3 .. "ACCESSDENIEDEXCEPTION", 403, "api" },
  { V3 .. "INSUFFICIENTSCOPEEXCEPTION", 403, "auth", "scope humanresources" },
  { V3 .. "INVALIDSELECTEXCEPTION", 400, "api" },
  { V3 .. "INVALIDFILTEREXCEPTION", 400, "api" },
  { V3 .. "INVALIDORDEREXCEPTION", 400, "api" },
  { V3 .. "INVALIDPAGINATIONEXCEPTION", 400, "api" },
  { V3 .. "VALIDATION_DTOVALIDATIONEXCEPTION", 400, "api" },
  { V3 .. "VALIDATION_REQUESTFILTERVALIDATIONEXCEPTION", 400, "api" },
  { "BITRIX_REST_V3_REALISATION_EXCEPTION_FIELDNOTFOUNDEXCEPTION", 400, "api" },
}

-- Refused before the method ran, so that another attempt can do no harm.
local WAITS = { QUERY_LIMIT_EXCEEDED = true, OPERATION_TIME_LIMIT = true }
-- The portal failed inside: the method may have run.
local INSIDE = { INTERNAL_SERVER_ERROR = true, ERROR_UNEXPECTED_ANSWER = true }

local sb, portal

local function open()
  sb = sandbox.start { limits = false }
  portal = sb:connect { retries = 5 }
end

local function close()
  portal:close()
  assert.same({}, sb:errors())
  sb:stop()
end

describe("the system error", function()
  local impatient

  setup(function()
    open()
    impatient = sb:connect { retries = 0 }
  end)
  teardown(function()
    impatient:close()
    close()
  end)

  for version, rows in pairs { [2] = REST2, [3] = REST3 } do
    for _, row in ipairs(rows) do
      local code, status, kind, hint = table.unpack(row)
      it(code .. " is of the kind " .. kind, function()
        for _, method in ipairs(version == 2 and { READ, WRITE } or { READ3, WRITE3 }) do
          sb:reset()
          sb:fault { method = method, count = 9, action = { status = status, error = code,
            description = "Words of the portal" } }
          -- five attempts more are allowed, and only these would be made
          local tried = WAITS[code] or INSIDE[code] and method == READ or false
          local caller = tried and impatient or portal
          local e = failure(sb, { kind = kind, code = code, status = status, method = method, attempts = 1,
            retryable = tried, sent = kind == "api" }, caller.call, caller, method, PARAMS[method])
          assert.equal(1, count(sb, method))
          assert.truthy(e.message:find("Words of the portal", 1, true))
          assert.truthy(tostring(e):find(code, 1, true))
          if hint then assert.truthy(e.hint and e.hint:find(hint, 1, true), tostring(e.hint)) end
          assert.equal(code, (tostring(e):match('error "(.-)"')))
        end
      end)
    end
  end
end)

describe("after a system error", function()
  before_each(function()
    sb = sandbox.start { limits = false }
    portal = sb:connect { retries = 1 }
  end)
  after_each(close)

  it("a read is tried again where the portal failed inside, a write is not", function()
    sb:fault { method = READ, action = "INTERNAL_SERVER_ERROR" }
    local result, response = portal:call(READ, PARAMS[READ])
    assert.same({ "1", 2 }, { result.ID, response.attempts })
    sb:fault { method = WRITE, action = "INTERNAL_SERVER_ERROR", after = true }
    local before = #sb:records "calllists"
    failure(sb, { kind = "api", code = "INTERNAL_SERVER_ERROR", status = 500, sent = true, attempts = 1 },
      portal.call, portal, WRITE, PARAMS[WRITE])
    assert.equal(1, count(sb, WRITE))
    assert.equal(before + 1, #sb:records "calllists")
  end)

  it("a refused request is made again, also a write of either version", function()
    for _, method in ipairs { WRITE, WRITE3 } do
      sb:fault { method = method, action = "QUERY_LIMIT_EXCEEDED" }
      local _, response = portal:call(method, PARAMS[method])
      assert.same({ 2, 2 }, { response.attempts, count(sb, method) })
    end
  end)

  it("the working time is waited for until it is there again", function()
    sb:fault { method = WRITE, action = { status = 429, body =
      '{"error":"OPERATION_TIME_LIMIT","error_description":"Method is blocked due to operation time limit",'
      .. ('"time":{"operating_reset_at":%d}}'):format(os.time() + 1) } }
    local _, response = portal:call(WRITE, PARAMS[WRITE])
    assert.same({ 2, 2 }, { response.attempts, count(sb, WRITE) })
  end)
end)

describe("a hint", function()
  setup(open)
  teardown(close)

  it("names the methods that are spelled alike", function()
    local rows = {
      ["crm.calllist.ad"] = "crm.calllist.add",
      ["crm.contacts.list"] = "crm.contact.list",
      ["im.search.chats.list"] = "im.search.chat.list",
      ["crm.automatedsolutions.get"] = "crm.automatedsolution.get",
    }
    for wrong, right in pairs(rows) do
      local e = failure(sb, { kind = "api", code = "ERROR_METHOD_NOT_FOUND", status = 404, method = wrong,
        sent = true }, portal.call, portal, wrong, {})
      assert.truthy(e.hint:find("did you mean ", 1, true), e.hint)
      assert.truthy(e.hint:find(right, 1, true), e.hint)
      assert.truthy(tostring(e):find(right, 1, true))
    end
  end)

  it("guesses nothing for a name that is like no other", function()
    local e = failure(sb, { code = "ERROR_METHOD_NOT_FOUND" }, portal.call, portal, "qqqqqqqq.zzzzzzzzzz", {})
    assert.is_nil(e.hint:find("did you mean", 1, true))
    assert.truthy(e.hint:find("bitrix24 methods", 1, true), e.hint)
  end)

  it("names the required parameters that are missing", function()
    local e = failure(sb, { kind = "api" }, portal.call, portal, WRITE, {})
    assert.equal("missing required parameters: ENTITY_TYPE, ENTITIES", e.hint)
    e = failure(sb, { kind = "api" }, portal.call, portal, WRITE3, { name = "New" })
    assert.equal("missing required parameters: type, parentId", e.hint)
  end)

  it("names the scope that is not granted", function()
    local poor <close> = sandbox.start { limits = false, scope = { "im", "user" } }
    local connected <close> = poor:connect { retries = 0 }
    local e = failure(poor, { kind = "auth", code = "insufficient_scope", status = 403 },
      connected.call, connected, READ, PARAMS[READ])
    assert.equal("give the webhook or application the scope crm", e.hint)
    assert.same({}, poor:errors())
  end)

  it("says what is wrong with a webhook that was deleted", function()
    local gone <close> = sb:connect { webhook = sb.url .. "/rest/1/0123456789abcdef/", retries = 0 }
    local e = failure(sb, { kind = "auth", status = 401, code = "NO_AUTH_FOUND" }, gone.call, gone, READ, {})
    assert.truthy(e.hint:find("webhook", 1, true))
    assert.falsy(tostring(e):find("0123456789abcdef", 1, true))
  end)

  it("says that a token has run out", function()
    local late <close> = sb:connect { domain = sb.url, access_token = sb.oauth.expired_token, retries = 0 }
    local e = failure(sb, { kind = "auth", status = 401, code = "expired_token", attempts = 1 },
      late.call, late, READ, PARAMS[READ])
    assert.truthy(e.hint:find("one hour", 1, true))
  end)
end)
