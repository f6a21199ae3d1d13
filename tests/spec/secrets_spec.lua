-- Nothing secret comes out. Secrets are planted, everything that can go wrong
-- goes wrong at random, portals quote what they were asked with in every way,
-- and all that came out is searched afterwards for every piece of every secret.
--
-- SECRETS_SEED=N repeats a run; the seed is in the name of each test.

local secrets = require "support.secrets"

local bitrix24 = require "bitrix24"
local events = require "bitrix24.events"
local sandbox = require "bitrix24.sandbox"

local pick, random = secrets.pick, secrets.random
local say, hear, try, log = secrets.say, secrets.hear, secrets.try, secrets.log
local SEED, FORMS, PLACES, OPERATIONS = secrets.seed, secrets.forms, secrets.places, secrets.operations
local form_names, place_names = secrets.form_names, secrets.place_names
local operation_names = secrets.operation_names

describe(("secrets (seed %d)"):format(SEED), function()
  local sb, folder, planted

  setup(function()
    sb = sandbox.start {
      limits = false, seed = SEED, users = 5, contacts = 60, deals = 60, companies = 2, chats = 2,
    }
    folder = os.tmpname()
    os.remove(folder)
    assert(os.execute("mkdir " .. folder))
  end)
  teardown(function()
    sb:stop()
    os.execute("rm -r " .. folder)
  end)
  before_each(function()
    sb:reset()
    secrets.start()
    local oauth = sb.oauth
    planted = {
      code = assert(sb.webhook:match("/rest/1/(%w+)/")), ["access token"] = oauth.access_token,
      ["refresh token"] = oauth.refresh_token, ["expired token"] = oauth.expired_token,
      ["client's secret"] = oauth.client_secret, ["authorization code"] = oauth.code,
      link = secrets.text(24), ["link's path"] = secrets.text(24), password = secrets.text(20),
    }
  end)

  --- Look at all that came out.
  local function nothing_leaked(least)
    assert.truthy(secrets.count() >= (least or 1), secrets.count() .. " texts came out")
    assert.same({}, sb:errors())
    local found = secrets.leaks(planted)
    assert(not found, found)
  end

  local function files_in(path)
    local pipe <close> = assert(io.popen("find " .. path .. " -type f"))
    local out = {}
    for name in pipe:lines() do out[#out + 1] = name end
    return out
  end

  --- Every file but the stores.
  local function hear_files()
    for _, path in ipairs(files_in(folder)) do
      if not path:find("tokens%.json$") then
        local file <close> = assert(io.open(path, "rb"))
        say("the name of a file", path)
        say("the file " .. path, file:read("a"))
      end
    end
  end

  --- The tokens in a store count from now on.
  local function plant(kept)
    local t = kept:load()
    for _, name in ipairs { "access_token", "refresh_token" } do
      if t and t[name] then planted[name .. " " .. t[name]:sub(1, 4)] = t[name] end
    end
  end

  local function new_store(t)
    local kept = bitrix24.token_file(folder .. "/" .. random(1 << 40) .. ".tokens.json")
    kept:save(t)
    return kept
  end

  local function application(kept, options)
    local given = {
      domain = sb.url, client_id = sb.oauth.client_id, client_secret = sb.oauth.client_secret,
      tokens = kept, oauth_url = sb.url, limits = false, log = log, retries = 0, timeout = 10,
    }
    for name, value in pairs(options or {}) do given[name] = value end
    return bitrix24.connect(given)
  end

  --- Ways to be connected → portal, names of the secrets it may not show.
  local WAYS = {
    webhook = function()
      return sb:connect { retries = 0, log = log }, { "code" }
    end,
    token = function()
      return sb:connect { domain = sb.url, access_token = sb.oauth.access_token, retries = 0, log = log },
        { "access token" }
    end,
    spent = function()
      return sb:connect { domain = sb.url, access_token = sb.oauth.expired_token, retries = 0, log = log },
        { "expired token" }
    end,
    application = function()
      return application(new_store(sb.oauth)), { "access token", "refresh token", "client's secret" }
    end,
  }
  local ways = { "webhook", "token", "spent", "application" }

  local function hear_portal(portal)
    for _, value in ipairs { portal, portal.v2, portal.v3, portal.crm, portal.crm.deal.list } do
      say("tostring", tostring(value))
    end
    say("tostring", tostring(sb))
  end

  it("are not in what comes of answers that quote them", function()
    for _, way in ipairs(ways) do
      local portal, names = WAYS[way]()
      try("tostring", hear_portal, portal)
      for _ = 1, 120 do
        local operation, place, form = pick(operation_names), pick(place_names), pick(form_names)
        local quoted = FORMS[form](planted[pick(names)])
        local action = PLACES[place](quoted)
        sb:fault { nth = random() < 0.8 and 1 or 2, count = random(3), action = action }
        try(("%s with a %s, %s, quoted as %s"):format(operation, way, place, form), OPERATIONS[operation],
          portal)
        if not tostring(portal):find(sb.url, 1, true) then -- it was sent elsewhere
          portal:close()
          portal, names = WAYS[way]()
        end
      end
      hear("recorded", sb:requests())
      portal:close()
      try("tostring of a closed portal", hear_portal, portal)
      try("a closed portal", portal.call, portal, "profile")
      sb:reset()
    end
    hear_files()
    nothing_leaked(1000)
  end)

  it("are not in what comes of every place and every spelling", function()
    local portal = sb:connect { retries = 0, log = log }
    for _, place in ipairs(place_names) do
      for _, form in ipairs(form_names) do
        sb:fault { count = 1, action = PLACES[place](FORMS[form](planted.code)) }
        try(("%s, quoted as %s"):format(place, form), portal.call, portal, "profile")
        if not tostring(portal):find(sb.url, 1, true) then
          portal:close()
          portal = sb:connect { retries = 0, log = log }
        end
      end
    end
    portal:close()
    nothing_leaked(300)
  end)

  it("are not in what comes of retries, broken connections and timeouts", function()
    for _, way in ipairs { "webhook", "token" } do
      local names = way == "webhook" and { webhook = sb.webhook }
        or { domain = sb.url, access_token = sb.oauth.access_token }
      names.log, names.retries = log, 1
      local portal <close> = sb:connect(names)
      sb:fault { count = 2, action = pick { "reset", "cut", "empty" } }
      try("retries", portal.call, portal, "profile")
      sb:fault { action = "hang" }
      try("a timeout", portal.call, portal, "profile", {}, { timeout = 0.05 })
      sb:fault { action = "hang" }
      try("the log closes the portal", function()
        local hasty
        hasty = sb:connect { webhook = sb.webhook, log = function(event)
          log(event)
          hasty:close()
          error("the log failed at " .. sb.webhook)
        end }
        hasty.profile()
      end)
      sb:reset()
    end
    nothing_leaked()
  end)

  it("are not in what comes of a host that cannot be reached or trusted", function()
    for _, address in ipairs {
      "https://127.0.0.1:9/rest/1/%s/", "http://127.0.0.1:9/rest/1/%s/",
      sb.url:gsub("^http:", "https:") .. "/rest/1/%s/", "https://[::1]:9/rest/1/%s/",
    } do
      local portal <close> = bitrix24.connect {
        webhook = address:format(planted.code), retries = 0, log = log, connect_timeout = 1, limits = false,
      }
      try("no connection to " .. address, portal.call, portal, "profile")
      say("tostring", tostring(portal))
    end
    for _, proxy in ipairs {
      "http://me:%s@127.0.0.1:9", "me:%s@127.0.0.1:9", "http://me:%s@bad host:9", "me:%s@127.0.0.1:port",
      "gopher://me:%s@127.0.0.1", "http://%s@127.0.0.1:99999", "me you:%s@127.0.0.1:9",
        "socks5h://me:%s@127.0.0.1:9",
      "socks9://me:%s@127.0.0.1:9", "://me:%s@127.0.0.1:9", "%s:@",
    } do
      for _, webhook in ipairs { sb.webhook, "https://127.0.0.1:9/rest/1/" .. planted.code .. "/" } do
        try("the proxy " .. proxy, function()
          local portal <close> = bitrix24.connect {
            webhook = webhook, proxy = proxy:format(planted.password), retries = 0, log = log, limits = false,
          }
          say("tostring", tostring(portal))
          portal.profile()
        end)
      end
    end
    nothing_leaked()
  end)

  it("are not in what comes of downloads", function()
    local portal = sb:connect { retries = 0, log = log }
    local real = portal.disk.file.get { id = 1 }.DOWNLOAD_URL
    planted["real link"] = real:match("token=(%w+)")
    secrets.start() -- the link is what was asked for
    local made = ("/sandbox/download/7/%s?token=%s&sign=%s"):format(planted["link's path"], planted.link,
      planted.link)
    local links = {
      real, sb.url .. made, made, sb.url .. "/nowhere" .. made, "http://127.0.0.1:9" .. made,
      "ftp://127.0.0.1" .. made, "http://example.com" .. made,
        "https://u:" .. planted.link .. "@127.0.0.1:9" .. made,
      " " .. sb.url .. made, "https://ex ample" .. made,
      "disk|" .. planted.link, sb.url .. "/\n" .. made, "//127.0.0.1:9" .. made, sb.url .. ":99999" .. made,
      sb.url .. "/%zz" .. made, "https:/" .. made, made:sub(2),
    }
    local actions = {
      "reset", "cut", "html", "empty", { status = 404, body = made }, { status = 403, body = planted.link },
      { status = 302, headers = { Location = made } }, { status = 302,
        headers = { Location = "ftp://h" .. made } },
      { status = 302, headers = { Location = "https://127.0.0.1:9" .. made } },
      { status = 302, headers = { Location = "http://u:" .. planted.link .. "@127.0.0.1:9" .. made } },
      { status = 302, headers = { Location = "https://bad host" .. made } },
      { status = 302, headers = { Location = ":" .. planted.link } },
      { status = 200, headers = { ["Content-Type"] = planted.link, ["Content-Encoding"] = planted.link },
        body = "x" },
      { status = 200, headers = { ["Content-Encoding"] = "gzip" }, body = planted.link },
    }
    for i, link in ipairs(links) do
      try("download of link " .. i, portal.download, portal, link, folder .. "/plain")
      os.remove(folder .. "/plain")
    end
    for i, action in ipairs(actions) do
      for _, link in ipairs { real, sb.url .. made } do
        sb:fault { count = 5, action = action }
        try("download and action " .. i, portal.download, portal, link, folder .. "/action")
        os.remove(folder .. "/action")
        sb:reset()
      end
    end
    sb:fault { action = "hang" }
    try("a slow download", portal.download, portal, real, folder .. "/slow", { timeout = 0.05 })
    try("no folder", portal.download, portal, real, folder .. "/no/such/folder")
    try("a folder", portal.download, portal, real, folder)
    -- a portal that quotes the link in a call's answer
    for _, form in ipairs { "plain", "percent", "percent, all", "percent twice", "twice", "late" } do
      sb:fault { action = PLACES.description("/d?token=disk|" .. FORMS[form](planted.link) .. "&x") }
      try("a link quoted as " .. form, portal.call, portal, "profile")
    end
    hear_files()
    portal:close()
    nothing_leaked()
  end)

  it("are not in what comes of renewals that fail, nor beside the store", function()
    local function refused(make)
      return function(kept)
        for _ = 1, 12 do
          local form = pick(form_names)
          local secret = planted[pick { "refresh token", "client's secret", "expired token" }]
          sb:fault { method = "oauth.token", count = 1, action = make(FORMS[form](secret)) }
          local portal <close> = application(kept)
          try("a renewal that fails, quoted as " .. form, portal.call, portal, "profile")
          try("and a batch", OPERATIONS.batch, portal)
          plant(kept)
        end
      end
    end
    local spent = { access_token = sb.oauth.expired_token, refresh_token = sb.oauth.refresh_token }
    for _, place in ipairs(place_names) do
      local kept = new_store(spent)
      refused(PLACES[place])(kept)
      hear("recorded", sb:requests())
      sb:reset()
    end
    for _, body in ipairs {
      '{"access_token":"%s"}', '{"access_token":"%s","refresh_token":5}', '["%s"]', '"%s"', "access_token=%s",
      '{"access_token":"%s\\n","refresh_token":"%s"}',
        '{"access_token":"%s","refresh_token":"%s","client_endpoint":"/%s"}',
      '{"access_token":"x","refresh_token":"y","client_endpoint":"https://h/rest/?auth=%s"}',
    } do
      local kept = new_store(spent)
      sb:fault { method = "oauth.token", action = { status = 200, body = (body:gsub("%%s", planted.link)) } }
      local portal <close> = application(kept)
      try("a strange pair " .. body, portal.call, portal, "profile")
      sb:reset()
    end
    for _, wrong in ipairs { "client_id", "client_secret" } do
      local portal <close> = application(new_store(spent), { [wrong] = planted.link })
      try("a wrong " .. wrong, portal.call, portal, "profile")
    end
    hear_files()
    nothing_leaked(300)
  end)

  it("are not in what comes of stores that fail", function()
    local broken = {
      ["save quotes"] = { save = function(_,
        t) error("cannot save " .. t.access_token .. " " .. t.refresh_token) end },
      ["save raises a table"] = { save = function() error {} end },
      ["load quotes"] = { load = function(self)
        if self.loaded then error("cannot load what " .. planted["refresh token"] .. " was") end
        self.loaded = true
        return { access_token = sb.oauth.expired_token, refresh_token = planted["refresh token"] }
      end },
      ["load lies"] = { load = function() return { access_token = "a b" .. planted.link,
        refresh_token = 7 } end },
      ["load moves"] = { load = function()
        return { access_token = planted["access token"],
          client_endpoint = "ftp://" .. planted["access token"] }
      end },
      ["lock quotes"] = { lock = function() error("no lock for " .. planted["client's secret"]) end },
      ["lock forgets"] = { lock = function() end },
    }
    for name, methods in pairs(broken) do
      sb:reset()
      local new
      local kept = {
        load = methods.load or function()
          return { access_token = sb.oauth.expired_token, refresh_token = sb.oauth.refresh_token }
        end,
        save = function(self, t)
          new = t
          if methods.save then methods.save(self, t) end
        end,
        lock = methods.lock,
      }
      local ok, portal = try("connect, " .. name, application, kept)
      if ok then
        for _ = 1, 2 do try("a store: " .. name, portal.call, portal, "profile") end
        portal:close()
      end
      for _, token in ipairs { "access_token", "refresh_token" } do
        if new then planted["unsaved " .. token .. name] = new[token] end
      end
      try("an exchange, " .. name, bitrix24.oauth.exchange, {
        client_id = sb.oauth.client_id, client_secret = sb.oauth.client_secret, code = sb.oauth.code,
        oauth_url = sb.url, tokens = kept,
      })
      for _, token in ipairs { "access_token", "refresh_token" } do
        if new then planted["exchanged " .. token .. name] = new[token] end
      end
    end
    local path = folder .. "/broken.tokens.json"
    for _, text in ipairs { '{"access_token":"' .. planted.link, planted.link,
      '{"access_token":["' .. planted.link .. '"]}' } do
      local file = assert(io.open(path, "w"))
      file:write(text)
      file:close()
      try("a damaged store", function()
        local portal <close> = application(bitrix24.token_file(path))
        portal.profile()
      end)
    end
    nothing_leaked()
  end)

  it("are not in what comes of tokens that were renewed", function()
    local kept = new_store(sb.oauth)
    local portal = application(kept)
    local here = {} -- a portal that moves would be asked at its new place
    for _, name in ipairs(place_names) do
      if not name:find("place", 1, true) then here[#here + 1] = name end
    end
    for _ = 1, 8 do
      sb:time(4000)
      assert(try("a renewal", portal.call, portal, "profile"))
      plant(kept)
      local t = kept:load()
      for _, operation in ipairs(operation_names) do
        local place, form = pick(here), pick(form_names)
        sb:fault { action = PLACES[place](FORMS[form](t[pick { "access_token", "refresh_token" }])) }
        try(("%s after a renewal, %s as %s"):format(operation, place, form), OPERATIONS[operation], portal)
      end
    end
    say("tostring", tostring(kept))
    say("tostring", tostring(portal))
    hear("recorded", sb:requests())
    portal:close()
    hear_files()
    nothing_leaked(200)
  end)

  it("are not in what comes of an exchange", function()
    local given = {
      client_id = sb.oauth.client_id, client_secret = sb.oauth.client_secret, code = sb.oauth.code,
        oauth_url = sb.url,
    }
    local final = {
      "description", "code", "code without words", "an object for a code", "REST 3.0", "keys outside",
        "a list's page",
    }
    for _ = 1, 100 do
      local place, form = pick(final), pick(form_names)
      local action = PLACES[place](FORMS[form](planted[pick { "client's secret", "authorization code" }]))
      action.status = 400 -- others are asked again
      sb:fault { action = action }
      try(("an exchange, %s as %s"):format(place, form), bitrix24.oauth.exchange, given)
      sb:reset()
    end
    for _, name in ipairs { "client_secret", "code" } do
      local other = {}
      for key, value in pairs(given) do other[key] = value end
      other[name] = planted.link
      try("an exchange with a wrong " .. name, bitrix24.oauth.exchange, other)
    end
    say("the consent page's address", bitrix24.oauth.authorize_url { client_id = given.client_id,
      domain = sb.url })
    hear("recorded", sb:requests())
    nothing_leaked()
  end)

  it("are not shown where they were put by mistake", function()
    local values = {
      planted.code, sb.webhook, planted["access token"], planted["client's secret"],
        sb.webhook .. "crm.deal.list",
      sb.webhook:gsub("/$", "") .. "?a=b",
        "https://me:" .. planted.password .. "@example.com/rest/1/" .. planted.code,
    }
    local options = {
      "webhook", "domain", "access_token", "client_id", "client_secret", "oauth_url", "tokens", "limiter",
        "limits",
      "max_connections", "timeout", "retries", "wait_max", "batch", "strict", "insecure", "nulls",
        "ca_file", "user_agent",
      "log", "profile",
    }
    for _, value in ipairs(values) do
      local is_address = value:find("/", 1, true) -- else it may be a host, and is shown as one
      for _, name in ipairs(options) do
        for _, rest in ipairs { {}, { webhook = sb.webhook }, { domain = sb.url,
          access_token = sb.oauth.access_token } } do
          local given = { [name] = value, limits = false, log = log, retries = 0 }
          for key, item in pairs(rest) do if given[key] == nil then given[key] = item end end
          if name == "domain" and not is_address then given.domain = value .. "/" .. value end
          try("a secret as option " .. name, function()
            local portal <close> = bitrix24.connect(given)
            say("tostring", tostring(portal))
          end)
        end
      end
      try("a secret as name of an option", bitrix24.connect, { [value] = 1, webhook = sb.webhook })
      try("a secret as name of an option", sandbox.start, { [value] = 1 })
      try("a secret as fault", sb.fault, sb, { [value] = 1 })
      for _, name in ipairs { "authorize_url", "exchange" } do
        try("a secret as option of " .. name, bitrix24.oauth[name], { [value] = value })
        for _, option in ipairs { "client_id", "domain", "oauth_url", "tokens", "code", "insecure" } do
          try("a secret as option of " .. name, function()
            bitrix24.oauth[name] {
              client_id = "x", client_secret = value, code = value, oauth_url = sb.url,
                [option] = is_address and value or {},
            }
          end)
        end
      end
      try("a secret to use", bitrix24.use, value)
    end
    nothing_leaked(100)
  end)

  it("are not shown where a portal's methods got them by mistake", function()
    for _, way in ipairs(ways) do
      local portal, names = WAYS[way]()
      local s = planted[names[1]]
      try("the tokens are loaded", portal.call, portal, "profile")
      local mistakes = {
        function() portal:call(s) end,
        function() portal:call("crm." .. s .. ".get") end,
        function() portal[s]() end,
        function() portal.crm[s] { id = 1 } end,
        function() portal.crm.deal.list[s]:all() end,
        function() portal.v3[s]:first() end,
        function() portal[s] = 1 end,
        function() portal.crm[s] = 1 end,
        function() portal:call("crm.deal.get", s) end,
        function() portal:call("crm.deal.get", { [s] = print }) end,
        function() portal:call("crm.deal.get", { id = { [s] = { print } } }) end,
        function() portal:call("crm.deal.get", {}, { [s] = 1 }) end,
        function() portal:call("crm.deal.get", {}, { timeout = s }) end,
        function() portal:call("crm.deal.get", {}, { idempotency_key = s .. "\n" }) end,
        function() portal:call("crm.deal.get", {}, s) end,
        function() portal:each(s) end,
        function() portal:all("crm.deal.list", {}, { strategy = s }) end,
        function() portal:all("crm.deal.list", {}, { [s] = 1 }) end,
        function() portal:all("crm.deal.list", {}, { limit = s }) end,
        function() portal:all("crm.deal.list", { start = s }) end,
        function() portal:all("crm.deal.list", { order = s, filter = s, select = s }) end,
        function() portal:each("crm.deal.list", {}, { checkpoint = folder .. "/" .. "no/such/" .. s })() end,
        function() portal:batch { [s] = 1 } end,
        function() portal:batch { [s] = { s } } end,
        function() portal:batch { x = { s, [s] = 1 } } end,
        function() portal:batch { x = { "crm.deal.get", { [s] = print } } } end,
        function() portal:batch({}, { [s] = 1 }) end,
        function() portal:batch():call(s) end,
        function() portal:map(s, print) end,
        function() portal:map({}, s) end,
        function() portal:map({}, print, { [s] = s }) end,
        function() portal:map({}, print, { on_error = s }) end,
        function() portal:download(s, folder .. "/x") end,
        function() portal:download(sb.url .. "/x", folder .. "/no/such/" .. s) end,
        function() portal:download(portal.disk.file.get { id = 1 }.DOWNLOAD_URL,
          folder .. "/" .. s .. "/..") end,
        function() portal.call(s) end,
        function() portal:call("crm.deal.add", { fields = bitrix24.file(s) }) end,
        function() events.offline(portal, { [s] = 1 }) end,
        function() error(s .. print) end,
      }
      for i, mistake in ipairs(mistakes) do
        if i < #mistakes then try(("mistake %d with a %s"):format(i, way), mistake) end
      end
      portal:close()
      sb:reset()
    end
    nothing_leaked(100)
  end)

  it("are not in checkpoints nor in budgets", function()
    local portal = sb:connect { log = log, limiter = bitrix24.limiter_file(folder .. "/budget"),
      limits = { rate = 1000, burst = 1000 } }
    try("a checkpoint", function()
      for record in portal.crm.contact.list:each({ filter = { NAME = planted.link } },
        { checkpoint = folder .. "/at" }) do
        say("record", record.ID)
      end
    end)
    for stop = 1, 3 do
      try("a crash", function()
        for _ in portal.crm.contact.list:each({ select = { "ID" } },
          { checkpoint = folder .. "/stop" .. stop }) do
          hear_files()
          error "crash"
        end
      end)
    end
    hear_files()
    assert.truthy(#files_in(folder) >= 2)
    portal:close()
    nothing_leaked()
  end)

  it("are not in what a crashing program prints, starts or leaves in its environment", function()
    local script = folder .. "/crash.lua"
    local file = assert(io.open(script, "w"))
    file:write [[
      local bitrix24 = require "bitrix24"
      local function read(path)
        local file = io.open(path, "rb")
        local text = file and file:read("a") or ""
        if file then file:close() end
        return (text:gsub("%z", " "))
      end
      local function environment()
        local pipe <close> = io.popen "env | grep -v ^_="
        return pipe:read "a"
      end
      local before = environment()
      local t = {}
      for line in io.lines() do t[#t + 1] = line end
      local how, url, secret, id, client_secret, path = table.unpack(t)
      local portal
      if how == "webhook" then
        portal = bitrix24.connect { webhook = secret, retries = 0, limits = false }
      elseif how == "token" then
        portal = bitrix24.connect { domain = url, access_token = secret, retries = 0, limits = false }
      else
        portal = bitrix24.connect { domain = url, client_id = id, client_secret = client_secret,
          oauth_url = url,
          tokens = bitrix24.token_file(path), retries = 0, limits = false }
      end
      pcall(portal.call, portal, "profile")
      print(read "/proc/self/cmdline")
      assert(not read "/proc/thread-self/children":find "%d", "it started something")
      assert(environment() == before, "it changed its environment")
      print(portal, portal.crm)
      if how == "fine" then return end
      local function deep(n) if n > 0 then return deep(n - 1) + 1 end return portal.crm.deal.list:all() end
      deep(3)
    ]]
    file:close()
    local interpreter = 0
    while arg[interpreter - 1] do interpreter = interpreter - 1 end
    for _, how in ipairs { "webhook", "token", "tokens", "fine" } do
      local kept = folder .. "/child.tokens.json"
      bitrix24.token_file(kept):save { access_token = sb.oauth.expired_token,
        refresh_token = sb.oauth.refresh_token }
      local input = folder .. "/child.tokens.json.input"
      local secret = how == "webhook" and sb.webhook or sb.oauth.access_token
      local lines <close> = assert(io.open(input, "w"))
      lines:write(table.concat({ how, sb.url, secret, sb.oauth.client_id, sb.oauth.client_secret, kept },
        "\n"))
      lines:close()
      secrets.during("a program with a " .. how)
      for _, method in ipairs { "crm.deal.list", "batch" } do
        local own = how == "webhook" and "code" or how == "token" and "access token" or "expired token"
        sb:fault { method = method, count = 9, action = PLACES.description(FORMS.address(planted[own])) }
      end
      local pipe <close> = assert(io.popen(("%s %s <%s 2>&1; echo \" $?\""):format(arg[interpreter], script,
        input)))
      local output = pipe:read("a")
      os.remove(input)
      assert.matches(how == "fine" and " 0\n$" or "crash.lua:%d+.* 1\n$", output)
      say("output", output)
      plant(bitrix24.token_file(kept))
      sb:reset()
    end
    os.remove(script)
    nothing_leaked(4)
  end)
end)
