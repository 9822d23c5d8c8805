# The only list of the library's sources.
LIB_SRC := \
  lib/api.c lib/describe.c lib/encode.c lib/golden.c lib/images.c lib/model.c lib/modules.c \
  lib/passes.c lib/rows.c lib/save.c lib/session.c lib/spans.c lib/texts.c lib/vectors.c \
  lib/base/cpu.c lib/base/memory.c lib/base/status.c lib/base/threads.c lib/base/utf8.c \
  lib/encoder/convolution.c lib/encoder/encoder.c lib/encoder/load.c lib/encoder/pooler.c \
  lib/encoder/pieces.c lib/encoder/positions.c lib/encoder/relative.c lib/encoder/tokens.c \
  lib/encoder/weights.c lib/encoder/words.c \
  lib/format/directory.c lib/format/json.c lib/format/json_reader.c lib/format/pickle.c \
  lib/format/safetensors.c lib/format/safetensors_header.c lib/format/torch_file.c \
  lib/format/zip.c \
  lib/gemm/bf16.c lib/gemm/blas.c lib/gemm/gemm.c lib/gemm/int8.c lib/gemm/packed.c \
  lib/image/decode.c lib/image/decode_bmp.c lib/image/decode_gif.c lib/image/decode_png.c \
  lib/image/decode_pnm.c lib/image/decode_tga.c lib/image/exif.c \
  lib/image/preprocess.c lib/image/processor.c lib/image/resize.c lib/image/stb_zlib.c \
  lib/kernels/int8_c.c lib/kernels/kernels.c lib/kernels/kernels_c.c lib/kernels/math64.c \
  lib/models/albert.c lib/models/beit.c lib/models/bert.c lib/models/clip.c lib/models/deberta.c \
  lib/models/dinov2.c lib/models/dinov3.c lib/models/distilbert.c lib/models/electra.c \
  lib/models/gemma3.c lib/models/gpt2.c lib/models/gte.c lib/models/jina.c lib/models/modernbert.c lib/models/nomic_bert.c \
  lib/models/measure.c lib/models/models.c lib/models/mpnet.c lib/models/qwen3.c lib/models/rope.c lib/models/siglip.c lib/models/static.c lib/models/vit.c \
  lib/nn/attention.c lib/nn/device.c lib/nn/linear.c lib/nn/norm.c lib/nn/pooling.c \
  lib/nn/relative.c lib/nn/residual.c \
  lib/text/added_tokens.c lib/text/bpe.c lib/text/charsmap.c lib/text/classes.c \
  lib/text/compiled.c \
  lib/text/describe_tokenizer.c lib/text/load.c lib/text/load_added.c lib/text/load_config.c \
  lib/text/load_model.c lib/text/load_vocab.c lib/text/token_model.c lib/text/normal_forms.c lib/text/normal_tables.c \
  lib/text/normalize.c lib/text/normalizers.c lib/text/pattern.c lib/text/postprocess.c \
  lib/text/pretokenize.c lib/text/regex.c lib/text/regex_compile.c lib/text/regex_parse.c \
  lib/text/regex_sets.c lib/text/regex_tables.c lib/text/sentencepiece.c \
  lib/text/sentencepiece_text.c lib/text/step_tables.c \
  lib/text/strings.c lib/text/tokenizer.c lib/text/unicode.c lib/text/unicode_tables.c \
  lib/text/unigram.c lib/text/unigram_trie.c lib/text/wordpiece.c
# Kernels of one instruction set: the file's suffix names the flags it is compiled with.
LIB_SRC_x86 := lib/kernels/bf16_avx512bf16.c lib/kernels/int16_avx2.c lib/kernels/int16_avx512vnni.c \
  lib/kernels/int8_avx2.c lib/kernels/int8_avx2vnni.c lib/kernels/int8_avx512vnni.c \
  lib/kernels/kernels_avx2.c lib/kernels/kernels_avx512.c lib/kernels/kernels_c_avx2.c
LIB_SRC_arm := lib/kernels/int16_neon.c lib/kernels/int8_neon.c lib/kernels/int8_neondot.c lib/kernels/int8_neoni8mm.c \
  lib/kernels/kernels_neon.c
# Who decodes JPEG: JPEG=turbo or stb of the Makefile.
LIB_SRC_jpeg_turbo := lib/image/decode_jpeg.c
LIB_SRC_jpeg_stb := lib/image/decode_jpeg_stb.c lib/image/stb_jpeg.c
# Files of the operating system.
LIB_SRC_posix := lib/base/file.c
LIB_SRC_windows := lib/base/file_windows.c
