/*
 * auth.h - the one holder of secrets: the webhook's code or the access
 * token. They leave it only in the request that is sent; text on its way to
 * a human passes through b24__auth_redact.
 */
#ifndef B24_CORE_AUTH_H
#define B24_CORE_AUTH_H

#include "address.h"
#include "buf.h"
#include "redact.h"

typedef struct b24_auth {
  const b24_alloc *alloc; /* borrowed */
  b24_address address;
  b24_redact secrets;
  char *token; /* access token of an application, NULL with a webhook and
                  before there is one */
  unsigned serial; /* how many tokens there have been */
  char origin[B24_ORIGIN_MAX]; /* "https://host[:port]" */
  uint64_t account; /* tells webhooks and applications apart; no secret */
} b24_auth;

/* What one attempt is sent with; the buffers belong to the caller. */
typedef struct b24_signed {
  b24_buf url;
  b24_buf body;   /* used when the token goes into the body, else empty */
  b24_buf header; /* "Authorization: Bearer ...", else empty */
  unsigned serial; /* of the token in it */
} b24_signed;

/* Empty buffers that are wiped before they are freed; allocates nothing.
 * Dispose them whether or not they were written. */
void b24__signed_init(b24_signed *out, const b24_alloc *alloc);
void b24__signed_dispose(b24_signed *out);

/* Take the credentials from the options. Fails with B24_CONFIG (says which
 * option and what to do) or B24_NOMEM; dispose it in either case. */
b24_kind b24__auth_init(b24_auth *auth, const b24_alloc *alloc,
                        const b24_options *options, b24_error *err);

/* Wipe and free. */
void b24__auth_dispose(b24_auth *auth);

/* Take a new access token; B24_CONFIG or B24_NOMEM, and the old one stays. */
b24_kind b24__auth_set_token(b24_auth *auth, const char *token,
                             b24_error *err);

/* See b24__address_move; the origin follows. */
b24_kind b24__auth_move(b24_auth *auth, const char *to, int insecure,
                        b24_error *err);

/* Write address and credentials for one attempt at `call`. An application's
 * token goes into the body's field `auth`; a body that is an array, or whose
 * fields count by their places, has none for it: REST 2 takes it in the query,
 * REST 3.0 as a header
 * (settings/how-to-call-rest-api/general-principles). Fails with B24_CONFIG
 * (the name cannot be a method's), B24_PROTOCOL (longer than can be sent)
 * or B24_NOMEM. */
b24_kind b24__auth_sign(b24_signed *out, const b24_auth *auth,
                        const char *method, int version, const char *body,
                        size_t body_size, b24_error *err);

/* Append `text` without secrets; else as b24__redact_write. */
b24_kind b24__auth_redact(b24_buf *out, const b24_auth *auth,
                          const char *text, size_t size);

#endif
