/*
 * fuzz_test.c - what comes from outside, damaged at random: the same numbers
 * every time. Nothing may crash or hang, and what must always hold is checked.
 */
#include <stdlib.h>

#include "address.h"
#include "alloc.h"
#include "catalogue.h"
#include "json_scan.h"
#include "page.h"
#include "query.h"
#include "redact.h"
#include "unit.h"

#define TEXT_MAX 256

/* ---- chance ------------------------------------------------------------ */

static uint64_t seed;

/* xorshift64*, a number below `below`. */
static size_t chance(size_t below) {
  seed ^= seed >> 12;
  seed ^= seed << 25;
  seed ^= seed >> 27;
  return (size_t)((seed * 2685821657736338717ull) >> 33) % below;
}

static char any_byte(void) {
  static const char likely[] =
      "/:.@?#&=%[]{}\"'\\ -_0123456789abcdefABCDEF\n\t*+,$~";
  if (chance(8) == 0) return (char)chance(256);
  return likely[chance(sizeof likely - 1)];
}

/* A few cuts, swaps, doublings and strange bytes. Terminated. */
static size_t damage(char out[TEXT_MAX + 1], const char *text, size_t size) {
  if (size > TEXT_MAX) size = TEXT_MAX;
  memcpy(out, text, size);
  for (size_t n = chance(4); n > 0; n--) {
    size_t at = size > 0 ? chance(size) : 0;
    size_t many = size - at > 0 ? chance(size - at) : 0;
    switch (chance(4)) {
      case 0: /* cut */
        memmove(out + at, out + at + many, size - at - many);
        size -= many;
        break;
      case 1: /* double */
        if (many > TEXT_MAX - size) many = TEXT_MAX - size;
        memmove(out + at + many, out + at, size - at);
        size += many;
        break;
      case 2: /* insert */
        if (size == TEXT_MAX) break;
        memmove(out + at + 1, out + at, size - at);
        out[at] = any_byte();
        size++;
        break;
      default: /* replace */
        if (size > 0) out[at] = any_byte();
    }
  }
  out[size] = '\0';
  return size;
}

#define PICK(list) ((list)[chance(sizeof(list) / sizeof(list)[0])])

/* ---- addresses --------------------------------------------------------- */

static int is_plain(const char *text, const char *allowed) {
  for (; *text != '\0'; text++)
    if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
               *text) == NULL &&
        strchr(allowed, *text) == NULL)
      return 0;
  return 1;
}

TEST(an_address_holds_nothing_that_needs_escaping) {
  static const char *const texts[] = {
      "https://example.bitrix24.com/rest/1/abcdefgh12345678/",
      "http://127.0.0.1:8080/rest/api/17/code_-1/crm.deal.list.json?a=1#x",
      "  HTTPS://[::1]:443/rest/1/abc/profile\n", "example.bitrix24.com",
      "https://user:password@host/rest/1/abc/"};
  for (int i = 0; i < 60000; i++) {
    char text[TEXT_MAX + 1];
    b24_address address;
    b24_error err;
    b24_kind kind;
    int insecure = (int)chance(2);
    const char *from = PICK(texts);
    (void)damage(text, from, strlen(from));
    kind = chance(4) > 0
               ? b24__address_parse_webhook(&address, b24__alloc_default(),
                                            text, insecure, &err)
               : b24__address_parse_domain(&address, b24__alloc_default(),
                                           text, insecure, &err);
    if (kind == B24_OK) {
      CHECK(address.host[0] != '\0' && is_plain(address.host, ".-_[]:"));
      CHECK(address.port >= 0 && address.port <= 65535);
      CHECK(address.https || insecure ||
            b24__address_is_loopback(address.host));
      if (address.code != NULL) CHECK(is_plain(address.code, "-_"));
      if (address.user_id != NULL) CHECK(is_plain(address.user_id, ""));
    } else {
      CHECK_INT(kind, B24_CONFIG);
      CHECK(strstr(err.message, "abcdefgh12345678") == NULL);
    }
    b24__address_dispose(&address);
    if (b24__address_check_link(text, insecure, NULL) == B24_OK)
      CHECK(strncmp(text, "http", 4) == 0 || strncmp(text, "HTTP", 4) == 0 ||
            strchr("hH", text[0]) != NULL);
    (void)b24__address_check_method(text, strlen(text), NULL);
    (void)b24__address_is_loopback(text);
  }
}

/* ---- secrets ----------------------------------------------------------- */

TEST(no_secret_is_ever_written) {
  static const char *const secrets[] = {"abcdefgh12345678", "tok/en+=%41\"x",
                                        "aaaa", "aabaab"};
  static const char *const texts[] = {
      "https://h/rest/1/abcdefgh12345678/crm.deal.list?auth=abcdefgh12345678",
      "{\"auth\":\"tok/en+=%41\\\"x\",\"x\":\"tok%2Fen%2B%3D%2541%22x\"}",
      "aabaabaabaab abcdefgabcdefgh12345678 aaaaaaaaaa", "Bearer aaaaXaaaa",
      "\"access_token\":\"a\\u0062c\" token = 'x' https://u:p@h/ %2frest%2f1"};
  b24_redact set;
  b24_buf out;
  b24__redact_init(&set, b24__alloc_default());
  for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
    CHECK_INT(b24__redact_add(&set, secrets[i], strlen(secrets[i])), B24_OK);
  b24__buf_init(&out, b24__alloc_default(), 4096);
  for (int i = 0; i < 40000; i++) {
    char text[TEXT_MAX + 1];
    const char *from = PICK(texts);
    size_t size = damage(text, from, strlen(from));
    b24__buf_clear(&out);
    CHECK_INT(b24__redact_write(&out, &set, text, size), B24_OK);
    for (size_t k = 0; k < sizeof secrets / sizeof secrets[0]; k++)
      CHECK(strstr(b24__buf_str(&out), secrets[k]) == NULL);
  }
  b24__buf_dispose(&out);
  b24__redact_dispose(&set);
}

/* ---- names of methods -------------------------------------------------- */

TEST(any_name_can_be_looked_up) {
  for (int i = 0; i < 30000; i++) {
    char text[TEXT_MAX + 1];
    b24_method method;
    size_t size;
    CHECK(b24_catalogue_at(&method, chance(b24_catalogue_count())));
    size = damage(text, method.name, strlen(method.name));
    if (b24_catalogue_find(&method, text, size, (int)chance(4)))
      CHECK_INT(strlen(method.name), size);
    (void)b24_catalogue_has_prefix(text, size);
    if (i % 100 == 0) { /* it measures against every name */
      const char *names[20];
      size_t count = b24_catalogue_closest(names, chance(20), text, size);
      CHECK(count <= 16);
      for (size_t k = 0; k < count; k++)
        CHECK(b24_catalogue_find(&method, names[k], strlen(names[k]), 0));
    }
  }
}

/* ---- JSON -------------------------------------------------------------- */

TEST(numbers_are_marked_where_they_were_counted) {
  static const char *const texts[] = {
      "{\"id\":123456789012345678901,\"x\":[-0.5e+10,1.0,null,\"a\\\"1\"]}",
      "[0,1,12345678901234567,1e5,{\"a\":-1}]",
      "{\"a\xff\x80\":\"\\\\\",\"b\":9007199254740993}"};
  for (int i = 0; i < 40000; i++) {
    char text[TEXT_MAX + 1];
    char marked[TEXT_MAX * (B24_JSON_MARKER_MAX + 4)];
    const char *from = PICK(texts);
    size_t size = damage(text, from, strlen(from));
    b24_json_rules rules = {chance(2) ? 15 : 18, (int)chance(2)};
    b24_json_facts facts;
    b24_json_marker marker;
    b24_error err;
    size_t needed;
    if (b24__json_scan(&facts, text, size, &rules, &err) != B24_OK) {
      CHECK(err.message[0] != '\0');
      continue;
    }
    b24__json_marker_choose(&marker, text, size);
    CHECK(marker.size >= 1 && marker.size <= B24_JSON_MARKER_MAX);
    needed = b24__json_marked_size(&facts, size, &marker);
    CHECK(needed <= sizeof marked);
    marked[needed] = 'x';
    b24__json_mark(marked, text, size, &rules, &marker);
    CHECK_INT(marked[needed], 'x');
    /* nothing is left to mark */
    CHECK_INT(b24__json_scan(&facts, marked, needed, &rules, &err), B24_OK);
    CHECK_INT(facts.marked, 0);
  }
}

/* ---- queries ----------------------------------------------------------- */

/* Any order of calls: the text stays a query, and undo takes it back. */
TEST(a_query_stays_a_query) {
  b24_query q;
  b24_buf out;
  b24__buf_init(&out, b24__alloc_default(), 5000);
  CHECK_INT(b24__buf_puts(&out, "m?"), B24_OK);
  b24__query_init(&q, b24__alloc_default(), &out);
  for (int i = 0; i < 60000; i++) {
    char text[TEXT_MAX + 1];
    b24_query_step steps[3] = {{"key", 3, 0}, {NULL, 0, 4}, {text, 0, 0}};
    b24_kind kind = B24_OK;
    size_t size = damage(text, "na[me] $result[x].%41", 21);
    steps[2].size = size;
    switch (chance(12)) {
      case 0: kind = b24__query_end(&q); break;
      case 1: kind = b24__query_begin(&q); break;
      case 2: kind = b24__query_index(&q, (int64_t)chance(100) - 1); break;
      case 3: kind = b24__query_int(&q, (int64_t)seed); break;
      case 4: kind = b24__query_double(&q, (double)seed / 3.0); break;
      case 5: kind = b24__query_bool(&q, 1); break;
      case 6: kind = b24__query_null(&q); break;
      case 7: kind = b24__query_ref(&q, steps, chance(4)); break;
      case 8: kind = b24__query_string(&q, text, size); break;
      default: kind = b24__query_key(&q, text, size % 20);
    }
    CHECK(kind == B24_OK || kind == B24_CONFIG || kind == B24_PROTOCOL);
    if (kind != B24_PROTOCOL && chance(300) != 0) continue;
    CHECK(is_plain(b24__buf_str(&out) + 2, "&=[]%$-._~"));
    b24__query_undo(&q);
    CHECK_STR(b24__buf_str(&out), "m?");
    CHECK_INT(q.values, 0);
  }
  b24__query_dispose(&q);
  b24__buf_dispose(&out);
}

/* ---- pages ------------------------------------------------------------- */

static int64_t any_number(void) {
  static const int64_t odd[] = {-1, 0, 1, 49, 50, 51, 500, INT64_MAX,
                                INT64_MAX - 50, INT64_MIN};
  return chance(4) == 0 ? PICK(odd) : (int64_t)chance(200);
}

TEST(every_walk_ends) {
  static const char *const cursors[] = {"a", "b", "c", "d", "", "long-cursor"};
  for (int i = 0; i < 4000; i++) {
    b24_page_options options = {0};
    b24_page page;
    b24_page_step told;
    b24_error err;
    int pages = 0;
    int liar = (int)chance(4) == 0;
    options.style = (b24_page_style)chance(7);
    options.first = chance(4) == 0 ? any_number() : 0;
    options.first_page = (int64_t)chance(3);
    options.asked = (int64_t)chance(3) * 25;
    options.size = (int64_t)chance(3) * 25;
    options.overlap = (int)chance(2);
    options.next_documented = (int)chance(2);
    options.end_mark = (int)chance(2);
    options.unordered = (int)chance(2);
    if (b24_page_init(&page, &options, &err) != B24_OK) continue;
    for (;;) {
      b24_page_facts facts = {0};
      const char *cursor = PICK(cursors);
      facts.count = liar ? any_number() : (int64_t)chance(3) * 25;
      facts.has_next = (int)chance(2);
      facts.next = any_number();
      facts.has_total = (int)chance(2);
      facts.total = any_number();
      facts.more = (b24_page_flag)chance(3);
      facts.has_last_id = (int)chance(4) > 0;
      facts.last_id = any_number();
      facts.cursor = chance(2) ? cursor : NULL;
      facts.cursor_size = strlen(cursor);
      facts.fingerprint = chance(3);
      if (b24_page_advance(&told, &page, &facts, &err) != B24_OK) {
        CHECK(err.message[0] != '\0');
        break;
      }
      if (told.verdict != B24_PAGE_MORE) break;
      CHECK(++pages < 1000);
      if (pages >= 1000) break;
    }
    b24_page_dispose(&page);
  }
}

int main(void) {
  seed = UINT64_C(0x9e3779b97f4a7c15);
  RUN(an_address_holds_nothing_that_needs_escaping);
  RUN(no_secret_is_ever_written);
  RUN(any_name_can_be_looked_up);
  RUN(numbers_are_marked_where_they_were_counted);
  RUN(a_query_stays_a_query);
  RUN(every_walk_ends);
  return unit_report();
}
