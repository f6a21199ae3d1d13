/*
 * part.c - the file a download is written to before it is whole, and small
 * files that must survive a crash. Invariant: the name that the script asked
 * for appears complete or not at all, and a part that is not committed is
 * removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lb24.h"

#define NAMES_TRIED 100

static int part_restart(void *ud) {
  lb24_part *part = ud;
  part->bytes = 0;
  if (part->file == NULL || fflush(part->file) != 0) return -1;
  if (ftruncate(fileno(part->file), 0) != 0) return -1;
  return fseek(part->file, 0, SEEK_SET);
}

static int part_write(void *ud, const void *bytes, size_t size) {
  lb24_part *part = ud;
  if (part->file == NULL || fwrite(bytes, 1, size, part->file) != size)
    return -1;
  part->bytes += (int64_t)size;
  return 0;
}

/* Create a file of a name that nobody has, beside `path`, and push the name
 * [-0, +1]; -1 and errno when that fails. */
static int open_beside(lua_State *L, const char *path) {
  for (int i = 0;; i++) {
    const char *name = lua_pushfstring(L, "%s.part%d", path, i);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST || i + 1 == NAMES_TRIED) return fd;
    lua_pop(L, 1);
  }
}

int lb24_part_open(lua_State *L, lb24_part *part, const char *path) {
  int fd = open_beside(L, path);
  if (fd < 0) {
    int code = errno;
    lua_pushfstring(L, "cannot write beside %s: %s", path, strerror(code));
    lua_remove(L, -2);
    return 0;
  }
  part->name = (char *)(uintptr_t)lua_tostring(L, -1);
  part->file = fdopen(fd, "wb");
  if (part->file == NULL) {
    int code = errno;
    (void)close(fd);
    (void)unlink(part->name);
    lua_pushstring(L, strerror(code));
    lua_remove(L, -2);
    return 0;
  }
  part->bytes = 0;
  part->sink.restart = part_restart;
  part->sink.write = part_write;
  part->sink.ud = part;
  return 1;
}

const char *lb24_part_commit(lb24_part *part, const char *path) {
  int failed;
  if (part->file == NULL) return "the download is not open";
  failed = fclose(part->file) != 0;
  part->file = NULL;
  if (!failed && rename(part->name, path) == 0) return NULL;
  failed = errno;
  (void)unlink(part->name);
  return strerror(failed);
}

void lb24_part_discard(lb24_part *part) {
  if (part->file == NULL) return;
  (void)fclose(part->file);
  part->file = NULL;
  (void)unlink(part->name);
}

/* ---- small files that must survive a crash ------------------------------- */

/* Write all of it and bring it to the disk; 0, or errno. */
static int write_through(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes += written;
    size -= (size_t)written;
  }
  return fsync(fd) == 0 ? 0 : errno;
}

/* Bring the renaming to the disk. Where a folder cannot be opened or synced,
 * the renaming itself still is whole. */
static void sync_folder(const char *folder) {
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  (void)close(fd);
}

int lb24_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  size_t size;
  const char *bytes = luaL_checklstring(L, 2, &size);
  const char *beside;
  const char *slash = strrchr(path, '/');
  const char *folder = ".";
  int code;
  int fd;
  if (slash == path)
    folder = "/";
  else if (slash != NULL)
    folder = lua_pushlstring(L, path, (size_t)(slash - path));
  fd = open_beside(L, path);
  beside = lua_tostring(L, -1);
  code = fd < 0 ? errno : write_through(fd, bytes, size);
  if (fd >= 0 && close(fd) != 0 && code == 0) code = errno;
  if (code == 0 && rename(beside, path) != 0) code = errno;
  if (code != 0) {
    if (fd >= 0) (void)unlink(beside);
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(code));
    return 2;
  }
  sync_folder(folder);
  lua_pushboolean(L, 1);
  return 1;
}
