/*
 * unload.c - a program that loads libraries and unloads them while portals
 * talk: another user of libcurl, and the library itself.
 *
 *   unload CJSON.so libbitrix24.so OTHER.so WEBHOOK
 *
 * Prints "unload: fine", or what was not.
 */
#include <dlfcn.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

static const char chunk[] =
    "local webhook = ...\n"
    "portal = portal or bitrix24.connect{ webhook = webhook, limits = false }\n"
    "assert(portal.user.current().ID)\n";

/* Two requests at once, and then none for a long time. */
static const char spend[] =
    "local webhook, spent = ...\n"
    "local portal <close> = bitrix24.connect{ webhook = webhook,"
    "  limits = { rate = 0.001, burst = 2 }, wait_max = 1 }\n"
    "for i = 1, 3 do\n"
    "  local ok, e = pcall(portal.call, portal, 'user.current')\n"
    "  assert(ok == (i <= 2 and not spent), 'the budget was forgotten')\n"
    "  assert(ok or e.kind == 'limit', e)\n"
    "end\n";

static int fail(const char *what) {
  (void)printf("unload: %s: %s\n", what, dlerror());
  return 1;
}

static lua_CFunction find(void *library, const char *name) {
  lua_CFunction function = NULL;
  void *symbol = library == NULL ? NULL : dlsym(library, name);
  memcpy(&function, &symbol, sizeof function);
  return function;
}

static int call(void *library, const char *name) {
  int (*function)(void) = NULL;
  void *symbol = library == NULL ? NULL : dlsym(library, name);
  memcpy(&function, &symbol, sizeof function);
  return function == NULL ? -1 : function();
}

/* Run a chunk; 0 when it was right. */
static int run(lua_State *L, const char *text, const char *webhook,
               int flag) {
  if (luaL_loadstring(L, text) == LUA_OK) {
    lua_pushstring(L, webhook);
    lua_pushboolean(L, flag);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) return 0;
  }
  (void)printf("unload: %s\n", luaL_tolstring(L, -1, NULL));
  return 1;
}

static int talk(lua_State *L, const char *webhook) {
  return run(L, chunk, webhook, 0);
}

static lua_State *open(void *cjson, void *library) {
  lua_CFunction cjson_open = find(cjson, "luaopen_cjson");
  lua_CFunction module_open = find(library, "luaopen_bitrix24");
  lua_State *L = luaL_newstate();
  if (cjson_open == NULL || module_open == NULL || L == NULL) return NULL;
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, cjson_open);
  lua_setfield(L, -2, "cjson");
  luaL_requiref(L, "bitrix24", module_open, 1);
  lua_settop(L, 0);
  return L;
}

int main(int argc, char **argv) {
  void *cjson;
  if (argc != 5) return 2;
  cjson = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  for (int round = 0; round < 3; round++) {
    void *other = dlopen(argv[3], RTLD_NOW | RTLD_LOCAL);
    void *library;
    lua_State *L;
    if (call(other, "other_begin") != 0) return fail("the other user");
    library = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
    L = open(cjson, library);
    if (L == NULL) return fail("the library");
    if (talk(L, argv[4]) != 0) return 1;
    if (call(other, "other_end") != 0) return fail("the other user's end");
    (void)dlclose(other);
    if (talk(L, argv[4]) != 0) return 1; /* on the connection there is */
    lua_pushnil(L);
    lua_setglobal(L, "portal");
    if (talk(L, argv[4]) != 0) return 1; /* on a new one */
    /* the portal counts on when the library was gone in between */
    if (run(L, spend, argv[4], round > 0) != 0) return 1;
    lua_close(L);
    (void)dlclose(library);
  }
  (void)printf("unload: fine\n");
  return 0;
}
