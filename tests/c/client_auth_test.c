/*
 * client_auth_test.c - an application's token that expires and a portal that
 * moves, over a scripted transport and a virtual clock.
 */
#include "world.h"

/* A client of an application that renews its tokens. */
static b24_client *application(world *w, const script *steps, int count,
                               const char *token) {
  b24_options options;
  b24_options_init(&options);
  options.domain = "example.bitrix24.com";
  options.account = "local.1";
  options.renewable = 1;
  options.access_token = token;
  return client_in(w, &options, steps, count);
}

static int done(b24_request *r) {
  return settle(r, NULL).action == B24_DONE;
}

static b24_verdict settle_unread(b24_request *r) {
  b24_facts facts;
  b24_verdict verdict;
  memset(&facts, 0, sizeof facts);
  b24_request_settle(r, &facts, &verdict);
  return verdict;
}

/* ---- the token --------------------------------------------------------- */

TEST(nothing_goes_out_between_an_expired_token_and_the_next) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_error err;
  b24_client *client = application(&w, steps, 2, "oldtoken");
  b24_request *first = call(client, "user.current", "{\"a\":1}", 0, 0);
  b24_request *second;
  b24_request *out;
  CHECK(step(client, 1000) == first);
  CHECK_INT(settle(first, "expired_token").action, B24_REFRESH);
  second = call(client, "user.get", "{}", 1, 0);
  CHECK(step(client, 5000) == NULL);
  CHECK_INT(w.started, 1);
  CHECK_INT(b24_client_pending(client), 2);
  CHECK_INT(b24_client_set_token(client, "newtoken", &err), B24_OK);
  out = step(client, 1000);
  CHECK_INT(w.started, 3);
  CHECK_STR(w.bodies[0], "{\"auth\":\"oldtoken\",\"a\":1}");
  CHECK_STR(w.bodies[1], "{\"auth\":\"newtoken\",\"a\":1}");
  CHECK_STR(w.bodies[2], "{\"auth\":\"newtoken\"}");
  CHECK(done(out));
  CHECK(done(step(client, 1000)));
  b24_request_free(first);
  b24_request_free(second);
  b24_client_free(client);
}

TEST(one_renewal_serves_all_that_were_refused) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10},
                                 {B24_OUTCOME_ANSWER, 401, "{}", 500},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_error err;
  b24_client *client = application(&w, steps, 3, "oldtoken");
  b24_request *first = call(client, "user.current", "{}", 0, 0);
  b24_request *second = call(client, "user.get", "{}", 0, 0);
  b24_verdict v;
  CHECK(step(client, 100) == first);
  CHECK_INT(settle(first, "expired_token").action, B24_REFRESH);
  CHECK_INT(b24_client_set_token(client, "newtoken", &err), B24_OK);
  CHECK(step(client, 100) == first);
  CHECK(done(first));
  /* refused for the token that is gone: the new one is tried at once */
  CHECK(step(client, 1000) == second);
  v = settle(second, "expired_token");
  CHECK_INT(v.action, B24_RETRY);
  CHECK_INT(v.wait_ms, 0);
  CHECK(step(client, 1000) == second);
  CHECK(done(second));
  b24_request_free(first);
  b24_request_free(second);
  b24_client_free(client);
}

TEST(a_call_is_not_renewed_for_without_end) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10}};
  world w;
  b24_error err;
  b24_client *client = application(&w, steps, 1, "token0");
  b24_request *r = call(client, "user.current", "{}", 0, 0);
  b24_verdict v;
  char token[32];
  for (int i = 1; i <= 2; i++) {
    CHECK(step(client, 1000) == r);
    CHECK_INT(settle(r, "expired_token").action, B24_REFRESH);
    (void)snprintf(token, sizeof token, "token%d", i);
    CHECK_INT(b24_client_set_token(client, token, &err), B24_OK);
  }
  CHECK(step(client, 1000) == r);
  v = settle(r, "expired_token");
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_AUTH);
  CHECK_INT(v.sent, B24_SENT_NO);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_renewal_does_not_use_up_the_retries) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10},
                                 {B24_OUTCOME_NOT_CONNECTED, 0, NULL, 10},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_error err;
  b24_options options;
  b24_client *client;
  b24_request *r;
  b24_options_init(&options);
  options.domain = "example.bitrix24.com";
  options.access_token = "oldtoken";
  options.renewable = 1;
  options.retries = 1;
  client = client_in(&w, &options, steps, 3);
  r = call(client, "crm.deal.add", "{}", 0, 0);
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, "expired_token").action, B24_REFRESH);
  CHECK_INT(b24_client_set_token(client, "newtoken", &err), B24_OK);
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, NULL).action, B24_RETRY);
  CHECK(step(client, 60000) == r);
  CHECK(done(r));
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_calls_time_runs_on_while_it_waits_for_a_token) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10}};
  world w;
  b24_client *client = application(&w, steps, 1, "oldtoken");
  b24_request *r = call(client, "crm.deal.add", "{}", 0, 2000);
  b24_verdict v;
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, "expired_token").action, B24_REFRESH);
  CHECK(step(client, 60000) == r);
  CHECK_INT(w.now, 3000);
  v = settle(r, NULL);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_NETWORK);
  CHECK_INT(v.sent, B24_SENT_NO);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(without_a_new_token_what_waits_is_released) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_client *client = application(&w, steps, 2, "oldtoken");
  b24_request *r = call(client, "user.current", "{}", 0, 0);
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, "expired_token").action, B24_REFRESH);
  b24_client_release(client);
  CHECK(step(client, 1000) == r);
  CHECK(done(r));
  b24_request_free(r);
  b24_client_free(client);
}

TEST(the_authorization_server_is_asked_while_calls_wait) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 401, "{}", 10},
                                 {B24_OUTCOME_ANSWER, 200, "{}", 10}};
  static const char url[] = "https://oauth.bitrix.info/oauth/token/?x=1";
  world w;
  b24_error err;
  b24_call c;
  b24_request *asked = NULL;
  b24_client *client = application(&w, steps, 2, "oldtoken");
  b24_request *r = call(client, "user.current", "{}", 0, 0);
  CHECK(step(client, 1000) == r);
  CHECK_INT(settle(r, "expired_token").action, B24_REFRESH);
  memset(&c, 0, sizeof c);
  c.method = "oauth.token";
  c.url = url;
  c.version = 2;
  CHECK_INT(b24_client_submit(&asked, client, &c, &err), B24_OK);
  CHECK(step(client, 1000) == asked);
  CHECK_STR(w.urls[1], url);
  CHECK_STR(w.bodies[1], "");
  CHECK(strstr(w.headers[1], "oldtoken") == NULL);
  CHECK(strstr(w.headers[1], "Referer") == NULL);
  CHECK(done(asked));
  b24_request_free(asked);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_call_before_the_first_token_is_refused) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_call c;
  b24_error err;
  b24_request *r = NULL;
  b24_client *client = application(&w, steps, 1, NULL);
  memset(&c, 0, sizeof c);
  c.method = "user.current";
  c.version = 2;
  c.body = "{}";
  c.body_size = 2;
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_CONFIG);
  CHECK_INT(b24_client_set_token(client, "bad token", &err), B24_CONFIG);
  CHECK(strstr(err.message, "bad token") == NULL);
  CHECK_INT(b24_client_set_token(client, "goodtoken", &err), B24_OK);
  CHECK_INT(b24_client_submit(&r, client, &c, &err), B24_OK);
  CHECK(step(client, 1000) == r);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(tokens_stay_hidden_after_their_time_and_not_for_ever) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_error err;
  char text[64];
  char clean[64];
  b24_client *client = application(&w, steps, 1, "token-number-0");
  CHECK_INT(b24_client_hide(client, "client-secret", 13, 0, &err), B24_OK);
  for (int i = 1; i <= 40; i++) {
    (void)snprintf(text, sizeof text, "token-number-%d", i);
    CHECK_INT(b24_client_set_token(client, text, &err), B24_OK);
  }
  (void)b24_client_redact(clean, sizeof clean, client, "a client-secret", 15);
  CHECK_STR(clean, "a ***");
  for (int i = 9; i <= 40; i++) {
    (void)snprintf(text, sizeof text, "<token-number-%d>", i);
    (void)b24_client_redact(clean, sizeof clean, client, text, strlen(text));
    CHECK_STR(clean, "<***>");
  }
  (void)b24_client_redact(clean, sizeof clean, client, "<token-number-0>", 16);
  CHECK_STR(clean, "<token-number-0>");
  b24_client_free(client);
}

/* ---- the portal moves -------------------------------------------------- */

TEST(a_moved_portal_is_followed_with_method_and_body) {
  static const long moved[] = {301, 302, 307, 308};
  for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
    const script steps[] = {{B24_OUTCOME_ANSWER, moved[i], "", 10},
                            {B24_OUTCOME_ANSWER, 200, "{}", 10}};
    world w;
    b24_client *client = plain_client(&w, steps, 2);
    b24_request *r = call(client, "crm.deal.add", "{\"a\":1}", 0, 0);
    b24_verdict v;
    w.location = "https://new.bitrix24.com:8443/rest/1/abcdefgh12345678/x";
    CHECK(step(client, 1000) == r);
    v = settle_unread(r);
    CHECK_INT(v.action, B24_RETRY);
    CHECK_INT(v.wait_ms, 0);
    CHECK_STR(b24_client_origin(client), "https://new.bitrix24.com:8443");
    CHECK(step(client, 1000) == r);
    CHECK_STR(w.urls[1], "https://new.bitrix24.com:8443/rest/1/"
                         "abcdefgh12345678/crm.deal.add");
    CHECK_STR(w.bodies[1], "{\"a\":1}");
    CHECK(done(r));
    b24_request_free(r);
    r = call(client, "user.current", "{}", 0, 0);
    CHECK(step(client, 1000) == r);
    CHECK(strstr(w.urls[2], "https://new.bitrix24.com:8443/") == w.urls[2]);
    b24_request_free(r);
    b24_client_free(client);
  }
}

TEST(redirects_without_end_stop_after_three_hops) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 302, "", 10}};
  world w;
  b24_client *client = plain_client(&w, steps, 1);
  b24_request *r = call(client, "user.current", "{}", 1, 0);
  b24_verdict v;
  w.location = HOOK "user.current";
  for (int i = 0; i < 3; i++) {
    CHECK(step(client, 1000) == r);
    CHECK_INT(settle_unread(r).action, B24_RETRY);
  }
  CHECK(step(client, 1000) == r);
  v = settle_unread(r);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_PROTOCOL);
  CHECK_INT(v.sent, B24_SENT_NO);
  CHECK_INT(w.started, 4);
  b24_request_free(r);
  b24_client_free(client);
}

TEST(a_redirect_that_would_give_the_credentials_away_is_not_followed) {
  static const char *const places[] = {
      "http://new.bitrix24.com/rest/1/x/user.current",
      "http://127.0.0.1/rest/1/x/user.current",
      "https://new.bitrix24.com/login/?backurl=%2Frest%2F",
      "https://u:p@new.bitrix24.com/rest/1/x/",
      "https:///rest/1/x",
      "ftp://new.bitrix24.com/rest/1/x"};
  static const script steps[] = {{B24_OUTCOME_ANSWER, 302, "", 10}};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    world w;
    b24_client *client = plain_client(&w, steps, 1);
    b24_request *r = call(client, "user.current", "{}", 1, 0);
    b24_verdict v;
    w.location = places[i];
    CHECK(step(client, 1000) == r);
    v = settle_unread(r);
    CHECK_INT(v.action, B24_FAIL);
    CHECK_INT(v.kind, B24_PROTOCOL);
    CHECK_INT(v.sent, B24_SENT_NO);
    CHECK_STR(b24_client_origin(client), "https://example.bitrix24.com");
    CHECK_INT(w.started, 1);
    b24_request_free(r);
    b24_client_free(client);
  }
}

TEST(the_endpoint_of_the_tokens_is_where_calls_go) {
  static const script steps[] = {{B24_OUTCOME_ANSWER, 200, "{}", 10}};
  world w;
  b24_error err;
  b24_client *client = application(&w, steps, 1, "token");
  b24_request *r;
  CHECK_INT(b24_client_move(client, "https://moved.bitrix24.de/rest/", &err),
            B24_OK);
  r = call(client, "user.current", "{}", 0, 0);
  CHECK(step(client, 1000) == r);
  CHECK_STR(w.urls[0], "https://moved.bitrix24.de/rest/user.current");
  b24_request_free(r);
  CHECK_INT(b24_client_move(client, "http://127.0.0.1:8080/rest/", &err),
            B24_CONFIG);
  CHECK_STR(b24_client_origin(client), "https://moved.bitrix24.de");
  CHECK_INT(b24_client_move(client, "https://127.0.0.1:8080", &err), B24_OK);
  CHECK_INT(b24_client_move(client, "http://localhost:8080/rest/", &err),
            B24_CONFIG);
  CHECK_INT(b24_client_move(client, "http://127.0.0.1:8081/rest/", &err),
            B24_CONFIG);
  CHECK_INT(b24_client_move(client, "http://127.0.0.1:8080/rest/", &err),
            B24_OK);
  CHECK_STR(b24_client_origin(client), "http://127.0.0.1:8080");
  b24_client_free(client);
}

int main(void) {
  RUN(nothing_goes_out_between_an_expired_token_and_the_next);
  RUN(one_renewal_serves_all_that_were_refused);
  RUN(a_call_is_not_renewed_for_without_end);
  RUN(a_renewal_does_not_use_up_the_retries);
  RUN(a_calls_time_runs_on_while_it_waits_for_a_token);
  RUN(without_a_new_token_what_waits_is_released);
  RUN(the_authorization_server_is_asked_while_calls_wait);
  RUN(a_call_before_the_first_token_is_refused);
  RUN(tokens_stay_hidden_after_their_time_and_not_for_ever);
  RUN(a_moved_portal_is_followed_with_method_and_body);
  RUN(redirects_without_end_stop_after_three_hops);
  RUN(a_redirect_that_would_give_the_credentials_away_is_not_followed);
  RUN(the_endpoint_of_the_tokens_is_where_calls_go);
  return unit_report();
}
