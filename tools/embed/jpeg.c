/* jpeg: thumbnails as JPEG, by stb_image_write, which this file alone includes. */
#include "cli.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wshadow"
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#include <stb_image_write.h>

enum { QUALITY = 75 };

static void add(void *out, void *data, int size)
{
    buffer_add(out, data, (size_t)size);
}

void jpeg_write(buffer *out, const uint8_t *rgb, int width, int height)
{
    if (!stbi_write_jpg_to_func(add, out, width, height, 3, rgb, QUALITY))
        die("cannot write a thumbnail of %d x %d pixels", width, height);
}
