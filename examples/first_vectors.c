/* The shortest way: a model, a session, two texts, and how near they are.
 *
 *     first_vectors [MODEL_DIRECTORY] */
#include <stdio.h>
#include <stdlib.h>
#include <embed.h>

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : "build/models/all-MiniLM-L6-v2";
    const char *texts[] = {"A cat is sleeping on the sofa.", "The kitten naps on the couch."};
    embed_error error = EMBED_ERROR_INIT;
    embed_session *session;
    embed_model *model;
    float similarity;

    if (embed_model_open(path, NULL, &model, &error) < 0 ||
        embed_session_create(model, NULL, &session, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int64_t dim = embed_output_dim(model, NULL); /* floats in one vector: 384 */
    float *vectors = malloc(2 * (size_t)dim * sizeof *vectors);
    if (!vectors || embed_encode_texts(session, texts, NULL, 2, NULL, vectors, dim) < 0) {
        fprintf(stderr, "%s\n", embed_session_error(session));
        return 1;
    }
    embed_similarity(EMBED_SIMILARITY_COSINE, vectors, 1, vectors + dim, 1, dim, &similarity);
    printf("%.3f\n", similarity);
    free(vectors);
    embed_session_free(session);
    embed_model_free(model);
    return 0;
}
