/*
 * registry.c - one limiter for each portal and tariff in this process.
 *
 * The one place with state of its own: the platform counts what comes from
 * an address, and a process has one address however many clients, threads
 * and Lua states it has. A limiter stays when its last client is gone,
 * because the portal goes on counting; an entry takes a few kilobytes.
 */
#include "registry.h"

#include "error.h"

#include <pthread.h>
#include <string.h>

typedef struct entry {
  struct entry *next;
  char *portal;
  double rate, burst;
  b24_limiter *limiter;
} entry;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static entry *entries;

static entry *find(const char *portal, double rate, double burst) {
  for (entry *e = entries; e != NULL; e = e->next)
    if (strcmp(e->portal, portal) == 0 && !(e->rate < rate) &&
        !(e->rate > rate) && !(e->burst < burst) && !(e->burst > burst))
      return e;
  return NULL;
}

static b24_kind add(entry **out, const char *portal, double rate,
                    double burst, b24_error *err) {
  const b24_alloc *alloc = b24__alloc_default();
  entry *e = b24__alloc(alloc, sizeof *e);
  b24_kind kind;
  if (e == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  e->portal = b24__strndup(alloc, portal, strlen(portal));
  if (e->portal == NULL) {
    b24__free(alloc, e, sizeof *e);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  kind = b24_limiter_new(&e->limiter, alloc, rate, burst, err);
  if (kind != B24_OK) {
    b24__strfree(alloc, e->portal);
    b24__free(alloc, e, sizeof *e);
    return kind;
  }
  e->rate = rate;
  e->burst = burst;
  e->next = entries;
  entries = e;
  *out = e;
  return B24_OK;
}

/* The library is unloaded, or the process ends: the registry's references go
 * back; a limiter that a client still holds lives on. */
#if defined(__GNUC__)
__attribute__((destructor))
#endif
static void give_back(void) {
  const b24_alloc *alloc = b24__alloc_default();
  (void)pthread_mutex_lock(&lock);
  while (entries != NULL) {
    entry *e = entries;
    entries = e->next;
    b24_limiter_free(e->limiter);
    b24__strfree(alloc, e->portal);
    b24__free(alloc, e, sizeof *e);
  }
  (void)pthread_mutex_unlock(&lock);
}

b24_kind b24_limiter_shared(b24_limiter **out, const char *portal,
                            double rate, double burst, b24_error *err) {
  b24_kind kind = B24_OK;
  entry *e;
  *out = NULL;
  (void)pthread_mutex_lock(&lock);
  e = find(portal, rate, burst);
  if (e == NULL) kind = add(&e, portal, rate, burst, err);
  if (kind == B24_OK) *out = b24_limiter_ref(e->limiter);
  (void)pthread_mutex_unlock(&lock);
  return kind;
}
