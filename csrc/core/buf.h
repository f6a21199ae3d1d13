/* buf.h - a growing byte buffer with a mandatory cap. */
#ifndef B24_CORE_BUF_H
#define B24_CORE_BUF_H

#include "alloc.h"

/* Answers are wiped at their end, and while they grow as long as they are as
 * small as an error is: to move megabytes by hand takes twice the memory. */
#define B24_BUF_PLAIN 0
#define B24_BUF_SECRET 1
#define B24_BUF_ANSWER 2

typedef struct b24_buf {
  const b24_alloc *alloc; /* borrowed; outlives the buffer */
  char *data;             /* terminated whenever it is not NULL */
  size_t size;
  size_t capacity;
  size_t cap; /* most bytes it may hold */
  int secret; /* is memory wiped before it is given back? B24_BUF_... */
} b24_buf;

/* An empty buffer in the caller's storage; allocates nothing. */
void b24__buf_init(b24_buf *buf, const b24_alloc *alloc, size_t cap);

/* The same for a secret: no copy of the content stays in freed memory. */
void b24__buf_init_secret(b24_buf *buf, const b24_alloc *alloc, size_t cap);

/* Append bytes. B24_OK, B24_NOMEM, or B24_PROTOCOL when it would pass the
 * cap; a failed append changes nothing. */
b24_kind b24__buf_append(b24_buf *buf, const void *bytes, size_t size);

/* Append a terminated string. */
b24_kind b24__buf_puts(b24_buf *buf, const char *text);

/* Forget the content, keep the memory. */
void b24__buf_clear(b24_buf *buf);

/* The content as a terminated string ("" when empty); borrowed until the
 * next change. */
const char *b24__buf_str(const b24_buf *buf);

/* Free the memory; the buffer is empty and usable afterwards. */
void b24__buf_dispose(b24_buf *buf);

#endif
