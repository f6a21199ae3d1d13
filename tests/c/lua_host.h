/*
 * lua_host.h - for tests that are hosts of Lua: a sandbox portal in a process
 * of its own, so that nothing of it shares the memory that is watched. The
 * modules are found through LUA_PATH and LUA_CPATH (tests/run, `make env`).
 */
#ifndef LUA_HOST_H
#define LUA_HOST_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

typedef struct portal {
  pid_t process;
  int stop; /* closing it ends the process */
  char webhook[256];
} portal;

/* The child: serve until the other side of `stop` is closed. */
static void serve(int tell, int stop) {
  static const char chunk[] =
      "local sandbox = require 'bitrix24.sandbox'\n"
      "portal = sandbox.start{ limits = false, contacts = 60 }\n"
      "return portal.webhook";
  lua_State *L = luaL_newstate();
  size_t size;
  const char *text;
  char byte;
  if (L == NULL) _exit(1);
  luaL_openlibs(L);
  if (luaL_dostring(L, chunk) != LUA_OK)
    (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
  text = lua_tolstring(L, -1, &size);
  if (write(tell, text, size) == (ssize_t)size) (void)close(tell);
  while (read(stop, &byte, 1) > 0) continue;
  lua_close(L);
  _exit(0);
}

/* Start it; `webhook` stays empty when that fails. Before any thread. */
static void portal_start(portal *p) {
  int tell[2], stop[2];
  size_t got = 0;
  ssize_t more = 1;
  memset(p, 0, sizeof *p);
  p->process = -1;
  if (pipe(tell) != 0 || pipe(stop) != 0) return;
  p->process = fork();
  if (p->process == 0) {
    (void)close(tell[0]);
    (void)close(stop[1]);
    serve(tell[1], stop[0]);
  }
  (void)close(tell[1]);
  (void)close(stop[0]);
  p->stop = stop[1];
  while (more > 0 && got < sizeof p->webhook - 1) {
    more = read(tell[0], p->webhook + got, sizeof p->webhook - 1 - got);
    if (more > 0) got += (size_t)more;
  }
  (void)close(tell[0]);
  if (strncmp(p->webhook, "http", 4) != 0) p->webhook[0] = '\0';
}

static void portal_stop(portal *p) {
  (void)close(p->stop);
  if (p->process > 0) (void)waitpid(p->process, NULL, 0);
}

#endif
