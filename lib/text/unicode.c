/* Look-ups in the frozen Unicode tables. Hangul syllables decompose by arithmetic, everything else
 * by table: the data is that of the reference (Unicode 9), whatever version the system's own
 * library has. */
#include "unicode.h"

/* Index of c in a sorted table, or count. */
static size_t find(const uint32_t *table, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table[middle] < c) low = middle + 1;
        else high = middle;
    }
    return low < count && table[low] == c ? low : count;
}

int emb_unicode_lower(uint32_t c, uint32_t out[2])
{
    out[0] = c;
    if (c < 0x80) {
        if (c >= 'A' && c <= 'Z') out[0] = c + ('a' - 'A');
        return 1;
    }
    if (!(emb_unicode_flags(c) & EMB_UNICODE_LOWER)) return 1;
    out[0] = emb_unicode_lower_to[find(emb_unicode_lower_from, emb_unicode_lower_count, c)];
    if (c != 0x130) return 1;
    out[1] = 0x307; /* the only one that becomes two */
    return 2;
}

int emb_unicode_decompose(uint32_t c, uint32_t out[4])
{
    out[0] = c;
    if (c < 0x80 || !(emb_unicode_flags(c) & EMB_UNICODE_DECOMPOSES)) return 1;
    if (c >= 0xAC00 && c <= 0xD7A3) {
        uint32_t s = c - 0xAC00;
        out[0] = 0x1100 + s / 588;
        out[1] = 0x1161 + s % 588 / 28;
        out[2] = 0x11A7 + s % 28;
        return s % 28 ? 3 : 2;
    }
    size_t place = emb_unicode_nfd_place[find(emb_unicode_nfd_from, emb_unicode_nfd_count, c)];
    int count = (int)(place & 7);
    for (int i = 0; i < count; i++) out[i] = emb_unicode_nfd_pool[(place >> 3) + (size_t)i];
    return count;
}
