/*
 * page.c - page cursors for Lua: core.page.new and core.page.fingerprint.
 *
 * The cursor lives in a userdata that is closed until its metatable stands,
 * and takes its memory from the Lua state. Invariant: no Lua error is raised
 * while the core is on the stack; nothing but the userdata owns anything.
 */
#include <string.h>

#include "../core/page.h"
#include "lb24.h"

#define CURSOR "bitrix24.page"
#define DEPTH_MAX 64

typedef struct cursor {
  b24_page page;
  b24_alloc alloc;
  lua_Alloc lua_alloc;
  void *lua_ud;
  int open;
} cursor;

static void *state_realloc(void *ud, void *ptr, size_t old_size,
                           size_t size) {
  cursor *c = ud;
  return c->lua_alloc(c->lua_ud, ptr, old_size, size);
}

static const char *const style_names[] = {"none",    "start", "offset",
                                          "last_id", "page",  "cursor",
                                          "limit",   NULL};
static const b24_page_style styles[] = {
    B24_PAGE_NONE, B24_PAGE_START,  B24_PAGE_OFFSET, B24_PAGE_LAST_ID,
    B24_PAGE_PAGE, B24_PAGE_CURSOR, B24_PAGE_LIMIT};

/* [-0, +0] An integer field of the table at `index`; 1 when it is there. A
 * number that is no integer does not count as present. */
static int integer_field(lua_State *L, int index, const char *name,
                         int64_t *out) {
  int isnum;
  lua_Integer value;
  lua_getfield(L, index, name);
  value = lua_tointegerx(L, -1, &isnum);
  lua_pop(L, 1);
  if (isnum) *out = (int64_t)value;
  return isnum;
}

/* [-0, +0] */
static int true_field(lua_State *L, int index, const char *name) {
  int value;
  lua_getfield(L, index, name);
  value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

/* new(options) -> cursor [-1, +1] */
static int page_new(lua_State *L) {
  b24_page_options options;
  b24_error err;
  cursor *c;
  luaL_checktype(L, 1, LUA_TTABLE);
  memset(&options, 0, sizeof options);
  lua_getfield(L, 1, "style");
  options.style = styles[luaL_checkoption(L, -1, "none", style_names)];
  lua_pop(L, 1);
  integer_field(L, 1, "first", &options.first);
  integer_field(L, 1, "first_page", &options.first_page);
  integer_field(L, 1, "asked", &options.asked);
  integer_field(L, 1, "size", &options.size);
  options.overlap = true_field(L, 1, "overlap");
  options.next_documented = true_field(L, 1, "next_documented");
  options.end_mark = true_field(L, 1, "end_mark");
  options.exact = true_field(L, 1, "exact");
  options.unordered = true_field(L, 1, "unordered");
  c = lua_newuserdatauv(L, sizeof *c, 0);
  memset(c, 0, sizeof *c);
  luaL_setmetatable(L, CURSOR);
  c->lua_alloc = lua_getallocf(L, &c->lua_ud);
  c->alloc.realloc = state_realloc;
  c->alloc.ud = c;
  options.alloc = &c->alloc;
  if (b24_page_init(&c->page, &options, &err) != B24_OK)
    return luaL_error(L, "%s", err.message);
  c->open = 1;
  return 1;
}

/* [-0, +1] The facts of one answer; the cursor's text stays on the stack,
 * because the facts borrow it. */
static void read_facts(lua_State *L, int index, b24_page_facts *facts) {
  int64_t fingerprint = 0;
  memset(facts, 0, sizeof *facts);
  integer_field(L, index, "count", &facts->count);
  facts->has_next = integer_field(L, index, "next", &facts->next);
  facts->has_total = integer_field(L, index, "total", &facts->total);
  facts->has_last_id = integer_field(L, index, "last_id", &facts->last_id);
  integer_field(L, index, "fingerprint", &fingerprint);
  facts->fingerprint = (uint64_t)fingerprint;
  lua_getfield(L, index, "more");
  if (lua_isboolean(L, -1))
    facts->more = lua_toboolean(L, -1) ? B24_MORE_YES : B24_MORE_NO;
  lua_pop(L, 1);
  lua_getfield(L, index, "cursor");
  if (lua_type(L, -1) == LUA_TSTRING)
    facts->cursor = lua_tolstring(L, -1, &facts->cursor_size);
}

/* cursor:advance(facts) -> "more", position | "end" | "truncated" | nil,
 * message; and third, whether the records are an earlier page's [-2, +3] */
static int page_advance(lua_State *L) {
  cursor *c = luaL_checkudata(L, 1, CURSOR);
  b24_page_facts facts;
  b24_page_step step;
  b24_error err;
  b24_kind kind;
  luaL_checktype(L, 2, LUA_TTABLE);
  if (!c->open) return luaL_error(L, "the page cursor is closed");
  read_facts(L, 2, &facts);
  kind = b24_page_advance(&step, &c->page, &facts, &err);
  if (kind == B24_NOMEM) {
    lua_gc(L, LUA_GCCOLLECT);
    kind = b24_page_advance(&step, &c->page, &facts, &err);
    if (kind == B24_NOMEM) return luaL_error(L, "not enough memory");
  }
  if (kind != B24_OK) {
    lua_pushnil(L);
    lua_pushstring(L, err.message);
    lua_pushboolean(L, step.repeated);
    return 3;
  }
  if (step.verdict != B24_PAGE_MORE) {
    lua_pushstring(L, step.verdict == B24_PAGE_END ? "end" : "truncated");
    lua_pushnil(L);
    lua_pushboolean(L, step.repeated);
    return 3;
  }
  lua_pushliteral(L, "more");
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)step.offset);
  lua_setfield(L, -2, "offset");
  lua_pushinteger(L, (lua_Integer)step.page);
  lua_setfield(L, -2, "page");
  lua_pushinteger(L, (lua_Integer)step.last_id);
  lua_setfield(L, -2, "last_id");
  lua_pushboolean(L, step.announced);
  lua_setfield(L, -2, "announced");
  lua_pushboolean(L, step.repeated);
  return 3;
}

static int page_close(lua_State *L) {
  cursor *c = luaL_checkudata(L, 1, CURSOR);
  if (c->open) {
    c->open = 0;
    b24_page_dispose(&c->page);
  }
  return 0;
}

/* ---- fingerprints ------------------------------------------------------ */

/* [-0, +0] Hash of the value at `index`. Tables are hashed by content, their
 * keys in no order; what lies deeper than DEPTH_MAX does not count. */
static uint64_t hash_value(lua_State *L, int index, int depth) {
  int type = lua_type(L, index);
  unsigned char tag = (unsigned char)type;
  uint64_t hash = b24_page_hash(0, &tag, 1), sum = 0, pair;
  lua_Number number;
  size_t size;
  const char *text;
  int truth;
  switch (type) {
    case LUA_TBOOLEAN:
      truth = lua_toboolean(L, index);
      return b24_page_hash(hash, &truth, sizeof truth);
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        lua_Integer integer = lua_tointeger(L, index);
        return b24_page_hash(hash, &integer, sizeof integer);
      }
      number = lua_tonumber(L, index);
      return b24_page_hash(hash, &number, sizeof number);
    case LUA_TSTRING:
      text = lua_tolstring(L, index, &size);
      return b24_page_hash(hash, text, size);
    case LUA_TTABLE:
      if (depth >= DEPTH_MAX) return hash;
      luaL_checkstack(L, 4, "page too deep");
      index = lua_absindex(L, index);
      for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        pair = hash_value(L, -2, depth + 1);
        pair = b24_page_hash(pair, "=", 1) ^
               (hash_value(L, -1, depth + 1) * UINT64_C(0x9e3779b97f4a7c15));
        sum += b24_page_hash(0, &pair, sizeof pair);
      }
      return b24_page_hash(hash, &sum, sizeof sum);
    default: return hash;
  }
}

/* [-0, +1] The identifier of the record on top, or nil. */
static int push_id(lua_State *L, const char *field) {
  int type;
  if (!lua_istable(L, -1)) {
    lua_pushnil(L);
    return LUA_TNIL;
  }
  lua_pushstring(L, field);
  lua_rawget(L, -2);
  type = lua_type(L, -1);
  return type == LUA_TNUMBER || type == LUA_TSTRING ? type : LUA_TNIL;
}

/* [-0, +0] Hash of the records at index 1, by one field or as a whole. 0
 * when a record lacks the field, or all are alike: then a page cannot be
 * told from another one. */
static uint64_t hash_records(lua_State *L, lua_Integer count,
                             const char *field) {
  uint64_t hash = 0, first = 0, one;
  int differ = field != NULL && count == 1;
  lua_Integer i;
  for (i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, i);
    if (field != NULL && push_id(L, field) == LUA_TNIL) {
      lua_pop(L, 2);
      return 0;
    }
    one = hash_value(L, -1, 0);
    lua_pop(L, field != NULL ? 2 : 1);
    if (i == 1) first = one;
    if (one != first) differ = 1;
    hash = b24_page_hash(hash, &one, sizeof one);
  }
  return differ ? hash : 0;
}

/* fingerprint(records, id_field?) -> integer, 0 = cannot tell [-2, +1] */
static int page_fingerprint(lua_State *L) {
  const char *field = luaL_optstring(L, 2, NULL);
  lua_Integer count;
  uint64_t hash = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkstack(L, 8, NULL);
  count = (lua_Integer)lua_rawlen(L, 1);
  if (field != NULL) hash = hash_records(L, count, field);
  if (hash == 0) hash = hash_records(L, count, "id");
  if (hash == 0) hash = hash_records(L, count, "ID");
  if (hash == 0) hash = hash_records(L, count, NULL);
  lua_pushinteger(L, (lua_Integer)hash);
  return 1;
}

static const luaL_Reg methods[] = {{"advance", page_advance}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", page_close}, {"__close", page_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"new", page_new}, {"fingerprint", page_fingerprint}, {NULL, NULL}};

int lb24_open_page(lua_State *L) {
  if (luaL_newmetatable(L, CURSOR)) {
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
  luaL_newlib(L, functions);
  return 1;
}
