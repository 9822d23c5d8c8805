/* Pieces: weights as layers compute with them, each a tensor of a single-file model. One
 * description of what a matrix consists of serves to find its pieces there and to note them for
 * writing. */
#include <stdio.h>

#include "weights.h"

void emb_pieces_init(emb_pieces *p, const emb_allocator *a)
{
    emb_buffer_init(&p->list, a);
    emb_buffer_init(&p->names, a);
}

void emb_pieces_free(emb_pieces *p)
{
    if (!p->list.allocator) return;
    emb_buffer_free(&p->list);
    emb_buffer_free(&p->names);
}

bool emb_making(emb_loader *l)
{
    if (l->prepared) return false;
    l->making++;
    return true;
}

void emb_made(emb_loader *l)
{
    l->making--;
}

const float *emb_load_made(emb_loader *l, const char *name, int64_t rows, int64_t columns,
                           float *made)
{
    const int64_t shape[] = {rows, columns};
    const void *data = made;
    emb_load_piece(l, name, "", EMB_F32, 2, shape, rows, columns, &data);
    return data;
}

/* The tensor that a piece becomes: of its own shape, or where that is no whole number of
 * EMB_ALIGNs, flat and longer. false: too large. */
static bool shape_piece(emb_tensor *t, emb_dtype dtype, int32_t rank, const int64_t *shape,
                        size_t *numbers)
{
    size_t each = emb_dtype_bits(dtype) / 8, bytes;
    *t = (emb_tensor){.dtype = dtype, .rank = rank};
    *numbers = 1;
    for (int32_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        if (!emb_mul(*numbers, (size_t)shape[i], numbers)) return false;
    }
    if (!emb_mul(*numbers, each, &bytes) || !emb_add(bytes, EMB_ALIGN - 1, &t->bytes)) return false;
    t->bytes -= t->bytes % EMB_ALIGN;
    if (t->bytes != bytes) {
        t->rank = 1;
        t->shape[0] = (int64_t)(t->bytes / each);
    }
    return true;
}

/* Find a piece where it lies. NULL: it is not there as it should be. */
static const emb_tensor *find_piece(emb_loader *l, const char *name, const emb_tensor *expected)
{
    const emb_tensor *t = emb_weights_find(l->weights, name);
    emb_shape_text shape = emb_shape_of(expected->shape, expected->rank);
    if (!t) {
        emb_load_failed(l, emb_fail(l->error, EMBED_ETENSOR,
                         "%s: tensor \"%s\": expected shape %s, found no such tensor",
                         emb_weights_name(l->weights), name, shape.text));
        return NULL;
    }
    if (t->dtype != expected->dtype || t->rank != expected->rank || t->bytes != expected->bytes ||
        memcmp(t->shape, expected->shape, (size_t)t->rank * sizeof *t->shape) != 0) {
        emb_load_failed(l, emb_fail(l->error, EMBED_ETENSOR,
                         "%s: tensor \"%s\": expected %s of shape %s, found %s of %s", t->file, name,
                         emb_dtype_name(expected->dtype), shape.text, emb_dtype_name(t->dtype),
                         emb_shape_of(t->shape, t->rank).text));
        return NULL;
    }
    if ((uintptr_t)t->data % EMB_ALIGN) {
        emb_load_failed(l, emb_fail(l->error, EMBED_EFORMAT,
                         "%s: tensor \"%s\": expected it at a multiple of %d bytes, found it %d past "
                         "one: something else has written the file again", t->file, name, EMB_ALIGN,
                         (int)((uintptr_t)t->data % EMB_ALIGN)));
        return NULL;
    }
    l->bytes += t->bytes;
    return t;
}

static void note_piece(emb_loader *l, const char *name, const emb_piece *piece)
{
    const char *folder = emb_weights_folder(l->weights);
    emb_piece p = *piece;
    p.name = l->pieces->names.size;
    emb_buffer_printf(&l->pieces->names, "%s%s%s", folder, *folder ? "/" : "", name);
    emb_buffer_add(&l->pieces->names, "", 1);
    emb_buffer_add(&l->pieces->list, &p, sizeof p);
    if (l->pieces->names.failed || l->pieces->list.failed)
        emb_load_failed(l, emb_fail(l->error, EMBED_ENOMEM,
                                    "out of memory for the names of weights"));
}

void emb_load_piece(emb_loader *l, const char *name, const char *what, emb_dtype dtype, int32_t rank,
                    const int64_t *shape, int64_t rows, int64_t columns, const void **data)
{
    char full[EMB_NAME_SIZE];
    emb_piece p = {.from = dtype, .rows = rows, .columns = columns};
    const bool noted = l->pieces && !l->making;
    if (l->status < 0 || (!l->prepared && (!noted || !*data))) return;
    snprintf(full, sizeof full, "%s%s%s", l->prefix, name, what);
    if (!shape_piece(&p.tensor, dtype, rank, shape, &p.numbers)) {
        emb_load_failed(l, emb_fail(l->error, EMBED_ENOMEM, "%s: tensor \"%s\": too large",
                         emb_weights_name(l->weights), full));
        return;
    }
    if (l->prepared) {
        const emb_tensor *t = find_piece(l, full, &p.tensor);
        if (!t) return;
        *data = t->data;
    }
    p.tensor.data = *data;
    if (noted) note_piece(l, full, &p);
}

void emb_matrix_pieces(emb_loader *l, const char *name, bool has_factors, bool has_bias,
                       emb_linear *linear)
{
    static const emb_dtype stored[] = {[EMB_STORED_F32] = EMB_F32, [EMB_STORED_F16] = EMB_F16,
                                       [EMB_STORED_BF16] = EMB_BF16,
                                       [EMB_STORED_BF16_PAIRS] = EMB_BF16 /* never saved */};
    emb_matrix *m = &linear->weight;
    const int64_t n = m->n, k = m->k, whole = m->whole, fine = whole ? n - whole : 0;
    const int64_t outputs = emb_whole_panels(whole), fine_outputs = emb_whole_panels(fine);
    const void *data = m->data, *scales = m->int8.scales, *sums = m->int8.sums, *factors = m->factors,
               *fine_data = m->int16.data, *fine_scales = m->int16.scales, *bias = linear->bias;
    if (whole) {
        const int64_t shape[] = {outputs / EMB_PANEL, emb_int8_depth(k) / 4, EMB_PANEL, 4}, turned[] = {2, k};
        emb_load_piece(l, name, "", EMB_I8, 4, shape, whole, k, &data);
        emb_load_piece(l, name, ".scales", EMB_F32, 1, &outputs, 1, whole, &scales);
        emb_load_piece(l, name, ".sums", EMB_I32, 1, &outputs, 1, whole, &sums);
        if (has_factors) emb_load_piece(l, name, ".factors", EMB_F32, 2, turned, 2, k, &factors);
    } else {
        const int64_t shape[] = {emb_whole_panels(n) / EMB_PANEL, k, EMB_PANEL};
        emb_load_piece(l, name, "", stored[m->storage], 3, shape, n, k, &data);
    }
    if (fine) {
        const int64_t shape[] = {fine_outputs / EMB_PANEL, emb_int16_depth(k) / 2, EMB_PANEL, 2};
        emb_load_piece(l, name, ".int16", EMB_I16, 4, shape, fine, k, &fine_data);
        emb_load_piece(l, name, ".int16.scales", EMB_F32, 1, &fine_outputs, 1, fine, &fine_scales);
    }
    if (has_bias) emb_load_piece(l, name, ".bias", EMB_F32, 1, &n, 1, n, &bias);
    if (!l->prepared || l->status < 0) return;
    m->data = (float *)(uintptr_t)data;
    m->int8 = (emb_panels_i8){(int8_t *)(uintptr_t)data, (float *)(uintptr_t)scales,
                              (int32_t *)(uintptr_t)sums};
    m->int16 = (emb_panels_i16){(int16_t *)(uintptr_t)fine_data, (float *)(uintptr_t)fine_scales};
    m->factors = factors;
    linear->bias = bias;
}
