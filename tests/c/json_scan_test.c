/* json_scan: which numbers are marked, that strings are followed exactly,
 * that marks cannot be forged, and hostile texts at every cut. */
#include "../../csrc/core/json_scan.h"

#include <stdint.h>
#include <stdlib.h>

#include "unit.h"

static const b24_json_rules floats_only = {15, 1}, saturates = {18, 0};

/* The text in memory of its own size, so that a sanitizer sees a read past
 * its end. */
static char *exact_copy(const char *text, size_t size) {
  char *copy = malloc(size == 0 ? 1 : size);
  if (copy != NULL && size > 0) memcpy(copy, text, size);
  return copy;
}

/* Scan and mark; the marker shows as '@'. NULL: refused. */
static const char *marked(const char *text, size_t size,
                          const b24_json_rules *rules) {
  static char shown[1024];
  b24_json_facts facts;
  b24_json_marker marker;
  b24_error err;
  char *copy = exact_copy(text, size), *out = NULL;
  const char *result = NULL;
  size_t needed, n = 0;
  if (copy == NULL) return "no memory";
  if (b24__json_scan(&facts, copy, size, rules, &err) == B24_OK) {
    b24__json_marker_choose(&marker, copy, size);
    needed = b24__json_marked_size(&facts, size, &marker);
    out = malloc(needed + 1);
    if (out == NULL) {
      free(copy);
      return "no memory";
    }
    out[needed] = '#';
    b24__json_mark(out, copy, size, rules, &marker);
    CHECK(out[needed] == '#');
    for (size_t i = 0; i < needed && n < sizeof shown - 1;) {
      if (needed - i >= marker.size &&
          memcmp(out + i, marker.bytes, marker.size) == 0) {
        shown[n++] = '@';
        i += marker.size;
      } else {
        shown[n++] = out[i++];
      }
    }
    shown[n] = '\0';
    result = shown;
  }
  free(out);
  free(copy);
  return result;
}

static const char *marked_text(const char *text, const b24_json_rules *r) {
  return marked(text, strlen(text), r);
}

TEST(numbers_that_a_float_decoder_gets_wrong) {
  static const struct {
    const char *text, *want;
  } rows[] = {
      {"[1,-1,0,-0]", "[1,-1,0,-0]"},
      {"[999999999999999]", "[999999999999999]"},
      {"[1000000000000000]", "[\"@1000000000000000\"]"},
      {"[-9007199254740993]", "[\"@-9007199254740993\"]"},
      {"1234567890123456", "\"@1234567890123456\""},
      {"[1.0,1e3,1E5,-0.0,2.50e+1]",
       "[\"@1.0\",\"@1e3\",\"@1E5\",\"@-0.0\",\"@2.50e+1\"]"},
      {"[1.5,0.1,-0.000001,3.14]", "[1.5,0.1,-0.000001,3.14]"},
      /* clock readings of portals */
      {"[1716823948.432123,0.079801082611083984]",
       "[1716823948.432123,0.079801082611083984]"},
      /* below one, however small: portals say how long they took */
      {"[0.00033211708068847656,-0.0000009536743164062500]",
       "[0.00033211708068847656,-0.0000009536743164062500]"},
      {"[0.9989999999999999999]", "[0.9989999999999999999]"},
      /* may round to an integer: the decoder is not asked */
      {"[0.99999999999999999999]", "[\"@0.99999999999999999999\"]"},
      {"[0.00000000000000000000]", "[\"@0.00000000000000000000\"]"},
      {"[9.00033211708068847656]", "[\"@9.00033211708068847656\"]"},
      {"[1.00000000000000000001]", "[\"@1.00000000000000000001\"]"},
      {"[9007199254740993.5]", "[\"@9007199254740993.5\"]"},
      {"[1234567890123.500]", "[\"@1234567890123.500\"]"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    CHECK_STR(marked_text(rows[i].text, &floats_only), rows[i].want);
}

TEST(numbers_that_a_saturating_decoder_gets_wrong) {
  CHECK_STR(marked_text("[1.0,1e3,999999999999999999]", &saturates),
            "[1.0,1e3,999999999999999999]");
  CHECK_STR(marked_text("[9223372036854775808]", &saturates),
            "[\"@9223372036854775808\"]");
}

/* So small that a double may be zero. */
TEST(fractions_that_may_vanish) {
  static const struct {
    int zeros, is_marked;
  } rows[] = {{299, 0}, {300, 1}, {400, 1}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    char text[512] = "0.";
    memset(text + 2, '0', (size_t)rows[i].zeros);
    text[2 + rows[i].zeros] = '5';
    CHECK_INT(strchr(marked_text(text, &floats_only), '@') != NULL,
              rows[i].is_marked);
  }
}

TEST(strings_are_followed_exactly) {
  static const char *const same[] = {
      "\"1234567890123456\"",
      "\"\\\"1234567890123456\"",
      "[\"\\\\\\\"1234567890123456\"]",
      "\"\\\\\\\\\"",
      "\"null\"",
      "\"\"",
      "{\"1234567890123456\":\"1e3\"}",
      "\"cut \\\"1234567890123456",
      "\"cut\\",
      "\"",
      "",
      "   ",
  };
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
    CHECK_STR(marked_text(same[i], &floats_only), same[i]);
  CHECK_STR(marked_text("[\"\\\\\",1234567890123456]", &floats_only),
            "[\"\\\\\",\"@1234567890123456\"]");
  CHECK_STR(marked_text("[\"\\\\\\\"\",1e3]", &floats_only),
            "[\"\\\\\\\"\",\"@1e3\"]");
}

TEST(facts) {
  static const struct {
    const char *text;
    int numbers, nulls;
    size_t marked;
  } rows[] = {
      {"[]", 0, 0, 0},
      {"[\"null\",\"12\"]", 0, 0, 0},
      {"[null]", 0, 1, 0},
      {"{\"a\":-7}", 1, 0, 0},
      {"[1e3,null,1234567890123456]", 1, 1, 2},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_json_facts facts;
    const char *text = rows[i].text;
    CHECK_INT(b24__json_scan(&facts, text, strlen(text), &floats_only, NULL),
              B24_OK);
    CHECK_INT(facts.numbers, rows[i].numbers);
    CHECK_INT(facts.nulls, rows[i].nulls);
    CHECK_INT(facts.marked, rows[i].marked);
  }
}

TEST(malformed_numbers_are_refused_without_quoting) {
  static const struct {
    const char *text, *message;
  } rows[] = {
      {"[01]", "found an invalid number at character 2"},
      {"[-]", "found an invalid number at character 2"},
      {"[1.]", "found an invalid number at character 2"},
      {"[1.e3]", "found an invalid number at character 2"},
      {"[1e]", "found an invalid number at character 2"},
      {"[1e+]", "found an invalid number at character 2"},
      {"-", "found an invalid number at character 1"},
      {"{\"a\":00000000000000001}", "found an invalid number at character 6"},
      {"{1234567890123456:1}", "found a number as a key at character 2"},
      {"{\"a\":1,1e3 \t\r\n:1}", "found a number as a key at character 8"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_json_facts facts;
    b24_error err;
    const char *text = rows[i].text;
    CHECK_INT(b24__json_scan(&facts, text, strlen(text), &floats_only, &err),
              B24_PROTOCOL);
    CHECK_STR(err.message, rows[i].message);
  }
  CHECK(marked("[1]\0[2]", 7, &floats_only) == NULL);
  CHECK_STR(marked_text("[1", &floats_only), "[1");
  CHECK_STR(marked_text("[1.5.3]x", &floats_only), "[1.5.3]x");
}

TEST(marks_cannot_be_forged) {
  static const char *const texts[] = {
      "[\"\xFF\",1e3]",
      "[\"\xFF\x80\",\"\xFF\x81\",1e3]",
      "[\"\xFF\xFF\xFF\xFF\",1e3]",
      "[\"\xFF\",\"\xFF\x80\xFF\x80\x80\",1e3]\xFF",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    b24_json_marker marker;
    size_t size = strlen(texts[i]);
    b24__json_marker_choose(&marker, texts[i], size);
    CHECK(marker.size >= 2);
    for (size_t at = 0; at + marker.size <= size; at++)
      CHECK(memcmp(texts[i] + at, marker.bytes, marker.size) != 0);
  }
}

/* Every pair and triple of marker bytes, and a text of 0xFF alone. */
TEST(marker_stays_short_whatever_the_text) {
  static char text[64 * 64 * 64 * 4 + 64 * 2];
  b24_json_marker marker;
  size_t n = 0;
  for (int a = 0; a < 64; a++) {
    text[n++] = (char)0xFF;
    text[n++] = (char)(0x80 | a);
    for (int b = 0; b < 64; b++)
      for (int c = 0; c < 64; c++) {
        text[n++] = (char)0xFF;
        text[n++] = (char)(0x80 | a);
        text[n++] = (char)(0x80 | b);
        text[n++] = (char)(0x80 | c);
      }
  }
  b24__json_marker_choose(&marker, text, n);
  CHECK_INT(marker.size, 5);
  for (size_t at = 0; at + marker.size <= n; at++)
    if (memcmp(text + at, marker.bytes, marker.size) == 0) CHECK(0);
  memset(text, 0xFF, sizeof text);
  b24__json_marker_choose(&marker, text, sizeof text);
  CHECK_INT(marker.size, 2);
}

TEST(sizes_that_do_not_fit) {
  b24_json_facts facts = {SIZE_MAX / 2, 1, 0};
  b24_json_marker marker = {{(char)0xFF}, 1};
  CHECK(b24__json_marked_size(&facts, 10, &marker) == SIZE_MAX);
  facts.marked = 2;
  CHECK_INT(b24__json_marked_size(&facts, 10, &marker), 16);
}

/* Hostile texts, whole and cut after every byte, and with every byte of
 * them changed to each of the bytes that mean something. */
TEST(replay) {
  static const char *const seeds[] = {
      "{\"result\":[{\"ID\":\"1\",\"N\":null,\"C\":1234567890123456}]}",
      "{\"time\":{\"start\":1716823948.432123,\"d\":1e0}}",
      "[-1.5e-300,1E400,-0.0,0.1e+5,18446744073709551615]",
      "[\"\\\\\\\"\\u0000\\ud83d\\ude00\xFF\xFE\",[[[[{}]]]],tru,nul,n]",
      "\xEF\xBB\xBF  {\"a\" : 1e3 , \"b\" : -12345678901234567890 } \n",
      "-", "--1", "1e", "1e+", "\"\\", "\\\"", "0", "00", ".5", "+1",
  };
  static const char bytes[] = "\"\\-019.eE+n:,[]{} \xFF\x80\0";
  for (size_t i = 0; i < sizeof seeds / sizeof seeds[0]; i++) {
    size_t size = strlen(seeds[i]);
    for (size_t cut = 0; cut <= size; cut++) {
      (void)marked(seeds[i], cut, &floats_only);
      (void)marked(seeds[i], cut, &saturates);
    }
    for (size_t at = 0; at < size; at++)
      for (size_t b = 0; b < sizeof bytes - 1; b++) {
        char *changed = exact_copy(seeds[i], size);
        if (changed == NULL) return;
        changed[at] = bytes[b];
        (void)marked(changed, size, &floats_only);
        free(changed);
      }
  }
}

int main(void) {
  RUN(numbers_that_a_float_decoder_gets_wrong);
  RUN(numbers_that_a_saturating_decoder_gets_wrong);
  RUN(fractions_that_may_vanish);
  RUN(strings_are_followed_exactly);
  RUN(facts);
  RUN(malformed_numbers_are_refused_without_quoting);
  RUN(marks_cannot_be_forged);
  RUN(marker_stays_short_whatever_the_text);
  RUN(sizes_that_do_not_fit);
  RUN(replay);
  return unit_report();
}
