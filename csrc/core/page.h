/*
 * page.h - where the next page of a list is, or that there is none.
 *
 * The cursor reads no JSON and sends nothing: it is told what one answer
 * showed and says what to ask next. It keeps one rule above all others:
 * a list ends on evidence, never because a number says so.
 */
#ifndef B24_CORE_PAGE_H
#define B24_CORE_PAGE_H

#include "bitrix24.h"

/* How the walk begins. Zero everywhere is a valid start. */
typedef struct b24_page_options {
  b24_page_style style;
  int64_t first;       /* position of the first request: start, offset,
                          LAST_ID, or for pages the records before it */
  int64_t first_page;  /* B24_PAGE_PAGE: number of the first page, 0 = 1 */
  int64_t asked;       /* page size that is asked for, 0 = none */
  int64_t size;        /* documented default page size, 0 = unknown */
  int overlap;         /* pages may share records (im.recent.list) */
  int next_documented; /* `next` is documented: its absence means something */
  int end_mark;        /* B24_PAGE_CURSOR: no cursor in the answer = end */
  int exact;           /* behind the end there is an empty page, never the
                          last one again */
  int unordered;       /* B24_PAGE_LAST_ID: ids need not go one way */
  const b24_alloc *alloc; /* NULL = the C library's; outlives the cursor */
} b24_page_options;

typedef enum b24_page_flag {
  B24_MORE_UNKNOWN = 0,
  B24_MORE_YES, /* hasMore, hasNextPage ... is true */
  B24_MORE_NO
} b24_page_flag;

/* What one answer showed. */
typedef struct b24_page_facts {
  int64_t count; /* records in it */
  int has_next;
  int64_t next;
  int has_total;
  int64_t total; /* below zero = the portal does not know */
  b24_page_flag more;
  int has_last_id;
  int64_t last_id;
  const char *cursor; /* NULL = none */
  size_t cursor_size;
  uint64_t fingerprint; /* of the records, 0 = cannot be told apart */
} b24_page_facts;

typedef enum b24_page_verdict {
  B24_PAGE_MORE,     /* ask for the position in the step */
  B24_PAGE_END,      /* every record has been seen */
  B24_PAGE_TRUNCATED /* there is more, or may be, and no way to reach it */
} b24_page_verdict;

/* What to ask next. Which field counts follows from the style: start and
 * offset in `offset`; LAST_ID in `last_id`; pages in `page` and `offset`
 * (records received so far); a cursor is handed back by the caller. */
typedef struct b24_page_step {
  b24_page_verdict verdict;
  int announced; /* 1: the portal said so; 0: a probe, to be sure */
  int repeated;  /* the records are an earlier page's: drop them; also set
                    when advancing failed for that reason */
  int64_t offset;
  int64_t page;
  int64_t last_id;
} b24_page_step;

/* A walk, in the caller's storage; the fields are private. */
typedef struct b24_page {
  b24_page_options options;
  const b24_alloc *alloc;
  int64_t offset;  /* of the page that is out: start or offset */
  int64_t page;    /* its number */
  int64_t last_id; /* it was asked with */
  int64_t seen;    /* records so far */
  int64_t pages;   /* answers so far */
  int has_last_id;
  int direction; /* of LAST_ID: +1, -1, 0 not known yet */
  int probing;   /* the page that is out was not announced */
  int next_given; /* an answer had a `next`: its absence means something */
  int blank;     /* pages in a row without news */
  int done;
  uint64_t *slots; /* marks seen: open addressing, 0 = free */
  size_t slot_count;
  size_t used;
  uint64_t mark; /* one old mark, moved at powers of two (Brent) */
  uint64_t mark_age;
  uint64_t mark_limit;
} b24_page;

/* Begin a walk; allocates nothing. B24_CONFIG when a number is negative. */
b24_kind b24_page_init(b24_page *page, const b24_page_options *options,
                       b24_error *err);

/* Tell the facts of the answer that came and learn what to ask next. Fails
 * with B24_PROTOCOL (a cursor that stands still or goes round, an announced
 * page already seen, more than 100 blank pages in a row), B24_CONFIG (facts
 * that cannot be, or the walk has ended) or B24_NOMEM, after which the same
 * facts may be told again. */
b24_kind b24_page_advance(b24_page_step *out, b24_page *page,
                          const b24_page_facts *facts, b24_error *err);

/* Free the memory; may be called twice. */
void b24_page_dispose(b24_page *page);

/* 64-bit FNV-1a of some bytes, continuing from `hash` (0 = begin). */
uint64_t b24_page_hash(uint64_t hash, const void *bytes, size_t size);

#endif
