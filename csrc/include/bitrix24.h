/*
 * bitrix24.h - the C API of the Bitrix24 client, without Lua.
 *
 * Ownership: `**out` is yours to free; a returned pointer is borrowed until
 * the header says; inputs are copied. `_new/_free` live on the heap,
 * `_init/_dispose` in the caller's storage, `_free(NULL)` is fine.
 * Threads: a client and everything made from it belong to one thread at a
 * time; any number of clients may live in one process.
 */
#ifndef BITRIX24_H
#define BITRIX24_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define B24_VERSION "0.1.0"

#if defined(__GNUC__)
#define B24_API __attribute__((visibility("default")))
#define B24_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define B24_API
#define B24_PRINTF(fmt, args)
#endif

/* What kind of failure it was: the `kind` of a structured error in Lua. */
typedef enum b24_kind {
  B24_OK = 0,
  B24_CONFIG,    /* the caller's mistake, found before sending */
  B24_NETWORK,   /* connect, TLS, time-out, reset, name resolution */
  B24_PROTOCOL,  /* an answer that is not what the platform promises */
  B24_AUTH,      /* the credentials were refused */
  B24_LIMIT,     /* a rate or working-time limit, after the retries */
  B24_APIERROR,  /* any other error of the method */
  B24_CANCELLED, /* the client was closed */
  B24_NOMEM      /* the allocator returned NULL */
} b24_kind;

/* Did the call reach the portal? */
typedef enum b24_sent {
  B24_SENT_NO = 0, /* the call surely did not run */
  B24_SENT_YES,    /* the portal answered, readably or not */
  B24_SENT_UNKNOWN /* it was sent and no answer came */
} b24_sent;

#define B24_MESSAGE_MAX 512

/* A failure, in the caller's storage: no allocation is needed to report one.
 * `message` is one line of UTF-8 without secrets. */
typedef struct b24_error {
  b24_kind kind;
  b24_sent sent;
  char message[B24_MESSAGE_MAX];
} b24_error;

/* The allocator seam: realloc semantics. `size` 0 frees and returns NULL;
 * `ptr` NULL allocates. `old_size` is the size that was asked for. */
typedef struct b24_alloc {
  void *(*realloc)(void *ud, void *ptr, size_t old_size, size_t size);
  void *ud;
} b24_alloc;

/* The clock seam, milliseconds: `mono_ms` never goes back, `unix_ms` is the
 * time since 1970. */
typedef struct b24_clock {
  int64_t (*mono_ms)(void *ud);
  int64_t (*unix_ms)(void *ud);
  void *ud;
} b24_clock;

/* The name of a kind as Lua spells it: "config", "network", ... Static. */
B24_API const char *b24_kind_name(b24_kind kind);

/* How a list method pages (catalogue, page cursors). */
typedef enum b24_page_style {
  B24_PAGE_NONE = 0, /* one answer holds all, or `next` shows otherwise */
  B24_PAGE_START,    /* start = 0, 50, 100 ...; the answer has `next` */
  B24_PAGE_OFFSET,   /* LIMIT/OFFSET or limit/offset */
  B24_PAGE_LAST_ID,  /* LIMIT/LAST_ID */
  B24_PAGE_PAGE,     /* page number, or REST 3.0 `pagination` */
  B24_PAGE_CURSOR,   /* REST 3.0 cursor handed back as it came */
  B24_PAGE_LIMIT     /* a limit, but no way to a next page */
} b24_page_style;

/* ---- client ------------------------------------------------------------ */

typedef struct b24_client b24_client;   /* one portal, one set of credentials */
typedef struct b24_request b24_request; /* one call, through all its attempts */

/* The budget of one portal as seen from this address, see below. */
typedef struct b24_limiter b24_limiter;

/* How to connect. Set by b24_options_init, then changed field by field; all
 * strings are copied by b24_client_new. Times are milliseconds. */
typedef struct b24_options {
  const char *webhook;      /* https://HOST/rest/USER/CODE/ , or NULL */
  const char *domain;       /* host of the portal, with access_token */
  const char *access_token; /* of an application; no webhook then */
  const char *account; /* tells applications apart where working time is
                          counted: the client_id; NULL = the credential */
  int renewable; /* 1: the access token can be renewed, and may come later
                    (b24_client_set_token); domain alone is enough then */
  const char *user_agent;   /* product token before the library's, NULL */
  const char *ca_file;      /* PEM file of TLS roots, NULL = system */
  const char *proxy;        /* NULL = the environment's */
  int insecure;             /* 1: plain http anywhere, no verification */
  int max_connections;      /* HTTP requests at a time (6) */
  int retries;              /* further attempts after the first (5) */
  int64_t timeout_ms;         /* one HTTP request (70 000) */
  int64_t connect_timeout_ms; /* connecting (10 000) */
  int64_t wait_max_ms;        /* longest wait before one attempt (660 000) */
  size_t max_answer_bytes;    /* cap of one decompressed answer (64 MiB) */
  uint64_t seed;              /* of the jitter; 0 = from the clock */
  double rate, burst;   /* requests a second, and at once (2, 50); rate 0: no
                           limit of our own on requests. Clients of a portal
                           and tariff in this process share one budget */
  b24_limiter *limiter; /* another budget, NULL = that one; referenced */
  const b24_alloc *alloc;     /* NULL = the C library's; copied */
  const b24_clock *clock;     /* NULL = the system's; copied */
} b24_options;

/* The defaults. */
B24_API void b24_options_init(b24_options *options);

/* Make a client; no network traffic happens. Free `*out` with
 * b24_client_free. Fails with B24_CONFIG or B24_NOMEM and `*out` = NULL. */
B24_API b24_kind b24_client_new(b24_client **out, const b24_options *options,
                                b24_error *err);

/* Close the client: its requests end as B24_CANCELLED, and stay yours to
 * free. */
B24_API void b24_client_free(b24_client *client);

/* Copy `text` with every secret of the client replaced by ***, terminated,
 * into `buffer`; what does not fit is cut. Returns the length written. */
B24_API size_t b24_client_redact(char *buffer, size_t size,
                                 b24_client *client, const char *text,
                                 size_t length);

/* "https://host[:port]" of the portal; borrowed until it moves. */
B24_API const char *b24_client_origin(const b24_client *client);

/* ---- the budget of a portal --------------------------------------------- */

/* The platform counts requests by portal and source address, so clients of one
 * process share a limiter for each portal and tariff by themselves. Make one
 * to share it otherwise. All of these may be called from any thread. */

/* Rate and burst of a tariff by its name, "standard" or "enterprise"; 0 when
 * there is none of that name (limits). */
B24_API int b24_limiter_tariff(double *rate, double *burst, const char *name);

/* Make a limiter with one reference, yours to free. `rate` requests a second
 * after `burst` at once; rate 0 switches the bucket off, the working time is
 * kept nevertheless. `alloc` is copied (NULL = the C library's). Fails with
 * B24_CONFIG (a number that cannot be) or B24_NOMEM, and `*out` = NULL. */
B24_API b24_kind b24_limiter_new(b24_limiter **out, const b24_alloc *alloc,
                                 double rate, double burst, b24_error *err);

/* The same with requests counted in the file at `path`, for all processes of
 * this machine that open it: they share one budget, below the limit together.
 * The file is made when it is not there (mode 0600); give each portal its own.
 * One limiter is one of at most 64 participants. A process that dies leaves
 * its place, and what it had out counts as arriving then; a forked child takes
 * a place of its own when it first uses the limiter. While the file cannot be
 * used the process goes on by itself. Fails with B24_CONFIG as well when the
 * path holds something else or damage (which is never overwritten), cannot be
 * used, is in use with another rate or burst, or is full. */
B24_API b24_kind b24_limiter_open(b24_limiter **out, const b24_alloc *alloc,
                                  const char *path, double rate, double burst,
                                  b24_error *err);

/* One more reference to the same limiter, to be freed as well. */
B24_API b24_limiter *b24_limiter_ref(b24_limiter *limiter);

/* Give a reference back; the last one frees. NULL is fine. */
B24_API void b24_limiter_free(b24_limiter *limiter);

/* ---- authorization of an application (settings/oauth) ------------------ */

/* From now on attempts are sent with this access token, which is copied; what
 * waited for it goes on. The one before is wiped. Fails with B24_CONFIG (not a
 * token) or B24_NOMEM; the old one then stays. */
B24_API b24_kind b24_client_set_token(b24_client *client, const char *token,
                                      b24_error *err);

/* There is no new token, and none is being fetched: what waited for one is
 * sent as it is. The owner of those calls drops them first, if it has a better
 * answer. */
B24_API void b24_client_release(b24_client *client);

/* One more text that must never be shown. `passing`: it is replaced by others
 * in time, such as a refresh token; the oldest of many are forgotten. B24_OK
 * or B24_NOMEM. */
B24_API b24_kind b24_client_hide(b24_client *client, const char *secret,
                                 size_t size, int passing, b24_error *err);

/* The portal has another address: `endpoint` is https://HOST/rest/ or a host
 * alone. Attempts that begin later go there. Fails with B24_CONFIG or
 * B24_NOMEM; the old address then stays. */
B24_API b24_kind b24_client_move(b24_client *client, const char *endpoint,
                                 b24_error *err);

/* How an attempt ended, before anybody looked into the body. */
typedef enum b24_outcome {
  B24_OUTCOME_NONE = 0,      /* not finished */
  B24_OUTCOME_ANSWER,        /* a whole HTTP answer came */
  B24_OUTCOME_CUT,           /* an answer began and broke off */
  B24_OUTCOME_STALLED,       /* an answer began and took too long */
  B24_OUTCOME_TOO_LARGE,     /* the body passed its cap */
  B24_OUTCOME_SINK,          /* the caller's sink refused the bytes */
  B24_OUTCOME_NOT_CONNECTED, /* no connection: nothing was sent */
  B24_OUTCOME_NOT_TRUSTED,   /* TLS verification failed: nothing was sent */
  B24_OUTCOME_LOST,          /* sent, at least in part, and no answer came */
  B24_OUTCOME_NOMEM,         /* memory ran out meanwhile */
  B24_OUTCOME_BLOCKED,       /* its turn is further off than wait_max */
  B24_OUTCOME_CANCELLED      /* the client was closed */
} b24_outcome;

/* Where a download goes instead of memory. Called while the client steps:
 * must not call the client. Both return 0 to go on. */
typedef struct b24_sink {
  int (*restart)(void *ud); /* an attempt begins: forget earlier bytes */
  int (*write)(void *ud, const void *bytes, size_t size);
  void *ud;
} b24_sink;

/* What to call. Everything is copied but `sink`, which must live as long as
 * the request. */
typedef struct b24_call {
  const char *method; /* REST method, or what a download is called in errors */
  int version;        /* 2 or 3 */
  const char *body;   /* JSON object or array */
  size_t body_size;
  int harmless;                /* repeating cannot change anything twice */
  const char *idempotency_key; /* REST 3.0, NULL = none */
  int64_t timeout_ms;          /* for everything: waits, attempts; 0 = none;
                                  a download's only limit if it is given */
  const char *const *commands; /* batch: the methods in it, else NULL */
  size_t command_count;
  const char *url;      /* GET this address, with no token: a download, or
                           the authorization server's, which is a secret */
  const b24_sink *sink; /* download: where the bytes go; NULL = memory */
} b24_call;

/* Queue a call. `*out` is yours to free, before or after the client. Fails
 * with B24_CONFIG (a method name that cannot be one, a link that may not be
 * fetched, a closed client) or B24_NOMEM. */
B24_API b24_kind b24_client_submit(b24_request **out, b24_client *client,
                                   const b24_call *call, b24_error *err);

/* Drive the client until an attempt of some request has ended, at the latest
 * for timeout_ms (0: do not wait). `*out` is that request (borrowed: it is
 * the caller's own), to be read with b24_request_answer and then settled; or
 * NULL when nothing ended. */
B24_API b24_kind b24_client_step(b24_request **out, b24_client *client,
                                 int64_t timeout_ms, b24_error *err);

/* ---- a host's event loop ------------------------------------------------ */

/* For a program that has a loop of its own: it watches sockets and keeps a
 * timer for each client, as libcurl's multi_socket interface wants it, and
 * nothing ever waits. examples/host_epoll.c is a whole one:
 *
 *   b24_loop host = {on_watch, on_timer, me};
 *   b24_loop_attach(client, &host, &err);
 *   b24_client_submit(&request, client, &call, &err);
 *   b24_loop_act(client, -1, 0, &err);
 *
 * b24_loop_act again for every event of a socket and when the timer fires;
 * after each, while ((request = b24_loop_next(client)) != NULL) the answer is
 * read and settled, and if there was one, b24_loop_act(client, -1, 0, &err).
 *
 * An idle client has no socket watched and no timer set, whether or not it
 * keeps a connection. */

/* What a client asks of the host. Both are called from b24_loop_*,
 * b24_client_step, b24_request_free and b24_client_free, never below libcurl;
 * they must not call the client. */
typedef struct b24_loop {
  /* Watch the socket for B24_LOOP_IN | B24_LOOP_OUT from now on, as long as
   * it is ready and not only when it becomes so; 0: no more. It may be closed
   * already when 0 comes; the client uses its number again only afterwards. */
  void (*watch)(void *ud, int fd, int what);
  /* Call b24_loop_act with fd -1 after so many ms, once; it replaces the
   * timer before. -1: no timer. */
  void (*timer)(void *ud, int64_t ms);
  void *ud;
} b24_loop;

#define B24_LOOP_IN 1
#define B24_LOOP_OUT 2

/* From now on the host drives the client. `loop` is copied; NULL: by
 * b24_client_step again, which also works meanwhile, for a call that blocks.
 * Fails with B24_NOMEM, or B24_CONFIG while calls are on their way; the host
 * before then stays. */
B24_API b24_kind b24_loop_attach(b24_client *client, const b24_loop *loop,
                                 b24_error *err);

/* Something is ready on `fd` (what: B24_LOOP_*; both for an error), or with
 * fd -1 the timer fired or a call was submitted, settled or freed, or the
 * client was stepped, or a token was set or released. Early or needless calls
 * do no harm. Never waits.
 * Afterwards take what ended with b24_loop_next until it is NULL. Fails with
 * B24_NOMEM, B24_NETWORK, or B24_CONFIG where no loop is attached and in a
 * forked child. */
B24_API b24_kind b24_loop_act(b24_client *client, int fd, int what,
                              b24_error *err);

/* A request whose attempt ended, borrowed, to be read and settled as one from
 * b24_client_step; NULL = none. Call b24_loop_act(client, -1, ...) after the
 * last was settled: what comes again has its time, and who waits for a
 * connection its turn. */
B24_API b24_request *b24_loop_next(b24_client *client);

/* Tell what the `time` of a batch's command said: what it took (-1 = not
 * known), `operating` in ms (-1 = absent, which is not zero), and
 * operating_reset_at (unix ms, 0 = absent). */
B24_API void b24_client_operating(b24_client *client, const char *method,
                                  int64_t cost_ms, int64_t operating_ms,
                                  int64_t reset_at_unix_ms);

/* A command of a batch was refused with OPERATION_TIME_LIMIT: calls of that
 * method wait. */
B24_API void b24_client_blocked(b24_client *client, const char *method);

/* How many requests are queued or on their way. */
B24_API size_t b24_client_pending(const b24_client *client);

/* The answer of the attempt that ended. Pointers are borrowed until the
 * request is settled or freed. */
typedef struct b24_answer {
  b24_outcome outcome;
  long status;      /* HTTP status, 0 = none */
  const char *body; /* terminated; may hold NUL bytes */
  size_t body_size;
  const char *content_type; /* "" when absent */
  const char *location;     /* where a redirect points, "" when none */
  const char *message;      /* a transport failure in words, redacted */
  int attempts;             /* how many were made */
  int64_t elapsed_ms;       /* how long this attempt took */
} b24_answer;

/* Read the answer of a request that b24_client_step or b24_loop_next gave. */
B24_API void b24_request_answer(b24_answer *out, const b24_request *request);

/* What whoever decoded the body found in it. */
typedef struct b24_facts {
  int decoded;      /* 1: it was readable as an answer of the platform */
  const char *code; /* its error code ("" is one), NULL = no error */
  int64_t cost_ms;               /* the answer's duration, -1 = not told */
  int64_t operating_ms;          /* -1 = absent, which is not zero */
  int64_t operating_reset_at_ms; /* unix time, 0 = not told */
} b24_facts;

typedef enum b24_action {
  B24_DONE,    /* it worked */
  B24_RETRY,   /* queued again; step on */
  B24_REFRESH, /* queued again until the access token is renewed: nothing
                  goes out before b24_client_set_token or _release */
  B24_FAIL     /* final */
} b24_action;

/* What becomes of a request. */
typedef struct b24_verdict {
  b24_action action;
  b24_kind kind;   /* when it failed */
  b24_sent sent;
  int retryable;   /* may the same call succeed later without a change */
  int64_t wait_ms; /* B24_RETRY: how long from now */
  char reason[160];
} b24_verdict;

/* Tell the facts of a delivered answer; the verdict is carried out. */
B24_API void b24_request_settle(b24_request *request, const b24_facts *facts,
                                b24_verdict *out);

/* Drop a request, whatever its state; NULL is fine. */
B24_API void b24_request_free(b24_request *request);

#ifdef __cplusplus
}
#endif
#endif
