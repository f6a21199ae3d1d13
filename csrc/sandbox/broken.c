/*
 * broken.c - writes answers by hand, around the HTTP server, which would not
 * send what is wrong or has no end.
 * Invariant: every byte goes through put(), which waits for room, for the
 * client's leaving and for the server's end at once, so nothing here outlives
 * a stop; endless bodies are made from one block, so nothing grows.
 */
#define _GNU_SOURCE /* TCP_CORK */

#include "broken.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

#include "gzip.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* the server's threads have SIGPIPE blocked */
#endif

#define BLOCK_BYTES ((size_t)16 * 1024)
#define DRIP_SECONDS 0.05
#define DRAIN_SECONDS 0.005
#define DRAIN_TRIES 200
#define HUGE_BYTES ((unsigned long long)10 * 1024 * 1024 * 1024)

/* ---- bytes -------------------------------------------------------------- */

/* What the socket takes now: bytes, 0 = none, negative = it is broken. */
static ssize_t write_some(const b24s_line *line, const char *bytes,
                          size_t length) {
  ssize_t written;
  if (line->tls != NULL) {
    written = gnutls_record_send((gnutls_session_t)line->tls, bytes, length);
    return written == GNUTLS_E_AGAIN || written == GNUTLS_E_INTERRUPTED
               ? 0
               : written;
  }
  written = send(line->socket, bytes, length, MSG_NOSIGNAL);
  if (written >= 0) return written;
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
}

/* 1 when all of it was taken, 0 when the connection is over. */
static int put(const b24s_line *line, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written;
    if (b24s_wake_until_writable(line->wake, line->socket) != B24S_WRITABLE)
      return 0;
    written = write_some(line, bytes, length);
    if (written < 0) return 0;
    (void)atomic_fetch_add(line->sent, (unsigned long long)written);
    bytes += written;
    length -= (size_t)written;
  }
  return 1;
}

static int put_text(const b24s_line *line, const b24s_text *text) {
  return put(line, text->bytes, text->length);
}

/* One chunk of a body without a length. */
static int put_chunk(const b24s_line *line, const char *bytes,
                     size_t length) {
  char size[32];
  int digits = snprintf(size, sizeof size, "%zx\r\n", length);
  return put(line, size, (size_t)digits) && put(line, bytes, length) &&
         put(line, "\r\n", 2);
}

/* Wait, within reason, until the peer's system has everything: a reset throws
 * away what is still on this side. */
static void drain(const b24s_line *line) {
#if defined(SIOCOUTQ)
  int left = 0, i;
  for (i = 0; i < DRAIN_TRIES; i++) {
    if (ioctl(line->socket, SIOCOUTQ, &left) != 0 || left == 0) return;
    if (b24s_wake_sleep(line->wake, line->socket, DRAIN_SECONDS) !=
        B24S_SLEPT)
      return;
  }
#else
  (void)b24s_wake_sleep(line->wake, line->socket, DRAIN_SECONDS * 10);
#endif
}

void b24s_broken_reset(int socket) {
  struct linger linger = {1, 0};
  struct sockaddr nobody;
  if (socket < 0) return;
  /* what close() does then ... */
  (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  /* ... but the HTTP server says goodbye first, unless the connection is
   * dissolved already. Linux sends the reset here. */
  memset(&nobody, 0, sizeof nobody);
  nobody.sa_family = AF_UNSPEC;
  (void)connect(socket, &nobody, sizeof nobody);
}

/* ---- the head ----------------------------------------------------------- */

static int add(b24s_text *to, const char *bytes) {
  return b24s_text_add(to, bytes, strlen(bytes));
}

/* Lengths are this file's business; a line break would start another line. */
static int is_own(const char *name, const char *value) {
  return strcasecmp(name, "Content-Length") == 0 ||
         strcasecmp(name, "Transfer-Encoding") == 0 ||
         strpbrk(name, "\r\n: ") != NULL || strpbrk(value, "\r\n") != NULL;
}

/* Status line and headers without the empty line that ends them. */
static int make_head(b24s_text *head, const b24s_reply *reply) {
  const char *at = reply->headers.bytes;
  const char *end = at == NULL ? NULL : at + reply->headers.length;
  char line[128];
  (void)snprintf(line, sizeof line, "HTTP/1.1 %d %s\r\nConnection: close\r\n",
                 reply->status,
                 MHD_get_reason_phrase_for((unsigned)reply->status));
  if (!add(head, line)) return 0;
  while (at != end) {
    const char *name = at, *value = name + strlen(name) + 1;
    at = value + strlen(value) + 1;
    if (!is_own(name, value) &&
        !(add(head, name) && add(head, ": ") && add(head, value) &&
          add(head, "\r\n")))
      return 0;
  }
  return 1;
}

/* The head and how long the body says it is. */
static int put_head(const b24s_line *line, const b24s_reply *reply,
                    unsigned long long length) {
  b24s_text head = {NULL, 0, 0};
  char last[64];
  int done;
  (void)snprintf(last, sizeof last, "Content-Length: %llu\r\n\r\n", length);
  done = make_head(&head, reply) && add(&head, last) && put_text(line, &head);
  b24s_text_clear(&head);
  return done;
}

/* The head of a body in chunks, `more` being further headers. */
static int put_chunked_head(const b24s_line *line, const b24s_reply *reply,
                            const char *more) {
  b24s_text head = {NULL, 0, 0};
  int done = make_head(&head, reply) && add(&head, more) &&
             add(&head, "Transfer-Encoding: chunked\r\n\r\n") &&
             put_text(line, &head);
  b24s_text_clear(&head);
  return done;
}

/* ---- torn and lying ----------------------------------------------------- */

/* The head of the whole body, and half of it. */
static int put_half(const b24s_line *line, const b24s_reply *reply) {
  return put_head(line, reply, reply->body.length) &&
         put(line, reply->body.bytes, reply->body.length / 2);
}

static void send_reset_body(const b24s_line *line, const b24s_reply *reply) {
  if (put_half(line, reply)) drain(line);
  b24s_broken_reset(line->socket);
}

static void send_length(const b24s_line *line, const b24s_reply *reply) {
  (void)(put_head(line, reply, reply->body.length / 2) &&
         put_text(line, &reply->body));
}

static void send_stall(const b24s_line *line, const b24s_reply *reply) {
  if (put_half(line, reply))
    (void)b24s_wake_sleep(line->wake, line->socket, -1);
}

/* ---- endless ------------------------------------------------------------ */

/* After the body come spaces, which mean nothing in JSON. */
static void send_drip(const b24s_line *line, const b24s_reply *reply) {
  double every = reply->every > 0 ? reply->every : DRIP_SECONDS;
  size_t at = 0;
  int going = put_chunked_head(line, reply, "");
  while (going) {
    char byte = at < reply->body.length ? reply->body.bytes[at++] : ' ';
    going = put_chunk(line, &byte, 1) &&
            b24s_wake_sleep(line->wake, line->socket, every) == B24S_SLEPT;
  }
}

static void send_flood(const b24s_line *line, const b24s_reply *reply) {
  char block[BLOCK_BYTES];
  int going = put_chunked_head(line, reply, "") &&
              (reply->body.length == 0 ||
               put_chunk(line, reply->body.bytes, reply->body.length));
  memset(block, 'a', sizeof block);
  while (going) going = put_chunk(line, block, sizeof block);
}

static void send_flood_length(const b24s_line *line,
                              const b24s_reply *reply) {
  char block[BLOCK_BYTES];
  unsigned long long left = HUGE_BYTES;
  int going = put_head(line, reply, left) && put_text(line, &reply->body);
  memset(block, 'a', sizeof block);
  left -= reply->body.length; /* a text is in memory, so it is shorter */
  while (going && left > 0) {
    size_t part = left < sizeof block ? (size_t)left : sizeof block;
    going = put(line, block, part);
    left -= part;
  }
}

static void send_headers(const b24s_line *line, const b24s_reply *reply) {
  b24s_text head = {NULL, 0, 0};
  char block[BLOCK_BYTES];
  unsigned long long number = 0;
  int going = make_head(&head, reply) && put_text(line, &head);
  b24s_text_clear(&head);
  while (going) {
    size_t length = 0;
    while (length + 64 < sizeof block)
      length += (size_t)snprintf(block + length, 64, "X-Header-%llu: a\r\n",
                                 ++number);
    going = put(line, block, length);
  }
}

static void send_bomb(const b24s_line *line, const b24s_reply *reply) {
  b24s_text start = {NULL, 0, 0}, block = {NULL, 0, 0};
  int going = b24s_gzip_bomb(&start, &block, &reply->body) &&
              put_chunked_head(line, reply, "Content-Encoding: gzip\r\n") &&
              put_chunk(line, start.bytes, start.length);
  while (going) going = put_chunk(line, block.bytes, block.length);
  b24s_text_clear(&start);
  b24s_text_clear(&block);
}

/* What is sent must leave at once, not when a packet is full. */
static void hurry(int socket) {
  int on = 1;
#ifdef TCP_CORK
  int off = 0;
  (void)setsockopt(socket, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
#endif
  (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void b24s_broken_send(const b24s_line *line, const b24s_reply *reply) {
  hurry(line->socket);
  switch (reply->transfer) {
    case B24S_CUT: (void)put_half(line, reply); break;
    case B24S_RESET_BODY: send_reset_body(line, reply); break;
    case B24S_LENGTH: send_length(line, reply); break;
    case B24S_STALL: send_stall(line, reply); break;
    case B24S_DRIP: send_drip(line, reply); break;
    case B24S_FLOOD: send_flood(line, reply); break;
    case B24S_FLOOD_LENGTH: send_flood_length(line, reply); break;
    case B24S_HEADERS: send_headers(line, reply); break;
    case B24S_BOMB: send_bomb(line, reply); break;
    case B24S_RESET: b24s_broken_reset(line->socket); break;
    case B24S_WHOLE:
    case B24S_GZIP_CUT: break; /* those the HTTP server can send */
  }
}
