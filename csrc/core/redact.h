/*
 * redact.h - the only way out for text that may hold a secret.
 */
#ifndef B24_CORE_REDACT_H
#define B24_CORE_REDACT_H

#include "buf.h"

#define B24_MASK "***"

typedef struct b24_secret {
  char *text;
  size_t size;
  int passing;
} b24_secret;

/* A set of secrets, in the caller's storage; the fields are private. */
typedef struct b24_redact {
  const b24_alloc *alloc; /* borrowed; outlives the set */
  b24_secret *secrets;
  size_t count;
  size_t capacity;
} b24_redact;

/* An empty set; allocates nothing. */
void b24__redact_init(b24_redact *set, const b24_alloc *alloc);

/* Add a secret, which is copied; earlier ones stay. One that is empty, known
 * already or nothing but asterisks is left out. B24_OK or B24_NOMEM. */
b24_kind b24__redact_add(b24_redact *set, const char *text, size_t size);

/* Add one that is in use for a while, such as a token: the oldest of more
 * than B24_PASSING_MAX are wiped and forgotten, so that a program that runs
 * for months does not search for all it ever had. */
#define B24_PASSING_MAX 32
b24_kind b24__redact_add_passing(b24_redact *set, const char *text,
                                 size_t size);

/* Append `text` with *** in place of every secret, be it written plainly,
 * percent-encoded (once or twice), as JSON escapes it (JSON in JSON too) or
 * broken over lines, and of credentials known by their surroundings alone:
 *   /rest/N/CODE/             auth=  token=  ..._token=  ..._secret=
 *   "access_token":"..."      Bearer ...      ://user:password@
 * A beginning of a secret at the end of `text` is masked as well: somebody
 * may have cut it there. What passes the cap of `out` is left off, after
 * masking and at a UTF-8 boundary; B24_OK or B24_NOMEM (`out` is then as it
 * was). */
b24_kind b24__redact_write(b24_buf *out, const b24_redact *set,
                           const char *text, size_t size);

/* Wipe and free the secrets; the set is empty and usable afterwards. */
void b24__redact_dispose(b24_redact *set);

#endif
