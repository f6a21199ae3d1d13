/*
 * error.c - failures are values in the caller's storage.
 * Invariant: `message` is always terminated and never ends inside a UTF-8
 * sequence; nothing here allocates.
 */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cut a message that filled the buffer back to a whole UTF-8 character. */
static void cut_at_character(char *text, size_t length) {
  size_t at = length;
  while (at > 0 && ((unsigned char)text[at - 1] & 0xC0u) == 0x80u) at--;
  if (at > 0 && (unsigned char)text[at - 1] >= 0xC0u) text[at - 1] = '\0';
}

void b24__error_set(b24_error *err, b24_kind kind, b24_sent sent,
                    const char *format, ...) {
  va_list args;
  int length;
  if (err == NULL) return;
  err->kind = kind;
  err->sent = sent;
  va_start(args, format);
  length = vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  if (length < 0) err->message[0] = '\0';
  if (length >= (int)sizeof err->message)
    cut_at_character(err->message, sizeof err->message - 1);
}

void b24__error_clear(b24_error *err) {
  if (err == NULL) return;
  err->kind = B24_OK;
  err->sent = B24_SENT_NO;
  err->message[0] = '\0';
}

const char *b24_kind_name(b24_kind kind) {
  switch (kind) {
    case B24_OK: return "ok";
    case B24_CONFIG: return "config";
    case B24_NETWORK: return "network";
    case B24_PROTOCOL: return "protocol";
    case B24_AUTH: return "auth";
    case B24_LIMIT: return "limit";
    case B24_APIERROR: return "api";
    case B24_CANCELLED: return "cancelled";
    case B24_NOMEM: return "nomem";
  }
  return "unknown";
}
