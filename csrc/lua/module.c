/*
 * module.c - `require "bitrix24.core"`: the binding's tables put together.
 * It holds no policy; lua/bitrix24 does.
 */
#include <unistd.h>

#include "bitrix24_lua.h"
#include "lb24.h"

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
      {"console", lb24_open_console},
      {"json", lb24_open_json},
      {"limiter", lb24_open_limiter},
      {"page", lb24_open_page},
      {"query", lb24_open_query},
  };
  static const luaL_Reg functions[] = {
      {"equal", lb24_equal},
      {"is_terminal", is_terminal},
      {"left_private", lb24_left_private},
      {"lock", lb24_lock},
      {"now", lb24_now},
      {"real_path", lb24_real_path},
      {"reserve", lb24_reserve},
      {"save", lb24_save},
      {"save_private", lb24_save_private},
      {"sleep", lb24_sleep},
      {NULL, NULL}};
  luaL_checkversion(L);
  lb24_lock_register(L);
  luaL_newlib(L, functions);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    lua_pushcfunction(L, parts[i].open);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, parts[i].name);
  }
  lua_pushliteral(L, B24_VERSION);
  lua_setfield(L, -2, "version");
  return 1;
}
