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

  it("by which a list fails names the line of the script", function()
    sb:fault { method = "crm.deal.list", action = {
      status = 200, body = '{"result":[{"ID":"1"}],"next":0,"total":9}',
    } }
    local e = caught(function()
      for _ in portal.crm.deal.list:each({}, { strategy = "sequential" }) do end
    end)
    assert.equal("protocol", e.kind)
    assert.matches("audit_spec%.lua:%d+$", e.where)
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

describe("a list", function()
  local sb, portal

  before_each(function()
    sb = sandbox.start { contacts = 60, chats = 1 }
    portal = sb:connect { retries = 0, limits = false }
  end)
  after_each(function()
    portal:close()
    sb:stop()
  end)

  local function answer(method, nth, body, status)
    sb:fault { method = method, nth = nth, action = { status = status or 200, body = body } }
  end

  it("of REST 3.0 that nobody knows is asked for its second page", function()
    local items = {}
    for i = 1, 50 do items[i] = ('{"id":%d}'):format(i) end
    answer("any.new.list", 1, ('{"result":{"items":[%s]},"time":{}}'):format(table.concat(items, ",")))
    answer("any.new.list", 2, '{"result":{"items":[{"id":51}]},"time":{}}')
    local ids = {}
    for record in portal.v3:each("any.new.list") do ids[#ids + 1] = record.id end
    assert.equal(51, #ids)
    assert.equal(51, ids[51])
  end)

  it("whose first page is empty while hundreds are counted is looked at again", function()
    for _, strategy in ipairs { "auto", "sequential" } do
      sb:reset()
      answer("crm.contact.list", 1, '{"result":[],"total":500,"time":{}}')
      local contacts = portal.crm.contact.list:all({}, { strategy = strategy })
      assert.truthy(#contacts > 0, strategy)
    end
  end)

  it("is not made of what a single record holds", function()
    local e = caught(portal.crm.contact.get.all, portal.crm.contact.get, { id = 1 })
    assert.equal("protocol", e.kind)
    assert.matches("portal:call", e.hint)
  end)

  it("of a method goes on when the portal refuses the batch it was in", function()
    answer("batch", 1, '{"error":"ERROR_METHOD_NOT_FOUND","error_description":"Method not found!"}', 404)
    local names = portal:map({ 1, 2, 3 }, function(id) return portal.crm.contact.get { id = id }.ID end)
    assert.equal(3, names.n)
    assert.truthy(names[3])
  end)
end)

describe("a fixture", function()
  it("of a kind that does not exist is refused with those that do", function()
    local e = caught(sandbox.start, { fixture = { contakts = {} } })
    assert.matches("contakts", e.message)
    assert.matches("contacts", e.message)
  end)
end)

describe("a token file behind a link", function()
  it("is written where the link leads, and locked there", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -p %s/shared; ln -s shared/tokens.json %s/tokens.json"):format(folder, folder)))
    local real = folder .. "/shared/tokens.json"
    bitrix24.token_file(real):save { access_token = "old", refresh_token = "r0" }
    bitrix24.token_file(folder .. "/tokens.json"):save { access_token = "new", refresh_token = "r1" }
    assert.equal("new", bitrix24.token_file(real):load().access_token)
    local pipe <close> = assert(io.popen(("readlink %s/tokens.json; ls -A %s"):format(folder, folder)))
    assert.equal("shared/tokens.json\nshared\ntokens.json\n", pipe:read("a"))
    os.execute("rm -r " .. folder)
  end)
end)

describe("what is no file", function()
  it("is not replaced by one", function()
    local fifo = os.tmpname()
    os.remove(fifo)
    assert(os.execute("mkfifo " .. fifo))
    local store = bitrix24.token_file(fifo)
    local e = caught(store.save, store, { access_token = "a", refresh_token = "b" })
    assert.equal("auth", e.kind)
    assert.truthy(os.execute("test -p " .. fifo))
    os.remove(fifo)
    os.remove(fifo .. ".lock")
  end)
end)

describe("a plan", function()
  it("that fails in a coroutine does not go on", function()
    local sb <close> = sandbox.start { contacts = 3, limits = false }
    local portal <close> = sb:connect()
    local thread = coroutine.create(function() portal:plan(function() error "oops" end) end)
    assert.is_false(coroutine.resume(thread))
    assert.is_number(portal.crm.contact.add { fields = { NAME = "Sent" } })
  end)
end)

describe("a store whose lock keeps a failure to itself", function()
  it("does not hide it from those who wait", function()
    local sb <close> = sandbox.start { contacts = 3, limits = false }
    local kept = { access_token = sb.oauth.expired_token, refresh_token = "spent" }
    local portal <close> = sb:connect {
      domain = sb.url, oauth_url = sb.url, client_id = sb.oauth.client_id,
      client_secret = sb.oauth.client_secret, tokens = {
        load = function() return kept end, save = function(_, t) kept = t end,
        lock = function(_, f) pcall(f) end,
      },
    }
    local e = caught(portal.user.current)
    assert.equal("invalid_grant", e.code)
  end)
end)

describe("a gather in a host's loop", function()
  it("ends when one of its functions closes the portal, whatever the others wait for", function()
    local uv = require "luv"
    local sb <close> = sandbox.start { contacts = 3, limits = false }
    local one = sb:connect { loop = require "bitrix24.loop.luv" }
    local other <close> = sb:connect { loop = require "bitrix24.loop.luv" }
    local ended
    coroutine.wrap(function()
      pcall(one.gather, one, function() return other.user.current() end, function() one:close() end)
      ended = true
    end)()
    uv.run()
    assert.is_true(ended)
  end)
end)
