/*
 * unreachable.h - ports of 127.0.0.1 that no request gets through to.
 */
#ifndef B24S_UNREACHABLE_H
#define B24S_UNREACHABLE_H

#include <lua.h>

/* closed_port() -> port object | nil, why. Connecting is refused. */
int b24s_unreachable_closed(lua_State *L);

/* blackhole() -> port object | nil, why. Connecting gets no answer. */
int b24s_unreachable_blackhole(lua_State *L);

/* Register the metatable of port objects. [-0, +0] */
void b24s_unreachable_open(lua_State *L);

#endif
