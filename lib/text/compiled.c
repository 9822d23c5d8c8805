/* Vocabularies that are stored as the tables they are in memory: opening them is looking where they
 * are and, in one pass over what is small, that no index leads outside. Larger tables (merges, the
 * edges of a trie) are not walked: what comes out of them is checked where it is used. */
#include "compiled.h"
#include "load.h"
#include "unigram.h"

#define WHERE "tokenizer tables"
#define VERSION 2
#define ORDER 0x01020304u /* as the machine that wrote the block has it */
#define ALIGN 64

typedef struct header {
    char magic[8];
    uint32_t order, version;
    char type[16]; /* of the model */
    int64_t numbers[EMB_NUMBERS];
    struct { uint64_t at, bytes; } arrays[EMB_TABLES];
} header;

static const char magic[8] = "embtable";

static const emb_token_model_kind *const kinds[] = {
    &emb_token_model_wordpiece, &emb_token_model_wordlevel, &emb_token_model_bpe,
    &emb_token_model_unigram};

/* ---- the block ------------------------------------------------------------------------------ */

static int32_t wrong(embed_error *error, const char *what)
{
    return emb_fail(error, EMBED_EFORMAT, WHERE ": %s", what);
}

int32_t emb_tables_open(emb_tables *t, const void *data, size_t size, embed_error *error)
{
    const char *bytes = data;
    header h;
    *t = (emb_tables){.kind = NULL};
    if (size < sizeof h || memcmp(data, magic, sizeof magic)) {
        return wrong(error, "not such a block");
    }
    memcpy(&h, data, sizeof h);
    if (h.order != ORDER || h.version != VERSION) {
        return emb_fail(error, EMBED_EUNSUPPORTED, WHERE ": written by another version or for "
                        "another byte order: convert the model again");
    }
    for (int i = 0; i < EMB_COUNT(kinds); i++) {
        if (!strncmp(kinds[i]->type, h.type, sizeof h.type)) t->kind = kinds[i];
    }
    if (!t->kind) return wrong(error, "a type of model that is not known");
    memcpy(t->numbers, h.numbers, sizeof t->numbers);
    for (int i = 0; i < EMB_TABLES; i++) {
        uint64_t at = h.arrays[i].at, n = h.arrays[i].bytes;
        if (at % 8 || at > size || n > size - at) return wrong(error, "an array outside the block");
        t->arrays[i] = bytes + at;
        t->bytes[i] = (size_t)n;
    }
    return EMBED_OK;
}

void emb_tables_write(const emb_tables *t, emb_buffer *out)
{
    static const char zeros[ALIGN] = {0};
    header h = {.order = ORDER, .version = VERSION};
    size_t at = (sizeof h + ALIGN - 1) / ALIGN * ALIGN;
    memcpy(h.magic, magic, sizeof h.magic);
    memcpy(h.type, t->kind->type, strlen(t->kind->type));
    memcpy(h.numbers, t->numbers, sizeof h.numbers);
    for (int i = 0; i < EMB_TABLES; i++) {
        h.arrays[i].at = at;
        h.arrays[i].bytes = t->bytes[i];
        at += (t->bytes[i] + ALIGN - 1) / ALIGN * ALIGN;
    }
    emb_buffer_add(out, &h, sizeof h);
    for (int i = 0; i < EMB_TABLES; i++) {
        emb_buffer_add(out, zeros, (size_t)h.arrays[i].at - out->size);
        emb_buffer_add(out, t->arrays[i], t->bytes[i]);
    }
}

/* Elements of an array that is made of them, or 0. */
static size_t count_of(const emb_tables *t, int table, size_t size)
{
    return t->bytes[table] % size ? 0 : t->bytes[table] / size;
}

static bool is_power_of_two(size_t n)
{
    return n && !(n & (n - 1));
}

static bool within(const emb_tables *t, int number, int64_t min, int64_t max)
{
    return t->numbers[number] >= min && t->numbers[number] <= max;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Every string within the bytes and ending in a NUL; ids below the number of them. */
static bool strings_are_sound(const emb_strings *s, size_t ids)
{
    for (int32_t i = 0; i < s->count; i++) {
        const emb_string *e = &s->entries[i];
        if (e->offset >= s->bytes_used || e->size >= s->bytes_used - e->offset) return false;
        if (e->size > s->longest || s->bytes[e->offset + e->size]) return false;
        if (e->value < 0 || (size_t)e->value >= ids) return false;
    }
    return true;
}

static uint32_t largest_entry(const uint64_t *slots, size_t count)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) largest = EMB_MAX(largest, (uint32_t)slots[i]);
    return largest;
}

static uint32_t largest_number(const int32_t *numbers, size_t count)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < count; i++) largest = EMB_MAX(largest, (uint32_t)numbers[i]);
    return largest;
}

int32_t emb_tables_vocabulary(const emb_tables *t, emb_token_model *m, embed_error *error)
{
    size_t count = count_of(t, EMB_TABLE_STRINGS, sizeof(emb_string));
    size_t slots = count_of(t, EMB_TABLE_SLOTS, sizeof(uint64_t));
    size_t ids = count_of(t, EMB_TABLE_IDS, sizeof(int32_t));
    if (count > INT32_MAX / 2 || ids > INT32_MAX || (count && !is_power_of_two(slots)) ||
        !within(t, EMB_NUMBER_LONGEST, 0, EMB_MAX_PIECE) ||
        !within(t, EMB_NUMBER_PROBE, 0, EMB_STRINGS_MAX_PROBE)) {
        return wrong(error, "vocabulary: sizes that do not agree");
    }
    m->vocab = (emb_strings){
        .allocator = m->vocab.allocator, .borrowed = true,
        .bytes = (char *)(uintptr_t)t->arrays[EMB_TABLE_TEXTS],
        .bytes_used = t->bytes[EMB_TABLE_TEXTS],
        .entries = (emb_string *)(uintptr_t)t->arrays[EMB_TABLE_STRINGS], .count = (int32_t)count,
        .slots = count ? (uint64_t *)(uintptr_t)t->arrays[EMB_TABLE_SLOTS] : NULL,
        .slots_mask = slots - 1, .longest = (uint32_t)t->numbers[EMB_NUMBER_LONGEST],
        .max_probe = (uint32_t)t->numbers[EMB_NUMBER_PROBE]};
    m->entry_of_id = (int32_t *)(uintptr_t)t->arrays[EMB_TABLE_IDS];
    m->ids = (int64_t)ids;
    m->borrowed = true;
    if (!strings_are_sound(&m->vocab, ids) ||
        (count && largest_entry(m->vocab.slots, slots) > count) ||
        largest_number(m->entry_of_id, ids) > count) {
        return wrong(error, "vocabulary: an index that leads outside");
    }
    return EMBED_OK;
}

int32_t emb_tables_merges(const emb_tables *t, emb_bpe *m, embed_error *error)
{
    size_t slots = count_of(t, EMB_TABLE_MERGES, sizeof(emb_merge));
    if (!is_power_of_two(slots) || !within(t, EMB_NUMBER_MERGES_PROBE, 0, EMB_BPE_MAX_PROBE)) {
        return wrong(error, "merges: sizes that do not agree");
    }
    m->merges = (emb_merge *)(uintptr_t)t->arrays[EMB_TABLE_MERGES];
    m->merges_mask = slots - 1;
    m->merges_probe = (size_t)t->numbers[EMB_NUMBER_MERGES_PROBE];
    return EMBED_OK;
}

int32_t emb_tables_unigram(const emb_tables *t, emb_token_model *m, int flags,
                           embed_error *error)
{
    size_t starts = count_of(t, EMB_TABLE_STARTS, sizeof(uint32_t));
    emb_unigram_tables u = {
        .units = t->arrays[EMB_TABLE_UNITS],
        .units_count = count_of(t, EMB_TABLE_UNITS, sizeof *u.units),
        .starts = t->arrays[EMB_TABLE_STARTS], .count = starts ? starts - 1 : 0,
        .bytes = t->arrays[EMB_TABLE_TEXTS], .bytes_count = t->bytes[EMB_TABLE_TEXTS],
        .longest = t->numbers[EMB_NUMBER_LONGEST], .unk_id = t->numbers[EMB_NUMBER_UNK]};
    memcpy(&u.lowest, &t->numbers[EMB_NUMBER_LOWEST], sizeof u.lowest);
    int32_t status = emb_unigram_open_tables(&m->unigram, &u, flags, WHERE,
                                             m->vocab.allocator, error);
    if (status == EMBED_OK) m->unk_id = (int32_t)u.unk_id;
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void set(emb_tables *t, int table, const void *data, size_t count, size_t size)
{
    t->arrays[table] = data;
    t->bytes[table] = count * size;
}

static void put_unigram(emb_tables *t, const emb_token_model *m)
{
    emb_unigram_tables u = emb_unigram_as_tables(m->unigram);
    set(t, EMB_TABLE_UNITS, u.units, u.units_count, sizeof *u.units);
    set(t, EMB_TABLE_STARTS, u.starts, u.count + 1, sizeof *u.starts);
    set(t, EMB_TABLE_TEXTS, u.bytes, u.bytes_count, 1);
    t->numbers[EMB_NUMBER_LONGEST] = u.longest;
    t->numbers[EMB_NUMBER_UNK] = u.unk_id;
    memcpy(&t->numbers[EMB_NUMBER_LOWEST], &u.lowest, sizeof u.lowest);
}

static void put_vocabulary(emb_tables *t, const emb_token_model *m)
{
    const emb_strings *v = &m->vocab;
    set(t, EMB_TABLE_TEXTS, v->bytes, v->bytes_used, 1);
    set(t, EMB_TABLE_STRINGS, v->entries, (size_t)v->count, sizeof *v->entries);
    set(t, EMB_TABLE_SLOTS, v->slots, v->slots ? v->slots_mask + 1 : 0, sizeof *v->slots);
    set(t, EMB_TABLE_IDS, m->entry_of_id, (size_t)m->ids, sizeof *m->entry_of_id);
    t->numbers[EMB_NUMBER_LONGEST] = v->longest;
    t->numbers[EMB_NUMBER_PROBE] = v->max_probe;
    if (m->kind != &emb_token_model_bpe) return;
    set(t, EMB_TABLE_MERGES, m->bpe.merges, m->bpe.merges_mask + 1, sizeof *m->bpe.merges);
    t->numbers[EMB_NUMBER_MERGES_PROBE] = (int64_t)m->bpe.merges_probe;
}

/* tokenizer.json with nothing in its vocabulary and merges. */
static int32_t empty_json(const emb_tokenizer_files *f, emb_buffer *out, const emb_allocator *a,
                          embed_error *error)
{
    emb_json_reader r;
    size_t done = 0;
    emb_json_start(&r, EMB_JSON_FILE, f->tokenizer_json, f->tokenizer_json_size, a, error);
    emb_json_event event = emb_json_next(&r);
    if (event == EMB_JSON_OBJECT && emb_json_enter(&r, "model", &event) &&
        event == EMB_JSON_OBJECT) {
        while (emb_json_next(&r) == EMB_JSON_KEY) {
            bool large = !strcmp(r.string, "vocab") || !strcmp(r.string, "merges");
            event = emb_json_next(&r);
            size_t begin = r.value_at;
            bool container = event == EMB_JSON_OBJECT || event == EMB_JSON_ARRAY;
            if (!emb_json_skip(&r, event)) break;
            if (!large || !container) continue;
            emb_buffer_add(out, f->tokenizer_json + done, begin + 1 - done);
            done = r.at - 1; /* its closing bracket */
        }
    }
    int32_t status = r.status;
    emb_json_stop(&r);
    emb_buffer_add(out, f->tokenizer_json + done, f->tokenizer_json_size - done);
    return status;
}

int32_t emb_tokenizer_stores(const emb_tokenizer *t, const emb_tokenizer_files *files,
                             emb_tokenizer_store *out, const emb_allocator *a, embed_error *error)
{
    emb_tables tables = {.kind = t->model.kind};
    emb_buffer rest;
    int32_t status = EMBED_OK;
    emb_buffer_init(&out->tokenizer_json, a);
    emb_buffer_init(&out->tables, a);
    emb_buffer_init(&rest, a);
    if (files->tables) { /* it was opened from such a block */
        emb_buffer_add(&out->tokenizer_json, files->tokenizer_json, files->tokenizer_json_size);
        emb_buffer_add(&out->tables, files->tables, files->tables_size);
        bool copied = !out->tokenizer_json.failed && !out->tables.failed;
        return copied ? EMBED_OK : emb_fail(error, EMBED_ENOMEM, "tokenizer: out of memory");
    }
    if (t->model.unigram) put_unigram(&tables, &t->model);
    else put_vocabulary(&tables, &t->model);
    if (!strcmp(t->vocabulary_from, EMB_JSON_FILE)) {
        status = empty_json(files, &out->tokenizer_json, a, error);
    } else if (files->sentencepiece) {
        status = emb_sentencepiece_rest(files->sentencepiece, files->sentencepiece_size, &rest,
                                        error);
    }
    set(&tables, EMB_TABLE_SENTENCEPIECE, rest.data, rest.size, 1);
    emb_tables_write(&tables, &out->tables);
    bool failed = rest.failed || out->tables.failed || out->tokenizer_json.failed;
    emb_buffer_free(&rest);
    return failed ? emb_fail(error, EMBED_ENOMEM, "tokenizer: out of memory") : status;
}
