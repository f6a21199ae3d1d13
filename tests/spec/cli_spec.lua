-- The command `bitrix24` as people meet it: a process of its own on a sandbox.

local command = require "support.command"
local here = require "support.portal" (_ENV, { contacts = 130 })
local json = require "bitrix24.json"
local sandbox = require "bitrix24.sandbox"

local folder

before_each(function() folder = command.folder() end)
after_each(function() command.clean(folder) end)

local function environment(more)
  local out = { BITRIX24_WEBHOOK = here.sb.webhook, XDG_CONFIG_HOME = folder }
  for name, value in pairs(more or {}) do out[name] = value or nil end
  return out
end

local function run(words, more, input) return command.run(words, environment(more), input) end

--- It went well and said nothing beside the result.
local function ok(words, more, input)
  local out, err, status = run(words, more, input)
  assert.equal(0, status, err)
  return out, err
end

--- One line that says what is wrong, and perhaps one that says what to do.
local function fails(expected, words, more, input)
  local out, err, status = run(words, more, input)
  assert.equal(expected, status, err)
  assert.truthy(err:match("^bitrix24: [^\n]+\n$") or err:match("^bitrix24: [^\n]+\nhint: [^\n]+\n$"), err)
  return err, out
end

describe("call", function()
  it("prints one line of JSON in a pipe", function()
    local out, err = ok { "call", "crm.contact.get", "ID=1" }
    assert.equal("", err)
    assert.equal(1, select(2, out:gsub("\n", "")))
    assert.equal(here.portal.crm.contact.get { ID = 1 }.NAME, json.decode(out).NAME)
    assert.truthy(out:find('"POST":null', 1, true) or out:find(":null", 1, true))
  end)

  it("prints for people on a terminal, in colors unless NO_COLOR", function()
    local text, status = command.terminal({ "call", "profile" }, environment())
    assert.equal(0, status)
    assert.truthy(text:find('{\n  \27[34m"ADMIN"\27[0m: \27[33mtrue\27[0m,\n', 1, true), text)
    text = command.terminal({ "call", "profile" }, environment { NO_COLOR = "1" })
    assert.truthy(text:find('{\n  "ADMIN": true,\n', 1, true), text)
  end)

  it("takes parameters as keys, JSON, a file and standard input", function()
    command.write(folder .. "/p.json", '{"fields": {"NAME": "Ann", "PHONE": [{"VALUE": "5"}]}}')
    local function added(words, input)
      local id = json.decode((ok(words, nil, input)))
      return here.portal.crm.contact.get { ID = id }.NAME
    end
    assert.equal("Ann", added { "call", "crm.contact.add", "fields[NAME]=Ann" })
    assert.equal("Ann", added { "call", "crm.contact.add", 'fields:={"NAME":"Ann"}' })
    assert.equal("Ann", added { "call", "crm.contact.add", '{"fields":{"NAME":"Ann"}}' })
    assert.equal("Ann", added { "call", "crm.contact.add", "@" .. folder .. "/p.json" })
    assert.equal("Ann", added({ "call", "crm.contact.add", "-" }, '{"fields":{"NAME":"Ann"}}'))
    assert.equal("5", here:sent("crm.contact.add")[4].params.fields.PHONE[1].VALUE)
  end)

  it("prints tables, csv and lines of what the result holds", function()
    assert.equal("ID,NAME\r\n1,", ok { "call", "crm.contact.list", "-f", "csv", "-c", "ID,NAME" }:sub(1, 11))
    assert.equal(50, select(2, ok { "call", "crm.contact.list", "-f", "jsonl" }:gsub("\n", "")))
    assert.truthy(ok { "call", "crm.contact.get", "ID=1", "-f", "table", "-c", "ID" }:find("^ID\n1\n$"))
  end)

  it("says which of the columns nothing has, and how they are spelled", function()
    local function said(words) return (select(2, ok(words))) end
    assert.equal("warning: no record has a field 'NAEM'; did you mean 'NAME'?\n",
      said { "call", "crm.contact.get", "id=1", "-c", "ID,NAEM" })
    assert.equal("warning: no record has a field 'NAME'; did you mean 'name'?\n",
      said { "call", "crm.item.list", "entityTypeId=3", "-f", "csv", "-c", "id,NAME" })
    assert.equal("note: no record came with EMAIL; select[]=… may ask for it\n",
      said { "call", "crm.contact.list", "-f", "table", "-c", "ID,EMAIL" })
    assert.equal("", said { "call", "crm.contact.list", "filter[NAME]=nobody", "-f", "csv", "-c", "NAEM" })
  end)

  it("asks the version that it is told", function()
    ok { "call", "tasks.task.get", "id=1", "--rest", "3" }
    assert.equal(3, here:sent("tasks.task.get")[1].version)
  end)

  it("is 1 when it fails, and says what to do", function()
    local err = fails(1, { "call", "crm.deal.gett", "id=1" })
    assert.truthy(err:find("ERROR_METHOD_NOT_FOUND", 1, true), err)
    assert.truthy(err:find("hint: did you mean crm.deal.get", 1, true), err)
    assert.is_nil(err:find(".lua:", 1, true), err)
    local closed <close> = sandbox.closed_port()
    assert.truthy(fails(1, { "call", "profile", "--timeout", "1" }, { BITRIX24_WEBHOOK = closed.webhook })
      :find("network error", 1, true))
  end)

  it("merges what is typed into standard input, and sends orders as typed", function()
    ok({ "call", "crm.contact.add", "-", "fields[LAST_NAME]=Lee" }, nil, '{"fields":{"NAME":"Ann"}}')
    assert.same({ NAME = "Ann", LAST_NAME = "Lee" }, here:sent("crm.contact.add")[1].params.fields)
    local out = ok { "call", "crm.contact.list", "order[LAST_NAME]=DESC", "order[ID]=ASC",
      "select[]=LAST_NAME" }
    local names = {}
    for i, contact in ipairs(json.decode(out)) do names[i] = contact.LAST_NAME end
    local sorted = table.move(names, 1, #names, 1, {})
    table.sort(sorted, function(a, b) return a > b end)
    assert.same(sorted, names)
  end)

  it("tells of parameters that the portal will not see", function()
    local function doubt(words) return select(2, ok(words)) end
    assert.equal("warning: unknown parameter: filter.ID; give filter[ID]=…\n",
      doubt { "call", "crm.contact.list", "filter.ID=5" })
    assert.equal("", doubt { "call", "crm.contact.list", "filter.ID=5", "-q" })
    assert.truthy(doubt { "list", "crm.contact.list", "select=ID,NAME", "-n", "1" }
      :find("warning: select is text, and an array is documented; give select[]=…\n", 1, true))
    local err = fails(2, { "call", "crm.contact.add", 'fields={"NAME":"Ann"}' })
    assert.truthy(err:find("with a colon it is sent as JSON: 'fields:=…'", 1, true), err)
    assert.same({}, here:sent("crm.contact.add"))
  end)

  it("says what to do in its own words", function()
    local err = fails(1, { "call", "documentgenerator.document.list", "--rest", "3" })
    assert.truthy(err:find("use --rest 2", 1, true), err)
    local tls <close> = sandbox.start { tls = true, contacts = 1 }
    err = fails(1, { "call", "profile" }, { BITRIX24_WEBHOOK = tls.webhook })
    assert.truthy(err:find("--ca-file", 1, true), err)
    err = fails(2, { "call", "profile" }, { BITRIX24_WEBHOOK = "http://portal.example/rest/1/code0code/" })
    assert.is_nil(err:find("insecure", 1, true), err)
    assert.truthy(fails(2, { "call", "profile", "@/" }):find("/: ", 1, true))
    assert.truthy(fails(2, { "call", "profile", "-" }):find("standard input is empty", 1, true))
    err = fails(2, { "list", "crm.contact.list", "-n", "-3" })
    assert.truthy(err:find("hint: bitrix24 help list", 1, true), err)
  end)

  it("is 2 for wrong usage, and sends nothing", function()
    for _, words in ipairs {
      { "call" }, { "call", "profile", "word" }, { "call", "profile", "--formt", "csv" },
      { "call", "profile", "-f", "xml" }, { "call", "profile", "a:=x" }, { "cal", "profile" },
      { "help", "cal" }, { "call", "profile", "--timeout", "soon" }, { "call", "profile", "-p", "nobody" },
      { "describe", "crm.deal.gett" },
      { "list", "crm.contact.list", "--checkpoint", folder .. "/x" }, { "check", folder .. "/nothing.lua" },
      { "run", folder .. "/nothing.lua" }, { "sandbox", "contact=5" }, { "list", "user.get", "-n", "many" },
    } do fails(2, words) end
    local err = fails(2, { "call", "profile" }, { BITRIX24_WEBHOOK = false })
    assert.truthy(err:find("bitrix24 login", 1, true))
    assert.equal(0, #here:sent())
    local out, status
    out, err, status = run {}
    assert.same({ "", 2 }, { out, status })
    assert.truthy(err:find("bitrix24 COMMAND", 1, true))
  end)

  it("tells of each request with --verbose", function()
    here.sb:fault { method = "profile", action = "unavailable" }
    local _, err = ok { "call", "profile", "--verbose" }
    assert.truthy(err:find("profile: HTTP 503 in %d+%.%d+ s, attempt 1, %d+ bytes\n"), err)
    assert.truthy(err:find("profile: again in ", 1, true), err)
    assert.truthy(err:find("profile: HTTP 200 in %d+%.%d+ s, attempt 2, %d+ bytes\n"), err)
    _, err = ok { "list", "crm.contact.list", "-v" }
    assert.truthy(err:find("batch: HTTP 200 in %d+%.%d+ s, attempt 1, %d+ commands, "), err)
  end)
end)

describe("help", function()
  it("is there for each command, without a portal", function()
    for _, name in ipairs {
      "call", "list", "methods", "describe", "run", "check", "sandbox", "login", "doctor", "version", "help",
    } do
      local out = ok({ name, "--help" }, { BITRIX24_WEBHOOK = false })
      assert.equal("usage: bitrix24 " .. name, out:sub(1, 16 + #name))
      assert.equal(out, ok { "help", name })
    end
    assert.truthy(ok { "--help" }:find("bitrix24 COMMAND", 1, true))
    assert.truthy(ok { "version" }:find("^bitrix24 %d+%.%d+%.%d+ %(Lua 5%.4"))
    assert.equal(ok { "version" }, ok { "--version" })
  end)
end)

describe("standard output", function()
  local function line_of(words)
    local first = 0
    while arg[first - 1] do first = first - 1 end
    return ("BITRIX24_WEBHOOK='%s' '%s' csrc/cli/bitrix24 %s"):format(here.sb.webhook, arg[first], words)
  end

  local function shell(script)
    command.write(folder .. "/script", script)
    local pipe <close> = assert(io.popen(("bash '%s/script' 2>&1"):format(folder)))
    return pipe:read("a")
  end

  local WORDS = { "version", "help", "help call", "methods", "describe crm.deal.get", "call profile" }

  it("that is full is a failure of one line", function()
    local full = io.open("/dev/full", "w")
    if not full then return pending("there is no /dev/full") end
    full:close()
    for _, words in ipairs(WORDS) do
      local said = shell(line_of(words) .. " >/dev/full; echo $?")
      assert.truthy(said:find("^bitrix24: cannot write: [^\n]+\n1\n$"), words .. "\n" .. said)
    end
  end)

  it("that is closed is a failure, and no other file or connection gets the words", function()
    local said = shell(line_of("list crm.contact.list -f csv") .. " >&- <&-; echo $?")
    assert.truthy(said:find("^bitrix24: cannot write: [^\n]+\n1\n$"), said)
    local file = folder .. "/contacts.csv"
    said = shell(line_of(("list crm.contact.list -v -c ID -o '%s'"):format(file)) .. " 2>&- >&- <&-; echo $?")
    assert.equal("0\n", said)
    assert.equal(131, select(2, command.read(file):gsub("[ID%d]+\r\n", "")))
    assert.falsy(command.read(file):find("[^ID%d\r\n]"))
  end)

  it("that nobody reads ends the command quietly", function()
    assert(os.execute(("mkfifo '%s/fifo'"):format(folder)))
    for _, words in ipairs(WORDS) do
      for _, ignored in ipairs { "", "trap '' PIPE; " } do
        -- the reader is gone before the first word is written
        local said = shell(("%s{ read gone <'%s/fifo'; %s; echo $? >&2; } | { exec <&-; echo >'%s/fifo'; }")
          :format(ignored, folder, line_of(words), folder))
        assert.equal("141\n", said, words)
      end
    end
  end)
end)

describe("the installed command", function()
  it("finds what is installed below its prefix", function()
    local made = [[cd '%s' && mkdir -p bin share/lua && ln -s "$OLDPWD/lua" share/lua/5.4]]
    assert(os.execute(made:format(folder)))
    command.write(folder .. "/bin/bitrix24", command.read("csrc/cli/bitrix24"))
    local first = 0
    while arg[first - 1] do first = first - 1 end
    local there = [[cd '%s' && ln -s ../bin/bitrix24 share/b24 && LUA_PATH=';;' && export LUA_PATH &&
      for name in '%s/bin/bitrix24' bin/bitrix24 share/b24; do '%s' "$name" version; done 2>&1
      cd bin && '%s' bitrix24 version 2>&1 && '%s' ./bitrix24 version 2>&1]]
    local lua = arg[first]
    local pipe <close> = assert(io.popen(there:format(folder, folder, lua, lua, lua)))
    local said = pipe:read("a")
    assert.equal(5, select(2, said:gsub("bitrix24 %d[^\n]*\n", "")), said)
  end)
end)

describe("list", function()
  it("does not write", function()
    fails(2, { "list", "crm.deal.add" })
    assert.equal(0, #here:sent())
  end)

  it("prints every record as json, jsonl, csv and table", function()
    local all = json.decode(ok { "list", "crm.contact.list", "select[]=NAME" })
    assert.equal(130, #all)
    assert.equal(130, select(2, ok { "list", "crm.contact.list", "-f", "jsonl", "-q" }:gsub("\n", "")))
    assert.equal(131, select(2, ok { "list", "crm.contact.list", "-f", "csv" }:gsub("\r\n", "")))
    local out = ok { "list", "crm.contact.list", "-f", "table", "-c", "ID,NAME" }
    assert.equal(131, select(2, out:gsub("\n", "")))
    assert.truthy(out:find("^ID +NAME\n1 +" .. all[1].NAME .. "\n"), out:sub(1, 60))
    assert.equal(7, #json.decode(ok { "list", "crm.contact.list", "--limit", "7" }))
    assert.equal("[]\n", ok { "list", "crm.contact.list", "filter[ID]=-5" })
  end)

  it("writes a file in the format of its name", function()
    local out, err = ok { "list", "crm.contact.list", "-o", folder .. "/c.csv", "-c", "ID" }
    assert.equal("", out)
    assert.truthy(err:find("130 records in ", 1, true), err)
    assert.equal("ID\r\n1\r\n2\r\n", command.read(folder .. "/c.csv"):sub(1, 10))
    ok { "list", "crm.contact.list", "-o", folder .. "/c.jsonl", "-q" }
    assert.equal(130, select(2, command.read(folder .. "/c.jsonl"):gsub("\n", "")))
    ok { "list", "crm.contact.list", "-o", folder .. "/c.json", "-q" }
    assert.equal(130, #json.decode(command.read(folder .. "/c.json")))
    err = select(2, ok { "list", "crm.contact.list", "-n", "1", "-o", folder .. "/c.xlsx" })
    assert.truthy(err:find("1 record in .*, as JSON: %-%-format csv"), err)
    assert.is_nil(command.read(folder .. "/c.csv.part"))
  end)

  it("leaves no file where it fails, and the old one as it was", function()
    command.write(folder .. "/c.csv", "old")
    here.sb:fault { method = "batch", action = { status = 403, error = "ACCESS_DENIED" } }
    fails(1, { "list", "crm.contact.list", "-o", folder .. "/c.csv", "-q" })
    assert.equal("old", command.read(folder .. "/c.csv"))
    assert.is_nil(command.read(folder .. "/c.csv.part"))
    fails(2, { "list", "crm.contact.list", "-o", folder .. "/nowhere/c.csv" })
  end)

  it("draws a bar with rate and time left on a terminal", function()
    local words = { "list", "crm.contact.list", "-o", folder .. "/c.csv" }
    local text = command.terminal(words, environment())
    assert.truthy(text:find("\r\27%[K%[#+%.+%] +%d+%% 50/130, %d+/s, %d+:%d%d left"), text)
    words[#words + 1] = "-q"
    assert.equal("", (command.terminal(words, environment())))
  end)
end)

describe("methods and describe", function()
  it("find methods by words, and names for the shell", function()
    local out = ok({ "methods", "calllist", "items" }, { BITRIX24_WEBHOOK = false })
    assert.equal("crm.calllist.items.get  get\n", out)
    assert.equal("crm.calllist.add\n", ok { "methods", "--names", "crm.calllist.a" })
    assert.equal(1, select(3, run { "methods", "no", "such", "thing" }))
  end)

  it("show what a method takes", function()
    local out = ok({ "describe", "crm.calllist.add" }, { BITRIX24_WEBHOOK = false })
    assert.truthy(out:find("%* ENTITY_TYPE +string, CONTACT | COMPANY\n"), out)
    assert.truthy(out:find("scope +crm\n"), out)
    assert.truthy(out:find("https://apidocs.bitrix24.com/api-reference/crm/call-list/", 1, true))
    assert.truthy(ok { "describe", "tasks.task.get", "--rest", "3" }:find("REST 3.0", 1, true))
    assert.truthy(fails(2, { "describe", "crm.deal.gett" }):find("crm.deal.get", 1, true))
  end)

  it("show how it is typed", function()
    for name, words in pairs {
      ["crm.calllist.add"] = "bitrix24 call crm.calllist.add ENTITY_TYPE=… 'ENTITIES[]=…'",
      ["crm.item.add"] = "bitrix24 call crm.item.add entityTypeId=… 'fields[…]=…'",
    } do
      local out = ok({ "describe", name }, { BITRIX24_WEBHOOK = false })
      assert.truthy(out:find(words, 1, true), out)
    end
  end)
end)

describe("run", function()
  local function script(text)
    command.write(folder .. "/s.lua", text)
    return folder .. "/s.lua"
  end

  it("runs a script on the chosen portal, with its arguments", function()
    local path = script [[
      local portal <close> = require "bitrix24".connect()
      print(portal.crm.contact.list:count(), require "bitrix24".profile().ID, arg[0]:match("[^/]*$"), ...)
      assert(arg[2] == "--help")
    ]]
    assert.equal("130\t1\ts.lua\tone\t--help\n", ok { "run", "-q", path, "one", "--help" })
    assert.equal("7\n", ok({ "run", "-", "7" }, nil, "print(...)"))
  end)

  it("gives the script what lua5.4 gives it", function()
    local path = script "#!/usr/bin/env lua5.4\nprint(arg[0], arg[-1], #arg, arg[-#arg - 9], ...)"
    assert.equal(path .. "\t--\t2\tnil\ta\t--help\n", ok { "run", "-q", "--", path, "a", "--help" })
    assert.equal("-\t-q\t1\tnil\tx\n", ok({ "run", "-q", "-", "x" }, nil, command.read(path)))
    fails(2, { "run", "--" })
    fails(2, { "run", "-p", "nobody", path })
    assert.truthy(fails(1, { "run", script "error {}" }):find("(error object is a table value)", 1, true))
  end)

  it("needs no portal of ours for a script that has its own", function()
    local path = script [[
      local sb <close> = require "bitrix24.sandbox".start { contacts = 3 }
      local seen = 0
      local function log() seen = seen + 1 end
      local p <close> = require "bitrix24".connect{ webhook = sb.webhook, log = log }
      p.crm.contact.add{ fields = { NAME = "x" } }
      print(#p.crm.contact.list:all(), seen > 0)
    ]]
    local out = ok({ "run", "--plan", path }, { BITRIX24_WEBHOOK = false })
    assert.truthy(out:find("Plan: 1 write, not sent", 1, true), out)
    assert.truthy(out:find("^3\ttrue\n"), out)
    local err
    out, err = ok({ "run", "-v", path }, { BITRIX24_WEBHOOK = false })
    assert.equal("4\ttrue\n", out)
    assert.truthy(err:find("crm.contact.add: HTTP 200", 1, true), err)
  end)

  it("names the line of the script that failed", function()
    local path = script 'local p <close> = require "bitrix24".connect()\np.crm.contact.get{ ID = 99999 }'
    assert.truthy(fails(1, { "run", path }):find("s.lua:2", 1, true))
    assert.truthy(fails(1, { "run", script "error('no luck')" }):find("no luck", 1, true))
    assert.is_nil(fails(2, { "run", script "this is not Lua" }):find("csrc/cli", 1, true))
    fails(1, { "run", script 'require "bitrix24".connect().crm.deal.get("no table")' })
  end)

  it("sends no writes with --plan", function()
    local path = script [[
      local p <close> = require "bitrix24".connect()
      p.crm.contact.add{ fields = { NAME = "x" } }
    ]]
    local out = ok { "run", "--plan", path }
    assert.truthy(out:find("crm.contact.add", 1, true), out)
    assert.equal(0, #here:sent("crm.contact.add"))
  end)

  it("shows with --plan what a script that fails has done before", function()
    local path = script [[
      local p <close> = require "bitrix24".connect()
      p.crm.contact.add{ fields = { NAME = "x" } }
      error("enough")
    ]]
    local out, err, status = run { "run", "--plan", path }
    assert.equal(1, status)
    assert.truthy(out:find("#1  crm.contact.add", 1, true), out)
    assert.truthy(err:find("the plan ends there", 1, true), err)
    assert.truthy(err:find("enough", 1, true), err)
    assert.equal(0, #here:sent("crm.contact.add"))
  end)
end)

describe("check", function()
  it("finds what is wrong with a script, without a portal", function()
    local path = folder .. "/s.lua"
    command.write(path, 'local p = require "bitrix24".connect()\np.crm.deal.gett{ id = 1 }\n')
    local out, err, status = run({ "check", path }, { BITRIX24_WEBHOOK = false })
    assert.equal(1, status, err)
    assert.truthy(out:find("s.lua:2:%d+: error: .*crm.deal.gett"), out)
    command.write(path, 'require "bitrix24".connect().crm.item.get{ entityTypeId = 3, id = 1 }\n')
    out, err = ok({ "check", path }, { BITRIX24_WEBHOOK = false })
    assert.same({ "", "scopes: crm\n" }, { out, err })
  end)
end)

describe("sandbox", function()
  it("runs a command on a portal of its own, and ends with its status", function()
    local out = ok { "sandbox", "contacts=3", "--", "sh", "-c", "echo $BITRIX24_WEBHOOK" }
    assert.truthy(out:find("^http://127%.0%.0%.1:%d+/rest/1/%w+/\n$"), out)
    assert.equal(7, select(3, run { "sandbox", "--", "sh", "-c", "exit 7" }))
    -- its commands trust its certificate
    out = ok { "sandbox", "--tls", "--", command.interpreter(), "csrc/cli/bitrix24", "call", "user.current" }
    assert.truthy(out:find('"ID":"1"', 1, true), out)
  end)

  it("stays until Ctrl-C", function()
    local running <close> = command.start({ "sandbox", "-q", "contacts=3" }, environment())
    local address = running:wait(function() return running:out():match("^(http%S+)\n") end)
    assert.equal(3, #json.decode(ok({ "list", "crm.contact.list" }, { BITRIX24_WEBHOOK = address })))
    assert.equal(0, running:stop("INT"))
  end)

  it("leaves nothing behind when it is ended by kill", function()
    local running <close> = command.start({ "sandbox", "--tls", "contacts=1" }, environment())
    local file = running:wait(function() return running:err():match("%-%-ca%-file (%S+)\n") end)
    assert.truthy(command.read(file))
    assert.equal(128 + 15, running:stop("TERM"))
    assert.is_nil(command.read(file))
  end)
end)

describe("doctor", function()
  it("finds a healthy portal healthy", function()
    local out = ok { "doctor" }
    for _, what in ipairs { "portal", "address", "clock", "scopes", "limits", "time" } do
      assert.truthy(out:find("ok   " .. what, 1, true), out)
    end
    assert.truthy(out:find("crm", 1, true))
  end)

  it("says what to do about each illness", function()
    local function ill(what, advice, more)
      local out, err, status = run({ "doctor", "--timeout", "1" }, more)
      assert.equal(1, status, out .. err)
      assert.truthy(out:find("FAIL " .. what, 1, true), out)
      assert.truthy(out:find(advice, 1, true), out)
    end
    local wrong = here.sb.url .. "/rest/1/wrong0code0here0/"
    ill("address", "webhook", { BITRIX24_WEBHOOK = wrong })
    local closed <close> = sandbox.closed_port()
    ill("address", "check the address", { BITRIX24_WEBHOOK = closed.webhook })
    here.sb:time(3600)
    ill("clock", "set it")
    here.sb:reset()
    local tls <close> = sandbox.start { tls = true, contacts = 1 }
    ill("certificate", "--ca-file", { BITRIX24_WEBHOOK = tls.webhook })
    assert.truthy(ok({ "doctor", "--ca-file", tls.ca_file }, { BITRIX24_WEBHOOK = tls.webhook })
      :find("ok   certificate verified", 1, true))
  end)
end)

describe("secrets", function()
  it("are in nothing that is printed", function()
    local code = here.sb.webhook:match("([^/]+)/$")
    local function silent(words, more, input)
      local out, err = run(words, more, input)
      assert.is_nil((out .. err):find(code, 1, true), out .. err)
    end
    silent { "call", "profile", "-v" }
    silent { "call", "crm.deal.gett", "-v" }
    silent { "call", here.sb.webhook }
    silent { here.sb.webhook }
    silent { "call", "profile", here.sb.webhook }
    silent { "help", here.sb.webhook }
    silent { "describe", here.sb.webhook }
    silent { "methods", here.sb.webhook }
    silent { "call", "profile", "-f", here.sb.webhook }
    silent { "call", "profile", "--" .. here.sb.webhook }
    silent { "call", "profile", "--profile", here.sb.webhook }
    silent { "doctor", "-v" }
    silent({ "doctor" }, { BITRIX24_WEBHOOK = here.sb.webhook:gsub("127.0.0.1", "nowhere.invalid") })
    silent({ "login", "--webhook", "-v" }, nil, here.sb.webhook .. "\n")
    silent({ "call", "profile", "-v" }, { BITRIX24_WEBHOOK = false })
  end)
end)
