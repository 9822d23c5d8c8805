/* Files of torch.save: tensors as PyTorch has them, and what is refused. Files: tests/parity/freeze_torch.py */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../../lib/format/torch_file.h"

static emb_file file;
static emb_safetensors st;
static embed_error error;

static int32_t open_bytes(const char *data, size_t size)
{
    error = (embed_error)EMBED_ERROR_INIT;
    return emb_torch_file_open(&st, "m.bin", data, size, &emb_libc_allocator, &error);
}

static void open_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/data/torch/%s", name);
    assert_int_equal(emb_file_open(&file, path, name, false, &emb_libc_allocator, &error), EMBED_OK);
}

static void open_good(const char *name)
{
    open_file(name);
    if (open_bytes(file.data, file.size) < 0) fail_msg("%s: %s", name, error.message);
}

static void close_all(void)
{
    emb_safetensors_close(&st);
    emb_file_close(&file);
}

static const emb_tensor *tensor(const char *name, emb_dtype dtype, int32_t rank, size_t bytes)
{
    const emb_tensor *t = emb_safetensors_find(&st, name);
    assert_non_null(t);
    assert_string_equal(t->file, "m.bin");
    assert_int_equal(t->dtype, dtype);
    assert_int_equal(t->rank, rank);
    assert_int_equal(t->bytes, bytes);
    return t;
}

static void expect_floats(const emb_tensor *t, const float *expected)
{
    assert_memory_equal(t->data, expected, t->bytes);
}

static void test_tensors(void **state)
{
    static const float numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, part[] = {5, 6, 9, 10}, one[] = {7};
    static const float turned[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
    static const uint16_t halves[] = {0, 0x3c00, 0x4000, 0x4200}, bfloats[] = {0, 0x3f80, 0x4000, 0x4040};
    (void)state;
    open_good("plain.bin");
    assert_int_equal(st.count, 10);
    const emb_tensor *t = tensor("weight", EMB_F32, 2, 48);
    assert_int_equal(t->shape[0], 3);
    assert_int_equal(t->shape[1], 4);
    expect_floats(t, numbers);
    assert_ptr_equal(tensor("again", EMB_F32, 2, 48)->data, t->data); /* one storage, two names */
    assert_memory_equal(tensor("half", EMB_F16, 2, 24)->data, halves, sizeof halves);
    assert_memory_equal(tensor("bfloat", EMB_BF16, 2, 24)->data, bfloats, sizeof bfloats);
    tensor("double", EMB_F64, 2, 96);
    tensor("ids", EMB_I64, 1, 24);
    t = tensor("turned", EMB_F32, 2, 48);
    assert_int_equal(t->shape[0], 4);
    expect_floats(t, turned);
    expect_floats(tensor("part", EMB_F32, 2, 16), part);
    expect_floats(tensor("one", EMB_F32, 0, 4), one);
    tensor("empty", EMB_F32, 2, 0);
    close_all();
}

/* state_dict() has attributes; a Parameter is a call; what is no tensor is left out. */
static void test_shapes_of_dicts(void **state)
{
    static const float weight[] = {0, 1, 2, 3, 4, 5};
    (void)state;
    open_good("module.bin");
    assert_int_equal(st.count, 4);
    expect_floats(tensor("0.weight", EMB_F32, 2, 24), weight);
    tensor("1.bias", EMB_F32, 1, 12);
    close_all();
    open_good("parameter.bin");
    assert_int_equal(st.count, 1);
    tensor("weight", EMB_F32, 2, 48);
    close_all();
}

static void test_refused(void **state)
{
    static const struct { const char *file; int32_t status; const char *message; } cases[] = {
        {"call.bin", EMBED_EUNSUPPORTED,
         "m.bin: data.pkl: offset 19: expected a dict of tensors, found the name posix.system, which is not "
         "looked up: nothing of a pickle is run"},
        {"whole.bin", EMBED_EUNSUPPORTED, "found the name torch.nn.modules.container.Sequential"},
        {"old.bin", EMBED_EUNSUPPORTED,
         "m.bin: expected an archive of torch.save, found a plain pickle, as PyTorch before 1.6 wrote them"},
        {"expanded.bin", EMBED_EFORMAT, "m.bin: tensor \"weight\": expected numbers within its storage"},
        {"nested.bin", EMBED_EFORMAT, "expected a dict of tensors, found a tuple"},
        {"memo.bin", EMBED_EFORMAT, "expected the next place of the memo, found one beyond it"},
        {"number.bin", EMBED_EFORMAT, "expected a dict of tensors, found a number"},
        {"empty.bin", EMBED_EFORMAT, "found the end of the pickle"},
        {"none.bin", EMBED_EFORMAT, "m.bin: expected data.pkl in the archive, found none"},
    };
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        open_file(cases[i].file);
        assert_int_equal(open_bytes(file.data, file.size), cases[i].status);
        if (!strstr(error.message, cases[i].message)) fail_msg("%s: %s", cases[i].file, error.message);
        close_all();
    }
    assert_int_equal(open_bytes("", 0), EMBED_EUNSUPPORTED);
    assert_int_equal(open_bytes("PK\3\4", 4), EMBED_EFORMAT);
}

/* Cut short anywhere, or with any byte changed, a file opens or is refused; never a crash, nor a tensor
 * outside of the file or of what was copied. */
static void test_damage(void **state)
{
    static const unsigned char changes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    volatile char sum = 0;
    (void)state;
    open_file("plain.bin");
    char *copy = emb_alloc(&emb_libc_allocator, file.size, 1);
    assert_non_null(copy);
    for (size_t size = 0; size < file.size; size++)
        assert_true(open_bytes(file.data, size) < 0);
    for (size_t at = 0; at < file.size; at++)
        for (int64_t i = 0; i < EMB_COUNT(changes); i++) {
            memcpy(copy, file.data, file.size);
            copy[at] = (char)(copy[at] ^ changes[i]);
            if (open_bytes(copy, file.size) == EMBED_OK)
                for (int64_t t = 0; t < st.count; t++)
                    for (size_t b = 0; b < st.tensors[t].bytes; b++) sum ^= st.tensors[t].data[b];
            emb_safetensors_close(&st);
        }
    emb_free(&emb_libc_allocator, copy);
    close_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),
        cmocka_unit_test(test_shapes_of_dicts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
