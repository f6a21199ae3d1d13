/*
 * bitrix24_lua.h - the module for Lua 5.4 out of the library alone:
 *
 *     luaL_openlibs(L);
 *     luaL_requiref(L, "bitrix24", luaopen_bitrix24, 1);
 *
 * No file on package.path or package.cpath is needed. The host supplies Lua
 * itself and lua-cjson, the latter as package.preload.cjson or wherever its
 * `require` finds it.
 *
 * What the module raises, and a script that does not catch it, is a table with
 * `__tostring`: after lua_pcall its line is luaL_tolstring(L, -1, NULL), while
 * lua_tostring(L, -1) is NULL.
 */
#ifndef BITRIX24_LUA_H
#define BITRIX24_LUA_H

#include "bitrix24.h"

#ifdef __cplusplus
extern "C" {
#endif

struct lua_State;

/* Push the module and let `require` find its parts, such as
 * "bitrix24.progress": loaders go into package.preload where it has none of
 * that name. Needs the base functions in the globals and coroutine, io, math,
 * os, string, table and utf8 opened, but neither `package` nor `debug`; it
 * keeps them, so that afterwards scripts may be denied any of them. Raises a
 * Lua error that names what is missing. The library must stay loaded as long
 * as the state. */
B24_API int luaopen_bitrix24(struct lua_State *L);

/* The part in C alone, as `require "bitrix24.core"` knows it; of use to the
 * files of lua/bitrix24 and to nobody else. */
B24_API int luaopen_bitrix24_core(struct lua_State *L);

#ifdef __cplusplus
}
#endif
#endif
