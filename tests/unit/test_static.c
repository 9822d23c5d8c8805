/* Static embeddings: vectors of texts against float64 (by the rules of sentence-transformers and of model2vec),
 * the same bits in any batch and on any instruction set, and what opening refuses. */
#include "frozen_models.h"
#include "../../lib/kernels/kernels.h"

static const char *const statics[] = {"static-st", "static-st-shared", "static-model2vec",
                                      "static-model2vec-i8"};
enum { NUM_STATICS = (int)(sizeof statics / sizeof statics[0]), DIM = 7 };

typedef struct bag {
    frozen *f;
    char *text;
    const char *texts[MAX_TEXTS];
    int64_t count;
} bag;

static bag load_bag(const char *name)
{
    bag b = {.f = load_expected(name), .text = read_text(name, "texts.txt")};
    b.count = cut_lines(b.text, b.texts, NULL);
    assert_int_equal(b.count, expected(b.f, "vectors")->shape[0]);
    return b;
}

static void unload_bag(bag *b)
{
    unload(b->f);
    free(b->text);
}

static embed_input input_of(const bag *b)
{
    embed_input input = EMBED_INPUT_INIT;
    input.count = b->count;
    input.texts = b->texts;
    return input;
}

static void test_vectors(void **state)
{
    (void)state;
    for (int m = 0; m < NUM_STATICS; m++) {
        bag b = load_bag(statics[m]);
        embed_session *session = session_of(b.f->model, 1, 0);
        embed_input input = input_of(&b);
        float *found = encode(session, b.f->model, &input, NULL), *truth = numbers(b.f, "vectors");
        int32_t *wanted = numbers(b.f, "counts");
        int64_t counts[MAX_TEXTS];
        assert_int_equal(embed_model_info(b.f->model, EMBED_INFO_DIM), DIM);
        assert_int_equal(embed_model_info(b.f->model, EMBED_INFO_NUM_LAYERS), 0);
        assert_close(b.f->name, "vectors", found, truth, b.count * DIM);
        ok(session, embed_count_tokens(session, &input, NULL, counts));
        for (int64_t i = 0; i < b.count; i++) {
            assert_int_equal(counts[i], wanted[i]);
            for (int64_t k = 0; wanted[i] == 0 && k < DIM; k++) assert_true(found[i * DIM + k] == 0);
        }
        free(found);
        free(truth);
        free(wanted);
        embed_session_free(session);
        unload_bag(&b);
    }
}

static void test_same_bits(void **state)
{
    static const char *const isas[] = {"c", "avx2", "avx512"};
    (void)state;
    for (int m = 0; m < NUM_STATICS; m++) {
        bag b = load_bag(statics[m]);
        embed_input input = input_of(&b);
        embed_session *session = session_of(b.f->model, 1, 0);
        float *one = encode(session, b.f->model, &input, NULL);
        size_t row = DIM * sizeof *one, size = (size_t)b.count * row;
        embed_session_free(session);
        for (int i = 0; i < 3; i++) {
            embed_open_options options = EMBED_OPEN_OPTIONS_INIT;
            options.isa = isas[i];
            if (!emb_kernels_for(isas[i])) continue; /* not of this CPU */
            embed_model *model = open_named(b.f->name, &options);
            session = session_of(model, 3, 512);
            float *other = encode(session, model, &input, NULL);
            assert_memory_equal(one, other, size);
            free(other);
            for (int64_t t = 0; t < b.count; t++) {
                embed_input alone = EMBED_INPUT_INIT;
                alone.count = 1;
                alone.texts = b.texts + t;
                other = encode(session, model, &alone, NULL);
                assert_memory_equal(one + t * DIM, other, row);
                free(other);
            }
            embed_session_free(session);
            embed_model_free(model);
        }
        free(one);
        unload_bag(&b);
    }
}

/* What the options change, and what they do not. */
static void test_token_vectors(void **state)
{
    bag b = load_bag("static-model2vec");
    embed_session *session = session_of(b.f->model, 1, 0);
    embed_input input = input_of(&b);
    int64_t offsets[MAX_TEXTS + 1];
    float hidden[64 * DIM];
    int32_t *wanted = numbers(b.f, "counts");
    (void)state;
    ok(session, embed_last_hidden_state_ragged(session, &input, NULL, hidden, 64, offsets));
    for (int64_t i = 0; i < b.count; i++) assert_int_equal(offsets[i + 1] - offsets[i], wanted[i]);
    embed_encode_options options = EMBED_ENCODE_OPTIONS_INIT;
    options.pooling = EMBED_POOL_POOLER;
    assert_int_equal(embed_encode(session, &input, &options, hidden, DIM), EMBED_EMISSING);
    free(wanted);
    embed_session_free(session);
    unload_bag(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_token_vectors),
    };
    return cmocka_run_group_tests_name("static", tests, NULL, NULL);
}
