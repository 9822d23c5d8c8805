/* The pipeline of a tokenizer as JSON, for whoever asks what was read. */
#include "pattern.h"

static void flag(emb_buffer *out, const char *name, bool value)
{
    emb_buffer_printf(out, ", \"%s\": %s", name, value ? "true" : "false");
}

static void steps(const emb_steps *list, int first, emb_buffer *out)
{
    for (int i = 0; i < list->count; i++) {
        emb_buffer_printf(out, "%s\"%s\"", first + i ? ", " : "", list->items[i].kind->type);
    }
}

/* BertNormalizer, or the plain reader, and the steps after it. */
static void normalizer(const emb_tokenizer *t, emb_buffer *out)
{
    const emb_normalizer *n = &t->reader;
    emb_buffer_printf(out, ", \"normalizer\": {\"type\": \"%s\"",
                      n->bert ? "BertNormalizer" : "none");
    if (n->bert || n->lower_first) {
        flag(out, "lowercase_first", n->lower_first);
        flag(out, "clean_text", n->clean);
        flag(out, "handle_chinese_chars", n->cjk);
        flag(out, "strip_accents", n->strip);
        flag(out, "lowercase", n->lower);
    }
    emb_buffer_printf(out, ", \"then\": [");
    steps(&t->normalizers, 0, out);
    emb_buffer_printf(out, "]}, \"pre_tokenizer\": [");
    steps(&t->pre_tokenizers, 0, out);
    emb_buffer_printf(out, "]");
}

static void model(const emb_token_model *m, emb_buffer *out)
{
    if (m->unk) {
        emb_buffer_printf(out, ", \"unk_token\": ");
        emb_buffer_json(out, m->unk);
    }
    if (m->prefix) {
        emb_buffer_printf(out, ", \"continuing_subword_prefix\": ");
        emb_buffer_json(out, m->prefix);
    }
    if (m->kind == &emb_token_model_wordpiece) {
        emb_buffer_printf(out, ", \"max_input_chars_per_word\": %lld", (long long)m->max_chars);
    }
    if (m->kind != &emb_token_model_bpe) return;
    emb_buffer_printf(out, ", \"end_of_word_suffix\": ");
    emb_buffer_json(out, m->bpe.suffix);
    flag(out, "fuse_unk", m->bpe.fuse_unk);
    flag(out, "byte_fallback", m->bpe.byte_fallback);
    flag(out, "ignore_merges", m->bpe.ignore_merges);
}

static void added_tokens(const emb_added *added, emb_buffer *out)
{
    emb_buffer_printf(out, ", \"added_tokens\": [");
    for (int32_t i = 0; i < added->count; i++) {
        const emb_added_token *a = &added->tokens[i];
        emb_buffer_printf(out, "%s{\"id\": %d, \"content\": ", i ? ", " : "", (int)a->id);
        emb_buffer_json(out, a->content);
        flag(out, "single_word", a->single_word);
        flag(out, "lstrip", a->lstrip);
        flag(out, "rstrip", a->rstrip);
        flag(out, "normalized", a->normalized);
        flag(out, "special", a->special);
        emb_buffer_printf(out, "}");
    }
    emb_buffer_printf(out, "]");
}

void emb_tokenizer_describe(const emb_tokenizer *t, emb_buffer *out)
{
    emb_buffer_printf(out, "{\"model\": \"%s\", \"class\": ", t->model.kind->type);
    emb_buffer_json(out, t->class_name);
    emb_buffer_printf(out, ", \"settings_from\": \"%s\", \"vocabulary_from\": \"%s\"",
                      t->settings_from, t->vocabulary_from);
    emb_buffer_printf(out, ", \"vocab_size\": %lld, \"model_max_length\": %lld, "
                      "\"truncation_side\": \"%s\"", (long long)t->vocab_size,
                      (long long)t->model_max_length, t->truncates_left ? "left" : "right");
    normalizer(t, out);
    model(&t->model, out);
    emb_buffer_printf(out, ", \"special_tokens_added\": [%lld, %lld]",
                      (long long)t->post.single.added, (long long)t->post.pair.added);
    flag(out, "trim_offsets", t->post.trims);
    added_tokens(&t->added, out);
    emb_buffer_printf(out, "}");
}
