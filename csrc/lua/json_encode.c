/*
 * json_encode.c - decides what a Lua value is in JSON, and refuses what has
 * no JSON form, naming where it stands. Equal tables become equal bytes:
 * fields.c puts keys in order.
 * Invariant: tables are read raw and no code of the caller runs.
 */
#include <math.h>
#include <string.h>

#include "../core/alloc.h"
#include "../core/base64.h"
#include "fields.h"
#include "json.h"

#define DEPTH_MAX 100
#define KEY_SHOWN_MAX 60

/* What a table is. The names are json.lua's, the values of `kinds`. */
typedef enum kind { PLAIN, ARRAY, OBJECT, ORDERED, FILE_CONTENT } kind;

typedef struct level {
  const struct level *above;
  const void *table;
  int depth;
} level;

typedef struct encoder {
  lua_State *L;
  lb24_out out;
  int depth_max;
  int is_params; /* whole floats go out as integers: 10 / 2 is the id 5 */
  int message; /* stack index: why it failed */
  int path;    /* stack index: where, grown from the inside out */
} encoder;

/* Stack slots that one level may use besides its keys. */
#define SLOTS 12

static int encode_value(encoder *e, const lb24_shape *s, const level *above);

/* ---- failures: 0 is returned all the way up, each level adds its step -- */

static int refuse(encoder *e, const char *message) {
  luaL_checkstack(e->L, 4, NULL);
  lua_pushstring(e->L, message);
  lua_replace(e->L, e->message);
  return 0;
}

/* Put what is on top of the stack before the path [-1, +0]; returns 0. */
static int prepend(encoder *e) {
  lua_pushvalue(e->L, e->path);
  lua_concat(e->L, 2);
  lua_replace(e->L, e->path);
  return 0;
}

static int is_identifier(const char *name, size_t size) {
  static const char letters[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
  if (size == 0 || size > KEY_SHOWN_MAX || strchr(letters, name[0]) == NULL)
    return 0;
  for (size_t i = 0; i < size; i++)
    if (name[i] == '\0' || (strchr(letters, name[i]) == NULL &&
                            (name[i] < '0' || name[i] > '9')))
      return 0;
  return 1;
}

/* .name, or ["odd name"] with everything that is not printable escaped. */
static int at_key(encoder *e, const char *name, size_t size) {
  char text[4 * KEY_SHOWN_MAX + 16];
  size_t n = 0;
  luaL_checkstack(e->L, 4, NULL);
  if (is_identifier(name, size)) {
    lua_pushfstring(e->L, ".%s", name);
    return prepend(e);
  }
  text[n++] = '[';
  text[n++] = '"';
  for (size_t i = 0; i < size && i < KEY_SHOWN_MAX; i++) {
    unsigned char byte = (unsigned char)name[i];
    if (byte < 0x20 || byte >= 0x7F || byte == '"' || byte == '\\')
      n += (size_t)snprintf(text + n, 5, "\\x%02X", byte);
    else
      text[n++] = (char)byte;
  }
  for (int dots = 0; size > KEY_SHOWN_MAX && dots < 3; dots++)
    text[n++] = '.';
  text[n++] = '"';
  text[n++] = ']';
  lua_pushlstring(e->L, text, n);
  return prepend(e);
}

static int at_index(encoder *e, lua_Integer index) {
  luaL_checkstack(e->L, 4, NULL);
  lua_pushfstring(e->L, "[%I]", (LUAI_UACINT)index);
  return prepend(e);
}

/* ---- tables ------------------------------------------------------------ */

static int encode_string(encoder *e, const char *bytes, size_t size) {
  if (lb24_out_string(&e->out, bytes, size)) return 1;
  return refuse(e, "is not valid UTF-8; the portal would refuse the whole "
                   "request for it");
}

/* Write `"name":value`; the key is at stack index `slot`, the value on top.
 */
static int encode_field(encoder *e, const lb24_shape *s, const level *here,
                        const lb24_field *field) {
  lb24_shape child;
  int ok;
  if (!lb24_out_string(&e->out, field->name, field->size)) {
    refuse(e, "has a name that is not valid UTF-8; the portal would refuse "
              "the whole request for it");
    return at_key(e, field->name, field->size);
  }
  lb24_out_byte(&e->out, ':');
  lb24_shape_field(e->L, &child, s, field->slot, field->name, field->size);
  lua_insert(e->L, -2); /* children value */
  if (child.children != 0) child.children = lua_gettop(e->L) - 1;
  ok = encode_value(e, &child, here);
  if (!ok) return at_key(e, field->name, field->size);
  lua_pop(e->L, 2);
  return 1;
}

/* The table at `table` has `count` string keys and no others. */
static int encode_object(encoder *e, int table, const lb24_shape *s,
                         const level *here, size_t count) {
  lua_State *L = e->L;
  lb24_fields fields;
  if (!lb24_fields_read(L, &fields, table, count, SLOTS))
    return refuse(e, "has too many fields");
  lb24_out_byte(&e->out, '{');
  for (size_t i = 0; i < fields.count; i++) {
    if (i > 0) lb24_out_byte(&e->out, ',');
    lua_pushvalue(L, fields.items[i].slot);
    lua_rawget(L, table);
    if (!encode_field(e, s, here, &fields.items[i])) return 0;
  }
  lb24_out_byte(&e->out, '}');
  lua_settop(L, table);
  return 1;
}

static int encode_array(encoder *e, int table, const lb24_shape *s,
                        const level *here, lua_Integer count) {
  lb24_shape item = {0, s->is_root ? 0 : s->children, 0};
  lb24_out_byte(&e->out, '[');
  for (lua_Integer i = 1; i <= count; i++) {
    if (i > 1) lb24_out_byte(&e->out, ',');
    lua_rawgeti(e->L, table, i);
    if (!encode_value(e, &item, here)) return at_index(e, i);
    lua_pop(e->L, 1);
  }
  lb24_out_byte(&e->out, ']');
  return 1;
}

/* A sequence of {name, value}; `seen` finds a name that comes twice. */
static int encode_ordered(encoder *e, int table, const lb24_shape *s,
                          const level *here) {
  lua_State *L = e->L;
  lua_Integer count = (lua_Integer)lua_rawlen(L, table);
  int seen;
  lua_newtable(L);
  seen = lua_gettop(L);
  lb24_out_byte(&e->out, '{');
  for (lua_Integer i = 1; i <= count; i++) {
    lb24_field field;
    if (i > 1) lb24_out_byte(&e->out, ',');
    if (lua_rawgeti(L, table, i) != LUA_TTABLE ||
        lua_rawgeti(L, -1, 1) != LUA_TSTRING) {
      refuse(e, "is not a pair {name, value}");
      return at_index(e, i);
    }
    field.name = lua_tolstring(L, -1, &field.size); /* pair name */
    field.slot = lua_gettop(L);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, seen) != LUA_TNIL) {
      refuse(e, "is named twice");
      return at_key(e, field.name, field.size);
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushboolean(L, 1);
    lua_rawset(L, seen);
    lua_rawgeti(L, -2, 2); /* pair name value */
    if (!encode_field(e, s, here, &field)) return 0;
    lua_pop(L, 2);
  }
  lb24_out_byte(&e->out, '}');
  lua_settop(L, table);
  return 1;
}

/* ["name","base64"], the pair that file fields take
 * (api-reference/files/how-to-upload-files). read_file(file) is a function
 * of json.lua: -> content, or nil and why there is none. */
static int encode_file(encoder *e, int table) {
  lua_State *L = e->L;
  const char *bytes;
  size_t size, needed;
  int ok;
  lua_pushliteral(L, "name");
  lua_rawget(L, table);
  bytes = lua_tolstring(L, -1, &size);
  if (bytes == NULL) return refuse(e, "is a file without a name");
  lb24_out_byte(&e->out, '[');
  ok = encode_string(e, bytes, size);
  if (!ok) return 0;
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, table);
  lua_call(L, 1, 2);
  if (lua_type(L, -2) != LUA_TSTRING) {
    lua_pushfstring(L, "cannot be read: %s", luaL_tolstring(L, -1, NULL));
    lua_replace(L, e->message);
    return 0;
  }
  bytes = lua_tolstring(L, -2, &size);
  needed = b24__base64_size(size);
  lb24_out_add(&e->out, ",\"", 2);
  b24__base64_encode(lb24_out_room(&e->out, needed), bytes, size);
  e->out.size += needed;
  lb24_out_add(&e->out, "\"]", 2);
  lua_settop(L, table);
  return 1;
}

/* The key on top of the stack is no name. A key that is a table is the private
 * one of an object, of a batch's reference for one: that is said instead. */
static int refuse_key(encoder *e, int table) {
  lua_State *L = e->L;
  const char *sort = lua_isnumber(L, -1) ? "fraction" : luaL_typename(L, -1);
  if (lua_istable(L, -1) &&
      luaL_getmetafield(L, table, "__name") == LUA_TSTRING)
    lua_pushfstring(L, "is a %s, which JSON has no form for",
                    lua_tostring(L, -1));
  else
    lua_pushfstring(L, "has a key that is a %s; names must be strings", sort);
  lua_replace(L, e->message);
  return 0;
}

/* Count the keys of a plain, array or object table by their sort, and
 * refuse those that JSON has no place for. */
static int count_keys(encoder *e, int table, size_t *names,
                      lua_Integer *items) {
  lua_State *L = e->L;
  lua_Integer largest = 0;
  *names = 0;
  *items = 0;
  lua_pushnil(L);
  while (lua_next(L, table) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      ++*names;
    } else if (lua_isinteger(L, -1)) {
      lua_Integer key = lua_tointeger(L, -1);
      if (key < 1) {
        refuse(e, "is at an index below 1");
        return at_index(e, key);
      }
      if (key > largest) largest = key;
      ++*items;
    } else {
      return refuse_key(e, table);
    }
  }
  if (*names > 0 && *items > 0)
    return refuse(e, "mixes a sequence with named keys");
  if (largest != *items)
    return refuse(e, "has holes in its sequence; null fills them, and ids "
                     "as names are strings");
  return 1;
}

/* What json.lua made the table on top of the stack, by its metatable. */
static kind kind_of(lua_State *L) {
  static const char *const names[] = {"plain", "array", "object", "ordered",
                                      "file"};
  kind found = PLAIN;
  const char *name;
  if (!lua_getmetatable(L, -1)) return PLAIN;
  lua_rawget(L, lua_upvalueindex(1));
  name = lua_tostring(L, -1);
  for (int i = PLAIN; name != NULL && i <= FILE_CONTENT; i++)
    if (strcmp(name, names[i]) == 0) found = (kind)i;
  lua_pop(L, 1);
  return found;
}

/* The table on top of the stack [-0, +0]. */
static int encode_table(encoder *e, const lb24_shape *s, const level *above) {
  lua_State *L = e->L;
  int table = lua_gettop(L);
  level here = {above, lua_topointer(L, table),
                above == NULL ? 1 : above->depth + 1};
  size_t names;
  lua_Integer items;
  kind what;
  for (const level *l = above; l != NULL; l = l->above)
    if (l->table == here.table) return refuse(e, "contains itself");
  if (here.depth > e->depth_max) {
    lua_pushfstring(L, "is nested more than %d levels deep", e->depth_max);
    lua_replace(L, e->message);
    return 0;
  }
  luaL_checkstack(L, SLOTS, NULL);
  what = kind_of(L);
  if (what == ORDERED) return encode_ordered(e, table, s, &here);
  if (what == FILE_CONTENT) return encode_file(e, table);
  if (!count_keys(e, table, &names, &items)) return 0;
  if (what == ARRAY && names > 0)
    return refuse(e, "is an array and cannot have named keys");
  if (what == OBJECT && items > 0)
    return refuse(e, "is an object and cannot be a sequence");
  if (what == ARRAY || items > 0 ||
      (what == PLAIN && names == 0 && s->array))
    return encode_array(e, table, s, &here, items);
  return encode_object(e, table, s, &here, names);
}

/* The value on top of the stack [-0, +0]; after a failure the stack holds
 * more. */
static int encode_value(encoder *e, const lb24_shape *s, const level *above) {
  lua_State *L = e->L;
  lua_Number number;
  lua_Integer whole;
  int is_whole;
  const char *bytes;
  size_t size;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      bytes = lua_tolstring(L, -1, &size);
      return encode_string(e, bytes, size);
    case LUA_TTABLE: return encode_table(e, s, above);
    case LUA_TNUMBER:
      whole = lua_tointegerx(L, -1, &is_whole);
      if (is_whole && (e->is_params || lua_isinteger(L, -1))) {
        lb24_out_integer(&e->out, whole);
        return 1;
      }
      number = lua_tonumber(L, -1);
      if (isnan(number)) return refuse(e, "is not a number (NaN)");
      if (isinf(number)) return refuse(e, "is infinite");
      lb24_out_float(&e->out, number);
      return 1;
    case LUA_TBOOLEAN:
      if (lua_toboolean(L, -1))
        lb24_out_add(&e->out, "true", 4);
      else
        lb24_out_add(&e->out, "false", 5);
      return 1;
    case LUA_TLIGHTUSERDATA:
      if (lua_touserdata(L, -1) == NULL) {
        lb24_out_add(&e->out, "null", 4);
        return 1;
      }
      return refuse(e, "is a userdata, which JSON has no form for");
    case LUA_TNIL: return refuse(e, "is nil; send null instead");
    default:
      luaL_checkstack(L, 4, NULL);
      lua_pushfstring(L, "is a %s, which JSON has no form for",
                      luaL_typename(L, -1));
      lua_replace(L, e->message);
      return 0;
  }
}

/* encode(value, shape, root, depth) -> text, or nil, path, message. What has a
 * root is a call's parameters. */
static int json_encode(lua_State *L) {
  encoder e;
  lb24_shape root = {0, 0, 1};
  const char *name = luaL_optstring(L, 3, "params");
  e.is_params = !lua_isnoneornil(L, 3);
  e.depth_max = (int)luaL_optinteger(L, 4, DEPTH_MAX);
  lua_settop(L, 3);
  if (lua_istable(L, 2)) root.children = 2;
  e.L = L;
  lua_pushnil(L);
  e.message = lua_gettop(L);
  lua_pushliteral(L, "");
  e.path = lua_gettop(L);
  lb24_out_init(&e.out, L);
  lua_pushvalue(L, 1);
  if (encode_value(&e, &root, NULL)) {
    lua_pushlstring(L, e.out.data, e.out.size);
    b24__wipe(e.out.data, e.out.size); /* it may be of tokens */
    return 1;
  }
  b24__wipe(e.out.data, e.out.size);
  luaL_checkstack(L, 4, NULL);
  luaL_pushfail(L);
  lua_pushfstring(L, "%s%s", name, lua_tostring(L, e.path));
  lua_pushvalue(L, e.message);
  return 3;
}

int lb24_json_encoder(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  lua_pushcclosure(L, json_encode, 2);
  return 1;
}
