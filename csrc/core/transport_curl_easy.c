/*
 * transport_curl_easy.c - one exchange: an easy handle, what it is told, and
 * what its end means.
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
#include "transport_curl.h"

#include "error.h"

#include <stdio.h>
#include <string.h>

#define HEADERS_MAX_BYTES ((size_t)256 * 1024) /* of all headers together */

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

/* ---- what the handle is told ------------------------------------------- */

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
static int set_connection(const b24_curl *curl, CURL *easy) {
  const char *proxy = curl->no_proxy ? "" : curl->proxy;
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   as_long(curl->connect_timeout_ms));
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
  if (curl->insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  allow_protocols(easy, curl->insecure || curl->allow_http);
  return put(easy, CURLOPT_USERAGENT, curl->user_agent) &&
         put(easy, CURLOPT_ACCEPT_ENCODING, "") &&
         (curl->ca_file == NULL || put(easy, CURLOPT_CAINFO, curl->ca_file)) &&
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

static void attempt_free(const b24_curl *curl, attempt *a) {
  if (a == NULL) return;
  curl_slist_free_all(a->headers);
  /* not kept for the next exchange: connections are the multi handle's, and
   * curl_easy_reset does not tell when it lacked memory */
  curl_easy_cleanup(a->easy);
  b24__wipe(a, sizeof *a); /* libcurl's words may quote an address */
  b24__free(curl->alloc, a, sizeof *a);
}

b24_kind b24__easy_start(b24_curl *curl, b24_exchange *x, b24_error *err) {
  attempt *a = b24__alloc(curl->alloc, sizeof *a);
  CURLMcode code;
  if (a == NULL) goto nomem;
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
    attempt_free(curl, a);
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "the download's file cannot be written");
  }
  x->private_data = a;
  if (!set_connection(curl, a->easy) || !put(a->easy, CURLOPT_URL, x->url))
    goto nomem;
  set_exchange(a->easy, x, a->headers);
  curl_easy_setopt(a->easy, CURLOPT_ERRORBUFFER, a->detail);
  code = curl_multi_add_handle(curl->multi, a->easy);
  if (code != CURLM_OK) goto nomem;
  return B24_OK;
nomem:
  x->private_data = NULL;
  attempt_free(curl, a);
  return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory to send");
}

static void copy_text(char *to, size_t size, const char *from) {
  (void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

/* Did bytes of the request leave? Not before "pretransfer"; libcurl 8.22 has
 * that of a connect that failed, too, but no bytes then. */
static int was_sent(CURL *easy) {
  curl_off_t at = 0;
  long bytes = 0;
  if (curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &at) != CURLE_OK ||
      curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes) != CURLE_OK)
    return 1;
  return at > 0 && bytes > 0;
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

void b24__easy_finish(b24_curl *curl, b24_exchange *x, CURLcode code) {
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
  (void)curl_multi_remove_handle(curl->multi, a->easy);
  x->private_data = NULL;
  attempt_free(curl, a);
  x->done = 1;
}

void b24__easy_drop(b24_curl *curl, b24_exchange *x) {
  attempt *a = x->private_data;
  if (a == NULL) return;
  (void)curl_multi_remove_handle(curl->multi, a->easy);
  x->private_data = NULL;
  attempt_free(curl, a);
}
