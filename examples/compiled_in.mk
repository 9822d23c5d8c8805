# A program with the library compiled into it: make -f compiled_in.mk EMBED=where/lib/and/include/are
EMBED  ?= ..
STB    ?= $(or $(shell pkg-config --cflags stb 2>/dev/null),-I/usr/include/stb)
CFLAGS ?= -O2

include $(EMBED)/lib/sources.mk
machine := $(shell $(CC) -dumpmachine)
arch    := $(if $(findstring x86_64,$(machine)),x86,$(if $(findstring aarch64,$(machine)),arm))
sources := $(LIB_SRC) $(LIB_SRC_$(arch)) $(LIB_SRC_jpeg_stb) $(LIB_SRC_posix)

flags   := -std=c11 -ffp-contract=off -DEMB_BLAS_NONE -I$(EMBED)/include $(shell pkg-config --cflags libcjson) $(STB)
# The suffix of a file names the instruction set that it may take.
avx2    := -mavx2 -mfma -mf16c
avx512  := $(avx2) -mavx512f -mavx512bw -mavx512dq -mavx512vl
%_avx2.o: flags += $(avx2)
%_avx2vnni.o: flags += $(avx2) -mavxvnni
%_avx512.o: flags += $(avx512)
%_avx512vnni.o: flags += $(avx512) -mavx512vnni
%_avx512bf16.o: flags += $(avx512) -mavx512bf16
%_neondot.o: flags += -march=armv8.2-a+dotprod
%_neoni8mm.o: flags += -march=armv8.2-a+dotprod+i8mm

program: program.c $(sources:.c=.o)
	$(CC) $(flags) $(CFLAGS) $^ $(shell pkg-config --libs libcjson) -lm -pthread -o $@
lib/%.o: $(EMBED)/lib/%.c
	@mkdir -p $(@D)
	$(CC) $(flags) $(CFLAGS) -c $< -o $@
