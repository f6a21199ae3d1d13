/*
 * watch.c - libcurl says which sockets matter from inside of its own calls; a
 * host must not be called there. So changes are noted first and told when
 * libcurl is left.
 *
 * Invariant: after b24__watch_tell the host watches what the set holds, and
 * nothing that was closed in between.
 */
#include "watch.h"

#include <string.h>

void b24__watch_init(b24_watch *set, const b24_alloc *alloc) {
  memset(set, 0, sizeof *set);
  set->alloc = alloc;
}

void b24__watch_dispose(b24_watch *set) {
  b24__free(set->alloc, set->items, set->room * sizeof *set->items);
  set->items = NULL;
  set->count = set->room = 0;
}

static b24_watched *find(b24_watch *set, int fd) {
  for (size_t i = 0; i < set->count; i++)
    if (set->items[i].fd == fd) return &set->items[i];
  return NULL;
}

b24_kind b24__watch_reserve(b24_watch *set, size_t more) {
  size_t wanted = set->room == 0 ? 8 : set->room * 2;
  b24_watched *grown;
  if (set->room - set->count >= more) return B24_OK;
  while (wanted - set->count < more) wanted *= 2;
  grown = b24__realloc(set->alloc, set->items, set->room * sizeof *grown,
                       wanted * sizeof *grown);
  if (grown == NULL) return B24_NOMEM;
  set->items = grown;
  set->room = wanted;
  return B24_OK;
}

static b24_watched *add(b24_watch *set, int fd) {
  if (b24__watch_reserve(set, 1) != B24_OK) return NULL;
  memset(&set->items[set->count], 0, sizeof *set->items);
  set->items[set->count].fd = fd;
  return &set->items[set->count++];
}

b24_kind b24__watch_note(b24_watch *set, int fd, int what) {
  b24_watched *item = find(set, fd);
  if (item == NULL) {
    if (what == 0) return B24_OK;
    item = add(set, fd);
    if (item == NULL) return B24_NOMEM;
  }
  item->what = what;
  if (what == 0) item->anew = 1;
  return B24_OK;
}

void b24__watch_clear(b24_watch *set) {
  for (size_t i = 0; i < set->count; i++) set->items[i].what = 0;
}

void b24__watch_tell(b24_watch *set, const b24_loop *loop) {
  size_t kept = 0;
  for (size_t i = 0; i < set->count; i++) {
    b24_watched item = set->items[i];
    if (item.told != 0 && (item.anew || item.what == 0)) {
      loop->watch(loop->ud, item.fd, 0);
      item.told = 0;
    }
    if (item.what != item.told) loop->watch(loop->ud, item.fd, item.what);
    item.told = item.what;
    item.anew = 0;
    if (item.what != 0) set->items[kept++] = item;
  }
  set->count = kept;
}
