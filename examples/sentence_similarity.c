/* Sentence similarity: one vector a sentence, by the model's own recipe; the cosine of each pair.
 *
 *     sentence_similarity MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

enum { COUNT = 5 };

static const char *sentences[COUNT] = {
    "A cat is sleeping on the sofa.",
    "The kitten naps on the couch.",
    "Shares fell after the company published its results.",
    "The stock lost value when the earnings came out.",
    "Add a pinch of salt and stir the soup.",
};

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
    float *vectors = calloc(COUNT * (size_t)dim, sizeof(float));
    float scores[COUNT][COUNT];
    int status = 1;
    if (!vectors)
        fprintf(stderr, "out of memory\n");
    else if (embed_encode_texts(session, sentences, NULL, COUNT, NULL, vectors, dim) < 0)
        fprintf(stderr, "%s\n", embed_session_error(session));
    else {
        embed_similarity(EMBED_SIMILARITY_COSINE, vectors, COUNT, vectors, COUNT, dim,
                         &scores[0][0]);
        for (int i = 0; i < COUNT; i++) {
            for (int j = 0; j < COUNT; j++)
                printf("%6.2f ", scores[i][j]);
            printf("  %s\n", sentences[i]);
        }
        status = 0;
    }

    free(vectors);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
