/* Decodes records from standard input for image_decode.py. Record: flag 1 to apply EXIF, size
 * (uint32 each) and bytes of an image. Answer: status, width, height, channels (int32 each), then on
 * success rows without padding, otherwise the size (int32) and bytes of the message. The size that
 * emb_image_probe gives must be the decoder's. */
#include <stdio.h>
#include <stdlib.h>

#include "../../lib/image/image.h"

static void put(const void *data, size_t size)
{
    if (size && fwrite(data, size, 1, stdout) != 1) exit(3);
}

static void answer(const void *data, uint32_t size, uint32_t flags)
{
    const emb_decode_options o = {flags & 1, 0};
    embed_error error = EMBED_ERROR_INIT;
    emb_pixels p;
    int64_t width, height;
    int32_t probed = emb_image_probe(data, size, "image", &o, &width, &height, NULL);
    int32_t status = emb_image_decode(data, size, "image", &o, &emb_libc_allocator, &p, &error);
    if (status == EMBED_OK && (probed != EMBED_OK || width != p.width || height != p.height))
        exit(4);
    int32_t head[4] = {status, (int32_t)p.width, (int32_t)p.height, p.channels};
    put(head, sizeof head);
    for (int64_t y = 0; y < p.height; y++)
        put(p.data + y * p.stride, (size_t)(p.width * p.channels));
    if (status < 0) {
        int32_t length = (int32_t)strlen(error.message);
        put(&length, sizeof length);
        put(error.message, (size_t)length);
    }
    emb_pixels_free(&p, &emb_libc_allocator);
    fflush(stdout);
}

int main(void)
{
    uint32_t head[2];
    while (fread(head, sizeof head, 1, stdin) == 1) {
        void *data = malloc(head[1] ? head[1] : 1);
        if (!data || (head[1] && fread(data, head[1], 1, stdin) != 1)) return 2;
        answer(data, head[1], head[0]);
        free(data);
    }
    return 0;
}
