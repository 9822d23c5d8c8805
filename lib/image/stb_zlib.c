/* Inflating zlib streams by stb_image. */
#define STBI_ONLY_ZLIB
#define STBI_SUPPORT_ZLIB
#include "stb.h"

int64_t emb_stb_inflate(const uint8_t *data, size_t size, uint8_t *out, size_t capacity)
{
    if (size > INT_MAX) return -1;
    return stbi_zlib_decode_buffer((char *)out, (int)EMB_MIN(capacity, (size_t)INT_MAX),
                                   (const char *)data, (int)size);
}
