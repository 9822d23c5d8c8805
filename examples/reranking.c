/* Reranking: a cross-encoder reads a question together with each text, and scores how well it
 * answers. The model is a checkpoint for sequence classification, such as ms-marco-MiniLM-L6-v2.
 * reranking.py is the same in Python.
 *
 *     reranking MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

enum { COUNT = 3 };

static const char *const question = "Who wrote Emma?";
static const char *const texts[COUNT] = {
    "It rains in Lisbon today.",
    "Emma is a novel by Jane Austen.",
    "Emma moved to another town.",
};

static int print_scores(embed_session *session, int64_t labels, float *scores)
{
    const char *questions[COUNT] = {question, question, question};
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    embed_input input = EMBED_INPUT_INIT;

    options.pooling = EMBED_POOL_SCORES;
    input.texts = questions;
    input.pairs = texts;
    input.count = COUNT;
    if (embed_encode(session, &input, &options, scores, labels) < 0) {
        fprintf(stderr, "%s\n", embed_session_error(session));
        return 1;
    }
    for (int i = 0; i < COUNT; i++)
        printf("%8.5f  %s\n", scores[i * labels], texts[i]); /* rerankers have one label */
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

    int64_t labels = embed_model_info(model, EMBED_INFO_NUM_LABELS);
    float *scores = calloc((size_t)(labels > 0 ? labels : 1) * COUNT, sizeof(float));
    int status = !scores || print_scores(session, labels, scores);

    free(scores);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
