/*
 * query.c - the parameters of a batch command as a query (core/query.c knows
 * the spelling). Decides nothing: what a query cannot say exactly gives nil,
 * and the command is sent alone.
 * Invariant: tables are read raw; a writer's memory belongs to a userdata, so
 * that an error of Lua frees it. A finalizer may run in the middle of an
 * encoding and encode something itself: it gets a writer of its own.
 */
#include "query.h"

#include <string.h>

#include "fields.h"
#include "lb24.h"

#define QUERY_CAP 2000000
#define DEPTH_MAX 60
#define STEPS_MAX 16
#define SLOTS 8

typedef struct writer {
  b24_alloc alloc; /* of the state, by way of writer_realloc */
  b24_alloc state;
  int starved;
  b24_buf out;
  b24_query query;
  int busy;
} writer;

static int put_value(lua_State *L, b24_query *q, int kinds, int depth);

/* How many keys, and are they 1..n (1), all strings (0), or neither (-1)? */
static int classify(lua_State *L, int table, lua_Integer *count) {
  lua_Integer integers = 0;
  lua_Integer highest = 0;
  lua_Integer strings = 0;
  lua_pushnil(L);
  while (lua_next(L, table) != 0) {
    lua_pop(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) {
      strings++;
    } else if (lua_isinteger(L, -1) && lua_tointeger(L, -1) > 0) {
      lua_Integer key = lua_tointeger(L, -1);
      integers++;
      if (key > highest) highest = key;
    } else {
      lua_pop(L, 1);
      return -1;
    }
  }
  *count = integers + strings;
  if (strings == 0) return highest == integers ? 1 : -1;
  return integers == 0 ? 0 : -1;
}

static int put_array(lua_State *L, b24_query *q, int kinds, int table,
                     lua_Integer count, int depth) {
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, table, i);
    if (b24__query_index(q, i - 1) != B24_OK ||
        !put_value(L, q, kinds, depth))
      return 0;
    lua_pop(L, 1);
  }
  return 1;
}

static int put_object(lua_State *L, b24_query *q, int kinds, int table,
                      lua_Integer count, int depth) {
  lb24_fields fields;
  if (!lb24_fields_read(L, &fields, table, (size_t)count, SLOTS)) return 0;
  for (size_t i = 0; i < fields.count; i++) {
    const lb24_field *field = &fields.items[i];
    lua_pushvalue(L, field->slot);
    lua_rawget(L, table);
    if (b24__query_key(q, field->name, field->size) != B24_OK ||
        !put_value(L, q, kinds, depth))
      return 0;
    lua_pop(L, 1);
  }
  return 1;
}

/* A sequence of {name, value}. */
static int put_ordered(lua_State *L, b24_query *q, int kinds, int table,
                       int depth) {
  lua_Integer count = (lua_Integer)lua_rawlen(L, table);
  for (lua_Integer i = 1; i <= count; i++) {
    const char *name;
    size_t size;
    if (lua_rawgeti(L, table, i) != LUA_TTABLE ||
        lua_rawgeti(L, -1, 1) != LUA_TSTRING)
      return 0;
    name = lua_tolstring(L, -1, &size);
    lua_rawgeti(L, -2, 2); /* pair name value */
    if (b24__query_key(q, name, size) != B24_OK ||
        !put_value(L, q, kinds, depth))
      return 0;
    lua_pop(L, 3);
  }
  return count > 0;
}

/* A reference: its field `steps` is a sequence of names and places. */
static int put_reference(lua_State *L, b24_query *q, int table) {
  b24_query_step steps[STEPS_MAX];
  size_t count = 0;
  int base = lua_gettop(L);
  lua_pushliteral(L, "steps");
  lua_rawget(L, table);
  if (!lua_istable(L, -1)) return 0;
  luaL_checkstack(L, STEPS_MAX + SLOTS, NULL);
  while (count < STEPS_MAX) {
    b24_query_step *step = &steps[count];
    int type = lua_rawgeti(L, base + 1, (lua_Integer)count + 1);
    if (type == LUA_TNIL) break;
    step->text = NULL;
    step->size = 0;
    step->index = 0;
    if (lua_isinteger(L, -1))
      step->index = lua_tointeger(L, -1);
    else if (type == LUA_TSTRING)
      step->text = lua_tolstring(L, -1, &step->size);
    else
      return 0;
    count++;
  }
  if (count == STEPS_MAX || b24__query_ref(q, steps, count) != B24_OK)
    return 0;
  lua_settop(L, base);
  return 1;
}

/* The entries of the table at the top; 0 when a query cannot say them. */
static int put_table(lua_State *L, b24_query *q, int kinds, int depth) {
  int table = lua_gettop(L);
  const char *kind = NULL;
  lua_Integer count = 0;
  int ok;
  int shape;
  luaL_checkstack(L, SLOTS, NULL);
  if (lua_getmetatable(L, table)) {
    lua_rawget(L, kinds);
    kind = lua_tostring(L, -1); /* anchored in kinds */
    lua_pop(L, 1);
  }
  if (kind != NULL && strcmp(kind, "reference") == 0)
    return put_reference(L, q, table);
  if (kind != NULL && strcmp(kind, "file") == 0) return 0;
  if (depth > DEPTH_MAX) return 0;
  if (depth > 0 && b24__query_begin(q) != B24_OK) return 0;
  if (kind != NULL && strcmp(kind, "ordered") == 0) {
    ok = put_ordered(L, q, kinds, table, depth + 1);
  } else {
    shape = classify(L, table, &count);
    ok = shape > 0 ? put_array(L, q, kinds, table, count, depth + 1)
                   : shape == 0 &&
                         put_object(L, q, kinds, table, count, depth + 1);
  }
  lua_settop(L, table);
  if (!ok) return 0;
  return depth == 0 || b24__query_end(q) == B24_OK;
}

/* The value at the top, whose name has been given. */
static int put_value(lua_State *L, b24_query *q, int kinds, int depth) {
  const char *text;
  size_t size;
  lua_Integer whole;
  int is_whole;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING:
      text = lua_tolstring(L, -1, &size);
      return b24__query_string(q, text, size) == B24_OK;
    case LUA_TNUMBER: /* a whole float, too: json_encode.c does the same */
      whole = lua_tointegerx(L, -1, &is_whole);
      if (is_whole) return b24__query_int(q, whole) == B24_OK;
      return b24__query_double(q, lua_tonumber(L, -1)) == B24_OK;
    case LUA_TBOOLEAN:
      return b24__query_bool(q, lua_toboolean(L, -1)) == B24_OK;
    case LUA_TTABLE: return put_table(L, q, kinds, depth);
    default: return 0; /* null among them: a query has no form for it */
  }
}

/* The core's answer is the same for what a query cannot say. */
static void *writer_realloc(void *ud, void *ptr, size_t old, size_t size) {
  writer *w = ud;
  void *block = w->state.realloc(w->state.ud, ptr, old, size);
  if (block == NULL && size > 0) w->starved = 1;
  return block;
}

static int writer_gc(lua_State *L) {
  writer *w = lua_touserdata(L, 1);
  b24__query_dispose(&w->query);
  b24__buf_dispose(&w->out);
  return 0;
}

/* A writer, with a metatable of its own or that of the userdata at index
 * `like`. [-0, +1] */
static writer *push_writer(lua_State *L, int like) {
  writer *w = lua_newuserdatauv(L, sizeof *w, 0);
  memset(w, 0, sizeof *w);
  w->state.realloc = lua_getallocf(L, &w->state.ud);
  w->alloc.realloc = writer_realloc;
  w->alloc.ud = w;
  b24__buf_init(&w->out, &w->alloc, QUERY_CAP);
  b24__query_init(&w->query, &w->alloc, &w->out);
  if (like == 0 || !lua_getmetatable(L, like)) {
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, writer_gc);
    lua_setfield(L, -2, "__gc");
  }
  lua_setmetatable(L, -2);
  return w;
}

/* encode(params) -> query | nil when it must be sent alone. Upvalues: kinds,
 * writer. */
static int query_encode(lua_State *L) {
  writer *w = lua_touserdata(L, lua_upvalueindex(2));
  int ok;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  /* also after an error of Lua, which leaves it busy for ever */
  if (w->busy)
    w = push_writer(L, lua_upvalueindex(2));
  else
    lua_pushnil(L);
  lua_rotate(L, 1, 2); /* kinds writer params */
  w->busy = 1;
  w->starved = 0;
  b24__query_dispose(&w->query);
  b24__buf_clear(&w->out);
  b24__query_init(&w->query, &w->alloc, &w->out);
  lua_pushnil(L);
  ok = lua_next(L, 3) == 0; /* no parameters at all */
  lua_settop(L, 3);
  if (!ok) ok = put_table(L, &w->query, 1, 0);
  if (w->starved) {
    w->busy = 0;
    return luaL_error(L, "not enough memory");
  }
  if (!ok || w->query.flags != 0)
    lua_pushnil(L);
  else
    lua_pushlstring(L, b24__buf_str(&w->out), w->out.size);
  w->busy = 0;
  return 1;
}

/* encoder(kinds) -> encode; `kinds` names what a metatable makes of a table:
 * "array", "object", "ordered", "file", "reference" */
static int query_encoder(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  (void)push_writer(L, 0);
  lua_pushcclosure(L, query_encode, 2);
  return 1;
}

int lb24_open_query(lua_State *L) {
  static const luaL_Reg functions[] = {{"encoder", query_encoder},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
