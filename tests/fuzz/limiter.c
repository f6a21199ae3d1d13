/*
 * limiter.c - a fuzz target: the file in which processes share a budget, with
 * anything in it. The input is what to change in a good one, a line each:
 *
 *   4096 8 -1       at byte 4096, a number of 8 bytes (4, 2 or 1 as well)
 *   cut 100         the file ends there
 *   = text          the file is this text
 *
 * What follows an empty line is done while a program uses the file.
 */
#include "limiter.h"

#include <unistd.h>

#include "fuzz.h"

#define RATE 2
#define BURST 5
#define START_MS 7000000
#define FILE_MAX 8192
#define ROUNDS 40

static char limiter_path[] = "/tmp/b24-fuzz-limiter-XXXXXX";
static char good[FILE_MAX];
static size_t good_size;

static void remove_file(void) { (void)remove(limiter_path); }

static void write_file(const char *bytes, size_t size) {
  FILE *file = fopen(limiter_path, "wb");
  if (file == NULL) abort();
  if (size > 0 && fwrite(bytes, 1, size, file) != size) abort();
  (void)fclose(file);
}

static size_t read_file(char bytes[FILE_MAX]) {
  FILE *file = fopen(limiter_path, "rb");
  size_t size;
  if (file == NULL) abort();
  size = fread(bytes, 1, FILE_MAX, file);
  (void)fclose(file);
  return size;
}

/* A file as one process leaves it that had two requests out. */
static void make_good(void) {
  b24_limiter *limiter = NULL;
  int fd = mkstemp(limiter_path);
  if (fd < 0) abort();
  (void)close(fd);
  (void)atexit(remove_file);
  if (b24_limiter_open(&limiter, NULL, limiter_path, RATE, BURST, NULL) !=
      B24_OK)
    abort();
  for (int i = 0; i < BURST - 1; i++) {
    FUZZ_CHECK(b24_limiter_admit(limiter, START_MS) == 0);
    if (i < 2) b24_limiter_answered(limiter, START_MS + 10);
  }
  b24_limiter_free(limiter);
  good_size = read_file(good);
}

/* Carry out the lines up to an empty one. */
static void change(char *bytes, size_t *size, const uint8_t **data,
                   size_t *left) {
  while (*left > 0) {
    char *line = fuzz_line(data, left), *rest;
    long at = strtol(line, &rest, 10);
    long bytes_wide = strtol(rest, &rest, 10);
    long long number = strtoll(rest, NULL, 10);
    size_t length = strlen(line);
    int empty = length == 0;
    if (line[0] == '=') {
      *size = length - 1;
      memcpy(bytes, line + 1, *size);
    } else if (strncmp(line, "cut ", 4) == 0) {
      at = strtol(line + 4, NULL, 10);
      if (at >= 0 && (size_t)at < *size) *size = (size_t)at;
    } else if (at >= 0 && bytes_wide >= 1 && bytes_wide <= 8 &&
               (size_t)at + (size_t)bytes_wide <= *size) {
      memcpy(bytes + at, &number, (size_t)bytes_wide); /* little-endian */
    }
    free(line);
    if (empty) break;
  }
}

/* Send while it lets us: `bounded`, never more than the budget allows. */
static int64_t use(b24_limiter *limiter, int64_t now, int bounded) {
  int64_t start = now;
  int sent = 0;
  for (int i = 0; i < ROUNDS; i++) {
    int64_t wait = b24_limiter_admit(limiter, now);
    FUZZ_CHECK(wait >= 0);
    if (wait == 0) {
      sent++;
      if (i % 7 == 6)
        FUZZ_CHECK(b24_limiter_refused(limiter, now, 0.5) > 0);
      else
        b24_limiter_answered(limiter, now);
    }
    /* a longer wait than a day is one of a file that tells so */
    now += wait < 86400000 ? wait : 86400000;
  }
  if (bounded) FUZZ_CHECK(sent <= BURST + RATE * ((now - start) / 1000 + 1));
  return now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char bytes[FILE_MAX], after[FILE_MAX];
  size_t file_size;
  b24_limiter *limiter = NULL;
  b24_error err;
  b24_kind kind;
  if (size > FILE_MAX) return 0;
  if (good_size == 0) make_good();
  memcpy(bytes, good, good_size);
  file_size = good_size;
  change(bytes, &file_size, &data, &size);
  write_file(bytes, file_size);
  kind = b24_limiter_open(&limiter, NULL, limiter_path, RATE, BURST, &err);
  if (kind != B24_OK) {
    /* damage is told, and left as it was */
    FUZZ_CHECK(kind == B24_CONFIG && err.message[0] != '\0');
    FUZZ_CHECK(read_file(after) == file_size);
    FUZZ_CHECK(memcmp(after, bytes, file_size) == 0);
    return 0;
  }
  (void)use(limiter, START_MS + 100, 1);
  file_size = read_file(bytes);
  change(bytes, &file_size, &data, &size);
  write_file(bytes, file_size);
  (void)use(limiter, START_MS + 60000, 0);
  b24_limiter_free(limiter);
  return 0;
}
