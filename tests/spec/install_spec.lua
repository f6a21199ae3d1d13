-- What `make install` leaves behind: files, headers that stand alone, a
-- library that a program outside of the sources finds through pkg-config.

local tree = require "support.tree"

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

--- The names that a list has more than another.
local function beyond(list, other)
  local known, out = {}, {}
  for _, name in ipairs(other) do known[name] = true end
  for _, name in ipairs(list) do
    if not known[name] then out[#out + 1] = name end
  end
  return out
end

describe("make install", function()
  local dest

  before_each(function() dest = tree.folder() end)
  after_each(function() dest:remove() end)

  --- All that belongs there, for a PREFIX of /usr.
  local function expected()
    local out = {
      "usr/include/bitrix24.h", "usr/include/bitrix24_lua.h",
      "usr/lib/libbitrix24.a", "usr/lib/libbitrix24.so", "usr/lib/libbitrix24.so.0",
      "usr/lib/lua/5.4/bitrix24/core.so", "usr/lib/lua/5.4/bitrix24/sandbox/server.so",
      "usr/lib/pkgconfig/bitrix24.pc", "usr/bin/bitrix24", "usr/share/man/man1/bitrix24.1",
      "usr/share/bash-completion/completions/bitrix24", "usr/share/zsh/site-functions/_bitrix24",
      "usr/share/fish/vendor_completions.d/bitrix24.fish",
    }
    for _, name in ipairs(tree.list "lua") do
      if name:find "%.lua$" then out[#out + 1] = "usr/share/lua/5.4/" .. name end
    end
    table.sort(out)
    return out
  end

  it("puts module, sandbox, library, headers and bitrix24.pc below PREFIX in DESTDIR", function()
    tree.make("install PREFIX=/usr DESTDIR=" .. dest.folder)
    local found = tree.list(dest.folder)
    assert.same({}, beyond(expected(), found))
    assert.same({}, beyond(found, expected()))
    assert.equal("libbitrix24.so.0\n", tree.must(("readlink %s/usr/lib/libbitrix24.so"):format(dest.folder)))
    assert.equal(read "lua/bitrix24/init.lua", read(dest.folder .. "/usr/share/lua/5.4/bitrix24/init.lua"))
    assert.is_nil(read(dest.folder .. "/usr/lib/pkgconfig/bitrix24.pc"):find(dest.folder, 1, true))
  end)

  it("uninstalls exactly that", function()
    local where = "PREFIX=/usr LIBDIR=/usr/lib/some-abi DESTDIR=" .. tree.quote(dest.folder .. "/a b")
    tree.make("install " .. where)
    assert.is_true(#tree.list(dest.folder) >= #expected())
    local mine = dest.folder .. "/a b/usr/share/lua/5.4/bitrix24/list/mine.lua"
    tree.must("touch " .. tree.quote(mine))
    tree.make("uninstall " .. where)
    assert.same({ "a b/usr/share/lua/5.4/bitrix24/list/mine.lua" }, tree.list(dest.folder))
    os.remove(mine)
    tree.make("uninstall " .. where)
    assert.same({}, tree.list(dest.folder))
    assert.equal("", tree.must(("find %s -name 'bitrix24*'"):format(tree.quote(dest.folder))))
  end)

  it("honours LIBDIR, INCLUDEDIR, LUADIR and LUACDIR, and tells pkg-config", function()
    tree.make(("install-library install-module PREFIX=/opt LIBDIR=/opt/lib64 INCLUDEDIR=/opt/inc/b "
      .. "LUADIR=/opt/l LUACDIR=/opt/c DESTDIR=%s"):format(dest.folder))
    local names = { "lib64/libbitrix24.a", "inc/b/bitrix24.h", "l/bitrix24/init.lua", "c/bitrix24/core.so" }
    for _, name in ipairs(names) do assert.is_not_nil(io.open(dest.folder .. "/opt/" .. name), name) end
    local function ask(words)
      return tree.must(("PKG_CONFIG_PATH=%s/opt/lib64/pkgconfig pkg-config %s bitrix24")
        :format(dest.folder, words)):gsub("%s+$", "")
    end
    assert.equal("-I/opt/inc/b", ask "--cflags")
    assert.equal("-L/opt/lib64 -lbitrix24", ask "--libs")
    assert.truthy(ask "--static --libs":find "%-lcurl.* %-lpthread$")
    assert.equal(require "bitrix24"._VERSION, "bitrix24 " .. ask "--modversion")
  end)

  it("takes a PREFIX with a space, or one that is relative", function()
    local function flags(prefix, folder)
      tree.make(("install-library PREFIX=%s"):format(tree.quote(prefix)))
      return (tree.must(("PKG_CONFIG_PATH=%s pkg-config --cflags --libs bitrix24")
        :format(tree.quote(folder .. "/lib/pkgconfig"))):gsub("%s+$", ""))
    end
    local spaced = dest.folder .. "/a b"
    local shown = spaced:gsub(" ", "\\ ")
    assert.equal(("-I%s/include -L%s/lib -lbitrix24"):format(shown, shown), flags(spaced, spaced))
    local here = tree.must "pwd":match "[^\n]+"
    local up = here:gsub("/[^/]+", "../"):gsub("/$", "") .. dest.folder
    local whole = here .. "/" .. up
    assert.equal(("-I%s/include -L%s/lib -lbitrix24"):format(whole, whole), flags(up, dest.folder))
  end)

  it("is for Lua 5.4 alone", function()
    local output, status = tree.shell("make -s BUILD=/dev/null/x LUA_VERSION=5.3 install DESTDIR="
      .. dest.folder)
    assert.not_equal(0, status)
    assert.truthy(output:find("this is for Lua 5.4 alone", 1, true), output)
    assert.same({}, tree.list(dest.folder))
  end)
end)

describe("make", function()
  it("says that BUILD has no spaces", function()
    local output, status = tree.shell("make -s BUILD='/tmp/a b' core")
    assert.not_equal(0, status)
    assert.truthy(output:find("BUILD must be a path without spaces", 1, true), output)
  end)

  it("notices a changed header in a folder with a space", function()
    local copy <close> = tree.folder()
    local folder = tree.quote(copy.folder .. "/a b")
    tree.must(("mkdir %s && cp -R Makefile csrc lua %s"):format(folder, folder))
    -- what the outer make was told, -s too, is not for this one
    local one = ("env -u MAKEFLAGS make --no-print-directory -C %s BUILD=build build/obj/core/base64.o")
      :format(folder)
    tree.must(one)
    assert.falsy(tree.must(one):find("-c -o", 1, true))
    tree.must(("touch -d '+1 minute' %s/csrc/core/base64.h"):format(folder))
    assert.truthy(tree.must(one):find("-c -o", 1, true))
  end)
end)

describe("the installed headers", function()
  local installed

  setup(function() installed = tree.install() end)
  teardown(function() installed:remove() end)

  for _, standard in ipairs { "c99", "c11", "c++98", "c++17" } do
    it("stand alone as " .. standard, function()
      local plus = standard:find("++", 1, true)
      if plus and select(2, tree.shell "command -v c++") ~= 0 then
        print "no C++ compiler here: the headers are not tried as C++"
        return
      end
      for _, header in ipairs { "bitrix24.h", "bitrix24_lua.h" } do
        -- no Lua headers on the path, and twice is as once
        local compiler = plus and "c++" or os.getenv "CC" or "cc"
        local source = ([['#include <%s>\n#include <%s>\nint unit;\n']]):format(header, header)
        tree.must(([[printf %s | %s -std=%s -pedantic-errors -Wall -Wextra -Werror %s \
          -I%s/include -fsyntax-only -x %s -]]):format(source, compiler, standard,
          standard == "c++98" and "-Wno-long-long" or "", installed.prefix, plus and "c++" or "c"))
      end
    end)
  end

  it("serve a C++ program", function()
    if select(2, tree.shell "command -v c++") ~= 0 then
      print "no C++ compiler here: no program is compiled with it"
      return
    end
    local static = "-x none $(pkg-config --variable=libdir bitrix24)/libbitrix24.a -lcurl -lm -lpthread"
    local program = installed:compile("plus", [[
#include <bitrix24.h>
#include <cstdio>
int main() {
  b24_options options;
  b24_error err;
  b24_client *client = NULL;
  b24_options_init(&options);
  options.webhook = "https://example.bitrix24.com/rest/1/abcdefgh/";
  if (b24_client_new(&client, &options, &err) != B24_OK) return 1;
  std::puts(b24_client_origin(client));
  b24_client_free(client);
  return 0;
}
]], "$(pkg-config --cflags bitrix24) " .. static, tree.compiler:gsub("^%S+", "c++") .. " -x c++")
    assert.equal("https://example.bitrix24.com\n", tree.must(program))
  end)
end)

describe("the core without Lua", function()
  it("is in the static library, which needs no Lua then", function()
    local installed <close> = tree.install()
    local static = "$(pkg-config --variable=libdir bitrix24)/libbitrix24.a -lcurl -lm -lpthread"
    local program = installed:compile("core", [[
#include <bitrix24.h>
#include <stdio.h>
int main(void) {
  b24_options options;
  b24_error err;
  b24_client *client;
  b24_limiter *limiter;
  b24_options_init(&options);
  options.webhook = "http://example.bitrix24.com/rest/1/abcdefgh/";
  if (b24_client_new(&client, &options, &err) != B24_CONFIG) return 1;
  (void)printf("%s\n", b24_kind_name(err.kind));
  options.webhook = "https://example.bitrix24.com/rest/1/abcdefgh/";
  if (b24_limiter_new(&limiter, NULL, 5, 250, &err) != B24_OK) return 1;
  options.limiter = limiter;
  if (b24_client_new(&client, &options, &err) != B24_OK) return 1;
  b24_limiter_free(limiter);
  b24_client_free(client);
  return 0;
}
]], "$(pkg-config --cflags bitrix24) " .. static)
    assert.equal("config\n", tree.must(program))
  end)
end)
