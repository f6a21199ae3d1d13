/*
 * json.c - core.json: what JSON needs that neither lua-cjson nor Lua does
 * exactly or fast. `decode` (json_decode.c) reads what is certain. Around a
 * decoder for the rest: `prepare` marks the numbers that it would get wrong,
 * `restore` puts the decoded tables right. Towards the portal: `encoder`
 * (json_encode.c) and `base64`.
 * Invariant: restore only changes tables that the decoder has just made,
 * and recurses no deeper than the decoder may nest them.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "../core/base64.h"
#include "../core/json_scan.h"

/* Deeper than any decoder is allowed to go by json.lua. */
#define DEPTH_MAX 2000

typedef struct restore {
  const char *marker; /* NULL: no number was marked */
  size_t marker_size;
  int integers;   /* integral floats are integers */
  int drop_nulls; /* fields that are null are to be absent ... */
  lua_Integer kept_depth; /* ... from objects nested deeper than this */
} restore;

/* base64(bytes) -> text */
static int json_base64(lua_State *L) {
  luaL_Buffer buffer;
  size_t size, needed;
  const char *bytes = luaL_checklstring(L, 1, &size);
  needed = b24__base64_size(size);
  if (needed == (size_t)-1) return luaL_error(L, "the content is too large");
  b24__base64_encode(luaL_buffinitsize(L, &buffer, needed), bytes, size);
  luaL_pushresultsize(&buffer, needed);
  return 1;
}

/* Push the text with its marked numbers, and the marker [-0, +2]. */
static void push_marked(lua_State *L, const char *text, size_t size,
                        const b24_json_rules *rules,
                        const b24_json_facts *facts) {
  luaL_Buffer buffer;
  b24_json_marker marker;
  size_t needed;
  b24__json_marker_choose(&marker, text, size);
  needed = b24__json_marked_size(facts, size, &marker);
  if (needed == (size_t)-1) luaL_error(L, "the JSON text is too large");
  b24__json_mark(luaL_buffinitsize(L, &buffer, needed), text, size, rules,
                 &marker);
  luaL_pushresultsize(&buffer, needed);
  lua_pushlstring(L, marker.bytes, marker.size);
}

/* prepare(text, floats_only, drop_nulls) -> text, marker | nil, needed
 * Text for a decoder that yields floats only, or integers that saturate;
 * `needed`: restore has something to do. nil, message: malformed. */
static int json_prepare(lua_State *L) {
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  int floats_only = lua_toboolean(L, 2), drop_nulls = lua_toboolean(L, 3);
  /* doubles hold every integer of 15 digits, int64 every one of 18 */
  b24_json_rules rules = {floats_only ? 15 : 18, floats_only};
  b24_json_facts facts;
  b24_error err;
  lua_settop(L, 3);
  if (b24__json_scan(&facts, text, size, &rules, &err) != B24_OK) {
    luaL_pushfail(L);
    lua_pushstring(L, err.message);
    return 2;
  }
  if (facts.marked > 0) {
    push_marked(L, text, size, &rules, &facts);
  } else {
    lua_pushvalue(L, 1);
    lua_pushnil(L);
  }
  lua_pushboolean(L, facts.marked > 0 || (floats_only && facts.numbers) ||
                         (drop_nulls && facts.nulls));
  return 3;
}

/* Push the number that stands behind the marker in the string on top of the
 * stack [-0, +1]; 0 when the string has no marker [-0, +0]. */
static int push_marked_number(lua_State *L, const restore *r) {
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  if (size <= r->marker_size || memcmp(text, r->marker, r->marker_size) != 0)
    return 0;
  text += r->marker_size;
  /* Lua itself reads int64 exactly and the rest as floats; it gives up only
   * on fractions of 200 characters under a locale with a decimal comma */
  if (lua_stringtonumber(L, text) == 0) lua_pushnumber(L, strtod(text, NULL));
  return 1;
}

static void restore_table(lua_State *L, const restore *r, int depth);

/* Push what the value on top of the stack is to be replaced by [-0, +1]; 0
 * when it stays [-0, +0], its own values put right. */
static int push_restored(lua_State *L, const restore *r, int depth) {
  lua_Number number;
  lua_Integer integer;
  switch (lua_type(L, -1)) {
    case LUA_TNUMBER:
      if (!r->integers) return 0;
      number = lua_tonumber(L, -1);
      if (!lua_numbertointeger(number, &integer) ||
          (lua_Number)integer != number)
        return 0;
      lua_pushinteger(L, integer);
      return 1;
    case LUA_TSTRING: return r->marker != NULL && push_marked_number(L, r);
    case LUA_TTABLE: restore_table(L, r, depth + 1); return 0;
    default: return 0;
  }
}

static void restore_array(lua_State *L, const restore *r, int table,
                          lua_Integer length, int depth) {
  for (lua_Integer i = 1; i <= length; i++) {
    lua_rawgeti(L, table, i);
    if (push_restored(L, r, depth)) lua_rawseti(L, table, i);
    lua_pop(L, 1);
  }
}

/* Fields are replaced and removed during the traversal, which lua_next
 * allows; none is added. */
static void restore_object(lua_State *L, const restore *r, int table,
                           int depth) {
  int drop = r->drop_nulls && depth > r->kept_depth;
  lua_pushnil(L);
  while (lua_next(L, table) != 0) { /* key value */
    if (drop && lua_type(L, -1) == LUA_TLIGHTUSERDATA) {
      lua_pushvalue(L, -2);
      lua_pushnil(L);
      lua_rawset(L, table);
    } else if (push_restored(L, r, depth)) {
      lua_pushvalue(L, -3); /* key value new key */
      lua_rotate(L, -2, 1);
      lua_rawset(L, table);
    }
    lua_pop(L, 1);
  }
}

/* Arrays have integer keys, objects string keys, even "1": a table is one
 * or the other. The table is on top of the stack [-0, +0]. */
static void restore_table(lua_State *L, const restore *r, int depth) {
  int table = lua_gettop(L);
  lua_Unsigned length = lua_rawlen(L, table);
  if (depth > DEPTH_MAX) luaL_error(L, "too many nested tables");
  luaL_checkstack(L, 6, "nested JSON");
  if (length > 0)
    restore_array(L, r, table, (lua_Integer)length, depth);
  else
    restore_object(L, r, table, depth);
}

/* restore(value, marker | nil, floats_only, drop_nulls, kept_depth) -> value
 * Changes the tables in place. */
static int json_restore(lua_State *L) {
  restore r;
  r.marker = luaL_optlstring(L, 2, NULL, &r.marker_size);
  r.integers = lua_toboolean(L, 3);
  r.drop_nulls = lua_toboolean(L, 4);
  r.kept_depth = luaL_optinteger(L, 5, 0);
  lua_pushvalue(L, 1);
  (void)push_restored(L, &r, 0);
  return 1;
}

int lb24_open_json(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"base64", json_base64},   {"decode", lb24_json_decode},
      {"prepare", json_prepare}, {"encoder", lb24_json_encoder},
      {"restore", json_restore}, {NULL, NULL},
  };
  luaL_newlib(L, functions);
  return 1;
}
