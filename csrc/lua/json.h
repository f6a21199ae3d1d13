/*
 * json.h - what the files of core.json share: bytes on their way out. What
 * does not fit into the first bytes is in a userdata on the Lua stack, so
 * that an error of Lua frees it.
 */
#ifndef LB24_JSON_H
#define LB24_JSON_H

#include "lb24.h"

#define LB24_OUT_FIRST 1024

typedef struct lb24_out {
  lua_State *L;
  int box; /* stack index of the userdata that holds `data`, once it grew */
  char *data;
  size_t size;
  size_t capacity;
  char first[LB24_OUT_FIRST]; /* most parameters are short */
} lb24_out;

/* An empty buffer, which must stay where it is; so must its box, which is
 * pushed [-0, +1]. */
void lb24_out_init(lb24_out *out, lua_State *L);

/* Room for `size` more bytes, to be written and then added to out->size.
 * Raises when memory runs out; needs one free stack slot. */
char *lb24_out_room(lb24_out *out, size_t size);

/* These raise when memory runs out, too. */
void lb24_out_add(lb24_out *out, const char *bytes, size_t size);
void lb24_out_byte(lb24_out *out, char byte);

/* Write a JSON string; 0 when the bytes are not UTF-8. */
int lb24_out_string(lb24_out *out, const char *bytes, size_t size);

void lb24_out_integer(lb24_out *out, lua_Integer value);

/* Write a finite float so that it reads back equal, and as a float. */
void lb24_out_float(lb24_out *out, lua_Number value);

/* What the catalogue says of a value. */
typedef struct lb24_shape {
  int array;    /* typed as an array */
  int children; /* stack index of the shapes of its fields, 0 = none */
  int is_root;  /* its fields are the parameters themselves */
} lb24_shape;

/* Find the shape of a field of `shape`, whose name is `name` and also at
 * stack index `slot`. What child->children refers to is pushed [-0, +1]. */
void lb24_shape_field(lua_State *L, lb24_shape *child,
                      const lb24_shape *shape, int slot, const char *name,
                      size_t size);

/* decode(text, kept_depth | nil) -> value | nothing: json_decode.c. Objects
 * nested deeper than kept_depth lose their null fields; nil: none does.
 * Nothing: it is not certain what the text is. */
int lb24_json_decode(lua_State *L);

/* encoder(kinds, read_file) -> encode: json_encode.c. */
int lb24_json_encoder(lua_State *L);

#endif
