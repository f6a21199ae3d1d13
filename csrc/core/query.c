/*
 * query.c - nested parameters as one line of name=value pairs.
 *
 * Invariants: everything but unreserved characters is percent-encoded, so a
 * value never becomes syntax of the query; brackets that are syntax are
 * written plainly; only b24__query_ref writes a reference, and a text that
 * reads like one is flagged.
 */
#include "query.h"

#include "number.h"

#include <math.h>
#include <string.h>

/* ---- encoding ---------------------------------------------------------- */

static int is_unreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
         c == '~';
}

static b24_kind encode(b24_buf *out, const char *text, size_t size) {
  static const char hex[] = "0123456789ABCDEF";
  char chunk[384];
  size_t used = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if (is_unreserved(c)) {
      chunk[used++] = (char)c;
    } else {
      chunk[used++] = '%';
      chunk[used++] = hex[c >> 4];
      chunk[used++] = hex[c & 15];
    }
    if (used > sizeof chunk - 3) {
      b24_kind kind = b24__buf_append(out, chunk, used);
      if (kind != B24_OK) return kind;
      used = 0;
    }
  }
  return b24__buf_append(out, chunk, used);
}

static int is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Does the text begin with `lower`, whatever its case? */
static int begins(const char *text, size_t size, const char *lower) {
  size_t length = strlen(lower);
  if (size < length) return 0;
  for (size_t k = 0; k < length; k++) {
    char c = text[k];
    if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    if (c != lower[k]) return 0;
  }
  return 1;
}

/* Would the portal replace this text, or a part of it? It takes $result, and
 * the other parts of a batch's answer as well, with all that follows up to the
 * next space, for a reference when a [place] is in there. */
static int is_syntax(const char *text, size_t size) {
  static const char *const parts[] = {"result", "next", "total", "time",
                                      "error"};
  size_t at = 0;
  while (at < size) {
    int found = 0;
    if (text[at++] != '$') continue;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
      found = found || begins(text + at, size - at, parts[i]);
    for (; found && at < size && !is_space(text[at]); at++)
      if (text[at] == '[') return 1;
  }
  return 0;
}

/* What PHP's parse_str makes of a key once it has decoded it. */
static int key_survives(const char *key, size_t size, int first_level) {
  if (size == 0 || memchr(key, '\0', size) != NULL) return 0;
  if (memchr(key, '$', size) != NULL) return 0; /* the portal's, as in values */
  if (first_level)
    return memchr(key, '.', size) == NULL && memchr(key, ' ', size) == NULL &&
           memchr(key, '[', size) == NULL;
  if (size == 1 && strchr(" \t\n\v\f\r", key[0]) != NULL) return 0;
  return memchr(key, ']', size) == NULL;
}

/* ---- names ------------------------------------------------------------- */

static void cut_name(b24_query *q, size_t size) {
  q->name.size = size;
  if (q->name.data != NULL) q->name.data[size] = '\0';
}

void b24__query_init(b24_query *q, const b24_alloc *alloc, b24_buf *out) {
  memset(q, 0, sizeof *q);
  q->out = out;
  q->began = out->size;
  b24__buf_init(&q->name, alloc, B24_QUERY_NAME_MAX);
}

void b24__query_dispose(b24_query *q) { b24__buf_dispose(&q->name); }

void b24__query_undo(b24_query *q) {
  q->out->size = q->began;
  if (q->out->data != NULL) q->out->data[q->began] = '\0';
  q->flags = q->named = q->depth = 0;
  q->values = 0;
  cut_name(q, 0);
}

/* The full cap of a name is the caller's mistake, not the portal's. */
static b24_kind of_name(b24_kind kind) {
  return kind == B24_PROTOCOL ? B24_CONFIG : kind;
}

b24_kind b24__query_key(b24_query *q, const char *key, size_t size) {
  b24_kind kind = B24_OK;
  if (q->named) return B24_CONFIG;
  if (!key_survives(key, size, q->depth == 0)) q->flags |= B24_QUERY_KEY;
  if (q->depth > 0) kind = b24__buf_append(&q->name, "[", 1);
  if (kind == B24_OK) kind = encode(&q->name, key, size);
  if (kind == B24_OK && q->depth > 0)
    kind = b24__buf_append(&q->name, "]", 1);
  if (kind != B24_OK) return of_name(kind);
  q->named = 1;
  return B24_OK;
}

b24_kind b24__query_index(b24_query *q, int64_t index) {
  char digits[B24_NUMBER_MAX];
  if (index < 0) return B24_CONFIG;
  return b24__query_key(q, digits, b24__number_int(digits, index));
}

b24_kind b24__query_begin(b24_query *q) {
  if (!q->named || q->depth == B24_QUERY_DEPTH) return B24_CONFIG;
  q->levels[q->depth] = q->name.size;
  q->before[q->depth] = q->values;
  q->depth++;
  q->named = 0;
  return B24_OK;
}

/* ---- values ------------------------------------------------------------ */

/* Write "name=", with & in front of all but the first. */
static b24_kind put_name(b24_query *q) {
  b24_kind kind = B24_OK;
  if (!q->named) return B24_CONFIG;
  if (q->values > 0) kind = b24__buf_append(q->out, "&", 1);
  if (kind == B24_OK)
    kind = b24__buf_append(q->out, b24__buf_str(&q->name), q->name.size);
  if (kind == B24_OK) kind = b24__buf_append(q->out, "=", 1);
  if (++q->values > B24_QUERY_VALUES) q->flags |= B24_QUERY_MANY;
  q->named = 0;
  cut_name(q, q->depth > 0 ? q->levels[q->depth - 1] : 0);
  return kind;
}

static b24_kind put(b24_query *q, const char *text, size_t size) {
  b24_kind kind = put_name(q);
  return kind == B24_OK ? encode(q->out, text, size) : kind;
}

b24_kind b24__query_end(b24_query *q) {
  size_t before;
  if (q->named || q->depth == 0) return B24_CONFIG;
  q->depth--;
  before = q->before[q->depth];
  if (q->values == before) {
    /* `typeIds=`: the nearest thing to an empty array */
    q->flags |= B24_QUERY_EMPTY;
    q->named = 1;
    return put(q, "", 0);
  }
  cut_name(q, q->depth > 0 ? q->levels[q->depth - 1] : 0);
  return B24_OK;
}

b24_kind b24__query_string(b24_query *q, const char *text, size_t size) {
  if (is_syntax(text, size)) q->flags |= B24_QUERY_REFERENCE;
  return put(q, text, size);
}

b24_kind b24__query_int(b24_query *q, int64_t number) {
  char text[B24_NUMBER_MAX];
  return put(q, text, b24__number_int(text, number));
}

b24_kind b24__query_double(b24_query *q, double number) {
  char text[B24_NUMBER_MAX];
  if (!isfinite(number)) return B24_CONFIG;
  return put(q, text, b24__number_double(text, number));
}

b24_kind b24__query_bool(b24_query *q, int truth) {
  return put(q, truth ? "1" : "0", 1);
}

b24_kind b24__query_null(b24_query *q) {
  q->flags |= B24_QUERY_NULL;
  return put(q, "", 0);
}

/* ---- references -------------------------------------------------------- */

static int step_is_sound(const b24_query_step *step) {
  if (step->text == NULL) return step->index >= 0;
  for (size_t i = 0; i < step->size; i++)
    if (is_space(step->text[i])) return 0; /* ends the whole reference */
  return step->size > 0 && memchr(step->text, '[', step->size) == NULL &&
         memchr(step->text, ']', step->size) == NULL &&
         memchr(step->text, '\0', step->size) == NULL;
}

static b24_kind put_step(b24_buf *out, const b24_query_step *step) {
  char digits[B24_NUMBER_MAX];
  b24_kind kind = b24__buf_append(out, "[", 1);
  if (kind != B24_OK) return kind;
  if (step->text == NULL)
    kind = b24__buf_append(out, digits, b24__number_int(digits, step->index));
  else
    kind = encode(out, step->text, step->size);
  return kind == B24_OK ? b24__buf_append(out, "]", 1) : kind;
}

b24_kind b24__query_ref(b24_query *q, const b24_query_step *steps,
                        size_t count) {
  b24_kind kind;
  if (count == 0) return B24_CONFIG;
  for (size_t i = 0; i < count; i++)
    if (!step_is_sound(&steps[i])) return B24_CONFIG;
  kind = put_name(q);
  if (kind == B24_OK) kind = b24__buf_puts(q->out, "$result");
  for (size_t i = 0; i < count && kind == B24_OK; i++)
    kind = put_step(q->out, &steps[i]);
  return kind;
}
