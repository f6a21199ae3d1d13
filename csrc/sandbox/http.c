/*
 * http.c - requests and answers over libmicrohttpd.
 * Invariant: an allocated request belongs to its connection and is freed in
 * on_completed, whatever became of it; the mutex of the Lua state is never
 * held while a connection sleeps or sends. libmicrohttpd blocks SIGPIPE in the
 * threads it makes, so no signal handler of the process is touched.
 */
#define _POSIX_C_SOURCE 200809L

#include "http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "broken.h"
#include "gzip.h"
#include "wake.h"

#define CONNECTIONS_MAX 1024u
#define CONNECTION_MEMORY_BYTES ((size_t)64 * 1024)
#define GZIP_FROM_BYTES 1024u

struct b24s_http {
  struct MHD_Daemon *daemon;
  b24s_state *state;
  b24s_wake wake;
  size_t body_max_bytes;
  atomic_ullong sent; /* bytes of broken answers */
};

typedef struct visit {
  char *uri;
  b24s_text body;
  int started, too_large;
} visit;

/* ---- the request ------------------------------------------------------ */

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *c) {
  visit *v = calloc(1, sizeof *v);
  (void)cls;
  (void)c;
  if (v == NULL) return NULL;
  v->uri = strdup(uri);
  if (v->uri != NULL) return v;
  free(v);
  return NULL;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **context,
                         enum MHD_RequestTerminationCode code) {
  visit *v = *context;
  (void)cls;
  (void)c;
  (void)code;
  *context = NULL;
  if (v == NULL) return;
  b24s_text_clear(&v->body);
  free(v->uri);
  free(v);
}

/* Each connection remembers what its last answer ordered for the next. */
static void on_connection(void *cls, struct MHD_Connection *c, void **memory,
                          enum MHD_ConnectionNotificationCode code) {
  (void)cls;
  (void)c;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    *memory = calloc(1, sizeof(b24s_forget));
  } else {
    free(*memory);
    *memory = NULL;
  }
}

static b24s_forget *connection_memory(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == NULL ? NULL : info->socket_context;
}

/* Returning MHD_NO ends the iteration; the request then lacks headers, but
 * never has a name without a value. */
static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind,
                                 const char *name, const char *value) {
  b24s_text *headers = cls;
  size_t before = headers->length;
  (void)kind;
  if (b24s_text_add_item(headers, name) &&
      b24s_text_add_item(headers, value == NULL ? "" : value))
    return MHD_YES;
  headers->length = before;
  return MHD_NO;
}

/* ---- the answer ------------------------------------------------------- */

static struct MHD_Response *whole_response(b24s_text *body) {
  struct MHD_Response *response;
  if (body->length == 0)
    return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
  response = MHD_create_response_from_buffer(body->length, body->bytes,
                                             MHD_RESPMEM_MUST_FREE);
  if (response != NULL) (void)b24s_text_take(body);
  return response;
}

static int wants_gzip(struct MHD_Connection *c) {
  const char *accepted = MHD_lookup_connection_value(
      c, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT_ENCODING);
  return accepted != NULL && strstr(accepted, "gzip") != NULL;
}

static int has_header(const b24s_text *headers, const char *name) {
  const char *at = headers->bytes;
  const char *end = at == NULL ? NULL : at + headers->length;
  while (at != end) {
    if (strcasecmp(at, name) == 0) return 1;
    at += strlen(at) + 1;
    at += strlen(at) + 1;
  }
  return 0;
}

/* A header that HTTP cannot carry is left out: libmicrohttpd refuses it. */
static void add_headers(struct MHD_Response *response,
                        const b24s_text *headers) {
  const char *at = headers->bytes;
  const char *end = at == NULL ? NULL : at + headers->length;
  while (at != end) {
    const char *name = at, *value = name + strlen(name) + 1;
    (void)MHD_add_response_header(response, name, value);
    at = value + strlen(value) + 1;
  }
}

/* Compress the body where that is wanted; 1 when it was. */
static int pack_body(struct MHD_Connection *c, b24s_reply *reply) {
  if (reply->transfer == B24S_GZIP_CUT) {
    if (!b24s_gzip_pack(&reply->body)) return 0;
    reply->body.length /= 2;
    return 1;
  }
  return reply->body.length >= GZIP_FROM_BYTES &&
         !has_header(&reply->headers, MHD_HTTP_HEADER_CONTENT_ENCODING) &&
         wants_gzip(c) && b24s_gzip_pack(&reply->body);
}

static enum MHD_Result send_reply(struct MHD_Connection *c,
                                  b24s_reply *reply) {
  struct MHD_Response *response;
  enum MHD_Result queued;
  int packed = pack_body(c, reply);
  response = whole_response(&reply->body);
  if (response == NULL) return MHD_NO;
  add_headers(response, &reply->headers);
  if (packed)
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING,
                                  "gzip");
  queued = MHD_queue_response(c, (unsigned)reply->status, response);
  MHD_destroy_response(response);
  return queued;
}

static int connection_socket(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info == NULL ? -1 : info->connect_fd;
}

/* Its gnutls_session_t, or NULL. */
static void *connection_tls(struct MHD_Connection *c) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
  return info == NULL ? NULL : info->tls_session;
}

static void send_broken(b24s_http *http, struct MHD_Connection *c,
                        const b24s_reply *reply) {
  /* each read before the next is asked for: they may share their memory */
  b24s_line line = {connection_socket(c), connection_tls(c), &http->wake,
                    &http->sent};
  b24s_broken_send(&line, reply);
}

static enum MHD_Result answer(b24s_http *http, struct MHD_Connection *c,
                              const char *method, visit *v) {
  b24s_request request = {method, v->uri, {NULL, 0, 0}, v->body};
  b24s_reply reply;
  enum MHD_Result result = MHD_NO;
  b24s_forget *forget = connection_memory(c);
  memset(&reply, 0, sizeof reply);
  (void)MHD_get_connection_values(c, MHD_HEADER_KIND, on_header,
                                  &request.headers);
  b24s_state_handle(http->state, &request, &reply);
  b24s_text_clear(&request.headers);
  b24s_text_clear(&v->body);
  if (forget != NULL) *forget = reply.forget;
  if (reply.delay != 0 &&
      b24s_wake_sleep(&http->wake, connection_socket(c), reply.delay) !=
          B24S_SLEPT)
    reply.transfer = B24S_RESET;
  if (reply.transfer == B24S_WHOLE || reply.transfer == B24S_GZIP_CUT)
    result = send_reply(c, &reply);
  else
    send_broken(http, c, &reply);
  b24s_reply_dispose(&reply);
  return result;
}

/* The connection was lost while it was idle; only the client does not know. */
static enum MHD_Result ignore(b24s_http *http, struct MHD_Connection *c,
                              b24s_forget how) {
  int socket = connection_socket(c);
  if (how == B24S_VANISH) (void)b24s_wake_sleep(&http->wake, socket, -1);
  b24s_broken_reset(socket);
  return MHD_NO;
}

static enum MHD_Result refuse_large(struct MHD_Connection *c) {
  b24s_reply reply;
  memset(&reply, 0, sizeof reply);
  reply.status = 413;
  return send_reply(c, &reply);
}

static int announced_too_large(const b24s_http *http,
                               struct MHD_Connection *c) {
  const char *length = MHD_lookup_connection_value(
      c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
  return length != NULL &&
         strtoull(length, NULL, 10) > (unsigned long long)http->body_max_bytes;
}

/* Called with the headers, then for each piece of the body, then at its end. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *c,
                                  const char *url, const char *method,
                                  const char *version, const char *upload,
                                  size_t *upload_size, void **context) {
  b24s_http *http = cls;
  visit *v = *context;
  const b24s_forget *forget = connection_memory(c);
  (void)url;
  (void)version;
  if (v == NULL) return MHD_NO;
  if (!v->started) {
    v->started = 1;
    return announced_too_large(http, c) ? refuse_large(c) : MHD_YES;
  }
  if (*upload_size > 0) {
    if (v->too_large || *upload_size > http->body_max_bytes - v->body.length ||
        !b24s_text_add(&v->body, upload, *upload_size))
      v->too_large = 1;
    *upload_size = 0;
    return MHD_YES;
  }
  if (forget != NULL && *forget != B24S_KEEP)
    return ignore(http, c, *forget);
  return v->too_large ? refuse_large(c) : answer(http, c, method, v);
}

/* ---- the server ------------------------------------------------------- */

static struct MHD_Daemon *start_daemon(b24s_http *http,
                                       const b24s_http_options *options) {
  unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD |
                   MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL | MHD_USE_ITC;
  struct sockaddr_in address;
  struct MHD_OptionItem tls[3];
  memset(tls, 0, sizeof tls);
  tls[0].option = MHD_OPTION_END;
  if (options->cert != NULL) {
    flags |= MHD_USE_TLS;
    tls[0].option = MHD_OPTION_HTTPS_MEM_KEY;
    tls[0].ptr_value = options->cert->key.bytes;
    tls[1].option = MHD_OPTION_HTTPS_MEM_CERT;
    tls[1].ptr_value = options->cert->chain.bytes;
    tls[2].option = MHD_OPTION_END;
  }
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_port = htons(options->port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return MHD_start_daemon(
      flags, options->port, NULL, NULL, on_request, http, MHD_OPTION_SOCK_ADDR,
      (struct sockaddr *)&address, MHD_OPTION_URI_LOG_CALLBACK, on_uri, http,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
      MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
      MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

b24s_http *b24s_http_start(b24s_state *state, const b24s_http_options *options,
                           const char **problem) {
  b24s_http *http = calloc(1, sizeof *http);
  *problem = "not enough memory";
  if (http == NULL) return NULL;
  http->state = state;
  http->body_max_bytes = options->body_max_bytes;
  atomic_init(&http->sent, 0);
  *problem = "cannot make a pipe";
  if (!b24s_wake_open(&http->wake)) goto failed;
  *problem = "libmicrohttpd was built without TLS";
  if (options->cert != NULL &&
      MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
    goto close_wake;
  *problem = "cannot listen on the port";
  http->daemon = start_daemon(http, options);
  if (http->daemon != NULL) return http;

close_wake:
  b24s_wake_close(&http->wake);
failed:
  free(http);
  return NULL;
}

unsigned short b24s_http_port(const b24s_http *http) {
  const union MHD_DaemonInfo *info =
      MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
  return info == NULL ? 0 : info->port;
}

unsigned long long b24s_http_sent(const b24s_http *http) {
  return atomic_load(&http->sent);
}

void b24s_http_stop(b24s_http *http) {
  if (http == NULL) return;
  b24s_wake_all(&http->wake);
  MHD_stop_daemon(http->daemon);
  b24s_wake_close(&http->wake);
  free(http);
}
