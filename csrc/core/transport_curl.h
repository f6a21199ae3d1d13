/*
 * transport_curl.h - what the two files that know libcurl share: one for the
 * multi handle and the waiting, one for the exchange of a single easy handle.
 */
#ifndef B24_CORE_TRANSPORT_CURL_H
#define B24_CORE_TRANSPORT_CURL_H

#include "transport.h"

#include <curl/curl.h>

/* What every exchange of a client is made with; owned by its transport. */
typedef struct b24_curl {
  const b24_alloc *alloc; /* borrowed; outlives it */
  CURLM *multi; /* NULL until an exchange begins: many clients never do */
  char *user_agent;
  char *ca_file;
  char *proxy;
  int no_proxy;
  int insecure;
  int allow_http;
  int64_t connect_timeout_ms;
} b24_curl;

/* Begin the exchange: give it an easy handle and put that into `multi`, which
 * there must be. B24_OK; B24_NOMEM or B24_CONFIG (a sink that cannot be begun
 * anew), `x` then has none. */
b24_kind b24__easy_start(b24_curl *curl, b24_exchange *x, b24_error *err);

/* libcurl has ended it with `code`: fill in what came, free the handle. */
void b24__easy_finish(b24_curl *curl, b24_exchange *x, CURLcode code);

/* Break it off, if it is on its way. */
void b24__easy_drop(b24_curl *curl, b24_exchange *x);

#endif
