/* pipe.h - no SIGPIPE reaches the host while libcurl runs. */
#ifndef B24_CORE_PIPE_H
#define B24_CORE_PIPE_H

#include <pthread.h>
#include <signal.h>

typedef struct b24_pipe_guard {
  sigset_t old;
  int was_pending;
} b24_pipe_guard;

/* Enter before libcurl, leave after it, in the same thread. */
void b24__pipe_enter(b24_pipe_guard *guard);
void b24__pipe_leave(const b24_pipe_guard *guard);

#endif
