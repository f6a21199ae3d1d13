/*
 * host.c - runs a target that is written in Lua, tests/fuzz/TARGET.lua: a
 * function that is given the bytes and raises when something is not as it
 * must be. The module's C is linked in, so that libFuzzer sees its branches;
 * the lines that run in Lua are told by a hook.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "fuzz.h"

#ifndef FUZZ_TARGET
#define FUZZ_TARGET "answer"
#endif

int luaopen_bitrix24_core(lua_State *L);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Steps from line to line, one counter for each, as libFuzzer reads them. */
#define STEPS 32768
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t
    steps[STEPS];

static lua_State *state;

/* A name for the source that is the same in every run. */
static uint32_t hash_source(const char *source) {
  uint32_t hash = 2166136261u;
  for (; *source != '\0'; source++)
    hash = (hash ^ (uint8_t)*source) * 16777619u;
  return hash;
}

static void on_line(lua_State *L, lua_Debug *ar) {
  static const char *source;
  static uint32_t hash, last;
  uint32_t here;
  if (lua_getinfo(L, "S", ar) == 0) return;
  if (ar->source != source) {
    source = ar->source;
    hash = hash_source(ar->short_src);
  }
  here = (hash ^ (uint32_t)ar->currentline * 2654435761u) >> 7;
  steps[(here ^ last) % STEPS]++;
  last = here >> 1;
}

static int add_traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static void give_up(lua_State *L) {
  (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
  abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  lua_State *L = luaL_newstate();
  (void)argc;
  (void)argv;
  if (L == NULL) abort();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_bitrix24_core);
  lua_setfield(L, -2, "bitrix24.core");
  lua_settop(L, 0);
  lua_pushcfunction(L, add_traceback);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "fuzz." FUZZ_TARGET);
  if (lua_pcall(L, 1, 1, 1) != LUA_OK) give_up(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  (void)lua_gc(L, LUA_GCGEN, 0, 0);
  lua_sethook(L, on_line, LUA_MASKLINE, 0);
  state = L;
  return 0;
}

/* The stack: the handler of errors, the target. Young garbage goes after
 * every input, so that a value kept in C alone is missed soon. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  lua_State *L = state;
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) give_up(L);
  (void)lua_gc(L, LUA_GCSTEP, 0);
  return 0;
}
