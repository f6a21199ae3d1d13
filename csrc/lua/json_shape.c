/*
 * json_shape.c - what the catalogue says of a parameter: is it typed as an
 * array, and what are its fields. It decides what an empty table is, because
 * PHP tells `[]` from `{}` where Lua cannot.
 * Invariant: a shape's children stay on the Lua stack while it is in use;
 * shape tables are read raw.
 */
#include <string.h>

#include "json.h"

/* Read {array=, children=} on top of the stack into `child`; the children
 * stay on the stack in its place [-1, +1]. */
static void read_shape(lua_State *L, lb24_shape *child) {
  child->array = child->children = child->is_root = 0;
  if (!lua_istable(L, -1)) return;
  lua_pushliteral(L, "array");
  lua_rawget(L, -2);
  child->array = lua_toboolean(L, -1);
  lua_pop(L, 1);
  lua_pushliteral(L, "children");
  lua_rawget(L, -2);
  lua_remove(L, -2);
  if (lua_istable(L, -1)) child->children = lua_gettop(L);
}

static int same_letters(const char *a, const char *b, size_t size) {
  for (size_t i = 0; i < size; i++) {
    unsigned char x = (unsigned char)a[i], y = (unsigned char)b[i];
    if (x >= 'A' && x <= 'Z') x = (unsigned char)(x + 32);
    if (y >= 'A' && y <= 'Z') y = (unsigned char)(y + 32);
    if (x != y) return 0;
  }
  return 1;
}

/* Push the shape that is called like `name` but for the case of letters, the
 * first in the order of bytes; or nil [-0, +1]. The documentation itself
 * writes one parameter both ways (api-reference/crm/deals/crm-deal-list). */
static void find_caseless(lua_State *L, int children, const char *name,
                          size_t size) {
  const char *best = NULL;
  lua_pushnil(L); /* the best so far */
  lua_pushnil(L);
  while (lua_next(L, children) != 0) { /* best key value */
    if (lua_type(L, -2) == LUA_TSTRING) {
      size_t length;
      const char *other = lua_tolstring(L, -2, &length);
      if (length == size && same_letters(other, name, size) &&
          (best == NULL || memcmp(other, best, size) < 0)) {
        best = other;
        lua_pushvalue(L, -1);
        lua_replace(L, -4);
      }
    }
    lua_pop(L, 1);
  }
}

void lb24_shape_field(lua_State *L, lb24_shape *child,
                      const lb24_shape *shape, int slot, const char *name,
                      size_t size) {
  if (shape->children == 0) {
    child->array = child->children = child->is_root = 0;
    lua_pushnil(L);
    return;
  }
  lua_pushvalue(L, slot);
  if (lua_rawget(L, shape->children) == LUA_TNIL && shape->is_root) {
    lua_pop(L, 1);
    find_caseless(L, shape->children, name, size);
  }
  read_shape(L, child);
}
