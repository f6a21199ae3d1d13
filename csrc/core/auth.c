/*
 * auth.c - holds the webhook's code or the access token, writes them into
 * the request that is sent, and keeps them out of everything else.
 */
#include "auth.h"

#include "error.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TOKEN_MAX 2048
#define SIGNED_CAP ((size_t)1024 * 1024 * 1024)

/* Tokens are written into JSON, an address and a header as they are. */
static int token_is_plain(const char *token) {
  size_t length = strlen(token);
  if (length == 0 || length > TOKEN_MAX) return 0;
  for (size_t i = 0; i < length; i++) {
    char c = token[i];
    if (c <= 0x20 || c > 0x7e || strchr("\"\\&#%+?", c) != NULL) return 0;
  }
  return 1;
}

/* FNV-1a: enough to tell accounts apart, useless to whoever reads it. */
static uint64_t account_of(const char *secret) {
  uint64_t hash = 14695981039346656037ull;
  for (; *secret != '\0'; secret++)
    hash = (hash ^ (unsigned char)*secret) * 1099511628211ull;
  return hash;
}

void b24__signed_init(b24_signed *out, const b24_alloc *alloc) {
  b24__buf_init_secret(&out->url, alloc, SIGNED_CAP);
  b24__buf_init_secret(&out->body, alloc, SIGNED_CAP);
  b24__buf_init_secret(&out->header, alloc, SIGNED_CAP);
  out->serial = 0;
}

void b24__signed_dispose(b24_signed *out) {
  b24__buf_dispose(&out->url);
  b24__buf_dispose(&out->body);
  b24__buf_dispose(&out->header);
}

b24_kind b24__auth_set_token(b24_auth *auth, const char *token,
                             b24_error *err) {
  char *copy;
  if (!token_is_plain(token))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "access_token is not a token: give it as the "
                     "authorization server returned it");
  copy = b24__strndup(auth->alloc, token, strlen(token));
  if (copy == NULL || b24__redact_add_passing(&auth->secrets, token,
                                              strlen(token)) != B24_OK) {
    b24__secret_free(auth->alloc, copy);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  b24__secret_free(auth->alloc, auth->token);
  auth->token = copy;
  auth->serial++;
  return B24_OK;
}

static void write_origin(b24_auth *auth) {
  const b24_address *at = &auth->address;
  char port[16] = "";
  if (at->port != 0) (void)snprintf(port, sizeof port, ":%d", at->port);
  (void)snprintf(auth->origin, sizeof auth->origin, "%s%s%s",
                 at->https ? "https://" : "http://", at->host, port);
}

b24_kind b24__auth_move(b24_auth *auth, const char *to, int insecure,
                        b24_error *err) {
  b24_kind kind = b24__address_move(&auth->address, to, insecure, err);
  if (kind == B24_OK) write_origin(auth);
  return kind;
}

static b24_kind take_application(b24_auth *auth, const b24_options *options,
                                 b24_error *err) {
  b24_kind kind;
  if (options->domain == NULL)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "access_token needs domain: give the portal's host, "
                     "e.g. domain = \"example.bitrix24.com\"");
  kind = b24__address_parse_domain(&auth->address, auth->alloc,
                                   options->domain, options->insecure, err);
  if (kind != B24_OK || options->access_token == NULL) return kind;
  return b24__auth_set_token(auth, options->access_token, err);
}

static b24_kind take_webhook(b24_auth *auth, const b24_options *options,
                             b24_error *err) {
  b24_kind kind = b24__address_parse_webhook(
      &auth->address, auth->alloc, options->webhook, options->insecure, err);
  if (kind != B24_OK) return kind;
  if (b24__redact_add(&auth->secrets, auth->address.code,
                      strlen(auth->address.code)) != B24_OK)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  return B24_OK;
}

/* What the proxy is told: user:password, and the password alone. */
static b24_kind hide_proxy(b24_redact *secrets, const char *proxy) {
  const char *from, *end, *colon;
  b24_kind kind;
  if (proxy == NULL || (end = strrchr(proxy, '@')) == NULL) return B24_OK;
  from = strstr(proxy, "://");
  from = from != NULL && from < end ? from + 3 : proxy;
  kind = b24__redact_add(secrets, from, (size_t)(end - from));
  colon = memchr(from, ':', (size_t)(end - from));
  if (kind == B24_OK && colon != NULL && end - colon > 4)
    kind = b24__redact_add(secrets, colon + 1, (size_t)(end - colon - 1));
  return kind;
}

b24_kind b24__auth_init(b24_auth *auth, const b24_alloc *alloc,
                        const b24_options *options, b24_error *err) {
  const char *account = options->account;
  b24_kind kind;
  memset(auth, 0, sizeof *auth);
  auth->alloc = alloc;
  b24__redact_init(&auth->secrets, alloc);
  if (options->webhook != NULL)
    kind = take_webhook(auth, options, err);
  else if (options->access_token != NULL || options->renewable)
    kind = take_application(auth, options, err);
  else
    kind = b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "no credentials: give webhook, or domain and "
                     "access_token, or set BITRIX24_WEBHOOK");
  if (kind != B24_OK) return kind;
  if (hide_proxy(&auth->secrets, options->proxy) != B24_OK)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  if (account == NULL)
    account = auth->token != NULL ? auth->token : auth->address.code;
  auth->account = account_of(account != NULL ? account : "");
  write_origin(auth);
  return B24_OK;
}

void b24__auth_dispose(b24_auth *auth) {
  b24__secret_free(auth->alloc, auth->token);
  b24__address_dispose(&auth->address);
  b24__redact_dispose(&auth->secrets);
  auth->token = NULL;
}

/* {"auth":"TOKEN", and the rest of the object. */
static b24_kind splice_token(b24_buf *out, const b24_auth *auth,
                             const char *body, size_t size) {
  size_t at = 1;
  b24_kind kind = b24__buf_puts(out, "{\"auth\":\"");
  while (at < size && strchr(" \t\r\n", body[at]) != NULL) at++;
  if (kind == B24_OK) kind = b24__buf_puts(out, auth->token);
  if (kind == B24_OK)
    kind = b24__buf_puts(out, at < size && body[at] != '}' ? "\"," : "\"");
  if (kind == B24_OK) kind = b24__buf_append(out, body + 1, size - 1);
  return kind;
}

/* Is there no place for a token in the body? An array has none, and in all
 * of `task` a field counts by its place (api-reference/tasks/index). */
static int has_no_place(const char *method, int version, const char *body,
                        size_t size) {
  if (size > 0 && body[0] == '[') return 1;
  return version == 2 && strncasecmp(method, "task.", 5) == 0;
}

b24_kind b24__auth_sign(b24_signed *out, const b24_auth *auth,
                        const char *method, int version, const char *body,
                        size_t body_size, b24_error *err) {
  b24_kind kind;
  b24__buf_clear(&out->url);
  b24__buf_clear(&out->body);
  b24__buf_clear(&out->header);
  out->serial = auth->serial;
  kind = b24__address_write(&out->url, &auth->address, version, method,
                            strlen(method));
  if (kind == B24_OK && auth->token != NULL) {
    if (!has_no_place(method, version, body, body_size)) {
      kind = splice_token(&out->body, auth, body, body_size);
    } else if (version == 3) {
      kind = b24__buf_puts(&out->header, "Authorization: Bearer ");
      if (kind == B24_OK) kind = b24__buf_puts(&out->header, auth->token);
    } else {
      kind = b24__buf_puts(&out->url, "?auth=");
      if (kind == B24_OK) kind = b24__buf_puts(&out->url, auth->token);
    }
  }
  if (kind == B24_OK) return B24_OK;
  return b24__fail(err, kind, B24_SENT_NO,
                   kind == B24_NOMEM ? "not enough memory"
                                     : "the call is longer than can be sent");
}

b24_kind b24__auth_redact(b24_buf *out, const b24_auth *auth,
                          const char *text, size_t size) {
  return b24__redact_write(out, &auth->secrets, text, size);
}
