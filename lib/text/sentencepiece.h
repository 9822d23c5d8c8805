/* sentencepiece: what a SentencePiece .model file (a ModelProto) says, enough to build a Unigram or
 * BPE pipeline of it. Strict: a file that is not one is refused with the place. */
#ifndef EMB_SENTENCEPIECE_H
#define EMB_SENTENCEPIECE_H

#include "../base/base.h"

enum { EMB_SP_NORMAL = 1, EMB_SP_UNKNOWN, EMB_SP_CONTROL, EMB_SP_USER_DEFINED, EMB_SP_UNUSED,
       EMB_SP_BYTE };
enum { EMB_SP_UNIGRAM = 1, EMB_SP_BPE, EMB_SP_WORD, EMB_SP_CHAR };

typedef struct emb_sp_piece {
    const char *text; /* in the file's bytes; valid UTF-8 */
    uint32_t size;
    float score;
    int32_t type; /* EMB_SP_* */
} emb_sp_piece;

typedef struct emb_sentencepiece { /* pointers are into the file's bytes, pieces is ours */
    const emb_allocator *allocator;
    emb_sp_piece *pieces; /* ids are indices */
    int64_t count;
    /* trainer_spec, with the format's defaults */
    int32_t model_type;
    int64_t unk_id, bos_id, eos_id, pad_id; /* -1: none */
    const char *unk_piece, *bos_piece, *eos_piece, *pad_piece;
    size_t unk_piece_size, bos_piece_size, eos_piece_size, pad_piece_size;
    bool byte_fallback, treat_whitespace_as_suffix;
    /* normalizer_spec */
    const char *normalizer_name, *charsmap; /* charsmap: for emb_charsmap_open; NULL: none */
    size_t normalizer_name_size, charsmap_size;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
} emb_sentencepiece;

/* name: what messages call the file. m is to be closed whatever the result. */
int32_t emb_sentencepiece_open(emb_sentencepiece *m, const char *data, size_t size,
                               const char *name, const emb_allocator *a, embed_error *error);
/* The file without its ordinary pieces: what there is to say of it besides a vocabulary. */
int32_t emb_sentencepiece_rest(const char *data, size_t size, emb_buffer *out, embed_error *error);
void emb_sentencepiece_close(emb_sentencepiece *m);

#endif
