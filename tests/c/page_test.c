/*
 * page_test.c - page cursors: every rule as a row of facts, then whole walks
 * over portals that are simulated, honest and lying ones.
 */
#include "page.h"

#include <stdlib.h>

#include "unit.h"

/* ---- an allocator that counts and fails -------------------------------- */

typedef struct meter {
  size_t live;
  size_t most;
  int fail; /* 1: every allocation fails */
} meter;

static void *meter_realloc(void *ud, void *ptr, size_t old_size,
                           size_t size) {
  meter *m = ud;
  if (size == 0) {
    m->live -= old_size;
    free(ptr);
    return NULL;
  }
  if (m->fail) return NULL;
  m->live += size - (ptr != NULL ? old_size : 0);
  if (m->live > m->most) m->most = m->live;
  return realloc(ptr, size);
}

/* ---- rows: one answer, one decision ------------------------------------ */

typedef struct row {
  const char *sentence;
  b24_page_options options;
  b24_page_facts facts;
  int kind; /* -1: B24_OK */
  b24_page_verdict verdict;
  int announced;
  int64_t position; /* offset, page or last_id, by the style */
} row;

#define OK (-1)
#define COUNT(n) .count = (n), .fingerprint = 77
#define NEXT(n) .has_next = 1, .next = (n)
#define TOTAL(n) .has_total = 1, .total = (n)
#define LAST(n) .has_last_id = 1, .last_id = (n)

static const row rows[] = {
    /* start */
    {"`next` is the value for `start`", {.style = B24_PAGE_START},
     {COUNT(50), NEXT(50), TOTAL(120)}, OK, B24_PAGE_MORE, 1, 50},
    {"`next` need not be a multiple of the page size",
     {.style = B24_PAGE_START}, {COUNT(7), NEXT(13)}, OK, B24_PAGE_MORE, 1,
     13},
    {"`next` that stands still is an error", {.style = B24_PAGE_START},
     {COUNT(50), NEXT(0)}, B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"`next` that goes back is an error",
     {.style = B24_PAGE_START, .first = 100}, {COUNT(50), NEXT(50)},
     B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"a `next` of 0 after a full page stands still",
     {.style = B24_PAGE_START}, {COUNT(50), NEXT(0), TOTAL(120)},
     B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"a `next` of 0 after a short page is none", {.style = B24_PAGE_START},
     {COUNT(49), NEXT(0)}, OK, B24_PAGE_END, 0, 0},
    {"unless more are counted", {.style = B24_PAGE_START},
     {COUNT(49), NEXT(0), TOTAL(90)}, B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"a `next` of 0 is none where the total has come",
     {.style = B24_PAGE_START, .next_documented = 1},
     {COUNT(50), NEXT(0), TOTAL(50)}, OK, B24_PAGE_END, 0, 0},
    {"a short page without `next` is the end", {.style = B24_PAGE_START},
     {COUNT(49)}, OK, B24_PAGE_END, 0, 0},
    {"an empty page without `next` is the end", {.style = B24_PAGE_START},
     {COUNT(0), TOTAL(0)}, OK, B24_PAGE_END, 0, 0},
    {"a full page without anything else is followed by a probe",
     {.style = B24_PAGE_START}, {COUNT(50)}, OK, B24_PAGE_MORE, 0, 50},
    {"a page of 10 is full where 10 is documented",
     {.style = B24_PAGE_START, .size = 10}, {COUNT(10)}, OK, B24_PAGE_MORE,
     0, 10},
    {"a total that has come confirms the end", {.style = B24_PAGE_START},
     {COUNT(20), TOTAL(20)}, OK, B24_PAGE_END, 0, 0},
    {"a total that is the size of a full page does not",
     {.style = B24_PAGE_START}, {COUNT(50), TOTAL(50)}, OK, B24_PAGE_MORE, 0,
     50},
    {"unless `next` is documented and absent",
     {.style = B24_PAGE_START, .next_documented = 1}, {COUNT(50), TOTAL(50)},
     OK, B24_PAGE_END, 0, 0},
    {"a larger total asks for a probe behind a short page",
     {.style = B24_PAGE_START}, {COUNT(30), TOTAL(90)}, OK, B24_PAGE_MORE, 0,
     30},
    {"a total smaller than what came is no total", {.style = B24_PAGE_START},
     {COUNT(50), TOTAL(3)}, OK, B24_PAGE_MORE, 0, 50},
    {"also where `next` is documented",
     {.style = B24_PAGE_START, .next_documented = 1}, {COUNT(50), TOTAL(3)},
     OK, B24_PAGE_MORE, 0, 50},
    {"a total never stops `next`", {.style = B24_PAGE_START},
     {COUNT(50), NEXT(50), TOTAL(50)}, OK, B24_PAGE_MORE, 1, 50},
    {"the caller's own start counts into the total",
     {.style = B24_PAGE_START, .first = 100}, {COUNT(20), TOTAL(120)}, OK,
     B24_PAGE_END, 0, 0},
    /* none */
    {"an unpaged list is one page, however full", {.style = B24_PAGE_NONE},
     {COUNT(500)}, OK, B24_PAGE_END, 0, 0},
    {"an unpaged list with `next` goes on by start",
     {.style = B24_PAGE_NONE}, {COUNT(50), NEXT(50)}, OK, B24_PAGE_MORE, 1,
     50},
    {"an unpaged list with a larger total is probed",
     {.style = B24_PAGE_NONE}, {COUNT(50), TOTAL(51)}, OK, B24_PAGE_MORE, 0,
     50},
    {"an unpaged list with its total has ended", {.style = B24_PAGE_NONE},
     {COUNT(50), TOTAL(50)}, OK, B24_PAGE_END, 0, 0},
    {"`truncated` without a way on cannot be continued",
     {.style = B24_PAGE_NONE}, {COUNT(50), .more = B24_MORE_YES}, OK,
     B24_PAGE_TRUNCATED, 1, 0},
    /* offset */
    {"an offset moves by what arrived",
     {.style = B24_PAGE_OFFSET, .asked = 1000, .size = 100}, {COUNT(130)},
     OK, B24_PAGE_MORE, 0, 130},
    {"a page shorter than asked but not than the default proves nothing",
     {.style = B24_PAGE_OFFSET, .asked = 1000, .size = 100}, {COUNT(100)},
     OK, B24_PAGE_MORE, 0, 100},
    {"a page shorter than the default is the last",
     {.style = B24_PAGE_OFFSET, .asked = 1000, .size = 100}, {COUNT(99)}, OK,
     B24_PAGE_END, 0, 0},
    {"a page shorter than asked is the last where less was asked",
     {.style = B24_PAGE_OFFSET, .asked = 20, .size = 100}, {COUNT(19)}, OK,
     B24_PAGE_END, 0, 0},
    {"where no size is known, any record may be followed by another",
     {.style = B24_PAGE_OFFSET}, {COUNT(1)}, OK, B24_PAGE_MORE, 0, 1},
    {"where pages overlap the offset moves by LIMIT",
     {.style = B24_PAGE_OFFSET, .asked = 50, .size = 50, .overlap = 1},
     {COUNT(23), TOTAL(-1), .more = B24_MORE_YES}, OK, B24_PAGE_MORE, 1, 50},
    {"total -1 is no total",
     {.style = B24_PAGE_OFFSET, .asked = 50, .size = 50},
     {COUNT(12), TOTAL(-1)}, OK, B24_PAGE_END, 0, 0},
    {"hasMore = false is the end, full page or not",
     {.style = B24_PAGE_OFFSET, .asked = 50, .size = 50},
     {COUNT(50), .more = B24_MORE_NO}, OK, B24_PAGE_END, 0, 0},
    {"hasNextPage = true goes on after a short page",
     {.style = B24_PAGE_OFFSET, .asked = 50, .size = 50},
     {COUNT(3), .more = B24_MORE_YES}, OK, B24_PAGE_MORE, 1, 3},
    {"hasMore = true after nothing, and not where, is an error",
     {.style = B24_PAGE_OFFSET, .asked = 50, .size = 50},
     {COUNT(0), .more = B24_MORE_YES}, B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"an offset cannot overflow",
     {.style = B24_PAGE_OFFSET, .first = INT64_MAX - 10, .size = 50},
     {COUNT(50)}, B24_PROTOCOL, B24_PAGE_END, 0, 0},
    /* last id */
    {"a full page goes on after its last id",
     {.style = B24_PAGE_LAST_ID, .asked = 50, .size = 20},
     {COUNT(20), LAST(881)}, OK, B24_PAGE_MORE, 0, 881},
    {"a short page of ids is the last",
     {.style = B24_PAGE_LAST_ID, .asked = 50, .size = 20},
     {COUNT(19), LAST(881)}, OK, B24_PAGE_END, 0, 0},
    {"an id that does not move is an error",
     {.style = B24_PAGE_LAST_ID, .size = 20, .first = 881},
     {COUNT(20), LAST(881)}, B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"a full page whose last record has no id is an error",
     {.style = B24_PAGE_LAST_ID, .size = 20}, {COUNT(20)}, B24_PROTOCOL,
     B24_PAGE_END, 0, 0},
    /* pages */
    {"a full page is followed by the next number",
     {.style = B24_PAGE_PAGE, .size = 50}, {COUNT(50)}, OK, B24_PAGE_MORE, 0,
     2},
    {"the caller's first page is counted on",
     {.style = B24_PAGE_PAGE, .size = 50, .first_page = 4, .first = 150},
     {COUNT(50), TOTAL(500)}, OK, B24_PAGE_MORE, 0, 5},
    {"fewer than limit arrive on the last page of REST 3.0",
     {.style = B24_PAGE_PAGE, .asked = 1000, .size = 50}, {COUNT(49)}, OK,
     B24_PAGE_END, 0, 0},
    /* cursors */
    {"a cursor goes on, however short the page",
     {.style = B24_PAGE_CURSOR, .size = 50, .end_mark = 1},
     {COUNT(3), .cursor = "a", .cursor_size = 1}, OK, B24_PAGE_MORE, 1, 0},
    {"no cursor is the end, however full the page",
     {.style = B24_PAGE_CURSOR, .size = 50, .end_mark = 1}, {COUNT(200)}, OK,
     B24_PAGE_END, 0, 0},
    {"hasMore without a cursor is an error",
     {.style = B24_PAGE_CURSOR, .size = 50, .end_mark = 1},
     {COUNT(3), .more = B24_MORE_YES}, B24_PROTOCOL, B24_PAGE_END, 0, 0},
    {"a cursor taken from the last record announces nothing",
     {.style = B24_PAGE_CURSOR, .size = 50},
     {COUNT(49), .cursor = "a", .cursor_size = 1}, OK, B24_PAGE_END, 0, 0},
    {"it is followed after a full page",
     {.style = B24_PAGE_CURSOR, .size = 50},
     {COUNT(50), .cursor = "a", .cursor_size = 1}, OK, B24_PAGE_MORE, 0, 0},
    /* limit */
    {"a limit that is not reached holds everything",
     {.style = B24_PAGE_LIMIT, .asked = 50, .size = 20}, {COUNT(49)}, OK,
     B24_PAGE_END, 0, 0},
    {"a limit that is reached may have cut the list",
     {.style = B24_PAGE_LIMIT, .asked = 50, .size = 20}, {COUNT(50)}, OK,
     B24_PAGE_TRUNCATED, 0, 0},
    {"hasMore = true cannot be continued there",
     {.style = B24_PAGE_LIMIT, .asked = 50},
     {COUNT(3), .more = B24_MORE_YES}, OK, B24_PAGE_TRUNCATED, 0, 0},
    {"hasMore = false says that it was all",
     {.style = B24_PAGE_LIMIT, .asked = 50},
     {COUNT(50), .more = B24_MORE_NO}, OK, B24_PAGE_END, 0, 0},
    /* nonsense */
    {"a page cannot have fewer than no records", {.style = B24_PAGE_START},
     {COUNT(-1)}, B24_CONFIG, B24_PAGE_END, 0, 0},
};

static int64_t position_of(const b24_page_step *step, b24_page_style style) {
  if (style == B24_PAGE_LAST_ID) return step->last_id;
  if (style == B24_PAGE_PAGE) return step->page;
  return style == B24_PAGE_CURSOR ? 0 : step->offset;
}

TEST(one_answer_one_decision) {
  size_t i;
  for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const row *r = &rows[i];
    int before = unit_bad;
    b24_page page;
    b24_page_step step;
    b24_error err;
    b24_kind kind;
    CHECK_INT(b24_page_init(&page, &r->options, &err), B24_OK);
    kind = b24_page_advance(&step, &page, &r->facts, &err);
    CHECK_INT(kind, r->kind == OK ? B24_OK : r->kind);
    CHECK_INT(step.verdict, r->verdict);
    if (kind == B24_OK) {
      CHECK_INT(step.announced, r->announced);
      if (step.verdict == B24_PAGE_MORE)
        CHECK_INT(position_of(&step, r->options.style), r->position);
    } else {
      CHECK(err.message[0] != '\0');
    }
    b24_page_dispose(&page);
    if (unit_bad != before) printf("  in: %s\n", r->sentence);
  }
}

/* ---- portals ----------------------------------------------------------- */

typedef enum lie {
  HONEST,
  TOTAL_SMALL,  /* half of the truth */
  TOTAL_LARGE,  /* a thousand too many */
  TOTAL_PAGE,   /* the size of the page */
  TOTAL_NEVER,  /* not there */
  TOTAL_MINUS   /* -1 */
} lie;

typedef struct portal {
  int64_t records;
  int64_t cut;     /* largest page it gives */
  int next;        /* does it say `next` */
  int flag;        /* does it say hasMore */
  int clamp;       /* its last page for a position behind the end */
  lie total;
} portal;

/* The answer to one position; ids are 1 ... records. */
static b24_page_facts answer(const portal *p, int64_t offset, int64_t asked,
                             char *cursor) {
  b24_page_facts facts;
  int64_t size = asked != 0 && asked < p->cut ? asked : p->cut;
  memset(&facts, 0, sizeof facts);
  if (p->clamp && offset >= p->records && p->records > 0)
    offset = (p->records - 1) / size * size;
  if (offset < p->records)
    facts.count = p->records - offset < size ? p->records - offset : size;
  facts.fingerprint =
      b24_page_hash(b24_page_hash(0, &offset, sizeof offset), &facts.count,
                    sizeof facts.count);
  facts.has_last_id = facts.count > 0;
  facts.last_id = offset + facts.count;
  if (p->next && offset + facts.count < p->records) {
    facts.has_next = 1;
    facts.next = offset + facts.count;
  }
  if (p->flag)
    facts.more = offset + facts.count < p->records ? B24_MORE_YES
                                                   : B24_MORE_NO;
  facts.has_total = p->total != TOTAL_NEVER;
  facts.total = p->records;
  if (p->total == TOTAL_SMALL) facts.total = p->records / 2;
  if (p->total == TOTAL_LARGE) facts.total = p->records + 1000;
  if (p->total == TOTAL_PAGE) facts.total = facts.count;
  if (p->total == TOTAL_MINUS) facts.total = -1;
  if (facts.count > 0) {
    snprintf(cursor, 32, "%lld", (long long)facts.last_id);
    facts.cursor = cursor;
    facts.cursor_size = strlen(cursor);
  }
  return facts;
}

/* Walk to the end; how many new records came, -1 for an error. */
static int64_t walk(const portal *p, b24_page_options options,
                    int64_t *requests, meter *m) {
  b24_alloc alloc;
  b24_page page;
  b24_page_step step;
  b24_page_facts facts;
  b24_error err;
  char cursor[32];
  int64_t offset = 0, seen = 0;
  alloc.realloc = meter_realloc;
  alloc.ud = m;
  options.alloc = &alloc;
  *requests = 0;
  if (b24_page_init(&page, &options, &err) != B24_OK) return -1;
  for (;;) {
    facts = answer(p, offset, options.asked, cursor);
    if (options.style == B24_PAGE_CURSOR && options.end_mark &&
        offset + facts.count >= p->records)
      facts.cursor = NULL;
    if (++*requests > 20000) {
      seen = -2;
      break;
    }
    if (b24_page_advance(&step, &page, &facts, &err) != B24_OK) {
      seen = -1;
      break;
    }
    if (!step.repeated) seen += facts.count;
    if (step.verdict != B24_PAGE_MORE) break;
    switch (options.style) {
      case B24_PAGE_LAST_ID: offset = step.last_id; break;
      case B24_PAGE_CURSOR: offset = strtoll(cursor, NULL, 10); break;
      case B24_PAGE_PAGE:
      case B24_PAGE_NONE:
      case B24_PAGE_START:
      case B24_PAGE_OFFSET:
      case B24_PAGE_LIMIT: offset = step.offset; break;
    }
  }
  b24_page_dispose(&page);
  return seen;
}

static void walk_all(b24_page_style style, portal p, int end_mark) {
  static const int64_t sizes[] = {1, 2, 3, 7, 10, 19, 20, 49, 50, 51, 60};
  meter m = {0, 0, 0};
  size_t i;
  int64_t n, requests;
  for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    b24_page_options options;
    memset(&options, 0, sizeof options);
    options.style = style;
    options.size = sizes[i];
    options.end_mark = end_mark;
    if (style != B24_PAGE_START) options.asked = 1000;
    p.cut = sizes[i];
    for (n = 0; n <= 200; n += n < 62 ? 1 : 17) {
      /* one page, and again, and a total of many: who could tell? */
      int64_t expected = p.clamp && p.total == TOTAL_LARGE && n > 0 &&
                                 n <= sizes[i]
                             ? -1
                             : n;
      p.records = n;
      CHECK_INT(walk(&p, options, &requests, &m), expected);
      CHECK(requests <= n / sizes[i] + 2);
    }
  }
  CHECK_INT(m.live, 0);
}

TEST(every_style_is_complete_for_every_size) {
  lie total;
  for (total = HONEST; total <= TOTAL_MINUS; total++) {
    portal p = {0, 0, 0, 0, 0, HONEST};
    p.total = total;
    walk_all(B24_PAGE_LAST_ID, p, 0);
    walk_all(B24_PAGE_OFFSET, p, 0);
    walk_all(B24_PAGE_PAGE, p, 0);
    walk_all(B24_PAGE_CURSOR, p, 0);
    walk_all(B24_PAGE_CURSOR, p, 1);
    walk_all(B24_PAGE_START, p, 0);
    p.clamp = 1;
    walk_all(B24_PAGE_START, p, 0);
    walk_all(B24_PAGE_OFFSET, p, 0);
    p.next = 1;
    walk_all(B24_PAGE_NONE, p, 0);
    walk_all(B24_PAGE_START, p, 0);
    walk_all(B24_PAGE_OFFSET, p, 0);
    p.next = p.clamp = 0;
    p.flag = 1;
    walk_all(B24_PAGE_OFFSET, p, 0);
    walk_all(B24_PAGE_LAST_ID, p, 0);
    walk_all(B24_PAGE_CURSOR, p, 1);
  }
}

TEST(an_honest_portal_is_asked_no_more_than_needed) {
  portal p = {100, 50, 1, 0, 0, HONEST};
  b24_page_options options;
  meter m = {0, 0, 0};
  int64_t requests;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  options.next_documented = 1;
  CHECK_INT(walk(&p, options, &requests, &m), 100);
  CHECK_INT(requests, 2);
  p.records = 50;
  CHECK_INT(walk(&p, options, &requests, &m), 50);
  CHECK_INT(requests, 1);
  p.records = 0;
  CHECK_INT(walk(&p, options, &requests, &m), 0);
  CHECK_INT(requests, 1);
}

TEST(a_next_that_was_given_means_something_when_it_is_absent) {
  portal p = {100, 50, 1, 0, 0, HONEST};
  b24_page_options options;
  meter m = {0, 0, 0};
  int64_t requests;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  CHECK_INT(walk(&p, options, &requests, &m), 100);
  CHECK_INT(requests, 2);
}

TEST(a_full_page_again_while_more_are_counted_is_an_error) {
  b24_page_options options;
  b24_page page;
  b24_page_step step;
  b24_error err;
  b24_page_facts facts = {COUNT(50), TOTAL(51)};
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  (void)b24_page_init(&page, &options, &err);
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_OK);
  CHECK_INT(step.verdict, B24_PAGE_MORE);
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_PROTOCOL);
  CHECK(step.repeated);
  b24_page_dispose(&page);
}

TEST(a_silent_cut_loses_nothing) {
  portal p = {730, 100, 0, 0, 0, TOTAL_NEVER};
  b24_page_options options;
  meter m = {0, 0, 0};
  int64_t requests;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_OFFSET;
  options.asked = 1000;
  options.size = 100;
  CHECK_INT(walk(&p, options, &requests, &m), 730);
  CHECK_INT(requests, 8);
  p.cut = 333;
  CHECK_INT(walk(&p, options, &requests, &m), 730);
}

/* ---- portals that go round --------------------------------------------- */

/* Tell facts until the walk ends; the number of answers it took. */
static int told_until_end(b24_page_options options, int64_t period,
                          int cursors, int count, b24_kind *kind,
                          b24_alloc *alloc) {
  b24_page page;
  b24_page_step step;
  b24_error err;
  char cursor[32];
  int64_t n = 0;
  options.alloc = alloc;
  (void)b24_page_init(&page, &options, &err);
  do {
    b24_page_facts facts;
    int64_t mark = n % period + 1;
    memset(&facts, 0, sizeof facts);
    facts.count = count;
    facts.fingerprint = b24_page_hash(0, &mark, sizeof mark);
    facts.has_next = !cursors;
    facts.next = (n + 1) * 50;
    if (cursors) {
      facts.fingerprint = b24_page_hash(0, &n, sizeof n);
      snprintf(cursor, sizeof cursor, "c%lld", (long long)mark);
      facts.cursor = cursor;
      facts.cursor_size = strlen(cursor);
    }
    n++;
    *kind = b24_page_advance(&step, &page, &facts, &err);
  } while (*kind == B24_OK && step.verdict == B24_PAGE_MORE && n < 1000000);
  b24_page_dispose(&page);
  return (int)n;
}

TEST(pages_and_cursors_that_repeat_are_an_error) {
  static const int64_t periods[] = {1, 2, 3, 10, 1000};
  b24_page_options by_start, by_cursor;
  b24_kind kind;
  size_t i;
  memset(&by_start, 0, sizeof by_start);
  by_start.style = B24_PAGE_START;
  memset(&by_cursor, 0, sizeof by_cursor);
  by_cursor.style = B24_PAGE_CURSOR;
  by_cursor.end_mark = 1;
  for (i = 0; i < sizeof periods / sizeof periods[0]; i++) {
    CHECK_INT(told_until_end(by_start, periods[i], 0, 50, &kind, NULL),
              periods[i] + 1);
    CHECK_INT(kind, B24_PROTOCOL);
    CHECK_INT(told_until_end(by_cursor, periods[i], 1, 50, &kind, NULL),
              periods[i] + 1);
    CHECK_INT(kind, B24_PROTOCOL);
  }
}

TEST(long_cycles_are_found_in_bounded_memory) {
  meter m = {0, 0, 0};
  b24_alloc alloc;
  b24_page_options options;
  b24_kind kind;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  alloc.realloc = meter_realloc;
  alloc.ud = &m;
  CHECK(told_until_end(options, 100000, 0, 50, &kind, &alloc) < 1000000);
  CHECK_INT(kind, B24_PROTOCOL);
  CHECK(m.most <= 3u << 19); /* the table of 1 MiB and the one it replaces */
  CHECK_INT(m.live, 0);
}

TEST(a_hundred_pages_without_news_are_the_limit) {
  b24_page_options options;
  b24_kind kind;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  CHECK_INT(told_until_end(options, 1000, 0, 0, &kind, NULL), 101);
  CHECK_INT(kind, B24_PROTOCOL);
  /* Overlapping pages may repeat, but not for ever. */
  options.style = B24_PAGE_OFFSET;
  options.overlap = 1;
  CHECK_INT(told_until_end(options, 1, 0, 50, &kind, NULL), 102);
  CHECK_INT(kind, B24_PROTOCOL);
}

TEST(a_short_page_in_the_middle_is_followed) {
  b24_page_options options;
  b24_page page;
  b24_page_step step;
  b24_error err;
  b24_page_facts first = {COUNT(30), NEXT(50), TOTAL(80)};
  b24_page_facts second = {.count = 30, .fingerprint = 78, TOTAL(80)};
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  CHECK_INT(b24_page_init(&page, &options, &err), B24_OK);
  CHECK_INT(b24_page_advance(&step, &page, &first, &err), B24_OK);
  CHECK_INT(step.offset, 50);
  CHECK_INT(b24_page_advance(&step, &page, &second, &err), B24_OK);
  CHECK_INT(step.verdict, B24_PAGE_END);
  CHECK_INT(b24_page_advance(&step, &page, &second, &err), B24_CONFIG);
  b24_page_dispose(&page);
}

TEST(an_announced_page_that_is_empty_in_the_middle_is_an_error) {
  b24_page_options options;
  b24_page page;
  b24_page_step step;
  b24_error err;
  b24_page_facts first = {COUNT(50), NEXT(50), TOTAL(500)};
  b24_page_facts hole = {.count = 0, TOTAL(500)};
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  (void)b24_page_init(&page, &options, &err);
  (void)b24_page_advance(&step, &page, &first, &err);
  CHECK_INT(b24_page_advance(&step, &page, &hole, &err), B24_PROTOCOL);
  b24_page_dispose(&page);
  /* A total that is only a little too large is not. */
  (void)b24_page_init(&page, &options, &err);
  (void)b24_page_advance(&step, &page, &first, &err);
  hole.total = 60;
  CHECK_INT(b24_page_advance(&step, &page, &hole, &err), B24_OK);
  CHECK_INT(step.verdict, B24_PAGE_END);
  b24_page_dispose(&page);
}

TEST(ids_go_one_way) {
  b24_page_options options;
  b24_page page;
  b24_page_step step;
  b24_error err;
  b24_page_facts facts = {COUNT(20), LAST(500)};
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_LAST_ID;
  options.size = 20;
  (void)b24_page_init(&page, &options, &err);
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_OK);
  facts.fingerprint++;
  facts.last_id = 400;
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_OK);
  CHECK_INT(step.last_id, 400);
  facts.fingerprint++;
  facts.last_id = 450;
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_PROTOCOL);
  /* A refused answer changed nothing: a right one goes on. */
  facts.last_id = 300;
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_OK);
  b24_page_dispose(&page);
}

TEST(a_portal_that_ignores_last_id_is_an_error) {
  b24_page_options options;
  b24_page page;
  b24_page_step step;
  b24_error err;
  b24_page_facts facts = {COUNT(20), LAST(500)};
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_LAST_ID;
  options.size = 20;
  (void)b24_page_init(&page, &options, &err);
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_OK);
  CHECK_INT(b24_page_advance(&step, &page, &facts, &err), B24_PROTOCOL);
  CHECK(step.repeated);
  b24_page_dispose(&page);
}

TEST(memory_that_runs_out_leaves_the_cursor_usable) {
  meter m = {0, 0, 1};
  b24_alloc alloc;
  b24_page_options options;
  b24_page page;
  b24_page_step step;
  b24_error err;
  int i, refused = 0;
  alloc.realloc = meter_realloc;
  alloc.ud = &m;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  options.alloc = &alloc;
  CHECK_INT(b24_page_init(&page, &options, &err), B24_OK);
  for (i = 0; i < 300; i++) {
    b24_page_facts facts;
    b24_kind kind;
    memset(&facts, 0, sizeof facts);
    facts.count = 50;
    facts.fingerprint = (uint64_t)i + 1;
    facts.has_next = 1;
    facts.next = (i + 1) * 50;
    m.fail = 1;
    kind = b24_page_advance(&step, &page, &facts, &err);
    if (kind == B24_NOMEM) {
      refused++;
      m.fail = 0;
      kind = b24_page_advance(&step, &page, &facts, &err);
    }
    CHECK_INT(kind, B24_OK);
    CHECK_INT(step.offset, (i + 1) * 50);
  }
  CHECK(refused >= 3);
  b24_page_dispose(&page);
  b24_page_dispose(&page);
  CHECK_INT(m.live, 0);
}

TEST(a_negative_beginning_is_refused) {
  b24_page_options options;
  b24_page page;
  b24_error err;
  memset(&options, 0, sizeof options);
  options.style = B24_PAGE_START;
  options.first = -1;
  CHECK_INT(b24_page_init(&page, &options, &err), B24_CONFIG);
  b24_page_dispose(&page);
}

int main(void) {
  RUN(one_answer_one_decision);
  RUN(every_style_is_complete_for_every_size);
  RUN(an_honest_portal_is_asked_no_more_than_needed);
  RUN(a_next_that_was_given_means_something_when_it_is_absent);
  RUN(a_full_page_again_while_more_are_counted_is_an_error);
  RUN(a_silent_cut_loses_nothing);
  RUN(pages_and_cursors_that_repeat_are_an_error);
  RUN(long_cycles_are_found_in_bounded_memory);
  RUN(a_hundred_pages_without_news_are_the_limit);
  RUN(a_short_page_in_the_middle_is_followed);
  RUN(an_announced_page_that_is_empty_in_the_middle_is_an_error);
  RUN(ids_go_one_way);
  RUN(a_portal_that_ignores_last_id_is_an_error);
  RUN(memory_that_runs_out_leaves_the_cursor_usable);
  RUN(a_negative_beginning_is_refused);
  return unit_report();
}
