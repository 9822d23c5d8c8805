/* Text classification by [CLS] vectors: last_hidden_state[:, 0, :] of a few labelled sentences, one
 * centroid a label, and a new sentence gets the label whose centroid is nearest.
 *
 *     text_classification MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

enum { LABELS = 3, EACH = 3, NEW = 4 };

static const char *labels[LABELS] = {"sport", "food", "computers"};
static const char *labelled[LABELS * EACH] = {
    "The striker scored twice in the last ten minutes.",
    "She ran the marathon in under three hours.",
    "Our team lost the final on penalties.",
    "She fried the onions slowly in olive oil.",
    "Let the soup simmer for an hour.",
    "Fresh basil makes a tomato salad taste like summer.",
    "My laptop does not start after the update.",
    "I forgot the password of my account.",
    "The program crashes when the file is empty.",
};
static const char *unknown[NEW] = {
    "The goalkeeper saved the last shot.",
    "Bake the bread until the crust is brown.",
    "The screen stays black when I open the browser.",
    "He won the race by half a second.",
};

static int classify(embed_session *session, int64_t dim, float *known, float *fresh,
                    float *centroids)
{
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = EMBED_POOL_CLS;
    options.flags = EMBED_NO_MODULES; /* the bare vector of [CLS]: no normalisation after it */
    options.prompt = "";
    if (embed_encode_texts(session, labelled, NULL, LABELS * EACH, &options, known, dim) < 0 ||
        embed_encode_texts(session, unknown, NULL, NEW, &options, fresh, dim) < 0) {
        fprintf(stderr, "%s\n", embed_session_error(session));
        return 1;
    }
    for (int label = 0; label < LABELS; label++) /* the mean of EACH rows */
        embed_pool(known + label * EACH * dim, EACH, dim, NULL, EMBED_POOL_MEAN,
                   centroids + label * dim);

    float scores[NEW][LABELS];
    embed_similarity(EMBED_SIMILARITY_COSINE, fresh, NEW, centroids, LABELS, dim, &scores[0][0]);
    for (int i = 0; i < NEW; i++) {
        int best = 0;
        for (int label = 1; label < LABELS; label++)
            if (scores[i][label] > scores[i][best])
                best = label;
        printf("%-10s %5.2f  %s\n", labels[best], scores[i][best], unknown[i]);
    }
    return 0;
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

    int64_t dim = embed_model_info(model, EMBED_INFO_HIDDEN_SIZE);
    float *vectors = calloc((size_t)dim * (LABELS * EACH + NEW + LABELS), sizeof(float));
    int status = 1;
    if (vectors)
        status = classify(session, dim, vectors, vectors + LABELS * EACH * dim,
                          vectors + (LABELS * EACH + NEW) * dim);
    free(vectors);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
