/*
 * wake.h - a sleep that stopping the server, or the client's leaving, ends.
 */
#ifndef B24S_WAKE_H
#define B24S_WAKE_H

typedef struct b24s_wake {
  int reader, writer; /* -1 when closed */
} b24s_wake;

typedef enum b24s_woken {
  B24S_SLEPT,   /* the time is over */
  B24S_STOPPED, /* b24s_wake_all was called */
  B24S_LEFT     /* the peer closed its end of `socket` */
} b24s_woken;

/* 0 on failure, with errno set. */
int b24s_wake_open(b24s_wake *wake);

/* Sleep `seconds` (negative: for ever). `socket` may be -1. Any thread. */
b24s_woken b24s_wake_sleep(b24s_wake *wake, int socket, double seconds);

/* End every sleep, now and later. */
void b24s_wake_all(b24s_wake *wake);

/* Only when nobody sleeps any more. */
void b24s_wake_close(b24s_wake *wake);

#endif
