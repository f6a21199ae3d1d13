/* registry.h - the limiters of this process, found by the portal's name. */
#ifndef B24_CORE_REGISTRY_H
#define B24_CORE_REGISTRY_H

#include "limiter.h"

/* The limiter that every client of this process shares for one portal and
 * tariff: the platform counts requests by portal and source address, whoever
 * sends them. A reference, yours to give back with b24_limiter_free; the
 * last one ends it. Any thread. Fails as b24_limiter_new does. */
b24_kind b24_limiter_shared(b24_limiter **out, const char *portal,
                            double rate, double burst, b24_error *err);

#endif
