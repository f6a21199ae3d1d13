/*
 * floor.c - what libcurl and lua-cjson cost with nothing around them:
 *   floor ORIGIN BODIES [SAVE]
 * Posts each line of BODIES (PATH <tab> BODY) to ORIGIN over one connection,
 * compressed answers allowed, one after another, and decodes each answer with
 * lua-cjson in a Lua state. Nothing is looked at, tried again or kept; with
 * SAVE the answers are written there, a line each.
 */
#include <curl/curl.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct text {
  char *bytes;
  size_t length, room;
} text;

static size_t on_body(char *bytes, size_t size, size_t count, void *ud) {
  text *t = ud;
  size_t length = size * count;
  if (t->length + length > t->room) {
    size_t room = (t->length + length) * 2;
    char *grown = realloc(t->bytes, room);
    if (grown == NULL) return 0;
    t->bytes = grown;
    t->room = room;
  }
  memcpy(t->bytes + t->length, bytes, length);
  t->length += length;
  return length;
}

static CURL *open_handle(text *answer, struct curl_slist **headers) {
  CURL *easy = curl_easy_init();
  *headers = curl_slist_append(NULL, "Content-Type: application/json");
  *headers = curl_slist_append(*headers, "Expect:");
  if (easy == NULL || *headers == NULL) return NULL;
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
  curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  return easy;
}

/* Post one line and decode the answer; what went wrong, or NULL. */
static const char *run(CURL *easy, lua_State *L, const char *origin,
                       char *line, text *answer) {
  char url[1024];
  char *body = strchr(line, '\t');
  CURLcode code;
  if (body == NULL) return "a line without a body";
  *body++ = '\0';
  (void)snprintf(url, sizeof url, "%s%s", origin, line);
  curl_easy_setopt(easy, CURLOPT_URL, url);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
  answer->length = 0;
  code = curl_easy_perform(easy);
  if (code != CURLE_OK) return curl_easy_strerror(code);
  lua_pushvalue(L, -1); /* decode */
  lua_pushlstring(L, answer->bytes, answer->length);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) return lua_tostring(L, -1);
  lua_pop(L, 1);
  return NULL;
}

/* Leaves cjson.decode on the stack. */
static lua_State *open_lua(void) {
  lua_State *L = luaL_newstate();
  if (L == NULL) return NULL;
  luaL_openlibs(L);
  if (luaL_dostring(L, "return require('cjson').decode") != LUA_OK) {
    lua_close(L);
    return NULL;
  }
  return L;
}

static const char *run_all(FILE *in, FILE *save, const char *origin,
                           lua_State *L) {
  text answer = {NULL, 0, 0};
  struct curl_slist *headers = NULL;
  CURL *easy = open_handle(&answer, &headers);
  const char *problem = easy == NULL ? "not enough memory" : NULL;
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while (problem == NULL && (length = getline(&line, &room, in)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = '\0';
    problem = run(easy, L, origin, line, &answer);
    if (problem != NULL || save == NULL) continue;
    (void)fwrite(answer.bytes, 1, answer.length, save);
    (void)fputc('\n', save);
  }
  free(line);
  free(answer.bytes);
  curl_easy_cleanup(easy);
  curl_slist_free_all(headers);
  return problem;
}

int main(int argc, char **argv) {
  FILE *in = argc > 2 ? fopen(argv[2], "rb") : NULL;
  FILE *save = argc > 3 ? fopen(argv[3], "wb") : NULL;
  lua_State *L = open_lua();
  const char *problem = "usage: floor ORIGIN BODIES [SAVE]; needs lua-cjson";
  if (in != NULL && L != NULL) {
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    problem = run_all(in, save, argv[1], L);
    if (problem != NULL) fprintf(stderr, "floor: %s\n", problem);
    curl_global_cleanup();
  } else {
    fprintf(stderr, "floor: %s\n", problem);
  }
  if (L != NULL) lua_close(L);
  if (save != NULL) (void)fclose(save);
  if (in != NULL) (void)fclose(in);
  return problem == NULL ? 0 : 1;
}
