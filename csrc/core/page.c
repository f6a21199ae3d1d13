/*
 * page.c - decides whether a list has a further page and where.
 *
 * Evidence counts in this order: what the answer announces (`next`, a "more"
 * flag, a cursor), then how full the page is, then `total`. Where nothing is
 * announced but the end is not proven, one more page is asked as a probe; an
 * empty or repeated probe is the end. `total` can cause a probe and can
 * confirm an end, it never cuts a list off against the other two.
 *
 * Invariant: a walk ends. Positions move strictly, cursors and pages that
 * were seen are recognised, and 100 pages without news are the limit. The
 * memory for that is bounded: up to MARKS_MAX marks of 8 bytes are kept,
 * then they start over, and Brent's old mark still finds longer cycles.
 */
#include "page.h"

#include <string.h>

#include "alloc.h"
#include "error.h"

#define BLANK_MAX 100
#define MARKS_MAX ((size_t)65536)
#define FIRST_SLOTS ((size_t)64)
/* Most lists have pages of 50
 * (settings/how-to-call-rest-api/list-methods-pecularities). */
#define STANDARD_SIZE 50

#define FAIL(err, ...) \
  b24__fail((err), B24_PROTOCOL, B24_SENT_YES, __VA_ARGS__)

/* ---- marks that were seen ---------------------------------------------- */

uint64_t b24_page_hash(uint64_t hash, const void *bytes, size_t size) {
  const unsigned char *at = bytes;
  size_t i;
  if (hash == 0) hash = UINT64_C(14695981039346656037);
  for (i = 0; i < size; i++) {
    hash ^= at[i];
    hash *= UINT64_C(1099511628211);
  }
  return hash;
}

/* Spread a mark over the bits that choose its slot; never 0. */
static uint64_t mix(uint64_t mark) {
  mark ^= mark >> 33;
  mark *= UINT64_C(0xff51afd7ed558ccd);
  mark ^= mark >> 33;
  mark *= UINT64_C(0xc4ceb9fe1a85ec53);
  mark ^= mark >> 33;
  return mark == 0 ? 1 : mark;
}

/* The slot that holds `mark`, or the free one where it belongs. */
static uint64_t *find_slot(uint64_t *slots, size_t count, uint64_t mark) {
  size_t i = (size_t)mark & (count - 1);
  while (slots[i] != 0 && slots[i] != mark) i = (i + 1) & (count - 1);
  return &slots[i];
}

/* Make room for two marks; the table is never more than half full. */
static b24_kind reserve_marks(b24_page *page, b24_error *err) {
  size_t count = page->slot_count, i;
  uint64_t *slots;
  if ((page->used + 2) * 2 <= count) return B24_OK;
  if (page->used + 2 > MARKS_MAX) {
    memset(page->slots, 0, count * sizeof *slots);
    page->used = 0;
    return B24_OK;
  }
  count = count == 0 ? FIRST_SLOTS : count * 2;
  slots = b24__alloc(page->alloc, count * sizeof *slots);
  if (slots == NULL)
    return b24__fail(err, B24_NOMEM, B24_SENT_YES, "out of memory");
  for (i = 0; i < page->slot_count; i++)
    if (page->slots[i] != 0)
      *find_slot(slots, count, page->slots[i]) = page->slots[i];
  b24__free(page->alloc, page->slots, page->slot_count * sizeof *slots);
  page->slots = slots;
  page->slot_count = count;
  return B24_OK;
}

static int is_marked(const b24_page *page, uint64_t mark) {
  mark = mix(mark);
  return mark == page->mark ||
         *find_slot(page->slots, page->slot_count, mark) == mark;
}

static void set_mark(b24_page *page, uint64_t mark) {
  uint64_t *slot = find_slot(page->slots, page->slot_count, mix(mark));
  if (*slot == 0) {
    *slot = mix(mark);
    page->used++;
  }
  if (++page->mark_age >= page->mark_limit) {
    page->mark = mix(mark);
    page->mark_age = 0;
    if (page->mark_limit < UINT64_MAX / 2) page->mark_limit *= 2;
  }
}

/* ---- reading the facts ------------------------------------------------- */

static int add(int64_t *sum, int64_t a, int64_t b) {
  if (b > 0 && a > INT64_MAX - b) return 0;
  *sum = a + b;
  return 1;
}

/* A page shorter than this is short. Servers cut the size that was asked
 * without a word, but not below their default. 0 = any page may be full. */
static int64_t full_size(const b24_page *page) {
  int64_t asked = page->options.asked, size = page->options.size;
  if (asked == 0) return size;
  if (size == 0) return asked;
  return asked < size ? asked : size;
}

/* The positions of these styles count records, so that a total compares. */
static int counts_records(b24_page_style style) {
  return style == B24_PAGE_NONE || style == B24_PAGE_START ||
         style == B24_PAGE_OFFSET;
}

/* How many records lie behind this page, as `total` counts them. */
static int64_t reached(const b24_page *page, const b24_page_facts *facts) {
  if (counts_records(page->options.style)) return page->offset + facts->count;
  if (page->options.style == B24_PAGE_PAGE)
    return page->options.first + page->seen + facts->count;
  return page->seen + facts->count;
}

/* A total that is fewer than what already came is a lie, below zero is the
 * way im.recent.list says "not counted" (chats/im-recent-list), and what a
 * total means after the caller's own LAST_ID is not documented. */
static int total_known(const b24_page *page, const b24_page_facts *facts) {
  if (!facts->has_total || facts->total < reached(page, facts)) return 0;
  return !(page->options.style == B24_PAGE_LAST_ID &&
           page->options.first != 0);
}

/* `next` is 0 in answers that do not count
 * (settings/performance/huge-data). Where the total has come, or the page is
 * short and nothing is counted, it says that there is none; else it is a
 * cursor that stands. */
static int has_next(const b24_page *page, const b24_page_facts *facts) {
  int64_t full = full_size(page);
  if (!facts->has_next || facts->next != 0) return facts->has_next;
  if (total_known(page, facts)) return facts->total > reached(page, facts);
  return facts->count >= (full != 0 ? full : STANDARD_SIZE);
}

/* A total that has come agrees with a short page, or with the absence of a
 * `next` that is documented or was given before. On a full page it may be
 * merely the size of the page (seen with crm.address.list), so that alone it
 * ends nothing. */
static int total_suspect(const b24_page *page, const b24_page_facts *facts) {
  return !page->options.next_documented && !page->next_given &&
         page->options.style != B24_PAGE_NONE &&
         facts->count >= full_size(page);
}

typedef enum guess { ENDED, PROBE, BROKEN } guess;

/* Nothing is announced: has the list ended? */
static guess guess_end(const b24_page *page, const b24_page_facts *facts) {
  int64_t full = full_size(page);
  if (facts->count == 0) {
    /* The portal counts a whole page beyond this one: when it led here it
     * broke its word; a first page is followed by a look at the second. */
    if (!page->probing && total_known(page, facts) &&
        counts_records(page->options.style) &&
        facts->total - page->offset > full)
      return page->pages > 0 ? BROKEN : PROBE;
    return ENDED;
  }
  if (total_known(page, facts)) {
    if (facts->total > reached(page, facts)) return PROBE;
    return total_suspect(page, facts) ? PROBE : ENDED;
  }
  if (page->options.style == B24_PAGE_NONE) return ENDED;
  return facts->count >= full ? PROBE : ENDED;
}

/* ---- where the next page is -------------------------------------------- */

static b24_kind too_far(b24_error *err) {
  return FAIL(err, "the list's position is beyond what a number can hold");
}

static b24_kind step_offset(b24_page_step *out, const b24_page *page,
                            const b24_page_facts *facts, b24_error *err) {
  int64_t by = facts->count;
  if (has_next(page, facts)) {
    if (facts->next <= page->offset)
      return FAIL(err,
                  "stalled cursor: `next` is %lld after a page at %lld",
                  (long long)facts->next, (long long)page->offset);
    out->offset = facts->next;
    return B24_OK;
  }
  /* chats/im-recent-list: OFFSET moves by LIMIT, whatever arrived. */
  if (page->options.overlap) {
    by = page->options.asked != 0 ? page->options.asked : page->options.size;
    if (by == 0) by = facts->count;
  }
  if (facts->count == 0 && page->pages == 0 && facts->more != B24_MORE_YES)
    by = full_size(page); /* the look behind an empty first page */
  if (by == 0)
    return FAIL(err, "stalled cursor: a further page is announced after an "
                     "empty one, and not where");
  return add(&out->offset, page->offset, by) ? B24_OK : too_far(err);
}

static b24_kind step_page(b24_page_step *out, const b24_page *page,
                          const b24_page_facts *facts, b24_error *err) {
  if (!add(&out->page, page->page, 1) ||
      !add(&out->offset, page->offset, facts->count))
    return too_far(err);
  return B24_OK;
}

static b24_kind step_last_id(b24_page_step *out, const b24_page *page,
                             const b24_page_facts *facts, b24_error *err) {
  int direction;
  if (!facts->has_last_id)
    return FAIL(err, "the list goes on after the id of its last record, and "
                     "that record has none");
  direction = facts->last_id > page->last_id ? 1 : -1;
  if (page->has_last_id &&
      (facts->last_id == page->last_id ||
       (!page->options.unordered && page->direction != 0 &&
        direction != page->direction)))
    return FAIL(err,
                "stalled cursor: the last id is %lld after a page that was "
                "asked from id %lld",
                (long long)facts->last_id, (long long)page->last_id);
  out->last_id = facts->last_id;
  return B24_OK;
}

static b24_kind step_cursor(const b24_page *page, const b24_page_facts *facts,
                            uint64_t mark, b24_error *err) {
  if (facts->cursor == NULL)
    return FAIL(err, "the list goes on and the answer has no cursor");
  if (is_marked(page, mark))
    return FAIL(err, "stalled cursor: the answer points to a page that was "
                     "already read");
  return B24_OK;
}

/* Fill the position of the next page. */
static b24_kind locate(b24_page_step *out, const b24_page *page,
                       const b24_page_facts *facts, uint64_t cursor_mark,
                       b24_error *err) {
  switch (page->options.style) {
    case B24_PAGE_NONE:
    case B24_PAGE_START:
    case B24_PAGE_OFFSET: return step_offset(out, page, facts, err);
    case B24_PAGE_PAGE: return step_page(out, page, facts, err);
    case B24_PAGE_LAST_ID: return step_last_id(out, page, facts, err);
    case B24_PAGE_CURSOR: return step_cursor(page, facts, cursor_mark, err);
    case B24_PAGE_LIMIT: break;
  }
  return B24_OK;
}

/* ---- the decision ------------------------------------------------------ */

/* A method with a limit and no way to a further page. */
static b24_page_verdict judge_limit(const b24_page *page,
                                    const b24_page_facts *facts) {
  int64_t limit = page->options.asked != 0 ? page->options.asked
                                           : page->options.size;
  if (facts->more == B24_MORE_YES) return B24_PAGE_TRUNCATED;
  if (facts->more == B24_MORE_NO || facts->count == 0) return B24_PAGE_END;
  if (total_known(page, facts))
    return facts->total > facts->count ? B24_PAGE_TRUNCATED : B24_PAGE_END;
  return limit != 0 && facts->count >= limit ? B24_PAGE_TRUNCATED
                                             : B24_PAGE_END;
}

static b24_kind judge(b24_page_step *out, const b24_page *page,
                      const b24_page_facts *facts, b24_error *err) {
  b24_page_style style = page->options.style;
  int by_position = style != B24_PAGE_LIMIT && style != B24_PAGE_CURSOR &&
                    style != B24_PAGE_LAST_ID;
  out->verdict = B24_PAGE_END;
  if (style == B24_PAGE_LIMIT) {
    out->verdict = judge_limit(page, facts);
    return B24_OK;
  }
  if (facts->more == B24_MORE_NO) return B24_OK;
  out->announced = (by_position && has_next(page, facts)) ||
                   facts->more == B24_MORE_YES ||
                   (style == B24_PAGE_CURSOR && page->options.end_mark &&
                    facts->cursor != NULL);
  if (out->announced) {
    /* "truncated" of an unpaged list, and no `next`. */
    out->verdict = style == B24_PAGE_NONE && !has_next(page, facts)
                       ? B24_PAGE_TRUNCATED
                       : B24_PAGE_MORE;
    return B24_OK;
  }
  if (style == B24_PAGE_CURSOR && page->options.end_mark) return B24_OK;
  switch (guess_end(page, facts)) {
    case ENDED: break;
    case PROBE: out->verdict = B24_PAGE_MORE; break;
    case BROKEN:
      return FAIL(err,
                  "a page that was announced came empty, while the portal "
                  "counts %lld records and %lld have come",
                  (long long)facts->total, (long long)page->seen);
  }
  return B24_OK;
}

/* The second page is the first one again, and behind where the caller began
 * the portal counts more than a page holds: it ignores the position, and the
 * others never came. */
static int is_ignored(const b24_page *page, const b24_page_facts *facts) {
  int64_t full = full_size(page);
  int64_t first = page->options.style == B24_PAGE_LAST_ID
                      ? 0
                      : page->options.first;
  return page->pages == 1 && facts->has_total && facts->total >= first &&
         facts->total - first > (full != 0 ? full : STANDARD_SIZE);
}

/* A page that was seen before. Some portals answer their last page to a
 * position behind the end, which is how a probe ends; nothing of the kind
 * exists where pages go by id or cursor or in REST 3.0, unless the page is
 * short. */
static b24_kind judge_repeat(b24_page_step *out, const b24_page *page,
                             const b24_page_facts *facts, b24_error *err) {
  b24_page_style style = page->options.style;
  if (page->probing && (facts->count < full_size(page) ||
                        (style != B24_PAGE_LAST_ID && !page->options.exact &&
                         style != B24_PAGE_CURSOR)) &&
      !is_ignored(page, facts)) {
    out->verdict = B24_PAGE_END;
    return B24_OK;
  }
  return FAIL(err, "the portal repeats itself: page %lld has the records of "
                   "an earlier one",
              (long long)(page->pages + 1));
}

/* Nothing can fail any more: take the step. */
static void commit(b24_page *page, const b24_page_facts *facts,
                   const b24_page_step *step, uint64_t cursor_mark) {
  b24_page_style style = page->options.style;
  page->seen += facts->count;
  page->pages++;
  page->done = step->verdict != B24_PAGE_MORE;
  page->probing = !step->announced;
  if (facts->has_next && facts->next > 0) page->next_given = 1;
  if (facts->count > 0 && facts->fingerprint != 0)
    set_mark(page, facts->fingerprint);
  if (page->done) return;
  page->offset = step->offset;
  page->page = step->page;
  if (style == B24_PAGE_LAST_ID) {
    if (page->has_last_id)
      page->direction = step->last_id > page->last_id ? 1 : -1;
    page->last_id = step->last_id;
    page->has_last_id = 1;
  }
  if (style == B24_PAGE_CURSOR) set_mark(page, cursor_mark);
}

b24_kind b24_page_advance(b24_page_step *out, b24_page *page,
                          const b24_page_facts *facts, b24_error *err) {
  static const char salt[] = "cursor";
  b24_page_step step = {B24_PAGE_END, 0, 0, 0, 0, 0};
  uint64_t cursor_mark = 0;
  int64_t sum;
  int repeated, blank;
  b24_kind kind;
  memset(out, 0, sizeof *out);
  out->verdict = B24_PAGE_END;
  if (page->done || facts->count < 0)
    return b24__fail(err, B24_CONFIG, B24_SENT_YES,
                     page->done ? "the walk has ended"
                                : "a page cannot have %lld records",
                     (long long)facts->count);
  kind = reserve_marks(page, err);
  if (kind != B24_OK) return kind;
  if (!add(&sum, page->seen, facts->count) ||
      !add(&sum, page->offset, facts->count) ||
      !add(&sum, page->options.first, sum))
    return too_far(err);
  if (facts->cursor != NULL)
    cursor_mark = b24_page_hash(b24_page_hash(0, salt, sizeof salt),
                                facts->cursor, facts->cursor_size);
  step.offset = page->offset;
  step.page = page->page;
  repeated = facts->count > 0 && facts->fingerprint != 0 &&
             is_marked(page, facts->fingerprint);
  step.repeated = out->repeated = repeated;
  if (repeated && (!page->options.overlap || page->probing))
    kind = judge_repeat(&step, page, facts, err);
  else
    kind = judge(&step, page, facts, err);
  if (kind == B24_OK && step.verdict == B24_PAGE_MORE)
    kind = locate(&step, page, facts, cursor_mark, err);
  blank = facts->count == 0 || facts->fingerprint == 0 || repeated
              ? page->blank + 1
              : 0;
  if (kind == B24_OK && step.verdict == B24_PAGE_MORE && blank > BLANK_MAX)
    kind = FAIL(err, "the portal announces further pages, and %d in a row "
                     "had nothing new", blank);
  if (kind != B24_OK) return kind;
  page->blank = blank;
  commit(page, facts, &step, cursor_mark);
  *out = step;
  return B24_OK;
}

b24_kind b24_page_init(b24_page *page, const b24_page_options *options,
                       b24_error *err) {
  memset(page, 0, sizeof *page);
  page->options = *options;
  page->alloc =
      options->alloc != NULL ? options->alloc : b24__alloc_default();
  page->mark_limit = 1;
  if (options->asked < 0 || options->size < 0 || options->first_page < 0 ||
      (options->first < 0 && options->style != B24_PAGE_LAST_ID)) {
    page->done = 1;
    return b24__fail(err, B24_CONFIG, B24_SENT_NO,
                     "a list cannot begin at a negative position");
  }
  if (options->style == B24_PAGE_START && options->size == 0)
    page->options.size = STANDARD_SIZE;
  page->page = options->first_page == 0 ? 1 : options->first_page;
  page->offset = options->style == B24_PAGE_LAST_ID ? 0 : options->first;
  if (options->style == B24_PAGE_LAST_ID && options->first > 0) {
    page->last_id = options->first;
    page->has_last_id = 1;
  }
  return B24_OK;
}

void b24_page_dispose(b24_page *page) {
  if (page->alloc != NULL)
    b24__free(page->alloc, page->slots,
              page->slot_count * sizeof *page->slots);
  page->slots = NULL;
  page->slot_count = 0;
  page->used = 0;
  page->done = 1;
}
