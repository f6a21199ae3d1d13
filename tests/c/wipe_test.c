/*
 * wipe_test.c - the memory that the core gives back holds no secret. The
 * allocator looks into each block that is freed or moved: whoever gets that
 * memory next, or reads a dump of the process, finds none of the secrets that
 * the core had copied there.
 */
#include "bitrix24.h"
#include "world.h"

#include <stdlib.h>

#define CODE "k7w2m9q4x1z8c5v3"
#define TOKEN "a1b2c3d4e5f6a7b8c9d0e1f2a3b4c5d6e7f8a9b0"
#define RENEWED "f0e1d2c3b4a5968778695a4b3c2d1e0ff1e2d3c4"
#define REFRESH "9d8c7b6a5f4e3d2c1b0a99887766554433221100"
#define SECRET "CLIENTzyxwvutsrqponmlkjihgfedcba9876543210"
#define SIGNED "signedlinktoken5566778899"
#define PASSWORD "pr0xyPassw0rd77"

/* What of a secret is too much. */
#define PIECE 8

static const char *const secrets[] = {CODE,    TOKEN,  RENEWED, REFRESH,
                                      SECRET, SIGNED, PASSWORD};

/* ---- the allocator ----------------------------------------------------- */

typedef struct watch {
  int64_t bytes; /* live */
  int given_back; /* blocks */
  int dirty;      /* of them with a secret in it */
  char found[64]; /* around the first */
} watch;

static int holds(const char *block, size_t size, const char **where) {
  for (size_t i = 0; i + PIECE <= size; i++)
    for (size_t s = 0; s < sizeof secrets / sizeof *secrets; s++)
      for (size_t at = 0; at + PIECE <= strlen(secrets[s]); at++)
        if (memcmp(block + i, secrets[s] + at, PIECE) == 0) {
          *where = secrets[s];
          return 1;
        }
  return 0;
}

static void look_at(watch *w, const char *block, size_t size) {
  const char *where = NULL;
  w->given_back++;
  if (!holds(block, size, &where)) return;
  if (w->dirty++ == 0)
    (void)snprintf(w->found, sizeof w->found, "%d: %.16s in %d bytes",
                   w->given_back, where, (int)size);
}

/* Each change of size moves the block, as any realloc may. */
static void *watch_realloc(void *ud, void *ptr, size_t old_size,
                           size_t size) {
  watch *w = ud;
  void *moved = NULL;
  if (size > 0) {
    moved = malloc(size);
    if (moved == NULL) return NULL;
    memset(moved, 'u', size);
    if (ptr != NULL) memcpy(moved, ptr, old_size < size ? old_size : size);
  }
  if (ptr != NULL) {
    look_at(w, ptr, old_size);
    free(ptr);
  }
  w->bytes += (int64_t)size - (ptr != NULL ? (int64_t)old_size : 0);
  return moved;
}

/* Nothing is live, and nothing that was had a secret in it. */
static void check_clean(const watch *w) {
  if (w->dirty > 0) (void)printf("%d dirty, first %s\n", w->dirty, w->found);
  CHECK_INT(w->dirty, 0);
  CHECK_INT(w->bytes, 0);
  CHECK(w->given_back > 0);
}

/* ---- a client that is watched ------------------------------------------ */

static watch memory;
static b24_alloc watched = {watch_realloc, &memory};

static b24_client *client_of(world *w, b24_options *options,
                             const script *steps, int count) {
  memset(&memory, 0, sizeof memory);
  options->alloc = &watched;
  return client_in(w, options, steps, count);
}

static b24_client *hook_client(world *w, const script *steps, int count) {
  b24_options options;
  b24_options_init(&options);
  options.webhook = "https://example.bitrix24.com/rest/1/" CODE "/";
  return client_of(w, &options, steps, count);
}

static b24_client *token_client(world *w, const script *steps, int count) {
  b24_options options;
  b24_options_init(&options);
  options.domain = "example.bitrix24.com";
  options.access_token = TOKEN;
  options.renewable = 1;
  return client_of(w, &options, steps, count);
}

static b24_request *call_of(b24_client *client, int version,
                            const char *body) {
  b24_call c;
  b24_request *r = NULL;
  b24_error err;
  memset(&c, 0, sizeof c);
  c.method = "crm.item.list";
  c.version = version;
  c.body = body;
  c.body_size = strlen(body);
  c.harmless = 1;
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
  return r;
}

static b24_request *fetch(b24_client *client, const char *url,
                          const b24_sink *sink) {
  b24_call c;
  b24_request *r = NULL;
  b24_error err;
  memset(&c, 0, sizeof c);
  c.method = "oauth.token";
  c.url = url;
  c.sink = sink;
  c.harmless = 1;
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
  return r;
}

/* Step and settle until the request is done; `code` of each attempt. */
static void run(b24_client *client, b24_request *r, const char *code) {
  for (int i = 0; i < 10; i++) {
    if (step(client, 700000) != r) return;
    if (settle(r, code).action != B24_RETRY) return;
  }
}

static const char long_body[] =
    "{\"filter\":{\"a\":\"0123456789012345678901234567890123456789\"},"
    "\"select\":[\"id\",\"title\",\"name\",\"lastName\",\"secondName\"],"
    "\"order\":{\"id\":\"asc\"},\"x\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}";

static const script good[] = {
    {B24_OUTCOME_ANSWER, 200, "{\"result\":[]}", 10}};

/* ---- tests ------------------------------------------------------------- */

TEST(the_scanner_finds_what_is_left) {
  const char *where;
  char *block;
  memset(&memory, 0, sizeof memory);
  CHECK(holds("xx" CODE, sizeof CODE + 1, &where));
  CHECK(!holds("xxk7w2m9q", 9, &where));
  block = b24__strndup(&watched, TOKEN, strlen(TOKEN));
  b24__strfree(&watched, block); /* as it must not be done */
  CHECK_INT(memory.dirty, 1);
  block = b24__strndup(&watched, TOKEN, strlen(TOKEN));
  b24__secret_free(&watched, block);
  CHECK_INT(memory.dirty, 1);
}

TEST(a_webhook_leaves_nothing) {
  world w;
  b24_client *client = hook_client(&w, good, 1);
  b24_request *r = call_of(client, 2, long_body);
  run(client, r, NULL);
  CHECK(strstr(w.urls[0], CODE) != NULL);
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(an_address_that_is_refused_leaves_nothing) {
  static const char *const bad[] = {
      "https://example.bitrix24.com/rest/1/" CODE "/a/b/c",
      "https://example.bitrix24.com/rest/" CODE,
      "https://user:" CODE "@example.bitrix24.com/rest/1/" CODE "/",
      "https://example.bitrix24.com:99999/rest/1/" CODE "/",
      "ftp://example.bitrix24.com/rest/1/" CODE "/",
      "https://example.bitrix24.com/rest/1/" CODE " " TOKEN "/"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    b24_options options;
    b24_client *client = NULL;
    b24_error err;
    const char *where;
    b24_transport none = {0};
    memset(&memory, 0, sizeof memory);
    b24_options_init(&options);
    options.webhook = bad[i];
    options.alloc = &watched;
    CHECK_INT(b24__client_new_over(&client, &options, none, &err),
              B24_CONFIG);
    CHECK(!holds(err.message, strlen(err.message), &where));
    check_clean(&memory);
  }
}

TEST(a_token_in_the_body_leaves_nothing) {
  world w;
  b24_client *client = token_client(&w, good, 1);
  b24_request *r = call_of(client, 2, long_body);
  run(client, r, NULL);
  CHECK(strstr(w.bodies[0], TOKEN) != NULL);
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(a_token_in_the_query_or_in_a_header_leaves_nothing) {
  world w;
  b24_client *client = token_client(&w, good, 1);
  b24_request *query = call_of(client, 2, "[1,2]");
  b24_request *header;
  run(client, query, NULL);
  header = call_of(client, 3, "[1,2]");
  run(client, header, NULL);
  CHECK(strstr(w.urls[0], TOKEN) != NULL);
  CHECK(strstr(w.headers[1], TOKEN) != NULL);
  b24_request_free(query);
  b24_request_free(header);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(a_body_that_grows_in_steps_leaves_nothing) {
  world w;
  size_t size = 20000;
  char *body = malloc(size + 1);
  b24_client *client = token_client(&w, good, 1);
  b24_request *r;
  CHECK(body != NULL);
  if (body == NULL) return;
  memset(body, ' ', size);
  body[0] = '{';
  body[size - 1] = '}';
  body[size] = '\0';
  r = call_of(client, 2, body);
  free(body);
  run(client, r, NULL);
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(a_token_that_is_renewed_leaves_nothing) {
  static const script steps[] = {
      {B24_OUTCOME_ANSWER, 401, "{\"error\":\"expired_token\"}", 10},
      {B24_OUTCOME_ANSWER, 200, "{\"result\":1}", 10}};
  world w;
  b24_error err;
  b24_client *client = token_client(&w, steps, 2);
  b24_request *r = call_of(client, 2, "{}");
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, "expired_token").action, B24_REFRESH);
  CHECK_INT(b24_client_hide(client, SECRET, strlen(SECRET), 0, &err), B24_OK);
  CHECK_INT(b24_client_hide(client, REFRESH, strlen(REFRESH), 1, &err),
            B24_OK);
  CHECK_INT(b24_client_set_token(client, RENEWED, &err), B24_OK);
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, NULL).action, B24_DONE);
  CHECK(strstr(w.bodies[1], RENEWED) != NULL);
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(tokens_that_are_refused_or_forgotten_leave_nothing) {
  world w;
  b24_error err;
  char token[64];
  b24_client *client = token_client(&w, good, 1);
  CHECK_INT(b24_client_set_token(client, RENEWED " " REFRESH, &err),
            B24_CONFIG);
  for (int i = 0; i < 2 * B24_PASSING_MAX; i++) {
    (void)snprintf(token, sizeof token, "%s%02d", RENEWED, i);
    CHECK_INT(b24_client_set_token(client, token, &err), B24_OK);
  }
  b24_client_free(client);
  check_clean(&memory);
}

TEST(a_request_for_tokens_leaves_nothing) {
  static const script steps[] = {
      {B24_OUTCOME_NOT_CONNECTED, 0, NULL, 10},
      {B24_OUTCOME_ANSWER, 200,
       "{\"access_token\":\"" RENEWED "\",\"expires\":1,\"refresh_token\":\""
       REFRESH "\",\"scope\":\"app,crm,im,task,user,department,disk,lists,"
       "catalog,bizproc,calendar,log,sonet_group,telephony,placement\","
       "\"client_endpoint\":\"https://example.bitrix24.com/rest/\","
       "\"server_endpoint\":\"https://oauth.bitrix.info/rest/\"}",
       10}};
  static const char url[] =
      "https://oauth.bitrix.info/oauth/token/?client_id=a&client_secret="
      SECRET "&grant_type=refresh_token&refresh_token=" REFRESH;
  world w;
  b24_client *client = token_client(&w, steps, 2);
  b24_request *r = fetch(client, url, NULL);
  run(client, r, NULL);
  CHECK_INT(w.started, 2);
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

static int sink_restart(void *ud) { return ud == NULL ? 0 : 1; }
static int sink_write(void *ud, const void *bytes, size_t size) {
  return ud == NULL && bytes != NULL && size > 0 ? 0 : 1;
}

TEST(a_signed_link_leaves_nothing) {
  static const script steps[] = {
      {B24_OUTCOME_ANSWER, 404, "<h1>no " SIGNED "</h1>", 10}};
  static const b24_sink sink = {sink_restart, sink_write, NULL};
  world w;
  b24_client *client = hook_client(&w, steps, 1);
  b24_request *r =
      fetch(client, "https://example.bitrix24.com/d/7?token=" SIGNED, &sink);
  run(client, r, "404");
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(redirects_leave_nothing) {
  static const script steps[] = {
      {B24_OUTCOME_ANSWER, 302, "", 10},
      {B24_OUTCOME_ANSWER, 302, "", 10},
      {B24_OUTCOME_ANSWER, 200, "{\"result\":1}", 10}};
  static const char *const places[] = {
      "https://moved.bitrix24.com/rest/1/" CODE "/crm.item.list",
      "https://moved.bitrix24.com/auth?code=" CODE,
      "https://u:" CODE "@moved.bitrix24.com/rest/", "http://x/rest/1/" CODE};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    world w;
    b24_client *client = hook_client(&w, steps, 3);
    b24_request *r;
    b24_answer answer;
    b24_facts facts;
    b24_verdict verdict;
    w.location = places[i];
    r = call_of(client, 2, "{}");
    for (int n = 0; n < 4 && step(client, 1000) == r; n++) {
      const char *where;
      memset(&facts, 0, sizeof facts);
      b24_request_answer(&answer, r);
      facts.decoded = answer.status == 200;
      b24_request_settle(r, &facts, &verdict);
      CHECK(!holds(verdict.reason, strlen(verdict.reason), &where));
      if (verdict.action != B24_RETRY) break;
    }
    b24_request_free(r);
    b24_client_free(client);
    check_clean(&memory);
  }
}

/* What a portal's or libcurl's words are until they are redacted. */
TEST(words_about_a_failure_leave_nothing) {
  static const script steps[] = {{B24_OUTCOME_LOST, 0, NULL, 10}};
  world w;
  b24_client *client = hook_client(&w, steps, 1);
  b24_request *cancelled, *failed;
  b24_answer answer;
  const char *where;
  w.message = "cannot reach https://example.bitrix24.com/rest/1/" CODE "/x";
  failed = call_of(client, 2, "{}");
  run(client, failed, NULL);
  b24_request_answer(&answer, failed);
  CHECK(!holds(answer.message, strlen(answer.message), &where));
  cancelled = call_of(client, 2, "{}");
  (void)step(client, 0);
  b24_request_free(cancelled);
  b24_request_free(failed);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(an_answer_that_quotes_the_code_leaves_nothing) {
  static const script steps[] = {
      {B24_OUTCOME_ANSWER, 401,
       "{\"error\":\"NO_AUTH_FOUND\",\"error_description\":\"The portal does "
       "not know https://example.bitrix24.com/rest/1/" CODE "/crm.item.list, "
       "it was asked for by somebody who has no right to know what is there "
       "and is told so at great length, so that the buffer has to grow, for "
       "which it is moved from a place where " CODE " stood to another\"}",
       10}};
  world w;
  b24_client *client = hook_client(&w, steps, 1);
  b24_request *r = call_of(client, 2, "{}");
  run(client, r, "NO_AUTH_FOUND");
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

TEST(requests_that_outlive_their_client_leave_nothing) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 100000}};
  world w;
  b24_client *client = token_client(&w, steps, 1);
  b24_request *running = call_of(client, 2, long_body);
  b24_request *waiting = fetch(
      client, "https://oauth.bitrix.info/?client_secret=" SECRET, NULL);
  (void)step(client, 0);
  b24_client_free(client);
  b24_request_free(running);
  b24_request_free(waiting);
  check_clean(&memory);
}

/* ---- libcurl's side: what of it is ours -------------------------------- */

/* Port 9 of loopback answers nobody: a real attempt, without a network. */
TEST(the_curl_transport_leaves_nothing) {
  b24_options options;
  b24_client *client = NULL;
  b24_request *r;
  b24_error err;
  memset(&memory, 0, sizeof memory);
  b24_options_init(&options);
  options.webhook = "http://127.0.0.1:9/rest/1/" CODE "/";
  options.proxy = "http://user:" PASSWORD "@127.0.0.1:9";
  options.alloc = &watched;
  options.retries = 0;
  CHECK_INT(b24_client_new(&client, &options, &err), B24_OK);
  if (client == NULL) return;
  r = call_of(client, 2, "{}");
  for (int i = 0; i < 100 && step(client, 1000) != r; i++) continue;
  (void)settle(r, NULL);
  b24_request_free(r);
  b24_client_free(client);
  check_clean(&memory);
}

/* libcurl quotes a proxy that it cannot read. */
TEST(a_proxy_that_is_refused_is_not_quoted) {
  static const char *const proxies[] = {
      "http://user:" PASSWORD "@bad host:1",
      "user:" PASSWORD "@127.0.0.1:port", "gopher://u:" PASSWORD "@127.0.0.1",
      "http://user:" PASSWORD "@127.0.0.1:99999",
      "http://us er:" PASSWORD "@127.0.0.1:9"};
  for (size_t i = 0; i < sizeof proxies / sizeof *proxies; i++) {
    b24_options options;
    b24_client *client = NULL;
    b24_request *r;
    b24_error err;
    b24_answer answer;
    const char *where;
    memset(&memory, 0, sizeof memory);
    b24_options_init(&options);
    options.webhook = "http://127.0.0.1:9/rest/1/" CODE "/";
    options.proxy = proxies[i];
    options.alloc = &watched;
    options.retries = 0;
    CHECK_INT(b24_client_new(&client, &options, &err), B24_OK);
    if (client == NULL) continue;
    r = call_of(client, 2, "{}");
    for (int n = 0; n < 100 && step(client, 1000) != r; n++) continue;
    b24_request_answer(&answer, r);
    CHECK(answer.message[0] != '\0');
    CHECK(!holds(answer.message, strlen(answer.message), &where));
    (void)settle(r, NULL);
    b24_request_free(r);
    b24_client_free(client);
    check_clean(&memory);
  }
}

int main(void) {
  RUN(the_scanner_finds_what_is_left);
  RUN(a_webhook_leaves_nothing);
  RUN(an_address_that_is_refused_leaves_nothing);
  RUN(a_token_in_the_body_leaves_nothing);
  RUN(a_token_in_the_query_or_in_a_header_leaves_nothing);
  RUN(a_body_that_grows_in_steps_leaves_nothing);
  RUN(a_token_that_is_renewed_leaves_nothing);
  RUN(tokens_that_are_refused_or_forgotten_leave_nothing);
  RUN(a_request_for_tokens_leaves_nothing);
  RUN(a_signed_link_leaves_nothing);
  RUN(redirects_leave_nothing);
  RUN(words_about_a_failure_leave_nothing);
  RUN(an_answer_that_quotes_the_code_leaves_nothing);
  RUN(requests_that_outlive_their_client_leave_nothing);
  RUN(the_curl_transport_leaves_nothing);
  RUN(a_proxy_that_is_refused_is_not_quoted);
  return unit_report();
}
