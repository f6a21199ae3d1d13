rockspec_format = "3.0"
package = "bitrix24"
version = "scm-1"
-- luarocks make, in a checkout.
source = { url = "file://." }
description = {
  summary = "The Bitrix24 REST API for Lua",
  detailed = [[
Calls of any REST method, lists that are complete or an error, batches packed
by themselves, the limits kept, structured errors, OAuth, and a sandbox portal
for trying scripts. A C core on libcurl.]],
  license = "MIT",
}
dependencies = { "lua >= 5.4, < 5.5", "lua-cjson" }
-- The Makefile finds libcurl, and for the sandbox libmicrohttpd, gnutls and
-- zlib, through pkg-config.
build = {
  type = "make",
  build_variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
  },
  install_variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
    PREFIX = "$(PREFIX)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
  },
}
