/* JPEG by stb_image, for builds without libjpeg. */
#define STBI_ONLY_JPEG
#include "stb.h"

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
