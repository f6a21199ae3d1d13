# bitrix24 - the Bitrix24 REST API for Lua 5.4. `make help` lists the targets.
#
# CC, CFLAGS, CPPFLAGS, LDFLAGS, LDLIBS, PREFIX and DESTDIR are the user's: the
# build adds to them and never replaces them. BUILD is where everything goes.

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
LUADIR ?= $(PREFIX)/share/lua/5.4
LIBDIR ?= $(PREFIX)/lib/lua/5.4
INCLUDEDIR ?= $(PREFIX)/include
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
LUA ?= $(firstword $(foreach l,lua5.4 lua54 lua-5.4 lua,$(shell command -v $(l) 2>/dev/null)) lua5.4)
MKDIR = mkdir -p
ROOT := $(CURDIR)

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

WARNINGS = -Wall -Wextra -Wpedantic -Wconversion -Wshadow $(if $(WERROR),-Werror)
B24_CPPFLAGS = -D_POSIX_C_SOURCE=200809L -Icsrc/include -Icsrc/core
B24_CFLAGS = -std=c11 -fPIC -fvisibility=hidden $(WARNINGS)
COMPILE = $(CC) $(B24_CFLAGS) $(B24_CPPFLAGS) $(CPPFLAGS) $(CFLAGS)

ifeq ($(shell uname -s),Darwin)
SHARED = -bundle -undefined dynamic_lookup
else
# An undefined function is found when the module is loaded, not when called.
SHARED = -shared -Wl,-z,now
# The sandbox's copy of the core stays its own.
HIDE_ARCHIVES = -Wl,--exclude-libs,ALL
endif

CORE_SRC := $(sort $(wildcard csrc/core/*.c))
LUA_SRC_C := $(sort $(wildcard csrc/lua/*.c))
SANDBOX_SRC := $(sort $(wildcard csrc/sandbox/*.c))
TEST_SRC := $(sort $(wildcard tests/c/*_test.c))
HEADERS := $(sort $(wildcard csrc/include/*.h))
LUA_FILES := $(sort $(shell find lua -name '*.lua' 2>/dev/null))

OBJ = $(BUILD)/obj
CORE_OBJ = $(CORE_SRC:csrc/%.c=$(OBJ)/%.o)
LUA_OBJ = $(LUA_SRC_C:csrc/%.c=$(OBJ)/%.o)
SANDBOX_OBJ = $(SANDBOX_SRC:csrc/%.c=$(OBJ)/%.o)
CORE_A = $(BUILD)/libbitrix24-core.a
CORE_SO = $(BUILD)/bitrix24/core.so
SANDBOX_SO = $(BUILD)/bitrix24/sandbox/server.so
TEST_BIN = $(TEST_SRC:tests/c/%.c=$(BUILD)/tests/%)

# The path of a build: the checkout's Lua files, its libraries, then Lua's own.
ENV_LUA_PATH = $(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;
ENV_LUA_CPATH = $(abspath $(BUILD))/?.so;;
RUN_ENV = LUA_PATH='$(ENV_LUA_PATH)' LUA_CPATH='$(ENV_LUA_CPATH)'

all: core sandbox
core: $(CORE_SO)
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
	$(COMPILE) $(CURL_CFLAGS) -MMD -MP -c -o $@ $<
$(OBJ)/lua/%.o: csrc/lua/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) -MMD -MP -c -o $@ $<
$(OBJ)/sandbox/%.o: csrc/sandbox/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) $(SANDBOX_CFLAGS) -MMD -MP -c -o $@ $<

$(CORE_A): $(CORE_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(CORE_SO): $(CORE_OBJ) $(LUA_OBJ)
	@$(MKDIR) $(@D)
	$(CC) $(SHARED) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(CURL_LIBS) -lm $(LDLIBS)
$(SANDBOX_SO): $(SANDBOX_OBJ) $(CORE_A)
	@$(MKDIR) $(@D)
	$(CC) $(SHARED) $(HIDE_ARCHIVES) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(SANDBOX_LIBS) $(LDLIBS)

$(BUILD)/tests/%: tests/c/%.c $(CORE_A) $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) -Itests/c -MMD -MP -o $@ $< $(CORE_A) $(LDFLAGS) $(CURL_LIBS) -lm -lpthread $(LDLIBS)
# Tests that are hosts of Lua and load the built modules.
$(BUILD)/tests/lua_%: tests/c/lua_%.c $(CORE_A) $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) -Itests/c -MMD -MP -o $@ $< -Wl,-E $(LDFLAGS) $(LUA_LIBS) -lm -lpthread $(LDLIBS)
units: $(TEST_BIN)

-include $(CORE_OBJ:.o=.d) $(LUA_OBJ:.o=.d) $(SANDBOX_OBJ:.o=.d) $(TEST_BIN:=.d)

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
valgrind: all ## run the recipe and its sandbox under valgrind
	+@MAKE='$(MAKE)' tests/support/valgrind.sh $(ARGS)

$(BUILD)/bench/%: tests/bench/%.c $(OBJ)/flags
	@$(MKDIR) $(@D)
	$(COMPILE) $(LUA_CFLAGS) $(CURL_CFLAGS) -o $@ $< $(LDFLAGS) $(CURL_LIBS) \
	  $(shell $(PKG_CONFIG) --libs $(LUA_PC)) $(LDLIBS)
bench: all $(BUILD)/bench/floor $(BUILD)/bench/measure ## measure against a floor in C and the JavaScript SDK; FAST=1
	@$(RUN_ENV) BUILD='$(BUILD)' LUA='$(LUA)' FAST='$(FAST)' $(LUA) tests/bench/run.lua

install: all ## install below PREFIX (/usr/local), in DESTDIR
	@set -e; for file in $(LUA_FILES:lua/%=%); do \
	  $(MKDIR) "$(DESTDIR)$(LUADIR)/$${file%/*}"; \
	  install -m 644 "lua/$$file" "$(DESTDIR)$(LUADIR)/$$file"; \
	done
	@$(MKDIR) "$(DESTDIR)$(LIBDIR)/bitrix24/sandbox" "$(DESTDIR)$(INCLUDEDIR)"
	install -m 755 $(CORE_SO) "$(DESTDIR)$(LIBDIR)/bitrix24/core.so"
ifeq ($(HAS_SANDBOX),yes)
	install -m 755 $(SANDBOX_SO) "$(DESTDIR)$(LIBDIR)/bitrix24/sandbox/server.so"
endif
	install -m 644 $(HEADERS) "$(DESTDIR)$(INCLUDEDIR)"

clean: ## remove build/
	rm -rf $(BUILD)

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "  %-12s %s\n", $$1, $$2 }'

FORCE:
.PHONY: all core sandbox units env test-env deps test unit spec lint layers \
  demo asan valgrind bench install clean help FORCE
.DELETE_ON_ERROR:
endif
