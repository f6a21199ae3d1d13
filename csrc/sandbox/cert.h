/*
 * cert.h - a certificate authority that lives as long as one sandbox.
 */
#ifndef B24S_CERT_H
#define B24S_CERT_H

#include "text.h"

typedef struct b24s_cert {
  b24s_text chain; /* PEM: the server's certificate, then the authority's */
  b24s_text key;   /* PEM: the server's private key */
  b24s_text file;  /* path of the authority's certificate, mode 0600 */
} b24s_cert;

/*
 * Make an authority and a server certificate for localhost, 127.0.0.1 and ::1.
 * Returns NULL, or why it failed (a static string); `cert` is to be disposed
 * of in both cases. The authority's key is forgotten before this returns.
 */
const char *b24s_cert_make(b24s_cert *cert);

/* Remove the file and forget the keys. Zeroed or disposed before is fine. */
void b24s_cert_dispose(b24s_cert *cert);

#endif
