/* watch_test.c - what a host is told of sockets, and in which order. */
#include "watch.h"

#include "scarce.h"
#include "unit.h"

#include <stdio.h>
#include <string.h>

/* What the host heard since the last look: "7=3 8=0 ". */
typedef struct host {
  char heard[512];
  b24_loop loop;
} host;

static void on_watch(void *ud, int fd, int what) {
  host *h = ud;
  size_t at = strlen(h->heard);
  (void)snprintf(h->heard + at, sizeof h->heard - at, "%d=%d ", fd, what);
}

static void host_init(host *h) {
  memset(h, 0, sizeof *h);
  h->loop.watch = on_watch;
  h->loop.ud = h;
}

static const char *tell(host *h, b24_watch *set) {
  h->heard[0] = '\0';
  b24__watch_tell(set, &h->loop);
  return h->heard;
}

static int note(b24_watch *set, int fd, int what) {
  return b24__watch_note(set, fd, what) == B24_OK;
}

TEST(only_changes_are_told) {
  host h;
  b24_watch set;
  host_init(&h);
  b24__watch_init(&set, b24__alloc_default());
  CHECK_STR(tell(&h, &set), "");
  CHECK(note(&set, 7, 2));
  CHECK_STR(tell(&h, &set), "7=2 ");
  CHECK_STR(tell(&h, &set), "");
  CHECK(note(&set, 7, 2) && note(&set, 8, 1));
  CHECK_STR(tell(&h, &set), "8=1 ");
  CHECK(note(&set, 7, 3) && note(&set, 7, 1));
  CHECK_STR(tell(&h, &set), "7=1 ");
  CHECK(note(&set, 7, 0));
  CHECK_STR(tell(&h, &set), "7=0 ");
  CHECK_STR(tell(&h, &set), "");
  b24__watch_dispose(&set);
}

TEST(what_comes_and_goes_between_two_looks_is_not_told) {
  host h;
  b24_watch set;
  host_init(&h);
  b24__watch_init(&set, b24__alloc_default());
  CHECK(note(&set, 7, 1) && note(&set, 7, 0) && note(&set, 9, 0));
  CHECK_STR(tell(&h, &set), "");
  CHECK_INT((int)set.count, 0);
  b24__watch_dispose(&set);
}

TEST(a_number_that_is_used_again_is_another_socket) {
  host h;
  b24_watch set;
  host_init(&h);
  b24__watch_init(&set, b24__alloc_default());
  CHECK(note(&set, 7, 1));
  CHECK_STR(tell(&h, &set), "7=1 ");
  CHECK(note(&set, 7, 0) && note(&set, 7, 1));
  CHECK_STR(tell(&h, &set), "7=0 7=1 ");
  CHECK(note(&set, 7, 0) && note(&set, 7, 2) && note(&set, 7, 0));
  CHECK_STR(tell(&h, &set), "7=0 ");
  b24__watch_dispose(&set);
}

TEST(cleared_all_are_forgotten) {
  host h;
  b24_watch set;
  host_init(&h);
  b24__watch_init(&set, b24__alloc_default());
  CHECK(note(&set, 7, 1) && note(&set, 8, 2));
  (void)tell(&h, &set);
  b24__watch_clear(&set);
  CHECK_STR(tell(&h, &set), "7=0 8=0 ");
  CHECK_INT((int)set.count, 0);
  b24__watch_dispose(&set);
}

TEST(many_keep_their_state_while_it_grows) {
  host h;
  b24_watch set;
  int told = 0;
  host_init(&h);
  b24__watch_init(&set, b24__alloc_default());
  for (int fd = 0; fd < 500; fd++) CHECK(note(&set, fd, 1 + fd % 3));
  h.heard[0] = '\0';
  b24__watch_tell(&set, &h.loop); /* more than it can write down */
  for (size_t i = 0; i < set.count; i++)
    told += set.items[i].told == 1 + set.items[i].fd % 3;
  CHECK_INT(told, 500);
  for (int fd = 0; fd < 499; fd++) CHECK(note(&set, fd, 0));
  (void)tell(&h, &set);
  CHECK_INT((int)set.count, 1);
  CHECK_INT(set.items[0].fd, 499);
  b24__watch_dispose(&set);
}

TEST(room_is_made_before) {
  b24_watch set;
  scarce memory = {1, 0};
  b24_alloc alloc = {scarce_realloc, &memory};
  b24__watch_init(&set, &alloc);
  CHECK_INT(b24__watch_reserve(&set, 20), B24_OK);
  for (int fd = 0; fd < 20; fd++) CHECK(note(&set, fd, 1));
  CHECK_INT(b24__watch_reserve(&set, 4096), B24_NOMEM);
  CHECK_INT((int)set.count, 20);
  b24__watch_dispose(&set);
  CHECK_INT(memory.bytes, 0);
}

int main(void) {
  RUN(only_changes_are_told);
  RUN(what_comes_and_goes_between_two_looks_is_not_told);
  RUN(a_number_that_is_used_again_is_another_socket);
  RUN(cleared_all_are_forgotten);
  RUN(many_keep_their_state_while_it_grows);
  RUN(room_is_made_before);
  return unit_report();
}
