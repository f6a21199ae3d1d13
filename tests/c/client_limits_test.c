/*
 * client_limits_test.c - a client and its limiter: who is let out when, and
 * that whatever becomes of a request, its admission comes back.
 */
#include "world.h"

static const script OK_10[] = {{B24_OUTCOME_ANSWER, 200, "{}", 10}};

static b24_limiter *limiter_of(double rate, double burst) {
  b24_limiter *limiter = NULL;
  b24_error err;
  CHECK_INT(b24_limiter_new(&limiter, NULL, rate, burst, &err), B24_OK);
  return limiter;
}

static b24_client *limited(world *w, b24_limiter *limiter,
                           const script *steps, int count) {
  b24_options options;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.limiter = limiter;
  options.max_connections = 10;
  options.wait_max_ms = 30000;
  return client_in(w, &options, steps, count);
}

/* What the answer to one call told about working time. */
static b24_verdict settle_with(b24_client *client, b24_request *r,
                               const char *code, int64_t cost,
                               int64_t operating, int64_t reset_in) {
  b24_facts facts = {1, code, cost, operating, 0};
  b24_verdict verdict;
  if (reset_in > 0)
    facts.operating_reset_at_ms = b24__client_unix(client) + reset_in;
  b24_request_settle(r, &facts, &verdict);
  return verdict;
}

static b24_request *batch(b24_client *client, const char *const *commands,
                          size_t count) {
  b24_call c = {0};
  b24_request *r = NULL;
  b24_error err;
  c.method = "batch";
  c.version = 2;
  c.body = "{}";
  c.body_size = 2;
  c.commands = commands;
  c.command_count = count;
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
  return r;
}

/* Whenever the portal takes its 2 a second off, it never counts beyond 3. */
static void check_portal_accepts(const int64_t *at, int count) {
  for (int64_t phase = 0; phase < 1000; phase += 37) {
    int64_t level = 0;
    int64_t last = at[0];
    for (int i = 0; i < count; i++) {
      int64_t steps = (at[i] + phase) / 1000 - (last + phase) / 1000;
      level = level > 2 * steps ? level - 2 * steps : 0;
      level++;
      last = at[i];
      CHECK(level <= 3);
    }
  }
}

TEST(after_the_burst_requests_are_paced) {
  world w;
  b24_limiter *limiter = limiter_of(2, 3);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r[9];
  for (int i = 0; i < 9; i++) r[i] = call(client, "user.get", "{}", 1, 0);
  for (int i = 0; i < 9; i++) {
    CHECK(step(client, 100000) == r[i]);
    CHECK_INT(settle(r[i], NULL).action, B24_DONE);
    b24_request_free(r[i]);
  }
  CHECK_INT(w.at[2], 1000);
  CHECK(w.at[3] > 1000);
  check_portal_accepts(w.at, 9);
  CHECK(w.at[8] - w.at[0] <= 5000);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

TEST(a_refusal_makes_everybody_wait) {
  world w;
  b24_limiter *limiter = limiter_of(2, 50);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r = call(client, "user.get", "{}", 1, 0);
  b24_request *other;
  b24_verdict v;
  int64_t refused_at;
  CHECK(step(client, 1000) == r);
  refused_at = w.now;
  v = settle(r, "QUERY_LIMIT_EXCEEDED");
  CHECK_INT(v.action, B24_RETRY);
  CHECK(v.wait_ms > 1000);
  other = call(client, "crm.item.get", "{}", 1, 0);
  CHECK(step(client, 900) == NULL);
  CHECK_INT(w.started, 1);
  CHECK(b24_limiter_admit(limiter, w.now) > 0); /* another client's */
  for (int i = 0; i < 2; i++) {
    b24_request *ended = step(client, 100000);
    CHECK(ended == r || ended == other);
    CHECK_INT(settle(ended, NULL).action, B24_DONE);
  }
  CHECK(w.at[1] >= refused_at + 1001);
  b24_request_free(r);
  b24_request_free(other);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

TEST(a_used_up_method_waits_alone) {
  world w;
  b24_limiter *limiter = limiter_of(2, 50);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r = call(client, "crm.item.list", "{}", 1, 0);
  b24_request *same, *other;
  b24_verdict v;
  CHECK(step(client, 1000) == r);
  v = settle_with(client, r, "OPERATION_TIME_LIMIT", -1, -1, 5000);
  CHECK_INT(v.action, B24_RETRY);
  CHECK(v.wait_ms >= 5000);
  same = call(client, "CRM.Item.List", "{}", 1, 0);
  other = call(client, "user.get", "{}", 1, 0);
  CHECK(step(client, 1000) == other);
  CHECK_INT(w.at[1], 1010);
  CHECK_INT(settle(other, NULL).action, B24_DONE);
  for (int i = 0; i < 2; i++) {
    b24_request *ended = step(client, 100000);
    CHECK(ended == r || ended == same);
    CHECK_INT(settle(ended, NULL).action, B24_DONE);
  }
  CHECK(w.at[2] >= 6010);
  CHECK(w.at[2] <= 8000);
  b24_request_free(r);
  b24_request_free(same);
  b24_request_free(other);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

TEST(without_a_rate_the_portals_own_reset_is_followed) {
  world w;
  b24_options options;
  b24_client *client;
  b24_request *r;
  b24_verdict v;
  b24_options_init(&options);
  options.webhook = HOOK;
  client = client_in(&w, &options, OK_10, 1); /* rate 0 */
  r = call(client, "crm.item.list", "{}", 1, 0);
  CHECK(step(client, 1000) == r);
  (void)settle_with(client, r, NULL, 10, 1000, 3000);
  b24_request_free(r);
  r = call(client, "crm.item.list", "{}", 1, 0);
  CHECK(step(client, 1000) == r);
  v = settle_with(client, r, "OPERATION_TIME_LIMIT", -1, -1, 0);
  CHECK_INT(v.action, B24_RETRY);
  CHECK(v.wait_ms >= 2900 && v.wait_ms <= 4100); /* not a whole minute */
  b24_request_free(r);
  b24_client_free(client);
}

/* The header is followed where the answer does not name the reset. */
TEST(a_used_up_method_waits_as_long_as_it_is_told) {
  static const struct {
    int64_t retry_after, reset_in, least, most;
  } rows[] = {{2000, 0, 2000, 3000},
              {0, 0, 60000, 61000},
              {2000, 5000, 5000, 6000},
              {9000, 5000, 9000, 9000}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    world w;
    b24_limiter *limiter = limiter_of(2, 50);
    b24_options options;
    b24_client *client;
    b24_request *r;
    b24_verdict v;
    b24_options_init(&options);
    options.webhook = HOOK;
    options.limiter = limiter;
    client = client_in(&w, &options, OK_10, 1);
    w.retry_after_ms = rows[i].retry_after;
    r = call(client, "crm.item.list", "{}", 1, 0);
    CHECK(step(client, 1000) == r);
    v = settle_with(client, r, "OPERATION_TIME_LIMIT", -1, -1,
                    rows[i].reset_in);
    CHECK_INT(v.action, B24_RETRY);
    CHECK(v.wait_ms >= rows[i].least && v.wait_ms <= rows[i].most);
    CHECK(step(client, 100000) == r);
    CHECK(w.at[1] <= 1010 + rows[i].most);
    b24_request_free(r);
    b24_client_free(client);
    b24_limiter_free(limiter);
  }
}

TEST(a_wait_beyond_wait_max_ends_the_call) {
  world w;
  b24_limiter *limiter = limiter_of(2, 50);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r = call(client, "crm.item.list", "{}", 1, 0);
  b24_request *same, *other;
  b24_answer answer;
  b24_verdict v;
  CHECK(step(client, 1000) == r);
  v = settle_with(client, r, "OPERATION_TIME_LIMIT", -1, -1, 31000);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_LIMIT);
  CHECK_INT(v.sent, B24_SENT_NO);
  same = call(client, "crm.item.list", "{}", 1, 0);
  other = call(client, "user.get", "{}", 1, 0);
  CHECK(step(client, 1000) == same);
  CHECK_INT(w.now, 1010); /* at once */
  b24_request_answer(&answer, same);
  CHECK_INT(answer.outcome, B24_OUTCOME_BLOCKED);
  v = settle(same, NULL);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_LIMIT);
  CHECK_INT(v.sent, B24_SENT_NO);
  CHECK_INT(v.retryable, 1);
  CHECK(step(client, 1000) == other);
  CHECK_INT(settle(other, NULL).action, B24_DONE);
  b24_request_free(r);
  b24_request_free(same);
  b24_request_free(other);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

/* ---- admissions come back ---------------------------------------------- */

typedef enum ending {
  FREED_RUNNING,
  FREED_ENDED,
  FREED_DELIVERED,
  CLOSED_RUNNING,
  CLOSED_DELIVERED,
  LOST_SETTLED,
  ENDINGS
} ending;

/* One request out at a time: whatever happens to it, a second later another
 * may go. */
TEST(an_admission_comes_back_whatever_happens) {
  static const script lost[] = {{B24_OUTCOME_LOST, 0, NULL, 10}};
  for (int how = 0; how < ENDINGS; how++) {
    world w;
    b24_limiter *limiter = limiter_of(1, 1);
    b24_client *client =
        limited(&w, limiter, how == LOST_SETTLED ? lost : OK_10, 1);
    b24_request *r = call(client, "crm.item.add", "{}", 0, 0);
    CHECK(step(client, 0) == NULL);
    CHECK_INT(w.started, 1);
    CHECK(b24_limiter_admit(limiter, w.now) > 0);
    if (how == FREED_ENDED) {
      w.running[0]->done = 1;
      w.running[0] = NULL;
    }
    if (how == FREED_DELIVERED || how == CLOSED_DELIVERED ||
        how == LOST_SETTLED)
      CHECK(step(client, 1000) == r);
    if (how == LOST_SETTLED) CHECK_INT(settle(r, NULL).action, B24_FAIL);
    if (how == CLOSED_RUNNING || how == CLOSED_DELIVERED) {
      b24_client_free(client);
      client = NULL;
    }
    b24_request_free(r);
    CHECK_INT(b24_limiter_admit(limiter, w.now + 1001), 0);
    b24_client_free(client);
    b24_limiter_free(limiter);
  }
}

/* What surely never reached the portal costs nothing of the budget. */
TEST(an_attempt_that_was_not_sent_is_not_counted) {
  static const script refused[] = {{B24_OUTCOME_NOT_CONNECTED, 0, NULL, 10}};
  static const script earlier[] = {{B24_OUTCOME_LOST, 0, NULL, 10}};
  for (int how = 0; how < 3; how++) {
    world w;
    b24_limiter *limiter = limiter_of(0.001, how == 2 ? 2 : 1);
    b24_client *client =
        limited(&w, limiter, how == 2 ? earlier : refused, 1);
    b24_request *r = call(client, "user.get", "{}", 1, 0);
    if (how == 2) { /* the attempt before this one was sent and lost */
      CHECK(step(client, 1000) == r);
      CHECK_INT(settle(r, NULL).action, B24_RETRY);
    }
    w.refuse = how > 0;
    CHECK(step(client, 10000) == r);
    CHECK_INT(settle(r, NULL).action, how > 0 ? B24_FAIL : B24_RETRY);
    b24_request_free(r);
    CHECK_INT(b24_limiter_admit(limiter, w.now), 0);
    b24_client_free(client);
    b24_limiter_free(limiter);
  }
}

TEST(working_time_that_was_expected_is_given_back) {
  world w;
  b24_limiter *limiter = limiter_of(2, 50);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r = call(client, "crm.item.list", "{}", 1, 0);
  b24_request *next;
  CHECK(step(client, 1000) == r);
  (void)settle_with(client, r, NULL, 100000, 200000, 20000);
  b24_request_free(r);
  /* 200 s are used and each is expected to take 100 s more: two at a time */
  for (int i = 0; i < 8; i++) {
    r = call(client, "crm.item.list", "{}", 1, 0);
    CHECK(step(client, 0) == NULL);
    CHECK_INT(w.started, 2 + i);
    b24_request_free(r); /* cancelled on its way */
  }
  next = call(client, "crm.item.list", "{}", 1, 0);
  CHECK(step(client, 1000) == next);
  b24_request_free(next);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

TEST(a_batch_is_charged_for_its_commands) {
  static const char *const heavy[] = {"crm.item.list", "crm.item.list"};
  static const char *const light[] = {"user.get", "crm.item.get"};
  world w;
  b24_limiter *limiter = limiter_of(2, 50);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r = call(client, "crm.item.list", "{}", 1, 0);
  b24_request *dear, *cheap;
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle_with(client, r, NULL, 100000, 300000, 20000).action,
            B24_DONE);
  dear = batch(client, heavy, 2);  /* 200 s more than the 170 s left */
  cheap = batch(client, light, 2);
  CHECK(step(client, 1000) == cheap);
  CHECK_INT(w.at[1], 1010);
  CHECK_INT(settle(cheap, NULL).action, B24_DONE);
  CHECK(step(client, 15000) == NULL);
  CHECK(step(client, 15000) == dear);
  CHECK(w.at[2] >= 21010);
  b24_request_free(r);
  b24_request_free(dear);
  b24_request_free(cheap);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

TEST(downloads_do_not_wait_for_the_limiter) {
  world w;
  b24_limiter *limiter = limiter_of(0.01, 1);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  b24_request *r = call(client, "user.get", "{}", 1, 0);
  b24_request *waiting, *file = NULL;
  b24_call c = {0};
  b24_error err;
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, NULL).action, B24_DONE);
  waiting = call(client, "user.get", "{}", 1, 0);
  c.method = "download";
  c.url = "https://example.bitrix24.com/download/1";
  CHECK_INT(b24_client_submit(&file, client, &c, &err), B24_OK);
  client->options.wait_max_ms = INT64_MAX;
  CHECK(step(client, 1000) == file);
  CHECK_INT(w.started, 2);
  CHECK_INT(w.at[1], 1010);
  b24_request_free(r);
  b24_request_free(waiting);
  b24_request_free(file);
  b24_client_free(client);
  b24_limiter_free(limiter);
}

TEST(figures_that_no_portal_means_are_harmless) {
  world w;
  b24_limiter *limiter = limiter_of(2, 50);
  b24_client *client = limited(&w, limiter, OK_10, 1);
  int64_t wait;
  client->options.wait_max_ms = INT64_MAX;
  for (int i = 0; i < 3; i++) {
    b24_request *r = call(client, "user.get", "{}", 1, INT64_MAX);
    b24_facts facts = {1, NULL, INT64_MAX, INT64_MAX, INT64_MAX};
    b24_verdict v;
    CHECK(step(client, INT64_MAX) == r);
    b24_request_settle(r, &facts, &v);
    CHECK_INT(v.action, B24_DONE);
    b24_request_free(r);
    b24_client_operating(client, "user.get", INT64_MAX, INT64_MAX, INT64_MAX);
    b24_client_operating(client, "user.get", INT64_MIN, INT64_MIN, INT64_MIN);
  }
  {
    b24_request *r = call(client, "user.get", "{}", 1, 0);
    int64_t bucket = 0;
    wait = b24__request_admit(r, w.now, &bucket);
    CHECK(wait > 0);
    CHECK(wait <= 600000);
    b24_request_free(r);
  }
  b24_client_free(client);
  b24_limiter_free(limiter);
}

int main(void) {
  RUN(after_the_burst_requests_are_paced);
  RUN(a_refusal_makes_everybody_wait);
  RUN(a_used_up_method_waits_alone);
  RUN(without_a_rate_the_portals_own_reset_is_followed);
  RUN(a_used_up_method_waits_as_long_as_it_is_told);
  RUN(a_wait_beyond_wait_max_ends_the_call);
  RUN(an_admission_comes_back_whatever_happens);
  RUN(an_attempt_that_was_not_sent_is_not_counted);
  RUN(working_time_that_was_expected_is_given_back);
  RUN(a_batch_is_charged_for_its_commands);
  RUN(downloads_do_not_wait_for_the_limiter);
  RUN(figures_that_no_portal_means_are_harmless);
  return unit_report();
}
