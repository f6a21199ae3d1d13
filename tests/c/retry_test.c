/*
 * retry_test.c - each row a sentence of the documentation: what happened,
 * did it run, and what becomes of it.
 */
#include "retry.h"

#include "unit.h"

static b24_attempt answered(long status, const char *code) {
  b24_attempt a;
  memset(&a, 0, sizeof a);
  a.outcome = B24_OUTCOME_ANSWER;
  a.status = status;
  a.decoded = 1;
  a.code = code;
  a.retry_after_ms = -1;
  a.attempts = 1;
  a.retries = 5;
  a.wait_max_ms = 660000;
  a.left_ms = -1;
  a.reset_in_ms = -1;
  a.random = 0.5;
  return a;
}

static b24_attempt ended(b24_outcome outcome) {
  b24_attempt a = answered(0, NULL);
  a.outcome = outcome;
  a.decoded = 0;
  return a;
}

/* a code of the platform: what a write and a read get from it */
typedef struct row {
  const char *code;
  long status;
  b24_action write, read;
  b24_kind kind;
  b24_sent sent;
} row;

TEST(every_system_error_has_its_verdict) {
  static const row rows[] = {
      /* _includes/system-errors and limits */
      {"INTERNAL_SERVER_ERROR", 500, B24_FAIL, B24_RETRY, B24_APIERROR,
       B24_SENT_YES},
      {"ERROR_UNEXPECTED_ANSWER", 500, B24_FAIL, B24_RETRY, B24_APIERROR,
       B24_SENT_YES},
      {"QUERY_LIMIT_EXCEEDED", 503, B24_RETRY, B24_RETRY, B24_LIMIT,
       B24_SENT_NO},
      {"OPERATION_TIME_LIMIT", 429, B24_RETRY, B24_RETRY, B24_LIMIT,
       B24_SENT_NO},
      {"OVERLOAD_LIMIT", 503, B24_FAIL, B24_FAIL, B24_LIMIT, B24_SENT_NO},
      {"ERROR_BATCH_METHOD_NOT_ALLOWED", 405, B24_FAIL, B24_FAIL,
       B24_APIERROR, B24_SENT_YES},
      {"ERROR_BATCH_LENGTH_EXCEEDED", 400, B24_FAIL, B24_FAIL, B24_APIERROR,
       B24_SENT_YES},
      {"NO_AUTH_FOUND", 401, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"INVALID_REQUEST", 400, B24_FAIL, B24_FAIL, B24_APIERROR,
       B24_SENT_YES},
      {"ACCESS_DENIED", 403, B24_FAIL, B24_FAIL, B24_APIERROR, B24_SENT_YES},
      {"INVALID_CREDENTIALS", 403, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"ERROR_MANIFEST_IS_NOT_AVAILABLE", 404, B24_FAIL, B24_FAIL,
       B24_APIERROR, B24_SENT_YES},
      {"insufficient_scope", 403, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"expired_token", 401, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"user_access_error", 403, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"PORTAL_DELETED", 500, B24_FAIL, B24_FAIL, B24_APIERROR, B24_SENT_YES},
      {"ERROR_METHOD_NOT_FOUND", 404, B24_FAIL, B24_FAIL, B24_APIERROR,
       B24_SENT_YES},
      {"METHOD_CONFIRM_WAITING", 401, B24_FAIL, B24_FAIL, B24_AUTH,
       B24_SENT_NO},
      {"METHOD_CONFIRM_DENIED", 403, B24_FAIL, B24_FAIL, B24_AUTH,
       B24_SENT_NO},
      {"WRONG_AUTH_TYPE", 403, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"BITRIX_REST_V3_EXCEPTION_ENTITYNOTFOUNDEXCEPTION", 400, B24_FAIL,
       B24_FAIL, B24_APIERROR, B24_SENT_YES},
      {"BITRIX_REST_V3_EXCEPTION_INSUFFICIENTSCOPEEXCEPTION", 403, B24_FAIL,
       B24_FAIL, B24_AUTH, B24_SENT_NO},
      /* settings/oauth/error-codes */
      {"invalid_grant", 400, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"invalid_client", 400, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"invalid_scope", 400, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"invalid_request", 400, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      {"PAYMENT_REQUIRED", 402, B24_FAIL, B24_FAIL, B24_AUTH, B24_SENT_NO},
      /* codes are empty, numeric or phrases, also with HTTP 200 */
      {"", 400, B24_FAIL, B24_FAIL, B24_APIERROR, B24_SENT_YES},
      {"", 500, B24_FAIL, B24_RETRY, B24_APIERROR, B24_SENT_YES},
      {"100", 400, B24_FAIL, B24_FAIL, B24_APIERROR, B24_SENT_YES},
      {"Incorrect list id", 400, B24_FAIL, B24_FAIL, B24_APIERROR,
       B24_SENT_YES},
      {"LIST_ID_ERROR", 200, B24_FAIL, B24_FAIL, B24_APIERROR, B24_SENT_YES},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_attempt a = answered(rows[i].status, rows[i].code);
    b24_verdict v;
    int bad = unit_bad;
    b24__retry_decide(&v, &a);
    CHECK_INT(v.action, rows[i].write);
    CHECK_INT(v.kind, rows[i].kind);
    CHECK_INT(v.sent, rows[i].sent);
    a.harmless = 1;
    b24__retry_decide(&v, &a);
    CHECK_INT(v.action, rows[i].read);
    CHECK_INT(v.kind, rows[i].kind);
    if (unit_bad > bad) printf("  in the row of \"%s\"\n", rows[i].code);
  }
}

TEST(an_error_is_no_answer_that_a_key_brings_back) {
  b24_attempt a = answered(500, "INTERNAL_SERVER_ERROR");
  b24_verdict v;
  a.harmless = a.keyed = 1;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.sent, B24_SENT_YES);
  a.outcome = B24_OUTCOME_LOST;
  a.decoded = 0;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
}

TEST(an_answer_without_error_is_done) {
  b24_attempt a = answered(200, NULL);
  b24_verdict v;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_DONE);
  CHECK_INT(v.sent, B24_SENT_YES);
}

TEST(how_attempts_can_end_without_an_answer) {
  static const struct {
    b24_outcome outcome;
    b24_action write, read;
    b24_kind kind;
    b24_sent sent;
  } rows[] = {
      /* connection never made: it did not run, it is always tried again */
      {B24_OUTCOME_NOT_CONNECTED, B24_RETRY, B24_RETRY, B24_NETWORK,
       B24_SENT_NO},
      /* a certificate does not get better by asking again */
      {B24_OUTCOME_NOT_TRUSTED, B24_FAIL, B24_FAIL, B24_NETWORK, B24_SENT_NO},
      /* reset or time-out after sending: nobody knows */
      {B24_OUTCOME_LOST, B24_FAIL, B24_RETRY, B24_NETWORK, B24_SENT_UNKNOWN},
      {B24_OUTCOME_CUT, B24_FAIL, B24_RETRY, B24_PROTOCOL, B24_SENT_YES},
      {B24_OUTCOME_STALLED, B24_FAIL, B24_RETRY, B24_NETWORK, B24_SENT_YES},
      {B24_OUTCOME_TOO_LARGE, B24_FAIL, B24_FAIL, B24_PROTOCOL, B24_SENT_YES},
      {B24_OUTCOME_CANCELLED, B24_FAIL, B24_FAIL, B24_CANCELLED, B24_SENT_NO},
      {B24_OUTCOME_NOMEM, B24_FAIL, B24_FAIL, B24_NOMEM, B24_SENT_UNKNOWN},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_attempt a = ended(rows[i].outcome);
    b24_verdict v;
    b24__retry_decide(&v, &a);
    CHECK_INT(v.action, rows[i].write);
    CHECK_INT(v.kind, rows[i].kind);
    CHECK_INT(v.sent, rows[i].sent);
    a.harmless = 1;
    b24__retry_decide(&v, &a);
    CHECK_INT(v.action, rows[i].read);
  }
}

TEST(unreadable_answers_are_repeated_only_when_harmless) {
  b24_attempt a = answered(502, NULL);
  b24_verdict v;
  a.decoded = 0;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_PROTOCOL);
  CHECK_INT(v.sent, B24_SENT_YES);
  CHECK_INT(v.retryable, 0); /* it may have run: not for a loop to repeat */
  a.harmless = 1;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
  a.status = 200; /* cut JSON */
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
  a.status = 404; /* a page that is not the portal: asking again is idle */
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  a.harmless = 0;
  a.status = 429; /* a gateway refused it before it ran */
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
  CHECK_INT(v.kind, B24_LIMIT);
}

TEST(an_earlier_doubt_is_not_forgotten) {
  b24_attempt a = ended(B24_OUTCOME_NOT_CONNECTED);
  b24_verdict v;
  a.maybe_ran = 1;
  a.attempts = 9;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.sent, B24_SENT_UNKNOWN);
  a = answered(503, "QUERY_LIMIT_EXCEEDED");
  a.maybe_ran = 1;
  a.attempts = 9;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.sent, B24_SENT_UNKNOWN);
  a = answered(503, "OVERLOAD_LIMIT");
  a.maybe_ran = 1;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.sent, B24_SENT_UNKNOWN);
}

TEST(the_budget_of_attempts_is_kept) {
  b24_attempt a = answered(503, "QUERY_LIMIT_EXCEEDED");
  b24_verdict v;
  a.attempts = 5;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
  a.attempts = 6;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_LIMIT);
  CHECK_INT(v.retryable, 1);
  a.attempts = 1;
  a.retries = 0;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
}

TEST(waits_grow_with_jitter_and_are_bounded) {
  b24_attempt a = ended(B24_OUTCOME_NOT_CONNECTED);
  b24_verdict v;
  int64_t before = 0;
  a.retries = 1000;
  for (a.attempts = 1; a.attempts < 100; a.attempts++) {
    int64_t least;
    a.random = 0;
    b24__retry_decide(&v, &a);
    least = v.wait_ms;
    a.random = 0.999;
    b24__retry_decide(&v, &a);
    CHECK(least > 0 && v.wait_ms >= least && v.wait_ms <= 30000);
    CHECK(least >= before);
    before = least;
  }
  CHECK_INT(before, 15000);
}

TEST(retry_after_is_followed) {
  b24_attempt a = answered(503, "QUERY_LIMIT_EXCEEDED");
  b24_verdict v;
  a.retry_after_ms = 17000;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
  CHECK_INT(v.wait_ms, 17000);
}

TEST(working_time_waits_for_the_reset) {
  b24_attempt a = answered(429, "OPERATION_TIME_LIMIT");
  b24_verdict v;
  a.reset_in_ms = 125000;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_RETRY);
  CHECK(v.wait_ms >= 125000 && v.wait_ms <= 126000);
  a.reset_in_ms = -1; /* not known: one basket of a minute */
  b24__retry_decide(&v, &a);
  CHECK(v.wait_ms >= 60000 && v.wait_ms <= 61000);
}

TEST(a_longer_wait_than_wait_max_is_a_limit_error) {
  b24_attempt a = answered(429, "OPERATION_TIME_LIMIT");
  b24_verdict v;
  a.reset_in_ms = 125000;
  a.wait_max_ms = 10000;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_LIMIT);
  CHECK(strstr(v.reason, "wait_max") != NULL);
}

TEST(the_callers_deadline_is_kept) {
  b24_attempt a = ended(B24_OUTCOME_NOT_CONNECTED);
  b24_verdict v;
  a.left_ms = 100;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_FAIL);
  CHECK_INT(v.kind, B24_NETWORK);
  CHECK(strstr(v.reason, "timeout") != NULL);
}

TEST(an_expired_token_is_renewed_where_that_is_possible) {
  b24_attempt a = answered(401, "expired_token");
  b24_verdict v;
  a.may_refresh = 1;
  b24__retry_decide(&v, &a);
  CHECK_INT(v.action, B24_REFRESH);
}

int main(void) {
  RUN(every_system_error_has_its_verdict);
  RUN(an_error_is_no_answer_that_a_key_brings_back);
  RUN(an_answer_without_error_is_done);
  RUN(how_attempts_can_end_without_an_answer);
  RUN(unreadable_answers_are_repeated_only_when_harmless);
  RUN(an_earlier_doubt_is_not_forgotten);
  RUN(the_budget_of_attempts_is_kept);
  RUN(waits_grow_with_jitter_and_are_bounded);
  RUN(retry_after_is_followed);
  RUN(working_time_waits_for_the_reset);
  RUN(a_longer_wait_than_wait_max_is_a_limit_error);
  RUN(the_callers_deadline_is_kept);
  RUN(an_expired_token_is_renewed_where_that_is_possible);
  return unit_report();
}
