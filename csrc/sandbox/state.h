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

/* What to answer, and how to break it. Zero-initialised before the call. */
typedef struct b24s_reply {
  int status;
  b24s_text headers; /* as above */
  b24s_text body;
  double delay; /* seconds to wait first; negative: for ever */
  int drop;     /* close the connection instead of answering */
  int cut;      /* announce the whole body, send half of it */
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
