# frugal: build, try, test, install. `make help` lists the targets.
#
# SAN=address,undefined builds into a tree of its own and outlives CFLAGS=.

CFLAGS    ?= -O2 -g
PREFIX    ?= /usr/local
DESTDIR   ?=
SAN       ?=
VERSION   := 0.1.0

WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wformat=2
PKGS      := libcrypto sqlite3 libpcre2-8 libfyaml libcjson zlib libcurl

comma     := ,
BUILD     := build/$(notdir $(firstword $(CC)))$(if $(SAN),-$(subst $(comma),-,$(SAN)))
SANFLAGS  := $(if $(SAN),-DSANITIZED -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# The program is linked by a compiler that sees all of its files at once, where
# there is one that also leaves objects which tests can be linked with as ever.
LTO  = $(eval LTO := $$(if $$(SAN),,$$(shell echo 'int main(void) { return 0; }' | \
           $$(CC) -Werror $(BOTH) -x c -o /dev/null - 2>/dev/null && echo yes)))$(LTO)
BOTH := -flto=auto -ffat-lto-objects

# Asked for late and once, so that `make deps` can bring pkg-config first.
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS   = $(eval PKG_LIBS := $$(shell pkg-config --libs $(PKGS)))$(PKG_LIBS)

ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DFRUGAL_VERSION='"$(VERSION)"' -I. \
             $(WARN) $(CFLAGS) $(SANFLAGS) $(PKG_CFLAGS)
NO_LTO     = $(if $(LTO),-fno-lto)
LINK       = $(CC) $(CFLAGS) $(LDFLAGS) $(SANFLAGS)
# Half of a start is symbols being looked for, in one library after another: those
# stand first that have most of them.
LIBS       = -Wl,--as-needed $(subst -lsqlite3,-lsqlite3 -lc,$(PKG_LIBS)) -lm

# Of the test server alone: TLS and HTTP/2.
SERVER_LIBS = $(eval SERVER_LIBS := $$(shell pkg-config --libs libssl libnghttp2))$(SERVER_LIBS)

LIB_OBJ   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard base/*.c scorers/*.c providers/*.c cache/*.c cascade/*.c))
CMD_OBJ   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard cmd/*.c))
SRV_OBJ   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/server/*.c))
UNIT_BIN  := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ_BIN  := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
LIB       := $(BUILD)/libfrugal.a
BIN       := $(BUILD)/frugal
SERVER    := $(BUILD)/testserver

SOAK_BIN  := $(BUILD)/soak/kit $(BUILD)/soak/failalloc.so

.PHONY: all help deps test-deps demo check unit cli fuzz valgrind bench instructions soak soak-quick soak-leaks eval \
        install uninstall clean

all: deps $(BIN)

help:
	@echo 'make            build $(BIN) (installs what is missing first)'
	@echo 'make demo       40 tasks through three simulated models: no key, no network'
	@echo 'make check      unit tests and command-line tests'
	@echo 'make SAN=address,undefined check   the same with sanitizers, and fuzzing'
	@echo 'make valgrind   unit tests under valgrind'
	@echo 'make soak-quick kills, full disks, faults, failing memory: minutes'
	@echo 'make soak       the same for hours, and each fuzz target for 10 minutes'
	@echo 'make bench      speed and memory against a server of our own'
	@echo 'make eval DATA=DIR   learned against plain scores on recorded answers'
	@echo 'make install    to $$(DESTDIR)$$(PREFIX); default /usr/local'
	@echo 'make instructions  what callgrind counts; DO=check: has it grown?'
	@echo 'make deps       install the libraries (Debian packages)'
	@echo 'make clean      remove build/'

# --- what is needed -----------------------------------------------------------

BUILD_DEPS := gcc libc6-dev pkg-config libcurl4-openssl-dev libcjson-dev \
              libsqlite3-dev libpcre2-dev libfyaml-dev libssl-dev zlib1g-dev \
              liblinear-dev
TEST_DEPS  := libcmocka-dev bats valgrind clang libclang-rt-14-dev libnghttp2-dev

deps:
	@tests/install-packages $(BUILD_DEPS)

test-deps:
	@tests/install-packages $(BUILD_DEPS) $(TEST_DEPS)

# --- building -------------------------------------------------------------------

# One short line a step; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@echo '  $(1)')

$(BIN): $(CMD_OBJ) $(LIB)
	$(call say,LINK $@)
	$(Q)$(LINK) $(if $(LTO),$(BOTH)) -o $@ $^ $(LIBS)

$(SRV_OBJ): | test-deps

$(SERVER): $(SRV_OBJ) $(LIB)
	$(call say,LINK $@)
	$(Q)$(LINK) $(NO_LTO) -o $@ $^ $(LIBS) $(SERVER_LIBS)

$(LIB): $(LIB_OBJ)
	$(call say,AR   $@)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(BUILD)/%.o: %.c Makefile | deps
	$(call say,CC   $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(LTO),$(BOTH)) -MMD -MP -c -o $@ $<

$(BUILD)/unit/%: tests/unit/%.c $(LIB) Makefile | test-deps
	$(call say,CC   $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(NO_LTO) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(LIBS) -lcmocka

# --- trying it ---------------------------------------------------------------------

DEMO := build/demo
try = @echo; echo '$$ $(BIN) $(1)'; $(BIN) $(1)

demo: deps $(BIN)
	@mkdir -p $(DEMO) && rm -f $(DEMO)/*
	$(call try,batch demo/tasks.jsonl -c demo --store $(DEMO)/store.db -o $(DEMO)/answers.jsonl)
	$(call try,explain demo-03 -c demo --store $(DEMO)/store.db)
	$(call try,stats -c demo --store $(DEMO)/store.db)

# --- testing ------------------------------------------------------------------------

check: test-deps unit cli $(if $(SAN),fuzz)
	@echo 'all checks passed ($(notdir $(BUILD)))'

unit: test-deps $(UNIT_BIN)
	@rc=0; for t in $(UNIT_BIN); do $$t || rc=1; done; exit $$rc

cli: test-deps $(BIN) $(SERVER)
	FRUGAL=$(abspath $(BIN)) TESTSERVER=$(abspath $(SERVER)) \
	    FRUGAL_SOURCE=$(CURDIR) tests/cli/run $(CURDIR)/build/cli-$(notdir $(BUILD)) tests/server tests/cli

valgrind: test-deps $(UNIT_BIN)
	@printf '%s\n' $(UNIT_BIN) | FRUGAL_QUICK=1 FRUGAL_DATA=none \
	    xargs -P 2 -n 1 valgrind -q \
	    --child-silent-after-fork=yes --error-exitcode=9 --leak-check=full \
	    --errors-for-leak-kinds=definite,indirect

# libFuzzer is clang's: flags and objects of its own. FUZZ_SECONDS for each.
FUZZ_SECONDS ?= 5
FUZZ_CFLAGS   = -std=c17 -D_GNU_SOURCE -DFRUGAL_VERSION='"$(VERSION)"' -I. $(WARN) -O1 -g \
                -fno-sanitize-recover=all $(PKG_CFLAGS) -MMD -MP
FUZZ_OBJ     := $(LIB_OBJ:$(BUILD)/%=build/fuzz/obj/%)
.SECONDARY: $(FUZZ_OBJ)

build/fuzz/obj/%.o: %.c Makefile | test-deps
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

build/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ) Makefile | test-deps
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< $(FUZZ_OBJ) $(LIBS)

fuzz: test-deps $(FUZZ_BIN)
	@for f in $(FUZZ_BIN); do tests/fuzz/run $$f $(FUZZ_SECONDS) || exit 1; done

$(BUILD)/bench/%: tests/bench/%.c $(LIB) Makefile | deps
	$(call say,CC   $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(NO_LTO) $(LDFLAGS) -o $@ $< $(if $(filter %/parts,$@),$(LIB)) $(LIBS)

# What learning is made of needs the library.
$(BUILD)/bench/tune: tests/bench/tune.c $(LIB) Makefile | deps
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(NO_LTO) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

bench: deps $(BIN) $(SERVER) $(addprefix $(BUILD)/bench/,bare tool parts tune)
	@$(BUILD)/bench/tune speed
	@FRUGAL=$(abspath $(BIN)) TESTSERVER=$(abspath $(SERVER)) \
	    BENCH_TOOLS=$(abspath $(BUILD)/bench) tests/bench/run

# Instruction counts against tests/bench/figures (DO=keep writes those anew).
instructions: test-deps $(BIN) $(SERVER) $(BUILD)/bench/bare
	@FRUGAL=$(abspath $(BIN)) TESTSERVER=$(abspath $(SERVER)) \
	    BENCH_TOOLS=$(abspath $(BUILD)/bench) tests/bench/instructions $(DO)

# Kills, faults, full disks, failing memory, budgets: see tests/soak/run.
SOAK_SECONDS ?= 600
SOAK_PARTS   ?=
soak_run = FRUGAL=$(abspath $(BIN)) TESTSERVER=$(abspath $(SERVER)) \
           SOAK_KIT=$(abspath $(BUILD)/soak) SOAK=$(1) FRUGAL_SOURCE=$(CURDIR) tests/soak/run

$(BUILD)/soak/kit: tests/soak/kit.c $(LIB) Makefile | deps
	$(call say,CC   $<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(NO_LTO) -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(BUILD)/soak/failalloc.so: tests/soak/failalloc.c Makefile | deps
	$(call say,CC   $<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

# What is forgotten when memory runs out: with SAN=address,undefined.
$(BUILD)/soak/frugal-failing: tests/soak/failalloc.c $(CMD_OBJ) $(LIB)
	$(call say,LINK $@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -DFAILALLOC_WRAP -c -o $@.o $<
	$(Q)$(LINK) $(foreach f,malloc calloc realloc reallocarray strdup strndup,-Wl,--wrap=$(f)) \
	    -o $@ $@.o $(CMD_OBJ) $(LIB) $(LIBS)

soak-leaks: test-deps $(BIN) $(SERVER) $(SOAK_BIN) $(BUILD)/soak/frugal-failing
	@FRUGAL_FAILING=$(abspath $(BUILD)/soak/frugal-failing) \
	    $(call soak_run,$(or $(SOAK),quick)) alloc

soak-quick: test-deps $(BIN) $(SERVER) $(SOAK_BIN)
	@$(call soak_run,quick) $(SOAK_PARTS)

soak: test-deps $(BIN) $(SERVER) $(SOAK_BIN)
	@$(call soak_run,long) $(SOAK_PARTS)
	@$(MAKE) CC=clang SAN=address,undefined SOAK=long soak-leaks
	@FUZZ_SEED=0 $(MAKE) CC=clang SAN=address,undefined FUZZ_SECONDS=$(SOAK_SECONDS) fuzz

# Is a learned score worth it? On recorded answers in the folder DATA.
$(BUILD)/eval/%: tests/eval/%.c $(LIB) Makefile | deps
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(NO_LTO) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

eval: $(BUILD)/eval/learned
	@tests/eval/run $< $(DATA)

# --- installing ------------------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/frugal
	install -m 644 frugal.1 $(DESTDIR)$(PREFIX)/share/man/man1/frugal.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/frugal $(DESTDIR)$(PREFIX)/share/man/man1/frugal.1

clean:
	rm -rf build

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(SRV_OBJ:.o=.d) $(UNIT_BIN:=.d) $(BUILD)/soak/kit.d \
         $(FUZZ_OBJ:.o=.d) $(FUZZ_BIN:=.d)
