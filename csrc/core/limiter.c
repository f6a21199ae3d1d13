/*
 * limiter.c - the lock around a bucket (bucket.c: when a request may be sent)
 * and a ledger (ledger.c: when a method may be called), for all clients that
 * share them.
 *
 * The bucket may be in a file, for several processes (limiter_file.c): every
 * function begins with a fresh copy and ends by writing what it changed. The
 * ledger stays in the process: every answer's `operating` is the portal's own
 * sum, with the use of other processes in it, and a block is told to each
 * that runs into it.
 */
#include "limiter.h"

#include "bucket.h"
#include "error.h"
#include "limiter_file.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* An answer that comes to another process wakes nobody here. */
#define LOOK_AGAIN_MS 100

struct b24_limiter {
  b24_alloc alloc;
  pthread_mutex_t lock;
  int references;
  int64_t process; /* whose requests are out */
  b24_bucket bucket;
  b24_limiter_file *file; /* where the bucket is, NULL = here */
  b24_ledger ledger;
};

/* ---- making ------------------------------------------------------------ */

int b24_limiter_tariff(double *rate, double *burst, const char *name) {
  static const struct {
    const char *name;
    double rate, burst;
  } tariffs[] = {{"standard", 2, 50}, {"enterprise", 5, 250}};
  for (size_t i = 0; i < sizeof tariffs / sizeof tariffs[0]; i++) {
    if (strcmp(tariffs[i].name, name) != 0) continue;
    *rate = tariffs[i].rate;
    *burst = tariffs[i].burst;
    return 1;
  }
  return 0;
}

static b24_kind make(b24_limiter **out, const b24_alloc *alloc,
                     const b24_bucket *bucket, b24_error *err) {
  b24_limiter *l = b24__alloc(alloc, sizeof *l);
  if (l == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  l->alloc = *alloc;
  if (pthread_mutex_init(&l->lock, NULL) != 0) {
    b24__free(alloc, l, sizeof *l);
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  }
  l->references = 1;
  l->process = (int64_t)getpid();
  l->bucket = *bucket;
  b24__ledger_init(&l->ledger, &l->alloc);
  *out = l;
  return B24_OK;
}

b24_kind b24_limiter_new(b24_limiter **out, const b24_alloc *alloc,
                         double rate, double burst, b24_error *err) {
  b24_bucket bucket;
  b24_kind kind = b24__bucket_init(&bucket, rate, burst, err);
  *out = NULL;
  if (kind != B24_OK) return kind;
  if (alloc == NULL) alloc = b24__alloc_default();
  return make(out, alloc, &bucket, err);
}

b24_kind b24_limiter_open(b24_limiter **out, const b24_alloc *alloc,
                          const char *path, double rate, double burst,
                          b24_error *err) {
  b24_limiter *l;
  b24_kind kind = b24_limiter_new(&l, alloc, rate, burst, err);
  *out = NULL;
  if (kind != B24_OK) return kind;
  if (rate == 0)
    kind = b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "limits: without a rate there is nothing to share in "
                     "a limiter file");
  else
    kind = b24__limiter_file_open(&l->file, &l->alloc, path, &l->bucket, err);
  if (kind != B24_OK) {
    b24_limiter_free(l);
    return kind;
  }
  *out = l;
  return B24_OK;
}

static void lock(b24_limiter *l) { (void)pthread_mutex_lock(&l->lock); }
static void unlock(b24_limiter *l) { (void)pthread_mutex_unlock(&l->lock); }

b24_limiter *b24_limiter_ref(b24_limiter *l) {
  lock(l);
  l->references++;
  unlock(l);
  return l;
}

void b24_limiter_free(b24_limiter *l) {
  b24_alloc alloc;
  int left;
  if (l == NULL) return;
  lock(l);
  left = --l->references;
  unlock(l);
  if (left > 0) return;
  if (l->file != NULL) b24__limiter_file_close(l->file);
  b24__ledger_dispose(&l->ledger);
  (void)pthread_mutex_destroy(&l->lock);
  alloc = l->alloc;
  b24__free(&alloc, l, sizeof *l);
}

/* ---- requests ---------------------------------------------------------- */

/* In a forked child what is out is its parent's: nobody here will tell what
 * became of it, it counts as having arrived. */
static void leave_to_parent(b24_limiter *l, int64_t now_ms) {
  int64_t out = l->bucket.out;
  if (l->process == (int64_t)getpid()) return;
  l->process = (int64_t)getpid();
  l->bucket.out = 0;
  b24__bucket_arrived(&l->bucket, out, now_ms);
}

static void enter(b24_limiter *l, int64_t now_ms) {
  lock(l);
  if (l->file != NULL)
    b24__limiter_file_enter(l->file, &l->bucket, now_ms);
  else
    leave_to_parent(l, now_ms);
}

static void leave(b24_limiter *l, int arrived, int64_t now_ms) {
  if (l->file != NULL)
    b24__limiter_file_leave(l->file, &l->bucket, arrived, now_ms);
  unlock(l);
}

int64_t b24_limiter_admit(b24_limiter *l, int64_t now_ms) {
  int64_t wait;
  enter(l, now_ms);
  wait = b24__bucket_admit(&l->bucket, now_ms);
  if (wait != 0 && l->file != NULL &&
      b24__limiter_file_reap(l->file, &l->bucket, now_ms))
    wait = b24__bucket_admit(&l->bucket, now_ms);
  leave(l, 0, now_ms);
  if (wait < 0) wait = l->file != NULL ? LOOK_AGAIN_MS : B24_BUCKET_PERIOD_MS;
  return wait;
}

void b24_limiter_answered(b24_limiter *l, int64_t now_ms) {
  enter(l, now_ms);
  b24__bucket_answered(&l->bucket, now_ms);
  leave(l, 1, now_ms);
}

void b24_limiter_unsent(b24_limiter *l, int64_t now_ms) {
  enter(l, now_ms);
  b24__bucket_unsent(&l->bucket, now_ms);
  leave(l, 0, now_ms);
}

int64_t b24_limiter_refused(b24_limiter *l, int64_t now_ms, double random) {
  int64_t wait;
  enter(l, now_ms);
  wait = b24__bucket_refused(&l->bucket, now_ms, random);
  leave(l, 1, now_ms);
  return wait;
}

/* ---- working time ------------------------------------------------------ */

void b24_limiter_operating_limit(b24_limiter *l, int64_t limit_ms) {
  lock(l);
  l->ledger.limit_ms = limit_ms > 0 ? limit_ms : 0;
  unlock(l);
}

int64_t b24_limiter_method_wait(b24_limiter *l, const char *method,
                                int64_t expected_cost_ms, int64_t now_ms) {
  int64_t wait;
  lock(l);
  wait = b24__ledger_wait(&l->ledger, method, expected_cost_ms, now_ms);
  unlock(l);
  return wait;
}

int64_t b24_limiter_method_cost(b24_limiter *l, const char *method) {
  int64_t cost;
  lock(l);
  cost = b24__ledger_cost(&l->ledger, method);
  unlock(l);
  return cost;
}

void b24_limiter_method_begin(b24_limiter *l, const char *method,
                              int64_t expected_cost_ms, int64_t now_ms) {
  lock(l);
  (void)b24__ledger_begin(&l->ledger, method, expected_cost_ms, now_ms);
  unlock(l);
}

void b24_limiter_method_end(b24_limiter *l, const char *method,
                            int64_t expected_cost_ms) {
  lock(l);
  b24__ledger_end(&l->ledger, method, expected_cost_ms);
  unlock(l);
}

static int64_t until_reset(int64_t reset_at_unix_ms, int64_t unix_now_ms) {
  return reset_at_unix_ms > 0 ? reset_at_unix_ms - unix_now_ms : -1;
}

void b24_limiter_operating(b24_limiter *l, const char *method,
                           int64_t cost_ms, int64_t operating_ms,
                           int64_t reset_at_unix_ms, int64_t now_ms,
                           int64_t unix_now_ms) {
  b24_operating told;
  told.cost_ms = cost_ms;
  told.operating_ms = operating_ms;
  told.reset_in_ms = until_reset(reset_at_unix_ms, unix_now_ms);
  lock(l);
  (void)b24__ledger_note(&l->ledger, method, &told, now_ms);
  unlock(l);
}

int64_t b24_limiter_blocked(b24_limiter *l, const char *method,
                            int64_t reset_at_unix_ms, int64_t now_ms,
                            int64_t unix_now_ms) {
  int64_t wait;
  lock(l);
  wait = b24__ledger_block(&l->ledger, method,
                           until_reset(reset_at_unix_ms, unix_now_ms),
                           now_ms);
  unlock(l);
  return wait;
}
