/*
 * buf.c - bytes that come from outside land here, so a buffer never grows
 * past its cap, and never reads uninitialised: data[size] is always '\0'.
 */
#include "buf.h"

#include <string.h>

#define ANSWER_LARGE ((size_t)64 * 1024)

void b24__buf_init(b24_buf *buf, const b24_alloc *alloc, size_t cap) {
  memset(buf, 0, sizeof *buf);
  buf->alloc = alloc;
  buf->cap = cap;
}

void b24__buf_init_secret(b24_buf *buf, const b24_alloc *alloc, size_t cap) {
  b24__buf_init(buf, alloc, cap);
  buf->secret = B24_BUF_SECRET;
}

static void give_back(b24_buf *buf) {
  if (buf->secret != B24_BUF_PLAIN && buf->data != NULL)
    b24__wipe(buf->data, buf->capacity);
  b24__free(buf->alloc, buf->data, buf->capacity);
}

/* Realloc may leave the old bytes where they were: a secret is moved by
 * hand. */
static char *grow(b24_buf *buf, size_t wanted) {
  char *grown;
  if (buf->secret == B24_BUF_PLAIN ||
      (buf->secret == B24_BUF_ANSWER && buf->capacity > ANSWER_LARGE))
    return b24__realloc(buf->alloc, buf->data, buf->capacity, wanted);
  grown = b24__realloc(buf->alloc, NULL, 0, wanted);
  if (grown == NULL) return NULL;
  if (buf->size > 0) memcpy(grown, buf->data, buf->size);
  give_back(buf);
  return grown;
}

b24_kind b24__buf_append(b24_buf *buf, const void *bytes, size_t size) {
  if (size > buf->cap || buf->size > buf->cap - size) return B24_PROTOCOL;
  if (buf->size + size + 1 > buf->capacity) {
    size_t wanted = buf->capacity == 0 ? 256 : buf->capacity;
    char *grown;
    while (wanted < buf->size + size + 1) wanted += wanted / 2 + 1;
    if (wanted - 1 > buf->cap) wanted = buf->cap + 1;
    grown = grow(buf, wanted);
    if (grown == NULL) return B24_NOMEM;
    buf->data = grown;
    buf->capacity = wanted;
  }
  if (size > 0) memcpy(buf->data + buf->size, bytes, size);
  buf->size += size;
  buf->data[buf->size] = '\0';
  return B24_OK;
}

b24_kind b24__buf_puts(b24_buf *buf, const char *text) {
  return b24__buf_append(buf, text, strlen(text));
}

void b24__buf_clear(b24_buf *buf) {
  buf->size = 0;
  if (buf->data != NULL) buf->data[0] = '\0';
}

const char *b24__buf_str(const b24_buf *buf) {
  return buf->data == NULL ? "" : buf->data;
}

void b24__buf_dispose(b24_buf *buf) {
  give_back(buf);
  buf->data = NULL;
  buf->size = 0;
  buf->capacity = 0;
}
