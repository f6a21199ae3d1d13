/*
 * transport.h - the seam between the client and the network: six functions.
 * transport_curl.c is the one that speaks HTTP; unit tests bring a scripted
 * one. A transport knows nothing of methods, retries or secrets.
 */
#ifndef B24_CORE_TRANSPORT_H
#define B24_CORE_TRANSPORT_H

#include "buf.h"

#define B24_HEADERS_MAX 6

/* One HTTP request and its answer. The owner fills the first part, keeps
 * everything it points to alive until `done`, and reads the second. */
typedef struct b24_exchange {
  const char *url;
  const char *body; /* NULL: GET; else POST */
  size_t body_size;
  const char *headers[B24_HEADERS_MAX]; /* "Name: value", NULL = unused */
  int follow;          /* follow redirects (downloads only) */
  int64_t timeout_ms;  /* for the whole exchange; 0 = none */
  const b24_sink *sink; /* NULL: the answer goes to `answer` */

  int done;
  b24_outcome outcome;
  long status;            /* 0: no answer */
  b24_buf answer;         /* capped by the owner */
  char content_type[128]; /* "" when absent */
  char location[1024];    /* where a redirect points, "" when none */
  int64_t retry_after_ms; /* -1: not told */
  char message[256];      /* in words, when the outcome is not ANSWER;
                             may hold parts of the address: redact */
  void *private_data;     /* the transport's own */
} b24_exchange;

/* A transport. `self` belongs to it; all calls come from one thread. */
typedef struct b24_transport {
  void *self;
  /* Begin `x`. B24_OK, or a failure after which `x` was not begun. */
  b24_kind (*start)(void *self, b24_exchange *x, b24_error *err);
  /* Drive every begun exchange; return as soon as one is done, at the latest
   * after timeout_ms. Finished ones have `done` set. */
  b24_kind (*wait)(void *self, int64_t timeout_ms, b24_error *err);
  /* Be driven by a host: `loop` is borrowed until the next attach or close;
   * NULL ends it. May be NULL where the transport cannot. */
  b24_kind (*attach)(void *self, const b24_loop *loop, b24_error *err);
  /* Drive what is ready, without waiting; fd -1: what time has brought.
   * `*timer_ms`: in how many ms to come again with fd -1, -1 = no need; left
   * as it is while nothing else was asked for. */
  b24_kind (*act)(void *self, int fd, int what, int64_t *timer_ms,
                  b24_error *err);
  /* Drop `x`, done or not; it is never touched again. */
  void (*cancel)(void *self, b24_exchange *x);
  /* Release everything; begun exchanges must have been cancelled. In a forked
   * child the parent's connections stay as they are. */
  void (*close)(void *self, int forked);
} b24_transport;

/* What the curl transport is told once. Strings are copied. */
typedef struct b24_curl_options {
  const char *user_agent;
  const char *ca_file; /* PEM file of TLS roots, NULL = the system's */
  const char *proxy;   /* address, NULL = the environment's */
  int no_proxy;        /* 1: never a proxy (loopback) */
  int insecure;        /* 1: do not verify certificates, allow http */
  int allow_http;      /* 1: plain http is allowed (loopback) */
  int64_t connect_timeout_ms;
} b24_curl_options;

/* Make a libcurl transport into `*out`. `alloc` is borrowed and must outlive
 * it. Fails with B24_NOMEM, or B24_CONFIG when libcurl cannot do TLS. */
b24_kind b24__transport_curl_new(b24_transport *out, const b24_alloc *alloc,
                                 const b24_curl_options *options,
                                 b24_error *err);

#endif
