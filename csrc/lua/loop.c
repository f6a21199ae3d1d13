/*
 * loop.c - a client driven by the script's event loop. The core tells of
 * sockets and of its timer while no Lua can be called; here they are noted,
 * and the script fetches them.
 *
 * Invariant: there is one note for a socket, and what it says is how the
 * socket is to be watched now; `anew` if it was closed in between.
 */
#include "lb24.h"

#include <string.h>

#include "clock.h"

static lb24_client *check_client(lua_State *L) {
  return luaL_checkudata(L, 1, LB24_CLIENT);
}

/* Memory for what changes between two looks: notes are by descriptor, and a
 * number that is free again is given to the next socket. */
static void make_room(lua_State *L, lb24_client *self) {
  int room = 4 * self->connections + 16;
  if (self->changes != NULL) return;
  self->changes =
      lua_newuserdatauv(L, (size_t)room * sizeof *self->changes, 0);
  self->change_room = room;
  lua_setiuservalue(L, 1, 2);
}

static void on_watch(void *ud, int fd, int what) {
  lb24_client *self = ud;
  lb24_change *note = NULL;
  for (int i = 0; i < self->change_count && note == NULL; i++)
    if (self->changes[i].fd == fd) note = &self->changes[i];
  if (note == NULL) {
    if (self->change_count == self->change_room) {
      self->lost = 1;
      return;
    }
    note = &self->changes[self->change_count++];
    note->fd = fd;
    note->anew = 0;
  }
  note->what = what;
  if (what == 0) note->anew = 1;
}

static void on_timer(void *ud, int64_t ms) {
  lb24_client *self = ud;
  self->timer_ms = ms;
  self->timer_changed = 1;
}

/* loop_attach(on) -> true | nil, kind, message */
int lb24_loop_attach(lua_State *L) {
  lb24_client *self = check_client(L);
  b24_loop loop;
  b24_error err;
  if (self->client == NULL) luaL_argerror(L, 1, "a closed client");
  make_room(L, self);
  loop.watch = on_watch;
  loop.timer = on_timer;
  loop.ud = self;
  if (b24_loop_attach(self->client, lua_toboolean(L, 2) ? &loop : NULL,
                      &err) != B24_OK)
    return lb24_push_failure(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* loop_act(fd, what) -> true | nil, kind, message; fd -1: time, or a change */
int lb24_loop_act(lua_State *L) {
  lb24_client *self = check_client(L);
  lua_Integer fd = luaL_checkinteger(L, 2);
  lua_Integer what = luaL_checkinteger(L, 3);
  b24_error err;
  if (self->client != NULL &&
      b24_loop_act(self->client, (int)fd, (int)what, &err) != B24_OK)
    return lb24_push_failure(L, &err);
  lua_pushboolean(L, 1);
  return 1;
}

/* loop_next() -> request | nil */
int lb24_loop_next(lua_State *L) {
  lb24_client *self = check_client(L);
  b24_request *request;
  if (self->client == NULL) return 0;
  request = b24_loop_next(self->client);
  if (request == NULL) return 0;
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, request);
  return 1;
}

static void push_change(lua_State *L, int fd, int what) {
  lua_pushinteger(L, fd);
  lua_pushinteger(L, what);
}

/* loop_changes() -> timer, fd, what, fd, what, ...: in how many seconds to
 * act, false = not at all, nil = as before; what as 1 (read) + 2 (write) */
int lb24_loop_changes(lua_State *L) {
  lb24_client *self = check_client(L);
  int count = self->change_count;
  int top;
  if (self->lost) {
    self->lost = 0;
    return luaL_error(L, "too many sockets changed at once");
  }
  luaL_checkstack(L, 4 * count + 1, NULL);
  if (!self->timer_changed)
    lua_pushnil(L);
  else if (self->timer_ms < 0)
    lua_pushboolean(L, 0);
  else
    lua_pushnumber(L, (lua_Number)self->timer_ms / 1000);
  self->timer_changed = 0;
  self->change_count = 0;
  top = lua_gettop(L);
  for (int i = 0; i < count; i++) {
    const lb24_change *note = &self->changes[i];
    if (note->anew) push_change(L, note->fd, 0);
    if (note->what != 0) push_change(L, note->fd, note->what);
  }
  return lua_gettop(L) - top + 1;
}

/* now() -> seconds of a clock that never goes back */
int lb24_now(lua_State *L) {
  const b24_clock *clock = b24__clock_default();
  lua_pushnumber(L, (lua_Number)clock->mono_ms(clock->ud) / 1000);
  return 1;
}
