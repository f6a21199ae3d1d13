/*
 * limiter_file.h - a bucket that several processes of one machine share, kept
 * in a file. A part of limiter.c, which guards it with its lock: one object
 * is one participant, with a place of its own in the file.
 */
#ifndef B24_CORE_LIMITER_FILE_H
#define B24_CORE_LIMITER_FILE_H

#include "alloc.h"
#include "bucket.h"

#define B24_LIMITER_FILE_PLACES 64

/* A request that nobody has told of for so long arrived or never will. */
#define B24_LIMITER_FILE_LEASE_MS 900000

typedef struct b24_limiter_file b24_limiter_file;

/* Take part in the file at `path`, made when it is not there (mode 0600) and
 * filled when it is empty, with the rate and burst of `bucket`. Free `*out`
 * with b24__limiter_file_close. `alloc` is borrowed. Fails with B24_NOMEM, or
 * B24_CONFIG: what is at the path is no such file or cannot be used, others
 * share it with other numbers, or all places are taken. */
b24_kind b24__limiter_file_open(b24_limiter_file **out,
                                const b24_alloc *alloc, const char *path,
                                const b24_bucket *bucket, b24_error *err);

/* Leave. What is still out counts as arriving when somebody looks next. */
void b24__limiter_file_close(b24_limiter_file *file);

/* Begin: other processes wait, and `bucket` is as they left it, `out` being
 * the requests of all. When the file cannot be used the bucket stays what it
 * was, with the requests of this participant: it goes on by itself until the
 * file is there again. */
void b24__limiter_file_enter(b24_limiter_file *file, b24_bucket *bucket,
                             int64_t now_ms);

/* Count what is out with processes that died as arriving now. 1: there was
 * some, and the bucket is another. Between enter and leave. */
int b24__limiter_file_reap(b24_limiter_file *file, b24_bucket *bucket,
                           int64_t now_ms);

/* End: `out` changed by the requests that this participant sent or took
 * back. `arrived`: the state changed as well, one more request is over. */
void b24__limiter_file_leave(b24_limiter_file *file, b24_bucket *bucket,
                             int arrived, int64_t now_ms);

#endif
