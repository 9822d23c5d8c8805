/* A set of strings with a number each: vocabularies. Open addressing over one arena of bytes. A
 * file cannot make it slow: strings that collide too often are refused, and no search goes further
 * than the furthest. */
#include "text.h"

void emb_strings_init(emb_strings *s, const emb_allocator *a)
{
    *s = (emb_strings){.allocator = a};
}

void emb_strings_free(emb_strings *s)
{
    if (!s->allocator) return;
    if (!s->borrowed) {
        emb_free(s->allocator, s->bytes);
        emb_free(s->allocator, s->entries);
        emb_free(s->allocator, s->slots);
    }
    emb_strings_init(s, s->allocator);
}

static uint64_t hash_of(const char *text, size_t size)
{
    uint64_t h = EMB_HASH_START;
    for (size_t i = 0; i < size; i++) h = emb_hash_step(h, text[i]);
    return h;
}

/* Spread what FNV leaves in the low bits; the upper half is kept in the slot. */
static uint64_t mix(uint64_t h)
{
    h ^= h >> 29;
    h *= UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 32;
}

static bool place(emb_strings *s, uint64_t mixed, int32_t entry)
{
    for (uint32_t probe = 0; probe < EMB_STRINGS_MAX_PROBE; probe++) {
        uint64_t *slot = &s->slots[(mixed + probe) & s->slots_mask];
        if (*slot) continue;
        *slot = (mixed & UINT64_C(0xFFFFFFFF00000000)) | (uint32_t)(entry + 1);
        s->max_probe = EMB_MAX(s->max_probe, probe);
        return true;
    }
    return false;
}

static int32_t grow_slots(emb_strings *s)
{
    size_t count = s->slots ? 2 * (s->slots_mask + 1) : 64;
    uint64_t *slots = emb_calloc(s->allocator, count, sizeof *slots);
    if (!slots) return EMBED_ENOMEM;
    emb_free(s->allocator, s->slots);
    s->slots = slots;
    s->slots_mask = count - 1;
    s->max_probe = 0;
    for (int32_t i = 0; i < s->count; i++) {
        const emb_string *e = &s->entries[i];
        if (!place(s, mix(hash_of(s->bytes + e->offset, e->size)), i)) return EMBED_EFORMAT;
    }
    return EMBED_OK;
}

/* Make *data hold `need` elements of `size` bytes. */
static bool reserve(const emb_allocator *a, void **data, size_t used, size_t need,
                    size_t *capacity, size_t size)
{
    if (need <= *capacity) return true;
    size_t more = EMB_MAX(need, *capacity + *capacity / 2 + 1024);
    char *grown = emb_calloc(a, more, size);
    if (!grown) return false;
    if (used) memcpy(grown, *data, used * size);
    emb_free(a, *data);
    *data = grown;
    *capacity = more;
    return true;
}

static int32_t append(emb_strings *s, const char *text, size_t size, int32_t value)
{
    size_t capacity = (size_t)s->capacity, end;
    void *bytes = s->bytes, *entries = s->entries;

    if (size >= UINT32_MAX || s->count >= INT32_MAX / 2) return EMBED_EFORMAT;
    if (!emb_add(s->bytes_used, size + 1, &end) || end > UINT32_MAX) return EMBED_ENOMEM;
    bool ok = reserve(s->allocator, &bytes, s->bytes_used, end, &s->bytes_capacity, 1);
    s->bytes = bytes;
    if (!ok) return EMBED_ENOMEM;
    ok = reserve(s->allocator, &entries, (size_t)s->count, (size_t)s->count + 1, &capacity,
                 sizeof *s->entries);
    s->entries = entries;
    s->capacity = (int32_t)capacity;
    if (!ok) return EMBED_ENOMEM;
    if (size) memcpy(s->bytes + s->bytes_used, text, size);
    s->entries[s->count] = (emb_string){(uint32_t)s->bytes_used, (uint32_t)size, value};
    s->bytes_used = end;
    s->longest = EMB_MAX(s->longest, (uint32_t)size);
    return s->count++;
}

int32_t emb_strings_put(emb_strings *s, const char *text, size_t size, int32_t value)
{
    int32_t entry = emb_strings_find(s, text, size);
    if (entry >= 0) {
        s->entries[entry].value = value;
        return entry;
    }
    entry = append(s, text, size, value);
    if (entry < 0) return entry;
    if (!s->slots || (size_t)s->count * 2 > s->slots_mask) {
        int32_t status = grow_slots(s); /* places the new one too */
        return status < 0 ? status : entry;
    }
    return place(s, mix(hash_of(text, size)), entry) ? entry : EMBED_EFORMAT;
}

int32_t emb_strings_find_hashed(const emb_strings *s, uint64_t hash, const char *prefix,
                                size_t prefix_size,
                                const char *text, size_t size)
{
    if (!s->slots) return -1;
    uint64_t mixed = mix(hash);
    for (uint32_t probe = 0; probe <= s->max_probe; probe++) {
        uint64_t slot = s->slots[(mixed + probe) & s->slots_mask];
        if (!(uint32_t)slot) return -1;
        if (slot >> 32 != mixed >> 32) continue;
        const emb_string *e = &s->entries[(uint32_t)slot - 1];
        const char *bytes = s->bytes + e->offset;
        if (e->size == prefix_size + size && !memcmp(bytes, prefix, prefix_size) &&
            !memcmp(bytes + prefix_size, text, size)) {
            return (int32_t)((uint32_t)slot - 1);
        }
    }
    return -1;
}

int32_t emb_strings_find(const emb_strings *s, const char *text, size_t size)
{
    return emb_strings_find_hashed(s, hash_of(text, size), "", 0, text, size);
}
