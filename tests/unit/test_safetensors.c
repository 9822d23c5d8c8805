/* safetensors: what is taken, and each refusal with its text, in the order of the reference
 * validator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../lib/format/safetensors.h"
#include "failing_allocator.h"

/* A file of this header and data_size bytes 0, 1, 2...; length < 0: the header's own. Freed by the
 * caller. */
static char *make_file(const char *header, size_t header_size, int64_t length, size_t data_size)
{
    char *file = malloc(8 + header_size + data_size);
    uint64_t n = length < 0 ? header_size : (uint64_t)length;
    for (int i = 0; i < 8; i++) file[i] = (char)(n >> 8 * i);
    memcpy(file + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++) file[8 + header_size + i] = (char)i;
    return file;
}

static void check_refused(const char *header, size_t header_size, int64_t length, size_t data_size,
                          const char *message)
{
    char *file = make_file(header, header_size, length, data_size);
    embed_error error = EMBED_ERROR_INIT;
    emb_safetensors st;
    int32_t status = emb_safetensors_open(&st, "m", file, 8 + header_size + data_size,
                                          &emb_libc_allocator, &error);
    free(file);
    assert_int_equal(status, EMBED_EFORMAT);
    assert_int_equal(error.status, EMBED_EFORMAT);
    assert_string_equal(error.message, message);
    assert_int_equal(st.count, 0); /* closing again is harmless */
    emb_safetensors_close(&st);
}

#define T(dtype, shape, offsets) \
    "{\"w\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

static void test_file_length(void **state)
{
    (void)state;
    embed_error error = EMBED_ERROR_INIT;
    emb_safetensors st;
    assert_int_equal(emb_safetensors_open(&st, "m", "1234567", 7, &emb_libc_allocator, &error),
                     EMBED_EFORMAT);
    assert_string_equal(error.message, "m: expected a safetensors file of at least 8 bytes, found "
                                       "7");
    check_refused("{}", 2, 100000001, 0,
                  "m: header: expected a length of at most 100000000 bytes, found "
                  "100000001: this may not be a safetensors file");
    check_refused("{}", 2, INT64_MAX, 0,
                  "m: header: expected a length of at most 100000000 bytes, found "
                  "9223372036854775807: this may not be a safetensors file");
    check_refused("{}", 2, 100000000, 0,
                  "m: header: expected 100000000 bytes, found 2: the file was cut short");
    check_refused("{}", 2, 3, 0, "m: header: expected 3 bytes, found 2: the file was cut short");
    check_refused("{\"\xFF\":0}", 7, -1, 0,
                  "m: header: expected UTF-8, found the byte 0xFF at offset 10");
}

static const struct {
    const char *header; size_t data; const char *message;
} refused[] = {
    /* JSON and types */
    {"", 0, "m: header: line 1: expected a value, found the end of the text"},
    {"[]", 0, "m: header: expected an object, found an array"},
    {"{}x", 0, "m: header: line 1: expected the end of the text, found 'x'"},
    {"{\"w\":{\"dtype\":}}", 0, "m: header: line 1: expected a value, found '}'"},
    {"{\"w\":1}", 0, "m: tensor \"w\": expected an object, found an integer"},
    {"{\"w\":null}", 0, "m: tensor \"w\": expected an object, found null"},
    {"{\"w\":[\"U8\",[0],[0,0]]}", 0, "m: tensor \"w\": expected an object, found an array"},
    {"{\"w\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4,
     "m: tensor \"w\": expected dtype, found none"},
    {"{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4,
     "m: tensor \"w\": expected shape, found none"},
    {"{\"w\":{\"dtype\":\"F32\",\"shape\":[]}}", 4,
     "m: tensor \"w\": expected data_offsets, found none"},
    {"{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 4,
     "m: tensor \"w\": dtype: expected it once, found it again"},
    {T("F33", "[]", "[0,4]"), 4,
     "m: tensor \"w\": dtype: expected one of the format (F32, F16, BF16...), found \"F33\""},
    {T("f32", "[]", "[0,4]"), 4,
     "m: tensor \"w\": dtype: expected one of the format (F32, F16, BF16...), found \"f32\""},
    {"{\"w\":{\"dtype\":7}}", 0, "m: tensor \"w\": dtype: expected a string, found an integer"},
    {T("F32", "1", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected an array of integers, found an integer"},
    {T("F32", "[\"1\"]", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected an unsigned 64-bit integer, found a string"},
    {T("F32", "[-1]", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected an unsigned 64-bit integer, found -1"},
    {T("F32", "[-0]", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected an unsigned 64-bit integer, found -0"},
    {T("F32", "[1.0]", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected an unsigned 64-bit integer, found 1.0"},
    {T("F32", "[18446744073709551616]", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected an unsigned 64-bit integer, found 18446744073709551616"},
    {T("F32", "[0,9223372036854775808]", "[0,0]"), 0,
     "m: tensor \"w\": shape: expected dimensions below 2^63, found a larger one"},
    {T("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4,
     "m: tensor \"w\": shape: expected at most 8 dimensions, found more"},
    {T("F32", "[]", "{}"), 4,
     "m: tensor \"w\": data_offsets: expected an array of integers, found an object"},
    {T("F32", "[]", "[]"), 4, "m: tensor \"w\": data_offsets: expected two integers, found none"},
    {T("F32", "[]", "[4]"), 4, "m: tensor \"w\": data_offsets: expected two integers, found one"},
    {T("F32", "[]", "[0,4,4]"), 4,
     "m: tensor \"w\": data_offsets: expected two integers, found more"},
    {T("F32", "[]", "[0,null]"), 4,
     "m: tensor \"w\": data_offsets: expected an unsigned 64-bit integer, found null"},
    {"{\"__metadata__\":1}", 0, "m: __metadata__: expected an object of strings, found an integer"},
    {"{\"__metadata__\":{\"a\":1}}", 0,
     "m: __metadata__: \"a\": expected a string, found an integer"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0,
     "m: __metadata__: expected it once, found it again"},
    {"{\"__metadata__\":{\"a\":\"1\",\"b\":\"\",\"a\":\"2\"}}", 0,
     "m: __metadata__: \"a\": expected the key once, found it again"},
    {"{\"__metadata__\":{\"a\\u0000\":\"\"}}", 0,
     "m: header: expected text as a key of __metadata__, found U+0000 after \"a\""},
    {"{\"__metadata__\":{\"a\":\"b\\u0000\"}}", 0,
     "m: header: expected text as a value of __metadata__, found U+0000 after \"b\""},
    {"{\"w\\u0000\":{}}", 0,
     "m: header: expected text as a tensor's name, found U+0000 after \"w\""},
    {"{\"w\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},\"w\":{\"dtype\":\"U8\","
     "\"shape\":[0],"
     "\"data_offsets\":[0,0]}}",
     0, "m: tensor \"w\": expected the name once, found it again"},
    /* offsets */
    {T("F32", "[1]", "[4,8]"), 8,
     "m: tensor \"w\": data_offsets: expected to begin at 0, found [4, 8]"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
     12, "m: tensor \"b\": data_offsets: expected to begin at 4, found [8, 12]"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
     6, "m: tensor \"b\": data_offsets: expected to begin at 4, found [2, 6]"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
     4, "m: tensor \"b\": data_offsets: expected to end after the begin, found [4, 0]"},
    /* overflow: of elements, of bits, and a 0 that comes too late */
    {T("F32", "[4294967296,4294967296]", "[0,4]"), 4,
     "m: tensor \"w\": expected a size that fits 64 bits, found F32 [4294967296, 4294967296]"},
    {T("F32", "[4611686018427387904]", "[0,4]"), 4,
     "m: tensor \"w\": expected a size that fits 64 bits, found F32 [4611686018427387904]"},
    {T("F32", "[4611686018427387904,8,0]", "[0,0]"), 0,
     "m: tensor \"w\": expected a size that fits 64 bits, found F32 [4611686018427387904, 8, 0]"},
    /* sub-byte */
    {T("F4", "[3]", "[0,2]"), 2, "m: tensor \"w\": expected whole bytes, found 12 bits for F4 [3]"},
    {T("F6_E2M3", "[2]", "[0,2]"), 2,
     "m: tensor \"w\": expected whole bytes, found 12 bits for F6_E2M3 [2]"},
    /* size */
    {T("F32", "[2,3]", "[0,20]"), 20,
     "m: tensor \"w\": expected 24 bytes for F32 [2, 3], found 20"},
    {T("F16", "[]", "[0,4]"), 4, "m: tensor \"w\": expected 2 bytes for F16 [], found 4"},
    {T("BOOL", "[0]", "[0,1]"), 1, "m: tensor \"w\": expected 0 bytes for BOOL [0], found 1"},
    /* the whole file */
    {T("F32", "[2]", "[0,8]"), 7, "m: expected 8 bytes of data, found 7: the file was cut short"},
    {T("F32", "[2]", "[0,8]"), 9,
     "m: expected 8 bytes of data, found 9: bytes after the last tensor"},
    {"{}", 1, "m: expected 0 bytes of data, found 1: bytes after the last tensor"},
    {T("U8", "[1152921504606846976]", "[0,1152921504606846976]"), 8,
     "m: expected 1152921504606846976 bytes of data, found 8: the file was cut short"},
};

static void test_refused(void **state)
{
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(refused); i++)
        check_refused(refused[i].header, strlen(refused[i].header), -1, refused[i].data,
                      refused[i].message);
}

/* Of two faults the one that the reference checks first is told. */
static void test_order(void **state)
{
    (void)state;
    check_refused(T("F4", "[3]", "[1,4]"), strlen(T("F4", "[3]", "[1,4]")), -1, 9,
                  "m: tensor \"w\": data_offsets: expected to begin at 0, found [1, 4]");
    check_refused(T("F4", "[3]", "[0,9]"), strlen(T("F4", "[3]", "[0,9]")), -1, 1,
                  "m: tensor \"w\": expected whole bytes, found 12 bits for F4 [3]");
    check_refused(T("U8", "[3]", "[0,9]"), strlen(T("U8", "[3]", "[0,9]")), -1, 1,
                  "m: tensor \"w\": expected 3 bytes for U8 [3], found 9");
}

static void test_accepted(void **state)
{
    static const char header[] =
        " {\"b\": {\"extra\": [{\"x\": 1, \"x\": 2}], \"data_offsets\": [1, 9], \"shape\": [2, 1], "
        "\"dtype\": \"F32\"},\n"
        "\"__metadata__\": {\"z\": \"\", \"format\": \"pt\", \"a\\n\": \"\\u00e9\"},\n"
        "\"\": {\"dtype\": \"U8\", \"shape\": [], \"data_offsets\": [0, 1]},\n"
        "\"\xC3\xA9/x\": {\"dtype\": \"F6_E3M2\", \"shape\": [4], \"data_offsets\": [9, 12]},\n"
        "\"empty\": {\"dtype\": \"I64\", \"shape\": [3, 0, 2], \"data_offsets\": [9, 9]},\n"
        "\"last\": {\"dtype\": \"F64\", \"shape\": [0], \"data_offsets\": [12, 12]}}   ";
    char *file = make_file(header, sizeof header - 1, -1, 12), name[] = "m";
    embed_error error = EMBED_ERROR_INIT;
    emb_safetensors st;
    (void)state;
    assert_int_equal(emb_safetensors_open(&st, name, file, 8 + sizeof header - 1 + 12,
                                          &emb_libc_allocator, &error),
                     EMBED_OK);
    name[0] = '?'; /* the name was copied */
    assert_int_equal(st.count, 5);
    for (int64_t i = 1; i < st.count; i++)
        assert_true(strcmp(st.tensors[i - 1].name, st.tensors[i].name) < 0);
    const emb_tensor *t = emb_safetensors_find(&st, "b");
    assert_non_null(t);
    assert_int_equal(t->dtype, EMB_F32);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[0], 2);
    assert_int_equal(t->shape[1], 1);
    assert_int_equal(t->bytes, 8);
    assert_int_equal(t->data[0], 1);
    assert_string_equal(t->file, "m");
    t = emb_safetensors_find(&st, "");
    assert_true(t && t->rank == 0 && t->bytes == 1 && t->data[0] == 0);
    t = emb_safetensors_find(&st, "\xC3\xA9/x");
    assert_true(t && t->bytes == 3 && t->data[0] == 9);
    t = emb_safetensors_find(&st, "empty");
    assert_true(t && t->bytes == 0 && t->rank == 3);
    assert_null(emb_safetensors_find(&st, "B"));
    assert_string_equal(emb_safetensors_metadata(&st, "format"), "pt");
    assert_string_equal(emb_safetensors_metadata(&st, "z"), "");
    assert_string_equal(emb_safetensors_metadata(&st, "a\n"), "\xC3\xA9");
    assert_null(emb_safetensors_metadata(&st, "b"));
    emb_safetensors_close(&st);
    free(file);
}

static void test_empty(void **state)
{
    static const char *const headers[] = {"{}", "{\"__metadata__\":null}", "{\"__metadata__\":{}}"};
    (void)state;
    for (int64_t i = 0; i < EMB_COUNT(headers); i++) {
        char *file = make_file(headers[i], strlen(headers[i]), -1, 0);
        emb_safetensors st;
        assert_int_equal(
            emb_safetensors_open(&st, "m", file, 8 + strlen(headers[i]), &emb_libc_allocator, NULL),
            EMBED_OK);
        assert_int_equal(st.count, 0);
        assert_null(emb_safetensors_find(&st, "w"));
        assert_null(emb_safetensors_metadata(&st, "format"));
        emb_safetensors_close(&st);
        free(file);
    }
}

static void test_dtypes(void **state)
{
    static const struct {
        const char *name; emb_dtype dtype; size_t eight;
    } dtypes[] = {{"F32", EMB_F32, 32},
                  {"F16", EMB_F16, 16},
                  {"BF16", EMB_BF16, 16},
                  {"F64", EMB_F64, 64},
                  {"BOOL", EMB_BOOL, 8},
                  {"U8", EMB_U8, 8},
                  {"I8", EMB_I8, 8},
                  {"I16", EMB_I16, 16},
                  {"U16", EMB_U16, 16},
                  {"I32", EMB_I32, 32},
                  {"U32", EMB_U32, 32},
                  {"I64", EMB_I64, 64},
                  {"U64", EMB_U64, 64},
                  {"C64", EMB_C64, 64},
                  {"F8_E5M2", EMB_F8_E5M2, 8},
                  {"F8_E4M3", EMB_F8_E4M3, 8},
                  {"F8_E8M0", EMB_F8_E8M0, 8},
                  {"F8_E4M3FNUZ", EMB_F8_E4M3FNUZ, 8},
                  {"F8_E5M2FNUZ", EMB_F8_E5M2FNUZ, 8},
                  {"F4", EMB_F4, 4},
                  {"F6_E2M3", EMB_F6_E2M3, 6},
                  {"F6_E3M2", EMB_F6_E3M2, 6}};
    (void)state;
    assert_int_equal(EMB_COUNT(dtypes), 22);
    for (int64_t i = 0; i < EMB_COUNT(dtypes);
         i++) { /* eight elements take as many bytes as one takes bits */
        char header[128];
        int n = snprintf(header, sizeof header,
                         "{\"w\":{\"dtype\":\"%s\",\"shape\":[8],\"data_offsets\":[0,%zu]}}",
                         dtypes[i].name, dtypes[i].eight);
        char *file = make_file(header, (size_t)n, -1, dtypes[i].eight);
        emb_safetensors st;
        assert_int_equal(emb_safetensors_open(&st, "m", file, 8 + (size_t)n + dtypes[i].eight,
                                              &emb_libc_allocator, NULL),
                         EMBED_OK);
        assert_int_equal(st.tensors[0].dtype, dtypes[i].dtype);
        assert_string_equal(emb_dtype_name(dtypes[i].dtype), dtypes[i].name);
        emb_safetensors_close(&st);
        free(file);
    }
}

static void test_shape_text(void **state)
{
    int64_t shape[EMB_TENSOR_MAX_RANK] = {384, 1536};
    (void)state;
    assert_string_equal(emb_shape_of(shape, 2).text, "[384, 1536]");
    assert_string_equal(emb_shape_of(shape, 0).text, "[]");
    for (int i = 0; i < EMB_TENSOR_MAX_RANK; i++) shape[i] = INT64_MAX;
    assert_int_equal(strlen(emb_shape_of(shape, EMB_TENSOR_MAX_RANK).text), 2 + 8 * 19 + 7 * 2);
}

/* Every beginning of a file is refused, read to its last byte and not beyond. */
static void test_cut_short(void **state)
{
    static const char header[] = T("F32", "[2]", "[0,8]");
    size_t size = 8 + sizeof header - 1 + 8;
    char *file = make_file(header, sizeof header - 1, -1, 8);
    (void)state;
    for (size_t n = 0; n < size; n++) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, file, n);
        emb_safetensors st;
        assert_int_equal(emb_safetensors_open(&st, "m", cut, n, &emb_libc_allocator, NULL),
                         EMBED_EFORMAT);
        free(cut);
    }
    free(file);
}

static void test_failing_allocations(void **state)
{
    static const char header[] = "{\"__metadata__\":{\"a\":\"b\"},\"w\":{\"dtype\":\"U8\","
                                 "\"shape\":[1],"
                                 "\"data_offsets\":[0,1]},\"x\":{\"dtype\":\"U8\",\"shape\":[0],"
                                 "\"data_offsets\":[1,1]}}";
    char *file = make_file(header, sizeof header - 1, -1, 1);
    int32_t status = EMBED_ENOMEM;
    (void)state;
    for (int64_t n = 1; status != EMBED_OK; n++) {
        failing f = {.fail_at = n};
        emb_allocator a = failing_allocator(&f);
        embed_error error = EMBED_ERROR_INIT;
        emb_safetensors st;
        status = emb_safetensors_open(&st, "m", file, 8 + sizeof header - 1 + 1, &a, &error);
        assert_true(n < 100);
        if (status != EMBED_OK) {
            assert_int_equal(status, EMBED_ENOMEM);
            assert_int_equal(error.status, EMBED_ENOMEM);
            assert_non_null(strstr(error.message, "out of memory"));
        } else {
            assert_true(n > 5);
            emb_safetensors_close(&st);
        }
        assert_int_equal(f.alive, 0);
    }
    free(file);
}

/* 100,000 tensors take far less than n * n. */
static void test_many_tensors(void **state)
{
    emb_buffer b;
    embed_error error = EMBED_ERROR_INIT;
    emb_safetensors st;
    char name[16];
    (void)state;
    emb_buffer_init(&b, &emb_libc_allocator);
    emb_buffer_add(&b, "{", 1);
    for (int i = 0; i < 100000; i++)
        emb_buffer_printf(&b, "%s\"t%d\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                          i ? "," : "", i, 99999 - i, 100000 - i);
    emb_buffer_add(&b, "}", 1);
    char *file = make_file(b.data, b.size, -1, 100000);
    clock_t start = clock();
    assert_int_equal(
        emb_safetensors_open(&st, "m", file, 8 + b.size + 100000, &emb_libc_allocator, &error),
        EMBED_OK);
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "t%d", i);
        const emb_tensor *t = emb_safetensors_find(&st, name);
        assert_true(t && t->data == file + 8 + b.size + 99999 - i);
    }
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
    emb_safetensors_close(&st);
    free(file);
    emb_buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file_length),
                                       cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_accepted),
                                       cmocka_unit_test(test_empty),
                                       cmocka_unit_test(test_dtypes),
                                       cmocka_unit_test(test_shape_text),
                                       cmocka_unit_test(test_cut_short),
                                       cmocka_unit_test(test_failing_allocations),
                                       cmocka_unit_test(test_many_tensors)};
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
