/*
 * torture_test.c - the core alone runs out of memory: at the n-th allocation,
 * once or for good, in each life of a client below. The status says so, the
 * client works when there is memory again, and every block comes back with
 * the size it was asked for. Around it: lua_torture_test.c, with Lua.
 */
#include "shortage.h"
#include "world.h"

#include <unistd.h>

/* ---- a life ------------------------------------------------------------- */

typedef struct life {
  world world;
  memory memory;
  b24_alloc alloc;
  b24_clock clock;
  b24_client *client;
  b24_error err;
  const char *path;
} life;

static b24_kind open_client(life *l, b24_options *options,
                            const script *steps, int count) {
  l->world.steps = steps;
  l->world.count = count;
  l->clock.mono_ms = world_now;
  l->clock.unix_ms = world_unix;
  l->clock.ud = &l->world;
  options->alloc = &l->alloc;
  options->clock = &l->clock;
  options->seed = 42;
  return b24__client_new_over(&l->client, options, world_transport(&l->world),
                              &l->err);
}

/* A renewed token, a new address, a further secret. */
static b24_kind renew(life *l) {
  b24_kind kind = b24_client_hide(l->client, "refresh-0123456789", 18, 1,
                                  &l->err);
  if (kind == B24_OK)
    kind = b24_client_move(l->client, "https://other.example/rest/", &l->err);
  if (kind == B24_OK)
    kind = b24_client_set_token(l->client, "token-0123456789", &l->err);
  return kind;
}

/* Until the request is done; B24_OK, or why not. */
static b24_kind drive(life *l, b24_request *r) {
  for (int i = 0; i < 20; i++) {
    b24_request *ended = NULL;
    b24_answer answer;
    b24_facts facts = {0};
    b24_verdict verdict;
    b24_kind kind = b24_client_step(&ended, l->client, 100000, &l->err);
    if (kind != B24_OK) return kind;
    if (ended != r) continue;
    b24_request_answer(&answer, r);
    facts.decoded = answer.outcome == B24_OUTCOME_ANSWER &&
                    (answer.status == 200 || answer.status == 401);
    facts.code = answer.status == 401 ? "expired_token" : NULL;
    facts.cost_ms = facts.operating_ms = 5;
    facts.operating_reset_at_ms = world_unix(&l->world) + 600000;
    b24_request_settle(r, &facts, &verdict);
    if (verdict.action == B24_DONE) return B24_OK;
    if (verdict.action == B24_FAIL) return verdict.kind;
    if (verdict.action != B24_REFRESH) continue;
    kind = renew(l);
    if (kind != B24_OK) {
      b24_client_release(l->client);
      return kind;
    }
  }
  return B24_PROTOCOL;
}

static b24_kind call_once(life *l, b24_call *c) {
  b24_request *r = NULL;
  b24_kind kind = b24_client_submit(&r, l->client, c, &l->err);
  if (kind == B24_OK) kind = drive(l, r);
  b24_request_free(r);
  return kind;
}

static void plain(b24_call *c) {
  memset(c, 0, sizeof *c);
  c->method = "user.get";
  c->version = 2;
  c->body = "{\"ID\":1}";
  c->body_size = 8;
  c->harmless = 1;
}

/* ---- lives --------------------------------------------------------------- */

#define BODY "{\"result\":[\"some text that is kept\"]}"

/* Refused twice and then answered; a batch; a key; a link into memory. */
static b24_kind webhook(life *l) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 503, BODY, 10},
                                 {B24_OUTCOME_LOST, 0, NULL, 10},
                                 {B24_OUTCOME_ANSWER, 200, BODY, 10}};
  static const char *const commands[] = {"user.get", "crm.item.list"};
  b24_options options;
  b24_call c;
  b24_kind kind;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.rate = 0;
  kind = open_client(l, &options, steps, 3);
  plain(&c);
  if (kind == B24_OK) kind = call_once(l, &c);
  c.method = "batch";
  c.commands = commands;
  c.command_count = 2;
  if (kind == B24_OK) kind = call_once(l, &c);
  plain(&c);
  c.version = 3;
  c.idempotency_key = "key-1";
  if (kind == B24_OK) kind = call_once(l, &c);
  plain(&c);
  c.method = "download";
  c.body = NULL;
  c.url = "https://example.bitrix24.com/file?token=abc";
  if (kind == B24_OK) kind = call_once(l, &c);
  return kind;
}

/* An application whose token expires. */
static b24_kind application(life *l) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, BODY, 10},
                                 {B24_OUTCOME_ANSWER, 200, BODY, 10}};
  b24_options options;
  b24_call c;
  b24_kind kind;
  b24_options_init(&options);
  options.domain = "portal.example";
  options.access_token = "expired-0123456789";
  options.account = "local.1";
  options.renewable = 1;
  options.rate = 0;
  kind = open_client(l, &options, steps, 2);
  plain(&c);
  if (kind == B24_OK) kind = call_once(l, &c);
  return kind;
}

/* Clients that share a budget in a file, and calls cut off by closing. */
static b24_kind shared_budget(life *l) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, BODY, 10}};
  b24_options options;
  b24_call c;
  b24_limiter *limiter = NULL;
  b24_request *left = NULL;
  b24_kind kind = b24_limiter_open(&limiter, &l->alloc, l->path, 10, 10,
                                   &l->err);
  if (kind != B24_OK) return kind;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.limiter = limiter;
  kind = open_client(l, &options, steps, 1);
  b24_limiter_free(limiter);
  plain(&c);
  if (kind == B24_OK) kind = call_once(l, &c);
  if (kind == B24_OK) kind = b24_client_submit(&left, l->client, &c, &l->err);
  b24_request_free(left);
  return kind;
}

/* The real transport, up to where it would connect, with a host's loop. */
static void on_watch(void *ud, int fd, int what) {
  (void)ud;
  (void)fd;
  (void)what;
}

static void on_timer(void *ud, int64_t ms) {
  (void)ud;
  (void)ms;
}

static b24_kind over_curl(life *l) {
  b24_loop loop = {on_watch, on_timer, NULL};
  b24_options options;
  b24_kind kind;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.rate = 0;
  options.user_agent = "torture/1.0";
  options.ca_file = "/nonexistent";
  options.proxy = "http://127.0.0.1:9";
  options.alloc = &l->alloc;
  kind = b24_client_new(&l->client, &options, &l->err);
  if (kind == B24_OK) kind = b24_loop_attach(l->client, &loop, &l->err);
  if (kind == B24_OK) kind = b24_loop_act(l->client, -1, 0, &l->err);
  return kind;
}

/* ---- all of them, every allocation -------------------------------------- */

/* When there is memory again, what is open works. */
static void work_again(life *l) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, BODY, 10}};
  b24_call c;
  if (l->client == NULL || l->world.steps == NULL) return;
  l->world.steps = steps;
  l->world.count = 1;
  plain(&c);
  CHECK_INT(call_once(l, &c), B24_OK);
  CHECK_INT(b24_client_pending(l->client), 0);
}

static long live(b24_kind (*run)(life *), const char *path, long n,
                 long spell) {
  life l;
  b24_kind kind;
  memset(&l, 0, sizeof l);
  l.world.now = 1000;
  l.path = path;
  l.alloc.realloc = memory_realloc;
  l.alloc.ud = &l.memory;
  memory_arm(&l.memory, n, spell);
  kind = run(&l);
  CHECK(kind == B24_OK || (kind == B24_NOMEM && l.memory.failed > 0));
  if (kind != B24_OK && kind != B24_NOMEM) printf("%s\n", l.err.message);
  memory_disarm(&l.memory);
  work_again(&l);
  b24_client_free(l.client);
  CHECK_INT(l.memory.bytes, 0);
  CHECK_INT(l.memory.lies, 0);
  return l.memory.failed;
}

static void torture(const char *name, b24_kind (*run)(life *)) {
  char path[] = "/tmp/b24-torture-core-XXXXXX";
  long failures = 0;
  int fd = mkstemp(path);
  CHECK(fd >= 0);
  (void)close(fd);
  for (int mode = 0; mode < 2; mode++) {
    long n = 0;
    while (live(run, path, n, mode == 0 ? 1 : LONG_MAX) > 0) n++;
    CHECK(n > 0);
    failures += n;
  }
  (void)unlink(path);
  printf("%s: %ld failures survived\n", name, failures);
}

TEST(a_webhook) { torture("webhook", webhook); }
TEST(a_renewal) { torture("application", application); }
TEST(a_limiter_file) { torture("shared budget", shared_budget); }
TEST(a_real_transport) { torture("libcurl's transport", over_curl); }

int main(void) {
  RUN(a_webhook);
  RUN(a_renewal);
  RUN(a_limiter_file);
  RUN(a_real_transport);
  return unit_report();
}
