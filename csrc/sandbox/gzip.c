/*
 * gzip.c - what zlib does for the server.
 * Invariant: a text given to be filled is whole or as it was. The bomb's block
 * ends with a full flush, so that it depends on nothing before it and any
 * number of them is one valid stream.
 */
#include "gzip.h"

#include <stdint.h>
#include <string.h>
#include <zlib.h>

#define GZIP_FORMAT (15 + 16)
#define BOMB_BLOCK_BYTES ((size_t)1024 * 1024)

static int begin(z_stream *z, int level) {
  memset(z, 0, sizeof *z);
  return deflateInit2(z, level, Z_DEFLATED, GZIP_FORMAT, 8,
                      Z_DEFAULT_STRATEGY) == Z_OK;
}

/* Compress `bytes` behind what was, and flush. 1 when all of it went in. */
static int feed(z_stream *z, b24s_text *out, const void *bytes, size_t length,
                int flush) {
  unsigned char room[16384];
  int status;
  if (length > 0x7fffffffu) return 0;
  z->next_in = (unsigned char *)(uintptr_t)bytes;
  z->avail_in = (unsigned)length;
  do {
    z->next_out = room;
    z->avail_out = sizeof room;
    status = deflate(z, flush);
    if (status == Z_STREAM_ERROR ||
        !b24s_text_add(out, room, sizeof room - z->avail_out))
      return 0;
  } while (z->avail_out == 0);
  return z->avail_in == 0 && (flush != Z_FINISH || status == Z_STREAM_END);
}

int b24s_gzip_pack(b24s_text *body) {
  z_stream z;
  b24s_text packed = {NULL, 0, 0};
  int done;
  if (!begin(&z, Z_BEST_SPEED)) return 0;
  done = feed(&z, &packed, body->bytes, body->length, Z_FINISH);
  (void)deflateEnd(&z);
  if (!done) {
    b24s_text_clear(&packed);
    return 0;
  }
  b24s_text_clear(body);
  *body = packed;
  return 1;
}

int b24s_gzip_bomb(b24s_text *start, b24s_text *block,
                   const b24s_text *prefix) {
  char filler[4096];
  z_stream z;
  size_t i;
  int done;
  if (!begin(&z, Z_BEST_COMPRESSION)) return 0;
  memset(filler, 'a', sizeof filler);
  done = feed(&z, start, prefix->bytes, prefix->length, Z_FULL_FLUSH);
  for (i = 0; done && i < BOMB_BLOCK_BYTES; i += sizeof filler)
    done = feed(&z, block, filler, sizeof filler,
                i + sizeof filler < BOMB_BLOCK_BYTES ? Z_NO_FLUSH
                                                     : Z_FULL_FLUSH);
  (void)deflateEnd(&z);
  if (done) return 1;
  b24s_text_clear(start);
  b24s_text_clear(block);
  return 0;
}
