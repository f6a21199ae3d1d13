/*
 * lockfile.h - who may touch a shared file, and who is still there: one lock
 * for the file, and one for each place in it. They end with the process that
 * has them, however it ends, or when its descriptor is closed.
 */
#ifndef B24_CORE_LOCKFILE_H
#define B24_CORE_LOCKFILE_H

#include <stdint.h>

/* The lock of the file, without waiting; 0 and errno when it is not to be
 * had (EAGAIN, EACCES: somebody else has it). */
int b24__lockfile_try(int fd);
void b24__lockfile_unlock(int fd);

/* Is somebody else at the place? `pid` is who wrote himself there. */
int b24__lockfile_is_taken(int fd, int place, int32_t pid);

/* Be at a place, until it is left or the descriptor is closed. Whoever calls
 * these has the lock of the file. */
int b24__lockfile_take(int fd, int place);
void b24__lockfile_leave(int fd, int place);

#endif
