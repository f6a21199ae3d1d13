/*
 * ledger.h - the working time of each method: how much of the portal's
 * allowance is used, and how long to wait so that it is never used up.
 * A part of limiter.c, which guards it with its lock; no clock is read here.
 */
#ifndef B24_CORE_LEDGER_H
#define B24_CORE_LEDGER_H

#include "alloc.h"

#define B24_LEDGER_LIMIT_MS 480000  /* the cloud's (limits) */
#define B24_LEDGER_WINDOW_MS 600000 /* ten baskets of a minute */
#define B24_LEDGER_METHODS 1536     /* most methods kept at a time */

typedef struct b24_ledger_row b24_ledger_row;

/* In the caller's storage; the fields are private. */
typedef struct b24_ledger {
  const b24_alloc *alloc; /* borrowed */
  b24_ledger_row *rows;   /* open addressing, a power of two of them */
  size_t capacity;
  size_t count;
  int64_t limit_ms; /* 0 = the portal has no limit */
  int kept;         /* the portal has shown that it keeps such a ledger */
} b24_ledger;

/* What one call of a method has told. */
typedef struct b24_operating {
  int64_t cost_ms;      /* work of this call (`duration`), -1 = not known */
  int64_t operating_ms; /* of the running ten minutes, -1 = absent */
  int64_t reset_in_ms;  /* until operating_reset_at, -1 = not told */
} b24_operating;

void b24__ledger_init(b24_ledger *ledger, const b24_alloc *alloc);
void b24__ledger_dispose(b24_ledger *ledger);

/* ms until a call of `expected_ms` of work (-1 = as learnt) should start. */
int64_t b24__ledger_wait(const b24_ledger *ledger, const char *method,
                         int64_t expected_ms, int64_t now_ms);

/* The work one call of the method takes, as learnt; 0 = not known. */
int64_t b24__ledger_cost(const b24_ledger *ledger, const char *method);

/* A call begins, or is over: its expected work counts meanwhile. When memory
 * runs out begin fails with B24_NOMEM and has counted nothing. */
b24_kind b24__ledger_begin(b24_ledger *ledger, const char *method,
                           int64_t expected_ms, int64_t now_ms);
void b24__ledger_end(b24_ledger *ledger, const char *method,
                     int64_t expected_ms);

/* An answer came. B24_OK, or B24_NOMEM: what it told is lost. */
b24_kind b24__ledger_note(b24_ledger *ledger, const char *method,
                          const b24_operating *told, int64_t now_ms);

/* OPERATION_TIME_LIMIT came; returns the ms to wait. */
int64_t b24__ledger_block(b24_ledger *ledger, const char *method,
                          int64_t reset_in_ms, int64_t now_ms);

#endif
