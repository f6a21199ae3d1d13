/*
 * gzip.h - compressed bodies: of an answer, and one that never ends.
 */
#ifndef B24S_GZIP_H
#define B24S_GZIP_H

#include "text.h"

/* Replace the body by its gzip form; 0 when that fails and it stays. */
int b24s_gzip_pack(b24s_text *body);

/*
 * A stream that expands without end: `start` is a gzip header and `prefix`
 * compressed; after it `block`, about a kilobyte that stands for a mebibyte of
 * the letter a, may be repeated for ever. 0 when memory ran out.
 */
int b24s_gzip_bomb(b24s_text *start, b24s_text *block, const b24s_text *prefix);

#endif
