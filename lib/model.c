/* Opening: which file decides what, and in which order. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>

enum { LONGEST_WITHOUT_ENCODER = 8192 }; /* tokens of a text, where no positions say it */

static int32_t warn(embed_model *m, embed_error *error, const char *format, ...) EMB_PRINTF(3, 4);
static int32_t warn(embed_model *m, embed_error *error, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (m->warning_count == EMB_MAX_WARNINGS) return EMBED_OK;
    char *copy = emb_strdup(&m->allocator, text, strlen(text));
    if (!copy) return emb_fail(error, EMBED_ENOMEM, "out of memory for a warning");
    m->warnings[m->warning_count++] = copy;
    return EMBED_OK;
}

/* bf16 dot products have weights of their own, and are worth their errors only where they gain. */
static int32_t choose_compute(embed_model *m, const embed_open_options *o, embed_error *error)
{
    m->compute = EMBED_COMPUTE_F32;
    if (o->compute != EMBED_COMPUTE_BF16 && o->compute != EMBED_COMPUTE_BF16_ALWAYS)
        return EMBED_OK;
    if (m->gemm_kind == EMBED_GEMM_BLAS)
        return emb_fail(error, EMBED_EUNSUPPORTED, "compute: bf16 needs gemm packed, found blas");
    if (o->weights && o->weights != EMBED_WEIGHTS_BF16)
        return emb_fail(error, EMBED_EUNSUPPORTED, "compute: bf16 needs weights bf16, found %s",
                        emb_weights_kind_name(o->weights));
    m->compute = EMBED_COMPUTE_BF16;
    m->weights_kind = EMBED_WEIGHTS_BF16;
    return emb_bf16_check(m->kernels, o->compute == EMBED_COMPUTE_BF16_ALWAYS, &m->allocator,
                          error);
}

static int32_t choose_kernels(embed_model *m, const embed_open_options *o, embed_error *error)
{
    m->kernels = emb_kernels_for(o->isa);
    if (!m->kernels) {
        char names[128] = "";
        for (int64_t i = 0; emb_kernels_name(i); i++) {
            if (i) strncat(names, ", ", sizeof names - strlen(names) - 1);
            strncat(names, emb_kernels_name(i), sizeof names - strlen(names) - 1);
        }
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "isa: expected one of %s that this CPU has, found \"%s\"", names,
                        emb_excerpt_of(o->isa, strlen(o->isa)).text);
    }
    m->gemm_kind = o->gemm == EMBED_GEMM_BLAS ? EMBED_GEMM_BLAS : EMBED_GEMM_PACKED;
    m->weights_kind = o->weights ? o->weights : EMBED_WEIGHTS_F32;
    if (m->weights_kind != EMBED_WEIGHTS_F32 && m->gemm_kind == EMBED_GEMM_BLAS)
        return emb_fail(error, EMBED_EUNSUPPORTED, "weights: %s needs gemm packed, found blas",
                        emb_weights_kind_name(m->weights_kind));
    if (o->keep_float && *o->keep_float && m->weights_kind != EMBED_WEIGHTS_INT8)
        return emb_fail(error, EMBED_EINVAL, "keep_float: expected weights int8 with it, found %s",
                        emb_weights_kind_name(m->weights_kind));
    int32_t status = choose_compute(m, o, error);
    return status < 0 ? status : emb_gemm_for(m->gemm_kind, &m->gemm, error);
}

/* A single-file model has its weights laid out, for one kind of them. */
static int32_t choose_prepared(embed_model *m, const embed_open_options *o, embed_error *error)
{
    const char *kind = emb_directory_prepared(m->dir);
    const char *asked = o->weights ? emb_weights_kind_name(o->weights) : kind;
    int32_t found = EMBED_WEIGHTS_F32;
    if (!kind) return EMBED_OK;
    while (found <= EMBED_WEIGHTS_INT8 && strcmp(kind, emb_weights_kind_name(found)) != 0) found++;
    if (found > EMBED_WEIGHTS_INT8)
        return emb_fail(error, EMBED_EFORMAT,
                        EMB_WEIGHTS_KEY ": expected f32, f16, bf16 or int8, found \"%s\"",
                        emb_excerpt_of(kind, strlen(kind)).text);
    if (o->keep_float && *o->keep_float)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "keep_float: expected a directory, found a file with its weights laid out");
    if (strcmp(asked, kind) != 0)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "weights: expected %s, which is what the file was converted to, found %s: "
                        "open the directory that it was made of",
                        kind, asked);
    if (m->gemm_kind == EMBED_GEMM_BLAS)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "gemm: expected packed, for which the file's weights are laid out, found "
                        "blas");
    if (m->compute != EMBED_COMPUTE_F32)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "compute: expected f32, for which the file's weights are laid out, found bf16");
    m->weights_kind = found;
    return EMBED_OK;
}

/* config.json, the document of which stays open for what else is asked of it, and what it says of the
 * towers. Without an encoder (no tower wanted) it may be missing, or of a family that nobody knows. */
static int32_t read_config(embed_model *m, bool encoder, emb_json_document **document,
                           emb_architecture towers[2], embed_error *error)
{
    const char *folder = m->modules.folder;
    char file[256];
    snprintf(file, sizeof file, "%s%sconfig.json", folder, *folder ? "/" : "");
    towers[0] = towers[1] = (emb_architecture){0};
    if (encoder && m->modules.static_embedding) {
        emb_static_describe(&towers[0]); /* whatever config.json stands there */
        *document = NULL;
        return EMBED_OK;
    }
    int32_t status = emb_directory_json(m->dir, folder, "config.json", document, error);
    if (status < 0 || (!encoder && !*document)) return status;
    if (!*document)
        return emb_fail(error, EMBED_EIO, "%s: expected the model's configuration, found none",
                        file);
    emb_config config = {emb_json_root(*document), file, error, EMBED_OK, NULL};
    if (!emb_json_is(config.root, EMB_JSON_OBJECT))
        return emb_fail(error, EMBED_EFORMAT, "%s: expected an object, found %s", file,
                        emb_json_kind_name(config.root));
    return encoder ? emb_architecture_read(&config, &towers[0], &towers[1]) : EMBED_OK;
}

/* What only tensors say of a description, and what model2vec's own rules make of its vectors. */
static int32_t measure(embed_model *m, emb_architecture *a, embed_error *error)
{
    emb_weights *weights;
    emb_json_document *shapes = NULL;
    embed_error local = EMBED_ERROR_INIT; /* for the status, when the caller wants no message */
    if (!error) error = &local;
    if (!a->static_kind && !a->num_labels) return EMBED_OK;
    int32_t status = emb_directory_weights(m->dir, m->modules.folder, &weights, error);
    const char *text = emb_directory_prepared(m->dir)
                           ? emb_directory_metadata(m->dir, EMB_SHAPES_KEY) : NULL;
    if (status == EMBED_OK && text) {
        shapes = emb_json_parse(EMB_SHAPES_KEY, text, strlen(text), NULL, &m->allocator, error);
        if (!shapes) status = error->status;
    }
    if (status == EMBED_OK) status = emb_measure(a, weights, emb_json_root(shapes), error);
    emb_json_free(shapes);
    if (status == EMBED_OK && a->static_normalize && !m->modules.present)
        status = emb_modules_add_normalize(&m->modules, &m->allocator, error);
    return status;
}

/* What processor_config.json has of it, or preprocessor_config.json: in the reference's order. */
static int32_t open_processor(embed_model *m, const emb_json *config, embed_error *error)
{
    static const struct {
        const char *file, *member;
    } places[] = {
        {"processor_config.json", "image_processor"},
        {"preprocessor_config.json", NULL},
    };
    const char *model_type = emb_json_text(emb_json_get(config, "model_type"));
    for (int64_t i = 0; i < EMB_COUNT(places) && !m->has_processor; i++) {
        emb_json_document *document;
        int32_t status =
            emb_directory_json(m->dir, m->modules.folder, places[i].file, &document, error);
        if (status < 0) return status;
        const emb_json *root = emb_json_root(document);
        if (places[i].member) root = emb_json_get(root, places[i].member);
        if (root) {
            status = emb_image_processor_read(&m->processor, root, places[i].file, model_type, error);
            m->has_processor = status == EMBED_OK;
        }
        emb_json_free(document);
        if (status < 0) return status;
    }
    return EMBED_OK;
}

/* For a single-file model, where what comes after the tables is aligned too. */
static int32_t store_tokenizer(embed_model *m, const emb_tokenizer_files *files, embed_error *error)
{
    static const char zeros[EMB_ALIGN];
    emb_buffer *tables = &m->stored.tables;
    int32_t status = emb_tokenizer_stores(m->tokenizer, files, &m->stored, &m->allocator, error);
    if (status < 0) return status;
    emb_buffer_add(tables, zeros, (EMB_ALIGN - tables->size % EMB_ALIGN) % EMB_ALIGN);
    return tables->failed ? emb_fail(error, EMBED_ENOMEM, "out of memory for the tokenizer") : status;
}

static int32_t open_tokenizer(embed_model *m, const emb_json *config, const emb_architecture *arch,
                              bool takes_images, embed_error *error)
{
    emb_tokenizer_files f = {
        .model_type = emb_json_text(emb_json_get(config, "model_type")),
        .tokenizer_class = emb_json_text(emb_json_get(config, "tokenizer_class")),
        .lowercase_first = m->modules.do_lower_case,
    };
    const struct {
        const char *name;
        const char **text;
        size_t *size;
    } files[] = {
        {"tokenizer.json", &f.tokenizer_json, &f.tokenizer_json_size},
        {"tokenizer_config.json", &f.tokenizer_config_json, &f.tokenizer_config_json_size},
        {"special_tokens_map.json", &f.special_tokens_map_json, &f.special_tokens_map_json_size},
        {"added_tokens.json", &f.added_tokens_json, &f.added_tokens_json_size},
        {"vocab.txt", &f.vocab_txt, &f.vocab_txt_size},
        {"vocab.json", &f.vocab_json, &f.vocab_json_size},
        {"merges.txt", &f.merges_txt, &f.merges_txt_size},
        {"sentencepiece.bpe.model", &f.sentencepiece, &f.sentencepiece_size},
        {"spiece.model", &f.sentencepiece, &f.sentencepiece_size},
        {"spm.model", &f.sentencepiece, &f.sentencepiece_size},
        {"tokenizer.model", &f.sentencepiece, &f.sentencepiece_size},
    };
    /* static embeddings: tokenizer.json as it stands */
    int64_t count = arch->static_kind ? 1 : EMB_COUNT(files);
    if (arch->static_kind) f.model_type = f.tokenizer_class = NULL;
    for (int64_t i = 0; i < count; i++) {
        if (*files[i].text) continue; /* a file of another name is the same */
        int32_t status = emb_directory_text(m->dir, m->modules.folder, files[i].name, files[i].text,
                                            files[i].size, error);
        if (status < 0) return status;
        f.tokenizer_model = *files[i].text && !strcmp(files[i].name, "tokenizer.model");
    }
    if (emb_directory_prepared(m->dir)) {
        const char *tables;
        int32_t status = emb_directory_text(m->dir, m->modules.folder, EMB_TABLES_FILE, &tables,
                                            &f.tables_size, error);
        if (status < 0) return status;
        f.tables = tables;
    }
    bool vocabulary = f.tables || f.tokenizer_json || f.vocab_txt || f.vocab_json || f.sentencepiece;
    if (!vocabulary && !arch->hidden_size) return EMBED_OK;
    if (!vocabulary)
        return warn(m, error,
                    "no tokenizer.json or vocabulary: token ids can be encoded, texts cannot");
    int32_t status = emb_tokenizer_open(&m->tokenizer, &f, &m->allocator, error);
    if (status == EMBED_EUNSUPPORTED && takes_images) { /* images need no tokenizer */
        char why[400];
        snprintf(why, sizeof why, "%.380s", error->message);
        error->message[0] = '\0';
        return warn(m, error, "%s: texts cannot be encoded, images and token ids can", why);
    }
    if (status == EMBED_OK && m->saves)
        status = store_tokenizer(m, &f, error);
    if (status < 0) return status;
    int64_t vocab = emb_tokenizer_vocab_size(m->tokenizer);
    if (arch->hidden_size && vocab > arch->vocab_size)
        return warn(m, error,
                    "the tokenizer has ids up to %lld, the embedding table %lld rows: texts that "
                    "need more fail",
                    (long long)vocab - 1, (long long)arch->vocab_size);
    return EMBED_OK;
}

/* max_seq_length, else the tokenizer's model_max_length; never more than there are positions. */
static int32_t decide_max_length(embed_model *m, embed_error *error)
{
    int64_t positions = emb_max_tokens(&m->text.arch);
    int64_t tokenizer = m->tokenizer ? emb_tokenizer_model_max_length(m->tokenizer) : 0;
    m->max_length = positions;
    m->max_length_from = "config.json: max_position_embeddings";
    if (!positions) { /* no texts, or no encoder to limit them */
        bool limited = tokenizer > 0 && tokenizer <= LONGEST_WITHOUT_ENCODER;
        m->max_length = !m->tokenizer ? 0 : limited ? tokenizer : LONGEST_WITHOUT_ENCODER;
        m->max_length_from = limited ? "tokenizer_config.json: model_max_length" : "no encoder";
        return EMBED_OK;
    }
    if (m->text.arch.static_kind) {
        int64_t own = m->text.arch.static_length;
        if (!own && m->tokenizer) own = emb_tokenizer_truncation(m->tokenizer);
        if (own) m->max_length = own;
        m->max_length_from = m->text.arch.static_length ? "config.json: max_length"
                             : own                      ? "tokenizer.json: truncation"
                                                        : "static embeddings";
        if (m->text.arch.static_kind == EMB_STATIC_MODEL2VEC && m->tokenizer)
            m->median_length = emb_tokenizer_median_length(m->tokenizer);
    } else if (m->modules.max_seq_length) {
        m->max_length = m->modules.max_seq_length;
        m->max_length_from = "sentence_bert_config.json: max_seq_length";
    } else if (tokenizer && tokenizer < positions) {
        m->max_length = tokenizer;
        m->max_length_from = "tokenizer_config.json: model_max_length";
    }
    if (m->max_length <= positions) return EMBED_OK;
    int64_t asked = m->max_length;
    m->max_length = positions;
    return warn(m, error,
                "max_seq_length is %lld, but the model has %lld positions: texts are cut to those",
                (long long)asked, (long long)positions);
}

/* What the model's authors made of token vectors; where they made nothing, [CLS] of a text (the last
 * token, where it alone sees the others) and the mean of an image's tokens. */
static int32_t default_pooling(const emb_encoder *e)
{
    if (e->arch.static_kind) return EMBED_POOL_MEAN;
    if (e->arch.projection_size) return EMBED_POOL_PROJECTION;
    if (e->arch.pooler == EMB_POOLER_HEAD || e->arch.pooler == EMB_POOLER_LAST)
        return EMBED_POOL_POOLER;
    if (e->arch.causal && !e->arch.pooler_size) return EMBED_POOL_LAST;
    return emb_takes_images(&e->arch) ? EMBED_POOL_MEAN_ALL : EMBED_POOL_CLS;
}

static int64_t pooled_size(const emb_encoder *e, int32_t pooling)
{
    if (pooling == EMBED_POOL_PROJECTION) return e->arch.projection_size;
    return pooling == EMBED_POOL_POOLER ? e->arch.pooler_size : e->arch.hidden_size;
}

static int32_t load_tower(emb_encoder *e, const emb_architecture *arch, emb_loader *loader)
{
    if (!arch->hidden_size) return EMBED_OK;
    loader->parameters = 0;
    loader->bytes = 0;
    return emb_encoder_load(e, arch, loader);
}

/* Of a single-file model, what its writer counted: some of the numbers are in tables made of them. */
static void count_parameters(embed_model *m, int64_t of_modules)
{
    const char *text = emb_directory_metadata(m->dir, EMB_PARAMETERS_KEY);
    m->parameters = m->text.parameters + m->image.parameters + of_modules;
    if (!emb_directory_prepared(m->dir) || !text || strspn(text, "0123456789") != strlen(text) ||
        strlen(text) > 15)
        return;
    m->parameters = 0;
    for (; *text; text++) m->parameters = 10 * m->parameters + (*text - '0');
}

/* Every name of keep_float was some product's. */
static int32_t check_kept(const emb_loader *l)
{
    const bool *kept = l->kept;
    for (const char *p = l->keep_float; p && *p; kept++) {
        size_t n = strcspn(p, ",");
        if (!*kept)
            return emb_fail(l->error, EMBED_EINVAL,
                            "keep_float: expected the name of a product's weight, found \"%s\"",
                            emb_excerpt_of(p, n).text);
        p += n + (p[n] == ',');
    }
    return EMBED_OK;
}

static int32_t load_towers(embed_model *m, const emb_architecture towers[2], emb_loader *l)
{
    size_t names = 1;
    for (const char *p = l->keep_float; p && *p; p++) names += *p == ',';
    l->kept = emb_calloc(&m->allocator, names, sizeof *l->kept);
    if (!l->kept)
        return emb_fail(l->error, EMBED_ENOMEM, "out of memory for %zu names of keep_float", names);
    int32_t status = load_tower(&m->text, &towers[0], l);
    if (status == EMBED_OK) status = load_tower(&m->image, &towers[1], l);
    if (status == EMBED_OK) status = check_kept(l);
    emb_free(&m->allocator, l->kept);
    return status;
}

static int32_t load_weights(embed_model *m, const emb_architecture towers[2], const char *keep_float,
                            embed_error *error)
{
    emb_weights *weights;
    int32_t status = emb_directory_weights(m->dir, m->modules.folder, &weights, error);
    if (status < 0) return status;
    emb_loader loader = {
        .weights = weights,
        .prepared = emb_directory_prepared(m->dir) != NULL,
        .pieces = m->saves && m->compute == EMBED_COMPUTE_F32 ? &m->pieces : NULL,
        .kernels = m->kernels,
        .gemm = m->gemm,
        .weights_kind = m->weights_kind,
        .compute = m->compute,
        .keep_float = keep_float,
        .products = &m->products,
        .allocator = &m->allocator,
        .error = error,
    };
    status = load_towers(m, towers, &loader);
    if (status < 0) return status;
    const emb_encoder *e = emb_model_tower(m);
    if (!m->modules.pooling[0]) m->modules.pooling[0] = default_pooling(e);
    loader.parameters = 0;
    loader.bytes = 0;
    status = emb_modules_load(&m->modules, m->dir, pooled_size(e, m->modules.pooling[0]), &loader);
    if (status < 0) return status;
    m->module_bytes = loader.bytes;
    count_parameters(m, loader.parameters);
    if (!m->saves) emb_directory_release(m->dir);
    if (m->image.arch.hidden_size && !m->has_processor)
        return warn(m, error, "no preprocessor_config.json: pixel values can be encoded, images "
                              "cannot");
    return EMBED_OK;
}

static int32_t open_parts(embed_model *m, const char *path, const void *data, size_t size,
                          const embed_open_options *o, embed_error *error)
{
    emb_architecture towers[2];
    emb_json_document *config = NULL;
    bool encoder = !(o->flags & EMBED_OPEN_NO_ENCODER);
    int32_t status = choose_kernels(m, o, error);
    if (status == EMBED_OK)
        status = path ? emb_directory_open(&m->dir, path, !(o->flags & EMBED_OPEN_READ),
                                           &m->allocator, error)
                      : emb_directory_open_memory(&m->dir, data, size, &m->allocator, error);
    if (status == EMBED_OK) status = choose_prepared(m, o, error);
    if (status == EMBED_OK) status = emb_modules_read(&m->modules, m->dir, &m->allocator, error);
    if (status == EMBED_OK) status = read_config(m, encoder, &config, towers, error);
    if (status == EMBED_OK) status = measure(m, &towers[0], error);
    if (status == EMBED_OK && (!encoder || towers[0].hidden_size))
        status = open_tokenizer(m, emb_json_root(config), &towers[0], towers[1].hidden_size > 0,
                                error);
    if (status == EMBED_OK && (!encoder || towers[1].hidden_size))
        status = open_processor(m, emb_json_root(config), error);
    emb_json_free(config);
    if (status == EMBED_OK && encoder) status = load_weights(m, towers, o->keep_float, error);
    if (status == EMBED_OK) status = decide_max_length(m, error);
    if (status == EMBED_OK && !emb_model_describe(m))
        status = emb_fail(error, EMBED_ENOMEM, "out of memory for the model's description");
    return status;
}

int32_t emb_model_open(embed_model **out, const char *path, const void *data, size_t size,
                       const embed_open_options *o, embed_error *error)
{
    emb_allocator a = {o->alloc, o->free, o->alloc_user};
    if (!a.alloc) a = emb_libc_allocator;
    embed_model *m = emb_calloc(&a, 1, sizeof *m);
    if (!m) return emb_fail(error, EMBED_ENOMEM, "out of memory for a model");
    m->allocator = a;
    m->saves = (o->flags & EMBED_OPEN_TO_SAVE) != 0;
    emb_pieces_init(&m->pieces, &m->allocator);
    emb_buffer_init(&m->stored.tokenizer_json, &m->allocator);
    emb_buffer_init(&m->stored.tables, &m->allocator);
    emb_buffer_init(&m->products, &m->allocator);
    emb_buffer_init(&m->description, &m->allocator);
    int32_t status = open_parts(m, path, data, size, o, error);
    if (status < 0) {
        const char *where = path ? path : "model in memory";
        if (strncmp(error->message, where, strlen(where)) != 0) emb_fail_in(error, "%s", where);
        emb_model_free(m);
        return status;
    }
    *out = m;
    return EMBED_OK;
}

void emb_model_free(embed_model *m)
{
    if (!m) return;
    emb_allocator a = m->allocator;
    emb_encoder_free(&m->text, &a);
    emb_encoder_free(&m->image, &a);
    emb_modules_free(&m->modules, &a);
    emb_tokenizer_free(m->tokenizer);
    emb_directory_free(m->dir);
    emb_pieces_free(&m->pieces);
    emb_buffer_free(&m->stored.tokenizer_json);
    emb_buffer_free(&m->stored.tables);
    emb_buffer_free(&m->products);
    emb_buffer_free(&m->description);
    for (int64_t i = 0; i < m->warning_count; i++) emb_free(&a, m->warnings[i]);
    emb_free(&a, m);
}

int64_t emb_model_longest(const embed_model *m)
{
    return EMB_MAX(emb_max_tokens(&m->text.arch), m->max_length);
}
