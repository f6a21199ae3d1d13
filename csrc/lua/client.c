/*
 * client.c - the client as a userdata. No core or libcurl frame ever lies
 * below a Lua call here: arguments are read first, then the core runs, then
 * results are pushed.
 */
#include <math.h>
#include <string.h>

#include "lb24.h"
#include "retry.h"

#define LONGEST_SECONDS 1e9

static lb24_client *check_client(lua_State *L) {
  return luaL_checkudata(L, 1, LB24_CLIENT);
}

int lb24_push_failure(lua_State *L, const b24_error *err) {
  if (err->kind == B24_NOMEM) return luaL_error(L, "not enough memory");
  lua_pushnil(L);
  lua_pushstring(L, b24_kind_name(err->kind));
  lua_pushstring(L, err->message);
  return 3;
}

/* Milliseconds from a field in seconds; the default when it is absent. */
static int64_t field_ms(lua_State *L, const char *name, int64_t otherwise) {
  lua_Number seconds;
  lua_getfield(L, 1, name); /* field */
  seconds = luaL_optnumber(L, -1, -1);
  lua_pop(L, 1);
  if (!(seconds >= 0)) return otherwise;
  if (seconds > LONGEST_SECONDS) seconds = LONGEST_SECONDS;
  return (int64_t)ceil(seconds * 1000);
}

/* A string that stays on the stack, anchored for the call. [-0, +1] */
static const char *field_string(lua_State *L, const char *name) {
  lua_getfield(L, 1, name);
  return luaL_optstring(L, -1, NULL);
}

/* Do the strings at these indices end where C thinks? If not, push nil, kind
 * and message [-0, +3]. */
static int refuse_nul(lua_State *L, int first, int last) {
  for (int i = first; i <= last; i++) {
    size_t length;
    const char *text = lua_tolstring(L, i, &length);
    if (text == NULL || strlen(text) == length) continue;
    lua_pushnil(L);
    lua_pushliteral(L, "config");
    lua_pushliteral(L, "a name or an address cannot have a zero byte in it");
    return 1;
  }
  return 0;
}

static int field_int(lua_State *L, const char *name, int otherwise) {
  lua_Integer value;
  lua_getfield(L, 1, name);
  value = luaL_optinteger(L, -1, otherwise);
  lua_pop(L, 1);
  return value < 0 || value > 1000000 ? otherwise : (int)value;
}

static double field_number(lua_State *L, const char *name, double otherwise) {
  lua_Number value;
  lua_getfield(L, 1, name);
  value = luaL_optnumber(L, -1, otherwise);
  lua_pop(L, 1);
  return value;
}

static int field_flag(lua_State *L, const char *name) {
  int flag;
  lua_getfield(L, 1, name);
  flag = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return flag;
}

/* new(options) -> client | nil, kind, message */
static int client_new(lua_State *L) {
  b24_options options;
  b24_alloc alloc;
  b24_error err;
  lb24_client *self;
  int limiter;
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  b24_options_init(&options);
  luaL_checkstack(L, 12, NULL);
  options.webhook = field_string(L, "webhook");
  options.domain = field_string(L, "domain");
  options.access_token = field_string(L, "access_token");
  options.user_agent = field_string(L, "user_agent");
  options.ca_file = field_string(L, "ca_file");
  options.proxy = field_string(L, "proxy");
  options.account = field_string(L, "account");
  if (refuse_nul(L, 2, lua_gettop(L))) return 3;
  options.renewable = field_flag(L, "renewable");
  options.insecure = field_flag(L, "insecure");
  options.max_connections =
      field_int(L, "max_connections", options.max_connections);
  options.retries = field_int(L, "retries", options.retries);
  options.rate = field_number(L, "rate", options.rate);
  options.burst = field_number(L, "burst", options.burst);
  options.timeout_ms = field_ms(L, "timeout", options.timeout_ms);
  options.connect_timeout_ms =
      field_ms(L, "connect_timeout", options.connect_timeout_ms);
  options.wait_max_ms = field_ms(L, "wait_max", options.wait_max_ms);
  alloc.realloc = lua_getallocf(L, &alloc.ud);
  options.alloc = &alloc;
  (void)lua_getfield(L, 1, "limiter");
  limiter = lua_gettop(L);
  self = lua_newuserdatauv(L, sizeof *self, 2); /* ..., client */
  memset(self, 0, sizeof *self);
  self->connections = options.max_connections;
  luaL_setmetatable(L, LB24_CLIENT);
  lua_newtable(L); /* ..., client, pending */
  lua_setiuservalue(L, -2, 1);
  /* borrowed until the client has its own reference: from here on nothing
   * may collect, a finalizer could let go of it */
  if (!lua_isnil(L, limiter) &&
      lb24_limiter_get(L, limiter, &options, &err) != B24_OK)
    return lb24_push_failure(L, &err);
  if (b24_client_new(&self->client, &options, &err) != B24_OK)
    return lb24_push_failure(L, &err);
  return 1;
}

#define COMMANDS_MAX 50

/* The methods of a batch's commands, from the sequence at the top. The
 * strings are anchored by that sequence. [-0, +0] */
static size_t read_commands(lua_State *L, const char **out) {
  size_t count = 0;
  if (!lua_istable(L, -1)) return 0;
  while (count < COMMANDS_MAX) {
    lua_rawgeti(L, -1, (lua_Integer)count + 1);
    if (lua_type(L, -1) != LUA_TSTRING) break;
    out[count++] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  if (count < COMMANDS_MAX) lua_pop(L, 1);
  return count;
}

/* submit{ method=, version=, body=, harmless=, idempotency_key=, timeout= }
 * or { method=, url=, path=|nil, timeout= } -> request | nil, kind, message */
static int client_submit(lua_State *L) {
  b24_call call;
  const char *path;
  const char *commands[COMMANDS_MAX];
  (void)check_client(L);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 2);
  memset(&call, 0, sizeof call);
  luaL_checkstack(L, 16, NULL);
  lua_pushvalue(L, 1);
  lua_copy(L, 2, 1); /* fields are read from index 1; client is index 3 */
  call.method = field_string(L, "method");
  call.url = field_string(L, "url");
  path = field_string(L, "path");
  call.idempotency_key = field_string(L, "idempotency_key");
  if (refuse_nul(L, 4, lua_gettop(L))) return 3;
  lua_getfield(L, 1, "body");
  call.body = luaL_optlstring(L, -1, NULL, &call.body_size);
  lua_getfield(L, 1, "commands");
  call.commands = commands;
  call.command_count = read_commands(L, commands);
  call.version = field_int(L, "version", 2);
  call.harmless = field_flag(L, "harmless");
  call.timeout_ms = field_ms(L, "timeout", 0);
  luaL_argcheck(L, call.method != NULL, 2, "no method");
  luaL_argcheck(L, (call.url == NULL) == (call.body != NULL), 2,
                "either body or url");
  return lb24_request_submit(L, 3, &call, path);
}

/* step(seconds) -> request | nil [, kind, message] */
static int client_step(lua_State *L) {
  lb24_client *self = check_client(L);
  lua_Number seconds = luaL_optnumber(L, 2, 0);
  b24_request *request = NULL;
  b24_error err;
  if (!(seconds > 0)) seconds = 0;
  if (seconds > LONGEST_SECONDS) seconds = LONGEST_SECONDS;
  if (self->client == NULL) {
    lua_pushnil(L);
    return 1;
  }
  if (b24_client_step(&request, self->client, (int64_t)ceil(seconds * 1000),
                      &err) != B24_OK)
    return lb24_push_failure(L, &err);
  if (request == NULL) {
    lua_pushnil(L);
    return 1;
  }
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, request);
  return 1;
}

/* redact(text) -> text without secrets; nil when closed */
static int client_redact(lua_State *L) {
  lb24_client *self = check_client(L);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  size_t room = length * 2 + 64; /* *** may be longer than a short secret */
  size_t written;
  char *clean;
  if (self->client == NULL) return 0;
  clean = lua_newuserdatauv(L, room, 0);
  if (self->client == NULL) return 0; /* closed by a finalizer just now */
  written = b24_client_redact(clean, room, self->client, text, length);
  if (written == 0 && length > 0) return luaL_error(L, "not enough memory");
  lua_pushlstring(L, clean, written);
  return 1;
}

/* operating(method, duration|nil, operating|nil, reset_at|nil): what the
 * `time` of a batch's command said, seconds */
static int client_operating(lua_State *L) {
  lb24_client *self = check_client(L);
  const char *method = luaL_checkstring(L, 2);
  int64_t cost = lb24_arg_ms(L, 3, -1);
  int64_t operating = lb24_arg_ms(L, 4, -1);
  int64_t reset_at = lb24_arg_ms(L, 5, 0);
  if (self->client != NULL)
    b24_client_operating(self->client, method, cost, operating, reset_at);
  return 0;
}

/* blocked(method): a command was refused with OPERATION_TIME_LIMIT */
static int client_blocked(lua_State *L) {
  lb24_client *self = check_client(L);
  const char *method = luaL_checkstring(L, 2);
  if (self->client != NULL) b24_client_blocked(self->client, method);
  return 0;
}

static int client_origin(lua_State *L) {
  lb24_client *self = check_client(L);
  if (self->client == NULL) return 0;
  lua_pushstring(L, b24_client_origin(self->client));
  return 1;
}

/* Push true, or nil, kind, message. */
static int push_done(lua_State *L, b24_kind kind, const b24_error *err) {
  if (kind != B24_OK) return lb24_push_failure(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* Push what is said of a client that a finalizer may have closed just now. */
static int push_closed(lua_State *L) {
  lua_pushnil(L);
  lua_pushliteral(L, "config");
  lua_pushliteral(L, "the portal is closed");
  return 3;
}

/* set_token(access_token) -> true | nil, kind, message */
static int client_set_token(lua_State *L) {
  lb24_client *self = check_client(L);
  b24_error err;
  const char *token = luaL_checkstring(L, 2);
  if (self->client == NULL) return push_closed(L);
  if (refuse_nul(L, 2, 2)) return 3;
  return push_done(L, b24_client_set_token(self->client, token, &err), &err);
}

/* release(): what waits for a token is sent as it is */
static int client_release(lua_State *L) {
  lb24_client *self = check_client(L);
  if (self->client != NULL) b24_client_release(self->client);
  return 0;
}

/* hide(secret, passing) -> true | nil, kind, message */
static int client_hide(lua_State *L) {
  lb24_client *self = check_client(L);
  b24_error err;
  size_t size;
  const char *secret = luaL_checklstring(L, 2, &size);
  if (self->client == NULL) return push_closed(L);
  return push_done(L,
                   b24_client_hide(self->client, secret, size,
                                   lua_toboolean(L, 3), &err),
                   &err);
}

/* move(endpoint) -> true | nil, kind, message: the portal's new address */
static int client_move(lua_State *L) {
  lb24_client *self = check_client(L);
  b24_error err;
  const char *endpoint = luaL_checkstring(L, 2);
  if (self->client == NULL) return push_closed(L);
  if (refuse_nul(L, 2, 2)) return 3;
  return push_done(L, b24_client_move(self->client, endpoint, &err), &err);
}

static int client_pending(lua_State *L) {
  lb24_client *self = check_client(L);
  size_t pending = self->client == NULL ? 0 : b24_client_pending(self->client);
  lua_pushinteger(L, (lua_Integer)pending);
  return 1;
}

static int client_close(lua_State *L) {
  lb24_client *self = check_client(L);
  b24_client *client = self->client;
  self->client = NULL;
  b24_client_free(client);
  return 0;
}

static int client_is_closed(lua_State *L) {
  lua_pushboolean(L, check_client(L)->client == NULL);
  return 1;
}

/* judge(code, harmless) -> kind, sent, retryable, again: what an error code
 * of the platform means for one command of a batch */
static int judge(lua_State *L) {
  b24_attempt attempt;
  b24_verdict verdict;
  memset(&attempt, 0, sizeof attempt);
  attempt.outcome = B24_OUTCOME_ANSWER;
  attempt.status = 200;
  attempt.decoded = 1;
  attempt.code = luaL_checkstring(L, 1);
  attempt.harmless = lua_toboolean(L, 2);
  attempt.attempts = attempt.retries = 1;
  attempt.wait_max_ms = INT64_MAX;
  attempt.left_ms = attempt.reset_in_ms = attempt.retry_after_ms = -1;
  b24__retry_decide(&verdict, &attempt);
  return lb24_push_verdict(L, &verdict);
}

int lb24_open_client(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"submit", client_submit},   {"step", client_step},
      {"redact", client_redact},   {"origin", client_origin},
      {"pending", client_pending}, {"close", client_close},
      {"is_closed", client_is_closed},
      {"operating", client_operating}, {"blocked", client_blocked},
      {"set_token", client_set_token}, {"release", client_release},
      {"hide", client_hide},           {"move", client_move},
      {"loop_attach", lb24_loop_attach},
      {"loop_act", lb24_loop_act},     {"loop_next", lb24_loop_next},
      {"loop_changes", lb24_loop_changes},
      {NULL, NULL}};
  static const luaL_Reg meta[] = {
      {"__gc", client_close}, {"__close", client_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {
      {"new", client_new}, {"judge", judge}, {NULL, NULL}};
  luaL_newmetatable(L, LB24_CLIENT);
  luaL_setfuncs(L, meta, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lb24_request_register(L);
  luaL_newlib(L, functions);
  return 1;
}
