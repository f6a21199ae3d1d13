/* number.h - numbers as text, the same in JSON and in a query. */
#ifndef B24_CORE_NUMBER_H
#define B24_CORE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* The longest of either, without a terminator. */
#define B24_NUMBER_MAX 64

/* Write the number to `out`, which has room for B24_NUMBER_MAX characters;
 * returns how many it took. */
size_t b24__number_int(char *out, int64_t number);

/* The same for a finite number: the fewest digits from 14 on that read back as
 * it, with a point whatever the host's locale has. */
size_t b24__number_double(char *out, double number);

#endif
