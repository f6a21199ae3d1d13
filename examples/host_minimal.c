/*
 * host_minimal.c - a program that runs a script with the module in it and
 * reads what the script returns.
 *
 *   cc host_minimal.c $(pkg-config --cflags --libs bitrix24 lua5.4) \
 *     -o host_minimal
 *   BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ ./host_minimal SCRIPT
 *
 * The script finds the module as `bitrix24` and lua-cjson where `require`
 * looks; a program that brings its own puts it into package.preload.cjson
 * before it opens the module. The webhook comes from the environment: every
 * user of the machine can read the arguments of a process.
 *
 * Exit status: 0, 1 when the script failed, 2 for wrong usage.
 */
#include <bitrix24_lua.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

/* Becomes the message of an error: a structured error says itself what
 * happened, as one line. */
static int describe(lua_State *L) {
  (void)luaL_tolstring(L, 1, NULL);
  return 1;
}

/* Print the table at the top, one line for each field. */
static void print_table(lua_State *L) {
  lua_pushnil(L); /* table, key */
  while (lua_next(L, -2) != 0) {
    /* luaL_tolstring pushes a copy: lua_tostring would change the key itself,
     * and lua_next could not go on from there. */
    const char *key = luaL_tolstring(L, -2, NULL); /* table, key, value, text */
    const char *value = luaL_tolstring(L, -2, NULL);
    (void)printf("%s = %s\n", key, value);
    lua_pop(L, 3); /* table, key */
  }
}

/* run(path): everything that may raise is done below one lua_pcall, so that
 * an error, also for lack of memory, cannot end the program. */
static int run(lua_State *L) {
  const char *path = lua_touserdata(L, 1);
  luaL_openlibs(L);
  luaL_requiref(L, "bitrix24", luaopen_bitrix24, 1); /* and as a global */
  lua_pop(L, 1);
  if (luaL_loadfile(L, path) != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1); /* result */
  if (lua_isinteger(L, -1)) {
    (void)printf("a whole number: %lld\n", (long long)lua_tointeger(L, -1));
  } else if (lua_istable(L, -1)) {
    print_table(L);
  } else {
    const char *type = luaL_typename(L, -1);
    (void)printf("%s: %s\n", type, luaL_tolstring(L, -1, NULL));
  }
  return 0;
}

int main(int argc, char **argv) {
  lua_State *L;
  int failed;
  if (argc != 2) {
    (void)fprintf(stderr, "usage: host_minimal SCRIPT\n");
    return 2;
  }
  L = luaL_newstate();
  if (L == NULL) {
    (void)fprintf(stderr, "host_minimal: not enough memory\n");
    return 1;
  }
  lua_pushcfunction(L, describe);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, argv[1]);
  failed = lua_pcall(L, 1, 0, 1) != LUA_OK;
  if (failed)
    (void)fprintf(stderr, "host_minimal: %s\n", lua_tostring(L, -1));
  lua_close(L); /* closes the script's portals, too */
  return failed;
}
