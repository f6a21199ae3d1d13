/*
 * host_epoll.c - portals in a program's own event loop: epoll for sockets, one
 * timerfd for each portal, no thread. Every webhook gets a portal of its own,
 * and calls to all of them go side by side.
 *
 *     cc -std=c11 -D_POSIX_C_SOURCE=200809L examples/host_epoll.c \
 *       $(pkg-config --cflags --libs bitrix24) -o host_epoll
 *     ./host_epoll https://HOST/rest/1/CODE/ [https://HOST/rest/1/CODE/ ...]
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <bitrix24.h>

#define PORTALS_MAX 16
#define SOCKETS_MAX 1024
#define CALLS 3 /* for each portal */
#define SHOWN 60

typedef struct portal {
  b24_client *client;
  int timer; /* a timerfd */
  int timed; /* is it set? */
} portal;

/* A call: the client knows its request, the program what it asked for. */
typedef struct question {
  b24_request *request;
  const char *method;
} question;

/* What epoll reports is a descriptor; whose it is stands here. */
static portal portals[PORTALS_MAX];
static question questions[PORTALS_MAX * CALLS];
static int asked;
static portal *owners[SOCKETS_MAX];
static int watched;
static int loop = -1;

static void fail(const char *what, const b24_error *err) {
  (void)fprintf(stderr, "%s: %s\n", what,
                err != NULL ? err->message : strerror(errno));
  exit(1);
}

/* ---- what a portal wants of the loop ------------------------------------ */

static void on_watch(void *ud, int fd, int what) {
  portal *p = ud;
  struct epoll_event event = {0};
  if (fd >= SOCKETS_MAX) fail("too many sockets", NULL);
  if (what == 0) {
    /* a socket that is closed already is out of the set by itself */
    (void)epoll_ctl(loop, EPOLL_CTL_DEL, fd, NULL);
    if (owners[fd] != NULL) watched--;
    owners[fd] = NULL;
    return;
  }
  event.data.fd = fd;
  event.events = (what & B24_LOOP_IN ? (uint32_t)EPOLLIN : 0) |
                 (what & B24_LOOP_OUT ? (uint32_t)EPOLLOUT : 0);
  if (epoll_ctl(loop, owners[fd] != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
                &event) != 0)
    fail("epoll_ctl", NULL);
  if (owners[fd] == NULL) watched++;
  owners[fd] = p;
}

static void on_timer(void *ud, int64_t ms) {
  portal *p = ud;
  struct itimerspec when = {0};
  if (ms == 0) when.it_value.tv_nsec = 1; /* at once: zero would switch off */
  if (ms > 0) {
    when.it_value.tv_sec = (time_t)(ms / 1000);
    when.it_value.tv_nsec = (long)(ms % 1000) * 1000000;
  }
  if (timerfd_settime(p->timer, 0, &when, NULL) != 0)
    fail("timerfd_settime", NULL);
  p->timed = ms >= 0;
}

/* ---- calls -------------------------------------------------------------- */

static void submit(portal *p, const char *method, const char *body) {
  b24_call call = {0};
  b24_error err;
  question *q = &questions[asked++];
  q->method = method;
  call.method = method;
  call.version = 2;
  call.body = body;
  call.body_size = strlen(body);
  call.harmless = 1; /* it reads: it may be sent again when in doubt */
  if (b24_client_submit(&q->request, p->client, &call, &err) != B24_OK)
    fail(method, &err);
}

static const char *method_of(const b24_request *request) {
  int i = 0;
  while (questions[i].request != request) i++;
  return questions[i].method;
}

/* An attempt ended: say what its answer was, and let the client judge. A
 * program proper parses the JSON; here it is enough to look whether the
 * answer is an error's. */
static void settle(b24_request *request) {
  b24_answer answer;
  b24_facts facts = {0};
  b24_verdict verdict;
  b24_request_answer(&answer, request);
  facts.decoded = answer.body_size > 0 && answer.body[0] == '{';
  facts.code = facts.decoded && strncmp(answer.body, "{\"error\":", 9) == 0
                   ? "ERROR"
                   : NULL;
  facts.cost_ms = facts.operating_ms = -1;
  (void)printf("%s: HTTP %ld %.*s\n", method_of(request),
               answer.status, SHOWN,
               answer.body_size > 0 ? answer.body : answer.message);
  b24_request_settle(request, &facts, &verdict);
  if (verdict.action == B24_RETRY) return; /* it comes again by itself */
  if (verdict.action == B24_FAIL) (void)printf("  %s\n", verdict.reason);
  b24_request_free(request);
}

/* Something happened for a portal; fd -1: time, or a call was submitted. */
static void act(portal *p, int fd, int what) {
  b24_request *request;
  b24_error err;
  int settled;
  do {
    settled = 0;
    if (b24_loop_act(p->client, fd, what, &err) != B24_OK)
      fail("b24_loop_act", &err);
    for (; (request = b24_loop_next(p->client)) != NULL; settled = 1)
      settle(request);
    fd = -1; /* who waited for a free connection can have it now */
  } while (settled);
}

/* ---- the loop ----------------------------------------------------------- */

static void open_portal(portal *p, const char *webhook) {
  b24_options options;
  b24_loop host = {on_watch, on_timer, p};
  struct epoll_event event = {0};
  b24_error err;
  b24_options_init(&options);
  options.webhook = webhook;
  if (b24_client_new(&p->client, &options, &err) != B24_OK)
    fail("connect", &err);
  p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  event.events = EPOLLIN;
  event.data.fd = p->timer;
  if (p->timer < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, p->timer, &event) != 0)
    fail("timerfd", NULL);
  if (b24_loop_attach(p->client, &host, &err) != B24_OK)
    fail("b24_loop_attach", &err);
}

static size_t pending(int count) {
  size_t sum = 0;
  for (int i = 0; i < count; i++) sum += b24_client_pending(portals[i].client);
  return sum;
}

static void handle(const struct epoll_event *event, int count) {
  int fd = event->data.fd;
  uint64_t times;
  for (int i = 0; i < count; i++) {
    if (fd != portals[i].timer) continue;
    (void)!read(fd, &times, sizeof times);
    portals[i].timed = 0;
    act(&portals[i], -1, 0);
    return;
  }
  /* an event of a socket that was closed a moment ago has no owner */
  if (owners[fd] == NULL) return;
  act(owners[fd], fd,
      (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? B24_LOOP_IN : 0) |
          (event->events & (EPOLLOUT | EPOLLERR) ? B24_LOOP_OUT : 0));
}

int main(int argc, char **argv) {
  struct epoll_event events[16];
  int count = argc - 1;
  int timed = 0;
  if (count < 1 || count > PORTALS_MAX) {
    (void)fprintf(stderr, "usage: %s WEBHOOK [WEBHOOK ...]\n", argv[0]);
    return 2;
  }
  loop = epoll_create1(EPOLL_CLOEXEC);
  if (loop < 0) fail("epoll_create1", NULL);
  for (int i = 0; i < count; i++) {
    open_portal(&portals[i], argv[i + 1]);
    submit(&portals[i], "user.current", "{}");
    submit(&portals[i], "user.get", "{\"ID\":2}");
    submit(&portals[i], "user.fields", "{}");
    act(&portals[i], -1, 0);
  }
  while (pending(count) > 0) {
    int ready = epoll_wait(loop, events, 16, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait", NULL);
    for (int i = 0; i < ready; i++) handle(&events[i], count);
  }
  for (int i = 0; i < count; i++) timed += portals[i].timed;
  if (watched == 0 && timed == 0)
    (void)printf("nothing is watched, no timer is set\n");
  for (int i = 0; i < count; i++) {
    b24_client_free(portals[i].client);
    (void)close(portals[i].timer);
  }
  (void)close(loop);
  return 0;
}
