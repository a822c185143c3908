# SPDX-License-Identifier: MIT
# `make help` says what there is.

PYTHON   ?= python3
PYTHONS  ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
VERSION  := 0.1.0

# A directory per flavour: nothing is ever stale.
SAN      ?=
BUILD    := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
comma    := ,

CC       ?= gcc
CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wvla -Wundef $(if $(WERROR),-Werror)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer)
C        = $(CC) -std=gnu11 $(CFLAGS) $(WARN) $(SANFLAGS) -D_GNU_SOURCE -MMD -MP \
           -DVERSION='"$(VERSION)"' -Icommon -I$(BUILD)/common
Q        := $(if $(V),,@)

COMMON   := $(patsubst common/%.c,$(BUILD)/common/%.o,$(wildcard common/*.c))
COLLECT  := $(patsubst collector/%.c,$(BUILD)/collector/%.o,$(wildcard collector/*.c))
UNITS    := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/test_*.c))
JANSSON  := $(shell pkg-config --libs jansson 2>/dev/null || echo -ljansson)
CHECK    := $(shell pkg-config --libs check 2>/dev/null || echo -lcheck)

.PHONY: all bootstrap units check check-static help clean
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

all: bootstrap
	$(Q)$(MAKE) --no-print-directory units

bootstrap:
	$(Q)PYTHON=$(PYTHON) tools/bootstrap

$(BUILD)/common/event_table.inc: common/audit-events.tsv tools/gen-event-table
	@mkdir -p $(@D)
	$(Q)/usr/bin/env python3 tools/gen-event-table $< > $@

$(BUILD)/common/event_table.o: $(BUILD)/common/event_table.inc

$(BUILD)/common/%.o: common/%.c
	@mkdir -p $(@D)
	$(Q)$(C) -fPIC -c $< -o $@

$(BUILD)/tests/test_%: tests/test_%.c $(COMMON)
	@mkdir -p $(@D)
	$(Q)$(C) $< $(COMMON) -o $@ $(CHECK) -lrt -lpthread

units: $(UNITS)

check: bootstrap
	$(Q)tests/run

help:
	@echo 'make            build what is there'
	@echo 'make check      run the tests'
	@echo 'SAN=thread, SAN=address,undefined, WERROR=1, V=1'

clean:
	rm -rf build

-include $(COMMON:.o=.d) $(COLLECT:.o=.d) $(UNITS:=.d)
