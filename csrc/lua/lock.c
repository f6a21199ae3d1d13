/*
 * lock.c - a lock between processes, and between the states and threads of
 * one: flock on a file of its own. It ends with its userdata or its process,
 * however that ends; the file stays, because removing it would let two
 * processes lock two files of one name.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb24.h"

#define LOCK "bitrix24.core.lock"
#define LONGEST_SLEEP_MS 1000000
/* So often nobody takes a file away: then the file system's numbers change. */
#define OPENED_MAX 1000

typedef struct lock {
  int fd; /* -1 = released */
  int64_t process; /* who took it; a forked child has the descriptor too */
} lock;

/* Is what was locked still what `path` names? Who had the lock before may have
 * renamed or removed the file between our opening and locking it. */
static int is_at(int fd, const char *path) {
  struct stat locked, there;
  return fstat(fd, &locked) == 0 && stat(path, &there) == 0 &&
         locked.st_dev == there.st_dev && locked.st_ino == there.st_ino;
}

/* lock(path) -> lock | false when somebody has it | nil, message */
int lb24_lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lock *self = lua_newuserdatauv(L, sizeof *self, 0);
  int code;
  self->fd = -1;
  self->process = (int64_t)getpid();
  luaL_setmetatable(L, LOCK);
  for (int i = 1;; i++) {
    self->fd = open(path, O_CREAT | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (self->fd < 0 || flock(self->fd, LOCK_EX | LOCK_NB) != 0) break;
    if (is_at(self->fd, path) || i == OPENED_MAX) return 1;
    (void)close(self->fd);
  }
  code = errno;
  if (self->fd >= 0 && (code == EWOULDBLOCK || code == EINTR)) {
    (void)close(self->fd);
    self->fd = -1;
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(code));
  return 2;
}

/* Closing alone would leave it with a child that was forked meanwhile; and
 * a child may not give away what is its parent's. */
static int lock_release(lua_State *L) {
  lock *self = luaL_checkudata(L, 1, LOCK);
  int fd = self->fd;
  self->fd = -1;
  if (fd < 0) return 0;
  if (self->process == (int64_t)getpid()) (void)flock(fd, LOCK_UN);
  (void)close(fd);
  return 0;
}

int lb24_sleep(lua_State *L) {
  lua_Number seconds = luaL_checknumber(L, 1);
  if (seconds > 0)
    (void)poll(NULL, 0,
               seconds * 1000 > LONGEST_SLEEP_MS ? LONGEST_SLEEP_MS
                                                 : (int)(seconds * 1000));
  return 0;
}

void lb24_lock_register(lua_State *L) {
  static const luaL_Reg methods[] = {{"release", lock_release}, {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", lock_release}, {"__close", lock_release}, {NULL, NULL}};
  luaL_newmetatable(L, LOCK);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
