/*
 * json_scan.c - decides which numbers of a JSON text a given decoder would
 * get wrong. It follows strings exactly and nothing else: structure is the
 * decoder's business.
 * Invariant: putting a string in place of a number never makes malformed
 * text well-formed. The one place where it could, a number as the key of an
 * object, is refused here.
 */
#include "json_scan.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "error.h"

/* What a byte outside of strings starts. */
enum { NOTHING = 0, QUOTE, NUMBER, NULL_WORD, NUL };

static const unsigned char starts[UCHAR_MAX + 1] = {
    [0] = NUL,      ['"'] = QUOTE,  ['-'] = NUMBER, ['0'] = NUMBER,
    ['1'] = NUMBER, ['2'] = NUMBER, ['3'] = NUMBER, ['4'] = NUMBER,
    ['5'] = NUMBER, ['6'] = NUMBER, ['7'] = NUMBER, ['8'] = NUMBER,
    ['9'] = NUMBER, ['n'] = NULL_WORD,
};

typedef struct number {
  const char *end;     /* NULL: malformed */
  size_t whole_digits; /* before the fraction */
  size_t digits;       /* with the fraction's */
  const char *fraction;
  int has_exponent;
} number;

static int is_digit(const char *at, const char *end) {
  return at < end && *at >= '0' && *at <= '9';
}

/* After the string whose opening quote is before `at`. A quote is escaped
 * when the run of backslashes before it is odd; runs never overlap, so the
 * whole takes linear time. */
static const char *skip_string(const char *at, const char *end) {
  const char *begin = at;
  while (at < end) {
    const char *quote = memchr(at, '"', (size_t)(end - at));
    const char *run;
    if (quote == NULL) return end;
    run = quote;
    while (run > begin && run[-1] == '\\') run--;
    at = quote + 1;
    if (((quote - run) & 1) == 0) return at;
  }
  return end;
}

/* Read a number by the grammar of RFC 8259. */
static number read_number(const char *at, const char *end) {
  number n = {NULL, 0, 0, NULL, 0};
  const char *begin;
  if (*at == '-') at++;
  begin = at;
  while (is_digit(at, end)) at++;
  n.whole_digits = n.digits = (size_t)(at - begin);
  if (n.digits == 0 || (*begin == '0' && n.digits > 1)) return n;
  if (at < end && *at == '.') {
    n.fraction = begin = ++at;
    while (is_digit(at, end)) at++;
    if (at == begin) return n;
    n.digits += (size_t)(at - begin);
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    n.has_exponent = 1;
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    begin = at;
    while (is_digit(at, end)) at++;
    if (at == begin) return n;
  }
  n.end = at;
  return n;
}

/* Is a fraction certainly not an integer when it is a double? Three proofs
 * cover what portals send, clock readings of 16 digits and more among them:
 * decimals of up to 15 digits are all different as doubles; below 10^12
 * doubles lie closer than 0.001, so that three digits of the fraction that
 * are neither 000 nor 999 keep it away from both neighbours; and what lies
 * between 10^-300 and 0.999 is neither 0 nor 1. */
static int surely_fraction(const number *n) {
  const char *end = n->end, *at = n->fraction;
  int below_one = n->whole_digits == 1 && at[-2] == '0';
  if (n->has_exponent) return 0;
  if (n->digits > 15 && !below_one)
    return n->whole_digits <= 12 && end - at >= 3 &&
           memcmp(at, "000", 3) != 0 && memcmp(at, "999", 3) != 0;
  if (n->digits > 15 && memcmp(at, "999", 3) == 0) return 0;
  if (end - at > 300) end = at + 300;
  while (at < end && *at == '0') at++;
  return at < end;
}

static int needs_mark(const number *n, const b24_json_rules *rules) {
  if (n->fraction == NULL && !n->has_exponent)
    return n->digits > rules->exact_digits;
  return rules->mark_floats && (n->fraction == NULL || !surely_fraction(n));
}

/* Is the next byte that is not a blank a colon? */
static int is_key(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
    at++;
  return at < end && *at == ':';
}

static b24_kind malformed(b24_error *err, const char *what, size_t offset) {
  return b24__fail(err, B24_PROTOCOL, B24_SENT_YES,
                   "found %s at character %zu", what, offset + 1);
}

b24_kind b24__json_scan(b24_json_facts *out, const char *text, size_t size,
                        const b24_json_rules *rules, b24_error *err) {
  const char *at = text, *end = text + size;
  memset(out, 0, sizeof *out);
  while (at < end) {
    number n;
    switch (starts[(unsigned char)*at]) {
      case QUOTE: at = skip_string(at + 1, end); break;
      case NUMBER:
        n = read_number(at, end);
        if (n.end == NULL)
          return malformed(err, "an invalid number", (size_t)(at - text));
        out->numbers = 1;
        if (needs_mark(&n, rules)) {
          if (is_key(n.end, end))
            return malformed(err, "a number as a key", (size_t)(at - text));
          out->marked++;
        }
        at = n.end;
        break;
      case NULL_WORD:
        out->nulls = 1;
        at++;
        break;
      case NUL: return malformed(err, "a NUL byte", (size_t)(at - text));
      default: at++;
    }
  }
  return B24_OK;
}

/* JSON escapes are decoded to UTF-8, where 0xFF never occurs and 0x80-0xBF
 * never begin a character: a string can only hold 0xFF followed by such
 * bytes where the text itself does. While the text holds the marker, it
 * grows by that byte which follows it most rarely; that leaves at most a
 * 64th of the occurrences, so the marker stays short whatever the text. */
void b24__json_marker_choose(b24_json_marker *out, const char *text,
                             size_t size) {
  const char *end = text + size;
  out->bytes[0] = (char)0xFF;
  out->size = 1;
  if (memchr(text, 0xFF, size) == NULL) return;
  while (out->size < B24_JSON_MARKER_MAX) {
    size_t seen[64] = {0}, best = 0;
    const char *at = text;
    while ((size_t)(end - at) > out->size &&
           (at = memchr(at, 0xFF, (size_t)(end - at))) != NULL) {
      if ((size_t)(end - at) > out->size &&
          memcmp(at, out->bytes, out->size) == 0 &&
          ((unsigned char)at[out->size] & 0xC0u) == 0x80u)
        seen[(unsigned char)at[out->size] & 0x3Fu]++;
      at++;
    }
    for (size_t i = 1; i < 64; i++)
      if (seen[i] < seen[best]) best = i;
    out->bytes[out->size++] = (char)(0x80u | best);
    if (seen[best] == 0) return;
  }
}

size_t b24__json_marked_size(const b24_json_facts *facts, size_t size,
                             const b24_json_marker *marker) {
  size_t each = marker->size + 2; /* and two quotes */
  if (facts->marked > (SIZE_MAX - size) / each) return SIZE_MAX;
  return size + facts->marked * each;
}

static char *put(char *out, const void *bytes, size_t size) {
  memcpy(out, bytes, size);
  return out + size;
}

void b24__json_mark(char *out, const char *text, size_t size,
                    const b24_json_rules *rules,
                    const b24_json_marker *marker) {
  const char *at = text, *end = text + size, *copied = text;
  while (at < end) {
    number n;
    switch (starts[(unsigned char)*at]) {
      case QUOTE: at = skip_string(at + 1, end); break;
      case NUMBER:
        n = read_number(at, end);
        if (n.end == NULL) return; /* the scan has refused such a text */
        if (needs_mark(&n, rules)) {
          out = put(out, copied, (size_t)(at - copied));
          *out++ = '"';
          out = put(out, marker->bytes, marker->size);
          out = put(out, at, (size_t)(n.end - at));
          *out++ = '"';
          copied = n.end;
        }
        at = n.end;
        break;
      default: at++;
    }
  }
  (void)put(out, copied, (size_t)(end - copied));
}
