/* client_loop_test.c - a client that a host drives: what it asks to be watched
 * for, and when it asks to be called. */
#include "world.h"

#include <sys/wait.h>
#include <unistd.h>

#define NONE (-1)
#define NEVER_TOLD (-9)

/* What the host heard since the last look, and what its timer is set to. */
typedef struct host {
  char heard[256];
  int64_t timer;
  int watched;
  int called; /* all calls together */
} host;

static void on_watch(void *ud, int fd, int what) {
  host *h = ud;
  size_t at = strlen(h->heard);
  (void)snprintf(h->heard + at, sizeof h->heard - at, "%d=%d ", fd, what);
  h->watched += what != 0 ? 1 : -1;
  h->called++;
}

static void on_timer(void *ud, int64_t ms) {
  host *h = ud;
  h->timer = ms;
  h->called++;
}

static void attach(host *h, b24_client *client) {
  b24_loop loop = {on_watch, on_timer, h};
  b24_error err;
  memset(h, 0, sizeof *h);
  h->timer = NONE;
  CHECK_INT(b24_loop_attach(client, &loop, &err), B24_OK);
}

/* Act, and what was heard of sockets. */
static const char *act(host *h, b24_client *client, int fd) {
  b24_error err;
  h->heard[0] = '\0';
  CHECK_INT(b24_loop_act(client, fd, fd < 0 ? 0 : B24_LOOP_IN, &err), B24_OK);
  return h->heard;
}

/* Let the host's timer fire. */
static const char *fire(host *h, world *w, b24_client *client) {
  CHECK(h->timer >= 0);
  w->now += h->timer;
  h->timer = NEVER_TOLD;
  return act(h, client, -1);
}

static const script fine[] = {
    {B24_OUTCOME_ANSWER, 200, "{\"result\":1}", 100}};

TEST(a_call_goes_out_and_comes_back) {
  world w;
  host h;
  b24_client *client = plain_client(&w, fine, 1);
  b24_request *r;
  attach(&h, client);
  CHECK_STR(act(&h, client, -1), "");
  CHECK_INT(h.timer, NONE); /* idle: nothing is watched, no timer */
  r = call(client, "profile", "{}", 1, 0);
  CHECK_INT(w.started, 0); /* not before the host is there */
  CHECK_STR(act(&h, client, -1), "100=1 ");
  CHECK_INT(w.started, 1);
  CHECK_INT(h.timer, 100);
  CHECK(b24_loop_next(client) == NULL);
  w.now += 100;
  CHECK_STR(act(&h, client, 100), "100=0 ");
  CHECK(b24_loop_next(client) == r);
  CHECK(b24_loop_next(client) == NULL);
  CHECK_INT(settle(r, NULL).action, B24_DONE);
  b24_request_free(r);
  CHECK_STR(act(&h, client, -1), "");
  CHECK_INT(h.timer, NONE);
  b24_client_free(client);
}

TEST(a_wait_before_the_next_attempt_is_the_hosts_timer) {
  static const script busy[] = {{B24_OUTCOME_NOT_CONNECTED, 0, "", 10},
                                {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  host h;
  b24_client *client = plain_client(&w, busy, 2);
  b24_request *r = call(client, "profile", "{}", 1, 0);
  b24_verdict verdict;
  attach(&h, client);
  (void)act(&h, client, -1);
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == r);
  verdict = settle(r, NULL);
  CHECK_INT(verdict.action, B24_RETRY);
  CHECK_STR(act(&h, client, -1), "");
  CHECK_INT(h.timer, verdict.wait_ms);
  CHECK_STR(fire(&h, &w, client), "100=1 ");
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == r);
  CHECK_INT(settle(r, NULL).action, B24_DONE);
  CHECK_INT(w.started, 2);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(called_too_early_the_timer_is_told_anew) {
  world w;
  host h;
  b24_client *client = plain_client(&w, fine, 1);
  b24_request *r = call(client, "profile", "{}", 1, 0);
  attach(&h, client);
  (void)act(&h, client, -1);
  h.timer = NEVER_TOLD; /* it fired, a host's clock may be coarse */
  w.now += 99;
  CHECK_STR(act(&h, client, -1), "");
  CHECK_INT(h.timer, 1);
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == r);
  CHECK_INT(h.timer, NONE); /* told, for the last one may not have fired */
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_call_that_waits_for_a_connection_keeps_its_timeout) {
  world w;
  host h;
  b24_options options;
  b24_client *client;
  b24_request *first, *second;
  b24_answer answer;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.max_connections = 1;
  client = client_in(&w, &options, fine, 1);
  attach(&h, client);
  first = call(client, "profile", "{}", 1, 0);
  second = call(client, "profile", "{}", 1, 50);
  (void)act(&h, client, -1);
  CHECK_INT(w.started, 1);
  CHECK_INT(h.timer, 50);
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == second);
  b24_request_answer(&answer, second);
  CHECK_INT(answer.outcome, B24_OUTCOME_NOT_CONNECTED);
  b24_request_free(second);
  (void)act(&h, client, -1);
  CHECK_INT(h.timer, 50);
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == first);
  b24_request_free(first);
  b24_client_free(client);
}

TEST(a_free_connection_goes_to_who_waits_for_it) {
  world w;
  host h;
  b24_options options;
  b24_client *client;
  b24_request *first, *second;
  b24_options_init(&options);
  options.webhook = HOOK;
  options.max_connections = 1;
  client = client_in(&w, &options, fine, 1);
  attach(&h, client);
  first = call(client, "profile", "{}", 1, 0);
  second = call(client, "profile", "{}", 1, 0);
  (void)act(&h, client, -1);
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == first);
  b24_request_free(first);
  CHECK_STR(act(&h, client, -1), "100=1 ");
  (void)fire(&h, &w, client);
  CHECK(b24_loop_next(client) == second);
  b24_request_free(second);
  b24_client_free(client);
}

TEST(a_dropped_call_is_not_watched_any_more) {
  world w;
  host h;
  b24_client *client = plain_client(&w, fine, 1);
  b24_request *r = call(client, "profile", "{}", 1, 0);
  attach(&h, client);
  (void)act(&h, client, -1);
  CHECK_INT(h.watched, 1);
  b24_request_free(r);
  CHECK_INT(h.watched, 0); /* at once: the number may be used again */
  (void)act(&h, client, -1);
  CHECK_INT(h.timer, NONE);
  b24_client_free(client);
}

TEST(closing_takes_all_back_and_then_is_silent) {
  world w;
  host h;
  b24_client *client = plain_client(&w, fine, 1);
  b24_request *r = call(client, "profile", "{}", 1, 0);
  int called;
  attach(&h, client);
  (void)act(&h, client, -1);
  CHECK_INT(h.timer, 100);
  b24_client_free(client);
  CHECK_INT(h.watched, 0);
  CHECK_INT(h.timer, NONE);
  called = h.called;
  b24_request_free(r);
  CHECK_INT(h.called, called);
}

TEST(a_call_may_block_meanwhile) {
  world w;
  host h;
  b24_client *client = plain_client(&w, fine, 1);
  b24_request *first = call(client, "profile", "{}", 1, 0);
  b24_request *second;
  attach(&h, client);
  (void)act(&h, client, -1);
  second = call(client, "profile", "{}", 1, 0);
  CHECK(step(client, 1000) == first);
  b24_request_free(first);
  CHECK(step(client, 1000) == second);
  b24_request_free(second);
  (void)act(&h, client, -1);
  CHECK_INT(h.watched, 0);
  CHECK_INT(h.timer, NONE);
  b24_client_free(client);
}

TEST(a_host_comes_and_goes_while_nothing_is_on_its_way) {
  world w;
  host h, other;
  b24_client *client = plain_client(&w, fine, 1);
  b24_loop loop = {on_watch, on_timer, &other};
  b24_error err;
  b24_request *r;
  CHECK_INT(b24_loop_act(client, -1, 0, &err), B24_CONFIG);
  attach(&h, client);
  r = call(client, "profile", "{}", 1, 0);
  (void)act(&h, client, -1);
  CHECK_INT(b24_loop_attach(client, &loop, &err), B24_CONFIG);
  CHECK_INT(h.watched, 1); /* all is as it was */
  CHECK_INT(b24_loop_attach(client, NULL, &err), B24_OK);
  CHECK_INT(h.watched, 0);
  CHECK_INT(h.timer, NONE);
  CHECK(step(client, 1000) == r);
  b24_request_free(r);
  attach(&other, client);
  r = call(client, "profile", "{}", 1, 0);
  CHECK_STR(act(&other, client, -1), "100=1 ");
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_forked_child_is_refused) {
  world w;
  host h;
  b24_client *client = plain_client(&w, fine, 1);
  b24_error err;
  int status = -1;
  pid_t child;
  attach(&h, client);
  child = fork();
  if (child == 0)
    _exit(b24_loop_act(client, -1, 0, &err) == B24_CONFIG ? 0 : 1);
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK_INT(status, 0);
  b24_client_free(client);
}

TEST(ten_thousand_idle_clients_ask_for_nothing) {
  enum { CLIENTS = 10000 };
  static b24_client *clients[CLIENTS];
  static host hosts[CLIENTS];
  b24_options options;
  b24_error err;
  int called = 0;
  b24_options_init(&options);
  options.webhook = HOOK;
  for (int i = 0; i < CLIENTS; i++) {
    clients[i] = NULL;
    CHECK_INT(b24_client_new(&clients[i], &options, &err), B24_OK);
    if (clients[i] != NULL) attach(&hosts[i], clients[i]);
  }
  for (int i = 0; i < CLIENTS; i++) called += hosts[i].called;
  CHECK_INT(called, 0);
  for (int i = 0; i < CLIENTS; i++) b24_client_free(clients[i]);
}

int main(void) {
  RUN(a_call_goes_out_and_comes_back);
  RUN(a_wait_before_the_next_attempt_is_the_hosts_timer);
  RUN(called_too_early_the_timer_is_told_anew);
  RUN(a_call_that_waits_for_a_connection_keeps_its_timeout);
  RUN(a_free_connection_goes_to_who_waits_for_it);
  RUN(a_dropped_call_is_not_watched_any_more);
  RUN(closing_takes_all_back_and_then_is_silent);
  RUN(a_call_may_block_meanwhile);
  RUN(a_host_comes_and_goes_while_nothing_is_on_its_way);
  RUN(a_forked_child_is_refused);
  RUN(ten_thousand_idle_clients_ask_for_nothing);
  return unit_report();
}
