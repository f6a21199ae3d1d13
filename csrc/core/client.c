/*
 * client.c - one portal: its credentials, its transport, and the requests on
 * their way. The one wait primitive is b24_client_step: it waits for the
 * earliest of the transport, a request's turn, a deadline and the caller.
 *
 * Invariant: every request in the list is in exactly one state, and only
 * running ones are known to the transport. A step looks at the whole queue
 * only when that can change something: thousands may wait in it.
 */
#include "client.h"

#include "clock.h"
#include "error.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_MAX_ANSWER ((size_t)64 * 1024 * 1024)

void b24_options_init(b24_options *options) {
  memset(options, 0, sizeof *options);
  options->max_connections = 6;
  (void)b24_limiter_tariff(&options->rate, &options->burst, "standard");
  options->retries = 5;
  options->timeout_ms = 70000;
  options->connect_timeout_ms = 10000;
  options->wait_max_ms = 660000;
  options->max_answer_bytes = DEFAULT_MAX_ANSWER;
}

int b24__client_is_foreign(const b24_client *client) {
  return client->process != (int64_t)getpid();
}

int64_t b24__client_now(const b24_client *client) {
  return client->clock.mono_ms(client->clock.ud);
}

int64_t b24__client_unix(const b24_client *client) {
  return client->clock.unix_ms(client->clock.ud);
}

int64_t b24__later(int64_t now_ms, int64_t wait_ms) {
  return now_ms > 0 && wait_ms > INT64_MAX - now_ms ? INT64_MAX
                                                    : now_ms + wait_ms;
}

/* xorshift64*: jitter needs spread, not secrecy. */
double b24__client_random(b24_client *client) {
  uint64_t x = client->random;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  client->random = x;
  return (double)((x * 2685821657736338717ull) >> 11) / 9007199254740992.0;
}

/* ---- making and closing ------------------------------------------------ */

/* What no client could work with. */
static b24_kind check_options(const b24_options *options, b24_error *err) {
  const char *c = options->user_agent;
  if (options->max_connections < 1)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "max_connections must be at least 1");
  while (c != NULL && *c >= 0x20 && *c <= 0x7e) c++;
  if (c != NULL && *c != '\0')
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "user_agent must be printable ASCII text");
  return B24_OK;
}

b24_kind b24__client_new_over(b24_client **out, const b24_options *options,
                              b24_transport transport, b24_error *err) {
  const b24_alloc *alloc =
      options->alloc != NULL ? options->alloc : b24__alloc_default();
  b24_client *c = b24__alloc(alloc, sizeof *c);
  b24_kind kind;
  *out = NULL;
  if (c == NULL) {
    if (transport.self != NULL) transport.close(transport.self, 0);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  c->alloc = *alloc;
  c->clock = options->clock != NULL ? *options->clock : *b24__clock_default();
  c->options = *options;
  c->transport = transport;
  c->deadline_ms = INT64_MAX;
  c->loop_at_ms = c->timer_at_ms = -1;
  c->process = (int64_t)getpid();
  kind = check_options(options, err);
  if (kind == B24_OK)
    kind = b24__auth_init(&c->auth, &c->alloc, options, err);
  c->own_limiter = c->options.limiter != NULL;
  if (c->own_limiter)
    (void)b24_limiter_ref(c->options.limiter);
  else if (kind == B24_OK && options->rate > 0)
    kind = b24_limiter_shared(&c->options.limiter, c->auth.origin,
                              options->rate, options->burst, err);
  else if (kind == B24_OK) /* no bucket; what the portal tells is followed */
    kind = b24_limiter_new(&c->options.limiter, NULL, 0, 0, err);
  c->random = options->seed != 0
                  ? options->seed
                  : ((uint64_t)b24__client_unix(c) << 20) ^
                        (uint64_t)(uintptr_t)c;
  if (c->random == 0) c->random = 1;
  c->options.webhook = c->options.domain = c->options.access_token = NULL;
  c->options.account = NULL;
  c->options.user_agent = c->options.ca_file = c->options.proxy = NULL;
  c->options.alloc = NULL; /* they live in `alloc` and `clock` */
  c->options.clock = NULL;
  if (kind != B24_OK) {
    b24_client_free(c);
    return kind;
  }
  *out = c;
  return B24_OK;
}

/* "product bitrix24-lua/VERSION": the platform asks for name/version
 * (settings/how-to-call-rest-api/general-principles). */
static void write_agent(char *out, size_t size, const char *product) {
  (void)snprintf(out, size, "%s%sbitrix24-lua/%s",
                 product == NULL ? "" : product, product == NULL ? "" : " ",
                 B24_VERSION);
}

b24_kind b24_client_new(b24_client **out, const b24_options *options,
                        b24_error *err) {
  b24_transport none = {0};
  b24_curl_options curl = {0};
  char agent[256];
  b24_client *c;
  b24_kind kind = b24__client_new_over(&c, options, none, err);
  *out = NULL;
  if (kind != B24_OK) return kind;
  write_agent(agent, sizeof agent, options->user_agent);
  curl.user_agent = agent;
  curl.ca_file = options->ca_file;
  curl.proxy = options->proxy;
  curl.no_proxy = b24__address_is_loopback(c->auth.address.host);
  curl.allow_http = curl.no_proxy;
  curl.insecure = options->insecure;
  curl.connect_timeout_ms = options->connect_timeout_ms;
  kind = b24__transport_curl_new(&c->transport, &c->alloc, &curl, err);
  if (kind != B24_OK) {
    b24_client_free(c);
    return kind;
  }
  *out = c;
  return B24_OK;
}

void b24_client_free(b24_client *client) {
  b24_alloc alloc;
  b24_request *r;
  b24_request *next;
  if (client == NULL) return;
  for (r = client->first; r != NULL; r = next) {
    next = r->next;
    if (r->state != B24_SETTLED)
      b24__request_abort(r, B24_OUTCOME_CANCELLED, "the portal was closed");
    r->client = NULL;
    r->previous = r->next = NULL;
  }
  if (client->transport.self != NULL)
    client->transport.close(client->transport.self,
                            b24__client_is_foreign(client));
  if (client->attached && client->timer_at_ms != -1 &&
      !b24__client_is_foreign(client))
    client->loop.timer(client->loop.ud, -1);
  b24__auth_dispose(&client->auth);
  b24_limiter_free(client->options.limiter);
  alloc = client->alloc;
  b24__free(&alloc, client, sizeof *client);
}

const char *b24_client_origin(const b24_client *client) {
  return client->auth.origin;
}

/* Every queued request may be due now. */
b24_kind b24_client_set_token(b24_client *client, const char *token,
                              b24_error *err) {
  b24_kind kind = b24__auth_set_token(&client->auth, token, err);
  if (kind == B24_OK) client->held = 0;
  return kind;
}

void b24_client_release(b24_client *client) { client->held = 0; }

b24_kind b24_client_hide(b24_client *client, const char *secret, size_t size,
                         int passing, b24_error *err) {
  b24_redact *set = &client->auth.secrets;
  b24_kind kind = passing ? b24__redact_add_passing(set, secret, size)
                          : b24__redact_add(set, secret, size);
  if (kind == B24_OK) return B24_OK;
  return b24__fail(err, kind, B24_SENT_NO, "not enough memory");
}

/* Requests are counted by portal, and by its name: the new one has a budget
 * of its own. What is out still belongs to the old one. */
static void follow_limiter(b24_client *c) {
  b24_limiter *l;
  if (c->own_limiter || !(c->options.rate > 0)) return;
  if (b24_limiter_shared(&l, c->auth.origin, c->options.rate,
                         c->options.burst, NULL) != B24_OK)
    return;
  b24_limiter_free(c->options.limiter);
  c->options.limiter = l;
}

b24_kind b24_client_move(b24_client *client, const char *endpoint,
                         b24_error *err) {
  char before[B24_ORIGIN_MAX];
  b24_kind kind;
  memcpy(before, client->auth.origin, sizeof before);
  kind = b24__auth_move(&client->auth, endpoint, client->options.insecure,
                        err);
  if (kind == B24_OK && strcmp(before, client->auth.origin) != 0)
    follow_limiter(client);
  return kind;
}

size_t b24_client_pending(const b24_client *client) {
  return client->count[B24_QUEUED] + client->count[B24_RUNNING];
}

size_t b24_client_redact(char *buffer, size_t size, b24_client *client,
                         const char *text, size_t length) {
  b24_buf clean;
  size_t written = 0;
  if (size == 0) return 0;
  buffer[0] = '\0';
  b24__buf_init(&clean, &client->alloc, SIZE_MAX / 2);
  if (b24__auth_redact(&clean, &client->auth, text, length) == B24_OK) {
    written = clean.size < size - 1 ? clean.size : size - 1;
    memcpy(buffer, b24__buf_str(&clean), written);
    buffer[written] = '\0';
  }
  b24__buf_dispose(&clean);
  return written;
}

void b24_client_operating(b24_client *client, const char *method,
                          int64_t cost_ms, int64_t operating_ms,
                          int64_t reset_at_unix_ms) {
  char name[B24_CHARGE_NAME_MAX];
  if (client->options.limiter == NULL) return;
  b24__charge_name(name, client->auth.account, method);
  b24_limiter_operating(client->options.limiter, name, cost_ms, operating_ms,
                        reset_at_unix_ms, b24__client_now(client),
                        b24__client_unix(client));
}

int64_t b24__client_blocked(b24_client *client, const char *method,
                            int64_t reset_at_unix_ms) {
  char name[B24_CHARGE_NAME_MAX];
  if (client->options.limiter == NULL) return 0;
  b24__charge_name(name, client->auth.account, method);
  return b24_limiter_blocked(client->options.limiter, name, reset_at_unix_ms,
                             b24__client_now(client),
                             b24__client_unix(client));
}

void b24_client_blocked(b24_client *client, const char *method) {
  (void)b24__client_blocked(client, method, 0);
}

static b24_kind refuse_foreign(b24_error *err) {
  return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                   "this portal was opened before fork: its connections "
                   "belong to the parent, connect again in the child");
}

/* ---- stepping ---------------------------------------------------------- */

/* A request whose turn has come: start it, or say when to look again. */
static int64_t try_start(b24_client *c, b24_request *r, int64_t now,
                         int64_t *bucket_ms) {
  int64_t wait = b24__request_admit(r, now, bucket_ms);
  if (wait > c->options.wait_max_ms)
    b24__request_abort(r, B24_OUTCOME_BLOCKED,
                       "the wait would be longer than wait_max");
  else if (wait == 0)
    b24__request_start(r, now);
  return b24__later(now, wait);
}

/* End the queued requests whose time is over, and find the next such time.
 * Running ones have theirs from the transport. */
static void expire_due(b24_client *c, int64_t now) {
  size_t left = c->count[B24_QUEUED];
  c->deadline_ms = INT64_MAX;
  for (b24_request *r = c->first; r != NULL && left > 0; r = r->next) {
    if (r->state != B24_QUEUED) continue;
    left--;
    if (r->deadline_ms < 0) continue;
    if (now >= r->deadline_ms)
      b24__request_abort(r, r->maybe_ran ? B24_OUTCOME_LOST
                                         : B24_OUTCOME_NOT_CONNECTED,
                         "the call's timeout has passed");
    else if (r->deadline_ms < c->deadline_ms)
      c->deadline_ms = r->deadline_ms;
  }
}

/* Start what is due, in order of submission, as long as a connection is
 * free; returns when to look again. */
static int64_t start_due(b24_client *c, int64_t now, int64_t until) {
  size_t most = (size_t)c->options.max_connections;
  size_t left;
  int64_t bucket_ms = 0;
  int64_t wake;
  if (now >= c->deadline_ms) expire_due(c, now);
  wake = until < c->deadline_ms ? until : c->deadline_ms;
  left = c->count[B24_QUEUED];
  for (b24_request *r = c->first;
       r != NULL && left > 0 && c->count[B24_RUNNING] < most; r = r->next) {
    int64_t at = r->not_before_ms;
    if (r->state != B24_QUEUED) continue;
    left--;
    if (c->held && r->url == NULL) continue;
    if (at <= now) at = try_start(c, r, now, &bucket_ms);
    if (r->state == B24_QUEUED && at > now && at < wake) wake = at;
  }
  return wake;
}

/* The first request whose attempt ended, handed out; NULL = none. */
static b24_request *deliver(b24_client *c) {
  int64_t now = b24__client_now(c);
  size_t left = c->count[B24_RUNNING] + c->count[B24_ENDED];
  for (b24_request *r = c->first; r != NULL && left > 0; r = r->next) {
    if (r->state != B24_RUNNING && r->state != B24_ENDED) continue;
    left--;
    if (r->state == B24_RUNNING && r->exchange.done)
      b24__request_ended(r, now);
    if (r->state != B24_ENDED) continue;
    b24__request_enter(r, B24_DELIVERED);
    return r;
  }
  return NULL;
}

b24_kind b24_client_step(b24_request **out, b24_client *client,
                         int64_t timeout_ms, b24_error *err) {
  int64_t now = b24__client_now(client);
  int64_t until = timeout_ms > 0 ? b24__later(now, timeout_ms) : now;
  int waited = 0;
  *out = NULL;
  if (b24__client_is_foreign(client)) return refuse_foreign(err);
  for (;;) {
    int64_t wake = start_due(client, now, until);
    b24_kind kind;
    *out = deliver(client);
    if (*out != NULL || b24_client_pending(client) == 0) return B24_OK;
    if (waited && now >= until) return B24_OK;
    kind = client->transport.wait(client->transport.self,
                                  wake > now ? wake - now : 0, err);
    if (kind != B24_OK) return kind;
    waited = 1;
    now = b24__client_now(client);
  }
}

/* ---- a host's loop ----------------------------------------------------- */

#define TIMER_UNKNOWN (-2)

b24_kind b24_loop_attach(b24_client *client, const b24_loop *loop,
                         b24_error *err) {
  b24_kind kind;
  if (b24__client_is_foreign(client)) return refuse_foreign(err);
  if (client->transport.attach == NULL)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "this transport cannot be driven by a host");
  /* a new host would not be told of what the transport watches already */
  if (client->count[B24_RUNNING] > 0 && loop != NULL)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "calls are on their way: attach the loop before them");
  if (client->attached && client->timer_at_ms != -1)
    client->loop.timer(client->loop.ud, -1);
  client->timer_at_ms = client->loop_at_ms = -1;
  kind = client->transport.attach(client->transport.self, NULL, err);
  client->attached = 0;
  if (kind != B24_OK || loop == NULL) return kind;
  client->loop = *loop;
  kind = client->transport.attach(client->transport.self, &client->loop, err);
  client->attached = kind == B24_OK;
  return kind;
}

/* The host's timer is set to the earlier of two moments. */
static void set_timer(b24_client *c, int64_t now, int64_t wake) {
  int64_t at = wake == INT64_MAX ? -1 : wake;
  if (c->loop_at_ms >= 0 && (at < 0 || c->loop_at_ms < at))
    at = c->loop_at_ms;
  if (at == c->timer_at_ms) return;
  c->timer_at_ms = at;
  c->loop.timer(c->loop.ud, at < 0 ? -1 : at > now ? at - now : 0);
}

b24_kind b24_loop_act(b24_client *client, int fd, int what,
                      b24_error *err) {
  int64_t now;
  int64_t wake;
  size_t running;
  if (b24__client_is_foreign(client)) return refuse_foreign(err);
  if (!client->attached)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "no loop is attached: b24_loop_attach");
  /* it may have fired: what it is set to now is told in any case */
  if (fd < 0) client->timer_at_ms = TIMER_UNKNOWN;
  do {
    int64_t timer_ms = INT64_MIN;
    b24_kind kind = client->transport.act(client->transport.self, fd, what,
                                          &timer_ms, err);
    if (kind != B24_OK) return kind;
    now = b24__client_now(client);
    if (timer_ms != INT64_MIN)
      client->loop_at_ms = timer_ms < 0 ? -1 : b24__later(now, timer_ms);
    running = client->count[B24_RUNNING];
    wake = start_due(client, now, INT64_MAX);
    fd = -1; /* what has just begun is to be driven as well */
  } while (client->count[B24_RUNNING] > running);
  set_timer(client, now, wake);
  return B24_OK;
}

b24_request *b24_loop_next(b24_client *client) { return deliver(client); }
