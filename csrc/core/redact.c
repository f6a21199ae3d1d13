/*
 * redact.c - replaces secrets by ***, those it was given and those it can
 * tell by their surroundings.
 *
 * Invariant: a byte of the text is written only when no occurrence of any
 * secret covers it. Occurrences may overlap: all of them are masked, so it
 * does not matter which is found first.
 */
#include "redact.h"

#include <string.h>

/* The shortest beginning of a secret that is masked at the end of a text. */
#define PREFIX_MIN 4

/* How a secret may be spelled. One occurrence keeps to one of them: deciding
 * anew for each character would make "%25" ambiguous. */
typedef enum spelling { PLAIN, PERCENT, JSON, SPELLINGS } spelling;

/* ---- the set ----------------------------------------------------------- */

void b24__redact_init(b24_redact *set, const b24_alloc *alloc) {
  memset(set, 0, sizeof *set);
  set->alloc = alloc;
}

static int worth_hiding(const b24_redact *set, const char *text,
                        size_t size) {
  size_t stars = 0;
  while (stars < size && text[stars] == '*') stars++;
  if (stars == size) return 0; /* the mask itself could not be written */
  for (size_t i = 0; i < set->count; i++)
    if (set->secrets[i].size == size &&
        memcmp(set->secrets[i].text, text, size) == 0)
      return 0;
  return 1;
}

static int is_break(char c) { return c == '\r' || c == '\n'; }

static b24_kind add(b24_redact *set, const char *text, size_t size,
                    int passing) {
  char *copy;
  while (size > 0 && is_break(text[size - 1])) size--;
  for (; size > 0 && is_break(*text); size--) text++;
  if (!worth_hiding(set, text, size)) return B24_OK;
  if (set->count == set->capacity) {
    size_t wanted = set->capacity == 0 ? 4 : set->capacity * 2;
    b24_secret *grown = b24__realloc(set->alloc, set->secrets,
                                     set->capacity * sizeof *grown,
                                     wanted * sizeof *grown);
    if (grown == NULL) return B24_NOMEM;
    set->secrets = grown;
    set->capacity = wanted;
  }
  copy = b24__strndup(set->alloc, text, size);
  if (copy == NULL) return B24_NOMEM;
  set->secrets[set->count].text = copy;
  set->secrets[set->count].size = size;
  set->secrets[set->count].passing = passing;
  set->count++;
  return B24_OK;
}

b24_kind b24__redact_add(b24_redact *set, const char *text, size_t size) {
  return add(set, text, size, 0);
}

static void forget(const b24_redact *set, b24_secret *secret) {
  b24__wipe(secret->text, secret->size);
  b24__free(set->alloc, secret->text, secret->size + 1);
}

/* One that was known already is the newest from now on. */
static void renew(b24_redact *set, const char *text, size_t size) {
  for (size_t i = 0; i + 1 < set->count; i++) {
    b24_secret known = set->secrets[i];
    if (!known.passing || known.size != size ||
        memcmp(known.text, text, size) != 0)
      continue;
    memmove(&set->secrets[i], &set->secrets[i + 1],
            (set->count - i - 1) * sizeof known);
    set->secrets[set->count - 1] = known;
    return;
  }
}

b24_kind b24__redact_add_passing(b24_redact *set, const char *text,
                                 size_t size) {
  size_t oldest = SIZE_MAX;
  size_t passing = 0;
  b24_kind kind = add(set, text, size, 1);
  if (kind != B24_OK) return kind;
  renew(set, text, size);
  for (size_t i = 0; i < set->count; i++) {
    if (!set->secrets[i].passing) continue;
    passing++;
    if (oldest == SIZE_MAX) oldest = i;
  }
  if (passing <= B24_PASSING_MAX) return B24_OK;
  forget(set, &set->secrets[oldest]);
  set->count--;
  memmove(&set->secrets[oldest], &set->secrets[oldest + 1],
          (set->count - oldest) * sizeof *set->secrets);
  return B24_OK;
}

void b24__redact_dispose(b24_redact *set) {
  for (size_t i = 0; i < set->count; i++) forget(set, &set->secrets[i]);
  b24__free(set->alloc, set->secrets, set->capacity * sizeof *set->secrets);
  set->secrets = NULL;
  set->count = set->capacity = 0;
}

/* ---- occurrences of known secrets -------------------------------------- */

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Do two hexadecimal digits stand for `c`? */
static int hex_is(const char *digits, char c) {
  int high = hex_digit(digits[0]);
  int low = hex_digit(digits[1]);
  return high >= 0 && low >= 0 &&
         (char)(unsigned char)(high * 16 + low) == c;
}

/* Bytes that `c` takes at text[0..left), 0 when something else is there. */
static size_t percent_size(const char *text, size_t left, char c) {
  if (left >= 5 && memcmp(text, "%25", 3) == 0 && hex_is(text + 3, c) &&
      c != '%')
    return 5;
  if (left >= 3 && text[0] == '%' && hex_is(text + 1, c)) return 3;
  if (text[0] == '+' && c == ' ') return 1;
  return text[0] == c && c != '%' ? 1 : 0;
}

static size_t json_size(const char *text, size_t left, char c) {
  if (text[0] != '\\') return text[0] == c ? 1 : 0;
  if (left >= 2 && text[1] == c && strchr("\"\\/", c) != NULL) return 2;
  if (left >= 6 && memcmp(text, "\\u00", 4) == 0 && hex_is(text + 4, c))
    return 6;
  if (left >= 7 && memcmp(text, "\\\\u00", 5) == 0 && hex_is(text + 5, c))
    return 7; /* JSON in JSON */
  return 0;
}

/* Of a line break, also of one that JSON shows as \\n. */
static size_t break_size(const char *text, size_t left) {
  if (is_break(text[0])) return 1;
  if (left < 2 || text[0] != '\\') return 0;
  return text[1] == 'r' || text[1] == 'n' ? 2 : 0;
}

/* Length of the secret's occurrence at the start of the text, 0 = none. A
 * text that ends within the secret counts from PREFIX_MIN characters on. */
static size_t occurrence(const char *text, size_t left,
                         const b24_secret *secret, spelling how) {
  size_t at = 0;
  for (size_t i = 0; i < secret->size; i++) {
    char c = secret->text[i];
    size_t step;
    /* mail and terminals break long lines anywhere */
    while (i > 0 && at < left && text[at] != c) {
      size_t size = break_size(text + at, left - at);
      if (size == 0) break;
      at += size;
    }
    if (at == left) return i >= PREFIX_MIN ? at : 0;
    if (how == PERCENT)
      step = percent_size(text + at, left - at, c);
    else if (how == JSON)
      step = json_size(text + at, left - at, c);
    else
      step = text[at] == c ? 1 : 0;
    /* and may have put the secret's own elsewhere */
    if (step == 0 && is_break(c)) continue;
    if (step == 0) {
      /* an escape that was cut in the middle at the end of the text */
      int cut = (text[at] == '%' && how == PERCENT && left - at < 5) ||
                (text[at] == '\\' && how == JSON && left - at < 6);
      return cut && i >= PREFIX_MIN ? left : 0;
    }
    at += step;
  }
  return at;
}

/* The longest occurrence of any secret at the start of the text. */
static size_t known_secret(const b24_redact *set, const char *text,
                           size_t left) {
  size_t longest = 0;
  for (size_t i = 0; i < set->count; i++) {
    const b24_secret *secret = &set->secrets[i];
    if (text[0] != secret->text[0] && text[0] != '%' && text[0] != '\\' &&
        text[0] != '+')
      continue;
    for (int how = PLAIN; how < SPELLINGS; how++) {
      size_t size = occurrence(text, left, secret, (spelling)how);
      if (size > longest) longest = size;
    }
  }
  return longest;
}

/* ---- credentials by their surroundings --------------------------------- */

static int is_digit(char c) { return c >= '0' && c <= '9'; }

static int is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         c == '_';
}

/* What a token, a code or a form value is made of. */
static int is_value(char c) {
  return is_word(c) || (c != '\0' && strchr("-.~+/=%*:$!@|", c) != NULL);
}

static int same(const char *text, const char *lower, size_t size) {
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
    if (c != lower[i]) return 0;
  }
  return 1;
}

/* Does text[0..at) end so? Case does not matter. */
static int ends(const char *text, size_t at, const char *lower) {
  size_t size = strlen(lower);
  return at >= size && same(text + at - size, lower, size);
}

/* Step back over one of the spellings, listed up to a NULL; 1 when stepped. */
static int back_over(const char *text, size_t *at,
                     const char *const *spellings) {
  for (; *spellings != NULL; spellings++) {
    if (!ends(text, *at, *spellings)) continue;
    *at -= strlen(*spellings);
    return 1;
  }
  return 0;
}

static void back_over_spaces(const char *text, size_t *at) {
  while (*at > 0 && text[*at - 1] == ' ') (*at)--;
}

/* Is the word that ends at `at` the name of a credential? */
static int is_credential_name(const char *text, size_t at) {
  size_t from = at;
  size_t size;
  while (from > 0 && is_word(text[from - 1])) from--;
  if (from >= 1 && at - from > 2 && text[from - 1] == '%' &&
      hex_digit(text[from]) >= 0 && hex_digit(text[from + 1]) >= 0)
    from += 2; /* the end of an escape: auth%5Baccess_token */
  size = at - from;
  if (size == 4 && same(text + from, "auth", 4)) return 1;
  if (size == 5 && same(text + from, "token", 5)) return 1;
  return ends(text + from, size, "_token") ||
         ends(text + from, size, "_secret");
}

static const char *const quotes[] = {"\\\"", "\"", "'", NULL};

/* The end of a value that begins at `at`: of a quoted one its quote. */
static size_t value_end(const char *text, size_t size, size_t at,
                        char quote) {
  while (at < size) {
    if (quote == '\0' && !is_value(text[at])) break;
    if (quote != '\0' && text[at] == quote) break;
    if (text[at] == '\\' && at + 1 < size) {
      if (text[at + 1] == quote) break;
      at++;
    }
    at++;
  }
  return at < size ? at : size;
}

/* name=value, name = "value", "name":"value", \"name\":\"value\". Inside of a
 * plain value, which ends at *plain_end, others end where it does: they are
 * passed by, or "token=token=..." would take the square of its length. */
static size_t named_value(const char *text, size_t size, size_t at,
                          size_t *plain_end) {
  static const char *const assigns[] = {"=", "%3d", NULL};
  static const char *const closes[] = {"]", "%5d", "\\\"", "\"", "'", NULL};
  size_t back = at;
  int quoted = back_over(text, &back, quotes);
  char quote = quoted ? text[at - 1] : '\0';
  size_t end;
  if (at < *plain_end) return 0;
  back_over_spaces(text, &back);
  if (back_over(text, &back, assigns)) {
    back_over_spaces(text, &back);
    (void)back_over(text, &back, closes);
  } else {
    if (back == 0 || text[back - 1] != ':') return 0;
    back--;
    back_over_spaces(text, &back);
    /* prose has no quotes: "invalid token: expired" */
    if (!back_over(text, &back, quotes) && !quoted) return 0;
  }
  if (!is_credential_name(text, back)) return 0;
  end = value_end(text, size, at, quote);
  if (!quoted) *plain_end = end;
  return end - at;
}

/* /rest/N/CODE and /rest/api/N/CODE, slashes also as \/ or %2F. */
static size_t webhook_code(const char *text, size_t size, size_t at) {
  static const char *const slashes[] = {"\\/", "/", "%2f", NULL};
  size_t back = at;
  size_t end = at;
  size_t digits = 0;
  if (!back_over(text, &back, slashes)) return 0;
  while (back > 0 && is_digit(text[back - 1])) {
    /* the "2" of an escape %2F is followed by F, so it is none of these */
    back--;
    digits++;
  }
  if (digits == 0 || !back_over(text, &back, slashes)) return 0;
  if (ends(text, back, "api")) {
    back -= 3;
    if (!back_over(text, &back, slashes)) return 0;
  }
  if (!ends(text, back, "rest")) return 0;
  back -= 4;
  if (!back_over(text, &back, slashes)) return 0;
  while (end < size && (is_word(text[end]) || text[end] == '-' ||
                        text[end] == '.' || text[end] == '~'))
    end++;
  return end - at;
}

static size_t bearer_token(const char *text, size_t size, size_t at) {
  size_t back = at;
  back_over_spaces(text, &back);
  if (back == at || !ends(text, back, "bearer")) return 0;
  if (back > 6 && is_word(text[back - 7])) return 0;
  return value_end(text, size, at, '\0') - at;
}

/* user:password of ://user:password@host. */
static size_t user_info(const char *text, size_t size, size_t at) {
  size_t user = 0;
  if (!ends(text, at, "://")) return 0;
  for (size_t i = at; i < size && strchr("/?# \t\r\n\"'<>", text[i]) == NULL;
       i++)
    if (text[i] == '@') user = i - at;
  return user;
}

/* Length of a credential that begins at `at`, 0 = none does. */
static size_t shaped_secret(const char *text, size_t size, size_t at,
                            size_t *plain_end) {
  char before;
  size_t length;
  if (at == 0) return 0;
  before = text[at - 1];
  if (before == '/' || before == 'F' || before == 'f') {
    length = webhook_code(text, size, at);
    if (length == 0) length = user_info(text, size, at);
    if (length > 0) return length;
  }
  if (before == ' ') {
    if (text[at] == ' ') return 0;
    length = bearer_token(text, size, at);
    if (length > 0) return length;
  }
  if (before == '=' || before == ':' || before == '"' || before == '\'' ||
      before == ' ' || before == 'D' || before == 'd')
    return named_value(text, size, at, plain_end);
  return 0;
}

/* ---- writing ----------------------------------------------------------- */

/* Append what fits; `*full` is set when something did not. */
static b24_kind put(b24_buf *out, const char *bytes, size_t size,
                    int *full) {
  size_t room = out->cap > out->size ? out->cap - out->size : 0;
  if (*full) return B24_OK;
  if (size > room) {
    *full = 1;
    size = room;
    while (size > 0 && ((unsigned char)bytes[size] & 0xC0u) == 0x80u) size--;
  }
  return b24__buf_append(out, bytes, size);
}

b24_kind b24__redact_write(b24_buf *out, const b24_redact *set,
                           const char *text, size_t size) {
  size_t before = out->size;
  size_t plain = 0;  /* where the text not yet written begins */
  size_t masked = 0; /* everything before this is masked or written */
  size_t plain_end = 0;
  int full = 0;
  b24_kind kind = B24_OK;
  for (size_t at = 0; at < size && kind == B24_OK && !full; at++) {
    size_t length = known_secret(set, text + at, size - at);
    size_t shaped = shaped_secret(text, size, at, &plain_end);
    if (shaped > length) length = shaped;
    if (length == 0) continue;
    if (at >= masked) {
      int joined = at == masked && masked > 0;
      kind = put(out, text + plain, at - plain, &full);
      if (kind == B24_OK && !joined)
        kind = put(out, B24_MASK, sizeof B24_MASK - 1, &full);
    }
    if (at + length > masked) masked = plain = at + length;
  }
  if (kind == B24_OK && plain < size)
    kind = put(out, text + plain, size - plain, &full);
  if (kind == B24_OK) return B24_OK;
  if (out->data != NULL) {
    out->size = before;
    out->data[before] = '\0';
  }
  return B24_NOMEM;
}
