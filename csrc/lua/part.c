/*
 * part.c - the file a download is written to before it is whole. Invariant:
 * the name that the script asked for appears complete or not at all, and a
 * part that is not committed is removed, by the process that made it. Nothing
 * is buffered: a forked child would write that out a second time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb24.h"

#define NAMES_TRIED 100

/* Remember why, for who is told that the transfer ended; returns -1. */
static int fail(lb24_part *part) {
  part->failed = errno;
  return -1;
}

static int part_restart(void *ud) {
  lb24_part *part = ud;
  part->bytes = 0;
  part->failed = 0;
  if (part->file == NULL) return -1;
  if (fflush(part->file) != 0 || ftruncate(fileno(part->file), 0) != 0 ||
      fseek(part->file, 0, SEEK_SET) != 0)
    return fail(part);
  return 0;
}

static int part_write(void *ud, const void *bytes, size_t size) {
  lb24_part *part = ud;
  if (part->file == NULL) return -1;
  if (fwrite(bytes, 1, size, part->file) != size) return fail(part);
  part->bytes += (int64_t)size;
  return 0;
}

int lb24_is_replaceable(const char *path) {
  struct stat about;
  if (stat(path, &about) != 0 || S_ISREG(about.st_mode)) return 1;
  errno = S_ISDIR(about.st_mode) ? EISDIR : ENOTSUP;
  return 0;
}

int lb24_open_beside(lua_State *L, const char *path) {
  if (!lb24_is_replaceable(path)) {
    int code = errno;
    lua_pushstring(L, path);
    errno = code;
    return -1;
  }
  for (int i = 0;; i++) {
    const char *name = lua_pushfstring(L, "%s.part%d", path, i);
    int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0 || errno != EEXIST) return fd;
    lua_pop(L, 1);
    if (i + 1 == NAMES_TRIED) break;
  }
  /* so many were left by programs that were killed: the first is used again */
  return open(lua_pushfstring(L, "%s.part0", path),
              O_TRUNC | O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
}

int lb24_part_open(lua_State *L, lb24_part *part, const char *path) {
  int fd = lb24_open_beside(L, path);
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
  (void)setvbuf(part->file, NULL, _IONBF, 0);
  part->process = (int64_t)getpid();
  part->bytes = 0;
  part->failed = 0;
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
  if (part->process == (int64_t)getpid()) (void)unlink(part->name);
}
