/*
 * libembed: text and image embeddings from Hugging Face and sentence-transformers
 * model directories, in C.
 *
 *     embed_model *model;
 *     embed_session *session;
 *     embed_error error = EMBED_ERROR_INIT;
 *     const char *texts[] = {"a cat on a mat", "ein Hund"};
 *     float vectors[2][384];
 *
 *     if (embed_model_open("all-MiniLM-L6-v2", NULL, &model, &error) < 0)
 *         fprintf(stderr, "%s\n", error.message);
 *     embed_session_create(model, NULL, &session, &error);
 *     embed_encode_texts(session, texts, NULL, 2, NULL, &vectors[0][0], 384);
 *     embed_session_free(session);
 *     embed_model_free(model);
 *
 * Rules that hold for every function below
 *   - A status is an int32_t: EMBED_OK (0) or a negative EMBED_E... value, never
 *     positive. A count is an int64_t: >= 0, or a negative status.
 *   - A model never changes once it is open: any number of threads may use it at
 *     once. A session serves one caller at a time. A model outlives its sessions.
 *   - Nothing here prints, exits, reads the environment or changes the process
 *     (locale, signal handlers, BLAS threads). The floating-point environment is
 *     set on entry of the functions that compute and restored on return.
 *   - Memory is taken while opening and creating only. Encoding takes none: all it
 *     needs is the session's workspace, whose size is known beforehand. Two
 *     exceptions: image files and encoded images (their decoders allocate), and
 *     gemm = EMBED_GEMM_BLAS (the BLAS may have buffers of its own).
 *   - Output arrays belong to the caller. Strides are in elements.
 *   - Text is UTF-8 with an explicit size in bytes, or NUL-terminated where a sizes
 *     array is NULL. Offsets are bytes into the caller's text.
 *   - An options struct starts with struct_size: zero the struct and set that field
 *     (EMBED_..._INIT does both). A NULL pointer means the defaults, and so does a
 *     zero in any field. Fields are only ever added at the end.
 */
#ifndef LIBEMBED_EMBED_H
#define LIBEMBED_EMBED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EMBED_VERSION_MAJOR 0
#define EMBED_VERSION_MINOR 1
#define EMBED_VERSION_PATCH 0

#ifndef EMBED_API
#  if defined(__GNUC__)
#    define EMBED_API __attribute__((visibility("default")))
#  else
#    define EMBED_API
#  endif
#endif

/* ---- Status ------------------------------------------------------------ */

/* X(name, value, text). Values are permanent; new ones are added at the end. */
#define EMBED_STATUS_MAP(X)                                                       \
    X(OK, 0, "success")                                                           \
    X(EINVAL, -1, "invalid argument")                                             \
    X(ENOMEM, -2, "out of memory")                                                \
    X(EIO, -3, "cannot open or read a file")                                      \
    X(EFORMAT, -4, "malformed file")                                              \
    X(EUNSUPPORTED, -5, "valid, but not supported by this library")               \
    X(ETENSOR, -6, "tensor missing, or of the wrong shape or type")               \
    X(ERANGE, -7, "input larger than the model or the session allows")            \
    X(EWORKSPACE, -8, "workspace too small or misaligned")                        \
    X(EUTF8, -9, "text is not valid UTF-8")                                       \
    X(EKIND, -10, "the model does not take this kind of input")                   \
    X(ECANCELED, -11, "canceled by the progress callback")                        \
    X(ETOKEN, -12, "token id outside the vocabulary")                             \
    X(EMISSING, -13, "the model does not have what was asked for")

enum {
#define EMBED_STATUS_ENUM(name, value, text) EMBED_##name = value,
    EMBED_STATUS_MAP(EMBED_STATUS_ENUM)
#undef EMBED_STATUS_ENUM
    EMBED_STATUS_END = -32767
};

/* The text of a status: static, never NULL. */
EMBED_API const char *embed_status_string(int32_t status);

/* Filled on failure with one sentence that names the file or input, the place,
 * what was expected and what was found. Caller's storage; always terminated. */
typedef struct embed_error {
    uint32_t struct_size;
    int32_t status;
    char message[1016];
} embed_error;
#define EMBED_ERROR_INIT {sizeof(embed_error), 0, {0}}

/* ---- Version and build -------------------------------------------------- */

EMBED_API uint32_t embed_version(void);            /* major << 16 | minor << 8 | patch */
EMBED_API const char *embed_version_string(void);  /* "0.1.0" */
/* What this library was built with: "built=c,avx2,avx512
 * blas=openblas(dlopen) compiler=12.2.0". Static. */
EMBED_API const char *embed_build_info(void);
/* The instruction set that this CPU gets by default: "avx512". Static. */
EMBED_API const char *embed_isa(void);

/* ---- Model -------------------------------------------------------------- */

typedef struct embed_model embed_model;
typedef struct embed_session embed_session;

/* Returns size bytes aligned to align (a power of two), or NULL. Freed with the same size. */
typedef void *(*embed_alloc_fn)(void *user, size_t size, size_t align);
typedef void (*embed_free_fn)(void *user, void *ptr, size_t size);

enum { /* embed_open_options.gemm */
    EMBED_GEMM_AUTO = 0,   /* our packed kernels */
    EMBED_GEMM_PACKED = 1, /* the same, by name */
    EMBED_GEMM_BLAS = 2    /* OpenBLAS, loaded at first use: right within a relative 1e-5, but not
                            * the same bits in every batch, on every CPU and thread count */
};

enum { /* embed_open_options.weights: what the layers compute with, whatever the file holds */
    EMBED_WEIGHTS_DEFAULT = 0, /* f32; of a single-file model that embed_model_save wrote, what it was
                                * saved with, and nothing else can be asked of it */
    EMBED_WEIGHTS_F32 = 1,     /* widened exactly */
    EMBED_WEIGHTS_F16 = 2,     /* rounded while opening (above 65504 to infinity), used as floats: half
                                * the memory, and faster for short inputs. Word embeddings are rounded as
                                * they are looked up */
    EMBED_WEIGHTS_BF16 = 3,    /* the same with fewer digits and the range of f32 */
    EMBED_WEIGHTS_INT8 = 4     /* whole numbers, rounded while opening: smaller and faster, close to f32
                                * but not the same (docs/numerics.md); the same bits everywhere too.
                                * Word embeddings as for f16 */
};

enum { /* embed_open_options.compute: what the layers' products are made of */
    EMBED_COMPUTE_DEFAULT = 0, /* f32 */
    EMBED_COMPUTE_F32 = 1,
    EMBED_COMPUTE_BF16 = 2,    /* the CPU's own dot products of bf16: inputs of layers are rounded, too.
                                * Close to f32, but not the same bits everywhere. EMBED_EUNSUPPORTED, with
                                * the reason, unless it is at least 1.5 times as fast as f32 here: opening
                                * measures that, which takes a millisecond or two. Weights are bf16 */
    EMBED_COMPUTE_BF16_ALWAYS = 3 /* the same however fast: for tests */
};

enum { /* embed_open_options.flags */
    EMBED_OPEN_READ = 1 << 0, /* read weights into memory instead of mapping the file. (A mapped file
                              * that another process cuts short ends the process with SIGBUS.) */
    EMBED_OPEN_NO_ENCODER = 1 << 1, /* tokenizer and image preprocessing alone: config.json and weights
                                     * are not read and may be missing */
    EMBED_OPEN_TO_SAVE = 1 << 2 /* keep what embed_model_save needs */
};

typedef struct embed_open_options {
    uint32_t struct_size;
    uint32_t flags;       /* EMBED_OPEN_* */
    embed_alloc_fn alloc; /* NULL: the C library's; set both or none */
    embed_free_fn free;
    void *alloc_user;
    const char *isa; /* "c", "avx2", "avx512", "neon": kernels of that set; NULL: the best of this CPU */
    int32_t gemm;    /* EMBED_GEMM_* */
    int32_t weights; /* EMBED_WEIGHTS_* */
    int32_t compute; /* EMBED_COMPUTE_* */
    int32_t reserved;
    const char *keep_float; /* of int8: products that stay float32, by the names of their weights, as
                             * "layer.*.output.dense,layer.0.attention.output.dense": the last parts of a
                             * name, without ".weight"; * is any one part. Query, key and value are one
                             * product. A name that no product has is EMBED_EINVAL. NULL: none */
} embed_open_options;
#define EMBED_OPEN_OPTIONS_INIT {sizeof(embed_open_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Open a model directory as downloaded (Hugging Face or sentence-transformers layout), or a
 * single-file model. On failure *model is NULL and error, if given, says why. */
EMBED_API int32_t embed_model_open(const char *path, const embed_open_options *options,
                                   embed_model **model, embed_error *error);
/* The same for a single-file model in memory: what embed_model_save wrote, used where it lies if data is
 * aligned to EMBED_WORKSPACE_ALIGN (else copied); or a safetensors file of plain tensors whose
 * __metadata__ holds the text of config.json, tokenizer.json, modules.json, "1_Pooling/config.json"...
 * under those names, and tensors of a module folder under "2_Dense/linear.weight"... data stays valid
 * and unchanged until embed_model_free. */
EMBED_API int32_t embed_model_open_memory(const void *data, size_t size,
                                          const embed_open_options *options, embed_model **model,
                                          embed_error *error);
EMBED_API void embed_model_free(embed_model *model); /* NULL is fine */

enum { /* embed_model_info */
    EMBED_INFO_DIM = 1,               /* floats in one embedding, by the model's own recipe */
    EMBED_INFO_HIDDEN_SIZE = 2,       /* floats in one token vector */
    EMBED_INFO_NUM_LAYERS = 3,        /* hidden_states has one more */
    EMBED_INFO_NUM_HEADS = 4,
    EMBED_INFO_INTERMEDIATE_SIZE = 5,
    EMBED_INFO_VOCAB_SIZE = 6,        /* rows of the embedding table */
    EMBED_INFO_MAX_LENGTH = 7,        /* tokens a text is cut to by default, special tokens included */
    EMBED_INFO_MAX_POSITIONS = 8,     /* tokens the model can take at most; 0: no limit */
    EMBED_INFO_POOLING = 9,           /* EMBED_POOL_* of the default recipe (the first, if several) */
    EMBED_INFO_NORMALIZES = 10,       /* 1 if the default recipe ends with L2 normalisation */
    EMBED_INFO_HAS_POOLER = 11,
    EMBED_INFO_SIMILARITY = 12,       /* EMBED_SIMILARITY_* */
    EMBED_INFO_PARAMETERS = 13,       /* numbers in the weights that are used */
    EMBED_INFO_WEIGHT_BYTES = 14,     /* bytes of weights kept in memory or mapped */
    EMBED_INFO_GEMM = 15,             /* EMBED_GEMM_PACKED or EMBED_GEMM_BLAS */
    EMBED_INFO_HAS_TOKENIZER = 16,
    EMBED_INFO_TAKES_TEXTS = 17,      /* 1 if texts or token ids can be encoded */
    EMBED_INFO_TAKES_IMAGES = 18,     /* 1 if images can be encoded */
    EMBED_INFO_IMAGE_HIDDEN_SIZE = 19, /* HIDDEN_SIZE of the image tower, where there are two */
    EMBED_INFO_IMAGE_NUM_LAYERS = 20,
    EMBED_INFO_PATCH_SIZE = 21,       /* pixels; 0: no images */
    EMBED_INFO_PREFIX_TOKENS = 22,    /* of an image, before its patches: [CLS], distillation, registers */
    EMBED_INFO_WEIGHTS = 23,          /* EMBED_WEIGHTS_* that the layers compute with */
    EMBED_INFO_NUM_LABELS = 24,       /* of the sequence-classification head; 0: the model has none */
    EMBED_INFO_COMPUTE = 25,          /* EMBED_COMPUTE_F32 or EMBED_COMPUTE_BF16 */
    EMBED_INFO_FILE_FORMAT = 26,      /* version of the single file's format; 0: its tensors are plain ones */
    EMBED_INFO_FILE_BYTES = 27,       /* of the single file; 0: a directory */
    EMBED_INFO_GOLDEN = 28            /* inputs that embed_verify encodes */
};
/* A number about the model, or EMBED_EINVAL for an unknown question. */
EMBED_API int64_t embed_model_info(const embed_model *model, int32_t what);
/* The effective recipe as a JSON object: family, sizes, tokenizer, limits, pooling, modules,
 * prompts, similarity, warnings, isa. Owned by the model. */
EMBED_API const char *embed_model_describe(const embed_model *model);
/* Text of the index-th warning met while opening (positions fewer than max_seq_length), or NULL. */
EMBED_API const char *embed_model_warning(const embed_model *model, int64_t index);
/* Text of the named prompt, or NULL. index-th prompt name, or NULL past the last. */
EMBED_API const char *embed_model_prompt(const embed_model *model, const char *name);
EMBED_API const char *embed_model_prompt_name(const embed_model *model, int64_t index);
/* Name of the index-th product that a model of weights int8 makes of whole numbers, as keep_float takes
 * it (of query, key and value, the query's), or NULL past the last. Owned by the model. */
EMBED_API const char *embed_model_product(const embed_model *model, int64_t index);
/* Text of a token, NUL-terminated and owned by the model, or NULL. Id of a token's text, or
 * EMBED_EMISSING. */
EMBED_API const char *embed_token_text(const embed_model *model, int32_t id);
EMBED_API int32_t embed_token_id(const embed_model *model, const char *text);

/* ---- Session ------------------------------------------------------------ */

typedef void (*embed_task_fn)(void *arg, int64_t index);
/* Run task(arg, i) for i = 0 .. count-1, in any order, on any threads; return when all are done. */
typedef void (*embed_parallel_fn)(void *user, embed_task_fn task, void *arg, int64_t count);

typedef struct embed_session_options {
    uint32_t struct_size;
    int32_t threads;       /* 0: the cores this process may use; 1: the calling thread alone. With
                            * parallel: how many tasks to cut work into */
    int64_t batch_tokens;  /* tokens of one forward pass, all inputs packed; 0: 1024, or the model's
                            * max_length if that is more. Decides the workspace's size, never a bit
                            * of the result */
    int64_t max_text_bytes; /* longest text taken by a tokenizer that cannot work piece by piece; 0: 1 MiB.
                             * (WordPiece without normalized added tokens has no limit) */
    embed_parallel_fn parallel; /* the host's own threads; NULL: a pool of the session */
    void *parallel_user;
    int64_t max_image_side; /* raw pixels up to this width and height are preprocessed in the workspace;
                             * larger images take memory from the model's allocator for as long as
                             * they are worked on. 0: 4096 */
} embed_session_options;
#define EMBED_SESSION_OPTIONS_INIT {sizeof(embed_session_options), 0, 0, 0, 0, 0, 0}

#define EMBED_WORKSPACE_ALIGN 64

/* Bytes of workspace a session with these options needs. */
EMBED_API int32_t embed_workspace_size(const embed_model *model,
                                       const embed_session_options *options, size_t *size,
                                       embed_error *error);
/* A session in memory of the caller, aligned to EMBED_WORKSPACE_ALIGN. embed_session_free stops
 * its threads and leaves the memory alone. */
EMBED_API int32_t embed_session_init(const embed_model *model,
                                     const embed_session_options *options, void *workspace,
                                     size_t size, embed_session **session, embed_error *error);
/* The same in memory from the model's allocator, which embed_session_free gives back. */
EMBED_API int32_t embed_session_create(const embed_model *model,
                                       const embed_session_options *options,
                                       embed_session **session, embed_error *error);
EMBED_API void embed_session_free(embed_session *session); /* NULL is fine */
/* The sentence of the last call on this session that failed; "" if none did. */
EMBED_API const char *embed_session_error(const embed_session *session);

/* ---- Inputs and options of a call ---------------------------------------- */

enum { /* embed_image.format */
    EMBED_IMAGE_ENCODED = 0, /* a file's bytes (data and size) or its path: JPEG, PNG, GIF (first frame),
                              * BMP, TGA, PNM, whatever its name says */
    EMBED_IMAGE_RGB = 1,     /* raw pixels, 8 bits a channel, rows from top to bottom */
    EMBED_IMAGE_RGBA = 2,    /* alpha is dropped, as by Pillow's convert("RGB"): EMBED_ALPHA_WHITE */
    EMBED_IMAGE_GREY = 3,
    EMBED_IMAGE_PIXEL_VALUES = 4 /* float[3][height][width] that need no preprocessing */
};

/* One image. Zero it, then fill what its format needs. This struct never grows. */
typedef struct embed_image {
    const void *data;  /* pixels, or a file's bytes; NULL: path */
    int64_t size;      /* bytes of data; may be 0 for raw pixels, else it is checked */
    const char *path;  /* ENCODED without data; also what messages call the image */
    int64_t stride;    /* bytes from one row of raw pixels to the next; 0: no gap */
    int32_t width, height; /* of raw pixels and pixel values */
    int32_t format;    /* EMBED_IMAGE_* */
    int32_t reserved[5];
} embed_image;

/* A batch of inputs: texts, pairs of texts, token ids, or images. Any count; the session cuts it
 * into passes of batch_tokens. */
typedef struct embed_input {
    uint32_t struct_size;
    uint32_t flags;             /* 0 */
    int64_t count;
    const char *const *texts;   /* [count] */
    const int64_t *text_sizes;  /* [count] bytes; NULL: NUL-terminated */
    const char *const *pairs;   /* [count] second member of each pair, or NULL */
    const int64_t *pair_sizes;
    const int32_t *ids;         /* instead of texts: special tokens included, nothing is added, cut or
                                 * padded; input i is ids[offsets[i]] .. ids[offsets[i+1]-1] */
    const int32_t *type_ids;    /* beside ids; NULL: all 0 */
    const int64_t *offsets;     /* [count + 1], ascending from 0 */
    const embed_image *images;  /* [count], instead of texts and ids */
} embed_input;
#define EMBED_INPUT_INIT {sizeof(embed_input), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

enum { /* how the token vectors of one input become one vector */
    EMBED_POOL_DEFAULT = 0,  /* the directory's pooling module; without modules.json: cls for texts
                              * (last, where a token sees only those before it); for images the model's
                              * projection (CLIP) or attention-pooling head (SigLIP), else mean_all */
    EMBED_POOL_CLS = 1,      /* the first token */
    EMBED_POOL_MEAN = 2,     /* over the attention mask */
    EMBED_POOL_MAX = 3,      /* largest value of each dimension */
    EMBED_POOL_LAST = 4,     /* the last token */
    EMBED_POOL_WEIGHTED = 5, /* weighted mean, token t has weight t + 1 */
    EMBED_POOL_SQRT_LEN = 6, /* sum over the square root of the number of tokens */
    EMBED_POOL_POOLER = 7,   /* the reference's pooler_output by the model's own weights: tanh(dense([CLS]))
                              * of BERT and ViT */
    EMBED_POOL_MEAN_ALL = 8, /* plain mean of every token, whatever the mask says */
    EMBED_POOL_PATCHES = 9,  /* mean of an image's patches, without [CLS] and the like */
    EMBED_POOL_PROJECTION = 10, /* pooler_output projected into the space that texts and images share */
    EMBED_POOL_SCORES = 11   /* the labels of a sequence-classification head (rerankers: one), by the model's own
                              * activation: sigmoid of one label, none of several, unless config.json
                              * says otherwise; EMBED_NO_MODULES: none */
};

/* hidden_states[k] of the reference: 0 is the embeddings' output, EMBED_INFO_NUM_LAYERS the last. */
#define EMBED_LAYER(k) ((k) + 1)

enum { EMBED_NORMALIZE_DEFAULT = 0, EMBED_NORMALIZE_ON = 1, EMBED_NORMALIZE_OFF = 2 };
enum { EMBED_TRUNCATE_DEFAULT = 0, EMBED_TRUNCATE_RIGHT = 1, EMBED_TRUNCATE_LEFT = 2 };
enum {
    EMBED_STRATEGY_LONGEST_FIRST = 0,
    EMBED_STRATEGY_ONLY_FIRST = 1,
    EMBED_STRATEGY_ONLY_SECOND = 2
};

enum { /* embed_encode_options.long_texts: a text of more than max_length tokens */
    EMBED_LONG_TEXTS_TRUNCATE = 0, /* is cut */
    EMBED_LONG_TEXTS_REFUSE = 1,   /* is EMBED_ERANGE, which names it, its tokens and the limit */
    EMBED_LONG_TEXTS_WINDOWS = 2   /* is encoded in windows, whose vectors become one: embed_encode */
};

enum { /* embed_encode_options.flags */
    EMBED_NO_MODULES = 1 << 0,   /* leave out the modules after pooling */
    EMBED_NO_TRUNCATION = 1 << 1, /* EMBED_LONG_TEXTS_REFUSE. In embed_tokenize: no limit at all */
    EMBED_REPLACE_INVALID_UTF8 = 1 << 2, /* each maximal invalid part becomes U+FFFD; otherwise EMBED_EUTF8 */
    EMBED_NO_SPECIAL_TOKENS = 1 << 3, /* add no [CLS] and [SEP] */
    EMBED_APPLY_EXIF = 1 << 4,   /* turn an image as its EXIF orientation says */
    EMBED_ALPHA_WHITE = 1 << 5,  /* lay transparent pixels over white; default: alpha is dropped */
    EMBED_INTERPOLATE_POS_ENCODING = 1 << 6, /* take images of another size than the model's by
                                              * interpolating its positions, as the reference's option */
    EMBED_FOR_IMAGES = 1 << 7    /* embed_output_dim: of an image, where the model takes both */
};

/* Called between forward passes with inputs done so far. Anything but 0 cancels the call, which
 * then returns EMBED_ECANCELED; the session can be used again. */
typedef int32_t (*embed_progress_fn)(void *user, int64_t done, int64_t total);
/* Called for an input that cannot be used (an unreadable image, invalid UTF-8, too many tokens).
 * 0: go on; its vector becomes NaN, its rows of token vectors NaN (padded) or none (ragged), its count 0.
 * Anything else: the call fails with this status, as it does without such a callback. */
typedef int32_t (*embed_failed_fn)(void *user, int64_t index, int32_t status, const char *message);

typedef struct embed_encode_options {
    uint32_t struct_size;
    uint32_t flags;       /* EMBED_NO_... */
    int32_t pooling;      /* EMBED_POOL_*; replaces the pooling module, later modules still run */
    int32_t layer;        /* EMBED_LAYER(k); 0: last_hidden_state */
    int32_t normalize;    /* EMBED_NORMALIZE_*: ON: L2 at the very end; OFF: drops the directory's own */
    int32_t truncation_side; /* EMBED_TRUNCATE_*; default: the tokenizer's */
    int32_t strategy;     /* EMBED_STRATEGY_*, for pairs */
    int32_t reserved;
    int64_t dim;          /* keep the first dim numbers, after all modules and before normalize; 0: all */
    int64_t max_length;   /* tokens, special tokens included; 0: EMBED_INFO_MAX_LENGTH. Below the number of
                           * special tokens nothing is cut, as in the reference */
    const char *prompt_name; /* a prompt of the model; NULL: its default prompt, if any */
    const char *prompt;   /* put before every text as it is; wins over prompt_name; "": none */
    embed_progress_fn progress;
    void *progress_user;
    embed_failed_fn failed;
    void *failed_user;
    int64_t image_size; /* in place of the size in preprocessor_config.json (height and width, or the
                         * shortest edge, and the crop); 0: that */
    int32_t long_texts; /* EMBED_LONG_TEXTS_* */
    int32_t reserved_2;
    int64_t stride;     /* of windows: tokens of the text that one has in common with the one before, as
                         * the stride of the reference's tokenizers (return_overflowing_tokens) */
} embed_encode_options;
#define EMBED_ENCODE_OPTIONS_INIT                                                                   \
    {sizeof(embed_encode_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* ---- Tokens --------------------------------------------------------------- */

/* Arrays of capacity elements, caller's; any may be NULL. */
typedef struct embed_tokens {
    uint32_t struct_size;
    uint32_t flags;     /* 0 */
    int64_t capacity;
    int32_t *ids;
    int32_t *type_ids;
    int64_t *offsets;   /* [capacity][2]: bytes [start, end) of the token in its member of the pair;
                         * [0, 0] for special tokens added */
    int32_t *word_ids;  /* index of the token's word in its member of the pair; -1 for special tokens added */
    int32_t *sequence_ids; /* 0 first text, 1 second, -1 special tokens added */
} embed_tokens;
#define EMBED_TOKENS_INIT {sizeof(embed_tokens), 0, 0, 0, 0, 0, 0, 0}

/* Tokenize one text (size -1: NUL-terminated), or a pair if pair is not NULL. Returns the number of
 * tokens, also when that is more than capacity (then the first capacity are stored). Truncates to
 * max_length only if options say so (max_length > 0); prompt, flags and truncation fields of options
 * apply, the rest is ignored. */
EMBED_API int64_t embed_tokenize(embed_session *session, const char *text, int64_t size,
                                 const char *pair, int64_t pair_size,
                                 const embed_encode_options *options, embed_tokens *tokens);
/* Tokens of each input as embed_encode would take them -> counts[input.count]. */
EMBED_API int32_t embed_count_tokens(embed_session *session, const embed_input *input,
                                     const embed_encode_options *options, int64_t *counts);

/* ---- Encode ---------------------------------------------------------------- */

/* Floats in one vector of embed_encode with these options, or a negative status. */
EMBED_API int64_t embed_output_dim(const embed_model *model, const embed_encode_options *options);

/* One vector for each input: vectors[count][stride], stride >= embed_output_dim.
 *
 * EMBED_LONG_TEXTS_WINDOWS: a text of more than max_length tokens is taken in windows of max_length. Each
 * has the special tokens, the prompt, and so many tokens of the text as fit beside them; the first begins
 * with the text, each further one with the last `stride` text tokens of the one before, and the last ends
 * with the text. Window w, of n_w text tokens (neither special nor of the prompt), is pooled to v_w; the
 * modules after pooling (Dense, Normalize), dim and normalize then take
 *     v = (n_1 v_1 + n_2 v_2 + ...) / (n_1 + n_2 + ...), summed in double, in this order.
 * A text that fits one window has the vector that it has without this option. Of a pair, the member that
 * strategy names (only_first or only_second) comes in windows, beside all of the other: n_w counts its
 * tokens. Not for EMBED_POOL_SCORES, and not for token ids (EMBED_EKIND). */
EMBED_API int32_t embed_encode(embed_session *session, const embed_input *input,
                               const embed_encode_options *options, float *vectors,
                               int64_t stride);
/* The same for plain texts; sizes NULL: NUL-terminated. */
EMBED_API int32_t embed_encode_texts(embed_session *session, const char *const *texts,
                                     const int64_t *sizes, int64_t count,
                                     const embed_encode_options *options, float *vectors,
                                     int64_t stride);

/* Late chunking: one pass over a text (size -1: NUL-terminated), and a vector for each span of it,
 * spans[count][2], bytes [begin, end) of the text -> vectors[count][stride], stride >= embed_output_dim with
 * these options. A span's vector is pooled from the vectors of the tokens whose last byte lies in it, so
 * that spans which part a text part its tokens; special tokens and those of the prompt are in none. Then
 * come the modules, dim and normalize as in embed_encode. pooling: EMBED_POOL_MEAN, also by DEFAULT, or CLS
 * (the span's first token), MAX, LAST, WEIGHTED, SQRT_LEN.
 * A span without tokens is EMBED_EMISSING; options->failed and progress are told of spans.
 * A text over max_length is EMBED_ERANGE, but with EMBED_LONG_TEXTS_WINDOWS goes through the model in
 * windows: a token takes its vector from the first window that has it, with `stride` tokens of the window
 * before as context. Pooling is MEAN then, and spans ascend without overlapping. */
EMBED_API int32_t embed_encode_spans(embed_session *session, const char *text, int64_t size,
                                     const int64_t *spans, int64_t count,
                                     const embed_encode_options *options, float *vectors,
                                     int64_t stride);

/* Token vectors, padded: hidden[count][tokens][hidden_size], rows past an input's own tokens zero.
 * An input of more than tokens tokens is EMBED_ERANGE (embed_count_tokens tells). options->layer
 * picks another of the reference's hidden_states; pooling fields are ignored. */
EMBED_API int32_t embed_last_hidden_state(embed_session *session, const embed_input *input,
                                          const embed_encode_options *options, float *hidden,
                                          int64_t tokens);
/* The same, ragged: rows of input i are offsets[i] .. offsets[i+1]-1 of hidden[capacity][hidden_size].
 * offsets[count + 1] is filled even when EMBED_ERANGE says that capacity is too small. */
EMBED_API int32_t embed_last_hidden_state_ragged(embed_session *session, const embed_input *input,
                                                 const embed_encode_options *options, float *hidden,
                                                 int64_t capacity, int64_t *offsets);

/* ---- Rows of tables as texts ------------------------------------------------- */

/* The tabular recipe: a row as the sentences "The NAME is VALUE." of its columns, with a space between two;
 * underscores of a name become spaces, white space at both ends of a value (what Python's str.strip takes) is
 * left out. columns[count], values[count]; sizes NULL: NUL-terminated. As snprintf: returns the bytes of the
 * whole text, without the NUL; out gets as many as capacity holds with a NUL. out NULL: only counts. */
EMBED_API int64_t embed_row_prompt(const char *const *columns, const int64_t *column_sizes,
                                   const char *const *values, const int64_t *value_sizes, int64_t count,
                                   char *out, int64_t capacity);
/* What the recipe for texts that have a class puts before each: " The classification label is LABEL. ", the
 * space in front included. size -1: NUL-terminated. out and capacity as above. */
EMBED_API int64_t embed_label_prompt(const char *label, int64_t size, char *out, int64_t capacity);

/* ---- Images before the model -------------------------------------------------------- */

/* Height and width that each image has after preprocessing -> sizes[input.count][2]. */
EMBED_API int32_t embed_pixel_sizes(embed_session *session, const embed_input *input,
                                    const embed_encode_options *options, int64_t *sizes);
/* The preprocessed images, what the reference calls pixel_values: pixels[count][3][height][width].
 * Every image must come out at this size (EMBED_ERANGE). Needs no weights: EMBED_OPEN_NO_ENCODER. */
EMBED_API int32_t embed_pixel_values(embed_session *session, const embed_input *input,
                                     const embed_encode_options *options, float *pixels,
                                     int64_t height, int64_t width);

/* ---- Single-file models ------------------------------------------------------------ */

/* Takes the next size bytes of a file. 0, or a negative status, which ends the writing. */
typedef int32_t (*embed_write_fn)(void *user, const void *data, int64_t size);

enum { /* embed_save_options.flags */
    EMBED_SAVE_NO_GOLDEN = 1 << 0 /* nothing for embed_verify */
};
typedef struct embed_save_options {
    uint32_t struct_size;
    uint32_t flags; /* EMBED_SAVE_* */
    embed_progress_fn progress; /* of bytes */
    void *progress_user;
} embed_save_options;
#define EMBED_SAVE_OPTIONS_INIT {sizeof(embed_save_options), 0, 0, 0}

/* Write a model that was opened with EMBED_OPEN_TO_SAVE as a single file, from its first byte to its last:
 * weights as the layers use them (embed_open_options.weights), which opening then takes as they lie;
 * configuration, tokenizer and modules; and golden inputs with their vectors. The same model gives the
 * same bytes. The file is a safetensors file too (docs/file_format.md). */
EMBED_API int32_t embed_model_save(const embed_model *model, embed_write_fn write, void *write_user,
                                   const embed_save_options *options, embed_error *error);

typedef struct embed_verification {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t inputs;    /* golden inputs */
    int64_t different; /* of them, those whose vector has not the same bits here */
    double largest;    /* difference of two numbers; NaN: one of them is no number */
    double cosine;     /* the smallest, of a vector and the golden one */
} embed_verification;
#define EMBED_VERIFICATION_INIT {sizeof(embed_verification), 0, 0, 0, 0, 0}
/* Encode the golden inputs of a single-file model again, and compare with the vectors that were made
 * when it was written. EMBED_EMISSING: the model brings none. */
EMBED_API int32_t embed_verify(embed_session *session, embed_verification *found);

/* ---- Helpers on vectors, usable on their own ---------------------------------- */

/* One vector out[hidden_size] from hidden[tokens][hidden_size]. attention_mask[tokens] of 0 and 1, or
 * NULL for all 1. Every EMBED_POOL_* but DEFAULT, POOLER, PATCHES, PROJECTION and SCORES. WEIGHTED counts from the
 * mask's first 1: zeros before it are padding. (embed_encode counts from the first token, those of a prompt
 * that the pooling module leaves out included.) Sums are made in double, in token order. */
EMBED_API int32_t embed_pool(const float *hidden, int64_t tokens, int64_t hidden_size,
                             const int32_t *attention_mask, int32_t pooling, float *out);
/* Mean of rows begin .. end-1 (begin < end <= tokens); one token is begin = t, end = t + 1. */
EMBED_API int32_t embed_pool_span(const float *hidden, int64_t tokens, int64_t hidden_size,
                                  int64_t begin, int64_t end, float *out);
/* Mean of the rows whose word_ids[tokens] is word; EMBED_EMISSING if there is none. */
EMBED_API int32_t embed_pool_word(const float *hidden, int64_t tokens, int64_t hidden_size,
                                  const int32_t *word_ids, int32_t word, float *out);
/* pooler_output of the model: tanh(dense(cls)), cls[hidden_size] a [CLS] vector of last_hidden_state. */
EMBED_API int32_t embed_pooler(embed_session *session, const float *cls, float *out);

/* x / max(|x|, 1e-12) for each of count rows, in place (torch.nn.functional.normalize). */
EMBED_API int32_t embed_normalize(float *vectors, int64_t count, int64_t dim, int64_t stride);

enum { /* larger is nearer for all of them */
    EMBED_SIMILARITY_COSINE = 1,
    EMBED_SIMILARITY_DOT = 2,
    EMBED_SIMILARITY_EUCLIDEAN = 3, /* minus the distance */
    EMBED_SIMILARITY_MANHATTAN = 4  /* minus the distance */
};
/* scores[count_a][count_b] of every row of a[count_a][dim] against every row of b[count_b][dim]. A score has
 * the same bits whatever else is scored with it, and with a and b exchanged. Products are floats over 64
 * dimensions, whose sums are doubles; distances are doubles. */
EMBED_API int32_t embed_similarity(int32_t similarity, const float *a, int64_t count_a,
                                   const float *b, int64_t count_b, int64_t dim, float *scores);

enum { /* as sentence-transformers' quantize_embeddings (6.x) */
    EMBED_PRECISION_FLOAT32 = 0,
    EMBED_PRECISION_INT8 = 1,
    EMBED_PRECISION_UINT8 = 2,
    EMBED_PRECISION_BINARY = 3, /* bit = x > 0, most significant bit first; the byte minus 128, as int8 */
    EMBED_PRECISION_UBINARY = 4 /* the byte itself */
};
/* Bytes in one quantised vector of dim numbers, or a negative status. */
EMBED_API int64_t embed_quantized_size(int64_t dim, int32_t precision);
/* ranges[2][dim]: smallest and largest value of each dimension over the rows. count >= 1. */
EMBED_API int32_t embed_quantize_ranges(const float *vectors, int64_t count, int64_t dim,
                                        int64_t stride, float *ranges);
/* vectors[count][stride] -> out[count][embed_quantized_size]. int8 and uint8 need ranges[2][dim] and
 * give clip(floor((x - min) / ((max - min) / 255)), 0, 255), int8 128 less; the others ignore it. */
EMBED_API int32_t embed_quantize(const float *vectors, int64_t count, int64_t dim, int64_t stride,
                                 int32_t precision, const float *ranges, void *out);

#ifdef __cplusplus
}
#endif
#endif
