/*
 * unreachable.c - the two ways in which a request is never sent: nobody
 * listens, and nobody answers.
 * A closed port is bound and not listened on, so that it refuses and nobody
 * else can take it. A black hole listens and never accepts: connections of its
 * own fill the queue, and the system drops what comes after them.
 * Invariant: the userdata exists, closed, before a socket is made; one
 * idempotent closer serves close, __gc and __close.
 */
#define _POSIX_C_SOURCE 200809L

#include "unreachable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT "bitrix24.sandbox.port"
#define FILLERS_MAX 16
#define FILL_MS 100

typedef struct port {
  struct sockaddr_in address;
  int sockets[1 + FILLERS_MAX]; /* the port's own, then those that fill it */
  int count;
} port;

static void port_close(port *p) {
  while (p->count > 0) (void)close(p->sockets[--p->count]);
}

/* A socket that belongs to `p`; -1 on failure. */
static int add_socket(port *p) {
  int s = socket(AF_INET, SOCK_STREAM, 0);
  if (s < 0) return -1;
  (void)fcntl(s, F_SETFD, FD_CLOEXEC);
  p->sockets[p->count++] = s;
  return s;
}

static int take_port(port *p) {
  socklen_t length = sizeof p->address;
  int s = add_socket(p);
  p->address.sin_family = AF_INET;
  p->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return s >= 0 &&
         bind(s, (struct sockaddr *)&p->address, sizeof p->address) == 0 &&
         getsockname(s, (struct sockaddr *)&p->address, &length) == 0;
}

/* Knock; 1 when nobody answered, 0 when the door opened, -1 on failure. */
static int knock(port *p) {
  struct pollfd watched;
  int s = add_socket(p);
  if (s < 0 || fcntl(s, F_SETFL, O_NONBLOCK) != 0) return -1;
  if (connect(s, (struct sockaddr *)&p->address, sizeof p->address) == 0)
    return 0;
  if (errno != EINPROGRESS) return -1;
  watched.fd = s;
  watched.events = POLLOUT;
  watched.revents = 0;
  return poll(&watched, 1, FILL_MS) == 0;
}

static int fill(port *p) {
  int silent = 0;
  if (listen(p->sockets[0], 0) != 0) return 0;
  while (silent == 0 && p->count <= FILLERS_MAX) silent = knock(p);
  if (silent == 0) errno = ENOBUFS;
  return silent == 1;
}

static int make(lua_State *L, int (*finish)(port *p)) {
  port *p;
  luaL_checkstack(L, 4, NULL);
  p = lua_newuserdatauv(L, sizeof *p, 0);
  memset(p, 0, sizeof *p);
  luaL_setmetatable(L, PORT);
  if (take_port(p) && (finish == NULL || finish(p))) return 1;
  lua_pushnil(L);
  lua_pushstring(L, strerror(errno));
  port_close(p);
  return 2;
}

int b24s_unreachable_closed(lua_State *L) { return make(L, NULL); }

int b24s_unreachable_blackhole(lua_State *L) { return make(L, fill); }

static int method_port(lua_State *L) {
  const port *p = luaL_checkudata(L, 1, PORT);
  lua_pushinteger(L, ntohs(p->address.sin_port));
  return 1;
}

static int method_close(lua_State *L) {
  port_close(luaL_checkudata(L, 1, PORT));
  return 0;
}

static const luaL_Reg methods[] = {
    {"port", method_port}, {"close", method_close}, {NULL, NULL}};

static const luaL_Reg metamethods[] = {
    {"__gc", method_close}, {"__close", method_close}, {NULL, NULL}};

void b24s_unreachable_open(lua_State *L) {
  luaL_newmetatable(L, PORT);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
