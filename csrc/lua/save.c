/*
 * save.c - small files that must survive a crash: written beside, brought to
 * the disk, renamed. Invariant: after a kill at any moment the path holds the
 * old text or the new one, whole. A private file, one with tokens in it, is
 * its owner's alone from its first byte on.
 */
#define _DEFAULT_SOURCE 1 /* realpath */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../core/alloc.h"
#include "lb24.h"

/* What a private file may grow by without new room on the disk. */
#define SPARE_BYTES 4096

/* A pair of tokens is smaller. */
#define LEFT_MAX 16384

/* Write all of it; 0, or errno. */
static int write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes += written;
    size -= (size_t)written;
  }
  return 0;
}

/* Write all of it and bring it to the disk; 0, or errno. */
static int write_through(int fd, const char *bytes, size_t size) {
  int code = write_all(fd, bytes, size);
  return code == 0 && fsync(fd) != 0 ? errno : code;
}

/* Bring the renaming to the disk. Where a folder cannot be opened or synced,
 * the renaming itself still is whole. */
static void sync_folder_of(lua_State *L, const char *path) {
  const char *slash = strrchr(path, '/');
  const char *folder = ".";
  int fd;
  if (slash == path)
    folder = "/";
  else if (slash != NULL)
    folder = lua_pushlstring(L, path, (size_t)(slash - path));
  fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  (void)close(fd);
}

int lb24_push_outcome(lua_State *L, const char *path, int code) {
  if (code == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(code));
  return 2;
}

int lb24_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  const char *beside;
  int code;
  int fd = lb24_open_beside(L, path);
  beside = lua_tostring(L, -1);
  code = fd < 0 ? errno : write_through(fd, bytes, size);
  if (fd >= 0 && close(fd) != 0 && code == 0) code = errno;
  if (code == 0 && rename(beside, path) != 0) code = errno;
  if (code != 0 && fd >= 0) (void)unlink(beside);
  if (code == 0) sync_folder_of(L, path);
  return lb24_push_outcome(L, path, code);
}

/* ---- private files ------------------------------------------------------- */

int lb24_real_path(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  char found[PATH_MAX];
  if (realpath(path, found) != NULL)
    lua_pushstring(L, found);
  else
    lua_pushvalue(L, 1);
  return 1;
}

/* Open PATH.new, whatever an earlier run left of it: who writes holds the
 * lock. */
static int open_private(const char *path, const char *beside) {
  int fd;
  if (!lb24_is_replaceable(path)) return -1;
  fd = open(beside, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd >= 0 && fchmod(fd, 0600) != 0) {
    int code = errno;
    (void)close(fd);
    errno = code;
    return -1;
  }
  return fd;
}

/* Of a call that failed just now; never 0. */
static int last_error(void) { return errno != 0 ? errno : EIO; }

int lb24_reserve(lua_State *L) {
  static const char zeros[256] = {0};
  const char *path = luaL_checkstring(L, 1);
  lua_Integer bytes = luaL_checkinteger(L, 2);
  const char *beside = lua_pushfstring(L, "%s.new", path);
  int fd = open_private(path, beside);
  int code = fd < 0 ? last_error() : 0;
  for (bytes += SPARE_BYTES; code == 0 && bytes > 0; bytes -= 256)
    code = write_all(fd, zeros, sizeof zeros);
  if (code == 0 && fsync(fd) != 0) code = errno;
  if (fd >= 0 && close(fd) != 0 && code == 0) code = errno;
  if (code != 0 && fd >= 0) (void)unlink(beside);
  return lb24_push_outcome(L, path, code);
}

int lb24_save_private(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  const char *beside = lua_pushfstring(L, "%s.new", path);
  int fd = open_private(path, beside);
  int code = fd < 0 ? last_error() : write_all(fd, bytes, size);
  if (code == 0 && ftruncate(fd, (off_t)size) != 0) code = errno;
  if (code == 0 && fsync(fd) != 0) code = errno;
  if (fd >= 0 && close(fd) != 0 && code == 0) code = errno;
  if (code == 0 && rename(beside, path) != 0) code = errno;
  if (code == 0) sync_folder_of(L, path);
  return lb24_push_outcome(L, path, code);
}

/* Is this a file that save_private made for this user? In a folder where
 * others may write it could be theirs. */
static int is_ours(int fd) {
  struct stat about;
  return fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
         about.st_uid == geteuid() &&
         (about.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

int lb24_left_private(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  const char *beside = lua_pushfstring(L, "%s.new", path);
  char *bytes = lua_newuserdatauv(L, LEFT_MAX + 1, 0);
  size_t size = 0;
  ssize_t got = -1;
  int fd = open(beside, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0 && is_ours(fd)) {
    while ((got = read(fd, bytes + size, LEFT_MAX - size)) != 0) {
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) break;
      size += (size_t)got;
    }
  }
  if (fd >= 0) (void)close(fd);
  if (got != 0) return 0;
  bytes[size] = '\0';
  lua_pushstring(L, bytes); /* the zeros behind it are reserved room */
  b24__wipe(bytes, size);
  return 1;
}
