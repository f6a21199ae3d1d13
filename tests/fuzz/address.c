/*
 * address.c - a fuzz target: addresses as users, token answers and redirects
 * give them. The first line is where a portal is, the second where it moves
 * to; each is read in every way there is.
 */
#include "address.h"

#include "fuzz.h"

static int is_made_of(const char *text, const char *others) {
  for (; *text != '\0'; text++) {
    char c = *text;
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
          (c >= '0' && c <= '9') || strchr(others, c) != NULL))
      return 0;
  }
  return 1;
}

static int same(const char *a, const char *b) {
  return (a == NULL) == (b == NULL) && (a == NULL || strcmp(a, b) == 0);
}

static int same_origin(const b24_address *a, const b24_address *b) {
  return a->https == b->https && a->port == b->port && same(a->host, b->host);
}

/* A refusal has a sentence, and no secret in it. */
static void check_refusal(b24_kind kind, const b24_error *err) {
  FUZZ_CHECK(kind == B24_CONFIG);
  FUZZ_CHECK(err->message[0] != '\0');
  FUZZ_CHECK(strstr(err->message, FUZZ_SECRET) == NULL);
}

/* What is written is read again as the same address. */
static void check_written(const b24_address *address, int insecure) {
  static const char method[] = "crm.deal.list";
  b24_address again;
  b24_buf out;
  b24_error err;
  b24__buf_init(&out, b24__alloc_default(), B24_LINK_MAX);
  FUZZ_CHECK(b24__address_write_origin(&out, address) == B24_OK);
  FUZZ_CHECK(out.size < B24_ORIGIN_MAX);
  FUZZ_CHECK(b24__address_parse_domain(&again, b24__alloc_default(),
                                       b24__buf_str(&out), insecure,
                                       &err) == B24_OK);
  FUZZ_CHECK(same_origin(&again, address));
  b24__address_dispose(&again);
  for (int version = 2; version <= 3; version++) {
    b24__buf_clear(&out);
    FUZZ_CHECK(b24__address_write(&out, address, version, method,
                                  sizeof method - 1) == B24_OK);
    FUZZ_CHECK(is_made_of(b24__buf_str(&out), "-._:/[]"));
    FUZZ_CHECK(b24__address_check_link(b24__buf_str(&out), insecure, &err) ==
               B24_OK);
    if (address->code == NULL) continue;
    FUZZ_CHECK(b24__address_parse_webhook(&again, b24__alloc_default(),
                                          b24__buf_str(&out), insecure,
                                          &err) == B24_OK);
    FUZZ_CHECK(same_origin(&again, address));
    FUZZ_CHECK(same(again.user_id, address->user_id));
    FUZZ_CHECK(same(again.code, address->code));
    b24__address_dispose(&again);
  }
  b24__buf_dispose(&out);
}

static void check_parsed(const b24_address *address, int insecure) {
  FUZZ_CHECK(address->host != NULL && address->host[0] != '\0');
  FUZZ_CHECK(is_made_of(address->host, ".-_[]:"));
  FUZZ_CHECK(address->port >= 0 && address->port <= 65535);
  FUZZ_CHECK(address->https || insecure ||
             b24__address_is_loopback(address->host));
  FUZZ_CHECK((address->code == NULL) == (address->user_id == NULL));
  if (address->code != NULL) {
    FUZZ_CHECK(address->code[0] != '\0' && is_made_of(address->code, "-_"));
    FUZZ_CHECK(address->user_id[0] != '\0');
    FUZZ_CHECK(is_made_of(address->user_id, ""));
  }
  check_written(address, insecure);
}

/* It moves, or stays as it was; never from https to http. */
static void check_move(b24_address *address, const char *to, int insecure) {
  int https = address->https;
  b24_buf before, after;
  b24_error err;
  b24_kind kind;
  b24__buf_init(&before, b24__alloc_default(), B24_LINK_MAX);
  b24__buf_init(&after, b24__alloc_default(), B24_LINK_MAX);
  (void)b24__address_write(&before, address, 2, "m", 1);
  kind = b24__address_move(address, to, insecure, &err);
  (void)b24__address_write(&after, address, 2, "m", 1);
  if (kind == B24_OK) {
    FUZZ_CHECK(!https || address->https || insecure);
    check_parsed(address, insecure);
  } else {
    check_refusal(kind, &err);
    FUZZ_CHECK(strcmp(b24__buf_str(&before), b24__buf_str(&after)) == 0);
  }
  b24__buf_dispose(&before);
  b24__buf_dispose(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *from = fuzz_line(&data, &size), *to = fuzz_line(&data, &size);
  for (int way = 0; way < 4; way++) {
    int insecure = way & 1;
    b24_address address;
    b24_error err;
    b24_kind kind = (way & 2 ? b24__address_parse_webhook
                             : b24__address_parse_domain)(
        &address, b24__alloc_default(), from, insecure, &err);
    if (kind == B24_OK) {
      FUZZ_CHECK((address.code != NULL) == (way >= 2));
      check_parsed(&address, insecure);
      check_move(&address, to, insecure);
    } else {
      check_refusal(kind, &err);
      FUZZ_CHECK(address.host == NULL && address.code == NULL);
    }
    b24__address_dispose(&address);
    kind = b24__address_check_link(to, insecure, &err);
    if (kind != B24_OK) check_refusal(kind, &err);
  }
  (void)b24__address_check_method(to, strlen(to), NULL);
  free(from);
  free(to);
  return 0;
}
