/*
 * console.c - core.console: what a program at a terminal needs of the system
 * and Lua's own library does not have. It decides nothing.
 * Invariant: no descriptor outlives the call that opened it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "lb24.h"

/* Push true, or nil and what went wrong with `path`. */
static int push_outcome(lua_State *L, const char *path, int code) {
  if (code == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, strerror(code));
  return 2;
}

/* is_terminal("stdin" | "stdout" | "stderr") -> boolean */
static int is_terminal(lua_State *L) {
  static const char *const names[] = {"stdin", "stdout", "stderr", NULL};
  int fd = luaL_checkoption(L, 1, NULL, names);
  lua_pushboolean(L, isatty(fd) == 1);
  return 1;
}

/* width() -> columns of the terminal | nil */
static int width(lua_State *L) {
  struct winsize size;
  memset(&size, 0, sizeof size);
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
    (void)ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
  if (size.ws_col > 0)
    lua_pushinteger(L, size.ws_col);
  else
    lua_pushnil(L);
  return 1;
}

/* echo(boolean): are typed letters shown? Nothing where standard input is no
 * terminal. */
static int echo(lua_State *L) {
  struct termios mode;
  int on = lua_toboolean(L, 1);
  if (tcgetattr(STDIN_FILENO, &mode) != 0)
    return 0;
  if (on)
    mode.c_lflag |= (tcflag_t)ECHO;
  else
    mode.c_lflag &= ~(tcflag_t)ECHO;
  (void)tcsetattr(STDIN_FILENO, TCSANOW, &mode);
  return 0;
}

/* truncate(path, bytes) -> true | nil, message */
static int truncate_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer bytes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, bytes >= 0, 2, "a length");
  return push_outcome(L, path, truncate(path, (off_t)bytes) == 0 ? 0 : errno);
}

/* sync(file, path) -> true | nil, message: what was written is on the disk */
static int sync_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  const char *path = luaL_checkstring(L, 2);
  int code = 0;
  if (stream->closef == NULL)
    code = EBADF;
  else if (fflush(stream->f) != 0 || fsync(fileno(stream->f)) != 0)
    code = errno;
  /* a pipe or a device has nothing to bring to a disk */
  return push_outcome(L, path, code == EINVAL ? 0 : code);
}

/* make_folder(path) -> true | nil, message: the user's alone; there already
 * is fine */
static int make_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int code = mkdir(path, 0700) == 0 ? 0 : errno;
  return push_outcome(L, path, code == EEXIST ? 0 : code);
}

/* mode(path) -> permission bits | nil, message */
static int mode_of(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat about;
  if (stat(path, &about) != 0)
    return push_outcome(L, path, errno);
  lua_pushinteger(L, (lua_Integer)(about.st_mode & 07777));
  return 1;
}

int lb24_open_console(lua_State *L) {
  static const luaL_Reg functions[] = {{"echo", echo},
                                       {"is_terminal", is_terminal},
                                       {"make_folder", make_folder},
                                       {"mode", mode_of},
                                       {"sync", sync_file},
                                       {"truncate", truncate_file},
                                       {"width", width},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
