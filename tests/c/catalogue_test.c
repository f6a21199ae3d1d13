/* catalogue_test.c - the table of methods: order, look-up, nearest names. */
#include "catalogue.h"

#include <ctype.h>

#include "unit.h"

static int find(b24_method *out, const char *name, int version) {
  return b24_catalogue_find(out, name, strlen(name), version);
}

static int has_prefix(const char *path) {
  return b24_catalogue_has_prefix(path, strlen(path));
}

/* The place of `want` among the names nearest to `name`, from 1; 0 = none. */
static int place(const char *name, const char *want) {
  const char *names[3];
  size_t count = b24_catalogue_closest(names, 3, name, strlen(name));
  for (size_t i = 0; i < count; i++) {
    if (strcmp(names[i], want) == 0) return (int)i + 1;
  }
  return 0;
}

static size_t near_count(const char *name) {
  const char *names[16];
  return b24_catalogue_closest(names, 16, name, strlen(name));
}

static int order(const b24_method *a, const b24_method *b) {
  const char *p = a->name, *q = b->name;
  while (*p != '\0' && tolower((unsigned char)*p) == tolower((unsigned char)*q))
    p++, q++;
  if (*p == '\0' && *q == '\0') return a->version - b->version;
  return tolower((unsigned char)*p) - tolower((unsigned char)*q);
}

TEST(has_all_methods_of_both_versions) {
  size_t of[4] = {0, 0, 0, 0};
  b24_method m;
  for (size_t i = 0; b24_catalogue_at(&m, i); i++) of[m.version & 3]++;
  CHECK_INT(b24_catalogue_count(), 1678);
  CHECK_INT(of[2], 1568);
  CHECK_INT(of[3], 110);
  CHECK(!b24_catalogue_at(&m, b24_catalogue_count()));
}

TEST(is_sorted_without_case_then_by_version) {
  b24_method before, m;
  CHECK(b24_catalogue_at(&before, 0));
  for (size_t i = 1; b24_catalogue_at(&m, i); i++) {
    if (order(&before, &m) >= 0) CHECK_STR(m.name, "after its neighbour");
    before = m;
  }
}

TEST(finds_every_row_in_every_case) {
  b24_method m, found;
  for (size_t i = 0; b24_catalogue_at(&m, i); i++) {
    char upper[128];
    size_t length = strlen(m.name);
    CHECK(length < sizeof upper);
    for (size_t j = 0; j <= length; j++) {
      upper[j] = (char)toupper((unsigned char)m.name[j]);
    }
    CHECK(find(&found, m.name, m.version));
    CHECK_STR(found.name, m.name);
    CHECK(b24_catalogue_find(&found, upper, length, m.version));
    CHECK_STR(found.name, m.name);
    CHECK_INT(found.version, m.version);
    CHECK(find(&found, m.name, 0));
  }
}

TEST(version_2_is_chosen_where_both_exist) {
  b24_method m;
  CHECK(find(&m, "tasks.task.list", 0));
  CHECK_INT(m.version, 2);
  CHECK(find(&m, "tasks.task.list", 3));
  CHECK_INT(m.version, 3);
  CHECK_INT(m.page_style, B24_PAGE_PAGE);
  CHECK(find(&m, "humanresources.node.communication.list", 0));
  CHECK_INT(m.version, 3);
  CHECK(!find(&m, "humanresources.node.communication.list", 2));
  CHECK(!find(&m, "crm.deal.list", 3));
}

TEST(unknown_names_are_not_found) {
  b24_method m;
  static const char *const names[] = {
      "",         ".",    "crm",           "crm.deal",  "crm.deal.",
      "crm.deal.list.", "zzz", "aaa", "crm.deal.lis", "crm.deal.listt"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    CHECK(!find(&m, names[i], 0));
  }
  CHECK(!b24_catalogue_find(&m, "crm.deal.list\0x", 15, 0));
  CHECK(!b24_catalogue_find(&m, "crm.deal\0list", 13, 0));
  CHECK(b24_catalogue_find(&m, "crm.deal.listXX", 13, 0));
}

TEST(tells_folders_from_methods) {
  CHECK(has_prefix("crm"));
  CHECK(has_prefix("CRM.Deal"));
  CHECK(has_prefix("crm.automation.trigger")); /* a method as well */
  CHECK(has_prefix("humanresources.node"));
  CHECK(has_prefix("user")); /* not taken in by userconsent */
  CHECK(!has_prefix("crm.deal.list"));
  CHECK(!has_prefix("batch"));
  CHECK(!has_prefix("cr"));
  CHECK(!has_prefix("crm."));
  CHECK(!has_prefix(""));
  CHECK(!has_prefix("zzz"));
  CHECK(!b24_catalogue_has_prefix("crm\0", 4));
}

TEST(rows_carry_their_facts) {
  b24_method m;
  CHECK(find(&m, "crm.calllist.add", 0));
  CHECK_INT(m.kind, B24_METHOD_ADD);
  CHECK_INT(m.traits, B24_TRAIT_WRITE);
  CHECK_STR(m.scope, "crm");
  CHECK_STR(m.params,
            "ENTITY_TYPE!:s(CONTACT|COMPANY) ENTITIES!:i[] WEBFORM_ID:i");
  CHECK_STR(m.page_param, "");
  CHECK(find(&m, "socialnetwork.api.workgroup.list", 0));
  CHECK_STR(m.items_key, "workgroups");
  CHECK_STR(m.id_field, "id");
  CHECK_STR(m.keyset_id, "ID");
  CHECK_INT(m.page_style, B24_PAGE_START);
  CHECK_INT(m.page_size, 50);
  CHECK(find(&m, "im.recent.list", 0));
  CHECK(m.traits & B24_TRAIT_OVERLAP);
  CHECK(!(m.traits & B24_TRAIT_TOTAL));
  CHECK_INT(m.max_page_size, 200);
  CHECK(find(&m, "event.offline.get", 0));
  CHECK(m.traits & B24_TRAIT_WRITE);
  CHECK(find(&m, "vote.AttachedVote.download", 0));
  CHECK(m.traits & B24_TRAIT_BINARY);
  CHECK(m.traits & B24_TRAIT_NO_BATCH);
  CHECK(find(&m, "batch", 3));
  CHECK(m.traits & B24_TRAIT_BODY_ARRAY);
}

TEST(rows_agree_with_themselves) {
  b24_method m;
  for (size_t i = 0; b24_catalogue_at(&m, i); i++) {
    int keyset = (m.traits & B24_TRAIT_KEYSET) != 0;
    CHECK(m.version == 2 || m.version == 3);
    CHECK(m.doc[0] != '\0');
    CHECK_INT(keyset, m.keyset_id[0] != '\0');
    if (keyset) CHECK_INT(m.page_style, B24_PAGE_START);
    if (m.kind == B24_METHOD_LIST && m.traits & B24_TRAIT_WRITE) {
      CHECK_STR(m.name, "a list that reads");
    }
    CHECK_INT((m.traits & B24_TRAIT_BINARY) != 0, m.result == B24_RESULT_FILE);
  }
}

TEST(names_the_method_that_was_meant) {
  static const struct {
    const char *name, *want;
    int at;
  } cases[] = {
      {"crm.calllist.item.get", "crm.calllist.items.get", 1},
      {"crm.calllistitems.get", "crm.calllist.items.get", 1},
      {"im.chat.users.list", "im.dialog.users.list", 2},
      {"crm.deal.lst", "crm.deal.list", 1},
      {"CRM.Deal.LST", "crm.deal.list", 1},
      {"crm.deals.list", "crm.deal.list", 1},
      {"crm.deal.list.all", "crm.deal.list", 1},
      {"im.search.chats", "im.search.chat.list", 1},
      {"socialnetwork.workgroup.list", "socialnetwork.api.workgroup.list", 1},
      {"user.gt", "user.get", 1},
      {"humanresources.node.comunication.list",
       "humanresources.node.communication.list", 1},
      {"tasks.task.lists", "tasks.task.list", 1},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    CHECK_INT(place(cases[i].name, cases[i].want), cases[i].at);
  }
}

TEST(names_nothing_for_nonsense) {
  static const char *const names[] = {"",       "x",           "xyz",
                                      "qwerty", "foo.bar.baz", "hello.world",
                                      "...",    "a.b.c.d.e.f.g.h.i.j.k.l.m.n"};
  char endless[300];
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    CHECK_INT(near_count(names[i]), 0);
  }
  memset(endless, 'a', sizeof endless - 1);
  endless[sizeof endless - 1] = '\0';
  CHECK_INT(near_count(endless), 0);
}

TEST(a_name_in_two_versions_is_offered_once) {
  const char *names[16];
  size_t count = b24_catalogue_closest(names, 16, "tasks.task.lis", 14);
  CHECK(count > 1);
  for (size_t i = 1; i < count; i++) CHECK(strcmp(names[0], names[i]) != 0);
  CHECK_INT(b24_catalogue_closest(names, 1, "tasks.task.lis", 14), 1);
  CHECK_INT(b24_catalogue_closest(NULL, 0, "tasks.task.lis", 14), 0);
}

int main(void) {
  RUN(has_all_methods_of_both_versions);
  RUN(is_sorted_without_case_then_by_version);
  RUN(finds_every_row_in_every_case);
  RUN(version_2_is_chosen_where_both_exist);
  RUN(unknown_names_are_not_found);
  RUN(tells_folders_from_methods);
  RUN(rows_carry_their_facts);
  RUN(rows_agree_with_themselves);
  RUN(names_the_method_that_was_meant);
  RUN(names_nothing_for_nonsense);
  RUN(a_name_in_two_versions_is_offered_once);
  return unit_report();
}
