/*
 * console.c - core.console: what a program at a terminal needs of the system
 * and Lua's own library does not have. It decides nothing.
 * Invariant: no descriptor outlives the call that opened it, but for a standard
 * stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "lb24.h"

/* "stdin" | "stdout" | "stderr" in the order of their descriptors */
static const char *const streams[] = {"stdin", "stdout", "stderr", NULL};

/* is_terminal("stdin" | "stdout" | "stderr") -> boolean */
static int is_terminal(lua_State *L) {
  int fd = luaL_checkoption(L, 1, NULL, streams);
  lua_pushboolean(L, isatty(fd) == 1);
  return 1;
}

/* width("stdin" | "stdout" | "stderr") -> columns of that terminal, as it is
 * now | nil */
static int width(lua_State *L) {
  int fd = luaL_checkoption(L, 1, NULL, streams);
  struct winsize size;
  memset(&size, 0, sizeof size);
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
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

/* hold_streams(): a standard stream that was given closed does not become the
 * next file or connection that is opened; using it goes on to fail. */
static int hold_streams(lua_State *L) {
  (void)L;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    /* the lowest that is free is this one; opened the wrong way round, it
     * fails as a closed one does */
    int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", flags) != fd) break;
  }
  return 0;
}

/* truncate(path, bytes) -> true | nil, message */
static int truncate_file(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_Integer bytes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, bytes >= 0, 2, "a length");
  return lb24_push_outcome(L, path,
                           truncate(path, (off_t)bytes) == 0 ? 0 : errno);
}

/* sync(file) -> true | nil, message, errno: what was written is on the disk */
static int sync_file(lua_State *L) {
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  int code = 0;
  if (stream->closef == NULL)
    code = EBADF;
  else if (fflush(stream->f) != 0 || fsync(fileno(stream->f)) != 0)
    code = errno;
  if (code == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushnil(L);
  lua_pushstring(L, strerror(code));
  lua_pushinteger(L, code);
  return 3;
}

/* make_folder(path) -> true | nil, message: the user's alone; there already
 * is fine */
static int make_folder(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int code = mkdir(path, 0700) == 0 ? 0 : errno;
  return lb24_push_outcome(L, path, code == EEXIST ? 0 : code);
}

/* mode(path) -> permission bits | nil, message */
static int mode_of(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat about;
  if (stat(path, &about) != 0)
    return lb24_push_outcome(L, path, errno);
  lua_pushinteger(L, (lua_Integer)(about.st_mode & 07777));
  return 1;
}

/* kind(path) -> "file" | "folder" | "other": a pipe, a device | "link": one
 * that leads to nothing | nil: there is nothing, or it cannot be looked at */
static int kind(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  struct stat about;
  if (stat(path, &about) == 0)
    lua_pushstring(L, S_ISREG(about.st_mode)   ? "file"
                      : S_ISDIR(about.st_mode) ? "folder"
                                               : "other");
  else if (lstat(path, &about) == 0 && S_ISLNK(about.st_mode))
    lua_pushliteral(L, "link");
  else
    lua_pushnil(L);
  return 1;
}

/* like(path, model) -> true | nil, message: who may read and write `model`
 * may do so with `path`, which is to take its place. Only root can give it to
 * another owner; whoever else writes it, owns it. A group that it cannot be
 * given to is not replaced by the writer's. */
static int like(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  const char *model = luaL_checkstring(L, 2);
  struct stat about, own;
  mode_t mode;
  if (stat(model, &about) != 0)
    return lb24_push_outcome(L, model, errno);
  if (stat(path, &own) != 0)
    return lb24_push_outcome(L, path, errno);
  mode = about.st_mode & 0777;
  if (own.st_uid != about.st_uid && chown(path, about.st_uid, (gid_t)-1) != 0 &&
      errno != EPERM)
    return lb24_push_outcome(L, path, errno);
  if (own.st_gid != about.st_gid && chown(path, (uid_t)-1, about.st_gid) != 0) {
    if (errno != EPERM)
      return lb24_push_outcome(L, path, errno);
    mode &= (mode_t)~S_IRWXG;
  }
  return lb24_push_outcome(L, path, chmod(path, mode) == 0 ? 0 : errno);
}

/* The signals that end this process. A closed terminal is heard by who reads
 * from it: nohup takes the terminal away and wants SIGHUP to be ignored. */
static sigset_t endings(void) {
  sigset_t set;
  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGTERM);
  if (isatty(STDIN_FILENO) == 1)
    (void)sigaddset(&set, SIGHUP);
  return set;
}

/* hold_endings(boolean): those signals wait, for what is to be removed first;
 * one that came ends the process when they are let go. Threads that are made
 * meanwhile leave them alone. */
static int hold_endings(lua_State *L) {
  sigset_t set = endings();
  (void)pthread_sigmask(lua_toboolean(L, 1) ? SIG_BLOCK : SIG_UNBLOCK, &set,
                        NULL);
  return 0;
}

/* is_ending() -> boolean: has one of them come while they were held? */
static int is_ending(lua_State *L) {
  sigset_t come;
  int is = sigpending(&come) == 0 && (sigismember(&come, SIGTERM) == 1 ||
                                      sigismember(&come, SIGHUP) == 1);
  lua_pushboolean(L, is);
  return 1;
}

int lb24_open_console(lua_State *L) {
  static const luaL_Reg functions[] = {{"echo", echo},
                                       {"hold_endings", hold_endings},
                                       {"hold_streams", hold_streams},
                                       {"is_ending", is_ending},
                                       {"is_terminal", is_terminal},
                                       {"kind", kind},
                                       {"like", like},
                                       {"make_folder", make_folder},
                                       {"mode", mode_of},
                                       {"sync", sync_file},
                                       {"truncate", truncate_file},
                                       {"width", width},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
