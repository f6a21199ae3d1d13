/*
 * json_out.c - decides how strings and numbers look in JSON: the shortest
 * correct form, whatever the locale of the host.
 * Invariant: out->data is out->first, or the memory of the userdata at
 * out->box.
 */
#include <string.h>

#include "../core/alloc.h"
#include "../core/number.h"
#include "json.h"

void lb24_out_init(lb24_out *out, lua_State *L) {
  out->L = L;
  lua_pushnil(L);
  out->box = lua_gettop(L);
  out->data = out->first;
  out->size = 0;
  out->capacity = sizeof out->first;
}

char *lb24_out_room(lb24_out *out, size_t size) {
  if (size > out->capacity - out->size) {
    size_t wanted = out->capacity;
    char *grown;
    if (size > (size_t)-1 / 4 - out->size)
      luaL_error(out->L, "the JSON text is too large");
    while (wanted < out->size + size) wanted *= 2;
    grown = lua_newuserdatauv(out->L, wanted, 0);
    memcpy(grown, out->data, out->size);
    b24__wipe(out->data, out->size);
    lua_replace(out->L, out->box);
    out->data = grown;
    out->capacity = wanted;
  }
  return out->data + out->size;
}

void lb24_out_add(lb24_out *out, const char *bytes, size_t size) {
  memcpy(lb24_out_room(out, size), bytes, size);
  out->size += size;
}

void lb24_out_byte(lb24_out *out, char byte) {
  *lb24_out_room(out, 1) = byte;
  out->size++;
}

/* How many bytes the UTF-8 character at `at` has (RFC 3629: shortest form,
 * no surrogates, up to U+10FFFF); 0 when it is none. */
static size_t utf8_length(const unsigned char *at, size_t left) {
  unsigned char first = at[0], low = 0x80, high = 0xBF;
  size_t length;
  if (first >= 0xC2 && first <= 0xDF) {
    length = 2;
  } else if (first >= 0xE0 && first <= 0xEF) {
    length = 3;
    if (first == 0xE0) low = 0xA0;
    if (first == 0xED) high = 0x9F;
  } else if (first >= 0xF0 && first <= 0xF4) {
    length = 4;
    if (first == 0xF0) low = 0x90;
    if (first == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (left < length || at[1] < low || at[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if ((at[i] & 0xC0u) != 0x80u) return 0;
  return length;
}

static void add_escape(lb24_out *out, unsigned char byte) {
  static const char hex[] = "0123456789abcdef";
  char text[6] = {'\\', 'u', '0', '0', '0', '0'};
  const char *form = NULL;
  switch (byte) {
    case '"': form = "\\\""; break;
    case '\\': form = "\\\\"; break;
    case '\b': form = "\\b"; break;
    case '\f': form = "\\f"; break;
    case '\n': form = "\\n"; break;
    case '\r': form = "\\r"; break;
    case '\t': form = "\\t"; break;
    default:
      text[4] = hex[byte >> 4];
      text[5] = hex[byte & 0x0F];
      lb24_out_add(out, text, sizeof text);
      return;
  }
  lb24_out_add(out, form, 2);
}

int lb24_out_string(lb24_out *out, const char *bytes, size_t size) {
  const unsigned char *at = (const unsigned char *)bytes;
  const unsigned char *end = at + size, *run = at;
  lb24_out_byte(out, '"');
  while (at < end) {
    if (*at >= 0x80) {
      size_t length = utf8_length(at, (size_t)(end - at));
      if (length == 0) return 0;
      at += length;
    } else if (*at < 0x20 || *at == '"' || *at == '\\') {
      lb24_out_add(out, (const char *)run, (size_t)(at - run));
      add_escape(out, *at++);
      run = at;
    } else {
      at++;
    }
  }
  lb24_out_add(out, (const char *)run, (size_t)(at - run));
  lb24_out_byte(out, '"');
  return 1;
}

void lb24_out_integer(lb24_out *out, lua_Integer value) {
  char text[B24_NUMBER_MAX];
  lb24_out_add(out, text, b24__number_int(text, value));
}

void lb24_out_float(lb24_out *out, lua_Number value) {
  char text[B24_NUMBER_MAX];
  size_t size = b24__number_double(text, value);
  lb24_out_add(out, text, size);
  if (memchr(text, '.', size) == NULL && memchr(text, 'e', size) == NULL)
    lb24_out_add(out, ".0", 2);
}
