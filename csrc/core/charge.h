/*
 * charge.h - the methods whose working time a request uses: its own and, for
 * a batch, those of its commands. Documentation charges the commands,
 * observations charge the batch (limits): both are kept.
 */
#ifndef B24_CORE_CHARGE_H
#define B24_CORE_CHARGE_H

#include "alloc.h"
#include "limiter.h"

typedef struct b24_charged {
  char *method;
  int64_t times; /* how often it occurs in the request */
  int64_t cost;  /* what was expected when the attempt began */
} b24_charged;

typedef struct b24_charge {
  const b24_alloc *alloc; /* borrowed */
  b24_charged *items;
  size_t count, room;
} b24_charge;

#define B24_CHARGE_NAME_MAX 192

/* The name under which the limiter knows a method: working time is counted
 * for each webhook or application, a limiter serves several. */
void b24__charge_name(char out[B24_CHARGE_NAME_MAX], uint64_t account,
                      const char *method);

/* Gather the methods; names are copied. B24_NOMEM on failure. Dispose it in
 * either case. */
b24_kind b24__charge_init(b24_charge *charge, const b24_alloc *alloc,
                          uint64_t account, const char *method,
                          const char *const *commands, size_t command_count);
void b24__charge_dispose(b24_charge *charge);

/* The longest wait that any of the methods asks for, 0 = none. */
int64_t b24__charge_wait(const b24_charge *charge, b24_limiter *limiter,
                         int64_t now_ms);

/* An attempt begins; it is over, however it ended. */
void b24__charge_begin(b24_charge *charge, b24_limiter *limiter,
                       int64_t now_ms);
void b24__charge_end(const b24_charge *charge, b24_limiter *limiter);

#endif
