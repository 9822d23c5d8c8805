/* A model directory as one file: written, opened, checked, used.
 *
 *     single_file DIR model.embed
 */
#include "embed.h"

#include <stdio.h>

/* Write beside the file and rename, where a half-written one would do harm: embed convert does. */
static int32_t to_file(void *file, const void *data, int64_t size)
{
    return fwrite(data, 1, (size_t)size, file) == (size_t)size ? EMBED_OK : EMBED_EIO;
}

static int32_t convert(const char *directory, const char *name, embed_error *error)
{
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    embed_model *model;
    FILE *file;
    int32_t status;

    options.flags = EMBED_OPEN_TO_SAVE;
    options.weights = EMBED_WEIGHTS_F16;
    status = embed_model_open(directory, &options, &model, error);
    if (status < 0)
        return status;
    file = fopen(name, "wb");
    if (!file)
        perror(name);
    status = file ? embed_model_save(model, to_file, file, NULL, error) : EMBED_EIO;
    if (file && fclose(file) != 0)
        status = EMBED_EIO;
    embed_model_free(model);
    return status;
}

int main(int argc, char **argv)
{
    embed_model *model = NULL;
    embed_session *session = NULL;
    embed_error error = EMBED_ERROR_INIT;
    embed_verification found = EMBED_VERIFICATION_INIT;
    int32_t status;

    if (argc != 3) {
        fprintf(stderr, "usage: %s DIR model.embed\n", argv[0]);
        return 2;
    }
    status = convert(argv[1], argv[2], &error);
    if (status == EMBED_OK)
        status = embed_model_open(argv[2], NULL, &model, &error);
    if (status == EMBED_OK)
        status = embed_session_create(model, NULL, &session, &error);
    if (status == EMBED_OK) {
        status = embed_verify(session, &found);
        printf("%lld of %lld golden vectors have the same bits\n",
               (long long)(found.inputs - found.different), (long long)found.inputs);
    }
    if (status < 0)
        fprintf(stderr, "%s\n", *error.message ? error.message : embed_status_string(status));
    embed_session_free(session);
    embed_model_free(model);
    return status < 0 || found.different > 0;
}
