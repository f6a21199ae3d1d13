/*
 * transport_curl.c - HTTP through libcurl's multi interface; the one file
 * that knows libcurl.
 *
 * Invariants: callbacks append to a capped buffer (or a sink) and do nothing
 * else; an exchange has an easy handle exactly while it is begun and not
 * done; the multi handle, which costs two descriptors, is made for the first;
 * certificates are verified unless the owner said otherwise; only http(s) is
 * spoken; signal handlers are never touched.
 *
 * libcurl sends a request again by itself when a kept-alive connection died
 * before the first byte of the answer. That would be a repeat on doubt, or at
 * least one that nobody counts, so a body is handed over by a read callback
 * whose rewind fails: once bytes went out, they go out once an attempt.
 */
#include "transport.h"

#include "error.h"
#include "pipe.h"
#include "watch.h"

#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SOCKETS_MAX 64 /* polled at a time, beside a host that watches them */
#define SOCKETS_EACH 4 /* an attempt may have: addresses of both kinds, names */
#define HEADERS_MAX_BYTES ((size_t)256 * 1024) /* of all headers together */

typedef struct transport {
  const b24_alloc *alloc;
  CURLM *multi; /* NULL until an exchange begins: many clients never do */
  char *user_agent;
  char *ca_file;
  char *proxy;
  int no_proxy;
  int insecure;
  int allow_http;
  int64_t connect_timeout_ms;
  const b24_loop *loop; /* the host's, NULL = none; borrowed */
  b24_watch sockets;    /* what it watches */
  int64_t timer_ms;     /* what libcurl asked for last, -1 = nothing */
  int timer_changed;    /* since `act` told it */
} transport;

/* What one begun exchange needs from libcurl. */
typedef struct attempt {
  CURL *easy;
  struct curl_slist *headers;
  size_t body_at; /* bytes of the body already handed to libcurl */
  size_t header_bytes;
  int headers_refused;
  int refused; /* B24_OUTCOME_TOO_LARGE, _SINK or _NOMEM from a callback */
  char detail[CURL_ERROR_SIZE]; /* libcurl's own words for a failure */
} attempt;

/* ---- callbacks: bytes only --------------------------------------------- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ud) {
  b24_exchange *x = ud;
  attempt *a = x->private_data;
  size_t length = size * count;
  long status = 0;
  b24_kind kind;
  (void)curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
  if (x->sink != NULL && status >= 200 && status < 300) {
    if (x->sink->write(x->sink->ud, bytes, length) == 0) return length;
    a->refused = B24_OUTCOME_SINK;
    return 0;
  }
  kind = b24__buf_append(&x->answer, bytes, length);
  if (kind == B24_OK) return length;
  a->refused = kind == B24_NOMEM ? B24_OUTCOME_NOMEM : B24_OUTCOME_TOO_LARGE;
  return 0;
}

/* libcurl caps a line and, from 8.3 on, their sum; older ones read headers for
 * ever. The bytes are not const: libcurl says what a callback is. */
static size_t on_header(char *bytes, size_t size, size_t count, /* NOLINT */
                        void *ud) {
  b24_exchange *x = ud;
  attempt *a = x->private_data;
  size_t length = size * count;
  (void)bytes;
  if (length <= HEADERS_MAX_BYTES - a->header_bytes) {
    a->header_bytes += length;
    return length;
  }
  a->headers_refused = 1;
  a->refused = B24_OUTCOME_TOO_LARGE;
  return 0;
}

static size_t on_send(char *bytes, size_t size, size_t count, void *ud) {
  b24_exchange *x = ud;
  attempt *a = x->private_data;
  size_t room = size * count;
  size_t left = x->body_size - a->body_at;
  if (left < room) room = left;
  memcpy(bytes, x->body + a->body_at, room);
  a->body_at += room;
  return room;
}

static int on_rewind(void *ud, curl_off_t offset, int origin) {
  b24_exchange *x = ud;
  attempt *a = x->private_data;
  if (origin != SEEK_SET || offset < 0 || (size_t)offset > x->body_size)
    return CURL_SEEKFUNC_FAIL;
  if (a->body_at > 0) return CURL_SEEKFUNC_FAIL;
  a->body_at = (size_t)offset;
  return CURL_SEEKFUNC_OK;
}

/* ---- a host's loop ----------------------------------------------------- */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ud,
                     void *unused) {
  transport *t = ud;
  int watch = what == CURL_POLL_REMOVE
                  ? 0
                  : (what & CURL_POLL_IN ? B24_LOOP_IN : 0) |
                        (what & CURL_POLL_OUT ? B24_LOOP_OUT : 0);
  (void)easy;
  (void)unused;
  return b24__watch_note(&t->sockets, (int)fd, watch) == B24_OK ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ud) {
  transport *t = ud;
  (void)multi;
  t->timer_ms = timeout_ms;
  t->timer_changed = 1;
  return 0;
}

/* No libcurl frame is below. */
static void tell_host(transport *t) {
  if (t->loop != NULL) b24__watch_tell(&t->sockets, t->loop);
}

static CURLMcode set_callbacks(transport *t) {
  int with = t->loop != NULL;
  CURLMcode code = curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
  if (code == CURLM_OK)
    code = curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
  if (code == CURLM_OK)
    code = curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION,
                             with ? on_socket : NULL);
  if (code == CURLM_OK)
    code = curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION,
                             with ? on_timer : NULL);
  return code;
}

/* What an attempt needs besides its easy handle; 0 when memory ran out. */
static int prepare(transport *t) {
  if (t->multi == NULL) {
    t->multi = curl_multi_init();
    if (t->multi == NULL) return 0;
    if (t->loop != NULL && set_callbacks(t) != CURLM_OK) {
      (void)curl_multi_cleanup(t->multi);
      t->multi = NULL;
      return 0;
    }
  }
  /* libcurl gives up for good when a socket cannot be noted later */
  return t->loop == NULL ||
         b24__watch_reserve(&t->sockets, SOCKETS_EACH) == B24_OK;
}

/* ---- one exchange ------------------------------------------------------ */

/* A long has 32 bits here and there, and libcurl takes no more anyway. */
static long as_long(int64_t ms) {
  return ms < 0 ? 0 : ms > INT32_MAX ? INT32_MAX : (long)ms;
}

static void allow_protocols(CURL *easy, int with_http) {
#if LIBCURL_VERSION_NUM >= 0x075500
  const char *which = with_http ? "http,https" : "https";
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, which);
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, which);
#else
  long which = with_http ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS;
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS, which);
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, which);
#endif
}

/* An option that libcurl copies; 0 when memory ran out. */
static int put(CURL *easy, CURLoption option, const char *text) {
  return curl_easy_setopt(easy, option, text) != CURLE_OUT_OF_MEMORY;
}

/* 0 when memory ran out: without its proxy or roots nothing may be sent. */
static int set_connection(const transport *t, CURL *easy) {
  const char *proxy = t->no_proxy ? "" : t->proxy;
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   as_long(t->connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  if (t->insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  allow_protocols(easy, t->insecure || t->allow_http);
  return put(easy, CURLOPT_USERAGENT, t->user_agent) &&
         put(easy, CURLOPT_ACCEPT_ENCODING, "") &&
         (t->ca_file == NULL || put(easy, CURLOPT_CAINFO, t->ca_file)) &&
         (proxy == NULL || put(easy, CURLOPT_PROXY, proxy));
}

static void set_exchange(CURL *easy, b24_exchange *x,
                         struct curl_slist *headers) {
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, as_long(x->timeout_ms));
  if (x->follow) {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 3L);
  }
  if (x->sink == NULL) /* do not begin to read what is announced too large */
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE,
                     (curl_off_t)x->answer.cap);
  if (x->body == NULL) {
    /* nothing to rewind, and what asks for tokens spends what works once: a
     * connection of its own is not tried twice */
    if (x->sink == NULL) curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    return;
  }
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                   (curl_off_t)x->body_size);
  curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_send);
  curl_easy_setopt(easy, CURLOPT_READDATA, x);
  curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_rewind);
  curl_easy_setopt(easy, CURLOPT_SEEKDATA, x);
}

/* The headers of `x` as libcurl wants them; "Expect:" switches off the extra
 * round trip before large bodies. 0 when memory ran out. */
static int make_headers(struct curl_slist **out, const b24_exchange *x) {
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  *out = list;
  if (list == NULL) return 0;
  for (int i = 0; i < B24_HEADERS_MAX; i++) {
    if (x->headers[i] == NULL) continue;
    if (curl_slist_append(list, x->headers[i]) == NULL) return 0;
  }
  return 1;
}

static void attempt_free(transport *t, attempt *a) {
  if (a == NULL) return;
  curl_slist_free_all(a->headers);
  /* not kept for the next exchange: connections are the multi handle's, and
   * curl_easy_reset does not tell when it lacked memory */
  curl_easy_cleanup(a->easy);
  b24__wipe(a, sizeof *a); /* libcurl's words may quote an address */
  b24__free(t->alloc, a, sizeof *a);
}

static b24_kind curl_start(void *self, b24_exchange *x, b24_error *err) {
  transport *t = self;
  attempt *a = b24__alloc(t->alloc, sizeof *a);
  CURLMcode code;
  if (a == NULL || !prepare(t)) goto nomem;
  a->easy = curl_easy_init();
  if (a->easy == NULL) goto nomem;
  curl_easy_setopt(a->easy, CURLOPT_NOSIGNAL, 1L);
  if (!make_headers(&a->headers, x)) goto nomem;
  x->done = 0;
  x->outcome = B24_OUTCOME_NONE;
  x->status = 0;
  x->retry_after_ms = -1;
  x->content_type[0] = x->location[0] = x->message[0] = '\0';
  b24__buf_clear(&x->answer);
  if (x->sink != NULL && x->sink->restart(x->sink->ud) != 0) {
    attempt_free(t, a);
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "the download's file cannot be written");
  }
  x->private_data = a;
  if (!set_connection(t, a->easy) || !put(a->easy, CURLOPT_URL, x->url))
    goto nomem;
  set_exchange(a->easy, x, a->headers);
  curl_easy_setopt(a->easy, CURLOPT_ERRORBUFFER, a->detail);
  code = curl_multi_add_handle(t->multi, a->easy);
  if (code != CURLM_OK) goto nomem;
  return B24_OK;
nomem:
  x->private_data = NULL;
  attempt_free(t, a);
  return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory to send");
}

static void copy_text(char *to, size_t size, const char *from) {
  (void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

/* Did bytes of the request leave? Before "pretransfer" nothing can have. */
static int was_sent(CURL *easy) {
  curl_off_t at = 0;
  if (curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &at) != CURLE_OK)
    return 1;
  return at > 0;
}

/* Headers beyond libcurl's own caps: before 8.6 it is out of memory then, and
 * later 100, CURLE_TOO_LARGE, which older headers do not name. */
static int too_many_headers(const b24_exchange *x, CURLcode code) {
  return x->status != 0 && (code == CURLE_OUT_OF_MEMORY || (int)code == 100);
}

static b24_outcome outcome_of(const b24_exchange *x, CURLcode code) {
  const attempt *a = x->private_data;
  if (a->refused != 0) return (b24_outcome)a->refused;
  if (too_many_headers(x, code)) return B24_OUTCOME_TOO_LARGE;
  switch (code) {
    case CURLE_OK:
    case CURLE_TOO_MANY_REDIRECTS: return B24_OUTCOME_ANSWER;
    case CURLE_OUT_OF_MEMORY: return B24_OUTCOME_NOMEM;
    case CURLE_FILESIZE_EXCEEDED: return B24_OUTCOME_TOO_LARGE;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH: return B24_OUTCOME_NOT_TRUSTED;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_URL_MALFORMAT: return B24_OUTCOME_NOT_CONNECTED;
    case CURLE_UNSUPPORTED_PROTOCOL:
      /* also an answer that is not HTTP at all: the request did arrive */
      return was_sent(a->easy) ? B24_OUTCOME_CUT : B24_OUTCOME_NOT_CONNECTED;
    default: break;
  }
  if (x->status != 0)
    return code == CURLE_OPERATION_TIMEDOUT ? B24_OUTCOME_STALLED
                                            : B24_OUTCOME_CUT;
  return was_sent(a->easy) ? B24_OUTCOME_LOST : B24_OUTCOME_NOT_CONNECTED;
}

static void finish(transport *t, b24_exchange *x, CURLcode code) {
  attempt *a = x->private_data;
  char *text = NULL;
  curl_off_t seconds = 0;
  (void)curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &x->status);
  if (curl_easy_getinfo(a->easy, CURLINFO_CONTENT_TYPE, &text) == CURLE_OK)
    copy_text(x->content_type, sizeof x->content_type, text);
  text = NULL;
  if (curl_easy_getinfo(a->easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK)
    copy_text(x->location, sizeof x->location, text);
  if (curl_easy_getinfo(a->easy, CURLINFO_RETRY_AFTER, &seconds) ==
          CURLE_OK &&
      seconds > 0)
    x->retry_after_ms =
        (int64_t)(seconds < 1000000 ? seconds : 1000000) * 1000;
  x->outcome = outcome_of(x, code);
  if (code == CURLE_SEND_FAIL_REWIND) /* our own refusal: see on_rewind */
    copy_text(x->message, sizeof x->message,
              "the connection broke before an answer");
  else if (x->outcome == B24_OUTCOME_TOO_LARGE)
    copy_text(x->message, sizeof x->message,
              a->headers_refused || too_many_headers(x, code)
                  ? "its headers"
                  : "");
  else if (code != CURLE_OK)
    /* of a proxy that it cannot read libcurl quotes all, password too */
    copy_text(x->message, sizeof x->message,
              a->detail[0] != '\0' && code != CURLE_COULDNT_RESOLVE_PROXY
                  ? a->detail
                  : curl_easy_strerror(code));
  /* nobody reads what is too large, and it would stay until its owner goes */
  if (x->outcome == B24_OUTCOME_TOO_LARGE) b24__buf_dispose(&x->answer);
  (void)curl_multi_remove_handle(t->multi, a->easy);
  x->private_data = NULL;
  attempt_free(t, a);
  x->done = 1;
}

/* Finish what libcurl reports as ended; how many. */
static int collect(transport *t) {
  int count = 0;
  int queued = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(t->multi, &queued)) != NULL) {
    /* both must be read before the handle is removed */
    CURLcode code = message->data.result;
    CURL *easy = message->easy_handle;
    char *owner = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    finish(t, (b24_exchange *)(void *)owner, code);
    count++;
  }
  return count;
}

/* libcurl's timer is one that fires once: it is told anew, or there is none. */
static CURLMcode act_on_time(transport *t) {
  int running = 0;
  t->timer_ms = -1;
  t->timer_changed = 1;
  return curl_multi_socket_action(t->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

/* While a host watches, libcurl must hear of every event by its socket. */
static CURLMcode act_on_ready(transport *t, size_t from) {
  struct pollfd ready[SOCKETS_MAX];
  nfds_t count = 0;
  CURLMcode code = CURLM_OK;
  int running = 0;
  for (size_t i = from; i < t->sockets.count && count < SOCKETS_MAX; i++) {
    const b24_watched *s = &t->sockets.items[i];
    ready[count].fd = s->what == 0 ? -1 : s->fd;
    ready[count].revents = 0;
    ready[count].events = (short)((s->what & B24_LOOP_IN ? POLLIN : 0) |
                                  (s->what & B24_LOOP_OUT ? POLLOUT : 0));
    count++;
  }
  if (poll(ready, count, 0) <= 0) return CURLM_OK;
  for (nfds_t i = 0; i < count && code == CURLM_OK; i++) {
    int mask = (ready[i].revents & (POLLIN | POLLHUP) ? CURL_CSELECT_IN : 0) |
               (ready[i].revents & POLLOUT ? CURL_CSELECT_OUT : 0) |
               (ready[i].revents & POLLERR ? CURL_CSELECT_ERR : 0);
    if (mask != 0)
      code = curl_multi_socket_action(t->multi, ready[i].fd, mask, &running);
  }
  return code;
}

static CURLMcode wait_for_sockets(transport *t, int64_t timeout_ms) {
  int limit = timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
  CURLMcode code = CURLM_OK;
  if (limit > 0) code = curl_multi_poll(t->multi, NULL, 0, limit, NULL);
  for (size_t from = 0; from < t->sockets.count && code == CURLM_OK;
       from += SOCKETS_MAX)
    code = act_on_ready(t, from);
  return code == CURLM_OK ? act_on_time(t) : code;
}

static CURLMcode wait_for_all(transport *t, int64_t timeout_ms) {
  int limit = timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
  int running = 0;
  CURLMcode code = curl_multi_poll(t->multi, NULL, 0, limit, NULL);
  return code == CURLM_OK ? curl_multi_perform(t->multi, &running) : code;
}

/* Drive what is ready, without waiting. */
static CURLMcode drive(transport *t) {
  int running = 0;
  if (t->loop != NULL) return wait_for_sockets(t, 0);
  return curl_multi_perform(t->multi, &running);
}

static b24_kind failed(CURLMcode code, b24_error *err) {
  if (code == CURLM_OUT_OF_MEMORY)
    return b24__fail(err, B24_NOMEM, B24_SENT_UNKNOWN, "not enough memory");
  return b24__fail(err, B24_NETWORK, B24_SENT_UNKNOWN, "%s",
                   curl_multi_strerror(code));
}

/* Nothing was begun yet: there is only the time to let pass. */
static void pass_time(int64_t timeout_ms) {
  (void)poll(NULL, 0, timeout_ms > 1000000 ? 1000000 : (int)timeout_ms);
}

static b24_kind curl_wait(void *self, int64_t timeout_ms, b24_error *err) {
  transport *t = self;
  b24_pipe_guard guard;
  CURLMcode code;
  if (t->multi == NULL) {
    if (timeout_ms > 0) pass_time(timeout_ms);
    return B24_OK;
  }
  b24__pipe_enter(&guard);
  code = drive(t);
  if (code == CURLM_OK && collect(t) == 0 && timeout_ms > 0) {
    code = t->loop != NULL ? wait_for_sockets(t, timeout_ms)
                           : wait_for_all(t, timeout_ms);
    if (code == CURLM_OK) (void)collect(t);
  }
  b24__pipe_leave(&guard);
  tell_host(t);
  return code == CURLM_OK ? B24_OK : failed(code, err);
}

static b24_kind curl_attach(void *self, const b24_loop *loop,
                            b24_error *err) {
  transport *t = self;
  CURLMcode code;
  b24__watch_clear(&t->sockets); /* the host before forgets all of it */
  tell_host(t);
  t->loop = loop;
  t->timer_ms = -1;
  t->timer_changed = 0;
  if (t->multi == NULL) return B24_OK;
  code = set_callbacks(t);
  return code == CURLM_OK ? B24_OK : failed(code, err);
}

static b24_kind curl_act(void *self, int fd, int what, int64_t *timer_ms,
                         b24_error *err) {
  transport *t = self;
  b24_pipe_guard guard;
  CURLMcode code;
  int running = 0;
  int mask = (what & B24_LOOP_IN ? CURL_CSELECT_IN : 0) |
             (what & B24_LOOP_OUT ? CURL_CSELECT_OUT : 0);
  if (t->multi == NULL) return B24_OK;
  b24__pipe_enter(&guard);
  if (fd < 0)
    code = act_on_time(t);
  else
    code = curl_multi_socket_action(t->multi, (curl_socket_t)fd, mask,
                                    &running);
  (void)collect(t);
  b24__pipe_leave(&guard);
  tell_host(t);
  if (t->timer_changed) *timer_ms = t->timer_ms;
  t->timer_changed = 0;
  return code == CURLM_OK ? B24_OK : failed(code, err);
}

static void curl_cancel(void *self, b24_exchange *x) {
  transport *t = self;
  attempt *a = x->private_data;
  b24_pipe_guard guard;
  if (a == NULL) return;
  b24__pipe_enter(&guard);
  (void)curl_multi_remove_handle(t->multi, a->easy);
  x->private_data = NULL;
  attempt_free(t, a);
  b24__pipe_leave(&guard);
  tell_host(t);
}

/* Not in a forked child: what it inherits stays the parent's, and to end a
 * TLS connection would be to write into it. */
static void release_curl(transport *t) {
  b24_pipe_guard guard;
  b24__pipe_enter(&guard);
  if (t->multi != NULL) (void)curl_multi_cleanup(t->multi);
  b24__pipe_leave(&guard);
}

static void curl_close(void *self, int forked) {
  transport *t = self;
  const b24_alloc *alloc;
  if (t == NULL) return;
  alloc = t->alloc;
  if (!forked) {
    b24__watch_clear(&t->sockets); /* before they are closed */
    tell_host(t);
    t->loop = NULL;
    release_curl(t);
  }
  b24__watch_dispose(&t->sockets);
  b24__strfree(alloc, t->user_agent);
  b24__strfree(alloc, t->ca_file);
  b24__secret_free(alloc, t->proxy); /* a password may be in it */
  b24__free(alloc, t, sizeof *t);
}

/* ---- making one -------------------------------------------------------- */

static pthread_once_t init_once = PTHREAD_ONCE_INIT;

/* libcurl's own process-wide set-up; not safe to run twice at a time before
 * 7.84, hence once. */
static void init_curl(void) { (void)curl_global_init(CURL_GLOBAL_DEFAULT); }

/* Copy an optional string; 0 when memory ran out. */
static int copy_option(char **to, const b24_alloc *alloc, const char *from) {
  if (from == NULL) return 1;
  *to = b24__strndup(alloc, from, strlen(from));
  return *to != NULL;
}

b24_kind b24__transport_curl_new(b24_transport *out, const b24_alloc *alloc,
                                 const b24_curl_options *options,
                                 b24_error *err) {
  transport *t;
  const curl_version_info_data *about;
  memset(out, 0, sizeof *out);
  (void)pthread_once(&init_once, init_curl);
  about = curl_version_info(CURLVERSION_NOW);
  if (about == NULL || (about->features & CURL_VERSION_SSL) == 0)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "this libcurl was built without TLS");
  t = b24__alloc(alloc, sizeof *t);
  if (t == NULL) goto nomem;
  t->alloc = alloc;
  t->timer_ms = -1;
  b24__watch_init(&t->sockets, alloc);
  t->no_proxy = options->no_proxy && options->proxy == NULL;
  t->insecure = options->insecure;
  t->allow_http = options->allow_http;
  t->connect_timeout_ms = options->connect_timeout_ms;
  if (!copy_option(&t->user_agent, alloc, options->user_agent) ||
      !copy_option(&t->ca_file, alloc, options->ca_file) ||
      !copy_option(&t->proxy, alloc, options->proxy))
    goto nomem;
  out->self = t;
  out->start = curl_start;
  out->wait = curl_wait;
  out->attach = curl_attach;
  out->act = curl_act;
  out->cancel = curl_cancel;
  out->close = curl_close;
  return B24_OK;
nomem:
  curl_close(t, 0);
  return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
}
