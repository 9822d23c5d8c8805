/* Named entities by token vectors: find the word of a name by its byte offset, take the mean of the
 * word's rows of last_hidden_state, and give it the kind of the known name that is nearest.
 *
 *     named_entities MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"

enum { KNOWN = 3, COUNT = 6, MAX_TOKENS = 64 }; /* the kinds of the first KNOWN are given */

static const struct { const char *text, *name, *kind; } examples[COUNT] = {
    {"The bus left Lisbon.", "Lisbon", "place"},
    {"We met Peter today.", "Peter", "person"},
    {"Toyota builds cars.", "Toyota", "company"},
    {"They went to Madrid.", "Madrid", NULL},
    {"Honda sold a car.", "Honda", NULL},
    {"Is Thomas a baker?", "Thomas", NULL},
};

/* The vector of the word where name begins in text. hidden[MAX_TOKENS][size] is scratch. */
static int name_vector(embed_session *session, const char *text, const char *name, int64_t size,
                       float *hidden, float *vector)
{
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.flags = EMBED_NO_TRUNCATION; /* a text too long is an error, not cut */
    options.prompt = "";                 /* nothing put before the text */
    embed_input input = {.struct_size = sizeof(input), .count = 1, .texts = &text};
    if (embed_last_hidden_state(session, &input, &options, hidden, MAX_TOKENS) < 0)
        return -1;

    int64_t offsets[MAX_TOKENS][2]; /* bytes [start, end) of each token in text */
    int32_t word_ids[MAX_TOKENS];
    embed_tokens tokens = {.struct_size = sizeof(tokens), .capacity = MAX_TOKENS,
                           .offsets = &offsets[0][0], .word_ids = word_ids};
    int64_t count = embed_tokenize(session, text, -1, NULL, 0, &options, &tokens);
    int64_t start = strstr(text, name) - text;
    for (int64_t t = 0; t < count; t++)
        if (offsets[t][0] <= start && start < offsets[t][1])
            return embed_pool_word(hidden, count, size, word_ids, word_ids[t], vector);
    return -1;
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

    int64_t size = embed_model_info(model, EMBED_INFO_HIDDEN_SIZE);
    float *hidden = calloc((size_t)size * MAX_TOKENS, sizeof(float));
    float *vectors = calloc((size_t)size * COUNT, sizeof(float));
    int status = hidden && vectors ? 0 : 1;
    for (int i = 0; i < COUNT && status == 0; i++) {
        const char *text = examples[i].text, *name = examples[i].name;
        if (name_vector(session, text, name, size, hidden, vectors + i * size) < 0) {
            fprintf(stderr, "%s: %s\n", text, embed_session_error(session));
            status = 1;
        }
    }
    for (int i = KNOWN; i < COUNT && status == 0; i++) {
        float scores[KNOWN];
        embed_similarity(EMBED_SIMILARITY_COSINE, vectors + i * size, 1, vectors, KNOWN, size,
                         scores);
        int best = 0;
        for (int k = 1; k < KNOWN; k++)
            if (scores[k] > scores[best])
                best = k;
        printf("%-8s %-8s (as %s, %.2f)  %s\n", examples[i].name, examples[best].kind,
               examples[best].name, scores[best], examples[i].text);
    }
    free(vectors);
    free(hidden);
    embed_session_free(session);
    embed_model_free(model);
    return status;
}
