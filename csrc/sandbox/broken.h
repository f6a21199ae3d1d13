/*
 * broken.h - answers that no honest server sends: torn, lying or endless.
 */
#ifndef B24S_BROKEN_H
#define B24S_BROKEN_H

#include <stdatomic.h>

#include "state.h"
#include "wake.h"

/* A connection that is written to by hand, from its own thread. */
typedef struct b24s_line {
  int socket;
  void *tls; /* a gnutls_session_t, or NULL */
  b24s_wake *wake;
  atomic_ullong *sent; /* counts the bytes of bodies and headers */
} b24s_line;

/*
 * Send a reply whose transfer is not B24S_WHOLE. Returns when the client left,
 * the server stops or the transfer is at its end; the connection must then be
 * closed.
 */
void b24s_broken_send(const b24s_line *line, const b24s_reply *reply);

/* Reset the connection: the peer sees no orderly end. -1 is ignored. */
void b24s_broken_reset(int socket);

#endif
