/*
 * client_test.c - the life of a request over a scripted transport and a
 * virtual clock: the timeline is asserted, nothing sleeps.
 */
#include <stdlib.h>

#include "scarce.h"
#include "world.h"

/* ---- tests ------------------------------------------------------------- */

TEST(a_call_is_sent_answered_and_done) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 120}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *r = call(client, "user.current", "{\"a\":1}", 1, 0);
  b24_answer answer;
  b24_verdict v;
  CHECK_INT(b24_client_pending(client), 1);
  CHECK(step(client, 0) == NULL);
  CHECK_INT(w.started, 1);
  CHECK(step(client, 1000) == r);
  CHECK_INT(w.now, 1120);
  b24_request_answer(&answer, r);
  CHECK_INT(answer.status, 200);
  CHECK_STR(answer.body, "{}");
  CHECK_INT(answer.attempts, 1);
  CHECK_INT(answer.elapsed_ms, 120);
  v = settle(r, NULL);
  CHECK_INT(v.action, B24_DONE);
  CHECK_INT(b24_client_pending(client), 0);
  CHECK_STR(w.urls[0], HOOK "user.current");
  CHECK_STR(w.bodies[0], "{\"a\":1}");
  CHECK(strstr(w.headers[0], "Content-Type: application/json|") != NULL);
  b24_request_free(r);
  b24_client_free(client);
  CHECK_INT(w.closed, 1);
}

TEST(a_refused_call_is_sent_again_after_its_wait) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 503, "{}", 10},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_client *client = plain_client(&w, steps, 2);
  b24_request *r = call(client, "crm.deal.add", "{}", 0, 0);
  b24_verdict v;
  CHECK(step(client, 1000) == r);
  v = settle(r, "QUERY_LIMIT_EXCEEDED");
  CHECK_INT(v.action, B24_RETRY);
  CHECK(v.wait_ms > 0);
  CHECK_INT(b24_client_pending(client), 1);
  CHECK(step(client, v.wait_ms - 1) == NULL);
  CHECK_INT(w.started, 1);
  CHECK(step(client, 100000) == r);
  CHECK_INT(w.at[1], 1010 + v.wait_ms);
  CHECK_INT(settle(r, NULL).action, B24_DONE);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(no_more_connections_than_allowed_and_in_order) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 100}};
  world w;
  b24_options options;
  b24_client *client;
  b24_request *r[5];
  b24_options_init(&options);
  options.webhook = HOOK;
  options.max_connections = 2;
  client = client_in(&w, &options, steps, 1);
  for (int i = 0; i < 5; i++) r[i] = call(client, "user.get", "{}", 1, 0);
  CHECK(step(client, 0) == NULL);
  CHECK_INT(w.started, 2);
  for (int i = 0; i < 5; i++) {
    CHECK(step(client, 10000) == r[i]);
    CHECK_INT(settle(r[i], NULL).action, B24_DONE);
  }
  CHECK_INT(w.now, 1300);
  for (int i = 0; i < 5; i++) b24_request_free(r[i]);
  b24_client_free(client);
}

TEST(the_deadline_covers_waits_and_attempts) {
  static const script steps[] = {{B24_OUTCOME_NOT_CONNECTED, 0, NULL, 10}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *r = call(client, "user.get", "{}", 1, 3000);
  b24_verdict v;
  int64_t began = w.now;
  do {
    CHECK(step(client, 100000) == r);
    v = settle(r, NULL);
  } while (v.action == B24_RETRY);
  CHECK_INT(v.kind, B24_NETWORK);
  CHECK(w.now - began <= 3000);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_deadline_that_passes_while_queued_ends_the_call) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 5000}};
  world w;
  b24_options options;
  b24_client *client;
  b24_request *slow;
  b24_request *r;
  b24_verdict v;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.max_connections = 1;
  options.retries = 0;
  client = client_in(&w, &options, steps, 1);
  slow = call(client, "user.get", "{}", 1, 0);
  r = call(client, "user.get", "{}", 1, 700);
  CHECK(step(client, 10000) == r);
  CHECK_INT(w.now, 1700);
  v = settle(r, NULL);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_NETWORK);
  CHECK_INT(v.sent, B24_SENT_NO);
  CHECK(step(client, 10000) == slow);
  b24_request_free(slow);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(closing_cancels_and_requests_outlive_their_client) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 5000}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *running = call(client, "user.get", "{}", 1, 0);
  b24_request *done = call(client, "user.get", "{}", 1, 0);
  b24_answer answer;
  CHECK(step(client, 6000) == running);
  CHECK(step(client, 6000) == done);
  CHECK_INT(settle(running, "QUERY_LIMIT_EXCEEDED").action, B24_RETRY);
  CHECK_INT(settle(done, NULL).action, B24_DONE);
  b24_client_free(client);
  b24_request_answer(&answer, running);
  CHECK_INT(answer.outcome, B24_OUTCOME_CANCELLED);
  CHECK_INT(settle(running, NULL).kind, B24_CANCELLED);
  b24_request_free(running);
  b24_request_free(done);
}

TEST(what_closing_cancels_may_have_run_if_it_was_out) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 5000},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 9000}};
  world w;
  b24_options options;
  b24_client *client;
  b24_request *answered, *running, *queued;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.max_connections = 2;
  client = client_in(&w, &options, steps, 2);
  answered = call(client, "crm.deal.add", "{}", 0, 0);
  running = call(client, "crm.deal.add", "{}", 0, 0);
  queued = call(client, "crm.deal.add", "{}", 0, 0);
  CHECK(step(client, 6000) == answered); /* handed out, and not yet settled */
  b24_client_free(client);
  CHECK_INT(settle(answered, NULL).sent, B24_SENT_UNKNOWN);
  CHECK_INT(settle(running, NULL).sent, B24_SENT_UNKNOWN);
  CHECK_INT(settle(queued, NULL).sent, B24_SENT_NO);
  b24_request_free(answered);
  b24_request_free(running);
  b24_request_free(queued);
}

TEST(a_dropped_call_is_taken_from_the_transport) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 5000}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *r = call(client, "user.get", "{}", 1, 0);
  CHECK(step(client, 0) == NULL);
  b24_request_free(r);
  CHECK_INT(w.cancelled, 1);
  CHECK_INT(b24_client_pending(client), 0);
  CHECK(step(client, 100000) == NULL);
  CHECK_INT(w.now, 1000); /* with nothing to wait for, no waiting */
  b24_client_free(client);
}

TEST(a_token_goes_where_the_body_has_a_place_for_it) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 1}};
  static const struct {
    int version;
    const char *sent, *url, *body, *header;
  } rows[] = {
      {2, "{}", "https://p.example/rest/user.get", "{\"auth\":\"tok\"}", ""},
      {2, "{\"a\":1}", "https://p.example/rest/user.get",
       "{\"auth\":\"tok\",\"a\":1}", ""},
      {2, "[1]", "https://p.example/rest/user.get?auth=tok", "[1]", ""},
      {3, "{}", "https://p.example/rest/api/user.get", "{\"auth\":\"tok\"}",
       ""},
      {3, "[1]", "https://p.example/rest/api/user.get", "[1]",
       "Authorization: Bearer tok|"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    world w;
    b24_options options;
    b24_client *client;
    b24_request *r = NULL;
    b24_call c;
    b24_error err;
    b24_options_init(&options);
    options.domain = "p.example";
    options.access_token = "tok";
    client = client_in(&w, &options, steps, 1);
    memset(&c, 0, sizeof c);
    c.method = "user.get";
    c.version = rows[i].version;
    c.body = rows[i].sent;
    c.body_size = strlen(c.body);
    CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
    CHECK(step(client, 10) == r);
    CHECK_STR(w.urls[0], rows[i].url);
    CHECK_STR(w.bodies[0], rows[i].body);
    CHECK(strstr(w.headers[0], rows[i].header) != NULL);
    b24_request_free(r);
    b24_client_free(client);
  }
}

TEST(an_idempotency_key_stays_the_same_through_retries) {
  static const script steps[] = {{B24_OUTCOME_LOST, 0, NULL, 10},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_client *client = plain_client(&w, steps, 2);
  b24_request *r = NULL;
  b24_call c;
  b24_error err;
  memset(&c, 0, sizeof c);
  c.method = "tasks.task.add";
  c.version = 3;
  c.body = "{}";
  c.body_size = 2;
  c.harmless = 1;
  c.idempotency_key = "key-1";
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
  CHECK(step(client, 100) == r);
  CHECK_INT(settle(r, NULL).action, B24_RETRY);
  CHECK(step(client, 100000) == r);
  CHECK(strstr(w.headers[0], "Idempotency-Key: key-1|") != NULL);
  CHECK(strstr(w.headers[1], "Idempotency-Key: key-1|") != NULL);
  b24_request_free(r);
  r = NULL;
  c.idempotency_key = "two\r\nlines: x";
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_CONFIG);
  CHECK(r == NULL);
  b24_client_free(client);
}

TEST(names_that_cannot_be_methods_are_refused) {
  static const char *const bad[] = {"", "a b", "a/b", "a?b=1", "..", "a..b"};
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 1}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    b24_call c;
    b24_request *r = NULL;
    b24_error err;
    memset(&c, 0, sizeof c);
    c.method = bad[i];
    c.version = 2;
    c.body = "{}";
    c.body_size = 2;
    CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_CONFIG);
  }
  CHECK_INT(b24_client_pending(client), 0);
  b24_client_free(client);
}

TEST(secrets_are_redacted) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 1}};
  static const char text[] = "code abcdefgh12345678 is quoted";
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  char clean[100];
  b24_client_redact(clean, sizeof clean, client, text, strlen(text));
  CHECK_STR(clean, "code *** is quoted");
  b24_client_redact(clean, 8, client, text, strlen(text));
  CHECK_STR(clean, "code **");
  CHECK_STR(b24_client_origin(client), "https://example.bitrix24.com");
  b24_client_free(client);
}

TEST(a_call_has_its_own_timeout_where_requests_have_none) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 10}};
  static const struct {
    int64_t request, call, allowed;
  } rows[] = {{0, 0, 0},          {0, 3000, 3000},    {5000, 0, 5000},
              {5000, 3000, 3000}, {5000, 9000, 5000}, {-1, 3000, 3000},
              {-1, 0, 0},         {0, INT64_MAX, INT64_MAX - 1000}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    world w;
    b24_options options;
    b24_client *client;
    b24_request *r;
    b24_options_init(&options);
    options.webhook = HOOK;
    options.timeout_ms = rows[i].request;
    client = client_in(&w, &options, steps, 1);
    r = call(client, "user.get", "{}", 1, rows[i].call);
    CHECK(step(client, INT64_MAX) == r);
    CHECK_INT(w.timeout[0], rows[i].allowed);
    b24_request_free(r);
    b24_client_free(client);
  }
}

TEST(deadlines_pass_in_their_order_however_long_the_queue) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 50000}};
  world w;
  b24_options options;
  b24_client *client;
  b24_request *slow, *r[8];
  b24_options_init(&options);
  options.webhook = HOOK;
  options.max_connections = 1;
  client = client_in(&w, &options, steps, 1);
  slow = call(client, "user.get", "{}", 1, 0);
  for (int i = 0; i < 8; i++)
    r[i] = call(client, "user.get", "{}", 1, (i * 5 % 8 + 1) * 1000);
  for (int i = 0; i < 8; i++) {
    b24_request *ended = step(client, 100000);
    CHECK_INT(w.now, 1000 + (i + 1) * 1000);
    CHECK(ended == r[i * 5 % 8]);
    CHECK_INT(settle(ended, NULL).action, B24_FAIL);
    CHECK_INT(b24_client_pending(client), 8 - i);
  }
  CHECK(step(client, 100000) == slow);
  CHECK_INT(w.now, 51000);
  CHECK_INT(w.started, 1);
  for (int i = 0; i < 8; i++) b24_request_free(r[i]);
  b24_request_free(slow);
  b24_client_free(client);
}

TEST(only_what_ended_can_be_settled_and_only_once) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 100}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *r = call(client, "user.get", "{}", 1, 0);
  CHECK_INT(settle(r, NULL).action, B24_RETRY); /* queued */
  CHECK_INT(b24_client_pending(client), 1);
  CHECK(step(client, 0) == NULL);
  CHECK_INT(settle(r, "QUERY_LIMIT_EXCEEDED").action, B24_RETRY);
  CHECK_INT(b24_client_pending(client), 1);
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, NULL).action, B24_DONE);
  CHECK_INT(settle(r, "QUERY_LIMIT_EXCEEDED").action, B24_FAIL);
  CHECK_INT(b24_client_pending(client), 0);
  CHECK_INT(w.started, 1);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(what_a_transport_says_is_redacted) {
  static const script steps[] = {{B24_OUTCOME_LOST, 0, NULL, 10}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *r = call(client, "crm.item.add", "{}", 0, 0);
  b24_answer answer;
  w.message = "no answer from " HOOK "crm.item.add";
  CHECK(step(client, 1000) == r);
  b24_request_answer(&answer, r);
  CHECK_STR(answer.message,
            "no answer from https://example.bitrix24.com/rest/1/***/"
            "crm.item.add");
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_client_that_could_not_work_is_refused) {
  for (int i = 0; i < 3; i++) {
    b24_options options;
    b24_client *client = NULL;
    b24_error err;
    b24_options_init(&options);
    options.webhook = HOOK;
    if (i == 0) options.max_connections = 0;
    if (i == 1) options.user_agent = "me\r\nX-Header: 1";
    if (i == 2) options.rate = -1; /* no limit of our own */
    CHECK_INT(b24_client_new(&client, &options, &err),
              i == 2 ? B24_OK : B24_CONFIG);
    b24_client_free(client);
  }
}

TEST(the_token_is_spliced_into_any_spelling_of_an_object) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 1}};
  static const char *const rows[][2] = {
      {"{ }", "{\"auth\":\"tok\" }"},
      {"{\n}", "{\"auth\":\"tok\"\n}"},
      {"{ \"a\":1}", "{\"auth\":\"tok\", \"a\":1}"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    world w;
    b24_options options;
    b24_client *client;
    b24_request *r;
    b24_options_init(&options);
    options.domain = "p.example";
    options.access_token = "tok";
    client = client_in(&w, &options, steps, 1);
    r = call(client, "user.get", rows[i][0], 1, 0);
    CHECK(step(client, 10) == r);
    CHECK_STR(w.bodies[0], rows[i][1]);
    b24_request_free(r);
    b24_client_free(client);
  }
}

/* ---- every allocation fails once --------------------------------------- */

/* One whole life; 1 when it went through. */
static int live_once(const b24_alloc *alloc) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, NULL, 1}};
  world w;
  b24_clock clock = {world_now, world_unix, &w};
  b24_transport transport = world_transport(&w);
  b24_options options;
  b24_client *client = NULL;
  b24_request *r = NULL;
  b24_request *ended = NULL;
  b24_call c;
  b24_error err;
  int done = 0;
  memset(&w, 0, sizeof w);
  w.steps = steps;
  w.count = 1;
  b24_options_init(&options);
  options.domain = "p.example";
  options.access_token = "tok";
  options.alloc = alloc;
  options.clock = &clock;
  options.rate = 0;
  if (b24__client_new_over(&client, &options, transport, &err) != B24_OK)
    return 0;
  memset(&c, 0, sizeof c);
  c.method = "user.get";
  c.version = 3;
  c.body = "{}";
  c.body_size = 2;
  c.idempotency_key = "k";
  if (b24_client_submit(&r, client, &c, &err) == B24_OK &&
      b24_client_step(&ended, client, 10, &err) == B24_OK && ended == r)
    done = settle(r, NULL).action == B24_DONE;
  b24_request_free(r);
  b24_client_free(client);
  return done;
}

TEST(no_failing_allocation_leaks_or_crashes) {
  int done = 0;
  for (int n = 0; n < 200 && !done; n++) {
    scarce f = {n, 0};
    b24_alloc alloc = {scarce_realloc, &f};
    done = live_once(&alloc);
    CHECK_INT(f.bytes, 0);
  }
  CHECK(done);
}

int main(void) {
  RUN(a_call_is_sent_answered_and_done);
  RUN(a_refused_call_is_sent_again_after_its_wait);
  RUN(no_more_connections_than_allowed_and_in_order);
  RUN(the_deadline_covers_waits_and_attempts);
  RUN(a_deadline_that_passes_while_queued_ends_the_call);
  RUN(closing_cancels_and_requests_outlive_their_client);
  RUN(what_closing_cancels_may_have_run_if_it_was_out);
  RUN(a_dropped_call_is_taken_from_the_transport);
  RUN(a_token_goes_where_the_body_has_a_place_for_it);
  RUN(an_idempotency_key_stays_the_same_through_retries);
  RUN(names_that_cannot_be_methods_are_refused);
  RUN(secrets_are_redacted);
  RUN(a_call_has_its_own_timeout_where_requests_have_none);
  RUN(deadlines_pass_in_their_order_however_long_the_queue);
  RUN(only_what_ended_can_be_settled_and_only_once);
  RUN(what_a_transport_says_is_redacted);
  RUN(a_client_that_could_not_work_is_refused);
  RUN(the_token_is_spliced_into_any_spelling_of_an_object);
  RUN(no_failing_allocation_leaks_or_crashes);
  return unit_report();
}
