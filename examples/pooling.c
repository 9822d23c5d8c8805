/* From the token vectors of one text to one vector, the usual ways; then unit length, the first
 * numbers alone, and a bit for each. Prints the first three numbers of each vector. pooling.py is
 * the same in Python.
 *
 *     pooling MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

static const char *const text = "A cat is sleeping on the sofa.";

static const struct {
    const char *name;
    int32_t pooling, layer, normalize;
    uint32_t flags;
    int64_t dim;
} ways[] = {
    {.name = "the model's own"},
    {"[CLS]", .pooling = EMBED_POOL_CLS, .flags = EMBED_NO_MODULES},
    {"mean", .pooling = EMBED_POOL_MEAN, .flags = EMBED_NO_MODULES},
    {"max", .pooling = EMBED_POOL_MAX, .flags = EMBED_NO_MODULES},
    {"last", .pooling = EMBED_POOL_LAST, .flags = EMBED_NO_MODULES},
    {"weighted", .pooling = EMBED_POOL_WEIGHTED, .flags = EMBED_NO_MODULES},
    {"sqrt_len", .pooling = EMBED_POOL_SQRT_LEN, .flags = EMBED_NO_MODULES},
    {"pooler", .pooling = EMBED_POOL_POOLER, .flags = EMBED_NO_MODULES},
    {"mean of layer 1", .pooling = EMBED_POOL_MEAN, .layer = EMBED_LAYER(1),
     .flags = EMBED_NO_MODULES},
    {"8 numbers", .dim = 8},
    {"8, unit length", .dim = 8, .normalize = EMBED_NORMALIZE_ON},
};

static int print_vectors(embed_session *session, int64_t dim, float *vector)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
        options.pooling = ways[i].pooling;
        options.layer = ways[i].layer;
        options.normalize = ways[i].normalize;
        options.flags = ways[i].flags;
        options.dim = ways[i].dim;
        int32_t status = embed_encode_texts(session, &text, NULL, 1, &options, vector, dim);
        if (status == EMBED_EMISSING) { /* the model has no pooler */
            printf("%-16s %s\n", ways[i].name, embed_session_error(session));
            continue;
        }
        if (status < 0) {
            fprintf(stderr, "%s: %s\n", ways[i].name, embed_session_error(session));
            return 1;
        }
        printf("%-16s %8.5f %8.5f %8.5f\n", ways[i].name, vector[0], vector[1], vector[2]);
    }
    return 0;
}

static int print_bits(embed_session *session, int64_t dim, float *vector)
{
    uint8_t *bits = malloc((size_t)embed_quantized_size(dim, EMBED_PRECISION_UBINARY));
    int failed = !bits || embed_encode_texts(session, &text, NULL, 1, NULL, vector, dim) < 0 ||
                 embed_quantize(vector, 1, dim, dim, EMBED_PRECISION_UBINARY, NULL, bits) < 0;

    if (!failed)
        printf("%-16s %8d\n", "8 bits", bits[0]);
    free(bits);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL_DIRECTORY\n", argv[0]);
        return 2;
    }
    embed_model *model = NULL;
    embed_session *session = NULL;
    embed_error error = EMBED_ERROR_INIT;
    if (embed_model_open(argv[1], NULL, &model, &error) < 0 ||
        embed_session_create(model, NULL, &session, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        embed_model_free(model);
        return 1;
    }

    int64_t dim = embed_output_dim(model, NULL);
    int64_t hidden_size = embed_model_info(model, EMBED_INFO_HIDDEN_SIZE);
    int64_t room = dim > hidden_size ? dim : hidden_size;
    float *vector = calloc((size_t)room, sizeof(float));
    int status = !vector || print_vectors(session, room, vector) ||
                 print_bits(session, dim, vector);

    free(vector);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
