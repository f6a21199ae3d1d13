/*
 * number.c - the shortest text of a number. Invariant: no locale shows in it,
 * though the C library formats and reads back under the host's.
 */
#include "number.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t b24__number_int(char *out, int64_t number) {
  char digits[24], *at = digits + sizeof digits;
  uint64_t left = (uint64_t)number;
  size_t size;
  if (number < 0) left = 0 - left;
  do {
    *--at = (char)('0' + left % 10);
    left /= 10;
  } while (left > 0);
  if (number < 0) *--at = '-';
  size = (size_t)(digits + sizeof digits - at);
  memcpy(out, at, size);
  return size;
}

size_t b24__number_double(char *out, double number) {
  char text[B24_NUMBER_MAX];
  size_t size = 0;
  for (int precision = 14; precision <= 17; precision++) {
    (void)snprintf(text, sizeof text, "%.*g", precision, number);
    if (strtod(text, NULL) == number) break;
  }
  for (const char *at = text; *at != '\0'; at++) {
    if ((*at >= '0' && *at <= '9') || *at == '-' || *at == '+' || *at == 'e')
      out[size++] = *at;
    else if (size == 0 || out[size - 1] != '.')
      out[size++] = '.'; /* also for a separator of several bytes */
  }
  return size;
}
