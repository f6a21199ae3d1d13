/* watch.h - the sockets that a host watches for a transport. */
#ifndef B24_CORE_WATCH_H
#define B24_CORE_WATCH_H

#include "alloc.h"

typedef struct b24_watched {
  int fd;
  int what;  /* B24_LOOP_*; 0 = it is to be forgotten */
  int told;  /* what the host was told last */
  int anew;  /* closed meanwhile, and perhaps opened again: 0 is told first */
} b24_watched;

/* A set of sockets, in the caller's storage. */
typedef struct b24_watch {
  const b24_alloc *alloc; /* borrowed */
  b24_watched *items;
  size_t count, room;
} b24_watch;

void b24__watch_init(b24_watch *set, const b24_alloc *alloc);
void b24__watch_dispose(b24_watch *set);

/* Make room for `more` sockets, so that to note them cannot fail. B24_OK or
 * B24_NOMEM. */
b24_kind b24__watch_reserve(b24_watch *set, size_t more);

/* Take note that `fd` is to be watched for `what`; 0: that it is about to be
 * closed. Calls nobody. B24_OK or B24_NOMEM. */
b24_kind b24__watch_note(b24_watch *set, int fd, int what);

/* All of them are to be forgotten. */
void b24__watch_clear(b24_watch *set);

/* Tell the host what changed since the last time. */
void b24__watch_tell(b24_watch *set, const b24_loop *loop);

#endif
