rockspec_format = "3.0"
package = "bitrix24"
version = "0.1.0-1"
-- The source archive of this version; `luarocks make` in a checkout needs none.
source = { url = "bitrix24-0.1.0.tar.gz", dir = "bitrix24-0.1.0" }
description = {
  summary = "The Bitrix24 REST API for Lua",
  detailed = [[
Calls of any REST method, lists that are complete or an error, batches packed
by themselves, the limits kept, structured errors, OAuth. A C core on libcurl;
the sandbox portal for trying scripts is the rock bitrix24-sandbox.]],
  license = "MIT",
  labels = { "bitrix24", "rest", "crm" },
}
supported_platforms = { "unix" }
dependencies = { "lua >= 5.4, < 5.5", "lua-cjson >= 2.1.0", "argparse >= 0.7" }
-- No external_dependencies: LuaRocks before 3.9 does not look into Debian's
-- /usr/include/<triplet>, where curl/curl.h is. pkg-config and the compiler
-- know, and the Makefile asks them.
build = {
  type = "make",
  makefile = "rockspec/rock.mk",
  build_pass = false,
  variables = {
    PART = "module",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    PREFIX = "$(PREFIX)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
  },
  install = { bin = { bitrix24 = "csrc/cli/bitrix24" } },
  copy_directories = { "examples" },
}
