/*
 * alloc.c - every block of the core comes from here, through a seam that the
 * owner chooses, so that tests can fail the n-th allocation and hosts can
 * count bytes. Invariant: sizes are handed back exactly as they were asked.
 */
#include "alloc.h"

#include <stdlib.h>
#include <string.h>

static void *libc_realloc(void *ud, void *ptr, size_t old_size, size_t size) {
  (void)ud;
  (void)old_size;
  if (size == 0) {
    free(ptr);
    return NULL;
  }
  return realloc(ptr, size);
}

const b24_alloc *b24__alloc_default(void) {
  static const b24_alloc libc = {libc_realloc, NULL};
  return &libc;
}

void *b24__alloc(const b24_alloc *a, size_t size) {
  void *ptr = a->realloc(a->ud, NULL, 0, size);
  if (ptr != NULL) memset(ptr, 0, size);
  return ptr;
}

void *b24__realloc(const b24_alloc *a, void *ptr, size_t old_size,
                   size_t size) {
  return a->realloc(a->ud, ptr, old_size, size);
}

void b24__free(const b24_alloc *a, void *ptr, size_t size) {
  if (ptr != NULL) (void)a->realloc(a->ud, ptr, size, 0);
}

char *b24__strndup(const b24_alloc *a, const char *text, size_t length) {
  char *copy = a->realloc(a->ud, NULL, 0, length + 1);
  if (copy == NULL) return NULL;
  if (length > 0) memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

void b24__strfree(const b24_alloc *a, char *text) {
  if (text != NULL) b24__free(a, text, strlen(text) + 1);
}

void b24__wipe(void *memory, size_t size) {
  void *(*volatile fill)(void *, int, size_t) = memset;
  if (size > 0) (void)fill(memory, 0, size);
}

void b24__secret_free(const b24_alloc *a, char *text) {
  size_t length;
  if (text == NULL) return;
  length = strlen(text); /* the wiped text has none */
  b24__wipe(text, length);
  b24__free(a, text, length + 1);
}
