/*
 * gcstress.c - a collector that never rests, as a module: start(count) has it
 * work every `count` instructions of the calling coroutine and those made
 * from then on, until stop(). Mostly it is a young collection, and a full one
 * now and then, which costs by the size of the whole heap.
 */
#include <lauxlib.h>
#include <lua.h>

#define FULL_EVERY 50

static int beat; /* the script's state is the only one with the hook */

static void on_count(lua_State *L, lua_Debug *unused) {
  (void)unused;
  if (++beat % FULL_EVERY == 0)
    (void)lua_gc(L, LUA_GCCOLLECT);
  else
    (void)lua_gc(L, LUA_GCSTEP, 0);
}

static int start(lua_State *L) {
  lua_sethook(L, on_count, LUA_MASKCOUNT, (int)luaL_checkinteger(L, 1));
  return 0;
}

static int stop(lua_State *L) {
  lua_sethook(L, NULL, 0, 0);
  return 0;
}

/* -> how often it worked */
static int beats(lua_State *L) {
  lua_pushinteger(L, beat);
  return 1;
}

int luaopen_gcstress(lua_State *L);

int luaopen_gcstress(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"start", start}, {"stop", stop}, {"beats", beats}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
