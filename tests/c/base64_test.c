/* base64: the vectors of RFC 4648 and every byte. */
#include "../../csrc/core/base64.h"

#include <stdint.h>

#include "unit.h"

static const char *encoded(const void *bytes, size_t size) {
  static char text[512];
  size_t length = b24__base64_size(size);
  memset(text, '#', sizeof text);
  b24__base64_encode(text, bytes, size);
  CHECK(text[length] == '#'); /* nothing is written behind the end */
  text[length] = '\0';
  return text;
}

TEST(rfc_vectors) {
  static const struct {
    const char *bytes, *text;
  } rows[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    CHECK_STR(encoded(rows[i].bytes, strlen(rows[i].bytes)), rows[i].text);
}

TEST(bytes_above_127_and_nul) {
  CHECK_STR(encoded("\xFF\xFF\xFE", 3), "///+");
  CHECK_STR(encoded("\0\0\0\0", 4), "AAAAAA==");
  CHECK_STR(encoded("\xFB\xF0", 2), "+/A=");
}

TEST(every_byte) {
  unsigned char all[256];
  const char *text;
  for (size_t i = 0; i < sizeof all; i++) all[i] = (unsigned char)i;
  text = encoded(all, sizeof all);
  CHECK_INT(strlen(text), 344);
  CHECK(strncmp(text, "AAECAwQFBgcICQoLDA0ODxAR", 24) == 0);
  CHECK_STR(text + 340, "/w==");
}

TEST(sizes_that_do_not_fit) {
  CHECK(b24__base64_size(SIZE_MAX) == SIZE_MAX);
  CHECK(b24__base64_size(SIZE_MAX / 4 * 3 + 3) == SIZE_MAX);
  CHECK(b24__base64_size(3) == 4);
}

int main(void) {
  RUN(rfc_vectors);
  RUN(bytes_above_127_and_nul);
  RUN(every_byte);
  RUN(sizes_that_do_not_fit);
  return unit_report();
}
