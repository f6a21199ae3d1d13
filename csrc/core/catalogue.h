/*
 * catalogue.h - the documented REST methods: what each is called, does, takes
 * and how it pages. All of it is static data, safe from any thread.
 *
 * Names are compared without case, as the portal does.
 */
#ifndef B24_CORE_CATALOGUE_H
#define B24_CORE_CATALOGUE_H

#include "bitrix24.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum b24_method_kind {
  B24_METHOD_OTHER = 0,
  B24_METHOD_LIST,
  B24_METHOD_GET,
  B24_METHOD_ADD,
  B24_METHOD_UPDATE,
  B24_METHOD_DELETE,
  B24_METHOD_FIELDS
} b24_method_kind;

/* JSON type of `result`. */
typedef enum b24_method_result {
  B24_RESULT_UNKNOWN = 0, /* not documented */
  B24_RESULT_ARRAY,
  B24_RESULT_OBJECT,
  B24_RESULT_BOOLEAN,
  B24_RESULT_INTEGER,
  B24_RESULT_STRING,
  B24_RESULT_NULL,
  B24_RESULT_FILE /* the answer is the file, not JSON */
} b24_method_result;

typedef enum b24_method_trait {
  B24_TRAIT_WRITE = 1 << 0,       /* changes state: not repeated on doubt */
  B24_TRAIT_APP_CONTEXT = 1 << 1, /* refuses webhooks */
  B24_TRAIT_DEPRECATED = 1 << 2,
  B24_TRAIT_POSITIONAL = 1 << 3,  /* parameters go as an array, in order */
  B24_TRAIT_BODY_ARRAY = 1 << 4,  /* body is an array of what params say */
  B24_TRAIT_ITEMS_MAP = 1 << 5,   /* the list is an object keyed by id */
  B24_TRAIT_NO_ENVELOPE = 1 << 6, /* the answer has no `result` */
  B24_TRAIT_BINARY = 1 << 7,      /* the answer is a file */
  B24_TRAIT_TOTAL = 1 << 8,       /* the answer has `total` */
  B24_TRAIT_NEXT = 1 << 9,        /* `next` is documented */
  B24_TRAIT_EMPTY_ARRAY = 1 << 10, /* an object result is [] when empty */
  B24_TRAIT_OVERLAP = 1 << 11,     /* pages may repeat records */
  B24_TRAIT_KEYSET = 1 << 12,      /* id order, >id filter, start = -1 */
  B24_TRAIT_NO_BATCH = 1 << 13     /* refused inside a batch */
} b24_method_trait;

/* One method in one version. Strings are static and never NULL; "" where
 * there is nothing to tell; several names are separated by a space. */
typedef struct b24_method {
  const char *name; /* as the documentation spells it */
  int version;      /* 2 or 3 */
  b24_method_kind kind;
  b24_method_result result;
  unsigned traits; /* of b24_method_trait */
  b24_page_style page_style;
  int page_size;             /* records a page, 0 = not documented */
  int max_page_size;         /* most that can be asked, 0 = not documented */
  const char *page_param;    /* the parameter that moves the page */
  const char *page_also;     /* further styles: "offset", "last_id" ... */
  const char *items_key;     /* key of `result` that holds the list */
  const char *item_key;      /* key of `result` that holds the one item */
  const char *id_field;      /* identifier of a record in the answer */
  const char *keyset_id;     /* the same in the filter, with KEYSET */
  const char *more_keys;     /* keys of `result` that tell of another page */
  const char *scope;         /* scopes that allow it */
  const char *replacement;   /* methods to use instead of a deprecated one */
  const char *needs;         /* "A|B&C|D": one of each; "a+b/c": one set */
  const char *params;        /* grammar: csrc/catalogue/row.lua */
  const char *doc;           /* page of the official documentation */
} b24_method;

/* Look a method up. `version` 0 lets the catalogue decide: 2 where a method
 * exists in both. Returns 1, or 0 when it is not known. */
int b24_catalogue_find(b24_method *out, const char *name, size_t length,
                       int version);

/* How many entries there are; a name in two versions counts twice. */
size_t b24_catalogue_count(void);

/* Entry `index`, sorted by name without case, then version. Returns 0 past
 * the end. */
int b24_catalogue_at(b24_method *out, size_t index);

/* Is there a method below `path`, as crm.deal.list is below crm and
 * crm.deal? A method of that very name does not count. */
int b24_catalogue_has_prefix(const char *path, size_t length);

/* The names nearest to a misspelt one, best first: wrong letters and wrong,
 * missing or surplus words. Writes at most `max` (up to 16) and returns how
 * many; 0 when nothing is near. */
size_t b24_catalogue_closest(const char **out, size_t max, const char *name,
                             size_t length);

#ifdef __cplusplus
}
#endif
#endif
