/*
 * text.c - bytes that grow by doubling.
 * The sandbox server allocates with malloc on purpose: libmicrohttpd releases
 * an answer's body with free(). Invariant: `bytes[length]` is NUL whenever
 * `bytes` is not NULL.
 */
#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int reserve(b24s_text *text, size_t more) {
  size_t room = text->room > 0 ? text->room : 256;
  char *bytes;
  if (more > SIZE_MAX / 2 - text->length - 1) return 0;
  if (text->length + more + 1 <= text->room) return 1;
  while (room < text->length + more + 1) room *= 2;
  bytes = realloc(text->bytes, room);
  if (bytes == NULL) return 0;
  text->bytes = bytes;
  text->room = room;
  return 1;
}

int b24s_text_add(b24s_text *text, const void *bytes, size_t length) {
  if (!reserve(text, length)) return 0;
  if (length > 0) memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
  text->bytes[text->length] = '\0';
  return 1;
}

int b24s_text_add_item(b24s_text *text, const char *item) {
  return b24s_text_add(text, item, strlen(item) + 1);
}

void b24s_text_clear(b24s_text *text) {
  free(text->bytes);
  text->bytes = NULL;
  text->length = text->room = 0;
}

char *b24s_text_take(b24s_text *text) {
  char *bytes = text->bytes;
  text->bytes = NULL;
  text->length = text->room = 0;
  return bytes;
}
