/*
 * http.h - the HTTP(S) side of a sandbox: loopback only, HTTP/1.1, keep-alive,
 * a thread per connection.
 */
#ifndef B24S_HTTP_H
#define B24S_HTTP_H

#include "cert.h"
#include "state.h"

typedef struct b24s_http b24s_http;

typedef struct b24s_http_options {
  unsigned short port;   /* 0: the system chooses */
  size_t body_max_bytes; /* a longer request body is answered with 413 */
  const b24s_cert *cert; /* NULL: plain HTTP; must outlive the server */
} b24s_http_options;

/* Start answering from `state`. NULL on failure, with a static reason. */
b24s_http *b24s_http_start(b24s_state *state, const b24s_http_options *options,
                           const char **problem);

unsigned short b24s_http_port(const b24s_http *http);

/* How many bytes of broken answers the system took so far. */
unsigned long long b24s_http_sent(const b24s_http *http);

/* Wake the sleeping, close every connection, join the threads. NULL is fine. */
void b24s_http_stop(b24s_http *http);

#endif
