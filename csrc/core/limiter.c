/*
 * limiter.c - decides when a request may be sent so that the portal never
 * has a reason to refuse it (limits: a counter falls by 2 once a second,
 * requests are blocked above 50; Enterprise 5 and 250).
 *
 * Nobody tells whether the counter falls in steps or evenly, when in the
 * second a step comes, or when a request that is under way arrives. So:
 *
 * - There is a counter for every phase a step can have, one for each
 *   millisecond of the period. The portal's is one of them, or, when it falls
 *   evenly, never above the highest: in any stretch of time an even fall is
 *   at least that of the whole seconds in it.
 * - The later a request arrives, the higher the counter afterwards. So one
 *   that is out counts as arriving just now, for as long as it is out, and
 *   once its answer came as having arrived at that moment, the latest it can.
 * - The period is a little longer than a second: a portal whose clock is
 *   slower by less than a thousandth, and the rounding of our own to
 *   milliseconds, make no difference.
 *
 * Invariant: highest counter + requests that are out <= burst. Under it no
 * request can find the portal's counter full, however they overtake each
 * other. What that costs is paid once, not each second: the rate times the
 * time requests are under way, and less than one step.
 */
#include "limiter.h"

#include "error.h"

#include <pthread.h>
#include <string.h>

#define PERIOD_MS 1001
#define UNIT 1000 /* of a counter: thousandths of a request */
#define MOST 1000000.0
#define LONGEST_HOLD 5 /* doublings after refusals in a row */

struct b24_limiter {
  b24_alloc alloc;
  pthread_mutex_t lock;
  int references;

  int32_t rate; /* in units; 0 = off */
  int32_t burst;
  int64_t now_ms; /* the counters are of this moment */
  int started;    /* now_ms was set */
  int32_t level[PERIOD_MS];
  int64_t out; /* requests on their way */
  int refusals;
  int64_t hold_until_ms;

  b24_ledger ledger;
};

/* ---- making ------------------------------------------------------------ */

int b24_limiter_tariff(double *rate, double *burst, const char *name) {
  static const struct {
    const char *name;
    double rate, burst;
  } tariffs[] = {{"standard", 2, 50}, {"enterprise", 5, 250}};
  for (size_t i = 0; i < sizeof tariffs / sizeof tariffs[0]; i++) {
    if (strcmp(tariffs[i].name, name) != 0) continue;
    *rate = tariffs[i].rate;
    *burst = tariffs[i].burst;
    return 1;
  }
  return 0;
}

b24_kind b24_limiter_new(b24_limiter **out, const b24_alloc *alloc,
                         double rate, double burst, b24_error *err) {
  b24_limiter *l;
  *out = NULL;
  if (alloc == NULL) alloc = b24__alloc_default();
  /* written so that a NaN fails */
  if (!(rate == 0 || (rate >= 0.001 && rate <= MOST)) ||
      (rate != 0 && !(burst >= 1 && burst <= MOST)))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "limits: rate is requests a second (0 = no limit) and "
                     "burst at least 1, e.g. { rate = 2, burst = 50 }");
  l = b24__alloc(alloc, sizeof *l);
  if (l == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  l->alloc = *alloc;
  if (pthread_mutex_init(&l->lock, NULL) != 0) {
    b24__free(alloc, l, sizeof *l);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  l->references = 1;
  if (rate != 0) {
    l->rate = (int32_t)(rate * UNIT);
    l->burst = (int32_t)(burst * UNIT);
  }
  b24__ledger_init(&l->ledger, &l->alloc);
  *out = l;
  return B24_OK;
}

static void enter(b24_limiter *l) { (void)pthread_mutex_lock(&l->lock); }
static void leave(b24_limiter *l) { (void)pthread_mutex_unlock(&l->lock); }

b24_limiter *b24_limiter_ref(b24_limiter *l) {
  enter(l);
  l->references++;
  leave(l);
  return l;
}

void b24_limiter_free(b24_limiter *l) {
  b24_alloc alloc;
  int left;
  if (l == NULL) return;
  enter(l);
  left = --l->references;
  leave(l);
  if (left > 0) return;
  b24__ledger_dispose(&l->ledger);
  (void)pthread_mutex_destroy(&l->lock);
  alloc = l->alloc;
  b24__free(&alloc, l, sizeof *l);
}

/* ---- the bucket -------------------------------------------------------- */

static void fall(int32_t *level, int64_t steps, int32_t rate) {
  *level = steps >= *level / rate + 1 ? 0 : *level - (int32_t)steps * rate;
  if (*level < 0) *level = 0;
}

/* Let the counters fall until now; a clock that went back changes nothing.
 * The counter of phase p takes its step whenever now % PERIOD_MS is p. */
static void advance(b24_limiter *l, int64_t now) {
  int64_t passed, whole, part, at;
  if (!l->started) {
    l->started = 1;
    l->now_ms = now;
  }
  passed = now - l->now_ms;
  if (passed <= 0) return;
  whole = passed / PERIOD_MS;
  part = passed % PERIOD_MS;
  at = l->now_ms % PERIOD_MS;
  if (at < 0) at += PERIOD_MS;
  l->now_ms = now;
  if (whole > 0)
    for (int i = 0; i < PERIOD_MS; i++) fall(&l->level[i], whole, l->rate);
  for (int64_t i = 1; i <= part; i++)
    fall(&l->level[(at + i) % PERIOD_MS], 1, l->rate);
}

/* When, if nothing else happens, every counter has room for one more request
 * beside those that are out: ms from now, 0 = at once, -1 = not before an
 * answer comes. */
static int64_t time_to_room(const b24_limiter *l) {
  int64_t most = l->burst - (l->out + 1) * UNIT;
  int64_t wait = 0;
  int64_t at = l->now_ms % PERIOD_MS;
  if (at < 0) at += PERIOD_MS;
  if (most < 0) return -1;
  for (int i = 0; i < PERIOD_MS; i++) {
    int64_t steps, first;
    if (l->level[i] <= most) continue;
    steps = (l->level[i] - most + l->rate - 1) / l->rate;
    first = (i - at + PERIOD_MS) % PERIOD_MS;
    if (first == 0) first = PERIOD_MS;
    first += (steps - 1) * PERIOD_MS;
    if (first > wait) wait = first;
  }
  return wait;
}

static int64_t admit(b24_limiter *l, int64_t now) {
  int64_t wait;
  if (l->rate == 0) return 0;
  advance(l, now);
  if (l->hold_until_ms > now) return l->hold_until_ms - now;
  wait = time_to_room(l);
  if (wait < 0) return PERIOD_MS;
  if (wait == 0) l->out++;
  return wait;
}

int64_t b24_limiter_admit(b24_limiter *l, int64_t now_ms) {
  int64_t wait;
  enter(l);
  wait = admit(l, now_ms);
  leave(l);
  return wait;
}

/* One request less is on its way. */
static void returned(b24_limiter *l, int64_t now) {
  advance(l, now);
  if (l->out > 0) l->out--;
}

void b24_limiter_answered(b24_limiter *l, int64_t now_ms) {
  enter(l);
  if (l->rate != 0 && l->out > 0) {
    returned(l, now_ms);
    for (int i = 0; i < PERIOD_MS; i++) l->level[i] += UNIT;
  }
  if (now_ms >= l->hold_until_ms) l->refusals = 0;
  leave(l);
}

void b24_limiter_unsent(b24_limiter *l, int64_t now_ms) {
  enter(l);
  if (l->rate != 0) returned(l, now_ms);
  leave(l);
}

int64_t b24_limiter_refused(b24_limiter *l, int64_t now_ms, double random) {
  int64_t wait;
  int held;
  enter(l);
  if (l->rate != 0) returned(l, now_ms);
  for (int i = 0; i < PERIOD_MS; i++)
    if (l->level[i] < l->burst) l->level[i] = l->burst;
  /* several that were out together are refused together: that is once */
  held = l->hold_until_ms > now_ms;
  if (!held && l->refusals < LONGEST_HOLD) l->refusals++;
  if (!(random >= 0 && random < 1)) random = 0.5;
  if (!held)
    l->hold_until_ms =
        now_ms + (int64_t)((1 + random) *
                           (double)(PERIOD_MS << (l->refusals - 1)));
  wait = l->hold_until_ms - now_ms;
  leave(l);
  return wait;
}

/* ---- working time ------------------------------------------------------ */

void b24_limiter_operating_limit(b24_limiter *l, int64_t limit_ms) {
  enter(l);
  l->ledger.limit_ms = limit_ms > 0 ? limit_ms : 0;
  leave(l);
}

int64_t b24_limiter_method_wait(b24_limiter *l, const char *method,
                                int64_t expected_cost_ms, int64_t now_ms) {
  int64_t wait;
  enter(l);
  wait = b24__ledger_wait(&l->ledger, method, expected_cost_ms, now_ms);
  leave(l);
  return wait;
}

int64_t b24_limiter_method_cost(b24_limiter *l, const char *method) {
  int64_t cost;
  enter(l);
  cost = b24__ledger_cost(&l->ledger, method);
  leave(l);
  return cost;
}

void b24_limiter_method_begin(b24_limiter *l, const char *method,
                              int64_t expected_cost_ms, int64_t now_ms) {
  enter(l);
  (void)b24__ledger_begin(&l->ledger, method, expected_cost_ms, now_ms);
  leave(l);
}

void b24_limiter_method_end(b24_limiter *l, const char *method,
                            int64_t expected_cost_ms) {
  enter(l);
  b24__ledger_end(&l->ledger, method, expected_cost_ms);
  leave(l);
}

static int64_t until_reset(int64_t reset_at_unix_ms, int64_t unix_now_ms) {
  return reset_at_unix_ms > 0 ? reset_at_unix_ms - unix_now_ms : -1;
}

void b24_limiter_operating(b24_limiter *l, const char *method,
                           int64_t cost_ms, int64_t operating_ms,
                           int64_t reset_at_unix_ms, int64_t now_ms,
                           int64_t unix_now_ms) {
  b24_operating told;
  told.cost_ms = cost_ms;
  told.operating_ms = operating_ms;
  told.reset_in_ms = until_reset(reset_at_unix_ms, unix_now_ms);
  enter(l);
  (void)b24__ledger_note(&l->ledger, method, &told, now_ms);
  leave(l);
}

int64_t b24_limiter_blocked(b24_limiter *l, const char *method,
                            int64_t reset_at_unix_ms, int64_t now_ms,
                            int64_t unix_now_ms) {
  int64_t wait;
  enter(l);
  wait = b24__ledger_block(&l->ledger, method,
                           until_reset(reset_at_unix_ms, unix_now_ms),
                           now_ms);
  leave(l);
  return wait;
}
