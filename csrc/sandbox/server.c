/*
 * server.c - `bitrix24.sandbox.server`: start(options) -> server | nil, why;
 * closed_port() and blackhole(), see unreachable.h.
 * Invariant: the userdata exists, closed, before anything is acquired, and
 * owns everything afterwards, so that an error raised here leaks nothing. One
 * idempotent closer serves stop, __gc and __close.
 */
#define _POSIX_C_SOURCE 200809L

#include <lauxlib.h>
#include <lua.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "cert.h"
#include "http.h"
#include "state.h"
#include "unreachable.h"

#if defined(__GNUC__)
#define EXPORTED __attribute__((visibility("default")))
#else
#define EXPORTED
#endif

#define SERVER "bitrix24.sandbox.server"
#define BODY_MAX_BYTES ((lua_Integer)64 * 1024 * 1024)

typedef struct server {
  b24s_state *state;
  b24s_http *http;
  b24s_cert cert;
  b24s_text answer; /* of the last control call */
  pid_t owner;      /* a forked child has the memory but not the threads */
} server;

static void server_close(server *s) {
  if (s->owner != getpid()) return;
  b24s_http_stop(s->http);
  s->http = NULL;
  b24s_state_free(s->state);
  s->state = NULL;
  b24s_cert_dispose(&s->cert);
  b24s_text_clear(&s->answer);
}

static server *check_server(lua_State *L) {
  return luaL_checkudata(L, 1, SERVER);
}

static server *check_open(lua_State *L) {
  server *s = check_server(L);
  if (s->http == NULL) luaL_error(L, "the sandbox is stopped");
  return s;
}

static int server_stop(lua_State *L) {
  server_close(check_server(L));
  return 0;
}

static int server_port(lua_State *L) {
  lua_pushinteger(L, b24s_http_port(check_open(L)->http));
  return 1;
}

/* sent() -> bytes of broken answers that went out so far */
static int server_sent(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)b24s_http_sent(check_open(L)->http));
  return 1;
}

static int server_ca_file(lua_State *L) {
  lua_pushstring(L, check_open(L)->cert.file.bytes); /* nil without TLS */
  return 1;
}

/* control(text) -> text | nil, why */
static int server_control(lua_State *L) {
  server *s = check_open(L);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  int done;
  b24s_text_clear(&s->answer);
  done = b24s_state_control(s->state, text, length, &s->answer);
  if (!done) lua_pushnil(L);
  lua_pushlstring(L, s->answer.bytes == NULL ? "" : s->answer.bytes,
                  s->answer.length);
  return done ? 1 : 2;
}

static const char *text_option(lua_State *L, const char *name) {
  if (lua_getfield(L, 1, name) != LUA_TSTRING)
    luaL_error(L, "option '%s' must be a string", name);
  return lua_tostring(L, -1); /* anchored on the stack */
}

static lua_Integer integer_option(lua_State *L, const char *name,
                                  lua_Integer otherwise, lua_Integer max) {
  lua_Integer value = otherwise;
  int exact = 1;
  if (lua_getfield(L, 1, name) != LUA_TNIL)
    value = lua_tointegerx(L, -1, &exact);
  if (!exact || value < 0 || value > max)
    luaL_error(L, "option '%s' is out of range", name);
  return value; /* left on the stack */
}

/*
 * start{ path=, cpath=, chunk=, options=, port=, tls=, body_max= }
 * Stack of the options: each stays where it was pushed until the end.
 */
static int server_start(lua_State *L) {
  b24s_http_options options;
  char problem[1024] = "";
  const char *path, *cpath, *chunk, *text, *why = NULL;
  int tls;
  server *s;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstack(L, 12, NULL);
  path = text_option(L, "path");
  cpath = text_option(L, "cpath");
  chunk = text_option(L, "chunk");
  text = text_option(L, "options");
  lua_getfield(L, 1, "tls");
  tls = lua_toboolean(L, -1);
  options.port = (unsigned short)integer_option(L, "port", 0, 65535);
  options.body_max_bytes = (size_t)integer_option(
      L, "body_max", BODY_MAX_BYTES, (lua_Integer)1 << 31);
  s = lua_newuserdatauv(L, sizeof *s, 0);
  memset(s, 0, sizeof *s);
  s->owner = getpid();
  luaL_setmetatable(L, SERVER);
  if (tls) why = b24s_cert_make(&s->cert);
  if (why == NULL) {
    s->state =
        b24s_state_new(path, cpath, chunk, text, problem, sizeof problem);
    if (s->state == NULL) why = problem;
  }
  options.cert = tls ? &s->cert : NULL;
  if (why == NULL) s->http = b24s_http_start(s->state, &options, &why);
  if (s->http != NULL) return 1;
  server_close(s);
  lua_pushnil(L);
  lua_pushstring(L, why);
  return 2;
}

static const luaL_Reg methods[] = {{"stop", server_stop},
                                   {"port", server_port},
                                   {"sent", server_sent},
                                   {"ca_file", server_ca_file},
                                   {"control", server_control},
                                   {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", server_stop}, {"__close", server_stop}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"start", server_start},
    {"closed_port", b24s_unreachable_closed},
    {"blackhole", b24s_unreachable_blackhole},
    {NULL, NULL}};

EXPORTED int luaopen_bitrix24_sandbox_server(lua_State *L);

int luaopen_bitrix24_sandbox_server(lua_State *L) {
  luaL_newmetatable(L, SERVER);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  b24s_unreachable_open(L);
  luaL_newlib(L, functions);
  return 1;
}
