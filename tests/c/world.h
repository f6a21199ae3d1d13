/*
 * world.h - a world without a network for tests of the client: a scripted
 * transport and a virtual clock. Time passes only while a step waits.
 */
#ifndef WORLD_H
#define WORLD_H

#include "client.h"
#include "unit.h"

#define HOOK "https://example.bitrix24.com/rest/1/abcdefgh12345678/"

/* ---- a world without a network ----------------------------------------- */

typedef struct script {
  b24_outcome outcome;
  long status;
  const char *body;
  int64_t takes_ms;
} script;

typedef struct world {
  int64_t now;
  const script *steps; /* one per attempt, the last repeats */
  int count;
  int started;
  b24_exchange *running[32];
  int64_t due[32];
  int begun;
  char urls[32][256];
  char bodies[32][256];
  char headers[32][256];
  int64_t at[32]; /* when each attempt began */
  int64_t timeout[32]; /* what it was allowed */
  const char *message; /* what every attempt's message is */
  const char *location; /* where every redirect points */
  int64_t retry_after_ms; /* what every answer asks for, 0 = nothing */
  int refuse;          /* so many attempts cannot be begun */
  int closed;
  int cancelled;
  const b24_loop *loop; /* of a host */
  int open[32];         /* which of them it watches, as socket 100 + i */
} world;

static int64_t world_now(void *ud) { return ((world *)ud)->now; }
static int64_t world_unix(void *ud) {
  return ((world *)ud)->now + 1700000000000;
}

static b24_kind world_start(void *self, b24_exchange *x, b24_error *err) {
  world *w = self;
  const script *s;
  int n = w->started < w->count ? w->started : w->count - 1;
  if (w->refuse > 0) {
    w->refuse--;
    err->message[0] = '\0';
    return B24_NOMEM;
  }
  s = &w->steps[n];
  x->done = 0;
  x->outcome = s->outcome;
  x->status = s->status;
  x->retry_after_ms = w->retry_after_ms > 0 ? w->retry_after_ms : -1;
  x->content_type[0] = x->location[0] = x->message[0] = '\0';
  if (w->message != NULL)
    (void)snprintf(x->message, sizeof x->message, "%s", w->message);
  if (w->location != NULL && s->status / 100 == 3)
    (void)snprintf(x->location, sizeof x->location, "%s", w->location);
  b24__buf_clear(&x->answer);
  if (s->body != NULL) (void)b24__buf_puts(&x->answer, s->body);
  if (w->started < 32) {
    size_t at = 0;
    w->at[w->started] = w->now;
    w->timeout[w->started] = x->timeout_ms;
    (void)snprintf(w->urls[w->started], 256, "%s", x->url);
    (void)snprintf(w->bodies[w->started], 256, "%s",
                   x->body == NULL ? "" : x->body);
    for (int i = 0; i < B24_HEADERS_MAX; i++)
      if (x->headers[i] != NULL && at < 200)
        at += (size_t)snprintf(w->headers[w->started] + at, 256 - at, "%s|",
                               x->headers[i]);
  }
  for (int i = 0; i < 32; i++) {
    if (w->running[i] != NULL) continue;
    w->running[i] = x;
    w->due[i] = w->now + s->takes_ms;
    break;
  }
  w->started++;
  return B24_OK;
}

static b24_kind world_wait(void *self, int64_t timeout_ms, b24_error *err) {
  world *w = self;
  int64_t until = b24__later(w->now, timeout_ms);
  int first = -1;
  (void)err;
  for (int i = 0; i < 32; i++)
    if (w->running[i] != NULL && w->due[i] <= until &&
        (first < 0 || w->due[i] < w->due[first]))
      first = i;
  if (first < 0) {
    w->now = until;
    return B24_OK;
  }
  if (w->due[first] > w->now) w->now = w->due[first];
  w->running[first]->done = 1;
  w->running[first] = NULL;
  return B24_OK;
}

/* A host watches a socket for each that is on its way. */
static void world_tell(world *w) {
  for (int i = 0; i < 32; i++) {
    int wanted = w->loop != NULL && w->running[i] != NULL;
    if (wanted == w->open[i] || w->loop == NULL) continue;
    w->open[i] = wanted;
    w->loop->watch(w->loop->ud, 100 + i, wanted ? B24_LOOP_IN : 0);
  }
}

static b24_kind world_attach(void *self, const b24_loop *loop,
                             b24_error *err) {
  world *w = self;
  (void)err;
  for (int i = 0; i < 32; i++) {
    if (w->open[i]) w->loop->watch(w->loop->ud, 100 + i, 0);
    w->open[i] = 0;
  }
  w->loop = loop;
  return B24_OK;
}

/* Time has been set by the test; the timer is for what ends next. */
static b24_kind world_act(void *self, int fd, int what, int64_t *timer_ms,
                          b24_error *err) {
  world *w = self;
  int64_t next = -1;
  (void)err;
  (void)what;
  for (int i = 0; i < 32; i++) {
    if (w->running[i] == NULL) continue;
    if (w->due[i] <= w->now && (fd < 0 || fd == 100 + i)) {
      w->running[i]->done = 1;
      w->running[i] = NULL;
    } else if (next < 0 || w->due[i] - w->now < next) {
      next = w->due[i] - w->now;
    }
  }
  world_tell(w);
  *timer_ms = next < 0 ? -1 : next;
  return B24_OK;
}

static void world_cancel(void *self, b24_exchange *x) {
  world *w = self;
  for (int i = 0; i < 32; i++)
    if (w->running[i] == x) w->running[i] = NULL;
  w->cancelled++;
  world_tell(w);
}

static void world_close(void *self, int forked) {
  if (!forked) (void)world_attach(self, NULL, NULL);
  ((world *)self)->closed++;
}

static inline b24_transport world_transport(world *w) {
  b24_transport transport = {0};
  transport.self = w;
  transport.start = world_start;
  transport.wait = world_wait;
  transport.attach = world_attach;
  transport.act = world_act;
  transport.cancel = world_cancel;
  transport.close = world_close;
  return transport;
}

static inline b24_client *client_in(world *w, b24_options *options,
                             const script *steps, int count) {
  static b24_clock clock;
  b24_transport transport = world_transport(w);
  b24_client *client = NULL;
  b24_error err;
  memset(w, 0, sizeof *w);
  w->now = 1000;
  w->steps = steps;
  w->count = count;
  clock.mono_ms = world_now;
  clock.unix_ms = world_unix;
  clock.ud = w;
  options->rate = 0; /* each world has a time of its own */
  options->clock = &clock;
  options->seed = 42;
  CHECK_INT(b24__client_new_over(&client, options, transport, &err), B24_OK);
  return client;
}

static inline b24_client *plain_client(world *w, const script *steps,
                                       int count) {
  b24_options options;
  b24_options_init(&options);
  options.webhook = HOOK;
  return client_in(w, &options, steps, count);
}

static inline b24_request *call(b24_client *client, const char *method,
                         const char *body, int harmless, int64_t timeout) {
  b24_call c;
  b24_request *r = NULL;
  b24_error err;
  memset(&c, 0, sizeof c);
  c.method = method;
  c.version = 2;
  c.body = body;
  c.body_size = strlen(body);
  c.harmless = harmless;
  c.timeout_ms = timeout;
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
  return r;
}

static inline b24_request *step(b24_client *client, int64_t ms) {
  b24_request *r = NULL;
  b24_error err;
  CHECK_INT(b24_client_step(&r, client, ms, &err), B24_OK);
  return r;
}

static inline b24_verdict settle(b24_request *r, const char *code) {
  b24_answer answer;
  b24_facts facts;
  b24_verdict verdict;
  memset(&facts, 0, sizeof facts);
  b24_request_answer(&answer, r);
  facts.decoded = answer.outcome == B24_OUTCOME_ANSWER;
  facts.code = code;
  b24_request_settle(r, &facts, &verdict);
  return verdict;
}

#endif
