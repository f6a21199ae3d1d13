/* alloc.h - the allocator seam. malloc is called in alloc.c alone. */
#ifndef B24_CORE_ALLOC_H
#define B24_CORE_ALLOC_H

#include "bitrix24.h"

/* The allocator of the C library, used where the caller gives none. */
const b24_alloc *b24__alloc_default(void);

/* `size` bytes set to zero, or NULL. Free with b24__free(a, ptr, size). */
void *b24__alloc(const b24_alloc *a, size_t size);

/* Grow or shrink; NULL leaves the old block as it was. */
void *b24__realloc(const b24_alloc *a, void *ptr, size_t old_size,
                   size_t size);

/* Free a block of `size` bytes; NULL is fine. */
void b24__free(const b24_alloc *a, void *ptr, size_t size);

/* A terminated copy of `length` bytes, or NULL. Free length + 1 bytes. */
char *b24__strndup(const b24_alloc *a, const char *text, size_t length);

/* Free what b24__strndup returned (its size is strlen + 1). */
void b24__strfree(const b24_alloc *a, char *text);

/* Overwrite memory with zeroes; a compiler may not leave this out. */
void b24__wipe(void *memory, size_t size);

/* b24__strfree for a secret: wiped first. */
void b24__secret_free(const b24_alloc *a, char *text);

#endif
