/*
 * lua_wipe_test.c - what a closed portal leaves in the memory of its Lua
 * state. The allocator looks into each block that is given back or moved, and
 * after a full collection into those that are left: secrets may be in strings,
 * which are Lua's, and nowhere else.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdlib.h>

#include "unit.h"

#define SECRETS_MAX 16
#define SECRET_MAX 128
#define PIECE 8 /* what of a secret is too much */

/* ---- the allocator ----------------------------------------------------- */

typedef struct block {
  struct block *next, *previous;
  size_t size;
  size_t tag; /* the type of object that Lua allocates, 0 = none */
} block;

typedef struct memory {
  block live; /* the head of a ring */
  char secrets[SECRETS_MAX][SECRET_MAX];
  int count;
  int looked; /* blocks looked into */
  int dirty;  /* of them with a secret in it */
  char first[96];
} memory;

static void look_at(memory *m, const block *b, const char *when) {
  const char *text = (const char *)(b + 1);
  if (b->tag == LUA_TSTRING) return;
  m->looked++;
  for (int s = 0; s < m->count; s++)
    for (size_t at = 0; at + PIECE <= strlen(m->secrets[s]); at++)
      for (size_t i = 0; i + PIECE <= b->size; i++) {
        if (text[i] != m->secrets[s][at] ||
            memcmp(text + i, m->secrets[s] + at, PIECE) != 0)
          continue;
        if (m->dirty++ == 0)
          (void)snprintf(m->first, sizeof m->first,
                         "%s: secret %d from %d on in %d bytes, tag %d", when,
                         s, (int)at, (int)b->size, (int)b->tag);
        return;
      }
}

static void *watch(void *ud, void *ptr, size_t old, size_t size) {
  memory *m = ud;
  block *had = ptr == NULL ? NULL : (block *)ptr - 1;
  block *b = NULL;
  if (had != NULL && size > 0 && size <= had->size) return ptr; /* shrinks */
  if (size > 0) {
    b = malloc(sizeof *b + size);
    if (b == NULL) return NULL;
    memset(b, 0, sizeof *b + size);
    b->size = size;
    b->tag = had != NULL ? had->tag : old;
    if (had != NULL) memcpy(b + 1, ptr, had->size);
    b->next = m->live.next;
    b->previous = &m->live;
    b->next->previous = b->previous->next = b;
  }
  if (had != NULL) {
    look_at(m, had, size > 0 ? "moved" : "given back");
    had->next->previous = had->previous;
    had->previous->next = had->next;
    free(had);
  }
  return b == NULL ? NULL : b + 1;
}

/* plant(secret): from now on it is looked for. */
static int plant(lua_State *L) {
  void *ud;
  memory *m;
  const char *secret = luaL_checkstring(L, 1);
  (void)lua_getallocf(L, &ud);
  m = ud;
  if (m->count == SECRETS_MAX) return luaL_error(L, "too many secrets");
  (void)snprintf(m->secrets[m->count++], SECRET_MAX, "%s", secret);
  return 0;
}

/* ---- what is done ------------------------------------------------------ */

static const char prelude[] =
    "local sandbox = require 'bitrix24.sandbox'\n"
    "bitrix24 = require 'bitrix24'\n"
    "sb = sandbox.start{ limits = false, contacts = 60, deals = 5 }\n"
    "plant(sb.webhook:match('/rest/1/(%w+)/'))\n"
    "for _, name in ipairs{ 'access_token', 'refresh_token', 'code',\n"
    "  'expired_token', 'client_secret' } do plant(sb.oauth[name]) end\n"
    "function quote(secret)\n"
    "  sb:fault{ action = { error = 'X', description = secret } }\n"
    "end\n"
    "function use(portal, secret)\n"
    "  portal.profile()\n"
    "  portal.crm.contact.list:all()\n"
    "  portal:map({ 1, 2 }, function(id)\n"
    "    return portal.crm.deal.get{ id = id } end)\n"
    "  portal:call('some.method', bitrix24.array{ 1 })\n"
    "end\n"
    "function fail(portal, secret)\n"
    "  quote('no ' .. secret)\n"
    "  assert(not pcall(portal.profile))\n"
    "  sb:fault{ action = 'reset' }\n"
    "  assert(not pcall(portal.call, portal, 'crm.deal.add'))\n"
    "  pcall(portal.call, portal, secret)\n"
    "end\n";

static const char webhook[] =
    "local portal = sb:connect{ retries = 0 }\n"
    "pcall(use, portal)\n"
    "fail(portal, sb.webhook)\n"
    "local url = portal.disk.file.get{ id = 1 }.DOWNLOAD_URL\n"
    "plant(url:match('token=(%w+)'))\n"
    "local path = os.tmpname()\n"
    "portal:download(url, path)\n"
    "os.remove(path)\n"
    "portal:close()\n";

static const char tokens[] =
    "local path = os.tmpname()\n"
    "os.remove(path)\n"
    "local store = bitrix24.token_file(path)\n"
    "store:save{ access_token = sb.oauth.expired_token,\n"
    "  refresh_token = sb.oauth.refresh_token }\n"
    "local portal = sb:connect{ domain = sb.url, tokens = store,\n"
    "  client_id = sb.oauth.client_id, oauth_url = sb.url,\n"
    "  client_secret = sb.oauth.client_secret, retries = 0 }\n"
    "portal.profile()\n"
    "plant(store:load().access_token)\n"
    "plant(store:load().refresh_token)\n"
    "pcall(use, portal)\n"
    "fail(portal, store:load().access_token)\n"
    "portal:close()\n"
    "local t = bitrix24.oauth.exchange{ client_id = sb.oauth.client_id,\n"
    "  client_secret = sb.oauth.client_secret, code = sb.oauth.code,\n"
    "  oauth_url = sb.url, tokens = store }\n"
    "plant(t.access_token)\n"
    "plant(t.refresh_token)\n"
    "os.remove(path)\n"
    "os.remove(path .. '.lock')\n";

/* Run both chunks in a state that is watched. */
static void leaves_nothing(const char *chunk) {
  static memory m;
  lua_State *L;
  int looked;
  memset(&m, 0, sizeof m);
  m.live.next = m.live.previous = &m.live;
  L = lua_newstate(watch, &m);
  CHECK(L != NULL);
  if (L == NULL) return;
  luaL_openlibs(L);
  lua_register(L, "plant", plant);
  if (luaL_dostring(L, prelude) != LUA_OK ||
      luaL_dostring(L, chunk) != LUA_OK) {
    (void)printf("%s\n", lua_tostring(L, -1));
    CHECK(0);
  }
  CHECK(m.count >= 6);
  lua_settop(L, 0);
  (void)lua_gc(L, LUA_GCCOLLECT);
  (void)lua_gc(L, LUA_GCCOLLECT);
  looked = m.looked;
  for (const block *b = m.live.next; b != &m.live; b = b->next)
    look_at(&m, b, "left");
  CHECK(m.looked > looked);
  lua_close(L);
  CHECK(m.live.next == &m.live);
  if (m.dirty > 0) (void)printf("%d dirty, first %s\n", m.dirty, m.first);
  CHECK_INT(m.dirty, 0);
}

TEST(a_portal_with_a_webhook_leaves_nothing) { leaves_nothing(webhook); }

TEST(a_portal_that_renews_its_tokens_leaves_nothing) {
  leaves_nothing(tokens);
}

int main(void) {
  RUN(a_portal_with_a_webhook_leaves_nothing);
  RUN(a_portal_that_renews_its_tokens_leaves_nothing);
  return unit_report();
}
