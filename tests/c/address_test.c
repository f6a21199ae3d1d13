/*
 * address_test.c - what is taken for the address of a portal and what not;
 * every refusal says what to do, on one line, and never shows the code.
 */
#include "address.h"

#include <stdlib.h>

#include "scarce.h"
#include "unit.h"

#define CODE "s3cr3tc0de"

static void url_of(char *url, size_t size, const b24_address *a, int version,
                   const char *method) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), 4096);
  CHECK_INT(b24__address_write(&buf, a, version, method, strlen(method)),
            B24_OK);
  (void)snprintf(url, size, "%s", b24__buf_str(&buf));
  b24__buf_dispose(&buf);
}

static void origin_of(char *origin, size_t size, const b24_address *a) {
  b24_buf buf;
  b24__buf_init(&buf, b24__alloc_default(), 4096);
  CHECK_INT(b24__address_write_origin(&buf, a), B24_OK);
  (void)snprintf(origin, size, "%s", b24__buf_str(&buf));
  b24__buf_dispose(&buf);
}

TEST(webhooks_are_taken_as_users_paste_them) {
  static const struct {
    const char *text, *origin;
  } rows[] = {
      {"https://example.bitrix24.com/rest/1/" CODE "/",
       "https://example.bitrix24.com"},
      {"https://example.bitrix24.com/rest/1/" CODE,
       "https://example.bitrix24.com"},
      {"  https://example.bitrix24.com/rest/1/" CODE "/ \n",
       "https://example.bitrix24.com"},
      {"https://example.bitrix24.com/rest/1/" CODE "/crm.deal.list",
       "https://example.bitrix24.com"},
      {"https://example.bitrix24.com/rest/1/" CODE "/crm.deal.list.json?a=1",
       "https://example.bitrix24.com"},
      {"https://example.bitrix24.com/rest/1/" CODE "/profile.json/",
       "https://example.bitrix24.com"},
      {"https://example.bitrix24.com/rest/1/" CODE "?x=/y#z",
       "https://example.bitrix24.com"},
      {"https://example.bitrix24.com/rest/api/1/" CODE "/tasks.task.get",
       "https://example.bitrix24.com"},
      {"example.bitrix24.com/rest/1/" CODE "/",
       "https://example.bitrix24.com"},
      {"HTTPS://Example.BITRIX24.com/rest/1/" CODE "/",
       "https://example.bitrix24.com"},
      {"https://portal.local:8443/rest/1/" CODE "/",
       "https://portal.local:8443"},
      {"portal.local:8443/rest/1/" CODE "/", "https://portal.local:8443"},
      {"https://portal.local:443/rest/1/" CODE "/", "https://portal.local"},
      {"https://10.0.0.7/rest/1/" CODE "/", "https://10.0.0.7"},
      {"https://[2001:DB8::7]:8443/rest/1/" CODE "/",
       "https://[2001:db8::7]:8443"},
      {"http://127.0.0.1:8080/rest/1/" CODE "/", "http://127.0.0.1:8080"},
      {"http://localhost/rest/1/" CODE "/", "http://localhost"},
      {"http://portal.localhost:80/rest/1/" CODE "/",
       "http://portal.localhost"},
      {"http://[::1]:9/rest/1/" CODE "/", "http://[::1]:9"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_address a;
    b24_error err;
    char text[512];
    CHECK_INT(b24__address_parse_webhook(&a, b24__alloc_default(),
                                         rows[i].text, 0, &err),
              B24_OK);
    if (a.code == NULL) {
      printf("  %s: %s\n", rows[i].text, err.message);
      continue;
    }
    CHECK_STR(a.user_id, "1");
    CHECK_STR(a.code, CODE);
    origin_of(text, sizeof text, &a);
    CHECK_STR(text, rows[i].origin);
    b24__address_dispose(&a);
    b24__address_dispose(&a); /* may be called twice */
  }
}

TEST(refused_webhooks_say_what_to_do) {
  static const struct {
    const char *text, *says;
  } rows[] = {
      {"", "is empty"},
      {" \t\r\n ", "is empty"},
      {CODE, "no /rest/"},
      {"/rest/1/" CODE "/", "has no host"},
      {"https:///rest/1/" CODE "/", "has no host"},
      {"https://:443/rest/1/" CODE "/", "has no host"},
      {"://example.com/rest/1/" CODE "/", "must begin with https://"},
      {"ftp://example.com/rest/1/" CODE "/", "must begin with https://"},
      {"javascript://example.com/rest/1/" CODE "/", "must begin with"},
      {"https:/example.com/rest/1/" CODE "/", "a port"},
      {"mailto:me@example.com", "user name or password"},
      {"https://example.com", "no /rest/"},
      {"https://example.com/", "no /rest/"},
      {"https://example.com/1/" CODE "/", "no /rest/"},
      {"https://example.com//rest/1/" CODE "/", "no /rest/"},
      {"https://example.com/restful/1/" CODE "/", "no /rest/"},
      {"https://example.com/portal/rest/1/" CODE "/", "no /rest/"},
      {"https://example.com?/rest/1/" CODE "/", "no /rest/"},
      {"https://example.com#/rest/1/" CODE "/", "no /rest/"},
      {"https://example.com/rest", "no user number"},
      {"https://example.com/rest/", "no user number"},
      {"https://example.com/rest/api", "no user number"},
      {"https://example.com/rest/crm.deal.list", "no user number"},
      {"https://example.com/rest/" CODE "/", "no user number"},
      {"https://example.com/rest/0/" CODE "/", "no user number"},
      {"https://example.com/rest/01/" CODE "/", "no user number"},
      {"https://example.com/rest/-1/" CODE "/", "no user number"},
      {"https://example.com/rest/1x/" CODE "/", "no user number"},
      {"https://example.com/rest/1234567890123456789/" CODE "/",
       "no user number"},
      {"https://example.com/rest//" CODE "/", "no user number"},
      {"https://example.com/rest/1", "ends before its code"},
      {"https://example.com/rest/1/", "ends before its code"},
      {"https://example.com/rest/1//" CODE, "ends before its code"},
      {"https://example.com/rest/1/crm.deal.list", "no code"},
      {"https://example.com/rest/1/" CODE "%2F/", "no code"},
      {"https://example.com/rest/1/" CODE "/crm..list", "name of a method"},
      {"https://example.com/rest/1/" CODE "/a%20b", "name of a method"},
      {"https://example.com/rest/1/" CODE "/profile/more", "goes on"},
      {"https://example.com/rest/1/" CODE "/profile//", "goes on"},
      {"https://me:" CODE "@example.com/rest/1/" CODE "/",
       "user name or password"},
      {"https://me@example.com/rest/1/" CODE "/", "user name or password"},
      {"https://example.com/rest/1/" CODE "/ profile", "space"},
      {"https://example.com/rest/1/" CODE "\r\nHost: evil.com", "space"},
      {"https://example.com/rest/1/" CODE "/\x01", "control character"},
      {"https://\xd0\xbf\xd0\xbe.\xd1\x80\xd1\x84/rest/1/" CODE "/", "xn--"},
      {"https://evil.com\\@example.com/rest/1/" CODE "/", "copy it again"},
      {"https://exa mple.com/rest/1/" CODE "/", "space"},
      {"https://-example.com/rest/1/" CODE "/", "not a host"},
      {"https://example-.com/rest/1/" CODE "/", "not a host"},
      {"https://example..com/rest/1/" CODE "/", "not a host"},
      {"https://.example.com/rest/1/" CODE "/", "not a host"},
      {"https://example.com./rest/1/" CODE "/", "not a host"},
      {"https://exam%70le.com/rest/1/" CODE "/", "not a host"},
      {"https://example.com:/rest/1/" CODE "/", "a port"},
      {"https://example.com:0/rest/1/" CODE "/", "a port"},
      {"https://example.com:65536/rest/1/" CODE "/", "a port"},
      {"https://example.com:99999999999999999999/rest/1/" CODE "/", "a port"},
      {"https://example.com:-1/rest/1/" CODE "/", "a port"},
      {"https://example.com:8o/rest/1/" CODE "/", "a port"},
      {"https://[::1/rest/1/" CODE "/", "IPv6"},
      {"https://[]/rest/1/" CODE "/", "IPv6"},
      {"https://[fe80::1%25eth0]/rest/1/" CODE "/", "IPv6"},
      {"https://[::1]x/rest/1/" CODE "/", "after the host"},
      {"http://example.com/rest/1/" CODE "/", "plain http"},
      {"http://127.example.com/rest/1/" CODE "/", "plain http"},
      {"http://localhost.example.com/rest/1/" CODE "/", "plain http"},
      {"http://xlocalhost/rest/1/" CODE "/", "plain http"},
      {"http://[::2]/rest/1/" CODE "/", "plain http"},
      {"http://10.0.0.1/rest/1/" CODE "/", "plain http"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_address a;
    b24_error err;
    memset(&err, 0, sizeof err);
    CHECK_INT(b24__address_parse_webhook(&a, b24__alloc_default(),
                                         rows[i].text, 0, &err),
              B24_CONFIG);
    CHECK_INT(err.kind, B24_CONFIG);
    CHECK_INT(err.sent, B24_SENT_NO);
    if (strstr(err.message, rows[i].says) == NULL)
      printf("  %s: %s\n", rows[i].text, err.message);
    CHECK(strstr(err.message, rows[i].says) != NULL);
    CHECK(strstr(err.message, "webhook") == err.message);
    CHECK(strstr(err.message, CODE) == NULL);
    CHECK(strchr(err.message, '\n') == NULL);
    CHECK(a.host == NULL && a.code == NULL && a.user_id == NULL);
    b24__address_dispose(&a);
  }
}

TEST(long_addresses_are_refused) {
  char text[B24_ADDRESS_MAX + 100];
  b24_address a;
  b24_error err;
  memset(text, 'a', sizeof text);
  memcpy(text, "https://", 8);
  text[sizeof text - 1] = '\0';
  CHECK_INT(b24__address_parse_webhook(&a, b24__alloc_default(), text, 0,
                                       &err),
            B24_CONFIG);
  CHECK(strstr(err.message, "too long") != NULL);
  text[400] = '\0'; /* short enough, but a host has at most 253 letters */
  CHECK_INT(b24__address_parse_webhook(&a, b24__alloc_default(), text, 0,
                                       &err),
            B24_CONFIG);
  CHECK(strstr(err.message, "not a host") != NULL);
}

TEST(insecure_permits_plain_http) {
  b24_address a;
  char text[256];
  CHECK_INT(b24__address_parse_webhook(&a, b24__alloc_default(),
                                       "http://portal.local/rest/7/" CODE "/",
                                       1, NULL),
            B24_OK);
  url_of(text, sizeof text, &a, 2, "profile");
  CHECK_STR(text, "http://portal.local/rest/7/" CODE "/profile");
  b24__address_dispose(&a);
}

TEST(domains) {
  static const struct {
    const char *text, *origin, *says;
  } rows[] = {
      {"example.bitrix24.com", "https://example.bitrix24.com", ""},
      {"https://example.bitrix24.com/", "https://example.bitrix24.com", ""},
      {"https://example.bitrix24.com/rest/", "https://example.bitrix24.com",
       ""},
      {" Example.com:8443 ", "https://example.com:8443", ""},
      {"http://127.1.2.3:81", "http://127.1.2.3:81", ""},
      {"http://example.com", NULL, "domain: plain http"},
      {"example.com/rest/1/" CODE "/", NULL, "is a webhook"},
      {"example.com?x", NULL, "a host alone"},
      {"example.com/#", NULL, "a host alone"},
      {"", NULL, "domain is empty"},
      {"https://", NULL, "domain has no host"},
      {"me@example.com", NULL, "user name"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    b24_address a;
    b24_error err;
    char text[256];
    b24_kind kind = b24__address_parse_domain(&a, b24__alloc_default(),
                                              rows[i].text, 0, &err);
    CHECK_INT(kind, rows[i].origin != NULL ? B24_OK : B24_CONFIG);
    if (kind == B24_OK) {
      CHECK(a.code == NULL && a.user_id == NULL);
      origin_of(text, sizeof text, &a);
      CHECK_STR(text, rows[i].origin);
    } else {
      CHECK(strstr(err.message, rows[i].says) != NULL);
      CHECK(strstr(err.message, CODE) == NULL);
    }
    b24__address_dispose(&a);
  }
}

TEST(loopback_hosts) {
  static const struct {
    const char *host;
    int is;
  } rows[] = {
      {"localhost", 1},        {"LOCALHOST", 1},
      {"a.localhost", 1},      {"a.b.localhost", 1},
      {"127.0.0.1", 1},        {"127.255.0.9", 1},
      {"::1", 1},              {"[::1]", 1},
      {"0:0:0:0:0:0:0:1", 1},  {"", 0},
      {".localhost", 0},       {"notlocalhost", 0},
      {"localhost.evil", 0},   {"127.0.0", 0},
      {"127.0.0.256", 0},      {"127.0.0.1.evil.com", 0},
      {"127.0.0.0001", 0},     {"128.0.0.1", 0},
      {"1127.0.0.1", 0},       {"::2", 0},
      {"::11", 0},             {"1::1", 0},
      {"[", 0},                {"[]", 0},
      {":1", 0},               {"127.0.0.", 0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (b24__address_is_loopback(rows[i].host) != rows[i].is)
      printf("  host %s\n", rows[i].host);
    CHECK_INT(b24__address_is_loopback(rows[i].host), rows[i].is);
  }
}

TEST(urls_of_calls) {
  b24_address hook, app;
  char text[256];
  CHECK_INT(b24__address_parse_webhook(
                &hook, b24__alloc_default(),
                "https://p.example:8443/rest/3/" CODE "/profile", 0, NULL),
            B24_OK);
  CHECK_INT(b24__address_parse_domain(&app, b24__alloc_default(), "p.example",
                                      0, NULL),
            B24_OK);
  url_of(text, sizeof text, &hook, 2, "crm.deal.list");
  CHECK_STR(text,
            "https://p.example:8443/rest/3/" CODE "/crm.deal.list");
  url_of(text, sizeof text, &hook, 3, "tasks.task.get");
  CHECK_STR(text,
            "https://p.example:8443/rest/api/3/" CODE "/tasks.task.get");
  url_of(text, sizeof text, &app, 2, "profile");
  CHECK_STR(text, "https://p.example/rest/profile");
  url_of(text, sizeof text, &app, 3, "tasks.task.get");
  CHECK_STR(text, "https://p.example/rest/api/tasks.task.get");
  b24__address_dispose(&hook);
  b24__address_dispose(&app);
}

TEST(a_full_buffer_is_left_as_it_was) {
  b24_address a;
  b24_buf buf;
  CHECK_INT(b24__address_parse_webhook(&a, b24__alloc_default(),
                                       "p.example/rest/3/" CODE, 0, NULL),
            B24_OK);
  for (size_t cap = 3; cap < 48; cap++) {
    b24_kind kind;
    b24__buf_init(&buf, b24__alloc_default(), cap);
    CHECK_INT(b24__buf_puts(&buf, "GET"), B24_OK);
    kind = b24__address_write(&buf, &a, 2, "a.b", 3);
    CHECK_INT(kind, cap < 42 ? B24_PROTOCOL : B24_OK);
    if (kind != B24_OK) CHECK_STR(b24__buf_str(&buf), "GET");
    b24__buf_dispose(&buf);
  }
  b24__address_dispose(&a);
}

TEST(names_of_methods) {
  static const struct {
    const char *name;
    b24_kind kind;
  } rows[] = {
      {"profile", B24_OK},          {"crm.deal.list", B24_OK},
      {"im.v2.File.upload", B24_OK}, {"vote.AttachedVote.get", B24_OK},
      {"a_b.c-d.9", B24_OK},        {"", B24_CONFIG},
      {".", B24_CONFIG},            {"crm.", B24_CONFIG},
      {".crm", B24_CONFIG},         {"crm..deal", B24_CONFIG},
      {"../admin", B24_CONFIG},     {"crm/deal", B24_CONFIG},
      {"crm.deal list", B24_CONFIG}, {"crm.deal?x=1", B24_CONFIG},
      {"crm%2edeal", B24_CONFIG},   {"crm\r\nx", B24_CONFIG},
      {"crm.\xc3\xa9", B24_CONFIG}, {"crm#x", B24_CONFIG},
  };
  char name[B24_METHOD_MAX + 1];
  b24_error err;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    CHECK_INT(b24__address_check_method(rows[i].name, strlen(rows[i].name),
                                        &err),
              rows[i].kind);
  memset(name, 'a', sizeof name);
  CHECK_INT(b24__address_check_method(name, B24_METHOD_MAX, &err), B24_OK);
  CHECK_INT(b24__address_check_method(name, B24_METHOD_MAX + 1, &err),
            B24_CONFIG);
  CHECK_INT(b24__address_check_method("a\0b", 3, &err), B24_CONFIG);
}

TEST(links_of_downloads) {
  static const struct {
    const char *link;
    int insecure;
    b24_kind kind;
  } rows[] = {
      {"https://example.com/d?auth=1&token=disk%7Cx", 0, B24_OK},
      {"https://example.com", 0, B24_OK},
      {"http://127.0.0.1:8080/d", 0, B24_OK},
      {"http://example.com/d", 0, B24_CONFIG},
      {"http://example.com/d", 1, B24_OK},
      {"/bitrix/tools/x.php", 0, B24_CONFIG},
      {"example.com/x", 0, B24_CONFIG},
      {"//example.com/x", 0, B24_CONFIG},
      {"file:///etc/passwd", 1, B24_CONFIG},
      {"https://me:pw@example.com/x", 1, B24_CONFIG},
      {"https://example.com/a b", 1, B24_CONFIG},
      {" https://example.com/a", 1, B24_CONFIG},
      {"", 1, B24_CONFIG},
  };
  b24_error err;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    CHECK_INT(b24__address_check_link(rows[i].link, rows[i].insecure, &err),
              rows[i].kind);
}

/* ---- memory ------------------------------------------------------------ */

TEST(memory_that_runs_out_leaks_nothing) {
  scarce s = {0, 0};
  b24_alloc alloc = {scarce_realloc, NULL};
  b24_kind kind = B24_NOMEM;
  int n = 0;
  alloc.ud = &s;
  for (; kind == B24_NOMEM && n < 20; n++) {
    b24_address a;
    b24_error err;
    s.left = n;
    kind = b24__address_parse_webhook(&a, &alloc, "p.example/rest/1/" CODE, 0,
                                      &err);
    if (kind == B24_NOMEM) CHECK_INT(s.bytes, 0);
    b24__address_dispose(&a);
    CHECK_INT(s.bytes, 0);
  }
  CHECK_INT(kind, B24_OK);
  CHECK_INT(n, 4); /* host, user, code */
}

int main(void) {
  RUN(webhooks_are_taken_as_users_paste_them);
  RUN(refused_webhooks_say_what_to_do);
  RUN(long_addresses_are_refused);
  RUN(insecure_permits_plain_http);
  RUN(domains);
  RUN(loopback_hosts);
  RUN(urls_of_calls);
  RUN(a_full_buffer_is_left_as_it_was);
  RUN(names_of_methods);
  RUN(links_of_downloads);
  RUN(memory_that_runs_out_leaks_nothing);
  return unit_report();
}
