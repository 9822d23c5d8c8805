/* convert: embed convert, a model directory as one file; and what fewer bits than those of float32
 * cost. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const sentences[] = {
    "The committee postponed its decision until the auditors had reported.",
    "How do I reset the password of my account?",
    "Heavy rain flooded the lower part of the old town last night.",
    "She plays the cello in a string quartet on Thursdays.",
    "The enzyme loses its activity above sixty degrees.",
    "Two goals in the last five minutes decided the match.",
    "Shares fell sharply after the company lowered its forecast.",
    "Mix the flour with cold butter and let the dough rest for an hour.",
    "The telescope observed a galaxy ten billion light years away.",
    "My order has not arrived yet; can you tell me where it is?",
    "A small cat slept on the warm bonnet of the car.",
    "The bridge was closed to lorries because of cracks in its pillars.",
    "Der Zug nach Hamburg f\303\244hrt heute von Gleis sieben.",
    "El museo abre los domingos por la ma\303\261ana.",
    "Return the function's result, or an error if the file is missing.",
    "Thank you.",
};

enum { SENTENCES = sizeof(sentences) / sizeof(sentences[0]), IMAGES = 4, SIDE = 160 };

/* ---- inputs to compare on ---------------------------------------------------------------- */

/* Waves, squares and grain of several scales, by a formula. */
static void draw(uint8_t *rgb, int number)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++, rgb++) {
                double wave = sin((x * (number + 1) + y * c) / 23.0) * cos(y * (c + 2) / 31.0);
                int square = (x / (8 << number) + y / (8 << number)) % 2 ? 48 : 0;
                uint32_t grain = ((uint32_t)(y * SIDE + x) * 3u + (uint32_t)c) * 2654435761u >> 27;

                *rgb = (uint8_t)(100 + 60 * wave + square + (int)grain);
            }
}

typedef struct sample {
    embed_input input;
    uint8_t *pixels;
    embed_image images[IMAGES];
    embed_session *session; /* of --sample: what reads it */
    batch b;
    struct input *in;
    bool of_images;
} sample;

static void take_built_in(sample *s)
{
    s->input = (embed_input)EMBED_INPUT_INIT;
    if (!s->of_images) {
        s->input.texts = sentences;
        s->input.count = SENTENCES;
        return;
    }
    s->pixels = allocate((int64_t)IMAGES * SIDE * SIDE, 3);
    for (int i = 0; i < IMAGES; i++) {
        uint8_t *rgb = s->pixels + (int64_t)i * SIDE * SIDE * 3;

        draw(rgb, i);
        memset(&s->images[i], 0, sizeof(s->images[i]));
        s->images[i].data = rgb;
        s->images[i].width = s->images[i].height = SIDE;
        s->images[i].format = EMBED_IMAGE_RGB;
    }
    s->input.images = s->images;
    s->input.count = IMAGES;
}

static void take_file(sample *s, const options *o)
{
    s->in = input_open(o, o->sample, NULL, 0, s->of_images);
    input_read_all(s->in, &s->b);
    if (!s->b.count)
        die("%s: expected texts or names of images, found none", o->sample);
    s->input = batch_view(&s->b);
}

static void sample_free(sample *s)
{
    if (s->in) {
        input_close(s->in);
        batch_free(&s->b);
    }
    free(s->pixels);
}

/* ---- comparing --------------------------------------------------------------------------- */

static int32_t pass_over(void *user, int64_t index, int32_t status, const char *message)
{
    (void)user, (void)index, (void)status, (void)message;
    return 0; /* its vector is NaN */
}

static float *encode(engine *e, const options *o, const sample *s, int64_t *dim)
{
    embed_encode_options encode = EMBED_ENCODE_OPTIONS_INIT;
    progress_span span = {0, s->input.count, 0, 1, s->of_images ? "images" : "texts"};
    float *vectors;

    e->images = s->of_images;
    if (embed_session_create(e->model, &o->session, &e->session, NULL) < 0)
        die("out of memory for a session");
    *dim = engine_dim(e, &encode);
    vectors = allocate(s->input.count * *dim, sizeof(float));
    encode.failed = pass_over;
    encode.progress = progress_callback;
    encode.progress_user = &span;
    if (embed_encode(e->session, &s->input, &encode, vectors, *dim) < 0)
        die("%s", embed_session_error(e->session));
    progress_clear();
    embed_session_free(e->session);
    e->session = NULL;
    return vectors;
}

static double cosine(const float *a, const float *b, int64_t dim)
{
    double dot = 0, aa = 0, bb = 0;

    for (int64_t i = 0; i < dim; i++) {
        dot += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return dot / sqrt(aa * bb);
}

static void compare(engine *exact, engine *converted, const options *o, bool of_images)
{
    sample s = {.of_images = of_images};
    double smallest = 1, sum = 0;
    int64_t dim, count = 0;
    float *a, *b;

    if (o->sample)
        take_file(&s, o);
    else
        take_built_in(&s);
    a = encode(exact, o, &s, &dim);
    b = encode(converted, o, &s, &dim);
    for (int64_t i = 0; i < s.input.count; i++) {
        double c = cosine(a + i * dim, b + i * dim, dim);

        if (isnan(c))
            continue;
        smallest = c < smallest ? c : smallest;
        sum += c;
        count++;
    }
    printf("cosine to f32     ");
    if (count)
        printf("smallest %.6f, mean %.6f, of %lld %s%s\n", smallest, sum / (double)count,
               (long long)count, of_images ? "images" : "texts", o->sample ? "" : " built in");
    else
        printf("none of the %s could be compared\n", of_images ? "images" : "texts");
    free(a);
    free(b);
    sample_free(&s);
}

/* What the file gives, against the directory at full precision. */
static void report_cost(const options *o)
{
    options f32 = *o, file = *o;
    engine exact, converted;
    bool texts, images;

    if (o->open.weights <= EMBED_WEIGHTS_F32)
        return;
    f32.open.weights = EMBED_WEIGHTS_F32;
    f32.open.keep_float = file.open.keep_float = NULL;
    file.model = o->output;
    engine_open_again(&exact, &f32);
    engine_open_again(&converted, &file);
    texts = embed_model_info(exact.model, EMBED_INFO_TAKES_TEXTS) &&
            embed_model_info(exact.model, EMBED_INFO_HAS_TOKENIZER);
    images = embed_model_info(exact.model, EMBED_INFO_TAKES_IMAGES) > 0;
    if (o->sample && texts && images)
        *(o->image ? &texts : &images) = false;
    if (texts)
        compare(&exact, &converted, o, false);
    if (images)
        compare(&exact, &converted, o, true);
    engine_close(&exact);
    engine_close(&converted);
}

/* ---- writing ----------------------------------------------------------------------------- */

enum { MEGABYTE = 20 };

static int32_t write_part(void *out, const void *data, int64_t size)
{
    output_write(out, data, (size_t)size);
    return 0;
}

static int32_t show_progress(void *span, int64_t done, int64_t total)
{
    ((progress_span *)span)->total = total >> MEGABYTE;
    return progress_callback(span, done >> MEGABYTE, total >> MEGABYTE);
}

static const char *weights_name(int32_t kind)
{
    static const char *const names[] = {"f32", "f32", "f16", "bf16", "int8"};

    return names[kind];
}

static int64_t write_model(const options *o, int64_t *golden)
{
    embed_save_options save = EMBED_SAVE_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    progress_span span = {0, 0, 0, 1, "MiB"};
    options to_save = *o;
    struct stat status;
    output out;
    engine e;

    to_save.open.flags |= EMBED_OPEN_TO_SAVE;
    engine_open_model(&e, &to_save);
    save.progress = show_progress;
    save.progress_user = &span;
    output_open(&out, o->output, FORMAT_F32);
    out.exclusive = !o->force;
    out.durable = true;
    if (embed_model_save(e.model, write_part, &out, &save, &error) < 0)
        die("%s", error.message);
    output_close(&out);
    progress_clear();
    engine_close(&e);

    to_save = *o;
    to_save.open.keep_float = NULL;
    to_save.model = o->output;
    engine_open_again(&e, &to_save);
    *golden = embed_model_info(e.model, EMBED_INFO_GOLDEN);
    engine_close(&e);
    return stat(o->output, &status) == 0 ? (int64_t)status.st_size : 0;
}

void run_convert(const options *o)
{
    struct stat status;
    int64_t bytes, golden;

    if (!o->output || strcmp(o->output, "-") == 0)
        usage("no file to write: give its name with -o FILE");
    if (stat(o->output, &status) == 0 && !o->force)
        die("%s: is there already; --force replaces it", o->output);
    progress_start(false);
    bytes = write_model(o, &golden);
    printf("%-18s%s\n", "file", o->output);
    printf("%-18s%.1f MiB\n", "size", (double)bytes / (1 << MEGABYTE));
    printf("%-18s%s\n", "weights", weights_name(o->open.weights));
    printf("%-18s%lld inputs\n", "golden", (long long)golden);
    fflush(stdout);
    report_cost(o);
    output_printed();
}
