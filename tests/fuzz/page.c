/*
 * page.c - a fuzz target: what the pages of a list say of the next one. The
 * first line is the walk's options, then each line is an answer; the last one
 * comes again and again. Whatever a portal tells, the walk ends.
 *
 *   options  STYLE FIRST FIRST_PAGE ASKED SIZE FLAGS
 *   answer   COUNT NEXT TOTAL LAST_ID FINGERPRINT MORE [CURSOR]
 *            where `-` is nothing
 */
#include "page.h"

#include <ctype.h>
#include <inttypes.h>

#include "fuzz.h"

#define PAGES_MAX 1000

/* The next word as a number; 0 when it is none, and `*has` tells. */
static int64_t take_number(char **at, int *has) {
  char *end;
  int64_t number;
  while (**at == ' ') (*at)++;
  number = (int64_t)strtoll(*at, &end, 10);
  *has = end != *at;
  if (end == *at)
    while (*end != '\0' && *end != ' ') end++;
  *at = end;
  return number;
}

static void read_options(b24_page_options *out, char *line) {
  int has;
  int64_t flags;
  memset(out, 0, sizeof *out);
  out->style = (b24_page_style)(take_number(&line, &has) & 7);
  out->first = take_number(&line, &has);
  out->first_page = take_number(&line, &has);
  out->asked = take_number(&line, &has);
  out->size = take_number(&line, &has);
  flags = take_number(&line, &has);
  out->overlap = (flags & 1) != 0;
  out->next_documented = (flags & 2) != 0;
  out->end_mark = (flags & 4) != 0;
  out->unordered = (flags & 8) != 0;
}

/* `fingerprint` is 0 when a line has none: then no page is like another. */
static void read_facts(b24_page_facts *out, char *line) {
  int has;
  memset(out, 0, sizeof *out);
  out->count = take_number(&line, &has);
  out->next = take_number(&line, &out->has_next);
  out->total = take_number(&line, &out->has_total);
  out->last_id = take_number(&line, &out->has_last_id);
  out->fingerprint = (uint64_t)take_number(&line, &has);
  out->more = (b24_page_flag)((uint64_t)take_number(&line, &has) % 3);
  while (*line == ' ') line++;
  if (*line != '\0') {
    out->cursor = line;
    out->cursor_size = strlen(line);
  }
}

/* An honest portal's pages move on; this one's may not. */
static void walk(b24_page *page, const uint8_t *data, size_t size) {
  char *line = NULL;
  b24_page_step told;
  b24_error err;
  int pages = 0, extra = 0;
  for (;;) {
    b24_page_facts facts;
    b24_kind kind;
    if (size > 0 || line == NULL) {
      free(line);
      line = fuzz_line(&data, &size);
    } else {
      extra++;
    }
    read_facts(&facts, line);
    kind = b24_page_advance(&told, page, &facts, &err);
    if (kind != B24_OK) {
      FUZZ_CHECK(kind == B24_PROTOCOL || kind == B24_CONFIG);
      FUZZ_CHECK(err.message[0] != '\0');
      break;
    }
    if (told.verdict != B24_PAGE_MORE) {
      /* the end is the end */
      FUZZ_CHECK(b24_page_advance(&told, page, &facts, &err) == B24_CONFIG);
      break;
    }
    FUZZ_CHECK(told.offset >= 0 && told.page >= 0);
    /* the same answer over and over is noticed: by its place, its records or
     * because nothing new comes; a portal that sends no sign of which records
     * these are and promises more each time cannot be told from a long list */
    if (facts.fingerprint != 0 || facts.count == 0) FUZZ_CHECK(extra <= 200);
    if (++pages > PAGES_MAX) break;
  }
  free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *line = fuzz_line(&data, &size);
  b24_page_options options;
  b24_page page;
  b24_error err;
  b24_kind kind;
  read_options(&options, line);
  kind = b24_page_init(&page, &options, &err);
  if (kind == B24_OK) {
    walk(&page, data, size);
    b24_page_dispose(&page);
  } else {
    FUZZ_CHECK(kind == B24_CONFIG && err.message[0] != '\0');
  }
  free(line);
  return 0;
}
