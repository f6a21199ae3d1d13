-- Recordings hold no secret, wherever it stood in what was asked or answered.

local secrets = require "support.secrets"

local bitrix24 = require "bitrix24"

describe("a recording", function()
  local here = require "support.portal" (_ENV, {
    users = 10, contacts = 120, deals = 60, chats = 5, tasks = 20,
  })
  local made = require "support.recorded" (_ENV, here)
  local new_path, read, lines, recorded = made.new_path, made.read, made.lines, made.recorded

  describe("keeps no secret:", function()
    --- No piece of 8 characters of any secret.
    local function assert_clean(path, hidden)
      local text = read(path)
      for name, secret in pairs(hidden) do
        for at = 1, #secret - 7 do
          assert.falsy(text:find(secret:sub(at, at + 7), 1, true), name)
        end
      end
    end

    it("the webhook's code, wherever it stands", function()
      local code = here.sb.webhook:match("/rest/%d+/([^/]+)")
      local script = function(portal, try)
        try(portal.profile)
        try(portal.crm.deal.add, { fields = { TITLE = "see " .. here.sb.webhook, HOOK = code } })
        try(portal.disk.file.get, { id = 3 })
        portal:map({ 1, 2 }, function(i) portal.crm.deal.update { id = i, fields = { TITLE = code } } end)
      end
      here.sb:fault { method = "crm.deal.add", action = { status = 400,
        body = ('{"error":"X","error_description":"bad %s"}'):format(code) } }
      local path = recorded(script)
      assert_clean(path, { code = code })
      -- what was masked in the recording is found by what is asked
      local portal <close> = bitrix24.connect { replay = path }
      local function add(word)
        portal.crm.deal.add { fields = { TITLE = word .. here.sb.webhook, HOOK = code } }
      end
      here.raises("api", add, "see ")
      portal:map({ 1, 2 }, function(i) portal.crm.deal.update { id = i, fields = { TITLE = code } } end)
      here.raises("config", add, "look ")
    end)

    it(("in whatever way a portal quotes it (SECRETS_SEED=%d)"):format(secrets.seed), function()
      local code = here.sb.webhook:match("/rest/%d+/([^/]+)")
      secrets.start()
      for _ = 1, 8 do
        local path = recorded(function(portal)
          for _ = 1, 15 do
            here.sb:fault { nth = secrets.random(2), count = secrets.random(3),
              action = secrets.places[secrets.pick(secrets.place_names)](
                secrets.forms[secrets.pick(secrets.form_names)](code)) }
            pcall(secrets.operations[secrets.pick(secrets.operation_names)], portal)
            here.sb:reset()
          end
        end, { retries = 0 })
        secrets.say("the recording", read(path))
      end
      local found = secrets.leaks { code = code }
      assert(not found, found)
    end)

    it("an application's tokens, renewed ones too; the renewal is not kept", function()
      local oauth = here.sb.oauth
      local store = { t = { access_token = oauth.expired_token, refresh_token = oauth.refresh_token,
        client_endpoint = oauth.client_endpoint, member_id = oauth.member_id } }
      function store:load() return self.t end
      function store:save(t) self.t = t end
      local path = new_path()
      local portal = here:connect { domain = here.sb.url, oauth_url = here.sb.url, tokens = store,
        client_id = oauth.client_id, client_secret = oauth.client_secret, record = path }
      portal.profile()
      portal.crm.deal.add { fields = { TITLE = store.t.access_token } }
      portal.crm.deal.add { fields = { TITLE = store.t.refresh_token } }
      portal:close()
      assert.truthy(#here:sent("oauth.token") > 0)
      assert.equal(4, #lines(path))
      assert_clean(path, {
        expired = oauth.expired_token, refresh = oauth.refresh_token, client_secret = oauth.client_secret,
        access = store.t.access_token, later = store.t.refresh_token,
      })
    end)

    it("tokens in answers, also where they are no texts", function()
      here.sb:fault { method = "profile", action = { status = 200,
        body = '{"result":{"access_token":123456789,"token":true,"ID":"1","auth":"abcdefghij"},"time":{}}' } }
      local path = recorded(function(portal) portal.profile() end)
      assert_clean(path, { access_token = "123456789", auth = "abcdefghij" })
      local portal <close> = bitrix24.connect { replay = path }
      assert.same({ access_token = "***", token = true, ID = "1", auth = "***" }, (portal.profile()))
    end)

    it("signed links", function()
      local url
      local path = recorded(function(portal)
        url = portal.disk.file.get { id = 3 }.DOWNLOAD_URL
        portal:download(url, new_path())
      end)
      assert_clean(path, { token = assert(url:match("token=([^&]+)")) })
    end)
  end)
end)
