/* models: one small file per family, which turns config.json and the family's tensor names into a
 * description of the encoder. A family is data, not code: lib/encoder.c runs every description. */
#ifndef EMB_MODELS_H
#define EMB_MODELS_H

#include "../format/directory.h"
#include "../nn/nn.h"

/* A config file as its readers see it: each gives the value of a key, or the fallback where it is
 * absent or null. The first failure is kept in status (and error), so that a reader checks once, at
 * the end. */
typedef struct emb_config {
    const emb_json *root;
    const char *file; /* for messages */
    embed_error *error;
    int32_t status;
    const emb_json *over; /* an object whose keys go before root's, or NULL (CLIP) */
} emb_config;
int64_t emb_config_int(emb_config *config, const char *key, int64_t fallback, int64_t min,
                       int64_t max);
double emb_config_float(emb_config *config, const char *key, double fallback);
bool emb_config_bool(emb_config *config, const char *key, bool fallback);
const char *emb_config_string(emb_config *config, const char *key, const char *fallback);
/* A size: from 1 to EMB_SIZE_MAX. */
#define EMB_SIZE_MAX   (INT64_C(1) << 28)
#define EMB_MAX_LAYERS 4096
#define EMB_MAX_REGISTERS 1024
#define EMB_MAX_SIDE (INT64_C(1) << 20)     /* of an image, in pixels */
#define EMB_MAX_PATCH_SIDE 1024
#define EMB_MAX_PATCHES (INT64_C(1) << 20) /* of one image */
int64_t emb_config_size(emb_config *config, const char *key, int64_t fallback);
/* The base of rotary positions. */
double emb_config_theta(emb_config *config, const char *key, double fallback);
emb_activation emb_config_activation(emb_config *config, const char *key, const char *fallback);
const char *emb_activation_name(emb_activation act);
/* The config below key (absent: empty, so that every key takes its default). where is room for what
 * messages call it. The caller takes its status back. */
emb_config emb_config_section(const emb_config *config, const char *key, char where[256]);
/* Refuse any value of key but absent, null and the one given. */
void emb_config_only_string(emb_config *config, const char *key, const char *only);
void emb_config_only_false(emb_config *config, const char *key);
void emb_config_only_null(emb_config *config, const char *key);

/* Tensor names below the family's prefix. A Linear, Conv2d or norm is named without ".weight" and
 * ".bias", any other tensor by its whole name; "%d" is the layer (ALBERT: the group, and the layer in
 * it). NULL: the family has no such tensor. */
typedef struct emb_names {
    const char *prefix; /* "bert.": every name is looked for with it and without */

    /* texts */
    const char *word_embeddings, *token_type_embeddings;
    const char *task_embeddings; /* whose first row is added to every token (ERNIE) */
    const char *word_rows, *word_weights; /* of each token: its row of word_embeddings, and what that is times */
    const char *tied_embeddings;    /* the head's name under which a tied table may have survived */
    const char *embeddings_project; /* embedding_size -> hidden_size, where they differ */
    const char *convolution, *convolution_norm; /* Conv1d */

    /* images */
    const char *patch_embeddings;                                     /* Conv2d, or Linear */
    const char *class_token, *distillation_token, *register_tokens; /* in this order */

    /* both */
    const char *position_embeddings, *embeddings_norm;

    /* layers: a block's norm stands after it, or before it (pre_norm); its scale is LayerScale */
    const char *query, *key, *value; /* one name for all: stacked in one tensor, in this order */
    const char *query_norm, *key_norm; /* of each head (norm_whole), before rotary positions */
    const char *attention_output, *attention_norm, *attention_scale;
    const char *relative_positions;  /* [relative distances][heads], or [...][hidden_size] (DeBERTa), of which */
    const char *relative_norm;       /* normalised, */
    const char *position_key, *position_query; /* these Linears of a layer make keys and queries */
    const char *gate, *intermediate; /* one name for both: halves of one tensor (gate_last) */
    const char *output, *output_norm, *output_scale;
    /* of what a block adds to x (Gemma); of that and x, to be added to x (JinaBERT's model of programs) */
    const char *attention_post_norm, *output_post_norm;
    const char *final_norm;

    /* pooler_output */
    const char *pooler_norm;
    const char *pooler;      /* Linear; may be missing from the weights */
    const char *pooler_head; /* SigLIP's attention pooling: what stands before ".probe" */
    /* a sequence-classification head: of pooler_output or, without one, of what is pooled, through a Linear
     * of its own where there is one */
    const char *classifier, *classifier_dense, *classifier_norm;
    const char *projection;  /* pooler_output to the space that texts and images share */
} emb_names;

typedef enum { /* what pooler_output is made of, by pooler_norm and then pooler where there are any */
    EMB_POOLER_NONE,
    EMB_POOLER_CLS,     /* the first token of last_hidden_state */
    EMB_POOLER_EOS,     /* the first token of id eos_token_id (CLIP's texts) */
    EMB_POOLER_LAST,    /* the last token (SigLIP's texts) */
    EMB_POOLER_LAST_UNPADDED, /* the last token of another id than pad_token_id (decoders' heads) */
    EMB_POOLER_PATCHES, /* the mean of the patches, or of a text's tokens */
    EMB_POOLER_HEAD     /* attention of a learned query over all tokens */
} emb_pooler_kind;

#define EMB_EOS_LARGEST (-1)
#define EMB_LABELS_OF_TENSOR (-1)

typedef enum { /* how a table of positions is made to fit another grid of patches (torch's) */
    EMB_RESIZE_BICUBIC,           /* a = -0.75 */
    EMB_RESIZE_BICUBIC_ANTIALIAS, /* a = -0.5, wider when shrinking */
    EMB_RESIZE_BILINEAR,
    EMB_RESIZE_BILINEAR_ANTIALIAS
} emb_position_resize;

enum { /* emb_architecture.no_bias: Linears of a layer that have none */
    EMB_NO_BIAS_QUERY = 1 << 0,
    EMB_NO_BIAS_KEY = 1 << 1,
    EMB_NO_BIAS_VALUE = 1 << 2,
    EMB_NO_BIAS_QKV = EMB_NO_BIAS_QUERY | EMB_NO_BIAS_KEY | EMB_NO_BIAS_VALUE,
    EMB_NO_BIAS_ATTENTION_OUTPUT = 1 << 3,
    EMB_NO_BIAS_INTERMEDIATE = 1 << 4, /* and gate */
    EMB_NO_BIAS_OUTPUT = 1 << 5,
    EMB_NO_BIAS_MLP = EMB_NO_BIAS_INTERMEDIATE | EMB_NO_BIAS_OUTPUT,
    EMB_NO_BIAS_PATCHES = 1 << 6,
    EMB_NO_BIAS_EMBEDDINGS = 1 << 7, /* embeddings_project */
    EMB_NO_BIAS_CLASSIFIER_DENSE = 1 << 8,
    EMB_NO_BIAS_CLASSIFIER = 1 << 9,
    EMB_NO_BIAS_LAYER =
        EMB_NO_BIAS_QKV | EMB_NO_BIAS_ATTENTION_OUTPUT | EMB_NO_BIAS_MLP
};

/* Rotary positions: the numbers i and i + head_dim / 2 of a query and a key turn by
 * position * theta^(-2 i / head_dim). */
typedef enum {
    EMB_ROPE_PLAIN,
    EMB_ROPE_LINEAR, /* positions / factor */
    /* theta * factor, and angles / factor^(2 / head_dim) (GTE) */
    EMB_ROPE_NTK,
    /* a text of n > trained tokens: theta * (factor n / trained - factor + 1)^(d / (d - 2)), d = head_dim */
    EMB_ROPE_DYNAMIC,
    /* pairs that turn slow times or less over trained tokens are divided by factor, those that turn fast times
     * or more stay; between them a ramp, along the turns (llama3) or the pairs (yarn) */
    EMB_ROPE_LLAMA3,
    EMB_ROPE_YARN,
    EMB_ROPE_LONGROPE /* pair i is divided by factors[0][i], in a text of n > trained tokens by factors[1][i] */
} emb_rope_scaling;
enum { EMB_MAX_ROPE_PAIRS = 256 };
typedef struct emb_rope {
    double theta; /* 0: none */
    emb_rope_scaling scaling;
    double factor;
    int64_t trained;
    double slow, fast;
    bool uncut;       /* yarn's ramp begins and ends between pairs too */
    double amplitude; /* of cosines and sines; 0: 1 */
    int64_t pairs;    /* of factors */
    float factors[2][EMB_MAX_ROPE_PAIRS];
} emb_rope;

/* What layers of one model may differ in. */
typedef enum { EMB_FULL_ATTENTION, EMB_SLIDING_ATTENTION, EMB_LAYER_KINDS } emb_layer_kind;
typedef struct emb_layer_positions {
    emb_rope rope;
    int64_t window; /* a token sees those nearer than this; 0: however far */
} emb_layer_positions;

/* What is added to scores. */
typedef struct emb_relative_scores {
    emb_relative_kind kind;
    bool shared;     /* GRID: one table for all layers */
    int64_t buckets; /* DISTANCES, DISENTANGLED: of distances along a text; 0: each has its own */
    int64_t reach;   /* the same: about from here on, any distance is as good */
} emb_relative_scores;

/* How images become tokens: prefix tokens, then patches row by row. */
typedef struct emb_image_tokens {
    int64_t patch_height, patch_width;      /* pixels; 0: the model takes texts */
    int64_t height, width;                  /* pixels that the model is made for */
    int64_t grid_height, grid_width;        /* patches that positions are made for */
    int64_t register_tokens;                /* how many */
    int64_t prefix;                         /* tokens before the patches, registers included */
    int64_t positioned;                     /* of them, with a row in the table of positions */
    emb_position_resize resize;
    bool any_size;              /* positions are made to fit every image, not only on demand */
    bool patch_channels_last;   /* a patch is [y][x][channel], not [channel][y][x] */
} emb_image_tokens;

typedef enum { /* static embeddings: texts have no special tokens, and a text of none a vector of zeros */
    EMB_STATIC_NONE,
    EMB_STATIC_SENTENCE_TRANSFORMERS, /* tokenizer.json as it stands, with its truncation */
    /* a text is first cut to as many characters as static_length tokens of median length have; unknown
     * tokens are left out */
    EMB_STATIC_MODEL2VEC
} emb_static_kind;

/* The description of an encoder: all that the forward pass needs to know of a model. Sizes are
 * positive and bounded. */
typedef struct emb_architecture {
    const char *model_type;
    emb_names names;
    const emb_names *other_names; /* of those in use, that some checkpoints spell so; or NULL */
    int64_t hidden_size, num_hidden_layers, num_attention_heads, intermediate_size;
    int64_t head_dim;            /* 0: hidden_size / num_attention_heads */
    int64_t num_key_value_heads; /* 0: num_attention_heads */
    emb_activation hidden_act;
    emb_norm_kind norm; /* all norms but the pooler's */
    double layer_norm_eps;

    /* texts */
    int64_t vocab_size, embedding_size, max_position_embeddings;
    int64_t type_vocab_size; /* 0: the family has no token types and ignores type ids */
    int64_t task_vocab_size; /* rows of task_embeddings */
    bool always_project;     /* ALBERT: embeddings_project even where the sizes are equal */
    bool project_first;      /* before embeddings_norm, not behind it (DeBERTa) */
    /* RoBERTa: the first token has this position, tokens of id position_offset - 1 (padding) are not
     * counted and have that position themselves; 0: positions are counted from 0 */
    int64_t position_offset;
    double embedding_scale;  /* of word embeddings (Gemma); 0: none */
    int64_t table_rows;      /* of word_embeddings, where word_rows says which; 0: vocab_size */
    emb_static_kind static_kind; /* no layers: a text is the mean of its tokens */
    int64_t static_length;       /* model2vec: tokens that a text is cut to by default */
    bool static_normalize;       /* model2vec: vectors of length 1 */
    bool causal;             /* a token sees itself and those before it */
    int64_t eos_token_id;    /* of EMB_POOLER_EOS; EMB_EOS_LARGEST: the largest id of the text */
    int64_t padded_length; /* texts are padded to so many tokens, all seen (SigLIP); 0: no */
    int64_t pad_token_id;  /* of these, and of EMB_POOLER_LAST_UNPADDED: -1: none */

    emb_image_tokens image;

    int64_t layer_groups, group_layers; /* ALBERT: the same layers over and over: so many groups, of so
                                         * many layers each, share num_hidden_layers; 0: no */
    bool pre_norm;       /* x + block(norm(x)), not norm(x + block(x)) */
    bool normed_states;  /* the last of hidden_states is behind final_norm (language models) */
    bool no_first_norm;  /* layer 0 has no attention_norm: the embeddings have one (ModernBERT) */
    bool gate_last;      /* in one tensor with intermediate, gate is the second half (GTE) */
    uint32_t no_bias;    /* EMB_NO_BIAS_* */
    bool transposed;     /* the layers' weights stand as [in][out] (GPT-2) */
    double attention_scale; /* of scores; 0: 1 / sqrt(head_dim) */
    bool norm_whole;        /* query_norm and key_norm are of all heads together */
    bool scale_by_layer;    /* that of layer i is divided by i + 1 (GPT-2) */
    emb_layer_positions positions[EMB_LAYER_KINDS]; /* of full attention: all layers, DINOv3's too */
    uint64_t sliding[EMB_MAX_LAYERS / 64]; /* a bit a layer: whether it is of the other kind */
    emb_relative_scores relative;
    int64_t convolution; /* tokens that the convolution beside layer 0 sees, an odd number; 0: there is none */
    emb_activation convolution_act;

    emb_pooler_kind pooler;
    emb_activation pooler_act;
    int64_t pooler_size;     /* numbers in pooler_output; 0: what is pooled goes to the classifier alone */
    int64_t projection_size; /* 0: no projection */
    int64_t num_labels;      /* of the classifier; 0: the checkpoint has none, EMB_LABELS_OF_TENSOR: so many as
                              * its tensor has rows, until emb_measure */
    emb_activation classifier_act; /* between classifier_dense and classifier (or its norm) */
    emb_activation score_act;      /* of the labels: SIGMOID or NONE */
    bool score_by_labels;          /* the config names none: SIGMOID of one label */
} emb_architecture;

/* Tokens of the longest text that the table of positions has room for, or that rotary ones are made for. */
static inline int64_t emb_max_tokens(const emb_architecture *a)
{
    const emb_rope *rope = &a->positions[EMB_FULL_ATTENTION].rope;
    double stretched = rope->factor * (double)rope->trained;
    if (rope->scaling == EMB_ROPE_DYNAMIC && stretched > (double)a->max_position_embeddings)
        return (int64_t)EMB_MIN(stretched, (double)EMB_SIZE_MAX);
    return a->max_position_embeddings - a->position_offset;
}

static inline emb_layer_kind emb_kind_of_layer(const emb_architecture *a, int64_t layer)
{
    return a->sliding[layer / 64] >> layer % 64 & 1 ? EMB_SLIDING_ATTENTION : EMB_FULL_ATTENTION;
}

static inline bool emb_takes_images(const emb_architecture *a)
{
    return a->image.patch_height > 0;
}

typedef struct emb_family {
    const char *model_type; /* config.json's */
    /* Read config.json into the description of a tower, all of it but model_type and head_dim. A
     * value that the library does not implement is refused by name (EMBED_EUNSUPPORTED). NULL: the
     * family has no such tower. */
    void (*describe_text)(emb_config *config, emb_architecture *out);
    void (*describe_image)(emb_config *config, emb_architecture *out);
} emb_family;

extern const emb_family emb_family_albert, emb_family_bert, emb_family_roberta;
extern const emb_family emb_family_xlm_roberta;
extern const emb_family emb_family_camembert, emb_family_data2vec_text, emb_family_roberta_prelayernorm;
extern const emb_family emb_family_xlm_roberta_xl, emb_family_ernie;
extern const emb_family emb_family_distilbert, emb_family_electra;
extern const emb_family emb_family_mpnet, emb_family_deberta_v2, emb_family_gpt2;
extern const emb_family emb_family_jina_bert, emb_family_jina_bert_code;
extern const emb_family emb_family_modernbert, emb_family_nomic_bert, emb_family_new, emb_family_gte;
extern const emb_family emb_family_qwen3, emb_family_gemma3_text;
extern const emb_family emb_family_model2vec;
extern const emb_family emb_family_vit, emb_family_deit, emb_family_beit;
extern const emb_family emb_family_dinov2, emb_family_dinov2_with_registers, emb_family_dinov3_vit;
extern const emb_family emb_family_clip, emb_family_clip_text_model, emb_family_clip_vision_model;
extern const emb_family emb_family_siglip, emb_family_siglip_text_model;
extern const emb_family emb_family_siglip_vision_model;
extern const emb_family emb_family_siglip2, emb_family_siglip2_vision_model;

/* What most families read under the same names: hidden_size, num_hidden_layers,
 * num_attention_heads, intermediate_size, hidden_act and layer_norm_eps, with the fallbacks already
 * in out. */
void emb_config_layers(emb_config *config, emb_architecture *out);
/* Rotary positions of a kind of layers, by transformers 5's rope_parameters (layer_type NULL: one for all
 * layers, else an object for each type of layer in it), rope_scaling and the key of older files.
 * scaled: rope_scaling holds for this type. */
void emb_config_rope(emb_config *config, const char *layer_type, bool scaled, const char *theta_key,
                     double theta, emb_rope *out);
/* layer_types, or else full attention in every layer i with (i + offset) % period = 0, and sliding
 * attention in the others. */
void emb_config_layer_types(emb_config *config, emb_architecture *out, int64_t period, int64_t offset);
/* num_channels, image_size and patch_size -> out->image. */
void emb_config_image(emb_config *config, emb_architecture *out, int64_t image_size,
                      int64_t patch_size);

/* A tower of a model of two, by its section of config.json. old_key: a section of old files whose keys go
 * before it, or NULL. */
void emb_config_tower(emb_config *config, const char *key, const char *old_key,
                      void (*describe)(emb_config *, emb_architecture *), emb_architecture *out);
/* Names that transformers gives to decoders' tensors: Qwen3, Gemma 3. */
#define EMB_DECODER_NAMES                                                                          \
    .prefix = "model.", .word_embeddings = "embed_tokens.weight",                                  \
    .tied_embeddings = "lm_head.weight", .query = "layers.%d.self_attn.q_proj",                    \
    .key = "layers.%d.self_attn.k_proj", .value = "layers.%d.self_attn.v_proj",                    \
    .query_norm = "layers.%d.self_attn.q_norm", .key_norm = "layers.%d.self_attn.k_norm",          \
    .attention_output = "layers.%d.self_attn.o_proj",                                              \
    .attention_norm = "layers.%d.input_layernorm", .gate = "layers.%d.mlp.gate_proj",              \
    .intermediate = "layers.%d.mlp.up_proj", .output = "layers.%d.mlp.down_proj",                  \
    .final_norm = "norm"
/* And to those of encoders that came with code of their own: NomicBERT, GTE. */
#define EMB_GATED_ENCODER_NAMES                                                                    \
    .query = "layers.%d.self_attn.q_proj", .key = "layers.%d.self_attn.k_proj",                    \
    .value = "layers.%d.self_attn.v_proj", .attention_output = "layers.%d.self_attn.o_proj",       \
    .attention_norm = "layers.%d.post_attention_layernorm", .gate = "layers.%d.mlp.gate_proj",     \
    .intermediate = "layers.%d.mlp.up_proj", .output = "layers.%d.mlp.down_proj",                  \
    .output_norm = "layers.%d.post_mlp_layernorm"

/* A decoder's head for sequence classification ("score"), and the padding that it passes over; fallback: the
 * family's pad_token_id, -1: none. */
void emb_config_score(emb_config *config, emb_architecture *out, int64_t fallback);

/* CLIP's layers, which are SigLIP's too. */
extern const emb_names emb_clip_text_names, emb_clip_vision_names;

/* Static embeddings without a config.json. */
void emb_static_describe(emb_architecture *out);
/* Sizes that only the tensors say, or in a single-file model its list of shapes (NULL elsewhere): all of
 * static embeddings, labels of a head where the config names none. */
int32_t emb_measure(emb_architecture *a, const emb_weights *weights, const emb_json *shapes,
                    embed_error *error);

/* config.json -> a description for each tower, by its model_type; hidden_size 0: no such tower. An
 * unknown model_type is refused with the list of those known. */
int32_t emb_architecture_read(emb_config *config, emb_architecture *text, emb_architecture *image);

#endif
