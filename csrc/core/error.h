/* error.h - filling a caller-owned b24_error. */
#ifndef B24_CORE_ERROR_H
#define B24_CORE_ERROR_H

#include "bitrix24.h"

/* Write kind, sent and a printf-formatted line into `err` (NULL is allowed).
 * The message is cut at B24_MESSAGE_MAX on a UTF-8 boundary. */
void b24__error_set(b24_error *err, b24_kind kind, b24_sent sent,
                    const char *format, ...) B24_PRINTF(4, 5);

static inline b24_kind b24__kind_of(b24_kind kind) { return kind; }

/* The same, and `kind` as its value, so that `return b24__fail(err, ...)`
 * reads well; a macro, so that a static analyser sees what it returns. */
#define b24__fail(err, kind, sent, ...)                \
  (b24__error_set((err), (kind), (sent), __VA_ARGS__), \
   b24__kind_of(kind))

/* Make `err` say "no error". */
void b24__error_clear(b24_error *err);

#endif
