/*
 * limiter_test.c - the request budget against simulated portals: counters
 * that fall evenly or in steps, at every phase, behind a network that delays
 * and reorders. No request may be refused, and nearly all of the budget must
 * be used. Time is virtual throughout.
 */
#include "limiter.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scarce.h"
#include "unit.h"

/* ---- chance, the same in every run ------------------------------------- */

typedef struct dice {
  uint64_t state;
} dice;

static double roll(dice *d) {
  d->state ^= d->state << 13;
  d->state ^= d->state >> 7;
  d->state ^= d->state << 17;
  return (double)(d->state >> 11) / 9007199254740992.0;
}

/* ---- a portal, in microseconds ----------------------------------------- */

typedef struct portal {
  int steps;         /* falls once a second, else evenly */
  int64_t second_us; /* how long its second is by our clock */
  int64_t phase_us;  /* when in it the step comes */
  double rate, burst;
  double level;
  int64_t last_us;
  int accepted, refused;
} portal;

static int64_t steps_before(const portal *p, int64_t at_us) {
  /* times are far above the phase, so this is a floor */
  return (at_us - p->phase_us) / p->second_us;
}

static void arrive(portal *p, int64_t at_us) {
  double fallen;
  if (p->steps)
    fallen =
        p->rate * (double)(steps_before(p, at_us) -
                           steps_before(p, p->last_us));
  else
    fallen = p->rate * (double)(at_us - p->last_us) / (double)p->second_us;
  p->level = p->level > fallen ? p->level - fallen : 0;
  p->last_us = at_us;
  /* sums of fractions: a millionth of a request is nobody's request */
  if (p->level + 1 > p->burst + 1e-6) {
    p->refused++;
  } else {
    p->level += 1;
    p->accepted++;
  }
}

/* ---- a network --------------------------------------------------------- */

typedef struct network {
  const char *name;
  double there_ms, back_ms; /* at most */
  double slow_share, slow_ms;
  int connections;
} network;

static const network networks[] = {
    {"at once", 0, 0, 0, 0, 6},
    {"near", 30, 30, 0, 0, 6},
    {"uneven", 900, 400, 0, 0, 20},
    {"slow", 4000, 1000, 0, 0, 40},
    {"some very late", 200, 200, 0.02, 15000, 100},
    {"late answers", 50, 9000, 0, 0, 40},
};
#define NETWORKS (sizeof networks / sizeof networks[0])

#define MOST_OUT 128
#define START_MS 1000000

typedef struct flight {
  int64_t arrives_us, answered_us;
  int arrived;
} flight;

/* What decides when to send: the limiter, or what it is compared with. */
typedef struct sender {
  int64_t (*admit)(void *self, int64_t now_ms);
  void (*answered)(void *self, int64_t now_ms);
  void *self;
} sender;

static int64_t limiter_admit(void *self, int64_t now_ms) {
  return b24_limiter_admit(self, now_ms);
}

static void limiter_answered(void *self, int64_t now_ms) {
  b24_limiter_answered(self, now_ms);
}

static int64_t delay_us(dice *d, const network *n, double most_ms) {
  if (n->slow_share > 0 && roll(d) < n->slow_share)
    return (int64_t)(roll(d) * n->slow_ms * 1000);
  return (int64_t)(roll(d) * most_ms * 1000);
}

/* Send as much as is allowed for `seconds`; what was sent arrives at last. */
static void run(portal *p, const sender *s, const network *n, int seconds,
                uint64_t seed) {
  flight out[MOST_OUT];
  dice d = {seed * 2654435761u + 88172645463325252u};
  int count = 0;
  int64_t now = START_MS;
  int64_t end = START_MS + (int64_t)seconds * 1000;
  int64_t ask = now;
  p->last_us = now * 1000;
  for (;;) {
    int64_t next_us = now < end ? ask * 1000 : INT64_MAX;
    int which = -1;
    while (now < end && ask <= now && count < n->connections) {
      int64_t wait = s->admit(s->self, now);
      if (wait > 0) {
        ask = now + wait;
        next_us = ask * 1000;
        break;
      }
      /* the clock shows whole milliseconds: it is later than it says */
      out[count].arrives_us = now * 1000 + (int64_t)(roll(&d) * 999) +
                              delay_us(&d, n, n->there_ms);
      out[count].answered_us =
          out[count].arrives_us + delay_us(&d, n, n->back_ms);
      out[count].arrived = 0;
      count++;
    }
    if (count >= n->connections) next_us = INT64_MAX;
    for (int i = 0; i < count; i++) {
      int64_t at = out[i].arrived ? out[i].answered_us : out[i].arrives_us;
      if (at < next_us) {
        next_us = at;
        which = i;
      }
    }
    if (next_us == INT64_MAX) return;
    now = next_us / 1000 > now ? next_us / 1000 : now;
    if (which < 0) continue;
    if (!out[which].arrived) {
      out[which].arrived = 1;
      arrive(p, next_us);
    } else {
      s->answered(s->self, now);
      out[which] = out[--count];
      ask = now; /* an answer is a reason to ask again */
    }
  }
}

static portal portal_of(int steps, int phase_ms, double rate, double burst) {
  portal p;
  memset(&p, 0, sizeof p);
  p.steps = steps;
  p.second_us = 1000000;
  p.phase_us = phase_ms * 1000;
  p.rate = rate;
  p.burst = burst;
  return p;
}

static void play(portal *p, const network *n, int seconds, uint64_t seed) {
  b24_limiter *l = NULL;
  sender s = {limiter_admit, limiter_answered, NULL};
  CHECK_INT(b24_limiter_new(&l, NULL, p->rate, p->burst, NULL), B24_OK);
  s.self = l;
  run(p, &s, n, seconds, seed);
  b24_limiter_free(l);
}

static void expect(const portal *p, const network *n, int seconds) {
  double budget = p->burst + p->rate * seconds;
  if (p->refused != 0 || p->accepted < 0.95 * budget)
    printf("  %s, %s, phase %d ms: %d refused, %d of %.0f used\n", n->name,
           p->steps ? "steps" : "even", (int)(p->phase_us / 1000), p->refused,
           p->accepted, budget);
  CHECK_INT(p->refused, 0);
  CHECK(p->accepted >= 0.95 * budget);
}

TEST(ten_minutes_of_every_portal) {
  for (size_t i = 0; i < NETWORKS; i++) {
    portal even = portal_of(0, 0, 2, 50);
    play(&even, &networks[i], 600, i + 1);
    expect(&even, &networks[i], 600);
    for (int phase = 0; phase < 1000; phase += 27) {
      portal p = portal_of(1, phase, 2, 50);
      play(&p, &networks[i], 600, (uint64_t)phase * 31 + i);
      expect(&p, &networks[i], 600);
    }
  }
}

TEST(enterprise_and_a_limit_of_ones_own) {
  static const struct {
    double rate, burst;
  } rows[] = {{5, 250}, {1, 10}, {0.5, 30}, {2.5, 40}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    portal even = portal_of(0, 0, rows[i].rate, rows[i].burst);
    play(&even, &networks[1], 600, i + 7);
    expect(&even, &networks[1], 600);
    for (int phase = 3; phase < 1000; phase += 142) {
      portal p = portal_of(1, phase, rows[i].rate, rows[i].burst);
      play(&p, &networks[1], 600, i + 9);
      expect(&p, &networks[1], 600);
    }
  }
}

TEST(a_portal_whose_clock_is_slow) {
  for (int phase = 0; phase < 1000; phase += 333) {
    portal p = portal_of(1, phase, 2, 50);
    p.second_us = 1000900;
    play(&p, &networks[1], 7200, 5);
    expect(&p, &networks[1], 7200);
  }
}

/* What the simulation is worth: the usual token bucket is refused in it. */
typedef struct naive {
  double level;
  int64_t last_ms;
} naive;

static int64_t naive_admit(void *self, int64_t now_ms) {
  naive *b = self;
  double fallen = 2 * (double)(now_ms - b->last_ms) / 1000;
  b->level = b->level > fallen ? b->level - fallen : 0;
  b->last_ms = now_ms;
  if (b->level + 1 > 50) return 50;
  b->level += 1;
  return 0;
}

static void naive_answered(void *self, int64_t now_ms) {
  (void)self;
  (void)now_ms;
}

TEST(an_even_bucket_would_be_refused) {
  int refused_by_steps = 0;
  portal p = portal_of(0, 0, 2, 50);
  naive b = {0, START_MS};
  sender s = {naive_admit, naive_answered, &b};
  for (int phase = 0; phase < 1000; phase += 100) {
    portal q = portal_of(1, phase, 2, 50);
    b.level = 0;
    b.last_ms = START_MS;
    run(&q, &s, &networks[0], 600, 3);
    refused_by_steps += q.refused;
  }
  CHECK(refused_by_steps > 0);
  b.level = 0;
  b.last_ms = START_MS;
  run(&p, &s, &networks[2], 600, 3);
  CHECK(p.refused > 0);
}

/* ---- single rules ------------------------------------------------------ */

static b24_limiter *limiter(double rate, double burst) {
  b24_limiter *l = NULL;
  CHECK_INT(b24_limiter_new(&l, NULL, rate, burst, NULL), B24_OK);
  return l;
}

/* How many may be sent at once and are answered at once. */
static int gulp(b24_limiter *l, int64_t now) {
  int n = 0;
  while (n < 10000 && b24_limiter_admit(l, now) == 0) {
    b24_limiter_answered(l, now);
    n++;
  }
  return n;
}

TEST(the_burst_and_then_the_rate) {
  b24_limiter *l = limiter(2, 50);
  CHECK_INT(gulp(l, 5000), 50);
  CHECK_INT(b24_limiter_admit(l, 5000), 1001);
  CHECK_INT(gulp(l, 6000), 0);
  CHECK_INT(gulp(l, 6001), 2);
  CHECK_INT(gulp(l, 7002), 2);
  CHECK_INT(gulp(l, 17012), 20);
  CHECK_INT(gulp(l, 10000000), 50);
  CHECK_INT(gulp(l, 9000000), 0); /* a clock that goes back gives nothing */
  b24_limiter_free(l);
}

TEST(requests_that_are_out_hold_their_place) {
  b24_limiter *l = limiter(2, 3);
  CHECK_INT(b24_limiter_admit(l, 0), 0);
  CHECK_INT(b24_limiter_admit(l, 0), 0);
  CHECK_INT(b24_limiter_admit(l, 0), 0);
  /* none was answered: any of them may still be on its way */
  CHECK(b24_limiter_admit(l, 60000) > 0);
  b24_limiter_answered(l, 60000);
  CHECK_INT(b24_limiter_admit(l, 60000), 1001);
  CHECK_INT(b24_limiter_admit(l, 61001), 0);
  /* one that was never sent takes no budget at all */
  b24_limiter_unsent(l, 61001);
  CHECK_INT(b24_limiter_admit(l, 61001), 0);
  b24_limiter_free(l);
}

TEST(the_wait_that_is_told_is_exact) {
  for (uint64_t seed = 1; seed < 40; seed++) {
    b24_limiter *l = limiter(2, 5);
    dice d = {seed * 88172645463325252u};
    int64_t now = 0;
    for (int i = 0; i < 60; i++) {
      int64_t wait = b24_limiter_admit(l, now);
      if (wait > 0) {
        if (wait > 1) CHECK(b24_limiter_admit(l, now + wait - 1) > 0);
        now += wait;
        CHECK_INT(b24_limiter_admit(l, now), 0);
      }
      now += (int64_t)(roll(&d) * 300);
      b24_limiter_answered(l, now);
    }
    b24_limiter_free(l);
  }
}

TEST(a_refusal_fills_the_bucket_and_makes_everybody_wait) {
  b24_limiter *l = limiter(2, 50);
  int64_t wait, now = 1000, last = 0;
  CHECK_INT(b24_limiter_admit(l, now), 0);
  CHECK_INT(b24_limiter_admit(l, now), 0);
  wait = b24_limiter_refused(l, now, 0.5);
  CHECK_INT(wait, 1501); /* one and a half steps */
  CHECK_INT(b24_limiter_admit(l, now), 1501);
  /* the other one was out as well: the same refusal, not a second */
  CHECK_INT(b24_limiter_refused(l, now + 500, 0.9), 1001);
  now += wait;
  CHECK_INT(gulp(l, now), 2); /* of the 50 nothing is left but a step */
  /* again and again: longer each time, within bounds */
  for (int i = 0; i < 10; i++) {
    now += 600000;
    CHECK_INT(b24_limiter_admit(l, now), 0);
    wait = b24_limiter_refused(l, now, 0);
    CHECK(wait >= last && wait <= 16016);
    last = wait;
  }
  CHECK_INT(last, 16016);
  now += wait;
  CHECK_INT(gulp(l, now), 32);
  CHECK_INT(b24_limiter_admit(l, now + 600000), 0);
  CHECK_INT(b24_limiter_refused(l, now + 600000, 0), 1001);
  b24_limiter_free(l);
}

TEST(programs_that_share_an_address_get_along) {
  /* two limiters that know nothing of each other, one portal, taking turns */
  portal p = portal_of(1, 300, 2, 50);
  b24_limiter *two[2];
  int64_t ask[2] = {START_MS, START_MS};
  dice d = {4711};
  two[0] = limiter(2, 50);
  two[1] = limiter(2, 50);
  p.last_us = (int64_t)START_MS * 1000;
  for (int64_t now = START_MS; now < START_MS + 600000; now++) {
    for (int i = 0; i < 2; i++) {
      int refused = p.refused;
      int64_t wait;
      if (ask[i] > now) continue;
      wait = b24_limiter_admit(two[i], now);
      ask[i] = now + wait;
      if (wait > 0) continue;
      arrive(&p, now * 1000);
      if (p.refused > refused)
        ask[i] = now + b24_limiter_refused(two[i], now, roll(&d));
      else
        b24_limiter_answered(two[i], now);
    }
  }
  CHECK(p.accepted > 1100);
  CHECK(p.refused > 0 && p.refused < p.accepted / 3);
  b24_limiter_free(two[0]);
  b24_limiter_free(two[1]);
}

TEST(off_and_wrong_settings) {
  b24_limiter *l = limiter(0, 0);
  b24_error err;
  double rate = 0, burst = 0, zero = 0;
  for (int i = 0; i < 1000; i++) CHECK_INT(b24_limiter_admit(l, 7), 0);
  b24_limiter_answered(l, 7);
  b24_limiter_unsent(l, 7);
  CHECK_INT(b24_limiter_refused(l, 7, 0), 1001);
  CHECK_INT(b24_limiter_admit(l, 7), 0);
  b24_limiter_free(l);
  CHECK_INT(b24_limiter_new(&l, NULL, -1, 50, &err), B24_CONFIG);
  CHECK(l == NULL);
  CHECK(strstr(err.message, "limits") != NULL);
  CHECK_INT(b24_limiter_new(&l, NULL, 2, 0.5, &err), B24_CONFIG);
  CHECK_INT(b24_limiter_new(&l, NULL, 2, 1e9, &err), B24_CONFIG);
  CHECK_INT(b24_limiter_new(&l, NULL, zero / zero, 50, &err), B24_CONFIG);
  CHECK_INT(b24_limiter_new(&l, NULL, 2, zero / zero, &err), B24_CONFIG);
  CHECK_INT(b24_limiter_new(&l, NULL, 1 / zero, 50, &err), B24_CONFIG);
  CHECK(b24_limiter_tariff(&rate, &burst, "enterprise") && rate == 5 &&
        burst == 250);
  CHECK(b24_limiter_tariff(&rate, &burst, "standard") && rate == 2 &&
        burst == 50);
  CHECK(!b24_limiter_tariff(&rate, &burst, "Free"));
}

/* A child's child, too: each takes the bucket over from its parent. */
TEST(without_a_limit_a_fork_changes_nothing) {
  b24_limiter *l = NULL;
  int status = -1;
  pid_t child;
  CHECK_INT(b24_limiter_new(&l, NULL, 0, 0, NULL), B24_OK);
  CHECK_INT(b24_limiter_admit(l, 1000), 0);
  child = fork();
  if (child == 0) {
    int good = b24_limiter_admit(l, 2000) == 0;
    child = fork();
    if (child == 0)
      _exit(b24_limiter_admit(l, 9000) == 0 ? 0 : 1);
    if (waitpid(child, &status, 0) != child) status = -1;
    _exit(good && WIFEXITED(status) ? WEXITSTATUS(status) : 2);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  b24_limiter_free(l);
}

TEST(one_budget_for_all_who_hold_it) {
  b24_limiter *l = limiter(2, 50);
  b24_limiter *same = b24_limiter_ref(l);
  CHECK_INT(gulp(l, 0), 50);
  b24_limiter_free(l);
  CHECK_INT(gulp(same, 0), 0);
  CHECK_INT(gulp(same, 1001), 2);
  b24_limiter_free(same);
  b24_limiter_free(NULL);
}

/* ---- memory ------------------------------------------------------------ */

TEST(memory_that_runs_out) {
  for (int n = 0; n < 8; n++) {
    scarce s = {0, 0};
    b24_alloc alloc = {scarce_realloc, NULL};
    b24_limiter *l = NULL;
    b24_error err;
    alloc.ud = &s;
    s.left = n;
    if (b24_limiter_new(&l, &alloc, 2, 50, &err) != B24_OK) {
      CHECK_INT(n, 0);
      CHECK_INT(err.kind, B24_NOMEM);
      CHECK(l == NULL);
      continue;
    }
    /* the ledger cannot remember, and nothing else is the matter */
    b24_limiter_method_begin(l, "a", 10, 0);
    b24_limiter_operating(l, "a", 10, 500000, 0, 0, 0);
    b24_limiter_operating(l, "b", 10, 500000, 0, 0, 0);
    CHECK_INT(b24_limiter_blocked(l, "c", 0, 0, 0), 60000);
    b24_limiter_method_end(l, "a", 10);
    CHECK_INT(gulp(l, 0), 50);
    b24_limiter_free(l);
    CHECK_INT(s.bytes, 0);
  }
}

int main(void) {
  RUN(ten_minutes_of_every_portal);
  RUN(enterprise_and_a_limit_of_ones_own);
  RUN(a_portal_whose_clock_is_slow);
  RUN(an_even_bucket_would_be_refused);
  RUN(the_burst_and_then_the_rate);
  RUN(requests_that_are_out_hold_their_place);
  RUN(the_wait_that_is_told_is_exact);
  RUN(a_refusal_fills_the_bucket_and_makes_everybody_wait);
  RUN(programs_that_share_an_address_get_along);
  RUN(off_and_wrong_settings);
  RUN(without_a_limit_a_fork_changes_nothing);
  RUN(one_budget_for_all_who_hold_it);
  RUN(memory_that_runs_out);
  return unit_report();
}
