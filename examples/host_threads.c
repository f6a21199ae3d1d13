/*
 * host_threads.c - eight threads, each with a Lua state and a portal of its
 * own, and one budget of requests.
 *
 *   cc host_threads.c $(pkg-config --cflags --libs bitrix24 lua5.4) \
 *     -lpthread -o host_threads
 *   BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ ./host_threads \
 *     [CALLS [RATE BURST]]
 *
 * A portal counts the requests of an address, whichever thread sends them.
 * The library keeps one count for each portal in a process, so nothing has to
 * be shared here: the threads together stay below the limit, and the portal
 * refuses none of them. CALLS is how many each thread makes; RATE and BURST
 * are the tariff's requests a second and at once (limits), 2 and 50.
 */
#include <bitrix24_lua.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 8

/* What a thread is given and what it gives back. Nobody else touches it
 * between pthread_create and pthread_join. */
typedef struct worker {
  pthread_t thread;
  const char *webhook;
  long calls;
  double rate, burst;
  long done, refused; /* calls that worked; attempts that were put off */
  char error[B24_MESSAGE_MAX];
} worker;

static const char script[] =
    "local webhook, calls, rate, burst = ...\n"
    "local done, refused = 0, 0\n"
    "local portal <close> = bitrix24.connect{\n"
    "  webhook = webhook, limits = { rate = rate, burst = burst },\n"
    "  log = function(event)\n"
    "    if event.event == 'retry' then refused = refused + 1 end\n"
    "  end,\n"
    "}\n"
    "for _ = 1, calls do\n"
    "  assert(portal.profile().ID)\n"
    "  done = done + 1\n"
    "end\n"
    "return done, refused\n";

/* run(worker), below lua_pcall */
static int run(lua_State *L) {
  worker *w = lua_touserdata(L, 1);
  luaL_openlibs(L);
  luaL_requiref(L, "bitrix24", luaopen_bitrix24, 1);
  lua_pop(L, 1);
  if (luaL_loadbufferx(L, script, sizeof script - 1, "=worker", "t") != LUA_OK)
    return lua_error(L);
  lua_pushstring(L, w->webhook);
  lua_pushinteger(L, w->calls);
  lua_pushnumber(L, w->rate);
  lua_pushnumber(L, w->burst);
  lua_call(L, 4, 2);
  w->done = (long)lua_tointeger(L, -2);
  w->refused = (long)lua_tointeger(L, -1);
  return 0;
}

static int describe(lua_State *L) {
  (void)luaL_tolstring(L, 1, NULL);
  return 1;
}

/* A state belongs to the thread that makes it, from its first call to
 * lua_close. */
static void *work(void *argument) {
  worker *w = argument;
  lua_State *L = luaL_newstate();
  if (L == NULL) {
    (void)snprintf(w->error, sizeof w->error, "not enough memory");
    return NULL;
  }
  lua_pushcfunction(L, describe);
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, w);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK)
    (void)snprintf(w->error, sizeof w->error, "%s", lua_tostring(L, -1));
  lua_close(L);
  return NULL;
}

int main(int argc, char **argv) {
  static worker workers[THREADS];
  const char *webhook = getenv("BITRIX24_WEBHOOK");
  long calls = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
  double rate = argc > 3 ? strtod(argv[2], NULL) : 2;
  double burst = argc > 3 ? strtod(argv[3], NULL) : 50;
  long done = 0, refused = 0;
  int started = 0, failed = 0;
  if (webhook == NULL || calls < 1 || argc == 3 || argc > 4) {
    (void)fprintf(stderr, "usage: BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ "
                          "host_threads [CALLS [RATE BURST]]\n");
    return 2;
  }
  for (; started < THREADS; started++) {
    worker *w = &workers[started];
    w->webhook = webhook;
    w->calls = calls;
    w->rate = rate;
    w->burst = burst;
    if (pthread_create(&w->thread, NULL, work, w) != 0) break;
  }
  for (int i = 0; i < started; i++) {
    (void)pthread_join(workers[i].thread, NULL);
    done += workers[i].done;
    refused += workers[i].refused;
    if (workers[i].error[0] == '\0') continue;
    failed = 1;
    (void)fprintf(stderr, "host_threads: thread %d: %s\n", i + 1,
                  workers[i].error);
  }
  (void)printf("%d threads, %ld calls, %ld refused\n", started, done, refused);
  return failed || started < THREADS;
}
