# bitrix24 - the Bitrix24 REST API for Lua 5.4. `make help` lists the targets.
#
# CC, CFLAGS, CPPFLAGS, LDFLAGS, LDLIBS, PREFIX, DESTDIR and the folders below PREFIX
# are the user's: the build adds to them and never replaces them. BUILD is where
# everything goes.

all: ## build everything into build/ (the default)

deps: ## install what building and testing need (Debian, Ubuntu)
	@sh tests/support/deps.sh

# After deps the world is another: `make deps test` runs a make of its own for
# the second goal.
AFTER_DEPS := $(and $(filter deps,$(MAKECMDGOALS)),$(filter-out deps,$(MAKECMDGOALS)))
ifneq ($(AFTER_DEPS),)
$(AFTER_DEPS): deps
	+@$(MAKE) --no-print-directory $@
.PHONY: deps $(AFTER_DEPS)
else

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
# Where Lua looks for modules, in Lua and in C.
LUA_VERSION ?= 5.4
LUADIR ?= $(PREFIX)/share/lua/$(LUA_VERSION)
LUACDIR ?= $(PREFIX)/lib/lua/$(LUA_VERSION)
ifneq ($(LUA_VERSION),5.4)
$(error LUA_VERSION is $(LUA_VERSION), but this is for Lua 5.4 alone)
endif
ifneq ($(words $(BUILD)),1)
$(error BUILD must be a path without spaces, but is '$(BUILD)')
endif
INSTALL ?= install
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
LUA ?= $(firstword $(foreach l,lua5.4 lua54 lua-5.4 lua,$(shell command -v $(l) 2>/dev/null)) lua5.4)
MKDIR = mkdir -p
ROOT := $(CURDIR)
B24_VERSION := $(shell sed -n 's/^.define B24_VERSION "\(.*\)"/\1/p' csrc/include/bitrix24.h)
# Of libbitrix24.so: raised when a program built before cannot use it any more.
ABI = 0

# Lua's development files have no agreed name; only 5.4 will do.
LUA_PC ?= $(firstword $(foreach p,lua5.4 lua-5.4 lua54 lua,$(shell \
  $(PKG_CONFIG) --exists '$(p) >= 5.4' 2>/dev/null && echo $(p))))
LUA_CFLAGS ?= $(if $(LUA_PC),$(shell $(PKG_CONFIG) --cflags $(LUA_PC)))
LUA_LIBS ?= $(if $(LUA_PC),$(shell $(PKG_CONFIG) --libs $(LUA_PC)))
CURL_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags libcurl 2>/dev/null)
CURL_LIBS ?= $(or $(shell $(PKG_CONFIG) --libs libcurl 2>/dev/null),-lcurl)

# The sandbox is for trying and testing: the client builds without it.
SANDBOX_PC = libmicrohttpd gnutls zlib
HAS_SANDBOX ?= $(shell $(PKG_CONFIG) --exists $(SANDBOX_PC) 2>/dev/null && echo yes)
SANDBOX_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(SANDBOX_PC) 2>/dev/null)
SANDBOX_LIBS ?= $(shell $(PKG_CONFIG) --libs $(SANDBOX_PC) 2>/dev/null) -lpthread

# Asked once, not for every file.
LUA := $(LUA)
LUA_PC := $(LUA_PC)
LUA_CFLAGS := $(LUA_CFLAGS)
LUA_LIBS := $(LUA_LIBS)
CURL_CFLAGS := $(CURL_CFLAGS)
CURL_LIBS := $(CURL_LIBS)
HAS_SANDBOX := $(HAS_SANDBOX)
SANDBOX_CFLAGS := $(SANDBOX_CFLAGS)
SANDBOX_LIBS := $(SANDBOX_LIBS)
LIBS = $(CURL_LIBS) -lm -lpthread

WARNINGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow $(if $(WERROR),-Werror)
B24_CPPFLAGS = -D_POSIX_C_SOURCE=200809L -Icsrc/include -Icsrc/core
B24_CFLAGS = -std=c11 -fPIC -fvisibility=hidden $(WARNINGS)
COMPILE = $(CC) $(B24_CFLAGS) $(B24_CPPFLAGS) $(CPPFLAGS) $(CFLAGS)

# BUILD may be given relative or whole: the headers are named for both, and as it
# was given where the checkout's folder has a space.
DEPENDS = -MMD -MP $(foreach name,$(sort $@ $(abspath $@) $(patsubst $(ROOT)/%,%,$(abspath $@))),-MT '$(name)')

ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
LIB_NAME = libbitrix24.$(ABI).dylib
LIB_LINK = libbitrix24.dylib
LIB_SHARED = -dynamiclib -undefined dynamic_lookup -install_name $(LIBDIR)/$(LIB_NAME)
else
# An undefined function is found when the module is loaded, not when called.
SHARED = -shared -Wl,-z,now
# A host may hold another version of the core: each uses its own. The budgets
# of portals outlive the Lua state that a client was made in, and libcurl is
# set up once in a process: the library stays when it is unloaded.
OWN = -Wl,-Bsymbolic -Wl,-z,nodelete
# What comes from an archive stays the library's own: the sandbox's copy of the
# core, a static libcurl.
HIDE_ARCHIVES = -Wl,--exclude-libs,ALL
LIB_NAME = libbitrix24.so.$(ABI)
LIB_LINK = libbitrix24.so
LIB_SHARED = $(SHARED) -Wl,-soname,$(LIB_NAME)
endif

CORE_SRC := $(sort $(wildcard csrc/core/*.c))
LUA_SRC_C := $(sort $(filter-out csrc/lua/embed.c,$(wildcard csrc/lua/*.c)))
SANDBOX_SRC := $(sort $(wildcard csrc/sandbox/*.c))
TEST_SRC := $(sort $(wildcard tests/c/*_test.c))
HEADERS := $(sort $(wildcard csrc/include/*.h))
LUA_FILES := $(sort $(shell find lua -name '*.lua' 2>/dev/null))
SANDBOX_LUA := $(filter lua/bitrix24/sandbox.lua lua/bitrix24/sandbox/%,$(LUA_FILES))
CLIENT_LUA := $(filter-out $(SANDBOX_LUA),$(LUA_FILES))
# In the library: what a host's script needs, not what a keyboard does.
EMBED_LUA := $(filter-out lua/bitrix24/cli.lua lua/bitrix24/cli/% lua/bitrix24/types/% \
  lua/bitrix24/check.lua lua/bitrix24/check/%,$(CLIENT_LUA))

OBJ = $(BUILD)/obj
CORE_OBJ = $(CORE_SRC:csrc/%.c=$(OBJ)/%.o)
LUA_OBJ = $(LUA_SRC_C:csrc/%.c=$(OBJ)/%.o)
EMBED_OBJ = $(OBJ)/lua/embed.o $(OBJ)/embed_lua.o
SANDBOX_OBJ = $(SANDBOX_SRC:csrc/%.c=$(OBJ)/%.o)
CORE_A = $(BUILD)/libbitrix24-core.a
CORE_SO = $(BUILD)/bitrix24/core.so
SANDBOX_SO = $(BUILD)/bitrix24/sandbox/server.so
LIB_A = $(BUILD)/libbitrix24.a
LIB_SO = $(BUILD)/$(LIB_NAME)
TEST_BIN = $(TEST_SRC:tests/c/%.c=$(BUILD)/tests/%)

# The path of a build: the checkout's Lua files, its libraries, then Lua's own.
ENV_LUA_PATH = $(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;
ENV_LUA_CPATH = $(abspath $(BUILD))/?.so;;
RUN_ENV = LUA_PATH='$(ENV_LUA_PATH)' LUA_CPATH='$(ENV_LUA_CPATH)'

all: core sandbox library
core: $(CORE_SO)
library: $(LIB_A) $(LIB_SO)
ifeq ($(HAS_SANDBOX),yes)
sandbox: $(SANDBOX_SO)
else
sandbox:
	@echo "sandbox: skipped, no libmicrohttpd, gnutls and zlib for $(PKG_CONFIG) (make deps)"
endif

# Objects are made again when the compiler or its flags change.
FLAGS = $(filter-out -Werror,$(COMPILE)) | $(LUA_CFLAGS) | $(CURL_CFLAGS) | $(SANDBOX_CFLAGS)
$(OBJ)/flags: FORCE
	@$(MKDIR) $(@D)
	@printf '%s\n' '$(subst ','\'',$(FLAGS))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS))' > $@

$(OBJ)/core/%.o: csrc/core/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(CURL_CFLAGS) $(DEPENDS) -c -o $@ $<
$(OBJ)/lua/%.o: csrc/lua/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) $(DEPENDS) -c -o $@ $<
$(OBJ)/sandbox/%.o: csrc/sandbox/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) $(SANDBOX_CFLAGS) $(DEPENDS) -c -o $@ $<

$(CORE_A): $(CORE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(CORE_SO): $(CORE_OBJ) $(LUA_OBJ)
	@$(MKDIR) $(@D)
	$(CC) $(SHARED) $(OWN) $(HIDE_ARCHIVES) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(LDLIBS)
$(SANDBOX_SO): $(SANDBOX_OBJ) $(CORE_A)
	@$(MKDIR) $(@D)
	$(CC) $(SHARED) $(HIDE_ARCHIVES) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SANDBOX_LIBS) $(LDLIBS)

# The library: core, binding and the module's Lua sources. Lua is the host's.
$(BUILD)/gen/sources: FORCE
	@$(MKDIR) $(@D)
	@echo '$(EMBED_LUA)' | cmp -s - $@ || echo '$(EMBED_LUA)' > $@
$(BUILD)/gen/embed_lua.c: csrc/embed/generate.lua $(BUILD)/gen/sources $(EMBED_LUA)
	@$(LUA) $< $@ $(EMBED_LUA)
$(OBJ)/embed_lua.o: $(BUILD)/gen/embed_lua.c csrc/lua/embed.h $(OBJ)/flags
	$(COMPILE) -Icsrc/lua -c -o $@ $<
$(LIB_A): $(CORE_OBJ) $(LUA_OBJ) $(EMBED_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(LIB_SO): $(CORE_OBJ) $(LUA_OBJ) $(EMBED_OBJ)
	$(CC) $(LIB_SHARED) $(OWN) $(HIDE_ARCHIVES) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS) $(LDLIBS)
	@ln -sf $(LIB_NAME) $(BUILD)/$(LIB_LINK)

$(BUILD)/tests/%: tests/c/%.c $(CORE_A) $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) -Itests/c $(DEPENDS) -o $@ $< $(CORE_A) $(LDFLAGS) $(LIBS) $(LDLIBS)
# Tests that are hosts of Lua and load the built modules.
$(BUILD)/tests/lua_%: tests/c/lua_%.c $(CORE_A) $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) $(CURL_CFLAGS) -Itests/c $(DEPENDS) -o $@ $< -Wl,-E $(LDFLAGS) $(LUA_LIBS) -ldl -lm -lpthread $(LDLIBS)
units: $(TEST_BIN)

-include $(CORE_OBJ:.o=.d) $(LUA_OBJ:.o=.d) $(OBJ)/lua/embed.d $(SANDBOX_OBJ:.o=.d) $(TEST_BIN:=.d)

env: ## print the exports that let lua5.4 use the build: eval "$(make -s env)"
	@echo "export $(RUN_ENV)"

# What tests/run needs to know of this file.
test-env:
	@echo "export $(RUN_ENV)"
	@echo "export BUILD='$(abspath $(BUILD))' LUA='$(LUA)' CC='$(CC)' LUA_C_FLAGS='$(LUA_CFLAGS)'"
	@echo "export C_FLAGS='$(filter-out -Werror,$(B24_CFLAGS)) $(B24_CPPFLAGS) -Itests/c $(CPPFLAGS) $(LUA_CFLAGS) $(CURL_CFLAGS) $(SANDBOX_CFLAGS)'"

# FILTER=word keeps the test files with that word in their name.
test: ## build and run everything; the last line is `N passed, M failed`
	+@MAKE='$(MAKE)' tests/run $(SUITES)
unit: ## run the C unit tests
	+@MAKE='$(MAKE)' tests/run unit
spec: ## run the Lua specs, FILTER=word some of them
	+@MAKE='$(MAKE)' tests/run spec
lint: ## run the linters and both compilers' warnings
	+@MAKE='$(MAKE)' tests/run lint
layers: ## check the rules between the layers
	+@MAKE='$(MAKE)' tests/run layers

# ARGS="phrase" is handed to the recipe.
demo: all ## run the recipe against a sandbox portal, over HTTP
	@$(RUN_ENV) $(LUA) tests/support/demo.lua examples/call_list.lua $(ARGS)
asan: ## unit tests and specs under the sanitizers, Lua included
	+@MAKE='$(MAKE)' BUILD='$(BUILD)' CC='$(CC)' tests/support/asan.sh
tsan: ## the sandbox's threads and states in threads under ThreadSanitizer
	+@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/support/tsan.sh
torture: all ## fail every allocation of the recipe, a batch, a renewal, ...
	+@MAKE='$(MAKE)' tests/support/torture.sh
gcstress: all ## the specs with a full collection every few instructions
	+@MAKE='$(MAKE)' tests/support/gcstress.sh
# FUZZ_TIME seconds each, TARGET=name for one.
fuzz: ## libFuzzer on what comes from outside
	+@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/support/fuzz.sh
valgrind: all ## run the recipe and its sandbox under valgrind
	+@MAKE='$(MAKE)' tests/support/valgrind.sh $(ARGS)

$(BUILD)/bench/%: tests/bench/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) $(CURL_CFLAGS) -o $@ $< $(LDFLAGS) $(CURL_LIBS) \
	  $(shell $(PKG_CONFIG) --libs $(LUA_PC)) $(LDLIBS)
bench: all $(BUILD)/bench/floor $(BUILD)/bench/measure ## measure against a floor in C and the JavaScript SDK; FAST=1
	@$(RUN_ENV) BUILD='$(BUILD)' LUA='$(LUA)' FAST='$(FAST)' $(LUA) tests/bench/run.lua

# Below PREFIX; DESTDIR goes before, for packages. The parts, for packages too:
# the module, the sandbox portal, the library for hosts in C.
install: install-module install-command install-library $(if $(filter yes,$(HAS_SANDBOX)),install-sandbox) ## install below PREFIX (/usr/local), in DESTDIR
uninstall: ## remove what `make install` of this version installed

# Files of lua/, folder by folder.
FILES_IN = $(foreach file,$(2),$(if $(filter $(1),$(dir $(file))),$(file)))
INSTALL_LUA = @set -e; $(foreach folder,$(sort $(dir $(1))), \
  $(INSTALL) -d "$(DESTDIR)$(LUADIR)/$(folder:lua/%=%)"; \
  $(INSTALL) -m 644 $(call FILES_IN,$(folder),$(1)) "$(DESTDIR)$(LUADIR)/$(folder:lua/%=%)";)
PC_VALUES = -e 's|@PREFIX@|$(if $(filter /%,$(firstword $(PREFIX))),,$(ROOT)/)$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' \
  -e 's|@INCLUDEDIR@|$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)|' \
  -e 's|@VERSION@|$(B24_VERSION)|' -e 's|@PRIVATE@|$(LIBS)|'

install-module: core
	$(call INSTALL_LUA,$(CLIENT_LUA))
	$(INSTALL) -d "$(DESTDIR)$(LUACDIR)/bitrix24"
	$(INSTALL) -m 755 $(CORE_SO) "$(DESTDIR)$(LUACDIR)/bitrix24/core.so"
# The command, its manual page and completions.
COMMAND_FILES = bin/bitrix24 share/man/man1/bitrix24.1 share/bash-completion/completions/bitrix24 \
  share/zsh/site-functions/_bitrix24 share/fish/vendor_completions.d/bitrix24.fish
install-command:
	$(INSTALL) -d $(foreach folder,$(sort $(dir $(COMMAND_FILES))),"$(DESTDIR)$(PREFIX)/$(folder)")
	sed '1s|lua5.4|$(notdir $(LUA))|' csrc/cli/bitrix24 > "$(DESTDIR)$(PREFIX)/bin/bitrix24"
	@chmod 755 "$(DESTDIR)$(PREFIX)/bin/bitrix24"
	sed 's|@VERSION@|$(B24_VERSION)|' csrc/cli/bitrix24.1 > "$(DESTDIR)$(PREFIX)/share/man/man1/bitrix24.1"
	@chmod 644 "$(DESTDIR)$(PREFIX)/share/man/man1/bitrix24.1"
	$(INSTALL) -m 644 csrc/cli/bitrix24.bash "$(DESTDIR)$(PREFIX)/share/bash-completion/completions/bitrix24"
	$(INSTALL) -m 644 csrc/cli/bitrix24.zsh "$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_bitrix24"
	$(INSTALL) -m 644 csrc/cli/bitrix24.fish "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/bitrix24.fish"
install-sandbox: sandbox
	$(call INSTALL_LUA,$(SANDBOX_LUA))
	$(INSTALL) -d "$(DESTDIR)$(LUACDIR)/bitrix24/sandbox"
	$(INSTALL) -m 755 $(SANDBOX_SO) "$(DESTDIR)$(LUACDIR)/bitrix24/sandbox/server.so"
install-library: library
	$(INSTALL) -d "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(INCLUDEDIR)"
	$(INSTALL) -m 644 $(HEADERS) "$(DESTDIR)$(INCLUDEDIR)"
	$(INSTALL) -m 644 $(LIB_A) "$(DESTDIR)$(LIBDIR)/libbitrix24.a"
	$(INSTALL) -m 755 $(LIB_SO) "$(DESTDIR)$(LIBDIR)/$(LIB_NAME)"
	ln -sf $(LIB_NAME) "$(DESTDIR)$(LIBDIR)/$(LIB_LINK)"
	sed $(PC_VALUES) csrc/bitrix24.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/bitrix24.pc"
	@chmod 644 "$(DESTDIR)$(LIBDIR)/pkgconfig/bitrix24.pc"
# Folders of our own are removed when nobody else has put something there.
uninstall:
	@rm -f $(foreach file,$(COMMAND_FILES),"$(DESTDIR)$(PREFIX)/$(file)")
	@rm -f $(foreach file,$(LUA_FILES:lua/%=%),"$(DESTDIR)$(LUADIR)/$(file)")
	@rm -f $(foreach file,core.so sandbox/server.so,"$(DESTDIR)$(LUACDIR)/bitrix24/$(file)")
	@rm -f $(foreach file,$(HEADERS:csrc/include/%=%),"$(DESTDIR)$(INCLUDEDIR)/$(file)")
	@rm -f $(foreach file,libbitrix24.a $(LIB_NAME) $(LIB_LINK) pkgconfig/bitrix24.pc,"$(DESTDIR)$(LIBDIR)/$(file)")
	@for folder in "$(DESTDIR)$(LUADIR)/bitrix24" "$(DESTDIR)$(LUACDIR)/bitrix24"; do \
	  [ ! -d "$$folder" ] || find "$$folder" -depth -type d -exec rmdir {} + 2>/dev/null || :; \
	done

# Each in an empty place of its own; nothing is installed on this system.
rocks: ## make the rocks and use them from an empty tree
	+@MAKE='$(MAKE)' tests/support/rocks.sh
deb: ## make Debian packages, install and remove them
	+@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/support/deb.sh
matrix: ## run units and specs with other Luas, libcurls and compilers
	+@MAKE='$(MAKE)' BUILD='$(BUILD)' tests/support/matrix.sh
release: ## check, and write VERSION=x.y.z everywhere
	+@MAKE='$(MAKE)' VERSION='$(VERSION)' tests/support/release.sh

docs: core ## the reference as pages, build/docs/index.md, with its links checked
	@rm -rf $(BUILD)/docs && $(MKDIR) $(BUILD)/docs
	$(LUA) csrc/docs/capi.lua $(HEADERS) > $(BUILD)/docs/c-api.md
	$(RUN_ENV) $(LUA) csrc/docs/reference.lua $(BUILD)/docs "c-api.md=The C API"
	$(LUA) csrc/docs/links.lua $(BUILD)/docs/*.md README.md CHANGELOG.md examples/README.md tests/README.md csrc/README.md

clean: ## remove build/
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  %-12s %s\n", $$1, $$2 }'

FORCE:
.PHONY: docs all core sandbox library units env test-env deps test unit spec lint layers \
  demo asan tsan torture gcstress fuzz valgrind bench install install-module install-command install-sandbox install-library \
  uninstall rocks deb matrix release clean help FORCE
.DELETE_ON_ERROR:
endif
