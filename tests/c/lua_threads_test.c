/*
 * lua_threads_test.c - threads of one process, each with a Lua state of its
 * own, talk to one portal side by side: they share the budget of the portal
 * and libcurl's set-up, and nothing else. States come and go meanwhile, and
 * with the last of them the library.
 */
#include <pthread.h>

#include "lua_host.h"

#define THREADS 4
#define ROUNDS 4
#define CALLS 50 /* of each round */

static portal sb;

typedef struct worker {
  pthread_t thread;
  int number;
  int calls; /* that were right */
  char fault[256];
} worker;

/* A round: a state, a portal, calls, and the end of both. */
static int talk(worker *w) {
  static const char chunk[] =
      "local webhook, number, calls = ...\n"
      "local portal <close> = require 'bitrix24'.connect{\n"
      "  webhook = webhook, limits = { rate = 10000, burst = 1000 } }\n"
      "local done = 0\n"
      "for i = 1, calls - 10 do\n"
      "  local id = (number * 13 + i) % 60 + 1\n"
      "  local got ="
      "    portal:call('crm.item.get', { entityTypeId = 3, id = id })\n"
      "  assert(got.item.id == id)\n"
      "  done = done + 1\n"
      "end\n"
      "local ids = {}\n"
      "for i = 1, 10 do ids[i] = number * 10 + i end\n"
      "for i, id in ipairs(portal:map(ids, function(id)\n"
      "  return portal:call('crm.item.get',"
      "    { entityTypeId = 3, id = id }).item.id\n"
      "end)) do assert(id == ids[i]) done = done + 1 end\n"
      "return done\n";
  lua_State *L = luaL_newstate();
  int ok;
  if (L == NULL) return 0;
  luaL_openlibs(L);
  ok = luaL_loadstring(L, chunk) == LUA_OK;
  if (ok) {
    lua_pushstring(L, sb.webhook);
    lua_pushinteger(L, w->number);
    lua_pushinteger(L, CALLS);
    ok = lua_pcall(L, 3, 1, 0) == LUA_OK;
  }
  if (ok)
    w->calls += (int)lua_tointeger(L, -1);
  else
    (void)snprintf(w->fault, sizeof w->fault, "%s",
                   luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return ok;
}

static void *work(void *argument) {
  worker *w = argument;
  for (int round = 0; round < ROUNDS; round++)
    if (!talk(w)) break;
  return NULL;
}

static void run_workers(void) {
  worker workers[THREADS];
  memset(workers, 0, sizeof workers);
  for (int i = 0; i < THREADS; i++) {
    workers[i].number = i;
    CHECK_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(pthread_join(workers[i].thread, NULL), 0);
    CHECK_INT(workers[i].calls, ROUNDS * CALLS);
    CHECK_STR(workers[i].fault, "");
  }
}

TEST(threads_with_states_of_their_own_do_not_disturb_each_other) {
  run_workers();
}

/* By now nobody holds the library: it is loaded anew. */
TEST(the_library_can_be_loaded_again) { run_workers(); }

int main(void) {
  portal_start(&sb);
  if (sb.webhook[0] != '\0') {
    RUN(threads_with_states_of_their_own_do_not_disturb_each_other);
    RUN(the_library_can_be_loaded_again);
  } else {
    unit_failed++;
    printf("the sandbox did not start\n");
  }
  portal_stop(&sb);
  return unit_report();
}
