/*
 * unit.h - the harness of the C unit tests: checks are counted, a failed one
 * prints where, and the last line is `N passed, M failed` (N tests, not
 * checks), which tests/run adds up.
 */
#ifndef UNIT_H
#define UNIT_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int unit_passed, unit_failed, unit_bad;

#define TEST(name) static void name(void)

#define RUN(name)                                    \
  do {                                               \
    unit_bad = 0;                                    \
    name();                                          \
    if (unit_bad > 0) {                              \
      unit_failed++;                                 \
      printf("not ok %s: %s\n", __FILE__, #name);    \
    } else {                                         \
      unit_passed++;                                 \
    }                                                \
  } while (0)

#define CHECK(cond)                                                        \
  do {                                                                     \
    if (!(cond)) {                                                         \
      unit_bad++;                                                          \
      printf("%s:%d: %s is false\n", __FILE__, __LINE__, #cond);           \
    }                                                                      \
  } while (0)

#define CHECK_INT(got, want)                                               \
  do {                                                                     \
    int64_t unit_got = (int64_t)(got), unit_want = (int64_t)(want);        \
    if (unit_got != unit_want) {                                           \
      unit_bad++;                                                          \
      printf("%s:%d: %s is %" PRId64 ", not %" PRId64 "\n", __FILE__,      \
             __LINE__, #got, unit_got, unit_want);                         \
    }                                                                      \
  } while (0)

#define CHECK_STR(got, want)                                               \
  do {                                                                     \
    const char *unit_got = (got), *unit_want = (want);                     \
    if (unit_got == NULL || strcmp(unit_got, unit_want) != 0) {            \
      unit_bad++;                                                          \
      printf("%s:%d: %s is \"%s\", not \"%s\"\n", __FILE__, __LINE__,      \
             #got, unit_got == NULL ? "(null)" : unit_got, unit_want);     \
    }                                                                      \
  } while (0)

static int unit_report(void) {
  printf("%d passed, %d failed\n", unit_passed, unit_failed);
  return unit_failed == 0 ? 0 : 1;
}

#endif
