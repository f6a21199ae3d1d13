-- Connecting: addresses, options, credentials, closing.

local bitrix24 = require "bitrix24"
local sandbox = require "bitrix24.sandbox"

local CODE = "s3cr3tc0de1234567"
local HOOK = "https://example.bitrix24.com/rest/1/" .. CODE .. "/"

describe("connect", function()
  local here = require "support.portal" (_ENV, { users = 5, contacts = 5, chats = 3 })

  --- The config error of connecting with `options`; nothing secret is in it.
  local function refused(options)
    local e = here.raises("config", bitrix24.connect, options)
    assert.is_false(e.sent)
    local text = tostring(e) .. tostring(e.hint)
    assert.falsy(text:find(CODE, 1, true), text)
    return e
  end

  local function accepted(options)
    local portal <close> = bitrix24.connect(options)
    return tostring(portal)
  end

  local function with(name, value)
    local options = { webhook = HOOK }
    options[name] = value
    return options
  end

  describe("options", function()
    local good = {
      timeout = { 1, 0.5, 1e6 }, connect_timeout = { 1, 0.25 }, wait_max = { 0, 1.5, 660 },
      retries = { 0, 20 }, max_connections = { 1, 64 }, batch = { true, false },
      strict = { true, false }, insecure = { true, false },
      nulls = { "drop", "keep" }, limits = { "standard", "enterprise", false, { rate = 2, burst = 50 } },
      user_agent = { "Report/1.0" }, log = { function() end },
    }
    local bad = {
      timeout = { 0, -1, "70", true, 1 / 0, 0 / 0 }, connect_timeout = { 0, "10" },
      wait_max = { -1, "1", 0 / 0 }, retries = { -1, 1.5, "5", false }, max_connections = { 0, -1, 2.5, "6" },
      batch = { "yes", 1 }, strict = { "Y", 0 }, insecure = { 1, "true" }, nulls = { "no", true, 1 },
      limits = { "fast", true, 5, {}, { rate = 2 }, { rate = -1, burst = 1 },
        { rate = 2, burst = 50, x = 1 } },
      user_agent = { "", 7 }, log = { "log.txt", true }, ca_file = { "", true }, proxy = { "", 8080 },
      webhook = { "", 7, true }, domain = { "", 7 }, access_token = { "", 7 },
    }

    for name, values in pairs(good) do
      it("take a proper " .. name, function()
        for _, value in ipairs(values) do
          assert.equal("bitrix24 portal https://example.bitrix24.com", accepted(with(name, value)))
        end
      end)
    end

    for name, values in pairs(bad) do
      it("refuse an improper " .. name, function()
        for _, value in ipairs(values) do
          local e = refused(with(name, value))
          assert.truthy(e.message:find("'" .. name .. "'", 1, true), tostring(e))
        end
      end)
    end

    it("are known by name; the nearest one is offered", function()
      for wrong, right in pairs { webhok = "webhook", timout = "timeout", retry = "retries", Log = "log",
        ["max-connections"] = "max_connections", accesstoken = "access_token", null = "nulls" } do
        local e = refused(with(wrong, 1))
        assert.truthy(tostring(e):find("'" .. wrong .. "'", 1, true), tostring(e))
        assert.truthy(tostring(e):find("'" .. right .. "'", 1, true), tostring(e))
      end
      assert.truthy(tostring(refused(with("colour", "red"))):find("'colour'", 1, true))
      assert.truthy(refused { HOOK }.hint:find("webhook =", 1, true))
      refused { [HOOK] = true }
    end)

    it("end where C thinks that they end", function()
      for _, options in ipairs { with("ca_file", "a\0b"), with("webhook", HOOK .. "\0x"),
        { domain = "example.bitrix24.com", access_token = "tok\0en" } } do
        local e = refused(options)
        local name = options.domain and "access_token" or options.ca_file and "ca_file" or "webhook"
        assert.truthy(e.message:find("'" .. name .. "'", 1, true), tostring(e))
      end
    end)

    it("never show a secret in the wrong place", function()
      for _, name in ipairs { "timeout", "log", "insecure", "nulls", "limits", "retries" } do
        refused(with(name, HOOK))
      end
      refused { domain = HOOK, access_token = "tok" .. CODE }
      refused { domain = "example.bitrix24.com", access_token = "bad token " .. CODE }
    end)

    it("show a wrong number only where a number is wanted", function()
      local secret, store = 4711081547, bitrix24.token_file("/tmp/none.json")
      assert.matches("'timeout' must be .*, got %-1$", refused(with("timeout", -1)).message)
      for _, f in ipairs {
        function() bitrix24.connect { domain = "example.bitrix24.com", access_token = secret } end,
        function() bitrix24.connect { webhook = secret } end,
        function()
          bitrix24.oauth.exchange { client_id = "a", client_secret = secret, code = "c", tokens = store }
        end,
        function()
          local portal <close> = bitrix24.connect(HOOK)
          portal.v3:call("tasks.task.add", {}, { idempotency_key = secret })
        end,
      } do
        local e = here.raises("config", f)
        assert.matches(", got number$", e.message)
      end
    end)

    it("name a proxy that can be one", function()
      for _, proxy in ipairs { "127.0.0.1:3128", "http://127.0.0.1:3128", "HTTPS://proxy.example.com",
        "socks5h://me:word@[::1]:1080/", "socks4a://host" } do
        assert.equal("bitrix24 portal https://example.bitrix24.com", accepted(with("proxy", proxy)))
      end
      for _, proxy in ipairs { "ftp://127.0.0.1", "://", "http://", "http:///x", "a proxy", "127.0.0.1\n",
        "socks6://" .. CODE } do
        local e = refused(with("proxy", proxy))
        assert.truthy(e.message:find("'proxy'", 1, true), tostring(e))
      end
    end)

    it("come after a dot", function()
      local e = here.raises("config", bitrix24.connect, bitrix24, HOOK)
      assert.truthy(tostring(e):find("dot", 1, true), tostring(e))
    end)

    it("are not modified", function()
      local options = { webhook = HOOK, retries = 2 }
      accepted(options)
      assert.same({ webhook = HOOK, retries = 2 }, options)
    end)

    it("may be nothing but a string or a table", function()
      for _, value in ipairs { 7, true, print, io.stdout } do refused(value) end
    end)
  end)

  describe("the webhook's address", function()
    it("is taken with and without a slash or a method at its end", function()
      for _, tail in ipairs { "", "profile", "profile.json", "crm.deal.list", "profile/" } do
        local portal = here:connect { webhook = here.sb.webhook .. tail }
        assert.equal("1", portal.profile().ID, tail)
      end
      assert.equal("1", here:connect { webhook = here.sb.webhook:gsub("/$", "") }.profile().ID)
      local portal <close> = bitrix24.connect(here.sb.webhook)
      assert.equal("1", portal.profile().ID)
    end)

    it("may hold spaces around it, as copied", function()
      assert.equal("1", here:connect { webhook = " " .. here.sb.webhook .. "\n" }.profile().ID)
    end)

    it("is refused when it is not one, in words that help", function()
      for _, address in ipairs {
        "example.bitrix24.com", "https://example.bitrix24.com", "https://example.bitrix24.com/",
        "https://example.bitrix24.com/rest/", "https://example.bitrix24.com/rest/1/",
        "https://example.bitrix24.com/rest/" .. CODE .. "/",
        "ftp://example.bitrix24.com/rest/1/" .. CODE .. "/",
        "https://user:" .. CODE .. "@example.bitrix24.com/rest/1/x/", "https:///rest/1/" .. CODE .. "/",
        "https://exa mple.com/rest/1/" .. CODE .. "/", "https://example.com:99999/rest/1/" .. CODE .. "/",
        "https://example.bitrix24.com/crm/1/" .. CODE .. "/", HOOK .. "crm.deal.list/and/more",
      } do
        local e = refused(address)
        assert.truthy(e.message:find("webhook", 1, true), tostring(e))
      end
    end)

    it("may be plain http on loopback alone, unless insecure", function()
      for _, host in ipairs { "example.com", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1" } do
        local plain = "http://" .. host .. "/rest/1/" .. CODE .. "/"
        local e = refused(plain)
        assert.truthy(tostring(e):find("https", 1, true), tostring(e))
        assert.truthy(accepted { webhook = plain, insecure = true })
      end
      for _, host in ipairs { "localhost", "127.0.0.1:8080", "[::1]:80", "127.9.9.9" } do
        assert.truthy(accepted("http://" .. host .. "/rest/1/" .. CODE .. "/"))
      end
    end)
  end)

  describe("without options", function()
    local PROGRAM = [[
      local bitrix24 = require "bitrix24"
      local ok, e = pcall(function()
        local portal <close> = bitrix24.connect(%s)
        return portal.profile().NAME
      end)
      io.write(tostring(e))
    ]]

    it("reads BITRIX24_WEBHOOK", function()
      local name = here.portal.profile().NAME
      for _, given in ipairs { "", "nil", "{}", "{ retries = 1 }" } do
        local output = here.run(PROGRAM:format(given), { BITRIX24_WEBHOOK = here.sb.webhook })
        assert.equal(name, output)
      end
      local output = here.run([[io.write(require "bitrix24".profile().NAME)]],
        { BITRIX24_WEBHOOK = here.sb.webhook })
      assert.equal(name, output)
    end)

    it("tells what to do when the variable is missing, empty or wrong", function()
      for _, environment in ipairs { {}, { BITRIX24_WEBHOOK = "" } } do
        local output = here.run(PROGRAM:format(""), environment)
        assert.truthy(output:find("config error", 1, true), output)
        assert.truthy(output:find("BITRIX24_WEBHOOK", 1, true), output)
      end
      local output = here.run(PROGRAM:format(""), { BITRIX24_WEBHOOK = "https://example.com/" .. CODE })
      assert.truthy(output:find("config error", 1, true), output)
      assert.falsy(output:find(CODE, 1, true), output)
    end)
  end)

  describe("with an application's token", function()
    it("speaks both versions, to the domain in each of its spellings", function()
      local oauth = here.sb.oauth
      local portal = here:connect { domain = here.sb.url, access_token = oauth.access_token }
      assert.equal("1", portal.profile().ID)
      assert.is_table(portal.app.info())
      assert.truthy(portal.v3.tasks.task.get { id = 1 })
      for _, request in ipairs(here:sent()) do assert.equal(200, request.status) end
      assert.falsy(here.sb.webhook:find(oauth.access_token, 1, true))
    end)

    it("is an auth error when the token is expired or made up; the token is not shown", function()
      for _, token in ipairs { here.sb.oauth.expired_token, "made" .. CODE } do
        local portal = here:connect { domain = here.sb.url, access_token = token }
        local e = here.raises("auth", portal.profile)
        assert.equal(401, e.status)
        assert.falsy(tostring(e):find(token, 1, true))
      end
    end)

    it("needs both options, and no webhook beside them", function()
      assert.truthy(refused { domain = "example.bitrix24.com" }.message:find("access_token", 1, true))
      assert.truthy(refused { access_token = CODE }.message:find("domain", 1, true))
      refused { webhook = HOOK, domain = "example.bitrix24.com", access_token = CODE }
      refused { domain = "example.bitrix24.com/rest/1/" .. CODE, access_token = CODE }
    end)
  end)

  describe("a portal", function()
    it("prints without its code", function()
      assert.equal("bitrix24 portal https://example.bitrix24.com", accepted(HOOK))
      assert.equal("bitrix24 portal " .. here.sb.url, tostring(here.portal))
      assert.truthy(tostring(here.portal.v3):find("REST 3", 1, true))
    end)

    it("is closed by close, as often as one likes, and by a <close> variable", function()
      local kept
      do
        local portal <close> = bitrix24.connect(here.sb.webhook)
        assert.equal("1", portal.profile().ID)
        kept = portal
      end
      for _ = 1, 3 do kept:close() end
      assert.equal("bitrix24 portal (closed)", tostring(kept))
      local before = #here:sent()
      for _, call in ipairs {
        function() kept.profile() end, function() kept:call("profile") end, function() kept.v3.x.y() end,
        function() for _ in kept.user.get:each() do error("a record") end end,
        function() kept.user.get:count() end, function() kept:download("/x", os.tmpname()) end,
      } do
        local e = here.raises("config", call)
        assert.truthy(e.message:find("closed", 1, true), tostring(e))
      end
      assert.equal(before, #here:sent())
    end)

    it("stays open when a view of it is closed by a <close> variable", function()
      do
        local v3 <close> = here.portal.v3
        assert.truthy(v3)
      end
      assert.equal("1", here.portal.profile().ID)
    end)

    it("cannot be assigned to", function()
      local e = here.raises("config", function() here.portal.crm = {} end)
      assert.truthy(e.message:find("portal.crm", 1, true))
    end)

    it("is one of many, each with its own portal", function()
      local other <close> = sandbox.start { seed = 11, contacts = 9, limits = false }
      local first, second <close> = here.portal, other:connect()
      local third = here:connect()
      local function contacts(portal) return portal.crm.item.list:count { entityTypeId = 3 } end
      assert.equal(5, contacts(first))
      assert.equal(9, contacts(second))
      assert.equal(5, contacts(third))
      second:close()
      assert.equal(5, contacts(first))
    end)
  end)

  describe("TLS", function()
    local safe
    setup(function() safe = sandbox.start { tls = true, users = 3, limits = false } end)
    before_each(function() safe:reset() end)
    teardown(function() safe:stop() end)

    it("trusts the authority in ca_file", function()
      local portal <close> = bitrix24.connect { webhook = safe.webhook, ca_file = safe.ca_file }
      assert.equal("1", portal.profile().ID)
    end)

    it("refuses a certificate it cannot verify, says what to do, and sends nothing", function()
      local portal <close> = bitrix24.connect { webhook = safe.webhook, retries = 0 }
      local e = here.raises("network", portal.profile)
      assert.is_false(e.sent)
      assert.truthy(tostring(e):find("ca_file", 1, true), tostring(e))
      assert.equal(0, #safe:requests())
    end)

    it("takes any certificate when insecure", function()
      local portal <close> = bitrix24.connect { webhook = safe.webhook, insecure = true }
      assert.equal("1", portal.profile().ID)
    end)

    it("tells of a ca_file that is not there", function()
      local ok, e = pcall(function()
        local portal <close> = bitrix24.connect {
          webhook = safe.webhook, ca_file = "/nonexistent.pem", retries = 0,
        }
        portal.profile()
      end)
      assert.is_false(ok)
      assert.truthy(bitrix24.is_error(e) and (e.kind == "network" or e.kind == "config"), tostring(e))
      assert.is_false(e.sent)
    end)
  end)

  describe("a proxy", function()
    -- a port that was just given up: nobody listens there
    local function dead_address()
      local gone = sandbox.start {}
      local address = gone.url
      gone:stop()
      return address
    end

    it("that is dead is a network error, and nothing was sent", function()
      local portal = here:connect { proxy = dead_address(), retries = 0 }
      local e = here.raises("network", portal.profile)
      assert.is_false(e.sent)
      assert.equal(0, #here:sent())
    end)

    it("of the environment is not used for loopback", function()
      local dead = dead_address()
      local output = here.run([[
        local portal <close> = require "bitrix24".connect { retries = 0 }
        io.write(portal.profile().ID)]], {
        BITRIX24_WEBHOOK = here.sb.webhook, http_proxy = dead, HTTP_PROXY = dead, all_proxy = dead,
        ALL_PROXY = dead,
      })
      assert.equal("1", output)
    end)
  end)

  it("sends the product token before its own", function()
    here:connect { user_agent = "Report/2.1" }.profile()
    assert.matches("^Report/2%.1 .*bitrix24", here:sent("profile")[1].headers["user-agent"])
  end)
end)
