# rock.mk - what LuaRocks runs: install one PART (module, sandbox) of the
# project as the files of a rock. The Makefile finds the sources, so a rockspec
# has no list of them that could be wrong, and it links as the build does.
#
# Objects go into the rock's own folder and are removed: neither the source
# tree nor the tree of rocks keeps one.

WORK = $(PREFIX)/build
# LuaRocks that was not told where Lua is passes folders without a lua.h.
HEADERS = $(and $(LUA_INCDIR),$(wildcard $(LUA_INCDIR)/lua.h))
LUA_FLAGS = $(if $(HEADERS),LUA_CFLAGS='-I$(LUA_INCDIR)')

install:
	@if [ '$(PART)' = sandbox ] && ! $(or $(PKG_CONFIG),pkg-config) --exists libmicrohttpd gnutls zlib; then \
	  echo 'bitrix24-sandbox needs libmicrohttpd, gnutls and zlib with their headers, and pkg-config' >&2; \
	  exit 1; \
	fi
	$(MAKE) -f Makefile --no-print-directory BUILD='$(WORK)' $(LUA_FLAGS) \
	  LUACDIR='$(LIBDIR)' install-$(PART)
	rm -rf '$(WORK)'
.PHONY: install
