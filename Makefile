# make              the library (static and shared) and the embed command, in build/release
# make check        every test; SAN=address,undefined: under the sanitizers
# make demo         a real model on real sentences; MODEL=dir takes yours
# make bench        speed of this build; make parity: live against the reference libraries (Python)
# make python-check the Python package, built, installed and tested in a fresh virtual environment
# make install      PREFIX=/usr/local DESTDIR=; make uninstall; make clean
# BLAS=dlopen|link|none: how OpenBLAS is reached. JPEG=auto|turbo|stb: who decodes JPEG; auto takes
# libjpeg where pkg-config finds it. See docs/building.md.
.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
include lib/sources.mk

CC         ?= cc
CFLAGS     ?= -O2 -g
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
BLAS       ?= dlopen
JPEG       ?= auto

H       := include/embed.h
version  = $(shell sed -n 's/^.define EMBED_VERSION_$(1) //p' $(H))
VERSION := $(call version,MAJOR).$(call version,MINOR).$(call version,PATCH)
ABI     := 0

TARGET  := $(shell $(CC) -dumpmachine)
ARCH    := $(if $(findstring x86_64,$(TARGET)),x86,$(if $(findstring aarch64,$(TARGET)),arm,other))
DARWIN  := $(findstring darwin,$(TARGET))
comma   := ,
CONFIG  := $(if $(SAN),san-$(subst $(comma),-,$(SAN)),release)$(if $(filter-out dlopen,$(BLAS)),-$(BLAS))$(if $(filter stb,$(JPEG)),-stb)
BUILD   ?= build/$(CONFIG)

# ---- flags -------------------------------------------------------------------

$(if $(filter auto turbo stb,$(JPEG)),,$(error JPEG: expected auto, turbo or stb, found $(JPEG)))
jpeg     := $(if $(filter auto,$(JPEG)),$(if $(shell $(PKG_CONFIG) --exists libjpeg && echo found),turbo,stb),$(JPEG))
packages := libcjson $(if $(filter turbo,$(jpeg)),libjpeg) $(if $(filter link,$(BLAS)),openblas)
headers  := $(packages) $(if $(filter dlopen,$(BLAS)),openblas)
BLAS_dlopen := -DEMB_BLAS_DLOPEN
BLAS_link   := -DEMB_BLAS_LINK
BLAS_none   := -DEMB_BLAS_NONE
$(if $(filter dlopen link none,$(BLAS)),,$(error BLAS: expected dlopen, link or none, found $(BLAS)))

WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
OURS := -std=c11 $(WARN) -fvisibility=hidden -ffp-contract=off -fPIC -pthread -MMD -MP \
        -ffile-prefix-map=$(CURDIR)=. $(BLAS_$(BLAS)) \
        $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
STB  ?= $(or $(shell $(PKG_CONFIG) --cflags stb 2>/dev/null),-I/usr/include/stb)
DEPS  = $(shell $(PKG_CONFIG) --cflags $(headers)) $(STB)
LIBS  = $(shell $(PKG_CONFIG) --libs $(packages)) $(if $(DARWIN),,-ldl) -lm -pthread
LINK  = $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
ISA_avx2 := -mavx2 -mfma -mf16c
ISA_avx512 := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
isa       = $(ISA_$(lastword $(subst _, ,$(basename $(notdir $<)))))

# One short line for each step; V=1 shows the commands.
quiet = $(if $(V),,@printf '  %-5s %s\n' $(1) $@;)

# ---- files -------------------------------------------------------------------

OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(LIB_SRC) $(LIB_SRC_$(ARCH)) $(LIB_SRC_jpeg_$(jpeg)))
TOOL := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/embed/*.c))
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
TESTS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
A  := $(BUILD)/libembed.a
SO := $(BUILD)/libembed.$(if $(DARWIN),$(ABI).dylib,so.$(VERSION))
SO_LINKS := $(if $(DARWIN),libembed.dylib,libembed.so libembed.so.$(ABI))

all: $(A) $(SO) $(BUILD)/embed $(EXAMPLES)
shared: $(SO)

$(BUILD)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(OURS) $(DEPS) $(CPPFLAGS) $(CFLAGS) $(isa) -c $< -o $@
$(BUILD)/tools/%.o: tools/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(OURS) -Iinclude $(STB) $(CPPFLAGS) $(CFLAGS) -c $< -o $@
# stb_image_write shifts the codes of its own tables into the sign of an int.
$(BUILD)/tools/embed/jpeg.o: OURS += $(if $(SAN),-fno-sanitize=undefined)
$(A): $(OBJ)
	$(call quiet,AR)rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libembed.so.$(VERSION): $(OBJ) lib/libembed.map
	$(call quiet,LINK)$(CC) -shared -Wl,-soname,libembed.so.$(ABI) -Wl,--version-script=lib/libembed.map \
	  $(if $(SAN),,-Wl$(comma)-z$(comma)defs) $(OBJ) $(LINK) $(LIBS) -o $@
	@$(foreach l,$(SO_LINKS),ln -sf $(@F) $(BUILD)/$(l) &&) true
$(BUILD)/libembed.$(ABI).dylib: $(OBJ)
	$(call quiet,LINK)$(CC) -dynamiclib -install_name $(LIBDIR)/$(@F) $(OBJ) $(LINK) $(LIBS) -o $@
	@ln -sf $(@F) $(BUILD)/libembed.dylib
$(BUILD)/embed: $(TOOL) $(A)
	$(call quiet,LINK)$(CC) $(TOOL) $(A) $(LINK) $(LIBS) -o $@
$(BUILD)/examples/%: examples/%.c $(A)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(OURS) -Iinclude $(CPPFLAGS) $(CFLAGS) $< $(A) $(LINK) $(LIBS) -o $@
$(BUILD)/tests/%: tests/unit/%.c $(A)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(OURS) $(DEPS) $(CPPFLAGS) $(CFLAGS) $< $(A) $(LINK) $(shell $(PKG_CONFIG) --libs cmocka libutf8proc) $(LIBS) -o $@
$(BUILD)/fuzz/%: tests/fuzz/%.c tests/fuzz/standalone.c tests/fuzz/mutate.h $(A)
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(filter-out -MMD -MP,$(OURS)) $(DEPS) $(CPPFLAGS) $(CFLAGS) $(filter %.c,$^) $(A) \
	  $(LINK) $(LIBS) -o $@
$(BUILD)/bench: tests/bench/bench.c $(A)
	$(call quiet,CC)$(CC) $(OURS) $(DEPS) $(CPPFLAGS) $(CFLAGS) $< $(A) $(LINK) $(LIBS) -o $@

# ---- what people call ----------------------------------------------------------

# The tests print one line for each program, and "N passed, N failed" at the end.
check:
	@BLAS=$(BLAS) JPEG=$(JPEG) tools/install-deps.sh
	+@$(MAKE) --no-print-directory build-tests
	@BUILD=$(BUILD) CC="$(CC)" SAN="$(SAN)" MAKE="$(MAKE)" BLAS=$(BLAS) tests/run.sh
build-tests: all $(TESTS) $(FUZZ)
demo:
	@tools/demo.sh
bench: $(BUILD)/bench $(BUILD)/embed $(SO)
	@BUILD=$(BUILD) PEERS=$(PEERS) tests/bench/bench.sh
parity: $(BUILD)/embed
	@EMBED=$(BUILD)/embed tests/parity/run.sh
python-check:
	@python/tests/run.sh

$(BUILD)/libembed.pc: pkgconfig/libembed.pc.in $(H) Makefile
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	  -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS_PRIVATE@|$(strip $(LIBS))|' $< > $@
install: $(A) $(SO) $(BUILD)/embed
	rm -f $(BUILD)/libembed.pc
	+$(MAKE) --no-print-directory $(BUILD)/libembed.pc
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR)/libembed \
	  $(DESTDIR)$(MANDIR)/man1
	$(INSTALL) -m 644 $(H) $(DESTDIR)$(INCLUDEDIR)/libembed/embed.h
	$(INSTALL) -m 644 $(A) $(DESTDIR)$(LIBDIR)/libembed.a
	$(INSTALL) -m 755 $(SO) $(DESTDIR)$(LIBDIR)/$(notdir $(SO))
	$(foreach l,$(SO_LINKS),ln -sf $(notdir $(SO)) $(DESTDIR)$(LIBDIR)/$(l) &&) true
	$(INSTALL) -m 644 $(BUILD)/libembed.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libembed.pc
	$(INSTALL) -m 755 $(BUILD)/embed $(DESTDIR)$(BINDIR)/embed
	$(INSTALL) -m 644 docs/man/embed.1 $(DESTDIR)$(MANDIR)/man1/embed.1
uninstall:
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libembed.a $(notdir $(SO)) $(SO_LINKS) pkgconfig/libembed.pc) \
	  $(DESTDIR)$(INCLUDEDIR)/libembed/embed.h $(DESTDIR)$(BINDIR)/embed $(DESTDIR)$(MANDIR)/man1/embed.1
	-rmdir $(DESTDIR)$(INCLUDEDIR)/libembed
clean:
	rm -rf build
.PHONY: all shared check build-tests demo bench parity python-check install uninstall clean

-include $(OBJ:.o=.d) $(TOOL:.o=.d) $(addsuffix .d,$(EXAMPLES) $(TESTS))
