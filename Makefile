# SPDX-License-Identifier: GPL-3.0-or-later
#
# make          builds build/whichhop
# make demo     installs what is missing, builds, analyses samples/, shows the verdict
# make check    installs what is missing, builds, runs the tests under ASan and UBSan
# make bench    measures whichhop and others over captures of many sizes (BENCH="--quick": a few seconds)
# make lab      runs the test network (root) and scores whichhop over its captures
# make score    scores whichhop over captures with truth: SETS="FOLDER ..." (default: all in the tree)
# make sets     makes tests/sets anew (root): FROM="FOLDER ..." with runs of the test network to take
# make pages    makes docs/causes.md and docs/pictures/ anew
# make install  PREFIX=/usr/local

STAGES := base read decode track match align join follow detect blame report plot

PACKAGES_BUILD := gcc make libc6-dev libpcap-dev libtrace3-dev libplot-dev zlib1g-dev liblzma-dev \
	libbz2-dev libjson-c-dev libxxhash-dev
PACKAGES_CHECK := libcmocka-dev python3-minimal libpython3-stdlib
PACKAGES_CI    := git ca-certificates clang clang-tidy clang-format tshark mandoc python3-markdown-it tcpdump iproute2 nftables ethtool procps

PREFIX  ?= /usr/local
JOBS    := $(shell nproc 2>/dev/null || echo 1)
CFLAGS  ?= -O2 -g
WERROR  ?= $(if $(wildcard .git),-Werror)
WARN    := -Wall -Wextra $(WERROR)
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(WARN) -Iinclude -Ianalyzer -MMD -MP
LIBS    := -ltrace -lpcap -lz -ljson-c -lxxhash -lplot -llzma -lbz2 -lm -pthread
SETS    ?= samples tests/sets
ASAN    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

SOURCES := $(foreach s,$(STAGES),$(sort $(wildcard analyzer/$(s)/*.c))) $(sort $(wildcard analyzer/*.c))
OBJECTS := $(SOURCES:analyzer/%.c=build/%.o)
TESTS   := $(sort $(patsubst tests/unit/test_%.c,%,$(wildcard tests/unit/test_*.c)))

# Stages up to and including $(1): what a unit test of $(1) may link.
upto     = $(if $(filter $(1),$(STAGES)),$(call before,$(1),$(STAGES)) $(1))
before   = $(if $(filter $(1),$(firstword $(2))),,$(firstword $(2)) $(call before,$(1),$(wordlist 2,99,$(2))))
stage_of = $(firstword $(subst _, ,$(1)))
# Tests named run_* are of the files beside the stages, and link all of it.
objects_of = $(if $(filter run,$(call stage_of,$(1))),\
	$(filter-out build/asan/main.o,$(SOURCES:analyzer/%.c=build/asan/%.o)),\
	$(foreach s,$(call upto,$(call stage_of,$(1))),\
	$(patsubst analyzer/%.c,build/asan/%.o,$(sort $(wildcard analyzer/$(s)/*.c)))))

.PHONY: all demo check unit scorer cases properties score score-asan docs sets bench lab install clean tools-build tools-check tools-ci tidy format pages
all: build/whichhop

build/whichhop: $(OBJECTS)
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

build/%.o: analyzer/%.c
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -c -o $@ $<

build/asan/%.o: analyzer/%.c
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) $(ASAN) -c -o $@ $<

build/asan/whichhop: $(SOURCES:analyzer/%.c=build/asan/%.o)
	@$(CC) $(ASAN) -o $@ $^ $(LIBS)

# The bench's own tools are not what is measured, and may be as fast as can be.
build/bench/generate: $(wildcard tests/bench/*.[ch])
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 -O3 -g $(WARN) -o $@ $(addprefix tests/bench/,generate.c tcp.c path.c frame.c)

build/bench/walk build/bench/pcap: build/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@$(CC) -std=gnu11 -O2 -g $(WARN) -o $@ $< -lpcap

bench: all build/bench/generate build/bench/walk build/bench/pcap
	@tests/bench/run $(BENCH) build

define unit_rule
build/unit/test_$(1): tests/unit/test_$(1).c $(call objects_of,$(1))
	@mkdir -p build/unit
	@$$(CC) $$(ALL_CFLAGS) $$(ASAN) -Itests/unit -o $$@ $$< $(call objects_of,$(1)) -lcmocka $$(LIBS)
endef
$(foreach t,$(TESTS),$(eval $(call unit_rule,$(t))))

tools-build:
	@tests/install $(PACKAGES_BUILD)

tools-check:
	@tests/install $(PACKAGES_BUILD) $(PACKAGES_CHECK)

tools-ci:
	@tests/install $(PACKAGES_BUILD) $(PACKAGES_CHECK) $(PACKAGES_CI)

demo: tools-build
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@samples/demo build/whichhop

unit: $(TESTS:%=build/unit/test_%)
	@tests/run-units $^

cases: build/asan/whichhop
	@tests/cases.py build/asan/whichhop

properties: build/asan/whichhop
	@tests/properties.py build/asan/whichhop

check: tools-check
	@$(MAKE) --no-print-directory -j$(JOBS) all build/asan/whichhop $(TESTS:%=build/unit/test_%)
	@$(MAKE) --no-print-directory -k unit scorer docs cases properties score-asan

scorer:
	@tests/score/test_score.py -q

score: all
	@tests/score.py -j $(JOBS) build/whichhop $(SETS)

score-asan: build/asan/whichhop
	@tests/score.py -j $(JOBS) --wrong build/asan/whichhop samples tests/sets

docs: all
	@tests/docs.py build/whichhop

sets:
	@tests/lab/keep.py $(FROM:%=--from %)

lab: all
	@tests/lab/lab.py all --out build/lab
	@tests/score.py -j $(JOBS) build/whichhop build/lab

# One file a run: clang-tidy 14 finds va_lists that are none when it takes several.
tidy:
	@printf '%s\n' $(SOURCES) | xargs -P $(JOBS) -I FILE clang-tidy --quiet FILE -- -std=gnu11 -Iinclude -Ianalyzer \
		2>/dev/null # there it only counts

format:
	@clang-format -i $(SOURCES) $(wildcard analyzer/*.h analyzer/*/*.h include/*.h tests/unit/*.[ch])

# The man page is checked where there is something to check it with.
pages: all
	@mkdir -p docs/pictures
	@docs/make-causes build/whichhop > docs/causes.md
	@docs/make-pictures build/whichhop samples docs/pictures
	@! command -v mandoc >/dev/null || mandoc -Tlint -W warning docs/whichhop.1

install: all
	install -D build/whichhop $(DESTDIR)$(PREFIX)/bin/whichhop
	install -D -m 644 docs/whichhop.1 $(DESTDIR)$(PREFIX)/share/man/man1/whichhop.1

clean:
	rm -rf build

-include $(OBJECTS:.o=.d) $(SOURCES:analyzer/%.c=build/asan/%.d) $(TESTS:%=build/unit/test_%.d)
