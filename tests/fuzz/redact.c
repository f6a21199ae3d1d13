/*
 * redact.c - a fuzz target: text that holds secrets. The first four lines are
 * secrets; what follows is text in which a byte 1 to 4 stands for one of
 * them, plainly, and 5 to 8 for one that is percent-encoded.
 */
#include "redact.h"

#include "fuzz.h"

#define SECRETS 4
#define OUT_MAX 100000

static void put_encoded(b24_buf *out, const char *text) {
  for (; *text != '\0'; text++) {
    char code[4];
    (void)snprintf(code, sizeof code, "%%%02X", (unsigned)(uint8_t)*text);
    (void)b24__buf_puts(out, code);
  }
}

/* A secret that the mask can be taken for a piece of comes back by chance. */
static int can_tell(const char *secret) {
  return secret[strspn(secret, "\r")] != '\0' && strchr(secret, '*') == NULL;
}

static void check_clean(const b24_buf *out, char *const *secrets) {
  for (int i = 0; i < SECRETS; i++)
    if (can_tell(secrets[i]))
      FUZZ_CHECK(strstr(b24__buf_str(out), secrets[i]) == NULL);
}

/* What is left of a text that is cut holds no more than the whole. */
static void check_cut(const b24_redact *set, const b24_buf *text,
                      char *const *secrets) {
  for (size_t cap = 1; cap < 40; cap += 6) {
    b24_buf out;
    b24__buf_init(&out, b24__alloc_default(), cap);
    FUZZ_CHECK(b24__redact_write(&out, set, b24__buf_str(text), text->size) ==
               B24_OK);
    FUZZ_CHECK(out.size <= cap);
    check_clean(&out, secrets);
    b24__buf_dispose(&out);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *secrets[SECRETS];
  b24_redact set;
  b24_buf text, out;
  b24__redact_init(&set, b24__alloc_default());
  b24__buf_init(&text, b24__alloc_default(), OUT_MAX);
  b24__buf_init(&out, b24__alloc_default(), 4 * OUT_MAX);
  for (int i = 0; i < SECRETS; i++) {
    secrets[i] = fuzz_line(&data, &size);
    FUZZ_CHECK((i % 2 ? b24__redact_add_passing : b24__redact_add)(
                   &set, secrets[i], strlen(secrets[i])) == B24_OK);
  }
  for (; size > 0; data++, size--) {
    if (*data >= 1 && *data <= SECRETS)
      (void)b24__buf_puts(&text, secrets[*data - 1]);
    else if (*data > SECRETS && *data <= 2 * SECRETS)
      put_encoded(&text, secrets[*data - 1 - SECRETS]);
    else
      (void)b24__buf_append(&text, data, *data != '\0');
  }
  FUZZ_CHECK(b24__redact_write(&out, &set, b24__buf_str(&text), text.size) ==
             B24_OK);
  check_clean(&out, secrets);
  check_cut(&set, &text, secrets);
  for (int i = 0; i < SECRETS; i++) free(secrets[i]);
  b24__buf_dispose(&out);
  b24__buf_dispose(&text);
  b24__redact_dispose(&set);
  return 0;
}
