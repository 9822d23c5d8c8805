/* Image retrieval: the images of a folder that are nearest to one image, by the mean over all
 * tokens of last_hidden_state.
 *
 *     image_retrieval MODEL_DIRECTORY FOLDER IMAGE */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

enum { MAX_IMAGES = 10000, SHOWN = 5 };

static embed_image images[1 + MAX_IMAGES]; /* the query, then the folder's */
static char paths[MAX_IMAGES][1024];

static int64_t read_folder(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    int64_t count = 0;

    while (d && count < MAX_IMAGES && (entry = readdir(d)))
        if (entry->d_name[0] != '.') {
            snprintf(paths[count], sizeof(paths[0]), "%s/%s", folder, entry->d_name);
            images[1 + count].path = paths[count];
            count++;
        }
    if (d)
        closedir(d);
    return count;
}

/* What is no image is told and passed over; its vector becomes NaN. The query has to be one. */
static int32_t pass_over(void *user, int64_t index, int32_t status, const char *message)
{
    (void)user;
    if (index == 0)
        return status;
    fprintf(stderr, "%s\n", message);
    return 0;
}

static void print_nearest(float *scores, int64_t count)
{
    for (int shown = 0; shown < SHOWN; shown++) {
        int64_t best = 0;

        for (int64_t i = 1; i < count; i++)
            if (isnan(scores[best]) || scores[i] > scores[best])
                best = i;
        if (count == 0 || isnan(scores[best]))
            return;
        printf("%.4f  %s\n", scores[best], images[1 + best].path);
        scores[best] = NAN;
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s MODEL_DIRECTORY FOLDER IMAGE\n", argv[0]);
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

    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = EMBED_POOL_MEAN_ALL;
    options.failed = pass_over;
    embed_input input = EMBED_INPUT_INIT;
    images[0].path = argv[3];
    input.images = images;
    input.count = 1 + read_folder(argv[2]);

    int64_t dim = embed_output_dim(model, &options);
    float *vectors = calloc((size_t)input.count, (size_t)(dim > 0 ? dim : 1) * sizeof(float));
    float *scores = calloc((size_t)input.count, sizeof(float));
    int status = 1;
    if (!vectors || !scores)
        fprintf(stderr, "out of memory\n");
    else if (embed_encode(session, &input, &options, vectors, dim) < 0)
        fprintf(stderr, "%s\n", embed_session_error(session));
    else {
        embed_similarity(EMBED_SIMILARITY_COSINE, vectors, 1, vectors + dim, input.count - 1, dim,
                         scores);
        print_nearest(scores, input.count - 1);
        status = 0;
    }

    free(scores);
    free(vectors);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
