/*
 * transport_curl.c - HTTP through libcurl's multi interface: waiting for it,
 * and a host's loop that does. With transport_curl_easy.c the only file that
 * knows libcurl.
 *
 * Invariant: the multi handle, which costs two descriptors, is made for the
 * first exchange.
 */
#include "transport_curl.h"

#include "error.h"
#include "pipe.h"
#include "watch.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#define SOCKETS_MAX 64 /* polled at a time, beside a host that watches them */
#define SOCKETS_EACH 4 /* an attempt may have: addresses of both kinds, names */

typedef struct transport {
  b24_curl curl;
  const b24_loop *loop; /* the host's, NULL = none; borrowed */
  b24_watch sockets;    /* what it watches */
  int64_t timer_ms;     /* what libcurl asked for last, -1 = nothing */
  int timer_changed;    /* since `act` told it */
} transport;

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
  CURLMcode code = curl_multi_setopt(t->curl.multi, CURLMOPT_SOCKETDATA, t);
  if (code == CURLM_OK)
    code = curl_multi_setopt(t->curl.multi, CURLMOPT_TIMERDATA, t);
  if (code == CURLM_OK)
    code = curl_multi_setopt(t->curl.multi, CURLMOPT_SOCKETFUNCTION,
                             with ? on_socket : NULL);
  if (code == CURLM_OK)
    code = curl_multi_setopt(t->curl.multi, CURLMOPT_TIMERFUNCTION,
                             with ? on_timer : NULL);
  return code;
}

/* What an attempt needs besides its easy handle; 0 when memory ran out. */
static int prepare(transport *t) {
  if (t->curl.multi == NULL) {
    t->curl.multi = curl_multi_init();
    if (t->curl.multi == NULL) return 0;
    if (t->loop != NULL && set_callbacks(t) != CURLM_OK) {
      (void)curl_multi_cleanup(t->curl.multi);
      t->curl.multi = NULL;
      return 0;
    }
  }
  /* libcurl gives up for good when a socket cannot be noted later */
  return t->loop == NULL ||
         b24__watch_reserve(&t->sockets, SOCKETS_EACH) == B24_OK;
}

static b24_kind curl_start(void *self, b24_exchange *x, b24_error *err) {
  transport *t = self;
  if (!prepare(t))
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory to send");
  return b24__easy_start(&t->curl, x, err);
}

/* Finish what libcurl reports as ended; how many. */
static int collect(transport *t) {
  int count = 0;
  int queued = 0;
  CURLMsg *message;
  while ((message = curl_multi_info_read(t->curl.multi, &queued)) != NULL) {
    /* both must be read before the handle is removed */
    CURLcode code = message->data.result;
    CURL *easy = message->easy_handle;
    void *owner = NULL;
    if (message->msg != CURLMSG_DONE) continue;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
    b24__easy_finish(&t->curl, owner, code);
    count++;
  }
  return count;
}

/* libcurl's timer is one that fires once: it is told anew, or there is none. */
static CURLMcode act_on_time(transport *t) {
  int running = 0;
  t->timer_ms = -1;
  t->timer_changed = 1;
  return curl_multi_socket_action(t->curl.multi, CURL_SOCKET_TIMEOUT, 0,
                                  &running);
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
      code = curl_multi_socket_action(t->curl.multi, ready[i].fd, mask,
                                      &running);
  }
  return code;
}

static CURLMcode wait_for_sockets(transport *t, int64_t timeout_ms) {
  int limit = timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
  CURLMcode code = CURLM_OK;
  if (limit > 0) code = curl_multi_poll(t->curl.multi, NULL, 0, limit, NULL);
  for (size_t from = 0; from < t->sockets.count && code == CURLM_OK;
       from += SOCKETS_MAX)
    code = act_on_ready(t, from);
  return code == CURLM_OK ? act_on_time(t) : code;
}

static CURLMcode wait_for_all(transport *t, int64_t timeout_ms) {
  int limit = timeout_ms > 1000000 ? 1000000 : (int)timeout_ms;
  int running = 0;
  CURLMcode code = curl_multi_poll(t->curl.multi, NULL, 0, limit, NULL);
  return code == CURLM_OK ? curl_multi_perform(t->curl.multi, &running) : code;
}

/* Drive what is ready, without waiting. */
static CURLMcode drive(transport *t) {
  int running = 0;
  if (t->loop != NULL) return wait_for_sockets(t, 0);
  return curl_multi_perform(t->curl.multi, &running);
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
  if (t->curl.multi == NULL) {
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
  if (t->curl.multi == NULL) return B24_OK;
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
  if (t->curl.multi == NULL) return B24_OK;
  b24__pipe_enter(&guard);
  if (fd < 0)
    code = act_on_time(t);
  else
    code = curl_multi_socket_action(t->curl.multi, (curl_socket_t)fd, mask,
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
  b24_pipe_guard guard;
  if (x->private_data == NULL) return;
  b24__pipe_enter(&guard);
  b24__easy_drop(&t->curl, x);
  b24__pipe_leave(&guard);
  tell_host(t);
}

/* Not in a forked child: what it inherits stays the parent's, and to end a
 * TLS connection would be to write into it. */
static void release_curl(transport *t) {
  b24_pipe_guard guard;
  b24__pipe_enter(&guard);
  if (t->curl.multi != NULL) (void)curl_multi_cleanup(t->curl.multi);
  b24__pipe_leave(&guard);
}

static void curl_close(void *self, int forked) {
  transport *t = self;
  const b24_alloc *alloc;
  if (t == NULL) return;
  alloc = t->curl.alloc;
  if (!forked) {
    b24__watch_clear(&t->sockets); /* before they are closed */
    tell_host(t);
    t->loop = NULL;
    release_curl(t);
  }
  b24__watch_dispose(&t->sockets);
  b24__strfree(alloc, t->curl.user_agent);
  b24__strfree(alloc, t->curl.ca_file);
  b24__secret_free(alloc, t->curl.proxy); /* a password may be in it */
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
  t->curl.alloc = alloc;
  t->timer_ms = -1;
  b24__watch_init(&t->sockets, alloc);
  t->curl.no_proxy = options->no_proxy && options->proxy == NULL;
  t->curl.insecure = options->insecure;
  t->curl.allow_http = options->allow_http;
  t->curl.connect_timeout_ms = options->connect_timeout_ms;
  if (!copy_option(&t->curl.user_agent, alloc, options->user_agent) ||
      !copy_option(&t->curl.ca_file, alloc, options->ca_file) ||
      !copy_option(&t->curl.proxy, alloc, options->proxy))
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
