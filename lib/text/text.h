/* The parts of the tokenizer pipeline, in the order a text meets them: source -> added tokens ->
 * normalizer -> added tokens -> pre-tokenizer and model -> truncation and post-processor. Private
 * to text/. */
#ifndef EMB_TEXT_H
#define EMB_TEXT_H

#include "../format/json.h"
#include "tokenizer.h"
#include "unicode.h"

/* ---- source: a prompt and a text as one sequence of code points (normalize.c) ------------- */

/* A code point and the bytes of the source that it came from. Pieces are held as these: they are as
 * small as can be. */
typedef struct emb_char {
    uint64_t code : 21;
    uint64_t size : 3;   /* at most 4 */
    uint64_t start : 40; /* in prefix + text */
} emb_char;
#define EMB_MOST_SOURCE_BYTES ((size_t)1 << 40)

typedef struct emb_source {
    const char *prefix, *data;
    size_t prefix_size, size; /* size: of both together */
} emb_source;

static inline uint32_t emb_utf8_size(uint32_t code)
{
    return 1u + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000);
}

/* The character that begins at `at`, or that ends there; an invalid part is U+FFFD. */
emb_char emb_source_next(const emb_source *s, size_t at);
emb_char emb_source_previous(const emb_source *s, size_t at);

/* ---- normalizer (normalize.c) ---------------------------------------------------------------- */

/* BertNormalizer between two Lowercases: what can be done while reading. */
typedef struct emb_normalizer { /* steps, in this order */
    bool lower_first, clean, cjk, strip, lower;
    bool bert, lowercases; /* components that were there */
    bool none;          /* no step at all */
    uint8_t ascii[128]; /* what an ASCII character becomes; EMB_ASCII_DELETED */
} emb_normalizer;
#define EMB_ASCII_DELETED 0xFF
void emb_normalizer_prepare(emb_normalizer *n); /* after the steps are set */

/* Walks the normalized characters of a piece before marks are put in order: what NFD sees. */
typedef struct emb_nfd_cursor {
    size_t at;                      /* next byte of the source */
    emb_char parts[3];              /* of the current source character: cleaned, spaced */
    uint32_t pieces[4];             /* of the current part: decomposed */
    int8_t part, parts_count, piece, pieces_count;
} emb_nfd_cursor;

/* A run of marks that is being put in canonical order, class by class, without a buffer. */
typedef struct emb_mark_run {
    emb_nfd_cursor begin, end, at, source;
    emb_char aligned; /* the source character handed out last */
    size_t length, index;
    uint32_t class_now;
    uint8_t classes[32]; /* bit set */
    bool active;
} emb_mark_run;

typedef struct emb_reader {
    const emb_normalizer *normalizer;
    const emb_source *source;
    size_t end; /* of the piece */
    emb_nfd_cursor cursor;
    emb_char last; /* source character of the last starter */
    emb_mark_run run;
} emb_reader;

#define EMB_READ_MARGIN 8 /* room that one step may need */
void emb_reader_start(emb_reader *r, const emb_normalizer *n, const emb_source *s, size_t begin,
                      size_t end);
/* The next normalized characters of the piece, fewer than capacity (> EMB_READ_MARGIN); 0: the
 * end. */
size_t emb_reader_read(emb_reader *r, emb_char *out, size_t capacity);

/* ---- steps: normalizers and pre-tokenizers that take a piece whole (normalizers.c,
 * pretokenize.c, pattern.c) ---- */

enum { EMB_MAX_STEPS = 32 }; /* of each kind */

typedef enum emb_behavior {
    EMB_REMOVED, EMB_ISOLATED, EMB_MERGED_WITH_PREVIOUS, EMB_MERGED_WITH_NEXT, EMB_CONTIGUOUS
} emb_behavior;

/* What a Replace or Split looks for: a regular expression, or one character. */
typedef struct emb_pattern {
    struct emb_regex *regex; /* NULL: the character */
    uint32_t code;
} emb_pattern;

typedef struct emb_step { /* a component with its options */
    const struct emb_step_kind *kind;
    emb_pattern pattern;
    union {
        struct { bool left, right; } strip;
        struct { uint32_t *codes; size_t count; } text;        /* Prepend, Replace */
        struct emb_charsmap *charsmap;                         /* Precompiled */
        struct { struct emb_charsmap *charsmap; bool dummy_prefix, removes_spaces, escapes; } spm;
        struct { bool lower; } siglip;
        struct { emb_behavior behavior; bool invert; } split;  /* Split, Punctuation, Digits */
        struct { int scheme; bool split; } metaspace;
        struct { bool prefix_space, use_regex; } byte_level;
        size_t length;                                         /* FixedLength */
    };
    int buffers; /* of characters that it needs */
} emb_step;
typedef struct emb_steps {
    emb_step items[EMB_MAX_STEPS];
    int count;
} emb_steps;

typedef struct emb_room { /* memory that a step works in */
    emb_char *chars[2];
    char *bytes;     /* of the piece as UTF-8 */
    void *regex;
    size_t capacity; /* characters */
} emb_room;
void emb_room_plan(emb_room *room, const emb_step *s, emb_arena *arena, size_t capacity);

typedef struct emb_loading { /* what reading a component needs */
    const emb_allocator *a;
    embed_error *error;
    const char *file; /* for messages */
    const char *charsmap; /* of a Precompiled without one; of a SentencePiece file */
    size_t charsmap_size;
} emb_loading;
/* Add the steps of a component, which may be a Sequence. What reading a character can do goes to
 * the reader. */
int32_t emb_normalizers_load(emb_normalizer *reader, emb_steps *steps, const emb_json *v,
                             const emb_loading *l);
int32_t emb_pre_tokenizers_load(emb_steps *steps, const emb_json *v, const emb_loading *l);
void emb_steps_free(emb_steps *steps, const emb_allocator *a);
bool emb_steps_are_bert(const emb_steps *steps); /* a BertPreTokenizer alone */
/* Run all normalizers; the result is in one of the buffers. Number of characters, or SIZE_MAX when
 * they do not fit. */
size_t emb_normalize(const emb_steps *steps, emb_room *rooms, emb_char *buffers[2], size_t count,
                     size_t capacity);

/* ---- strings: a set of strings with values (strings.c) -------------------------------- */

typedef struct emb_string {
    uint32_t offset; /* in bytes */
    uint32_t size;
    int32_t value;
} emb_string;

typedef struct emb_strings {
    const emb_allocator *allocator;
    char *bytes;
    size_t bytes_used, bytes_capacity;
    emb_string *entries;
    uint64_t *slots; /* hash's upper half << 32 | entry + 1; 0: free */
    size_t slots_mask;
    int32_t count, capacity;
    uint32_t longest;   /* bytes */
    uint32_t max_probe; /* no string is further from its slot: the bound of every search */
    bool borrowed;      /* the arrays are tables of a file */
    /* a string's bytes end in a NUL that its size does not count */
} emb_strings;

#define EMB_STRINGS_MAX_PROBE 2048

#define EMB_HASH_START UINT64_C(0xcbf29ce484222325)
static inline uint64_t emb_hash_step(uint64_t h, char byte)
{
    return (h ^ (uint8_t)byte) * UINT64_C(0x100000001b3);
}

void emb_strings_init(emb_strings *s, const emb_allocator *a);
void emb_strings_free(emb_strings *s);
/* Add, or give an existing string another value. Entry number; EMBED_ENOMEM; EMBED_EFORMAT for a
 * set of strings made to collide. */
int32_t emb_strings_put(emb_strings *s, const char *text, size_t size, int32_t value);
int32_t emb_strings_find(const emb_strings *s, const char *text, size_t size); /* entry, or -1 */
/* Find prefix + text by the hash of both. */
int32_t emb_strings_find_hashed(const emb_strings *s, uint64_t hash, const char *prefix,
                                size_t prefix_size,
                                const char *text, size_t size);

/* ---- added tokens (added_tokens.c) ---------------------------------------------------- */

typedef struct emb_added_token {
    const char *content;
    size_t size;
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} emb_added_token;

/* Finds the longest pattern that begins at each character: an Aho-Corasick automaton of the
 * reversed patterns, run from right to left. Linear in the text, whatever the patterns. */
typedef struct emb_matcher {
    struct emb_matcher_node { int32_t fail, out, size, depth; } *nodes; /* out: token index or -1 */
    uint64_t *edges; /* (node << 21 | code) + 1, open addressing */
    int32_t *edge_to;
    size_t edges_mask, edges_probe;
    int32_t count;      /* nodes; 0: no patterns */
    uint32_t longest;   /* characters */
    uint8_t first[256]; /* bytes that a pattern may begin with */
    int32_t only_first; /* the byte, if there is only one; -1 */
} emb_matcher;

typedef struct emb_match { int32_t token; uint32_t size; } emb_match; /* token -1: none */

/* patterns: of code points, one after another; nothing is kept of them. */
int32_t emb_matcher_build(emb_matcher *m, const emb_allocator *a, const uint32_t *codes,
                          const size_t *ends,
                          const int32_t *tokens, int32_t count, embed_error *error);
void emb_matcher_free(emb_matcher *m, const emb_allocator *a);
/* Longest match at each of count characters. */
void emb_matcher_run(const emb_matcher *m, const emb_char *chars, size_t count, emb_match *matches);
/* First byte at or after `at` that a pattern may begin with, or the end of the source. */
size_t emb_matcher_candidate(const emb_matcher *m, const emb_source *s, size_t at);

typedef struct emb_added {
    emb_added_token *tokens; /* ascending ids */
    int32_t count;
    emb_strings ids;   /* content -> id, of every token ever added */
    bool split_special;     /* special tokens in the text are text */
    emb_matcher raw, normal; /* tokens matched before, and after the normalizer */
} emb_added;
/* Build both automata once the tokens are in. */
int32_t emb_added_build(emb_added *added, const emb_normalizer *n, const emb_steps *normalizers,
                        const emb_allocator *a, embed_error *error);
void emb_added_free(emb_added *added, const emb_allocator *a);

/* Where matches are looked for: the bytes of a source, or normalized characters by index. */
typedef struct emb_view {
    const emb_source *source;
    const emb_char *chars;
    size_t size;
    size_t spaces_begin, spaces_end; /* white space that rstrip has seen */
} emb_view;
/* Apply the flags of a token to its match [*begin, *end); done: where the last match ended. false:
 * no match. */
bool emb_added_accept(const emb_added *added, int32_t token, emb_view *view, size_t done,
                      size_t *begin,
                      size_t *end);

/* ---- tokens --------------------------------------------------------------------------- */

typedef struct emb_token {
    int32_t id, word;
    size_t begin, end; /* in prefix + text */
    uint32_t leading, trailing; /* white space of the token's own text, in characters */
} emb_token;

/* Takes the tokens of one text: keeps the first or last `capacity` in ring, or hands them to
 * the writer or to windows. */
typedef struct emb_sink {
    emb_token *ring;
    int64_t capacity, count;
    bool keep_last, stop_when_full;
    struct emb_writer *writer;
    struct emb_windows *windows;
} emb_sink;
void emb_sink_push(emb_sink *sink, emb_token token);
static inline bool emb_sink_full(const emb_sink *sink)
{
    return sink->stop_when_full && sink->count >= sink->capacity;
}

/* ---- models: a word to tokens (token_model.c, and a file each) ------------------------------- */

/* Bytes of a piece. Every character of a word may look at as many: real ones have some 50. */
#define EMB_MAX_PIECE 1024
#define EMB_MAX_AFFIX 60       /* bytes of continuing_subword_prefix, end_of_word_suffix */
#define EMB_BPE_DIRECT 0x3000u /* code points whose symbol is looked up in a table */

typedef struct emb_merge {
    uint64_t key; /* of the pair; 0: free */
    int32_t rank, id;
} emb_merge;
#define EMB_BPE_MAX_PROBE 4096

typedef struct emb_bpe {
    emb_merge *merges; /* open addressing */
    size_t merges_mask, merges_probe;
    int64_t ids;       /* results of merges are below */
    char *suffix;      /* end_of_word_suffix */
    size_t suffix_size;
    bool fuse_unk, byte_fallback, ignore_merges;
    int32_t *direct[2]; /* id of a code point, and of one with the suffix; -1: none */
    int32_t bytes[256]; /* of <0x00> ... <0xFF> */
} emb_bpe;

/* White space at both ends of a piece's text: what trim_offsets leaves out. */
typedef struct emb_trim { uint16_t leading, trailing; } emb_trim;

typedef struct emb_token_model {
    const struct emb_token_model_kind *kind;
    emb_strings vocab; /* values: ids */
    char *unk;         /* NULL: none */
    int32_t unk_id;    /* -1: not in the vocabulary */
    char *prefix;      /* continuing_subword_prefix */
    size_t prefix_size;
    uint64_t prefix_hash;
    int64_t max_chars; /* of a word; WordPiece */
    int32_t *entry_of_id; /* entry + 1 of the vocabulary; 0: none */
    int64_t ids;          /* of entry_of_id */
    emb_bpe bpe;
    struct emb_unigram *unigram; /* has the vocabulary then */
    char *dropped;     /* what a class puts before each text of a Unigram, or NULL */
    size_t dropped_size;
    bool borrowed;     /* entry_of_id and merges are tables of a file */
    emb_trim *trims;   /* by id; NULL: offsets are not trimmed */
    int64_t trims_count;
} emb_token_model;

typedef struct emb_symbol { /* of a word that is being merged */
    int32_t id, previous, next;
    uint32_t size; /* bytes of the word; 0: merged into the one before */
} emb_symbol;

typedef struct emb_words { /* the model at work on one text */
    const emb_token_model *model;
    emb_sink *sink;
    int64_t word; /* number of the next word */
    int64_t max_text_bytes;
    embed_error *error;
    int64_t capacity, count; /* of what is collected of the word */
    char *bytes;
    /* WordPiece */
    emb_char *chars;
    uint32_t *at;      /* chars[i] is at bytes[at[i]] */
    uint64_t *hashes;
    emb_token *pieces; /* of the word */
    size_t first, last; /* source bytes of the word */
    /* BPE */
    emb_symbol *symbols;
    uint64_t *heap;
    size_t heap_size;
    void *engine; /* Unigram */
} emb_words;

typedef struct emb_token_model_kind {
    const char *type; /* in tokenizer.json */
    /* Room for words of up to `chars` characters. */
    void (*plan)(emb_words *w, emb_arena *arena, size_t chars);
    /* The tokens of a word, count > 0; then the next word is w->word + 1. */
    int32_t (*word)(emb_words *w, const emb_char *chars, size_t count);
} emb_token_model_kind;
extern const emb_token_model_kind emb_token_model_wordpiece, emb_token_model_wordlevel,
    emb_token_model_bpe, emb_token_model_unigram;

bool emb_is_blank(uint32_t code);
emb_trim emb_trim_of(const char *text, size_t size);
void emb_token_model_free(emb_token_model *m, const emb_allocator *a);
int64_t emb_token_model_count(const emb_token_model *m); /* pieces */
int64_t emb_token_model_ids(const emb_token_model *m);   /* largest id + 1 */
int32_t emb_token_model_id(const emb_token_model *m, const char *text, size_t size); /* or -1 */
/* NULL: none. The text ends in a NUL. */
const char *emb_token_model_text(const emb_token_model *m, int32_t id, uint32_t *size);
bool emb_token_model_trims(emb_token_model *m, const emb_allocator *a); /* build m->trims */
/* A token of the current word, from one character to another. */
void emb_words_token(emb_words *w, int32_t id, const emb_char *first, const emb_char *last);
/* The entry of the vocabulary that is the whole word, or -1. w->bytes has room for the longest. */
int32_t emb_words_find(emb_words *w, const emb_char *chars, size_t count);
void emb_words_trim(const emb_words *w, emb_token *token);
int32_t emb_words_too_long(const emb_words *w, size_t at);

/* WordPiece after BertPreTokenizer, as characters come: words of any length in little memory. */
int32_t emb_words_push(emb_words *w, const emb_char *chars, size_t count);
int32_t emb_words_end(emb_words *w); /* of the piece: so of the word */

bool emb_bpe_reserve(emb_bpe *m, size_t merges, const emb_allocator *a);
bool emb_bpe_add(emb_bpe *m, int32_t left, int32_t right, int32_t rank, int32_t id);
bool emb_bpe_prepare(emb_token_model *m, const emb_allocator *a);

/* ---- pre-tokenizers at work on one text (pretokenize.c) -------------------------------- */

typedef struct emb_splitter {
    const emb_steps *steps;
    emb_room *rooms; /* one for each step */
    emb_words *words;
} emb_splitter;
/* A piece through the steps from this one on, then through the model. */
int32_t emb_split(emb_splitter *p, int step, const emb_char *chars, size_t count);

/* ---- post-processor (postprocess.c) --------------------------------------------------- */

typedef struct emb_template_piece {
    int32_t sequence; /* 0, 1; -1: a token */
    int32_t id, type_id;
} emb_template_piece;

typedef struct emb_template {
    emb_template_piece *pieces;
    int64_t count, added; /* added: pieces that are tokens */
} emb_template;

typedef struct emb_post_processor {
    emb_template single, pair;
    bool trims, prefix_space; /* trim_offsets, add_prefix_space */
    bool once; /* a special token is not added after itself */
} emb_post_processor;

typedef struct emb_writer {
    emb_token_arrays *out;
    int64_t count;
    /* of the sequence being written */
    emb_source source;
    int32_t type_id, sequence;
    bool trims, prefix_space, first;
    int32_t left_out; /* the id of tokens that are not written; -1: none */
    int32_t last; /* id of the sequence's last token; -1: none */
} emb_writer;
void emb_writer_special(emb_writer *w, int32_t id, int32_t type_id);
void emb_writer_token(emb_writer *w, emb_token token);

/* A post_processor of tokenizer.json (NULL or null: none). */
int32_t emb_post_processor_load(emb_post_processor *p, const emb_json *v, const emb_loading *l);
void emb_post_processor_free(emb_post_processor *p, const emb_allocator *a);
/* How many tokens of each sequence remain. limit: without special tokens. */
int32_t emb_truncate(int64_t lengths[2], bool pair, int64_t limit, int32_t strategy,
                     embed_error *error);

/* ---- the tokenizer (tokenizer.c, load.c) ---------------------------------------------- */

struct emb_tokenizer {
    emb_allocator allocator;
    emb_normalizer reader;
    emb_steps normalizers, pre_tokenizers;
    emb_token_model model;
    emb_added added;
    emb_post_processor post;
    bool streams; /* BertPreTokenizer and WordPiece: a piece need not be held whole */
    int64_t vocab_size;
    int64_t model_max_length;
    bool truncates_left, pads_left;
    int32_t pad_id;     /* -1: none */
    int64_t truncation; /* max_length of tokenizer.json's block; 0: none */
    const char *settings_from, *vocabulary_from; /* files */
    void *tables; /* a copy of a block that was not aligned */
    char *class_name;
};

/* ---- files (load.c, load_config.c) ---------------------------------------------------- */

typedef struct emb_token_spec { /* a token as a file gives it: a string, or an object with flags */
    emb_added_token token;      /* content: of the file's document */
    int64_t index;              /* in added_tokens_decoder; later the id */
    int64_t order;              /* of addition */
    bool plain;                 /* a string */
} emb_token_spec;

typedef struct emb_token_list {
    emb_token_spec *items;
    size_t count, capacity;
} emb_token_list;
int32_t emb_token_list_add(emb_token_list *list, const emb_token_spec *spec, const emb_allocator *a,
                           embed_error *error);
/* Sort by index; of equal ones the last added stays. */
void emb_token_list_sort(emb_token_list *list);
bool emb_token_spec_equal(const emb_token_spec *x, const emb_token_spec *y);

enum { EMB_BOS, EMB_EOS, EMB_UNK, EMB_SEP, EMB_PAD, EMB_CLS, EMB_MASK, EMB_NAMED_TOKENS };
extern const char *const emb_named_tokens[EMB_NAMED_TOKENS]; /* "bos_token"... */

/* What tokenizer_config.json and the small files beside it say, put together as the reference
 * does. */
typedef struct emb_tokenizer_config {
    emb_json_document *config, *special_map, *added;
    const char *class_name; /* or NULL */
    bool lower, cjk, strip, split_special;
    int64_t model_max_length; /* 0: none */
    const char *truncation_side, *padding_side; /* or NULL */
    emb_token_spec named[EMB_NAMED_TOKENS];
    enum { EMB_TOKEN_ABSENT, EMB_TOKEN_NULL, EMB_TOKEN_GIVEN } state[EMB_NAMED_TOKENS];
    emb_token_list specific; /* other keys that end in _token */
    emb_token_list extra;    /* extra_special_tokens, additional_special_tokens */
    bool extra_given;        /* there was a list, be it empty */
    emb_token_list decoder;  /* added_tokens_decoder, by ascending index */
} emb_tokenizer_config;

/* json: the root of tokenizer.json, or NULL. c is to be freed whatever the result. */
int32_t emb_config_load(emb_tokenizer_config *c, const emb_tokenizer_files *files,
                        const emb_json *json,
                        const emb_allocator *a, embed_error *error);
void emb_config_free(emb_tokenizer_config *c, const emb_allocator *a);
/* An element of added_tokens in tokenizer.json. */
int32_t emb_added_token_read(emb_token_spec *spec, const char *file, const emb_json *v,
                             embed_error *error);

#endif
