/* compare: how near a model's vectors are to those of the same model in float32, on texts or images
 * that are built in, or on a sample of the user's. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

enum { SENTENCES = sizeof(sentences) / sizeof(sentences[0]), IMAGES = 4, SIDE = 160, WORST = 64 };

static const double USUAL_COSINE = 0.999; /* what fewer than all bits should reach */

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

typedef struct sample { /* texts, or images */
    embed_input input;
    bool of_images;
    struct input *in; /* of --sample, with what was read */
    batch b;
    int64_t sizes[SENTENCES]; /* of what is built in */
    embed_image images[IMAGES];
    uint8_t *pixels;
    float *exact; /* [count][dim] in float32 */
    int64_t dim;
    double *cosines; /* [count] when all were measured last; NaN: not to be compared */
    nearness found;
    embed_input worst; /* some of the input, and where they stand in it */
    int64_t places[WORST];
    const char *worst_texts[WORST];
    int64_t worst_sizes[WORST];
    embed_image worst_images[WORST];
} sample;

struct comparison {
    sample samples[2];
    int count;
};

static void take_built_in(sample *s)
{
    s->input = (embed_input)EMBED_INPUT_INIT;
    if (!s->of_images) {
        for (int i = 0; i < SENTENCES; i++)
            s->sizes[i] = (int64_t)strlen(sentences[i]);
        s->input.texts = sentences;
        s->input.text_sizes = s->sizes;
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

/* ---- cosines ----------------------------------------------------------------------------- */

static int32_t pass_over(void *user, int64_t index, int32_t status, const char *message)
{
    (void)user, (void)index, (void)status, (void)message;
    return 0; /* its vector is NaN */
}

/* Vectors of some inputs of a sample. */
static float *encode(engine *e, const options *o, sample *s, const embed_input *of)
{
    embed_encode_options encode = EMBED_ENCODE_OPTIONS_INIT;
    progress_span span = {0, of->count, 0, 1, s->of_images ? "images" : "texts"};
    float *vectors;

    e->images = s->of_images;
    if (embed_session_create(e->model, &o->session, &e->session, NULL) < 0)
        die("out of memory for a session");
    s->dim = engine_dim(e, &encode);
    vectors = allocate(of->count * s->dim, sizeof(float));
    encode.failed = pass_over;
    if (of == &s->input) {
        progress_start(false);
        encode.progress = progress_callback;
        encode.progress_user = &span;
    }
    if (embed_encode(e->session, of, &encode, vectors, s->dim) < 0)
        die("%s", embed_session_error(e->session));
    if (encode.progress)
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

static void add(nearness *to, const nearness *n)
{
    to->smallest = n->smallest < to->smallest ? n->smallest : to->smallest;
    to->sum += n->sum;
    to->count += n->count;
    to->below += n->below;
}

static nearness measure(engine *e, const options *o, sample *s, bool worst)
{
    const embed_input *of = worst ? &s->worst : &s->input;
    float *vectors = encode(e, o, s, of);
    nearness found = {.smallest = 1};

    for (int64_t i = 0; i < of->count; i++) {
        int64_t place = worst ? s->places[i] : i;
        double c = cosine(s->exact + place * s->dim, vectors + i * s->dim, s->dim);
        nearness one = {c, c, 1, c < USUAL_COSINE, 0};

        if (!worst)
            s->cosines[i] = c;
        if (!isnan(c))
            add(&found, &one);
    }
    free(vectors);
    return found;
}

nearness comparison_measure(comparison *c, const options *o, bool worst)
{
    nearness all = {.smallest = 1};
    engine e;

    engine_open_again(&e, o);
    all.weight_bytes = embed_model_info(e.model, EMBED_INFO_WEIGHT_BYTES);
    for (sample *s = c->samples; s < c->samples + c->count; s++) {
        nearness found = measure(&e, o, s, worst);

        if (!worst)
            s->found = found;
        add(&all, &found);
    }
    engine_close(&e);
    return all;
}

/* ---- the worst of a sample --------------------------------------------------------------- */

typedef struct place {
    double cosine;
    int64_t index;
} place;

static int by_cosine(const void *a, const void *b)
{
    const place *x = a, *y = b;

    if (x->cosine != y->cosine)
        return x->cosine < y->cosine ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void take_worst(sample *s)
{
    place *places = allocate(s->input.count, sizeof(*places));
    int64_t count = 0;

    for (int64_t i = 0; i < s->input.count; i++)
        if (!isnan(s->cosines[i]))
            places[count++] = (place){s->cosines[i], i};
    qsort(places, (size_t)count, sizeof(*places), by_cosine);
    s->worst = (embed_input)EMBED_INPUT_INIT;
    s->worst.count = count < WORST ? count : WORST;
    for (int64_t i = 0; i < s->worst.count; i++) {
        int64_t at = s->places[i] = places[i].index;

        if (s->of_images) {
            s->worst_images[i] = s->input.images[at];
        } else {
            s->worst_texts[i] = s->input.texts[at];
            s->worst_sizes[i] = s->input.text_sizes[at];
        }
    }
    s->worst.images = s->of_images ? s->worst_images : NULL;
    s->worst.texts = s->of_images ? NULL : s->worst_texts;
    s->worst.text_sizes = s->of_images ? NULL : s->worst_sizes;
    free(places);
}

void comparison_take_worst(comparison *c)
{
    for (int i = 0; i < c->count; i++)
        take_worst(&c->samples[i]);
}

/* ---- all of it --------------------------------------------------------------------------- */

static void add_sample(comparison *c, engine *exact, const options *o, bool of_images)
{
    sample *s = &c->samples[c->count++];

    s->of_images = of_images;
    if (o->sample)
        take_file(s, o);
    else
        take_built_in(s);
    s->exact = encode(exact, o, s, &s->input);
    s->cosines = allocate(s->input.count, sizeof(*s->cosines));
}

comparison *comparison_open(const options *o)
{
    comparison *c = allocate(1, sizeof(*c));
    options f32 = *o;
    engine exact;
    bool texts, images;

    f32.open.weights = EMBED_WEIGHTS_F32;
    f32.open.keep_float = NULL;
    engine_open_again(&exact, &f32);
    texts = embed_model_info(exact.model, EMBED_INFO_TAKES_TEXTS) &&
            embed_model_info(exact.model, EMBED_INFO_HAS_TOKENIZER);
    images = embed_model_info(exact.model, EMBED_INFO_TAKES_IMAGES) > 0;
    if (o->sample && texts && images)
        *(o->image ? &texts : &images) = false;
    if (texts)
        add_sample(c, &exact, o, false);
    if (images)
        add_sample(c, &exact, o, true);
    engine_close(&exact);
    return c;
}

void comparison_print(const comparison *c, const options *o)
{
    bool asked = o->min_cosine > 0 || o->open.weights != EMBED_WEIGHTS_INT8;

    for (const sample *s = c->samples; s < c->samples + c->count; s++) {
        const char *unit = s->of_images ? "images" : "texts";
        const nearness *n = &s->found;

        printf("cosine to f32     ");
        if (n->count)
            printf("smallest %.6f, mean %.6f, of %lld %s%s\n", n->smallest,
                   n->sum / (double)n->count, (long long)n->count, unit,
                   o->sample ? "" : " built in");
        else
            printf("none of the %s could be compared\n", unit);
        if (n->below && !asked)
            printf("below %.3f       %lld of them: --min-cosine %.3f keeps products in float32 "
                   "until none is\n",
                   USUAL_COSINE, (long long)n->below, USUAL_COSINE);
    }
}

void comparison_close(comparison *c)
{
    for (sample *s = c->samples; s < c->samples + c->count; s++) {
        if (s->in) {
            input_close(s->in);
            batch_free(&s->b);
        }
        free(s->pixels);
        free(s->exact);
        free(s->cosines);
    }
    free(c);
}
