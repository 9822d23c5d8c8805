/* A text of more tokens than the model takes: refused, cut, or in windows whose vectors become one;
 * and late chunking, a vector for each sentence that knows what the others say. long_texts.py is
 * the same in Python.
 *
 *     long_texts MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"

enum { SENTENCES = 3, LIMIT = 12, STRIDE = 4 };

static const char *const sentences[SENTENCES] = {
    "Berlin is a city.",
    " It has many parks and lakes.",
    " The soup needs a pinch of salt.",
};
static char text[256]; /* one after another */

/* One vector for the whole text, of at most LIMIT tokens at a time. */
static int whole(embed_session *session, const char *name, int32_t long_texts, int64_t dim,
                 float *vector)
{
    const char *const texts[] = {text};
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;

    options.max_length = LIMIT; /* 0: the model's own limit */
    options.long_texts = long_texts;
    options.stride = long_texts == EMBED_LONG_TEXTS_WINDOWS ? STRIDE : 0;
    if (embed_encode_texts(session, texts, NULL, 1, &options, vector, dim) < 0) {
        printf("%-9s %s\n", name, embed_session_error(session));
        return long_texts != EMBED_LONG_TEXTS_REFUSE;
    }
    printf("%-9s %8.5f %8.5f %8.5f\n", name, vector[0], vector[1], vector[2]);
    return 0;
}

/* A vector for each sentence, of one pass over the whole text. vectors[SENTENCES][dim]. */
static int chunks(embed_session *session, int64_t dim, float *vectors)
{
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    int64_t spans[SENTENCES][2], end = 0; /* bytes of the text */
    float scores[SENTENCES];

    options.long_texts = EMBED_LONG_TEXTS_WINDOWS; /* where it is more than the model takes */
    options.stride = STRIDE;
    for (int i = 0; i < SENTENCES; i++) {
        spans[i][0] = end;
        spans[i][1] = end += (int64_t)strlen(sentences[i]);
    }
    if (embed_encode_spans(session, text, -1, spans[0], SENTENCES, &options, vectors, dim) < 0) {
        fprintf(stderr, "%s\n", embed_session_error(session));
        return 1;
    }
    embed_similarity(EMBED_SIMILARITY_COSINE, vectors, 1, vectors, SENTENCES, dim, scores);
    for (int i = 0; i < SENTENCES; i++)
        printf("bytes %2d to %2d, as the first: %5.2f  %s\n", (int)spans[i][0], (int)spans[i][1],
               scores[i], sentences[i]);
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

    for (int i = 0; i < SENTENCES; i++)
        strcat(text, sentences[i]);
    int64_t dim = embed_output_dim(model, NULL);
    float *vectors = calloc(SENTENCES * (size_t)dim, sizeof(float));
    int status = !vectors || whole(session, "refused", EMBED_LONG_TEXTS_REFUSE, dim, vectors) ||
                 whole(session, "cut", EMBED_LONG_TEXTS_TRUNCATE, dim, vectors) ||
                 whole(session, "windows", EMBED_LONG_TEXTS_WINDOWS, dim, vectors) ||
                 chunks(session, dim, vectors);

    free(vectors);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
