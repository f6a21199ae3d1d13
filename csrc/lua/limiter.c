/*
 * limiter.c - a limiter file as a userdata: what the option `limiter` takes.
 * It is made with a path alone and opened by the first client, whose limits
 * are the file's; clients with the same limits then share it.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lb24.h"
#include "limiter.h"

#define LIMITER "bitrix24.core.limiter"
#define LONGEST_FOLDER 4096

/* User value 1: the path. */
typedef struct shared {
  b24_limiter *limiter; /* NULL = not open */
  double rate, burst;
} shared;

/* Push `path` as seen from the root [-0, +1], or nil, kind, message
 * [-0, +3]: the program may change its folder. */
static int push_absolute(lua_State *L, const char *path) {
  luaL_Buffer b;
  const char *folder;
  if (path[0] == '/') {
    lua_pushstring(L, path);
    return 1;
  }
  folder = getcwd(luaL_buffinitsize(L, &b, LONGEST_FOLDER), LONGEST_FOLDER);
  if (folder == NULL) {
    int code = errno;
    luaL_pushresult(&b);
    lua_pushnil(L);
    lua_pushliteral(L, "config");
    lua_pushfstring(L, "where am I? %s", strerror(code));
    return 3;
  }
  luaL_addsize(&b, strlen(folder));
  luaL_addchar(&b, '/');
  luaL_addstring(&b, path);
  luaL_pushresult(&b);
  return 1;
}

/* file(path) -> limiter | nil, kind, message */
static int limiter_file(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  shared *self;
  lua_settop(L, 1);
  if (length == 0 || strlen(path) != length) {
    lua_pushnil(L);
    lua_pushliteral(L, "config");
    lua_pushliteral(L, "a path is not empty and has no zero byte in it");
    return 3;
  }
  self = lua_newuserdatauv(L, sizeof *self, 1); /* path, limiter */
  self->limiter = NULL;
  luaL_setmetatable(L, LIMITER);
  if (push_absolute(L, path) != 1) return 3;
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static int same(const shared *self, double rate, double burst) {
  return self->limiter != NULL && !(self->rate < rate) &&
         !(self->rate > rate) && !(self->burst < burst) &&
         !(self->burst > burst);
}

b24_kind lb24_limiter_get(lua_State *L, int index, b24_options *options,
                          b24_error *err) {
  shared *self = luaL_testudata(L, index, LIMITER);
  const char *path;
  b24_kind kind;
  if (self == NULL) {
    memset(err, 0, sizeof *err);
    err->kind = B24_CONFIG;
    (void)snprintf(err->message, sizeof err->message,
                   "connect: option 'limiter' must be what "
                   "bitrix24.limiter_file(path) returned");
    return err->kind;
  }
  if (!same(self, options->rate, options->burst)) {
    b24_limiter *old = self->limiter;
    self->limiter = NULL;
    b24_limiter_free(old); /* clients that have it keep it */
    self->rate = options->rate;
    self->burst = options->burst;
    lua_getiuservalue(L, index, 1);
    path = lua_tostring(L, -1);
    kind = b24_limiter_open(&self->limiter, options->alloc, path, self->rate,
                            self->burst, err);
    lua_pop(L, 1);
    if (kind != B24_OK) return kind;
  }
  options->limiter = self->limiter;
  return B24_OK;
}

static int limiter_gc(lua_State *L) {
  shared *self = luaL_checkudata(L, 1, LIMITER);
  b24_limiter *limiter = self->limiter;
  self->limiter = NULL;
  b24_limiter_free(limiter);
  return 0;
}

static int limiter_tostring(lua_State *L) {
  (void)luaL_checkudata(L, 1, LIMITER);
  lua_getiuservalue(L, 1, 1);
  lua_pushfstring(L, "bitrix24.limiter_file (%s)", lua_tostring(L, -1));
  return 1;
}

/* is_limiter(value) -> boolean */
static int is_limiter(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, luaL_testudata(L, 1, LIMITER) != NULL);
  return 1;
}

int lb24_open_limiter(lua_State *L) {
  static const luaL_Reg meta[] = {
      {"__gc", limiter_gc}, {"__tostring", limiter_tostring}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"file", limiter_file}, {"is_limiter", is_limiter}, {NULL, NULL}};
  luaL_newmetatable(L, LIMITER);
  luaL_setfuncs(L, meta, 0);
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
