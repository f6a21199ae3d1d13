/*
 * pipe.c - older TLS back ends write to sockets that the peer closed. A
 * library must not change the process's handlers, so SIGPIPE is blocked in
 * this thread while libcurl runs, and one that came meanwhile is taken away.
 */
#include "pipe.h"

void b24__pipe_enter(b24_pipe_guard *guard) {
  sigset_t set;
  sigset_t pending;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  sigpending(&pending);
  guard->was_pending = sigismember(&pending, SIGPIPE) == 1;
  (void)pthread_sigmask(SIG_BLOCK, &set, &guard->old);
}

void b24__pipe_leave(const b24_pipe_guard *guard) {
  sigset_t pending;
  if (!guard->was_pending) {
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) == 1) {
      sigset_t set;
      int taken = 0;
      sigemptyset(&set);
      sigaddset(&set, SIGPIPE);
      (void)sigwait(&set, &taken);
    }
  }
  (void)pthread_sigmask(SIG_SETMASK, &guard->old, NULL);
}
