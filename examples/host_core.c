/*
 * host_core.c - the core alone, without Lua: calls side by side, a list page
 * by page, errors.
 *
 *   cc host_core.c $(pkg-config --cflags bitrix24) \
 *     $(pkg-config --variable=libdir bitrix24)/libbitrix24.a \
 *     $(pkg-config --libs libcurl) -lm -lpthread -o host_core
 *   BITRIX24_WEBHOOK=https://HOST/rest/1/CODE/ ./host_core
 *
 * The core does HTTP, authorization, limits and retries and does not look into
 * an answer. Whoever reads the answer tells it the facts: was it readable, did
 * it say an error, how much working time did it report. A program does that
 * with the JSON library it has; the three functions below only find a value.
 *
 * Of the archive the linker takes the core and nothing that asks for Lua; with
 * the shared library a program links Lua as well.
 */
#include <bitrix24.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- where your JSON library goes ---------------------------------------- */

/* The end of the value that begins at `at`: a string, an array or object with
 * all that is in it, or a word up to what separates it. */
static const char *skip(const char *at) {
  int depth = 0;
  do {
    if (*at == '"') {
      for (at++; *at != '"' && *at != '\0'; at++)
        if (*at == '\\' && at[1] != '\0') at++;
    } else if (*at == '[' || *at == '{') {
      depth++;
    } else if (*at == ']' || *at == '}') {
      depth--;
    }
    if (*at != '\0') at++;
  } while (*at != '\0' && (depth > 0 || strchr(",:]} \t\r\n", *at) == NULL));
  return at;
}

static const char *space(const char *at) {
  return at + strspn(at, ", \t\r\n");
}

/* The value of a key of this object, not of one that is deeper in it; NULL
 * when it is not there. */
static const char *member(const char *object, const char *key) {
  size_t length = strlen(key);
  if (object == NULL || *object != '{') return NULL;
  for (object = space(object + 1); *object == '"'; object = space(object)) {
    const char *name = object + 1;
    const char *end = skip(object);
    object = end + strspn(end, ": \t\r\n");
    if ((size_t)(end - name) == length + 1 && memcmp(name, key, length) == 0)
      return object;
    object = skip(object);
  }
  return NULL;
}

static int64_t seconds_to_ms(const char *value, int64_t otherwise) {
  return value != NULL ? (int64_t)(strtod(value, NULL) * 1000) : otherwise;
}

/* ---- one call ------------------------------------------------------------ */

/* What this program takes out of an answer: it is gone once the request is
 * settled. */
typedef struct outcome {
  int ok;
  long status;
  long total, next; /* of a list, -1 = not there */
  char code[64];    /* the portal's word for what is wrong */
  b24_verdict verdict;
} outcome;

/* An attempt has ended: read its answer and tell the core. 0 when the call is
 * over, 1 when the core tries again. */
static int settle(outcome *out, b24_request *request) {
  b24_answer answer;
  b24_facts facts = {0, NULL, -1, -1, 0};
  const char *body, *time, *error, *value;
  memset(out, 0, sizeof *out);
  b24_request_answer(&answer, request);
  body = answer.body != NULL ? answer.body : "";
  body += strspn(body, " \t\r\n");
  time = member(body, "time");
  error = member(body, "error");
  facts.decoded = error != NULL || member(body, "result") != NULL;
  if (error != NULL && *error == '"') {
    (void)snprintf(out->code, sizeof out->code, "%.*s",
                   (int)(skip(error) - error - 2), error + 1);
    facts.code = out->code;
  }
  facts.cost_ms = seconds_to_ms(member(time, "duration"), -1);
  facts.operating_ms = seconds_to_ms(member(time, "operating"), -1);
  facts.operating_reset_at_ms =
      seconds_to_ms(member(time, "operating_reset_at"), 0);
  out->status = answer.status;
  value = member(body, "total");
  out->total = value != NULL ? strtol(value, NULL, 10) : -1;
  value = member(body, "next");
  out->next = value != NULL ? strtol(value, NULL, 10) : -1;
  b24_request_settle(request, &facts, &out->verdict);
  out->ok = out->verdict.action == B24_DONE;
  return out->verdict.action != B24_DONE && out->verdict.action != B24_FAIL;
}

static void report(const char *method, const outcome *got) {
  if (got->ok)
    (void)printf("%s: HTTP %ld\n", method, got->status);
  else
    (void)printf("%s: %s error %s: %s\n", method,
                 b24_kind_name(got->verdict.kind), got->code,
                 got->verdict.reason);
}

static b24_kind submit(b24_request **out, b24_client *client,
                       const char *method, const char *body, b24_error *err) {
  b24_call call = {0};
  call.method = method;
  call.version = 2;
  call.body = body;
  call.body_size = strlen(body);
  call.harmless = 1; /* it reads: it may be repeated when nobody knows whether
                        it ran */
  return b24_client_submit(out, client, &call, err);
}

/* ---- what the program does ----------------------------------------------- */

/* Three calls on their way at the same time; the last one cannot work. */
static b24_kind side_by_side(b24_client *client, b24_error *err) {
  static const char *const methods[] = {"profile", "server.time",
                                        "crm.calllist.get"};
  b24_request *requests[3] = {NULL, NULL, NULL};
  b24_kind kind = B24_OK;
  for (size_t i = 0; i < 3 && kind == B24_OK; i++)
    kind = submit(&requests[i], client, methods[i],
                  i < 2 ? "{}" : "{\"ID\":123456789}", err);
  for (int left = 3; left > 0 && kind == B24_OK;) {
    b24_request *ended;
    outcome got;
    kind = b24_client_step(&ended, client, 1000, err);
    if (kind != B24_OK || ended == NULL || settle(&got, ended)) continue;
    left--;
    for (size_t i = 0; i < 3; i++)
      if (requests[i] == ended) report(methods[i], &got);
  }
  for (size_t i = 0; i < 3; i++) b24_request_free(requests[i]);
  return kind;
}

/* Every page of a list: `start` is what the page before said as `next`
 * (settings/how-to-call-rest-api/list-methods-pecularities). */
static b24_kind pages(b24_client *client, b24_error *err) {
  b24_kind kind = B24_OK;
  long start = 0;
  while (start >= 0 && kind == B24_OK) {
    char body[96];
    b24_request *request = NULL, *ended = NULL;
    outcome got;
    (void)snprintf(body, sizeof body, "{\"entityTypeId\":3,\"start\":%ld}",
                   start);
    kind = submit(&request, client, "crm.item.list", body, err);
    while (kind == B24_OK) {
      kind = b24_client_step(&ended, client, 1000, err);
      if (kind == B24_OK && ended != NULL && !settle(&got, ended)) break;
    }
    b24_request_free(request);
    if (kind != B24_OK) break;
    if (!got.ok) {
      report("crm.item.list", &got);
      break;
    }
    (void)printf("contacts from %ld of %ld\n", start, got.total);
    if (got.next >= 0 && got.next <= start) { /* it would never end */
      (void)printf("crm.item.list: the portal repeats itself\n");
      break;
    }
    start = got.next;
  }
  return kind;
}

int main(void) {
  b24_options options;
  b24_client *client = NULL;
  b24_error err;
  b24_kind kind;
  b24_options_init(&options);
  options.webhook = getenv("BITRIX24_WEBHOOK");
  kind = b24_client_new(&client, &options, &err);
  if (kind == B24_OK) kind = side_by_side(client, &err);
  if (kind == B24_OK) kind = pages(client, &err);
  b24_client_free(client);
  if (kind != B24_OK)
    (void)fprintf(stderr, "host_core: %s error: %s\n", b24_kind_name(kind),
                  err.message);
  return kind != B24_OK;
}
