/*
 * state.h - the sandbox's own Lua state. All portal logic runs in it, one
 * request at a time; the state of the script that started it is never touched.
 */
#ifndef B24S_STATE_H
#define B24S_STATE_H

#include "text.h"

typedef struct b24s_state b24s_state;

/* What arrived. All texts are borrowed for the call. */
typedef struct b24s_request {
  const char *method;
  const char *uri; /* path and query as sent, not decoded */
  b24s_text headers; /* name, value, name, value, ... each terminated */
  b24s_text body;
} b24s_request;

/* How an answer goes out. */
typedef enum b24s_transfer {
  B24S_WHOLE,        /* as HTTP wants it */
  B24S_RESET,        /* not at all: the connection is reset */
  B24S_CUT,          /* announce the whole body, send half, close */
  B24S_RESET_BODY,   /* send half of the body, reset */
  B24S_LENGTH,       /* announce half the body, send all, close */
  B24S_STALL,        /* send half of the body, then nothing */
  B24S_DRIP,         /* a byte at a time, then spaces for ever */
  B24S_GZIP_CUT,     /* half of the compressed body, announced as if whole */
  B24S_FLOOD,        /* after the body the letter a for ever, no length */
  B24S_FLOOD_LENGTH, /* the same, announced as 10 GiB */
  B24S_HEADERS,      /* headers for ever */
  B24S_BOMB          /* the flood compressed, a thousandth of its size */
} b24s_transfer;

/* What becomes of the connection after an answer. */
typedef enum b24s_forget {
  B24S_KEEP,
  B24S_FORGET, /* the next request is met by a reset, and is not looked at */
  B24S_VANISH  /* the next request is met by silence */
} b24s_forget;

/* What to answer, and how to break it. Zero-initialised before the call. */
typedef struct b24s_reply {
  int status;
  b24s_text headers; /* as above */
  b24s_text body;
  double delay; /* seconds to wait first; negative: for ever */
  double every; /* seconds between the bytes of a drip; 0: the usual */
  b24s_transfer transfer;
  b24s_forget forget;
} b24s_reply;

/*
 * Make a state: `chunk` is run with `options` and a table of helpers, and
 * returns two functions, handle(method, uri, headers, body) and control(text).
 * NULL on failure, with the reason in `problem`.
 */
b24s_state *b24s_state_new(const char *path, const char *cpath,
                           const char *chunk, const char *options,
                           char *problem, size_t problem_size);

/* Nobody may be inside; NULL is fine. */
void b24s_state_free(b24s_state *state);

/* Answer one request. Any thread. A failure becomes status 500. */
void b24s_state_handle(b24s_state *state, const b24s_request *request,
                       b24s_reply *reply);

/*
 * Run the control function and append its answer, or why there is none, to
 * `answer`. Returns 1 for an answer, 0 for a failure. Any thread.
 */
int b24s_state_control(b24s_state *state, const char *text, size_t length,
                       b24s_text *answer);

void b24s_reply_dispose(b24s_reply *reply);

#endif
