/* clock.h - the clock seam's default. */
#ifndef B24_CORE_CLOCK_H
#define B24_CORE_CLOCK_H

#include "bitrix24.h"

/* The system's clocks. */
const b24_clock *b24__clock_default(void);

#endif
