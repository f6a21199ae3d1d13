/*
 * limiter_file_test.c - one budget in a file: several limiters opened on it
 * act as several processes, children are killed wherever they happen to be,
 * and the file is cut, damaged, removed and out of another boot. Time is
 * virtual throughout.
 */
#if defined(__linux__)
#define _GNU_SOURCE
#elif defined(__APPLE__)
#define _DARWIN_C_SOURCE
#endif

#include "limiter.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bucket.h"
#include "limiter_file.h"
#include "scarce.h"
#include "unit.h"

#define START_MS 7000000

/* Where things are in the file. */
#define AT_VERSION 8
#define AT_RATE 16
#define AT_FRESH 24
#define AT_PLACE 32 /* 64 of 16 bytes: touched (8), out (4), pid (4) */
#define AT_NOW 4096
#define AT_HOLD 4104
#define AT_STARTED 4112
#define AT_REFUSALS 4116
#define AT_LEVEL 4120
#define SIZE 8192

/* ---- files ------------------------------------------------------------- */

static char folder[] = "/tmp/b24-limiter-XXXXXX";
static char path[64];

/* A name that nobody has used yet. */
static const char *fresh_path(void) {
  static int count;
  (void)snprintf(path, sizeof path, "%s/%d", folder, ++count);
  return path;
}

static void put(const char *name, const void *bytes, size_t size, off_t at) {
  int fd = open(name, O_RDWR | O_CREAT, 0600);
  CHECK(fd >= 0);
  CHECK_INT(pwrite(fd, bytes, size, at), (int64_t)size);
  (void)close(fd);
}

static size_t slurp(const char *name, char *out, size_t size) {
  int fd = open(name, O_RDONLY);
  ssize_t got = fd < 0 ? -1 : read(fd, out, size);
  if (fd >= 0) (void)close(fd);
  return got < 0 ? 0 : (size_t)got;
}

static int32_t number_at(const char *name, off_t at) {
  int32_t value = -1;
  int fd = open(name, O_RDONLY);
  CHECK_INT(pread(fd, &value, sizeof value, at), (int64_t)sizeof value);
  (void)close(fd);
  return value;
}

static b24_limiter *shared(const char *name, double rate, double burst) {
  b24_limiter *l = NULL;
  b24_error err;
  if (b24_limiter_open(&l, NULL, name, rate, burst, &err) != B24_OK)
    printf("  %s\n", err.message);
  CHECK(l != NULL);
  return l;
}

static int take(b24_limiter *l, int count, int64_t now) {
  int n = 0;
  while (n < count && b24_limiter_admit(l, now) == 0) n++;
  return n;
}

/* How many, at most `count`, may be sent at once and are answered at once. */
static int sip(b24_limiter *l, int count, int64_t now) {
  int n = 0;
  while (n < count && b24_limiter_admit(l, now) == 0) {
    b24_limiter_answered(l, now);
    n++;
  }
  return n;
}

static int gulp(b24_limiter *l, int64_t now) { return sip(l, 100000, now); }

/* The lock that the limiters use, held by somebody else. */
static int hold_lock(const char *name) {
  int fd = open(name, O_RDWR);
#if defined(F_OFD_SETLK)
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  CHECK_INT(fcntl(fd, F_OFD_SETLKW, &lock), 0);
#else
  CHECK_INT(flock(fd, LOCK_EX), 0);
#endif
  return fd;
}

static void finish(pid_t child, int sign) {
  int status = 0;
  if (sign != 0) CHECK_INT(kill(child, sign), 0);
  CHECK_INT(waitpid(child, &status, 0), child);
  if (sign == 0) CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Wait for a byte of the child: it has done what it was to do. */
static void await(int fd) {
  char byte;
  CHECK_INT(read(fd, &byte, 1), 1);
}

static void tell(int fd) { (void)!write(fd, "x", 1); }

/* ---- eight processes on a simulated portal ----------------------------- */

#define PROCESSES 8
#define CONNECTIONS 6

static uint64_t dice_state = 88172645463325252u;

static int roll(int below) {
  dice_state ^= dice_state << 13;
  dice_state ^= dice_state >> 7;
  dice_state ^= dice_state << 17;
  return (int)((dice_state >> 11) % (uint64_t)below);
}

typedef struct portal {
  int steps; /* falls once a second, else evenly */
  int phase_ms;
  double rate, burst, level;
  int64_t last_ms;
  int accepted, refused;
} portal;

static void arrive(portal *p, int64_t now) {
  double fallen = p->rate * (double)(now - p->last_ms) / 1000;
  if (p->steps)
    fallen = p->rate * (double)((now - p->phase_ms) / 1000 -
                                (p->last_ms - p->phase_ms) / 1000);
  p->level = p->level > fallen ? p->level - fallen : 0;
  p->last_ms = now;
  if (p->level + 1 > p->burst + 1e-6) {
    p->refused++;
  } else {
    p->level += 1;
    p->accepted++;
  }
}

typedef struct process {
  b24_limiter *limiter;
  int64_t ask;
  int count;
  int64_t arrives[CONNECTIONS], answered[CONNECTIONS];
} process;

/* What one process does at this millisecond. */
static void act(process *q, portal *p, int64_t now) {
  for (int i = 0; i < q->count;) {
    if (q->arrives[i] == now) arrive(p, now);
    if (q->answered[i] > now) {
      i++;
      continue;
    }
    b24_limiter_answered(q->limiter, now);
    q->ask = now;
    q->count--;
    q->arrives[i] = q->arrives[q->count];
    q->answered[i] = q->answered[q->count];
  }
  while (q->ask <= now && q->count < CONNECTIONS) {
    int64_t wait = b24_limiter_admit(q->limiter, now);
    if (wait > 0) {
      q->ask = now + wait;
      return;
    }
    q->arrives[q->count] = now + 1 + roll(60);
    q->answered[q->count] = q->arrives[q->count] + 1 + roll(60);
    q->count++;
  }
}

static void play(portal *p, int seconds) {
  process all[PROCESSES];
  const char *name = fresh_path();
  memset(all, 0, sizeof all);
  p->last_ms = START_MS;
  for (int i = 0; i < PROCESSES; i++) {
    all[i].limiter = shared(name, p->rate, p->burst);
    all[i].ask = START_MS + roll(50);
  }
  for (int64_t now = START_MS; now < START_MS + (int64_t)seconds * 1000;
       now++)
    for (int i = 0; i < PROCESSES; i++)
      act(&all[(i + now) % PROCESSES], p, now);
  for (int i = 0; i < PROCESSES; i++) b24_limiter_free(all[i].limiter);
}

TEST(eight_processes_use_the_budget_and_no_more) {
  static const portal portals[] = {
      {0, 0, 2, 50, 0, 0, 0, 0},   {1, 0, 2, 50, 0, 0, 0, 0},
      {1, 333, 2, 50, 0, 0, 0, 0}, {1, 999, 2, 50, 0, 0, 0, 0},
      {1, 500, 5, 250, 0, 0, 0, 0}, {0, 0, 5, 250, 0, 0, 0, 0}};
  for (size_t i = 0; i < sizeof portals / sizeof portals[0]; i++) {
    portal p = portals[i];
    double budget = p.burst + p.rate * 300;
    play(&p, 300);
    CHECK_INT(p.refused, 0);
    CHECK(p.accepted >= 0.95 * budget);
    if (p.accepted < 0.95 * budget)
      printf("  %d of %.0f\n", p.accepted, budget);
  }
}

/* ---- single rules ------------------------------------------------------ */

TEST(one_budget_however_many_hold_it) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 50);
  b24_limiter *b = shared(name, 2, 50);
  struct stat info;
  CHECK_INT(stat(name, &info), 0);
  CHECK_INT(info.st_mode & 0777, 0600);
  CHECK_INT(info.st_size, SIZE);
  CHECK_INT(take(a, 20, START_MS), 20); /* on their way */
  CHECK_INT(gulp(b, START_MS), 30);
  CHECK_INT(b24_limiter_admit(b, START_MS + 60000), 0);
  b24_limiter_answered(b, START_MS + 60000);
  for (int i = 0; i < 20; i++) b24_limiter_answered(a, START_MS + 60000);
  CHECK_INT(gulp(b, START_MS + 60000), 29);
  CHECK_INT(gulp(a, START_MS + 61000), 0);
  CHECK_INT(gulp(a, START_MS + 61001), 2);
  /* what was never sent takes nothing */
  CHECK_INT(take(a, 9, START_MS + 63003), 4);
  for (int i = 0; i < 4; i++) b24_limiter_unsent(a, START_MS + 63003);
  CHECK_INT(gulp(b, START_MS + 63003), 4);
  b24_limiter_free(a);
  /* who comes later finds what was used before */
  a = shared(name, 2, 50);
  CHECK_INT(gulp(a, START_MS + 63003), 0);
  CHECK_INT(gulp(a, START_MS + 64004), 2);
  b24_limiter_free(a);
  b24_limiter_free(b);
  a = shared(name, 2, 50);
  CHECK_INT(gulp(a, START_MS + 64004), 0);
  CHECK_INT(gulp(a, START_MS + 65005), 2);
  b24_limiter_free(a);
}

TEST(with_all_on_their_way_it_looks_again_soon) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 3);
  b24_limiter *b = shared(name, 2, 3);
  CHECK_INT(take(a, 3, START_MS), 3);
  CHECK_INT(b24_limiter_admit(b, START_MS), 100);
  b24_limiter_unsent(a, START_MS + 10);
  CHECK_INT(b24_limiter_admit(b, START_MS + 100), 0);
  b24_limiter_free(a);
  b24_limiter_free(b);
}

TEST(a_refusal_makes_every_process_wait) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 50);
  b24_limiter *b = shared(name, 2, 50);
  CHECK_INT(b24_limiter_admit(a, START_MS), 0);
  CHECK_INT(b24_limiter_admit(b, START_MS), 0);
  CHECK_INT(b24_limiter_refused(a, START_MS, 0.5), 1501);
  CHECK_INT(b24_limiter_admit(b, START_MS), 1501);
  CHECK_INT(b24_limiter_refused(b, START_MS + 500, 0.9), 1001);
  CHECK_INT(gulp(b, START_MS + 1501), 2);
  b24_limiter_free(a);
  b24_limiter_free(b);
}

TEST(a_clock_that_goes_back_gives_nothing) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 50);
  b24_limiter *b = shared(name, 2, 50);
  CHECK_INT(gulp(a, START_MS), 50);
  CHECK_INT(gulp(b, START_MS - 5000), 0);
  CHECK_INT(gulp(b, START_MS + 1000), 0);
  CHECK_INT(gulp(b, START_MS + 1001), 2);
  b24_limiter_free(a);
  b24_limiter_free(b);
}

TEST(a_clock_that_began_anew) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 50);
  b24_limiter *b;
  CHECK_INT(gulp(a, START_MS), 50);
  b24_limiter_free(a);
  a = shared(name, 2, 50); /* after the boot */
  b = shared(name, 2, 50);
  CHECK_INT(gulp(b, 9000), 0); /* the counters are as they were */
  CHECK_INT(gulp(a, 9000 + 1000), 0);
  CHECK_INT(gulp(a, 9000 + 1001), 2);
  /* and so is what was left of a wait */
  CHECK_INT(take(a, 1, 20000), 1);
  CHECK_INT(b24_limiter_refused(a, 20000, 0.5), 1501);
  b24_limiter_free(a);
  b24_limiter_free(b);
  a = shared(name, 2, 50);
  CHECK_INT(b24_limiter_admit(a, 100), 1501);
  CHECK_INT(gulp(a, 100 + 1501), 2);
  b24_limiter_free(a);
}

TEST(two_tariffs) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 50);
  b24_limiter *b = NULL;
  b24_error err;
  CHECK_INT(gulp(a, START_MS), 50);
  CHECK_INT(b24_limiter_open(&b, NULL, name, 5, 250, &err), B24_CONFIG);
  CHECK(b == NULL);
  CHECK(strstr(err.message, name) != NULL);
  CHECK(strstr(err.message, "{ rate = 2, burst = 50 }") != NULL);
  CHECK(strstr(err.message, "{ rate = 5, burst = 250 }") != NULL);
  CHECK_INT(gulp(a, START_MS + 1001), 2); /* nothing happened to it */
  b24_limiter_free(a);
  b = shared(name, 5, 250); /* alone: it says what is right */
  CHECK_INT(gulp(b, START_MS + 1001), 200);
  b24_limiter_free(b);
  a = shared(name, 2, 50); /* and down again: far too much was sent */
  CHECK_INT(gulp(a, START_MS + 1001), 0);
  CHECK_INT(gulp(a, START_MS + 1001 + 100 * 1001), 0);
  CHECK_INT(gulp(a, START_MS + 1001 + 101 * 1001), 2);
  b24_limiter_free(a);
  CHECK_INT(b24_limiter_open(&a, NULL, name, 0, 0, &err), B24_CONFIG);
  CHECK(a == NULL);
  CHECK_INT(b24_limiter_open(&a, NULL, name, 2, 0, &err), B24_CONFIG);
}

TEST(as_many_as_there_are_places) {
  const char *name = fresh_path();
  b24_limiter *all[B24_LIMITER_FILE_PLACES], *more = NULL;
  b24_error err;
  for (int i = 0; i < B24_LIMITER_FILE_PLACES; i++) {
    all[i] = shared(name, 2, 50);
    CHECK_INT(take(all[i], 1, START_MS), i < 50);
  }
  CHECK_INT(b24_limiter_open(&more, NULL, name, 2, 50, &err), B24_CONFIG);
  CHECK(more == NULL);
  CHECK(strstr(err.message, "64") != NULL && strstr(err.message, name));
  b24_limiter_free(all[10]);
  more = shared(name, 2, 50);
  b24_limiter_free(more);
  for (int i = 0; i < B24_LIMITER_FILE_PLACES; i++)
    if (i != 10) b24_limiter_free(all[i]);
}

/* ---- processes that die ------------------------------------------------ */

TEST(a_killed_holder_blocks_nobody) {
  const char *name = fresh_path();
  b24_limiter *l = shared(name, 2, 20);
  int pipes[2];
  pid_t child;
  CHECK_INT(pipe(pipes), 0);
  child = fork();
  if (child == 0) {
    b24_limiter *mine = NULL;
    (void)b24_limiter_open(&mine, NULL, name, 2, 20, NULL);
    (void)take(mine, 15, START_MS);
    tell(pipes[1]);
    for (;;) (void)pause();
  }
  await(pipes[0]);
  CHECK_INT(gulp(l, START_MS), 5);
  CHECK_INT(gulp(l, START_MS + 5005), 5);
  CHECK_INT(gulp(l, START_MS + 600000), 5); /* it lives, and waits */
  finish(child, SIGKILL);
  /* its fifteen count as arriving when somebody looks for room, and fall */
  CHECK_INT(gulp(l, START_MS + 600000), 0);
  CHECK_INT(gulp(l, START_MS + 601000), 0);
  CHECK_INT(gulp(l, START_MS + 601001), 2);
  CHECK_INT(gulp(l, START_MS + 700000), 20);
  b24_limiter_free(l);
  (void)close(pipes[0]);
  (void)close(pipes[1]);
}

TEST(the_place_of_the_dead_is_taken_over) {
  const char *name = fresh_path();
  b24_limiter *l;
  for (int i = 0; i < 2 * B24_LIMITER_FILE_PLACES; i++) {
    pid_t child = fork();
    if (child == 0) {
      b24_limiter *mine = NULL;
      if (b24_limiter_open(&mine, NULL, name, 2, 500, NULL) != B24_OK)
        _exit(1);
      if (take(mine, 2, START_MS) != 2) _exit(1);
      _exit(0);
    }
    finish(child, 0);
  }
  /* 128 programs died with two requests each: all of them arrived */
  l = shared(name, 2, 500);
  CHECK_INT(gulp(l, START_MS), 500 - 256);
  b24_limiter_free(l);
}

TEST(killed_inside_the_lock) {
  const char *name = fresh_path();
  b24_limiter *l = shared(name, 2, 20);
  int pipes[2];
  pid_t child;
  CHECK_INT(pipe(pipes), 0);
  CHECK_INT(sip(l, 10, START_MS), 10);
  child = fork();
  if (child == 0) {
    /* half of the counters are up, `out` is still what it was */
    int32_t one = 11 * B24_BUCKET_UNIT;
    int fd = hold_lock(name);
    for (int i = 0; i < 500; i++)
      (void)!pwrite(fd, &one, sizeof one, AT_LEVEL + 4 * (off_t)i);
    tell(pipes[1]);
    for (;;) (void)pause();
  }
  await(pipes[0]);
  finish(child, SIGKILL);
  CHECK_INT(gulp(l, START_MS), 9); /* one is counted twice, */
  CHECK_INT(gulp(l, START_MS + 60000), 20); /* and fell */
  b24_limiter_free(l);
  (void)close(pipes[0]);
  (void)close(pipes[1]);
}

/* A child takes and gives back as fast as it can and is killed wherever it
 * is. No counter falls at this moment: all of them together get the burst,
 * but for what the killed may have left twice, one each. */
TEST(killed_wherever_it_is) {
  const char *name = fresh_path();
  enum { KILLS = 60, BURST = 14000 };
  volatile int *sent = mmap(NULL, sizeof *sent, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  b24_limiter *l = shared(name, 2, BURST);
  int own = 0;
  for (int i = 0; i < KILLS; i++) {
    int until = *sent + 20 + roll(100);
    pid_t child = fork();
    if (child == 0) {
      b24_limiter *mine = NULL;
      if (b24_limiter_open(&mine, NULL, name, 2, BURST, NULL) != B24_OK)
        _exit(1);
      while (*sent < until + 100 && b24_limiter_admit(mine, START_MS) == 0) {
        *sent += 1;
        if (*sent % 3 != 0) b24_limiter_answered(mine, START_MS);
      }
      for (;;) (void)pause();
    }
    while (*sent < until) continue;
    finish(child, SIGKILL);
    CHECK_INT(b24_limiter_admit(l, START_MS), 0);
    b24_limiter_answered(l, START_MS);
    own++;
  }
  own += gulp(l, START_MS);
  CHECK(*sent + own <= BURST);
  CHECK(*sent + own >= BURST - 2 * KILLS);
  CHECK_INT(gulp(l, START_MS + 1001), 2);
  b24_limiter_free(l);
  CHECK_INT(munmap((void *)(uintptr_t)sent, sizeof *sent), 0);
}

/* ---- fork -------------------------------------------------------------- */

TEST(a_child_takes_a_place_of_its_own) {
  const char *name = fresh_path();
  b24_limiter *l = shared(name, 2, 50);
  pid_t child;
  CHECK_INT(take(l, 10, START_MS), 10);
  child = fork();
  if (child == 0) {
    /* these are the parent's requests: nothing comes of them here */
    int bad = 0;
    b24_limiter_answered(l, START_MS);
    bad += take(l, 100, START_MS) != 39;
    for (int i = 0; i < 39; i++) b24_limiter_answered(l, START_MS);
    b24_limiter_free(l);
    _exit(bad);
  }
  finish(child, 0);
  for (int i = 0; i < 10; i++) b24_limiter_answered(l, START_MS);
  CHECK_INT(gulp(l, START_MS), 0);
  CHECK_INT(gulp(l, START_MS + 1001), 2);
  b24_limiter_free(l);
  /* a child that only lets go does not touch the parent's place */
  l = shared(name, 2, 50);
  CHECK_INT(take(l, 50, START_MS + 600000), 50);
  child = fork();
  if (child == 0) {
    b24_limiter_free(l);
    _exit(0);
  }
  finish(child, 0);
  CHECK_INT(number_at(name, AT_PLACE + 8), 50);
  {
    b24_limiter *other = shared(name, 2, 50);
    CHECK_INT(gulp(other, START_MS + 700000), 0);
    b24_limiter_free(other);
  }
  b24_limiter_free(l);
}

/* The parent dies, and its idle child keeps its descriptors and locks. */
TEST(the_lease_of_a_place_ends) {
  const char *name = fresh_path();
  b24_limiter *l = shared(name, 2, 20);
  int pipes[2], life[2];
  int64_t later = START_MS + B24_LIMITER_FILE_LEASE_MS;
  pid_t child;
  CHECK_INT(pipe(pipes), 0);
  CHECK_INT(pipe(life), 0);
  child = fork();
  if (child == 0) {
    b24_limiter *mine = NULL;
    (void)b24_limiter_open(&mine, NULL, name, 2, 20, NULL);
    (void)take(mine, 15, START_MS);
    (void)close(life[1]);
    if (fork() == 0) {
      char byte;
      tell(pipes[1]);
      _exit(read(life[0], &byte, 1) != 0); /* until the test is over */
    }
    for (;;) (void)pause();
  }
  await(pipes[0]);
  finish(child, SIGKILL);
#if defined(F_OFD_SETLK) /* elsewhere the death is seen at once */
  CHECK_INT(gulp(l, START_MS), 5);
  CHECK_INT(gulp(l, later), 5);
#endif
  (void)gulp(l, later + 1);
  CHECK_INT(gulp(l, later + 60000), 20);
  b24_limiter_free(l);
  (void)close(life[0]);
  (void)close(life[1]);
  (void)close(pipes[0]);
  (void)close(pipes[1]);
}

/* ---- files that are something else ------------------------------------- */

TEST(nothing_else_is_taken_for_a_limiter_file) {
  static const struct {
    off_t at;
    int64_t value;
    size_t size;
  } rows[] = {
      {0, 0x6f6f6f6f, 4},           {AT_VERSION, 2, 4},
      {12, 100, 4},                 {AT_RATE, 0, 4},
      {AT_RATE, -1, 4},             {AT_RATE + 4, 1, 4},
      {AT_RATE + 4, INT32_MAX, 4},  {AT_FRESH, 7, 4},
      {AT_PLACE + 8, -1, 4},        {AT_PLACE + 8, INT32_MAX, 4},
      {AT_PLACE + 16 * 63 + 8, -5, 4}, {AT_PLACE + 12, -1, 4},
      {AT_PLACE, INT64_MIN, 8},     {AT_NOW, INT64_MAX, 8},
      {AT_NOW, INT64_MIN, 8},       {AT_HOLD, INT64_MAX, 8},
      {AT_HOLD, START_MS + 40000, 8}, {AT_STARTED, 2, 4},
      {AT_REFUSALS, 6, 4},          {AT_REFUSALS, -1, 4},
      {AT_LEVEL, -1, 4},            {AT_LEVEL + 4000, INT32_MAX, 4}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const char *name = fresh_path();
    static char before[2 * SIZE], after[2 * SIZE];
    b24_limiter *l = shared(name, 2, 50);
    b24_error err;
    size_t size;
    CHECK_INT(gulp(l, START_MS), 50);
    b24_limiter_free(l);
    put(name, &rows[i].value, rows[i].size, rows[i].at);
    size = slurp(name, before, sizeof before);
    CHECK_INT(b24_limiter_open(&l, NULL, name, 2, 50, &err), B24_CONFIG);
    if (l != NULL) printf("  row %d\n", (int)i);
    CHECK(l == NULL);
    CHECK(strstr(err.message, name) != NULL);
    CHECK(strstr(err.message, "remove it") != NULL);
    CHECK_INT(slurp(name, after, sizeof after), (int64_t)size);
    CHECK(memcmp(before, after, size) == 0);
  }
}

static void refuses(const char *name, const char *words) {
  b24_limiter *l = NULL;
  b24_error err;
  CHECK_INT(b24_limiter_open(&l, NULL, name, 2, 50, &err), B24_CONFIG);
  CHECK(l == NULL);
  CHECK(strstr(err.message, name) != NULL);
  if (strstr(err.message, words) == NULL) printf("  %s\n", err.message);
  CHECK(strstr(err.message, words) != NULL);
}

TEST(other_things_at_the_path) {
  static char zeros[2 * SIZE];
  char link[80], text[16];
  const char *name = fresh_path();
  put(name, "to do: milk", 11, 0);
  refuses(name, "is not a limiter file");
  CHECK_INT(slurp(name, text, sizeof text), 11);
  put(name, zeros, SIZE / 2, 0);
  refuses(name, "is not a limiter file");
  put(name, zeros, 2 * SIZE, 0);
  refuses(name, "is not a limiter file");
  (void)snprintf(link, sizeof link, "%s-link", name);
  CHECK_INT(symlink(name, link), 0);
  refuses(link, "symbolic link");
  name = fresh_path();
  CHECK_INT(mkfifo(name, 0600), 0);
  refuses(name, "not an ordinary file");
  name = fresh_path();
  CHECK_INT(mkdir(name, 0700), 0);
  refuses(name, "cannot open");
  (void)snprintf(link, sizeof link, "%s/none/such", folder);
  refuses(link, "cannot open");
  refuses("/dev/null", "not an ordinary file");
}

TEST(an_empty_file_is_filled) {
  static char zeros[SIZE];
  const char *name = fresh_path();
  b24_limiter *l;
  put(name, zeros, 0, 0);
  l = shared(name, 2, 50);
  CHECK_INT(gulp(l, START_MS), 50);
  b24_limiter_free(l);
  /* whoever made it died before the head was written */
  name = fresh_path();
  put(name, zeros, SIZE, 0);
  l = shared(name, 2, 50);
  CHECK_INT(gulp(l, START_MS), 50);
  b24_limiter_free(l);
}

TEST(a_file_that_is_damaged_meanwhile) {
  const char *name = fresh_path();
  static char good[SIZE];
  b24_limiter *l = shared(name, 2, 50);
  CHECK_INT(sip(l, 20, START_MS), 20);
  CHECK_INT(slurp(name, good, SIZE), SIZE);
  CHECK_INT(truncate(name, 100), 0);
  CHECK_INT(gulp(l, START_MS), 30); /* by itself, with what it knew */
  CHECK_INT(gulp(l, START_MS + 1001), 2);
  put(name, "XXXX", 4, 0);
  CHECK_INT(take(l, 9, START_MS + 2002), 2);
  CHECK_INT(number_at(name, 0), 0x58585858);
  put(name, good, SIZE, 0);
  /* it is there again, and what was sent meanwhile is told to it: 20 and 32
   * of which four fell, and two that are out */
  CHECK_INT(gulp(l, START_MS + 2002), 0);
  b24_limiter_answered(l, START_MS + 2002);
  b24_limiter_answered(l, START_MS + 2002);
  b24_limiter_free(l);
  l = shared(name, 2, 50);
  CHECK_INT(gulp(l, START_MS + 2002), 0);
  CHECK_INT(gulp(l, START_MS + 600000), 50);
  b24_limiter_free(l);
}

TEST(a_file_that_is_removed) {
  const char *name = fresh_path();
  b24_limiter *a = shared(name, 2, 50);
  b24_limiter *b = shared(name, 2, 50);
  CHECK_INT(sip(a, 20, START_MS), 20);
  CHECK_INT(take(a, 5, START_MS), 5);
  CHECK_INT(sip(b, 5, START_MS), 5);
  CHECK_INT(unlink(name), 0);
  /* each notices after its next call, and they meet in a new one */
  CHECK_INT(take(a, 1, START_MS), 1);
  CHECK_INT(take(b, 1, START_MS), 1);
  CHECK_INT(take(a, 1, START_MS), 1);
  CHECK_INT(access(name, R_OK), 0);
  CHECK_INT(take(b, 50, START_MS) + take(a, 50, START_MS), 17);
  CHECK_INT(gulp(b, START_MS), 0);
  b24_limiter_free(a);
  b24_limiter_free(b);
}

TEST(a_lock_that_somebody_keeps) {
  const char *name = fresh_path();
  b24_limiter *l = shared(name, 2, 50);
  int fd = hold_lock(name);
  CHECK_INT(gulp(l, START_MS), 50); /* it goes on after a while, alone */
  CHECK_INT(gulp(l, START_MS + 1001), 2);
  (void)close(fd);
  CHECK_INT(gulp(l, START_MS + 1001), 0); /* and tells of it afterwards */
  CHECK_INT(number_at(name, AT_LEVEL), 50 * B24_BUCKET_UNIT);
  b24_limiter_free(l);
}

/* ---- memory and threads ------------------------------------------------ */

TEST(memory_that_runs_out) {
  const char *name = fresh_path();
  int worked = 0;
  for (int n = 0; n < 6; n++) {
    scarce s = {0, 0};
    b24_alloc alloc = {scarce_realloc, NULL};
    b24_limiter *l = NULL;
    b24_error err;
    alloc.ud = &s;
    s.left = n;
    if (b24_limiter_open(&l, &alloc, name, 2, 50, &err) != B24_OK) {
      CHECK_INT(err.kind, B24_NOMEM);
      CHECK(l == NULL);
    } else {
      worked++;
      b24_limiter_free(l);
    }
    CHECK_INT(s.bytes, 0);
  }
  CHECK_INT(worked, 3);
}

typedef struct thread {
  pthread_t id;
  b24_limiter *limiter;
  int sent;
} thread;

static void *use(void *ud) {
  thread *t = ud;
  while (b24_limiter_admit(t->limiter, START_MS) == 0) {
    t->sent++;
    b24_limiter_answered(t->limiter, START_MS);
  }
  return NULL;
}

TEST(threads_with_one_limiter_and_with_their_own) {
  const char *name = fresh_path();
  b24_limiter *one = shared(name, 2, 2000);
  thread all[6];
  int sent = 0;
  for (int i = 0; i < 6; i++) {
    all[i].sent = 0;
    all[i].limiter =
        i < 3 ? b24_limiter_ref(one) : shared(name, 2, 2000);
  }
  for (int i = 0; i < 6; i++)
    CHECK_INT(pthread_create(&all[i].id, NULL, use, &all[i]), 0);
  for (int i = 0; i < 6; i++) {
    CHECK_INT(pthread_join(all[i].id, NULL), 0);
    sent += all[i].sent;
    b24_limiter_free(all[i].limiter);
  }
  b24_limiter_free(one);
  CHECK_INT(sent, 2000);
}

static void clean(void) {
  char command[128];
  (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
  CHECK_INT(system(command), 0);
}

int main(void) {
  if (mkdtemp(folder) == NULL) return 1;
  RUN(eight_processes_use_the_budget_and_no_more);
  RUN(one_budget_however_many_hold_it);
  RUN(with_all_on_their_way_it_looks_again_soon);
  RUN(a_refusal_makes_every_process_wait);
  RUN(a_clock_that_goes_back_gives_nothing);
  RUN(a_clock_that_began_anew);
  RUN(two_tariffs);
  RUN(as_many_as_there_are_places);
  RUN(a_killed_holder_blocks_nobody);
  RUN(the_place_of_the_dead_is_taken_over);
  RUN(killed_inside_the_lock);
  RUN(killed_wherever_it_is);
  RUN(a_child_takes_a_place_of_its_own);
  RUN(the_lease_of_a_place_ends);
  RUN(nothing_else_is_taken_for_a_limiter_file);
  RUN(other_things_at_the_path);
  RUN(an_empty_file_is_filled);
  RUN(a_file_that_is_damaged_meanwhile);
  RUN(a_file_that_is_removed);
  RUN(a_lock_that_somebody_keeps);
  RUN(memory_that_runs_out);
  RUN(threads_with_one_limiter_and_with_their_own);
  clean();
  return unit_report();
}
