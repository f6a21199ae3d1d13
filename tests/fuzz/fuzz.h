/*
 * fuzz.h - what the targets in C share. A target is a file with one function
 * LLVMFuzzerTestOneInput: fuzz.sh links it with libFuzzer, where a check that
 * fails aborts; tests/c/fuzz_replay_test.c feeds it the corpus, where it is
 * counted.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FUZZ_CHECK
#define FUZZ_CHECK(cond)                                                   \
  do {                                                                     \
    if (!(cond)) {                                                         \
      (void)fprintf(stderr, "%s:%d: %s is false\n", __FILE__, __LINE__,    \
                    #cond);                                                \
      abort();                                                             \
    }                                                                      \
  } while (0)
#endif

/* The corpora hold it where a password would be. */
#define FUZZ_SECRET "Xq7s3cr3tW0rd"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next line as a string of its own, without its end; "" when there is
 * none. `*data` moves behind it. Free it. */
static inline char *fuzz_line(const uint8_t **data, size_t *size) {
  const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
  size_t length = end != NULL ? (size_t)(end - *data) : *size;
  char *line = malloc(length + 1);
  if (line == NULL) abort();
  if (length > 0) memcpy(line, *data, length);
  line[length] = '\0';
  if (end != NULL) length++;
  *data += length;
  *size -= length;
  return line;
}

/* The next byte, 0 when there is none. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size) {
  if (*size == 0) return 0;
  (*size)--;
  return *(*data)++;
}

#endif
