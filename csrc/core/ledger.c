/*
 * ledger.c - paces methods so that their working time stays below the limit
 * (limits: 480 s in ten one-minute baskets, for each method and application;
 * over it, OPERATION_TIME_LIMIT until baskets expire).
 *
 * Two accounts of every method: what the portal told last, and what we saw
 * ourselves. The portal may charge a batch to its commands or to `batch`, so
 * both are kept for both, and the larger counts. A figure that is absent is
 * no zero: the account stays as it was, plus what the call cost.
 * Invariant: rows in use never fill more than three quarters of the table.
 */
#include "ledger.h"

#include <string.h>

/* Our own baskets are narrow: all that a portal put into its minute has left
 * its window ten minutes later, wherever its minutes begin. */
#define BASKET_MS 20000
#define BASKETS (B24_LEDGER_WINDOW_MS / BASKET_MS + 1)
#define MINUTE_MS 60000
#define FIRST_CAPACITY 16
/* Beyond this share of the limit the rest is spread; and this much of it is
 * never used, because costs are estimates. */
#define SOFT_PERCENT 75
#define HARD_PERCENT 98
/* More than any portal can mean; sums of such figures still are numbers. */
#define FIGURE_MAX_MS 1000000000

struct b24_ledger_row {
  char *method; /* NULL = free */
  int64_t touched_ms;
  int64_t blocked_until_ms;
  int64_t started_ms; /* the last call began */
  int64_t pending_ms; /* expected work of calls that are out */
  int64_t cost_ms;    /* of one call: follows rises at once, falls slowly */
  int has_told;
  int64_t told_ms; /* the portal's figure, and when it came */
  int64_t told_at_ms;
  int64_t reset_at_ms; /* when the oldest basket of that figure expires */
  int64_t newest;      /* index of the newest of our own baskets */
  int32_t own_ms[BASKETS];
};

/* ---- the map ----------------------------------------------------------- */

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* FNV-1a; the platform spells one method in several cases. */
static uint64_t hash(const char *method) {
  uint64_t h = 14695981039346656037u;
  for (; *method != '\0'; method++) {
    h ^= (unsigned char)lower(*method);
    h *= 1099511628211u;
  }
  return h ^ (h >> 32);
}

static int same(const char *a, const char *b) {
  while (*a != '\0' && lower(*a) == lower(*b)) {
    a++;
    b++;
  }
  return *a == *b;
}

/* The method's row, or the free one where it belongs. */
static b24_ledger_row *slot(b24_ledger_row *rows, size_t capacity,
                            const char *method) {
  size_t at = (size_t)hash(method) & (capacity - 1);
  while (rows[at].method != NULL && !same(rows[at].method, method))
    at = (at + 1) & (capacity - 1);
  return &rows[at];
}

static b24_ledger_row *find(const b24_ledger *ledger, const char *method) {
  b24_ledger_row *row;
  if (ledger->rows == NULL) return NULL;
  row = slot(ledger->rows, ledger->capacity, method);
  return row->method != NULL ? row : NULL;
}

/* Nothing in it can matter any more. */
static int is_stale(const b24_ledger_row *row, int64_t now) {
  return row->pending_ms == 0 && row->blocked_until_ms <= now &&
         now - row->touched_ms > B24_LEDGER_WINDOW_MS + MINUTE_MS;
}

/* Make room for one more row: forget stale ones, then grow. */
static b24_kind make_room(b24_ledger *ledger, int64_t now) {
  size_t keep = 0;
  size_t capacity = FIRST_CAPACITY;
  b24_ledger_row *rows;
  for (size_t i = 0; i < ledger->capacity; i++)
    if (ledger->rows[i].method != NULL && !is_stale(&ledger->rows[i], now))
      keep++;
  if (keep >= B24_LEDGER_METHODS) return B24_LIMIT;
  while ((keep + 1) * 4 > capacity * 3) capacity *= 2;
  rows = b24__alloc(ledger->alloc, capacity * sizeof *rows);
  if (rows == NULL) return B24_NOMEM;
  for (size_t i = 0; i < ledger->capacity; i++) {
    b24_ledger_row *row = &ledger->rows[i];
    if (row->method == NULL) continue;
    if (is_stale(row, now))
      b24__strfree(ledger->alloc, row->method);
    else
      *slot(rows, capacity, row->method) = *row;
  }
  b24__free(ledger->alloc, ledger->rows, ledger->capacity * sizeof *rows);
  ledger->rows = rows;
  ledger->capacity = capacity;
  ledger->count = keep;
  return B24_OK;
}

/* Find a row or make it. */
static b24_kind touch(b24_ledger_row **out, b24_ledger *ledger,
                      const char *method, int64_t now) {
  b24_ledger_row *row = find(ledger, method);
  if (row == NULL) {
    if ((ledger->count + 1) * 4 > ledger->capacity * 3 ||
        ledger->count >= B24_LEDGER_METHODS) {
      b24_kind kind = make_room(ledger, now);
      if (kind != B24_OK) return kind;
    }
    row = slot(ledger->rows, ledger->capacity, method);
    row->method = b24__strndup(ledger->alloc, method, strlen(method));
    if (row->method == NULL) return B24_NOMEM;
    row->started_ms = now - B24_LEDGER_WINDOW_MS;
    row->newest = now / BASKET_MS;
    ledger->count++;
  }
  row->touched_ms = now;
  *out = row;
  return B24_OK;
}

void b24__ledger_init(b24_ledger *ledger, const b24_alloc *alloc) {
  memset(ledger, 0, sizeof *ledger);
  ledger->alloc = alloc;
  ledger->limit_ms = B24_LEDGER_LIMIT_MS;
}

void b24__ledger_dispose(b24_ledger *ledger) {
  for (size_t i = 0; i < ledger->capacity; i++)
    b24__strfree(ledger->alloc, ledger->rows[i].method);
  b24__free(ledger->alloc, ledger->rows,
            ledger->capacity * sizeof *ledger->rows);
  b24__ledger_init(ledger, ledger->alloc);
}

/* ---- accounts ---------------------------------------------------------- */

/* What an account says: the work in the window, and when some of it leaves. */
typedef struct account {
  int64_t used_ms;
  int64_t relief_ms; /* monotonic */
  int certain;       /* 0: some has left since, nobody knows how much */
} account;

static account own_account(const b24_ledger_row *row, int64_t now) {
  account own = {0, now, 1};
  int64_t oldest = now / BASKET_MS - BASKETS + 1;
  for (int64_t i = row->newest; i > row->newest - BASKETS; i--) {
    int64_t at = ((i % BASKETS) + BASKETS) % BASKETS;
    if (i < oldest || row->own_ms[at] == 0) continue;
    own.used_ms += row->own_ms[at];
    own.relief_ms = (i + BASKETS) * BASKET_MS;
  }
  return own;
}

static account told_account(const b24_ledger_row *row, int64_t now) {
  account told = {0, now, 1};
  if (!row->has_told || now - row->told_at_ms >= B24_LEDGER_WINDOW_MS)
    return told;
  told.used_ms = row->told_ms;
  told.relief_ms = row->reset_at_ms;
  told.certain = now < row->reset_at_ms;
  return told;
}

static void charge_own(b24_ledger_row *row, int64_t cost, int64_t now) {
  int64_t index = now / BASKET_MS;
  int64_t at;
  if (index - row->newest >= BASKETS) row->newest = index - BASKETS;
  while (row->newest < index) {
    row->newest++;
    row->own_ms[((row->newest % BASKETS) + BASKETS) % BASKETS] = 0;
  }
  at = ((row->newest % BASKETS) + BASKETS) % BASKETS;
  if (cost > B24_LEDGER_WINDOW_MS) cost = B24_LEDGER_WINDOW_MS;
  if (row->own_ms[at] > INT32_MAX - cost)
    row->own_ms[at] = INT32_MAX;
  else
    row->own_ms[at] += (int32_t)cost;
}

static int64_t at_most(int64_t number, int64_t most) {
  return number < most ? number : most;
}

static void learn_cost(b24_ledger_row *row, int64_t cost) {
  row->cost_ms = cost >= row->cost_ms ? cost : (7 * row->cost_ms + cost) / 8;
}

/* ---- asking ------------------------------------------------------------ */

int64_t b24__ledger_cost(const b24_ledger *ledger, const char *method) {
  const b24_ledger_row *row = find(ledger, method);
  return row != NULL ? row->cost_ms : 0;
}

/* Spread the calls that still fit evenly until some work leaves the window. */
static int64_t spread(const b24_ledger_row *row, int64_t left,
                      int64_t expected, int64_t relief, int64_t now) {
  int64_t calls = left / (expected > 0 ? expected : 1);
  int64_t due = row->started_ms + (relief - row->started_ms) / calls;
  return due > now ? due - now : 0;
}

int64_t b24__ledger_wait(const b24_ledger *ledger, const char *method,
                         int64_t expected_ms, int64_t now_ms) {
  const b24_ledger_row *row = find(ledger, method);
  int64_t soft = ledger->limit_ms / 100 * SOFT_PERCENT;
  int64_t hard = ledger->limit_ms / 100 * HARD_PERCENT;
  account used, own;
  int64_t left;
  if (row == NULL) return 0;
  if (row->blocked_until_ms > now_ms) return row->blocked_until_ms - now_ms;
  if (ledger->limit_ms == 0 || !ledger->kept) return 0;
  if (expected_ms < 0) expected_ms = row->cost_ms;
  if (expected_ms > soft) expected_ms = soft; /* or it could never start */
  used = told_account(row, now_ms);
  own = own_account(row, now_ms);
  if (own.used_ms > used.used_ms) used = own;
  left = hard - used.used_ms - row->pending_ms;
  if (hard - left + expected_ms <= soft) return 0;
  /* a basket has left since: one call finds out what is used now */
  if (!used.certain) return row->pending_ms == 0 ? 0 : 1000;
  /* only calls that are out stand in the way: they end when they end */
  if (used.relief_ms <= now_ms) return left >= expected_ms ? 0 : 1000;
  if (left < expected_ms || left <= 0) return used.relief_ms - now_ms;
  return spread(row, left, expected_ms, used.relief_ms, now_ms);
}

/* ---- telling ----------------------------------------------------------- */

b24_kind b24__ledger_begin(b24_ledger *ledger, const char *method,
                           int64_t expected_ms, int64_t now_ms) {
  b24_ledger_row *row;
  b24_kind kind = touch(&row, ledger, method, now_ms);
  if (kind != B24_OK) return kind;
  row->pending_ms += expected_ms > 0 ? expected_ms : 0;
  row->started_ms = now_ms;
  return B24_OK;
}

void b24__ledger_end(b24_ledger *ledger, const char *method,
                     int64_t expected_ms) {
  b24_ledger_row *row = find(ledger, method);
  if (row == NULL) return;
  row->pending_ms -= expected_ms > 0 ? expected_ms : 0;
  if (row->pending_ms < 0) row->pending_ms = 0;
}

b24_kind b24__ledger_note(b24_ledger *ledger, const char *method,
                          const b24_operating *told, int64_t now_ms) {
  b24_ledger_row *row;
  int64_t operating = at_most(told->operating_ms, FIGURE_MAX_MS);
  int64_t cost = at_most(told->cost_ms, B24_LEDGER_WINDOW_MS);
  b24_kind kind = touch(&row, ledger, method, now_ms);
  if (kind != B24_OK) return kind;
  if (operating >= 0) {
    int64_t reset = told->reset_in_ms;
    if (cost < 0 && row->has_told && operating > row->told_ms)
      cost = at_most(operating - row->told_ms, B24_LEDGER_WINDOW_MS);
    if (reset <= 0) reset = MINUTE_MS;
    if (reset > B24_LEDGER_WINDOW_MS) reset = B24_LEDGER_WINDOW_MS;
    ledger->kept = 1;
    row->has_told = 1;
    row->told_ms = operating;
    row->told_at_ms = now_ms;
    row->reset_at_ms = now_ms + reset;
  } else if (row->has_told && cost > 0) {
    row->told_ms = at_most(row->told_ms + cost, FIGURE_MAX_MS);
  }
  if (cost >= 0) {
    learn_cost(row, cost);
    charge_own(row, cost, now_ms);
  }
  return B24_OK;
}

int64_t b24__ledger_block(b24_ledger *ledger, const char *method,
                          int64_t reset_in_ms, int64_t now_ms) {
  b24_ledger_row *row;
  int64_t until;
  ledger->kept = 1;
  if (touch(&row, ledger, method, now_ms) != B24_OK) row = NULL;
  if (reset_in_ms <= 0 && row != NULL && row->has_told)
    reset_in_ms = row->reset_at_ms - now_ms;
  if (reset_in_ms <= 0) reset_in_ms = MINUTE_MS; /* the next basket */
  if (reset_in_ms > B24_LEDGER_WINDOW_MS) reset_in_ms = B24_LEDGER_WINDOW_MS;
  until = now_ms + reset_in_ms;
  if (row == NULL) return reset_in_ms;
  if (until > row->blocked_until_ms) row->blocked_until_ms = until;
  return row->blocked_until_ms - now_ms;
}
