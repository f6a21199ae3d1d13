/*
 * lockfile.c - locks of the open file description where there are any: the
 * kernel takes them back when their holder dies, threads exclude each other
 * too, and closing another descriptor of the file does not drop them, as with
 * classic record locks. Byte 0 is the file's, the next are the places'.
 *
 * Elsewhere flock does for the file, and the process's number for a place.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* F_OFD_SETLK */
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE /* flock */
#endif

#include "lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/types.h>

#if defined(F_OFD_SETLK)

static int command(int fd, int what, short type, off_t at, short *found) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = at;
  lock.l_len = 1;
  if (fcntl(fd, what, &lock) != 0) return 0;
  if (found != NULL) *found = lock.l_type;
  return 1;
}

int b24__lockfile_try(int fd) {
  return command(fd, F_OFD_SETLK, F_WRLCK, 0, NULL);
}

void b24__lockfile_unlock(int fd) {
  (void)command(fd, F_OFD_SETLK, F_UNLCK, 0, NULL);
}

int b24__lockfile_is_taken(int fd, int place, int32_t pid) {
  short found = F_WRLCK;
  (void)pid;
  (void)command(fd, F_OFD_GETLK, F_WRLCK, 1 + (off_t)place, &found);
  return found != F_UNLCK;
}

int b24__lockfile_take(int fd, int place) {
  return command(fd, F_OFD_SETLK, F_WRLCK, 1 + (off_t)place, NULL);
}

void b24__lockfile_leave(int fd, int place) {
  (void)command(fd, F_OFD_SETLK, F_UNLCK, 1 + (off_t)place, NULL);
}

#else

int b24__lockfile_try(int fd) {
  if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 1;
  if (errno == EWOULDBLOCK) errno = EAGAIN;
  return 0;
}

void b24__lockfile_unlock(int fd) { (void)flock(fd, LOCK_UN); }

int b24__lockfile_is_taken(int fd, int place, int32_t pid) {
  (void)fd;
  (void)place;
  return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno != ESRCH);
}

int b24__lockfile_take(int fd, int place) {
  (void)fd;
  (void)place;
  return 1;
}

void b24__lockfile_leave(int fd, int place) {
  (void)fd;
  (void)place;
}

#endif
