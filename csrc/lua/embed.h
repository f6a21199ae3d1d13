/* embed.h - the module's Lua sources as they are compiled in. The build makes
 * the list with csrc/embed/generate.lua. */
#ifndef LB24_EMBED_H
#define LB24_EMBED_H

#include <stddef.h>

typedef struct lb24_source {
  const char *module; /* "bitrix24.list.params" */
  const char *chunk;  /* "@bitrix24/list/params.lua" */
  const unsigned char *text;
  size_t size;
} lb24_source;

extern const lb24_source lb24_sources[];
extern const size_t lb24_source_count;

#endif
