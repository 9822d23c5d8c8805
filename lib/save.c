/* Writing a single-file model: its header, weights as they are used, golden inputs, and what else
 * is a file. docs/file_format.md is what comes out. */
#include "save.h"

#include <stdio.h>
#include <stdlib.h>

#include "golden.h"

enum { LONGEST_TEXT = 1 << 16, /* in __metadata__; what is longer, or no text, becomes a tensor */
       STEP = 1 << 20 };       /* bytes of one write at most */

typedef struct saving {
    const embed_model *m;
    const emb_allocator *a;
    const embed_save_options *options;
    embed_write_fn write;
    void *user;
    embed_error *error;
    emb_golden golden;
    emb_buffer metadata; /* emb_metadata[], its texts ours */
    emb_buffer tensors;  /* emb_tensor[]: pieces, golden, files */
    emb_buffer shapes;
    int64_t piece_count, done, total;
} saving;

static int32_t out_of_memory(const saving *s)
{
    return emb_fail(s->error, EMBED_ENOMEM, "out of memory for writing a model");
}

/* ---- what there is to write ------------------------------------------------------------------ */

static int32_t add_metadata(saving *s, const char *key, const char *text, size_t size)
{
    const emb_metadata pair = {emb_strdup(s->a, key, strlen(key)), emb_strdup(s->a, text, size)};
    if (pair.key && pair.value) emb_buffer_add(&s->metadata, &pair, sizeof pair);
    if (pair.key && pair.value && !s->metadata.failed) return EMBED_OK;
    emb_free(s->a, (void *)(uintptr_t)pair.key);
    emb_free(s->a, (void *)(uintptr_t)pair.value);
    return out_of_memory(s);
}

static bool is_written(const saving *s, const char *name)
{
    const emb_tensor *t = (const emb_tensor *)(const void *)s->tensors.data;
    for (size_t i = 0; i < s->tensors.size / sizeof *t; i++)
        if (strcmp(t[i].name, name) == 0) return true;
    return false;
}

static const emb_piece *pieces_of(const saving *s, size_t *count)
{
    *count = s->m->pieces.list.size / sizeof(emb_piece);
    return (const emb_piece *)(const void *)s->m->pieces.list.data;
}

/* Two modules of one folder have the same weights: a name is written once. data leads back to the
 * piece. */
static void add_pieces(saving *s)
{
    size_t count;
    const emb_piece *p = pieces_of(s, &count);
    emb_buffer_printf(&s->shapes, "{");
    for (size_t i = 0; i < count; i++) {
        emb_tensor t = p[i].tensor;
        t.name = s->m->pieces.names.data + p[i].name;
        if (is_written(s, t.name)) continue;
        t.data = (const char *)(const void *)&p[i];
        emb_buffer_printf(&s->shapes, "%s", s->piece_count++ ? "," : "");
        emb_buffer_json(&s->shapes, t.name);
        if (p[i].rows == 1) emb_buffer_printf(&s->shapes, ":[%lld]", (long long)p[i].columns);
        else
            emb_buffer_printf(&s->shapes, ":[%lld,%lld]", (long long)p[i].rows,
                              (long long)p[i].columns);
        emb_buffer_add(&s->tensors, &t, sizeof t);
    }
    emb_buffer_printf(&s->shapes, "}");
}

static int32_t add_golden(saving *s)
{
    emb_tensor tensors[EMB_GOLDEN_TENSORS];
    emb_buffer texts;
    if (s->options->flags & EMBED_SAVE_NO_GOLDEN) return EMBED_OK;
    int32_t status = emb_golden_make(&s->golden, s->m, s->error);
    if (status < 0) return status;
    int64_t count = emb_golden_tensors(&s->golden, tensors);
    emb_buffer_add(&s->tensors, tensors, (size_t)count * sizeof *tensors);
    if (!s->golden.texts.input.texts) return EMBED_OK;
    emb_buffer_init(&texts, s->a);
    for (int64_t i = 0; i < s->golden.texts.input.count; i++) {
        emb_buffer_add(&texts, i ? "," : "[", 1);
        emb_buffer_json(&texts, s->golden.text[i]);
    }
    emb_buffer_add(&texts, "]", 1);
    status = texts.failed ? out_of_memory(s)
                          : add_metadata(s, EMB_GOLDEN_KEY, texts.data, texts.size);
    emb_buffer_free(&texts);
    return status;
}

static int32_t add_file(saving *s, const char *name, const char *text, size_t size)
{
    if (size <= LONGEST_TEXT && emb_utf8_invalid(text, size) < 0 && !memchr(text, 0, size))
        return add_metadata(s, name, text, size);
    emb_buffer full;
    emb_buffer_init(&full, s->a);
    emb_buffer_printf(&full, EMB_FILES "/%s", name);
    const emb_tensor t = {.name = full.data, .dtype = EMB_U8, .rank = 1, .shape = {(int64_t)size},
                          .data = text, .bytes = size};
    if (!full.failed) emb_buffer_add(&s->tensors, &t, sizeof t);
    if (!full.failed && !s->tensors.failed) return EMBED_OK;
    emb_buffer_free(&full);
    return out_of_memory(s);
}

/* Does the tokenizer as it is stored stand for this file? */
static bool is_vocabulary(const embed_model *m, const char *name)
{
    static const char *const files[] = {"tokenizer.json", EMB_TABLES_FILE, "vocab.txt",
                                        "vocab.json", "merges.txt", "sentencepiece.bpe.model",
                                        "spiece.model", "spm.model", "tokenizer.model"};
    const size_t folder = strlen(m->modules.folder);
    if (!m->tokenizer || strncmp(name, m->modules.folder, folder) != 0) return false;
    name += folder + (folder && name[folder] == '/');
    for (int64_t i = 0; i < EMB_COUNT(files); i++)
        if (strcmp(name, files[i]) == 0) return true;
    return false;
}

static int32_t add_tokenizer(saving *s, const char *file, const emb_buffer *text)
{
    const char *folder = s->m->modules.folder;
    emb_buffer name;
    if (!text->size) return EMBED_OK;
    emb_buffer_init(&name, s->a);
    emb_buffer_printf(&name, "%s%s%s", folder, *folder ? "/" : "", file);
    int32_t status =
        name.failed ? out_of_memory(s) : add_file(s, name.data, text->data, text->size);
    emb_buffer_free(&name);
    return status;
}

/* The texts that opening has asked for, but for lists of shards and vocabularies. */
static int32_t add_files(saving *s)
{
    const char *name, *text;
    size_t size;
    int32_t status = add_tokenizer(s, "tokenizer.json", &s->m->stored.tokenizer_json);
    for (int64_t i = 0;
         status == EMBED_OK && emb_directory_asked(s->m->dir, i, &name, &text, &size); i++)
        if (!strstr(name, ".index.json") && !is_vocabulary(s->m, name))
            status = add_file(s, name, text, size);
    return status;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const emb_metadata *)a)->key, ((const emb_metadata *)b)->key);
}

static int32_t collect(saving *s)
{
    char writer[64], parameters[32];
    const char *kind = emb_weights_kind_name(s->m->weights_kind);
    snprintf(writer, sizeof writer, "libembed %s", embed_version_string());
    snprintf(parameters, sizeof parameters, "%lld", (long long)s->m->parameters);
    add_pieces(s);
    int32_t status = s->shapes.failed || s->tensors.failed ? out_of_memory(s) : EMBED_OK;
    if (status == EMBED_OK) status = add_tokenizer(s, EMB_TABLES_FILE, &s->m->stored.tables);
    if (status == EMBED_OK) status = add_golden(s);
    if (status == EMBED_OK) status = add_files(s);
    if (status == EMBED_OK)
        status = add_metadata(s, EMB_FORMAT_KEY, EMB_FORMAT_VERSION, strlen(EMB_FORMAT_VERSION));
    if (status == EMBED_OK) status = add_metadata(s, EMB_WEIGHTS_KEY, kind, strlen(kind));
    if (status == EMBED_OK)
        status = add_metadata(s, EMB_SHAPES_KEY, s->shapes.data, s->shapes.size);
    if (status == EMBED_OK)
        status = add_metadata(s, EMB_PARAMETERS_KEY, parameters, strlen(parameters));
    if (status == EMBED_OK) status = add_metadata(s, EMB_WRITER_KEY, writer, strlen(writer));
    if (status == EMBED_OK && s->tensors.failed) status = out_of_memory(s);
    if (status == EMBED_OK)
        qsort(s->metadata.data, s->metadata.size / sizeof(emb_metadata), sizeof(emb_metadata),
              by_key);
    return status;
}

/* ---- writing it ------------------------------------------------------------------------------ */

static int32_t put(saving *s, const void *data, size_t size)
{
    const char *at = data;
    int32_t status = EMBED_OK;
    while (size > 0 && status == EMBED_OK) {
        size_t n = EMB_MIN(size, STEP);
        const embed_save_options *o = s->options;
        status = s->write(s->user, at, (int64_t)n);
        if (status != EMBED_OK) /* a host's mistake would otherwise be success */
            return emb_fail(s->error, status < 0 ? status : EMBED_EIO,
                            "the model could not be written");
        s->done += (int64_t)n;
        if (o->progress && o->progress(o->progress_user, s->done, s->total))
            return emb_fail(s->error, EMBED_ECANCELED, "canceled by the progress callback");
        at += n;
        size -= n;
    }
    return status;
}

static int32_t put_narrowed(saving *s, const emb_piece *p)
{
    enum { NUMBERS = 4096 };
    float wide[NUMBERS];
    uint16_t halves[NUMBERS];
    const emb_kernels *k = s->m->kernels;
    const emb_tensor from = {.dtype = p->from, .data = p->tensor.data};
    int32_t status = EMBED_OK;
    for (size_t at = 0; at < p->numbers && status == EMBED_OK; at += NUMBERS) {
        const size_t n = EMB_MIN(p->numbers - at, NUMBERS);
        emb_widen_rows(k, &from, 1, (int64_t)at, (int64_t)n, wide);
        (p->tensor.dtype == EMB_F16 ? k->narrow_f16 : k->narrow_bf16)((int64_t)n, wide, halves);
        status = put(s, halves, n * sizeof *halves);
    }
    return status;
}

static int32_t put_piece(saving *s, const emb_piece *p)
{
    static const char zeros[EMB_ALIGN];
    const size_t size = p->numbers * (emb_dtype_bits(p->tensor.dtype) / 8);
    int32_t status = p->from == p->tensor.dtype ? put(s, p->tensor.data, size) : put_narrowed(s, p);
    return status < 0 ? status : put(s, zeros, p->tensor.bytes - size);
}

static int32_t write_all(saving *s)
{
    const emb_tensor *t = (const emb_tensor *)(const void *)s->tensors.data;
    const int64_t count = (int64_t)(s->tensors.size / sizeof *t);
    emb_buffer header;
    emb_buffer_init(&header, s->a);
    emb_safetensors_header(&header, (const emb_metadata *)(const void *)s->metadata.data,
                           (int64_t)(s->metadata.size / sizeof(emb_metadata)), t, count);
    s->total = (int64_t)header.size;
    for (int64_t i = 0; i < count; i++) s->total += (int64_t)t[i].bytes;
    int32_t status = header.failed ? out_of_memory(s) : EMBED_OK;
    if (status == EMBED_OK && header.size > EMB_HEADER_LIMIT)
        status = emb_fail(s->error, EMBED_EUNSUPPORTED,
                          "header: expected at most %d bytes, found %zu", EMB_HEADER_LIMIT,
                          header.size);
    if (status == EMBED_OK) status = put(s, header.data, header.size);
    for (int64_t i = 0; i < count && status == EMBED_OK; i++)
        status = i < s->piece_count ? put_piece(s, (const emb_piece *)(const void *)t[i].data)
                                    : put(s, t[i].data, t[i].bytes);
    emb_buffer_free(&header);
    return status;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int32_t check(const embed_model *m, embed_error *error)
{
    const uint16_t one = 1;
    if (!m->saves)
        return emb_fail(error, EMBED_EINVAL, "model: expected one opened with EMBED_OPEN_TO_SAVE");
    if (!emb_model_tower(m)->arch.hidden_size)
        return emb_fail(error, EMBED_EMISSING, "model: expected weights, found it opened without");
    if (m->gemm_kind == EMBED_GEMM_BLAS || m->compute != EMBED_COMPUTE_F32 ||
        *(const unsigned char *)&one != 1)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "model: expected weights laid out for gemm packed and compute f32, "
                        "little-endian");
    return EMBED_OK;
}

static void free_all(saving *s)
{
    const emb_metadata *m = (const emb_metadata *)(const void *)s->metadata.data;
    const emb_tensor *t = (const emb_tensor *)(const void *)s->tensors.data;
    for (size_t i = 0; i < s->metadata.size / sizeof *m; i++) {
        emb_free(s->a, (void *)(uintptr_t)m[i].key);
        emb_free(s->a, (void *)(uintptr_t)m[i].value);
    }
    for (size_t i = (size_t)s->piece_count; i < s->tensors.size / sizeof *t; i++)
        if (strncmp(t[i].name, EMB_FILES "/", sizeof EMB_FILES) == 0)
            emb_free(s->a, (void *)(uintptr_t)t[i].name);
    emb_golden_free(&s->golden);
    emb_buffer_free(&s->metadata);
    emb_buffer_free(&s->tensors);
    emb_buffer_free(&s->shapes);
}

int32_t emb_model_save(const embed_model *m, embed_write_fn write, void *user,
                       const embed_save_options *options, embed_error *error)
{
    embed_error local = EMBED_ERROR_INIT;
    saving s = {.m = m, .a = &m->allocator, .options = options, .write = write, .user = user,
                .error = error ? error : &local};
    int32_t status = check(m, s.error);
    if (status < 0) return status;
    emb_buffer_init(&s.metadata, s.a);
    emb_buffer_init(&s.tensors, s.a);
    emb_buffer_init(&s.shapes, s.a);
    emb_golden_init(&s.golden, s.a);
    status = collect(&s);
    if (status == EMBED_OK) status = write_all(&s);
    free_all(&s);
    return status;
}
