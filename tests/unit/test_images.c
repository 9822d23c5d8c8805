/* Images through the public API: every format of embed_image, options, failures that keep their place,
 * passes of different grids, and what is taken from the allocator. */
#include "frozen_models.h"

enum { SIDE = 24, TOKENS = 10 };

typedef struct picture {
    uint8_t rgb[SIDE][SIDE][3], rgba[SIDE][SIDE][4], grey[SIDE][SIDE];
} picture;

/* A made-up photo: smooth, of three different channels. */
static picture paint(int seed)
{
    picture p;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            uint8_t *to = p.rgb[y][x];
            to[0] = (uint8_t)(x * 9 + seed * 31);
            to[1] = (uint8_t)(y * 7 + x * seed);
            to[2] = (uint8_t)(255 - (x * y) / 3);
            memcpy(p.rgba[y][x], to, 3);
            p.rgba[y][x][3] = (uint8_t)(x * 10);
            p.grey[y][x] = to[0];
        }
    return p;
}

static embed_image raw(const void *data, int32_t format, int32_t width, int32_t height)
{
    return (embed_image){.data = data, .format = format, .width = width, .height = height};
}

static embed_input input_of(const embed_image *images, int64_t count)
{
    embed_input input = EMBED_INPUT_INIT;
    input.images = images;
    input.count = count;
    return input;
}

static float *vectors_of(embed_session *s, const embed_model *m, const embed_image *images,
                         int64_t count, const embed_encode_options *options)
{
    embed_input input = input_of(images, count);
    return encode(s, m, &input, options);
}

static void same(const float *a, const float *b, int64_t n)
{
    assert_memory_equal(a, b, (size_t)n * sizeof *a);
}

/* ---- formats ------------------------------------------------------------------------------- */

static void test_formats(void **state)
{
    (void)state;
    embed_model *m = open_named("vit", NULL);
    embed_session *s = session_of(m, 1, 0);
    picture p = paint(1);
    static uint8_t wide[SIDE][SIDE * 3 + 5], grey_rgb[SIDE][SIDE][3];
    uint8_t ppm[32 + sizeof p.rgb];
    int header = sprintf((char *)ppm, "P6 %d %d 255\n", SIDE, SIDE);
    memcpy(ppm + header, p.rgb, sizeof p.rgb);
    for (int y = 0; y < SIDE; y++) {
        memcpy(wide[y], p.rgb[y], sizeof p.rgb[y]);
        for (int x = 0; x < SIDE; x++) memset(grey_rgb[y][x], p.grey[y][x], 3);
    }
    embed_image images[] = {
        raw(p.rgb, EMBED_IMAGE_RGB, SIDE, SIDE),
        raw(wide, EMBED_IMAGE_RGB, SIDE, SIDE),
        raw(p.rgba, EMBED_IMAGE_RGBA, SIDE, SIDE),
        {.data = ppm, .size = header + (int64_t)sizeof p.rgb},
        raw(p.grey, EMBED_IMAGE_GREY, SIDE, SIDE),
        raw(grey_rgb, EMBED_IMAGE_RGB, SIDE, SIDE),
    };
    images[1].stride = SIDE * 3 + 5;
    images[1].size = (int64_t)sizeof wide;
    int64_t dim = embed_model_info(m, EMBED_INFO_DIM);
    float *v = vectors_of(s, m, images, EMB_COUNT(images), NULL);
    for (int i = 1; i < 4; i++) same(v, v + i * dim, dim);
    assert_memory_not_equal(v, v + 4 * dim, (size_t)dim * sizeof *v);
    same(v + 4 * dim, v + 5 * dim, dim);

    /* alpha over white differs from alpha dropped */
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    o.flags = EMBED_ALPHA_WHITE;
    float *over = vectors_of(s, m, images + 2, 1, &o), *plain = vectors_of(s, m, images, 1, &o);
    assert_memory_not_equal(over, v, (size_t)dim * sizeof *v);
    same(plain, v, dim);
    free(v);
    free(over);
    free(plain);
    embed_session_free(s);
    embed_model_free(m);
}

/* pixel_values are what the model would have got */
static void test_pixel_values(void **state)
{
    (void)state;
    embed_model *m = open_named("vit", NULL);
    embed_open_options none = EMBED_OPEN_OPTIONS_INIT;
    none.flags = EMBED_OPEN_NO_ENCODER;
    embed_model *alone = open_named("vit", &none);
    embed_session *s = session_of(m, 2, 0), *t = session_of(alone, 2, 0);
    picture p = paint(2), q = paint(3);
    embed_image images[] = {raw(p.rgb, EMBED_IMAGE_RGB, SIDE, SIDE),
                            raw(q.rgb, EMBED_IMAGE_RGB, SIDE, SIDE / 2)};
    embed_input input = input_of(images, 2);
    int64_t sizes[2][2], dim = embed_model_info(m, EMBED_INFO_DIM);
    ok(t, embed_pixel_sizes(t, &input, NULL, sizes[0]));
    for (int i = 0; i < 4; i++) assert_int_equal(sizes[i / 2][i % 2], 9);
    float pixels[2][3][9][9], with[2][3][9][9];
    ok(t, embed_pixel_values(t, &input, NULL, pixels[0][0][0], 9, 9));
    ok(s, embed_pixel_values(s, &input, NULL, with[0][0][0], 9, 9));
    same(pixels[0][0][0], with[0][0][0], 2 * 3 * 81);
    embed_image values[] = {raw(pixels[0], EMBED_IMAGE_PIXEL_VALUES, 9, 9),
                            raw(pixels[1], EMBED_IMAGE_PIXEL_VALUES, 9, 9)};
    float *a = vectors_of(s, m, images, 2, NULL), *b = vectors_of(s, m, values, 2, NULL);
    same(a, b, 2 * dim);

    assert_int_equal(embed_pixel_values(t, &input, NULL, pixels[0][0][0], 9, 8), EMBED_ERANGE);
    assert_string_equal(embed_session_error(t),
                        "input 0: expected 9 x 8 pixels after preprocessing, found 9 x 9");
    float vector[64];
    assert_int_equal(embed_encode(t, &input, NULL, vector, 64), EMBED_EMISSING);
    assert_string_equal(embed_session_error(t), "the model was opened without an encoder");
    embed_session_free(s);
    embed_session_free(t);
    embed_model_free(m);
    embed_model_free(alone);
    free(a);
    free(b);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static void test_other_size(void **state)
{
    (void)state;
    embed_model *m = open_named("vit", NULL);
    embed_session *s = session_of(m, 1, 0);
    picture p = paint(4);
    embed_image image = raw(p.rgb, EMBED_IMAGE_RGB, SIDE, SIDE);
    embed_input input = input_of(&image, 1);
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    int64_t count, size[2];
    o.image_size = 15;
    assert_int_equal(embed_count_tokens(s, &input, &o, &count), EMBED_ERANGE);
    assert_string_equal(embed_session_error(s),
                        "expected the model's 9 x 9 pixels, found 15 x 15 after preprocessing: "
                        "interpolate_pos_encoding takes other sizes");
    o.flags = EMBED_INTERPOLATE_POS_ENCODING;
    ok(s, embed_count_tokens(s, &input, &o, &count));
    assert_int_equal(count, 26);
    ok(s, embed_pixel_sizes(s, &input, &o, size));
    assert_int_equal(size[0], 15);
    o.image_size = 2;
    assert_int_equal(embed_count_tokens(s, &input, &o, &count), EMBED_ERANGE);
    assert_string_equal(embed_session_error(s),
                        "expected at least a patch of 3 x 3 pixels, found 2 x 2");
    o.image_size = 3 * 40;
    assert_int_equal(embed_count_tokens(s, &input, &o, &count), EMBED_ERANGE);
    assert_string_equal(embed_session_error(s),
                        "expected at most the session's batch_tokens = 1024, found 1601 tokens");
    o.image_size = -1;
    assert_int_equal(embed_count_tokens(s, &input, &o, &count), EMBED_EINVAL);
    embed_session_free(s);
    embed_model_free(m);
}

/* ---- failures that keep their place ------------------------------------------------------------ */

typedef struct failures {
    int64_t count, index[8];
    int32_t status[8];
    char message[8][200];
} failures;

static int32_t note(void *user, int64_t index, int32_t status, const char *message)
{
    failures *f = user;
    assert_true(f->count < 8);
    f->index[f->count] = index;
    f->status[f->count] = status;
    snprintf(f->message[f->count++], sizeof f->message[0], "%.190s", message);
    return 0;
}

static void test_failures(void **state)
{
    (void)state;
    static const char broken[] = "not an image at all";
    picture p = paint(5);
    embed_image good = raw(p.rgb, EMBED_IMAGE_RGB, SIDE, SIDE);
    embed_image images[] = {
        good,
        {.path = "tests/data/no-such-file.png"},
        good,
        {.data = broken, .size = sizeof broken, .path = "broken.png"},
        {.width = 3},
        good,
    };
    embed_model *m = open_named("vit", NULL);
    for (int32_t threads = 1; threads <= 3; threads++) {
        embed_session *s = session_of(m, threads, 0);
        int64_t dim = embed_model_info(m, EMBED_INFO_DIM), counts[6];
        float *alone = vectors_of(s, m, &good, 1, NULL);
        failures f = {0};
        embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
        o.failed = note;
        o.failed_user = &f;
        float *v = vectors_of(s, m, images, 6, &o);
        assert_int_equal(f.count, 3);
        for (int i = 0; i < 6; i++)
            if (i == 0 || i == 2 || i == 5) same(v + i * dim, alone, dim);
            else
                for (int64_t k = 0; k < dim; k++) assert_true(isnan(v[i * dim + k]));
        assert_int_equal(f.index[0], 1);
        assert_int_equal(f.status[0], EMBED_EIO);
        assert_non_null(strstr(f.message[0], "tests/data/no-such-file.png: "));
        assert_int_equal(f.index[1], 3);
        assert_non_null(strstr(f.message[1], "broken.png: "));
        assert_int_equal(f.index[2], 4);
        assert_int_equal(f.status[2], EMBED_EINVAL);

        /* token vectors: NaN rows padded, the same rows of the others */
        embed_input input = input_of(images, 6);
        float *hidden = malloc((size_t)(6 * TOKENS * dim) * sizeof *hidden);
        ok(s, embed_last_hidden_state(s, &input, &o, hidden, TOKENS));
        assert_true(isnan(hidden[TOKENS * dim]) && isnan(hidden[2 * TOKENS * dim - 1]));
        same(hidden, hidden + 2 * TOKENS * dim, TOKENS * dim);
        ok(s, embed_count_tokens(s, &input, &o, counts));

        /* nobody wants to hear of it: the call fails and names the image */
        assert_int_equal(embed_encode(s, &input, NULL, v, dim), EMBED_EIO);
        assert_non_null(strstr(embed_session_error(s), "tests/data/no-such-file.png: "));
        free(alone);
        free(v);
        free(hidden);
        embed_session_free(s);
    }
    embed_model_free(m);
}

/* A pass of which nothing is left. */
static void test_nothing_but_failures(void **state)
{
    (void)state;
    static const char *const names[] = {"vit", "beit", "dinov2", "dinov3", "clip", "siglip"};
    static const char missing[] = "tests/data/no-such-file.png";
    embed_image images[] = {{.path = missing}, {.path = missing}};
    for (int64_t i = 0; i < EMB_COUNT(names); i++) {
        embed_model *m = open_named(names[i], NULL);
        embed_session *s = session_of(m, 2, 0);
        failures f = {0};
        embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
        o.flags = EMBED_FOR_IMAGES;
        o.failed = note;
        o.failed_user = &f;
        int64_t dim = embed_output_dim(m, &o);
        float *v = vectors_of(s, m, images, 2, &o);
        assert_int_equal(f.count, 2);
        for (int64_t k = 0; k < 2 * dim; k++) assert_true(isnan(v[k]));
        free(v);
        embed_session_free(s);
        embed_model_free(m);
    }
}

/* The same for texts. */
static void test_failing_texts(void **state)
{
    (void)state;
    embed_model *m = open_named("bert", NULL);
    embed_session *s = session_of(m, 1, 0);
    const char *texts[] = {"kodo", "\xff", "kodo"};
    embed_input input = EMBED_INPUT_INIT;
    input.texts = texts;
    input.count = 3;
    failures f = {0};
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    o.failed = note;
    o.failed_user = &f;
    int64_t dim = embed_model_info(m, EMBED_INFO_DIM);
    float *v = encode(s, m, &input, &o);
    assert_int_equal(f.count, 1);
    assert_int_equal(f.index[0], 1);
    assert_int_equal(f.status[0], EMBED_EUTF8);
    assert_true(isnan(v[dim]) && isnan(v[2 * dim - 1]));
    same(v, v + 2 * dim, dim);
    free(v);
    embed_session_free(s);
    embed_model_free(m);
}

/* ---- kinds --------------------------------------------------------------------------------------- */

static void test_kinds(void **state)
{
    (void)state;
    embed_model *texts = open_named("bert", NULL), *pictures = open_named("vit", NULL);
    assert_int_equal(embed_model_info(texts, EMBED_INFO_TAKES_IMAGES), 0);
    assert_int_equal(embed_model_info(pictures, EMBED_INFO_TAKES_IMAGES), 1);
    assert_int_equal(embed_model_info(pictures, EMBED_INFO_TAKES_TEXTS), 0);
    assert_int_equal(embed_model_info(pictures, EMBED_INFO_POOLING), EMBED_POOL_MEAN_ALL);
    assert_int_equal(embed_model_info(pictures, EMBED_INFO_PATCH_SIZE), 3);
    assert_int_equal(embed_model_info(pictures, EMBED_INFO_PREFIX_TOKENS), 1);
    embed_session *s = session_of(texts, 1, 0), *t = session_of(pictures, 1, 0);
    picture p = paint(6);
    embed_image image = raw(p.rgb, EMBED_IMAGE_RGB, SIDE, SIDE);
    embed_input input = input_of(&image, 1);
    float vector[64];
    assert_int_equal(embed_encode(s, &input, NULL, vector, 64), EMBED_EKIND);
    assert_string_equal(embed_session_error(s), "the model takes no images, it takes texts");
    const char *text = "kodo";
    assert_int_equal(embed_encode_texts(t, &text, NULL, 1, NULL, vector, 64), EMBED_EKIND);
    assert_string_equal(embed_session_error(t), "the model takes no texts, it takes images");
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    o.pooling = EMBED_POOL_PATCHES;
    assert_int_equal(embed_output_dim(texts, &o), EMBED_EKIND);
    o.pooling = EMBED_POOL_PROJECTION;
    assert_int_equal(embed_output_dim(pictures, &o), EMBED_EMISSING);

    static const struct {
        embed_image image;
        const char *message;
    } bad[] = {
        {{.format = 5}, "format: expected an EMBED_IMAGE_ value, found 5"},
        {{.format = EMBED_IMAGE_RGB, .width = 4, .height = 4},
         "expected pixels of a positive width and height, in rows of at least 12 bytes, found 4 x 4 in "
         "rows of 12"},
        {{.data = "x", .format = EMBED_IMAGE_GREY, .width = 4, .height = 0},
         "expected pixels of a positive width and height, in rows of at least 4 bytes, found 4 x 0 in "
         "rows of 4"},
        {{.data = "x", .format = EMBED_IMAGE_GREY, .width = 4, .height = 2, .size = 7},
         "size: expected 2 rows of 4 bytes, found 7"},
        {{.data = "x", .format = EMBED_IMAGE_GREY, .width = 4, .height = 2, .stride = 3},
         "expected pixels of a positive width and height, in rows of at least 4 bytes, found 4 x 2 in "
         "rows of 3"},
        {{.format = EMBED_IMAGE_PIXEL_VALUES, .width = 9, .height = 9},
         "expected pixel values of a positive height and width, found 9 x 9"},
        {{.data = "x", .size = -1}, "expected the bytes of an image or its path, found neither"},
    };
    for (int64_t i = 0; i < EMB_COUNT(bad); i++) {
        input = input_of(&bad[i].image, 1);
        assert_true(embed_encode(t, &input, NULL, vector, 64) < 0);
        assert_string_equal(embed_session_error(t), bad[i].message);
    }
    embed_session_free(s);
    embed_session_free(t);
    embed_model_free(texts);
    embed_model_free(pictures);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

static int64_t taken;

static void *count_alloc(void *user, size_t size, size_t align)
{
    (void)user;
    taken++;
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void count_free(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

/* Raw pixels up to max_image_side, and pixel values, are encoded in the workspace; larger ones take
 * memory and give the same vector. */
static void test_allocation(void **state)
{
    (void)state;
    embed_open_options open = EMBED_OPEN_OPTIONS_INIT;
    open.alloc = count_alloc;
    open.free = count_free;
    embed_model *m = open_named("vit", &open);
    int64_t dim = embed_model_info(m, EMBED_INFO_DIM);
    picture p = paint(7);
    embed_image image = raw(p.rgba, EMBED_IMAGE_RGBA, SIDE, SIDE);
    float *v[2];
    for (int i = 0; i < 2; i++) {
        embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
        options.max_image_side = i ? SIDE : 1;
        options.threads = 1;
        embed_session *s;
        assert_int_equal(embed_session_create(m, &options, &s, NULL), EMBED_OK);
        taken = 0;
        v[i] = vectors_of(s, m, &image, 1, NULL);
        assert_int_equal(taken == 0, i == 1);
        embed_session_free(s);
    }
    same(v[0], v[1], dim);
    free(v[0]);
    free(v[1]);
    embed_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),       cmocka_unit_test(test_pixel_values),
        cmocka_unit_test(test_other_size),    cmocka_unit_test(test_failures),
        cmocka_unit_test(test_nothing_but_failures),
        cmocka_unit_test(test_failing_texts), cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_allocation),
    };
    return cmocka_run_group_tests_name("images", tests, NULL, NULL);
}
