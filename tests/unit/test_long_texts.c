/* Texts longer than the model: windows against the same windows made by hand, late chunking against the
 * rows of its tokens, what is refused, and the same bytes however the work is cut up. */
#include "three_models.h"

enum { HIDDEN = 20, LONG = 300, ROOM = 512 };

static char long_text[LONG * 2 + 1]; /* "a b c ... z a b ...": a token each */

static int make_all(void **state)
{
    for (int i = 0; i < LONG; i++) {
        long_text[2 * i] = (char)('a' + (i + i / 26) % 26);
        long_text[2 * i + 1] = ' ';
    }
    long_text[2 * LONG - 1] = 0;
    return load_all(state);
}

static embed_encode_options windows_of(int64_t max_length, int64_t stride)
{
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    o.long_texts = EMBED_LONG_TEXTS_WINDOWS;
    o.max_length = max_length;
    o.stride = stride;
    return o;
}

/* ---- windows by hand -------------------------------------------------------------------------- */

static int64_t tokens_of(embed_session *s, const char *text, int32_t *ids)
{
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    embed_tokens t = EMBED_TOKENS_INIT;
    t.capacity = ROOM;
    t.ids = ids;
    o.flags = EMBED_NO_SPECIAL_TOKENS;
    o.prompt = "";
    int64_t n = embed_tokenize(s, text, -1, NULL, 0, &o, &t);
    assert_in_range(n, 0, ROOM);
    return n;
}

/* One window: its vectors of tokens, of which pooling leaves out the first `skip`. */
static void pool_ids(embed_session *s, const int32_t *ids, int64_t n, int64_t skip, int32_t pooling,
                     float *out)
{
    float hidden[64 * HIDDEN];
    int64_t offsets[2] = {0, n};
    int32_t mask[64];
    embed_input input = EMBED_INPUT_INIT;
    input.count = 1;
    input.ids = ids;
    input.offsets = offsets;
    assert_in_range(n, 1, 64);
    ok(s, embed_last_hidden_state(s, &input, NULL, hidden, n));
    for (int64_t t = 0; t < n; t++) mask[t] = t >= skip;
    assert_int_equal(embed_pool(hidden, n, HIDDEN, mask, pooling, out), EMBED_OK);
}

/* What embed.h says of windows, over ids [2] prompt text [3]. */
static int64_t by_hand(embed_session *s, const char *prompt, const char *text, int64_t max_length,
                       int64_t stride, bool skip_prompt, int32_t pooling, float out[HIDDEN])
{
    int32_t ids[ROOM], head[ROOM], window[64] = {2};
    double sum[HIDDEN] = {0};
    float v[HIDDEN];
    int64_t n = tokens_of(s, text, ids), p = tokens_of(s, prompt, head), weight = 0, windows = 0;
    int64_t room = max_length - 2 - p;
    memcpy(window + 1, head, (size_t)p * sizeof *head);
    for (int64_t first = 0; first == 0 || first + stride < n; first += room - stride, windows++) {
        int64_t count = n - first < room ? n - first : room;
        memcpy(window + 1 + p, ids + first, (size_t)count * sizeof *ids);
        window[1 + p + count] = 3;
        pool_ids(s, window, count + p + 2, skip_prompt ? p + 1 : 0, pooling, v);
        for (int i = 0; i < HIDDEN; i++) sum[i] += (double)count * v[i];
        weight += count;
    }
    for (int i = 0; i < HIDDEN; i++) out[i] = windows == 1 ? v[i] : (float)(sum[i] / (double)weight);
    return windows;
}

static void check_windows(embed_session *s, const char *prompt, const char *text, int64_t max_length,
                          int64_t stride, bool skip_prompt, int32_t pooling, int64_t expected_windows)
{
    float found[HIDDEN], want[HIDDEN];
    embed_encode_options o = windows_of(max_length, stride);
    o.prompt = prompt;
    o.pooling = pooling;
    o.flags = EMBED_NO_MODULES;
    ok(s, embed_encode_texts(s, &text, NULL, 1, &o, found, HIDDEN));
    assert_int_equal(by_hand(s, prompt, text, max_length, stride, skip_prompt, pooling, want),
                     expected_windows);
    if (memcmp(found, want, sizeof found) != 0)
        fail_msg("windows of %d, stride %d: %g, expected %g", (int)max_length, (int)stride, found[0],
                 want[0]);
}

static void test_windows(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    check_windows(s, "", long_text, 22, 0, false, EMBED_POOL_MEAN, 15);   /* whole windows */
    check_windows(s, "", long_text, 24, 7, false, EMBED_POOL_MEAN, 20);
    check_windows(s, "", long_text, 24, 21, false, EMBED_POOL_CLS, 279);  /* a token at a time */
    check_windows(s, "", long_text, 24, 0, false, EMBED_POOL_MAX, 14);
    check_windows(s, "", long_text + 2 * (LONG - 22), 24, 5, false, EMBED_POOL_MEAN, 1);
    check_windows(s, "", long_text + 2 * (LONG - 23), 24, 5, false, EMBED_POOL_MEAN, 2);
    check_windows(s, "", "", 24, 5, false, EMBED_POOL_MEAN, 1);
    check_windows(s, "b c d ", long_text, 24, 3, false, EMBED_POOL_MEAN, 19);
    embed_session_free(s);
    s = session_of(list->model, 1, 0); /* whose pooling leaves the prompt out */
    check_windows(s, "b c d ", long_text, 24, 3, true, EMBED_POOL_MEAN, 19);
    embed_session_free(s);
}

/* A text that fits has the bytes that it has without the option, by the whole recipe. */
static void test_texts_that_fit(void **state)
{
    (void)state;
    embed_session *s = session_of(dense->model, 1, 0);
    const char *texts[] = {"a b c", "", "kodo fabeza, xq!"};
    float plainly[3][18], windowed[3][18];
    embed_encode_options o = windows_of(0, 2);
    ok(s, embed_encode_texts(s, texts, NULL, 3, NULL, plainly[0], 18));
    ok(s, embed_encode_texts(s, texts, NULL, 3, &o, windowed[0], 18));
    assert_memory_equal(plainly, windowed, sizeof plainly);
    embed_session_free(s);
}

/* The member of a pair that is cut comes in windows, beside all of the other. */
static void test_pairs(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    const char *query = "b c", *text = long_text + 2 * (LONG - 30); /* 30 tokens in windows of 19 */
    float found[HIDDEN], v[2][HIDDEN];
    embed_encode_options o = windows_of(24, 8);
    embed_input input = EMBED_INPUT_INIT;
    o.strategy = EMBED_STRATEGY_ONLY_SECOND;
    o.pooling = EMBED_POOL_MEAN;
    input.count = 1;
    input.texts = &query;
    input.pairs = &text;
    ok(s, embed_encode(s, &input, &o, found, HIDDEN));
    int64_t counts[1];
    ok(s, embed_count_tokens(s, &input, &o, counts));
    assert_int_equal(counts[0], 24 + 24);
    o = (embed_encode_options)EMBED_ENCODE_OPTIONS_INIT;
    o.pooling = EMBED_POOL_MEAN;
    const char *parts[] = {text, text + 2 * 11}; /* tokens 0 to 18, and 11 to 29 */
    const int64_t sizes[] = {2 * 19 - 1, 2 * 19 - 1};
    for (int i = 0; i < 2; i++) {
        input.pairs = &parts[i];
        input.pair_sizes = &sizes[i];
        ok(s, embed_encode(s, &input, &o, v[i], HIDDEN));
    }
    for (int i = 0; i < HIDDEN; i++)
        assert_true(found[i] == (float)((19.0 * v[0][i] + 19.0 * v[1][i]) / 38.0));

    o = windows_of(24, 8);
    input.pair_sizes = NULL;
    input.pairs = &text;
    assert_failed(s, embed_encode(s, &input, &o, found, HIDDEN), EMBED_EINVAL,
                  "strategy: expected only_first or only_second, the member of a pair that comes in "
                  "windows, found longest_first");
    o.strategy = EMBED_STRATEGY_ONLY_FIRST; /* the second leaves no room */
    assert_failed(s, embed_encode(s, &input, &o, found, HIDDEN), EMBED_ERANGE,
                  "windows of max_length = 24 tokens: expected room for more than stride = 8 of the "
                  "text, found room for 0");
    embed_session_free(s);
}

/* ---- how the work is cut up ------------------------------------------------------------------- */

static void run_backwards(void *user, embed_task_fn task, void *arg, int64_t count)
{
    (void)user;
    while (count-- > 0) task(arg, count);
}

static void test_same_bytes(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    const char *texts[COUNT];
    float want[COUNT][HIDDEN], found[COUNT][HIDDEN];
    embed_encode_options o = windows_of(17, 4);
    embed_error error = EMBED_ERROR_INIT;
    o.flags = EMBED_NO_MODULES;
    for (int i = 0; i < COUNT; i++) texts[i] = long_text + 2 * LONG - 1 - (i * i * 37) % (2 * LONG);
    embed_session *s = session_of(dense->model, 1, 0);
    for (int i = 0; i < COUNT; i++)
        ok(s, embed_encode_texts(s, &texts[i], NULL, 1, &o, want[i], HIDDEN));
    embed_session_free(s);
    static const struct {
        int32_t threads;
        int64_t batch;
    } cuts[] = {{1, 0}, {1, 17}, {1, 50}, {2, 0}, {3, 40}, {7, 100}, {4, 0}};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        embed_session_options so = EMBED_SESSION_OPTIONS_INIT;
        so.threads = cuts[i].threads;
        so.batch_tokens = cuts[i].batch;
        if (i == 6) so.parallel = run_backwards;
        assert_int_equal(embed_session_create(dense->model, &so, &s, &error), EMBED_OK);
        memset(found, 0x55, sizeof found);
        ok(s, embed_encode_texts(s, texts, NULL, COUNT, &o, found[0], HIDDEN));
        assert_memory_equal(found, want, sizeof found);
        embed_session_free(s);
    }
}

/* ---- failures --------------------------------------------------------------------------------------- */

static int32_t note(void *user, int64_t index, int32_t status, const char *message)
{
    int64_t *noted = user;
    (void)message;
    noted[0] = index;
    noted[1] = status;
    return 0;
}

static int32_t stop(void *user, int64_t done, int64_t total)
{
    ++*(int *)user;
    return done == 0 && total == 2; /* between two windows of the first text */
}

static void test_failures(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 24);
    const char *texts[] = {long_text, "a \xFF b", "a b"};
    float found[3][HIDDEN], alone[HIDDEN];
    int64_t noted[2] = {-1, 0}, counts[3];
    embed_encode_options o = windows_of(0, 0);
    assert_failed(s, embed_encode_texts(s, texts, NULL, 3, &o, found[0], HIDDEN), EMBED_EUTF8,
                  "input 1: text: byte 2 is 0xFF: not valid UTF-8");
    o.failed = note;
    o.failed_user = noted;
    ok(s, embed_encode_texts(s, texts, NULL, 3, &o, found[0], HIDDEN));
    assert_int_equal(noted[0], 1);
    assert_int_equal(noted[1], EMBED_EUTF8);
    ok(s, embed_encode_texts(s, texts + 2, NULL, 1, NULL, alone, HIDDEN));
    assert_memory_equal(found[2], alone, sizeof alone);
    assert_true(isnan(found[1][0]) && isnan(found[1][HIDDEN - 1]) && !isnan(found[0][0]));
    embed_input input = EMBED_INPUT_INIT;
    input.count = 3;
    input.texts = texts;
    ok(s, embed_count_tokens(s, &input, &o, counts));
    assert_int_equal(counts[0], LONG + 14 * 2);
    assert_int_equal(counts[1], 0);
    assert_int_equal(counts[2], 4);

    int called = 0;
    o = windows_of(0, 0);
    o.progress = stop;
    o.progress_user = &called;
    assert_failed(s, embed_encode_texts(s, texts, NULL, 2, &o, found[0], HIDDEN), EMBED_ECANCELED,
                  "canceled by the progress callback after 0 of 2 inputs");
    assert_int_equal(called, 1);
    o = windows_of(0, 0); /* what was begun then is forgotten */
    ok(s, embed_encode_texts(s, texts + 2, NULL, 1, &o, found[2], HIDDEN));
    assert_memory_equal(found[2], alone, sizeof alone);
    embed_session_free(s);
}

static void test_refused(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    const char *texts[] = {"a", long_text};
    float found[2][HIDDEN];
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    o.long_texts = EMBED_LONG_TEXTS_REFUSE;
    assert_failed(s, embed_encode_texts(s, texts, NULL, 2, &o, found[0], HIDDEN), EMBED_ERANGE,
                  "input 1: expected at most max_length = 24 tokens, found 302");
    o.stride = 1;
    assert_failed(s, embed_encode_texts(s, texts, NULL, 1, &o, found[0], HIDDEN), EMBED_EINVAL,
                  "stride: expected 0, or more with EMBED_LONG_TEXTS_WINDOWS, found 1");
    o.long_texts = 3;
    assert_failed(s, embed_encode_texts(s, texts, NULL, 1, &o, found[0], HIDDEN), EMBED_EINVAL,
                  "long_texts: expected an EMBED_LONG_TEXTS_ value, found 3");
    o = windows_of(24, 22);
    assert_failed(s, embed_encode_texts(s, texts, NULL, 1, &o, found[0], HIDDEN), EMBED_ERANGE,
                  "windows of max_length = 24 tokens: expected room for more than stride = 22 of the "
                  "text, found room for 22");
    o = windows_of(24, 19);
    o.prompt = "a b c ";
    assert_failed(s, embed_encode_texts(s, texts + 1, NULL, 1, &o, found[0], HIDDEN), EMBED_ERANGE,
                  "windows of max_length = 24 tokens: expected room for more than stride = 19 of the "
                  "text, found room for 19");
    o = windows_of(2, 0);
    assert_failed(s, embed_encode_texts(s, texts, NULL, 1, &o, found[0], HIDDEN), EMBED_ERANGE,
                  "windows of max_length = 2 tokens: expected room for more than stride = 0 of the "
                  "text, found room for 0");
    o = windows_of(0, 0);
    embed_input ids = ids_of(plain), input = EMBED_INPUT_INIT;
    assert_failed(s, embed_encode(s, &ids, &o, found[0], HIDDEN), EMBED_EKIND,
                  "windows are made of texts, not of token ids");
    input.count = 1;
    input.texts = texts;
    assert_failed(s, embed_last_hidden_state(s, &input, &o, found[0], 2), EMBED_EKIND,
                  "long_texts: windows become one vector, and have no token vectors of one text");
    embed_session_free(s);

    embed_model *reranker = open_named("bert-classifier", NULL);
    s = session_of(reranker, 1, 0);
    o.pooling = EMBED_POOL_SCORES;
    assert_failed(s, embed_encode(s, &input, &o, found[0], HIDDEN), EMBED_EKIND,
                  "long_texts: windows are for vectors, the pooling is of scores");
    embed_session_free(s);
    embed_model_free(reranker);
}

/* ---- late chunking ---------------------------------------------------------------------------------- */

static const int32_t span_poolings[] = {EMBED_POOL_DEFAULT, EMBED_POOL_CLS, EMBED_POOL_MEAN, EMBED_POOL_MAX,
                                        EMBED_POOL_LAST, EMBED_POOL_WEIGHTED, EMBED_POOL_SQRT_LEN};

static void test_spans(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    const char *text = "kodo fabeza, xq!"; /* tokens 0-4 5-7 7-11 11-12 13-14 14-15 15-16 */
    static const int64_t spans[][2] = {{0, 12}, {12, 16}, {0, 16}, {5, 7}, {6, 8}, {3, 5}, {4, 13}};
    static const int64_t rows[][2] = {{1, 5}, {5, 8}, {1, 8}, {2, 3}, {2, 3}, {1, 2}, {2, 5}};
    float hidden[9 * HIDDEN], found[7][HIDDEN], want[HIDDEN];
    embed_input input = EMBED_INPUT_INIT;
    input.count = 1;
    input.texts = &text;
    ok(s, embed_last_hidden_state(s, &input, NULL, hidden, 9));
    for (size_t p = 0; p < sizeof span_poolings / sizeof *span_poolings; p++) {
        embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
        o.pooling = span_poolings[p];
        ok(s, embed_encode_spans(s, text, -1, spans[0], 7, &o, found[0], HIDDEN));
        for (int i = 0; i < 7; i++) {
            int64_t n = rows[i][1] - rows[i][0];
            assert_int_equal(embed_pool(hidden + rows[i][0] * HIDDEN, n, HIDDEN, NULL,
                                        o.pooling ? o.pooling : EMBED_POOL_MEAN, want), EMBED_OK);
            assert_memory_equal(found[i], want, sizeof want);
        }
    }
    embed_session_free(s);
}

/* The recipe behind pooling, a prompt, more spans than a pass has sequences, and a stride. */
static void test_spans_recipe(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    embed_session *s = session_of(dense->model, 1, 24);
    int64_t spans[COUNT][2];
    float found[COUNT][19], want[18], raw[COUNT][20];
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    for (int i = 0; i < COUNT; i++) {
        spans[i][0] = 2 * (i % 5);
        spans[i][1] = spans[i][0] + 1 + 2 * (i % 6);
        found[i][18] = 77;
    }
    o.prompt = "z y ";
    ok(s, embed_encode_spans(s, long_text, 19, spans[0], COUNT, &o, found[0], 19));
    o.flags = EMBED_NO_MODULES;
    ok(s, embed_encode_spans(s, long_text, 19, spans[0], COUNT, &o, raw[0], 20));
    o.flags = 0;
    for (int i = 0; i < COUNT; i++) {
        ok(s, embed_encode_spans(s, long_text, 19, spans[i], 1, &o, want, 18));
        assert_memory_equal(found[i], want, sizeof want);
        assert_true(found[i][18] == 77);
        double squares = 0;
        for (int k = 0; k < 18; k++) squares += (double)want[k] * want[k];
        assert_true(fabs(squares - 1) < 1e-6);
    }
    /* the prompt is context: other vectors, of the same tokens */
    float hidden[64 * HIDDEN];
    const char *joined = "z y a b c d e f g h i j";
    embed_input input = EMBED_INPUT_INIT;
    input.count = 1;
    input.texts = &joined;
    o = (embed_encode_options)EMBED_ENCODE_OPTIONS_INIT;
    o.prompt = "";
    ok(s, embed_last_hidden_state(s, &input, &o, hidden, 14));
    float mean[HIDDEN];
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(embed_pool_span(hidden, 14, HIDDEN, 3 + spans[i][0] / 2,
                                         3 + (spans[i][1] + 1) / 2, mean), EMBED_OK);
        assert_memory_equal(raw[i], mean, sizeof mean);
    }
    embed_session_free(s);
}

/* Token t of the long text has its vector from the first window that has it. */
static void test_spans_in_windows(void **state)
{
    (void)state;
    enum { WINDOW = 20, STRIDE = 6, BODY = WINDOW - 2 };
    static float tokens[LONG][HIDDEN];
    embed_session *s = session_of(plain->model, 2, 24);
    int32_t ids[ROOM], window[WINDOW] = {2};
    float hidden[WINDOW * HIDDEN], found[6][HIDDEN], want[HIDDEN];
    int64_t n = tokens_of(s, long_text, ids), seen = 0;
    assert_int_equal(n, LONG);
    for (int64_t first = 0; seen < n; first += BODY - STRIDE) {
        int64_t count = n - first < BODY ? n - first : BODY, offsets[2] = {0, count + 2};
        embed_input input = EMBED_INPUT_INIT;
        memcpy(window + 1, ids + first, (size_t)count * sizeof *ids);
        window[1 + count] = 3;
        input.count = 1;
        input.ids = window;
        input.offsets = offsets;
        ok(s, embed_last_hidden_state(s, &input, NULL, hidden, count + 2));
        for (; seen < first + count; seen++)
            memcpy(tokens[seen], hidden + (1 + seen - first) * HIDDEN, sizeof tokens[0]);
    }
    static const int64_t spans[6][2] = {{0, 5}, {5, 40}, {40, 41}, {100, 400}, {400, 401}, {590, 599}};
    embed_encode_options o = windows_of(WINDOW, STRIDE);
    ok(s, embed_encode_spans(s, long_text, -1, spans[0], 6, &o, found[0], HIDDEN));
    for (int i = 0; i < 6; i++) {
        assert_int_equal(embed_pool_span(tokens[0], LONG, HIDDEN, spans[i][0] / 2 + spans[i][0] % 2,
                                         spans[i][1] / 2 + spans[i][1] % 2, want), EMBED_OK);
        assert_memory_equal(found[i], want, sizeof want);
    }
    /* a text that fits one window: as without them */
    float plainly[2][HIDDEN];
    static const int64_t few[2][2] = {{0, 3}, {4, 9}};
    ok(s, embed_encode_spans(s, long_text, 9, few[0], 2, &o, found[0], HIDDEN));
    o.long_texts = o.stride = 0;
    ok(s, embed_encode_spans(s, long_text, 9, few[0], 2, &o, plainly[0], HIDDEN));
    assert_memory_equal(found, plainly, sizeof plainly);
    embed_session_free(s);
}

static void test_spans_refused(void **state)
{
    (void)state;
    embed_session *s = session_of(plain->model, 1, 0);
    float found[3][HIDDEN];
    static const int64_t empty[3][2] = {{0, 1}, {1, 2}, {2, 3}}, crossed[2][2] = {{2, 5}, {4, 9}},
                         outside[1][2] = {{0, 6}}, reversed[1][2] = {{3, 2}};
    int64_t noted[2];
    embed_encode_options o = EMBED_ENCODE_OPTIONS_INIT;
    assert_failed(s, embed_encode_spans(s, "a b c", -1, empty[0], 3, NULL, found[0], HIDDEN), EMBED_EMISSING,
                  "span 1: expected a token that ends in bytes 1 to 2, found none");
    for (int windows = 0; windows < 2; windows++) {
        o = windows ? windows_of(0, 0) : (embed_encode_options)EMBED_ENCODE_OPTIONS_INIT;
        o.failed = note;
        o.failed_user = noted;
        noted[0] = -1;
        ok(s, embed_encode_spans(s, "a b c", -1, empty[0], 3, &o, found[0], HIDDEN));
        assert_int_equal(noted[0], 1);
        assert_true(!isnan(found[0][0]) && isnan(found[1][0]) && !isnan(found[2][0]));
    }
    assert_failed(s, embed_encode_spans(s, "a b c", -1, outside[0], 1, NULL, found[0], HIDDEN), EMBED_EINVAL,
                  "span 0: expected bytes within 0 to 5, found 0 to 6");
    assert_failed(s, embed_encode_spans(s, "a b c", -1, reversed[0], 1, NULL, found[0], HIDDEN), EMBED_EINVAL,
                  "span 0: expected bytes within 0 to 5, found 3 to 2");
    assert_failed(s, embed_encode_spans(s, long_text, -1, empty[0], 1, NULL, found[0], HIDDEN), EMBED_ERANGE,
                  "expected at most max_length = 24 tokens, found 302");
    assert_failed(s, embed_encode_spans(s, "a b", -1, empty[0], 1, NULL, found[0], 19), EMBED_EINVAL,
                  "stride: expected at least 20, found 19");
    assert_failed(s, embed_encode_spans(s, NULL, -1, empty[0], 1, NULL, found[0], HIDDEN), EMBED_EINVAL,
                  "expected a text, spans and vectors, found NULL or a negative count");
    o = windows_of(0, 0);
    assert_failed(s, embed_encode_spans(s, long_text, -1, crossed[0], 2, &o, found[0], HIDDEN), EMBED_EINVAL,
                  "span 1: windows take spans in order, none over another: expected one from 5 on, found 4");
    o.pooling = EMBED_POOL_MAX;
    assert_failed(s, embed_encode_spans(s, "a", -1, empty[0], 1, &o, found[0], HIDDEN), EMBED_EINVAL,
                  "pooling: expected the mean of a span that windows may part, found 3");
    o.pooling = EMBED_POOL_POOLER;
    assert_failed(s, embed_encode_spans(s, "a", -1, empty[0], 1, &o, found[0], HIDDEN), EMBED_EINVAL,
                  "pooling: expected cls, mean, max, last, weighted or sqrt_len of a span, found 7");
    ok(s, embed_encode_spans(s, "a", -1, NULL, 0, NULL, NULL, HIDDEN));
    embed_session_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),      cmocka_unit_test(test_texts_that_fit),
        cmocka_unit_test(test_pairs),        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_failures),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_spans),        cmocka_unit_test(test_spans_recipe),
        cmocka_unit_test(test_spans_in_windows), cmocka_unit_test(test_spans_refused),
    };
    return cmocka_run_group_tests(tests, make_all, unload_all);
}
