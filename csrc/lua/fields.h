/* fields.h - the string keys of a table in the order of their bytes. */
#ifndef LB24_FIELDS_H
#define LB24_FIELDS_H

#include "lb24.h"

#define LB24_FEW_FIELDS 32

typedef struct lb24_field {
  const char *name; /* may hold any byte */
  size_t size;
  int slot; /* stack index of the key, which anchors the name */
} lb24_field;

typedef struct lb24_fields {
  lb24_field few[LB24_FEW_FIELDS];
  lb24_field *items; /* `few`, or a userdata on the stack */
  size_t count;
} lb24_fields;

/* Read the keys of the table at `table`, which has `count` string keys and no
 * others; `room` more stack slots are made sure of. The keys stay on the
 * stack, because a finalizer might change the table meanwhile; settop(table)
 * drops them. 0 when there are too many. */
int lb24_fields_read(lua_State *L, lb24_fields *out, int table, size_t count,
                     int room);

#endif
