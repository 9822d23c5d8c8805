/* UTF-8, strictly: Unicode 15 section 3.9, table 3-7. */
#include "base.h"

int emb_utf8_decode(const char *s, size_t size, uint32_t *code_point)
{
    const unsigned char *b = (const unsigned char *)s;
    unsigned char low = 0x80, high = 0xBF; /* bounds of the second byte */
    int length;
    uint32_t c = b[0];

    if (c < 0x80) {
        *code_point = c;
        return 1;
    }
    if (c >= 0xC2 && c <= 0xDF) {
        length = 2;
        c &= 0x1F;
    } else if (c >= 0xE0 && c <= 0xEF) {
        length = 3;
        if (c == 0xE0) low = 0xA0;  /* overlong */
        if (c == 0xED) high = 0x9F; /* surrogates */
        c &= 0x0F;
    } else if (c >= 0xF0 && c <= 0xF4) {
        length = 4;
        if (c == 0xF0) low = 0x90;
        if (c == 0xF4) high = 0x8F; /* above U+10FFFF */
        c &= 0x07;
    } else {
        return -1;
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size || b[i] < low || b[i] > high) return -i;
        c = c << 6 | (b[i] & 0x3F);
        low = 0x80;
        high = 0xBF;
    }
    *code_point = c;
    return length;
}

int emb_utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

int64_t emb_utf8_invalid(const char *s, size_t size)
{
    size_t at = 0;
    while (at < size) {
        uint64_t word;
        size_t left = size - at;
        unsigned char c = (unsigned char)s[at];
        if (c < 0x80) {
            at++;
            while (size - at >= 8) { /* eight ASCII bytes at a time */
                memcpy(&word, s + at, 8);
                if (word & UINT64_C(0x8080808080808080)) break;
                at += 8;
            }
        } else if (c >= 0xC2 && c <= 0xDF && left > 1 && continues(s[at + 1])) {
            at += 2;
        } else if (c > 0xE0 && c < 0xED && left > 2 && continues(s[at + 1]) &&
                   continues(s[at + 2])) {
            at += 3;
        } else { /* what has bounds of its own */
            uint32_t code;
            int n = emb_utf8_decode(s + at, left, &code);
            if (n < 0) return (int64_t)at;
            at += (size_t)n;
        }
    }
    return -1;
}
