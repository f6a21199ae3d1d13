/*
 * names.c - a fuzz target: names of methods as somebody types them, each
 * looked up and measured against the catalogue.
 */
#include <ctype.h>

#include "catalogue.h"
#include "fuzz.h"

static int same_name(const char *name, const char *text, size_t size) {
  if (strlen(name) != size) return 0;
  for (size_t i = 0; i < size; i++)
    if (tolower((unsigned char)name[i]) != tolower((unsigned char)text[i]))
      return 0;
  return 1;
}

static void check_found(const char *text, size_t size, int version) {
  b24_method method;
  if (!b24_catalogue_find(&method, text, size, version)) return;
  FUZZ_CHECK(same_name(method.name, text, size));
  FUZZ_CHECK(method.version == 2 || method.version == 3);
  FUZZ_CHECK(version == 0 || method.version == version);
  /* and every part of its path is a way to it */
  for (size_t i = 1; i < size; i++)
    if (text[i] == '.') FUZZ_CHECK(b24_catalogue_has_prefix(text, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *names[16];
  size_t count;
  char *text = fuzz_line(&data, &size);
  size_t length = strlen(text);
  for (int version = 0; version <= 4; version++)
    check_found(text, length, version);
  (void)b24_catalogue_has_prefix(text, length);
  count = b24_catalogue_closest(names, 5, text, length);
  FUZZ_CHECK(count <= 5);
  for (size_t i = 0; i < count; i++) {
    b24_method method;
    FUZZ_CHECK(b24_catalogue_find(&method, names[i], strlen(names[i]), 0));
    for (size_t k = 0; k < i; k++) FUZZ_CHECK(strcmp(names[i], names[k]) != 0);
  }
  free(text);
  return 0;
}
