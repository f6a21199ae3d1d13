/*
 * bucket.c - decides when a request may be sent so that the portal never
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
#include "bucket.h"

#include "error.h"

#include <string.h>

#define PERIOD_MS B24_BUCKET_PERIOD_MS
#define UNIT B24_BUCKET_UNIT
#define FARTHEST_MS ((int64_t)1 << 53) /* of a time that can be one */

b24_kind b24__bucket_init(b24_bucket *b, double rate, double burst,
                          b24_error *err) {
  memset(b, 0, sizeof *b);
  /* written so that a NaN fails */
  if (!(rate == 0 || (rate >= 0.001 && rate <= B24_BUCKET_MOST)) ||
      (rate != 0 && !(burst >= 1 && burst <= B24_BUCKET_MOST)))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "limits: rate is requests a second (0 = no limit) and "
                     "burst at least 1, e.g. { rate = 2, burst = 50 }");
  if (rate == 0) return B24_OK;
  b->rate = (int32_t)(rate * UNIT);
  b->burst = (int32_t)(burst * UNIT);
  return B24_OK;
}

int b24__bucket_is_time(int64_t ms) {
  return ms >= -FARTHEST_MS && ms <= FARTHEST_MS;
}

int b24__bucket_plausible(const b24_bucket_state *s) {
  int32_t most = 0;
  int32_t least = 0;
  if (s->started != 0 && s->started != 1) return 0;
  if (s->refusals < 0 || s->refusals > B24_BUCKET_REFUSALS) return 0;
  if (!b24__bucket_is_time(s->now_ms)) return 0;
  if (!b24__bucket_is_time(s->hold_until_ms) ||
      s->hold_until_ms > s->now_ms + B24_BUCKET_HOLD_MS)
    return 0;
  /* no early end: this way it is a handful of vector instructions */
  for (int i = 0; i < PERIOD_MS; i++) {
    most = s->level[i] > most ? s->level[i] : most;
    least = s->level[i] < least ? s->level[i] : least;
  }
  return least == 0 && most <= B24_BUCKET_MOST * UNIT;
}

static void fall(int32_t *level, int64_t steps, int32_t rate) {
  *level = steps >= *level / rate + 1 ? 0 : *level - (int32_t)steps * rate;
  if (*level < 0) *level = 0;
}

/* The counter of phase p takes its step whenever now % PERIOD_MS is p. */
void b24__bucket_advance(b24_bucket *b, int64_t now) {
  b24_bucket_state *s = &b->state;
  int64_t passed, whole, part, at;
  if (!s->started) {
    s->started = 1;
    s->now_ms = now;
  }
  passed = now - s->now_ms;
  if (passed <= 0) return;
  whole = passed / PERIOD_MS;
  part = passed % PERIOD_MS;
  at = s->now_ms % PERIOD_MS;
  if (at < 0) at += PERIOD_MS;
  s->now_ms = now;
  if (whole > 0)
    for (int i = 0; i < PERIOD_MS; i++) fall(&s->level[i], whole, b->rate);
  for (int64_t i = 1; i <= part; i++)
    fall(&s->level[(at + i) % PERIOD_MS], 1, b->rate);
}

/* When, if nothing else happens, every counter has room for one more request
 * beside those that are out: ms from now, 0 = at once, -1 = not before an
 * answer comes. */
static int64_t time_to_room(const b24_bucket *b) {
  const b24_bucket_state *s = &b->state;
  int64_t most = b->burst - (b->out + 1) * UNIT;
  int64_t wait = 0;
  int64_t at = s->now_ms % PERIOD_MS;
  if (at < 0) at += PERIOD_MS;
  if (most < 0) return -1;
  for (int i = 0; i < PERIOD_MS; i++) {
    int64_t steps, first;
    if (s->level[i] <= most) continue;
    steps = (s->level[i] - most + b->rate - 1) / b->rate;
    first = (i - at + PERIOD_MS) % PERIOD_MS;
    if (first == 0) first = PERIOD_MS;
    first += (steps - 1) * PERIOD_MS;
    if (first > wait) wait = first;
  }
  return wait;
}

int64_t b24__bucket_admit(b24_bucket *b, int64_t now) {
  int64_t wait;
  if (b->rate == 0) return 0;
  b24__bucket_advance(b, now);
  if (b->state.hold_until_ms > now) return b->state.hold_until_ms - now;
  wait = time_to_room(b);
  if (wait == 0) b->out++;
  return wait;
}

/* The portal's counter never passes the burst: what would lift it further is
 * refused. */
void b24__bucket_arrived(b24_bucket *b, int64_t count, int64_t now) {
  int64_t more = count < b->burst ? count * UNIT : b->burst;
  if (b->rate == 0) return; /* and no counter falls: by nothing at a time */
  b24__bucket_advance(b, now);
  for (int i = 0; i < PERIOD_MS; i++) {
    int32_t *level = &b->state.level[i];
    int64_t lifted = *level + more;
    if (*level < b->burst)
      *level = lifted < b->burst ? (int32_t)lifted : b->burst;
  }
}

/* One request less is on its way. */
static int returned(b24_bucket *b) {
  if (b->rate == 0 || b->out == 0) return 0;
  b->out--;
  return 1;
}

void b24__bucket_answered(b24_bucket *b, int64_t now) {
  if (returned(b)) b24__bucket_arrived(b, 1, now);
  if (now >= b->state.hold_until_ms) b->state.refusals = 0;
}

void b24__bucket_unsent(b24_bucket *b, int64_t now) {
  if (b->rate == 0) return;
  b24__bucket_advance(b, now);
  (void)returned(b);
}

int64_t b24__bucket_refused(b24_bucket *b, int64_t now, double random) {
  b24_bucket_state *s = &b->state;
  /* several that were out together are refused together: that is once */
  int held = s->hold_until_ms > now;
  if (b->rate != 0) b24__bucket_advance(b, now);
  (void)returned(b);
  for (int i = 0; i < PERIOD_MS; i++)
    if (s->level[i] < b->burst) s->level[i] = b->burst;
  if (!held && s->refusals < B24_BUCKET_REFUSALS) s->refusals++;
  if (!(random >= 0 && random < 1)) random = 0.5;
  if (!held)
    s->hold_until_ms =
        now + (int64_t)((1 + random) *
                        (double)(PERIOD_MS << (s->refusals - 1)));
  return s->hold_until_ms - now;
}
