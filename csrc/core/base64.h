/* base64.h - file content for a JSON body (RFC 4648, padded, one line). */
#ifndef B24_CORE_BASE64_H
#define B24_CORE_BASE64_H

#include <stddef.h>

/* How many characters `size` bytes become; SIZE_MAX when that cannot be
 * told in a size_t. */
size_t b24__base64_size(size_t size);

/* Write b24__base64_size(size) characters to `out`, without a terminator. */
void b24__base64_encode(char *out, const void *bytes, size_t size);

#endif
