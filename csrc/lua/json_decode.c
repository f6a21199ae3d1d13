/*
 * json_decode.c - core.json.decode: the texts that portals send, made into
 * Lua tables in one pass, with integers that are exact and null fields left
 * out on the way.
 * Invariant: what is decoded here is JSON by RFC 8259, and comes out as it
 * does from lua-cjson with json.c around it. Where that is not certain, and
 * for everything that is not JSON, nothing is returned: then those decide,
 * and word the error. All memory is Lua's, so an error of Lua loses none.
 *
 * No end is looked for but the NUL that Lua puts behind every string: NUL
 * belongs nowhere in JSON, so nothing reads past one. A function that reads
 * returns where it stopped, or NULL: it gave up.
 */
#include <stdint.h>
#include <string.h>

#include "json.h"

/* Deeper than portals nest; each level is a C call. */
#define DEPTH_MAX 64
/* Tables are made for no more fields than this at once. */
#define HINT_MAX 128
/* Integers of so many digits are within int64. */
#define INTEGER_DIGITS 18
/* A text so long holds records, whose names are the same over and over. */
#define RECORDS_MIN 4096
/* A power of two: far more names than a record has. */
#define NAMES 256
/* Longer numbers with a fraction or an exponent are left to others. */
#define FLOAT_MAX 60

typedef struct name {
  const char *bytes; /* in the text */
  size_t size;
} name;

typedef struct decoder {
  lua_State *L;
  int names_at;      /* stack index of a table of strings, 0 = none */
  name names[NAMES]; /* what the strings in that table say */
  int kept_depth;    /* objects nested deeper lose their null fields */
  /* How much the last table of each depth held: records follow one another
   * and are alike. A size is a hint just once, so what is reserved in vain
   * is less than what is in use. */
  int object_hint[DEPTH_MAX + 1];
  int array_hint[DEPTH_MAX + 1];
} decoder;

/* ---- strings ------------------------------------------------------------ */

/* Bytes that a string does not hold as they are: controls, which lua-cjson
 * takes and RFC 8259 does not, the quote and the backslash. */
static const unsigned char special[256] = {
    [0] = 1,  [1] = 1,  [2] = 1,  [3] = 1,  [4] = 1,   [5] = 1,    [6] = 1,
    [7] = 1,  [8] = 1,  [9] = 1,  [10] = 1, [11] = 1,  [12] = 1,   [13] = 1,
    [14] = 1, [15] = 1, [16] = 1, [17] = 1, [18] = 1,  [19] = 1,   [20] = 1,
    [21] = 1, [22] = 1, [23] = 1, [24] = 1, [25] = 1,  [26] = 1,   [27] = 1,
    [28] = 1, [29] = 1, [30] = 1, [31] = 1, ['"'] = 1, ['\\'] = 1,
};

static const char *skip_plain(const char *at) {
  while (!special[(unsigned char)*at]) at++;
  return at;
}

/* The four hexadecimal digits of \uXXXX. */
static const char *read_hex(unsigned *out, const char *at) {
  unsigned code = 0;
  for (int i = 0; i < 4; i++, at++) {
    unsigned digit = (unsigned char)*at;
    if (digit >= '0' && digit <= '9')
      digit -= '0';
    else if ((digit | 0x20u) >= 'a' && (digit | 0x20u) <= 'f')
      digit = (digit | 0x20u) - 'a' + 10;
    else
      return NULL;
    code = code << 4 | digit;
  }
  *out = code;
  return at;
}

/* The character of an escape whose `\u` is before `at`; half a pair alone is
 * none. */
static const char *read_character(unsigned *out, const char *at) {
  unsigned low;
  at = read_hex(out, at);
  if (at == NULL || *out < 0xD800 || *out > 0xDFFF) return at;
  if (*out > 0xDBFF || at[0] != '\\' || at[1] != 'u') return NULL;
  at = read_hex(&low, at + 2);
  if (at == NULL || low < 0xDC00 || low > 0xDFFF) return NULL;
  *out = 0x10000u + ((*out - 0xD800u) << 10) + (low - 0xDC00u);
  return at;
}

static char *put_utf8(char *out, unsigned code) {
  if (code < 0x80) {
    *out++ = (char)code;
    return out;
  }
  if (code < 0x800) {
    *out++ = (char)(0xC0u | code >> 6);
  } else {
    if (code < 0x10000) {
      *out++ = (char)(0xE0u | code >> 12);
    } else {
      *out++ = (char)(0xF0u | code >> 18);
      *out++ = (char)(0x80u | (code >> 12 & 0x3Fu));
    }
    *out++ = (char)(0x80u | (code >> 6 & 0x3Fu));
  }
  *out++ = (char)(0x80u | (code & 0x3Fu));
  return out;
}

/* Write what the escape means whose backslash is before `at`; never more
 * bytes than it has. */
static const char *put_escape(char **out, const char *at) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  const char *found;
  if (*at == 'u') {
    unsigned code;
    at = read_character(&code, at + 1);
    if (at != NULL) *out = put_utf8(*out, code);
    return at;
  }
  found = memchr(from, *at, sizeof from - 1);
  if (found == NULL) return NULL;
  *(*out)++ = to[found - from];
  return at + 1;
}

/* The quote that ends a string, from its first special byte on. */
static const char *find_quote(const char *at) {
  while (*at == '\\') {
    if ((unsigned char)at[1] < ' ') return NULL;
    at = skip_plain(at + 2);
  }
  return *at == '"' ? at : NULL;
}

/* Push a string with escapes, from its first byte `begin` [-0, +1]; `at` is
 * the first byte that is special. Once there is a buffer, a string is pushed
 * even where it gives up: that closes the buffer. */
static const char *push_escaped(lua_State *L, const char *begin,
                                const char *at) {
  luaL_Buffer buffer;
  const char *end = find_quote(at);
  char *out, *bytes;
  if (end == NULL) return NULL;
  out = bytes = luaL_buffinitsize(L, &buffer, (size_t)(end - begin));
  for (;;) {
    memcpy(out, begin, (size_t)(at - begin));
    out += at - begin;
    if (at == end) break;
    begin = put_escape(&out, at + 1);
    if (begin == NULL) break;
    at = skip_plain(begin);
  }
  luaL_pushresultsize(&buffer, (size_t)(out - bytes));
  return begin == NULL ? NULL : end + 1;
}

/* Push the string whose opening quote is before `begin` [-0, +1]. */
static const char *push_string(lua_State *L, const char *begin) {
  const char *at = skip_plain(begin);
  if (*at != '"') return push_escaped(L, begin, at);
  lua_pushlstring(L, begin, (size_t)(at - begin));
  return at + 1;
}

/* Push the name whose opening quote is before `begin` [-0, +1]: a string that
 * was made before where there is one. */
static const char *push_name(decoder *d, const char *begin) {
  const char *at = skip_plain(begin);
  size_t size = (size_t)(at - begin);
  unsigned place;
  name *known;
  if (d->names_at == 0 || *at != '"' || size == 0)
    return push_string(d->L, begin);
  place = (unsigned)size * 5 + (unsigned char)begin[0] * 3u +
          (unsigned char)begin[size / 2] * 7u + (unsigned char)at[-1] * 17u;
  place %= NAMES;
  known = &d->names[place];
  if (known->size == size && memcmp(known->bytes, begin, size) == 0) {
    lua_rawgeti(d->L, d->names_at, (lua_Integer)place + 1);
    return at + 1;
  }
  lua_pushlstring(d->L, begin, size);
  lua_pushvalue(d->L, -1);
  lua_rawseti(d->L, d->names_at, (lua_Integer)place + 1);
  known->bytes = begin;
  known->size = size;
  return at + 1;
}

/* ---- numbers ------------------------------------------------------------ */

static const char *skip_digits(const char *at) {
  while (*at >= '0' && *at <= '9') at++;
  return at;
}

/* Push a number with a fraction or an exponent, which start at `at`. Lua
 * reads it, whatever the decimal point of the locale. */
static const char *push_float(lua_State *L, const char *begin, const char *at) {
  char copy[FLOAT_MAX + 1];
  size_t size;
  if (*at == '.') {
    const char *fraction = at + 1;
    at = skip_digits(fraction);
    if (at == fraction) return NULL;
  }
  if (*at == 'e' || *at == 'E') {
    const char *exponent = at + (at[1] == '+' || at[1] == '-' ? 2 : 1);
    at = skip_digits(exponent);
    if (at == exponent) return NULL;
  }
  size = (size_t)(at - begin);
  if (size > FLOAT_MAX) return NULL;
  memcpy(copy, begin, size);
  copy[size] = '\0';
  return lua_stringtonumber(L, copy) == size + 1 ? at : NULL;
}

static const char *push_number(lua_State *L, const char *begin) {
  int negative = *begin == '-';
  const char *digits = begin + negative, *at = digits;
  uint64_t value = 0;
  while (*at >= '0' && *at <= '9') value = value * 10 + (uint64_t)(*at++ - '0');
  if (at == digits || (*digits == '0' && at - digits > 1)) return NULL;
  if (*at == '.' || *at == 'e' || *at == 'E') return push_float(L, begin, at);
  if (at - digits > INTEGER_DIGITS) return NULL;
  lua_pushinteger(L, negative ? -(lua_Integer)value : (lua_Integer)value);
  return at;
}

/* ---- structure ---------------------------------------------------------- */

static const char *skip_blanks(const char *at) {
  while (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r') at++;
  return at;
}

static const char *skip_word(const char *at, const char *word, size_t size) {
  return strncmp(at, word, size) == 0 ? at + size : NULL;
}

static const char *push_value(decoder *d, const char *at, int depth);

/* Past a comma and to what follows it; to the bracket that closes. */
static const char *next_item(const char *at, char closing) {
  at = skip_blanks(at);
  if (*at == ',') {
    at = skip_blanks(at + 1);
    return *at == closing ? NULL : at;
  }
  return *at == closing ? at : NULL;
}

/* Read `"name": value` into the object on top of the stack [-0, +0];
 * `*is_null`: the field is to be absent. It is set to nil all the same: an
 * earlier one of this name gives way to it. */
static const char *read_field(decoder *d, const char *at, int depth,
                              int *is_null) {
  lua_State *L = d->L;
  if (*at != '"' || (at = push_name(d, at + 1)) == NULL) return NULL;
  at = skip_blanks(at);
  if (*at != ':') return NULL;
  at = skip_blanks(at + 1);
  *is_null = *at == 'n' && depth > d->kept_depth;
  if (*is_null) {
    at = skip_word(at, "null", 4);
    lua_pushnil(L);
  } else {
    at = push_value(d, at, depth);
  }
  if (at != NULL) lua_rawset(L, -3);
  return at;
}

/* Push the object that starts behind `at` [-0, +1]. */
static const char *push_object(decoder *d, const char *at, int depth) {
  int fields = 0, nulls = 0;
  lua_createtable(d->L, 0, d->object_hint[depth]);
  at = skip_blanks(at + 1);
  while (at != NULL && *at != '}') {
    int is_null;
    at = read_field(d, at, depth, &is_null);
    if (at == NULL) return NULL;
    if (is_null && nulls < HINT_MAX / 2) nulls++;
    if (!is_null && fields < HINT_MAX / 2) fields++;
    at = next_item(at, '}');
  }
  /* the next record may lack fewer */
  d->object_hint[depth] = fields + (nulls < fields / 2 ? nulls : fields / 2);
  return at == NULL ? NULL : at + 1;
}

/* Push the array that starts behind `at` [-0, +1]. */
static const char *push_array(decoder *d, const char *at, int depth) {
  lua_Integer length = 0;
  lua_createtable(d->L, d->array_hint[depth], 0);
  at = skip_blanks(at + 1);
  while (at != NULL && *at != ']') {
    at = push_value(d, at, depth);
    if (at == NULL) return NULL;
    lua_rawseti(d->L, -2, ++length);
    at = next_item(at, ']');
  }
  d->array_hint[depth] = length < HINT_MAX ? (int)length : HINT_MAX;
  return at == NULL ? NULL : at + 1;
}

/* Push the table that starts at `at`: room for it, what it holds, and a name
 * and a value of its own [-0, +1]. */
static const char *push_table(decoder *d, const char *at, int depth) {
  if (depth > DEPTH_MAX || !lua_checkstack(d->L, 10)) return NULL;
  return *at == '{' ? push_object(d, at, depth) : push_array(d, at, depth);
}

/* Push the value at `at` that is in a table of this depth, 0 = none
 * [-0, +1]. */
static const char *push_value(decoder *d, const char *at, int depth) {
  switch (*at) {
    case '"': return push_string(d->L, at + 1);
    case '{':
    case '[': return push_table(d, at, depth + 1);
    case 't': lua_pushboolean(d->L, 1); return skip_word(at, "true", 4);
    case 'f': lua_pushboolean(d->L, 0); return skip_word(at, "false", 5);
    case 'n':
      lua_pushlightuserdata(d->L, NULL);
      return skip_word(at, "null", 4);
    default: return push_number(d->L, at);
  }
}

int lb24_json_decode(lua_State *L) {
  decoder d;
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size), *at;
  lua_Integer kept = luaL_optinteger(L, 2, DEPTH_MAX);
  d.L = L;
  d.names_at = 0;
  memset(d.object_hint, 0, sizeof d.object_hint);
  memset(d.array_hint, 0, sizeof d.array_hint);
  if (size >= RECORDS_MIN) {
    memset(d.names, 0, sizeof d.names);
    lua_createtable(L, NAMES, 0);
    d.names_at = lua_gettop(L);
  }
  d.kept_depth = kept < 0 ? 0 : kept > DEPTH_MAX ? DEPTH_MAX : (int)kept;
  at = push_value(&d, skip_blanks(text), 0);
  if (at == NULL || skip_blanks(at) != text + size) return 0;
  return 1;
}
