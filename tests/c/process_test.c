/*
 * process_test.c - clients of several threads come and go, and the process is
 * as it was. A libcurl that was not told otherwise (CURLOPT_NOSIGNAL) sets the
 * handler of SIGPIPE aside while it closes a handle, and of two at a time one
 * puts back what the other had set: the process ignores the signal for good.
 * And it may fork: what the child inherits is not its own.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "limiter.h"
#include "unit.h"

#define THREADS 4
#define CLIENTS 400 /* of each */

static void on_pipe(int number) { (void)number; }

/* Nobody listens there; an attempt makes the client use libcurl. */
static int open_and_close(void) {
  b24_options options;
  b24_error err;
  b24_client *client;
  b24_request *request = NULL;
  b24_request *ended;
  b24_call call;
  int ok;
  memset(&call, 0, sizeof call);
  call.method = "profile";
  call.version = 2;
  call.body = "{}";
  call.body_size = 2;
  b24_options_init(&options);
  options.webhook = "http://127.0.0.1:1/rest/1/abcdefgh/";
  options.rate = 0;
  if (b24_client_new(&client, &options, &err) != B24_OK) return 0;
  ok = b24_client_submit(&request, client, &call, &err) == B24_OK &&
       b24_client_step(&ended, client, 0, &err) == B24_OK;
  b24_request_free(request);
  b24_client_free(client);
  return ok;
}

static void *work(void *argument) {
  int *failures = argument;
  for (int i = 0; i < CLIENTS; i++) *failures += !open_and_close();
  return NULL;
}

TEST(signals_stay_as_they_were) {
  pthread_t threads[THREADS];
  int failures[THREADS] = {0};
  struct sigaction own, after;
  sigset_t before_mask, after_mask;
  memset(&own, 0, sizeof own);
  own.sa_handler = on_pipe;
  CHECK_INT(sigaction(SIGPIPE, &own, NULL), 0);
  (void)pthread_sigmask(SIG_BLOCK, NULL, &before_mask);
  for (int i = 0; i < THREADS; i++)
    CHECK_INT(pthread_create(&threads[i], NULL, work, &failures[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(failures[i], 0);
  }
  CHECK_INT(sigaction(SIGPIPE, NULL, &after), 0);
  CHECK(after.sa_handler == on_pipe);
  (void)pthread_sigmask(SIG_BLOCK, NULL, &after_mask);
  CHECK_INT(sigismember(&after_mask, SIGPIPE),
            sigismember(&before_mask, SIGPIPE));
}

/* Its request counts in both; only the parent hears what became of it. */
TEST(a_child_waits_for_no_request_of_its_parent) {
  b24_limiter *limiter = NULL;
  b24_error err;
  int status = -1;
  pid_t child;
  CHECK_INT(b24_limiter_new(&limiter, NULL, 100, 1, &err), B24_OK);
  CHECK_INT(b24_limiter_admit(limiter, 1000), 0);
  child = fork();
  if (child == 0) {
    int counted = b24_limiter_admit(limiter, 1000) > 0;
    int free_later = b24_limiter_admit(limiter, 3000) == 0;
    _exit(counted && free_later ? 0 : 1);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK_INT(status, 0);
  CHECK(b24_limiter_admit(limiter, 3000) > 0);
  b24_limiter_answered(limiter, 3000);
  CHECK_INT(b24_limiter_admit(limiter, 5000), 0);
  b24_limiter_unsent(limiter, 5000);
  b24_limiter_free(limiter);
}

int main(void) {
  RUN(signals_stay_as_they_were);
  RUN(a_child_waits_for_no_request_of_its_parent);
  return unit_report();
}
