/* Sequence-classification heads: labels of token ids against the reference's, and the activation that
 * config.json asks for. */
#include "frozen_models.h"

static const struct {
    const char *name;
    int64_t labels;
    bool sigmoid;
} heads[] = {
    {"bert-classifier", 1, true},
    {"roberta-classifier", 3, false},
    {"albert-classifier", 2, false},
    {"distilbert-classifier", 1, false}, /* sentence_transformers.activation_fn: Identity */
    {"electra-classifier", 1, true},
    {"mpnet-classifier", 1, true},
    {"deberta-classifier", 2, false},
    {"modernbert-classifier", 1, true},
    {"gte-classifier", 2, false},
    {"nomic-classifier", 3, false},
    {"gpt2-classifier", 1, true},
    {"qwen3-classifier", 1, true}, /* the last token that is not padding */
    {"gemma3-classifier", 2, false},
    {"ernie-classifier", 1, true}, /* with a task */
    {"data2vec-classifier", 2, false},
    {"prelayernorm-classifier", 2, false},
    {"xlm-roberta-xl-classifier", 1, true},
    {"yarn-classifier", 1, true},
    {"longrope-classifier", 1, true},
    {"llama3-classifier", 1, true},
    {"jina-classifier", 1, true}, /* config.json has no labels: the tensor's */
};

static float *scores_of(const frozen *f, const embed_input *input, uint32_t flags)
{
    embed_session *session = session_of(f->model, 1, 0);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = EMBED_POOL_SCORES;
    options.flags = flags;
    float *scores = encode(session, f->model, input, &options);
    embed_session_free(session);
    return scores;
}

static void test_scores(void **state)
{
    (void)state;
    for (int64_t m = 0; m < EMB_COUNT(heads); m++) {
        frozen *f = load_expected(heads[m].name);
        embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
        options.pooling = EMBED_POOL_SCORES;
        assert_int_equal(embed_model_info(f->model, EMBED_INFO_NUM_LABELS), heads[m].labels);
        assert_int_equal(embed_output_dim(f->model, &options), heads[m].labels);
        int32_t *ids = numbers(f, "ids");
        int64_t *offsets = numbers(f, "offsets"), n = expected(f, "logits")->shape[0];
        float *truth = numbers(f, "logits");
        embed_input input = EMBED_INPUT_INIT;
        input.count = n;
        input.ids = ids;
        input.offsets = offsets;
        float *logits = scores_of(f, &input, EMBED_NO_MODULES), *scores = scores_of(f, &input, 0);
        assert_close(f->name, "logits", logits, truth, n * heads[m].labels);
        for (int64_t i = 0; i < n * heads[m].labels; i++) {
            double wanted = heads[m].sigmoid ? 1 / (1 + exp(-(double)logits[i])) : (double)logits[i];
            assert_true(fabs((double)scores[i] - wanted) < 1e-6);
        }
        free(ids);
        free(offsets);
        free(truth);
        free(logits);
        free(scores);
        unload(f);
    }
}

static void test_no_head(void **state)
{
    (void)state;
    embed_model *model = open_named("bert", NULL);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = EMBED_POOL_SCORES;
    assert_int_equal(embed_model_info(model, EMBED_INFO_NUM_LABELS), 0);
    assert_int_equal(embed_output_dim(model, &options), EMBED_EMISSING);
    embed_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores),
        cmocka_unit_test(test_no_head),
    };
    return cmocka_run_group_tests_name("scores", tests, NULL, NULL);
}
