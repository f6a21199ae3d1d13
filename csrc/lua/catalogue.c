/*
 * catalogue.c - core.catalogue: the table of documented methods for Lua.
 *
 * Rows become tables when they are asked for; nothing is kept here. No C
 * resource is held, so Lua errors may pass anywhere.
 */
#include "../core/catalogue.h"
#include "lb24.h"

static const char *const kind_names[] = {
    "other", "list", "get", "add", "update", "delete", "fields"};
static const char *const result_names[] = {
    NULL, "array", "object", "boolean", "integer", "string", "null", "file"};
static const char *const style_names[] = {
    "none", "start", "offset", "last_id", "page", "cursor", "limit"};

static const struct {
  const char *name;
  b24_method_trait trait;
} trait_names[] = {
    {"write", B24_TRAIT_WRITE},
    {"app_context", B24_TRAIT_APP_CONTEXT},
    {"deprecated", B24_TRAIT_DEPRECATED},
    {"positional", B24_TRAIT_POSITIONAL},
    {"body_array", B24_TRAIT_BODY_ARRAY},
    {"items_map", B24_TRAIT_ITEMS_MAP},
    {"no_envelope", B24_TRAIT_NO_ENVELOPE},
    {"binary", B24_TRAIT_BINARY},
    {"total", B24_TRAIT_TOTAL},
    {"next", B24_TRAIT_NEXT},
    {"empty_array", B24_TRAIT_EMPTY_ARRAY},
    {"overlap", B24_TRAIT_OVERLAP},
    {"keyset", B24_TRAIT_KEYSET},
    {"no_batch", B24_TRAIT_NO_BATCH},
};

/* [-0, +0] Set a field of the table on top; an absent text stays nil. */
static void set_text(lua_State *L, const char *key, const char *text) {
  if (text == NULL || text[0] == '\0') return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, key);
}

/* [-0, +0] Likewise; 0 = not documented. */
static void set_count(lua_State *L, const char *key, int count) {
  if (count == 0) return;
  lua_pushinteger(L, count);
  lua_setfield(L, -2, key);
}

/* [-0, +1] */
static void push_row(lua_State *L, const b24_method *method) {
  lua_createtable(L, 0, 32);
  set_text(L, "name", method->name);
  set_count(L, "version", method->version);
  set_text(L, "kind", kind_names[method->kind]);
  set_text(L, "result", result_names[method->result]);
  set_text(L, "page_style", style_names[method->page_style]);
  set_count(L, "page_size", method->page_size);
  set_count(L, "max_page_size", method->max_page_size);
  set_text(L, "page_param", method->page_param);
  set_text(L, "page_also", method->page_also);
  set_text(L, "items_key", method->items_key);
  set_text(L, "item_key", method->item_key);
  set_text(L, "id_field", method->id_field);
  set_text(L, "keyset_id", method->keyset_id);
  set_text(L, "more_keys", method->more_keys);
  set_text(L, "scope", method->scope);
  set_text(L, "replacement", method->replacement);
  set_text(L, "needs", method->needs);
  set_text(L, "params", method->params);
  set_text(L, "doc", method->doc);
  for (size_t i = 0; i < sizeof trait_names / sizeof trait_names[0]; i++) {
    lua_pushboolean(L, (method->traits & (unsigned)trait_names[i].trait) != 0);
    lua_setfield(L, -2, trait_names[i].name);
  }
}

/* find(name [, version]) -> row or nil */
static int catalogue_find(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 1, &length);
  lua_Integer version = luaL_optinteger(L, 2, 0);
  b24_method method;
  if (version != 0 && version != 2 && version != 3) return 0;
  if (!b24_catalogue_find(&method, name, length, (int)version)) return 0;
  push_row(L, &method);
  return 1;
}

/* at(index) -> row or nil; from 1, in sorted order */
static int catalogue_at(lua_State *L) {
  lua_Integer index = luaL_checkinteger(L, 1);
  b24_method method;
  if (index < 1 || (lua_Unsigned)index > b24_catalogue_count()) return 0;
  if (!b24_catalogue_at(&method, (size_t)(index - 1))) return 0;
  push_row(L, &method);
  return 1;
}

/* name_at(index) -> name, version, or nothing past the end */
static int catalogue_name_at(lua_State *L) {
  lua_Integer index = luaL_checkinteger(L, 1);
  b24_method method;
  if (index < 1 || (lua_Unsigned)index > b24_catalogue_count()) return 0;
  if (!b24_catalogue_at(&method, (size_t)(index - 1))) return 0;
  lua_pushstring(L, method.name);
  lua_pushinteger(L, method.version);
  return 2;
}

/* count() -> integer */
static int catalogue_count(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)b24_catalogue_count());
  return 1;
}

/* has_prefix(path) -> is there a method below it? */
static int catalogue_has_prefix(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  lua_pushboolean(L, b24_catalogue_has_prefix(path, length));
  return 1;
}

/* closest(name [, n]) -> sequence of names, best first */
static int catalogue_closest(lua_State *L) {
  const char *names[16];
  size_t length, count;
  const char *name = luaL_checklstring(L, 1, &length);
  lua_Integer most = luaL_optinteger(L, 2, 3);
  if (most < 0) most = 0;
  if (most > 16) most = 16;
  count = b24_catalogue_closest(names, (size_t)most, name, length);
  lua_createtable(L, (int)count, 0);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

int lb24_open_catalogue(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"find", catalogue_find},       {"at", catalogue_at},
      {"name_at", catalogue_name_at}, {"count", catalogue_count},
      {"has_prefix", catalogue_has_prefix},
      {"closest", catalogue_closest}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
