/*
 * transport_curl.c - HTTP through libcurl's multi interface; the one file
 * that knows libcurl.
 *
 * Invariants: callbacks append to a capped buffer (or a sink) and do nothing
 * else; an exchange has an easy handle exactly while it is begun and not
 * done; certificates are verified unless the owner said otherwise; only
 * http(s) is spoken; signal handlers are never touched.
 *
 * libcurl sends a request again by itself when a kept-alive connection died
 * before the first byte of the answer. That would be a repeat on doubt, or at
 * least one that nobody counts, so a body is handed over by a read callback
 * whose rewind fails: once bytes went out, they go out once an attempt.
 */
#include "transport.h"

#include "error.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define IDLE_HANDLES 8

typedef struct transport {
  const b24_alloc *alloc;
  CURLM *multi;
  CURL *idle[IDLE_HANDLES]; /* finished easy handles, for the next exchange */
  int idle_count;
  char *user_agent;
  char *ca_file;
  char *proxy;
  int no_proxy;
  int insecure;
  int allow_http;
  int64_t connect_timeout_ms;
} transport;

/* What one begun exchange needs from libcurl. */
typedef struct attempt {
  CURL *easy;
  struct curl_slist *headers;
  size_t body_at; /* bytes of the body already handed to libcurl */
  int refused;    /* B24_OUTCOME_TOO_LARGE, _SINK or _NOMEM from a callback */
  char detail[CURL_ERROR_SIZE]; /* libcurl's own words for a failure */
} attempt;

/* ---- SIGPIPE ----------------------------------------------------------- */

/* Older TLS back ends write to sockets that the peer closed. A library must
 * not change the process's handlers, so SIGPIPE is blocked in this thread
 * while libcurl runs, and one that came meanwhile is taken away. */
typedef struct pipe_guard {
  sigset_t old;
  int was_pending;
} pipe_guard;

static void guard_enter(pipe_guard *guard) {
  sigset_t set;
  sigset_t pending;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  sigpending(&pending);
  guard->was_pending = sigismember(&pending, SIGPIPE) == 1;
  (void)pthread_sigmask(SIG_BLOCK, &set, &guard->old);
}

static void guard_leave(const pipe_guard *guard) {
  sigset_t pending;
  if (!guard->was_pending) {
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) == 1) {
      sigset_t set;
      int taken = 0;
      sigemptyset(&set);
      sigaddset(&set, SIGPIPE);
      (void)sigwait(&set, &taken);
    }
  }
  (void)pthread_sigmask(SIG_SETMASK, &guard->old, NULL);
}

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

static void set_connection(const transport *t, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_USERAGENT, t->user_agent);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   as_long(t->connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  if (t->ca_file != NULL)
    curl_easy_setopt(easy, CURLOPT_CAINFO, t->ca_file);
  if (t->no_proxy)
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
  else if (t->proxy != NULL)
    curl_easy_setopt(easy, CURLOPT_PROXY, t->proxy);
  if (t->insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  allow_protocols(easy, t->insecure || t->allow_http);
}

static void set_exchange(CURL *easy, b24_exchange *x,
                         struct curl_slist *headers) {
  curl_easy_setopt(easy, CURLOPT_URL, x->url);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
  curl_easy_setopt(easy, CURLOPT_PRIVATE, x);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, as_long(x->timeout_ms));
  if (x->follow) {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 3L);
  }
  if (x->body == NULL) return;
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
  if (a->easy != NULL) {
    if (t->idle_count < IDLE_HANDLES) {
      curl_easy_reset(a->easy);
      t->idle[t->idle_count++] = a->easy;
    } else {
      curl_easy_cleanup(a->easy);
    }
  }
  b24__free(t->alloc, a, sizeof *a);
}

static b24_kind curl_start(void *self, b24_exchange *x, b24_error *err) {
  transport *t = self;
  attempt *a = b24__alloc(t->alloc, sizeof *a);
  CURLMcode code;
  if (a == NULL) goto nomem;
  a->easy = t->idle_count > 0 ? t->idle[--t->idle_count] : curl_easy_init();
  if (a->easy == NULL || !make_headers(&a->headers, x)) goto nomem;
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
  set_connection(t, a->easy);
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

static b24_outcome outcome_of(const b24_exchange *x, CURLcode code) {
  const attempt *a = x->private_data;
  if (a->refused != 0) return (b24_outcome)a->refused;
  switch (code) {
    case CURLE_OK:
    case CURLE_TOO_MANY_REDIRECTS: return B24_OUTCOME_ANSWER;
    case CURLE_OUT_OF_MEMORY:
      /* libcurl before 8.6 says so of a header line beyond its own cap */
      return x->status != 0 ? B24_OUTCOME_TOO_LARGE : B24_OUTCOME_NOMEM;
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
              a->refused != 0 ? "" : "its headers");
  else if (code != CURLE_OK)
    copy_text(x->message, sizeof x->message,
              a->detail[0] != '\0' ? a->detail : curl_easy_strerror(code));
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

static b24_kind curl_wait(void *self, int64_t timeout_ms, b24_error *err) {
  transport *t = self;
  pipe_guard guard;
  CURLMcode code;
  int running = 0;
  guard_enter(&guard);
  code = curl_multi_perform(t->multi, &running);
  if (code == CURLM_OK && collect(t) == 0 && timeout_ms > 0) {
    int limit = timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
    code = curl_multi_poll(t->multi, NULL, 0, limit, NULL);
    if (code == CURLM_OK) code = curl_multi_perform(t->multi, &running);
    if (code == CURLM_OK) (void)collect(t);
  }
  guard_leave(&guard);
  if (code == CURLM_OK) return B24_OK;
  if (code == CURLM_OUT_OF_MEMORY)
    return b24__fail(err, B24_NOMEM, B24_SENT_UNKNOWN, "not enough memory");
  return b24__fail(err, B24_NETWORK, B24_SENT_UNKNOWN, "%s",
                   curl_multi_strerror(code));
}

static void curl_cancel(void *self, b24_exchange *x) {
  transport *t = self;
  attempt *a = x->private_data;
  pipe_guard guard;
  if (a == NULL) return;
  guard_enter(&guard);
  (void)curl_multi_remove_handle(t->multi, a->easy);
  x->private_data = NULL;
  attempt_free(t, a);
  guard_leave(&guard);
}

static void curl_close(void *self) {
  transport *t = self;
  const b24_alloc *alloc;
  pipe_guard guard;
  if (t == NULL) return;
  alloc = t->alloc;
  guard_enter(&guard);
  for (int i = 0; i < t->idle_count; i++) curl_easy_cleanup(t->idle[i]);
  if (t->multi != NULL) (void)curl_multi_cleanup(t->multi);
  guard_leave(&guard);
  b24__strfree(alloc, t->user_agent);
  b24__strfree(alloc, t->ca_file);
  b24__strfree(alloc, t->proxy);
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
  t->no_proxy = options->no_proxy && options->proxy == NULL;
  t->insecure = options->insecure;
  t->allow_http = options->allow_http;
  t->connect_timeout_ms = options->connect_timeout_ms;
  t->multi = curl_multi_init();
  if (t->multi == NULL ||
      !copy_option(&t->user_agent, alloc, options->user_agent) ||
      !copy_option(&t->ca_file, alloc, options->ca_file) ||
      !copy_option(&t->proxy, alloc, options->proxy))
    goto nomem;
  out->self = t;
  out->start = curl_start;
  out->wait = curl_wait;
  out->cancel = curl_cancel;
  out->close = curl_close;
  return B24_OK;
nomem:
  curl_close(t);
  return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
}
