/* buf_test.c - a buffer keeps its cap, its terminator and its bytes. */
#include "buf.h"

#include "unit.h"

TEST(empty_buffer_reads_as_empty_string) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), 10);
  CHECK_STR(b24__buf_str(&buf), "");
  b24__buf_dispose(&buf);
}

TEST(bytes_are_kept_also_nul) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), 1000);
  CHECK_INT(b24__buf_append(&buf, "a\0b", 3), B24_OK);
  CHECK_INT(b24__buf_puts(&buf, "cd"), B24_OK);
  CHECK_INT(buf.size, 5);
  CHECK(memcmp(buf.data, "a\0bcd", 6) == 0);
  b24__buf_dispose(&buf);
  CHECK_INT(b24__buf_puts(&buf, "again"), B24_OK);
  CHECK_STR(b24__buf_str(&buf), "again");
  b24__buf_dispose(&buf);
}

TEST(the_cap_is_exact_and_a_failed_append_changes_nothing) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), 4);
  CHECK_INT(b24__buf_puts(&buf, "1234"), B24_OK);
  CHECK_INT(b24__buf_puts(&buf, "5"), B24_PROTOCOL);
  CHECK_STR(b24__buf_str(&buf), "1234");
  CHECK_INT(b24__buf_append(&buf, "x", (size_t)-1), B24_PROTOCOL);
  b24__buf_clear(&buf);
  CHECK_INT(b24__buf_puts(&buf, "12345"), B24_PROTOCOL);
  CHECK_STR(b24__buf_str(&buf), "");
  b24__buf_dispose(&buf);
}

static void *refuse(void *ud, void *ptr, size_t old_size, size_t size) {
  (void)ud, (void)ptr, (void)old_size, (void)size;
  return NULL;
}

TEST(no_memory_is_reported) {
  b24_alloc none = {refuse, NULL};
  b24_buf buf;
  b24__buf_init(&buf, &none, 100);
  CHECK_INT(b24__buf_puts(&buf, "x"), B24_NOMEM);
  CHECK_STR(b24__buf_str(&buf), "");
}

TEST(it_grows_over_many_appends) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), 100000);
  for (int i = 0; i < 20000; i++)
    CHECK_INT(b24__buf_append(&buf, "abcde", 5), B24_OK);
  CHECK_INT(buf.size, 100000);
  CHECK(memcmp(buf.data + 99995, "abcde", 6) == 0);
  CHECK_INT(b24__buf_append(&buf, "x", 1), B24_PROTOCOL);
  b24__buf_dispose(&buf);
}

int main(void) {
  RUN(empty_buffer_reads_as_empty_string);
  RUN(bytes_are_kept_also_nul);
  RUN(the_cap_is_exact_and_a_failed_append_changes_nothing);
  RUN(no_memory_is_reported);
  RUN(it_grows_over_many_appends);
  return unit_report();
}
