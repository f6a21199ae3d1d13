/*
 * limiter_file.c - keeps a bucket in a file for all processes of a machine,
 * so that they stay below the portal's limit together, and so that one that
 * is killed, wherever it is, blocks nobody.
 *
 * - Who has the file's lock (lockfile.c) may read and write; the others wait.
 * - Each participant has a place: what it has out, and a lock of its own as
 *   long as it lives. A place with requests and no lock belongs to a process
 *   that died; they count as arriving when that is seen. A forked child
 *   shares its parent's descriptors and so keeps its locks: a place that
 *   nobody touched for longer than a connection can last is as good as dead,
 *   and a child that uses the limiter takes a place of its own.
 * - The file is read and written, not mapped: somebody who cuts it short
 *   cannot end this process, and every copy is checked before it is used.
 *
 * Invariant, at every single write: what is in the file is never less than
 * what may have reached the portal. Counters go up before `out` goes down,
 * and `out` up before a request is sent. Clock and counters lie in one page
 * and are one write. So whoever dies half-way leaves at most a request
 * counted twice, which falls with the counters.
 *
 * Time is CLOCK_MONOTONIC, one for all processes of a machine. After a boot
 * it begins anew, but no process outlives that: who comes alone marks the
 * file as fresh, and the first use takes the time as it is.
 */
#include "limiter_file.h"

#include "error.h"
#include "lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PLACES B24_LIMITER_FILE_PLACES
#define PAGE 4096
#define VERSION 1
#define TRIES 5000 /* for the lock: half a second and more */
#define PAUSE_NS 100000

static const char magic[8] = {'b', '2', '4', 'l', 'i', 'm', 'i', 't'};

/* One participant. */
typedef struct place {
  int64_t touched_ms; /* when it last sent or took back a request */
  int32_t out;
  int32_t pid; /* 0 = it left */
} place;

/* The first page. Numbers are in the machine's own order, which `version`
 * shows. */
typedef struct head {
  char magic[8];
  uint32_t version;
  uint32_t size; /* of the file */
  int32_t rate;
  int32_t burst;
  int32_t fresh; /* the clock may have begun anew since the last write */
  int32_t reserved;
  place places[PLACES];
} head;

/* The whole file: each part in a page of its own, written at once. */
typedef struct image {
  union {
    head head;
    char page[PAGE];
  } first;
  union {
    b24_bucket_state state;
    char page[PAGE];
  } second;
} image;

_Static_assert(sizeof(image) == (size_t)2 * PAGE, "each part fits a page");

struct b24_limiter_file {
  const b24_alloc *alloc;
  char *path;
  int32_t rate, burst;
  int fd;    /* -1 = not taking part */
  int place; /* ours */
  pid_t pid; /* who opened it */
  int64_t out;   /* our requests on their way */
  int64_t owed;  /* arrived, and not yet in the file's counters */
  int64_t total; /* the bucket's `out` when entered */
  int tries;     /* patience for the lock */
  int entered;   /* the lock is held, and the copy is good */
  int dirty;     /* the state in the file is to be replaced */
  image image;   /* the copy */
};

/* ---- the lock ----------------------------------------------------------- */

/* Whoever holds the lock needs microseconds. One that was stopped meanwhile,
 * or died and left its descriptor to a child, is waited for once. */
static int lock(b24_limiter_file *f) {
  const struct timespec pause = {0, PAUSE_NS};
  int left = f->tries;
  while (!b24__lockfile_try(f->fd)) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) return 0;
    if (left-- <= 0) {
      f->tries = 0;
      errno = EBUSY;
      return 0;
    }
    (void)nanosleep(&pause, NULL);
  }
  f->tries = TRIES;
  return 1;
}

/* ---- reading and writing ----------------------------------------------- */

static int write_at(int fd, const void *bytes, size_t size, size_t at) {
  ssize_t written;
  do written = pwrite(fd, bytes, size, (off_t)at);
  while (written < 0 && errno == EINTR);
  return written == (ssize_t)size;
}

static int write_state(b24_limiter_file *f) {
  return write_at(f->fd, &f->image.second.state,
                  sizeof f->image.second.state, PAGE);
}

static int write_head(b24_limiter_file *f) {
  return write_at(f->fd, &f->image.first.head, sizeof f->image.first.head, 0);
}

/* What is wrong with the copy, or NULL. */
static const char *complaint(const b24_limiter_file *f) {
  const head *h = &f->image.first.head;
  if (memcmp(h->magic, magic, sizeof magic) != 0) return "not a limiter file";
  if (h->version != VERSION || h->size != sizeof f->image)
    return "of another version of this library";
  if (h->rate <= 0 || h->rate > B24_BUCKET_MOST * B24_BUCKET_UNIT ||
      h->burst < B24_BUCKET_UNIT ||
      h->burst > B24_BUCKET_MOST * B24_BUCKET_UNIT ||
      (h->fresh != 0 && h->fresh != 1))
    return "damaged";
  for (int i = 0; i < PLACES; i++)
    if (h->places[i].out < 0 || h->places[i].out > B24_BUCKET_MOST ||
        h->places[i].pid < 0 || !b24__bucket_is_time(h->places[i].touched_ms))
      return "damaged";
  return b24__bucket_plausible(&f->image.second.state) ? NULL : "damaged";
}

static int read_image(b24_limiter_file *f) {
  ssize_t got;
  do got = pread(f->fd, &f->image, sizeof f->image, 0);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t)sizeof f->image;
}

/* Is somebody else at this place? */
static int is_alive(const b24_limiter_file *f, int index) {
  return b24__lockfile_is_taken(f->fd, index,
                                f->image.first.head.places[index].pid);
}

/* ---- taking part ------------------------------------------------------- */

static b24_kind cannot(const b24_limiter_file *f, const char *what,
                       b24_error *err) {
  return b24__fail(err, B24_CONFIG, B24_SENT_NO, "limiter_file: %s %.300s: %s",
                   what, f->path, strerror(errno));
}

/* A file whose maker died before its head was written. */
static int is_blank(const b24_limiter_file *f) {
  const char *page = f->image.first.page;
  for (size_t i = 0; i < PAGE; i++)
    if (page[i] != 0) return 0;
  return b24__bucket_plausible(&f->image.second.state);
}

/* Fill an empty file, the head last. The counters are those of the bucket: it
 * may take the place of a file that was removed. */
static b24_kind fill(b24_limiter_file *f, const b24_bucket *bucket,
                     b24_error *err) {
  head *h = &f->image.first.head;
  memset(&f->image, 0, sizeof f->image);
  f->image.second.state = bucket->state;
  memcpy(h->magic, magic, sizeof magic);
  h->version = VERSION;
  h->size = sizeof f->image;
  h->rate = f->rate;
  h->burst = f->burst;
  if (!write_at(f->fd, &f->image.second, PAGE, PAGE) ||
      !write_at(f->fd, &f->image.first, PAGE, 0))
    return cannot(f, "cannot write", err);
  return B24_OK;
}

static b24_kind read_or_fill(b24_limiter_file *f, const b24_bucket *bucket,
                             b24_error *err) {
  struct stat info;
  const char *wrong = "not a limiter file";
  if (fstat(f->fd, &info) != 0) return cannot(f, "cannot read", err);
  if (info.st_size == 0) return fill(f, bucket, err);
  if (info.st_size == (off_t)sizeof f->image) {
    if (!read_image(f)) return cannot(f, "cannot read", err);
    if (is_blank(f)) return fill(f, bucket, err);
    wrong = complaint(f);
  }
  if (wrong == NULL) return B24_OK;
  return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                   "limiter_file: %.300s is %s; give another path, or remove "
                   "it when no program uses it",
                   f->path, wrong);
}

/* Numbers other than the file's become the file's when nobody else is there;
 * who is alone may also be the first since the machine was started. */
static b24_kind settle_tariff(b24_limiter_file *f, b24_error *err) {
  head *h = &f->image.first.head;
  int alone = 1;
  for (int i = 0; i < PLACES && alone; i++)
    alone = !is_alive(f, i);
  if (!alone && (h->rate != f->rate || h->burst != f->burst))
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "limiter_file: %.200s is in use with limits { rate = "
                     "%g, burst = %g }, not { rate = %g, burst = %g }: give "
                     "every program the same",
                     f->path, (double)h->rate / B24_BUCKET_UNIT,
                     (double)h->burst / B24_BUCKET_UNIT,
                     (double)f->rate / B24_BUCKET_UNIT,
                     (double)f->burst / B24_BUCKET_UNIT);
  h->rate = f->rate;
  h->burst = f->burst;
  if (alone) h->fresh = 1;
  return B24_OK;
}

/* A place that nobody has: the first without requests, else the first one.
 * What its last owner had out is owed: it has arrived by now. */
static b24_kind find_place(b24_limiter_file *f, b24_error *err) {
  head *h = &f->image.first.head;
  int found = -1;
  for (int i = 0; i < PLACES; i++) {
    if (is_alive(f, i)) continue;
    if (found < 0 || h->places[i].out == 0) found = i;
    if (h->places[i].out == 0) break;
  }
  if (found < 0)
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "limiter_file: %d programs share %.300s already, and "
                     "more cannot",
                     PLACES, f->path);
  if (!b24__lockfile_take(f->fd, found)) return cannot(f, "cannot lock", err);
  f->place = found;
  f->owed += h->places[found].out;
  h->places[found].pid = (int32_t)f->pid;
  if (write_head(f)) return B24_OK;
  return cannot(f, "cannot write", err);
}

/* Open the file and take a place in it. */
static b24_kind attach(b24_limiter_file *f, const b24_bucket *bucket,
                       b24_error *err) {
  struct stat info;
  b24_kind kind;
  f->fd = open(f->path,
               O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
                   O_NOCTTY,
               S_IRUSR | S_IWUSR);
  if (f->fd < 0) {
    if (errno == ELOOP)
      return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                       "limiter_file: %.300s is a symbolic link; give the "
                       "file itself",
                       f->path);
    return cannot(f, "cannot open", err);
  }
  f->pid = getpid();
  if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode))
    kind = b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "limiter_file: %.300s is not an ordinary file", f->path);
  else if (!lock(f))
    kind = cannot(f, "cannot lock", err);
  else {
    kind = read_or_fill(f, bucket, err);
    if (kind == B24_OK) kind = settle_tariff(f, err);
    if (kind == B24_OK) kind = find_place(f, err);
    b24__lockfile_unlock(f->fd);
  }
  if (kind == B24_OK) return B24_OK;
  (void)close(f->fd); /* with its locks */
  f->fd = -1;
  return kind;
}

b24_kind b24__limiter_file_open(b24_limiter_file **out,
                                const b24_alloc *alloc, const char *path,
                                const b24_bucket *bucket, b24_error *err) {
  b24_limiter_file *f = b24__alloc(alloc, sizeof *f);
  b24_kind kind;
  *out = NULL;
  if (f == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_NO, "not enough memory");
  f->alloc = alloc;
  f->fd = -1;
  f->tries = TRIES;
  f->rate = bucket->rate;
  f->burst = bucket->burst;
  f->path = b24__strndup(alloc, path, strlen(path));
  kind = f->path == NULL ? b24__fail(err, B24_NOMEM, B24_SENT_NO,
                                     "not enough memory")
                         : attach(f, bucket, err);
  if (kind != B24_OK) {
    b24__limiter_file_close(f);
    return kind;
  }
  *out = f;
  return B24_OK;
}

void b24__limiter_file_close(b24_limiter_file *f) {
  const b24_alloc *alloc = f->alloc;
  place *ours = &f->image.first.head.places[f->place];
  /* the place of an inherited one is the parent's */
  if (f->fd >= 0 && f->pid == getpid()) {
    if (lock(f)) {
      if (read_image(f) && complaint(f) == NULL) {
        ours->out = (int32_t)(f->out + f->owed);
        ours->pid = 0;
        (void)write_head(f);
      }
      b24__lockfile_leave(f->fd, f->place);
      b24__lockfile_unlock(f->fd);
    }
  }
  if (f->fd >= 0) (void)close(f->fd);
  b24__strfree(alloc, f->path);
  b24__free(alloc, f, sizeof *f);
}

/* ---- use --------------------------------------------------------------- */

/* Is the file that we have open still the one that has the name? */
static int is_gone(const b24_limiter_file *f) {
  struct stat info;
  return fstat(f->fd, &info) == 0 && info.st_nlink == 0;
}

/* Let go of the file; what is out stays known. */
static void detach(b24_limiter_file *f) {
  if (f->fd >= 0) (void)close(f->fd);
  f->fd = -1;
}

static int acquire(b24_limiter_file *f, const b24_bucket *bucket) {
  const head *h = &f->image.first.head;
  if (f->pid != getpid()) {
    detach(f); /* a forked child: what is out is its parent's */
    f->out = f->owed = 0;
  }
  if (f->fd < 0 && attach(f, bucket, NULL) != B24_OK) return 0;
  if (!lock(f)) return 0;
  if (read_image(f) && complaint(f) == NULL && h->rate == f->rate &&
      h->burst == f->burst)
    return 1;
  b24__lockfile_unlock(f->fd);
  return 0;
}

/* The machine was started since: what is left of a wait stays the same. */
static void rebase(b24_bucket_state *s, int64_t now) {
  if (!s->started || now >= s->now_ms) return;
  s->hold_until_ms += now - s->now_ms;
  s->now_ms = now;
}

void b24__limiter_file_enter(b24_limiter_file *f, b24_bucket *bucket,
                             int64_t now) {
  head *h = &f->image.first.head;
  f->dirty = 0;
  f->entered = acquire(f, bucket);
  bucket->out = f->out;
  if (f->entered) {
    bucket->state = f->image.second.state;
    for (int i = 0; i < PLACES; i++)
      if (i != f->place) bucket->out += h->places[i].out;
    if (h->fresh) {
      rebase(&bucket->state, now);
      h->fresh = 0;
      f->dirty = 1;
    }
    if (f->owed > 0) {
      b24__bucket_arrived(bucket, f->owed, now);
      f->dirty = 1;
    }
  }
  f->total = bucket->out;
}

int b24__limiter_file_reap(b24_limiter_file *f, b24_bucket *bucket,
                           int64_t now) {
  head *h = &f->image.first.head;
  int64_t count = 0;
  if (!f->entered) return 0;
  for (int i = 0; i < PLACES; i++) {
    place *p = &h->places[i];
    if (i == f->place || p->out == 0) continue;
    if (now - p->touched_ms <= B24_LIMITER_FILE_LEASE_MS &&
        is_alive(f, i))
      continue;
    count += p->out;
    p->out = 0;
  }
  if (count == 0) return 0;
  bucket->out -= count;
  f->total -= count;
  b24__bucket_arrived(bucket, count, now);
  f->dirty = 1;
  return 1;
}

/* The order of the writes is the invariant: the state, then what is out. */
static void publish(b24_limiter_file *f, const b24_bucket *bucket,
                    int arrived, int64_t now) {
  head *h = &f->image.first.head;
  place *ours = &h->places[f->place];
  int whole = f->dirty;
  if (f->dirty || arrived) {
    f->image.second.state = bucket->state;
    if (write_state(f)) {
      f->owed = 0;
    } else {
      f->owed += arrived; /* told the next time, and nothing falls before */
      if (ours->out >= f->out) return;
      whole = 0;
    }
  }
  if (ours->out == f->out && !whole) return;
  ours->out = (int32_t)f->out;
  ours->touched_ms = now;
  if (whole)
    (void)write_head(f);
  else
    (void)write_at(f->fd, ours, sizeof *ours,
                   (size_t)((const char *)ours - (const char *)h));
}

void b24__limiter_file_leave(b24_limiter_file *f, b24_bucket *bucket,
                             int arrived, int64_t now) {
  f->out += bucket->out - f->total;
  if (f->out < 0) f->out = 0; /* a parent's, told by its child */
  if (f->entered) {
    publish(f, bucket, arrived, now);
    b24__lockfile_unlock(f->fd);
    if (is_gone(f)) detach(f);
  } else {
    f->owed += arrived;
  }
}
