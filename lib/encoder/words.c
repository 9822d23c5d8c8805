/* Tables of word vectors: their rows stay in the file, and are widened as they are looked up.
 * Those of static embeddings may be shared by several tokens, and be weighted. */
#include "encoder.h"

/* The numbers of a tensor [vocab_size]. */
static int32_t *read_rows(const emb_encoder *e, emb_loader *l)
{
    int64_t n = e->arch.vocab_size;
    const emb_tensor *t = emb_load_find(l, e->arch.names.word_rows);
    bool wide = t && t->dtype == EMB_I64;
    if (!wide && (!t || t->dtype != EMB_I32)) {
        emb_load_failed(l, emb_fail(l->error, EMBED_ETENSOR,
                                    "%s: tensor \"%s\": expected I32 or I64, found %s",
                                    emb_weights_name(l->weights), e->arch.names.word_rows,
                                    t ? emb_dtype_name(t->dtype) : "none"));
        return NULL;
    }
    int32_t *out = emb_alloc(l->allocator, (size_t)n, sizeof *out);
    if (!out)
        emb_load_failed(l, emb_fail(l->error, EMBED_ENOMEM, "out of memory for the rows of tokens"));
    for (int64_t i = 0; out && i < n; i++) {
        int64_t row = 0;
        int32_t narrow = 0;
        memcpy(wide ? (void *)&row : &narrow, t->data + i * (wide ? 8 : 4), wide ? 8 : 4);
        if (!wide) row = narrow;
        out[i] = row < 0 || row > INT32_MAX ? -1 : (int32_t)row;
    }
    return out;
}

/* Which row is a token's, each from 0 to rows - 1. */
static const int32_t *load_rows(const emb_encoder *e, emb_loader *l, int64_t rows)
{
    int64_t n = e->arch.vocab_size;
    const char *name = e->arch.names.word_rows;
    const void *data = NULL;
    if (l->status == EMBED_OK && emb_making(l)) {
        data = read_rows(e, l);
        emb_made(l);
    }
    emb_load_piece(l, name, "", EMB_I32, 1, &n, 1, n, &data);
    const int32_t *out = data;
    for (int64_t i = 0; out && l->status == EMBED_OK && i < n; i++)
        if (out[i] < 0 || out[i] >= rows)
            emb_load_failed(l, emb_fail(l->error, EMBED_ETENSOR,
                                        "%s: tensor \"%s\": token %lld: expected a row from 0 to %lld, "
                                        "found another",
                                        emb_weights_name(l->weights), name, (long long)i,
                                        (long long)rows - 1));
    return out;
}

void emb_words_load(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    const emb_names *names = &a->names;
    const char *words = names->word_embeddings, *tied = names->tied_embeddings;
    int64_t rows = a->table_rows ? a->table_rows : a->vocab_size;
    if (tied && !emb_load_find(l, words) && emb_load_find(l, tied)) words = tied;
    l->whole_numbers = a->static_kind != EMB_STATIC_NONE;
    e->word_embeddings = emb_load_table(l, words, rows, a->embedding_size, &e->words_stored);
    l->whole_numbers = false;
    if (names->word_rows) e->word_rows = load_rows(e, l, rows);
    if (names->word_weights)
        e->word_weights = emb_load_floats(l, names->word_weights, a->vocab_size, 0);
}

void emb_words_look_up(const emb_encoder *e, const emb_kernels *k, int32_t id, float *row)
{
    int64_t size = e->arch.embedding_size, at = e->word_rows ? e->word_rows[id] : id;
    float scale = e->word_weights ? e->word_weights[id] : (float)e->arch.embedding_scale;
    emb_widen_rows(k, e->word_embeddings, size, at, 1, row);
    emb_round(k, e->words_stored, size, row);
    if (scale == 0 && !e->word_weights) return;
    for (int64_t i = 0; i < size; i++) row[i] *= scale;
}
