/*
 * transport_test.c - what libcurl says of odd servers, read rightly: a raw
 * server on loopback answers a write in ways no HTTP server would, and counts
 * how often it arrived.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bitrix24.h"
#include "unit.h"

typedef struct server {
  int listener;
  int port;
  const char *const *answers; /* one for each request of a connection */
  int arrived;
  pthread_t thread;
} server;

/* Read one request, head and a body of two bytes ("{}"); 0 = the end. */
static int read_request(int fd) {
  char text[4096];
  size_t size = 0;
  for (;;) {
    ssize_t n = recv(fd, text + size, sizeof text - 1 - size, 0);
    const char *end;
    if (n <= 0)
      return 0;
    size += (size_t)n;
    text[size] = '\0';
    end = strstr(text, "\r\n\r\n");
    if (end != NULL && strcmp(end + 4, "{}") == 0)
      return 1;
  }
}

static void *serve(void *ud) {
  server *s = ud;
  for (;;) {
    int fd = accept(s->listener, NULL, NULL);
    if (fd < 0)
      return NULL;
    for (size_t i = 0; s->answers[i] != NULL && read_request(fd); i++) {
      s->arrived++;
      (void)send(fd, s->answers[i], strlen(s->answers[i]), MSG_NOSIGNAL);
    }
    close(fd);
  }
}

static void server_start(server *s, const char *const *answers) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  s->answers = answers;
  s->arrived = 0;
  s->listener = socket(AF_INET, SOCK_STREAM, 0);
  if (s->listener < 0 ||
      bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(s->listener, 8) != 0 ||
      getsockname(s->listener, (struct sockaddr *)&address, &size) != 0 ||
      pthread_create(&s->thread, NULL, serve, s) != 0)
    abort();
  s->port = ntohs(address.sin_port);
}

static void server_stop(server *s) {
  (void)shutdown(s->listener, SHUT_RDWR);
  (void)pthread_join(s->thread, NULL);
  close(s->listener);
}

/* Call until the verdict is final; what it was. */
static b24_verdict call(b24_client *client, int harmless, b24_answer *answer) {
  b24_call spec = {0};
  b24_facts facts = {0};
  b24_verdict verdict = {0};
  b24_request *request = NULL;
  b24_error err;
  facts.cost_ms = facts.operating_ms = -1;
  spec.method = "crm.deal.add";
  spec.version = 2;
  spec.body = "{}";
  spec.body_size = 2;
  spec.harmless = harmless;
  CHECK_INT(b24_client_submit(&request, client, &spec, &err), B24_OK);
  do {
    b24_request *ended = NULL;
    while (ended == NULL &&
           b24_client_step(&ended, client, 1000, &err) == B24_OK) {
    }
    b24_request_answer(answer, request);
    facts.decoded = answer->outcome == B24_OUTCOME_ANSWER;
    b24_request_settle(request, &facts, &verdict);
  } while (verdict.action == B24_RETRY);
  b24_request_free(request);
  return verdict;
}

static b24_client *connect_to(const server *s) {
  b24_options options;
  b24_client *client = NULL;
  b24_error err;
  char webhook[64];
  (void)snprintf(webhook, sizeof webhook, "http://127.0.0.1:%d/rest/1/abc123/",
                 s->port);
  b24_options_init(&options);
  options.webhook = webhook;
  options.retries = 2;
  options.rate = options.burst = 0;
  CHECK_INT(b24_client_new(&client, &options, &err), B24_OK);
  return client;
}

TEST(an_answer_that_is_not_http_does_not_repeat_a_write) {
  static const char *const answers[] = {"garbage\r\n\r\n", NULL};
  server s;
  b24_client *client;
  b24_answer answer;
  b24_verdict verdict;
  server_start(&s, answers);
  client = connect_to(&s);
  verdict = call(client, 0, &answer);
  CHECK_INT(verdict.action, B24_FAIL);
  CHECK_INT(verdict.kind, B24_PROTOCOL);
  CHECK_INT(verdict.sent, B24_SENT_YES);
  CHECK_INT(answer.attempts, 1);
  b24_client_free(client);
  server_stop(&s);
  CHECK_INT(s.arrived, 1);
}

TEST(headers_beyond_every_measure_are_no_lack_of_memory) {
  static char text[200064] = "HTTP/1.1 200 OK\r\nX: ";
  const char *answers[] = {text, NULL};
  server s;
  b24_client *client;
  b24_answer answer;
  b24_verdict verdict;
  memset(text + strlen(text), 'a', 200000);
  server_start(&s, answers);
  client = connect_to(&s);
  verdict = call(client, 1, &answer);
  CHECK_INT(verdict.kind, B24_PROTOCOL);
  b24_client_free(client);
  server_stop(&s);
}

TEST(every_attempt_on_a_connection_that_died_is_counted) {
  static const char *const answers[] = {
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "", NULL};
  server s;
  b24_client *client;
  b24_answer answer;
  b24_verdict verdict;
  server_start(&s, answers);
  client = connect_to(&s);
  verdict = call(client, 1, &answer);
  CHECK_INT(verdict.action, B24_DONE);
  /* arrives on the connection kept alive, then that is closed */
  verdict = call(client, 1, &answer);
  CHECK_INT(verdict.action, B24_DONE);
  CHECK_INT(answer.attempts, 2);
  b24_client_free(client);
  server_stop(&s);
  CHECK_INT(s.arrived, 3);
}

int main(void) {
  RUN(an_answer_that_is_not_http_does_not_repeat_a_write);
  RUN(headers_beyond_every_measure_are_no_lack_of_memory);
  RUN(every_attempt_on_a_connection_that_died_is_counted);
  return unit_report();
}
