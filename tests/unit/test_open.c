/* Opening a model directory in which one thing is wrong: the status and the whole sentence of each
 * refusal, and what opens all the same. */
#define _GNU_SOURCE
#include "temp_folder.h"

#include "../../include/embed.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct change {
    const char *model, *file; /* a frozen model, and its file that changes */
    const char *from, *to;    /* from NULL: the whole file; to NULL too: it is removed */
    int32_t status;
    const char *message; /* behind the directory's path */
} change;

#define CONFIG           "config.json"
#define WEIGHTS          "model.safetensors"
#define INDEX            "model.safetensors.index.json"
#define MODULES          "modules.json"
#define POOLING          "1_Pooling/config.json"
#define DENSE            "2_Dense/config.json"
#define SENTENCE         "sentence_bert_config.json"
#define PROMPTS          "config_sentence_transformers.json"
#define TOKENIZER        "tokenizer.json"
#define TOKENIZER_CONFIG "tokenizer_config.json"

static void put_text(const char *name, const char *text)
{
    put_file(name, text, strlen(text));
}

static void edit(const char *file, const char *from, const char *to)
{
    if (from) replace_in(file, from, to);
    else if (to) put_text(file, to);
    else assert_int_equal(remove(temp_path(file)), 0);
}

static embed_model *open_good(void)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model;
    if (embed_model_open(temp, NULL, &model, &error) != EMBED_OK) fail_msg("%s", error.message);
    return model;
}

/* The folder is refused with this status and sentence. */
static void assert_refused(const char *what, int32_t status, const char *message)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model = (embed_model *)temp;
    char expected[sizeof error.message];
    snprintf(expected, sizeof expected, "%s: %s", temp, message);
    int32_t found = embed_model_open(temp, NULL, &model, &error);
    assert_null(model);
    if (found != status || error.status != status || strcmp(error.message, expected) != 0)
        fail_msg("%s\nexpected %d, %s\nfound    %d, %s", what, (int)status, expected, (int)found,
                 error.message);
    assert_int_equal(embed_model_open(temp, NULL, &model, NULL), status);
}

static void refuse_each(const change *changes, size_t count, bool generic_tokenizer)
{
    for (size_t i = 0; i < count; i++) {
        const change *c = &changes[i];
        copy_model(c->model);
        if (generic_tokenizer)
            replace_in(TOKENIZER_CONFIG, "BertTokenizer", "PreTrainedTokenizerFast");
        edit(c->file, c->from, c->to);
        char what[256];
        snprintf(what, sizeof what, "%s/%s: %s", c->model, c->file, c->to ? c->to : "removed");
        assert_refused(what, c->status, c->message);
    }
}

/* ---- config.json ------------------------------------------------------------------------- */

#define FAMILIES                                                                                   \
    "bert, roberta, xlm-roberta, camembert, data2vec-text, roberta-prelayernorm, xlm-roberta-xl, ernie, " \
    "albert, distilbert, electra, mpnet, " \
    "deberta-v2, gpt2, model2vec, modernbert, nomic_bert, " \
    "gte, new, qwen3, gemma3_text, vit, deit, beit, dinov2, dinov2_with_registers, dinov3_vit, clip, " \
    "clip_text_model, clip_vision_model, siglip, siglip_text_model, siglip_vision_model, siglip2, siglip2_vision_model"

static const change configs[] = {
    {"bert", CONFIG, NULL, NULL, EMBED_EIO,
     "config.json: expected the model's configuration, found none"},
    {"bert", CONFIG, NULL, "", EMBED_EFORMAT,
     "config.json: line 1: expected a value, found the end of the text"},
    {"bert", CONFIG, NULL, "{\"model_type\": \"bert\"", EMBED_EFORMAT,
     "config.json: line 1: expected ',' or '}', found the end of the text"},
    {"bert", CONFIG, NULL, "[1, 2]", EMBED_EFORMAT,
     "config.json: expected an object, found an array"},
    {"bert", CONFIG, NULL, "\"bert\"", EMBED_EFORMAT,
     "config.json: expected an object, found a string"},
    {"bert", CONFIG, NULL, "{}", EMBED_EFORMAT,
     "config.json: model_type: expected one of " FAMILIES ", found none"},
    {"bert", CONFIG, "\"bert\"", "null", EMBED_EFORMAT,
     "config.json: model_type: expected one of " FAMILIES ", found none"},
    {"bert", CONFIG, "\"bert\"", "\"funnel\"", EMBED_EUNSUPPORTED,
     "config.json: model_type: expected one of " FAMILIES ", found "
     "\"funnel\""},
    {"bert", CONFIG, "\"bert\"", "7", EMBED_EFORMAT,
     "config.json: line 2: model_type: expected a string, found an integer"},
    {"bert", CONFIG, "\"bert\"", "\"a\\u001b[31m\"", EMBED_EUNSUPPORTED,
     "config.json: model_type: expected one of " FAMILIES ", found "
     "\"a\\x1B[31m\""},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": \"768\"", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer, found a string"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": 1.5", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer, found a float"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": 0", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer from 1 to 268435456, found 0"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": -1", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer from 1 to 268435456, found -1"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": 1e99", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer, found a float"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": true", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer, found true"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": [20]", EMBED_EFORMAT,
     "config.json: line 7: hidden_size: expected an integer, found an array"},
    {"bert", CONFIG, "\"hidden_size\": 20", "\"hidden_size\": 21", EMBED_EFORMAT,
     "config.json: hidden_size: expected a multiple of the 2 attention heads, found 21"},
    {"bert", CONFIG, "\"num_attention_heads\": 2", "\"num_attention_heads\": 0", EMBED_EFORMAT,
     "config.json: line 9: num_attention_heads: expected an integer from 1 to 268435456, "
     "found 0"},
    {"bert", CONFIG, "\"vocab_size\": 90", "\"vocab_size\": 268435457", EMBED_EFORMAT,
     "config.json: line 11: vocab_size: expected an integer from 1 to 268435456, found "
     "268435457"},
    {"bert", CONFIG, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 5000", EMBED_EUNSUPPORTED,
     "config.json: num_hidden_layers: expected at most 4096, found 5000"},
    {"bert", CONFIG, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.encoder.layer.2.attention.self.query.weight\" (or "
     "without that prefix): expected shape [20, 20], found no such tensor"},
    {"bert", CONFIG, "\"max_position_embeddings\": 24", "\"max_position_embeddings\": 25",
     EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.position_embeddings.weight\": expected "
     "shape [25, 20], found [24, 20]"},
    {"bert", CONFIG, "\"intermediate_size\": 36", "\"intermediate_size\": 35", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.encoder.layer.0.intermediate.dense.weight\": "
     "expected shape [35, 20], found [36, 20]"},
    {"bert", CONFIG, "\"type_vocab_size\": 2", "\"type_vocab_size\": 3", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.token_type_embeddings.weight\": "
     "expected shape [3, 20], found [2, 20]"},
    {"bert", CONFIG, "\"gelu\"", "\"gelu_10\"", EMBED_EUNSUPPORTED,
     "config.json: hidden_act: expected one of gelu, gelu_python, gelu_new, "
     "gelu_pytorch_tanh, gelu_python_tanh, gelu_accurate, gelu_fast, quick_gelu, silu, "
     "swish, relu, relu2, tanh, sigmoid, linear, found \"gelu_10\""},
    {"bert", CONFIG, "\"gelu\"", "[\"gelu\"]", EMBED_EFORMAT,
     "config.json: line 6: hidden_act: expected a string, found an array"},
    {"bert", CONFIG, "\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": -1", EMBED_EFORMAT,
     "config.json: layer_norm_eps: expected a number from 0 to 1, found -1"},
    {"bert", CONFIG, "\"layer_norm_eps\": 1e-12", "\"layer_norm_eps\": \"small\"", EMBED_EFORMAT,
     "config.json: line 15: layer_norm_eps: expected a number, found a string"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"position_embedding_type\": \"relative_key\"",
     EMBED_EUNSUPPORTED, "config.json: position_embedding_type: expected \"absolute\", found "
     "\"relative_key\", which is not implemented"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"is_decoder\": true", EMBED_EUNSUPPORTED,
     "config.json: is_decoder: expected false, found true, which is not implemented"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"is_decoder\": \"no\"", EMBED_EFORMAT,
     "config.json: line 13: is_decoder: expected true or false, found a string"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"add_cross_attention\": true", EMBED_EUNSUPPORTED,
     "config.json: add_cross_attention: expected false, found true, which is not "
     "implemented"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"is_encoder_decoder\": true", EMBED_EUNSUPPORTED,
     "config.json: is_encoder_decoder: expected false, found true, which is not "
     "implemented"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"quantization_config\": {\"bits\": 4}",
     EMBED_EUNSUPPORTED,
     "config.json: quantization_config: expected none, which is all that is implemented, "
     "found an object"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"pruned_heads\": {\"0\": [1]}", EMBED_EUNSUPPORTED,
     "config.json: pruned_heads: expected none, which is all that is implemented, found "
     "an object"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"auto_map\": {\"AutoModel\": \"modeling_x.X\"}",
     EMBED_EUNSUPPORTED,
     "config.json: auto_map.AutoModel: expected none, found \"modeling_x.X\": code "
     "outside transformers is not run"},
    {"bert", CONFIG, "\"pad_token_id\": 0",
     "\"auto_map\": {\"AutoModelForSequenceClassification\": \"m.JinaBertForMaskedLM\"}", EMBED_EUNSUPPORTED,
     "config.json: auto_map.AutoModelForSequenceClassification: expected none, found "
     "\"m.JinaBertForMaskedLM\": code outside transformers is not run"},
    {"bert", CONFIG, "\"pad_token_id\": 0", "\"hidden_size\": 20", EMBED_EFORMAT,
     "config.json: line 13: expected each key once, found \"hidden_size\" again (first on "
     "line 7)"},
    {"distilbert", CONFIG, "\"dim\": 18", "\"dim\": 19", EMBED_EFORMAT,
     "config.json: hidden_size: expected a multiple of the 3 attention heads, found 19"},
    {"distilbert", CONFIG, "\"activation\": \"relu\"", "\"activation\": \"snake\"",
     EMBED_EUNSUPPORTED, "config.json: activation: expected one of gelu, gelu_python, gelu_new, "
     "gelu_pytorch_tanh, gelu_python_tanh, gelu_accurate, gelu_fast, quick_gelu, silu, "
     "swish, relu, relu2, tanh, sigmoid, linear, found \"snake\""},
    {"distilbert", CONFIG, "\"n_layers\": 2", "\"n_layers\": 0", EMBED_EFORMAT,
     "config.json: line 10: n_layers: expected an integer from 1 to 268435456, found 0"},
    {"electra", CONFIG, "\"embedding_size\": 12", "\"embedding_size\": 13", EMBED_ETENSOR,
     "model.safetensors: tensor \"electra.embeddings.word_embeddings.weight\": expected "
     "shape [90, 13], found [90, 12]"},
    {"electra", CONFIG, "\"pad_token_id\": 0",
     "\"position_embedding_type\": \"relative_key_query\"", EMBED_EUNSUPPORTED,
     "config.json: position_embedding_type: expected \"absolute\", found "
     "\"relative_key_query\", which is not implemented"},
    {"deberta-v3", CONFIG, "\"p2c|c2p\"", "\" P2C | p2p\"", EMBED_EUNSUPPORTED,
     "config.json: pos_att_type: expected c2p or p2c, found \"p2p\""},
    {"deberta-v3", CONFIG, "\"p2c|c2p\"", "[\"c2p\", 1]", EMBED_EUNSUPPORTED,
     "config.json: pos_att_type: expected c2p or p2c, found \"\""},
    {"deberta-v3", CONFIG, "\"layer_norm\"", "\"rms_norm\"", EMBED_EUNSUPPORTED,
     "config.json: norm_rel_ebd: expected none or layer_norm, found \"rms_norm\""},
    {"deberta-v3", CONFIG, "\"position_buckets\": 8", "\"position_buckets\": 7", EMBED_EUNSUPPORTED,
     "config.json: position_buckets: expected an even number below 2 * (max_relative_positions - 1) = "
     "22, found 7"},
    {"deberta-v3", CONFIG, "\"position_buckets\": 8", "\"position_buckets\": 22", EMBED_EUNSUPPORTED,
     "config.json: position_buckets: expected an even number below 2 * (max_relative_positions - 1) = "
     "22, found 22"},
    {"deberta-v3", CONFIG, "\"position_buckets\": 8", "\"position_buckets\": 10", EMBED_ETENSOR,
     "model.safetensors: tensor \"deberta.encoder.rel_embeddings.weight\": expected shape [20, 12], "
     "found [16, 12]"},
    {"deberta-v2", CONFIG, "\"conv_kernel_size\": 3", "\"conv_kernel_size\": 4", EMBED_EUNSUPPORTED,
     "config.json: conv_kernel_size: expected an odd number, found 4"},
    {"deberta-v2", CONFIG, "\"conv_kernel_size\": 3", "\"conv_kernel_size\": 3, \"conv_groups\": 2",
     EMBED_EFORMAT, "config.json: line 24: conv_groups: expected an integer from 1 to 1, found 2"},
    {"gpt2", CONFIG, "\"n_embd\": 12", "\"n_embd\": 15", EMBED_ETENSOR,
     "model.safetensors: tensor \"transformer.wte.weight\": expected shape [70, 15], found [70, 12]"},
    {"gpt2", CONFIG, "\"n_inner\": 20", "\"n_inner\": 21", EMBED_ETENSOR,
     "model.safetensors: tensor \"transformer.h.0.mlp.c_fc.weight\": expected shape [12, 21], found "
     "[12, 20]"},
    {"jina", CONFIG, "\"geglu\"", "\"swiglu\"", EMBED_EUNSUPPORTED,
     "config.json: feed_forward_type: expected geglu, reglu or original, found \"swiglu\""},
    {"jina", CONFIG, "\"alibi\"", "\"absolute\"", EMBED_EUNSUPPORTED,
     "config.json: position_embedding_type: expected \"alibi\", found \"absolute\", which is not "
     "implemented"},
    {"jina-code", CONFIG, "\"reglu\"", "\"original\"", EMBED_EUNSUPPORTED,
     "config.json: feed_forward_type: expected geglu or reglu, found \"original\""},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0", "\"rope_scaling\": {\"rope_type\": \"mrope\"}",
     EMBED_EUNSUPPORTED, "config.json: rope_scaling: rope_type: expected default, linear, ntk, "
     "dynamic, llama3, yarn or longrope, found \"mrope\""},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4}",
     EMBED_EFORMAT, "config.json: rope_parameters: high_freq_factor: expected more than low_freq_factor = 4, "
     "found 4"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"type\": \"yarn\", \"rope_theta\": 1}",
     EMBED_EFORMAT, "config.json: rope_parameters: rope_theta: expected more than 1 for yarn, found 1"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"type\": \"yarn\", \"attention_factor\": -1}",
     EMBED_EFORMAT, "config.json: rope_parameters: attention_factor: expected a number from 0.001 to 1000, "
     "found -1"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"type\": \"longrope\", \"short_factor\": [1, 2]}",
     EMBED_EFORMAT, "config.json: rope_parameters: long_factor: expected a list of at most 256 numbers from 0.5 "
     "to 1e6, as many in short_factor as in long_factor"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"type\": \"longrope\", \"short_factor\": [1, 0.1]}",
     EMBED_EFORMAT, "config.json: rope_parameters: short_factor: expected a list of at most 256 numbers from 0.5 "
     "to 1e6, as many in short_factor as in long_factor"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"type\": \"longrope\", \"short_factor\": [1, 2], \"long_factor\": [1, 2]}",
     EMBED_EFORMAT, "config.json: short_factor, long_factor: expected a number for each of the 3 pairs of a head, "
     "found 2"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0", "\"rope_parameters\": {\"type\": \"dynamic\"}",
     EMBED_EFORMAT, "config.json: rope_parameters: factor: expected a number from 1 to 1e+06, found 0"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"rope_parameters\": {\"partial_rotary_factor\": 0.5}", EMBED_EUNSUPPORTED,
     "config.json: rope_parameters: partial_rotary_factor: expected 1, which is all that is "
     "implemented"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0", "\"rope_theta\": 0.5", EMBED_EFORMAT,
     "config.json: rope_theta: expected a number from 1 to 1e12, found 0.5"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0", "\"layer_types\": [\"full_attention\"]",
     EMBED_EFORMAT, "config.json: layer_types: expected one of each layer"},
    {"qwen3", CONFIG, "\"rope_theta\": 10000.0",
     "\"layer_types\": [\"full_attention\", \"chunked_attention\", 3]", EMBED_EUNSUPPORTED,
     "config.json: layer_types: expected full_attention or sliding_attention, found "
     "chunked_attention"},
    {"qwen3", CONFIG, "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", EMBED_EFORMAT,
     "config.json: num_attention_heads: expected a multiple of the 3 of keys and values, found 4"},
    {"qwen3", CONFIG, "\"head_dim\": 6", "\"head_dim\": 5", EMBED_EFORMAT,
     "config.json: rotary positions: expected heads of a multiple of 2 numbers, found 5"},
    {"qwen3", CONFIG, "\"head_dim\": 6", "\"head_dim\": 268435456", EMBED_EUNSUPPORTED,
     "config.json: head_dim: expected heads of at most 268435456 numbers together, found 4 of "
     "268435456"},
    {"embeddinggemma", CONFIG, "\"head_dim\": 8", "\"attn_logit_softcapping\": 30.0",
     EMBED_EUNSUPPORTED, "config.json: attn_logit_softcapping: expected null, found a float, which "
     "is not implemented"},
    {"nomic-hub", CONFIG, "\"prenorm\": false", "\"prenorm\": true", EMBED_EUNSUPPORTED,
     "config.json: prenorm: expected false, found true, which is not implemented"},
    {"nomic-hub", CONFIG, "\"prenorm\": false", "\"moe_every_n_layers\": 2", EMBED_EUNSUPPORTED,
     "config.json: moe_every_n_layers: expected 0: a mixture of experts is not implemented"},
    {"nomic-hub", CONFIG, "\"rotary_emb_fraction\": 1.0", "\"rotary_emb_fraction\": 0.5",
     EMBED_EUNSUPPORTED, "config.json: rotary_emb_fraction: expected 1, which is all that is "
     "implemented"},
    {"nomic-hub", CONFIG, "\"rotary_scaling_factor\": 2.0", "\"rotary_scaling_factor\": 0.5",
     EMBED_EFORMAT, "config.json: rotary_scaling_factor: expected a number from 1 to 1e6, found 0.5"},
    {"gte-new", CONFIG, "\"factor\": 3.0", "\"factor\": 3.0, \"mixed_b\": 0.5", EMBED_EUNSUPPORTED,
     "config.json: rope_scaling: mixed_b: expected null, found a float, which is not implemented"},
    {"gte-new", CONFIG, "\"pack_qkv\": true", "\"pack_qkv\": false", EMBED_EUNSUPPORTED,
     "config.json: pack_qkv: expected true, which is all that is implemented"},
    {"gte-new", CONFIG, "\"layer_norm_type\": \"layer_norm\"", "\"layer_norm_type\": \"rms_norm\"",
     EMBED_EUNSUPPORTED, "config.json: layer_norm_type: expected \"layer_norm\", found \"rms_norm\", "
     "which is not implemented"},
};

static void test_config(void **state)
{
    (void)state;
    refuse_each(configs, COUNT(configs), false);
}

/* ---- weights ----------------------------------------------------------------------------- */

static const change weights[] = {
    {"bert", WEIGHTS, NULL, NULL, EMBED_EIO,
     "expected model.safetensors or pytorch_model.bin, whole or with an "
     "index of shards, found neither"},
    {"bert", WEIGHTS, NULL, "", EMBED_EFORMAT,
     "model.safetensors: expected a safetensors file of at least 8 bytes, found 0"},
    {"bert", WEIGHTS, NULL, "not a safetensors file", EMBED_EFORMAT,
     "model.safetensors: header: expected a length of at most 100000000 bytes, found "
     "7021991845529153390: this may not be a safetensors file"},
    {"bert", WEIGHTS, "\"__metadata__\"", "\"__metadata__", EMBED_EFORMAT,
     "model.safetensors: header: line 1: expected a ':' after the key, found 'format'"},
    {"static-model2vec", WEIGHTS, "\"I64\"", "\"U64\"", EMBED_ETENSOR,
     "model.safetensors: tensor \"mapping\": expected I32 or I64, found U64"},
    {"static-model2vec", WEIGHTS, "\"mapping\"", "\"napping\"", EMBED_ETENSOR,
     "model.safetensors: tensor \"weights\": expected shape [5], found [50]"},
    {"static-st", WEIGHTS, "embedding.weight", "embedding.wait__", EMBED_ETENSOR,
     "model.safetensors: tensor \"embeddings\": expected a table, found no such tensor"},
    {"bert", WEIGHTS, "[90,20]", "[20,90]", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.word_embeddings.weight\": expected "
     "shape [90, 20], found [20, 90]"},
    {"bert", WEIGHTS, "[90,20]", "[1800]", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.word_embeddings.weight\": expected "
     "shape [90, 20], found [1800]"},
    {"bert", WEIGHTS, "position_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[24,20]",
     "position_embeddings.weight\":{\"dtype\":\"I64\",\"shape\":[12,20]", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.position_embeddings.weight\": expected "
     "shape [24, 20], found [12, 20]"},
    {"bert", WEIGHTS, "token_type_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[2,20]",
     "token_type_embeddings.weight\":{\"dtype\":\"I64\",\"shape\":[2,10]", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.token_type_embeddings.weight\": "
     "expected shape [2, 20], found [2, 10]"},
    {"bert", WEIGHTS, "token_type_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[2,20]",
     "token_type_embeddings.weight\":{\"dtype\":\"I32\",\"shape\":[2,20]", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.token_type_embeddings.weight\": "
     "expected F32, F16, BF16 or F64, found I32"},
    {"bert", WEIGHTS, "token_type_embeddings.weight\":{\"dtype\":\"F32\",\"shape\":[2,20]",
     "token_type_embeddings.weight\":{\"dtype\":\"Q4\",\"shape\":[2,20]", EMBED_EFORMAT,
     "model.safetensors: tensor \"bert.embeddings.token_type_embeddings.weight\": dtype: "
     "expected one of the format (F32, F16, BF16...), found \"Q4\""},
    {"bert", WEIGHTS, "bert.embeddings.word_embeddings.weight", "bert.embeddings.words",
     EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.word_embeddings.weight\" (or without "
     "that prefix): expected shape [90, 20], found no such tensor"},
    {"bert", WEIGHTS, "bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.scale",
     EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.embeddings.LayerNorm.weight\" (or without that "
     "prefix): expected shape [20], found no such tensor"},
    {"bert", WEIGHTS, "bert.encoder.layer.1.attention.self.key.weight",
     "bert.encoder.layer.1.attention.self.keys", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.encoder.layer.1.attention.self.key.weight\" (or "
     "without that prefix): expected shape [20, 20], found no such tensor"},
    {"bert", WEIGHTS, "bert.encoder.layer.1.attention.self.key.bias",
     "bert.encoder.layer.1.attention.self.keys", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.encoder.layer.1.attention.self.key.bias\" (or "
     "without that prefix): expected shape [20], found no such tensor"},
    {"bert", WEIGHTS, "bert.encoder.layer.0.output.dense.weight",
     "bert.encoder.layer.0.output.matrix", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.encoder.layer.0.output.dense.weight\" (or without "
     "that prefix): expected shape [20, 36], found no such tensor"},
    {"bert", WEIGHTS, "bert.pooler.dense.bias", "bert.pooler.dense.b", EMBED_ETENSOR,
     "model.safetensors: tensor \"bert.pooler.dense.bias\" (or without that prefix): "
     "expected shape [20], found no such tensor"},
    {"distilbert", WEIGHTS, "distilbert.transformer.layer.0.sa_layer_norm.bias",
     "distilbert.transformer.layer.0.sa_layer_norm.b", EMBED_ETENSOR,
     "model.safetensors: tensor \"distilbert.transformer.layer.0.sa_layer_norm.bias\" (or "
     "without that prefix): expected shape [18], found no such tensor"},
    {"electra", WEIGHTS, "electra.embeddings_project.weight", "electra.embeddings_projection",
     EMBED_ETENSOR,
     "model.safetensors: tensor \"electra.embeddings_project.weight\" (or without that "
     "prefix): expected shape [20, 12], found no such tensor"},
    {"electra", WEIGHTS, NULL, NULL, EMBED_EIO,
     "expected model.safetensors or pytorch_model.bin, whole or with an "
     "index of shards, found neither"},
    {"bert-sharded", "model-00002-of-00003.safetensors", NULL, NULL, EMBED_EIO,
     "model.safetensors.index.json: tensor \"bert.embeddings.LayerNorm.bias\": shard "
     "\"model-00002-of-00003.safetensors\": expected this file beside the index, found "
     "none"},
    {"bert-sharded", INDEX, NULL, NULL, EMBED_EIO,
     "expected model.safetensors or pytorch_model.bin, whole or with an "
     "index of shards, found neither"},
    {"bert-sharded", INDEX, NULL, "{", EMBED_EFORMAT,
     "model.safetensors.index.json: line 1: expected a key in quotes, found the end of "
     "the text"},
    {"bert-sharded", INDEX, NULL, "{\"weight_map\": []}", EMBED_EFORMAT,
     "model.safetensors.index.json: weight_map: expected an object of file names, found "
     "an array"},
    {"bert-sharded", INDEX, "\"model-00001-of-00003.safetensors\"",
     "\"../model-00001-of-00003.safetensors\"", EMBED_EFORMAT,
     "model.safetensors.index.json: tensor \"bert.embeddings.word_embeddings.weight\": "
     "shard \"../model-00001-of-00003.safetensors\": expected the name of a file in the "
     "same folder, found a path"},
    {"bert-sharded", INDEX, "\"model-00001-of-00003.safetensors\"", "\"/etc/passwd\"",
     EMBED_EFORMAT,
     "model.safetensors.index.json: tensor \"bert.embeddings.word_embeddings.weight\": "
     "shard \"/etc/passwd\": expected the name of a file in the same folder, found a path"},
    {"bert-sharded", INDEX, "\"model-00001-of-00003.safetensors\"", "1", EMBED_EFORMAT,
     "model.safetensors.index.json: line 6: tensor "
     "\"bert.embeddings.word_embeddings.weight\": expected a file name, found an integer"},
    {"bert-sharded", INDEX, "\"model-00001-of-00003.safetensors\"",
     "\"model-00003-of-00003.safetensors\"", EMBED_ETENSOR,
     "model.safetensors.index.json: tensor \"bert.embeddings.word_embeddings.weight\": "
     "shard \"model-00003-of-00003.safetensors\": expected this tensor in it, found none"},
    {"bert-sharded", "model-00002-of-00003.safetensors", NULL, "short", EMBED_EFORMAT,
     "model-00002-of-00003.safetensors: expected a safetensors file of at least 8 bytes, "
     "found 5"},
};

static void test_weights(void **state)
{
    (void)state;
    refuse_each(weights, COUNT(weights), false);
}

/* Cut anywhere: in the size, the header, the data. */
static void test_truncated_weights(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        const char *message;
    } cuts[] = {
        {7, "model.safetensors: expected a safetensors file of at least 8 bytes, found 7"},
        {8, "model.safetensors: header: expected 4512 bytes, found 0: the file was cut short"},
        {4519, "model.safetensors: header: expected 4512 bytes, found 4511: the file was "
               "cut short"},
        {4520, "model.safetensors: expected 39480 bytes of data, found 0: the file was cut short"},
        {43999, "model.safetensors: expected 39480 bytes of data, found 39479: the file was "
                "cut short"},
    };
    size_t size;
    char *data = slurp("tests/data/models/bert/model.safetensors", &size);
    assert_int_equal(size, 44000);
    copy_model("bert");
    for (size_t i = 0; i < COUNT(cuts); i++) {
        put_file(WEIGHTS, data, cuts[i].size);
        assert_refused("cut short", EMBED_EFORMAT, cuts[i].message);
    }
    for (size_t n = 0; n < size; n += 211) { /* and nowhere more than an error */
        put_file(WEIGHTS, data, n);
        embed_model *model;
        assert_int_equal(embed_model_open(temp, NULL, &model, NULL), EMBED_EFORMAT);
    }
    free(data);
}

/* pytorch_model.bin is read where there is no model.safetensors; nothing in it is run. */
static void test_pickled_weights(void **state)
{
    (void)state;
    copy_model("bert");
    put_text("pytorch_model.bin", ""); /* not looked at */
    embed_model_free(open_good());
    edit(WEIGHTS, NULL, NULL);
    assert_refused("not an archive", EMBED_EUNSUPPORTED,
                   "pytorch_model.bin: expected an archive of torch.save, found something else");
    copy_model("st-dense");
    edit("2_Dense/model.safetensors", NULL, NULL);
    put_text("2_Dense/pytorch_model.bin", "\x80\x02");
    assert_refused("an old pickle", EMBED_EUNSUPPORTED,
                   "2_Dense/pytorch_model.bin: expected an archive of torch.save, found a plain pickle, as "
                   "PyTorch before 1.6 wrote them: load and save it again");
}

static void test_missing_pooler(void **state)
{
    (void)state;
    copy_model("bert");
    edit(WEIGHTS, "bert.pooler.dense.weight", "bert.pooler.dense.w");
    edit(WEIGHTS, "bert.pooler.dense.bias", "bert.pooler.dense.b");
    embed_model *model = open_good();
    assert_int_equal(embed_model_info(model, EMBED_INFO_HAS_POOLER), 0);
    assert_null(embed_model_warning(model, 0));
    assert_non_null(strstr(embed_model_describe(model), "\"pooler\":false"));
    embed_session *session;
    assert_int_equal(embed_session_create(model, NULL, &session, NULL), EMBED_OK);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = EMBED_POOL_POOLER;
    const char *text = "kodo ge";
    float vector[20];
    assert_int_equal(embed_encode_texts(session, &text, NULL, 1, &options, vector, 20),
                     EMBED_EMISSING);
    assert_string_equal(embed_session_error(session), "pooling: the model has no pooler");
    assert_int_equal(embed_pooler(session, vector, vector), EMBED_EMISSING);
    assert_string_equal(embed_session_error(session), "the model has no pooler");
    assert_int_equal(embed_output_dim(model, &options), EMBED_EMISSING);
    embed_session_free(session);
    embed_model_free(model);
}

/* ---- modules ----------------------------------------------------------------------------- */

static const change modules[] = {
    {"st-dense", MODULES, NULL, "{", EMBED_EFORMAT,
     "modules.json: line 1: expected a key in quotes, found the end of the text"},
    {"st-dense", MODULES, NULL, "{}", EMBED_EFORMAT,
     "modules.json: expected an array of modules, found an object"},
    {"st-dense", MODULES, NULL, "[]", EMBED_EFORMAT,
     "modules.json: expected 1 to 64 modules, found 0"},
    {"st-dense", MODULES, NULL, "[1, 2]", EMBED_EFORMAT,
     "modules.json: module 0: expected an object, found an integer"},
    {"st-dense", MODULES, NULL,
     "[{\"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"}]", EMBED_EFORMAT,
     "modules.json: expected a Pooling module after the Transformer, found none"},
    {"st-dense", MODULES, "models.Transformer", "models.WordEmbeddings", EMBED_EUNSUPPORTED,
     "modules.json: module 0: expected a Transformer, CLIPModel or StaticEmbedding, found "
     "\"sentence_transformers.models.WordEmbeddings\""},
    {"st-dense", MODULES, "models.Transformer", "models.CLIPModel", EMBED_EUNSUPPORTED,
     "modules.json: module 1: expected Dense, LayerNorm, Normalize or Dropout, found "
     "\"sentence_transformers.models.Pooling\""},
    {"st-dense", MODULES, "sentence_transformers.models.Transformer", "custom_st.Transformer",
     EMBED_EUNSUPPORTED,
     "modules.json: module 0: expected a Transformer, CLIPModel or StaticEmbedding, found \"custom_st.Transformer\""},
    {"st-dense", MODULES, "models.Pooling", "models.WeightedLayerPooling", EMBED_EUNSUPPORTED,
     "modules.json: module 1: expected Pooling, found "
     "\"sentence_transformers.models.WeightedLayerPooling\""},
    {"st-dense", MODULES, "models.Pooling", "models.Dense", EMBED_EUNSUPPORTED,
     "modules.json: module 1: expected Pooling, found "
     "\"sentence_transformers.models.Dense\""},
    {"st-dense", MODULES, "models.Dense", "models.Router", EMBED_EUNSUPPORTED,
     "modules.json: module 2: expected Dense, LayerNorm, Normalize or Dropout, found "
     "\"sentence_transformers.models.Router\""},
    {"st-dense", MODULES, "sentence_transformers.models.Dense", "custom_st.Dense",
     EMBED_EUNSUPPORTED,
     "modules.json: module 2: expected Dense, LayerNorm, Normalize or Dropout, found "
     "\"custom_st.Dense\""},
    {"st-dense", MODULES, "\"path\": \"\"", "\"path\": 3", EMBED_EFORMAT,
     "modules.json: line 5: path: expected a string, found an integer"},
    {"st-dense", MODULES, "\"path\": \"\"", "\"path\": \"0_Transformer\"", EMBED_EIO,
     "0_Transformer/config.json: expected the model's configuration, found none"},
    {"st-dense", MODULES, "\"path\": \"2_Dense\"", "\"path\": \"../2_Dense\"", EMBED_EFORMAT,
     "modules.json: path \"../2_Dense\": expected a folder of the model directory, found "
     "one that leads out of it"},
    {"st-dense", MODULES, "\"path\": \"2_Dense\"", "\"path\": \"2_Missing\"", EMBED_EIO,
     "2_Missing/config.json: expected the module's file, found none"},
    {"st-dense", MODULES, "\"type\": \"sentence_transformers.models.Normalize\"",
     "\"kind\": \"x\"", EMBED_EUNSUPPORTED,
     "modules.json: module 3: expected Dense, LayerNorm, Normalize or Dropout, found \"\""},
    {"st-dense", POOLING, NULL, NULL, EMBED_EIO,
     "1_Pooling/config.json: expected the pooling module's file, found none"},
    {"st-dense", POOLING, NULL, "[]", EMBED_EFORMAT,
     "1_Pooling/config.json: expected an object, found an array"},
    {"st-list", POOLING, "\"cls\"", "\"attention\"", EMBED_EUNSUPPORTED,
     "1_Pooling/config.json: pooling_mode: expected cls, max, mean, mean_sqrt_len_tokens, "
     "weightedmean or lasttoken, found \"attention\""},
    {"st-list", POOLING, "\"cls\"", "1", EMBED_EUNSUPPORTED,
     "1_Pooling/config.json: pooling_mode: expected cls, max, mean, mean_sqrt_len_tokens, "
     "weightedmean or lasttoken, found an integer"},
    {"st-list", POOLING, "[\n  \"cls\",\n  \"weightedmean\"\n ]", "{}", EMBED_EUNSUPPORTED,
     "1_Pooling/config.json: pooling_mode: expected cls, max, mean, mean_sqrt_len_tokens, "
     "weightedmean or lasttoken, found an object"},
    {"st-list", POOLING, "[\n  \"cls\",\n  \"weightedmean\"\n ]",
     "[\"cls\", \"cls\", \"cls\", \"cls\", \"cls\", \"cls\", \"cls\"]", EMBED_EUNSUPPORTED,
     "1_Pooling/config.json: pooling_mode: expected at most 6 modes, found more"},
    {"st-list", POOLING, "[\n  \"cls\",\n  \"weightedmean\"\n ]", "[]", EMBED_EFORMAT,
     "1_Pooling/config.json: pooling_mode: expected at least one mode, found none"},
    {"st-dense", POOLING, "\"pooling_mode_mean_tokens\": true", "\"pooling_mode_mean_tokens\": 1",
     EMBED_EFORMAT,
     "1_Pooling/config.json: line 4: pooling_mode_mean_tokens: expected true or false, "
     "found an integer"},
    {"st-list", POOLING, "false", "\"no\"", EMBED_EFORMAT,
     "1_Pooling/config.json: line 7: include_prompt: expected true or false, found a "
     "string"},
    {"st-dense", POOLING, "20", "24", EMBED_EFORMAT,
     "1_Pooling/config.json: embedding dimension: expected the model's hidden_size 20, "
     "found 24"},
    {"st-list", POOLING, "20", "24", EMBED_EFORMAT,
     "1_Pooling/config.json: embedding dimension: expected the model's hidden_size 20, "
     "found 24"},
    {"st-list", POOLING, "20", "\"20\"", EMBED_EFORMAT,
     "1_Pooling/config.json: line 2: embedding_dimension: expected an integer, found a "
     "string"},
    {"st-dense", DENSE, NULL, NULL, EMBED_EIO,
     "2_Dense/config.json: expected the module's file, found none"},
    {"st-dense", DENSE, "\"in_features\": 20", "\"in_features\": 24", EMBED_EFORMAT,
     "2_Dense/config.json: in_features: expected the 20 numbers that the module before "
     "gives, found 24"},
    {"st-dense", DENSE, "\"in_features\": 20,", "", EMBED_EFORMAT,
     "2_Dense/config.json: in_features: expected a size, found none"},
    {"st-dense", DENSE, "\"out_features\": 18", "\"out_features\": 17", EMBED_ETENSOR,
     "2_Dense/model.safetensors: tensor \"linear.weight\": expected shape [17, 20], found "
     "[18, 20]"},
    {"st-dense", DENSE, "\"out_features\": 18", "\"out_features\": 0", EMBED_EFORMAT,
     "2_Dense/config.json: line 3: out_features: expected an integer from 1 to 268435456, "
     "found 0"},
    {"st-dense", DENSE, "activation.Tanh", "activation.Softplus", EMBED_EUNSUPPORTED,
     "2_Dense/config.json: activation_function: expected torch's Tanh, Identity, ReLU, "
     "GELU, SiLU or Sigmoid, found \"torch.nn.modules.activation.Softplus\""},
    {"st-dense", DENSE, "\"bias\": true", "\"module_input_name\": \"token_embeddings\"",
     EMBED_EUNSUPPORTED,
     "2_Dense/config.json: module_input_name: expected \"sentence_embedding\", found "
     "\"token_embeddings\", which is not implemented"},
    {"st-dense", DENSE, "\"bias\": true", "\"module_output_name\": \"token_embeddings\"",
     EMBED_EUNSUPPORTED,
     "2_Dense/config.json: module_output_name: expected \"sentence_embedding\", found "
     "\"token_embeddings\", which is not implemented"},
    {"st-dense", DENSE, "\"bias\": true", "\"bias\": \"yes\"", EMBED_EFORMAT,
     "2_Dense/config.json: line 4: bias: expected true or false, found a string"},
    {"st-dense", DENSE, "\"bias\": true", "\"use_residual\": true", EMBED_ETENSOR,
     "2_Dense/model.safetensors: tensor \"residual.weight\": expected shape [18, 20], "
     "found no such tensor"},
    {"st-dense", "2_Dense/model.safetensors", NULL, NULL, EMBED_EIO,
     "2_Dense: expected model.safetensors or pytorch_model.bin, whole or with an "
     "index of shards, found neither"},
    {"st-dense", "2_Dense/model.safetensors", "linear.bias", "linear.b", EMBED_ETENSOR,
     "2_Dense/model.safetensors: tensor \"linear.bias\": expected shape [18], found no "
     "such tensor"},
    {"st-dense", "2_Dense/model.safetensors", "linear.weight", "weight", EMBED_ETENSOR,
     "2_Dense/model.safetensors: tensor \"linear.weight\": expected shape [18, 20], found "
     "no such tensor"},
    {"st-list", "2_LayerNorm/config.json", NULL, NULL, EMBED_EIO,
     "2_LayerNorm/config.json: expected the module's file, found none"},
    {"st-list", "2_LayerNorm/config.json", "40", "20", EMBED_EFORMAT,
     "2_LayerNorm/config.json: dimension: expected the 40 numbers that the module before "
     "gives, found 20"},
    {"st-list", "2_LayerNorm/config.json", NULL, "{}", EMBED_EFORMAT,
     "2_LayerNorm/config.json: dimension: expected a size, found none"},
    {"st-list", "2_LayerNorm/model.safetensors", "norm.weight", "norm.w", EMBED_ETENSOR,
     "2_LayerNorm/model.safetensors: tensor \"norm.weight\": expected shape [40], found "
     "no such tensor"},
    {"st-list", "3_Dense/config.json", "40", "41", EMBED_EFORMAT,
     "3_Dense/config.json: in_features: expected the 40 numbers that the module before "
     "gives, found 41"},
    {"st-dense", SENTENCE, "16", "0", EMBED_EFORMAT,
     "sentence_bert_config.json: line 2: max_seq_length: expected an integer from 1 to "
     "268435456, found 0"},
    {"st-dense", SENTENCE, "16", "\"16\"", EMBED_EFORMAT,
     "sentence_bert_config.json: line 2: max_seq_length: expected an integer, found a "
     "string"},
    {"st-dense", SENTENCE, "false", "0", EMBED_EFORMAT,
     "sentence_bert_config.json: line 3: do_lower_case: expected true or false, found an "
     "integer"},
    {"st-dense", SENTENCE, NULL, "[]", EMBED_EFORMAT,
     "sentence_bert_config.json: expected an object, found an array"},
    {"st-dense", SENTENCE, "\"do_lower_case\": false", "\"tokenizer_args\": {\"use_fast\": false}",
     EMBED_EUNSUPPORTED,
     "sentence_bert_config.json: tokenizer_args: expected no arguments, which is all that "
     "is implemented, found \"use_fast\""},
    {"st-dense", SENTENCE, "\"do_lower_case\": false", "\"config_args\": {\"is_decoder\": true}",
     EMBED_EUNSUPPORTED,
     "sentence_bert_config.json: config_args: expected no arguments, which is all that is "
     "implemented, found \"is_decoder\""},
    {"st-dense", SENTENCE, "\"do_lower_case\": false", "\"tokenizer_args\": 3", EMBED_EFORMAT,
     "sentence_bert_config.json: tokenizer_args: expected an object, found an integer"},
    {"st-dense", SENTENCE, "\"do_lower_case\": false", "\"transformer_task\": \"fill-mask\"",
     EMBED_EUNSUPPORTED,
     "sentence_bert_config.json: transformer_task: expected \"feature-extraction\", found "
     "\"fill-mask\", which is not implemented"},
    {"st-dense", SENTENCE, "\"do_lower_case\": false", "\"module_output_name\": \"x\"",
     EMBED_EUNSUPPORTED,
     "sentence_bert_config.json: module_output_name: expected \"token_embeddings\", found "
     "\"x\", which is not implemented"},
    {"st-dense", SENTENCE, "\"do_lower_case\": false",
     "\"modality_config\": {\"text\": {\"method\": \"get_text_features\"}}", EMBED_EUNSUPPORTED,
     "sentence_bert_config.json: modality_config.text: method: expected \"forward\", "
     "found \"get_text_features\", which is not implemented"},
    {"st-dense", SENTENCE, "\"do_lower_case\": false",
     "\"module_output_name\": \"sentence_embedding\"", EMBED_EUNSUPPORTED,
     "modules.json: module 1: expected Dense, LayerNorm, Normalize or Dropout, found "
     "\"sentence_transformers.models.Pooling\""},
    {"st-dense", SENTENCE, "\"do_lower_case\": false",
     "\"module_output_name\": \"sentence_embedding\", \"modality_config\": {\"image\": "
     "{\"method\": \"forward\"}}", EMBED_EUNSUPPORTED,
     "sentence_bert_config.json: modality_config.image: method: expected "
     "\"get_image_features\", found \"forward\", which is not implemented"},
    {"st-dense", PROMPTS, "null", "\"passages\"", EMBED_EFORMAT,
     "config_sentence_transformers.json: default_prompt_name: expected one of the "
     "prompts, found \"passages\""},
    {"st-dense", PROMPTS, "null", "3", EMBED_EFORMAT,
     "config_sentence_transformers.json: line 6: default_prompt_name: expected a string, "
     "found an integer"},
    {"st-dense", PROMPTS, "\"cosine\"", "\"hamming\"", EMBED_EUNSUPPORTED,
     "config_sentence_transformers.json: similarity_fn_name: expected cosine, dot, "
     "euclidean or manhattan, found \"hamming\""},
    {"st-dense", PROMPTS, "\"cosine\"", "1", EMBED_EFORMAT,
     "config_sentence_transformers.json: line 7: similarity_fn_name: expected a string, "
     "found an integer"},
    {"st-dense", PROMPTS, "\"kola: \"", "[\"kola: \"]", EMBED_EFORMAT,
     "config_sentence_transformers.json: line 3: query: expected a string, found an array"},
    {"st-dense", PROMPTS, "{\n  \"query\": \"kola: \",\n  \"passage\": \"\"\n }", "[]",
     EMBED_EFORMAT,
     "config_sentence_transformers.json: prompts: expected an object of at most 4096 "
     "texts, found an array"},
    {"st-dense", PROMPTS, "\"cosine\"", "\"cosine\", \"truncate_dim\": 0", EMBED_EFORMAT,
     "config_sentence_transformers.json: line 7: truncate_dim: expected an integer from 1 "
     "to 268435456, found 0"},
    {"st-dense", PROMPTS, "\"cosine\"", "\"cosine\", \"model_type\": \"SparseEncoder\"",
     EMBED_EUNSUPPORTED,
     "config_sentence_transformers.json: model_type: expected \"SentenceTransformer\", "
     "found \"SparseEncoder\", which is not implemented"},
    {"st-dense", PROMPTS, NULL, "7", EMBED_EFORMAT,
     "config_sentence_transformers.json: expected an object, found an integer"},
};

static void test_modules(void **state)
{
    (void)state;
    refuse_each(modules, COUNT(modules), false);
}

/* Both dialects of sentence-transformers' pooling: booleans (5.x), a name or a list (6.x). */
/* CLIP as old files name it, and as version 6 writes it: the vector is the model's own projection. */
static void test_own_pooling(void **state)
{
    (void)state;
    static const char *const first[] = {
        "models.CLIPModel\"}", "sentence_transformer.modules.clip_model.CLIPModel\"}",
        "base.modules.transformer.Transformer\"}",
        "base.modules.transformer.Transformer\"}, {\"path\": \"1_Normalize\", \"type\": "
        "\"sentence_transformers.base.modules.normalize.Normalize\"}",
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
        char modules_json[300];
        snprintf(modules_json, sizeof modules_json,
                 "[{\"path\": \"\", \"type\": \"sentence_transformers.%s]", first[i]);
        copy_model("clip");
        put_text(MODULES, modules_json);
        if (i > 0)
            put_text(SENTENCE,
                     "{\"module_output_name\": \"sentence_embedding\", \"modality_config\": {"
                     "\"text\": {\"method\": \"get_text_features\", "
                     "\"method_output_name\": \"pooler_output\"}, \"image\": {\"method\": "
                     "\"get_image_features\", \"method_output_name\": \"pooler_output\"}}}");
        embed_model *model = open_good();
        assert_non_null(strstr(embed_model_describe(model), "\"pooling\":{\"modes\":[\"projection\"]"));
        assert_int_equal(embed_output_dim(model, NULL), 6);
        embed_model_free(model);
    }
}

static void test_pooling_dialects(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        int32_t pooling;
        int64_t dim;
        const char *modes; /* as embed_model_describe has them */
    } cases[] = {
        {"{\"pooling_mode_cls_token\": true}", EMBED_POOL_CLS, 20, "[\"cls\"]"},
        {"{\"pooling_mode_mean_tokens\": true}", EMBED_POOL_MEAN, 20, "[\"mean\"]"},
        {"{\"pooling_mode_max_tokens\": true}", EMBED_POOL_MAX, 20, "[\"max\"]"},
        {"{\"pooling_mode_mean_sqrt_len_tokens\": true}", EMBED_POOL_SQRT_LEN, 20,
         "[\"sqrt_len\"]"},
        {"{\"pooling_mode_weightedmean_tokens\": true}", EMBED_POOL_WEIGHTED, 20,
         "[\"weighted\"]"},
        {"{\"pooling_mode_lasttoken\": true}", EMBED_POOL_LAST, 20, "[\"last\"]"},
        {"{\"pooling_mode_mean_tokens\": true, \"pooling_mode_cls_token\": true}", EMBED_POOL_CLS,
         40, "[\"cls\",\"mean\"]"},
        {"{\"pooling_mode\": \"cls\"}", EMBED_POOL_CLS, 20, "[\"cls\"]"},
        {"{\"pooling_mode\": \"mean\"}", EMBED_POOL_MEAN, 20, "[\"mean\"]"},
        {"{\"pooling_mode\": \"max\"}", EMBED_POOL_MAX, 20, "[\"max\"]"},
        {"{\"pooling_mode\": \"mean_sqrt_len_tokens\"}", EMBED_POOL_SQRT_LEN, 20,
         "[\"sqrt_len\"]"},
        {"{\"pooling_mode\": \"weightedmean\"}", EMBED_POOL_WEIGHTED, 20, "[\"weighted\"]"},
        {"{\"pooling_mode\": \"lasttoken\"}", EMBED_POOL_LAST, 20, "[\"last\"]"},
        {"{\"pooling_mode\": [\"mean\", \"cls\"]}", EMBED_POOL_MEAN, 40, "[\"mean\",\"cls\"]"},
        {"{\"pooling_mode\": \"cls\", \"pooling_mode_max_tokens\": true}", EMBED_POOL_CLS, 20,
         "[\"cls\"]"},
        {"{\"embedding_dimension\": 20}", EMBED_POOL_MEAN, 20, "[\"mean\"]"},
    };
    copy_model("st-dense");
    edit(MODULES, "sentence_transformers.models.Dense", "sentence_transformers.models.Dropout");
    for (size_t i = 0; i < COUNT(cases); i++) {
        char modes[64];
        put_text(POOLING, cases[i].config);
        embed_model *model = open_good();
        assert_int_equal(embed_model_info(model, EMBED_INFO_POOLING), cases[i].pooling);
        assert_int_equal(embed_model_info(model, EMBED_INFO_DIM), cases[i].dim);
        assert_int_equal(embed_model_info(model, EMBED_INFO_NORMALIZES), 1);
        snprintf(modes, sizeof modes, "\"modes\":%s", cases[i].modes);
        if (!strstr(embed_model_describe(model), modes))
            fail_msg("%s: expected %s, found %s", cases[i].config, modes,
                     embed_model_describe(model));
        embed_model_free(model);
    }
}

/* Where the greatest length comes from, and what is said when there are fewer positions. */
static void test_max_length(void **state)
{
    (void)state;
    copy_model("st-dense");
    embed_model *model = open_good();
    assert_int_equal(embed_model_info(model, EMBED_INFO_MAX_LENGTH), 16);
    embed_model_free(model);
    edit(SENTENCE, "16", "25");
    model = open_good();
    assert_int_equal(embed_model_info(model, EMBED_INFO_MAX_LENGTH), 24);
    assert_string_equal(
        embed_model_warning(model, 0),
        "max_seq_length is 25, but the model has 24 positions: texts are cut to those");
    embed_model_free(model);
    edit(SENTENCE, NULL, NULL);
    edit(TOKENIZER_CONFIG, "24", "9");
    model = open_good();
    assert_int_equal(embed_model_info(model, EMBED_INFO_MAX_LENGTH), 9);
    embed_model_free(model);
}

/* ---- tokenizer --------------------------------------------------------------------------- */

static const change tokenizers[] = {
    {"bert", TOKENIZER, NULL, "{", EMBED_EFORMAT,
     "tokenizer.json: line 1: expected a key in quotes, found the end of the text"},
    {"bert", TOKENIZER, NULL, "[]", EMBED_EFORMAT,
     "tokenizer.json: expected an object, found an array"},
    {"bert", TOKENIZER, "\"type\": \"WordPiece\", \"unk_token\"",
     "\"type\": \"BPE\", \"unk_token\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: model: type: expected WordPiece, as BertTokenizer has it, found "
     "\"BPE\""},
    {"bert", TOKENIZER, "\"type\": \"WordPiece\", \"unk_token\"",
     "\"type\": \"Unigram\", \"unk_token\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: model: type: expected WordPiece, as BertTokenizer has it, found "
     "\"Unigram\""},
    {"bert", TOKENIZER, "\"version\": \"1.0\"", "\"version\": \"2.0\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: version: expected \"1.0\", found \"2.0\""},
    {"bert", TOKENIZER, "\"nari\": 61", "\"nari\": \"61\"", EMBED_EFORMAT,
     "tokenizer.json: line 1: model.vocab: \"nari\": expected an id, found a string"},
    {"bert", TOKENIZER, "\"nari\": 61", "\"nari\": -1", EMBED_EFORMAT,
     "tokenizer.json: line 1: model.vocab: \"nari\": expected an id, found an integer out "
     "of range"},
    {"bert", TOKENIZER, "\"id\": 4, \"content\": \"[MASK]\"", "\"id\": 4, \"content\": 5",
     EMBED_EFORMAT, "tokenizer.json: line 1: content: expected a string, found an integer"},
    {"bert", TOKENIZER_CONFIG, "\"model_max_length\": 24", "\"model_max_length\": \"long\"",
     EMBED_EFORMAT,
     "tokenizer_config.json: line 10: model_max_length: expected a number, found a string"},
    {"bert", TOKENIZER_CONFIG, "\"[CLS]\"", "7", EMBED_EFORMAT,
     "tokenizer_config.json: line 4: expected a token, found an integer"},
    {"bert", TOKENIZER_CONFIG, "\"BertTokenizer\"", "\"XLMRobertaTokenizer\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: model: type: expected Unigram, as XLMRobertaTokenizer has it, found "
     "\"WordPiece\""},
    {"bert", TOKENIZER_CONFIG, NULL, "[]", EMBED_EFORMAT,
     "tokenizer_config.json: expected an object, found an array"},
    {"bert", "special_tokens_map.json", NULL, "[]", EMBED_EFORMAT,
     "special_tokens_map.json: expected an object, found an array"},
    {"bert-bare", "vocab.txt", NULL, "a\n\377\n", EMBED_EFORMAT,
     "vocab.txt: line 2: not valid UTF-8"},
    {"bert-bare", TOKENIZER_CONFIG, NULL, "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}",
     EMBED_EIO, "tokenizer: expected tokenizer.json, found only vocab.txt"},
};

/* A generic tokenizer class takes the components of tokenizer.json as they are. */
static const change components[] = {
    {"bert", TOKENIZER, "\"BertPreTokenizer\"", "\"BertScripts\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: pre_tokenizer: type: \"BertScripts\" is not supported"},
    {"bert", TOKENIZER, "\"BertNormalizer\"", "\"Magic\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: normalizer: type: \"Magic\" is not supported"},
    {"bert", TOKENIZER, "\"TemplateProcessing\"", "\"Magic\"", EMBED_EUNSUPPORTED,
     "tokenizer.json: post_processor: type: expected BertProcessing, RobertaProcessing, "
     "TemplateProcessing, ByteLevel or Sequence, found \"Magic\""},
    {"bert", TOKENIZER, "\"max_input_chars_per_word\": 100",
     "\"max_input_chars_per_word\": \"all\"", EMBED_EFORMAT,
     "tokenizer.json: line 1: max_input_chars_per_word: expected an integer, found a "
     "string"},
    {"bert", TOKENIZER, "\"lowercase\": true", "\"lowercase\": 1", EMBED_EFORMAT,
     "normalizer: tokenizer.json: line 1: lowercase: expected true or false, found an "
     "integer"},
};

static void test_tokenizer(void **state)
{
    (void)state;
    refuse_each(tokenizers, COUNT(tokenizers), false);
    refuse_each(components, COUNT(components), true);
}

static void test_no_tokenizer(void **state)
{
    (void)state;
    copy_model("bert");
    edit(TOKENIZER, NULL, NULL);
    embed_model *model = open_good();
    assert_int_equal(embed_model_info(model, EMBED_INFO_HAS_TOKENIZER), 0);
    assert_string_equal(
        embed_model_warning(model, 0),
        "no tokenizer.json or vocabulary: token ids can be encoded, texts cannot");
    assert_null(embed_token_text(model, 0));
    assert_int_equal(embed_token_id(model, "[CLS]"), EMBED_EMISSING);
    embed_session *session;
    assert_int_equal(embed_session_create(model, NULL, &session, NULL), EMBED_OK);
    const char *text = "kodo";
    float vector[20];
    assert_int_equal(embed_encode_texts(session, &text, NULL, 1, NULL, vector, 20), EMBED_EKIND);
    assert_string_equal(embed_session_error(session),
                        "the model directory has no tokenizer: it takes token ids alone");
    assert_int_equal(embed_tokenize(session, text, -1, NULL, 0, NULL, NULL), EMBED_EKIND);
    assert_string_equal(embed_session_error(session), "the model directory has no tokenizer");
    const int32_t ids[] = {2, 70, 3};
    const int64_t offsets[] = {0, 3};
    embed_input input = EMBED_INPUT_INIT;
    input.count = 1;
    input.ids = ids;
    input.offsets = offsets;
    assert_int_equal(embed_encode(session, &input, NULL, vector, 20), EMBED_OK);
    embed_session_free(session);
    embed_model_free(model);
}

/* A model of two towers whose tokenizer is not implemented still takes images. */
static void test_images_without_tokenizer(void **state)
{
    (void)state;
    copy_model("siglip");
    put_text("tokenizer.json", "{}");
    put_text("tokenizer_config.json", "{\"tokenizer_class\":\"MagicTokenizer\"}");
    embed_model *model = open_good();
    assert_int_equal(embed_model_info(model, EMBED_INFO_HAS_TOKENIZER), 0);
    assert_int_equal(embed_model_info(model, EMBED_INFO_TAKES_IMAGES), 1);
    assert_string_equal(embed_model_warning(model, 0),
                        "tokenizer_config.json: tokenizer_class: \"MagicTokenizer\" is not supported: "
                        "texts cannot be encoded, images and token ids can");
    embed_model_free(model);
}

/* SigLIP's texts are filled up with the tokenizer's padding, on its side. */
static void test_padding(void **state)
{
    (void)state;
    for (int left = 0; left < 2; left++) {
        copy_model("siglip-text");
        put_text("special_tokens_map.json", "{}");
        edit(TOKENIZER_CONFIG, "\"pad_token\": \"[UNK]\"",
             left ? "\"pad_token\": \"[SEP]\", \"padding_side\": \"left\""
                  : "\"pad_token\": \"[SEP]\"");
        embed_model *model = open_good();
        embed_session *session;
        assert_int_equal(embed_session_create(model, NULL, &session, NULL), EMBED_OK);
        const char *text = "j p";
        float vectors[2][10];
        assert_int_equal(embed_encode_texts(session, &text, NULL, 1, NULL, vectors[0], 10),
                         EMBED_OK);
        int32_t ids[16] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
        const int64_t n = embed_tokenize(session, text, -1, NULL, 0, NULL, NULL);
        assert_in_range(n, 3, 8);
        embed_tokens tokens = EMBED_TOKENS_INIT;
        tokens.capacity = n;
        tokens.ids = left ? ids + 16 - n : ids;
        assert_int_equal(embed_tokenize(session, text, -1, NULL, 0, NULL, &tokens), n);
        const int64_t offsets[] = {0, 16};
        embed_input input = EMBED_INPUT_INIT;
        input.count = 1;
        input.ids = ids;
        input.offsets = offsets;
        assert_int_equal(embed_encode(session, &input, NULL, vectors[1], 10), EMBED_OK);
        assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
        embed_session_free(session);
        embed_model_free(model);
    }
}

/* More tokens than rows of the embedding table: said, and only a text that needs one fails. */
static void test_tokenizer_larger_than_the_table(void **state)
{
    (void)state;
    copy_model("bert");
    edit(TOKENIZER, "\"nari\": 61", "\"nari\": 95");
    embed_model *model = open_good();
    assert_string_equal(embed_model_warning(model, 0),
                        "the tokenizer has ids up to 95, the embedding table 90 rows: texts that "
                        "need more fail");
    embed_session *session;
    assert_int_equal(embed_session_create(model, NULL, &session, NULL), EMBED_OK);
    const char *texts[] = {"kodo", "nari"};
    float vectors[2][20];
    assert_int_equal(embed_encode_texts(session, texts, NULL, 1, NULL, vectors[0], 20), EMBED_OK);
    assert_int_equal(embed_encode_texts(session, texts, NULL, 2, NULL, vectors[0], 20),
                     EMBED_ETOKEN);
    assert_string_equal(embed_session_error(session),
                        "input 1: token 1: expected an id from 0 to 89, found 95");
    embed_session_free(session);
    embed_model_free(model);
}

/* ---- paths, memory and options ----------------------------------------------------------- */

static void assert_path_refused(const char *path, int32_t status, const char *message)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model;
    assert_int_equal(embed_model_open(path, NULL, &model, &error), status);
    assert_null(model);
    assert_string_equal(error.message, message);
}

static void test_paths(void **state)
{
    (void)state;
    char message[256];
    empty_temp();
    assert_refused("an empty folder", EMBED_EIO,
                   "config.json: expected the model's configuration, found none");
    snprintf(message, sizeof message,
             "%s/none: expected a model directory or a single-file model, found no such path",
             temp);
    char path[80];
    snprintf(path, sizeof path, "%s/none", temp);
    assert_path_refused(path, EMBED_EIO, message);
    assert_path_refused("", EMBED_EIO,
                        ": expected a model directory or a single-file model, found no such path");
    assert_path_refused("/dev/null", EMBED_EIO,
                        "/dev/null: null: expected a regular file, found something else");
    assert_path_refused("tests/data/models/bert/config.json", EMBED_EFORMAT,
                        "tests/data/models/bert/config.json: config.json: header: expected a "
                        "length of at "
                        "most 100000000 bytes, found 7306087010016430715: this may not be a "
                        "safetensors file");
    assert_path_refused("tests/data/models/bert/model.safetensors", EMBED_EIO,
                        "tests/data/models/bert/model.safetensors: config.json: expected the "
                        "model's "
                        "configuration, found none");
    copy_model("bert");
    assert_int_equal(remove(temp_path(CONFIG)), 0);
    assert_int_equal(mkdir(temp_path(CONFIG), 0700), 0);
    assert_refused("a folder for a file", EMBED_EIO,
                   "config.json: expected a regular file, found a directory");
}

static void assert_memory_refused(const void *data, size_t size, int32_t status,
                                  const char *message)
{
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model;
    char *exact = malloc(size + !size); /* a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact, data, size);
    int32_t found = embed_model_open_memory(exact, size, NULL, &model, &error);
    if (found != status || strcmp(error.message, message) != 0)
        fail_msg("expected %d, %s\nfound    %d, %s", (int)status, message, (int)found,
                 error.message);
    assert_null(model);
    free(exact);
}

static void test_memory(void **state)
{
    (void)state;
    size_t size;
    char *data = slurp("tests/data/models/st-dense/single.safetensors", &size);
    embed_model *model;
    assert_int_equal(embed_model_open_memory(data, size, NULL, &model, NULL), EMBED_OK);
    embed_model_free(model);
    for (size_t n = 0; n < size; n += 97) {
        char *cut = malloc(n + !n);
        assert_non_null(cut);
        memcpy(cut, data, n);
        assert_int_equal(embed_model_open_memory(cut, n, NULL, &model, NULL), EMBED_EFORMAT);
        assert_null(model);
        free(cut);
    }
    assert_memory_refused("", 0, EMBED_EFORMAT,
                          "model in memory: expected a safetensors file of at least 8 bytes, "
                          "found 0");
    assert_memory_refused("garbage, and more of it", 23, EMBED_EFORMAT,
                          "model in memory: header: expected a length of at most 100000000 "
                          "bytes, found "
                          "3199076778277757287: this may not be a safetensors file");
    char *name = memmem(data, size, "\"config.json\"", 13);
    assert_non_null(name);
    memcpy(name + 1, "no_such_name", 11);
    assert_memory_refused(data, size, EMBED_EIO,
                          "model in memory: config.json: expected the model's configuration, "
                          "found none");
    free(data);
}

static void test_options(void **state)
{
    (void)state;
    embed_error error = EMBED_ERROR_INIT;
    embed_model *model;
    copy_model("bert");
    embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
    options.isa = "avx9000";
    assert_int_equal(embed_model_open(temp, &options, &model, &error), EMBED_EUNSUPPORTED);
    assert_non_null(strstr(error.message, "isa: expected one of c"));
    assert_non_null(strstr(error.message, "found \"avx9000\""));
    options = (embed_open_options)EMBED_OPEN_OPTIONS_INIT;
    options.gemm = 3;
    assert_int_equal(embed_model_open(temp, &options, &model, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "options: gemm: expected an EMBED_GEMM_ value, found 3");
    options = (embed_open_options)EMBED_OPEN_OPTIONS_INIT;
    options.flags = 1u << 7;
    assert_int_equal(embed_model_open(temp, &options, &model, &error), EMBED_EINVAL);
    assert_string_equal(error.message, "options: flags: expected bits of 0x7, found 0x80");
    options.flags = EMBED_OPEN_READ;
    options.isa = "c";
    assert_int_equal(embed_model_open(temp, &options, &model, &error), EMBED_OK);
    embed_model_free(model);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_temp, remove_temp)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_config),
        TEST(test_weights),
        TEST(test_truncated_weights),
        TEST(test_pickled_weights),
        TEST(test_missing_pooler),
        TEST(test_modules),
        TEST(test_own_pooling),
        TEST(test_pooling_dialects),
        TEST(test_max_length),
        TEST(test_tokenizer),
        TEST(test_no_tokenizer),
        TEST(test_images_without_tokenizer),
        TEST(test_padding),
        TEST(test_tokenizer_larger_than_the_table),
        TEST(test_paths),
        TEST(test_memory),
        TEST(test_options),
    };
    return cmocka_run_group_tests_name("open", tests, NULL, NULL);
}
