/* Preprocessing: pixels as the reference's processors make them, frozen; sizes; what a processor's
 * file may say and how it is refused; scratch that is exactly as large as it is said to be. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../lib/image/image.h"

#define CASES "tests/data/preprocess/cases.txt"

/* ---- helpers ---------------------------------------------------------------------------- */

static int32_t read_text(emb_image_processor *p, const char *json, const char *model_type,
                         embed_error *error)
{
    emb_json_document *document = emb_json_parse("preprocessor_config.json", json, strlen(json),
                                                 NULL, &emb_libc_allocator, error);
    assert_non_null(document);
    int32_t status = emb_image_processor_read(p, emb_json_root(document),
                                              "preprocessor_config.json", model_type, error);
    emb_json_free(document);
    return status;
}

static emb_image_processor processor_of(const char *json)
{
    emb_image_processor p;
    embed_error error = EMBED_ERROR_INIT;
    if (read_text(&p, json, NULL, &error) < 0) fail_msg("%s: %s", json, error.message);
    return p;
}

/* The made-up images of freeze_preprocess.py */
static uint8_t *made_up_levels(size_t count)
{
    uint8_t *levels = malloc(count);
    assert_non_null(levels);
    for (size_t i = 0; i < count; i++)
        levels[i] = (uint8_t)((uint64_t)(uint32_t)(i * 2654435761u + 12345u) * 40503u >> 16);
    return levels;
}

static uint64_t fnv(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t state = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) state = (state ^ bytes[i]) * 0x100000001b3u;
    return state;
}

/* Memory that ends where an unreadable page begins */
typedef struct {
    char *map, *data;
    size_t size;
} guarded;

static guarded guarded_memory(size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    guarded g = {.size = (size + page - 1) / page * page + page};
    g.map = mmap(NULL, g.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(g.map != MAP_FAILED);
    assert_int_equal(mprotect(g.map + g.size - page, page, PROT_NONE), 0);
    g.data = g.map + g.size - page - size;
    return g;
}

static void give_back(guarded g) { munmap(g.map, g.size); }

static float *process(const emb_image_processor *p, const char *isa, const emb_pixels *image,
                      bool white, int64_t height, int64_t width)
{
    guarded scratch = guarded_memory(emb_image_processor_scratch(p, image->width, image->height));
    float *out = malloc((size_t)(3 * height * width) * sizeof *out);
    assert_non_null(out);
    memset(scratch.data, 0xA5,
           (size_t)(scratch.map + scratch.size - scratch.data) - (size_t)sysconf(_SC_PAGESIZE));
    emb_image_process(p, emb_kernels_for(isa), image, white, height, width, out, scratch.data);
    give_back(scratch);
    return out;
}

/* ---- pixels ------------------------------------------------------------------------------- */

static void check_case(const char *line, const char *isa)
{
    embed_error error = EMBED_ERROR_INIT;
    long long width, height, rows, columns;
    unsigned long long expected;
    int channels, white, at = 0;
    int64_t size[2];
    assert_int_equal(sscanf(line, "%lld %lld %d %d %lld %lld %llx %n", &width, &height, &channels,
                            &white, &rows, &columns, &expected, &at),
                     7);
    emb_image_processor p = processor_of(line + at);
    emb_pixels image = {
        .width = width, .height = height, .channels = channels, .stride = width * channels};
    uint8_t *levels = made_up_levels((size_t)(width * height * channels));
    image.data = levels;
    assert_int_equal(emb_image_processor_size(&p, width, height, size, &error), EMBED_OK);
    assert_int_equal(size[0], rows);
    assert_int_equal(size[1], columns);
    float *out = process(&p, isa, &image, white != 0, rows, columns);
    if (fnv(out, (size_t)(3 * rows * columns) * sizeof *out) != expected)
        fail_msg("%s: other pixels: %s", isa, line);

    const int64_t keep[2] = {(rows + 1) / 2, (columns + 2) / 3}; /* a part is a part of the whole */
    float *part = process(&p, isa, &image, white != 0, keep[0], keep[1]);
    for (int64_t c = 0; c < 3; c++)
        for (int64_t y = 0; y < keep[0]; y++)
            assert_memory_equal(part + (c * keep[0] + y) * keep[1], out + (c * rows + y) * columns,
                                (size_t)keep[1] * sizeof *out);
    free(part);
    free(out);
    free(levels);
}

static void frozen_pixels(void **unused)
{
    char line[1024];
    int64_t count = 0;
    (void)unused;
    for (int64_t k = 0; emb_kernels_name(k); k++) {
        FILE *f = fopen(CASES, "r");
        assert_non_null(f);
        if (!emb_kernels_for(emb_kernels_name(k))) {
            fclose(f);
            continue;
        }
        for (; fgets(line, sizeof line, f); count++) check_case(line, emb_kernels_name(k));
        fclose(f);
    }
    assert_true(count >= 80);
}

/* By hand: Pillow's bilinear filter doubling [0, 255] */
static void small_pixels(void **unused)
{
    const uint8_t levels[] = {0, 255}, rgba[] = {10, 20, 30, 0, 200, 100, 0, 128};
    const float doubled[] = {0, 64, 191, 255};
    (void)unused;
    emb_image_processor p =
        processor_of("{\"image_processor_type\":\"ViTImageProcessor\",\"do_rescale\":false,"
                     "\"do_normalize\":false,\"size\":[1,4]}");
    emb_pixels image = {.width = 2, .height = 1, .stride = 2, .channels = 1, .data = levels};
    float *out = process(&p, NULL, &image, false, 1, 4);
    for (int c = 0; c < 3; c++) assert_memory_equal(out + 4 * c, doubled, sizeof doubled);
    free(out);

    p.do_resize = false;
    image = (emb_pixels){.width = 2, .height = 1, .stride = 8, .channels = 4, .data = rgba};
    out = process(&p, NULL, &image, false, 1, 2);
    assert_true(out[0] == 10 && out[1] == 200 && out[3] == 100 && out[4] == 30 && out[5] == 0);
    free(out);
    out = process(&p, NULL, &image, true, 1, 2);
    assert_true(out[0] == 255 && out[1] == 227 && out[3] == 177 && out[4] == 255 && out[5] == 127);
    free(out);
}

/* DINOv3: rescaled, resized in float without rounding, normalised. */
static void float_pixels(void **unused)
{
    const uint8_t levels[] = {0, 255};
    const float expected[] = {0, 0.25f, 0.75f, 1};
    (void)unused;
    emb_image_processor p =
        processor_of("{\"image_processor_type\":\"DINOv3ViTImageProcessorFast\",\"size\":[1,4],"
                     "\"do_normalize\":false}");
    emb_pixels image = {.width = 2, .height = 1, .stride = 2, .channels = 1, .data = levels};
    for (int64_t k = 0; emb_kernels_name(k); k++) {
        if (!emb_kernels_for(emb_kernels_name(k))) continue;
        float *out = process(&p, emb_kernels_name(k), &image, false, 1, 4);
        for (int i = 0; i < 12; i++) assert_float_equal(out[i], expected[i % 4], 1e-6f);
        free(out);
    }
}

/* ---- sizes ----------------------------------------------------------------------------------- */

#define CLIP   "{\"image_processor_type\":\"CLIPImageProcessor\"}"
#define VIT    "{\"image_processor_type\":\"ViTImageProcessor\","
#define EDGES  VIT "\"size\":{\"shortest_edge\":224"
#define FITS   VIT "\"size\":{\"max_height\":60,\"max_width\":50}}"
#define NAFLEX "{\"image_processor_type\":\"Siglip2ImageProcessor\""

static const struct {
    const char *json;
    int64_t image_size, width, height, rows, columns; /* rows 0: EMBED_ERANGE */
} sizes[] = {
    {CLIP, 0, 640, 480, 224, 224},
    {CLIP, 336, 640, 480, 336, 336},
    {EDGES "}}", 0, 640, 480, 224, 298},
    {EDGES "}}", 0, 500, 375, 224, 298},
    {EDGES "}}", 100, 480, 640, 133, 100},
    {EDGES ",\"longest_edge\":230}}", 0, 480, 640, 230, 172},
    {EDGES ",\"longest_edge\":230}}", 100, 480, 640, 133, 100},
    {EDGES "}}", 0, 1, 4000000, 0, 0},
    {EDGES "}}", 0, 0, 5, 0, 0},
    {EDGES ",\"longest_edge\":230}}", 0, 1, 5000, 0, 0},
    {FITS, 0, 200, 100, 25, 50},
    {FITS, 80, 200, 100, 40, 80},
    {FITS, 0, 200, 1, 0, 0},
    {"{\"image_processor_type\":\"ConvNextImageProcessor\"}", 0, 640, 480, 384, 384},
    {"{\"image_processor_type\":\"ConvNextImageProcessor\"}", 224, 640, 480, 224, 224},
    {NAFLEX "}", 0, 640, 480, 224, 288},
    {NAFLEX "}", 512, 640, 480, 432, 576},
    {NAFLEX "}", 5, 640, 480, 16, 16},
    {NAFLEX ",\"do_resize\":false}", 0, 640, 481, 0, 0},
    {VIT "\"do_pad\":true,\"pad_size\":300}", 0, 9, 9, 300, 300},
    {VIT "\"do_pad\":true,\"pad_size\":200}", 0, 9, 9, 0, 0},
    {VIT "\"do_resize\":0,\"do_pad\":1,\"pad_size\":200}", 9, 9, 9, 9, 9},
};

static void sizes_follow_the_rules(void **unused)
{
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(sizes); i++) {
        embed_error error = EMBED_ERROR_INIT;
        emb_image_processor p = processor_of(sizes[i].json);
        int64_t out[2] = {0, 0};
        if (sizes[i].image_size) emb_image_processor_resize(&p, sizes[i].image_size);
        int32_t status = emb_image_processor_size(&p, sizes[i].width, sizes[i].height, out, &error);
        if (status != (sizes[i].rows ? EMBED_OK : EMBED_ERANGE) ||
            (sizes[i].rows && (out[0] != sizes[i].rows || out[1] != sizes[i].columns)))
            fail_msg("case %d: %s: status %d, %d x %d: %s", (int)i, sizes[i].json, (int)status,
                     (int)out[0], (int)out[1], error.message);
        if (status < 0) assert_non_null(strstr(error.message, ", found "));
    }
    emb_image_processor p = processor_of(CLIP);
    assert_false(emb_image_processor_varies(&p));
    p = processor_of(EDGES "}}");
    assert_true(emb_image_processor_varies(&p));
}

static void scratch_grows_with_the_sides(void **unused)
{
    (void)unused;
    emb_image_processor p = processor_of(CLIP);
    size_t whole = emb_image_processor_scratch(&p, 4096, 4096);
    assert_true(whole < (1 << 20));
    assert_true(emb_image_processor_scratch(&p, 8192, 8192) < 2 * whole + 4096);
    for (int64_t i = 1; i <= 4096; i = i * 5 / 4 + 1)
        for (int64_t j = 1; j <= 4096; j = j * 5 / 4 + 1)
            assert_true(emb_image_processor_scratch(&p, i, j) <= whole);
}

/* ---- the file
 * ------------------------------------------------------------------------------------ */

static const struct {
    const char *json, *model_type;
    int32_t status;
    const char *message[2];
} refused[] = {
    {"{}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"preprocessor_config.json: image_processor_type: expected one of ViTImageProcessor, ",
      ", found absent"}},
    {"{\"image_processor_type\":\"DetrImageProcessor\"}",
     "vit",
     EMBED_EUNSUPPORTED,
     {"line 1: image_processor_type: expected one of", ", found \"DetrImageProcessor\""}},
    {"{\"feature_extractor_type\":\"ViTFeature\"}",
     "vit",
     EMBED_EUNSUPPORTED,
     {"image_processor_type: expected one of", ", found \"ViTFeature\""}},
    {"{}", "bert", EMBED_EUNSUPPORTED, {"image_processor_type", "found absent"}},
    {"[]", "vit", EMBED_EFORMAT, {"expected an object", "found an array"}},
    {VIT "\n\"size\":0}",
     NULL,
     EMBED_EFORMAT,
     {"preprocessor_config.json: line 2: size: expected", "found 0"}},
    {VIT "\"size\":224.0}", NULL, EMBED_EFORMAT, {"size: expected", "found"}},
    {VIT "\"size\":[224]}", NULL, EMBED_EFORMAT, {"size: expected [height, width]", "found"}},
    {VIT "\"size\":{\"height\":224}}",
     NULL,
     EMBED_EFORMAT,
     {"size: expected height and width", ""}},
    {VIT "\"size\":{\"longest_edge\":224}}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"size: expected height", ""}},
    {VIT "\"size\":null}", NULL, EMBED_EFORMAT, {"size: expected", "found null"}},
    {VIT "\"size\":2000000}", NULL, EMBED_EFORMAT, {"size: expected", "found 2000000"}},
    {VIT "\"do_center_crop\":true}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"crop_size: expected height and width, because of do_center_crop", "found absent"}},
    {VIT "\"do_resize\":\"yes\"}",
     NULL,
     EMBED_EFORMAT,
     {"do_resize: expected true or false", "found \"yes\""}},
    {VIT "\"resample\":6}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"resample: expected one of Pillow's", "found 6"}},
    {VIT "\"image_mean\":[0.5,0.5]}", NULL, EMBED_EFORMAT, {"image_mean: expected", "found"}},
    {VIT "\"image_mean\":[0.5,0.5,0.5,0.5]}",
     NULL,
     EMBED_EFORMAT,
     {"image_mean: expected", "found"}},
    {VIT "\"image_std\":[0.5,0,0.5]}",
     NULL,
     EMBED_EFORMAT,
     {"image_std: expected numbers other", ""}},
    {VIT "\"rescale_factor\":\"1/255\"}",
     NULL,
     EMBED_EFORMAT,
     {"rescale_factor: expected a number", ""}},
    {VIT "\"do_pad\":true,\"size\":{\"shortest_edge\":9}}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"pad_size: expected height and width, because of do_pad", "found absent"}},
    {"{\"image_processor_type\":\"ConvNextImageProcessor\",\"crop_pct\":0}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"crop_pct: expected", "found 0"}},
    {"{\"image_processor_type\":\"DINOv3ViTImageProcessor\",\"resample\":1}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"resample: expected 2 or 3", "found 1"}},
    {"{\"image_processor_type\":\"DINOv3ViTImageProcessor\",\"do_rescale\":false}",
     NULL,
     EMBED_EUNSUPPORTED,
     {"do_rescale: expected true", "found"}},
};

static void files_are_refused_by_name(void **unused)
{
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(refused); i++) {
        embed_error error = EMBED_ERROR_INIT;
        emb_image_processor p;
        int32_t status = read_text(&p, refused[i].json, refused[i].model_type, &error);
        if (status != refused[i].status || !strstr(error.message, refused[i].message[0]) ||
            !strstr(error.message, refused[i].message[1]))
            fail_msg("%s: status %d: %s", refused[i].json, (int)status, error.message);
    }
}

static void classes_are_found(void **unused)
{
    static const struct {
        const char *json, *model_type, *type;
    } found[] = {
        {"{\"image_processor_type\":\"CLIPImageProcessorFast\"}", "vit", "CLIPImageProcessor"},
        {"{\"image_processor_type\":\"BitImageProcessorPil\"}", NULL, "BitImageProcessor"},
        {"{\"feature_extractor_type\":\"ViTFeatureExtractor\"}", NULL, "ViTImageProcessor"},
        {"{\"image_processor_type\":null,\"feature_extractor_type\":\"DeiTFeatureExtractor\"}",
         "vit", "DeiTImageProcessor"},
        {"{\"image_processor\":{\"image_processor_type\":\"SiglipImageProcessor\"}}", NULL,
         "SiglipImageProcessor"},
        {"{}", "dinov2", "BitImageProcessor"},
        {"{}", "data2vec-vision", "BeitImageProcessor"},
        {"{}", "siglip2", "Siglip2ImageProcessor"},
    };
    embed_error error = EMBED_ERROR_INIT;
    emb_image_processor p;
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(found); i++) {
        assert_int_equal(read_text(&p, found[i].json, found[i].model_type, &error), EMBED_OK);
        assert_string_equal(p.type, found[i].type);
    }
    assert_int_equal(emb_image_processor_read(&p, NULL, "f", "deit", &error), EMBED_OK);
    assert_string_equal(p.type, "DeiTImageProcessor");
}

static void a_processor_as_json(void **unused)
{
    static const char *const texts[][2] = {
        {CLIP, "{\"type\":\"CLIPImageProcessor\",\"size\":{\"shortest_edge\":224},"
               "\"resample\":\"bicubic\",\"crop_size\":{\"height\":224,\"width\":224},"
               "\"rescale_factor\":0.00392156862745098,"
               "\"image_mean\":[0.48145466,0.4578275,0.40821073],"
               "\"image_std\":[0.26862954,0.26130258,0.27577711]}"},
        {VIT "\"do_resize\":0,\"do_rescale\":null,\"do_normalize\":false,\"do_pad\":1,\"pad_size\":"
             "[4,5]}",
         "{\"type\":\"ViTImageProcessor\",\"pad_size\":{\"height\":4,\"width\":5}}"},
        {NAFLEX ",\"do_normalize\":false,\"rescale_"
                "factor\":2}",
         "{\"type\":\"Siglip2ImageProcessor\",\"size\":{\"max_num_patches\":256,\"patch_size\":16},"
         "\"resample\":\"bilinear\",\"rescale_factor\":2}"},
    };
    (void)unused;
    for (int64_t i = 0; i < EMB_COUNT(texts); i++) {
        emb_image_processor p = processor_of(texts[i][0]);
        emb_buffer b;
        emb_buffer_init(&b, &emb_libc_allocator);
        emb_image_processor_describe(&p, &b);
        assert_false(b.failed);
        assert_string_equal(b.data, texts[i][1]);
        emb_buffer_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frozen_pixels),
        cmocka_unit_test(small_pixels),
        cmocka_unit_test(float_pixels),
        cmocka_unit_test(sizes_follow_the_rules),
        cmocka_unit_test(scratch_grows_with_the_sides),
        cmocka_unit_test(files_are_refused_by_name),
        cmocka_unit_test(classes_are_found),
        cmocka_unit_test(a_processor_as_json),
    };
    return cmocka_run_group_tests_name("image_preprocess", tests, NULL, NULL);
}
