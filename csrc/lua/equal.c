/*
 * equal.c - comparing a secret with what somebody sent.
 * Invariant: the time taken depends on the length of what was sent alone, not
 * on where it differs from the secret nor on how long the secret is.
 */
#include "lb24.h"

int lb24_equal(lua_State *L) {
  size_t given_size;
  size_t secret_size;
  const char *given = luaL_checklstring(L, 1, &given_size);
  const char *secret = luaL_checklstring(L, 2, &secret_size);
  /* volatile: a compiler that saw the end coming could stop early */
  volatile size_t difference = given_size ^ secret_size;
  size_t at = 0;
  for (size_t i = 0; i < given_size; i++) {
    difference |= (size_t)((unsigned char)given[i] ^ (unsigned char)secret[at]);
    /* every string of Lua ends in a zero byte: at the end of the secret the
     * walk stays there, and the sizes have told already */
    at += (size_t)(at < secret_size);
  }
  lua_pushboolean(L, difference == 0);
  return 1;
}
