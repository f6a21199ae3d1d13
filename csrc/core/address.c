/*
 * address.c - decides what may be called: which texts are the address of a
 * portal, where plain http is allowed, what can be the name of a method.
 *
 * Invariants: a parsed address holds nothing that would need escaping in a
 * URL, and no message quotes the text that was refused.
 */
#include "address.h"

#include "error.h"
#include "redact.h"

#include <stdio.h>
#include <string.h>

#define HOST_MAX 253
#define LABEL_MAX 63
#define USER_MAX 18
#define CODE_MAX 128

#define REFUSE(err, ...) b24__fail(err, B24_CONFIG, B24_SENT_NO, __VA_ARGS__)

/* A piece of the text that is being parsed. */
typedef struct span {
  const char *text;
  size_t size;
} span;

typedef struct origin {
  int https;
  span host; /* with brackets, not yet lower-cased */
  int port;  /* 0 = the scheme's own */
  span rest; /* path, query and fragment */
} origin;

/* ---- characters, without the locale ------------------------------------ */

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int is_alnum(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int same_word(span s, const char *word) {
  size_t i = 0;
  for (; i < s.size && word[i] != '\0'; i++)
    if (lower(s.text[i]) != word[i]) return 0;
  return i == s.size && word[i] == '\0';
}

static span cut(span s, size_t from) {
  span rest = {s.text + from, s.size - from};
  return rest;
}

/* How many leading bytes are none of `stops`. */
static size_t until(span s, const char *stops) {
  size_t i = 0;
  while (i < s.size && strchr(stops, s.text[i]) == NULL) i++;
  return i;
}

/* Take the next part of a path ("/part"), without its slash. */
static span next_part(span *path) {
  span part;
  if (path->size > 0) *path = cut(*path, 1);
  part = *path;
  part.size = until(*path, "/");
  *path = cut(*path, part.size);
  return part;
}

/* ---- hosts ------------------------------------------------------------- */

static int is_ipv6(span inside) {
  size_t colons = 0;
  for (size_t i = 0; i < inside.size; i++) {
    char c = lower(inside.text[i]);
    if (c == ':')
      colons++;
    else if (!is_digit(c) && !(c >= 'a' && c <= 'f') && c != '.')
      return 0;
  }
  return colons >= 2 && colons <= 7 && inside.size <= 45;
}

static int is_name(span host) {
  size_t label = 0;
  if (host.size == 0 || host.size > HOST_MAX) return 0;
  for (size_t i = 0; i < host.size; i++) {
    char c = host.text[i];
    int last = i + 1 == host.size || host.text[i + 1] == '.';
    if (c == '.') {
      if (label == 0) return 0;
      label = 0;
      continue;
    }
    if (!is_alnum(c) && c != '_' && c != '-') return 0;
    if (c == '-' && (label == 0 || last)) return 0;
    if (++label > LABEL_MAX) return 0;
  }
  return label > 0;
}

/* 127.a.b.c and nothing that merely begins so: 127.example.com is a name. */
static int is_loopback_v4(const char *host) {
  int parts = 0;
  for (;;) {
    int value = 0;
    int digits = 0;
    for (; is_digit(*host) && digits < 4; host++, digits++)
      value = value * 10 + (*host - '0');
    if (digits == 0 || digits > 3 || value > 255) return 0;
    if (parts == 0 && value != 127) return 0;
    parts++;
    if (*host == '\0') return parts == 4;
    if (*host++ != '.') return 0;
  }
}

/* ::1, also as 0:0:0:0:0:0:0:1. */
static int is_loopback_v6(span host) {
  size_t i = 0;
  size_t colons = 0;
  for (; i + 1 < host.size; i++) {
    if (host.text[i] == ':')
      colons++;
    else if (host.text[i] != '0')
      return 0;
  }
  return colons >= 2 && host.text[i] == '1' && host.text[i - 1] != '0';
}

int b24__address_is_loopback(const char *host) {
  static const char tail[] = ".localhost";
  span s = {host, strlen(host)};
  if (s.size >= 2 && s.text[0] == '[') {
    s = cut(s, 1);
    s.size--;
  }
  if (same_word(s, "localhost")) return 1;
  if (s.size >= sizeof tail &&
      same_word(cut(s, s.size - (sizeof tail - 1)), tail))
    return 1;
  return is_loopback_v4(host) || is_loopback_v6(s);
}

static int span_is_loopback(span host) {
  char name[HOST_MAX + 3];
  if (host.size >= sizeof name) return 0;
  memcpy(name, host.text, host.size);
  name[host.size] = '\0';
  return b24__address_is_loopback(name);
}

/* ---- scheme, host, port ------------------------------------------------ */

/* Surrounding white space off; nothing else unprintable may be inside. */
static b24_kind trim(span *out, const char *text, size_t most,
                     const char *what, b24_error *err) {
  span s = {text, strlen(text)};
  while (s.size > 0 && strchr(" \t\r\n", s.text[0]) != NULL) s = cut(s, 1);
  while (s.size > 0 && strchr(" \t\r\n", s.text[s.size - 1]) != NULL) s.size--;
  if (s.size == 0)
    return REFUSE(err, "%s is empty: give the address of the portal", what);
  if (s.size > most)
    return REFUSE(err, "%s is too long for an address (more than %d bytes)",
                  what, (int)most);
  for (size_t i = 0; i < s.size; i++) {
    if (s.text[i] <= 0x20 || s.text[i] > 0x7e || s.text[i] == '\\')
      return REFUSE(err,
                    "%s has a space, control character or letter that no "
                    "address has: copy it again from the portal (a "
                    "non-Latin host as xn--...)",
                    what);
  }
  *out = s;
  return B24_OK;
}

static b24_kind take_scheme(origin *out, span *s, int needed,
                            const char *what, b24_error *err) {
  size_t at = until(*s, ":/?#");
  span word = {s->text, at};
  out->https = 1;
  if (s->size - at < 3 || memcmp(s->text + at, "://", 3) != 0) {
    if (!needed) return B24_OK;
    return REFUSE(err, "%s is not a whole address: it begins with https://",
                  what);
  }
  if (same_word(word, "http"))
    out->https = 0;
  else if (!same_word(word, "https"))
    return REFUSE(err, "%s must begin with https://", what);
  *s = cut(*s, at + 3);
  return B24_OK;
}

static b24_kind take_port(origin *out, span digits, const char *what,
                          b24_error *err) {
  long port = 0;
  for (size_t i = 0; i < digits.size && port <= 65535; i++) {
    if (!is_digit(digits.text[i])) port = 65536;
    port = port * 10 + (digits.text[i] - '0');
  }
  if (digits.size == 0 || port < 1 || port > 65535)
    return REFUSE(err, "%s: after the host's colon comes a port, 1 to 65535",
                  what);
  out->port = port == (out->https ? 443 : 80) ? 0 : (int)port;
  return B24_OK;
}

static b24_kind take_origin(origin *out, span s, int scheme_needed,
                            int insecure, const char *what, b24_error *err) {
  span authority;
  size_t host_size;
  b24_kind kind = take_scheme(out, &s, scheme_needed, what, err);
  if (kind != B24_OK) return kind;
  authority.text = s.text;
  authority.size = until(s, "/?#");
  out->rest = cut(s, authority.size);
  if (until(authority, "@") < authority.size)
    return REFUSE(err, "%s must not hold a user name or password (user@host)",
                  what);
  if (authority.size > 0 && authority.text[0] == '[') {
    host_size = until(authority, "]");
    if (host_size == authority.size ||
        !is_ipv6((span){authority.text + 1, host_size - 1}))
      return REFUSE(err, "%s: what is in brackets is not an IPv6 address",
                    what);
    host_size++;
  } else {
    host_size = until(authority, ":");
    if (host_size == 0)
      return REFUSE(err, "%s has no host: give e.g. example.bitrix24.com",
                    what);
    if (!is_name((span){authority.text, host_size}))
      return REFUSE(err, "%s: that is not a host, e.g. example.bitrix24.com",
                    what);
  }
  out->host = (span){authority.text, host_size};
  out->port = 0;
  authority = cut(authority, host_size);
  if (authority.size > 0) {
    if (authority.text[0] != ':')
      return REFUSE(err, "%s: after the host comes / or a port", what);
    kind = take_port(out, cut(authority, 1), what, err);
    if (kind != B24_OK) return kind;
  }
  if (!out->https && !insecure && !span_is_loopback(out->host))
    return REFUSE(err,
                  "%s: plain http would show the credentials to everybody on "
                  "the way: use https:// (or insecure = true)",
                  what);
  return B24_OK;
}

/* ---- webhook and domain ------------------------------------------------ */

static int is_user(span s) {
  if (s.size == 0 || s.size > USER_MAX || s.text[0] == '0') return 0;
  for (size_t i = 0; i < s.size; i++)
    if (!is_digit(s.text[i])) return 0;
  return 1;
}

/* A code has no dots: /rest/1/crm.deal.list is an address without one. */
static int is_code(span s) {
  if (s.size == 0 || s.size > CODE_MAX) return 0;
  for (size_t i = 0; i < s.size; i++)
    if (!is_alnum(s.text[i]) && s.text[i] != '_' && s.text[i] != '-') return 0;
  return 1;
}

static b24_kind split_webhook(span *user, span *code, span path,
                              b24_error *err) {
  static const char copy[] =
      "copy the whole address, https://HOST/rest/USER/CODE/, from the "
      "portal's page of the inbound webhook";
  span part;
  path.size = until(path, "?#");
  part = next_part(&path);
  if (!(part.size == 4 && memcmp(part.text, "rest", 4) == 0))
    return REFUSE(err, "webhook has no /rest/ after the host: %s", copy);
  part = next_part(&path);
  if (part.size == 3 && memcmp(part.text, "api", 3) == 0)
    part = next_part(&path);
  if (!is_user(part))
    return REFUSE(err, "webhook has no user number after /rest/: %s", copy);
  *user = part;
  *code = next_part(&path);
  if (code->size == 0)
    return REFUSE(err, "webhook ends before its code: %s", copy);
  if (!is_code(*code))
    return REFUSE(err, "webhook has no code after the user number: %s", copy);
  part = next_part(&path);
  if (part.size > 0 &&
      b24__address_check_method(part.text, part.size, NULL) != B24_OK)
    return REFUSE(err, "webhook: what follows the code is not the name of a "
                       "method: end the address after the code");
  if (path.size > 1)
    return REFUSE(err, "webhook goes on after the method: end the address "
                       "after the code");
  return B24_OK;
}

static char *copy_span(const b24_alloc *alloc, span s) {
  return b24__strndup(alloc, s.text, s.size);
}

static b24_kind fill(b24_address *out, const origin *from, const span *user,
                     const span *code, b24_error *err) {
  out->https = from->https;
  out->port = from->port;
  out->host = copy_span(out->alloc, from->host);
  if (user != NULL) out->user_id = copy_span(out->alloc, *user);
  if (code != NULL) out->code = copy_span(out->alloc, *code);
  if (out->host == NULL || (user != NULL && out->user_id == NULL) ||
      (code != NULL && out->code == NULL)) {
    b24__address_dispose(out);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  for (char *c = out->host; *c != '\0'; c++) *c = lower(*c);
  return B24_OK;
}

static void start(b24_address *out, const b24_alloc *alloc) {
  memset(out, 0, sizeof *out);
  out->alloc = alloc;
}

b24_kind b24__address_parse_webhook(b24_address *out, const b24_alloc *alloc,
                                    const char *text, int insecure,
                                    b24_error *err) {
  origin from;
  span s, user = {0}, code = {0};
  b24_kind kind;
  start(out, alloc);
  kind = trim(&s, text, B24_ADDRESS_MAX, "webhook", err);
  if (kind == B24_OK)
    kind = take_origin(&from, s, 0, insecure, "webhook", err);
  if (kind == B24_OK) kind = split_webhook(&user, &code, from.rest, err);
  if (kind != B24_OK) return kind;
  return fill(out, &from, &user, &code, err);
}

b24_kind b24__address_parse_domain(b24_address *out, const b24_alloc *alloc,
                                   const char *text, int insecure,
                                   b24_error *err) {
  origin from;
  span s;
  b24_kind kind;
  start(out, alloc);
  kind = trim(&s, text, B24_ADDRESS_MAX, "domain", err);
  if (kind == B24_OK) kind = take_origin(&from, s, 0, insecure, "domain", err);
  if (kind != B24_OK) return kind;
  s = from.rest;
  if (s.size > 0 && !same_word(s, "/") && !same_word(s, "/rest") &&
      !same_word(s, "/rest/"))
    return REFUSE(err, "domain is a host alone, e.g. example.bitrix24.com: "
                       "leave off what follows it (an address with a code is "
                       "a webhook)");
  return fill(out, &from, NULL, NULL, err);
}

void b24__address_dispose(b24_address *address) {
  b24__secret_free(address->alloc, address->code);
  b24__strfree(address->alloc, address->user_id);
  b24__strfree(address->alloc, address->host);
  address->host = address->user_id = address->code = NULL;
}

b24_kind b24__address_check_method(const char *method, size_t size,
                                   b24_error *err) {
  size_t part = 0;
  if (size == 0)
    return REFUSE(err, "the method has no name: give e.g. crm.deal.list");
  if (size > B24_METHOD_MAX)
    return REFUSE(err, "a method's name has at most %d characters",
                  B24_METHOD_MAX);
  for (size_t i = 0; i < size; i++) {
    char c = method[i];
    if (c == '.') {
      if (part == 0 || i + 1 == size)
        return REFUSE(err, "a method's name has no empty part between dots: "
                           "give e.g. crm.deal.list");
      part = 0;
    } else if (is_alnum(c) || c == '_' || c == '-') {
      part++;
    } else {
      return REFUSE(err, "a method's name is letters, digits, dots, _ and -: "
                         "give e.g. crm.deal.list");
    }
  }
  return B24_OK;
}

b24_kind b24__address_move(b24_address *address, const char *to,
                           int insecure, b24_error *err) {
  b24_address moved;
  origin from;
  span s;
  b24_kind kind = trim(&s, to, B24_LINK_MAX, "the portal's new address", err);
  if (kind == B24_OK)
    kind = take_origin(&from, s, 0, insecure, "the portal's new address", err);
  if (kind != B24_OK) return kind;
  if (from.rest.size > 0 && !same_word(from.rest, "/") &&
      !(from.rest.size >= 5 && memcmp(from.rest.text, "/rest", 5) == 0))
    return REFUSE(err, "the portal's new address has no /rest/ after the "
                       "host");
  /* A host alone was taken for https; plain http to the very same port, which
   * is one of loopback then, is what the tokens know of it. */
  if (address->https && !from.https && !insecure &&
      !(from.port != 0 && from.port == address->port &&
        same_word(from.host, address->host)))
    return REFUSE(err, "the portal's new address is plain http");
  start(&moved, address->alloc);
  kind = fill(&moved, &from, NULL, NULL, err);
  if (kind != B24_OK) return kind;
  b24__strfree(address->alloc, address->host);
  address->host = moved.host;
  address->port = moved.port;
  address->https = moved.https;
  return B24_OK;
}

b24_kind b24__address_check_link(const char *link, int insecure,
                                 b24_error *err) {
  origin from;
  span s;
  b24_kind kind = trim(&s, link, B24_LINK_MAX, "the link", err);
  if (kind != B24_OK) return kind;
  if (s.size != strlen(link))
    return REFUSE(err, "the link has spaces around it: leave them off");
  return take_origin(&from, s, 1, insecure, "the link", err);
}

/* ---- writing ----------------------------------------------------------- */

/* Append texts up to a NULL; nothing is left of them when one fails. */
static b24_kind put_all(b24_buf *out, const char *const *texts) {
  size_t before = out->size;
  b24_kind kind = B24_OK;
  for (; *texts != NULL && kind == B24_OK; texts++)
    kind = b24__buf_puts(out, *texts);
  if (kind != B24_OK && out->data != NULL) {
    out->size = before;
    out->data[before] = '\0';
  }
  return kind;
}

b24_kind b24__address_write_origin(b24_buf *out, const b24_address *address) {
  char port[16] = "";
  const char *texts[4];
  if (address->port != 0)
    (void)snprintf(port, sizeof port, ":%d", address->port);
  texts[0] = address->https ? "https://" : "http://";
  texts[1] = address->host;
  texts[2] = port;
  texts[3] = NULL;
  return put_all(out, texts);
}

b24_kind b24__address_write(b24_buf *out, const b24_address *address,
                            int version, const char *method, size_t size) {
  size_t before = out->size;
  const char *texts[6];
  int n = 0;
  b24_kind kind = b24__address_check_method(method, size, NULL);
  if (kind != B24_OK) return kind;
  texts[n++] = version == 3 ? "/rest/api/" : "/rest/";
  if (address->code != NULL) {
    texts[n++] = address->user_id;
    texts[n++] = "/";
    texts[n++] = address->code;
    texts[n++] = "/";
  }
  texts[n] = NULL;
  kind = b24__address_write_origin(out, address);
  if (kind == B24_OK) kind = put_all(out, texts);
  if (kind == B24_OK) kind = b24__buf_append(out, method, size);
  if (kind != B24_OK && out->data != NULL) {
    out->size = before;
    out->data[before] = '\0';
  }
  return kind;
}
