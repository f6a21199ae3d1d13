/* error_test.c - a failure fits its buffer and stays whole UTF-8. */
#include "error.h"

#include "unit.h"

TEST(a_failure_is_a_value) {
  b24_error err;
  CHECK_INT(b24__fail(&err, B24_CONFIG, B24_SENT_NO, "%s %d", "bad", 7),
            B24_CONFIG);
  CHECK_INT(err.kind, B24_CONFIG);
  CHECK_STR(err.message, "bad 7");
  CHECK_INT(b24__fail(NULL, B24_NOMEM, B24_SENT_NO, "x"), B24_NOMEM);
  b24__error_clear(&err);
  CHECK_INT(err.kind, B24_OK);
  CHECK_STR(err.message, "");
}

TEST(a_long_message_is_cut_at_a_character) {
  b24_error err;
  char text[B24_MESSAGE_MAX + 100];
  size_t at = 0;
  while (at + 2 < sizeof text) {
    memcpy(text + at, "\xd0\xb6", 2);
    at += 2;
  }
  text[at] = '\0';
  b24__fail(&err, B24_APIERROR, B24_SENT_YES, "%s", text);
  CHECK_INT(strlen(err.message), B24_MESSAGE_MAX - 2);
  CHECK((unsigned char)err.message[B24_MESSAGE_MAX - 3] == 0xb6);
}

TEST(kinds_have_the_names_of_the_contract) {
  CHECK_STR(b24_kind_name(B24_CONFIG), "config");
  CHECK_STR(b24_kind_name(B24_NETWORK), "network");
  CHECK_STR(b24_kind_name(B24_PROTOCOL), "protocol");
  CHECK_STR(b24_kind_name(B24_AUTH), "auth");
  CHECK_STR(b24_kind_name(B24_LIMIT), "limit");
  CHECK_STR(b24_kind_name(B24_APIERROR), "api");
  CHECK_STR(b24_kind_name(B24_CANCELLED), "cancelled");
}

int main(void) {
  RUN(a_failure_is_a_value);
  RUN(a_long_message_is_cut_at_a_character);
  RUN(kinds_have_the_names_of_the_contract);
  return unit_report();
}
