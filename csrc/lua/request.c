/*
 * request.c - one call as a userdata: read its answer, settle it, drop it.
 * While a request is on its way the client's table of pending requests keeps
 * it alive; a settled or dropped one is nobody's but the script's.
 */
#include <string.h>

#include "lb24.h"

static const char *outcome_name(b24_outcome outcome) {
  switch (outcome) {
    case B24_OUTCOME_NONE: return "none";
    case B24_OUTCOME_ANSWER: return "answer";
    case B24_OUTCOME_CUT: return "cut";
    case B24_OUTCOME_STALLED: return "stalled";
    case B24_OUTCOME_TOO_LARGE: return "too_large";
    case B24_OUTCOME_SINK: return "sink";
    case B24_OUTCOME_NOT_CONNECTED: return "not_connected";
    case B24_OUTCOME_NOT_TRUSTED: return "not_trusted";
    case B24_OUTCOME_LOST: return "lost";
    case B24_OUTCOME_NOMEM: return "nomem";
    case B24_OUTCOME_BLOCKED: return "blocked";
    case B24_OUTCOME_CANCELLED: return "cancelled";
  }
  return "unknown";
}

static lb24_request *check_request(lua_State *L) {
  return luaL_checkudata(L, 1, LB24_REQUEST);
}

static lb24_request *check_live(lua_State *L) {
  lb24_request *self = check_request(L);
  if (self->request == NULL) luaL_argerror(L, 1, "a dropped request");
  return self;
}

/* Keep (or forget) the request at the top in its client's table. [-0, +0] */
static void anchor(lua_State *L, int client, const b24_request *request,
                   int keep) {
  lua_getiuservalue(L, client, 1); /* request, pending */
  if (keep)
    lua_pushvalue(L, -2);
  else
    lua_pushnil(L);
  lua_rawsetp(L, -2, request);
  lua_pop(L, 1);
}

int lb24_request_submit(lua_State *L, int client, b24_call *call,
                        const char *path) {
  lb24_client *owner = luaL_checkudata(L, client, LB24_CLIENT);
  b24_error err;
  lb24_request *self;
  if (owner->client == NULL) {
    lua_pushnil(L);
    lua_pushliteral(L, "config");
    lua_pushliteral(L, "the portal is closed");
    return 3;
  }
  self = lua_newuserdatauv(L, sizeof *self, 2); /* request */
  memset(self, 0, sizeof *self);
  luaL_setmetatable(L, LB24_REQUEST);
  if (path != NULL) {
    if (!lb24_part_open(L, &self->part, path)) {
      lua_pushnil(L);
      lua_pushliteral(L, "config");
      lua_rotate(L, -3, -1); /* nil, kind, message */
      return 3;
    }
    lua_setiuservalue(L, -2, 1);
    call->sink = &self->part.sink;
    call->harmless = 1;
  }
  lua_pushvalue(L, client);
  lua_setiuservalue(L, -2, 2);
  if (owner->client == NULL) { /* closed by a finalizer just now */
    lb24_part_discard(&self->part);
    lua_pushnil(L);
    lua_pushliteral(L, "config");
    lua_pushliteral(L, "the portal is closed");
    return 3;
  }
  if (b24_client_submit(&self->request, owner->client, call, &err) != B24_OK) {
    lb24_part_discard(&self->part);
    return lb24_push_failure(L, &err);
  }
  anchor(L, client, self->request, 1);
  return 1;
}

static void drop(lb24_request *self) {
  b24_request *request = self->request;
  self->request = NULL;
  b24_request_free(request);
  lb24_part_discard(&self->part);
}

/* answer() -> outcome, status, body, content_type, location, message,
 * attempts, seconds */
static int request_answer(lua_State *L) {
  lb24_request *self = check_live(L);
  b24_answer answer;
  /* pushing may run a finalizer, and that may drop this very request */
  self->busy = 1;
  b24_request_answer(&answer, self->request);
  lua_pushstring(L, outcome_name(answer.outcome));
  lua_pushinteger(L, (lua_Integer)answer.status);
  lua_pushlstring(L, answer.body, answer.body_size);
  lua_pushstring(L, answer.content_type);
  lua_pushstring(L, answer.location);
  lua_pushstring(L, answer.outcome == B24_OUTCOME_SINK && self->part.failed
                        ? strerror(self->part.failed)
                        : answer.message);
  lua_pushinteger(L, answer.attempts);
  lua_pushnumber(L, (lua_Number)answer.elapsed_ms / 1000);
  self->busy = 0;
  if (self->dropped) drop(self);
  return 8;
}

static const char *action_name(b24_action action) {
  switch (action) {
    case B24_DONE: return "done";
    case B24_RETRY: return "retry";
    case B24_REFRESH: return "refresh";
    case B24_FAIL: return "fail";
  }
  return "fail";
}

int lb24_push_verdict(lua_State *L, const b24_verdict *verdict) {
  lua_pushstring(L, b24_kind_name(verdict->kind));
  if (verdict->sent == B24_SENT_UNKNOWN)
    lua_pushnil(L);
  else
    lua_pushboolean(L, verdict->sent == B24_SENT_YES);
  lua_pushboolean(L, verdict->retryable);
  lua_pushboolean(L, verdict->action == B24_RETRY);
  return 4;
}

int64_t lb24_arg_ms(lua_State *L, int arg, int64_t otherwise) {
  lua_Number seconds = luaL_optnumber(L, arg, -1);
  if (!(seconds >= 0) || seconds > 1e12) return otherwise;
  return (int64_t)(seconds * 1000);
}

/* settle(decoded, code|nil, reset_at|nil, operating|nil, duration|nil) ->
 * action, kind, sent, retryable, wait, reason; sent is nil when it is not
 * known */
static int request_settle(lua_State *L) {
  lb24_request *self = check_live(L);
  b24_facts facts;
  b24_verdict verdict;
  memset(&facts, 0, sizeof facts);
  facts.decoded = lua_toboolean(L, 2);
  facts.code = luaL_optstring(L, 3, NULL);
  facts.operating_reset_at_ms = lb24_arg_ms(L, 4, 0);
  facts.operating_ms = lb24_arg_ms(L, 5, -1);
  facts.cost_ms = lb24_arg_ms(L, 6, -1);
  b24_request_settle(self->request, &facts, &verdict);
  if (verdict.action == B24_DONE || verdict.action == B24_FAIL) {
    lua_getiuservalue(L, 1, 2);
    lua_pushvalue(L, 1); /* client, request */
    anchor(L, lua_gettop(L) - 1, self->request, 0);
  }
  lua_pushstring(L, action_name(verdict.action));
  lua_pushstring(L, b24_kind_name(verdict.kind));
  if (verdict.sent == B24_SENT_UNKNOWN)
    lua_pushnil(L);
  else
    lua_pushboolean(L, verdict.sent == B24_SENT_YES);
  lua_pushboolean(L, verdict.retryable);
  lua_pushnumber(L, (lua_Number)verdict.wait_ms / 1000);
  lua_pushstring(L, verdict.reason);
  return 6;
}

/* commit(path) -> bytes | nil, message: the download gets its name */
static int request_commit(lua_State *L) {
  lb24_request *self = check_request(L);
  const char *path = luaL_checkstring(L, 2);
  const char *fault = lb24_part_commit(&self->part, path);
  if (fault != NULL) {
    lua_pushnil(L);
    lua_pushstring(L, fault);
    return 2;
  }
  lua_pushinteger(L, (lua_Integer)self->part.bytes);
  return 1;
}

/* drop(): cancel it if it is on its way, and free it */
static int request_drop(lua_State *L) {
  lb24_request *self = check_request(L);
  if (self->request != NULL) {
    lua_getiuservalue(L, 1, 2);
    lua_pushvalue(L, 1);
    anchor(L, lua_gettop(L) - 1, self->request, 0);
  }
  if (self->busy)
    self->dropped = 1;
  else
    drop(self);
  return 0;
}

static int request_gc(lua_State *L) {
  drop(check_request(L));
  return 0;
}

void lb24_request_register(lua_State *L) {
  static const luaL_Reg methods[] = {{"answer", request_answer},
                                     {"settle", request_settle},
                                     {"commit", request_commit},
                                     {"drop", request_drop},
                                     {NULL, NULL}};
  static const luaL_Reg meta[] = {{"__gc", request_gc}, {NULL, NULL}};
  luaL_newmetatable(L, LB24_REQUEST);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
