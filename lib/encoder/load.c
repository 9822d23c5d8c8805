/* The weights of a description: found by name, checked, prepared. */
#include <math.h>
#include <stdio.h>

#include "encoder.h"

typedef emb_name name;

name emb_layer_name(const emb_encoder *e, const char *pattern, int64_t i)
{
    int64_t inner = EMB_MAX(e->arch.group_layers, 1);
    name n;
    snprintf(n.text, sizeof n.text, pattern, (int)(i / inner), (int)(i % inner));
    return n;
}

static name member(const char *of, const char *what)
{
    name n;
    snprintf(n.text, sizeof n.text, "%.150s.%.40s", of, what); /* names are far shorter */
    return n;
}

/* ---- what enters the first layer --------------------------------------------------------- */

/* Token types, with what every token has of its task. */
static float *make_types(const emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    int64_t rows = a->type_vocab_size, size = a->embedding_size;
    const float *types = emb_load_floats(l, a->names.token_type_embeddings, rows, size);
    const float *tasks = emb_load_floats(l, a->names.task_embeddings, a->task_vocab_size, size);
    float *made = emb_calloc(l->allocator, (size_t)rows, (size_t)size * sizeof *made);
    if (!made) emb_load_failed(l, emb_fail(l->error, EMBED_ENOMEM, "out of memory for token types"));
    for (int64_t i = 0; i < rows * size && made && l->status == EMBED_OK; i++)
        made[i] = types[i] + tasks[i % size];
    emb_floats_free(types, l->allocator);
    emb_floats_free(tasks, l->allocator);
    return made;
}

static void load_types(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    const char *types = a->names.token_type_embeddings;
    float *made = NULL;
    if (!a->names.task_embeddings) {
        e->token_type_embeddings = emb_load_floats(l, types, a->type_vocab_size, a->embedding_size);
        return;
    }
    if (emb_making(l)) {
        made = make_types(e, l);
        emb_made(l);
    }
    e->token_type_embeddings = emb_load_made(l, types, a->type_vocab_size, a->embedding_size, made);
}

static void load_words(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    const emb_names *names = &a->names;
    emb_words_load(e, l);
    if (names->position_embeddings)
        e->position_table = e->positions = emb_load_floats(
            l, names->position_embeddings, a->max_position_embeddings, a->embedding_size);
    if (a->type_vocab_size) load_types(e, l);
    if (a->embedding_size != a->hidden_size || a->always_project)
        emb_load_linear(l, names->embeddings_project, a->hidden_size, a->embedding_size,
                        !(a->no_bias & EMB_NO_BIAS_EMBEDDINGS), EMB_ACT_NONE, &e->embeddings_project);
}

/* Tokens that stand before the patches, with their positions added. */
static float *make_prefix(const emb_encoder *e, emb_loader *l, const float *positions)
{
    const emb_names *names = &e->arch.names;
    int64_t h = e->arch.hidden_size, row = 0;
    const struct {
        const char *name;
        int64_t count;
    } tokens[] = {
        {names->class_token, 1},
        {names->distillation_token, 1},
        {names->register_tokens, e->arch.image.register_tokens},
    };
    float *prefix = emb_calloc(l->allocator, (size_t)e->arch.image.prefix, (size_t)h * sizeof *prefix);
    if (!prefix) l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for prefix tokens");
    for (int64_t i = 0; i < EMB_COUNT(tokens); i++) {
        if (!tokens[i].name || tokens[i].count < 1) continue;
        const float *rows = emb_load_floats(l, tokens[i].name, tokens[i].count, h);
        if (!rows) return prefix;
        memcpy(prefix + row * h, rows, (size_t)(tokens[i].count * h) * sizeof *prefix);
        emb_floats_free(rows, l->allocator);
        row += tokens[i].count;
    }
    for (int64_t i = 0; positions && i < e->arch.image.positioned * h; i++)
        prefix[i] += positions[i];
    return prefix;
}

static void load_patches(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    const emb_image_tokens *image = &a->image;
    int64_t h = a->hidden_size, patches = image->grid_height * image->grid_width;
    const float *positions = NULL;
    emb_load_linear(l, a->names.patch_embeddings, h, emb_patch_size(a),
                    !(a->no_bias & EMB_NO_BIAS_PATCHES), EMB_ACT_NONE, &e->patches);
    if (a->names.position_embeddings)
        positions = emb_load_floats(l, a->names.position_embeddings, image->positioned + patches, h);
    e->position_table = positions;
    if (positions) e->positions = positions + image->positioned * h;
    if (!image->prefix || l->status < 0) return;
    float *prefix = NULL;
    if (emb_making(l)) {
        prefix = make_prefix(e, l, positions);
        emb_made(l);
    }
    e->prefix = emb_load_made(l, "prefix_tokens", image->prefix, h, prefix);
}

/* ---- layers ------------------------------------------------------------------------------- */

static void load_qkv(emb_encoder *e, emb_loader *l, int64_t i, emb_linear *qkv)
{
    const emb_architecture *a = &e->arch;
    const char *patterns[3] = {a->names.query, a->names.key, a->names.value};
    int64_t keys = a->num_key_value_heads * a->head_dim, first = 0;
    int64_t out[3] = {a->num_attention_heads * a->head_dim, keys, keys};
    bool stacked = strcmp(a->names.query, a->names.key) == 0;
    name weights[3], biases[3];
    emb_part parts[3];
    for (int k = 0; k < 3; k++) {
        name n = emb_layer_name(e, patterns[k], i);
        weights[k] = member(n.text, "weight");
        biases[k] = member(n.text, "bias");
        bool has_bias = !(a->no_bias & (uint32_t)EMB_NO_BIAS_QUERY << k);
        parts[k] = (emb_part){weights[k].text, has_bias ? biases[k].text : NULL, stacked ? first : 0,
                              stacked ? out[0] + 2 * keys : out[k], out[k], k == 2};
        first += out[k];
    }
    emb_load_parts(l, parts, 3, a->hidden_size, qkv);
}

/* Gate and intermediate: two tensors, or the halves of one. */
static void load_gated(emb_encoder *e, emb_loader *l, int64_t i, emb_linear *linear)
{
    const emb_architecture *a = &e->arch;
    bool halves = strcmp(a->names.gate, a->names.intermediate) == 0;
    bool has_bias = !(a->no_bias & EMB_NO_BIAS_INTERMEDIATE);
    int64_t n = a->intermediate_size, rows = halves ? 2 * n : n;
    const char *patterns[2] = {a->names.gate, a->names.intermediate};
    name weights[2], biases[2];
    emb_part parts[2];
    for (int k = 0; k < 2; k++) {
        name base = emb_layer_name(e, patterns[k], i);
        weights[k] = member(base.text, "weight");
        biases[k] = member(base.text, "bias");
        bool second = halves && k == !a->gate_last;
        parts[k] = (emb_part){weights[k].text, has_bias ? biases[k].text : NULL, second ? n : 0,
                              rows, n, false};
    }
    emb_load_parts(l, parts, 2, a->hidden_size, linear);
}

/* A norm of the model's kind; pattern NULL: none. */
static void load_norm(emb_encoder *e, emb_loader *l, const char *pattern, int64_t layer, int64_t size,
                      emb_norm *norm)
{
    const emb_architecture *a = &e->arch;
    if (pattern)
        emb_load_norm(l, emb_layer_name(e, pattern, layer).text, size, a->norm, a->layer_norm_eps, norm);
}

static void load_layer(emb_encoder *e, emb_loader *l, int64_t i)
{
    const emb_architecture *a = &e->arch;
    const emb_names *names = &a->names;
    emb_layer *layer = &e->layers[i];
    int64_t h = a->hidden_size, n = a->intermediate_size;

    if (!a->pre_norm) {
        if (i) l->gamma = layer[-1].output_norm.gamma;
        else if (!e->embeddings_project.weight.data) l->gamma = e->embeddings_norm.gamma;
    }
    load_qkv(e, l, i, &layer->qkv);
    l->gamma = NULL;
    load_norm(e, l, names->query_norm, i, a->norm_whole ? a->num_attention_heads * a->head_dim : a->head_dim,
              &layer->query_norm);
    load_norm(e, l, names->key_norm, i, a->norm_whole ? a->num_key_value_heads * a->head_dim : a->head_dim,
              &layer->key_norm);
    emb_load_linear(l, emb_layer_name(e, names->attention_output, i).text, h,
                    a->num_attention_heads * a->head_dim, !(a->no_bias & EMB_NO_BIAS_ATTENTION_OUTPUT), EMB_ACT_NONE,
                    &layer->attention_output);
    if (i || !a->no_first_norm) load_norm(e, l, names->attention_norm, i, h, &layer->attention_norm);
    load_norm(e, l, names->attention_post_norm, i, h, &layer->attention_post_norm);
    l->gamma = a->pre_norm ? NULL : layer->attention_norm.gamma;
    if (names->gate) load_gated(e, l, i, &layer->intermediate);
    else
        emb_load_linear(l, emb_layer_name(e, names->intermediate, i).text, n, h,
                        !(a->no_bias & EMB_NO_BIAS_INTERMEDIATE), a->hidden_act,
                        &layer->intermediate);
    l->gamma = NULL;
    emb_load_linear(l, emb_layer_name(e, names->output, i).text, h, n,
                    !(a->no_bias & EMB_NO_BIAS_OUTPUT), EMB_ACT_NONE, &layer->output);
    load_norm(e, l, names->output_norm, i, h, &layer->output_norm);
    load_norm(e, l, names->output_post_norm, i, h, &layer->output_post_norm);
    if (names->attention_scale) {
        layer->attention_scale = emb_load_floats(l, emb_layer_name(e, names->attention_scale, i).text, h, 0);
        layer->output_scale = emb_load_floats(l, emb_layer_name(e, names->output_scale, i).text, h, 0);
    }
}

static void load_each_layer(emb_encoder *e, emb_loader *l)
{
    for (int64_t i = 0; i < e->layer_count && l->status == EMBED_OK; i++)
        load_layer(e, l, i);
}

/* The layers one after another in one block, in the order of their use: on huge pages, and what a
 * product fetches beyond its last panel is the next product's first. */
static void load_block(emb_encoder *e, emb_loader *l)
{
    emb_arena arena;
    emb_arena_init(&arena, NULL, 0);
    l->int8 = l->weights_kind == EMBED_WEIGHTS_INT8;
    l->storage = l->compute == EMBED_COMPUTE_BF16        ? EMB_STORED_BF16_PAIRS
                 : l->weights_kind == EMBED_WEIGHTS_F16  ? EMB_STORED_F16
                 : l->weights_kind == EMBED_WEIGHTS_BF16 ? EMB_STORED_BF16
                                                         : EMB_STORED_F32;
    l->transposed = e->arch.transposed;
    if (!l->prepared) l->arena = &arena;
    load_each_layer(e, l); /* counts, and finds what is missing before memory is taken */
    if (l->arena && l->status == EMBED_OK) {
        e->block = emb_alloc(l->allocator, arena.used, 1);
        if (!e->block)
            l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for %zu bytes of weights",
                                 arena.used);
        emb_arena_init(&arena, e->block, arena.used);
        load_each_layer(e, l);
    }
    l->arena = NULL;
    l->int8 = l->transposed = false;
    l->storage = EMB_STORED_F32;
}

static void load_layers(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    if (l->status < 0 || !a->num_hidden_layers) return;
    e->layer_count = a->group_layers ? a->layer_groups * a->group_layers : a->num_hidden_layers;
    e->layers = emb_calloc(l->allocator, (size_t)e->layer_count, sizeof *e->layers);
    if (!e->layers)
        l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for %lld layers",
                             (long long)e->layer_count);
    else load_block(e, l);
    emb_relative_load(e, l);
    load_norm(e, l, a->names.final_norm, 0, a->hidden_size, &e->final_norm);
}

/* ---- pooler_output ------------------------------------------------------------------------- */

/* A learned query, projected. */
static float *make_query(emb_loader *l, const char *probe, const emb_part *part, int64_t h)
{
    emb_linear query = {0};
    const float *learned = emb_load_floats(l, probe, 1, h);
    emb_load_parts(l, part, 1, h, &query);
    float *row = l->status == EMBED_OK ? emb_alloc(l->allocator, (size_t)h, sizeof *row) : NULL;
    if (row) {
        emb_device alone = {.kernels = l->kernels, .gemm = l->gemm, .threads = 1};
        emb_linear_run(&alone, &query, 1, learned, h, row, h);
    } else if (l->status == EMBED_OK) {
        l->status = emb_fail(l->error, EMBED_ENOMEM, "out of memory for the pooling query");
    }
    emb_linear_free(&query, l->allocator);
    emb_floats_free(learned, l->allocator);
    return row;
}

/* SigLIP's head: one learned query attends to all tokens; its projection is made here, once. */
static void load_pooler_head(emb_encoder *e, emb_loader *l)
{
    const char *head = e->arch.names.pooler_head;
    emb_pooler *p = &e->pooler;
    int64_t h = e->arch.hidden_size, n = e->arch.intermediate_size;
    name attention = member(head, "attention"), weight = member(attention.text, "in_proj_weight"),
         bias = member(attention.text, "in_proj_bias"), probe = member(head, "probe");
    emb_part parts[3];
    float *query = NULL;
    for (int k = 0; k < 3; k++) parts[k] = (emb_part){weight.text, bias.text, k * h, 3 * h, h, false};
    if (emb_making(l)) {
        query = make_query(l, probe.text, parts, h);
        emb_made(l);
    }
    p->query = emb_load_made(l, probe.text, 1, h, query);
    emb_load_parts(l, parts + 1, 2, h, &p->key_value);
    emb_load_linear(l, member(attention.text, "out_proj").text, h, h, true, EMB_ACT_NONE,
                    &p->output);
    load_norm(e, l, member(head, "layernorm").text, 0, h, &p->norm);
    emb_load_linear(l, member(head, "mlp.fc1").text, n, h, true, e->arch.hidden_act, &p->mlp[0]);
    emb_load_linear(l, member(head, "mlp.fc2").text, h, n, true, EMB_ACT_NONE, &p->mlp[1]);
}

/* A pooler's Linear and a projection may be missing: the reference would invent them. */
static bool load_if_there(emb_loader *l, const char *linear, int64_t out, int64_t in, bool has_bias,
                          emb_activation act, emb_linear *to)
{
    if (l->status < 0 || !emb_load_find(l, member(linear, "weight").text)) return false;
    emb_load_linear(l, linear, out, in, has_bias, act, to);
    return true;
}

static void load_pooler(emb_encoder *e, emb_loader *l)
{
    const emb_architecture *a = &e->arch;
    e->has_pooler = a->pooler != EMB_POOLER_NONE && a->pooler_size;
    if (a->pooler == EMB_POOLER_HEAD) load_pooler_head(e, l);
    load_norm(e, l, a->names.pooler_norm, 0, a->hidden_size, &e->pooler.norm);
    if (a->names.pooler)
        e->has_pooler = load_if_there(l, a->names.pooler, a->pooler_size, a->hidden_size, true,
                                      a->pooler_act, &e->pooler.dense);
    if (a->projection_size &&
        !load_if_there(l, a->names.projection, a->projection_size, a->pooler_size, false,
                       EMB_ACT_NONE, &e->pooler.projection))
        e->arch.projection_size = 0;
    if (!a->num_labels) return;
    int64_t in = a->names.classifier_dense || !a->pooler_size ? a->hidden_size : a->pooler_size;
    if (a->names.classifier_dense)
        emb_load_linear(l, a->names.classifier_dense, in, in,
                        !(a->no_bias & EMB_NO_BIAS_CLASSIFIER_DENSE), a->classifier_act,
                        &e->pooler.classifier_dense);
    else if (a->pooler_size && !e->has_pooler && l->status == EMBED_OK)
        l->status = emb_fail(l->error, EMBED_ETENSOR,
                             "%s: expected the pooler that the classifier stands on, found no tensor "
                             "\"%s.weight\"", emb_weights_name(l->weights), a->names.pooler);
    load_norm(e, l, a->names.classifier_norm, 0, in, &e->pooler.classifier_norm);
    emb_load_linear(l, a->names.classifier, a->num_labels, in, !(a->no_bias & EMB_NO_BIAS_CLASSIFIER),
                    EMB_ACT_NONE, &e->pooler.classifier);
}

/* Checkpoints of another spelling: another prefix, and all names in use that have one take it. */
static void choose_names(emb_encoder *e, emb_loader *l)
{
    const emb_names *other = e->arch.other_names;
    if (other && other->prefix && !emb_load_find(l, e->arch.names.word_embeddings))
        l->prefix = other->prefix;
    if (!other || emb_load_find(l, member(emb_layer_name(e, e->arch.names.query, 0).text, "weight").text) ||
        !emb_load_find(l, member(emb_layer_name(e, other->query, 0).text, "weight").text))
        return;
    const char *from[sizeof *other / sizeof(char *)], *to[sizeof *other / sizeof(char *)];
    memcpy(from, other, sizeof *other);
    memcpy(to, &e->arch.names, sizeof *other);
    for (int64_t i = 0; i < EMB_COUNT(to); i++)
        if (to[i] && from[i]) to[i] = from[i];
    memcpy(&e->arch.names, to, sizeof *other);
}

/* ---- all ------------------------------------------------------------------------------------ */

int32_t emb_encoder_load(emb_encoder *e, const emb_architecture *arch, emb_loader *l)
{
    int64_t heads = arch->num_attention_heads * arch->head_dim, hidden = arch->hidden_size;
    double root = sqrt((double)arch->head_dim);
    *e = (emb_encoder){
        .arch = *arch,
        .attention = {.heads = arch->num_attention_heads,
                      .head_dim = arch->head_dim,
                      .key_heads = arch->num_key_value_heads,
                      .scale = (float)(arch->attention_scale > 0 ? arch->attention_scale : 1 / root),
                      .has_relative = arch->relative.kind != EMB_RELATIVE_NONE,
                      .causal = arch->causal},
        .query_part = emb_whole_panels(heads),
        .key_part = emb_whole_panels(arch->num_key_value_heads * arch->head_dim),
        .context_stride = EMB_MAX(hidden, heads),
        .gate_part = arch->names.gate ? emb_whole_panels(arch->intermediate_size) : 0,
        .in_place = l->prepared,
    };
    e->qkv_stride = EMB_MAX(e->query_part + 2 * e->key_part, hidden);
    l->prefix = arch->names.prefix;
    choose_names(e, l);
    if (emb_takes_images(arch)) load_patches(e, l);
    else load_words(e, l);
    load_norm(e, l, e->arch.names.embeddings_norm, 0,
              emb_takes_images(arch) || arch->project_first ? hidden : arch->embedding_size,
              &e->embeddings_norm);
    emb_convolution_load(e, l);
    load_layers(e, l);
    load_pooler(e, l);
    e->parameters = l->parameters;
    e->weight_bytes = l->bytes;
    if (l->status < 0) emb_encoder_free(e, l->allocator);
    return l->status;
}

void emb_encoder_free(emb_encoder *e, const emb_allocator *a)
{
    emb_pooler *p = &e->pooler;
    const emb_linear *linears[] = {&e->embeddings_project, &e->convolution, &e->patches, &p->dense, &p->projection,
                                   &p->classifier_dense, &p->classifier,
                                   &p->key_value, &p->output, &p->mlp[0], &p->mlp[1]};
    const emb_norm *norms[] = {&e->embeddings_norm, &e->convolution_norm, &e->final_norm, &p->norm,
                               &p->classifier_norm};
    const float *floats[] = {e->position_table, e->token_type_embeddings, e->word_weights, e->prefix,
                             p->query};
    const emb_allocator *owner = e->in_place ? NULL : a;
    if (owner) emb_free(owner, (void *)(uintptr_t)e->word_rows);
    for (int64_t i = 0; i < EMB_COUNT(linears); i++) emb_linear_free(linears[i], owner);
    for (int64_t i = 0; i < EMB_COUNT(norms); i++) emb_norm_free(norms[i], owner);
    for (int64_t i = 0; i < EMB_COUNT(floats); i++) emb_floats_free(floats[i], owner);
    emb_relative_free(e, a);
    emb_free(a, e->layers);
    emb_free(a, e->block);
    *e = (emb_encoder){0};
}
