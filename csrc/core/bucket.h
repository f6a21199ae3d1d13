/*
 * bucket.h - the requests of one portal, counted: when one more may be sent.
 * A part of limiter.c, which guards it with its lock and, when several
 * processes share it, keeps its state in a file (limiter_file.c). No clock is
 * read here.
 */
#ifndef B24_CORE_BUCKET_H
#define B24_CORE_BUCKET_H

#include "bitrix24.h"

#define B24_BUCKET_PERIOD_MS 1001
#define B24_BUCKET_UNIT 1000 /* of a counter: thousandths of a request */
#define B24_BUCKET_MOST 1000000 /* requests, or requests a second */
#define B24_BUCKET_REFUSALS 5   /* doublings after refusals in a row */
#define B24_BUCKET_HOLD_MS /* the longest wait after a refusal */ \
  ((int64_t)2 * (B24_BUCKET_PERIOD_MS << (B24_BUCKET_REFUSALS - 1)))

/* What is remembered of the requests that are over. Fixed in size and without
 * pointers: it is written into files as it is. */
typedef struct b24_bucket_state {
  int64_t now_ms; /* the counters are of this moment */
  int64_t hold_until_ms;
  int32_t started; /* now_ms was set */
  int32_t refusals;
  int32_t level[B24_BUCKET_PERIOD_MS];
  int32_t reserved; /* 0 */
} b24_bucket_state;

/* In the caller's storage. */
typedef struct b24_bucket {
  int32_t rate; /* in units a period; 0 = off */
  int32_t burst;
  int64_t out; /* requests on their way */
  b24_bucket_state state;
} b24_bucket;

/* An empty bucket. Fails with B24_CONFIG for a number that cannot be. */
b24_kind b24__bucket_init(b24_bucket *bucket, double rate, double burst,
                          b24_error *err);

/* Let the counters fall until now; a clock that went back changes nothing. */
void b24__bucket_advance(b24_bucket *bucket, int64_t now_ms);

/* 0: one more is out. Else the ms until there may be room for it; -1: not
 * before one that is out comes back. */
int64_t b24__bucket_admit(b24_bucket *bucket, int64_t now_ms);

/* So many arrived at the portal, at the latest now. */
void b24__bucket_arrived(b24_bucket *bucket, int64_t count, int64_t now_ms);

/* One that was out: is over, was never sent, or was refused. The last returns
 * the ms that everybody waits. */
void b24__bucket_answered(b24_bucket *bucket, int64_t now_ms);
void b24__bucket_unsent(b24_bucket *bucket, int64_t now_ms);
int64_t b24__bucket_refused(b24_bucket *bucket, int64_t now_ms,
                            double random);

/* Can this be a time, or the state of a bucket? For what comes from a file:
 * nothing that passes can overflow. */
int b24__bucket_is_time(int64_t ms);
int b24__bucket_plausible(const b24_bucket_state *state);

#endif
