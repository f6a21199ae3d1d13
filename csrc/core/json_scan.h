/*
 * json_scan.h - a lexical look at a JSON text before a decoder that keeps
 * every number as a double, or as an integer that saturates, gets it: which
 * numbers would come out wrong, and a text in which those are strings that
 * can be told from all others.
 */
#ifndef B24_CORE_JSON_SCAN_H
#define B24_CORE_JSON_SCAN_H

#include "bitrix24.h"

/* Longest marker: 0xFF and a byte for each factor of 64 in the text's size. */
#define B24_JSON_MARKER_MAX 16

/* What the decoder at hand cannot do. */
typedef struct b24_json_rules {
  size_t exact_digits; /* integers of more digits are marked */
  int mark_floats;     /* mark fractions that may be integral: 1.0, 1e3 */
} b24_json_rules;

typedef struct b24_json_facts {
  size_t marked; /* how many numbers need a mark */
  int numbers;   /* there is a number */
  int nulls;     /* there may be a null */
} b24_json_facts;

typedef struct b24_json_marker {
  char bytes[B24_JSON_MARKER_MAX];
  size_t size;
} b24_json_marker;

/* Read `text` through. B24_PROTOCOL, and a message that quotes nothing of
 * it, for malformed numbers and NUL bytes outside of strings, which decoders
 * let pass; all else that is malformed is left for the decoder to find. */
b24_kind b24__json_scan(b24_json_facts *out, const char *text, size_t size,
                        const b24_json_rules *rules, b24_error *err);

/* Choose a prefix that no decoded string of `text` can contain. */
void b24__json_marker_choose(b24_json_marker *out, const char *text,
                             size_t size);

/* How long the marked text is; SIZE_MAX when a size_t cannot tell. */
size_t b24__json_marked_size(const b24_json_facts *facts, size_t size,
                             const b24_json_marker *marker);

/* Write the text with `"<marker><number>"` in place of each marked number:
 * b24__json_marked_size bytes, without a terminator. The text must have
 * passed b24__json_scan with the same rules. */
void b24__json_mark(char *out, const char *text, size_t size,
                    const b24_json_rules *rules,
                    const b24_json_marker *marker);

#endif
