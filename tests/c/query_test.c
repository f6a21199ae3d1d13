/*
 * query_test.c - parameters as PHP reads them, and what a query cannot say.
 */
#include "query.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>

#include "scarce.h"
#include "unit.h"

typedef struct page {
  b24_buf out;
  b24_query q;
} page;

static void open_page(page *p, const char *method) {
  b24__buf_init(&p->out, b24__alloc_default(), 1 << 20);
  CHECK_INT(b24__buf_puts(&p->out, method), B24_OK);
  b24__query_init(&p->q, b24__alloc_default(), &p->out);
}

static void close_page(page *p) {
  b24__query_dispose(&p->q);
  b24__buf_dispose(&p->out);
}

static void key(page *p, const char *name) {
  CHECK_INT(b24__query_key(&p->q, name, strlen(name)), B24_OK);
}

static void text(page *p, const char *name, const char *value) {
  key(p, name);
  CHECK_INT(b24__query_string(&p->q, value, strlen(value)), B24_OK);
}

static void begin(page *p, const char *name) {
  key(p, name);
  CHECK_INT(b24__query_begin(&p->q), B24_OK);
}

static void item(page *p, int64_t index) {
  CHECK_INT(b24__query_index(&p->q, index), B24_OK);
}

static void end(page *p) { CHECK_INT(b24__query_end(&p->q), B24_OK); }

TEST(the_sample_of_the_documentation) {
  page p;
  open_page(&p, "crm.contact.add?");
  begin(&p, "fields");
  text(&p, "NAME", "Ann & Bob");
  begin(&p, "PHONE");
  item(&p, 0);
  CHECK_INT(b24__query_begin(&p.q), B24_OK);
  text(&p, "VALUE", "+1 (555) 0100");
  text(&p, "VALUE_TYPE", "WORK");
  end(&p);
  item(&p, 1);
  CHECK_INT(b24__query_begin(&p.q), B24_OK);
  text(&p, "VALUE", "+2");
  end(&p);
  end(&p);
  end(&p);
  begin(&p, "params");
  key(&p, "REGISTER");
  CHECK_INT(b24__query_bool(&p.q, 1), B24_OK);
  end(&p);
  CHECK_STR(b24__buf_str(&p.out),
            "crm.contact.add?fields[NAME]=Ann%20%26%20Bob"
            "&fields[PHONE][0][VALUE]=%2B1%20%28555%29%200100"
            "&fields[PHONE][0][VALUE_TYPE]=WORK"
            "&fields[PHONE][1][VALUE]=%2B2&params[REGISTER]=1");
  CHECK_INT(p.q.flags, 0);
  CHECK_INT(p.q.values, 5);
  close_page(&p);
}

TEST(positional_parameters) {
  page p;
  open_page(&p, "task.commentitem.add?");
  item(&p, 0);
  CHECK_INT(b24__query_int(&p.q, 123), B24_OK);
  item(&p, 1);
  CHECK_INT(b24__query_begin(&p.q), B24_OK);
  text(&p, "POST_MESSAGE", "hi");
  end(&p);
  CHECK_STR(b24__buf_str(&p.out),
            "task.commentitem.add?0=123&1[POST_MESSAGE]=hi");
  close_page(&p);
}

TEST(scalars) {
  page p;
  open_page(&p, "");
  key(&p, "a");
  CHECK_INT(b24__query_int(&p.q, INT64_MAX), B24_OK);
  key(&p, "b");
  CHECK_INT(b24__query_int(&p.q, INT64_MIN), B24_OK);
  key(&p, "c");
  CHECK_INT(b24__query_bool(&p.q, 0), B24_OK);
  key(&p, "d");
  CHECK_INT(b24__query_bool(&p.q, 7), B24_OK);
  text(&p, "e", "");
  CHECK_INT(p.q.flags, 0);
  key(&p, "f");
  CHECK_INT(b24__query_null(&p.q), B24_OK);
  CHECK_STR(b24__buf_str(&p.out),
            "a=9223372036854775807&b=-9223372036854775808&c=0&d=1&e=&f=");
  CHECK_INT(p.q.flags, B24_QUERY_NULL);
  CHECK((p.q.flags & B24_QUERY_ALONE) == 0);
  close_page(&p);
}

TEST(doubles_keep_their_value_in_every_locale) {
  static const struct {
    double number;
    const char *want;
  } rows[] = {
      {0.1, "x=0.1"},          {-2.5, "x=-2.5"},
      {3, "x=3"},              {1e15, "x=1e%2B15"},
      {123456789012345, "x=123456789012345"},
      {1.0 / 3, "x=0.3333333333333333"},
      {5e-324, "x=4.9406564584125e-324"},
      {1e300, "x=1e%2B300"},   {0.1 + 0.2, "x=0.30000000000000004"},
  };
  static const char *const locales[] = {"C", "de_DE.UTF-8", "ru_RU.UTF-8"};
  page p;
  for (size_t l = 0; l < 3; l++) {
    if (setlocale(LC_NUMERIC, locales[l]) == NULL) continue;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
      open_page(&p, "");
      key(&p, "x");
      CHECK_INT(b24__query_double(&p.q, rows[i].number), B24_OK);
      CHECK_STR(b24__buf_str(&p.out), rows[i].want);
      close_page(&p);
    }
  }
  (void)setlocale(LC_NUMERIC, "C");
  open_page(&p, "");
  key(&p, "x");
  CHECK_INT(b24__query_double(&p.q, HUGE_VAL), B24_CONFIG);
  CHECK_INT(b24__query_double(&p.q, nan("")), B24_CONFIG);
  CHECK_STR(b24__buf_str(&p.out), "");
  close_page(&p);
}

static int hex_value(char c) {
  return c <= '9' ? c - '0' : c - 'A' + 10;
}

TEST(every_byte_arrives_and_none_is_syntax) {
  page p;
  char all[256];
  const char *c;
  for (int i = 0; i < 256; i++) all[i] = (char)i;
  open_page(&p, "");
  key(&p, "v");
  CHECK_INT(b24__query_string(&p.q, all, 256), B24_OK);
  c = b24__buf_str(&p.out) + 2;
  for (int i = 0; i < 256; i++) {
    int byte = (unsigned char)*c++;
    CHECK(strchr("&=[]+#?;/$ \"", byte) == NULL);
    if (byte == '%') {
      byte = hex_value(c[0]) * 16 + hex_value(c[1]);
      c += 2;
    }
    CHECK_INT(byte, i);
  }
  CHECK_INT(*c, '\0');
  close_page(&p);
}

TEST(empty_arrays_are_flagged) {
  page p;
  open_page(&p, "");
  text(&p, "id", "7");
  begin(&p, "typeIds");
  end(&p);
  begin(&p, "fields");
  begin(&p, "tags");
  end(&p);
  text(&p, "x", "1");
  end(&p);
  CHECK_STR(b24__buf_str(&p.out), "id=7&typeIds=&fields[tags]=&fields[x]=1");
  CHECK_INT(p.q.flags, B24_QUERY_EMPTY);
  CHECK((p.q.flags & B24_QUERY_INEXACT) != 0);
  close_page(&p);
}

TEST(user_data_is_never_a_reference_unnoticed) {
  static const struct {
    const char *value;
    int flags;
  } rows[] = {
      {"$result[me][ID]", B24_QUERY_REFERENCE},
      {"see $result[me] there", B24_QUERY_REFERENCE},
      {"$$result[", B24_QUERY_REFERENCE},
      {"$RESULT[me]", B24_QUERY_REFERENCE},
      {"$result", 0},
      {"$result me]", 0},
      {"$result [me]", 0},
      {"$result, see[1]", 0},
      {"$results[0]", B24_QUERY_REFERENCE},
      {"$result-of[me]", B24_QUERY_REFERENCE},
      {"$next[me]", B24_QUERY_REFERENCE},
      {"costs $Total[5]", B24_QUERY_REFERENCE},
      {"$time[a]", B24_QUERY_REFERENCE},
      {"$error[me]", B24_QUERY_REFERENCE},
      {"$a $b[1] $", 0},
      {"$$time and $total[", B24_QUERY_REFERENCE},
      {"$", 0},
      {"result[me]", 0},
      {"$resul", 0},
      {"%24result%5Bme%5D", 0},
  };
  page p;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    open_page(&p, "");
    text(&p, "TITLE", rows[i].value);
    CHECK_INT(p.q.flags, rows[i].flags);
    CHECK(strchr(b24__buf_str(&p.out), '$') == NULL);
    close_page(&p);
  }
}

TEST(references_are_written_as_the_portal_reads_them) {
  static const b24_query_step me[] = {
      {"me", 2, 0}, {"UF_DEPARTMENT", 13, 0}, {NULL, 0, 0}};
  static const b24_query_step odd[] = {{"a&b+c", 5, 0}, {NULL, 0, 12}};
  static const b24_query_step wrong[] = {
      {"a]b", 3, 0}, {"a[b", 3, 0}, {"", 0, 0},  {NULL, 0, -1},
      {"\0", 1, 0},  {"a b", 3, 0}, {"a\n", 2, 0}};
  page p;
  open_page(&p, "department.get?");
  key(&p, "ID");
  CHECK_INT(b24__query_ref(&p.q, me, 3), B24_OK);
  begin(&p, "filter");
  key(&p, ">ID");
  CHECK_INT(b24__query_ref(&p.q, odd, 2), B24_OK);
  end(&p);
  CHECK_STR(b24__buf_str(&p.out),
            "department.get?ID=$result[me][UF_DEPARTMENT][0]"
            "&filter[%3EID]=$result[a%26b%2Bc][12]");
  CHECK_INT(p.q.flags, 0);
  key(&p, "x");
  CHECK_INT(b24__query_ref(&p.q, me, 0), B24_CONFIG);
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    CHECK_INT(b24__query_ref(&p.q, &wrong[i], 1), B24_CONFIG);
  close_page(&p);
}

TEST(keys_that_php_cannot_hold_are_flagged) {
  static const struct {
    const char *name;
    size_t size;
    const char *first, *below; /* encoded */
    int first_flags, below_flags;
  } rows[] = {
      {"NAME", 4, "NAME=", "f[NAME]=", 0, 0},
      {">ID", 3, "%3EID=", "f[%3EID]=", 0, 0},
      {"!=a", 3, "%21%3Da=", "f[%21%3Da]=", 0, 0},
      {"a.b", 3, "a.b=", "f[a.b]=", B24_QUERY_KEY, 0},
      {"a b", 3, "a%20b=", "f[a%20b]=", B24_QUERY_KEY, 0},
      {"a[b", 3, "a%5Bb=", "f[a%5Bb]=", B24_QUERY_KEY, 0},
      {"a]b", 3, "a%5Db=", "f[a%5Db]=", 0, B24_QUERY_KEY},
      {"a+b", 3, "a%2Bb=", "f[a%2Bb]=", 0, 0},
      {"", 0, "=", "f[]=", B24_QUERY_KEY, B24_QUERY_KEY},
      {" ", 1, "%20=", "f[%20]=", B24_QUERY_KEY, B24_QUERY_KEY},
      {"a\0b", 3, "a%00b=", "f[a%00b]=", B24_QUERY_KEY, B24_QUERY_KEY},
      {"$result", 7, "%24result=", "f[%24result]=", B24_QUERY_KEY,
       B24_QUERY_KEY},
      {"a$", 2, "a%24=", "f[a%24]=", B24_QUERY_KEY, B24_QUERY_KEY},
      {"\xd0\xb9", 2, "%D0%B9=", "f[%D0%B9]=", 0, 0},
  };
  page p;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    open_page(&p, "");
    CHECK_INT(b24__query_key(&p.q, rows[i].name, rows[i].size), B24_OK);
    CHECK_INT(b24__query_string(&p.q, "", 0), B24_OK);
    CHECK_STR(b24__buf_str(&p.out), rows[i].first);
    CHECK_INT(p.q.flags, rows[i].first_flags);
    b24__query_undo(&p.q);
    begin(&p, "f");
    CHECK_INT(b24__query_key(&p.q, rows[i].name, rows[i].size), B24_OK);
    CHECK_INT(b24__query_string(&p.q, "", 0), B24_OK);
    end(&p);
    CHECK_STR(b24__buf_str(&p.out), rows[i].below);
    CHECK_INT(p.q.flags, rows[i].below_flags);
    close_page(&p);
  }
}

TEST(more_than_php_reads_is_flagged) {
  page p;
  open_page(&p, "");
  begin(&p, "ids");
  for (int i = 0; i < B24_QUERY_VALUES; i++) {
    item(&p, i);
    CHECK_INT(b24__query_int(&p.q, i), B24_OK);
  }
  CHECK_INT(p.q.flags, 0);
  item(&p, B24_QUERY_VALUES);
  CHECK_INT(b24__query_int(&p.q, 0), B24_OK);
  CHECK_INT(p.q.flags, B24_QUERY_MANY);
  end(&p);
  close_page(&p);
}

TEST(calls_out_of_order_and_too_deep) {
  page p;
  char name[B24_QUERY_NAME_MAX + 1];
  open_page(&p, "m?");
  CHECK_INT(b24__query_int(&p.q, 1), B24_CONFIG); /* without a name */
  CHECK_INT(b24__query_begin(&p.q), B24_CONFIG);
  CHECK_INT(b24__query_end(&p.q), B24_CONFIG);
  CHECK_INT(b24__query_index(&p.q, -1), B24_CONFIG);
  key(&p, "a");
  CHECK_INT(b24__query_key(&p.q, "b", 1), B24_CONFIG); /* two names */
  CHECK_INT(b24__query_end(&p.q), B24_CONFIG);
  b24__query_undo(&p.q);
  CHECK_STR(b24__buf_str(&p.out), "m?");
  memset(name, 'n', sizeof name);
  CHECK_INT(b24__query_key(&p.q, name, sizeof name), B24_CONFIG);
  b24__query_undo(&p.q);
  for (int i = 0; i < B24_QUERY_DEPTH; i++) begin(&p, "a");
  key(&p, "a");
  CHECK_INT(b24__query_begin(&p.q), B24_CONFIG);
  b24__query_undo(&p.q);
  text(&p, "a", "1"); /* usable again */
  CHECK_STR(b24__buf_str(&p.out), "m?a=1");
  close_page(&p);
}

/* ---- memory ------------------------------------------------------------ */

TEST(memory_that_runs_out) {
  char value[2000];
  b24_kind kind = B24_NOMEM;
  int n = 0;
  memset(value, '&', sizeof value);
  for (; kind == B24_NOMEM && n < 100; n++) {
    scarce s = {0, 0};
    b24_alloc alloc = {scarce_realloc, NULL};
    b24_buf out;
    b24_query q;
    alloc.ud = &s;
    s.left = n;
    b24__buf_init(&out, &alloc, 1 << 20);
    b24__query_init(&q, &alloc, &out);
    kind = b24__query_key(&q, value, 500);
    if (kind == B24_OK) kind = b24__query_string(&q, value, sizeof value);
    if (kind == B24_NOMEM) {
      b24__query_undo(&q);
      CHECK_STR(b24__buf_str(&out), "");
    }
    b24__query_dispose(&q);
    b24__buf_dispose(&out);
    CHECK_INT(s.bytes, 0);
  }
  CHECK_INT(kind, B24_OK);
  CHECK(n > 3);
}

TEST(a_full_buffer_says_so) {
  b24_buf out;
  b24_query q;
  b24__buf_init(&out, b24__alloc_default(), 10);
  b24__query_init(&q, b24__alloc_default(), &out);
  CHECK_INT(b24__query_key(&q, "a", 1), B24_OK);
  CHECK_INT(b24__query_string(&q, "01234567", 8), B24_OK);
  CHECK_INT(b24__query_key(&q, "a", 1), B24_OK);
  CHECK_INT(b24__query_string(&q, "0", 1), B24_PROTOCOL);
  b24__query_undo(&q);
  CHECK_STR(b24__buf_str(&out), "");
  b24__query_dispose(&q);
  b24__buf_dispose(&out);
}

int main(void) {
  RUN(the_sample_of_the_documentation);
  RUN(positional_parameters);
  RUN(scalars);
  RUN(doubles_keep_their_value_in_every_locale);
  RUN(every_byte_arrives_and_none_is_syntax);
  RUN(empty_arrays_are_flagged);
  RUN(user_data_is_never_a_reference_unnoticed);
  RUN(references_are_written_as_the_portal_reads_them);
  RUN(keys_that_php_cannot_hold_are_flagged);
  RUN(more_than_php_reads_is_flagged);
  RUN(calls_out_of_order_and_too_deep);
  RUN(memory_that_runs_out);
  RUN(a_full_buffer_says_so);
  return unit_report();
}
