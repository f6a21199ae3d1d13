/*
 * scarce.h - an allocator that stops giving after `left` blocks and counts
 * what is live, for tests in which every allocation fails once.
 */
#ifndef SCARCE_H
#define SCARCE_H

#include <stdint.h>
#include <stdlib.h>

typedef struct scarce {
  int left; /* allocations that still work */
  int64_t bytes;
} scarce;

static void *scarce_realloc(void *ud, void *ptr, size_t old_size,
                            size_t size) {
  scarce *s = ud;
  if (size == 0) {
    free(ptr);
    s->bytes -= (int64_t)old_size;
    return NULL;
  }
  if (s->left-- <= 0) return NULL;
  s->bytes += (int64_t)size - (int64_t)old_size;
  return realloc(ptr, size);
}

#endif
