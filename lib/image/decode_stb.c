/* stb_image, the only file that includes it: inflating zlib streams, and JPEG for builds without
 * libjpeg. */
#include <limits.h>

#include "decode.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_FAILURE_STRINGS
#define STBI_ONLY_JPEG
#define STBI_SUPPORT_ZLIB
#define STBI_ASSERT(x) ((void)(x)) /* hostile files must not end the process */
#include <stb_image.h>

int64_t emb_stb_inflate(const uint8_t *data, size_t size, uint8_t *out, size_t capacity)
{
    if (size > INT_MAX) return -1;
    return stbi_zlib_decode_buffer((char *)out, (int)EMB_MIN(capacity, (size_t)INT_MAX),
                                   (const char *)data, (int)size);
}

bool emb_stb_jpeg(const uint8_t *data, size_t size, int64_t width, int64_t height,
                  int32_t channels, uint8_t *out)
{
    int w, h, found;
    if (size > INT_MAX) return false;
    stbi_uc *pixels = stbi_load_from_memory(data, (int)size, &w, &h, &found, channels);
    if (!pixels) return false;
    bool same = w == width && h == height;
    if (same) memcpy(out, pixels, (size_t)w * (size_t)h * (size_t)channels);
    stbi_image_free(pixels);
    return same;
}
