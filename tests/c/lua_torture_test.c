/*
 * lua_torture_test.c - the memory of a Lua state runs out: once at the n-th
 * allocation, or from it on, in the middle of everything a script does with a
 * portal. Each time the script sees an error that says so, the same thing
 * works right afterwards, and a closed state has given back every byte.
 *
 * lua-cjson has memory of its own and ends the process without it, so it is
 * loaded beforehand.
 */
#include "lua_host.h"

/* ---- an allocator that fails and counts -------------------------------- */

typedef struct memory {
  long live;   /* bytes */
  long lies;   /* blocks given back with a size that was not theirs */
  long left;   /* allocations until the failure, -1 = none is set */
  int lasting; /* all after it fail as well */
  long failed;
} memory;

#define HEADER 16

static int must_fail(memory *m) {
  if (m->left < 0) return 0;
  if (m->left > 0) {
    m->left--;
    return 0;
  }
  if (!m->lasting) m->left = -1;
  m->failed++;
  return 1;
}

static void *memory_alloc(void *ud, void *ptr, size_t old, size_t size) {
  memory *m = ud;
  char *block = ptr == NULL ? NULL : (char *)ptr - HEADER;
  size_t had = 0;
  char *grown;
  if (block != NULL) {
    memcpy(&had, block, sizeof had);
    if (had != old) m->lies++;
  }
  if (size == 0) {
    m->live -= (long)had;
    free(block);
    return NULL;
  }
  /* Lua relies on a block that shrinks to stay */
  if (size > had && must_fail(m)) return NULL;
  grown = realloc(block, size + HEADER);
  if (grown == NULL) return NULL;
  memcpy(grown, &size, sizeof size);
  m->live += (long)size - (long)had;
  return grown + HEADER;
}

/* arm(n, lasting): the n-th allocation from now on fails. */
static int arm(lua_State *L) {
  void *ud;
  memory *m;
  (void)lua_getallocf(L, &ud);
  m = ud;
  m->failed = 0;
  m->lasting = lua_toboolean(L, 2);
  m->left = (long)lua_tointeger(L, 1);
  return 0;
}

/* disarm() -> did one fail? */
static int disarm(lua_State *L) {
  void *ud;
  memory *m;
  (void)lua_getallocf(L, &ud);
  m = ud;
  m->left = -1;
  lua_pushboolean(L, m->failed > 0);
  return 1;
}

static lua_State *new_state(memory *m, const char *webhook) {
  lua_State *L;
  memset(m, 0, sizeof *m);
  m->left = -1;
  L = lua_newstate(memory_alloc, m);
  if (L == NULL) return NULL;
  luaL_openlibs(L);
  lua_register(L, "arm", arm);
  lua_register(L, "disarm", disarm);
  lua_pushstring(L, webhook);
  lua_setglobal(L, "WEBHOOK");
  return L;
}

/* ---- what is tried ----------------------------------------------------- */

/* torture(f, again): f fails at every allocation; again() is to work then. */
static const char prelude[] =
    "require 'cjson'\n"
    "local function blames_memory(e)\n"
    "  return tostring(e):find('not enough memory', 1, true) ~= nil\n"
    "end\n"
    "function torture(f, again)\n"
    "  for _, lasting in ipairs{ true, false } do\n"
    "    local n, failed, quiet = 0, nil, 0\n"
    "    repeat\n"
    "      collectgarbage()\n"
    "      arm(n, lasting)\n"
    "      local ok, e = pcall(f)\n"
    "      failed = disarm()\n"
    "      if not ok and not blames_memory(e) then\n"
    "        error(('allocation %d: %s'):format(n, tostring(e)), 0)\n"
    "      end\n"
    "      if failed then quiet = 0 else\n"
    "        quiet = quiet + 1\n"
    "        if not ok then error('an error without a reason', 0) end\n"
    "      end\n"
    "      local fine, why = pcall(again or f)\n"
    "      if not fine then\n"
    "        error(('after allocation %d: %s'):format(n, tostring(why)), 0)\n"
    "      end\n"
    "      n = n + 1\n"
    "    until quiet == 3\n"
    "  end\n"
    "end\n";

/* Run a chunk in a state of its own; all memory must come back. */
static void tortured(const char *webhook, const char *chunk) {
  memory m;
  lua_State *L = new_state(&m, webhook);
  int ok;
  CHECK(L != NULL);
  if (L == NULL) return;
  ok = luaL_dostring(L, prelude) == LUA_OK &&
       luaL_dostring(L, chunk) == LUA_OK;
  if (!ok) printf("%s\n", lua_tostring(L, -1));
  CHECK(ok);
  m.left = 0; /* closing needs no memory */
  m.lasting = 1;
  lua_close(L);
  CHECK_INT(m.live, 0);
  CHECK_INT(m.lies, 0);
}

static portal sb;

TEST(loading) {
  for (int lasting = 0; lasting < 2; lasting++) {
    int failed = 1;
    for (long n = 0; failed; n += 1 + n / 8) {
      memory m;
      lua_State *L = new_state(&m, sb.webhook);
      CHECK(L != NULL);
      if (L == NULL) return;
      CHECK(luaL_dostring(L, "require 'cjson'") == LUA_OK);
      lua_getglobal(L, "require");
      lua_pushliteral(L, "bitrix24");
      m.left = n;
      m.lasting = lasting;
      (void)lua_pcall(L, 1, 0, 0);
      m.left = -1;
      failed = m.failed > 0;
      if (luaL_dostring(L, "return require 'bitrix24'.connect") != LUA_OK) {
        printf("after allocation %ld: %s\n", n, lua_tostring(L, -1));
        CHECK(0);
      }
      m.left = 0;
      m.lasting = 1;
      lua_close(L);
      CHECK_INT(m.live, 0);
      CHECK_INT(m.lies, 0);
    }
  }
}

TEST(connecting) {
  tortured(sb.webhook,
           "local bitrix24 = require 'bitrix24'\n"
           "torture(function()\n"
           "  local portal <close> ="
           "    bitrix24.connect{ webhook = WEBHOOK, limits = false }\n"
           "end)\n");
}

TEST(calling) {
  tortured(sb.webhook,
           "local bitrix24 = require 'bitrix24'\n"
           "local portal ="
           "  bitrix24.connect{ webhook = WEBHOOK, limits = false }\n"
           "local function call()\n"
           "  local contact ="
           "    portal:call('crm.item.get', { entityTypeId = 3, id = 7 })\n"
           "  assert(contact.item.id == 7)\n"
           "end\n"
           "call()\n"
           "torture(call)\n");
}

TEST(calls_that_fail) {
  tortured(sb.webhook,
           "local bitrix24 = require 'bitrix24'\n"
           "local portal ="
           "  bitrix24.connect{ webhook = WEBHOOK, limits = false }\n"
           "local function call()\n"
           "  local ok, e = pcall(portal.call, portal, 'crm.item.get',"
           "    { entityTypeId = 3, id = 99999 })\n"
           "  assert(not ok)\n"
           "  if type(e) == 'string' or e.kind ~= 'api' then error(e, 0) end\n"
           "end\n"
           "call()\n"
           "torture(call)\n");
}

TEST(calls_side_by_side) {
  tortured(sb.webhook,
           "local bitrix24 = require 'bitrix24'\n"
           "local portal ="
           "  bitrix24.connect{ webhook = WEBHOOK, limits = false }\n"
           "local function all()\n"
           "  local ids = portal:map({ 1, 2, 3 }, function(id)\n"
           "    return portal:call('crm.item.get',"
           "      { entityTypeId = 3, id = id }).item.id\n"
           "  end)\n"
           "  assert(ids[1] == 1 and ids[3] == 3)\n"
           "end\n"
           "all()\n"
           "torture(all)\n");
}

TEST(reading_a_list) {
  tortured(sb.webhook,
           "local bitrix24 = require 'bitrix24'\n"
           "local portal ="
           "  bitrix24.connect{ webhook = WEBHOOK, limits = false }\n"
           "local function read()\n"
           "  local seen = 0\n"
           "  for contact in portal.crm.item.list:each{ entityTypeId = 3,"
           "      select = { 'id' } } do\n"
           "    seen = seen + 1\n"
           "    assert(contact.id == seen)\n"
           "  end\n"
           "  assert(seen == 60)\n"
           "end\n"
           "read()\n"
           "torture(read)\n");
}

TEST(encoding_queries) {
  tortured(sb.webhook,
           "local core = require 'bitrix24.core'\n"
           "local params = { a = 1, b = { 1.5, true, { c = 'd e' } },"
           "  filter = { x = {}, ['>=y'] = ('long '):rep(400) } }\n"
           "params.filter.x.z = 1\n"
           "local wanted = core.query.encoder{}(params)\n"
           "assert(#wanted > 2000)\n"
           "torture(function()\n"
           "  local encode = core.query.encoder{}\n"
           "  for _ = 1, 2 do\n"
           "    local got = encode(params)\n"
           "    if got ~= wanted then error('not enough memory?', 0) end\n"
           "  end\n"
           "end)\n");
}

TEST(closing) {
  tortured(sb.webhook,
           "local bitrix24 = require 'bitrix24'\n"
           "local core = require 'bitrix24.core'\n"
           "local portal, handle, request\n"
           "torture(function()\n"
           "  portal = bitrix24.connect{ webhook = WEBHOOK, limits = false }\n"
           "  handle = assert(core.client.new{ webhook = WEBHOOK, rate = 0 })\n"
           "  request ="
           "    assert(handle:submit{ method = 'profile', body = '{}' })\n"
           "  handle:step(0)\n"
           "  portal:close()\n"
           "  handle:close()\n"
           "  request:drop()\n"
           "end, function()\n"
           "  if portal then portal:close() end\n"
           "  if handle then handle:close() end\n"
           "  portal, handle, request = nil, nil, nil\n"
           "end)\n");
}

int main(void) {
  portal_start(&sb);
  if (sb.webhook[0] != '\0') {
    RUN(loading);
    RUN(connecting);
    RUN(calling);
    RUN(calls_that_fail);
    RUN(calls_side_by_side);
    RUN(reading_a_list);
    RUN(encoding_queries);
    RUN(closing);
  } else {
    unit_failed++;
    printf("the sandbox did not start\n");
  }
  portal_stop(&sb);
  return unit_report();
}
