/* PNM: bits, greys and colors, as text (P1 to P3) and binary (P4 to P6), of any maximum. */
#include <math.h>

#include "decode.h"

enum { LONGEST = 10 }; /* characters of a number, as Pillow has it */

typedef struct pnm {
    const uint8_t *data;
    size_t size, at;
    int kind; /* 1 to 6 */
    uint32_t width, height, max;
} pnm;

static int32_t bad(const emb_encoded *e, const char *what)
{
    return emb_fail(e->error, EMBED_EFORMAT, "%s: PNM: %s", e->name, what);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_comment(pnm *p)
{
    while (p->at < p->size && p->data[p->at] != '\n' && p->data[p->at] != '\r') p->at++;
    if (p->at < p->size) p->at++;
}

/* The next number and the one space behind it. A comment does not end a number: Pillow's rule. */
static bool read_number(pnm *p, uint32_t *number)
{
    uint64_t n = 0;
    int digits = 0;
    while (p->at < p->size) {
        uint8_t c = p->data[p->at++];
        if (c == '#') skip_comment(p);
        else if (is_space(c) && digits > 0) break;
        else if (c >= '0' && c <= '9' && ++digits <= LONGEST) n = n * 10 + c - '0';
        else if (!is_space(c)) return false;
    }
    *number = (uint32_t)EMB_MIN(n, UINT32_MAX);
    return digits > 0;
}

/* A sample of 0..max as 8 bits. More than 8 bits of grey are stretched to 16, and what is over 255
 * then is white; colors are stretched to 8. */
static uint8_t scaled(const pnm *p, uint32_t sample)
{
    bool wide = p->max > 255 && (p->kind == 2 || p->kind == 5);
    double v = rint(sample / (double)p->max * (wide ? 65535 : 255));
    return v > 255 ? 255 : (uint8_t)v;
}

static int32_t read_text(const emb_encoded *e, pnm *p, const emb_pixels *out)
{
    for (int64_t y = 0; y < out->height; y++) {
        uint8_t *row = emb_pixels_row(out, y);
        for (int64_t i = 0; i < out->stride; i++) {
            uint32_t n;
            if (!read_number(p, &n)) return bad(e, "expected a number for each sample");
            if (n > p->max) return bad(e, "a sample is over the maximum");
            row[i] = scaled(p, n);
        }
    }
    return EMBED_OK;
}

/* Bits as text: nothing but 0, 1, space and comments up to the end of the file. */
static int32_t read_text_bits(const emb_encoded *e, pnm *p, const emb_pixels *out)
{
    uint8_t *to = emb_pixels_row(out, 0);
    size_t left = (size_t)(out->width * out->height);
    while (p->at < p->size) {
        uint8_t c = p->data[p->at++];
        if (c == '#') skip_comment(p);
        else if (c != '0' && c != '1' && !is_space(c)) return bad(e, "expected 0 or 1 as bits");
        else if (!is_space(c) && left > 0) {
            *to++ = c == '0' ? 255 : 0;
            left--;
        }
    }
    return left ? bad(e, "the file ends before its last pixel") : EMBED_OK;
}

static int32_t read_binary(const emb_encoded *e, const pnm *p, const emb_pixels *out)
{
    size_t sample = p->max > 255 ? 2 : 1, row, size;
    row = p->kind == 4 ? ((size_t)out->width + 7) / 8 : (size_t)out->stride * sample;
    if (!emb_mul(row, (size_t)out->height, &size) || p->size - p->at < size)
        return bad(e, "the file ends before its last pixel");
    for (int64_t y = 0; y < out->height; y++) {
        const uint8_t *in = p->data + p->at + (size_t)y * row;
        uint8_t *to = emb_pixels_row(out, y);
        if (p->max == 255) memcpy(to, in, row);
        for (int64_t i = 0; i < out->stride && p->max != 255; i++)
            to[i] = p->kind == 4 ? (in[i / 8] >> (7 - i % 8) & 1 ? 0 : 255)
                                 : scaled(p, sample == 2 ? emb_be16(in + 2 * i) : in[i]);
    }
    return EMBED_OK;
}

int32_t emb_decode_pnm(emb_encoded *e, emb_pixels *out)
{
    pnm p = {e->data, e->size, 3, e->data[1] - '0', 0, 0, 1};
    bool bits = p.kind == 1 || p.kind == 4;
    if (e->size < 3 || !is_space(e->data[2])) return bad(e, "expected a space behind P1 to P6");
    if (!read_number(&p, &p.width) || !read_number(&p, &p.height) ||
        (!bits && !read_number(&p, &p.max)))
        return bad(e, "expected width, height and maximum");
    if (p.max < 1 || p.max > 65535) return bad(e, "expected a maximum of 1 to 65535");
    int32_t status =
        emb_pixels_start(e, out, p.width, p.height, p.kind == 3 || p.kind == 6 ? 3 : 1);
    if (status < 0 || !e->allocator) return status;
    return p.kind == 1 ? read_text_bits(e, &p, out)
           : p.kind < 4 ? read_text(e, &p, out)
                        : read_binary(e, &p, out);
}
