/* Mutations that get past the first check of a parser: besides bytes they know numbers, words and
 * bracketed parts of JSON, and keep the header length of a safetensors file right.
 * Deterministic. */
#ifndef MUTATE_H
#define MUTATE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline uint64_t random_next(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
    return n ? (size_t)(random_next(state) % n) : 0;
}

typedef struct bytes {
    uint8_t *data;
    size_t size, capacity;
} bytes;

/* Put size bytes of with where data[at .. at + old) was; nothing where there is no room. */
static inline void splice(bytes *b, size_t at, size_t old, const void *with, size_t size)
{
    if (b->size - old + size > b->capacity) return;
    memmove(b->data + at + size, b->data + at + old, b->size - at - old);
    memcpy(b->data + at, with, size);
    b->size += size - old;
}

static inline size_t next_of(const bytes *b, size_t at, const char *set)
{
    while (at < b->size && (!b->data[at] || !strchr(set, b->data[at]))) at++;
    return at;
}

/* Past the value that begins at a bracket; brackets inside strings count too: it is a guess. */
static inline size_t part_end(const bytes *b, size_t at)
{
    int depth = 0;
    for (; at < b->size; at++) {
        uint8_t c = b->data[at];
        depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        if (depth <= 0) return at + 1;
    }
    return at;
}

static inline void mutate_number(bytes *b, uint64_t *rng)
{
    static const char *const numbers[] = {
        "0", "1", "-1", "2", "3", "7", "16", "17", "255", "65536", "268435456", "268435457",
        "2147483647", "2147483648", "4294967296", "9007199254740992", "9223372036854775807",
        "18446744073709551616", "1e20", "1e400", "0.5", "-0", "null", "true", "\"1\"", "[]",
    };
    static const char digits[] = "0123456789";
    size_t at = next_of(b, random_below(rng, b->size), digits), end = at;
    while (end < b->size && b->data[end] && strchr(digits, b->data[end])) end++;
    const char *to = numbers[random_below(rng, sizeof numbers / sizeof *numbers)];
    if (at < end) splice(b, at, end - at, to, strlen(to));
}

static inline void mutate_word(bytes *b, uint64_t *rng)
{
    static const char *const words[][2] = {
        {"true", "false"}, {"false", "true"}, {"null", "{}"}, {"\"", "\\u0000\""}, {",", ",,"},
        {"bert", "electra"}, {"bert", "distilbert"}, {"/", "/../"}, {"F32", "F16"}, {"F32", "I64"},
        {"Dense", "Normalize"}, {"Normalize", "LayerNorm"}, {"mean", "cls"}, {"false", "null"},
    };
    size_t pair = random_below(rng, sizeof words / sizeof *words), size = strlen(words[pair][0]);
    for (size_t at = random_below(rng, b->size); at + size <= b->size; at++) {
        if (memcmp(b->data + at, words[pair][0], size) != 0) continue;
        splice(b, at, size, words[pair][1], strlen(words[pair][1]));
        return;
    }
}

/* Copy, move or remove a bracketed part, a line's worth of text, or some bytes. */
static inline void mutate_part(bytes *b, uint64_t *rng)
{
    uint8_t copy[4096];
    size_t at = random_below(rng, b->size), end = at + 1 + random_below(rng, 64);
    switch (random_below(rng, 3)) {
    case 0:
        at = next_of(b, at, "[{");
        end = part_end(b, at);
        break;
    case 1:
        at = next_of(b, at, ",");
        end = next_of(b, at + 1, ",}]");
        break;
    default: break;
    }
    if (end > b->size) end = b->size;
    if (at >= end || end - at > sizeof copy) return;
    size_t size = end - at, to = random_below(rng, b->size - size + 1);
    memcpy(copy, b->data + at, size);
    if (random_below(rng, 3)) splice(b, at, size, "", 0); /* else it stays */
    else to = random_below(rng, 2) ? end : to;
    if (random_below(rng, 2)) splice(b, to, 0, copy, size);
}

static inline void mutate_byte(bytes *b, uint64_t *rng)
{
    static const char odd[] = "\"\\{}[]:, \n\0\x01\x7F\xC2\xE0\xED\xF4\xFF" "0-eu#\xCC\x81";
    size_t at = random_below(rng, b->size);
    if (!b->size) return;
    if (random_below(rng, 2)) b->data[at] = (uint8_t)odd[random_below(rng, sizeof odd - 1)];
    else b->data[at] ^= (uint8_t)(1u << random_below(rng, 8));
}

static inline void mutate_text(bytes *b, uint64_t *rng)
{
    for (size_t n = 1 + random_below(rng, 3); n > 0; n--) {
        switch (random_below(rng, 4)) {
        case 0: mutate_number(b, rng); break;
        case 1: mutate_word(b, rng); break;
        case 2: mutate_part(b, rng); break;
        default: mutate_byte(b, rng); break;
        }
    }
}

/* The new size. A file that looks like safetensors has, mostly, its header changed and its length
 * put right, so that the change is seen. */
static inline size_t mutate(uint8_t *data, size_t size, size_t capacity, uint64_t *rng)
{
    bytes all = {data, size, capacity};
    uint64_t length = 0;
    for (int i = 7; i >= 0 && size > 8; i--) length = length << 8 | data[i];
    if (size <= 8 || length > size - 8 || random_below(rng, 8) == 0) {
        mutate_text(&all, rng);
        return all.size;
    }
    size_t tail = size - 8 - (size_t)length;
    bytes header = {data + 8, (size_t)length, capacity - 8 - tail};
    memmove(data + capacity - tail, data + 8 + length, tail); /* out of the way */
    mutate_text(&header, rng);
    memmove(data + 8 + header.size, data + capacity - tail, tail);
    for (int i = 0; i < 8; i++) data[i] = (uint8_t)((uint64_t)header.size >> 8 * i);
    return 8 + header.size + tail;
}

#endif
