/* Golden inputs: a few texts and an image of our own, encoded when a single-file model is written
 * and again by embed_verify, wherever the file has come to. */
#include <math.h>

#include "golden.h"
#include "inputs.h"

enum { IDS = 8, HEIGHT = 48, WIDTH = 64 };

#define TEXT_VECTORS  "golden/text_vectors"
#define IMAGE_VECTORS "golden/image_vectors"
#define TOKEN_IDS     "golden/ids"
#define IMAGE         "golden/image"

static int32_t out_of_memory(embed_error *error)
{
    return emb_fail(error, EMBED_ENOMEM, "out of memory for golden inputs");
}

/* ---- making them ----------------------------------------------------------------------------- */

/* Token ids, of a model that has no tokenizer. */
static void make_ids(emb_golden *g, const embed_model *m)
{
    int64_t count = EMB_MIN(IDS, emb_model_longest(m));
    for (int64_t i = 0; i < count; i++) {
        int32_t id = (int32_t)((7 * i + 1) % m->text.arch.vocab_size);
        emb_buffer_add(&g->ids, &id, sizeof id);
    }
    g->offsets[1] = count;
    g->texts.input.ids = (const int32_t *)(const void *)g->ids.data;
    g->texts.input.offsets = g->offsets;
    g->texts.input.count = 1;
}

static void make_texts(emb_golden *g)
{
    static const char *const texts[EMB_GOLDEN_TEXTS] = {
        "The quick brown fox jumps over the lazy dog.",
        "Na\xC3\xAFve caf\xC3\xA9s in Z\xC3\xBCrich: "
        "3,141.59 & counting\xE2\x80\xA6 \xE2\x82\xAC\x32!",
        "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E "
        "\xD1\x80\xD1\x83\xD1\x81\xD1\x81\xD0\xBA\xD0\xB8\xD0\xB9 "
        "\xF0\x9F\x99\x82",
        "",
    };
    memcpy(g->text, texts, sizeof texts);
    g->texts.input.texts = g->text;
    g->texts.input.count = EMB_GOLDEN_TEXTS;
}

/* Slopes, edges and something like noise, as bytes; or those as pixel values. */
static void make_image(emb_golden *g, const embed_model *m)
{
    const emb_image_tokens *image = &m->image.arch.image;
    const bool raw = m->has_processor;
    const int64_t height = raw ? HEIGHT : image->height, width = raw ? WIDTH : image->width;
    for (int64_t i = 0; i < 3 * height * width; i++) {
        const int64_t channel = raw ? i % 3 : i / (height * width);
        const int64_t at = raw ? i / 3 : i % (height * width), y = at / width, x = at % width;
        const uint32_t noise = (uint32_t)i * UINT32_C(2654435761) >> 28;
        const int64_t slope = x * (channel + 2) + y * 3, square = (x / 8 + y / 8) % 2 * 64;
        const uint8_t byte = (uint8_t)((slope + square + noise) % 256);
        const float value = (float)byte / 128.0f - 1.0f;
        if (raw) emb_buffer_add(&g->pixels, &byte, sizeof byte);
        else emb_buffer_add(&g->pixels, &value, sizeof value);
    }
    g->image = (embed_image){.data = g->pixels.data,
                             .width = (int32_t)width,
                             .height = (int32_t)height,
                             .format = raw ? EMBED_IMAGE_RGB : EMBED_IMAGE_PIXEL_VALUES};
    const int64_t shapes[2][3] = {{3, height, width}, {height, width, 3}};
    memcpy(g->shape, shapes[raw], sizeof g->shape);
    g->images.input.images = &g->image;
    g->images.input.count = 1;
}

static int32_t note_failure(void *failed, int64_t index, int32_t status, const char *message)
{
    (void)status;
    (void)message;
    ((bool *)failed)[index] = true;
    return 0;
}

/* Encode a set; inputs that the model cannot take are no part of it. */
static int32_t make_vectors(embed_session *s, emb_golden *g, emb_golden_set *set,
                            emb_buffer *vectors)
{
    bool failed[EMB_GOLDEN_TEXTS] = {false};
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    int64_t kept = 0;
    if (!set->input.count) return EMBED_OK;
    if (set->input.images) o.flags = EMBED_FOR_IMAGES;
    set->dim = emb_output_dim(s->model, &o, &s->error);
    if (set->dim < 0) return (int32_t)set->dim;
    for (int64_t i = 0; i < set->input.count * set->dim; i++)
        emb_buffer_add(vectors, &(float){0}, sizeof(float));
    if (vectors->failed) return out_of_memory(&s->error);
    float *rows = (float *)(void *)vectors->data;
    o.flags = 0;
    o.failed = note_failure;
    o.failed_user = failed;
    int32_t status = emb_session_encode(s, &set->input, &o, rows, set->dim);
    for (int64_t i = 0; i < set->input.count && status == EMBED_OK; i++) {
        if (failed[i]) continue;
        if (set->input.texts) g->text[kept] = g->text[i];
        memmove(rows + kept++ * set->dim, rows + i * set->dim, (size_t)set->dim * sizeof *rows);
    }
    set->vectors = rows;
    set->input.count = kept;
    return status;
}

void emb_golden_init(emb_golden *g, const emb_allocator *a)
{
    *g = (emb_golden){.texts.input = EMBED_INPUT_INIT, .images.input = EMBED_INPUT_INIT};
    emb_buffer_init(&g->ids, a);
    emb_buffer_init(&g->pixels, a);
    emb_buffer_init(&g->made[0], a);
    emb_buffer_init(&g->made[1], a);
}

int32_t emb_golden_make(emb_golden *g, const embed_model *m, embed_error *error)
{
    const embed_session_options o = {.struct_size = sizeof o, .threads = 1};
    embed_session *s = NULL;
    if (m->text.arch.hidden_size && m->tokenizer) make_texts(g);
    else if (m->text.arch.hidden_size) make_ids(g, m);
    if (m->image.arch.hidden_size) make_image(g, m);
    if (g->ids.failed || g->pixels.failed) return out_of_memory(error);
    int32_t status = emb_session_create(m, &o, &s, error);
    if (status < 0) return status;
    status = make_vectors(s, g, &g->texts, &g->made[0]);
    if (status == EMBED_OK) status = make_vectors(s, g, &g->images, &g->made[1]);
    if (status < 0) emb_fail(error, status, "golden inputs: %s", s->error.message);
    emb_session_free(s);
    return status;
}

void emb_golden_free(emb_golden *g)
{
    emb_buffer_free(&g->ids);
    emb_buffer_free(&g->pixels);
    emb_buffer_free(&g->made[0]);
    emb_buffer_free(&g->made[1]);
    emb_json_free(g->document);
}

static void add_tensor(emb_tensor *t, const char *name, emb_dtype dtype, int32_t rank,
                       const int64_t *shape, const void *data)
{
    *t = (emb_tensor){.name = name, .dtype = dtype, .rank = rank, .data = data, .bytes = 1};
    for (int32_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->bytes *= (size_t)shape[i];
    }
    t->bytes *= emb_dtype_bits(dtype) / 8;
}

int64_t emb_golden_tensors(const emb_golden *g, emb_tensor tensors[EMB_GOLDEN_TENSORS])
{
    const emb_golden_set *texts = &g->texts, *images = &g->images;
    const int64_t of_texts[] = {texts->input.count, texts->dim};
    const int64_t of_images[] = {images->input.count, images->dim};
    const bool raw = g->image.format == EMBED_IMAGE_RGB;
    int64_t count = 0; /* bytes last: numbers of four stay aligned */
    if (texts->input.count)
        add_tensor(&tensors[count++], TEXT_VECTORS, EMB_F32, 2, of_texts, texts->vectors);
    if (images->input.count)
        add_tensor(&tensors[count++], IMAGE_VECTORS, EMB_F32, 2, of_images, images->vectors);
    if (texts->input.ids)
        add_tensor(&tensors[count++], TOKEN_IDS, EMB_I32, 1, &g->offsets[1], texts->input.ids);
    if (images->input.count)
        add_tensor(&tensors[count++], IMAGE, raw ? EMB_U8 : EMB_F32, 3, g->shape, g->image.data);
    return count;
}

/* ---- reading them ---------------------------------------------------------------------------- */

static int32_t wrong(const emb_tensor *t, const char *expected, embed_error *error)
{
    return emb_fail(error, EMBED_EFORMAT,
                    "%s: tensor \"%s\": expected %s, found %s of shape %s", t->file, t->name, expected,
                    emb_dtype_name(t->dtype),
                    emb_shape_of(t->shape, t->rank).text);
}

static bool is_aligned(const emb_tensor *t)
{
    return (uintptr_t)t->data % _Alignof(float) == 0;
}

static int32_t read_vectors(const embed_model *m, const char *name, emb_golden_set *set,
                            embed_error *error)
{
    const emb_tensor *t = emb_directory_tensor(m->dir, name);
    if (!t) return EMBED_OK;
    if (t->dtype != EMB_F32 || t->rank != 2 || t->shape[0] < 1 ||
        t->shape[0] > EMB_GOLDEN_TEXTS || !is_aligned(t))
        return wrong(t, "vectors of float32, one for each input", error);
    set->input.count = t->shape[0];
    set->dim = t->shape[1];
    set->vectors = (const float *)(const void *)t->data;
    return EMBED_OK;
}

static int32_t read_texts(emb_golden *g, const embed_model *m, embed_error *error)
{
    const char *text = emb_directory_metadata(m->dir, EMB_GOLDEN_KEY);
    int64_t count = 0;
    if (!text) return emb_fail(error, EMBED_EFORMAT, EMB_GOLDEN_KEY ": expected texts, found none");
    g->document = emb_json_parse(EMB_GOLDEN_KEY, text, strlen(text), NULL, &m->allocator, error);
    if (!g->document) return error->status;
    const emb_json *v = emb_json_first(emb_json_root(g->document));
    for (; v && count < EMB_GOLDEN_TEXTS && emb_json_text(v); v = emb_json_next_sibling(v))
        g->text[count++] = emb_json_text(v);
    if (v || count != g->texts.input.count)
        return emb_fail(error, EMBED_EFORMAT,
                        EMB_GOLDEN_KEY ": expected an array of %lld texts, found another",
                        (long long)g->texts.input.count);
    g->texts.input.texts = g->text;
    return EMBED_OK;
}

static int32_t read_ids(emb_golden *g, const emb_tensor *t, embed_error *error)
{
    if (t->dtype != EMB_I32 || t->rank != 1 || g->texts.input.count != 1 || !is_aligned(t))
        return wrong(t, "the ids of one input, as int32", error);
    g->offsets[1] = t->shape[0];
    g->texts.input.ids = (const int32_t *)(const void *)t->data;
    g->texts.input.offsets = g->offsets;
    return EMBED_OK;
}

static int32_t read_image(emb_golden *g, const embed_model *m, embed_error *error)
{
    const emb_tensor *t = emb_directory_tensor(m->dir, IMAGE);
    if (!t || t->rank != 3 || (t->dtype != EMB_U8 && t->dtype != EMB_F32) ||
        g->images.input.count != 1)
        return t ? wrong(t, "one image", error)
                 : emb_fail(error, EMBED_EFORMAT, "tensor \"" IMAGE "\": expected it, found none");
    const bool raw = t->dtype == EMB_U8;
    const int64_t height = t->shape[!raw], width = t->shape[!raw + 1];
    const int64_t channels = t->shape[raw ? 2 : 0];
    if (channels != 3 || height < 1 || width < 1 || height > EMB_MAX_SIDE || width > EMB_MAX_SIDE ||
        (!raw && !is_aligned(t)))
        return wrong(t, "one image of three channels", error);
    g->image = (embed_image){.data = t->data, .width = (int32_t)width, .height = (int32_t)height,
                             .format = raw ? EMBED_IMAGE_RGB : EMBED_IMAGE_PIXEL_VALUES};
    g->images.input.images = &g->image;
    return EMBED_OK;
}

int32_t emb_golden_read(emb_golden *g, const embed_model *m, embed_error *error)
{
    int32_t status = read_vectors(m, TEXT_VECTORS, &g->texts, error);
    if (status == EMBED_OK) status = read_vectors(m, IMAGE_VECTORS, &g->images, error);
    if (status < 0) return status;
    if (!g->texts.input.count && !g->images.input.count)
        return emb_fail(error, EMBED_EMISSING, "the model brings no golden inputs");
    const emb_tensor *ids = emb_directory_tensor(m->dir, TOKEN_IDS);
    if (g->texts.input.count && ids) status = read_ids(g, ids, error);
    else if (g->texts.input.count) status = read_texts(g, m, error);
    if (g->images.input.count && status == EMBED_OK) status = read_image(g, m, error);
    return status;
}

int64_t emb_golden_count(const embed_model *m)
{
    const emb_tensor *t[] = {emb_directory_tensor(m->dir, TEXT_VECTORS),
                             emb_directory_tensor(m->dir, IMAGE_VECTORS)};
    int64_t count = 0;
    for (int i = 0; i < 2; i++)
        if (t[i] && t[i]->rank == 2 && t[i]->shape[0] <= EMB_GOLDEN_TEXTS) count += t[i]->shape[0];
    return count;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static void compare(const float *a, const float *b, int64_t dim, embed_verification *found)
{
    double dot = 0, aa = 0, bb = 0;
    found->inputs++;
    if (memcmp(a, b, (size_t)dim * sizeof *a) == 0) return;
    found->different++;
    for (int64_t i = 0; i < dim; i++) {
        const double x = a[i], y = b[i], difference = fabs(x - y);
        if (difference > found->largest || isnan(difference)) found->largest = difference;
        dot += x * y;
        aa += x * x;
        bb += y * y;
    }
    const double cosine = dot / sqrt(aa * bb);
    if (!(cosine >= found->cosine)) found->cosine = cosine;
}

static int32_t verify_set(embed_session *s, const emb_golden_set *set, embed_verification *found)
{
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    if (!set->input.count) return EMBED_OK;
    if (set->input.images) o.flags = EMBED_FOR_IMAGES;
    const int64_t dim = emb_output_dim(s->model, &o, &s->error);
    o.flags = 0;
    if (dim < 0) return (int32_t)dim;
    if (dim != set->dim)
        return emb_fail(&s->error, EMBED_EFORMAT,
                        "golden vectors: expected %lld numbers, found %lld", (long long)dim, (long long)set->dim);
    float *rows = emb_alloc(&s->model->allocator, (size_t)(set->input.count * dim), sizeof *rows);
    if (!rows) return out_of_memory(&s->error);
    int32_t status = emb_session_encode(s, &set->input, &o, rows, dim);
    for (int64_t i = 0; i < set->input.count && status == EMBED_OK; i++)
        compare(set->vectors + i * dim, rows + i * dim, dim, found);
    emb_free(&s->model->allocator, rows);
    return status;
}

int32_t emb_golden_verify(embed_session *s, embed_verification *found)
{
    emb_golden g;
    *found = (embed_verification){.struct_size = found->struct_size, .cosine = 1};
    emb_golden_init(&g, &s->model->allocator);
    int32_t status = emb_golden_read(&g, s->model, &s->error);
    if (status == EMBED_OK) status = verify_set(s, &g.texts, found);
    if (status == EMBED_OK) status = verify_set(s, &g.images, found);
    emb_golden_free(&g);
    return status;
}
