# SPDX-License-Identifier: MIT
# `make help` says what there is.

PYTHON   ?= python3
PYTHONS  ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := 0.1.0

# A directory per flavour. Other CFLAGS in the same one want a `make clean`.
SAN      ?=
comma    := ,
BUILD    := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))

ifeq ($(origin CC),default) # make's own: cc
CC       := gcc
endif
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wvla -Wundef $(if $(WERROR),-Werror)
# ThreadSanitizer does not model fences: those of common/barrier.h are the model's to check.
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer) $(if $(findstring thread,$(SAN)),-Wno-tsan)
DEFINES  := -D_GNU_SOURCE -DVERSION='"$(VERSION)"'
C         = $(CC) -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) $(DEFINES) -MMD -MP
Q        := $(if $(V),,@)

# Each folder sees only what it may: common/ by all, hook/ and collector/ never each other.
SEE_COMMON    := -Icommon -I$(BUILD)/common
SEE_COLLECTOR := $(SEE_COMMON) -Icollector -Icollector/top

# Optional libraries, found by pkg-config; what is not there is left out, and said. WITHOUT=ncursesw
# leaves one out that is there.
OPTIONAL := libcap-ng libseccomp ncursesw
WITHOUT  ?=
FOUND    := $(filter-out $(WITHOUT),$(shell for lib in $(OPTIONAL); do \
              pkg-config --exists $$lib 2>/dev/null && echo $$lib; done))
LACKING  := $(filter-out $(FOUND),$(OPTIONAL))
OPTIONAL_FLAGS := $(if $(filter libcap-ng,$(FOUND)),-DHAVE_LIBCAP_NG) \
                  $(if $(filter libseccomp,$(FOUND)),-DHAVE_LIBSECCOMP) \
                  $(if $(filter ncursesw,$(FOUND)),-DHAVE_NCURSES) \
                  $(if $(FOUND),$(shell pkg-config --cflags $(FOUND)))
OPTIONAL_LIBS  := $(if $(FOUND),$(shell pkg-config --libs $(FOUND)))

COMMON   := $(patsubst %.c,$(BUILD)/%.o,$(wildcard common/*.c))
COLLECT  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard collector/*.c collector/*/*.c))
UNITS    := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c))
TORTURE  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/torture/*.c))
BENCHES  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench_*.c))
COLLECTOR := $(if $(wildcard collector/main.c),$(BUILD)/bin/auditd-collect)
PACKAGE  := $(shell cd hook/python 2>/dev/null && find . -type f -not -path '*/__pycache__/*')
LIBS_TEST  = $(shell pkg-config --libs check jansson 2>/dev/null) $(OPTIONAL_LIBS) -lm -lrt -lpthread

# The hook for one interpreter: its tag is the extension suffix, cpython-311-x86_64-linux-gnu.
# The byte code is made here: who runs programs may not be allowed to write it, or not want to.
PY_SUFFIX = $(shell tools/interpreters --suffix $(PYTHON))
PY_CFLAGS = $(subst -I,-isystem ,$(shell tools/interpreters --cflags $(PYTHON)))

BOOTSTRAP = PYTHON=$(PYTHON) CC='$(CC)' WITHOUT='$(WITHOUT)' tools/bootstrap

.PHONY: all bootstrap bootstrap-demo bootstrap-check build hook hooks package units torture benches \
        check check-faults check-all bench bench-programs demo fuzz fuzzers soak install help clean FORCE
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

# With `make -j hooks install`, one after the other.
all: bootstrap $(filter hooks,$(MAKECMDGOALS))
	$(Q)$(MAKE) --no-print-directory build hook

build: $(COLLECTOR) package

bootstrap:
	$(Q)$(BOOTSTRAP) build
bootstrap-demo bootstrap-check:
	$(Q)$(BOOTSTRAP) $(@:bootstrap-%=%)

# ---- common, collector, unit tests ----

$(BUILD)/common/event_table.inc: common/audit-events.tsv tools/gen-event-table
	@mkdir -p $(@D)
	$(Q)python3 tools/gen-event-table $< > $@

$(BUILD)/common/event_table.o: $(BUILD)/common/event_table.inc

$(BUILD)/common/%.o: common/%.c
	@mkdir -p $(@D)
	$(Q)$(C) $(SEE_COMMON) -fPIC -fvisibility=hidden -c $< -o $@

$(BUILD)/collector/%.o: collector/%.c
	@mkdir -p $(@D)
	$(Q)$(C) $(SEE_COLLECTOR) $(OPTIONAL_FLAGS) -c $< -o $@

# Who has one of them installed meanwhile builds with it.
$(BUILD)/optional: FORCE
	@mkdir -p $(@D)
	@echo '$(FOUND)' | cmp -s - $@ || echo '$(FOUND)' >$@

$(patsubst %.c,$(BUILD)/%.o,$(shell grep -l HAVE_ collector/*.c collector/*/*.c)) \
$(BUILD)/tests/test_privileges: $(BUILD)/optional

$(BUILD)/bin/auditd-collect: $(COLLECT) $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $^ -o $@ -ljansson $(OPTIONAL_LIBS) -lm -lrt -lpthread
	$(if $(filter libcap-ng,$(LACKING)),@echo 'without libcap-ng: root keeps all his capabilities')
	$(if $(filter libseccomp,$(LACKING)),@echo 'without libseccomp: system calls are not limited')
	$(if $(filter ncursesw,$(LACKING)),@echo 'without ncurses (libncurses-dev): auditd-collect top prints only')

$(BUILD)/tests/%: tests/%.c $(COMMON) $(filter-out %/main.o,$(COLLECT))
	@mkdir -p $(@D)
	$(Q)$(C) $(SEE_COLLECTOR) $(OPTIONAL_FLAGS) $(QUICK) -Itests $< $(filter %.o,$^) -o $@ $(LIBS_TEST)

# It is the parts that are tested: the tests need not be fast, but built soon.
$(UNITS): QUICK := -O0

# A lane needs no collector.
$(BUILD)/tests/torture/%.o: tests/torture/%.c
	@mkdir -p $(@D)
	$(Q)$(C) $(SEE_COMMON) -Itests/torture -c $< -o $@

$(BUILD)/tests/torture_lane: $(TORTURE) $(BUILD)/common/lane.o $(BUILD)/common/clock.o
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $^ -o $@ -lpthread

# ---- fuzzing: tests/fuzz/ ----

FUZZ     := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
SECONDS  ?= 60
COLLECT_PARTS = $(filter-out %/main.o,$(COLLECT))

$(BUILD)/tests/fuzz/%.o: tests/fuzz/%.c
	@mkdir -p $(@D)
	$(Q)$(C) $(SEE_COLLECTOR) -Itests/fuzz -c $< -o $@

# An archive: a target links what it uses.
$(BUILD)/tests/fuzz/parts.a: $(COMMON) $(COLLECT_PARTS) $(BUILD)/tests/fuzz/show.o
	$(Q)rm -f $@ && ar rcs $@ $^

# Alone, a target replays inputs; with FUZZ_LINK=-fsanitize=fuzzer it looks for them.
FUZZERS  := $(FUZZ:%=$(BUILD)/tests/fuzz/%)
$(FUZZERS): %: %.o $(if $(FUZZ_LINK),,$(BUILD)/tests/fuzz/replay.o) $(BUILD)/tests/fuzz/parts.a
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) $(FUZZ_LINK) $^ -o $@ -ljansson $(OPTIONAL_LIBS) -lm -lrt -lpthread

fuzzers: $(FUZZERS)

# Every target, so many seconds each: SECONDS=, and which: TARGETS=, ENGINE=libfuzzer or afl.
fuzz:
	$(Q)tests/fuzz/run --seconds $(SECONDS) --engine $(or $(ENGINE),libfuzzer) $(TARGETS)

units: $(UNITS)
torture: $(BUILD)/tests/torture_lane
benches: $(BENCHES)

# ---- the hook ----

ifdef HOOK_SUFFIX
HOOK_DIR := $(BUILD)/hook/$(HOOK_SUFFIX)
HOOK_OBJ := $(patsubst hook/%.c,$(HOOK_DIR)/%.o,$(wildcard hook/*.c))
HOOK_SO  := $(BUILD)/python/pyauditd/_hook$(HOOK_SUFFIX)

# CPython's headers have assert(): it would end the program, and costs an event a tenth of its time.
$(HOOK_DIR)/%.o: hook/%.c
	@mkdir -p $(@D)
	$(Q)$(C) $(SEE_COMMON) -Ihook $(HOOK_CFLAGS) $(if $(SAN),,-DNDEBUG) -fPIC -fno-plt -fvisibility=hidden -c $< -o $@

$(HOOK_SO): $(HOOK_OBJ) $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SANFLAGS) -shared -Wl,-z,nodelete -Wl,-z,relro $^ -o $@.tmp -lrt -lpthread
	$(Q)mv $@.tmp $@

hook-one: $(HOOK_SO)
-include $(HOOK_OBJ:.o=.d)
endif

hook: package $(COMMON)
	$(Q)$(MAKE) --no-print-directory hook-one HOOK_SUFFIX='$(PY_SUFFIX)' HOOK_CFLAGS='$(PY_CFLAGS)'
	$(Q)$(PYTHON) -I -S -m compileall -q $(BUILD)/python

hooks: bootstrap package $(COMMON)
	$(Q)found=$$(PYTHONS='$(PYTHONS)' tools/interpreters) && [ "$$found" ] || \
		{ echo "make hooks: no CPython 3.8-3.15 with headers (PYTHONS=)" >&2; exit 1; }; \
	echo "$$found" | while read -r minor path; do \
		$(MAKE) --no-print-directory hook PYTHON=$$path || exit 1; done

package: $(PACKAGE:./%=$(BUILD)/python/%)

$(BUILD)/python/%: hook/python/%
	@mkdir -p $(@D)
	$(Q)install -m 644 $< $@

# ---- tests ----

check: bootstrap-check
	$(Q)tests/run

# Killed, flooded, starved, lied to: doc/reliability.md.
check-faults: bootstrap-check
	$(Q)tests/run --faults

# What takes longer: the interpreters' own regression tests, long torture runs.
check-all: bootstrap-check
	$(Q)tests/run --all

# One collector over a flood, a quiet program and a churn of others, for SECONDS=.
soak: bootstrap-check
	$(Q)$(MAKE) --no-print-directory build hooks
	$(Q)tests/soak --seconds $(SECONDS) --json $(BUILD)/soak.json

bench: all benches
	$(Q)tools/bench $(PYTHONS)

bench-programs: all
	$(Q)tools/bench-programs $(PYTHONS)

demo: bootstrap-demo all
	$(Q)PYTHON=$(PYTHON) tools/demo

# A hook that is there may be mapped: it is replaced, never written over.
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/pyauditd \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/doc/pyauditd/doc/pictures
	install -m 755 $(BUILD)/bin/auditd-collect $(DESTDIR)$(PREFIX)/bin
	umask 022 && cp -R --preserve=timestamps --remove-destination $(BUILD)/python \
		$(DESTDIR)$(PREFIX)/lib/pyauditd/
	chmod -R u=rwX,go=rX $(DESTDIR)$(PREFIX)/lib/pyauditd/python
	install -m 644 doc/auditd-collect.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 README.md LICENSE CONTRIBUTING.md $(DESTDIR)$(PREFIX)/share/doc/pyauditd
	install -m 644 doc/*.md doc/schema.json $(DESTDIR)$(PREFIX)/share/doc/pyauditd/doc
	install -m 644 doc/pictures/*.svg $(DESTDIR)$(PREFIX)/share/doc/pyauditd/doc/pictures

help:
	@echo 'make            the collector, and the hook for PYTHON ($(PYTHON))'
	@echo 'make hooks      a hook for every CPython 3.8-3.15 found, or those in PYTHONS='
	@echo 'make check      run the tests, under ten minutes'
	@echo 'make check-faults  what happens under faults, floods and hostile neighbours'
	@echo 'make check-all  and what takes longer: interpreters’ own tests, long torture runs'
	@echo 'make fuzz       look for inputs that break the collector: SECONDS=60 for each target,'
	@echo '                ENGINE=libfuzzer or afl, TARGETS='
	@echo 'make soak       one collector for SECONDS=60 over programs that come, go and flood'
	@echo 'make bench      what it costs, beside no hook, no-op hooks and other tracers'
	@echo 'make bench-programs  how much slower whole programs get, beside other tracers'
	@echo 'make demo       trace a real job and show the lines'
	@echo 'make install    to DESTDIR= PREFIX=/usr/local, with every hook that was built'
	@echo 'make clean      remove build/'
	@echo 'SAN=address,undefined | SAN=thread, WERROR=1, V=1, CFLAGS='

clean:
	rm -rf build

-include $(COMMON:.o=.d) $(COLLECT:.o=.d) $(UNITS:=.d) $(TORTURE:.o=.d) $(BENCHES:=.d) $(wildcard $(BUILD)/tests/fuzz/*.d)
