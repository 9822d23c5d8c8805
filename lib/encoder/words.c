/* Tables of word vectors: their rows stay in the file, and are widened as they are looked up.
 * Those of static embeddings may be shared by several tokens, and be weighted. */
#include "encoder.h"

/* Numbers from 0 to rows - 1, one of each token. */
static const int32_t *load_rows(const emb_encoder *e, emb_loader *l, int64_t rows)
{
    int64_t n = e->arch.vocab_size;
    const emb_tensor *t = emb_load_find(l, e->arch.names.word_rows);
    int32_t *out = l->status == EMBED_OK ? emb_alloc(l->allocator, (size_t)n, sizeof *out) : NULL;
    bool wide = t && t->dtype == EMB_I64;
    if (!out && l->status == EMBED_OK)
        l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for the rows of tokens");
    if (out && !wide && (!t || t->dtype != EMB_I32))
        l->status = emb_fail(l->error, EMBED_ETENSOR,
                             "%s: tensor \"%s\": expected I32 or I64, found %s",
                             emb_weights_name(l->weights), e->arch.names.word_rows,
                             t ? emb_dtype_name(t->dtype) : "none");
    for (int64_t i = 0; out && l->status == EMBED_OK && i < n; i++) {
        int64_t row = 0;
        int32_t narrow = 0;
        memcpy(wide ? (void *)&row : &narrow, t->data + i * (wide ? 8 : 4), wide ? 8 : 4);
        if (!wide) row = narrow;
        if (row < 0 || row >= rows)
            l->status = emb_fail(l->error, EMBED_ETENSOR,
                                 "%s: tensor \"%s\": token %lld: expected a row from 0 to %lld, "
                                 "found %lld",
                                 t->file, t->name, (long long)i, (long long)rows - 1, (long long)row);
        out[i] = (int32_t)row;
    }
    return out;
}

void emb_words_load(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    const emb_names *names = &a->names;
    const char *words = names->word_embeddings, *tied = names->tied_embeddings;
    int64_t shape[2] = {a->table_rows ? a->table_rows : a->vocab_size, a->embedding_size};
    if (tied && !emb_load_find(l, words) && emb_load_find(l, tied)) words = tied;
    l->whole_numbers = a->static_kind != EMB_STATIC_NONE;
    e->word_embeddings = emb_load_tensor(l, words, 2, shape);
    l->whole_numbers = false;
    l->parameters += shape[0] * shape[1];
    if (names->word_rows) e->word_rows = load_rows(e, l, shape[0]);
    if (names->word_weights)
        e->word_weights = emb_load_floats(l, names->word_weights, a->vocab_size, 0);
}

void emb_words_look_up(const emb_encoder *e, const emb_kernels *k, int32_t id, float *row)
{
    int64_t size = e->arch.embedding_size, at = e->word_rows ? e->word_rows[id] : id;
    float scale = e->word_weights ? e->word_weights[id] : (float)e->arch.embedding_scale;
    emb_widen_rows(k, e->word_embeddings, size, at, 1, row);
    if (scale == 0 && !e->word_weights) return;
    for (int64_t i = 0; i < size; i++) row[i] *= scale;
}
