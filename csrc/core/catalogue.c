/*
 * catalogue.c - the table of documented methods and its searches.
 *
 * The rows come from csrc/catalogue, generated in sorted order: by name
 * without case, then version. Their texts lie in one block and a row holds
 * offsets into it, so that a shared library needs no relocations for them.
 */
#include "catalogue.h"

#include <string.h>

/* The texts of all rows, each as a member of its own length. */
typedef struct text_block {
#define B24_METHOD(id, name, ver, kind, res, traits, style, size, max, param, \
                   also, items, item, idf, keyset, more, scope, repl, needs,  \
                   params, doc)                                               \
  char id##_n[sizeof(name)], id##_p[sizeof(param)], id##_a[sizeof(also)],     \
      id##_l[sizeof(items)], id##_o[sizeof(item)], id##_i[sizeof(idf)],       \
      id##_k[sizeof(keyset)], id##_m[sizeof(more)], id##_s[sizeof(scope)],    \
      id##_r[sizeof(repl)], id##_e[sizeof(needs)], id##_t[sizeof(params)],    \
      id##_d[sizeof(doc)];
#include "../catalogue/all.def"
#undef B24_METHOD
} text_block;

static const text_block texts = {
#define B24_METHOD(id, name, ver, kind, res, traits, style, size, max, param, \
                   also, items, item, idf, keyset, more, scope, repl, needs,  \
                   params, doc)                                               \
  name, param, also, items, item, idf, keyset, more, scope, repl, needs,      \
      params, doc,
#include "../catalogue/all.def"
#undef B24_METHOD
};

typedef struct row {
  uint32_t name, page_param, page_also, items_key, item_key, id_field;
  uint32_t keyset_id, more_keys, scope, replacement, needs, params, doc;
  uint16_t traits, page_size, max_page_size;
  uint8_t version, kind, result, page_style;
} row;

/* The traits as the rows spell them. */
enum {
  WRITE = B24_TRAIT_WRITE,
  APP_CONTEXT = B24_TRAIT_APP_CONTEXT,
  DEPRECATED = B24_TRAIT_DEPRECATED,
  POSITIONAL = B24_TRAIT_POSITIONAL,
  BODY_ARRAY = B24_TRAIT_BODY_ARRAY,
  ITEMS_MAP = B24_TRAIT_ITEMS_MAP,
  NO_ENVELOPE = B24_TRAIT_NO_ENVELOPE,
  BINARY = B24_TRAIT_BINARY,
  TOTAL = B24_TRAIT_TOTAL,
  NEXT = B24_TRAIT_NEXT,
  EMPTY_ARRAY = B24_TRAIT_EMPTY_ARRAY,
  OVERLAP = B24_TRAIT_OVERLAP,
  KEYSET = B24_TRAIT_KEYSET,
  NO_BATCH = B24_TRAIT_NO_BATCH
};

static const row rows[] = {
#define AT(id, text) (uint32_t) offsetof(text_block, id##_##text)
#define B24_METHOD(id, name, ver, kind, res, traits, style, size, max, param, \
                   also, items, item, idf, keyset, more, scope, repl, needs,  \
                   params, doc)                                               \
  {AT(id, n), AT(id, p), AT(id, a), AT(id, l), AT(id, o), AT(id, i),          \
   AT(id, k), AT(id, m), AT(id, s), AT(id, r), AT(id, e), AT(id, t),          \
   AT(id, d), traits,    size,      max,       ver,       B24_METHOD_##kind,  \
   B24_RESULT_##res,     B24_PAGE_##style},
#include "../catalogue/all.def"
#undef B24_METHOD
#undef AT
};

#define ROW_COUNT (sizeof rows / sizeof rows[0])

/* A word of a name, or a whole one, in lower case. */
#define NAME_MAX_LENGTH 127
#define WORD_MAX 12
#define CLOSEST_MAX 16

typedef struct span {
  const char *text;
  size_t length;
} span;

typedef struct words {
  span all;
  span word[WORD_MAX];
  size_t count;
  char text[NAME_MAX_LENGTH + 1];
} words;

typedef struct candidate {
  size_t index;
  size_t distance;
  size_t common; /* letters at the start that agree */
} candidate;

static const char *text_at(uint32_t offset) {
  return (const char *)&texts + offset;
}

static int lower(char c) {
  unsigned char u = (unsigned char)c;
  return u >= 'A' && u <= 'Z' ? u + ('a' - 'A') : u;
}

/* `name` (length, any case) against a terminated text. */
static int compare(const char *name, size_t length, const char *text) {
  for (size_t i = 0; i < length; i++) {
    int a = lower(name[i]), b = lower(text[i]);
    if (text[i] == '\0') return 1;
    if (a != b) return a < b ? -1 : 1;
  }
  return text[length] == '\0' ? 0 : -1;
}

/* The first row whose name is not before `name`. */
static size_t lower_bound(const char *name, size_t length) {
  size_t low = 0, high = ROW_COUNT;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(name, length, text_at(rows[middle].name)) > 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

int b24_catalogue_at(b24_method *out, size_t index) {
  const row *r;
  if (index >= ROW_COUNT) return 0;
  r = &rows[index];
  out->name = text_at(r->name);
  out->version = r->version;
  out->kind = (b24_method_kind)r->kind;
  out->result = (b24_method_result)r->result;
  out->traits = r->traits;
  out->page_style = (b24_page_style)r->page_style;
  out->page_size = r->page_size;
  out->max_page_size = r->max_page_size;
  out->page_param = text_at(r->page_param);
  out->page_also = text_at(r->page_also);
  out->items_key = text_at(r->items_key);
  out->item_key = text_at(r->item_key);
  out->id_field = text_at(r->id_field);
  out->keyset_id = text_at(r->keyset_id);
  out->more_keys = text_at(r->more_keys);
  out->scope = text_at(r->scope);
  out->replacement = text_at(r->replacement);
  out->needs = text_at(r->needs);
  out->params = text_at(r->params);
  out->doc = text_at(r->doc);
  return 1;
}

size_t b24_catalogue_count(void) {
  return ROW_COUNT;
}

int b24_catalogue_find(b24_method *out, const char *name, size_t length,
                       int version) {
  size_t i = lower_bound(name, length);
  for (; i < ROW_COUNT; i++) {
    if (compare(name, length, text_at(rows[i].name)) != 0) return 0;
    if (version == 0 || version == rows[i].version) {
      return b24_catalogue_at(out, i);
    }
  }
  return 0;
}

/* Does a row's name go on with a point after `path`? */
static int is_below(size_t index, const char *path, size_t length) {
  const char *name = text_at(rows[index].name);
  for (size_t i = 0; i < length; i++) {
    if (name[i] == '\0' || lower(name[i]) != lower(path[i])) return 0;
  }
  return name[length] == '.';
}

int b24_catalogue_has_prefix(const char *path, size_t length) {
  /* a point sorts before every letter, digit and underscore: what is below
     a path follows the path itself, in at most two versions */
  size_t i = lower_bound(path, length);
  while (i < ROW_COUNT && compare(path, length, text_at(rows[i].name)) == 0) {
    i++;
  }
  return length > 0 && i < ROW_COUNT && is_below(i, path, length);
}

/* Lower the case and cut at the points; 0 when the name cannot be one. */
static int split(words *out, const char *name, size_t length) {
  size_t start = 0;
  if (length == 0 || length > NAME_MAX_LENGTH) return 0;
  out->count = 0;
  for (size_t i = 0; i <= length; i++) {
    out->text[i] = i < length ? (char)lower(name[i]) : '\0';
    if (i < length && name[i] != '.') continue;
    if (out->count == WORD_MAX) return 0;
    out->word[out->count].text = out->text + start;
    out->word[out->count].length = i - start;
    out->count++;
    start = i + 1;
  }
  out->all.text = out->text;
  out->all.length = length;
  return 1;
}

static size_t min3(size_t a, size_t b, size_t c) {
  size_t least = a < b ? a : b;
  return least < c ? least : c;
}

/* Edit distance in letters, `cap` when it is at least that. */
static size_t letters(span a, span b, size_t cap) {
  size_t line[NAME_MAX_LENGTH + 1];
  size_t gap = a.length > b.length ? a.length - b.length : b.length - a.length;
  if (gap >= cap) return cap;
  for (size_t j = 0; j <= b.length; j++) line[j] = j;
  for (size_t i = 0; i < a.length; i++) {
    size_t diagonal = line[0], least = i + 1;
    line[0] = i + 1;
    for (size_t j = 0; j < b.length; j++) {
      size_t swap = diagonal + (a.text[i] != b.text[j]);
      diagonal = line[j + 1];
      line[j + 1] = min3(swap, line[j] + 1, diagonal + 1);
      if (line[j + 1] < least) least = line[j + 1];
    }
    if (least >= cap) return cap;
  }
  return line[b.length] < cap ? line[b.length] : cap;
}

/* What a word costs that is missing, surplus, or another one altogether. */
enum { WORD_MISSING = 3, WORD_OTHER = 4 };

/* Edit distance in words, a misspelt word costing its letters. */
static size_t by_words(const words *a, const words *b) {
  size_t line[WORD_MAX + 1];
  for (size_t j = 0; j <= b->count; j++) line[j] = j * WORD_MISSING;
  for (size_t i = 0; i < a->count; i++) {
    size_t diagonal = line[0];
    line[0] = (i + 1) * WORD_MISSING;
    for (size_t j = 0; j < b->count; j++) {
      size_t swap = diagonal + letters(a->word[i], b->word[j], WORD_OTHER);
      diagonal = line[j + 1];
      line[j + 1] =
          min3(swap, line[j] + WORD_MISSING, diagonal + WORD_MISSING);
    }
  }
  return line[b->count];
}

/* How far is still near: a third of the letters, and less than half. */
static size_t reach(const words *name) {
  size_t most = name->all.length / 3;
  if (most < 3 && name->count > 1) most = 3;
  if (most > 6) most = 6;
  if (most * 2 >= name->all.length) most = (name->all.length - 1) / 2;
  return most;
}

static int is_better(const candidate *a, const candidate *b) {
  if (a->distance != b->distance) return a->distance < b->distance;
  if (a->common != b->common) return a->common > b->common;
  return a->index < b->index;
}

/* Put into the sorted list of the `max` best. */
static size_t keep(candidate *best, size_t count, size_t max,
                   const candidate *item) {
  size_t i = count;
  if (count == max && !is_better(item, &best[count - 1])) return count;
  if (count < max) count++;
  else i--;
  while (i > 0 && is_better(item, &best[i - 1])) {
    best[i] = best[i - 1];
    i--;
  }
  best[i] = *item;
  return count;
}

static candidate measure(const words *name, const words *row_name,
                         size_t index, size_t most) {
  candidate item = {index, 0, 0};
  size_t whole = letters(name->all, row_name->all, most + 1);
  size_t worded = by_words(name, row_name);
  item.distance = whole < worded ? whole : worded;
  while (item.common < name->all.length &&
         name->text[item.common] == row_name->text[item.common]) {
    item.common++;
  }
  return item;
}

size_t b24_catalogue_closest(const char **out, size_t max, const char *name,
                             size_t length) {
  candidate best[CLOSEST_MAX];
  size_t count = 0, most;
  words wanted, known;
  if (max > CLOSEST_MAX) max = CLOSEST_MAX;
  if (max == 0 || !split(&wanted, name, length)) return 0;
  most = reach(&wanted);
  for (size_t i = 0; i < ROW_COUNT; i++) {
    const char *text = text_at(rows[i].name);
    candidate item;
    if (i > 0 && compare(text, strlen(text), text_at(rows[i - 1].name)) == 0) {
      continue; /* the other version of the same name */
    }
    if (!split(&known, text, strlen(text))) continue;
    item = measure(&wanted, &known, i, most);
    if (item.distance <= most) count = keep(best, count, max, &item);
  }
  for (size_t i = 0; i < count; i++) out[i] = text_at(rows[best[i].index].name);
  return count;
}
