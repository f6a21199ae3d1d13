/*
 * state.c - one lua_State under one mutex.
 * Invariant: the state is entered only with the mutex held and only through
 * lua_pcall, so that no Lua error reaches the frames of the HTTP server. What
 * Lua answers is copied into the caller's buffers inside the protected call;
 * they belong to the caller however the call ends.
 */
#define _POSIX_C_SOURCE 200809L

#include "state.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct b24s_state {
  lua_State *L;
  pthread_mutex_t lock;
};

/* Registry keys: their addresses. */
static const char handle_key, control_key;

/* helpers.now() -> seconds since 1970, with a fraction [-0, +1] */
static int helper_now(lua_State *L) {
  struct timespec at;
  (void)clock_gettime(CLOCK_REALTIME, &at);
  lua_pushnumber(L, (lua_Number)at.tv_sec + (lua_Number)at.tv_nsec / 1e9);
  return 1;
}

typedef struct boot_arguments {
  const char *path, *cpath, *chunk, *options;
} boot_arguments;

/* Message handler: the error with its traceback. [-1, +1] */
static int explain(lua_State *L) {
  const char *message = luaL_tolstring(L, 1, NULL);
  luaL_traceback(L, L, message, 1);
  return 1;
}

static int boot(lua_State *L) {
  const boot_arguments *a = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_getglobal(L, "package"); /* package */
  lua_pushstring(L, a->path);
  lua_setfield(L, -2, "path");
  lua_pushstring(L, a->cpath);
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 1);
  if (luaL_loadbufferx(L, a->chunk, strlen(a->chunk), "=sandbox", "t") !=
      LUA_OK)
    return lua_error(L);
  lua_pushstring(L, a->options);
  lua_createtable(L, 0, 1); /* chunk, options, helpers */
  lua_pushcfunction(L, helper_now);
  lua_setfield(L, -2, "now");
  lua_call(L, 2, 2); /* handle, control */
  luaL_checktype(L, -2, LUA_TFUNCTION);
  luaL_checktype(L, -1, LUA_TFUNCTION);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &control_key);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &handle_key);
  return 0;
}

/* Call `f` with one light argument, protected; 1 or 0 with the error on top. */
static int protected_call(lua_State *L, lua_CFunction f, void *argument) {
  lua_settop(L, 0);
  lua_pushcfunction(L, explain);
  lua_pushcfunction(L, f);
  lua_pushlightuserdata(L, argument);
  return lua_pcall(L, 1, 0, 1) == LUA_OK;
}

/* The error on top as text that needs no allocation. */
static const char *problem_text(lua_State *L) {
  return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1)
                                        : "not enough memory";
}

b24s_state *b24s_state_new(const char *path, const char *cpath,
                           const char *chunk, const char *options,
                           char *problem, size_t problem_size) {
  boot_arguments arguments = {path, cpath, chunk, options};
  b24s_state *state = calloc(1, sizeof *state);
  if (state == NULL) goto no_memory;
  state->L = luaL_newstate();
  if (state->L == NULL || pthread_mutex_init(&state->lock, NULL) != 0) {
    if (state->L != NULL) lua_close(state->L);
    goto no_memory;
  }
  if (!protected_call(state->L, boot, &arguments)) {
    (void)snprintf(problem, problem_size, "%s", problem_text(state->L));
    b24s_state_free(state);
    return NULL;
  }
  return state;

no_memory:
  (void)snprintf(problem, problem_size, "not enough memory");
  free(state);
  return NULL;
}

void b24s_state_free(b24s_state *state) {
  if (state == NULL) return;
  lua_close(state->L);
  (void)pthread_mutex_destroy(&state->lock);
  free(state);
}

static void copy_text(lua_State *L, b24s_text *to, int index, int item) {
  size_t length;
  const char *bytes = lua_tolstring(L, index, &length);
  if (bytes == NULL) return;
  if (item ? !b24s_text_add_item(to, bytes) : !b24s_text_add(to, bytes, length))
    luaL_error(L, "not enough memory");
}

/* Push the list of headers as a table, names in lower case. [-0, +1] */
static void push_headers(lua_State *L, const b24s_text *headers) {
  const char *at = headers->bytes;
  const char *end = at == NULL ? NULL : at + headers->length;
  lua_newtable(L);
  while (at != end) {
    const char *name = at, *value = name + strlen(name) + 1;
    luaL_Buffer lower;
    luaL_buffinit(L, &lower);
    for (; *name != '\0'; name++)
      luaL_addchar(&lower,
                   (char)(*name >= 'A' && *name <= 'Z' ? *name + 32 : *name));
    luaL_pushresult(&lower);
    lua_pushstring(L, value);
    lua_rawset(L, -3);
    at = value + strlen(value) + 1;
  }
}

typedef struct exchange {
  const b24s_request *request;
  b24s_reply *reply;
} exchange;

/* In the order of the enumerations. */
static const char *const transfers[] = {
    "whole", "reset", "cut", "reset_body", "length", "stall", "drip",
    "gzip_cut", "flood", "flood_length", "headers", "bomb", NULL};
static const char *const forgets[] = {"keep", "forget", "vanish", NULL};

/* Stack: status, headers (flat list), body, directives. */
static void read_reply(lua_State *L, b24s_reply *reply, int first) {
  lua_Integer i, count;
  reply->status = (int)luaL_checkinteger(L, first);
  luaL_checktype(L, first + 1, LUA_TTABLE);
  luaL_checktype(L, first + 3, LUA_TTABLE);
  count = luaL_len(L, first + 1);
  for (i = 1; i <= count - count % 2; i++) {
    lua_rawgeti(L, first + 1, i);
    if (lua_type(L, -1) != LUA_TSTRING)
      luaL_error(L, "header %d is not a string", (int)i);
    copy_text(L, &reply->headers, -1, 1);
    lua_pop(L, 1);
  }
  copy_text(L, &reply->body, first + 2, 0);
  lua_getfield(L, first + 3, "delay");
  reply->delay = lua_tonumber(L, -1);
  lua_getfield(L, first + 3, "every");
  reply->every = lua_tonumber(L, -1);
  lua_getfield(L, first + 3, "transfer");
  reply->transfer = (b24s_transfer)luaL_checkoption(L, -1, "whole", transfers);
  lua_getfield(L, first + 3, "forget");
  reply->forget = (b24s_forget)luaL_checkoption(L, -1, "keep", forgets);
}

static int handle(lua_State *L) {
  const exchange *x = lua_touserdata(L, 1);
  const b24s_request *request = x->request;
  luaL_checkstack(L, 16, NULL);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &handle_key);
  lua_pushstring(L, request->method);
  lua_pushstring(L, request->uri);
  push_headers(L, &request->headers);
  lua_pushlstring(L, request->body.bytes == NULL ? "" : request->body.bytes,
                  request->body.length);
  lua_call(L, 4, 4);
  read_reply(L, x->reply, lua_gettop(L) - 3);
  return 0;
}

void b24s_reply_dispose(b24s_reply *reply) {
  b24s_text_clear(&reply->headers);
  b24s_text_clear(&reply->body);
}

void b24s_state_handle(b24s_state *state, const b24s_request *request,
                       b24s_reply *reply) {
  exchange x = {request, reply};
  int done;
  (void)pthread_mutex_lock(&state->lock);
  done = protected_call(state->L, handle, &x);
  lua_settop(state->L, 0);
  (void)pthread_mutex_unlock(&state->lock);
  if (done && reply->status >= 100 && reply->status <= 999) return;
  b24s_reply_dispose(reply);
  memset(reply, 0, sizeof *reply);
  reply->status = 500;
}

typedef struct control_arguments {
  const char *text;
  size_t length;
  b24s_text *answer;
} control_arguments;

static int control(lua_State *L) {
  const control_arguments *a = lua_touserdata(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &control_key);
  lua_pushlstring(L, a->text, a->length);
  lua_call(L, 1, 1);
  luaL_checktype(L, -1, LUA_TSTRING);
  copy_text(L, a->answer, -1, 0);
  return 0;
}

int b24s_state_control(b24s_state *state, const char *text, size_t length,
                       b24s_text *answer) {
  control_arguments arguments = {text, length, answer};
  int done;
  (void)pthread_mutex_lock(&state->lock);
  done = protected_call(state->L, control, &arguments);
  if (!done) {
    const char *problem = problem_text(state->L);
    b24s_text_clear(answer);
    (void)b24s_text_add(answer, problem, strlen(problem));
  }
  lua_settop(state->L, 0);
  (void)pthread_mutex_unlock(&state->lock);
  return done;
}
