/*
 * wake.c - sleeping on a pipe.
 * Every sleeper polls the reading end; closing the writing end wakes them all
 * and stays visible to those who come later, so no flag and no lock is needed.
 */
#define _GNU_SOURCE /* POLLRDHUP */

#include "wake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#ifndef POLLRDHUP
#define POLLRDHUP 0 /* elsewhere a client's leaving shows as POLLHUP */
#endif

#define POLL_MAX_MS 60000

int b24s_wake_open(b24s_wake *wake) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  wake->reader = ends[0];
  wake->writer = ends[1];
  return 1;
}

static double monotonic(void) {
  struct timespec at;
  (void)clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* Milliseconds to poll for, rounded up, so that no sleep ends early. */
static int poll_ms(double seconds_left) {
  if (seconds_left >= POLL_MAX_MS / 1000.0) return POLL_MAX_MS;
  return (int)(seconds_left * 1000.0) + 1;
}

/* Wait for an event of `socket`, its peer's leaving or the server's end. */
static b24s_woken await(const b24s_wake *wake, int socket, short event,
                        double seconds) {
  double end = monotonic() + seconds;
  struct pollfd watched[2];
  watched[0].fd = wake->reader;
  watched[0].events = POLLIN;
  watched[1].fd = socket; /* poll ignores -1 */
  watched[1].events = (short)(event | POLLRDHUP);
  for (;;) {
    double left = end - monotonic();
    if (seconds >= 0 && left <= 0) return B24S_SLEPT;
    watched[0].revents = watched[1].revents = 0;
    if (poll(watched, 2, seconds < 0 ? POLL_MAX_MS : poll_ms(left)) < 0 &&
        errno != EINTR)
      return B24S_STOPPED;
    if (watched[0].revents != 0) return B24S_STOPPED;
    if ((watched[1].revents & ~event) != 0) return B24S_LEFT;
    if (watched[1].revents != 0) return B24S_WRITABLE;
  }
}

b24s_woken b24s_wake_sleep(b24s_wake *wake, int socket, double seconds) {
  return await(wake, socket, 0, seconds);
}

b24s_woken b24s_wake_until_writable(b24s_wake *wake, int socket) {
  return await(wake, socket, POLLOUT, -1);
}

void b24s_wake_all(b24s_wake *wake) {
  if (wake->writer >= 0) (void)close(wake->writer);
  wake->writer = -1;
}

void b24s_wake_close(b24s_wake *wake) {
  b24s_wake_all(wake);
  if (wake->reader >= 0) (void)close(wake->reader);
  wake->reader = -1;
}
