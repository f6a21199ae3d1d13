/*
 * retry.c - decides by the question "did it run?": what was refused before
 * it ran is always tried again; what may have run only when a repeat is
 * harmless; everything else is final.
 *
 * Documentation: limits (QUERY_LIMIT_EXCEEDED, OPERATION_TIME_LIMIT,
 * OVERLOAD_LIMIT), _includes/system-errors, settings/oauth/error-codes.
 */
#include "retry.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define BASE_WAIT_MS 500
#define LONGEST_BACKOFF_MS 30000
/* without operating_reset_at: the width of one working-time basket */
#define BASKET_MS 60000

typedef enum code_class {
  CODE_OTHER = 0, /* any error of the method */
  CODE_RATE,      /* refused before it ran: too many requests */
  CODE_OPERATING, /* refused before it ran: working time used up */
  CODE_OVERLOAD,  /* blocked by support: never tried again */
  CODE_AUTH,      /* the credentials were refused */
  CODE_EXPIRED,   /* the access token ended */
  CODE_SERVER     /* the portal itself failed; it may have run */
} code_class;

static code_class classify(const char *code) {
  static const struct {
    const char *code;
    code_class class;
  } known[] = {
      {"QUERY_LIMIT_EXCEEDED", CODE_RATE},
      {"OPERATION_TIME_LIMIT", CODE_OPERATING},
      {"OVERLOAD_LIMIT", CODE_OVERLOAD},
      {"expired_token", CODE_EXPIRED},
      {"NO_AUTH_FOUND", CODE_AUTH},
      {"INVALID_CREDENTIALS", CODE_AUTH},
      {"invalid_token", CODE_AUTH},
      {"insufficient_scope", CODE_AUTH},
      {"invalid_scope", CODE_AUTH},
      {"invalid_grant", CODE_AUTH},
      {"invalid_client", CODE_AUTH},
      {"invalid_request", CODE_AUTH},
      {"user_access_error", CODE_AUTH},
      {"PAYMENT_REQUIRED", CODE_AUTH},
      {"WRONG_AUTH_TYPE", CODE_AUTH},
      {"METHOD_CONFIRM_WAITING", CODE_AUTH},
      {"METHOD_CONFIRM_DENIED", CODE_AUTH},
      {"BITRIX_REST_V3_EXCEPTION_INSUFFICIENTSCOPEEXCEPTION", CODE_AUTH},
      {"INTERNAL_SERVER_ERROR", CODE_SERVER},
      {"ERROR_UNEXPECTED_ANSWER", CODE_SERVER},
  };
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
    /* exact: INVALID_REQUEST ("https required") is not invalid_request */
    if (strcmp(code, known[i].code) == 0) return known[i].class;
  return CODE_OTHER;
}

/* Growing wait with jitter: half of it is certain, half is chance. */
static int64_t backoff_ms(const b24_attempt *a) {
  int64_t wait = BASE_WAIT_MS;
  for (int i = 1; i < a->attempts && wait < LONGEST_BACKOFF_MS; i++) wait *= 2;
  if (wait > LONGEST_BACKOFF_MS) wait = LONGEST_BACKOFF_MS;
  wait /= 2;
  return wait + (int64_t)((double)wait * a->random);
}

static void say(b24_verdict *out, const char *reason) {
  (void)snprintf(out->reason, sizeof out->reason, "%s", reason);
}

static void fail(b24_verdict *out, b24_kind kind, b24_sent sent,
                 int retryable, const char *reason) {
  out->action = B24_FAIL;
  out->kind = kind;
  out->sent = sent;
  out->retryable = retryable;
  say(out, reason);
}

/* Try again in `wait` ms, unless the budget, the longest wait or the
 * caller's deadline forbid it; then it ends as the given failure. */
static void again(b24_verdict *out, const b24_attempt *a, b24_kind kind,
                  b24_sent sent, int64_t wait, const char *reason) {
  if (a->retry_after_ms > wait) wait = a->retry_after_ms;
  fail(out, kind, sent, 1, reason);
  if (a->attempts > a->retries) return;
  if (wait > a->wait_max_ms) {
    (void)snprintf(out->reason, sizeof out->reason,
                   "%s; it asks for a wait of %lld s, longer than wait_max",
                   reason, (long long)((wait + 999) / 1000));
    /* only limits ask for long waits: the contract calls that a limit */
    out->kind = B24_LIMIT;
    return;
  }
  if (a->left_ms >= 0 && wait >= a->left_ms) {
    (void)snprintf(out->reason, sizeof out->reason,
                   "%s; the call's timeout leaves no time to try again",
                   reason);
    return;
  }
  out->action = B24_RETRY;
  out->wait_ms = wait;
}

static void decide_code(b24_verdict *out, const b24_attempt *a) {
  b24_sent refused = a->maybe_ran ? B24_SENT_UNKNOWN : B24_SENT_NO;
  int64_t wait = backoff_ms(a);
  switch (classify(a->code)) {
    case CODE_RATE:
      again(out, a, B24_LIMIT, refused, wait * 2,
            "the portal refused the request: too many requests");
      return;
    case CODE_OPERATING:
      wait = a->reset_in_ms >= 0 ? a->reset_in_ms : BASKET_MS;
      again(out, a, B24_LIMIT, refused, wait + (int64_t)(1000 * a->random),
            "the method's working time is used up");
      return;
    case CODE_OVERLOAD:
      fail(out, B24_LIMIT, refused, 0,
           "support blocked the REST API of this portal");
      return;
    case CODE_EXPIRED:
      fail(out, B24_AUTH, refused, 0, "the access token expired");
      if (a->may_refresh) out->action = B24_REFRESH;
      return;
    case CODE_AUTH:
      fail(out, B24_AUTH, refused, 0, "the credentials were refused");
      return;
    case CODE_SERVER:
      /* the portal remembers a key's success only (api-reference/rest-v3):
       * what it answered as an error would run again */
      if (a->harmless && !a->keyed)
        again(out, a, B24_APIERROR, B24_SENT_YES, wait,
              "the portal failed inside");
      else
        fail(out, B24_APIERROR, B24_SENT_YES, 0, "the portal failed inside");
      return;
    case CODE_OTHER: break;
  }
  if (a->code[0] == '\0' && a->status >= 500 && a->harmless)
    again(out, a, B24_APIERROR, B24_SENT_YES, wait, "the portal failed");
  else
    fail(out, B24_APIERROR, B24_SENT_YES, 0, "the method answered an error");
}

/* An answer came that cannot be read: HTML, cut JSON, a wrong shape. */
static void decide_unreadable(b24_verdict *out, const b24_attempt *a) {
  const char *reason = "the answer cannot be read";
  if (a->status == 429) /* a gateway's refusal: it did not run */
    again(out, a, B24_LIMIT, a->maybe_ran ? B24_SENT_UNKNOWN : B24_SENT_NO,
          backoff_ms(a) * 2, "too many requests");
  else if (a->harmless && (a->status >= 500 || a->status < 300))
    again(out, a, B24_PROTOCOL, B24_SENT_YES, backoff_ms(a), reason);
  else
    fail(out, B24_PROTOCOL, B24_SENT_YES, 0, reason);
}

void b24__retry_decide(b24_verdict *out, const b24_attempt *a) {
  b24_sent unsent = a->maybe_ran ? B24_SENT_UNKNOWN : B24_SENT_NO;
  memset(out, 0, sizeof *out);
  switch (a->outcome) {
    case B24_OUTCOME_ANSWER:
      if (a->decoded && a->code == NULL) {
        out->action = B24_DONE;
        out->sent = B24_SENT_YES;
      } else if (a->decoded) {
        decide_code(out, a);
      } else {
        decide_unreadable(out, a);
      }
      return;
    case B24_OUTCOME_CUT:
      if (a->harmless)
        again(out, a, B24_PROTOCOL, B24_SENT_YES, backoff_ms(a),
              "the answer broke off");
      else
        fail(out, B24_PROTOCOL, B24_SENT_YES, 0, "the answer broke off");
      return;
    case B24_OUTCOME_STALLED:
      if (a->harmless)
        again(out, a, B24_NETWORK, B24_SENT_YES, backoff_ms(a),
              "the answer began and took too long");
      else
        fail(out, B24_NETWORK, B24_SENT_YES, 0,
             "the answer began and took too long");
      return;
    case B24_OUTCOME_TOO_LARGE:
      fail(out, B24_PROTOCOL, B24_SENT_YES, 0,
           "the answer is larger than this client takes");
      return;
    case B24_OUTCOME_SINK:
      fail(out, B24_CONFIG, B24_SENT_YES, 0, "the file cannot be written");
      return;
    case B24_OUTCOME_NOT_CONNECTED:
      again(out, a, B24_NETWORK, unsent, backoff_ms(a),
            a->attempts == 0 ? "the call was never sent"
                             : "no connection to the portal");
      return;
    case B24_OUTCOME_NOT_TRUSTED:
      fail(out, B24_NETWORK, unsent, 0,
           "the portal's certificate is not trusted");
      return;
    case B24_OUTCOME_LOST:
      if (a->harmless)
        again(out, a, B24_NETWORK, B24_SENT_UNKNOWN, backoff_ms(a),
              "sent, and no answer came");
      else
        fail(out, B24_NETWORK, B24_SENT_UNKNOWN, 0,
             "sent, and no answer came: it may have run");
      return;
    case B24_OUTCOME_BLOCKED:
      fail(out, B24_LIMIT, unsent, 1, "the portal's limits are used up");
      return;
    case B24_OUTCOME_CANCELLED:
      fail(out, B24_CANCELLED, unsent, 0, "cancelled");
      return;
    case B24_OUTCOME_NOMEM:
    case B24_OUTCOME_NONE: break;
  }
  fail(out, B24_NOMEM, B24_SENT_UNKNOWN, 0, "not enough memory");
}
