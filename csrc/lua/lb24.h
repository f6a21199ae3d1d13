/*
 * lb24.h - what the files of the binding share. Each lb24_open_* pushes one
 * table of functions; module.c puts them together as `bitrix24.core`.
 *
 * Ownership: a userdata is made closed, with its metatable, and only then
 * acquires its resource; __gc, __close and the close method share one
 * idempotent closer. Requests may be collected before or after their client.
 */
#ifndef LB24_H
#define LB24_H

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>

#include "bitrix24.h"

int lb24_open_catalogue(lua_State *L); /* [-0, +1] core.catalogue */
int lb24_open_client(lua_State *L);    /* [-0, +1] core.client */
int lb24_open_json(lua_State *L);      /* [-0, +1] core.json */
int lb24_open_page(lua_State *L);      /* [-0, +1] core.page */
int lb24_open_query(lua_State *L);     /* [-0, +1] core.query */

/* A file beside the one a download is meant for, renamed when complete. */
typedef struct lb24_part {
  FILE *file; /* NULL = closed */
  char *name; /* its own name; lives in a Lua string the owner anchors */
  int64_t bytes;
  b24_sink sink;
} lb24_part;

/* Create PATH.partN beside `path` and push its name [-0, +1], which the
 * caller anchors as long as the part lives; 0 and a message pushed when it
 * cannot be written. */
int lb24_part_open(lua_State *L, lb24_part *part, const char *path);

/* Close and rename to `path`; NULL, or what went wrong (static or errno's
 * text). */
const char *lb24_part_commit(lb24_part *part, const char *path);

/* Close and remove; does nothing when closed. */
void lb24_part_discard(lb24_part *part);

/* save(path, text) -> true | nil, message: written beside, on the disk, then
 * renamed; after a crash the path holds the old text or the new one. */
int lb24_save(lua_State *L);

/* A client: NULL = closed. User value 1: pending requests by address. */
typedef struct lb24_client {
  b24_client *client;
} lb24_client;

/* A request. User value 1: the name of its part file. */
typedef struct lb24_request {
  b24_request *request; /* NULL = dropped */
  lb24_part part;
} lb24_request;

#define LB24_CLIENT "bitrix24.core.client"
#define LB24_REQUEST "bitrix24.core.request"

/* Create the metatable of requests [-0, +0]. */
void lb24_request_register(lua_State *L);

/* Queue `call` for the client at index `client` and push the request
 * [-0, +1], or nil, kind, message [-0, +3]. `path` is where a download goes,
 * or NULL. Returns the number of values pushed. */
int lb24_request_submit(lua_State *L, int client, b24_call *call,
                        const char *path);

/* Milliseconds of an argument in seconds; `otherwise` when it is nil. */
int64_t lb24_arg_ms(lua_State *L, int arg, int64_t otherwise);

/* Push kind, sent (nil: nobody knows), retryable, again [-0, +4]. */
int lb24_push_verdict(lua_State *L, const b24_verdict *verdict);

/* Push nil, kind, message for a failure; raises when memory ran out. */
int lb24_push_failure(lua_State *L, const b24_error *err);

#endif
