-- An application in one process: consent, the first pair of tokens, renewal, and
-- what becomes of the pair when something fails.

describe("an application", function()
  local bitrix24 = require "bitrix24"
  local core = require "bitrix24.core"
  local json = require "bitrix24.json"
  local sandbox = require "bitrix24.sandbox"
  local here = require "support.portal" (_ENV, { users = 5, contacts = 130, departments = 3 })
  local raises = here.raises
  local files, oauth

  before_each(function() files, oauth = {}, here.sb.oauth end)
  after_each(function()
    for _, path in ipairs(files) do
      for _, suffix in ipairs { "", ".lock", ".new" } do os.remove(path .. suffix) end
    end
  end)

  local function new_path()
    local path = os.tmpname()
    files[#files + 1] = path
    os.remove(path)
    return path
  end

  local function shell(line)
    local pipe <close> = assert(io.popen(line))
    return (pipe:read("a"):gsub("%s+$", ""))
  end

  local function with(base, more)
    local out = {}
    for name, value in pairs(base) do out[name] = value end
    for name, value in pairs(more or {}) do out[name] = value end
    return out
  end

  --- A pair whose access token has expired.
  local function stale(more)
    return with({
      access_token = oauth.expired_token, refresh_token = oauth.refresh_token,
      client_endpoint = oauth.client_endpoint, member_id = oauth.member_id,
    }, more)
  end

  --- A pair that works.
  local function fresh() return stale { access_token = oauth.access_token } end

  local function file_of(t)
    local store = bitrix24.token_file(new_path())
    store:save(t)
    return store, files[#files]
  end

  --- A store in memory: what a program of its own may have written.
  local function memory(t, methods)
    local store = { t = t, saves = 0 }
    function store:load() return self.t end
    function store:save(new)
      self.t, self.saves = new, self.saves + 1
    end
    return with(store, methods)
  end

  local function connect(store, options)
    return here:connect(with({
      domain = here.sb.url, oauth_url = here.sb.url, client_id = oauth.client_id,
      client_secret = oauth.client_secret, tokens = store, retries = 0,
    }, options))
  end

  local function exchange(options)
    return bitrix24.oauth.exchange(with({
      oauth_url = here.sb.url, client_id = oauth.client_id, client_secret = oauth.client_secret,
      code = oauth.code,
    }, options))
  end

  --- How often the authorization server was asked.
  local function asked() return #here:sent("oauth.token") end

  --- The pair in the store is a new one, and it works.
  local function renewed(store)
    local t = store:load()
    assert.not_equal(oauth.expired_token, t.access_token)
    assert.not_equal(oauth.refresh_token, t.refresh_token)
    local count = asked()
    local portal = connect(memory(t))
    assert.equal("1", portal.user.current().ID)
    assert.equal(count, asked())
    portal:close()
  end

  --- Play a scene in which a renewal is under way when something else happens.
  -- A slow machine may get the order wrong; then once more, with longer waits.
  ---@param scene fun(store: table, seconds: number): boolean? false: the order was wrong
  local function in_order(scene)
    local seconds = 0.02
    repeat
      here.sb:reset()
      local store = file_of(fresh())
      here.sb:fault { method = "oauth.token", action = { delay = 5 * seconds } }
      here.sb:fault { method = "crm.contact.get", action = "expired_token" }
      here.sb:fault { method = "user.get", action = { delay = seconds } }
      if scene(store, seconds) ~= false then return end
      seconds = seconds * 2
    until seconds > 3
    error("the order was wrong every time", 0)
  end

  --- One call of a portal waits for a renewal; then f is called.
  ---@return boolean in_order, boolean ok, any value of map
  local function while_renewing(portal, store, f)
    local right = false
    local ok, value = pcall(portal.map, portal, { 1, 2 }, function(id)
      if id == 1 then return portal.crm.contact.get({ ID = 1 }).ID end
      portal.user.get { ID = 1 }
      right = asked() == 1 and store:load().access_token == oauth.access_token
      if right then return f() end
    end, { batch = false })
    return right, ok, value
  end

  -- ---- consent -------------------------------------------------------------------

  describe("asks for consent", function()
    local authorize_url = bitrix24.oauth.authorize_url

    it("at the portal's address", function()
      local page = "https://example.bitrix24.com/oauth/authorize/?client_id=a&response_type=code"
      assert.equal(page .. "&state=s1",
        authorize_url { domain = "example.bitrix24.com", client_id = "a", state = "s1" })
      for _, domain in ipairs {
        "https://example.bitrix24.com", "https://example.bitrix24.com/", "EXAMPLE.bitrix24.com",
      } do
        assert.equal(page, authorize_url { domain = domain, client_id = "a" })
      end
    end)

    it("at the authorization server where the portal is not known", function()
      assert.equal("https://oauth.bitrix.info/oauth/authorize/?client_id=a&response_type=code",
        authorize_url { client_id = "a" })
      assert.equal("https://oauth.example.com/oauth/authorize/?client_id=a&response_type=code",
        authorize_url { client_id = "a", oauth_url = "https://oauth.example.com" })
    end)

    it("and escapes what it is given", function()
      local url = authorize_url {
        domain = "example.bitrix24.com", client_id = "a&b=c", state = "ü #?\n+",
        redirect_uri = "https://app.example/back?x=1&y=2",
      }
      assert.equal("https://example.bitrix24.com/oauth/authorize/?client_id=a%26b%3Dc"
        .. "&redirect_uri=https%3A%2F%2Fapp.example%2Fback%3Fx%3D1%26y%3D2&response_type=code"
        .. "&state=%C3%BC%20%23%3F%0A%2B", url)
    end)

    it("and gets a code that works", function()
      local url = authorize_url {
        domain = here.sb.url, client_id = oauth.client_id, state = "s1",
        redirect_uri = "http://127.0.0.1/back",
      }
      local location = shell(("curl -s -o /dev/null -w '%%{redirect_url}' '%s'"):format(url))
      assert.equal("s1", location:match("[?&]state=([^&]*)"))
      local t = exchange { code = location:match("[?&]code=([^&]*)") }
      assert.is_string(t.access_token)
    end)

    local wrong = {
      { nil, "table of options" },
      { {}, "'client_id' is missing" },
      { { client_id = "" }, "'client_id' must be" },
      { { client_id = "a", domain = 1 }, "'domain' must be" },
      { { client_id = "a", domain = "http://example.com" }, "'domain'" },
      { { client_id = "a", domain = "two words" }, "'domain'" },
      { { client_id = "a", oauth_url = "ftp://x" }, "'oauth_url'" },
      { { client_id = "a", stat = "x" }, "state" },
      { { client_id = "a", client_secret = "Secret1secret2secret3" }, "client_secret" },
    }
    for i, row in ipairs(wrong) do
      it(("not with wrong options, %d: %s"):format(i, row[2]), function()
        local e = raises("config", authorize_url, row[1])
        assert.truthy(tostring(e):find(row[2], 1, true), tostring(e))
        assert.is_nil(tostring(e):find("Secret1", 1, true))
      end)
    end
  end)

  -- ---- the first pair ------------------------------------------------------------

  describe("exchanges the code", function()
    it("for a pair that is in the store, its owner's alone", function()
      local path = new_path()
      local store = bitrix24.token_file(path)
      local t = exchange { tokens = store }
      assert.same(t, store:load())
      assert.equal("600", shell(("stat -c %%a '%s'"):format(path)))
      assert.equal(oauth.client_endpoint, t.client_endpoint)
      assert.equal(oauth.client_endpoint:match("//([^/]+)"), t.domain)
      assert.equal(oauth.member_id, t.member_id)
      assert.equal("integer", math.type(t.expires))
      assert.equal("1", connect(store).user.current().ID)
      assert.equal(1, asked())
    end)

    it("whatever the umask is, and over a file that others could read", function()
      local path = new_path()
      local file = assert(io.open(path, "w"))
      file:write "{}"
      file:close()
      os.execute(("chmod 666 '%s'"):format(path))
      exchange { tokens = bitrix24.token_file(path) }
      assert.equal("600", shell(("stat -c %%a '%s'"):format(path)))
    end)

    it("without a store, too", function()
      local t = exchange()
      assert.equal("1", connect(memory(t)).user.current().ID)
    end)

    it("once", function()
      local store = bitrix24.token_file(new_path())
      local t = exchange { tokens = store }
      local e = raises("auth", exchange, { tokens = store })
      assert.equal("invalid_grant", e.code)
      assert.matches("authorize again", e.hint)
      assert.same(t, store:load())
    end)

    it("not with another application's secret, which is not shown", function()
      local store = bitrix24.token_file(new_path())
      local e = raises("auth", exchange, { tokens = store, client_secret = "Wrong0123456789secret" })
      assert.equal("invalid_client", e.code)
      assert.matches("client_secret", e.hint)
      assert.is_nil(tostring(e):find("Wrong0123", 1, true))
      assert.is_nil(store:load())
    end)

    it("not where the pair could not be kept: the code is not spent", function()
      local path = new_path()
      os.execute(("mkdir '%s.new'"):format(path))
      local e = raises("auth", exchange, { tokens = bitrix24.token_file(path) })
      assert.matches("cannot be written", e.message)
      assert.equal(0, asked())
      os.execute(("rmdir '%s.new'"):format(path))
      exchange { tokens = bitrix24.token_file(path) }
      e = raises("auth", exchange, { tokens = bitrix24.token_file("/nowhere/at/all/tokens.json") })
      assert.matches("/nowhere/at/all", e.message)
      assert.equal(1, asked())
    end)

    local wrong = {
      { { code = false }, "'code'" }, { { client_id = 1 }, "'client_id'" },
      { { client_secret = {} }, "'client_secret'" }, { { oauth_url = "http://example.com" }, "'oauth_url'" },
      { { tokens = "tokens.json" }, "'tokens'" }, { { tokens = { load = print } }, "no method save" },
      { { tokens = false }, "'tokens'" }, { { timeout = 0 }, "'timeout'" }, { { timeot = 1 }, "timeout" },
      { { insecure = "yes" }, "'insecure'" },
    }
    for i, row in ipairs(wrong) do
      it(("not with wrong options, %d: %s"):format(i, row[2]), function()
        local e = raises("config", exchange, row[1])
        assert.truthy(tostring(e):find(row[2], 1, true), tostring(e))
        assert.equal(0, asked())
      end)
    end

    it("not without what it needs", function()
      for _, name in ipairs { "client_id", "client_secret", "code" } do
        local given = { client_id = "a", client_secret = "b", code = "c", oauth_url = here.sb.url }
        given[name] = nil
        local e = raises("config", bitrix24.oauth.exchange, given)
        assert.truthy(e.message:find(("'%s' is missing"):format(name), 1, true), e.message)
      end
    end)
  end)

  -- ---- connecting ----------------------------------------------------------------

  describe("connects", function()
    local all

    before_each(function()
      all = {
        domain = "example.bitrix24.com", client_id = "local.1", client_secret = "Secret1secret2secret3",
        tokens = memory(),
      }
    end)

    for _, name in ipairs { "domain", "client_id", "client_secret", "tokens" } do
      it("not without " .. name, function()
        all[name] = nil
        local e = raises("config", bitrix24.connect, all)
        assert.truthy(e.message:find(("'%s'"):format(name), 1, true), e.message)
        assert.is_nil(tostring(e):find("Secret1", 1, true))
      end)
    end

    local wrong = {
      { "access_token", "abc", "'access_token'" },
      { "webhook", "https://x.bitrix24.com/rest/1/a/", "'webhook'" },
      { "oauth_url", "http://example.com", "'oauth_url'" }, { "oauth_url", "nothing at all", "'oauth_url'" },
      { "tokens", "Secret1secret2secret3", "'tokens'" }, { "tokens", { save = print }, "'tokens'" },
      { "client_id", 5, "'client_id'" }, { "client_secret", true, "'client_secret'" },
      { "domain", "http://example.bitrix24.com", "http" }, { "Secret1secret2secret3", "x", "unknown option" },
    }
    for i, row in ipairs(wrong) do
      it(("not with a wrong option, %d: %s"):format(i, row[3]), function()
        all[row[1]] = row[2]
        local e = raises("config", bitrix24.connect, all)
        assert.truthy(tostring(e):find(row[3], 1, true), tostring(e))
        assert.is_nil(tostring(e):find("Secret1", 1, true))
      end)
    end

    it("and takes what is callable for a method of the store", function()
      local callable = setmetatable({}, { __call = function() return fresh() end })
      assert.equal("1", connect({ load = callable, save = callable }).user.current().ID)
    end)

    it("before there are tokens; they may come later", function()
      local store = bitrix24.token_file(new_path())
      local portal = connect(store)
      local e = raises("auth", portal.user.current)
      assert.matches("no tokens yet", e.message)
      assert.matches("oauth.exchange", e.hint)
      assert.equal(false, e.sent)
      assert.equal(0, #here:sent())
      e = raises("auth", portal.map, portal, { 1, 2, 3 }, function(id) return portal.user.get { ID = id } end)
      assert.matches("no tokens yet", e.message)
      exchange { tokens = store }
      assert.equal("1", portal.user.current().ID)
    end)
  end)

  -- ---- renewal -------------------------------------------------------------------

  describe("renews", function()
    local store, portal

    before_each(function()
      store = file_of(stale { mine = "kept" })
      portal = connect(store)
    end)

    it("when the portal says that the token expired, and sends the call again", function()
      local user, response = portal.user.current()
      assert.equal("1", user.ID)
      assert.equal(2, response.attempts)
      assert.equal(1, asked())
      assert.equal("kept", store:load().mine)
      renewed(store)
      portal.user.current()
      assert.equal(1, asked())
    end)

    it("never ahead of time", function()
      store:save(with(fresh(), { expires = os.time() - 100 }))
      portal.user.current()
      assert.equal(0, asked())
    end)

    it("again when the new token has expired in its turn", function()
      for hour = 1, 3 do
        portal.user.current()
        assert.equal(hour, asked())
        here.sb:time(3601)
      end
    end)

    it("once for two hundred calls side by side", function()
      for _, batch in ipairs { true, false } do
        here.sb:reset()
        store:save(stale())
        local own = connect(store)
        local ids, wanted = {}, {}
        for i = 1, 200 do ids[i], wanted[i] = i % 130 + 1, tostring(i % 130 + 1) end
        local function read(id) return own.crm.contact.get({ ID = id }).ID end
        local got = own:map(ids, read, { batch = batch })
        wanted.n = 200
        assert.same(wanted, got)
        assert.equal(1, asked())
      end
    end)

    it("once for functions that run side by side", function()
      local me, users, count = portal:gather(
        function() return portal.user.current().ID end,
        function() return #portal.user.get:all() end,
        function() return portal.crm.contact.list:count() end)
      assert.same({ "1", 5, 130 }, { me, users, count })
      assert.equal(1, asked())
    end)

    it("in the middle of a batch that was answered", function()
      store:save(fresh())
      -- the first commands ran; those after them find the token expired, and so
      -- does the batch that asks again
      here.sb:fault { method = "crm.contact.get", nth = 21, count = 30, action = "expired_token" }
      here.sb:fault { method = "batch", nth = 2, action = "expired_token" }
      local ids = {}
      for i = 1, 50 do ids[i] = i end
      local got = portal:map(ids, function(id) return portal.crm.contact.get { ID = id }.ID end)
      for i = 1, 50 do assert.equal(tostring(i), got[i]) end
      assert.equal(1, asked())
      renewed(store)
    end)

    it("in the middle of writes that travel together: none is made twice", function()
      store:save(fresh())
      here.sb:fault { method = "crm.contact.add", nth = 3, count = 2, action = "expired_token" }
      here.sb:fault { method = "batch", nth = 2, action = "expired_token" }
      local names = { "A1", "A2", "A3", "A4" }
      portal:map(names, function(name) return portal.crm.contact.add { fields = { NAME = name } } end)
      local made = {}
      for _, contact in ipairs(here.sb:records("contacts")) do
        if names[1] == contact.NAME or contact.NAME:match("^A%d$") then made[#made + 1] = contact.NAME end
      end
      table.sort(made)
      assert.same(names, made)
      assert.equal(1, asked())
    end)

    for _, strategy in ipairs { "sequential", "batch", "keyset" } do
      it("in the middle of a list, " .. strategy, function()
        local where = { sequential = "crm.contact.list", batch = "batch", keyset = "batch" }
        for _, fault in ipairs {
          { method = where[strategy], nth = 2, action = "expired_token" },
          { method = "crm.contact.list", nth = 3, action = "expired_token" },
        } do
          here.sb:reset()
          store:save(stale())
          here.sb:fault(fault)
          local own = connect(store)
          local seen, count = {}, 0
          for contact in own.crm.contact.list:each({ select = { "ID" } }, { strategy = strategy }) do
            assert.is_nil(seen[contact.ID])
            seen[contact.ID], count = true, count + 1
          end
          assert.equal(130, count)
          assert(asked() >= 1 and asked() <= 2, asked())
          renewed(store)
        end
      end)
    end

    it("for a batch with references, whose commands run once", function()
      store:save(fresh())
      for _, method in ipairs { "batch", "department.get" } do
        here.sb:fault { method = method, action = "expired_token" }
        local b = portal:batch()
        local contact = b.crm.contact.add { fields = { NAME = "Once " .. method } }
        local read = b.crm.contact.get { ID = contact }
        local departments = b.department.get { ID = 1 }
        assert.equal(0, b:run { halt = true })
        assert.equal("Once " .. method, read().NAME)
        assert.equal(1, #departments())
        local made = 0
        for _, record in ipairs(here.sb:records("contacts")) do
          if record.NAME == "Once " .. method then made = made + 1 end
        end
        assert.equal(1, made)
      end
      assert.equal(1, asked())
    end)

    it("for REST 3.0; a write keeps its key", function()
      portal.v3.tasks.task.get { id = 1 }
      assert.equal(1, asked())
      here.sb:reset()
      store:save(stale())
      local own = connect(store)
      local made = own.v3.tasks.task.add { fields = { title = "One", creatorId = 1, responsibleId = 1 } }
      assert.equal("integer", math.type(made.item.id))
      local sent = here:sent("tasks.task.add")
      assert.equal(2, #sent)
      assert.truthy(sent[1].headers["idempotency-key"])
      assert.equal(sent[1].headers["idempotency-key"], sent[2].headers["idempotency-key"])
      assert.equal(1, asked())
    end)

    it("a few times only, where new tokens are refused as well", function()
      here.sb:fault { method = "user.current", count = 50, action = "expired_token" }
      local e = raises("auth", portal.user.current)
      assert.equal("expired_token", e.code)
      assert(asked() <= 2, asked())
    end)

    it("not for a download", function()
      local path = new_path()
      here.sb:fault { method = "download", action = { error = "expired_token", status = 401 } }
      raises(nil, portal.download, portal, "/disk/downloadFile/1/?token=x", path)
      assert.equal(0, asked())
    end)

    it("and takes the address that comes with the pair", function()
      local t = store:load()
      portal.user.current()
      assert.equal(oauth.client_endpoint, store:load().client_endpoint)
      assert.equal(here.sb.url:match("//(.*)"), store:load().domain)
      assert.equal(t.member_id, store:load().member_id)
    end)
  end)

  describe("shares its tokens", function()
    it("between portals with one store", function()
      local store = file_of(stale())
      local a, b = connect(store), connect(store)
      assert.equal("1", a.user.current().ID)
      assert.equal("1", b.user.current().ID)
      assert.equal(1, asked())
    end)

    it("with whoever renewed them meanwhile", function()
      for _, locks in ipairs { true, false } do
        here.sb:reset()
        local file = file_of(fresh())
        local store = locks and file or memory(fresh())
        local portal = connect(store)
        portal.user.current()
        store:save(exchange())
        here.sb:fault { method = "user.current", action = "expired_token" }
        assert.equal("1", portal.user.current().ID)
        assert.equal(1, asked()) -- the exchange
      end
    end)

    it("between portals of one thread, one waiting for the other's renewal", function()
      in_order(function(store)
        local a, b = connect(store), connect(bitrix24.token_file(files[#files]))
        b.user.current()
        here.sb:fault { method = "profile", action = "expired_token" }
        local right, ok, got = while_renewing(a, store, function() return b.profile().ID end)
        if not right then return false end
        assert.is_true(ok, tostring(got))
        assert.same({ "1", "1", n = 2 }, got)
        assert.equal(1, asked())
        renewed(store)
      end)
    end)

    it("with an exchange that has to wait for a renewal of the same thread", function()
      in_order(function(store)
        local right, ok, e = while_renewing(connect(store), store, function() exchange { tokens = store } end)
        if not right then return false end
        assert.is_true(ok, tostring(e))
        assert.equal(2, asked())
        renewed(store)
      end)
    end)
  end)

  -- ---- stores --------------------------------------------------------------------

  describe("has a store of its own", function()
    it("without a lock, shared by two portals: the tokens are renewed once", function()
      local uv = require "luv"
      local store = memory(stale())
      local names, left = {}, 2
      for i = 1, 2 do
        local portal = connect(store, { loop = require "bitrix24.loop.luv" })
        coroutine.wrap(function()
          local ok, user = pcall(portal.user.current)
          names[i], left = ok and user.ID or tostring(user), left - 1
          portal:close()
        end)()
      end
      while left > 0 do uv.run("once") end
      assert.same({ "1", "1" }, names)
      assert.equal(1, store.saves)
    end)

    it("without a lock, whose save closes the portal: the pair is saved, nobody waits for himself", function()
      local store, events = memory(stale()), {}
      local portal = connect(store, { log = function(event) events[event.event] = event.error or true end })
      local save = store.save
      function store.save(...)
        store.save = save
        portal:close()
        return save(...)
      end
      assert.is_false(pcall(portal.user.current))
      assert.is_nil(events.store)
      assert.equal(1, asked())
      renewed(store)
    end)

    it("without a lock, used by a portal that was dropped in the middle: others go on", function()
      local store = memory(stale())
      local loads = 0
      function store:load()
        loads = loads + 1
        if loads == 2 then -- the renewal's
          while true do coroutine.yield() end
        end
        return self.t
      end
      do
        local dropped = bitrix24.connect {
          domain = here.sb.url, oauth_url = here.sb.url, client_id = oauth.client_id,
          client_secret = oauth.client_secret, tokens = store, retries = 0, ca_file = here.sb.ca_file,
          insecure = true,
        }
        assert.is_false(pcall(dropped.call, dropped, "user.current", {}, { timeout = 0.3 }))
        assert.equal(2, loads)
      end
      for _ = 1, 3 do collectgarbage() end
      local portal = connect(store)
      assert.equal("1", portal:call("user.current", {}, { timeout = 10 }).ID)
      assert.equal(1, asked())
      renewed(store)
    end)

    it("without a lock", function()
      local store = memory(stale())
      assert.equal("1", connect(store).user.current().ID)
      assert.equal(1, store.saves)
      assert.equal(1, asked())
      renewed(store)
    end)

    local locks = {
      ["a function"] = function(_, f) f() end,
      ["one that passes a value on"] = function(_, f) return f(), "more" end,
      ["gsub"] = function(_, f) string.gsub("x", ".", function() f() end) end,
      ["sort"] = function(_, f)
        local done
        table.sort({ 1, 2 }, function(a, b)
          if not done then
            done = true
            f()
          end
          return a < b
        end)
      end,
      ["one that yields"] = function(_, f)
        if coroutine.isyieldable() then coroutine.yield("nonsense") end
        f()
        if coroutine.isyieldable() then coroutine.yield() end
      end,
      ["one that waits"] = function(_, f, wait)
        if wait then wait(0.001) end
        f()
      end,
      ["gsub, and waits"] = function(_, f, wait)
        string.gsub("x", ".", function()
          if wait then wait(0.001) end
          f()
        end)
      end,
    }
    for name, lock in pairs(locks) do
      it("with a lock: " .. name, function()
        local store = memory(stale(), { lock = lock })
        local portal = connect(store)
        local got = portal:map({ 1, 2, 3 }, function(id) return portal.user.get({ ID = id })[1].ID end,
          { batch = false })
        assert.same({ "1", "2", "3", n = 3 }, got)
        assert.equal(1, store.saves)
        assert.equal(1, asked())
        renewed(store)
      end)
    end

    it("that has no room: the refresh token is not spent", function()
      local store = memory(stale(), { reserve = function() error("no room", 0) end })
      local e = raises("auth", connect(store).user.current)
      assert.matches("no room", e.message)
      assert.equal(0, asked())
    end)

    local breaks = {
      ["load raises"] = { load = function() error("a broken store", 0) end },
      ["load raises a table"] = { load = function() error({}) end },
      ["load yields nothing"] = { load = function() end },
      ["load returns garbage"] = { load = function() return "garbage" end },
      ["load returns no token"] = { load = function() return { access_token = 5 } end },
      ["the token is no token"] = { load = function() return { access_token = "two words" } end },
      ["there is no refresh token"] = { load = function() return { access_token = oauth.expired_token } end },
      ["the address is none"] = {
        load = function() return stale { client_endpoint = "http://example.com/rest/" } end,
      },
      ["lock raises"] = { lock = function() error("a broken store", 0) end },
      ["lock does not call"] = { lock = function() end },
    }
    for name, methods in pairs(breaks) do
      it("that is broken, " .. name .. ": an error of authorization", function()
        local portal = connect(memory(stale(), methods))
        local e = raises("auth", portal.user.current)
        assert.is_nil(tostring(e):find(oauth.refresh_token, 1, true))
        assert.equal(0, asked())
        assert.equal("auth", raises("auth", portal.user.current).kind) -- and no hang the second time
      end)
    end

    it("that fails to save: the pair is kept, and saved as soon as it can be", function()
      local broken = true
      local store
      store = memory(stale(), { save = function(self, t)
        if broken then error("a full disk", 0) end
        self.t, self.saves = t, self.saves + 1
      end })
      local portal = connect(store)
      local e = raises("auth", portal.user.current)
      assert.matches("a full disk", e.message)
      assert.equal("user.current", e.method)
      assert.equal(false, e.sent)
      assert.matches("a full disk", raises("auth", portal.user.current).message)
      assert.equal(1, #here:sent("user.current"))
      broken = false
      assert.equal("1", portal.user.current().ID)
      assert.equal(1, store.saves)
      assert.equal(1, asked())
      renewed(store)
    end)

    it("that fails to save until the portal is closed", function()
      local broken = true
      local store = memory(stale(), { save = function(self, t)
        if broken then error("a full disk", 0) end
        self.t = t
      end })
      local portal = connect(store)
      raises("auth", portal.user.current)
      broken = false
      portal:close()
      renewed(store)
    end)

    it("that never saves: the log is told that the pair is lost", function()
      local lost
      local store = memory(stale(), { save = function() error("a full disk", 0) end })
      local portal = connect(store, { log = function(event)
        if event.event == "store" then lost = event.error end
      end })
      raises("auth", portal.user.current)
      assert.is_nil(lost)
      portal:close()
      assert.equal("auth", lost.kind)
      assert.matches("could not be saved: a full disk", lost.message)
    end)

    it("that fails to save, and holds a later pair when it can", function()
      local broken = true
      local store = memory(stale(), { save = function(self, t)
        if broken then error("a full disk", 0) end
        self.t = t
      end })
      local portal = connect(store)
      raises("auth", portal.user.current)
      broken = false
      local theirs = exchange()
      store.t = theirs
      assert.equal("1", portal.user.current().ID)
      assert.equal(theirs, store.t)
    end)

    it("that gets a copy: what it does with it harms nobody", function()
      local store = memory(stale())
      function store:save(t)
        self.t = with(t)
        for name in pairs(t) do t[name] = nil end
      end
      local portal = connect(store)
      assert.equal("1", portal.user.current().ID)
      here.sb:time(3601)
      assert.equal("1", portal.user.current().ID)
      assert.equal(2, asked())
    end)

    it("that closes the portal while it saves: the pair is there", function()
      local portal
      local store = memory(stale())
      function store:save(t)
        self.t = t
        portal:close()
      end
      portal = connect(store)
      raises("cancelled", portal.user.current)
      renewed(store)
    end)
  end)

  describe("cannot read its file:", function()
    local bad = {
      ["it is a folder"] = function(path) os.execute(("mkdir '%s'"):format(path)) end,
      ["it is empty"] = "", ["it is cut"] = '{"access_token":"a', ["it is no object"] = "[1,2]",
      ["it has no tokens"] = '{"a":1}', ["it is binary"] = "\0\255\1",
    }
    for name, content in pairs(bad) do
      it(name, function()
        local path = new_path()
        if type(content) == "string" then
          local file = assert(io.open(path, "wb"))
          file:write(content)
          file:close()
        else
          content(path)
        end
        local e = raises("auth", connect(bitrix24.token_file(path)).user.current)
        assert.truthy(e.message:find("token file", 1, true), e.message)
        assert.truthy(e.message:find(path, 1, true), e.message)
        assert.equal(false, e.sent)
        assert.equal(0, #here:sent())
        if type(content) == "function" then os.remove(path) end
        exchange { tokens = bitrix24.token_file(path) } -- writes it anew
      end)
    end

    it("its name is none", function()
      for _, path in ipairs { "", "a\0b", 5, false } do raises("config", bitrix24.token_file, path) end
    end)
  end)

  -- ---- a renewal that fails --------------------------------------------------------

  describe("is not renewed", function()
    local store, portal

    before_each(function()
      store = file_of(stale())
      portal = connect(store)
    end)

    --- The pair in the store is the one from before.
    local function kept() assert.equal(oauth.refresh_token, store:load().refresh_token) end

    it("where the authorization server cannot be reached", function()
      local closed <close> = sandbox.closed_port()
      local own = connect(store, { oauth_url = closed.url })
      local e = raises("auth", own.user.current)
      assert.equal("user.current", e.method)
      assert.equal(false, e.sent)
      assert.is_true(e.retryable)
      assert.matches("authorization server", e.message)
      kept()
      assert.equal("1", portal.user.current().ID)
    end)

    it("before it answers: what failed on the way is asked again", function()
      for _, action in ipairs { "unavailable", "reset" } do
        here.sb:reset()
        store:save(stale())
        here.sb:fault { method = "oauth.token", action = action }
        assert.equal("1", connect(store, { retries = 1 }).user.current().ID)
        assert.equal(2, asked())
        renewed(store)
      end
    end)

    local answers = {
      ["a page"] = {
        status = 404, body = "<html>not here</html>", headers = { ["Content-Type"] = "text/html" },
      },
      ["no JSON"] = { body = "<html>" }, ["no object"] = { body = "[]" }, ["nothing in it"] = { body = "{}" },
      ["an empty token"] = { body = '{"access_token":"","refresh_token":"r"}' },
      ["a token that is none"] = { body = '{"access_token":5,"refresh_token":"r"}' },
      ["a way to elsewhere"] = {
        status = 302, headers = { Location = "https://elsewhere.example/" }, body = "",
      },
    }
    for name, action in pairs(answers) do
      it("by an answer with " .. name, function()
        here.sb:fault { method = "oauth.token", action = action }
        local e = raises("auth", portal.user.current)
        assert.matches("authorization server", e.message)
        kept()
        assert.equal("1", portal.user.current().ID) -- the next call tries again
        assert.equal(2, asked())
      end)
    end

    it("completely by an answer without a refresh token: the one before is kept", function()
      here.sb:fault { method = "oauth.token",
        action = { body = json.encode { access_token = oauth.access_token, expires_in = 3600 } } }
      assert.equal("1", portal.user.current().ID)
      assert.equal(oauth.access_token, store:load().access_token)
      kept()
    end)

    it("by an access token that cannot be sent; its refresh token is kept", function()
      here.sb:fault { method = "oauth.token",
        action = { body = json.encode { access_token = 'a "b', refresh_token = "next-one" } } }
      local e = raises("auth", portal.user.current)
      assert.is_nil(tostring(e):find('a "b', 1, true))
      assert.equal("next-one", store:load().refresh_token)
    end)

    it("with a refresh token that is worth nothing: asked once, until there is a new pair", function()
      store:save(stale { refresh_token = "spent" })
      for _ = 1, 3 do
        local e = raises("auth", portal.user.current)
        assert.equal("invalid_grant", e.code)
        assert.matches("authorize again", e.hint)
        assert.equal(false, e.sent)
      end
      local _, faults = portal:map({ 1, 2, 3 }, function(id) return portal.user.get { ID = id } end,
        { on_error = "collect", batch = false })
      for i = 1, 3 do
        assert.equal("invalid_grant", faults[i].code)
        assert.equal("user.get", faults[i].method)
      end
      assert.equal(1, asked())
      exchange { tokens = store }
      assert.equal("1", portal.user.current().ID)
      assert.equal(2, asked())
    end)

    it("by an application whose secret is wrong", function()
      local own = connect(store, { client_secret = "Wrong0123456789secret" })
      local e = raises("auth", own.user.current)
      assert.equal("invalid_client", e.code)
      assert.matches("client_secret", e.hint)
      assert.is_nil(tostring(e):find("Wrong0123", 1, true))
      raises("auth", own.user.current)
      assert.equal(1, asked())
      assert.equal("1", portal.user.current().ID)
    end)

    it("where the subscription has ended; a minute later it is asked again", function()
      here.sb:fault { method = "oauth.token", count = 2, action = "PAYMENT_REQUIRED" }
      local output, status = here.run(([[
        local time, shift = os.time, 0
        os.time = function(t) return t and time(t) or time() + shift end
        local bitrix24 = require "bitrix24"
        local portal <close> = bitrix24.connect {
          domain = %q, oauth_url = %q, client_id = %q, client_secret = %q,
          tokens = bitrix24.token_file(%q), retries = 0,
        }
        local function try()
          local ok, e = pcall(portal.user.current)
          print(ok or e.kind .. " " .. e.code .. " " .. e.hint)
        end
        try()
        try()
        shift = 61
        try()
        shift = 122
        try()]]):format(here.sb.url, here.sb.url, oauth.client_id, oauth.client_secret, files[1]))
      assert.equal(0, status, output)
      local refused = "auth PAYMENT_REQUIRED the portal's subscription, or the application's, has ended\n"
      assert.equal(refused:rep(3) .. "true\n", output)
      assert.equal(3, asked())
      renewed(store)
    end)

    it("where the disk is full: the refresh token is not spent", function()
      -- no file may grow beyond 0 bytes, for root neither
      local interpreter = 0
      while arg[interpreter - 1] do interpreter = interpreter - 1 end
      local program = new_path()
      local file = assert(io.open(program, "w"))
      file:write(([[
        local bitrix24 = require "bitrix24"
        local portal <close> = bitrix24.connect {
          domain = %q, oauth_url = %q, client_id = %q, client_secret = %q,
          tokens = bitrix24.token_file(%q), retries = 0,
        }
        local ok, e = pcall(portal.user.current)
        io.stderr:write(e.kind, ": ", e.message, " ", e.hint)]])
        :format(here.sb.url, here.sb.url, oauth.client_id, oauth.client_secret, files[1]))
      file:close()
      local said = shell(("trap '' XFSZ; ulimit -f 0; exec '%s' '%s' 2>&1"):format(arg[interpreter], program))
      assert.matches("^auth: .*the token file cannot be written: .*File too large.*make room", said)
      assert.equal(1, #here:sent("user.current"))
      assert.equal(0, asked())
      kept()
      assert.equal("1", portal.user.current().ID)
    end)

    it("where its file cannot be replaced: the refresh token is not spent", function()
      os.execute(("mkdir '%s.new'"):format(files[1]))
      local e = raises("auth", portal.user.current)
      assert.matches("cannot be written", e.message)
      assert.equal(0, asked())
      kept()
      os.execute(("rmdir '%s.new'"):format(files[1]))
      assert.equal("1", portal.user.current().ID)
    end)

    it("by another holder of the lock for ever: its end is seen at once", function()
      local lock = core.lock(files[1] .. ".lock")
      raises("network", portal.call, portal, "user.current", nil, { timeout = 0.1 })
      assert.equal(0, asked())
      lock:release()
      assert.equal("1", portal.user.current().ID)
      assert.equal(1, asked())
    end)
  end)

  -- ---- a renewal that is left --------------------------------------------------------

  describe("keeps the pair that is on its way", function()
    it("when the portal is closed", function()
      in_order(function(store)
        local portal = connect(store)
        if not while_renewing(portal, store, function() portal:close() end) then return false end
        assert.equal(1, asked())
        renewed(store)
      end)
    end)

    it("when a sibling fails, and the portal is used on", function()
      in_order(function(store)
        local portal = connect(store)
        local right, ok, e = while_renewing(portal, store, function() error("stop", 0) end)
        if not right then return false end
        assert.is_false(ok)
        assert.equal("stop", e)
        assert.equal("1", portal.user.current().ID)
        assert.equal(1, asked())
        renewed(store)
      end)
    end)

    it("when a sibling fails, and the portal is closed", function()
      in_order(function(store)
        local portal = connect(store)
        if not while_renewing(portal, store, function() error("stop", 0) end) then return false end
        portal:close()
        assert.equal(1, asked())
        renewed(store)
      end)
    end)

    it("when the portal is forgotten and collected", function()
      in_order(function(store, seconds)
        local function use()
          local portal = bitrix24.connect {
            domain = here.sb.url, oauth_url = here.sb.url, client_id = oauth.client_id,
            client_secret = oauth.client_secret, tokens = store, retries = 0,
          }
          pcall(portal.call, portal, "crm.contact.get", { ID = 1 }, { timeout = seconds })
        end
        use()
        local right = asked() == 1
        collectgarbage()
        collectgarbage()
        if not right then return false end
        renewed(store)
      end)
    end)

    it("when the call that waits runs out of time", function()
      in_order(function(store, seconds)
        local portal = connect(store)
        local e = raises("network", portal.call, portal, "crm.contact.get", { ID = 1 }, { timeout = seconds })
        if asked() == 0 then
          portal:close()
          return false
        end
        assert.equal(false, e.sent)
        assert.equal("1", portal.user.current().ID)
        assert.equal(1, asked())
        renewed(store)
      end)
    end)

    it("when the program ends", function()
      in_order(function(store, seconds)
        local output, status = here.run(([[
          local bitrix24 = require "bitrix24"
          portal = bitrix24.connect {
            domain = %q, oauth_url = %q, client_id = %q, client_secret = %q,
            tokens = bitrix24.token_file(%q), retries = 0,
          }
          pcall(portal.call, portal, "crm.contact.get", { ID = 1 }, { timeout = %g })
          print "the end"]]):format(here.sb.url, here.sb.url, oauth.client_id, oauth.client_secret,
          files[#files], seconds))
        assert.equal("the end\n", output)
        assert.equal(0, status)
        if asked() == 0 then return false end
        assert.equal(1, asked())
        renewed(store)
      end)
    end)

    for _, event in ipairs { "send", "answer", "renewed" } do
      it("when the log closes the portal: " .. event, function()
        in_order(function(store)
          local portal
          portal = connect(store, { log = function(e)
            if e.event == event and (e.method == nil or e.method == "oauth.token") then portal:close() end
          end })
          pcall(portal.call, portal, "crm.contact.get", { ID = 1 })
          if event == "send" then
            assert.equal(0, asked())
            assert.same(fresh(), store:load())
          else
            assert.equal(1, asked())
            renewed(store)
          end
        end)
      end)
    end
  end)

  -- ---- secrets ---------------------------------------------------------------------

  it("sends its secret to the authorization server alone, and shows it nowhere", function()
    local store = file_of(stale())
    local events = {}
    local portal = connect(store, { log = function(event) events[#events + 1] = event end })
    portal.user.current()
    portal:map({ 1, 2 }, function(id) return portal.user.get { ID = id } end)
    portal.v3.tasks.task.get { id = 1 }
    here.sb:time(3601)
    portal:batch { me = { "user.current" } }
    assert.equal(2, asked())
    for _, request in ipairs(here:sent()) do
      local text = request.path .. request.body
      for name, value in pairs(request.headers) do text = text .. name .. value end
      -- the journal shows *** for each secret: here the token, there the secret
      -- of the application and the refresh token
      local _, hidden = text:gsub("%*%*%*", "")
      local at_server = request.method == "oauth.token"
      assert.equal(at_server and 2 or 1, hidden, text)
      assert.equal(at_server, text:find("client_secret", 1, true) ~= nil)
      assert.equal(at_server, text:find("refresh_token", 1, true) ~= nil)
    end
    local t = store:load()
    local secrets = {
      oauth.client_secret, oauth.expired_token, oauth.refresh_token, t.access_token, t.refresh_token,
    }
    local function search(value)
      if type(value) == "table" then
        for key, item in next, value do
          search(key)
          search(item)
        end
      end
      for _, secret in ipairs(secrets) do assert.is_nil(tostring(value):find(secret, 1, true)) end
    end
    assert.truthy(#events > 4)
    search(events)
    search(tostring(portal))
    search(tostring(store))
  end)
end)
