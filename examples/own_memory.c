/* A library inside an application that keeps its own books: model memory through the application's
 * allocator, with a limit; the session in a block that the application provides; the work on the
 * application's threads (here: the calling one).
 *
 *     own_memory MODEL_DIRECTORY */
#include <stdio.h>
#include <stdlib.h>

#include "embed.h"

typedef struct books {
    size_t used, most, limit;
} books;

static void *take(void *user, size_t size, size_t align)
{
    books *b = user;
    size_t whole = (size + align - 1) / align * align; /* as aligned_alloc wants it */
    void *block = b->used + size <= b->limit ? aligned_alloc(align, whole) : NULL;

    if (block)
        b->used += size;
    if (b->used > b->most)
        b->most = b->used;
    return block;
}

static void give_back(void *user, void *block, size_t size)
{
    books *b = user;

    b->used -= size;
    free(block);
}

/* An application with a pool of threads hands the tasks to it and waits for all of them. */
static void run_all(void *user, embed_task_fn task, void *arg, int64_t count)
{
    (void)user;
    for (int64_t i = 0; i < count; i++)
        task(arg, i);
}

static int use(embed_model *model)
{
    const char *texts[] = {"A cat is sleeping on the sofa.", "The kitten naps on the couch."};
    embed_session_options options = EMBED_SESSION_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_session *session = NULL;
    int64_t dim = embed_output_dim(model, NULL);
    float *vectors = calloc(2 * (size_t)dim, sizeof(float)), similarity = 0;
    void *workspace = NULL;
    size_t size = 0;
    int status = 1;

    options.threads = 4;
    options.batch_tokens = 256;
    options.parallel = run_all;
    if (embed_workspace_size(model, &options, &size, &error) == EMBED_OK)
        workspace = aligned_alloc(EMBED_WORKSPACE_ALIGN, size);
    if (!vectors || !workspace)
        fprintf(stderr, "no workspace: %s\n", error.message);
    else if (embed_session_init(model, &options, workspace, size, &session, &error) < 0)
        fprintf(stderr, "%s\n", error.message);
    else if (embed_encode_texts(session, texts, NULL, 2, NULL, vectors, dim) < 0)
        fprintf(stderr, "%s\n", embed_session_error(session));
    else {
        embed_similarity(EMBED_SIMILARITY_COSINE, vectors, 1, vectors + dim, 1, dim, &similarity);
        printf("similarity %.3f, workspace of %zu bytes\n", similarity, size);
        status = 0;
    }
    embed_session_free(session); /* before its memory */
    free(workspace);
    free(vectors);
    return status;
}

int main(int argc, char **argv)
{
    books memory = {0, 0, (size_t)2 << 30};
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model = NULL;

    if (argc != 2) {
        fprintf(stderr, "usage: %s MODEL_DIRECTORY\n", argv[0]);
        return 2;
    }
    options.alloc = take;
    options.free = give_back;
    options.alloc_user = &memory;
    if (embed_model_open(argv[1], &options, &model, &error) < 0) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    int status = use(model);
    embed_model_free(model);
    printf("model memory: at most %zu bytes, now %zu\n", memory.most, memory.used);
    return status || memory.used != 0;
}
