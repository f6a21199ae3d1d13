/*
 * text.h - a growable byte buffer, the only thing of the sandbox server that
 * holds allocated bytes.
 */
#ifndef B24S_TEXT_H
#define B24S_TEXT_H

#include <stddef.h>

/* Zero-initialised is empty. `bytes` is terminated once anything was added. */
typedef struct b24s_text {
  char *bytes;
  size_t length;
  size_t room;
} b24s_text;

/* Append `length` bytes; 0 when memory ran out (the text is unchanged). */
int b24s_text_add(b24s_text *text, const void *bytes, size_t length);

/* Append the string with its terminator: a list of strings in one buffer. */
int b24s_text_add_item(b24s_text *text, const char *item);

/* Release the bytes and leave an empty text. */
void b24s_text_clear(b24s_text *text);

/* Hand the bytes over to the caller, who frees them with free(). */
char *b24s_text_take(b24s_text *text);

#endif
