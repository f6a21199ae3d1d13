/*
 * module.c - `require "bitrix24.core"`: the binding's tables put together.
 * It holds no policy; lua/bitrix24 does.
 */
#include <unistd.h>

#include "lb24.h"

B24_API int luaopen_bitrix24_core(lua_State *L);

/* is_terminal() -> is standard error a terminal? */
static int is_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(STDERR_FILENO) == 1);
  return 1;
}

int luaopen_bitrix24_core(lua_State *L) {
  static const struct {
    const char *name;
    lua_CFunction open;
  } parts[] = {
      {"catalogue", lb24_open_catalogue},
      {"client", lb24_open_client},
      {"json", lb24_open_json},
      {"page", lb24_open_page},
      {"query", lb24_open_query},
  };
  luaL_checkversion(L);
  lua_createtable(L, 0, 8);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    lua_pushcfunction(L, parts[i].open);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, parts[i].name);
  }
  lua_pushcfunction(L, is_terminal);
  lua_setfield(L, -2, "is_terminal");
  lua_pushcfunction(L, lb24_save);
  lua_setfield(L, -2, "save");
  lua_pushliteral(L, B24_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
