/* client.h - what client.c and request.c share. */
#ifndef B24_CORE_CLIENT_H
#define B24_CORE_CLIENT_H

#include "auth.h"
#include "charge.h"
#include "transport.h"

typedef enum b24_request_state {
  B24_QUEUED,    /* waits for its turn */
  B24_RUNNING,   /* on its way */
  B24_ENDED,     /* an attempt ended, not yet handed out */
  B24_DELIVERED, /* handed out, waits to be settled */
  B24_SETTLED,   /* final */
  B24_STATES
} b24_request_state;

struct b24_request {
  b24_alloc alloc;    /* a copy: the request may outlive its client */
  b24_client *client; /* NULL once the client is gone */
  b24_request *previous, *next; /* the client's list, in order of submission */
  b24_request_state state;
  char *method;
  char *body;
  size_t body_size;
  char *idempotency_header;
  char *url; /* a download's link */
  b24_charge charge; /* whose working time it uses */
  b24_limiter *admitted; /* counted the attempt and is not yet told how it
                            ended; a reference */
  int version;
  int harmless;
  int attempts;
  int maybe_ran;
  int renewals; /* attempts that the token had expired for */
  int hops;     /* redirects followed */
  int64_t not_before_ms; /* monotonic */
  int64_t deadline_ms;   /* monotonic, -1 = none */
  int64_t began_ms;      /* of the running or last attempt */
  int64_t elapsed_ms;
  b24_signed credentials;
  b24_exchange exchange;
};

struct b24_client {
  b24_alloc alloc;
  b24_clock clock;
  b24_options options; /* numbers only: strings live in auth/transport */
  b24_auth auth;
  b24_transport transport;
  b24_request *first, *last;
  size_t count[B24_STATES]; /* requests in each state */
  int64_t deadline_ms; /* no queued request has an earlier one */
  int held; /* the token expired: what needs one waits for the next */
  int attached;        /* a host drives it */
  b24_loop loop;
  int64_t loop_at_ms;  /* when the transport wants to be called, -1 = not */
  int64_t timer_at_ms; /* what the host's timer is set to, -1 = none,
                          -2 = it is to be told */
  int64_t process;     /* who made it: a forked child must not use it */
  int own_limiter; /* the caller's; else the portal's, which may move */
  uint64_t random; /* state of the jitter's generator */
};

/* Make a client over a transport of the caller's (tests); it is closed with
 * the client, and also when this fails. */
b24_kind b24__client_new_over(b24_client **out, const b24_options *options,
                              b24_transport transport, b24_error *err);

/* Is this another process than the one that made it? */
int b24__client_is_foreign(const b24_client *client);

/* The clock. */
int64_t b24__client_now(const b24_client *client);
int64_t b24__client_unix(const b24_client *client);

/* OPERATION_TIME_LIMIT for a method; the ms its calls wait. */
int64_t b24__client_blocked(b24_client *client, const char *method,
                            int64_t reset_at_unix_ms);

/* `wait_ms` after `now_ms`; what no clock reaches is the end of time. */
int64_t b24__later(int64_t now_ms, int64_t wait_ms);

/* A number in [0, 1). */
double b24__client_random(b24_client *client);

/* How long the limiter makes the request wait: 0 = it is admitted and must
 * be started. `*bucket_ms` is 0 before the first of a round; afterwards it
 * tells how long the bucket they share makes all of them wait. */
int64_t b24__request_admit(b24_request *request, int64_t now_ms,
                           int64_t *bucket_ms);

/* Begin the next attempt of a queued request. On failure the request is
 * ended with that outcome. */
void b24__request_start(b24_request *request, int64_t now_ms);

/* The one way into another state. */
void b24__request_enter(b24_request *request, b24_request_state state);

/* Take note that the running attempt is over. */
void b24__request_ended(b24_request *request, int64_t now_ms);

/* End a request without an answer: cancelled, out of time. */
void b24__request_abort(b24_request *request, b24_outcome outcome,
                        const char *message);

#endif
