-- Portals by name: `bitrix24 login`, --profile, BITRIX24_PROFILE.

local command = require "support.command"
local here = require "support.portal" (_ENV, { contacts = 5 })
local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"

local folder

before_each(function() folder = command.folder() end)
after_each(function() command.clean(folder) end)

local function run(words, input, more)
  local environment = { XDG_CONFIG_HOME = folder }
  for name, value in pairs(more or {}) do environment[name] = value end
  return command.run(words, environment, input)
end

local function ok(words, input, more)
  local out, err, status = run(words, input, more)
  assert.equal(0, status, err)
  return out, err
end

local function mode(path)
  local pipe <close> = assert(io.popen(("stat -c %%a '%s/bitrix24%s'"):format(folder, path)))
  return pipe:read("l")
end

local function stored() return json.decode(command.read(folder .. "/bitrix24/profiles.json") or "") end

--- What an application types, or a script for it.
local function application(name, more)
  local o = here.sb.oauth
  local words = {
    "login", "--profile", name, "--domain", here.sb.url, "--client-id", o.client_id,
    "--oauth-url", o.oauth_url,
  }
  return table.move(more or {}, 1, #(more or {}), #words + 1, words)
end

describe("login", function()
  it("stores a webhook for its user alone, once it answers", function()
    local out, err = ok({ "login", "--webhook" }, here.sb.webhook .. "\n")
    assert.equal("", out)
    assert.truthy(err:find("the portal answers: ", 1, true), err)
    assert.same({ "700", "600" }, { mode(""), mode("/profiles.json") })
    assert.same({ default = { webhook = here.sb.webhook } }, stored())
    assert.equal("1", json.decode(ok { "call", "profile" }).ID)
  end)

  it("asks how, when it is not told", function()
    ok({ "login", "-p", "sales" }, "1\n" .. here.sb.webhook .. "\n")
    assert.equal(here.sb.webhook, stored().sales.webhook)
    assert.equal(2, select(3, run({ "login" }, "3\n")))
    assert.equal(2, select(3, run({ "login" }, "")))
  end)

  it("stores what the next command will use, or says how to", function()
    local named = { BITRIX24_PROFILE = "sales" }
    local _, err = ok({ "login", "--webhook" }, here.sb.webhook .. "\n", named)
    assert.is_nil(err:find("it is used with", 1, true), err)
    assert.equal("1", json.decode(ok({ "call", "profile" }, nil, named)).ID)
    _, err = ok({ "login", "--webhook", "-p", "other" }, here.sb.webhook .. "\n")
    assert.truthy(err:find("it is used with --profile other or BITRIX24_PROFILE=other\n", 1, true), err)
    _, err = ok({ "login", "--webhook" }, here.sb.webhook .. "\n", { BITRIX24_WEBHOOK = here.sb.webhook })
    assert.truthy(err:find("otherwise BITRIX24_WEBHOOK is", 1, true), err)
    assert.equal("default\nother\nsales\n", ok { "login", "--names" })
  end)

  it("keeps the profile that was there when the new one does not answer", function()
    ok({ "login", "--webhook" }, here.sb.webhook .. "\n")
    local _, err, status = run({ "login", "--webhook" }, here.sb.url .. "/rest/1/wrong0code0here0/\n")
    assert.equal(1, status, err)
    assert.equal(2, select(3, run({ "login", "--webhook" }, "no address\n")))
    _, err, status = run({ "login" }, here.sb.webhook .. "\n")
    assert.equal(2, status)
    assert.truthy(err:find("hint: without questions: login --webhook", 1, true), err)
    assert.equal(here.sb.webhook, stored().default.webhook)
    ok({ "login", "--webhook", "--no-check" }, here.sb.url .. "/rest/1/wrong0code0here0/\n")
    assert.not_equal(here.sb.webhook, stored().default.webhook)
  end)

  it("keeps limits and certificate authority with the profile", function()
    local tls <close> = sandbox.start { tls = true, contacts = 1 }
    ok({ "login", "--webhook", "--ca-file", tls.ca_file, "--limits", "enterprise" }, tls.webhook .. "\n")
    assert.equal("1", json.decode(ok { "call", "profile" }).ID)
    assert.truthy(ok { "doctor" }:find("enterprise: 5 requests a second", 1, true))
  end)

  it("authorizes an application by its code, or the address with it", function()
    local o = here.sb.oauth
    local out, err = ok(application "app", ("%s\n%s\n"):format(o.client_secret, o.code))
    assert.truthy(out:find("/oauth/authorize/?client_id=" .. o.client_id, 1, true), out)
    assert.same({ "600", "600" }, { mode("/profiles.json"), mode("/app.tokens.json") })
    assert.equal(o.client_id, json.decode(ok { "call", "app.info", "-p", "app" }).CODE)
    assert.is_nil((out .. err):find(o.client_secret, 1, true))
    assert.is_nil((out .. err):find(o.code, 1, true))
    here.sb:reset()
    local address = "https://example.com/back?domain=x&code=" .. here.sb.oauth.code
    ok(application "again", o.client_secret .. "\n" .. address .. "\n")
    assert.equal(o.client_id, json.decode(ok { "call", "app.info", "-p", "again" }).CODE)
  end)

  it("asks for no secret where the host cannot be one", function()
    local out, err, status = run({ "login", "--domain", "no host", "--client-id", "x" }, "SECRET1\nSECRET2\n")
    assert.same({ "", 2 }, { out, status })
    assert.is_nil(err:find("authorize_url", 1, true), err)
    -- nor where nothing could be stored
    local nowhere = { XDG_CONFIG_HOME = "/dev/null/nowhere" }
    out, err, status = run({ "login", "--webhook" }, here.sb.webhook .. "\n", nowhere)
    assert.same({ "", 2 }, { out, status }, err)
    nowhere = { XDG_CONFIG_HOME = "/proc/nowhere" }
    out, err, status = run({ "login", "--webhook" }, here.sb.webhook .. "\n", nowhere)
    if command.read("/proc/version") then assert.same({ "", 1 }, { out, status }) end
    assert.truthy(err:find("hint: XDG_CONFIG_HOME", 1, true), err)
    assert.is_nil(err:find("the portal answers", 1, true), err)
  end)

  it("refuses what is not the answer to it", function()
    local o = here.sb.oauth
    for _, answer in ipairs {
      "https://example.com/?code=" .. o.code .. "&state=another", "https://example.com/?error=access_denied",
      "not a code", "",
    } do
      local _, err, status = run(application "app", ("%s\n%s\n"):format(o.client_secret, answer))
      assert.equal(2, status, err)
    end
    local _, err, status = run(application "app", o.client_secret .. "\nwrongcode\n")
    assert.equal(1, status)
    assert.truthy(err:find("auth error", 1, true), err)
    assert.is_nil(stored())
    assert.is_nil(command.read(folder .. "/bitrix24/app.tokens.json.new"))
  end)

  it("leaves no file that it has begun when it is interrupted", function()
    local o = here.sb.oauth
    here.sb:fault { method = "oauth.token", action = "hang" }
    command.write(folder .. "/typed", ("%s\n%s\n"):format(o.client_secret, o.code))
    local running <close> = command.start(application "app", { XDG_CONFIG_HOME = folder }, folder .. "/typed")
    running:wait(function() return #here:sent("oauth.token") > 0 end)
    assert.equal(1, running:stop("INT"))
    assert.matches("bitrix24: interrupted\n$", running:err())
    assert.is_nil(stored())
    assert.is_nil(command.read(folder .. "/bitrix24/app.tokens.json.new"))
  end)

  local has_socket, http = pcall(require, "socket.http")
  it("waits for the browser on this machine", function()
    if not has_socket then return pending("LuaSocket is not installed") end
    local o = here.sb.oauth
    local free = sandbox.closed_port()
    local port = free.port
    free:close()
    command.write(folder .. "/secret", o.client_secret .. "\n")
    local running <close> = command.start(application("app", { "--listen", tostring(port) }),
      { XDG_CONFIG_HOME = folder }, folder .. "/secret")
    local address = running:wait(function() return running:out():match("^(http%S+)\n") end)
    running:wait(function() return running:err():find("waiting at", 1, true) end)
    local _, status, headers = http.request { url = address, redirect = false }
    assert.equal(302, status)
    -- another page sends the browser here: it is not taken for the answer
    assert.equal(400, select(2, http.request(("http://127.0.0.1:%d/?code=evil&state=guess"):format(port))))
    local body
    body, status = http.request(headers.location)
    assert.equal(200, status)
    assert.truthy(body:find("Authorized", 1, true))
    assert.equal(0, running:wait(function() return running:status() end), running:err())
    assert.equal(o.client_id, json.decode(ok { "call", "app.info", "-p", "app" }).CODE)
  end)
end)

describe("a profile", function()
  local other
  setup(function() other = sandbox.start { contacts = 9, limits = false } end)
  teardown(function() other:stop() end)

  --- How many contacts the portal has tells which one it is.
  local function which(words, more)
    return #json.decode(ok(table.move(words, 1, #words, 3, { "list", "crm.contact.list" }), nil, more))
  end

  it("is chosen by --profile, BITRIX24_WEBHOOK, BITRIX24_PROFILE, default", function()
    ok({ "login", "--webhook" }, here.sb.webhook .. "\n")
    ok({ "login", "--webhook", "-p", "other" }, other.webhook .. "\n")
    assert.equal(5, which {})
    assert.equal(9, which { "-p", "other" })
    assert.equal(9, which({}, { BITRIX24_PROFILE = "other" }))
    assert.equal(5, which({}, { BITRIX24_PROFILE = "other", BITRIX24_WEBHOOK = here.sb.webhook }))
    assert.equal(9, which({ "-p", "other" }, { BITRIX24_WEBHOOK = here.sb.webhook }))
  end)

  it("that is not there is named, with the nearest", function()
    ok({ "login", "--webhook", "-p", "sales" }, here.sb.webhook .. "\n")
    local _, err, status = run { "call", "profile", "-p", "sale" }
    assert.equal(2, status)
    assert.truthy(err:find("did you mean 'sales'?", 1, true), err)
    assert.equal(2, select(3, run { "call", "profile", "-p", "../etc/passwd" }))
  end)

  it("is warned about when others can read it", function()
    ok({ "login", "--webhook" }, here.sb.webhook .. "\n")
    os.execute(("chmod 644 '%s/bitrix24/profiles.json'"):format(folder))
    local out, _, status = run { "doctor" }
    assert.equal(1, status)
    assert.truthy(out:find("chmod 600 ", 1, true), out)
    os.execute(("chmod 600 '%s/bitrix24/profiles.json'"):format(folder))
    ok { "doctor" }
    command.write(folder .. "/bitrix24/default.tokens.json", "{}")
    os.execute(("chmod 640 '%s/bitrix24/default.tokens.json'"):format(folder))
    out, _, status = run { "doctor" }
    assert.equal(1, status)
    assert.truthy(out:find("chmod 600 [^\n]*/default%.tokens%.json\n"), out)
    command.write(folder .. "/bitrix24/profiles.json", "{half")
    assert.equal(2, select(3, run { "call", "profile" }))
  end)

  it("that cannot be read is not said to be broken", function()
    os.execute(("mkdir -p '%s/bitrix24/profiles.json'"):format(folder))
    local _, err, status = run { "call", "profile", "-p", "sales" }
    assert.equal(2, status)
    assert.truthy(err:find("profiles.json: Is a directory", 1, true), err)
    assert.falsy(err:find("remove it", 1, true), err)
  end)

  it("that names no portal is not taken for that of the environment", function()
    ok({ "login", "--webhook", "-p", "sales" }, here.sb.webhook .. "\n")
    for _, broken in ipairs { '{}', '{"webhok":"x"}', '{"webhook":7}', '{"client_id":"x"}' } do
      command.write(folder .. "/bitrix24/profiles.json", ('{"sales":%s}'):format(broken))
      local elsewhere = { BITRIX24_WEBHOOK = other.webhook }
      local _, err, status = run({ "call", "profile", "-p", "sales" }, nil, elsewhere)
      assert.equal(2, status, broken)
      assert.truthy(err:find("bitrix24 login", 1, true), err)
    end
  end)

  it("serves scripts that ask for no portal", function()
    ok({ "login", "--webhook", "-p", "other" }, other.webhook .. "\n")
    command.write(folder .. "/s.lua", 'print(require "bitrix24".crm.contact.list:count())')
    assert.equal("9\n", ok { "run", "-p", "other", folder .. "/s.lua" })
  end)
end)

describe("connect{ profile = … }", function()
  -- A script without the command; nil while connect has no such option.
  local function script(text, more)
    command.write(folder .. "/s.lua", text)
    local environment = { XDG_CONFIG_HOME = folder, BITRIX24_PROFILE = "" }
    for name, value in pairs(more or {}) do environment[name] = value end
    local out, status = here.run(folder .. "/s.lua", environment)
    return out, status
  end

  it("takes what login stored", function()
    ok({ "login", "--webhook", "-p", "sales" }, here.sb.webhook .. "\n")
    local connect = 'local b = require "bitrix24" print(b.connect%s:call("profile").ID)'
    local out, status = script(connect:format('{ profile = "sales" }'))
    assert.same({ "1\n", 0 }, { out, status })
    assert.equal("1\n", (script(connect:format "()", { BITRIX24_PROFILE = "sales" })))
    out, status = script(connect:format('{ profile = "sale" }'))
    assert.equal(1, status)
    assert.truthy(out:find("did you mean 'sales'?", 1, true), out)
    assert.truthy(script(connect:format('{ profile = "sales", webhook = "x" }')):find("not both", 1, true))
    assert.truthy(script(connect:format "()"):find("no portal given", 1, true))
  end)

  it("renews the tokens of an application in their file", function()
    local o = here.sb.oauth
    ok(application "app", ("%s\n%s\n"):format(o.client_secret, o.code))
    local before = command.read(folder .. "/bitrix24/app.tokens.json")
    here.sb:time(7200)
    ok { "call", "app.info", "-p", "app" }
    assert.not_equal(before, command.read(folder .. "/bitrix24/app.tokens.json"))
    assert.equal("600", mode("/app.tokens.json"))
  end)
end)

describe("completion", function()
  local shells = {
    bash = [[bash -c 'source csrc/cli/bitrix24.bash; COMP_WORDS=(bitrix24 %s); COMP_CWORD=%d; _bitrix24
      printf "%%s\n" "${COMPREPLY[@]}"']],
    fish = [[fish -c 'source csrc/cli/bitrix24.fish; complete -C "bitrix24 %s"']],
  }
  local function complete(shell, line)
    local place = "PATH='%s':$PATH XDG_CONFIG_HOME='%s/config'; export PATH XDG_CONFIG_HOME; "
    local pipe <close> = assert(io.popen(place:format(folder, folder)
      .. shells[shell]:format(line, select(2, line:gsub("%S+", ""))) .. " 2>&1"))
    local out = {}
    for word in pipe:lines() do out[word:match("^[^\t]*")] = true end
    return out
  end

  before_each(function()
    local interpreter = 0
    while arg[interpreter - 1] do interpreter = interpreter - 1 end
    local launcher = "#!/bin/sh\nexec '%s' csrc/cli/bitrix24 \"$@\"\n"
    command.write(folder .. "/bitrix24", launcher:format(arg[interpreter]))
    os.execute(("chmod 755 '%s/bitrix24'"):format(folder))
  end)

  for shell in pairs(shells) do
    it("knows commands, options, values and methods in " .. shell, function()
      local is_here = os.execute(("command -v %s >/dev/null"):format(shell))
      if not is_here then return pending(shell .. " is not here") end
      assert.is_true(complete(shell, "desc").describe)
      assert.is_true(complete(shell, "list --check")["--checkpoint"])
      assert.is_true(complete(shell, "call --format j").jsonl)
      local methods = complete(shell, "call crm.calllist.s")
      assert.same({ ["crm.calllist.statuslist"] = true }, methods)
      assert.is_nil(complete(shell, "call crm.calllist.add crm.calllist.s")["crm.calllist.statuslist"])
    end)
  end

  it("knows the stored profiles, without their secrets", function()
    local place = { XDG_CONFIG_HOME = folder .. "/config" }
    for _, name in ipairs { "sales", "support" } do
      ok({ "login", "--webhook", "--no-check", "-p", name }, here.sb.webhook .. "\n", place)
    end
    assert.equal("sales\nsupport\n", ok({ "login", "--names" }, nil, place))
    for shell in pairs(shells) do
      if os.execute(("command -v %s >/dev/null"):format(shell)) then
        local found = complete(shell, "call --profile sa")
        assert.is_true(found.sales, shell)
        assert.is_nil(found.support)
      end
    end
  end)

  it("is read by zsh", function()
    if not os.execute("command -v zsh >/dev/null") then return pending("zsh is not here") end
    assert.is_true(os.execute("zsh -n csrc/cli/bitrix24.zsh"))
    -- what it tells zsh: `_arguments` has one word for each name of an option
    local asked = [[zsh -fc '_arguments() { print -rl -- "$@" }; CURRENT=3; words=(bitrix24 %s "")
      source csrc/cli/bitrix24.zsh' 2>&1]]
    for name in ("call list methods describe run check sandbox login doctor"):gmatch("%a+") do
      local pipe <close> = assert(io.popen(asked:format(name)))
      local told = "\n" .. pipe:read("a")
      assert.truthy(told:find("\n(-h --help)--help[explain", 1, true), told)
      assert.is_nil(told:find("{-", 1, true), told)
    end
  end)
end)

describe("the man page", function()
  it("has no fault that man finds", function()
    if not os.execute("command -v groff >/dev/null") then return pending("groff is not here") end
    local pipe <close> = assert(io.popen("groff -man -Tutf8 -ww csrc/cli/bitrix24.1 2>&1 >/dev/null"))
    assert.equal("", pipe:read("a"))
  end)
end)
