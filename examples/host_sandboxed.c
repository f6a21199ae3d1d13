/*
 * host_sandboxed.c - runs a script that nobody vouches for: it may call the
 * methods that the host lists, and see nothing else.
 *
 *   cc host_sandboxed.c $(pkg-config --cflags --libs bitrix24 lua5.4) \
 *     -o host_sandboxed
 *   BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ ./host_sandboxed SCRIPT
 *
 * A portal is never given to such a script: its fields lead to the tokens and
 * the client secret, and whoever may call any method can have the portal post
 * a token elsewhere (event.bind). The script gets tables that the host makes,
 * one for each method allowed; the portal is an upvalue of their functions,
 * where without `debug` nobody reaches it.
 *
 * Bounded are instructions, memory, time and, by the price of a call, the
 * number of requests. These are walls inside a process, and Lua has had bugs:
 * run scripts of strangers as another user, too, or in a container.
 */
#define _POSIX_C_SOURCE 200809L /* unsetenv */

#include <bitrix24_lua.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#ifndef INSTRUCTIONS
#define INSTRUCTIONS 20000000L
#endif
#ifndef CPU_SECONDS
#define CPU_SECONDS 20
#endif
#define STEP 100          /* instructions from one count to the next */
#define CALL_PRICE 20000L /* of a call, in instructions: at most 1,000 */
#define MEMORY_BYTES (64u << 20)
#define SECONDS 300 /* waiting for the portal included */

/* What the script may call. Think of each: what can it change, and whom can it
 * tell? Methods that take an address to be called later tell everybody. */
static const char *const allowed[] = {
    "crm.item.fields", "crm.item.get", "crm.item.list", "profile",
    "user.get",
};

/* ---- bounds -------------------------------------------------------------- */

typedef struct budget {
  long instructions; /* left */
  size_t bytes;      /* in use */
  time_t end;
  char place[LUA_IDSIZE + 16]; /* where the script was stopped */
} budget;

/* The allocator of the state; the core takes its memory from it as well. */
static void *allocate(void *ud, void *ptr, size_t old_size, size_t size) {
  budget *left = ud;
  void *fresh;
  if (ptr == NULL) old_size = 0; /* it is the type of a new object */
  if (size == 0) {
    free(ptr);
    left->bytes -= old_size;
    return NULL;
  }
  if (size > old_size && size - old_size > MEMORY_BYTES - left->bytes)
    return NULL;
  fresh = realloc(ptr, size);
  if (fresh == NULL) return NULL;
  left->bytes -= old_size;
  left->bytes += size;
  return fresh;
}

static budget *budget_of(lua_State *L) {
  return *(budget **)lua_getextraspace(L); /* coroutines get a copy */
}

/* The hook of the script and of every coroutine that the module makes for it.
 * The module's own instructions count as the script's. */
static void count(lua_State *L, lua_Debug *about) {
  budget *left = budget_of(L);
  left->instructions -= STEP;
  if (left->instructions > 0 && time(NULL) < left->end) return;
  if (left->place[0] == '\0') {
    (void)lua_getinfo(L, "Sl", about);
    (void)snprintf(left->place, sizeof left->place, "%s:%d", about->short_src,
                   about->currentline);
  }
  /* The script may catch this error: from now on there is one at each
   * instruction, until it gives up. */
  left->instructions = 0;
  lua_sethook(L, count, LUA_MASKCOUNT, 1);
  (void)luaL_error(L, "the script has used up its budget (%s)", left->place);
}

/* charge(): the script makes a call. */
static int charge(lua_State *L) {
  budget_of(L)->instructions -= CALL_PRICE;
  return 0;
}

/* ---- what the script sees ------------------------------------------------ */

/* (webhook, charge, allowed ...) -> the environment of the script, which shares
 * no table with that of the module. Left out on purpose, besides what reaches
 * files and the process:
 * - setmetatable: finalizers run where no hook does;
 * - xpcall: so does a handler of an error that the hook raised;
 * - coroutine: each counts anew, so many short ones would cost nothing;
 * - getmetatable: the metatable of a string leads to the `string` that the
 *   module uses;
 * - load: bytecode can break out of Lua;
 * - options of a list: `checkpoint` would write a file. */
static const char guard[] =
    "local webhook, charge = ...\n"
    "local portal = bitrix24.connect{ webhook = webhook,\n"
    "  timeout = 20, retries = 2, wait_max = 30 } -- nobody waits for long\n"
    "local allowed = {}\n"
    "for _, name in ipairs{ select(3, ...) } do allowed[name] = true end\n"
    "\n"
    "local function pass(ok, ...)\n"
    "  if ok then return ... end\n"
    "  local e = ... -- goes on without the objects behind it\n"
    "  if bitrix24.is_error(e) then e.cause, e.where = nil, nil\n"
    "  else e = tostring(e) end\n"
    "  error(e, 0)\n"
    "end\n"
    "local function ask(how, ...)\n"
    "  charge()\n"
    "  return pass(pcall(portal[how], portal, ...))\n"
    "end\n"
    "\n"
    "-- A method, or the folder of some: empty but for what may be called.\n"
    "local function node(name)\n"
    "  local self = {}\n"
    "  local meta = { __metatable = false }\n"
    "  function meta.__tostring() return name end\n"
    "  function meta.__index(_, key)\n"
    "    key = tostring(key)\n"
    "    error(('%s.%s is not allowed here'):format(name, key), 2)\n"
    "  end\n"
    "  if not allowed[name] then return setmetatable(self, meta) end\n"
    "  function meta.__call(_, params) return ask('call', name, params) end\n"
    "  for _, how in ipairs{ 'all', 'first', 'count' } do\n"
    "    self[how] = function(_, params) return ask(how, name, params) end\n"
    "  end\n"
    "  function self.each(_, params)\n"
    "    local step, _, _, list = ask('each', name, params)\n"
    "    local function close() local _ <close> = list end\n"
    "    return function() return pass(pcall(step)) end, nil, nil,\n"
    "      setmetatable({}, { __metatable = false, __close = close })\n"
    "  end\n"
    "  return setmetatable(self, meta)\n"
    "end\n"
    "\n"
    "local root = node('portal')\n"
    "function root.call(_, name, params)\n"
    "  if not allowed[name] then\n"
    "    error(tostring(name) .. ' is not allowed here', 2)\n"
    "  end\n"
    "  return ask('call', name, params)\n"
    "end\n"
    "function root.map(_, items, f) return ask('map', items, f) end\n"
    "for name in pairs(allowed) do\n"
    "  local at, path = root, nil\n"
    "  for key in name:gmatch('[^.]+') do\n"
    "    path = path and path .. '.' .. key or key\n"
    "    if not rawget(at, key) then at[key] = node(path) end\n"
    "    at = at[key]\n"
    "  end\n"
    "end\n"
    "\n"
    "local env = { portal = root }\n"
    "local safe = 'assert error ipairs next pairs pcall print select '\n"
    "  .. 'tonumber tostring type'\n"
    "for name in safe:gmatch('%a+') do env[name] = _G[name] end\n"
    "for _, name in ipairs{ 'math', 'string', 'table', 'utf8' } do\n"
    "  env[name] = {}\n"
    "  for key, value in pairs(_G[name]) do env[name][key] = value end\n"
    "end\n"
    "return env\n";

/* Push the environment. The webhook is in no place that it leads to, nor any
 * longer in the environment of the process. [-0, +1] */
static void push_environment(lua_State *L) {
  const int count_allowed = (int)(sizeof allowed / sizeof allowed[0]);
  luaL_openlibs(L);
  luaL_requiref(L, "bitrix24", luaopen_bitrix24, 1);
  lua_pop(L, 1);
  luaL_checkstack(L, count_allowed + 4, NULL);
  if (luaL_loadbufferx(L, guard, sizeof guard - 1, "=guard", "t") != LUA_OK)
    (void)lua_error(L);
  lua_pushstring(L, getenv("BITRIX24_WEBHOOK"));
  (void)unsetenv("BITRIX24_WEBHOOK");
  lua_pushcfunction(L, charge);
  for (int i = 0; i < count_allowed; i++) lua_pushstring(L, allowed[i]);
  lua_call(L, 2 + count_allowed, 1);
}

/* run(path), below lua_pcall: what the script does is below another one, so
 * that here the hook is gone and its error is text. */
static int run(lua_State *L) {
  int status;
  push_environment(L);
  /* "t": text alone, for bytecode is not checked */
  if (luaL_loadfilex(L, lua_touserdata(L, 1), "t") != LUA_OK)
    return lua_error(L);
  lua_insert(L, -2);
  (void)lua_setupvalue(L, -2, 1); /* _ENV */
  lua_sethook(L, count, LUA_MASKCOUNT, STEP);
  status = lua_pcall(L, 0, 1, 0);
  lua_sethook(L, NULL, 0, 0);
  (void)luaL_tolstring(L, -1, NULL);
  if (status != LUA_OK) return lua_error(L);
  (void)printf("result: %s\n", lua_tostring(L, -1));
  return 0;
}

/* Becomes the message of an error, as one line. */
static int describe(lua_State *L) {
  (void)luaL_tolstring(L, 1, NULL);
  return 1;
}

int main(int argc, char **argv) {
  /* A single function of C may take long, such as a pattern that goes back
   * again and again. No hook is called there: the process ends. */
  const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS};
  budget left = {INSTRUCTIONS, 0, 0, ""};
  lua_State *L;
  int failed;
  if (argc != 2) {
    (void)fprintf(stderr, "usage: host_sandboxed SCRIPT\n");
    return 2;
  }
  left.end = time(NULL) + SECONDS;
  L = setrlimit(RLIMIT_CPU, &cpu) == 0 ? lua_newstate(allocate, &left) : NULL;
  if (L == NULL) {
    (void)fprintf(stderr, "host_sandboxed: cannot begin\n");
    return 1;
  }
  *(budget **)lua_getextraspace(L) = &left;
  lua_pushcfunction(L, describe);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, argv[1]);
  failed = lua_pcall(L, 1, 0, 1) != LUA_OK;
  if (failed)
    (void)fprintf(stderr, "host_sandboxed: %s\n", lua_tostring(L, -1));
  lua_close(L);
  return failed;
}
