/*
 * cert.c - ephemeral certificates for HTTPS on loopback.
 * Invariant: private keys exist in memory only; of everything made here the
 * authority's certificate alone is written to disk, and removed at the end.
 */
#define _POSIX_C_SOURCE 200809L

#include "cert.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DAY ((time_t)24 * 60 * 60)
#define VALID_DAYS 30

typedef struct pair {
  gnutls_x509_privkey_t key;
  gnutls_x509_crt_t crt;
} pair;

static void pair_dispose(pair *p) {
  if (p->crt != NULL) gnutls_x509_crt_deinit(p->crt);
  if (p->key != NULL) gnutls_x509_privkey_deinit(p->key);
  p->crt = NULL;
  p->key = NULL;
}

static int failed(int status) { return status < 0; }

/* A key on the P-256 curve and a version 3 certificate around it. */
static int pair_start(pair *p, const char *name) {
  const unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
  unsigned char serial[16], id[64];
  size_t id_length = sizeof id;
  time_t now = time(NULL);
  if (failed(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial))) return 0;
  serial[0] &= 0x7F; /* serial numbers are positive */
  serial[0] |= 0x40;
  return !failed(gnutls_x509_privkey_init(&p->key)) &&
         !failed(gnutls_x509_privkey_generate(p->key, GNUTLS_PK_ECDSA, bits,
                                              0)) &&
         !failed(gnutls_x509_crt_init(&p->crt)) &&
         !failed(gnutls_x509_crt_set_version(p->crt, 3)) &&
         !failed(gnutls_x509_crt_set_serial(p->crt, serial, sizeof serial)) &&
         !failed(gnutls_x509_crt_set_activation_time(p->crt, now - DAY)) &&
         !failed(gnutls_x509_crt_set_expiration_time(
             p->crt, now + VALID_DAYS * DAY)) &&
         !failed(gnutls_x509_crt_set_dn_by_oid(
             p->crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
             (unsigned)strlen(name))) &&
         !failed(gnutls_x509_crt_set_key(p->crt, p->key)) &&
         !failed(gnutls_x509_crt_get_key_id(p->crt, 0, id, &id_length)) &&
         !failed(gnutls_x509_crt_set_subject_key_id(p->crt, id, id_length));
}

static int authority_make(pair *authority) {
  return pair_start(authority, "bitrix24 sandbox authority") &&
         !failed(gnutls_x509_crt_set_basic_constraints(authority->crt, 1,
                                                       0)) &&
         !failed(gnutls_x509_crt_set_key_usage(
             authority->crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN)) &&
         !failed(gnutls_x509_crt_sign2(authority->crt, authority->crt,
                                       authority->key, GNUTLS_DIG_SHA256, 0));
}

static int name_add(pair *server, gnutls_x509_subject_alt_name_t type,
                    const void *name, unsigned length) {
  return !failed(gnutls_x509_crt_set_subject_alt_name(
      server->crt, type, name, length, GNUTLS_FSAN_APPEND));
}

static int server_make(pair *server, const pair *authority) {
  static const unsigned char ipv4[4] = {127, 0, 0, 1};
  static const unsigned char ipv6[16] = {[15] = 1};
  unsigned char id[64];
  size_t id_length = sizeof id;
  return pair_start(server, "localhost") &&
         name_add(server, GNUTLS_SAN_DNSNAME, "localhost", 9) &&
         name_add(server, GNUTLS_SAN_IPADDRESS, ipv4, sizeof ipv4) &&
         name_add(server, GNUTLS_SAN_IPADDRESS, ipv6, sizeof ipv6) &&
         !failed(gnutls_x509_crt_set_basic_constraints(server->crt, 0, -1)) &&
         !failed(gnutls_x509_crt_set_key_usage(
             server->crt, GNUTLS_KEY_DIGITAL_SIGNATURE)) &&
         !failed(gnutls_x509_crt_set_key_purpose_oid(
             server->crt, GNUTLS_KP_TLS_WWW_SERVER, 0)) &&
         !failed(gnutls_x509_crt_get_key_id(authority->crt, 0, id,
                                            &id_length)) &&
         !failed(gnutls_x509_crt_set_authority_key_id(server->crt, id,
                                                      id_length)) &&
         !failed(gnutls_x509_crt_sign2(server->crt, authority->crt,
                                       authority->key, GNUTLS_DIG_SHA256, 0));
}

static int export_crt(b24s_text *out, gnutls_x509_crt_t crt) {
  gnutls_datum_t pem = {NULL, 0};
  int done;
  if (failed(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem)))
    return 0;
  done = b24s_text_add(out, pem.data, pem.size);
  gnutls_free(pem.data);
  return done;
}

static int export_key(b24s_text *out, gnutls_x509_privkey_t key) {
  gnutls_datum_t pem = {NULL, 0};
  int done;
  if (failed(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem)))
    return 0;
  done = b24s_text_add(out, pem.data, pem.size);
  gnutls_memset(pem.data, 0, pem.size);
  gnutls_free(pem.data);
  return done;
}

static int write_all(int file, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t written = write(file, bytes, length);
    if (written <= 0) return 0;
    bytes += written;
    length -= (size_t)written;
  }
  return 1;
}

/* Write the authority's certificate to a new file readable by its owner. */
static int write_file(b24s_text *path, const b24s_text *pem) {
  const char *folder = getenv("TMPDIR");
  int file, done;
  if (folder == NULL || folder[0] != '/') folder = "/tmp";
  if (!b24s_text_add(path, folder, strlen(folder)) ||
      !b24s_text_add(path, "/bitrix24-sandbox-XXXXXX", 24))
    return 0;
  file = mkstemp(path->bytes);
  if (file < 0) {
    b24s_text_clear(path);
    return 0;
  }
  done = fchmod(file, S_IRUSR | S_IWUSR) == 0 &&
         write_all(file, pem->bytes, pem->length);
  return close(file) == 0 && done;
}

const char *b24s_cert_make(b24s_cert *cert) {
  pair authority = {NULL, NULL}, server = {NULL, NULL};
  b24s_text pem = {NULL, 0, 0};
  const char *problem = NULL;
  if (!authority_make(&authority) || !server_make(&server, &authority) ||
      !export_crt(&pem, authority.crt) ||
      !export_crt(&cert->chain, server.crt) ||
      !b24s_text_add(&cert->chain, pem.bytes, pem.length) ||
      !export_key(&cert->key, server.key))
    problem = "cannot make a certificate";
  else if (!write_file(&cert->file, &pem))
    problem = "cannot write the certificate file";
  b24s_text_clear(&pem);
  pair_dispose(&server);
  pair_dispose(&authority);
  return problem;
}

void b24s_cert_dispose(b24s_cert *cert) {
  if (cert->file.bytes != NULL) (void)unlink(cert->file.bytes);
  if (cert->key.bytes != NULL)
    gnutls_memset(cert->key.bytes, 0, cert->key.length);
  b24s_text_clear(&cert->file);
  b24s_text_clear(&cert->key);
  b24s_text_clear(&cert->chain);
}
