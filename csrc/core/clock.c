/*
 * clock.c - the only file that reads a clock, behind a seam that tests
 * replace with virtual time.
 */
#include "clock.h"

#include <time.h>

static int64_t read_ms(clockid_t which) {
  struct timespec now = {0, 0};
  (void)clock_gettime(which, &now);
  return (int64_t)now.tv_sec * 1000 + (int64_t)now.tv_nsec / 1000000;
}

static int64_t system_mono_ms(void *ud) {
  (void)ud;
  return read_ms(CLOCK_MONOTONIC);
}

static int64_t system_unix_ms(void *ud) {
  (void)ud;
  return read_ms(CLOCK_REALTIME);
}

const b24_clock *b24__clock_default(void) {
  static const b24_clock system = {system_mono_ms, system_unix_ms, NULL};
  return &system;
}
