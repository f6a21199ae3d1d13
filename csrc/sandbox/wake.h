/*
 * wake.h - waiting that stopping the server, or the client's leaving, ends.
 */
#ifndef B24S_WAKE_H
#define B24S_WAKE_H

typedef struct b24s_wake {
  int reader, writer; /* -1 when closed */
} b24s_wake;

typedef enum b24s_woken {
  B24S_SLEPT,   /* the time is over */
  B24S_STOPPED, /* b24s_wake_all was called */
  B24S_LEFT,    /* the peer closed its end of `socket` */
  B24S_WRITABLE /* `socket` takes bytes */
} b24s_woken;

/* 0 on failure, with errno set. */
int b24s_wake_open(b24s_wake *wake);

/* Sleep `seconds` (negative: for ever). `socket` may be -1. Any thread. */
b24s_woken b24s_wake_sleep(b24s_wake *wake, int socket, double seconds);

/* Wait until `socket` takes bytes: B24S_WRITABLE, _STOPPED or _LEFT. */
b24s_woken b24s_wake_until_writable(b24s_wake *wake, int socket);

/* End every wait, now and later. */
void b24s_wake_all(b24s_wake *wake);

/* Only when nobody waits any more. */
void b24s_wake_close(b24s_wake *wake);

#endif
