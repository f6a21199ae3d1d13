/*
 * query.h - writes the parameters of a batch command as PHP reads them:
 * fields[PHONE][0][VALUE]=%2B1 (settings/how-to-call-rest-api/data-encoding,
 * settings/how-to-call-rest-api/batch).
 *
 * A query says less than JSON does. What is put arrives as:
 *   string             the same bytes
 *   number             its digits as a string, which PHP takes for the number
 *   true, false        1, 0 (as http_build_query writes them)
 *   null               the empty string; flagged
 *   empty array/object the empty string; flagged
 * and some things cannot be said at all; they are flagged as well. Who sends
 * the command looks at `flags` afterwards and sends it alone, as JSON, when
 * it would mean something else inside a batch.
 */
#ifndef B24_CORE_QUERY_H
#define B24_CORE_QUERY_H

#include "buf.h"

#define B24_QUERY_DEPTH 64      /* PHP's max_input_nesting_level */
#define B24_QUERY_VALUES 1000   /* PHP's max_input_vars */
#define B24_QUERY_NAME_MAX 8192 /* bytes of one encoded name */

typedef enum b24_query_flag {
  /* The user's text reads like "$result[a]", or $next, $total, $time, $error
   * with a place: the portal would put a part of the batch's answer there, and
   * there is no escape for it. */
  B24_QUERY_REFERENCE = 1,
  /* A key that PHP changes or drops: an empty one or one with a NUL byte; on
   * the first level one with a dot, a space or "["; below it one with "]" or
   * of a single space; anywhere one with "$". */
  B24_QUERY_KEY = 2,
  /* More values than PHP reads from one query. */
  B24_QUERY_MANY = 4,
  B24_QUERY_EMPTY = 8, /* an empty array or object, sent as "" */
  B24_QUERY_NULL = 16  /* a null, sent as "" */
} b24_query_flag;

/* Means something else in a batch: must be sent alone. */
#define B24_QUERY_ALONE \
  (B24_QUERY_REFERENCE | B24_QUERY_KEY | B24_QUERY_MANY)
/* Arrives as another value: should be sent alone when it can be. */
#define B24_QUERY_INEXACT (B24_QUERY_EMPTY | B24_QUERY_NULL)

/* A writer, in the caller's storage. Read `flags` and `values`; the rest is
 * private. */
typedef struct b24_query {
  int flags;     /* b24_query_flag, together */
  size_t values; /* written so far */
  b24_buf *out;  /* borrowed */
  size_t began;  /* size of `out` before the first value */
  b24_buf name;  /* encoded, of the value that comes next */
  int named;     /* a key or index was given for it */
  int depth;
  size_t levels[B24_QUERY_DEPTH]; /* size of the name at each level */
  size_t before[B24_QUERY_DEPTH]; /* values written when it began */
} b24_query;

/* One step of a reference: a key, or with `text` NULL an index from 0. */
typedef struct b24_query_step {
  const char *text;
  size_t size;
  int64_t index;
} b24_query_step;

/* Begin to append to `out`, which may hold "method?" already. */
void b24__query_init(b24_query *query, const b24_alloc *alloc, b24_buf *out);

/* Free the writer's own memory; `out` is left alone. */
void b24__query_dispose(b24_query *query);

/* Take back everything that was written, and begin anew. */
void b24__query_undo(b24_query *query);

/* Every value is named first, by a key of its object or an index (from 0) of
 * its array; positional parameters are indexes on the first level. All of
 * these return B24_OK; B24_NOMEM; B24_PROTOCOL when `out` is full; or
 * B24_CONFIG: nested too deeply, a name that is too long, a number that is
 * none, a reference that cannot be written, or calls out of order. After a
 * failure take everything back. */
b24_kind b24__query_key(b24_query *query, const char *key, size_t size);
b24_kind b24__query_index(b24_query *query, int64_t index);

/* The named value is an array or object; its own values follow. */
b24_kind b24__query_begin(b24_query *query);
b24_kind b24__query_end(b24_query *query);

b24_kind b24__query_string(b24_query *query, const char *text, size_t size);
b24_kind b24__query_int(b24_query *query, int64_t number);
b24_kind b24__query_double(b24_query *query, double number);
b24_kind b24__query_bool(b24_query *query, int truth);
b24_kind b24__query_null(b24_query *query);

/* A reference to an earlier command's result, $result[key][field][0]: the
 * first step is the command's key. */
b24_kind b24__query_ref(b24_query *query, const b24_query_step *steps,
                        size_t count);

#endif
