/*
 * shortage.h - an allocator that counts what is live, and for a spell gives
 * nothing: from the n-th allocation on, so many in a row.
 */
#ifndef SHORTAGE_H
#define SHORTAGE_H

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct memory {
  int64_t bytes; /* live */
  long lies;     /* blocks given back with a size that was not theirs */
  long asked;    /* allocations since it was armed */
  long first;    /* the first that fails */
  long spell;    /* failures in a row, LONG_MAX = for good */
  long failed;   /* since it was armed */
} memory;

/* The n-th allocation from now on fails, 0 being the next one. */
static inline void memory_arm(memory *m, long n, long spell) {
  m->asked = m->failed = 0;
  m->first = n;
  m->spell = spell;
}

static inline void memory_disarm(memory *m) { m->spell = 0; }

static inline int memory_fails(memory *m) {
  long n = m->asked++;
  if (n < m->first || n - m->first >= m->spell) return 0;
  m->failed++;
  return 1;
}

#define SHORTAGE_HEADER 16 /* before each block: its size */

static inline size_t memory_size(const void *block) {
  size_t size = 0;
  if (block != NULL)
    memcpy(&size, (const char *)block - SHORTAGE_HEADER, sizeof size);
  return size;
}

/* Both lua_Alloc and b24_alloc. */
static inline void *memory_realloc(void *ud, void *block, size_t old_size,
                                   size_t size) {
  memory *m = ud;
  size_t had = memory_size(block);
  char *start = block == NULL ? NULL : (char *)block - SHORTAGE_HEADER;
  if (block != NULL && had != old_size) m->lies++;
  if (size == 0) {
    m->bytes -= (int64_t)had;
    free(start);
    return NULL;
  }
  /* Lua relies on a block that shrinks to stay */
  if (size > had && memory_fails(m)) return NULL;
  start = realloc(start, size + SHORTAGE_HEADER);
  if (start == NULL) return NULL;
  memcpy(start, &size, sizeof size);
  m->bytes += (int64_t)size - (int64_t)had;
  return start + SHORTAGE_HEADER;
}

#endif
