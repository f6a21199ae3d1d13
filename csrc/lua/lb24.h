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
int lb24_open_console(lua_State *L);   /* [-0, +1] core.console */
int lb24_open_json(lua_State *L);      /* [-0, +1] core.json */
int lb24_open_limiter(lua_State *L);   /* [-0, +1] core.limiter */
int lb24_open_page(lua_State *L);      /* [-0, +1] core.page */
int lb24_open_query(lua_State *L);     /* [-0, +1] core.query */

/* A file beside the one a download is meant for, renamed when complete. */
typedef struct lb24_part {
  FILE *file; /* NULL = closed */
  char *name; /* its own name; lives in a Lua string the owner anchors */
  int64_t process; /* who made it: a forked child leaves it alone */
  int64_t bytes;
  int failed; /* errno of the write that ended it; 0 = none */
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

/* May a file be renamed to `path`? Not over a device, a pipe or a folder; 0
 * and errno then. */
int lb24_is_replaceable(const char *path);

/* real_path(path) -> where it leads, links followed; itself when there is
 * nothing yet */
int lb24_real_path(lua_State *L);

/* Create a file of a name that nobody has, beside `path`, and push the name
 * [-0, +1]; -1 and errno when that fails. */
int lb24_open_beside(lua_State *L, const char *path);

/* Push true where `code`, an errno, is 0; else nil and "PATH: what it says"
 * [-0, +1 or +2]. Returns the number of values pushed. */
int lb24_push_outcome(lua_State *L, const char *path, int code);

/* save(path, text) -> true | nil, message: written beside, on the disk, then
 * renamed; after a crash the path holds the old text or the new one. */
int lb24_save(lua_State *L);

/* The same for secrets: mode 0600, by way of PATH.new. Whoever calls it holds
 * a lock. */
int lb24_save_private(lua_State *L);

/* reserve(path, bytes) -> true | nil, message: is there room on the disk for
 * save_private to write that much? */
int lb24_reserve(lua_State *L);

/* left_private(path) -> text | nothing: what a save_private that was killed
 * left in PATH.new, up to the reserved room; nothing where that file is not
 * this user's alone. */
int lb24_left_private(lua_State *L);

/* lock(path) -> lock | false | nil, message: with a method release, at the
 * latest when it is collected; false when somebody else has it. */
int lb24_lock(lua_State *L);
void lb24_lock_register(lua_State *L);

/* sleep(seconds): a signal may end it earlier. */
int lb24_sleep(lua_State *L);

/* equal(given, secret) -> boolean, in a time that the length of `given` alone
 * decides. */
int lb24_equal(lua_State *L);

/* Let a client with these options use the limiter at `index`, which is opened
 * with their rate and burst when it is not yet. The limiter is borrowed from
 * the userdata until the core took its reference. */
b24_kind lb24_limiter_get(lua_State *L, int index, b24_options *options,
                          b24_error *err);

/* How a socket is to be watched; `anew`: it was closed meanwhile. */
typedef struct lb24_change {
  int fd, what, anew;
} lb24_change;

/* A client: NULL = closed. User value 1: pending requests by address. */
typedef struct lb24_client {
  b24_client *client;
  int connections; /* at most */
  /* in the script's loop: what it was not yet told */
  lb24_change *changes; /* user value 2 */
  int change_count;
  int change_room;
  int lost;
  int64_t timer_ms;
  int timer_changed;
} lb24_client;

/* Methods of a client in the script's loop, see loop.c. */
int lb24_loop_attach(lua_State *L);
int lb24_loop_act(lua_State *L);
int lb24_loop_next(lua_State *L);
int lb24_loop_changes(lua_State *L);

/* now() -> seconds of a clock that never goes back. */
int lb24_now(lua_State *L);

/* A request. User value 1: the name of its part file. */
typedef struct lb24_request {
  b24_request *request; /* NULL = dropped */
  int busy;    /* its answer is being read: it is freed afterwards */
  int dropped; /* meanwhile */
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
