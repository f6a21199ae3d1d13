-- What an authorization server may answer, and what a store may say, beside
-- what the documentation shows.

describe("the authorization server", function()
  local bitrix24 = require "bitrix24"
  local json = require "bitrix24.json"
  local here = require "support.portal" (_ENV, { users = 1 })
  local raises = here.raises

  local function store_of(t)
    local store = { t = t, saves = 0 }
    function store:load() return self.t end
    function store:save(new) self.t, self.saves = new, self.saves + 1 end
    return store
  end

  local function stale()
    local oauth = here.sb.oauth
    return { access_token = oauth.expired_token, refresh_token = oauth.refresh_token, expires = 1,
      client_endpoint = oauth.client_endpoint }
  end

  local function connect(store, secret)
    local oauth = here.sb.oauth
    return here:connect { domain = here.sb.url, oauth_url = here.sb.url, client_id = oauth.client_id,
      client_secret = secret or oauth.client_secret, tokens = store, retries = 0 }
  end

  local function answers(status, body)
    here.sb:fault { method = "oauth.token", action = { status = status, body = body } }
  end

  local function exchange(store)
    local oauth = here.sb.oauth
    return bitrix24.oauth.exchange { oauth_url = here.sb.url, client_id = oauth.client_id,
      client_secret = oauth.client_secret, code = oauth.code, tokens = store }
  end

  it("refuses a secret that begins like its own words, and is quoted", function()
    local store = store_of(stale())
    local portal = connect(store, "client-0123456789")
    local e = raises("auth", portal.user.current)
    assert.equal("invalid_client", e.code)
    assert.matches("client_secret", e.hint)
    assert.equal("invalid_client", raises("auth", portal.user.current).code)
    assert.equal(1, #here:sent("oauth.token")) -- a final answer is not asked for again
    here.sb:fault { method = "user.current", action = { status = 400, body =
      '{"error":"x client-0123456789","error_description":"client-0123456789"}' } }
    e = raises("api", connect(store_of { access_token = here.sb.oauth.access_token },
      "client-0123456789").user.current)
    assert.equal("x ***", e.code)
    assert.equal("***", e.message)
  end)

  it("may say what is wrong in an object", function()
    local body = '{"error":{"code":"invalid_grant","message":"Token is used up"}}'
    answers(400, body)
    local e = raises("auth", connect(store_of(stale())).user.current)
    assert.equal("invalid_grant", e.code)
    assert.matches("Token is used up$", e.message)
    assert.matches("authorize again", e.hint)
    answers(400, body)
    e = raises("auth", exchange)
    assert.matches("Token is used up$", e.message)
  end)

  it("may send its numbers as strings, as PHP does", function()
    local oauth = here.sb.oauth
    local t = { access_token = oauth.access_token, refresh_token = "r0123456789", expires = "1900000000",
      expires_in = "3600" }
    answers(200, json.encode(t))
    local store = store_of(stale())
    assert.equal("1", connect(store).user.current().ID)
    assert.equal(1900000000, store.t.expires)
    t.expires = nil
    answers(200, json.encode(t))
    local before = os.time()
    t = exchange()
    assert.equal("integer", math.type(t.expires))
    assert.truthy(t.expires >= before + 3600 and t.expires <= os.time() + 3600)
  end)

  it("may have used a code up whose answer was lost", function()
    here.sb:fault { method = "oauth.token", action = "reset", after = true }
    local e = raises("auth", exchange)
    assert.equal("invalid_grant", e.code)
    assert.equal(2, e.attempts)
    assert.is_nil(e.sent)
    assert.matches("authorize again", e.hint)
  end)

  it("may have used a code up for an answer that holds no pair", function()
    answers(200, '{"access_token":"a0123456789"}')
    local e = raises("auth", exchange)
    assert.matches("no pair of tokens", e.message)
    assert.is_true(e.sent)
    assert.matches("authorize again", e.hint)
  end)

  it("may not have used a refresh token up whose answer was lost", function()
    here.sb:fault { method = "oauth.token", action = "reset" }
    local e = raises("auth", connect(store_of(stale())).user.current)
    assert.is_true(e.retryable)
    assert.is_nil(e.hint) -- the refresh token may be as good as before
    assert.equal(1, #here:sent("oauth.token")) -- and libcurl repeats nothing by itself
  end)

  it("is no use to a store that says it saved nothing", function()
    for _, said in ipairs { { nil, "no room" }, { false, "no room" }, { false } } do
      local store = store_of(stale())
      local save = store.save
      function store.save() return table.unpack(said, 1, 2) end
      local portal = connect(store)
      local e = raises("auth", portal.user.current)
      assert.matches("could not be saved", e.message)
      assert.matches(said[2] or "false", e.message)
      assert.equal(0, store.saves)
      store.save = save
      assert.equal("1", portal.user.current().ID)
      assert.equal(1, store.saves)
      store.save = function() return nil, "no room" end
      here.sb:reset()
      assert.matches("no room", raises("auth", exchange, store).message)
    end
  end)
end)

describe("a token file", function()
  local bitrix24 = require "bitrix24"
  local here = require "support.portal" (_ENV, {})

  it("holds pairs alone, and may be locked by who has locked it", function()
    local path = os.tmpname()
    local store <close> = setmetatable({ file = bitrix24.token_file(path) }, { __close = function()
      for _, suffix in ipairs { "", ".lock", ".new" } do os.remove(path .. suffix) end
    end })
    local file = store.file
    local pair = { access_token = "a", refresh_token = "r" }
    file:save(pair)
    for _, wrong in ipairs { {}, "x", 5, { refresh_token = "r" }, { access_token = 5 }, false } do
      local e = here.raises("config", file.save, file, wrong or nil)
      assert.matches("access_token", e.message)
      assert.same(pair, file:load())
    end
    local done
    file:lock(function() file:lock(function() done = file:load() end) end) -- it has the lock already
    assert.same(pair, done)
  end)
end)
