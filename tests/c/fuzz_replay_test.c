/*
 * fuzz_replay_test.c - the inputs that `make fuzz` keeps, once each, for the
 * targets in C (those in Lua: spec/fuzz_spec.lua). Every input that once broke
 * something is among them.
 */
#include <dirent.h>
#include <stdlib.h>

#include "unit.h"

static const char *current; /* file that is fed */

#define FUZZ_CHECK(cond)                                                   \
  do {                                                                     \
    if (!(cond)) {                                                         \
      unit_bad++;                                                          \
      printf("%s:%d: %s is false for %s\n", __FILE__, __LINE__, #cond,     \
             current);                                                     \
    }                                                                      \
  } while (0)

#define LLVMFuzzerTestOneInput fuzz_address
#include "../fuzz/address.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_redact
#include "../fuzz/redact.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_page
#include "../fuzz/page.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_limiter
#include "../fuzz/limiter.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_names
#include "../fuzz/names.c"
#undef LLVMFuzzerTestOneInput

#define CORPUS "tests/fuzz/corpus/"
#define INPUT_MAX 65536

typedef int (*target)(const uint8_t *data, size_t size);

static void feed(target run, const char *name) {
  static uint8_t bytes[INPUT_MAX];
  size_t size;
  uint8_t *exact;
  FILE *file = fopen(name, "rb");
  CHECK(file != NULL);
  if (file == NULL) return;
  size = fread(bytes, 1, sizeof bytes, file);
  (void)fclose(file);
  /* a block that ends where the input does: a sanitizer sees further reads */
  exact = malloc(size + (size == 0));
  CHECK(exact != NULL);
  if (exact == NULL) return;
  memcpy(exact, bytes, size);
  current = name;
  (void)run(exact, size);
  free(exact);
}

static void replay(target run, const char *folder) {
  DIR *dir = opendir(folder);
  int count = 0;
  CHECK(dir != NULL);
  if (dir == NULL) return;
  for (struct dirent *entry = readdir(dir); entry != NULL;
       entry = readdir(dir)) {
    char name[512];
    if (entry->d_name[0] == '.') continue;
    (void)snprintf(name, sizeof name, "%s/%s", folder, entry->d_name);
    feed(run, name);
    count++;
  }
  (void)closedir(dir);
  CHECK(count > 0);
}

TEST(addresses) { replay(fuzz_address, CORPUS "address"); }
TEST(secrets) { replay(fuzz_redact, CORPUS "redact"); }
TEST(pages) { replay(fuzz_page, CORPUS "page"); }
TEST(limiter_files) { replay(fuzz_limiter, CORPUS "limiter"); }
TEST(names) { replay(fuzz_names, CORPUS "names"); }

int main(void) {
  RUN(addresses);
  RUN(secrets);
  RUN(pages);
  RUN(limiter_files);
  RUN(names);
  return unit_report();
}
