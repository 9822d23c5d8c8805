/* Tokenizer classes of transformers 5 that put their own normalizer, pre-tokenizer and
 * post-processor in place of those of tokenizer.json, and keep its vocabulary. A class is a line
 * in the table: its components as the text of a tokenizer.json, its special tokens, and its
 * templates. */
#include <stdio.h>

#include "load.h"

#define PIPELINE "tokenizer class"

/* ---- options of tokenizer_config.json ------------------------------------------------------- */

static const emb_json *config_root(const emb_loader *l)
{
    return l->config.config ? emb_json_root(l->config.config) : NULL;
}

static int32_t option(const emb_loader *l, const char *key, bool fallback, bool *out)
{
    return emb_json_read_bool(EMB_CONFIG_FILE, config_root(l), key, fallback, out, l->error);
}

static const char *yes(bool value)
{
    return value ? "true" : "false";
}

/* The first Precompiled of tokenizer.json's normalizer: classes take it over. */
static const emb_json *file_charsmap(const emb_loader *l)
{
    const emb_json *n = emb_json_get(l->json, "normalizer");
    const char *type = emb_json_text(emb_json_get(n, "type"));
    if (type && !strcmp(type, "Sequence")) n = emb_json_first(emb_json_get(n, "normalizers"));
    for (; n; n = emb_json_next_sibling(n)) {
        type = emb_json_text(emb_json_get(n, "type"));
        if (type && !strcmp(type, "Precompiled")) return emb_json_get(n, "precompiled_charsmap");
    }
    return NULL;
}

/* before: what separates it from the one before. */
static void put_charsmap(const emb_loader *l, emb_buffer *out, const char *before)
{
    const char *text = emb_json_text(file_charsmap(l));
    if (!text && !l->spm.charsmap) return;
    emb_buffer_printf(out, "%s{\"type\":\"Precompiled\"", before);
    if (text) {
        emb_buffer_printf(out, ",\"precompiled_charsmap\":");
        emb_buffer_json(out, text);
    }
    emb_buffer_printf(out, "}");
}

/* ---- pipelines ------------------------------------------------------------------------------- */

static void put_unknown(const emb_loader *l, emb_buffer *out)
{
    emb_buffer_printf(out, "\"unk_token\":");
    emb_buffer_json(out, l->config.named[EMB_UNK].token.content);
}

static void put_bert(const emb_loader *l, emb_buffer *out, bool cjk, bool strip, bool lower)
{
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
                      "\"handle_chinese_chars\":%s,\"strip_accents\":%s,\"lowercase\":%s},"
                      "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{",
                      yes(cjk), yes(strip), yes(lower));
    put_unknown(l, out);
}

static int32_t bert(const emb_loader *l, emb_buffer *out)
{
    const emb_tokenizer_config *c = &l->config;
    put_bert(l, out, c->cjk, c->strip, c->lower);
    emb_buffer_printf(out, "}}");
    return EMBED_OK;
}

static int32_t herbert(const emb_loader *l, emb_buffer *out)
{
    put_bert(l, out, true, false, false);
    emb_buffer_printf(out, ",\"end_of_word_suffix\":\"</w>\"}}");
    return EMBED_OK;
}

static int32_t byte_level(const emb_loader *l, emb_buffer *out)
{
    bool space = false;
    int32_t status = option(l, "add_prefix_space", false, &space);
    emb_buffer_printf(out, "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":%s},"
                      "\"model\":{}}", yes(space));
    return status;
}

static const char qwen2_pattern[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}|"
    " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+";

static int32_t qwen2(const emb_loader *l, emb_buffer *out)
{
    bool space = false;
    int32_t status = option(l, "add_prefix_space", false, &space);
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":"
                      "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
                      "\"pattern\":{\"Regex\":\"%s\"},\"behavior\":\"Isolated\","
                      "\"invert\":false},{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,"
                      "\"use_regex\":false}]},\"model\":{}}", qwen2_pattern, yes(space));
    return status;
}

static int32_t clip(const emb_loader *l, emb_buffer *out)
{
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                      "{\"type\":\"NFC\"},{\"type\":\"Replace\",\"pattern\":"
                      "{\"Regex\":\"\\\\s+\"},\"content\":\" \"},"
                      "{\"type\":\"Lowercase\"}]},\"pre_tokenizer\":{\"type\":\"Sequence\","
                      "\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"
                      "\"<\\\\|startoftext\\\\|>|<\\\\|endoftext\\\\|>|'s|'t|'re|'ve|'m|'ll|'d|"
                      "[\\\\p{L}]+|[\\\\p{N}]|[^\\\\s\\\\p{L}\\\\p{N}]+\"},"
                      "\"behavior\":\"Removed\",\"invert\":true},{\"type\":\"ByteLevel\","
                      "\"add_prefix_space\":false}]},"
                      "\"model\":{\"end_of_word_suffix\":\"</w>\",");
    put_unknown(l, out);
    emb_buffer_printf(out, "}}");
    return EMBED_OK;
}

static int32_t put_gemma(const emb_loader *l, emb_buffer *out, const char *before)
{
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s"
                      "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":"
                      "\"\xE2\x96\x81\"}]},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":"
                      "{\"String\":\" \"},\"behavior\":\"MergedWithPrevious\",\"invert\":false},"
                      "\"model\":{\"fuse_unk\":true,\"byte_fallback\":true,", before);
    put_unknown(l, out);
    emb_buffer_printf(out, "}}");
    return EMBED_OK;
}

static int32_t gemma(const emb_loader *l, emb_buffer *out)
{
    return put_gemma(l, out, "");
}

static int32_t siglip2(const emb_loader *l, emb_buffer *out)
{
    return put_gemma(l, out, "{\"type\":\"Lowercase\"},");
}

static void put_metaspace(emb_buffer *out, const char *scheme, bool split)
{
    emb_buffer_printf(out, "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
                      "\"prepend_scheme\":\"%s\",\"split\":%s}", scheme, yes(split));
}

/* Without an unknown token: what is not in the vocabulary is left out. */
static int32_t llama(const emb_loader *l, emb_buffer *out)
{
    bool space = true, legacy = false;
    int32_t status = option(l, "add_prefix_space", true, &space);
    if (status == EMBED_OK) status = option(l, "legacy", false, &legacy);
    emb_buffer_printf(out, "{\"pre_tokenizer\":");
    put_metaspace(out, !space ? "never" : legacy ? "always" : "first", false);
    emb_buffer_printf(out, ",\"model\":{\"fuse_unk\":true,\"byte_fallback\":true}}");
    return status;
}

/* White space apart, a mark before each word; unless the config says otherwise, if it is asked. */
static int32_t put_words(const emb_loader *l, emb_buffer *out, bool asked)
{
    bool space = true;
    int32_t status = asked ? option(l, "add_prefix_space", true, &space) : EMBED_OK;
    emb_buffer_printf(out, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
                      "{\"type\":\"WhitespaceSplit\"},");
    put_metaspace(out, space ? "always" : "never", true);
    emb_buffer_printf(out, "]}");
    return status;
}

static int32_t xlm_roberta(const emb_loader *l, emb_buffer *out)
{
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    put_charsmap(l, out, "");
    emb_buffer_printf(out, "]},");
    int32_t status = put_words(l, out, true);
    emb_buffer_printf(out, ",\"model\":{\"unk_id\":3}}");
    return status;
}

static int32_t t5(const emb_loader *l, emb_buffer *out)
{
    int64_t extra = 100;
    int32_t status = emb_json_read_int(EMB_CONFIG_FILE, config_root(l), "extra_ids", 100, 0,
                                       1 << 20, &extra, l->error);
    if (status == EMBED_OK && extra != 100) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_CONFIG_FILE ": extra_ids: expected 100, found %lld", (long long)extra);
    }
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    put_charsmap(l, out, "");
    emb_buffer_printf(out, "]},");
    put_words(l, out, false);
    emb_buffer_printf(out, ",\"model\":{\"unk_id\":2}}");
    return status;
}

/* Replacements that ALBERT and XLNet begin with. */
#define QUOTES "{\"type\":\"Replace\",\"pattern\":{\"String\":\"``\"},\"content\":\"\\\"\"}," \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"''\"},\"content\":\"\\\"\"}"
#define NO_ACCENTS ",{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"}"

static int32_t xlnet(const emb_loader *l, emb_buffer *out)
{
    bool lower = false;
    int32_t status = option(l, "do_lower_case", false, &lower);
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                      QUOTES NO_ACCENTS "%s", lower ? ",{\"type\":\"Lowercase\"}" : "");
    put_charsmap(l, out, ",");
    emb_buffer_printf(out, "]},");
    put_words(l, out, false);
    emb_buffer_printf(out, ",\"model\":{\"unk_id\":%lld}}",
                      l->spm.count ? (long long)l->spm.unk_id : 0);
    return status;
}

static int32_t albert(const emb_loader *l, emb_buffer *out)
{
    bool keep = false;
    int32_t status = option(l, "keep_accents", false, &keep);
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" QUOTES "%s%s",
                      keep ? "" : NO_ACCENTS,
                      l->config.lower ? ",{\"type\":\"Lowercase\"}" : "");
    put_charsmap(l, out, ",");
    emb_buffer_printf(out, "]},");
    if (status == EMBED_OK) status = put_words(l, out, true);
    emb_buffer_printf(out, ",\"model\":{\"unk_id\":1}}");
    return status;
}

static int32_t deberta_v2(const emb_loader *l, emb_buffer *out)
{
    bool lower = false, punctuation = false, space = true;
    int32_t status = option(l, "do_lower_case", false, &lower);
    if (status == EMBED_OK) status = option(l, "split_by_punct", false, &punctuation);
    if (status == EMBED_OK) status = option(l, "add_prefix_space", true, &space);
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[%s"
                      "{\"type\":\"Replace\",\"pattern\":"
                      "{\"Regex\":\"\\\\s{2,}|[\\\\n\\\\r\\\\t]\"},\"content\":\" \"},"
                      "{\"type\":\"NFC\"},{\"type\":\"Strip\",\"strip_left\":false,"
                      "\"strip_right\":true}]},\"pre_tokenizer\":{\"type\":\"Sequence\","
                      "\"pretokenizers\":[%s", lower ? "{\"type\":\"Lowercase\"}," : "",
                      punctuation ? "{\"type\":\"Punctuation\",\"behavior\":\"Isolated\"}," : "");
    put_metaspace(out, space ? "always" : "first", true);
    emb_buffer_printf(out, "]},\"model\":{}}");
    return status;
}

/* Without an "<unk>" in front, SentencePiece would take the mark that the text begins with away. */
static int32_t siglip(const emb_loader *l, emb_buffer *out)
{
    const emb_sentencepiece *m = &l->spm;
    if (m->byte_fallback || m->treat_whitespace_as_suffix) {
        return emb_fail(l->error, EMBED_EUNSUPPORTED, "%s: %s is not supported", l->class->spm_name,
                        m->byte_fallback ? "byte_fallback" : "treat_whitespace_as_suffix");
    }
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":["
                      "{\"type\":\"SiglipText\",\"lowercase\":%s},{\"type\":\"Prepend\","
                      "\"prepend\":", yes(l->config.lower));
    emb_buffer_json(out, l->config.named[EMB_UNK].token.content);
    emb_buffer_printf(out, "},{\"type\":\"SentencePiece\",\"add_dummy_prefix\":%s,"
                      "\"remove_extra_whitespaces\":%s,\"escape_whitespaces\":%s}]},"
                      "\"model\":{\"unk_id\":%lld}}", yes(m->add_dummy_prefix),
                      yes(m->remove_extra_whitespaces), yes(m->escape_whitespaces),
                      (long long)m->unk_id);
    return EMBED_OK;
}

/* What a tokenizer.model says of itself, for a text that is not cut into words. */
static int32_t lone_model(const emb_loader *l, emb_buffer *out)
{
    const emb_sentencepiece *m = &l->spm;
    emb_buffer_printf(out, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    put_charsmap(l, out, "");
    emb_buffer_printf(out, "%s{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
                      "\"content\":\"\xE2\x96\x81\"}]},\"model\":{\"byte_fallback\":%s,",
                      m->charsmap ? "," : "", yes(m->byte_fallback));
    if (l->class->model == &emb_token_model_unigram) {
        emb_buffer_printf(out, "\"unk_id\":%lld}}", (long long)m->unk_id);
    } else {
        emb_buffer_printf(out, "\"fuse_unk\":true,\"unk_token\":");
        emb_buffer_json(out, l->names.data);
        emb_buffer_printf(out, "}}");
    }
    return EMBED_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define T(text)  {.content = text}
#define OBJECT(text) {.content = text, .object = true}
#define BERT_TOKENS {[EMB_UNK] = T("[UNK]"), [EMB_SEP] = T("[SEP]"), [EMB_PAD] = T("[PAD]"), \
                     [EMB_CLS] = T("[CLS]"), [EMB_MASK] = T("[MASK]")}
#define S_TOKENS {[EMB_BOS] = T("<s>"), [EMB_EOS] = T("</s>"), [EMB_UNK] = T("<unk>"), \
                  [EMB_SEP] = T("</s>"), [EMB_PAD] = T("<pad>"), [EMB_CLS] = T("<s>"), \
                  [EMB_MASK] = T("<mask>")}
#define GEMMA_TOKENS {[EMB_UNK] = T("<unk>"), [EMB_BOS] = T("<bos>"), [EMB_EOS] = T("<eos>"), \
                      [EMB_PAD] = T("<pad>"), [EMB_MASK] = T("<mask>")}
#define END T("<|endoftext|>")
#define BERT(class) {.name = class, .model = &emb_token_model_wordpiece, .pipeline = bert, \
                     .named = BERT_TOKENS, .single = "c A s", .pair = "c A s B:1 s:1"}
#define ROBERTA(class) {.name = class, .model = &emb_token_model_bpe, .pipeline = byte_level, \
                        .named = S_TOKENS, .single = "c A s", .pair = "c A s s B s", .trims = true}

#define TEN(d) "<extra_id_" d "0>", "<extra_id_" d "1>", "<extra_id_" d "2>", "<extra_id_" d "3>", \
    "<extra_id_" d "4>", "<extra_id_" d "5>", "<extra_id_" d "6>", "<extra_id_" d "7>", \
    "<extra_id_" d "8>", "<extra_id_" d "9>"
static const char *const t5_extra[] = {TEN(""), TEN("1"), TEN("2"), TEN("3"), TEN("4"), TEN("5"),
                                       TEN("6"), TEN("7"), TEN("8"), TEN("9"), NULL};
static const char *const xlnet_extra[] = {"<eop>", "<eod>", NULL};
static const char *const camembert_extra[] = {"<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED", NULL};

static const emb_tokenizer_class classes[] = {
    BERT("BertTokenizer"), BERT("DistilBertTokenizer"), BERT("ElectraTokenizer"),
    BERT("MobileBertTokenizer"), BERT("SqueezeBertTokenizer"), BERT("LayoutLMTokenizer"),
    BERT("LxmertTokenizer"), BERT("DPRContextEncoderTokenizer"),
    BERT("DPRQuestionEncoderTokenizer"),
    {.name = "MPNetTokenizer", .model = &emb_token_model_wordpiece, .pipeline = bert,
     .named = {[EMB_BOS] = OBJECT("<s>"), [EMB_EOS] = OBJECT("</s>"), [EMB_UNK] = OBJECT("[UNK]"),
               [EMB_SEP] = OBJECT("</s>"), [EMB_PAD] = OBJECT("<pad>"), [EMB_CLS] = OBJECT("<s>"),
               [EMB_MASK] = {.content = "<mask>", .object = true, .lstrip = true}},
     .single = "c A s", .pair = "c A s s B s", .trims = true},
    ROBERTA("RobertaTokenizer"), ROBERTA("LongformerTokenizer"), ROBERTA("BartTokenizer"),
    ROBERTA("LEDTokenizer"), ROBERTA("MvpTokenizer"),
    {.name = "HerbertTokenizer", .model = &emb_token_model_bpe, .pipeline = herbert,
     .named = {[EMB_UNK] = T("<unk>"), [EMB_SEP] = T("</s>"), [EMB_PAD] = T("<pad>"),
               [EMB_CLS] = T("<s>"), [EMB_MASK] = T("<mask>")},
     .single = "c A s", .pair = "c A s B:1 s:1"},
    {.name = "GPT2Tokenizer", .model = &emb_token_model_bpe, .pipeline = byte_level,
     .named = {[EMB_UNK] = END, [EMB_BOS] = END, [EMB_EOS] = END}},
    {.name = "Qwen2Tokenizer", .model = &emb_token_model_bpe, .pipeline = qwen2, .adds_again = true,
     .named = {[EMB_UNK] = END, [EMB_EOS] = END, [EMB_PAD] = END}},
    {.name = "CLIPTokenizer", .model = &emb_token_model_bpe, .pipeline = clip,
     .named = {[EMB_UNK] = END, [EMB_BOS] = T("<|startoftext|>"), [EMB_EOS] = END, [EMB_PAD] = END},
     .single = "b A e", .pair = "b A e e B e"},
    {.name = "GemmaTokenizer", .model = &emb_token_model_bpe, .pipeline = gemma,
     .named = GEMMA_TOKENS, .spm_name = "tokenizer.model", .pads_left = true},
    {.name = "Siglip2Tokenizer", .model = &emb_token_model_bpe, .pipeline = siglip2,
     .named = GEMMA_TOKENS, .spm_name = "tokenizer.model", .pads_left = true},
    {.name = "LlamaTokenizer", .model = &emb_token_model_bpe, .pipeline = llama,
     .named = {[EMB_UNK] = T("<unk>"), [EMB_BOS] = T("<s>"), [EMB_EOS] = T("</s>")},
     .spm_name = "tokenizer.model", .not_byte_level = true, .pads_left = true},
    {.name = "XLMRobertaTokenizer", .model = &emb_token_model_unigram, .pipeline = xlm_roberta,
     .named = S_TOKENS, .single = "b A e", .pair = "b A e e B e",
     .spm_name = "sentencepiece.bpe.model", .spm_front = "b p e u", .spm_skip = 3,
     .spm_behind = "m"},
    {.name = "CamembertTokenizer", .model = &emb_token_model_unigram, .pipeline = xlm_roberta,
     .finds_unknown = true, .extra = camembert_extra, .spm_name = "sentencepiece.bpe.model",
     .spm_front = "<s>NOTUSED p </s>NOTUSED u <unk>NOTUSED", .spm_skip = 1, .spm_behind = "m",
     .named = {[EMB_BOS] = T("<s>"), [EMB_EOS] = T("</s>"), [EMB_UNK] = T("<unk>"),
               [EMB_SEP] = T("</s>"), [EMB_PAD] = T("<pad>"), [EMB_CLS] = T("<s>"),
               [EMB_MASK] = {.content = "<mask>", .object = true, .lstrip = true, .special = true}},
     .single = "b A e", .pair = "b A e e B e"},
    {.name = "AlbertTokenizer", .model = &emb_token_model_unigram, .pipeline = albert,
     .spm_name = "spiece.model",
     .named = {[EMB_BOS] = T("[CLS]"), [EMB_EOS] = T("[SEP]"), [EMB_UNK] = T("<unk>"),
               [EMB_SEP] = T("[SEP]"), [EMB_PAD] = T("<pad>"), [EMB_CLS] = T("[CLS]"),
               [EMB_MASK] = T("[MASK]")}},
    {.name = "DebertaV2Tokenizer", .model = &emb_token_model_unigram, .pipeline = deberta_v2,
     .finds_unknown = true, .unknown_scores_zero = true, .unknown_fallback = 1,
     .unknown_of_spm = true, .spm_name = "spm.model",
     .named = {[EMB_BOS] = T("[CLS]"), [EMB_EOS] = T("[SEP]"), [EMB_UNK] = T("[UNK]"),
               [EMB_SEP] = T("[SEP]"), [EMB_PAD] = T("[PAD]"), [EMB_CLS] = T("[CLS]"),
               [EMB_MASK] = T("[MASK]")},
     .single = "c A s", .pair = "c A s B:1 s:1"},
    {.name = "T5Tokenizer", .model = &emb_token_model_unigram, .pipeline = t5, .extra = t5_extra,
     .named = {[EMB_EOS] = T("</s>"), [EMB_UNK] = T("<unk>"), [EMB_PAD] = T("<pad>")},
     .single = "A e", .pair = "A e B e", .spm_name = "spiece.model", .spm_behind = "x",
     .spm_extra = true},
    {.name = "SiglipTokenizer", .model = &emb_token_model_unigram, .pipeline = siglip,
     .named = {[EMB_EOS] = T("</s>"), [EMB_UNK] = T("<unk>"), [EMB_PAD] = T("</s>")},
     .single = "A e", .pair = "A e B e", .spm_name = "spiece.model", .spm_alone = true},
    {.name = "XLNetTokenizer", .model = &emb_token_model_unigram, .pipeline = xlnet,
     .extra = xlnet_extra, .spm_name = "spiece.model",
     .named = {[EMB_BOS] = T("<s>"), [EMB_EOS] = T("</s>"), [EMB_UNK] = T("<unk>"),
               [EMB_SEP] = T("<sep>"), [EMB_PAD] = T("<pad>"), [EMB_CLS] = T("<cls>"),
               [EMB_MASK] = {.content = "<mask>", .object = true, .lstrip = true}},
     .single = "A s c:2", .pair = "A s B:1 s:1 c:2"},
};

/* Of a tokenizer.model without a class, by its type. */
static const emb_tokenizer_class lone_models[] = {
    {.name = "PreTrainedTokenizerFast", .model = &emb_token_model_bpe, .pipeline = lone_model},
    {.name = "PreTrainedTokenizerFast", .model = &emb_token_model_unigram, .pipeline = lone_model},
};

/* What AutoTokenizer takes for a model_type when no config names a class. */
static const char *const of_model_type[][2] = {
    {"bert", "BertTokenizer"}, {"distilbert", "BertTokenizer"}, {"electra", "BertTokenizer"},
    {"mobilebert", "BertTokenizer"}, {"squeezebert", "BertTokenizer"},
    {"layoutlm", "BertTokenizer"}, {"lxmert", "BertTokenizer"}, {"megatron-bert", "BertTokenizer"},
    {"nomic_bert", "BertTokenizer"}, {"ernie", "BertTokenizer"}, {"convbert", "BertTokenizer"},
    {"mpnet", "MPNetTokenizer"}, {"roberta", "RobertaTokenizer"},
    {"longformer", "RobertaTokenizer"}, {"roberta-prelayernorm", "RobertaTokenizer"},
    {"data2vec-text", "RobertaTokenizer"}, {"ibert", "RobertaTokenizer"},
    {"gpt2", "GPT2Tokenizer"}, {"gpt_neo", "GPT2Tokenizer"}, {"gptj", "GPT2Tokenizer"},
    {"opt", "GPT2Tokenizer"}, {"qwen2", "Qwen2Tokenizer"}, {"qwen3", "Qwen2Tokenizer"},
    {"qwen2_vl", "Qwen2Tokenizer"}, {"qwen2_5_vl", "Qwen2Tokenizer"}, {"clip", "CLIPTokenizer"},
    {"clip_text_model", "CLIPTokenizer"}, {"gemma", "GemmaTokenizer"}, {"gemma2", "GemmaTokenizer"},
    {"gemma3", "GemmaTokenizer"}, {"gemma3_text", "GemmaTokenizer"},
    {"xmod", "XLMRobertaTokenizer"}, {"jina_embeddings_v3", "XLMRobertaTokenizer"},
    {"xlm-roberta", "XLMRobertaTokenizer"}, {"gte", "XLMRobertaTokenizer"},
    {"camembert", "CamembertTokenizer"}, {"albert", "AlbertTokenizer"},
    {"deberta-v2", "DebertaV2Tokenizer"}, {"t5", "T5Tokenizer"}, {"mt5", "T5Tokenizer"},
    {"xlnet", "XLNetTokenizer"}, {"siglip", "SiglipTokenizer"},
    {"siglip_text_model", "SiglipTokenizer"}, {"xlm-roberta-xl", "TokenizersBackend"},
};

/* Of these the class that a config names does not count. */
static const char *const whatever_is_named[][2] = {
    {"siglip2", "Siglip2Tokenizer"}, {"qwen2", "Qwen2Tokenizer"},
    {"modernbert", "TokenizersBackend"}, {"modernbert-decoder", "TokenizersBackend"},
    {"mistral", "TokenizersBackend"}, {"mixtral", "TokenizersBackend"},
};

static const char *const as_it_stands[] = {"PreTrainedTokenizer", "TokenizersBackend",
                                           "PythonBackend"};

/* Anywhere in tokenizer.json, as the reference looks for it. */
static bool names_byte_level(const emb_tokenizer_files *f)
{
    static const char name[] = "\"ByteLevel\"";
    const char *p = f->tokenizer_json, *end = p ? p + f->tokenizer_json_size : NULL;
    while (p && (p = memchr(p, '"', (size_t)(end - p)))) {
        size_t left = (size_t)(end - p);
        if (left < sizeof name - 1) break;
        if (!memcmp(p, name, sizeof name - 1)) return true;
        p++;
    }
    return false;
}

int32_t emb_class_choose(emb_loader *l)
{
    const char *name = l->config.class_name ? l->config.class_name : l->files->tokenizer_class;
    const char *type = l->files->model_type ? l->files->model_type : "";

    for (int64_t i = 0; i < EMB_COUNT(whatever_is_named); i++) {
        if (!strcmp(type, whatever_is_named[i][0])) name = whatever_is_named[i][1];
    }
    for (int64_t i = 0; !name && i < EMB_COUNT(of_model_type); i++) {
        if (!strcmp(type, of_model_type[i][0])) name = of_model_type[i][1];
    }
    if (!name) name = "PreTrainedTokenizerFast";
    l->t->class_name = emb_strdup(l->a, name, strlen(name));
    if (!l->t->class_name) return emb_load_out_of_memory(l);
    size_t size = strlen(name);
    if (size > 4 && !strcmp(name + size - 4, "Fast")) size -= 4;
    for (int64_t i = 0; i < EMB_COUNT(classes); i++) {
        if (strlen(classes[i].name) != size || memcmp(classes[i].name, name, size)) continue;
        if (!classes[i].not_byte_level || !names_byte_level(l->files)) l->class = &classes[i];
        return EMBED_OK;
    }
    for (int64_t i = 0; i < EMB_COUNT(as_it_stands); i++) {
        const char *other = as_it_stands[i];
        if (strlen(other) == size && !memcmp(other, name, size)) return EMBED_OK;
    }
    return emb_fail(l->error, EMBED_EUNSUPPORTED,
                    "%s: tokenizer_class: \"%s\" is not supported",
                    l->config.class_name ? EMB_CONFIG_FILE : "config.json",
                    emb_excerpt_of(name, strlen(name)).text);
}

static emb_token_spec spec_of(const char *content, const emb_class_token *t)
{
    return (emb_token_spec){.index = -1, .plain = !t->object,
                            .token = {.content = content, .size = strlen(content),
                                      .lstrip = t->lstrip, .special = t->special,
                                      .normalized = t->object && !t->special}};
}

/* The reference gives the pieces of a BPE the names that a config has for their ids; of those that
 * merges need it cannot. */
static int32_t refuse_renaming(const emb_loader *l)
{
    for (size_t i = 0; i < l->config.decoder.count; i++) {
        const emb_token_spec *spec = &l->config.decoder.items[i];
        if (spec->index < 0 || spec->index >= l->spm.count) continue;
        const emb_sp_piece *piece = &l->spm.pieces[spec->index];
        bool same = piece->size == spec->token.size &&
                    !memcmp(piece->text, spec->token.content, piece->size);
        if (same && l->class->model == &emb_token_model_bpe) continue;
        return emb_fail(l->error, EMBED_EUNSUPPORTED,
                        EMB_CONFIG_FILE ": added_tokens_decoder: %lld: names for the pieces of a "
                        "tokenizer.model without a class are not supported",
                        (long long)spec->index);
    }
    return EMBED_OK;
}

int32_t emb_class_of_model(emb_loader *l)
{
    const emb_sentencepiece *m = &l->spm;
    emb_tokenizer_config *c = &l->config;
    const struct { int named; int64_t id; const char *text; size_t size; } tokens[] = {
        {EMB_UNK, m->unk_id, m->unk_piece, m->unk_piece_size},
        {EMB_BOS, m->bos_id, m->bos_piece, m->bos_piece_size},
        {EMB_EOS, m->eos_id, m->eos_piece, m->eos_piece_size}};
    l->class = &lone_models[m->model_type == EMB_SP_UNIGRAM];
    for (int i = 0; i < EMB_COUNT(tokens); i++) {
        emb_buffer_add(&l->names, tokens[i].text, tokens[i].size);
        emb_buffer_add(&l->names, "", 1);
    }
    if (l->names.failed) return emb_load_out_of_memory(l);
    const char *text = l->names.data;
    for (int i = 0; i < EMB_COUNT(tokens); i++, text += strlen(text) + 1) {
        const emb_class_token plain = {.content = text};
        if (tokens[i].id < 0 || c->state[tokens[i].named] != EMB_TOKEN_ABSENT) continue;
        c->named[tokens[i].named] = spec_of(text, &plain);
        c->state[tokens[i].named] = EMB_TOKEN_GIVEN;
    }
    return refuse_renaming(l);
}

/* ---- special tokens -------------------------------------------------------------------------- */

/* A token that no file names, or by its text alone, is as the class has it. */
static void set_one(emb_loader *l, int i)
{
    emb_tokenizer_config *c = &l->config;
    const emb_class_token *t = &l->class->named[i];
    if (c->state[i] == EMB_TOKEN_ABSENT && t->content) {
        c->named[i] = spec_of(t->content, t);
        c->state[i] = EMB_TOKEN_GIVEN;
    } else if (c->state[i] == EMB_TOKEN_GIVEN && c->named[i].plain && t->object) {
        c->named[i] = spec_of(c->named[i].token.content, t);
    }
}

static int32_t set_named(emb_loader *l)
{
    emb_tokenizer_config *c = &l->config;
    for (int i = 0; i < EMB_NAMED_TOKENS; i++) {
        bool needed = i == EMB_UNK || i == EMB_SEP || i == EMB_CLS;
        if (c->state[i] == EMB_TOKEN_NULL && needed &&
            l->class->model == &emb_token_model_wordpiece) {
            return emb_fail(l->error, EMBED_EFORMAT,
                            EMB_CONFIG_FILE ": %s: expected a token, found null",
                            emb_named_tokens[i]);
        }
        set_one(l, i);
    }
    return EMBED_OK;
}

/* Special tokens when the config lists none: the control and user-defined pieces of a SentencePiece
 * file, or those of the class. */
static int32_t set_extra(emb_loader *l)
{
    const emb_class_token plain = {.content = ""};
    int32_t status = EMBED_OK;
    if (l->config.extra_given) return EMBED_OK;
    for (int64_t i = 0; i < l->spm.count && !l->class->spm_alone && status == EMBED_OK; i++) {
        const emb_sp_piece *p = &l->spm.pieces[i];
        bool control = p->type == EMB_SP_CONTROL;
        if (!control && p->type != EMB_SP_USER_DEFINED) continue;
        emb_token_spec spec = {.index = -1, .token = {.content = p->text, .size = p->size,
                                                      .special = control}};
        status = emb_token_list_add(&l->config.extra, &spec, l->a, l->error);
    }
    if (l->spm.count && !l->class->spm_extra) return status;
    for (const char *const *e = l->class->extra; e && *e && status == EMBED_OK; e++) {
        emb_token_spec spec = spec_of(*e, &plain);
        status = emb_token_list_add(&l->config.extra, &spec, l->a, l->error);
    }
    return status;
}

int32_t emb_class_apply(emb_loader *l)
{
    embed_error local = EMBED_ERROR_INIT, *error = l->error ? l->error : &local;
    emb_buffer text;
    int32_t status = set_named(l);
    if (status == EMBED_OK) status = set_extra(l);
    if (status < 0) return status;
    emb_buffer_init(&text, l->a);
    status = l->class->pipeline(l, &text);
    if (status == EMBED_OK && text.failed) status = emb_load_out_of_memory(l);
    if (status == EMBED_OK) {
        l->pipeline = emb_json_parse(PIPELINE, text.data, text.size, NULL, l->a, error);
        if (!l->pipeline) status = error->status;
    }
    emb_buffer_free(&text);
    return status;
}

/* ---- post-processor -------------------------------------------------------------------------- */

/* One template, such as "c A s B:1 s:1". */
static int32_t read_template(const emb_loader *l, emb_template *t, const char *text)
{
    static const struct { char letter; int named; } roles[] = {
        {'b', EMB_BOS}, {'e', EMB_EOS}, {'s', EMB_SEP}, {'c', EMB_CLS}};
    t->pieces = emb_calloc(l->a, strlen(text), sizeof *t->pieces);
    if (!t->pieces) return emb_load_out_of_memory(l);
    for (; *text; text++) {
        emb_template_piece piece = {.sequence = *text == 'A' ? 0 : *text == 'B' ? 1 : -1};
        if (*text == ' ') continue;
        for (int i = 0; i < EMB_COUNT(roles) && piece.sequence < 0; i++) {
            if (roles[i].letter != *text) continue;
            const emb_added_token *token = &l->config.named[roles[i].named].token;
            piece.id = !token->content ? -1
                : l->class->pipeline == albert /* before tokens are added */
                ? emb_token_model_id(&l->t->model, token->content, token->size)
                : emb_tokenizer_id(l->t, token->content, token->size);
            if (l->class->pipeline == herbert) piece.id = roles[i].letter == 's' ? 2 : 0;
            if (piece.id >= 0) continue;
            return emb_fail(l->error, EMBED_EFORMAT,
                            EMB_CONFIG_FILE ": %s: expected a token, found \"\"",
                            emb_named_tokens[roles[i].named]);
        }
        if (text[1] == ':') {
            piece.type_id = text[2] - '0';
            text += 2;
        }
        t->pieces[t->count++] = piece;
        t->added += piece.sequence < 0;
    }
    return EMBED_OK;
}

/* bos and eos as add_bos_token and add_eos_token say; only directories without tokenizer.json have
 * them. */
static int32_t read_ends(emb_loader *l)
{
    char single[16], pair[32];
    bool bos = false, eos = false;
    int32_t status = option(l, "add_bos_token", false, &bos);
    if (status == EMBED_OK) status = option(l, "add_eos_token", false, &eos);
    if (status < 0) return status;
    bos = bos && !l->json && l->config.state[EMB_BOS] == EMB_TOKEN_GIVEN;
    eos = eos && !l->json && l->config.state[EMB_EOS] == EMB_TOKEN_GIVEN;
    snprintf(single, sizeof single, "%sA%s", bos ? "b " : "", eos ? " e" : "");
    snprintf(pair, sizeof pair, "%s%s B:1%s", single, bos ? " b:1" : "", eos ? " e:1" : "");
    status = read_template(l, &l->t->post.single, single);
    return status < 0 ? status : read_template(l, &l->t->post.pair, pair);
}

int32_t emb_class_post_processor(emb_loader *l)
{
    emb_post_processor *p = &l->t->post;
    const emb_json *file = emb_json_get(l->json, "post_processor");
    const emb_tokenizer_class *c = l->class;
    if (!c->single && file && !emb_json_is(file, EMB_JSON_NULL)) {
        const emb_loading loading = {.a = l->a, .error = l->error, .file = EMB_JSON_FILE};
        return emb_post_processor_load(p, file, &loading);
    }
    if (!c->single && c->pipeline != albert) return read_ends(l);
    int32_t status = read_template(l, &p->single, c->single ? c->single : "c A s");
    if (status == EMBED_OK) {
        status = read_template(l, &p->pair, c->pair ? c->pair : "c A s B:1 s:1");
    }
    p->trims = c->trims;
    p->once = c->spm_alone;
    if (status < 0 || c->pipeline != byte_level) return status;
    status = option(l, "trim_offsets", c->trims, &p->trims);
    return status < 0 ? status : option(l, "add_prefix_space", false, &p->prefix_space);
}
