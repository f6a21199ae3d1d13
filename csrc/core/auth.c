/*
 * auth.c - holds the webhook's code or the access token, writes them into
 * the request that is sent, and keeps them out of everything else.
 */
#include "auth.h"

#include "error.h"

#include <string.h>

#define ORIGIN_CAP 1024
#define TOKEN_MAX 2048

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

static b24_kind take_token(b24_auth *auth, const b24_options *options,
                           b24_error *err) {
  b24_kind kind;
  if (options->domain == NULL)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "access_token needs domain: give the portal's host, "
                     "e.g. domain = \"example.bitrix24.com\"");
  if (!token_is_plain(options->access_token))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "access_token is not a token: give it as the "
                     "authorization server returned it");
  kind = b24__address_parse_domain(&auth->address, auth->alloc,
                                   options->domain, options->insecure, err);
  if (kind != B24_OK) return kind;
  auth->token = b24__strndup(auth->alloc, options->access_token,
                             strlen(options->access_token));
  if (auth->token == NULL ||
      b24__redact_add(&auth->secrets, auth->token, strlen(auth->token)) !=
          B24_OK)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  return B24_OK;
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

b24_kind b24__auth_init(b24_auth *auth, const b24_alloc *alloc,
                        const b24_options *options, b24_error *err) {
  b24_kind kind;
  b24_buf origin;
  memset(auth, 0, sizeof *auth);
  auth->alloc = alloc;
  b24__redact_init(&auth->secrets, alloc);
  if (options->webhook != NULL)
    kind = take_webhook(auth, options, err);
  else if (options->access_token != NULL)
    kind = take_token(auth, options, err);
  else
    kind = b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "no credentials: give webhook, or domain and "
                     "access_token, or set BITRIX24_WEBHOOK");
  if (kind != B24_OK) return kind;
  auth->account =
      account_of(auth->token != NULL ? auth->token : auth->address.code);
  b24__buf_init(&origin, alloc, ORIGIN_CAP);
  kind = b24__address_write_origin(&origin, &auth->address);
  if (kind == B24_OK)
    auth->origin = b24__strndup(alloc, b24__buf_str(&origin), origin.size);
  b24__buf_dispose(&origin);
  if (auth->origin == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  return B24_OK;
}

void b24__auth_dispose(b24_auth *auth) {
  if (auth->token != NULL) {
    size_t length = strlen(auth->token); /* the wiped token has none */
    b24__wipe(auth->token, length);
    b24__free(auth->alloc, auth->token, length + 1);
  }
  b24__strfree(auth->alloc, auth->origin);
  b24__address_dispose(&auth->address);
  b24__redact_dispose(&auth->secrets);
  auth->token = auth->origin = NULL;
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

b24_kind b24__auth_sign(b24_signed *out, const b24_auth *auth,
                        const char *method, int version, const char *body,
                        size_t body_size, b24_error *err) {
  int is_array = body_size > 0 && body[0] == '[';
  b24_kind kind;
  b24__buf_clear(&out->url);
  b24__buf_clear(&out->body);
  b24__buf_clear(&out->header);
  kind = b24__address_write(&out->url, &auth->address, version, method,
                            strlen(method));
  if (kind == B24_OK && auth->token != NULL) {
    if (!is_array) {
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
  return b24__fail(err, kind, B24_SENT_NO, "not enough memory");
}

b24_kind b24__auth_redact(b24_buf *out, const b24_auth *auth,
                          const char *text, size_t size) {
  return b24__redact_write(out, &auth->secrets, text, size);
}
