/*
 * charge.c - what an attempt is expected to cost, told to the limiter when
 * it begins and taken back when it ends. Invariant: begin and end name the
 * same methods with the same costs.
 */
#include "charge.h"

#include <string.h>

/* Longer names are told by their beginning. */
#define METHOD_MAX 128

void b24__charge_name(char out[B24_CHARGE_NAME_MAX], uint64_t account,
                      const char *method) {
  static const char hex[] = "0123456789abcdef";
  size_t size = 0;
  for (int shift = 60; shift >= 0; shift -= 4)
    out[size++] = hex[account >> shift & 0x0F];
  out[size++] = ' ';
  for (int i = 0; i < METHOD_MAX && method[i] != '\0'; i++)
    out[size++] = method[i];
  out[size] = '\0';
}

static b24_charged *find(const b24_charge *charge, const char *method) {
  for (size_t i = 0; i < charge->count; i++)
    if (strcmp(charge->items[i].method, method) == 0) return &charge->items[i];
  return NULL;
}

static b24_kind add(b24_charge *charge, uint64_t account,
                    const char *method) {
  char name[B24_CHARGE_NAME_MAX];
  b24_charged *item;
  b24__charge_name(name, account, method);
  item = find(charge, name);
  if (item == NULL) {
    item = &charge->items[charge->count];
    item->method = b24__strndup(charge->alloc, name, strlen(name));
    if (item->method == NULL) return B24_NOMEM;
    charge->count++;
  }
  item->times++;
  return B24_OK;
}

b24_kind b24__charge_init(b24_charge *charge, const b24_alloc *alloc,
                          uint64_t account, const char *method,
                          const char *const *commands, size_t command_count) {
  memset(charge, 0, sizeof *charge);
  charge->alloc = alloc;
  charge->room = command_count + 1;
  charge->items = b24__alloc(alloc, charge->room * sizeof *charge->items);
  if (charge->items == NULL || add(charge, account, method) != B24_OK)
    return B24_NOMEM;
  for (size_t i = 0; i < command_count; i++)
    if (add(charge, account, commands[i]) != B24_OK) return B24_NOMEM;
  return B24_OK;
}

void b24__charge_dispose(b24_charge *charge) {
  for (size_t i = 0; i < charge->count; i++)
    b24__strfree(charge->alloc, charge->items[i].method);
  if (charge->items != NULL)
    b24__free(charge->alloc, charge->items,
              charge->room * sizeof *charge->items);
  charge->items = NULL;
  charge->count = 0;
}

static int64_t expected(const b24_charged *item, b24_limiter *limiter) {
  return item->times * b24_limiter_method_cost(limiter, item->method);
}

int64_t b24__charge_wait(const b24_charge *charge, b24_limiter *limiter,
                         int64_t now_ms) {
  int64_t longest = 0;
  for (size_t i = 0; i < charge->count; i++) {
    const b24_charged *item = &charge->items[i];
    int64_t wait = b24_limiter_method_wait(limiter, item->method,
                                           expected(item, limiter), now_ms);
    if (wait > longest) longest = wait;
  }
  return longest;
}

void b24__charge_begin(b24_charge *charge, b24_limiter *limiter,
                       int64_t now_ms) {
  for (size_t i = 0; i < charge->count; i++) {
    b24_charged *item = &charge->items[i];
    item->cost = expected(item, limiter);
    b24_limiter_method_begin(limiter, item->method, item->cost, now_ms);
  }
}

void b24__charge_end(const b24_charge *charge, b24_limiter *limiter) {
  for (size_t i = 0; i < charge->count; i++)
    b24_limiter_method_end(limiter, charge->items[i].method,
                           charge->items[i].cost);
}
