-- The hosts in C among the examples: built as their first comment says, from an
-- installed library, and run against a sandbox. And the page of the C API.

local sandbox = require "bitrix24.sandbox"
local tree = require "support.tree"

local quote = tree.quote

local SCRIPT = "script.lua"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

describe("a host in C:", function()
  local here = require "support.portal" (_ENV, { users = 20, contacts = 120, chats = 8 })
  local installed

  setup(function() installed = tree.install() end)
  teardown(function() installed:remove() end)

  --- Compile as the example says itself, with the project's warnings as errors.
  -- The library is shared, so it says at run time where that is.
  local function build(name, flags)
    local text = read("examples/" .. name .. ".c")
    local said = text:match("\n %*   cc " .. name .. "%.c (.-) %-o " .. name .. "\n")
      or text:match("\n %*   cc " .. name .. "%.c (.-) \\\n %*     %-o " .. name .. "\n")
    local words = said:gsub("\\\n %*", " ")
    return installed:compile(name .. (flags and "_small" or ""), "examples/" .. name .. ".c",
      "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror " .. (flags or "") .. " " .. words
        .. " -Wl,-rpath," .. installed.prefix .. "/lib")
  end

  --- Run a program in the folder; what it prints, and its status.
  local function run(program, arguments, webhook)
    local words = { "cd", quote(installed.folder), "&& env -u LUA_PATH -u LUA_CPATH" }
    local variable = webhook ~= false and "BITRIX24_WEBHOOK=" .. (webhook or here.sb.webhook)
    words[#words + 1] = variable and quote(variable) or "-u BITRIX24_WEBHOOK"
    words[#words + 1] = program
    for _, argument in ipairs(arguments or {}) do words[#words + 1] = quote(argument) end
    return tree.shell(table.concat(words, " "))
  end

  local function script(text)
    local file <close> = assert(io.open(installed.folder .. "/" .. SCRIPT, "w"))
    file:write(text)
    return SCRIPT
  end

  --- The code of the webhook is nowhere to be seen.
  local function keeps_secret(output)
    assert.falsy(output:find(here.sb.webhook:match "/(%w+)/$", 1, true), output)
  end

  local function wrong_webhook() return (here.sb.webhook:gsub("%w+/$", "wr0ngc0de/")) end

  describe("host_minimal", function()
    local program
    setup(function() program = build "host_minimal" end)

    local function result(text, ...)
      local output, status = run(program, { script(text) }, ...)
      keeps_secret(output)
      return output, status
    end

    it("prints what the script returns", function()
      local connect = "local portal <close> = bitrix24.connect()\n"
      local list = "portal.crm.item.list:all{ entityTypeId = 3 }"
      assert.same({ "a whole number: 120\n", 0 }, { result(connect .. "return #" .. list) })
      assert.same({ "string: ABC\n", 0 }, { result "return 'ABC'" })
      assert.same({ "nil: nil\n", 0 }, { result "" })
      local output = result(connect .. "return { id = portal.profile().ID, [3] = " .. list .. "[3].id }")
      assert.truthy(output == "id = 1\n3 = 3\n" or output == "3 = 3\nid = 1\n", output)
    end)

    it("says the errors of script, portal and user in one line", function()
      for text, expected in pairs {
        ["error('so what')"] = "host_minimal: script.lua:1: so what\n",
        ["x = ="] = "host_minimal: script.lua:1: unexpected symbol near '='\n",
        ["error{}"] = "^host_minimal: table: 0x%x+\n$",
        ["bitrix24.connect().crm.item.get{ entityTypeId = 3, id = 9999 }"] =
          '^host_minimal: bitrix24: crm%.item%.get: api error "NOT_FOUND"[^\n]* %[script.lua:1%]\n$',
        ["bitrix24.connect{ webhok = 1 }"] = "^host_minimal: bitrix24: config error[^\n]*webhook[^\n]*\n$",
      } do
        local output, status = result(text)
        assert.equal(1, status)
        if expected:sub(1, 1) ~= "^" then assert.equal(expected, output) end
        assert.matches(expected:gsub("^[^^].*", ".", 1), output)
      end
      local refused, status = result("bitrix24.connect().profile()", wrong_webhook())
      assert.equal(1, status)
      assert.matches("^host_minimal: bitrix24: profile: auth error[^\n]*\n$", refused)
      assert.falsy(refused:find("wr0ngc0de", 1, true), refused)
      assert.same({ "usage: host_minimal SCRIPT\n", 2 }, { run(program) })
      assert.same({ "host_minimal: cannot open nowhere.lua: No such file or directory\n", 1 },
        { run(program, { "nowhere.lua" }) })
    end)
  end)

  describe("host_threads", function()
    local program
    setup(function() program = build "host_threads" end)

    it("keeps eight threads together below the portal's limit", function()
      local sb <close> = sandbox.start { limits = { rate = 100, burst = 100 }, users = 3 }
      -- 25 each: below the burst for one of them, twice that for all
      local output, status = run(program, { "25", "100", "100" }, sb.webhook)
      assert.same({ "8 threads, 200 calls, 0 refused\n", 0 }, { output, status })
      local requests = sb:requests()
      assert.equal(200, #requests)
      for _, request in ipairs(requests) do assert.equal(200, request.status) end
    end)

    it("says which threads failed, and how it is used", function()
      local output, status = run(program, { "1" }, wrong_webhook())
      assert.equal(1, status)
      local line = "host_threads: thread %d: bitrix24: profile: auth error[^\n]*\n"
      assert.equal(8, select(2, output:gsub(line, "")))
      assert.matches("8 threads, 0 calls, 0 refused\n", output)
      assert.falsy(output:find("wr0ngc0de", 1, true), output)
      for _, arguments in ipairs { { "0" }, { "five" }, { "1", "2" }, { "1", "2", "3", "4" } } do
        output, status = run(program, arguments)
        assert.matches("^usage: [^\n]+\n$", output)
        assert.equal(2, status)
      end
      assert.equal(2, select(2, run(program, {}, false)))
    end)
  end)

  describe("host_core", function()
    local program
    setup(function() program = build "host_core" end)

    it("calls side by side, walks a list and says errors, without Lua", function()
      local output, status = run(program)
      keeps_secret(output)
      assert.equal(0, status, output)
      local lines = {}
      for line in output:gmatch "[^\n]+" do lines[#lines + 1] = line end
      local calls = table.move(lines, 1, 3, 1, {})
      table.sort(calls) -- they end in any order
      assert.matches("^crm%.calllist%.get: api error [^\n]+: the method answered an error$", calls[1])
      assert.same({ "profile: HTTP 200", "server.time: HTTP 200" }, { calls[2], calls[3] })
      assert.same({ "contacts from 0 of 120", "contacts from 50 of 120", "contacts from 100 of 120" },
        table.move(lines, 4, #lines, 1, {}))
      assert.falsy(tree.must("nm " .. quote(program)):find(" lua_", 1, true))
    end)

    it("tries again what broke, and gives up with a reason", function()
      here.sb:fault { method = "crm.item.list", action = "html" }
      here.sb:fault { method = "profile", action = "reset" }
      local output = run(program)
      assert.truthy(output:find("profile: HTTP 200\n", 1, true), output)
      assert.matches("contacts from 100 of 120\n$", output)
      output = run(program, {}, wrong_webhook())
      assert.matches("\n?profile: auth error NO_AUTH_FOUND: [^\n]+\n", output)
      assert.falsy(output:find("wr0ngc0de", 1, true), output)
    end)

    it("needs an address", function()
      local output, status = run(program, {}, false)
      assert.equal(1, status)
      assert.matches("^host_core: config error: [^\n]+\n$", output)
    end)
  end)

  describe("host_sandboxed", function()
    local program, small
    setup(function()
      program = build "host_sandboxed"
      small = build("host_sandboxed", "-DINSTRUCTIONS=400000L -DCPU_SECONDS=1")
    end)

    local function attack(text, which)
      local output, status = run(which or program, { script(text) })
      keeps_secret(output)
      return output, status
    end

    it("lets the script call what is allowed, in every way", function()
      local output, status = attack [[
local contacts, n = portal.crm.item.list, 0
for contact in contacts:each{ entityTypeId = 3 } do n = n + contact.id end
for _ in contacts:each{ entityTypeId = 3 } do break end
local ids = {}
local users = portal:map({ 1, 2, 3 }, function(id) return portal.user.get{ ID = id }[1] end)
for i, user in ipairs(users) do ids[i] = user.ID end
print(n, contacts:count{ entityTypeId = 3 }, #contacts:all{ entityTypeId = 3, filter = { ["<=id"] = 60 } })
print(table.concat(ids, " "), portal:call("profile").ID, contacts:first{ entityTypeId = 3 }.id)
print(contacts, portal)
local ok, e = pcall(portal.crm.item.get, { entityTypeId = 3, id = 9999 })
print(ok, e.kind, e.code, e)
return "done"
]]
      assert.same({ "7260\t120\t60\n1 2 3\t1\t1\ncrm.item.list\tportal\n"
        .. 'false\tapi\tNOT_FOUND\tbitrix24: crm.item.get: api error "NOT_FOUND" (HTTP 400): Item not found\n'
        .. "result: done\n", 0 }, { output, status })
    end)

    it("refuses every other method, and says so at the script's line", function()
      for text, name in pairs {
        ["portal.crm.deal.delete{ id = 1 }"] = "crm.deal",
        ["portal.crm.item.delete{ id = 1 }"] = "crm.item.delete",
        ["portal.event.bind{}"] = "portal.event",
        ["portal.v3.profile()"] = "portal.v3",
        ["portal:call('event.bind', { handler = 'https://x' })"] = "event.bind",
        ["portal:call('crm.item.list ', {})"] = "crm.item.list ",
        ["portal:call()"] = "nil",
        ["portal:batch{ x = { 'event.bind' } }"] = "portal.batch",
        ["portal:download('/x', 'x')"] = "portal.download",
        ["portal:close()"] = "portal.close",
        ["portal.profile:each{}(nil)[{}]()"] = false,
      } do
        local output, status = attack(text)
        assert.equal(1, status, text)
        if name then
          assert.equal(("host_sandboxed: script.lua:1: %s is not allowed here\n"):format(name), output)
        end
        for _, request in ipairs(here.sb:requests()) do assert.equal("profile", request.method) end
      end
    end)

    it("hides the credential from whatever the script looks at", function()
      local output, status = attack [[
-- everything that next leads to, from the environment on and from what calls give
local seen, count = {}, 0
local function walk(value, depth)
  print(tostring(value))
  if type(value) ~= "table" or seen[value] then return end
  seen[value], count = true, count + 1
  for k, v in next, value do walk(k) walk(v) end
  pcall(function() for k, v in pairs(value) do walk(k) walk(v) end end)
  pcall(function() for _, v in ipairs(value) do walk(v) end end)
end
local values = { portal, math, string, table, utf8, portal.crm, portal.crm.item.list }
local function note(...)
  for i = 1, select("#", ...) do values[#values + 1] = (select(i, ...)) end
end
local item = portal.crm.item
note(item.list:each{ entityTypeId = 3 })
note(portal:call("profile", {}, { timeout = 1 }, print))
note(item.list:all({ entityTypeId = 3, filter = { id = 1 } }, { checkpoint = "stolen" }))
note(pcall(item.list.all, portal, { f = print }))          -- a callback as a parameter
note(pcall(item.get, { entityTypeId = 3, id = 9999 }))
note(pcall(item.get, portal))
note(pcall(portal.call, portal, portal, portal))
note(pcall(portal.call, "profile"))
note(pcall(portal.map, portal, portal, portal))
note(pcall(portal.map, portal, { 1 }, function() error{ 1 } end))
note(pcall(portal.map, portal, { 1, 2 }, function() item.get{ entityTypeId = 3, id = 9999 } end))
note(pcall(string.format, "%s %q", portal, portal))
note(pcall(("x").format, "%s", item))
note(pcall(string.rep, "x", -1), pcall(error, portal))
for _, value in ipairs(values) do walk(value) end
for k, v in next, portal do walk(k) walk(v) end
local names = {}
for _, name in ipairs{ "debug", "io", "os", "load", "loadfile", "dofile", "require", "package", "coroutine",
  "_G", "setmetatable", "getmetatable", "xpcall", "rawset", "collectgarbage", "bitrix24", "warn" } do
  names[#names + 1] = _ENV[name] and name
end
print("reached: " .. table.concat(names, " "))
return count
]]
      assert.equal(0, status, output)
      assert.truthy(tonumber(output:match "result: (%d+)\n$") > 20, output)
      assert.matches("\nreached: \n", output)
      assert.falsy(io.open(installed.folder .. "/stolen"))
    end)

    it("is not changed by a script that changes its tables", function()
      local output, status = attack [[
for _, library in ipairs{ string, table, math, utf8 } do
  for name in pairs(library) do library[name] = nil end
end
string.format, string.find, string.gsub, table.concat = error, error, error, error
local list = portal.crm.item.list
portal.crm.item.list, pcall, tostring, ipairs = nil, error, error, error
print(pcall == error, ("%d"):format(#list:all{ entityTypeId = 3 }))
return list:count{ entityTypeId = 3 }
]]
      assert.same({ "true\t120\nresult: 120\n", 0 }, { output, status })
    end)

    it("runs text alone, and says the script's own errors", function()
      for text, expected in pairs {
        [string.dump(function() return 1 end)] = "attempt to load a binary chunk (mode is 't')",
        ["x = ="] = "script.lua:1: unexpected symbol near '='",
        ["error('so what')"] = "script.lua:1: so what",
        ["local function f(n) return f(n + 1) + 1 end f(1)"] = "script.lua:1: stack overflow",
      } do
        local output, status = attack(text)
        assert.truthy(output:find("host_sandboxed: " .. expected, 1, true), output)
        assert.equal(1, status)
      end
      assert.same({ "usage: host_sandboxed SCRIPT\n", 2 }, { run(program) })
      assert.matches("^host_sandboxed: bitrix24: config error: connect: no portal given",
        (run(program, { "script.lua" }, false)))
    end)

    it("stops a script that does not end, however it tries", function()
      for _, text in ipairs {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) while true do pcall(f) end end f()",
        "for _ in portal.crm.item.list:each{ entityTypeId = 3 } do while true do end end",
        "portal:map({ 1, 2, 3 }, function() while true do pcall(pcall, error) end end)",
        "local function f() return portal:map({ 1, 2, 3 }, f) end f()",
        "local function f() pcall(portal.map, portal, { 1, 2, 3 }, f) end f() f()",
        "string.rep('x,', 1000):gsub(',', function() while true do end end)",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "local x <const> = {} while true do x[#x + 1] = pcall(error, x) and 1 or nil end",
      } do
        local output, status = attack(text, small)
        assert.truthy(output:find("the script has used up its budget (", 1, true), text .. "\n" .. output)
        assert.equal(1, status)
      end
    end)

    it("makes it pay for each call", function()
      local output = attack("while true do pcall(portal.profile) end", small)
      assert.matches("^host_sandboxed: [^\n]*the script has used up its budget [^\n]*\n$", output)
      local calls = #here.sb:requests()
      assert.truthy(calls > 2 and calls <= 20, calls)
    end)

    it("bounds its memory", function()
      local output, status = attack "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000000) .. i end"
      assert.same({ "host_sandboxed: not enough memory\n", 1 }, { output, status })
      -- what it caught it may survive
      assert.same({ "false\tnot enough memory\nresult: 120\n", 0 }, { attack [[
print(pcall(string.rep, "x", 1e9))
return #portal.crm.item.list:all{ entityTypeId = 3 }]] })
    end)

    it("ends the process where a function of C does not end", function()
      local output, status = attack("return ('a'):rep(30000):find(('.-'):rep(30) .. 'b')", small)
      assert.truthy(status > 128, output) -- a signal
    end)

    it("is needed: a portal leads to what it holds", function()
      local path = os.tmpname()
      local app = here:connect {
        domain = here.sb.url, client_id = here.sb.oauth.client_id,
        client_secret = here.sb.oauth.client_secret, oauth_url = here.sb.url,
        tokens = require "bitrix24".token_file(path),
      }
      os.remove(path)
      local seen, found = {}, false
      local function walk(value)
        found = found or value == here.sb.oauth.client_secret
        if type(value) ~= "table" or seen[value] then return end
        seen[value] = true
        for k, v in next, value do walk(k) walk(v) end
      end
      walk(app)
      assert.is_true(found)
    end)
  end)
end)

describe("the page of the C API", function()
  local headers = {}
  for name in tree.must "ls csrc/include/*.h":gmatch "%S+" do headers[#headers + 1] = name end

  local function make(list)
    local lua = quote(os.getenv "LUA" or "lua5.4")
    return tree.shell(("%s csrc/docs/capi.lua %s"):format(lua, table.concat(list, " ")))
  end

  it("has every public function, with what its comment says", function()
    local page, status = make(headers)
    assert.equal(0, status, page)
    local functions = 0
    for _, name in ipairs(headers) do
      for declared in read(name):gmatch "\nB24_API [^(]-([%w_]+)%(" do
        functions = functions + 1
        local entry = (page .. "\n"):match("\n### " .. declared .. "\n\n```c\n[^`]-%f[%w_]" .. declared
          .. "%([^`]*;\n```\n\n(%S.-)\n\n")
        assert.truthy(entry and #entry > 8 and not entry:find "^#", declared)
      end
      assert.truthy(page:find(("## `#include <%s>`\n"):format(name:match "[^/]+$"), 1, true), name)
    end
    assert.truthy(functions > 25, functions)
    assert.truthy(page:find("\n## A host's event loop\n", 1, true))
    assert.truthy(page:find("  int max_connections;      /* HTTP requests at a time (6) */\n", 1, true))
    -- a link leads to a heading
    for name in page:gmatch "%]%(#([%w_]+)%)" do
      assert.truthy(page:lower():find("\n### " .. name .. "\n", 1, true), name)
    end
  end)

  it("is refused when a function has no comment", function()
    local folder <close> = tree.folder()
    local path = folder.folder .. "/x.h"
    local file <close> = assert(io.open(path, "w"))
    file:write [[
/* Does. */
B24_API int b24_told(void);

/* ---- more ---- */

B24_API int b24_untold(int a,
                       int b);
]]
    file:flush()
    assert.same({ "no comment: b24_untold\n", 1 }, { make { quote(path) } })
  end)
end)
