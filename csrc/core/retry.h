/*
 * retry.h - one pure function: did the call run, may it be repeated, when?
 */
#ifndef B24_CORE_RETRY_H
#define B24_CORE_RETRY_H

#include "transport.h"

/* What is known when an attempt has ended. */
typedef struct b24_attempt {
  b24_outcome outcome;
  long status;            /* HTTP status, 0 = no answer */
  int64_t retry_after_ms; /* the answer's Retry-After, -1 = not told */
  int decoded;            /* 1: the body was readable as an answer */
  const char *code;       /* the portal's error code, NULL = no error */

  int attempts;           /* how many were made, this one included */
  int retries;            /* how many may follow the first */
  int harmless;           /* repeating cannot change anything twice */
  int keyed;              /* 1: harmless by its Idempotency-Key alone */
  int maybe_ran;          /* an earlier attempt may have run */
  int may_refresh;        /* an expired token can be renewed */
  int64_t wait_max_ms;    /* longest wait before one attempt */
  int64_t left_ms;        /* until the caller's deadline, -1 = none */
  int64_t reset_in_ms;    /* until operating_reset_at, -1 = not known */
  double random;          /* [0, 1) */
} b24_attempt;

/* Decide. Never fails; `out` is the caller's. */
void b24__retry_decide(b24_verdict *out, const b24_attempt *attempt);

#endif
