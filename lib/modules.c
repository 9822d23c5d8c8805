/* Reading and running the modules of sentence-transformers. */
#include "modules.h"

#include <math.h>
#include <stdio.h>

enum { MAX_MODULES = 64, MAX_PROMPTS = 4096 };

typedef struct reader {
    emb_modules *m;
    emb_directory *dir;
    const emb_allocator *allocator;
    embed_error *error;
} reader;

static int32_t no_memory(embed_error *error)
{
    return emb_fail(error, EMBED_ENOMEM, "out of memory for the modules");
}

/* folder/file parsed, as a config to read from; *document is NULL where there is no such file. */
static int32_t open_config(const reader *r, const char *folder, const char *file, char label[256],
                           emb_json_document **document, emb_config *config)
{
    int32_t status = emb_directory_json(r->dir, folder, file, document, r->error);
    snprintf(label, 256, "%s%s%s", folder, *folder ? "/" : "", file);
    *config = (emb_config){.file = label, .error = r->error, .status = status};
    if (status < 0 || !*document) return status;
    config->root = emb_json_root(*document);
    if (!emb_json_is(config->root, EMB_JSON_OBJECT))
        config->status = emb_fail(r->error, EMBED_EFORMAT, "%s: expected an object, found %s",
                                  label, emb_json_kind_name(config->root));
    return config->status;
}

/* An object of free-form keyword arguments must be empty: what it asks for is not implemented. */
static void refuse_arguments(emb_config *c, const char *key)
{
    const emb_json *arguments = emb_json_get(c->root, key), *v = emb_json_first(arguments);
    if (c->status == EMBED_OK && arguments && !emb_json_is(arguments, EMB_JSON_OBJECT) &&
        !emb_json_is(arguments, EMB_JSON_NULL))
        c->status = emb_fail(c->error, EMBED_EFORMAT, "%s: %s: expected an object, found %s",
                             c->file, key, emb_json_kind_name(arguments));
    for (; v && c->status == EMBED_OK; v = emb_json_next_sibling(v)) {
        if (strcmp(emb_json_key(v), "trust_remote_code") == 0) continue;
        c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                             "%s: %s: expected no arguments, which is all that is implemented, "
                             "found \"%s\"",
                             c->file, key,
                             emb_excerpt_of(emb_json_key(v), strlen(emb_json_key(v))).text);
    }
}

/* ---- Transformer ------------------------------------------------------------------ */

/* What the Transformer gives: token vectors, or the vector itself of models that have a way to it for each
 * kind of input (CLIP, SigLIP). */
static void read_outputs(const reader *r, emb_config *c)
{
    static const struct {
        const char *name, *method;
    } inputs[] = {{"text", "get_text_features"}, {"image", "get_image_features"}};
    emb_modules *m = r->m;
    const char *key = "module_output_name", *vector = "sentence_embedding";
    m->own_pooling |= strcmp(emb_config_string(c, key, ""), vector) == 0;
    emb_config_only_string(c, key, m->own_pooling ? vector : "token_embeddings");
    for (int64_t i = 0; i < EMB_COUNT(inputs); i++) {
        char place[300];
        snprintf(place, sizeof place, "%s: modality_config.%s", c->file, inputs[i].name);
        emb_config one = {emb_json_get(emb_json_get(c->root, "modality_config"), inputs[i].name),
                          place, r->error, c->status, NULL};
        emb_config_only_string(&one, "method", m->own_pooling ? inputs[i].method : "forward");
        emb_config_only_string(&one, "method_output_name",
                               m->own_pooling ? "pooler_output" : "last_hidden_state");
        c->status = one.status;
    }
}

static int32_t read_transformer(const reader *r)
{
    static const char *const files[] = {
        "sentence_bert_config.json",       "sentence_roberta_config.json",
        "sentence_distilbert_config.json", "sentence_camembert_config.json",
        "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
        "sentence_xlnet_config.json",
    };
    emb_json_document *document = NULL;
    emb_config c = {0};
    char label[256];
    for (int64_t i = 0; i < EMB_COUNT(files) && !document; i++) {
        int32_t status = open_config(r, r->m->folder, files[i], label, &document, &c);
        if (status < 0) goto out;
    }
    if (!document) return EMBED_OK;
    r->m->max_seq_length = emb_config_int(&c, "max_seq_length", 0, 1, EMB_SIZE_MAX);
    r->m->do_lower_case = emb_config_bool(&c, "do_lower_case", false);
    emb_config_only_string(&c, "transformer_task", "feature-extraction");
    read_outputs(r, &c);
    refuse_arguments(&c, "tokenizer_args");
    refuse_arguments(&c, "processor_kwargs");
    refuse_arguments(&c, "config_args");
    refuse_arguments(&c, "config_kwargs");
    refuse_arguments(&c, "processing_kwargs");
out:
    emb_json_free(document);
    return c.status;
}

/* ---- Pooling ------------------------------------------------------------------------ */

static const struct {
    const char *legacy; /* 5.x: a boolean each, in this order */
    const char *name;   /* 6.x: a name, or a list of names */
    int32_t pooling;
} modes[EMB_POOL_MODES] = {
    {"pooling_mode_cls_token", "cls", EMBED_POOL_CLS},
    {"pooling_mode_max_tokens", "max", EMBED_POOL_MAX},
    {"pooling_mode_mean_tokens", "mean", EMBED_POOL_MEAN},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", EMBED_POOL_SQRT_LEN},
    {"pooling_mode_weightedmean_tokens", "weightedmean", EMBED_POOL_WEIGHTED},
    {"pooling_mode_lasttoken", "lasttoken", EMBED_POOL_LAST},
};

static void add_mode(emb_modules *m, emb_config *c, const emb_json *value)
{
    const char *name = emb_json_text(value);
    for (int64_t i = 0; name && i < EMB_POOL_MODES; i++) {
        if (strcmp(name, modes[i].name) != 0) continue;
        if (m->pooling_count == EMB_POOL_MODES) {
            c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                                 "%s: pooling_mode: expected at most %d modes, found more", c->file,
                                 EMB_POOL_MODES);
            return;
        }
        m->pooling[m->pooling_count++] = modes[i].pooling;
        return;
    }
    c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                         "%s: pooling_mode: expected cls, max, mean, mean_sqrt_len_tokens, "
                         "weightedmean or lasttoken, found %s%s%s",
                         c->file, name ? "\"" : "",
                         name ? emb_excerpt_of(name, strlen(name)).text : emb_json_kind_name(value),
                         name ? "\"" : "");
}

static int32_t read_pooling(const reader *r, const char *folder)
{
    emb_modules *m = r->m;
    emb_json_document *document = NULL;
    emb_config c;
    char label[256];
    int32_t status = open_config(r, folder, "config.json", label, &document, &c);
    if (status < 0) goto out;
    if (!document) {
        c.status = emb_fail(r->error, EMBED_EIO,
                            "%s: expected the pooling module's file, found none", label);
        goto out;
    }
    m->pooling_count = 0;
    const emb_json *mode = emb_json_get(c.root, "pooling_mode");
    if (mode && emb_json_is(mode, EMB_JSON_ARRAY)) {
        for (const emb_json *v = emb_json_first(mode); v && c.status == EMBED_OK;
             v = emb_json_next_sibling(v))
            add_mode(m, &c, v);
        if (emb_json_length(mode) == 0)
            c.status = emb_fail(c.error, EMBED_EFORMAT,
                                "%s: pooling_mode: expected at least one mode, found none", label);
    } else if (mode) {
        add_mode(m, &c, mode);
    } else {
        for (int64_t i = 0; i < EMB_POOL_MODES; i++)
            if (emb_config_bool(&c, modes[i].legacy, false))
                m->pooling[m->pooling_count++] = modes[i].pooling;
    }
    if (m->pooling_count == 0) m->pooling[m->pooling_count++] = EMBED_POOL_MEAN;
    m->include_prompt = emb_config_bool(&c, "include_prompt", true);
    m->pooling_dimension = emb_config_int(&c, "word_embedding_dimension", 0, 1, EMB_SIZE_MAX);
    m->pooling_dimension =
        emb_config_int(&c, "embedding_dimension", m->pooling_dimension, 1, EMB_SIZE_MAX);
out:
    emb_json_free(document);
    return c.status;
}

/* ---- Dense, LayerNorm, Normalize -------------------------------------------------------- */

static emb_activation dense_activation(emb_config *c)
{
    static const struct {
        const char *name;
        emb_activation act;
    } known[] = {
        {"torch.nn.modules.activation.Tanh", EMB_ACT_TANH},
        {"torch.nn.modules.linear.Identity", EMB_ACT_NONE},
        {"torch.nn.modules.activation.ReLU", EMB_ACT_RELU},
        {"torch.nn.modules.activation.GELU", EMB_ACT_GELU},
        {"torch.nn.modules.activation.SiLU", EMB_ACT_SILU},
        {"torch.nn.modules.activation.Sigmoid", EMB_ACT_SIGMOID},
        {"torch.nn.Tanh", EMB_ACT_TANH},
        {"torch.nn.Identity", EMB_ACT_NONE},
    };
    const char *name = emb_config_string(c, "activation_function", known[0].name);
    for (int64_t i = 0; i < EMB_COUNT(known); i++)
        if (strcmp(name, known[i].name) == 0) return known[i].act;
    c->status = emb_fail(c->error, EMBED_EUNSUPPORTED,
                         "%s: activation_function: expected torch's Tanh, Identity, ReLU, GELU, "
                         "SiLU or Sigmoid, found \"%s\"",
                         c->file, emb_excerpt_of(name, strlen(name)).text);
    return EMB_ACT_NONE;
}

static int32_t required_size(emb_config *c, const char *key, int64_t *out)
{
    *out = emb_config_int(c, key, 0, 1, EMB_SIZE_MAX);
    if (c->status == EMBED_OK && *out == 0)
        c->status =
            emb_fail(c->error, EMBED_EFORMAT, "%s: %s: expected a size, found none", c->file, key);
    return c->status;
}

static int32_t read_module(const reader *r, emb_module_kind kind, const char *folder)
{
    emb_module *module = &r->m->list[r->m->count++];
    emb_json_document *document = NULL;
    emb_config c;
    char label[256];
    module->kind = kind;
    module->folder = emb_strdup(r->allocator, folder, strlen(folder));
    if (!module->folder) return no_memory(r->error);
    int32_t status = open_config(r, folder, "config.json", label, &document, &c);
    if (status < 0) goto out;
    if (kind != EMB_MODULE_NORMALIZE && !document) {
        c.status =
            emb_fail(r->error, EMBED_EIO, "%s: expected the module's file, found none", label);
        goto out;
    }
    emb_config_only_string(&c, "module_input_name", "sentence_embedding");
    emb_config_only_string(&c, "module_output_name", "sentence_embedding");
    if (kind == EMB_MODULE_DENSE) {
        required_size(&c, "in_features", &module->in);
        required_size(&c, "out_features", &module->out);
        module->has_bias = emb_config_bool(&c, "bias", true);
        module->use_residual = emb_config_bool(&c, "use_residual", false);
        module->dense.act = dense_activation(&c);
    } else if (kind == EMB_MODULE_LAYER_NORM) {
        required_size(&c, "dimension", &module->in);
        module->out = module->in;
    }
out:
    emb_json_free(document);
    return c.status;
}

/* ---- modules.json ------------------------------------------------------------------------- */

/* What comes after the last dot of a type, for types of the sentence-transformers package. */
static const char *module_type(const char *type)
{
    const char *dot = strrchr(type, '.');
    return strncmp(type, "sentence_transformers.", 22) == 0 && dot ? dot + 1 : "";
}

static bool is_transformer(const char *type)
{
    static const char *const names[] = {"Transformer", "BERT",      "RoBERTa", "DistilBERT",
                                        "XLMRoBERTa",  "CamemBERT", "ALBERT"};
    for (int64_t i = 0; i < EMB_COUNT(names); i++)
        if (strcmp(type, names[i]) == 0) return true;
    return false;
}

static int32_t read_entry(const reader *r, int64_t index, emb_config *c)
{
    emb_modules *m = r->m;
    if (!emb_json_is(c->root, EMB_JSON_OBJECT))
        return emb_fail(c->error, EMBED_EFORMAT, "%s: module %lld: expected an object, found %s",
                        c->file, (long long)index, emb_json_kind_name(c->root));
    const char *type = emb_config_string(c, "type", ""), *path = emb_config_string(c, "path", "");
    if (c->status < 0) return c->status;
    const char *kind = module_type(type);
    if (index == 0) {
        m->static_embedding = strcmp(kind, "StaticEmbedding") == 0;
        m->own_pooling = m->static_embedding || strcmp(kind, "CLIPModel") == 0;
        if (!m->own_pooling && !is_transformer(kind))
            return emb_fail(c->error, EMBED_EUNSUPPORTED,
                            "%s: module 0: expected a Transformer, CLIPModel or StaticEmbedding, found \"%s\"", c->file,
                            emb_excerpt_of(type, strlen(type)).text);
        if (strcmp(path, ".") == 0) path = "";
        m->folder = emb_strdup(r->allocator, path, strlen(path));
        return m->folder ? read_transformer(r) : no_memory(r->error);
    }
    if (index == 1 && !m->own_pooling) {
        if (strcmp(kind, "Pooling") != 0)
            return emb_fail(c->error, EMBED_EUNSUPPORTED,
                            "%s: module 1: expected Pooling, found \"%s\"", c->file,
                            emb_excerpt_of(type, strlen(type)).text);
        m->pooling_folder = emb_strdup(r->allocator, path, strlen(path));
        return m->pooling_folder ? read_pooling(r, path) : no_memory(r->error);
    }
    if (strcmp(kind, "Dense") == 0) return read_module(r, EMB_MODULE_DENSE, path);
    if (strcmp(kind, "LayerNorm") == 0) return read_module(r, EMB_MODULE_LAYER_NORM, path);
    if (strcmp(kind, "Normalize") == 0) return read_module(r, EMB_MODULE_NORMALIZE, path);
    if (strcmp(kind, "Dropout") == 0) return EMBED_OK; /* the identity, outside training */
    return emb_fail(
        c->error, EMBED_EUNSUPPORTED,
        "%s: module %lld: expected Dense, LayerNorm, Normalize or Dropout, found \"%s\"", c->file,
        (long long)index, emb_excerpt_of(type, strlen(type)).text);
}

static int32_t read_modules(const reader *r)
{
    static const char file[] = "modules.json";
    emb_json_document *document;
    int32_t status = emb_directory_json(r->dir, "", file, &document, r->error);
    if (status < 0 || !document) return status;
    const emb_json *root = emb_json_root(document);
    int64_t n = emb_json_length(root);
    r->m->present = true;
    if (!emb_json_is(root, EMB_JSON_ARRAY)) {
        status = emb_fail(r->error, EMBED_EFORMAT, "%s: expected an array of modules, found %s",
                          file, emb_json_kind_name(root));
    } else if (n < 1 || n > MAX_MODULES) {
        status = emb_fail(r->error, EMBED_EFORMAT, "%s: expected 1 to %d modules, found %lld", file,
                          MAX_MODULES, (long long)n);
    } else if (!(r->m->list = emb_calloc(r->allocator, (size_t)n, sizeof *r->m->list))) {
        status = no_memory(r->error);
    }
    int64_t index = 0;
    for (const emb_json *v = emb_json_first(root); v && status == EMBED_OK;
         v = emb_json_next_sibling(v)) {
        emb_config c = {v, file, r->error, EMBED_OK, NULL};
        status = read_entry(r, index++, &c);
    }
    if (status == EMBED_OK && index == 1 && !r->m->own_pooling)
        status = emb_fail(r->error, EMBED_EFORMAT,
                          "%s: expected a Pooling module after the Transformer, found none", file);
    emb_json_free(document);
    return status;
}

/* ---- config_sentence_transformers.json --------------------------------------------------------
 */

static int32_t add_prompt(const reader *r, const char *name, const char *text)
{
    emb_prompt *p = &r->m->prompts[r->m->prompt_count++];
    p->name = emb_strdup(r->allocator, name, strlen(name));
    p->text = emb_strdup(r->allocator, text, strlen(text));
    return p->name && p->text ? EMBED_OK : no_memory(r->error);
}

static int32_t read_prompts(const reader *r, emb_config *c)
{
    emb_modules *m = r->m;
    const emb_json *prompts = emb_json_get(c->root, "prompts");
    int64_t n = emb_json_length(prompts);
    if (prompts && !emb_json_is(prompts, EMB_JSON_NULL) &&
        (!emb_json_is(prompts, EMB_JSON_OBJECT) || n > MAX_PROMPTS))
        return emb_fail(c->error, EMBED_EFORMAT,
                        "%s: prompts: expected an object of at most %d texts, found %s", c->file,
                        MAX_PROMPTS, emb_json_kind_name(prompts));
    m->prompts = emb_calloc(r->allocator, (size_t)n + 2, sizeof *m->prompts);
    if (!m->prompts) return no_memory(r->error);
    emb_config entries = {prompts, c->file, c->error, c->status, NULL};
    int32_t status = c->status;
    for (const emb_json *v = emb_json_first(prompts); v && status == EMBED_OK;
         v = emb_json_next_sibling(v)) {
        const char *text = emb_config_string(&entries, emb_json_key(v), "");
        status = entries.status < 0 ? entries.status : add_prompt(r, emb_json_key(v), text);
    }
    static const char *const always[] = {"query", "document"};
    for (int64_t i = 0; i < EMB_COUNT(always) && status == EMBED_OK; i++)
        if (!emb_prompt_text(m, always[i])) status = add_prompt(r, always[i], "");
    return status;
}

static int32_t read_similarity(emb_config *c, int32_t *out)
{
    static const struct {
        const char *name;
        int32_t similarity;
    } known[] = {
        {"cosine", EMBED_SIMILARITY_COSINE},       {"dot", EMBED_SIMILARITY_DOT},
        {"dot_product", EMBED_SIMILARITY_DOT},     {"euclidean", EMBED_SIMILARITY_EUCLIDEAN},
        {"manhattan", EMBED_SIMILARITY_MANHATTAN},
    };
    const char *name = emb_config_string(c, "similarity_fn_name", "cosine");
    for (int64_t i = 0; i < EMB_COUNT(known); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *out = known[i].similarity;
            return c->status;
        }
    }
    return c->status = emb_fail(
               c->error, EMBED_EUNSUPPORTED,
               "%s: similarity_fn_name: expected cosine, dot, euclidean or manhattan, found \"%s\"",
               c->file, emb_excerpt_of(name, strlen(name)).text);
}

static int32_t read_model_config(const reader *r)
{
    emb_modules *m = r->m;
    emb_json_document *document = NULL;
    emb_config c;
    char label[256];
    int32_t status = open_config(r, "", "config_sentence_transformers.json", label, &document, &c);
    if (status < 0) goto out;
    c.status = read_prompts(r, &c);
    if (c.status < 0) goto out;
    if (document) {
        const char *name = emb_config_string(&c, "default_prompt_name", NULL);
        m->truncate_dim = emb_config_int(&c, "truncate_dim", 0, 1, EMB_SIZE_MAX);
        emb_config_only_string(&c, "model_type", "SentenceTransformer");
        if (read_similarity(&c, &m->similarity) < 0) goto out;
        for (int64_t i = 0; name && i < m->prompt_count; i++) {
            if (strcmp(m->prompts[i].name, name) != 0) continue;
            m->default_prompt_name = m->prompts[i].name;
            m->default_prompt = m->prompts[i].text;
        }
        if (name && !m->default_prompt)
            c.status =
                emb_fail(c.error, EMBED_EFORMAT,
                         "%s: default_prompt_name: expected one of the prompts, found \"%s\"",
                         label, emb_excerpt_of(name, strlen(name)).text);
    }
out:
    emb_json_free(document);
    return c.status;
}

int32_t emb_modules_read(emb_modules *m, emb_directory *dir, const emb_allocator *a,
                         embed_error *error)
{
    *m = (emb_modules){
        .pooling = {EMBED_POOL_DEFAULT},
        .pooling_count = 1,
        .include_prompt = true,
        .similarity = EMBED_SIMILARITY_COSINE,
    };
    reader r = {m, dir, a, error};
    int32_t status = read_modules(&r);
    if (status == EMBED_OK && !m->present)
        status = (m->folder = emb_strdup(a, "", 0)) ? read_transformer(&r) : no_memory(error);
    if (status == EMBED_OK) status = read_model_config(&r);
    if (status < 0) emb_modules_free(m, a);
    return status;
}

/* ---- weights and sizes
 * --------------------------------------------------------------------------- */

static void load_module(emb_module *module, emb_directory *dir, emb_loader *l)
{
    emb_weights *weights;
    if (module->kind == EMB_MODULE_NORMALIZE) return;
    l->status = emb_directory_weights(dir, module->folder, &weights, l->error);
    if (l->status < 0) return;
    l->weights = weights;
    l->prefix = "";
    if (module->kind == EMB_MODULE_LAYER_NORM) {
        emb_load_norm(l, "norm", module->in, EMB_LAYER_NORM, 1e-5, /* torch.nn.LayerNorm's default */
                      &module->norm);
        return;
    }
    emb_load_linear(l, "linear", module->out, module->in, module->has_bias, module->dense.act,
                    &module->dense);
    if (module->use_residual && module->in != module->out)
        emb_load_linear(l, "residual", module->out, module->in, false, EMB_ACT_NONE,
                        &module->residual);
}

int32_t emb_modules_load(emb_modules *m, emb_directory *dir, int64_t size, emb_loader *l)
{
    if (m->pooling_dimension && m->pooling_dimension != size)
        return l->status = emb_fail(l->error, EMBED_EFORMAT,
                                    "%s/config.json: embedding dimension: expected the model's "
                                    "hidden_size %lld, found %lld",
                                    m->pooling_folder, (long long)size,
                                    (long long)m->pooling_dimension);
    int64_t dim = m->pooling_count * size;
    m->in_place = l->prepared;
    for (int64_t i = 0; i < m->count && l->status == EMBED_OK; i++) {
        emb_module *module = &m->list[i];
        if (module->kind == EMB_MODULE_NORMALIZE) module->in = module->out = dim;
        if (module->in != dim)
            return l->status =
                       emb_fail(l->error, EMBED_EFORMAT,
                                "%s/config.json: %s: expected the %lld numbers that the module "
                                "before gives, found %lld",
                                module->folder,
                                module->kind == EMB_MODULE_DENSE ? "in_features" : "dimension",
                                (long long)dim, (long long)module->in);
        load_module(module, dir, l);
        dim = module->out;
    }
    return l->status;
}

int32_t emb_modules_add_normalize(emb_modules *m, const emb_allocator *a, embed_error *error)
{
    m->list = emb_calloc(a, 1, sizeof *m->list);
    if (!m->list) return no_memory(error);
    m->list[m->count++].kind = EMB_MODULE_NORMALIZE;
    return EMBED_OK;
}

void emb_modules_free(emb_modules *m, const emb_allocator *a)
{
    for (int64_t i = 0; i < m->count; i++) {
        emb_free(a, m->list[i].folder);
        emb_linear_free(&m->list[i].dense, m->in_place ? NULL : a);
        emb_linear_free(&m->list[i].residual, m->in_place ? NULL : a);
        emb_norm_free(&m->list[i].norm, m->in_place ? NULL : a);
    }
    for (int64_t i = 0; i < m->prompt_count; i++) {
        emb_free(a, m->prompts[i].name);
        emb_free(a, m->prompts[i].text);
    }
    emb_free(a, m->list);
    emb_free(a, m->prompts);
    emb_free(a, m->folder);
    emb_free(a, m->pooling_folder);
    *m = (emb_modules){0};
}

const char *emb_prompt_text(const emb_modules *m, const char *name)
{
    for (int64_t i = 0; i < m->prompt_count; i++)
        if (strcmp(m->prompts[i].name, name) == 0) return m->prompts[i].text;
    return NULL;
}

bool emb_modules_normalize(const emb_modules *m)
{
    return m->count > 0 && m->list[m->count - 1].kind == EMB_MODULE_NORMALIZE;
}

bool emb_modules_take(const emb_modules *m, int64_t dim, int64_t *wanted)
{
    int64_t i = 0;
    while (i < m->count && m->list[i].kind == EMB_MODULE_NORMALIZE) i++;
    *wanted = i < m->count ? m->list[i].in : dim;
    return dim == *wanted;
}

int64_t emb_modules_dim(const emb_modules *m, int64_t dim, int64_t *widest)
{
    *widest = dim;
    for (int64_t i = 0; i < m->count; i++) {
        if (m->list[i].kind == EMB_MODULE_DENSE) dim = m->list[i].out;
        *widest = EMB_MAX(*widest, dim);
    }
    return dim;
}

/* ---- running
 * ---------------------------------------------------------------------------------------- */

void emb_normalize_rows(const emb_kernels *k, float *rows, int64_t count, int64_t dim,
                        int64_t stride)
{
    for (int64_t i = 0; i < count; i++) {
        float *x = rows + i * stride;
        k->scale_f32(dim, x, EMB_MAX(sqrtf(k->sum_squares_f32(dim, x)), 1e-12f), x);
    }
}

/* y = act(x W^T + b), plus x, or x R^T where the sizes differ (through spare) */
static void run_dense(const emb_module *module, const emb_device *d, int64_t count, const float *x,
                      float *y, float *spare)
{
    emb_linear_run(d, &module->dense, count, x, module->in, y, module->out);
    if (!module->use_residual) return;
    if (module->residual.weight.data) {
        emb_linear_run(d, &module->residual, count, x, module->in, spare, module->out);
        x = spare;
    }
    d->kernels->add_rows_f32(count * module->out, y, x, NULL, y);
}

float *emb_modules_run(const emb_modules *m, const emb_device *d, bool normalize, int64_t count,
                       int64_t dim, float *const buffers[3])
{
    float *x = buffers[0], *y = buffers[1];
    for (int64_t i = 0; i < m->count; i++) {
        const emb_module *module = &m->list[i];
        if (module->kind == EMB_MODULE_NORMALIZE) {
            if (normalize) emb_normalize_rows(d->kernels, x, count, dim, dim);
        } else if (module->kind == EMB_MODULE_LAYER_NORM) {
            emb_norm_run(d, &module->norm, count, dim, x, NULL, NULL, x);
        } else {
            run_dense(module, d, count, x, y, buffers[2]);
            float *swap = x;
            x = y;
            y = swap;
            dim = module->out;
        }
    }
    return x;
}
