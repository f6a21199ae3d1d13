/*
 * limiter.h - what a client asks of the budget of its portal: requests a
 * second, and working time for each method. Making one is in bitrix24.h.
 *
 * Threads: every function takes the limiter's lock for a moment and may be
 * called from any thread; none of them calls back, reads a clock, or waits
 * for more than that lock. Times are milliseconds of a monotonic clock common
 * to all callers, other processes included. Methods that are counted for
 * different applications or webhooks are told apart by the name alone: put
 * the account in front of it when they share a limiter.
 */
#ifndef B24_CORE_LIMITER_H
#define B24_CORE_LIMITER_H

#include "ledger.h"

/* ---- requests ---------------------------------------------------------- */

/* May a request be sent now? 0: yes, and it is counted: tell with exactly
 * one of the next three what became of it. Otherwise the ms until it is
 * worth asking again; an answer that comes earlier may change that. */
int64_t b24_limiter_admit(b24_limiter *limiter, int64_t now_ms);

/* An admitted request is over: answered, lost, timed out or cancelled. */
void b24_limiter_answered(b24_limiter *limiter, int64_t now_ms);

/* An admitted request surely never reached the portal (no connection). */
void b24_limiter_unsent(b24_limiter *limiter, int64_t now_ms);

/* An admitted request was answered with QUERY_LIMIT_EXCEEDED: others use the
 * address too. The bucket counts as full, and everybody waits, longer each
 * time; `random` in [0, 1) keeps programs apart. Returns the ms to wait. */
int64_t b24_limiter_refused(b24_limiter *limiter, int64_t now_ms,
                            double random);

/* ---- working time ------------------------------------------------------ */

/* The most working time of a method in ten minutes: 480 000 in the cloud,
 * 420 000 on premise, 0 = no limit (limits). */
void b24_limiter_operating_limit(b24_limiter *limiter, int64_t limit_ms);

/* How long to wait before a call of `method` that takes `expected_cost_ms` of
 * the portal's time (-1: as learnt, see b24_limiter_method_cost). 0 below
 * three quarters of the limit; then the rest is spread over the time until
 * some is given back; at the limit, until then. For a batch ask for "batch"
 * and for the method of every command (with the sum of its commands), and
 * take the longest. Before any answer had `operating`, and without a block,
 * there is nothing to keep: 0. */
int64_t b24_limiter_method_wait(b24_limiter *limiter, const char *method,
                                int64_t expected_cost_ms, int64_t now_ms);

/* Working time of one call of the method, as learnt; 0 = not known. */
int64_t b24_limiter_method_cost(b24_limiter *limiter, const char *method);

/* A call with that expected cost begins; end it with the same cost, however
 * it ends. When memory runs out the method is merely not paced. */
void b24_limiter_method_begin(b24_limiter *limiter, const char *method,
                              int64_t expected_cost_ms, int64_t now_ms);
void b24_limiter_method_end(b24_limiter *limiter, const char *method,
                            int64_t expected_cost_ms);

/* The `time` of an answer: tell it for "batch" and for each command. What the
 * call took (`duration`) is cost_ms, -1 when not known; operating_ms is -1
 * when absent, which is not zero; reset_at_unix_ms 0 or -1 when absent. */
void b24_limiter_operating(b24_limiter *limiter, const char *method,
                           int64_t cost_ms, int64_t operating_ms,
                           int64_t reset_at_unix_ms, int64_t now_ms,
                           int64_t unix_now_ms);

/* OPERATION_TIME_LIMIT for a method: it waits until reset_at_unix_ms (0 or
 * -1: as the last good answer told, else a minute). Returns the ms. */
int64_t b24_limiter_blocked(b24_limiter *limiter, const char *method,
                            int64_t reset_at_unix_ms, int64_t now_ms,
                            int64_t unix_now_ms);

#endif
