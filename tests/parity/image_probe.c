/* Preprocesses images from standard input for image_preprocess.py. argv: the kernels' name, or
 * nothing. Record: int32 sizes of the JSON and of the model_type (-1: none), both texts; int32
 * width, height, channels, gap after each row, alpha_white, keep_height and keep_width (0: all),
 * image_size (0: the file's), the pixels. Answer: int32 status; on failure int32 size and the
 * message; on success int32 height, width, kept height and width, varies, then float planes. */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/image/image.h"

static void take(void *out, size_t size)
{
    if (size && fread(out, size, 1, stdin) != 1) exit(3);
}

static void put(const void *data, size_t size)
{
    if (size) fwrite(data, size, 1, stdout);
}

static void put_int(int64_t n)
{
    int32_t small = (int32_t)n;
    put(&small, sizeof small);
}

static int32_t take_int(void)
{
    int32_t n;
    take(&n, sizeof n);
    return n;
}

static char *take_text(int32_t size)
{
    if (size < 0) return NULL;
    char *text = malloc((size_t)size + 1);
    take(text, (size_t)size);
    text[size] = 0;
    return text;
}

static int32_t read_processor(emb_image_processor *p, const char *json, const char *model_type,
                              embed_error *error)
{
    emb_json_document *document = NULL;
    if (json) {
        document = emb_json_parse("preprocessor_config.json", json, strlen(json), NULL,
                                  &emb_libc_allocator, error);
        if (!document) return error->status;
    }
    int32_t status = emb_image_processor_read(p, document ? emb_json_root(document) : NULL,
                                              "preprocessor_config.json", model_type, error);
    emb_json_free(document);
    return status;
}

int main(int argc, char **argv)
{
    const emb_kernels *kernels = emb_kernels_for(argc > 1 ? argv[1] : NULL);
    int32_t json_size;
    if (!kernels) return 2;
    while (fread(&json_size, sizeof json_size, 1, stdin) == 1) {
        embed_error error = EMBED_ERROR_INIT;
        emb_image_processor p;
        int32_t type_size = take_int(), head[8];
        char *json = take_text(json_size), *type = take_text(type_size);
        take(head, sizeof head);
        emb_pixels image = {.width = head[0], .height = head[1], .channels = head[2],
                            .stride = (int64_t)head[0] * head[2] + head[3]};
        size_t bytes = (size_t)(image.stride * image.height) - (size_t)head[3];
        uint8_t *pixels = malloc(bytes);
        take(pixels, bytes);
        image.data = pixels;

        int64_t size[2] = {0, 0};
        int32_t status = read_processor(&p, json, type, &error);
        if (status == EMBED_OK && head[7]) emb_image_processor_resize(&p, head[7]);
        if (status == EMBED_OK)
            status = emb_image_processor_size(&p, image.width, image.height, size, &error);
        put_int(status);
        if (status < 0) {
            put_int((int64_t)strlen(error.message));
            put(error.message, strlen(error.message));
        } else { /* both blocks end where they are said to end: a sanitizer sees the next byte */
            int64_t keep[2] = {head[5] ? head[5] : size[0], head[6] ? head[6] : size[1]};
            size_t values = (size_t)(3 * keep[0] * keep[1]);
            void *scratch =
                aligned_alloc(64, emb_image_processor_scratch(&p, image.width, image.height));
            float *out = malloc(values * sizeof *out);
            emb_image_process(&p, kernels, &image, head[4] != 0, keep[0], keep[1], out, scratch);
            put_int(size[0]);
            put_int(size[1]);
            put_int(keep[0]);
            put_int(keep[1]);
            put_int(emb_image_processor_varies(&p));
            put(out, values * sizeof *out);
            free(out);
            free(scratch);
        }
        fflush(stdout);
        free(pixels);
        free(json);
        free(type);
    }
    return 0;
}
