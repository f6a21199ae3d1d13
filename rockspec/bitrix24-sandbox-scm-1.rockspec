rockspec_format = "3.0"
package = "bitrix24-sandbox"
version = "scm-1"
-- For `luarocks make` in a checkout.
source = { url = "file://." }
description = {
  summary = "A sandbox portal for the Bitrix24 REST API",
  detailed = [[
A portal with people, chats and contacts that runs on loopback, for trying and
testing scripts of the rock bitrix24 without an account. Its server is
libmicrohttpd with GnuTLS and zlib.]],
  license = "MIT",
  labels = { "bitrix24", "rest", "crm", "testing" },
}
supported_platforms = { "unix" }
-- Both rocks are of one source: json.lua is the client's.
dependencies = { "lua >= 5.4, < 5.5", "bitrix24 == scm" }
-- See the other rock for why there are no external_dependencies.
build = {
  type = "make",
  makefile = "rockspec/rock.mk",
  build_pass = false,
  variables = {
    PART = "sandbox",
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    PREFIX = "$(PREFIX)",
    LUADIR = "$(LUADIR)",
    LIBDIR = "$(LIBDIR)",
  },
  copy_directories = {},
}
