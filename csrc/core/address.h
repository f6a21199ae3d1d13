/*
 * address.h - addresses of portals: what a user gives as `webhook` or
 * `domain` on the way in, the URL of a call on the way out.
 *
 * Messages about a refused address never quote it: it may hold the code.
 */
#ifndef B24_CORE_ADDRESS_H
#define B24_CORE_ADDRESS_H

#include "buf.h"

#define B24_ADDRESS_MAX 2048 /* bytes of a webhook or domain */
#define B24_LINK_MAX 8192    /* bytes of a download link */
#define B24_METHOD_MAX 128   /* bytes of a method name */
#define B24_ORIGIN_MAX 288   /* of "https://host:port" and its end */

/* A parsed address, in the caller's storage. `code` is a secret. */
typedef struct b24_address {
  const b24_alloc *alloc; /* borrowed; outlives the address */
  int https;              /* 0: plain http */
  int port;               /* 0 = the scheme's own */
  char *host;             /* lower case; IPv6 in brackets */
  char *user_id;          /* digits; NULL without a webhook */
  char *code;             /* NULL without a webhook */
} b24_address;

/* Parse an inbound webhook: HOST[:PORT]/rest/[api/]USER/CODE[/METHOD], with
 * or without https://, spaces around it, and a query, which is dropped
 * (settings/how-to-call-rest-api/general-principles). Plain http is taken for
 * loopback hosts, and for all when `insecure`. Fails with B24_CONFIG (the
 * message says what to do) or B24_NOMEM and leaves `out` empty; dispose it in
 * either case. */
b24_kind b24__address_parse_webhook(b24_address *out, const b24_alloc *alloc,
                                    const char *text, int insecure,
                                    b24_error *err);

/* Parse the host of a portal: HOST[:PORT], with or without https:// and a
 * trailing / or /rest/ (as in `client_endpoint`). Otherwise as above. */
b24_kind b24__address_parse_domain(b24_address *out, const b24_alloc *alloc,
                                   const char *text, int insecure,
                                   b24_error *err);

/* The portal is somewhere else now: take scheme, host and port from `to`, a
 * host alone, `client_endpoint`, or the Location of a redirect, whose path
 * then begins with /rest; user and code stay. From https only to https, unless
 * `insecure`, or at the very same port of loopback. B24_CONFIG or B24_NOMEM,
 * and the address stays as it was. */
b24_kind b24__address_move(b24_address *address, const char *to,
                           int insecure, b24_error *err);

/* Wipe the code and free; an address of zeroes is fine. */
void b24__address_dispose(b24_address *address);

/* 1 when `host` (brackets or not) is this machine: localhost, *.localhost,
 * 127.0.0.0/8, ::1. */
int b24__address_is_loopback(const char *host);

/* B24_CONFIG unless `method` can be the name of a method: letters, digits,
 * `_` and `-`, in parts joined by dots. */
b24_kind b24__address_check_method(const char *method, size_t size,
                                   b24_error *err);

/* B24_CONFIG unless `link` is an absolute address that may be fetched:
 * https, or http under the rule above, no password in it. */
b24_kind b24__address_check_link(const char *link, int insecure,
                                 b24_error *err);

/* Append "https://host[:port]". As b24__buf_append. */
b24_kind b24__address_write_origin(b24_buf *out, const b24_address *address);

/* Append the whole URL of a call of REST `version` 2 or 3. B24_CONFIG when
 * the name cannot be a method's; else as b24__buf_append. */
b24_kind b24__address_write(b24_buf *out, const b24_address *address,
                            int version, const char *method, size_t size);

#endif
