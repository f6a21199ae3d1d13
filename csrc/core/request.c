/*
 * request.c - one call through all its attempts: queued, running, ended,
 * delivered, and then settled or queued again.
 *
 * Invariants: a request owns a copy of everything it was given; address and
 * token are written when an attempt starts, so that a repeated attempt uses
 * a renewed token; a request can be freed in every state, before or after
 * its client.
 */
#include "client.h"
#include "error.h"
#include "retry.h"

#include <stdio.h>
#include <string.h>

#define HOPS_MAX 3     /* of a moved portal */
#define RENEWALS_MAX 2 /* of the token, for one call */

/* ---- the client's list ------------------------------------------------- */

static void link_last(b24_client *c, b24_request *r) {
  r->previous = c->last;
  if (c->last != NULL)
    c->last->next = r;
  else
    c->first = r;
  c->last = r;
}

static void unlink_from(b24_client *c, b24_request *r) {
  if (r->previous != NULL)
    r->previous->next = r->next;
  else
    c->first = r->next;
  if (r->next != NULL)
    r->next->previous = r->previous;
  else
    c->last = r->previous;
  r->previous = r->next = NULL;
}

/* ---- the limiter ------------------------------------------------------- */

static b24_limiter *limiter_of(const b24_request *r) {
  return r->client == NULL || r->url != NULL ? NULL
                                             : r->client->options.limiter;
}

int64_t b24__request_admit(b24_request *r, int64_t now_ms,
                           int64_t *bucket_ms) {
  b24_limiter *l = limiter_of(r);
  int64_t wait;
  if (l == NULL) return 0;
  if (*bucket_ms > 0) return *bucket_ms;
  wait = b24__charge_wait(&r->charge, l, now_ms);
  if (wait > 0) return wait;
  *bucket_ms = b24_limiter_admit(l, now_ms);
  if (*bucket_ms > 0) return *bucket_ms;
  r->admitted = b24_limiter_ref(l);
  b24__charge_begin(&r->charge, l, now_ms);
  return 0;
}

/* Tell the limiter how the admitted attempt ended; the wait when the portal
 * refused it. */
static int64_t tell_limiter(b24_request *r, const char *code) {
  b24_limiter *l = r->admitted;
  b24_client *c = r->client;
  int64_t wait = 0;
  int64_t now;
  if (l == NULL) return 0;
  r->admitted = NULL;
  now = b24__client_now(c);
  b24__charge_end(&r->charge, l);
  if (b24__client_is_foreign(c)) {
    /* the parent's request: it tells */
  } else if (code != NULL && strcmp(code, "QUERY_LIMIT_EXCEEDED") == 0) {
    wait = b24_limiter_refused(l, now, b24__client_random(c));
  } else if (r->exchange.outcome == B24_OUTCOME_NOT_CONNECTED ||
             r->exchange.outcome == B24_OUTCOME_NOT_TRUSTED) {
    b24_limiter_unsent(l, now);
  } else {
    b24_limiter_answered(l, now);
  }
  b24_limiter_free(l);
  return wait;
}

/* Take the attempt back from the transport, if it is there; its admission
 * goes back to the limiter. */
static void stop_attempt(b24_request *r) {
  b24_client *c = r->client;
  if (r->state == B24_RUNNING) {
    if (!r->exchange.done) r->exchange.outcome = B24_OUTCOME_LOST;
    /* in a forked child the connection is the parent's */
    if (!b24__client_is_foreign(c))
      c->transport.cancel(c->transport.self, &r->exchange);
  } else if (r->state == B24_QUEUED) {
    r->exchange.outcome = B24_OUTCOME_NOT_CONNECTED; /* of this attempt */
  }
  (void)tell_limiter(r, NULL);
}

/* ---- states ------------------------------------------------------------ */

void b24__request_enter(b24_request *r, b24_request_state state) {
  r->client->count[r->state]--;
  r->client->count[state]++;
  r->state = state;
}

/* Into the queue, to be started at `not_before` and not after the deadline. */
static void enter_queue(b24_request *r, int64_t not_before) {
  r->not_before_ms = not_before;
  if (r->deadline_ms >= 0 && r->deadline_ms < r->client->deadline_ms)
    r->client->deadline_ms = r->deadline_ms;
  b24__request_enter(r, B24_QUEUED);
}

/* ---- making ------------------------------------------------------------ */

static int copy_call(b24_request *r, const b24_call *call) {
  const b24_alloc *a = &r->alloc;
  r->method = b24__strndup(a, call->method, strlen(call->method));
  if (r->method == NULL) return 0;
  if (call->url != NULL) {
    r->url = b24__strndup(a, call->url, strlen(call->url));
    return r->url != NULL;
  }
  r->body = b24__strndup(a, call->body, call->body_size);
  r->body_size = call->body_size;
  if (r->body == NULL) return 0;
  if (call->idempotency_key != NULL) {
    static const char name[] = "Idempotency-Key: ";
    b24_buf header;
    b24__buf_init(&header, a, 512);
    if (b24__buf_puts(&header, name) != B24_OK ||
        b24__buf_puts(&header, call->idempotency_key) != B24_OK) {
      b24__buf_dispose(&header);
      return 0;
    }
    r->idempotency_header = b24__strndup(a, header.data, header.size);
    b24__buf_dispose(&header);
    return r->idempotency_header != NULL;
  }
  return 1;
}

/* A header value cannot hold line breaks: 1-255 printable ASCII characters
 * (REST 3.0, Idempotency-Key). */
static int key_is_printable(const char *key) {
  size_t length = strlen(key);
  if (length == 0 || length > 255) return 0;
  for (size_t i = 0; i < length; i++)
    if (key[i] < 0x20 || key[i] > 0x7e) return 0;
  return 1;
}

static b24_kind check_call(const b24_client *client, const b24_call *call,
                           b24_error *err) {
  if (call->url != NULL)
    return b24__address_check_link(call->url, client->options.insecure, err);
  if (call->idempotency_key != NULL &&
      !key_is_printable(call->idempotency_key))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "an idempotency key is 1 to 255 printable ASCII "
                     "characters");
  if (client->auth.token == NULL && client->auth.address.code == NULL)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "there is no access token yet: b24_client_set_token");
  if (call->body == NULL || call->body_size < 2 ||
      (call->body[0] != '{' && call->body[0] != '['))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "the body of a call is a JSON object or array");
  return b24__address_check_method(call->method, strlen(call->method), err);
}

b24_kind b24_client_submit(b24_request **out, b24_client *client,
                           const b24_call *call, b24_error *err) {
  b24_request *r;
  int64_t now = b24__client_now(client);
  b24_kind kind = check_call(client, call, err);
  *out = NULL;
  if (kind != B24_OK) return kind;
  r = b24__alloc(&client->alloc, sizeof *r);
  if (r == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  r->alloc = client->alloc;
  b24__signed_init(&r->credentials, &r->alloc);
  b24__buf_init(&r->exchange.answer, &r->alloc,
                client->options.max_answer_bytes);
  /* what the authorization server answers is tokens; errors quote the code */
  r->exchange.answer.secret = call->url != NULL && call->sink == NULL
                                  ? B24_BUF_SECRET
                                  : B24_BUF_ANSWER;
  r->state = B24_SETTLED;
  if (!copy_call(r, call) ||
      b24__charge_init(&r->charge, &r->alloc, client->auth.account,
                       call->method, call->commands,
                       call->command_count) != B24_OK) {
    b24_request_free(r);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  r->client = client;
  r->version = call->version;
  r->harmless = call->harmless;
  r->exchange.sink = call->sink;
  r->deadline_ms =
      call->timeout_ms > 0 ? b24__later(now, call->timeout_ms) : -1;
  link_last(client, r);
  client->count[r->state]++;
  enter_queue(r, now);
  *out = r;
  return B24_OK;
}

void b24_request_free(b24_request *r) {
  b24_alloc alloc;
  if (r == NULL) return;
  if (r->client != NULL) {
    stop_attempt(r);
    r->client->count[r->state]--;
    unlink_from(r->client, r);
  }
  alloc = r->alloc;
  b24__strfree(&alloc, r->method);
  if (r->body != NULL) b24__free(&alloc, r->body, r->body_size + 1);
  b24__strfree(&alloc, r->idempotency_header);
  b24__secret_free(&alloc, r->url);
  b24__charge_dispose(&r->charge);
  b24__signed_dispose(&r->credentials);
  b24__buf_dispose(&r->exchange.answer);
  b24__wipe(r, sizeof *r); /* location, message, content type */
  b24__free(&alloc, r, sizeof *r);
}

/* ---- attempts ---------------------------------------------------------- */

static void fill_exchange(b24_request *r, int64_t now) {
  b24_exchange *x = &r->exchange;
  const b24_client *c = r->client;
  int64_t left = r->deadline_ms - now;
  int count = 0;
  for (int i = 0; i < B24_HEADERS_MAX; i++) x->headers[i] = NULL;
  x->timeout_ms = c->options.timeout_ms > 0 ? c->options.timeout_ms : 0;
  /* a file may take longer than any call: where a download says how long it
   * may take, that is its only limit */
  if (r->deadline_ms >= 0 &&
      (x->sink != NULL || x->timeout_ms == 0 || left < x->timeout_ms))
    x->timeout_ms = left;
  if (r->url != NULL && x->sink == NULL) {
    x->url = r->url;
    x->headers[count++] = "Accept: application/json";
    return;
  }
  if (r->url != NULL) {
    /* signed links want the headers of a browser's GET
     * (settings/how-to-call-rest-api/general-principles) */
    x->url = r->url;
    x->follow = 1;
    x->headers[count++] = "Accept: */*";
    x->headers[count++] = "Accept-Language: en";
    x->headers[count++] = b24__buf_str(&r->credentials.header);
    return;
  }
  x->url = b24__buf_str(&r->credentials.url);
  if (r->credentials.body.size > 0) {
    x->body = b24__buf_str(&r->credentials.body);
    x->body_size = r->credentials.body.size;
  } else {
    x->body = r->body;
    x->body_size = r->body_size;
  }
  x->headers[count++] = "Content-Type: application/json";
  x->headers[count++] = "Accept: application/json";
  if (r->credentials.header.size > 0)
    x->headers[count++] = b24__buf_str(&r->credentials.header);
  if (r->idempotency_header != NULL)
    x->headers[count++] = r->idempotency_header;
}

static b24_kind sign(b24_request *r, b24_error *err) {
  b24_client *c = r->client;
  if (r->url == NULL)
    return b24__auth_sign(&r->credentials, &c->auth, r->method, r->version,
                          r->body, r->body_size, err);
  b24__buf_clear(&r->credentials.header);
  if (b24__buf_puts(&r->credentials.header, "Referer: ") != B24_OK ||
      b24__buf_puts(&r->credentials.header, c->auth.origin) != B24_OK ||
      b24__buf_puts(&r->credentials.header, "/") != B24_OK)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  return B24_OK;
}

void b24__request_start(b24_request *r, int64_t now_ms) {
  b24_client *c = r->client;
  b24_error err;
  b24_kind kind;
  r->attempts++;
  r->began_ms = now_ms;
  b24__error_clear(&err);
  kind = sign(r, &err);
  if (kind == B24_OK) {
    fill_exchange(r, now_ms);
    kind = c->transport.start(c->transport.self, &r->exchange, &err);
  }
  if (kind == B24_OK) {
    b24__request_enter(r, B24_RUNNING);
    return;
  }
  b24__request_abort(
      r, kind == B24_CONFIG ? B24_OUTCOME_SINK : B24_OUTCOME_NOMEM,
      err.message);
}

void b24__request_ended(b24_request *r, int64_t now_ms) {
  b24_exchange *x = &r->exchange;
  char clean[sizeof x->message];
  if (x->message[0] != '\0') {
    (void)b24_client_redact(clean, sizeof clean, r->client, x->message,
                            strlen(x->message));
    memcpy(x->message, clean, sizeof clean);
  }
  r->elapsed_ms = now_ms - r->began_ms;
  b24__request_enter(r, B24_ENDED);
}

void b24__request_abort(b24_request *r, b24_outcome outcome,
                        const char *message) {
  /* one that was out, or whose answer nobody has looked at yet */
  if (r->state != B24_QUEUED) r->maybe_ran = 1;
  stop_attempt(r);
  b24__buf_clear(&r->exchange.answer);
  r->exchange.outcome = outcome;
  r->exchange.status = 0;
  r->exchange.retry_after_ms = -1;
  (void)snprintf(r->exchange.message, sizeof r->exchange.message, "%.255s",
                 message);
  b24__request_enter(r, B24_ENDED);
}

void b24_request_answer(b24_answer *out, const b24_request *r) {
  const b24_exchange *x = &r->exchange;
  memset(out, 0, sizeof *out);
  out->outcome = x->outcome;
  out->status = x->status;
  out->body = b24__buf_str(&x->answer);
  out->body_size = x->answer.size;
  out->content_type = x->content_type;
  out->location = x->location;
  out->message = x->message;
  out->attempts = r->attempts;
  out->elapsed_ms = r->elapsed_ms;
}

/* The facts about limits: fed into the limiter, and what they mean for this
 * attempt. */
static void settle_limits(b24_request *r, const b24_facts *facts,
                          b24_attempt *a) {
  b24_client *c = r->client;
  b24_limiter *l = limiter_of(r);
  int64_t unix_now = b24__client_unix(c);
  int64_t wait;
  a->reset_in_ms = -1;
  if (facts->operating_reset_at_ms > 0) {
    a->reset_in_ms = facts->operating_reset_at_ms - unix_now;
    if (a->reset_in_ms < 0) a->reset_in_ms = 0;
  }
  wait = tell_limiter(r, facts->code);
  if (wait > a->retry_after_ms) a->retry_after_ms = wait;
  if (l == NULL || r->exchange.outcome != B24_OUTCOME_ANSWER) return;
  if (facts->code != NULL &&
      strcmp(facts->code, "OPERATION_TIME_LIMIT") == 0) {
    int64_t reset_at = facts->operating_reset_at_ms;
    /* who does not name the moment may name the wait, in a header */
    if (reset_at <= 0 && a->retry_after_ms > 0)
      reset_at = b24__later(unix_now, a->retry_after_ms);
    a->reset_in_ms = b24__client_blocked(c, r->method, reset_at);
  } else if (facts->decoded) {
    b24_client_operating(c, r->method, facts->cost_ms, facts->operating_ms,
                         facts->operating_reset_at_ms);
  }
}

/* Is the answer a redirect? Then the call did not run, whatever else it says,
 * and goes to where the portal is now with method and body kept: at most
 * HOPS_MAX times, https only
 * (settings/how-to-call-rest-api/change-domen). */
static int was_redirected(const b24_request *r) {
  long status = r->exchange.status;
  return r->client != NULL && r->url == NULL &&
         r->exchange.outcome == B24_OUTCOME_ANSWER &&
         (status == 301 || status == 302 || status == 307 || status == 308) &&
         r->exchange.location[0] != '\0';
}

static void follow(b24_request *r, int64_t now, b24_verdict *out) {
  b24_error err;
  memset(out, 0, sizeof *out);
  out->sent = r->maybe_ran ? B24_SENT_UNKNOWN : B24_SENT_NO;
  if (++r->hops > HOPS_MAX) {
    (void)b24__fail(&err, B24_PROTOCOL, out->sent,
                    "the portal redirects without end");
  } else if (b24_client_move(r->client, r->exchange.location, &err) ==
             B24_OK) {
    out->action = B24_RETRY;
    (void)snprintf(out->reason, sizeof out->reason, "the portal moved");
    enter_queue(r, now);
    return;
  }
  out->action = B24_FAIL;
  out->kind = err.kind == B24_NOMEM ? B24_NOMEM : B24_PROTOCOL;
  (void)snprintf(out->reason, sizeof out->reason, "%.150s", err.message);
  b24__request_enter(r, B24_SETTLED);
}

/* The token expired: the call waits for the next one, unless there is a next
 * one already. */
static void await_token(b24_request *r, b24_client *c, int64_t now,
                        b24_verdict *out) {
  r->renewals++;
  if (r->credentials.serial != c->auth.serial)
    out->action = B24_RETRY;
  else
    c->held = 1;
  enter_queue(r, now);
}

void b24_request_settle(b24_request *r, const b24_facts *facts,
                        b24_verdict *out) {
  b24_attempt a = {0};
  b24_client *c = r->client;
  int64_t now = c != NULL ? b24__client_now(c) : 0;
  if (r->state == B24_QUEUED || r->state == B24_RUNNING) {
    memset(out, 0, sizeof *out); /* nothing has ended yet: step on */
    out->action = B24_RETRY;
    return;
  }
  a.outcome = r->exchange.outcome;
  a.status = r->exchange.status;
  a.retry_after_ms = r->exchange.retry_after_ms;
  a.decoded = facts->decoded;
  a.code = facts->code;
  /* what was no failure of the call does not count against its retries */
  a.attempts = r->attempts - r->renewals - r->hops;
  a.harmless = r->harmless || r->idempotency_header != NULL;
  a.keyed = !r->harmless && r->idempotency_header != NULL;
  a.maybe_ran = r->maybe_ran;
  a.left_ms = r->deadline_ms >= 0 ? r->deadline_ms - now : -1;
  if (r->deadline_ms >= 0 && a.left_ms < 0) a.left_ms = 0;
  if (c != NULL) {
    a.retries = r->state == B24_SETTLED ? 0 : c->options.retries;
    a.wait_max_ms = c->options.wait_max_ms;
    a.random = b24__client_random(c);
    a.may_refresh = c->options.renewable && r->url == NULL &&
                    r->state != B24_SETTLED && r->renewals < RENEWALS_MAX;
    settle_limits(r, facts, &a);
  }
  if (r->state != B24_SETTLED && was_redirected(r)) {
    follow(r, now, out);
    return;
  }
  b24__retry_decide(out, &a);
  /* an answer that cannot be read tells that it arrived, so it may have run */
  if (out->sent != B24_SENT_NO) r->maybe_ran = 1;
  if (out->action == B24_RETRY && c != NULL) {
    enter_queue(r, b24__later(now, out->wait_ms));
  } else if (out->action == B24_REFRESH && c != NULL) {
    await_token(r, c, now, out);
  } else {
    if (c != NULL) b24__request_enter(r, B24_SETTLED);
    r->state = B24_SETTLED;
  }
}
