-- A host in C with the library, Lua and lua-cjson, and nothing on its paths:
-- what runs there, and what the library does to the process: nothing.

local sandbox = require "bitrix24.sandbox"
local tree = require "support.tree"

local quote = tree.quote
local CJSON = assert(package.searchpath("cjson", package.cpath))

-- The recipe goes through its contacts in any order.
local function sorted_lines(text)
  local lines = {}
  for line in text:gmatch "[^\n]+" do lines[#lines + 1] = line end
  table.sort(lines)
  return lines
end

describe("a host", function()
  local here = require "support.portal" (_ENV, { users = 20, contacts = 60, chats = 8 })
  local installed, hosts

  setup(function()
    installed = tree.install()
    local lua = "$(pkg-config --cflags --libs lua5.4) -ldl"
    hosts = {
      shared = installed:compile("shared", "tests/support/host.c", "$(pkg-config --cflags --libs bitrix24) "
        .. "-Wl,-rpath,$(pkg-config --variable=libdir bitrix24) " .. lua),
      -- a host commonly shows its symbols to the modules it loads
      static = installed:compile("static", "tests/support/host.c", "-Wl,-E $(pkg-config --cflags bitrix24) "
        .. "$(pkg-config --variable=libdir bitrix24)/libbitrix24.a -lcurl -lm -lpthread " .. lua),
    }
  end)
  teardown(function() installed:remove() end)

  --- Run a script in a host, from an empty folder. What it printed, without
  -- the host's own line, which must say that the process is as it was.
  local function run(host, script, arguments, environment)
    local folder <close> = tree.folder()
    local path = folder.folder .. "/script.lua"
    if script:find "\n" then
      local file <close> = assert(io.open(path, "w"))
      file:write(script)
    else
      tree.must(("cp %s %s"):format(quote(script), quote(path)))
    end
    local words = { "cd", quote(folder.folder), "&& env" }
    for _, name in ipairs { "LUA_PATH", "LUA_CPATH", "LUA_PATH_5_4", "LUA_CPATH_5_4" } do
      words[#words + 1] = "-u " .. name
    end
    for name, value in pairs(environment or {}) do words[#words + 1] = quote(name .. "=" .. value) end
    words[#words + 1] = host
    words[#words + 1] = quote(CJSON)
    words[#words + 1] = "script.lua"
    for _, argument in ipairs(arguments or {}) do words[#words + 1] = quote(argument) end
    local output, status = tree.shell(table.concat(words, " "))
    assert.equal(0, status, output)
    local printed, said = output:match "^(.*)host: ([^\n]*)\n$"
    assert.equal("as before", said, output)
    return printed
  end

  for _, kind in ipairs { "shared", "static" } do
    it(("with the %s library runs the recipe"):format(kind), function()
      local expected = here.run("examples/call_list.lua", { BITRIX24_WEBHOOK = here.sb.webhook })
      assert.truthy(expected:find "\ncall list %d+: ", expected)
      here.sb:reset()
      local got = run(hosts[kind], "examples/call_list.lua", {}, { BITRIX24_WEBHOOK = here.sb.webhook })
      assert.same(sorted_lines(expected), sorted_lines(got))
    end)
  end

  it("finds every part of the module, and says the script's lines", function()
    local names = {}
    for _, name in ipairs(tree.list "lua") do
      name = name:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
      local adapter = name:find "%.loop%." -- wants the loop's own module
      -- left out of the library
      local keyboard = name:find "%.cli" or name:find "%.types%." or name:find "%.check"
      if not (name:find "%.sandbox" or adapter or keyboard) then names[#names + 1] = name end
    end
    assert.is_true(#names > 20)
    local got = run(hosts.static, [[
assert(package.path == "" and package.cpath == "")
local webhook, names = ...
for name in names:gmatch "%S+" do
  assert(require(name) == package.loaded[name], name)
end
local bitrix24 = require "bitrix24"
local portal <close> = bitrix24.connect(webhook)
local ok, e = pcall(function()
  portal.crm.deal.get{ id = 0 } -- line 9
end)
print(bitrix24.is_error(e), e.kind, e.where)
print(select(2, pcall(require, "bitrix24.sandbox")):match "[^\n]+")
]], { here.sb.webhook, table.concat(names, " ") })
    assert.equal("true\tapi\tscript.lua:9\nmodule 'bitrix24.sandbox' not found:\n", got)
  end)

  it("uses its own library beside another copy of the core", function()
    local got = run(hosts.static, [[
local webhook, core = ...
local open = assert(package.loadlib(core, "luaopen_bitrix24_core"))
local own, other = require "bitrix24.core", open("bitrix24.core")
assert(own ~= other and own.version == other.version)
local portal <close> = bitrix24.connect(webhook)
print(#portal.crm.item.list:all{ entityTypeId = 3 })
]], { here.sb.webhook, tree.must(("realpath %s/bitrix24/core.so"):format(quote(tree.build))):match "[^\n]+" })
    assert.equal("60\n", got)
  end)

  it("may leave out package and debug, and take io, os, load and require away", function()
    local got = run(hosts.shared .. " -r", [[
assert(not (package or debug or io or os or load or require))
local webhook = ...
local portal <close> = bitrix24.connect(webhook)
local contacts = portal.crm.item.list:all{ entityTypeId = 3 }
local names = portal:map({ 1, 2, 3 }, function(i) return portal.user.get{ ID = i }[1].ID end)
print(#contacts, table.concat(names, " "))
local ok, e = pcall(portal.call, portal, "crm.deal.get", 5)
print(bitrix24.is_error(e), e.kind, e.where)
]], { here.sb.webhook })
    assert.equal("60\t1 2 3\ntrue\tconfig\tnil\n", got)
  end)

  it("is told what is missing", function()
    local program = installed:compile("bare", [[
#include <bitrix24_lua.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
static int nothing(lua_State *L) {
  lua_settop(L, 0);
  return 0;
}
static void try_it(lua_State *L) {
  lua_pushcfunction(L, luaopen_bitrix24);
  if (lua_pcall(L, 0, 1, 0) != LUA_OK) (void)puts(lua_tostring(L, -1));
  lua_settop(L, 0);
}
int main(void) {
  lua_State *L = luaL_newstate();
  luaL_requiref(L, "_G", luaopen_base, 1);
  try_it(L);
  luaL_openlibs(L);
  (void)luaL_dostring(L, "package.path = '' package.cpath = '' require = nil");
  (void)nothing(L);
  try_it(L);
  lua_close(L);
  return 0;
}
]], "$(pkg-config --cflags bitrix24 lua5.4) $(pkg-config --variable=libdir bitrix24)/libbitrix24.a "
      .. "$(pkg-config --libs lua5.4) -lcurl -lm -lpthread")
    local lines = tree.must(program)
    assert.truthy(lines:find "^bitrix24 needs the standard library 'coroutine': open it before", lines)
    assert.truthy(lines:find "\n[^\n]*bitrix24 needs the module 'cjson': put it into package%.preload", lines)
  end)

  for _, scheme in ipairs { "http", "https" } do
    describe("that forks, over " .. scheme, function()
      local sb

      setup(function()
        sb = sandbox.start { tls = scheme == "https", limits = false, users = 20, contacts = 120, chats = 8 }
      end)
      teardown(function() sb:stop() end)

      --- Run a script that has `webhook`, `open()`, `port` and `answer`.
      local function fork(script)
        return run(hosts.shared, [[
local bitrix24 = require "bitrix24"
local webhook, ca_file = ...
if ca_file == "" then ca_file = nil end
local port = math.tointeger(webhook:match ":(%d+)/")
local function open() return bitrix24.connect{ webhook = webhook, ca_file = ca_file, limits = false } end
local function check(truth, what)
  if truth then return end
  print("not so: " .. tostring(what))
  os.exit(1, true)
end
local portal <close> = open()
]] .. script, { sb.webhook, sb.ca_file or "" }, {
          -- a child leaves libcurl's side of the parent's connections alone
          ASAN_OPTIONS = (os.getenv "ASAN_OPTIONS" or "") .. ":detect_leaks=0",
        })
      end

      for how, words in pairs {
        ["closes its state"] = "os.exit(0, true)",
        ["just exits"] = "os.exit(0)",
        ["closes the portal"] = "portal:close() os.exit(0)",
      } do
        it("keeps its connection from a child that " .. how, function()
          local got = fork(([[
check(portal.user.current().ID == "1", "the first call")
local before = ports(port)
check(#before == 1, #before)
local child = fork()
if child == 0 then
  local ok, e = pcall(function() return portal.user.current() end)
  check(not ok and bitrix24.is_error(e), "no error in the child")
  check(e.kind == "config" and e.sent == false, e)
  check(e.message:find("connect again in the child", 1, true), e)
  ok, e = pcall(portal.map, portal, { 1, 2 }, function(i) return portal.user.get{ ID = i } end)
  check(not ok and e.kind == "config", e)
  ok, e = pcall(function() return portal.crm.item.list:all{ entityTypeId = 3 } end)
  check(not ok and e.kind == "config", e)
  %s
end
check(wait(child) == 0, "the child's status")
for i = 1, 3 do check(portal.user.current().ID == "1", "a call afterwards") end
local after = ports(port)
check(#after == 1 and after[1] == before[1], "another connection")
print "kept"
]]):format(words))
          assert.equal("kept\n", got)
        end)
      end

      it("keeps what is on its way, and the child connects for itself", function()
        local got = fork [[
local count, child = 0, nil
for contact in portal.crm.item.list:each({ entityTypeId = 3 }, { strategy = "sequential" }) do
  count = count + 1
  if count == 2 then -- the next page is being fetched
    child = fork()
    if child == 0 then
      local own <close> = open()
      check(own.user.current().ID == "1", "the child's own portal")
      check(#own.crm.item.list:all{ entityTypeId = 3 } == 120, "the child's list")
      os.exit(0, true)
    end
    check(wait(child) == 0, "the child's status")
  end
end
print(count)
]]
        assert.equal("120\n", got)
      end)

      it("keeps the file of a download that the child knows of", function()
        local got = fork [[
local link = portal.disk.file.get{ id = 3 }
local path = os.tmpname()
local done = portal:map({ 1, 2 }, function(i)
  if i == 1 then
    local _, bytes = portal:download(link.DOWNLOAD_URL, path)
    return bytes
  end
  local child = fork()
  if child == 0 then os.exit(0, true) end
  return wait(child)
end)
local file <close> = io.open(path, "rb")
local size = #file:read "a"
os.remove(path)
check(done[1] == tonumber(link.SIZE) and size == done[1], size)
print(done[2])
]]
        assert.equal("0\n", got)
      end)
    end)
  end

  it("that forks gives a lock back, whatever children live, and no child does", function()
    local got = run(hosts.shared, [[
local core = require "bitrix24.core"
local path, leave = os.tmpname(), os.tmpname()
os.remove(leave)
local lock = assert(core.lock(path))
local first = fork()
if first == 0 then os.exit(0, true) end -- it closes its state
print(wait(first), core.lock(path))
local second = fork()
if second == 0 then
  while not io.open(leave) do core.sleep(0.01) end
  os.exit(0)
end
lock:release()
local again = core.lock(path)
print(type(again))
io.open(leave, "w"):close()
print(wait(second))
os.remove(path)
os.remove(leave)
]])
    assert.equal("0\tfalse\nuserdata\n0\n", got)
  end)

  it("survives that others and the library itself are unloaded", function()
    local other = installed:compile("other.so", "tests/support/other_curl.c",
      "-shared -fPIC $(pkg-config --cflags --libs libcurl)")
    local program = installed:compile("unload", "tests/support/unload.c",
      "$(pkg-config --cflags --libs lua5.4) -ldl -Wl,-E")
    local words = { program, quote(CJSON), installed.prefix .. "/lib/libbitrix24.so", other, here.sb.webhook }
    assert.equal("unload: fine\n", tree.must(table.concat(words, " ")))
  end)
end)
