/* Single-file models: every frozen model, saved with every kind of weights, gives the bits of the
 * directory; the same bytes each time; golden vectors; files that are not what they say; writing
 * that fails. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../lib/inputs.h"
#include "failing_allocator.h"

#define ROOT "tests/data/models/"
enum { INPUTS = 5, LONGEST = 24, MODELS = 256, MOST = 1 << 16 };

/* ---- models --------------------------------------------------------------------------- */

static char names[MODELS][64];
static int model_count;

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Whatever is frozen there, families to come too. */
static void list_models(void)
{
    DIR *folder = opendir(ROOT);
    struct dirent *entry;
    assert_non_null(folder);
    while ((entry = readdir(folder)) && model_count < MODELS)
        if (entry->d_name[0] != '.')
            snprintf(names[model_count++], sizeof names[0], "%.63s", entry->d_name);
    closedir(folder);
    qsort(names, (size_t)model_count, sizeof names[0], by_name);
    assert_true(model_count >= 30);
}

static embed_model *open_kept(const char *name, int32_t weights, const char *keep_float,
                              uint32_t flags)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;
    char path[128];
    snprintf(path, sizeof path, ROOT "%s", name);
    o.weights = weights;
    o.keep_float = keep_float;
    o.flags = flags;
    if (embed_model_open(path, &o, &m, &error) < 0) fail_msg("%s: %s", path, error.message);
    return m;
}

static embed_model *open_directory(const char *name, int32_t weights, uint32_t flags)
{
    return open_kept(name, weights, NULL, flags);
}

/* ---- files in memory ------------------------------------------------------------------- */

typedef struct file {
    char *data; /* 64-byte aligned */
    int64_t size, capacity;
    int64_t writes, fail_at; /* 0: never */
} file;

static int32_t take(void *user, const void *data, int64_t size)
{
    file *f = user;
    if (++f->writes == f->fail_at) return EMBED_EIO;
    if (f->size + size > f->capacity) {
        int64_t capacity = 2 * (f->size + size) / 64 * 64 + 64;
        char *grown = aligned_alloc(64, (size_t)capacity);
        assert_non_null(grown);
        if (f->size) memcpy(grown, f->data, (size_t)f->size);
        free(f->data);
        f->data = grown;
        f->capacity = capacity;
    }
    memcpy(f->data + f->size, data, (size_t)size);
    f->size += size;
    return 0;
}

static file save(const embed_model *m, const embed_save_options *o)
{
    embed_error error = EMBED_ERROR_INIT;
    file f = {0};
    if (embed_model_save(m, take, &f, o, &error) < 0) fail_msg("%s", error.message);
    return f;
}

static file saved(const char *name, int32_t weights)
{
    embed_model *m = open_directory(name, weights, EMBED_OPEN_TO_SAVE);
    file f = save(m, NULL);
    embed_model_free(m);
    return f;
}

static embed_model *open_saved(const void *data, int64_t size, uint32_t flags)
{
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;
    o.flags = flags;
    if (embed_model_open_memory(data, (size_t)size, &o, &m, &error) < 0)
        fail_msg("%s", error.message);
    return m;
}

/* ---- the same bits ----------------------------------------------------------------------- */

typedef struct kinds {
    embed_input texts, ids, images;
    int32_t token_ids[INPUTS * LONGEST];
    int64_t offsets[INPUTS + 1];
    embed_image image[INPUTS];
    float *pixels;
} kinds;

static uint32_t state = 1;

static uint32_t random_bits(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static void make_inputs(const embed_model *m, kinds *in)
{
    static const char *const texts[INPUTS] = {"The kola, [MASK] unaffable?", "", "ma", "a b c", "[SEP]"};
    *in = (kinds){.texts = EMBED_INPUT_INIT, .ids = EMBED_INPUT_INIT, .images = EMBED_INPUT_INIT};
    if (embed_model_info(m, EMBED_INFO_TAKES_TEXTS)) {
        int64_t vocab = embed_model_info(m, EMBED_INFO_VOCAB_SIZE);
        int64_t most = EMB_MIN(LONGEST, embed_model_info(m, EMBED_INFO_MAX_POSITIONS));
        for (int i = 0; i < INPUTS; i++) {
            in->offsets[i + 1] = in->offsets[i] + 1 + random_bits() % most;
            for (int64_t t = in->offsets[i]; t < in->offsets[i + 1]; t++)
                in->token_ids[t] = (int32_t)(random_bits() % vocab);
        }
        in->ids.ids = in->token_ids;
        in->ids.offsets = in->offsets;
        in->ids.count = INPUTS;
        in->texts.texts = texts;
        in->texts.count = embed_model_info(m, EMBED_INFO_HAS_TOKENIZER) ? INPUTS : 0;
    }
    if (!embed_model_info(m, EMBED_INFO_TAKES_IMAGES)) return;
    const emb_image_tokens *image = &m->image.arch.image;
    size_t numbers = (size_t)(3 * image->height * image->width);
    in->pixels = malloc(2 * numbers * sizeof(float));
    assert_non_null(in->pixels);
    for (size_t i = 0; i < 2 * numbers; i++) in->pixels[i] = (float)random_bits() * 0x1p-23f - 1.0f;
    for (int i = 0; i < 2; i++)
        in->image[i] = (embed_image){.data = in->pixels + (size_t)i * numbers,
                                     .width = (int32_t)image->width,
                                     .height = (int32_t)image->height,
                                     .format = EMBED_IMAGE_PIXEL_VALUES};
    in->images.images = in->image;
    in->images.count = 2;
}

static void same_vectors(embed_session *a, embed_session *b, const embed_input *input, int32_t pooling)
{
    static float from_a[MOST], from_b[MOST];
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    o.pooling = pooling;
    if (input->images) o.flags = EMBED_FOR_IMAGES;
    int64_t dim = embed_output_dim(a->model, &o);
    assert_int_equal(dim, embed_output_dim(b->model, &o));
    if (dim < 0) return;
    assert_true(dim * input->count <= MOST);
    o.flags = 0;
    int32_t status = embed_encode(a, input, &o, from_a, dim);
    assert_int_equal(embed_encode(b, input, &o, from_b, dim), status);
    if (status < 0) return;
    assert_memory_equal(from_a, from_b, (size_t)(dim * input->count) * sizeof(float));
}

static embed_session *session_of(const embed_model *m)
{
    embed_session_options o = EMBED_SESSION_OPTIONS_INIT;
    embed_session *s;
    embed_error error = EMBED_ERROR_INIT;
    o.threads = 1;
    if (embed_session_create(m, &o, &s, &error) < 0) fail_msg("%s", error.message);
    return s;
}

static void same_model(const embed_model *a, const embed_model *b)
{
    static const int32_t poolings[] = {EMBED_POOL_DEFAULT, EMBED_POOL_CLS, EMBED_POOL_MEAN_ALL,
                                       EMBED_POOL_POOLER, EMBED_POOL_PROJECTION, EMBED_POOL_SCORES};
    embed_session *of_a = session_of(a), *of_b = session_of(b);
    kinds in;
    make_inputs(a, &in);
    const embed_input *each[] = {&in.texts, &in.ids, &in.images};
    for (int k = 0; k < 3; k++)
        for (int64_t p = 0; p < EMB_COUNT(poolings) && each[k]->count; p++)
            same_vectors(of_a, of_b, each[k], poolings[p]);
    for (int32_t what = EMBED_INFO_DIM; what <= EMBED_INFO_NUM_LABELS; what++)
        if (what != EMBED_INFO_WEIGHT_BYTES)
            assert_int_equal(embed_model_info(a, what), embed_model_info(b, what));
    free(in.pixels);
    embed_session_free(of_a);
    embed_session_free(of_b);
}

static void verified(const embed_model *m)
{
    embed_verification found = EMBED_VERIFICATION_INIT;
    embed_session *s = session_of(m);
    int32_t status = embed_verify(s, &found);
    if (status < 0) fail_msg("%s", embed_session_error(s));
    assert_true(found.inputs >= 1);
    assert_int_equal(found.inputs, embed_model_info(m, EMBED_INFO_GOLDEN));
    assert_int_equal(found.different, 0);
    assert_true(found.largest == 0 && found.cosine == 1);
    embed_session_free(s);
}

/* A file gives what the directory gives, wherever it lies; saved again, it is the same file. */
static void check_round_trip(const char *name, int32_t weights, const char *keep_float)
{
    embed_model *directory = open_kept(name, weights, keep_float, EMBED_OPEN_TO_SAVE);
    file f = save(directory, NULL), again = save(directory, NULL);
    assert_int_equal(f.size, again.size);
    assert_memory_equal(f.data, again.data, (size_t)f.size);
    free(again.data);

    embed_model *m = open_saved(f.data, f.size, EMBED_OPEN_TO_SAVE);
    assert_int_equal(embed_model_info(m, EMBED_INFO_WEIGHTS), weights);
    assert_int_equal(embed_model_info(m, EMBED_INFO_FILE_FORMAT), 2);
    assert_int_equal(embed_model_info(m, EMBED_INFO_FILE_BYTES), f.size);
    assert_int_equal(embed_model_info(directory, EMBED_INFO_FILE_FORMAT), 0);
    same_model(directory, m);
    verified(m);
    again = save(m, NULL);
    assert_int_equal(f.size, again.size);
    assert_memory_equal(f.data, again.data, (size_t)f.size);
    embed_model_free(m);

    char *shifted = malloc((size_t)f.size + 1);
    assert_non_null(shifted);
    memcpy(shifted + 1, f.data, (size_t)f.size);
    m = open_saved(shifted + 1, f.size, 0);
    memset(shifted, 0xA5, (size_t)f.size + 1); /* it was copied */
    same_model(directory, m);
    embed_model_free(m);
    embed_model_free(directory);
    free(shifted);
    free(again.data);
    free(f.data);
}

static void test_round_trips(void **unused)
{
    (void)unused;
    list_models();
    for (int i = 0; i < model_count; i++)
        for (int32_t weights = EMBED_WEIGHTS_F32; weights <= EMBED_WEIGHTS_INT8; weights++)
            check_round_trip(names[i], weights, NULL);
}

/* Whole numbers and floats side by side; what a file has is not for the one who opens it to say. */
static void test_kept_float(void **unused)
{
    (void)unused;
    check_round_trip("bert", EMBED_WEIGHTS_INT8, "layer.0.output.dense,attention.self.query");
    check_round_trip("clip", EMBED_WEIGHTS_INT8, "layers.*.mlp.fc2");
    check_round_trip("deberta-v2", EMBED_WEIGHTS_INT8, "intermediate.dense");

    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;
    file f = saved("bert", EMBED_WEIGHTS_INT8);
    o.weights = EMBED_WEIGHTS_INT8;
    o.keep_float = "query";
    assert_int_equal(embed_model_open_memory(f.data, (size_t)f.size, &o, &m, &error),
                     EMBED_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "keep_float: expected a directory"));
    free(f.data);
}

/* From a file, mapped and read. */
static void test_files(void **unused)
{
    (void)unused;
    char path[] = "/tmp/libembed-save-XXXXXX";
    file f = saved("st-dense", EMBED_WEIGHTS_F32);
    embed_model *directory = open_directory("st-dense", EMBED_WEIGHTS_F32, 0);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, f.data, (size_t)f.size), f.size);
    close(fd);
    for (uint32_t flags = 0; flags <= EMBED_OPEN_READ; flags += EMBED_OPEN_READ) {
        embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
        embed_error error = EMBED_ERROR_INIT;
        embed_model *m;
        o.flags = flags;
        if (embed_model_open(path, &o, &m, &error) < 0) fail_msg("%s", error.message);
        same_model(directory, m);
        embed_model_free(m);
    }
    unlink(path);
    embed_model_free(directory);
    free(f.data);
}

/* Weights lie in the file. */
static void test_in_place(void **unused)
{
    (void)unused;
    file f = saved("vit", EMBED_WEIGHTS_F32);
    embed_model *m = open_saved(f.data, f.size, 0);
    const emb_encoder *e = &m->image;
    const void *weights[] = {e->layers[0].qkv.weight.data, e->layers[0].qkv.bias, e->positions,
                             e->layers[1].output_norm.gamma, e->patches.weight.data};
    for (int64_t i = 0; i < EMB_COUNT(weights); i++)
        assert_true((const char *)weights[i] > f.data && (const char *)weights[i] < f.data + f.size);
    assert_null(e->block);
    embed_model_free(m);
    free(f.data);
}

/* ---- golden vectors that are not met --------------------------------------------------------- */

static char *find(const file *f, const char *text)
{
    char *at = memmem(f->data, (size_t)f->size, text, strlen(text));
    if (!at) fail_msg("expected %s in the file", text);
    return at;
}

/* Where the data of a tensor begins. */
static char *data_of(const file *f, const char *name)
{
    char key[128];
    snprintf(key, sizeof key, "\"%s\":{\"dtype\"", name);
    char *offsets = strstr(find(f, key), "data_offsets\":[");
    assert_non_null(offsets);
    return f->data + 8 + emb_le64(f->data) + strtoll(offsets + 15, NULL, 10);
}

static void test_verify(void **unused)
{
    (void)unused;
    embed_verification found = EMBED_VERIFICATION_INIT;
    file f = saved("st-dense", EMBED_WEIGHTS_F32);
    float vector[2];
    memcpy(vector, data_of(&f, "golden/text_vectors"), sizeof vector);
    vector[1] += 0.5f;
    memcpy(data_of(&f, "golden/text_vectors"), vector, sizeof vector);
    embed_model *m = open_saved(f.data, f.size, 0);
    embed_session *s = session_of(m);
    assert_int_equal(embed_verify(s, &found), EMBED_OK);
    assert_int_equal(found.different, 1);
    assert_true(found.largest > 0.49 && found.largest < 0.51);
    assert_true(found.cosine < 0.999);
    embed_session_free(s);
    embed_model_free(m);

    m = open_directory("st-dense", EMBED_WEIGHTS_F32, 0);
    s = session_of(m);
    assert_int_equal(embed_verify(s, &found), EMBED_EMISSING);
    embed_session_free(s);
    embed_model_free(m);
    free(f.data);
}

static void test_no_golden(void **unused)
{
    (void)unused;
    embed_save_options o = EMBED_SAVE_OPTIONS_INIT;
    o.flags = EMBED_SAVE_NO_GOLDEN;
    embed_model *m = open_directory("bert", EMBED_WEIGHTS_F32, EMBED_OPEN_TO_SAVE);
    file f = save(m, &o);
    embed_model_free(m);
    m = open_saved(f.data, f.size, 0);
    assert_int_equal(embed_model_info(m, EMBED_INFO_GOLDEN), 0);
    embed_model_free(m);
    free(f.data);
}

/* ---- files that are not what they say -------------------------------------------------------- */

static void refused(const file *f, const embed_open_options *o, int32_t status, const char *message)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *m;
    assert_int_equal(embed_model_open_memory(f->data, (size_t)f->size, o, &m, &error), status);
    assert_null(m);
    if (!strstr(error.message, message)) fail_msg("\"%s\" lacks \"%s\"", error.message, message);
}

/* Change one place of the same length, see that it is refused, and change it back. */
static void refused_with(file *f, const char *from, const char *to, int32_t status, const char *message)
{
    char *at = find(f, from);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
    refused(f, NULL, status, message);
    memcpy(at, from, strlen(from));
}

static void test_hostile(void **unused)
{
    (void)unused;
    embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
    file f = saved("bert", EMBED_WEIGHTS_F16);
    refused_with(&f, "libembed.format\":\"2\"", "libembed.format\":\"3\"", EMBED_EUNSUPPORTED,
                 "libembed.format: expected 2, found \"3\"");
    refused_with(&f, "libembed.format\":\"2\"", "libembed.format\":\"1\"", EMBED_EUNSUPPORTED,
                 "libembed.format: expected 2, found \"1\"");
    refused_with(&f, "libembed.weights\":\"f16\"", "libembed.weights\":\"f61\"", EMBED_EFORMAT,
                 "libembed.weights: expected f32, f16, bf16 or int8, found \"f61\"");
    refused_with(&f, "libembed.weights\":\"f16\"", "libembed.weightz\":\"f16\"", EMBED_EFORMAT,
                 "libembed.weights: expected what they are, found none");
    refused_with(&f, "libembed.weights\":\"f16\"", "libembed.weights\":\"f32\"", EMBED_ETENSOR,
                 "expected F32 of shape");
    refused_with(&f, "bert.encoder.layer.0.output.dense.weight\":{\"dtype\":\"F16\"",
                 "bert.encoder.layer.0.output.dense.weight\":{\"dtype\":\"I16\"", EMBED_ETENSOR,
                 "tensor \"bert.encoder.layer.0.output.dense.weight\": expected F16 of shape [");
    refused_with(&f, "\"bert.encoder.layer.0.output.dense.weight\":{",
                 "\"bert.encoder.layer.0.output.dense.height\":{", EMBED_ETENSOR,
                 "tensor \"bert.encoder.layer.0.output.dense.weight\": expected shape [");
    refused_with(&f, "\\\"hidden_size\\\": 20", "\\\"hidden_size\\\": 40", EMBED_ETENSOR, "expected");
    o.weights = EMBED_WEIGHTS_F32;
    refused(&f, &o, EMBED_EUNSUPPORTED, "weights: expected f16, which is what the file was converted "
                                        "to, found f32");
    o.weights = EMBED_WEIGHTS_F16;
    o.gemm = EMBED_GEMM_BLAS;
    refused(&f, &o, EMBED_EUNSUPPORTED, "gemm");
    o = (embed_open_options){.struct_size = sizeof o, .compute = EMBED_COMPUTE_BF16_ALWAYS};
    refused(&f, &o, EMBED_EUNSUPPORTED, "compute");
    f.size -= 64;
    refused(&f, NULL, EMBED_EFORMAT, "cut short");
    free(f.data);
}

/* The header longer by less than 64 bytes: nothing lies where it can be used. */
static void test_moved(void **unused)
{
    (void)unused;
    file f = saved("bert", EMBED_WEIGHTS_F32), moved = {0};
    uint64_t length = emb_le64(f.data) + 8;
    char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (char)(length >> 8 * i & 0xFF);
    take(&moved, bytes, 8);
    take(&moved, f.data + 8, (int64_t)length - 8);
    take(&moved, "        ", 8);
    take(&moved, f.data + length, f.size - (int64_t)length);
    refused(&moved, NULL, EMBED_EFORMAT, "expected it at a multiple of 64 bytes, found it 8 past one");
    free(moved.data);
    free(f.data);
}

/* Golden inputs are looked at by embed_verify alone. */
static void test_hostile_golden(void **unused)
{
    (void)unused;
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"golden/text_vectors\":{\"dtype\":\"F32\"", "golden/text_vectors\":{\"dtype\":\"I32\"",
         "expected vectors of float32"},
        {"libembed.golden\":\"[", "libembed.golden\":\"{", "libembed.golden"},
        {"libembed.golden\":\"[\\\"", "libembed.golden\":\"[1,", "libembed.golden"},
        {"libembed.golden\"", "libembed.silver\"", "libembed.golden: expected texts, found none"},
    };
    file f = saved("bert", EMBED_WEIGHTS_F32);
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        embed_verification found = EMBED_VERIFICATION_INIT;
        char *at = find(&f, cases[i].from);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        embed_model *m = open_saved(f.data, f.size, 0);
        embed_session *s = session_of(m);
        assert_true(embed_verify(s, &found) < 0);
        if (!strstr(embed_session_error(s), cases[i].message))
            fail_msg("\"%s\" lacks \"%s\"", embed_session_error(s), cases[i].message);
        embed_session_free(s);
        embed_model_free(m);
        memcpy(at, cases[i].from, strlen(cases[i].from));
    }
    free(f.data);
}

/* ---- failures -------------------------------------------------------------------------------- */

static int32_t stop_late(void *user, int64_t done, int64_t total)
{
    (void)user;
    return done > total / 2;
}

static void test_failures(void **unused)
{
    (void)unused;
    embed_error error = EMBED_ERROR_INIT;
    embed_save_options o = EMBED_SAVE_OPTIONS_INIT;
    embed_model *m = open_directory("bert", EMBED_WEIGHTS_INT8, EMBED_OPEN_TO_SAVE);
    file f = save(m, NULL), cut = {0};
    for (cut.fail_at = 1; cut.fail_at <= f.writes; cut.fail_at += 7) {
        cut.size = cut.writes = 0;
        assert_int_equal(embed_model_save(m, take, &cut, NULL, &error), EMBED_EIO);
        assert_string_equal(error.message, "the model could not be written");
    }
    o.progress = stop_late;
    cut.size = cut.fail_at = 0;
    assert_int_equal(embed_model_save(m, take, &cut, &o, &error), EMBED_ECANCELED);
    assert_true(cut.size < f.size);
    o.flags = 2;
    assert_int_equal(embed_model_save(m, take, &cut, &o, &error), EMBED_EINVAL);
    assert_int_equal(embed_model_save(m, NULL, NULL, NULL, &error), EMBED_EINVAL);
    assert_int_equal(embed_model_save(NULL, take, &cut, NULL, &error), EMBED_EINVAL);
    embed_model_free(m);
    m = open_directory("bert", EMBED_WEIGHTS_INT8, 0);
    assert_int_equal(embed_model_save(m, take, &cut, NULL, &error), EMBED_EINVAL);
    embed_model_free(m);
    m = open_directory("bert", EMBED_WEIGHTS_F32, EMBED_OPEN_TO_SAVE | EMBED_OPEN_NO_ENCODER);
    assert_int_equal(embed_model_save(m, take, &cut, NULL, &error), EMBED_EMISSING);
    embed_model_free(m);
    free(cut.data);
    free(f.data);
}

/* Every allocation of opening to save, of saving and of opening what was saved fails in turn. */
static void check_out_of_memory(const char *name)
{
    file whole = saved(name, EMBED_WEIGHTS_INT8);
    char path[128];
    int32_t status = EMBED_ENOMEM;
    snprintf(path, sizeof path, ROOT "%s", name);
    for (int64_t i = 1; status != EMBED_OK; i++) {
        embed_open_options o = EMBED_OPEN_OPTIONS_INIT;
        embed_error error = EMBED_ERROR_INIT;
        embed_model *m;
        file f = {0};
        failing hooks = {.fail_at = i};
        o.alloc = failing_alloc;
        o.free = failing_free;
        o.alloc_user = &hooks;
        o.flags = EMBED_OPEN_TO_SAVE;
        o.weights = EMBED_WEIGHTS_INT8;
        status = embed_model_open(path, &o, &m, &error);
        if (status == EMBED_OK) {
            status = embed_model_save(m, take, &f, NULL, &error);
            embed_model_free(m);
        }
        if (status == EMBED_OK) {
            assert_int_equal(f.size, whole.size);
            assert_memory_equal(f.data, whole.data, (size_t)f.size);
            status = embed_model_open_memory(f.data, (size_t)f.size, &o, &m, &error);
            embed_model_free(m);
        }
        if (status != EMBED_OK) assert_int_equal(status, EMBED_ENOMEM);
        assert_true(status == EMBED_OK || error.message[0]);
        assert_int_equal(hooks.alive, 0);
        free(f.data);
    }
    free(whole.data);
}

static void test_out_of_memory(void **unused)
{
    (void)unused;
    check_out_of_memory("st-dense");
    check_out_of_memory("siglip");
    check_out_of_memory("beit-shared");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_kept_float), cmocka_unit_test(test_files),
        cmocka_unit_test(test_in_place),    cmocka_unit_test(test_verify),
        cmocka_unit_test(test_no_golden),   cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_moved),       cmocka_unit_test(test_hostile_golden),
        cmocka_unit_test(test_failures),    cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
