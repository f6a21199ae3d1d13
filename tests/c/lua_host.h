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
  int ask; /* a byte: start anew; closing it ends the process */
  int hear;
  char webhook[256];
  char about[2048]; /* Lua: { webhook=, domain=, client_id=, ... } */
} portal;

/* The child: tell where it is, again for every byte, until the other side of
 * `ask` is closed. */
static void serve(int tell, int ask) {
  static const char chunk[] =
      "local sandbox = require 'bitrix24.sandbox'\n"
      "local sb = sandbox.start{ limits = false, contacts = 60, users = 20,"
      "  chats = 8 }\n"
      "local about = { webhook = sb.webhook }\n"
      "for name, value in pairs(sb.oauth) do about[name] = value end\n"
      "local text = {}\n"
      "for name, value in pairs(about) do\n"
      "  text[#text + 1] = ('%s=%q'):format(name, value)\n"
      "end\n"
      "return sb.webhook .. ' {' .. table.concat(text, ',') .. '}\\n',\n"
      "  function() sb:reset() end";
  lua_State *L = luaL_newstate();
  size_t size;
  const char *text;
  char byte;
  if (L == NULL) _exit(1);
  luaL_openlibs(L);
  if (luaL_dostring(L, chunk) != LUA_OK) {
    (void)fprintf(stderr, "%s\n", lua_tostring(L, -1));
    _exit(1);
  }
  text = lua_tolstring(L, 1, &size);
  do {
    if (write(tell, text, size) != (ssize_t)size) break;
    if (read(ask, &byte, 1) <= 0) break;
    lua_pushvalue(L, 2);
  } while (lua_pcall(L, 0, 0, 0) == LUA_OK);
  lua_close(L);
  _exit(0);
}

/* The line that it tells; 0 when there is none. */
static int hear(portal *p) {
  char line[sizeof p->about];
  size_t got = 0;
  char *space;
  while (got < sizeof line - 1 && read(p->hear, line + got, 1) == 1)
    if (line[got++] == '\n') break;
  line[got] = '\0';
  space = strchr(line, ' ');
  if (space == NULL || (size_t)(space - line) >= sizeof p->webhook) return 0;
  *space = '\0';
  memcpy(p->webhook, line, (size_t)(space - line) + 1);
  memcpy(p->about, space + 1, strlen(space + 1) + 1);
  return 1;
}

/* Start it; `webhook` stays empty when that fails. Before any thread. */
static void portal_start(portal *p) {
  int tell[2], ask[2];
  memset(p, 0, sizeof *p);
  p->process = -1;
  if (pipe(tell) != 0 || pipe(ask) != 0) return;
  p->process = fork();
  if (p->process == 0) {
    (void)close(tell[0]);
    (void)close(ask[1]);
    serve(tell[1], ask[0]);
  }
  (void)close(tell[1]);
  (void)close(ask[0]);
  p->ask = ask[1];
  p->hear = tell[0];
  if (!hear(p)) p->webhook[0] = '\0';
}

/* Records, tokens and the journal back to the start; 0 when it is gone. */
static inline int portal_reset(portal *p) {
  return write(p->ask, "r", 1) == 1 && hear(p);
}

static void portal_stop(portal *p) {
  (void)close(p->ask);
  (void)close(p->hear);
  if (p->process > 0) (void)waitpid(p->process, NULL, 0);
}

#endif
