# make              the library (static and shared) and the embed command, in build/release
# make check        every test; SAN=address,undefined: under the sanitizers
# make check-cross  for other systems, built and, under emulators, run here: aarch64, Windows
# make demo         a real model on real sentences; MODEL=dir takes yours
# make bench        speed of this build; PEERS=1: beside other engines; bench-counts: instructions counted
# make parity       live against the reference libraries (Python)
# make python-check the Python package, built, installed and tested in a fresh virtual environment
# make install      PREFIX=/usr/local DESTDIR=; make uninstall; make clean
# make size         bytes by folder; make abi-check: embed.h against what programs were compiled with
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
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
CMAKEDIR   ?= $(LIBDIR)/cmake/libembed
MANDIR     ?= $(PREFIX)/share/man
BASHCOMPDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPDIR ?= $(PREFIX)/share/zsh/site-functions
FISHCOMPDIR ?= $(PREFIX)/share/fish/vendor_completions.d

H       := include/embed.h
version  = $(shell sed -n 's/^.define EMBED_VERSION_$(1) //p' $(H))
VERSION := $(call version,MAJOR).$(call version,MINOR).$(call version,PATCH)
ABI     := 0

TARGET  := $(shell $(CC) -dumpmachine)
ARCH    := $(if $(findstring x86_64,$(TARGET)),x86,$(if $(findstring aarch64,$(TARGET)),arm,other))
DARWIN  := $(findstring darwin,$(TARGET))
WINDOWS := $(findstring mingw,$(TARGET))
BLAS    ?= $(if $(WINDOWS),none,dlopen)
JPEG    ?= auto
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
OURS := -std=c11 $(WARN) -fvisibility=hidden -ffp-contract=off -fno-asynchronous-unwind-tables -fPIC \
        -pthread -MMD -MP \
        -ffile-prefix-map=$(CURDIR)=. $(BLAS_$(BLAS)) \
        $(if $(WINDOWS),-D__USE_MINGW_ANSI_STDIO=1) \
        $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
STB  ?= $(or $(shell $(PKG_CONFIG) --cflags stb 2>/dev/null),-I/usr/include/stb)
DEPS  = $(shell $(PKG_CONFIG) --cflags $(headers)) $(STB)
LIBS  = $(shell $(PKG_CONFIG) --libs $(packages)) $(if $(DARWIN)$(WINDOWS),,-ldl) -lm -pthread
LINK  = $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
# On Windows gcc leaves the stack aligned to 16 bytes alone, whatever it keeps there.
ISA_avx2 := -mavx2 -mfma -mf16c $(if $(WINDOWS),-Wa$(comma)-muse-unaligned-vector-move)
ISA_avx2vnni := $(ISA_avx2) -mavxvnni
ISA_avx512 := $(ISA_avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
ISA_avx512bf16 := $(ISA_avx512) -mavx512bf16
ISA_neondot := -march=armv8.2-a+dotprod
ISA_neoni8mm := -march=armv8.2-a+dotprod+i8mm
isa       = $(ISA_$(lastword $(subst _, ,$(basename $(notdir $<)))))

# One short line for each step; V=1 shows the commands.
quiet = $(if $(V),,@printf '  %-5s %s\n' $(1) $@;)

# ---- files -------------------------------------------------------------------

OBJ  := $(patsubst %.c,$(BUILD)/%.o,$(LIB_SRC) $(LIB_SRC_$(ARCH)) $(LIB_SRC_jpeg_$(jpeg)) \
  $(LIB_SRC_$(if $(WINDOWS),windows,posix)))
TOOL := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tools/embed/*.c $(if $(WINDOWS),tools/embed/windows/*.c))) \
  $(if $(WINDOWS),$(BUILD)/tools/embed/windows/manifest.o)
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
TESTS    := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
A  := $(BUILD)/libembed.a
SO := $(BUILD)/$(if $(DARWIN),libembed.$(ABI).dylib,$(if $(WINDOWS),libembed-$(ABI).dll,libembed.so.$(VERSION)))
SO_LINKS := $(if $(DARWIN),libembed.dylib,$(if $(WINDOWS),,libembed.so libembed.so.$(ABI)))

COMMAND := $(BUILD)/embed$(if $(WINDOWS),.exe)

all: $(A) $(SO) $(COMMAND) $(EXAMPLES)
shared: $(SO)

# What runs once for a model is small rather than fast; CFLAGS of the caller's own stay.
SMALL := $(filter-out lib/vectors.c %/json_reader.c %/load_vocab.c,$(wildcard lib/*.c) $(filter lib/models/% lib/format/% \
  lib/text/load% lib/text/classes.c lib/text/describe% lib/text/regex_parse.c lib/text/regex_compile.c lib/text/regex_sets.c \
  lib/encoder/load.c lib/image/processor.c,$(LIB_SRC)))
$(SMALL:%.c=$(BUILD)/%.o): OPTIMIZE = $(if $(filter -O2,$(CFLAGS)),-Os)
$(BUILD)/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(OURS) $(DEPS) $(CPPFLAGS) $(CFLAGS) $(OPTIMIZE) $(isa) -c $< -o $@
$(BUILD)/tools/%.o: tools/%.c
	@mkdir -p $(@D)
	$(call quiet,CC)$(CC) $(OURS) -Iinclude $(STB) $(if $(WINDOWS),$(POSIX)) $(CPPFLAGS) $(CFLAGS) -c $< -o $@
POSIX := -D_GNU_SOURCE -Itools/embed/windows -include tools/embed/windows/posix.h
$(BUILD)/tools/embed/windows/manifest.o: tools/embed/windows/embed.rc tools/embed/windows/embed.manifest
	$(call quiet,RC)$(or $(WINDRES),$(CC:gcc=windres)) $< $@
# stb_image_write shifts the codes of its own tables into the sign of an int.
$(BUILD)/tools/embed/jpeg.o: OURS += $(if $(SAN),-fno-sanitize=undefined)
$(A): $(OBJ)
	$(call quiet,AR)rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/libembed.so.$(VERSION): $(OBJ) lib/libembed.map
	$(call quiet,LINK)$(CC) -shared -Wl,-soname,libembed.so.$(ABI) -Wl,--version-script=lib/libembed.map \
	  $(if $(SAN),,-Wl$(comma)-z$(comma)defs) $(OBJ) $(LINK) $(LIBS) -o $@
	@$(foreach l,$(SO_LINKS),ln -sf $(@F) $(BUILD)/$(l) &&) true
$(BUILD)/libembed.$(ABI).dylib: $(OBJ) lib/libembed.exports
	$(call quiet,LINK)$(CC) -dynamiclib -install_name $(LIBDIR)/$(@F) \
	  -Wl,-exported_symbols_list,lib/libembed.exports $(OBJ) $(LINK) $(LIBS) -o $@
	@ln -sf $(@F) $(BUILD)/libembed.dylib
$(BUILD)/libembed-$(ABI).dll: $(OBJ) lib/libembed.def
	$(call quiet,LINK)$(CC) -shared $(OBJ) lib/libembed.def -Wl,--out-implib,$(BUILD)/libembed.dll.a $(LINK) $(LIBS) -o $@
$(COMMAND): $(TOOL) $(A)
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
$(BUILD)/bench: tests/bench/probe.c tests/bench/probe.h
$(BUILD)/bench $(BUILD)/counts: $(BUILD)/%: tests/bench/%.c $(A)
	$(call quiet,CC)$(CC) $(filter-out -MMD -MP,$(OURS)) $(DEPS) $(CPPFLAGS) $(CFLAGS) $(filter %.c,$^) $(A) \
	  $(LINK) $(LIBS) -o $@

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
bench-counts: $(BUILD)/counts
	@BUILD=$(BUILD) CC="$(CC)" tests/bench/counts.sh $(if $(RECORD),--record)
# Other machines and systems, built and, where an emulator is there, run here.
check-cross: $(BUILD)/embed
	+@EMBED=$(BUILD)/embed MAKE="$(MAKE)" tests/cross-aarch64.sh
	+@EMBED=$(BUILD)/embed MAKE="$(MAKE)" tests/cross-windows.sh
parity: $(BUILD)/embed $(A) $(SO)
	@EMBED=$(BUILD)/embed tests/parity/run.sh
python-check:
	@python/tests/run.sh

size: all
	@tools/size.sh $(BUILD)
abi-check: $(BUILD)/tests/test_abi $(SO)
	@tools/gen-abi.sh --check && $(BUILD)/tests/test_abi && tools/check-abi.sh $(SO)

# What goes where is the list in tools/install.sh.
INSTALLED := DESTDIR PREFIX BINDIR LIBDIR INCLUDEDIR PKGCONFIGDIR CMAKEDIR MANDIR BASHCOMPDIR ZSHCOMPDIR \
  FISHCOMPDIR BUILD VERSION SO_LINKS COMMAND LIBS CC INSTALL
run_install = $(foreach v,$(INSTALLED),$(v)='$(strip $($(v)))') SO=$(notdir $(SO)) tools/install.sh
install: $(A) $(SO) $(COMMAND)
	@$(run_install) install
uninstall:
	@$(run_install) uninstall
clean:
	rm -rf build
.PHONY: all shared check check-cross build-tests demo bench bench-counts parity python-check size abi-check install \
  uninstall clean

-include $(OBJ:.o=.d) $(TOOL:.o=.d) $(addsuffix .d,$(EXAMPLES) $(TESTS))
