/*
 * measure.c - runs a program and says what it cost: measure PROGRAM [ARG ...]
 * Its output passes through; the last line is ours, as JSON: seconds of CPU
 * in user and system mode, seconds on the clock, peak memory, exit status.
 */
#define _XOPEN_SOURCE 700
#define _DEFAULT_SOURCE
#define _DARWIN_C_SOURCE

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(const struct timeval *t) {
  return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double now(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  struct rusage used;
  double begun = now();
  double wall;
  double peak_mb;
  int status = 0;
  pid_t child;
  if (argc < 2) return 2;
  child = fork();
  if (child < 0) return 2;
  if (child == 0) {
    (void)execvp(argv[1], argv + 1);
    _exit(127);
  }
  memset(&used, 0, sizeof used);
  if (waitpid(child, &status, 0) != child) return 2;
  wall = now() - begun;
  if (getrusage(RUSAGE_CHILDREN, &used) != 0) return 2;
  peak_mb = (double)used.ru_maxrss / 1024.0;
#ifdef __APPLE__
  peak_mb /= 1024.0; /* bytes there, kilobytes elsewhere */
#endif
  printf("{\"user\":%.6f,\"sys\":%.6f,\"wall\":%.6f,\"peak_mb\":%.3f,"
         "\"status\":%d}\n",
         seconds_of(&used.ru_utime), seconds_of(&used.ru_stime), wall, peak_mb,
         WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  return 0;
}
