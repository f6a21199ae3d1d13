/*
 * embed.c - `luaopen_bitrix24`: the whole module out of the library, for hosts
 * without a Lua file on their path. It decides where the parts find each other
 * and what they need of the host.
 *
 * Invariant: the parts see an environment of their own, which keeps what they
 * need of the standard library and a `require` that works without `package`.
 * What a host takes away from its scripts afterwards is not missed here.
 */
#include <string.h>

#include "bitrix24_lua.h"
#include "embed.h"
#include "lb24.h"

#define MAIN "bitrix24"

/* ---- require ------------------------------------------------------------ */

/* Push the global of that name [-0, +1], whatever guards undefined ones. */
static int push_global(lua_State *L, const char *name) {
  int type;
  lua_pushglobaltable(L);
  lua_pushstring(L, name);
  type = lua_rawget(L, -2);
  lua_remove(L, -2);
  return type;
}

/* require(name): what is loaded, then what is preloaded, then the host's own
 * `require`. */
static int require(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  (void)luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE); /* 2 */
  (void)lua_getfield(L, 2, name);
  if (lua_toboolean(L, -1)) return 1;
  (void)luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  if (lua_getfield(L, -1, name) == LUA_TNIL) {
    if (push_global(L, "require") == LUA_TNIL)
      return luaL_error(
          L, "%s needs the module '%s': put it into package.preload before",
          MAIN, name);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
  }
  lua_pushvalue(L, 1);
  lua_pushliteral(L, ":preload:");
  lua_call(L, 2, 1);
  if (lua_isnil(L, -1)) { /* as the real one does */
    if (lua_getfield(L, 2, name) != LUA_TNIL) return 1;
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, 2, name);
  return 1;
}

/* ---- the environment of the parts --------------------------------------- */

/* Push it [-0, +1]. */
static void push_environment(lua_State *L) {
  static const char *const needed[] = {"coroutine", "io",    "math", "os",
                                       "string",    "table", "utf8"};
  static const char *const base[] = {
      "assert", "collectgarbage", "error",    "getmetatable", "ipairs",
      "load",   "next",           "pairs",    "pcall",        "print",
      "rawequal", "rawget",       "rawlen",   "rawset",       "select",
      "setmetatable", "tonumber", "tostring", "type",         "warn",
      "xpcall"};
  lua_newtable(L); /* environment */
  lua_pushglobaltable(L);
  for (size_t i = 0; i < sizeof base / sizeof base[0]; i++) {
    lua_getfield(L, -1, base[i]);
    lua_setfield(L, -3, base[i]);
  }
  lua_pop(L, 1);
  (void)luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
    if (lua_getfield(L, -1, needed[i]) != LUA_TTABLE)
      luaL_error(L,
                 "%s needs the standard library '%s': open it before, "
                 "scripts may be denied it afterwards",
                 MAIN, needed[i]);
    lua_setfield(L, -3, needed[i]);
  }
  if (lua_getfield(L, -1, "debug") == LUA_TTABLE)
    lua_setfield(L, -3, "debug");
  else
    lua_pop(L, 1);
  lua_pop(L, 1); /* environment */
  lua_pushcfunction(L, require);
  lua_setfield(L, -2, "require");
  lua_newtable(L); /* environment, its metatable */
  lua_pushglobaltable(L);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}

/* Compile a part for the environment at `index` [-0, +1]. */
static void load_source(lua_State *L, const lb24_source *source, int index) {
  index = lua_absindex(L, index);
  if (luaL_loadbufferx(L, (const char *)source->text, source->size,
                       source->chunk, "t") != LUA_OK)
    lua_error(L);
  lua_pushvalue(L, index);
  if (lua_setupvalue(L, -2, 1) == NULL) lua_pop(L, 1);
}

/* The loader of a part. Upvalues: where it is in the list, environment. */
static int load_part(lua_State *L) {
  lua_Integer at = lua_tointeger(L, lua_upvalueindex(1));
  lua_settop(L, 2);
  load_source(L, &lb24_sources[at], lua_upvalueindex(2));
  lua_insert(L, 1);
  lua_call(L, 2, 1);
  return 1;
}

/* ---- opening ------------------------------------------------------------- */

/* Put the function at the top into the table below it, under a name that is
 * not taken [-1, +0]. */
static void offer(lua_State *L, const char *name) {
  if (lua_getfield(L, -2, name) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_setfield(L, -2, name);
  } else {
    lua_pop(L, 2);
  }
}

int luaopen_bitrix24(lua_State *L) {
  size_t own = lb24_source_count;
  luaL_checkversion(L);
  lua_settop(L, 0);
  push_environment(L); /* 1 */
  (void)luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (size_t i = 0; i < lb24_source_count; i++) {
    if (strcmp(lb24_sources[i].module, MAIN) == 0) {
      own = i;
      continue;
    }
    lua_pushinteger(L, (lua_Integer)i);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, load_part, 2);
    offer(L, lb24_sources[i].module);
  }
  lua_pushcfunction(L, luaopen_bitrix24_core);
  offer(L, MAIN ".core");
  if (own == lb24_source_count)
    return luaL_error(L, "%s was built without its sources", MAIN);
  load_source(L, &lb24_sources[own], 1);
  lua_pushliteral(L, MAIN);
  lua_call(L, 1, 1);
  return 1;
}
