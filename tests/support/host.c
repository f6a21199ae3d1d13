/*
 * host.c - a program that embeds the module: one library, Lua, lua-cjson, and
 * nothing on package.path or package.cpath.
 *
 *   host [-r] CJSON.so SCRIPT [ARGUMENT ...]
 *
 * Runs the script and says at the end, on a line of its own that begins with
 * "host:", whether the process is as it was: signal handlers and mask, locale,
 * working directory, umask, environment, open files.
 *
 * The script also has fork() -> process | 0, wait(process) -> exit status, and
 * ports(n) -> the local ports of this process's connections to port n.
 *
 * -r: a host that trusts its scripts little. It never opens `package` and
 * `debug`, and takes what reaches out of Lua away once the module is there,
 * which the script finds as a global.
 */
#include <bitrix24_lua.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <locale.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGNALS 64
#define RESTORER 0x04000000 /* a flag that Linux adds to what was set twice */
#define FILES 256

extern char **environ;

typedef struct snapshot {
  struct sigaction actions[SIGNALS + 1];
  int known[SIGNALS + 1];
  sigset_t mask;
  char locale[512];
  char folder[1024];
  mode_t umask;
  char **environment;
  char *first;
  int files[FILES];
} snapshot;

static void look(snapshot *s) {
  memset(s, 0, sizeof *s);
  for (int i = 1; i <= SIGNALS; i++)
    s->known[i] = sigaction(i, NULL, &s->actions[i]) == 0;
  (void)sigprocmask(SIG_BLOCK, NULL, &s->mask);
  (void)snprintf(s->locale, sizeof s->locale, "%s", setlocale(LC_ALL, NULL));
  if (getcwd(s->folder, sizeof s->folder) == NULL) s->folder[0] = '\0';
  s->umask = umask(0);
  (void)umask(s->umask);
  s->environment = environ;
  s->first = environ[0];
  for (int i = 0; i < FILES; i++) s->files[i] = fcntl(i, F_GETFD) != -1;
}

static int compare(const snapshot *was, const snapshot *is) {
  int faults = 0;
#define SAME(what, condition) \
  do { \
    if (!(condition)) { \
      faults++; \
      (void)printf("host: changed: %s\n", what); \
    } \
  } while (0)
  for (int i = 1; i <= SIGNALS; i++) {
    SAME("a signal handler",
         was->known[i] == is->known[i] &&
             was->actions[i].sa_handler == is->actions[i].sa_handler &&
             (was->actions[i].sa_flags | RESTORER) ==
                 (is->actions[i].sa_flags | RESTORER));
    SAME("the signal mask",
         sigismember(&was->mask, i) == sigismember(&is->mask, i));
  }
  SAME("the locale", strcmp(was->locale, is->locale) == 0);
  SAME("the folder", strcmp(was->folder, is->folder) == 0);
  SAME("the umask", was->umask == is->umask);
  SAME("the environment",
       was->environment == is->environment && was->first == is->first);
  SAME("open files",
       memcmp(was->files, is->files, sizeof was->files) == 0);
#undef SAME
  return faults;
}

static int host_fork(lua_State *L) {
  (void)fflush(stdout);
  lua_pushinteger(L, (lua_Integer)fork());
  return 1;
}

static int host_wait(lua_State *L) {
  int status = 0;
  pid_t process = (pid_t)luaL_checkinteger(L, 1);
  if (waitpid(process, &status, 0) != process || !WIFEXITED(status)) return 0;
  lua_pushinteger(L, WEXITSTATUS(status));
  return 1;
}

static int host_ports(lua_State *L) {
  lua_Integer port = luaL_checkinteger(L, 1);
  lua_newtable(L);
  for (int fd = 0; fd < FILES; fd++) {
    struct sockaddr_in peer, own;
    socklen_t peer_size = sizeof peer, own_size = sizeof own;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0) continue;
    if (peer.sin_family != AF_INET || ntohs(peer.sin_port) != port) continue;
    if (getsockname(fd, (struct sockaddr *)&own, &own_size) != 0) continue;
    lua_pushinteger(L, ntohs(own.sin_port));
    lua_rawseti(L, -2, luaL_len(L, -2) + 1);
  }
  return 1;
}

/* lua-cjson as a host has it: linked, or loaded by the host's own means. */
static int preload_cjson(lua_State *L, const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  lua_CFunction open = NULL;
  void *symbol = library == NULL ? NULL : dlsym(library, "luaopen_cjson");
  if (symbol == NULL) return 0;
  memcpy(&open, &symbol, sizeof open);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, open);
  lua_setfield(L, -2, "cjson");
  lua_pop(L, 1);
  return 1;
}

static void open_all(lua_State *L) {
  luaL_openlibs(L);
  lua_getglobal(L, "package");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "path");
  lua_pushliteral(L, "");
  lua_setfield(L, -2, "cpath");
  lua_pop(L, 1);
}

static void open_few(lua_State *L) {
  static const luaL_Reg few[] = {
      {LUA_GNAME, luaopen_base},          {LUA_COLIBNAME, luaopen_coroutine},
      {LUA_IOLIBNAME, luaopen_io},        {LUA_MATHLIBNAME, luaopen_math},
      {LUA_OSLIBNAME, luaopen_os},        {LUA_STRLIBNAME, luaopen_string},
      {LUA_TABLIBNAME, luaopen_table},    {LUA_UTF8LIBNAME, luaopen_utf8},
      {NULL, NULL}};
  for (const luaL_Reg *library = few; library->func != NULL; library++) {
    luaL_requiref(L, library->name, library->func, 1);
    lua_pop(L, 1);
  }
}

static void deny(lua_State *L) {
  static const char *const names[] = {"io",   "os",       "load",
                                      "dofile", "loadfile", "require"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    lua_pushnil(L);
    lua_setglobal(L, names[i]);
  }
}

static int run(lua_State *L) {
  int restricted = lua_toboolean(L, 1);
  int count = (int)lua_tointeger(L, 2);
  char **words = lua_touserdata(L, 3);
  if (restricted)
    open_few(L);
  else
    open_all(L);
  if (!preload_cjson(L, words[0])) return luaL_error(L, "%s", dlerror());
  luaL_requiref(L, "bitrix24", luaopen_bitrix24, 1);
  if (restricted) deny(L);
  lua_settop(L, 0);
  lua_newtable(L);
  for (int i = 1; i < count; i++) {
    lua_pushstring(L, words[i]);
    lua_rawseti(L, -2, i - 1);
  }
  lua_setglobal(L, "arg");
  lua_register(L, "fork", host_fork);
  lua_register(L, "wait", host_wait);
  lua_register(L, "ports", host_ports);
  if (luaL_loadfile(L, words[1]) != LUA_OK) return lua_error(L);
  for (int i = 2; i < count; i++) lua_pushstring(L, words[i]);
  lua_call(L, count - 2, 0);
  return 0;
}

int main(int argc, char **argv) {
  static snapshot before, after;
  int restricted = argc > 1 && strcmp(argv[1], "-r") == 0;
  int first = 1 + restricted;
  int failed;
  lua_State *L;
  if (argc < first + 2) return 2;
  look(&before);
  L = luaL_newstate();
  if (L == NULL) return 1;
  lua_pushcfunction(L, run);
  lua_pushboolean(L, restricted);
  lua_pushinteger(L, argc - first);
  lua_pushlightuserdata(L, argv + first);
  failed = lua_pcall(L, 3, 0, 0) != LUA_OK;
  if (failed) (void)printf("host: %s\n", luaL_tolstring(L, -1, NULL));
  lua_close(L);
  look(&after);
  if (compare(&before, &after) == 0) (void)printf("host: as before\n");
  return failed;
}
