/*
 * ledger_test.c - working time: against a simulated portal with ten baskets
 * of a minute no method is blocked, and nearly all of its time is used; the
 * single rules follow, one by one.
 */
#include "limiter.h"

#include "unit.h"

#define UNIX 1700000000000

static b24_limiter *limiter(void) {
  b24_limiter *l = NULL;
  CHECK_INT(b24_limiter_new(&l, NULL, 0, 0, NULL), B24_OK);
  return l;
}

/* ---- a portal ---------------------------------------------------------- */

#define MINUTES 400

typedef struct meter {
  int64_t phase_ms; /* when its minutes begin */
  int64_t used[MINUTES];
  int blocked;
  int64_t total;
} meter;

static int64_t minute(const meter *m, int64_t now) {
  return (now - m->phase_ms) / 60000 + 20; /* away from zero */
}

static int64_t operating(const meter *m, int64_t now) {
  int64_t sum = 0;
  for (int64_t i = minute(m, now); i > minute(m, now) - 10; i--)
    sum += m->used[i];
  return sum;
}

/* When the oldest basket in the window leaves it. */
static int64_t reset_at(const meter *m, int64_t now) {
  for (int64_t i = minute(m, now) - 9; i <= minute(m, now); i++)
    if (m->used[i] > 0) return (i - 20 + 10) * 60000 + m->phase_ms;
  return now + 600000;
}

static void work(meter *m, int64_t now, int64_t cost) {
  m->used[minute(m, now)] += cost;
  m->total += cost;
}

/* ---- an hour of work --------------------------------------------------- */

typedef struct job {
  int workers;
  int64_t least_ms, most_ms; /* what a call takes */
  int silent;                /* `operating` in one answer of so many */
  int64_t skew_ms;           /* of the portal's clock */
} job;

static void hour(meter *m, const job *j, int64_t phase_ms) {
  b24_limiter *l = limiter();
  int64_t busy[8] = {0}, cost[8], expected[8];
  uint64_t state = 88172645463325252u;
  int out[8] = {0};
  int calls = 0;
  memset(m, 0, sizeof *m);
  m->phase_ms = phase_ms;
  for (int64_t now = 600000; now < 600000 + 3600000; now += 50) {
    for (int w = 0; w < j->workers; w++) {
      if (now < busy[w]) continue;
      if (out[w]) {
        int tells = j->silent == 0 || ++calls % j->silent == 0;
        work(m, now, cost[w]);
        b24_limiter_method_end(l, "m", expected[w]);
        b24_limiter_operating(
            l, "m", cost[w], tells ? operating(m, now) : -1,
            tells ? UNIX + reset_at(m, now) + j->skew_ms : 0, now,
            UNIX + now);
        out[w] = 0;
      }
      busy[w] = now + b24_limiter_method_wait(l, "m", -1, now);
      if (busy[w] > now) continue;
      if (operating(m, now) > 480000) {
        m->blocked++;
        busy[w] = now + b24_limiter_blocked(l, "m", UNIX + reset_at(m, now),
                                            now, UNIX + now);
        continue;
      }
      state = state * 6364136223846793005u + 1442695040888963407u;
      cost[w] = j->least_ms +
                (int64_t)((state >> 33) %
                          (uint64_t)(j->most_ms - j->least_ms + 1));
      expected[w] = b24_limiter_method_cost(l, "m");
      b24_limiter_method_begin(l, "m", expected[w], now);
      out[w] = 1;
      busy[w] = now + cost[w];
    }
  }
  b24_limiter_free(l);
}

TEST(an_hour_without_a_block) {
  static const job jobs[] = {
      {1, 1000, 1000, 0, 0},   {2, 900, 1100, 0, 0},
      {4, 100, 3000, 0, 0},    {6, 5000, 20000, 0, 0},
      {8, 200, 400, 0, 0},     {4, 1000, 2000, 3, 0},
      {4, 1000, 2000, 0, 5000}, {4, 1000, 2000, 0, -5000},
  };
  for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
    for (int64_t phase = 0; phase < 60000; phase += 17000) {
      meter m;
      hour(&m, &jobs[i], phase);
      /* 480 s in ten minutes, for an hour and its first ten minutes' start */
      if (m.blocked != 0 || m.total < 2400000)
        printf("  job %d, phase %d: %d blocks, %d s of work\n", (int)i,
               (int)phase, m.blocked, (int)(m.total / 1000));
      CHECK_INT(m.blocked, 0);
      CHECK(m.total >= 2400000);
    }
  }
}

TEST(work_that_fits_is_not_slowed_down) {
  b24_limiter *l = limiter();
  for (int64_t now = 0; now < 600000; now += 2000) { /* half of the time */
    CHECK_INT(b24_limiter_method_wait(l, "m", 1000, now), 0);
    b24_limiter_operating(l, "m", 1000, now / 2 + 1000, UNIX + 600000, now,
                          UNIX + now);
  }
  b24_limiter_free(l);
}

/* ---- single rules ------------------------------------------------------ */

static void tell(b24_limiter *l, const char *method, int64_t used,
                 int64_t reset_in, int64_t now) {
  b24_limiter_operating(l, method, -1, used,
                        reset_in < 0 ? 0 : UNIX + now + reset_in, now,
                        UNIX + now);
}

TEST(below_three_quarters_nothing_waits) {
  b24_limiter *l = limiter();
  CHECK_INT(b24_limiter_method_wait(l, "unknown", 1000, 0), 0);
  tell(l, "m", 350000, 100000, 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 10000, 0), 0);
  CHECK(b24_limiter_method_wait(l, "other", 10000, 0) == 0);
  b24_limiter_free(l);
}

TEST(beyond_it_the_rest_is_spread) {
  b24_limiter *l = limiter();
  int64_t wait;
  tell(l, "m", 420400, 100000, 0); /* 50 s are left of 98 % of the limit */
  b24_limiter_method_begin(l, "m", 0, 0);
  b24_limiter_method_end(l, "m", 0);
  wait = b24_limiter_method_wait(l, "m", 10000, 0);
  CHECK_INT(wait, 20000); /* five calls in a hundred seconds */
  CHECK_INT(b24_limiter_method_wait(l, "m", 10000, 20000), 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 5000, 0), 10000);
  /* a call that is out counts as if it had been made */
  b24_limiter_method_begin(l, "m", 25000, 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 10000, 0), 50000);
  b24_limiter_method_end(l, "m", 25000);
  CHECK_INT(b24_limiter_method_wait(l, "m", 10000, 0), 20000);
  b24_limiter_free(l);
}

TEST(at_the_limit_calls_wait_for_the_reset) {
  b24_limiter *l = limiter();
  tell(l, "m", 470000, 123000, 5000);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 5000), 123000);
  CHECK_INT(b24_limiter_method_wait(l, "M", 1000, 5000), 123000);
  /* the oldest basket has left: one call goes to see, the others wait */
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 128000), 0);
  b24_limiter_method_begin(l, "m", 1000, 128000);
  CHECK(b24_limiter_method_wait(l, "m", 1000, 128000) > 0);
  b24_limiter_method_end(l, "m", 1000);
  tell(l, "m", 100000, 60000, 129000);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 129000), 0);
  /* ten minutes later all baskets have left */
  tell(l, "m", 480000, 599000, 200000);
  CHECK(b24_limiter_method_wait(l, "m", 1000, 798000) > 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 800000), 0);
  b24_limiter_free(l);
}

TEST(absent_is_not_zero) {
  b24_limiter *l = limiter();
  tell(l, "m", 470000, 123000, 0);
  b24_limiter_operating(l, "m", 2000, -1, 0, 1000, UNIX + 1000);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 1000), 122000);
  b24_limiter_free(l);
  /* it costs what it took: 359 s were told, two more make it too much */
  l = limiter();
  tell(l, "m", 359000, 123000, 0);
  b24_limiter_method_begin(l, "m", 0, 0);
  b24_limiter_method_end(l, "m", 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 0), 0);
  b24_limiter_operating(l, "m", 2000, -1, 0, 0, UNIX);
  CHECK(b24_limiter_method_wait(l, "m", 1000, 0) > 0);
  b24_limiter_free(l);
}

TEST(a_portal_that_keeps_no_ledger_is_not_paced) {
  b24_limiter *l = limiter();
  for (int i = 0; i < 100; i++)
    b24_limiter_operating(l, "m", 20000, -1, 0, i * 20000, UNIX);
  CHECK_INT(b24_limiter_method_wait(l, "m", 20000, 2000000), 0);
  /* until it blocks, or tells, of whichever method */
  tell(l, "other", 1, 600000, 2000000);
  CHECK(b24_limiter_method_wait(l, "m", 20000, 2000000) > 0);
  b24_limiter_free(l);
}

TEST(of_two_accounts_the_larger_counts) {
  b24_limiter *l = limiter();
  /* the portal charges `batch` and tells nothing of its commands */
  for (int i = 0; i < 47; i++) {
    b24_limiter_operating(l, "batch", 10000, 10000 * (i + 1),
                          UNIX + 600000, i * 10000, UNIX + i * 10000);
    b24_limiter_operating(l, "crm.deal.list", 10000, -1, 0, i * 10000,
                          UNIX + i * 10000);
  }
  CHECK(b24_limiter_method_wait(l, "batch", 10000, 470000) > 0);
  CHECK(b24_limiter_method_wait(l, "crm.deal.list", 10000, 470000) > 0);
  /* its own baskets leave as well: ten minutes and a little later */
  CHECK_INT(b24_limiter_method_wait(l, "crm.deal.list", 10000, 760000), 0);
  b24_limiter_free(l);
}

TEST(blocked_methods_wait_for_themselves_alone) {
  b24_limiter *l = limiter();
  /* told by the answer */
  CHECK_INT(b24_limiter_blocked(l, "m", UNIX + 90000, 0, UNIX), 90000);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1, 10000), 80000);
  CHECK_INT(b24_limiter_method_wait(l, "n", 1, 10000), 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1, 90000), 0);
  /* as the last good answer told */
  tell(l, "n", 480001, 300000, 0);
  CHECK_INT(b24_limiter_blocked(l, "n", 0, 100000, UNIX + 100000), 200000);
  /* nobody told, or what was told is over: the next basket */
  CHECK_INT(b24_limiter_blocked(l, "o", -1, 0, UNIX), 60000);
  CHECK_INT(b24_limiter_blocked(l, "n", 0, 310000, UNIX + 310000), 60000);
  /* a clock that is far off cannot make it wait for years */
  CHECK_INT(b24_limiter_blocked(l, "p", UNIX + 999999999, 0, UNIX), 600000);
  b24_limiter_free(l);
}

TEST(the_limit_can_be_set) {
  b24_limiter *l = limiter();
  tell(l, "m", 400000, 100000, 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 600), 0);
  b24_limiter_operating_limit(l, 400000); /* on premise it is 420 s */
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 0), 100000);
  b24_limiter_operating_limit(l, 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 1000, 0), 0);
  b24_limiter_free(l);
}

TEST(one_call_larger_than_the_limit_still_starts) {
  b24_limiter *l = limiter();
  tell(l, "m", 0, 600000, 0);
  CHECK_INT(b24_limiter_method_wait(l, "m", 900000, 0), 0);
  b24_limiter_free(l);
}

TEST(costs_are_learnt) {
  b24_limiter *l = limiter();
  CHECK_INT(b24_limiter_method_cost(l, "m"), 0);
  b24_limiter_operating(l, "m", 800, -1, 0, 0, 0);
  CHECK_INT(b24_limiter_method_cost(l, "m"), 800);
  b24_limiter_operating(l, "m", 1600, -1, 0, 0, 0);
  CHECK_INT(b24_limiter_method_cost(l, "M"), 1600);
  b24_limiter_operating(l, "m", 0, -1, 0, 0, 0);
  CHECK_INT(b24_limiter_method_cost(l, "m"), 1400);
  /* without a duration: what the portal's figure grew by */
  tell(l, "n", 1000, 60000, 0);
  tell(l, "n", 4000, 60000, 10);
  CHECK_INT(b24_limiter_method_cost(l, "n"), 3000);
  b24_limiter_free(l);
}

/* ---- many methods ------------------------------------------------------ */

TEST(any_number_of_methods_within_bounds) {
  b24_ledger ledger;
  b24_operating told = {-1, 475000, 100000};
  char name[32];
  size_t kept;
  b24__ledger_init(&ledger, b24__alloc_default());
  for (int i = 0; i < 1000; i++) {
    (void)snprintf(name, sizeof name, "crm.method%d.list", i);
    CHECK_INT(b24__ledger_note(&ledger, name, &told, 0), B24_OK);
  }
  for (int i = 0; i < 1000; i++) {
    (void)snprintf(name, sizeof name, "CRM.method%d.LIST", i);
    CHECK_INT(b24__ledger_wait(&ledger, name, 1000, 0), 100000);
  }
  for (int i = 1000; i < 5000; i++) {
    (void)snprintf(name, sizeof name, "crm.method%d.list", i);
    (void)b24__ledger_note(&ledger, name, &told, 0);
  }
  kept = ledger.count;
  CHECK_INT(kept, B24_LEDGER_METHODS);
  CHECK_INT(b24__ledger_note(&ledger, "one.more", &told, 0), B24_LIMIT);
  CHECK_INT(b24__ledger_begin(&ledger, "crm.method1.list", 5, 0), B24_OK);
  /* what is eleven minutes old is forgotten, unless a call is out */
  CHECK_INT(b24__ledger_note(&ledger, "one.more", &told, 700000), B24_OK);
  CHECK_INT(ledger.count, 2);
  CHECK_INT(b24__ledger_wait(&ledger, "one.more", 1, 700000), 100000);
  b24__ledger_end(&ledger, "crm.method1.list", 5);
  b24__ledger_end(&ledger, "crm.method1.list", 5); /* once too often */
  CHECK_INT(b24__ledger_wait(&ledger, "crm.method1.list", 1, 700000), 0);
  b24__ledger_dispose(&ledger);
  b24__ledger_dispose(&ledger);
}

int main(void) {
  RUN(an_hour_without_a_block);
  RUN(work_that_fits_is_not_slowed_down);
  RUN(below_three_quarters_nothing_waits);
  RUN(beyond_it_the_rest_is_spread);
  RUN(at_the_limit_calls_wait_for_the_reset);
  RUN(absent_is_not_zero);
  RUN(a_portal_that_keeps_no_ledger_is_not_paced);
  RUN(of_two_accounts_the_larger_counts);
  RUN(blocked_methods_wait_for_themselves_alone);
  RUN(the_limit_can_be_set);
  RUN(one_call_larger_than_the_limit_still_starts);
  RUN(costs_are_learnt);
  RUN(any_number_of_methods_within_bounds);
  return unit_report();
}
