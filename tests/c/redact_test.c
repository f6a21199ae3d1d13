/*
 * redact_test.c - no secret leaves, however it is spelled, wherever it is
 * cut, and credentials are masked even when nobody told them.
 */
#include "redact.h"

#include <stdlib.h>

#include "unit.h"

/* The text after redaction, in one of the caller's buffers. */
static char *clean(char *out, size_t room, const b24_redact *set,
                   const char *text, size_t size) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), room - 1);
  CHECK_INT(b24__redact_write(&buf, set, text, size), B24_OK);
  memcpy(out, b24__buf_str(&buf), buf.size + 1);
  b24__buf_dispose(&buf);
  return out;
}

static void add(b24_redact *set, const char *secret) {
  CHECK_INT(b24__redact_add(set, secret, strlen(secret)), B24_OK);
}

typedef struct row {
  const char *text, *want;
} row;

static void check_rows(const b24_redact *set, const row *rows, size_t count) {
  char out[512];
  for (size_t i = 0; i < count; i++)
    CHECK_STR(clean(out, sizeof out, set, rows[i].text, strlen(rows[i].text)),
              rows[i].want);
}

TEST(known_secrets_are_masked_in_every_spelling) {
  static const row rows[] = {
      {"", ""},
      {"nothing here", "nothing here"},
      {"k3y/x+y=", "***"},
      {"a k3y/x+y= b", "a *** b"},
      {"k3y/x+y=k3y/x+y=", "***"},
      {"k3y/x+y= k3y/x+y=", "*** ***"},
      {"k3y%2Fx%2By%3D", "***"},
      {"k3y%2fx%2by%3d", "***"},
      {"%6b3y%2Fx%2By%3d!", "***!"},
      {"k3y%252Fx%252By%253D", "***"},
      {"k3y\\/x+y=", "***"},
      {"k3y\\u002Fx\\u002by\\u003d", "***"},
      {"k3y/x+y", "***"},           /* cut at the end */
      {"k3y%2Fx%2By%3", "***"},     /* cut inside an escape */
      {"k3y%2Fx%", "***"},
      {"k3y\\/x\\u0", "***"},
      {"k3y/", "***"},
      {"k3y", "k3y"},               /* too little to be one */
      {"k3y/x+z=", "k3y/x+z="},
      {"K3Y/X+Y=", "K3Y/X+Y="},
      {"p%ss%25", "***"},
      {"p%25ss%2525", "***"},
      {"with space and \"quote\"", "***"},
      {"with+space+and+%22quote%22", "***"},
      {"with space and \\\"quote\\\"", "***"},
  };
  b24_redact set;
  b24__redact_init(&set, b24__alloc_default());
  add(&set, "");
  add(&set, "***");
  add(&set, "k3y/x+y=");
  add(&set, "k3y/x+y=");
  add(&set, "p%ss%25");
  add(&set, "with space and \"quote\"");
  CHECK_INT(set.count, 3);
  check_rows(&set, rows, sizeof rows / sizeof rows[0]);
  b24__redact_dispose(&set);
}

TEST(overlapping_secrets_are_masked_whole) {
  static const row rows[] = {
      {"abcdef", "***"},        {"abc", "***"},
      {"xabcdefy", "x***y"},    {"abcdeabcdef", "***de***"},
      {"cdefgh", "***"},        {"abcdefgh", "***"},
      {"abcdexdefgh", "***dexdefgh"}, {"abcabc-abc", "***-***"},
  };
  b24_redact set;
  b24__redact_init(&set, b24__alloc_default());
  add(&set, "abc");
  add(&set, "abcdef");
  add(&set, "cdefgh");
  check_rows(&set, rows, sizeof rows / sizeof rows[0]);
  b24__redact_dispose(&set);
}

TEST(renewed_tokens_do_not_replace_old_ones) {
  b24_redact set;
  char out[64], token[24];
  b24__redact_init(&set, b24__alloc_default());
  for (int i = 0; i < 50; i++) {
    (void)snprintf(token, sizeof token, "token-%04d", i);
    add(&set, token);
  }
  CHECK_STR(clean(out, sizeof out, &set, "token-0000 token-0049", 21),
            "*** ***");
  b24__redact_dispose(&set);
  b24__redact_dispose(&set);
  CHECK_STR(clean(out, sizeof out, &set, "token-0000", 10), "token-0000");
  add(&set, "again"); /* usable after it was emptied */
  CHECK_STR(clean(out, sizeof out, &set, "again", 5), "***");
  b24__redact_dispose(&set);
}

TEST(credentials_are_known_by_their_surroundings) {
  static const row rows[] = {
      {"https://p.com/rest/1/c0de/crm.deal.list",
       "https://p.com/rest/1/***/crm.deal.list"},
      {"https://p.com/rest/1/c0de", "https://p.com/rest/1/***"},
      {"see /rest/17/c0de/.", "see /rest/17/***/."},
      {"/rest/api/1/c0de/x", "/rest/api/1/***/x"},
      {"\"https:\\/\\/p.com\\/rest\\/1\\/c0de\\/\"",
       "\"https:\\/\\/p.com\\/rest\\/1\\/***\\/\""},
      {"u=https%3A%2F%2Fp.com%2Frest%2F1%2Fc0de%2Fx",
       "u=https%3A%2F%2Fp.com%2Frest%2F1%2F***%2Fx"},
      {"/rest/crm.deal.list", "/rest/crm.deal.list"},
      {"/rest/1/", "/rest/1/"},
      {"/interest/1/c0de", "/interest/1/c0de"},
      {"?auth=t0k3n&x=1", "?auth=***&x=1"},
      {"x=1&AUTH=t0k3n", "x=1&AUTH=***"},
      {"auth=t0k3n", "auth=***"},
      {"auth=a%2Bb%3D&y", "auth=***&y"},
      {"auth%3Dt0k3n%26x", "auth%3D***"},
      {"access_token=t&refresh_token=r&client_secret=s",
       "access_token=***&refresh_token=***&client_secret=***"},
      {"auth[access_token]=t&auth[member_id]=m",
       "auth[access_token]=***&auth[member_id]=m"},
      {"auth%5Bapplication_token%5D=t;", "auth%5Bapplication_token%5D=***;"},
      {"token=disk%7Cabc 404", "token=*** 404"},
      {"token = \"a b c\", x", "token = \"***\", x"},
      {"token='a b c', x", "token='***', x"},
      {"{\"access_token\":\"t0k3n\",\"x\":1}",
       "{\"access_token\":\"***\",\"x\":1}"},
      {"{\"auth\" : \"t0\\/k3n\"}", "{\"auth\" : \"***\"}"},
      {"{\"auth\":{\"refresh_token\":\"r\"}}",
       "{\"auth\":{\"refresh_token\":\"***\"}}"},
      {"{\\\"access_token\\\":\\\"t0k3n\\\",\\\"x\\\":1}",
       "{\\\"access_token\\\":\\\"***\\\",\\\"x\\\":1}"},
      {"{\"access_token\":\"t0k3", "{\"access_token\":\"***"},
      {"{\"token\":\"\",\"id\":7}", "{\"token\":\"\",\"id\":7}"},
      {"{\"token\":12345}", "{\"token\":***}"},
      {"Authorization: Bearer t0k3n.x-y", "Authorization: Bearer ***"},
      {"authorization: bearer  t0k3n\r\nX: y",
       "authorization: bearer  ***\r\nX: y"},
      {"forbearer of news", "forbearer of news"},
      {"proxy http://me:pw@10.0.0.1:3128/", "proxy http://***@10.0.0.1:3128/"},
      {"https://p.com/a@b", "https://p.com/a@b"},
      {"author=me", "author=me"},
      {"expired_token: The access token has expired",
       "expired_token: The access token has expired"},
      {"invalid_token", "invalid_token"},
      {"unauth=1", "unauth=1"},
  };
  b24_redact set;
  b24__redact_init(&set, b24__alloc_default());
  check_rows(&set, rows, sizeof rows / sizeof rows[0]);
  b24__redact_dispose(&set);
}

TEST(what_does_not_fit_is_cut_after_masking) {
  static const char text[] = "before 0123456789abcdef after \xd0\xb9\xd1\x86";
  b24_redact set;
  char out[64];
  b24__redact_init(&set, b24__alloc_default());
  add(&set, "0123456789abcdef");
  for (size_t room = 1; room < sizeof out; room++) {
    (void)clean(out, room, &set, text, sizeof text - 1);
    CHECK(strstr(out, "012") == NULL);
    CHECK(strlen(out) < room);
    CHECK(strncmp(out, "before *** after \xd0\xb9\xd1\x86", strlen(out)) ==
          0);
    /* whole characters only */
    CHECK(((unsigned char)out[strlen(out) == 0 ? 0 : strlen(out) - 1] &
           0xC0u) != 0xC0u);
  }
  /* and of the text that came: somebody may have cut it in the secret */
  for (size_t size = 7 + 4; size < 7 + 16; size++)
    CHECK_STR(clean(out, sizeof out, &set, text, size), "before ***");
  b24__redact_dispose(&set);
}

TEST(text_with_nul_bytes_and_no_text) {
  b24_redact set;
  b24_buf buf;
  b24__redact_init(&set, b24__alloc_default());
  add(&set, "secret");
  b24__buf_init(&buf, b24__alloc_default(), 100);
  CHECK_INT(b24__redact_write(&buf, &set, "a\0secret\0b", 10), B24_OK);
  CHECK_INT(buf.size, 7);
  CHECK(memcmp(buf.data, "a\0***\0b", 7) == 0);
  CHECK_INT(b24__redact_write(&buf, &set, NULL, 0), B24_OK);
  CHECK_INT(buf.size, 7);
  b24__buf_dispose(&buf);
  b24__redact_dispose(&set);
}

/* Each of the million could end at the end of the text. */
TEST(long_texts_take_their_time_and_no_more) {
  static const char part[] = "token=/rest/1/:// Bearer x";
  for (size_t length = 6; length < sizeof part; length += sizeof part - 8) {
    b24_redact set;
    b24_buf in, out;
    b24__redact_init(&set, b24__alloc_default());
    add(&set, "token=tok");
    b24__buf_init(&in, b24__alloc_default(), 6000000);
    b24__buf_init(&out, b24__alloc_default(), 6000000);
    while (b24__buf_append(&in, part, length) == B24_OK) continue;
    CHECK_INT(b24__redact_write(&out, &set, in.data, in.size), B24_OK);
    CHECK(out.size < in.size);
    b24__buf_dispose(&in);
    b24__buf_dispose(&out);
    b24__redact_dispose(&set);
  }
}

/* ---- property ---------------------------------------------------------- */

static uint64_t state = 88172645463325252u;

static unsigned below(unsigned n) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (unsigned)((state >> 20) % n);
}

static size_t spell(char *out, const char *secret, size_t size, unsigned how) {
  static const char hex[] = "0123456789abcdef0123456789ABCDEF";
  size_t n = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)secret[i];
    unsigned upper = below(2) * 16;
    int must = strchr("%\\\"/+ ", (char)c) != NULL;
    if (how == 1 && (must || below(3) == 0)) {
      out[n++] = '%';
      out[n++] = hex[upper + c / 16];
      out[n++] = hex[upper + c % 16];
    } else if (how == 2 && strchr("\\\"/", (char)c) != NULL) {
      out[n++] = '\\';
      out[n++] = (char)c;
    } else {
      out[n++] = (char)c;
    }
  }
  return n;
}

static int holds(const char *text, size_t size, const char *part,
                 size_t length) {
  for (size_t i = 0; i + length <= size; i++)
    if (memcmp(text + i, part, length) == 0) return 1;
  return 0;
}

/* A small alphabet, so that secrets overlap each other and themselves. */
TEST(no_output_holds_a_secret) {
  static const char letters[] = "abA1%/\\=& \"";
  int seen = 0;
  for (int round = 0; round < 20000; round++) {
    b24_redact set;
    char secret[3][12], text[160], spelled[3][64];
    size_t length[3], written[3], size = 0;
    b24_buf buf;
    b24__redact_init(&set, b24__alloc_default());
    for (int i = 0; i < 3; i++) {
      length[i] = 1 + below(8);
      for (size_t k = 0; k < length[i]; k++)
        secret[i][k] = letters[below(sizeof letters - 1)];
      CHECK_INT(b24__redact_add(&set, secret[i], length[i]), B24_OK);
    }
    while (size < 80) {
      unsigned which = below(6);
      if (which < 3) {
        written[which] =
            spell(spelled[which], secret[which], length[which], below(3));
        memcpy(text + size, spelled[which], written[which]);
        size += written[which];
        seen++;
      } else {
        text[size++] = letters[below(sizeof letters - 1)];
      }
    }
    b24__buf_init(&buf, b24__alloc_default(), 20 + below(200));
    CHECK_INT(b24__redact_write(&buf, &set, text, size), B24_OK);
    for (int i = 0; i < 3; i++) {
      char other[64];
      size_t n;
      CHECK(!holds(buf.data, buf.size, secret[i], length[i]));
      for (unsigned how = 1; how < 3; how++) {
        n = spell(other, secret[i], length[i], how);
        CHECK(!holds(buf.data, buf.size, other, n));
      }
    }
    b24__buf_dispose(&buf);
    b24__redact_dispose(&set);
  }
  CHECK(seen > 100000);
}

/* ---- memory ------------------------------------------------------------ */

typedef struct scarce {
  int left;
  int64_t bytes;
  char last[16]; /* of the block of 10 bytes freed last */
} scarce;

static void *scarce_realloc(void *ud, void *ptr, size_t old_size,
                            size_t size) {
  scarce *s = ud;
  if (size == 0) {
    if (old_size == 10) memcpy(s->last, ptr, old_size);
    free(ptr);
    s->bytes -= (int64_t)old_size;
    return NULL;
  }
  if (s->left-- <= 0) return NULL;
  s->bytes += (int64_t)size - (int64_t)old_size;
  return realloc(ptr, size);
}

TEST(memory_that_runs_out_leaks_nothing) {
  for (int n = 0; n < 12; n++) {
    scarce s = {0, 0, ""};
    b24_alloc alloc = {scarce_realloc, NULL};
    b24_redact set;
    b24_buf buf;
    char secret[8] = "secret0";
    int added = 0;
    alloc.ud = &s;
    s.left = n;
    b24__redact_init(&set, &alloc);
    for (int i = 0; i < 8; i++) {
      secret[6] = (char)('0' + i);
      if (b24__redact_add(&set, secret, 7) == B24_OK) added++;
    }
    CHECK_INT(set.count, added);
    b24__buf_init(&buf, &alloc, 1000);
    if (b24__redact_write(&buf, &set, "a secret0 b", 11) == B24_NOMEM)
      CHECK_INT(buf.size, 0);
    b24__buf_dispose(&buf);
    b24__redact_dispose(&set);
    CHECK_INT(s.bytes, 0);
  }
}

TEST(secrets_are_wiped_before_they_are_freed) {
  scarce s = {100, 0, "not yet"};
  b24_alloc alloc = {scarce_realloc, NULL};
  b24_redact set;
  alloc.ud = &s;
  b24__redact_init(&set, &alloc);
  CHECK_INT(b24__redact_add(&set, "topsecret", 9), B24_OK);
  b24__redact_dispose(&set);
  CHECK(memcmp(s.last, "\0\0\0\0\0\0\0\0\0", 10) == 0);
}

int main(void) {
  RUN(known_secrets_are_masked_in_every_spelling);
  RUN(overlapping_secrets_are_masked_whole);
  RUN(renewed_tokens_do_not_replace_old_ones);
  RUN(credentials_are_known_by_their_surroundings);
  RUN(what_does_not_fit_is_cut_after_masking);
  RUN(text_with_nul_bytes_and_no_text);
  RUN(long_texts_take_their_time_and_no_more);
  RUN(no_output_holds_a_secret);
  RUN(memory_that_runs_out_leaks_nothing);
  RUN(secrets_are_wiped_before_they_are_freed);
  return unit_report();
}
