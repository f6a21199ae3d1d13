/*
 * base64.c - the alphabet with + and /, padded and unbroken, is the one that
 * the file parameters of the platform take, without a `data:` prefix
 * (api-reference/files/how-to-upload-files).
 */
#include "base64.h"

#include <stdint.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t b24__base64_size(size_t size) {
  size_t groups = size / 3 + (size % 3 != 0);
  return groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4;
}

void b24__base64_encode(char *out, const void *bytes, size_t size) {
  const unsigned char *in = bytes;
  for (; size >= 3; size -= 3, in += 3) {
    *out++ = alphabet[in[0] >> 2];
    *out++ = alphabet[(in[0] & 0x03) << 4 | in[1] >> 4];
    *out++ = alphabet[(in[1] & 0x0F) << 2 | in[2] >> 6];
    *out++ = alphabet[in[2] & 0x3F];
  }
  if (size == 0) return;
  *out++ = alphabet[in[0] >> 2];
  if (size == 1) {
    *out++ = alphabet[(in[0] & 0x03) << 4];
    *out++ = '=';
  } else {
    *out++ = alphabet[(in[0] & 0x03) << 4 | in[1] >> 4];
    *out++ = alphabet[(in[1] & 0x0F) << 2];
  }
  *out = '=';
}
