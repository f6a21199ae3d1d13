/*
 * lua_torture_test.c - memory runs out at the n-th allocation, in the middle
 * of everything a script does with a portal: Lua's and the core's memory,
 * which are one allocator, and then libcurl's. Each time the script sees an
 * error that says so or gets what it asked for, the portal works right
 * afterwards, and a closed state has given back every byte and every file.
 *
 *   lua_torture_test                 a sample of the allocations
 *   lua_torture_test every [NAME...] all of them (make torture)
 *   lua_torture_test N NAME WAY      one of them, in this process (debugger)
 *
 * The scenarios are tests/torture/NAME.lua: chunks that get the sandbox (see
 * lua_host.h) and return what is tortured, what must work afterwards and,
 * optionally, what is done before. Each failure has a process of its own,
 * forked when the library is loaded, so that a crash is told by its number.
 *
 * lua-cjson has memory of its own and ends the process without it, so it is
 * loaded beforehand.
 */
#include "lua_host.h"

#include <curl/curl.h>
#include <dirent.h>
#include <dlfcn.h>

#include "shortage.h"

#define SAMPLE 8        /* failures of a kind and scenario, unless all */
#define LIFE_SECONDS 40 /* of a child: who takes longer hangs */
#define RESET_EVERY 100 /* children; the portal's journal grows */

/* ---- a child ------------------------------------------------------------- */

typedef enum whose { LUAS, CURLS } whose;

/* How memory fails. Lua tries again after a full collection, so that for it
 * once is a collection, and twice an error after which there is memory. */
typedef struct way {
  const char *name;
  whose memory;
  long spell; /* failures in a row */
} way;

static const way ways[] = {
    {"once", LUAS, 1},
    {"twice", LUAS, 2},
    {"for good", LUAS, LONG_MAX},
    {"libcurl once", CURLS, 1},
    {"libcurl for good", CURLS, LONG_MAX},
};
#define WAYS (sizeof ways / sizeof ways[0])

typedef struct outcome {
  long asked;  /* allocations */
  long failed;
  int raised;
  char why[400]; /* what is wrong, "" = nothing */
} outcome;

static memory luas, curls;

static void *curls_malloc(size_t size) {
  return memory_realloc(&curls, NULL, 0, size > 0 ? size : 1);
}

static void curls_free(void *block) {
  (void)memory_realloc(&curls, block, memory_size(block), 0);
}

static void *curls_realloc(void *block, size_t size) {
  return memory_realloc(&curls, block, memory_size(block),
                        size > 0 ? size : 1);
}

static char *curls_strdup(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = curls_malloc(size);
  if (copy != NULL) memcpy(copy, text, size);
  return copy;
}

static void *curls_calloc(size_t count, size_t size) {
  void *block = curls_malloc(count * size);
  if (block != NULL) memset(block, 0, count * size);
  return block;
}

#define RUN_IT 1 /* what the chunk returned, on the stack */
#define AGAIN 2
#define PREPARE 3

static int count_files(void) {
  DIR *folder = opendir("/proc/self/fd");
  int count = 0;
  if (folder == NULL) return -1;
  while (readdir(folder) != NULL) count++;
  (void)closedir(folder);
  return count;
}

/* A part of a file that nobody will complete. */
static int has_parts(const char *path) {
  DIR *folder = opendir(path);
  const struct dirent *entry;
  int found = 0;
  if (folder == NULL) return 1;
  while ((entry = readdir(folder)) != NULL)
    if (strstr(entry->d_name, ".part") != NULL) found = 1;
  (void)closedir(folder);
  return found;
}

static void blame(outcome *out, const char *what, const char *why) {
  if (out->why[0] == '\0')
    (void)snprintf(out->why, sizeof out->why, "%s: %s", what, why);
}

/* Is the error at the top one that a script can be given for want of memory?
 * What libcurl lacks memory for may look like a network that is not there. */
static void look_at_error(lua_State *L, const way *how, outcome *out) {
  const char *text;
  lua_getglobal(L, "tostring");
  lua_pushvalue(L, -2);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    blame(out, "an error without words", lua_tostring(L, -1));
    return;
  }
  text = lua_tostring(L, -1);
  out->raised = 1;
  if (out->failed == 0)
    blame(out, "an error without a reason", text);
  else if (strstr(text, "not enough memory") == NULL &&
           (how->memory == LUAS || lua_type(L, -2) == LUA_TSTRING))
    blame(out, "the error blames something else", text);
}

/* All of it, in a state that was prepared; closes the state. */
static void suffer(lua_State *L, const way *how, long n, const char *folder,
                   outcome *out) {
  memory *m = how->memory == LUAS ? &luas : &curls;
  int64_t curl_bytes = curls.bytes;
  int files = count_files();
  int failed;
  if (lua_isfunction(L, PREPARE)) {
    lua_pushvalue(L, PREPARE);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
      blame(out, "before", luaL_tolstring(L, -1, NULL));
  }
  lua_pushvalue(L, RUN_IT);
  lua_gc(L, LUA_GCCOLLECT);
  memory_arm(m, n, how->spell);
  failed = lua_pcall(L, 0, 0, 0) != LUA_OK;
  memory_disarm(m);
  out->asked = m->asked;
  out->failed = m->failed;
  if (failed) look_at_error(L, how, out);
  lua_settop(L, PREPARE);
  lua_pushvalue(L, AGAIN);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK)
    blame(out, "afterwards", luaL_tolstring(L, -1, NULL));
  memory_arm(&luas, 0, LONG_MAX); /* closing needs no memory */
  lua_close(L);
  if (luas.bytes != 0) blame(out, "bytes of Lua are left", "");
  if (luas.lies != 0) blame(out, "blocks came back with another size", "");
  if (curls.bytes != curl_bytes) blame(out, "bytes of libcurl are left", "");
  if (count_files() != files) blame(out, "a file is left open", "");
  if (has_parts(folder)) blame(out, "a part of a file is left", "");
}

/* ---- scenarios ----------------------------------------------------------- */

static portal sb;
static char folder[] = "/tmp/b24-torture-XXXXXX";
static int every;

/* A state with the library and the scenario in it, nothing connected. */
static lua_State *prepare(const char *scenario) {
  char path[200];
  lua_State *L;
  memset(&luas, 0, sizeof luas);
  memory_disarm(&luas);
  L = lua_newstate(memory_realloc, &luas);
  if (L == NULL) return NULL;
  luaL_openlibs(L);
  (void)snprintf(path, sizeof path, "tests/torture/%s.lua", scenario);
  if (luaL_dostring(L, "require 'cjson'") == LUA_OK &&
      luaL_loadfile(L, path) == LUA_OK) {
    lua_pushfstring(L, "return %s", sb.about);
    if (luaL_dostring(L, lua_tostring(L, -1)) == LUA_OK) {
      lua_remove(L, -2);
      lua_pushstring(L, folder);
      lua_setfield(L, -2, "folder");
      if (lua_pcall(L, 1, 3, 0) == LUA_OK) return L;
    }
  }
  printf("%s: %s\n", scenario, luaL_tolstring(L, -1, NULL));
  lua_close(L);
  return NULL;
}

static void empty_folder(void) {
  DIR *d = opendir(folder);
  const struct dirent *entry;
  char path[600];
  if (d == NULL) return;
  while ((entry = readdir(d)) != NULL) {
    (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] != '.') (void)unlink(path);
  }
  (void)closedir(d);
}

/* In a child: the n-th allocation fails. */
static void suffer_apart(outcome *out, lua_State *L, const way *how, long n) {
  int tell[2];
  int status = 0;
  ssize_t got;
  pid_t child;
  memset(out, 0, sizeof *out);
  if (pipe(tell) != 0) return;
  child = fork();
  if (child == 0) {
    (void)close(tell[0]);
    (void)alarm(LIFE_SECONDS);
    suffer(L, how, n, folder, out);
    _exit(write(tell[1], out, sizeof *out) == sizeof *out ? 0 : 1);
  }
  (void)close(tell[1]);
  got = read(tell[0], out, sizeof *out);
  (void)close(tell[0]);
  if (child > 0) (void)waitpid(child, &status, 0);
  if (got != sizeof *out) {
    memset(out, 0, sizeof *out);
    out->failed = 1;
    (void)snprintf(out->why, sizeof out->why,
                   WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                       ? "it hangs (%d)"
                       : "it ended with status %d",
                   status);
  }
  empty_folder();
}

/* One scenario, one way: every allocation, or a sample of them. */
static void fail_all(lua_State *L, const char *scenario, const way *how,
                     int changes) {
  outcome out;
  long total, step, tried = 0, raised = 0, n = 0;
  int quiet = 0, bad = 0, since = 0;
  CHECK(portal_reset(&sb));
  suffer_apart(&out, L, how, LONG_MAX);
  total = out.asked;
  step = every ? 1 : total / SAMPLE + 1;
  if (out.why[0] != '\0') {
    printf("%s, nothing fails: %s\n", scenario, out.why);
    CHECK(0);
    return;
  }
  while (quiet < 3 && n < 2 * total + 100 && bad < 10) {
    if (changes || ++since == RESET_EVERY) {
      since = 0;
      CHECK(portal_reset(&sb));
    }
    suffer_apart(&out, L, how, n);
    if (out.failed > 0) {
      quiet = 0;
      tried++;
    } else {
      quiet += n >= total || every;
    }
    raised += out.raised;
    if (out.why[0] != '\0') {
      printf("%s, allocation %ld fails %s: %s\n", scenario, n, how->name,
             out.why);
      bad++;
    }
    n += quiet > 0 ? 1 : step;
  }
  printf("%-14s %-16s %6ld allocations, %6ld failures survived: %ld raised, "
         "%ld went unnoticed\n",
         scenario, how->name, total, tried - bad, raised, tried - raised);
  CHECK_INT(bad, 0);
  CHECK(total == 0 || tried > 0);
}

/* `changes`: it takes what the portal gives once. */
static void torture(const char *scenario, int changes) {
  lua_State *L = prepare(scenario);
  CHECK(L != NULL);
  if (L == NULL) return;
  for (size_t i = 0; i < WAYS; i++)
    fail_all(L, scenario, &ways[i], changes);
  lua_close(L);
}

#define SCENARIO(name, changes) \
  TEST(name) { torture(#name, changes); }

SCENARIO(loading, 0)
SCENARIO(connecting, 0)
SCENARIO(call, 0)
SCENARIO(refusal, 0)
SCENARIO(recipe, 0)
SCENARIO(batch, 0)
SCENARIO(map, 0)
SCENARIO(list_sequential, 0)
SCENARIO(list_batch, 0)
SCENARIO(list_keyset, 0)
SCENARIO(interleaved, 0)
SCENARIO(download, 0)
SCENARIO(renewal, 1)
SCENARIO(token_file, 1)
SCENARIO(limiter_file, 0)
SCENARIO(query, 0)
SCENARIO(closing, 0)

static int wanted(int argc, char **argv, const char *name) {
  if (argc < 3) return 1;
  for (int i = 2; i < argc; i++)
    if (strcmp(argv[i], name) == 0) return 1;
  return 0;
}

/* libcurl takes its memory from here: only the first set-up of a process
 * decides, and that is to be the host's. It is the libcurl of the module. */
static int take_over_curl(void) {
  lua_State *L = luaL_newstate();
  CURLcode (*init)(long, curl_malloc_callback, curl_free_callback,
                   curl_realloc_callback, curl_strdup_callback,
                   curl_calloc_callback) = NULL;
  void *core = NULL;
  if (L == NULL) return 0;
  luaL_openlibs(L);
  if (luaL_dostring(L, "return assert(package.searchpath('bitrix24.core',"
                       "  package.cpath))") == LUA_OK)
    core = dlopen(lua_tostring(L, -1), RTLD_NOW | RTLD_GLOBAL);
  lua_close(L);
  if (core == NULL) return 0;
  *(void **)&init = dlsym(core, "curl_global_init_mem");
  return init != NULL &&
         init(CURL_GLOBAL_DEFAULT, curls_malloc, curls_free, curls_realloc,
              curls_strdup, curls_calloc) == CURLE_OK;
}

/* For a debugger: the n-th allocation of a scenario, in this process. */
static int suffer_here(const char *n, const char *scenario,
                       const char *name) {
  outcome out;
  lua_State *L = prepare(scenario);
  memset(&out, 0, sizeof out);
  for (size_t i = 0; L != NULL && i < WAYS; i++) {
    if (strcmp(ways[i].name, name) != 0) continue;
    suffer(L, &ways[i], strtol(n, NULL, 10), folder, &out);
    printf("%ld allocations, %ld failed: %s\n", out.asked, out.failed,
           out.why[0] != '\0' ? out.why : "survived");
    return 0;
  }
  return 1;
}

#define MAYBE(name) \
  if (wanted(argc, argv, #name)) RUN(name)

int main(int argc, char **argv) {
  every = argc > 1 && strcmp(argv[1], "every") == 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  portal_start(&sb);
  if (sb.webhook[0] != '\0' && mkdtemp(folder) != NULL && take_over_curl()) {
    (void)setenv("BITRIX24_WEBHOOK", sb.webhook, 1);
    if (argc > 3 && !every) return suffer_here(argv[1], argv[2], argv[3]);
    MAYBE(loading);
    MAYBE(connecting);
    MAYBE(call);
    MAYBE(refusal);
    MAYBE(recipe);
    MAYBE(batch);
    MAYBE(map);
    MAYBE(list_sequential);
    MAYBE(list_batch);
    MAYBE(list_keyset);
    MAYBE(interleaved);
    MAYBE(download);
    MAYBE(renewal);
    MAYBE(token_file);
    MAYBE(limiter_file);
    MAYBE(query);
    MAYBE(closing);
    (void)rmdir(folder);
  } else {
    unit_failed++;
    printf("the sandbox or libcurl did not start\n");
  }
  portal_stop(&sb);
  return unit_report();
}
