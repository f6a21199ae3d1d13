/*
 * fields.c - equal tables become equal bytes: fields go out in the order of
 * their names' bytes, not of the locale or of the hash.
 * Invariant: every name points into a string that is on the Lua stack.
 */
#include "fields.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b) {
  const lb24_field *x = a;
  const lb24_field *y = b;
  size_t common = x->size < y->size ? x->size : y->size;
  int order = memcmp(x->name, y->name, common);
  if (order != 0) return order;
  return (x->size > y->size) - (x->size < y->size);
}

int lb24_fields_read(lua_State *L, lb24_fields *out, int table, size_t count,
                     int room) {
  size_t found = 0;
  if (count > 0x7FFFFFF || !lua_checkstack(L, (int)count + room)) return 0;
  out->items = count <= LB24_FEW_FIELDS
                   ? out->few
                   : lua_newuserdatauv(L, count * sizeof *out->items, 0);
  lua_pushnil(L);
  while (found < count && lua_next(L, table) != 0) {
    lua_pop(L, 1);
    out->items[found].name =
        lua_tolstring(L, -1, &out->items[found].size);
    out->items[found].slot = lua_gettop(L);
    found++;
    lua_pushvalue(L, -1); /* one to keep, one for lua_next */
  }
  if (found == count) lua_pop(L, 1);
  out->count = found;
  qsort(out->items, found, sizeof *out->items, compare);
  return 1;
}
