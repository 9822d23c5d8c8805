/* The model directory: folder and single file, texts, weights in one file and in shards, each
 * refusal with its text, failing allocations. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/format/directory.h"
#include "failing_allocator.h"

static char root[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static int make_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/embed-directory-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void put(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(path_of(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

/* A safetensors file of U8 tensors of one byte, its value their first letter, and metadata (JSON)
 * if given. */
static size_t make_tensors(char *file, const char *metadata, const char *const *names)
{
    char header[4096] = "{", *h = header + 1;
    size_t count = 0;
    if (metadata) h += sprintf(h, "\"__metadata__\":%s%s", metadata, *names ? "," : "");
    for (; names[count]; count++)
        h += sprintf(h, "%s\"%s\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%zu,%zu]}",
                     count ? "," : "", names[count], count, count + 1);
    *h++ = '}';
    size_t size = (size_t)(h - header);
    memset(file, 0, 8);
    file[0] = (char)(size & 0xFF);
    file[1] = (char)(size >> 8);
    memcpy(file + 8, header, size);
    for (size_t i = 0; i < count; i++) file[8 + size + i] = names[i][0];
    return 8 + size + count;
}

#define NAMES(...) (const char *const[]){__VA_ARGS__, NULL}

static void put_tensors(const char *name, const char *const *names)
{
    char file[8192];
    put(name, file, make_tensors(file, NULL, names));
}

static emb_directory *open_root(bool map)
{
    emb_directory *dir;
    embed_error error = EMBED_ERROR_INIT;
    assert_int_equal(emb_directory_open(&dir, root, map, &emb_libc_allocator, &error), EMBED_OK);
    return dir;
}

/* Opening the weights of folder fails so. %s in message is the directory's path. */
static void check_no_weights(const char *folder, int32_t status, const char *message)
{
    emb_directory *dir = open_root(true);
    embed_error error = EMBED_ERROR_INIT;
    emb_weights *w;
    char expected[1024];
    size_t n = strcspn(message, "@");
    snprintf(expected, sizeof expected, "%.*s%s%s", (int)n, message, message[n] ? root : "",
             message + n + (message[n] == '@'));
    assert_int_equal(emb_directory_weights(dir, folder, &w, &error), status);
    assert_null(w);
    assert_int_equal(error.status, status);
    assert_string_equal(error.message, expected);
    emb_directory_free(dir);
}

/* ---- opening ------------------------------------------------------------------------- */

static void test_open(void **state)
{
    embed_error error = EMBED_ERROR_INIT;
    emb_directory *dir;
    char expected[512];
    (void)state;
    assert_int_equal(emb_directory_open(&dir, path_of("none"), true, &emb_libc_allocator, &error),
                     EMBED_EIO);
    assert_null(dir);
    snprintf(expected, sizeof expected,
             "%s: expected a model directory or a single-file model, found no such path",
             path_of("none"));
    assert_string_equal(error.message, expected);

    put_text("note.txt", "no model");
    assert_int_equal(
        emb_directory_open(&dir, path_of("note.txt"), true, &emb_libc_allocator, &error),
        EMBED_EFORMAT);
    assert_null(dir);
    assert_string_equal(error.message, "note.txt: header: expected a length of at most 100000000 "
                                       "bytes, found "
                                       "7810759558478983022: this may not be a safetensors file");
    put("empty", "", 0);
    assert_int_equal(emb_directory_open(&dir, path_of("empty"), true, &emb_libc_allocator, &error),
                     EMBED_EFORMAT);
    assert_string_equal(error.message, "empty: expected a safetensors file of at least 8 bytes, "
                                       "found 0");
    assert_int_equal(emb_directory_open(&dir, "/dev/null", true, &emb_libc_allocator, &error),
                     EMBED_EIO);
    assert_string_equal(error.message, "null: expected a regular file, found something else");
    assert_int_equal(emb_directory_open_memory(&dir, "1234", 4, &emb_libc_allocator, &error),
                     EMBED_EFORMAT);
    assert_string_equal(error.message, "model in memory: expected a safetensors file of at least 8 "
                                       "bytes, found 4");
    assert_null(dir);
    emb_directory_free(NULL);
}

/* ---- texts ---------------------------------------------------------------------------- */

static void test_texts(void **state)
{
    const char *text, *again;
    size_t size;
    (void)state;
    put_text("config.json", "{\"a\": 1}");
    put("vocab.txt", "", 0);
    mkdir(path_of("1_Pooling"), 0700);
    put_text("1_Pooling/config.json", "{\"b\": [2]}");
    for (int map = 0; map < 2; map++) {
        emb_directory *dir = open_root(map);
        assert_int_equal(emb_directory_text(dir, "", "config.json", &text, &size, NULL), EMBED_OK);
        assert_int_equal(size, 8);
        assert_memory_equal(text, "{\"a\": 1}", 8);
        assert_int_equal(emb_directory_text(dir, "1_Pooling", "config.json", &again, &size, NULL),
                         EMBED_OK);
        assert_int_equal(size, 10);
        assert_int_equal(emb_directory_text(dir, "", "config.json", &again, &size, NULL), EMBED_OK);
        assert_ptr_equal(again, text); /* opened once */
        assert_int_equal(emb_directory_text(dir, "", "vocab.txt", &text, &size, NULL), EMBED_OK);
        assert_non_null(text);
        assert_int_equal(size, 0);
        assert_int_equal(emb_directory_text(dir, "", "none.json", &text, &size, NULL), EMBED_OK);
        assert_null(text);
        assert_int_equal(emb_directory_text(dir, "none", "config.json", &text, &size, NULL),
                         EMBED_OK);
        assert_null(text);

        emb_json_document *d;
        assert_int_equal(emb_directory_json(dir, "1_Pooling", "config.json", &d, NULL), EMBED_OK);
        assert_int_equal(emb_json_length(emb_json_get(emb_json_root(d), "b")), 1);
        emb_json_free(d);
        assert_int_equal(emb_directory_json(dir, "", "none.json", &d, NULL), EMBED_OK);
        assert_null(d);
        emb_directory_release(dir);
        emb_directory_free(dir);
    }
}

static void test_bad_texts(void **state)
{
    static const char *const folders[] = {"..", "../x", "a/../../x", "/etc", "a\\b", "a/.."};
    embed_error error = EMBED_ERROR_INIT;
    emb_json_document *d;
    emb_weights *w;
    const char *text;
    size_t size;
    (void)state;
    mkdir(path_of("sub"), 0700);
    mkdir(path_of("sub/config.json"), 0700);
    put_text("sub/broken.json", "{\n]");
    emb_directory *dir = open_root(true);
    assert_int_equal(emb_directory_text(dir, "sub", "config.json", &text, &size, &error),
                     EMBED_EIO);
    assert_string_equal(error.message, "sub/config.json: expected a regular file, found a "
                                       "directory");
    assert_int_equal(emb_directory_json(dir, "sub", "broken.json", &d, &error), EMBED_EFORMAT);
    assert_string_equal(error.message, "sub/broken.json: line 2: expected a key in quotes, found "
                                       "']'");
    assert_null(d);
    assert_int_equal(emb_directory_json(dir, "sub", "broken.json", &d, NULL), EMBED_EFORMAT);
    for (int64_t i = 0; i < EMB_COUNT(folders); i++) {
        char expected[256];
        snprintf(expected, sizeof expected,
                 "modules.json: path \"%s\": expected a folder of the model directory, found "
                 "one that leads out of it",
                 folders[i]);
        assert_int_equal(emb_directory_text(dir, folders[i], "config.json", &text, &size, &error),
                         EMBED_EFORMAT);
        assert_string_equal(error.message, expected);
        memset(&error, 0, sizeof error);
        assert_int_equal(emb_directory_weights(dir, folders[i], &w, &error), EMBED_EFORMAT);
        assert_string_equal(error.message, expected);
    }
    assert_int_equal(emb_directory_text(dir, "a..b", "config.json", &text, &size, &error),
                     EMBED_OK);

    /* too long: files of one hole, mapped and never touched */
    put_text("sub/tokenizer.json", "");
    put_text("sub/vocab.txt", "");
    assert_int_equal(truncate(path_of("sub/tokenizer.json"), (512 << 20) + 1L), 0);
    assert_int_equal(truncate(path_of("sub/vocab.txt"), (64 << 20) + 1L), 0);
    assert_int_equal(emb_directory_text(dir, "sub", "tokenizer.json", &text, &size, &error),
                     EMBED_EFORMAT);
    assert_string_equal(error.message, "sub/tokenizer.json: expected a text of at most 536870912 "
                                       "bytes, found 536870913");
    assert_int_equal(emb_directory_text(dir, "sub", "vocab.txt", &text, &size, &error),
                     EMBED_EFORMAT);
    assert_string_equal(error.message, "sub/vocab.txt: expected a text of at most 67108864 bytes, "
                                       "found 67108865");
    assert_null(text);
    emb_directory_free(dir);
}

/* ---- weights ----------------------------------------------------------------------------- */

static void test_one_file(void **state)
{
    (void)state;
    mkdir(path_of("2_Dense"), 0700);
    put_tensors("model.safetensors", NAMES("w.b", "w.a"));
    put_tensors("2_Dense/model.safetensors", NAMES("linear.weight"));
    put_text("model.safetensors.index.json", "not read");
    for (int map = 0; map < 2; map++) {
        emb_directory *dir = open_root(map);
        emb_weights *w, *again, *dense;
        assert_int_equal(emb_directory_weights(dir, "", &w, NULL), EMBED_OK);
        assert_int_equal(emb_directory_weights(dir, "2_Dense", &dense, NULL), EMBED_OK);
        assert_int_equal(emb_directory_weights(dir, "", &again, NULL), EMBED_OK);
        assert_ptr_equal(w, again);
        assert_string_equal(emb_weights_name(w), "model.safetensors");
        assert_string_equal(emb_weights_name(dense), "2_Dense/model.safetensors");
        assert_int_equal(emb_weights_count(w), 2);
        assert_string_equal(emb_weights_at(w, 0)->name, "w.a");
        assert_string_equal(emb_weights_find(dense, "linear.weight")->file, "2_Dense/"
                                                                            "model.safetensors");
        assert_null(emb_weights_find(w, "linear.weight"));
        emb_directory_release(dir); /* the bytes come back when touched */
        assert_int_equal(emb_weights_find(w, "w.b")->data[0], 'w');
        emb_directory_free(dir);
    }
}

static void test_no_weights(void **state)
{
    (void)state;
    check_no_weights("", EMBED_EIO,
                     "@: expected model.safetensors or pytorch_model.bin, whole or with an index of "
                     "shards, found neither");
    check_no_weights("2_Dense", EMBED_EIO,
                     "2_Dense: expected model.safetensors or pytorch_model.bin, whole or with an index "
                     "of shards, found neither");
    put_text("pytorch_model.bin.index.json", "{}");
    check_no_weights("", EMBED_EFORMAT,
                     "pytorch_model.bin.index.json: weight_map: expected an object of file names, found "
                     "absent");
    put_text("pytorch_model.bin", "PK\3\4");
    check_no_weights("", EMBED_EFORMAT,
                     "pytorch_model.bin: zip archive: expected a directory of its files at the end, found "
                     "none: the file was cut short");
    mkdir(path_of("model.safetensors"), 0700);
    check_no_weights("", EMBED_EIO,
                     "model.safetensors: expected a regular file, found a directory");
    rmdir(path_of("model.safetensors"));
    put_text("model.safetensors", "12345678");
    check_no_weights("", EMBED_EFORMAT,
                     "model.safetensors: header: expected a length of at most 100000000 bytes, "
                     "found 4050765991979987505: this may not be a safetensors file");
}

static void test_shards(void **state)
{
    emb_weights *w;
    (void)state;
    put_tensors("m-1.safetensors", NAMES("b", "d", "unused"));
    put_tensors("m-2.safetensors", NAMES("a", "c"));
    put_text("model.safetensors.index.json", "{\"metadata\":{\"total_size\":4},\"weight_map\":{"
                                             "\"d\":\"m-1.safetensors\","
                                             "\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\","
                                             "\"c\":\"m-2.safetensors\"}}");
    for (int map = 0; map < 2; map++) {
        emb_directory *dir = open_root(map);
        assert_int_equal(emb_directory_weights(dir, "", &w, NULL), EMBED_OK);
        assert_string_equal(emb_weights_name(w), "model.safetensors.index.json");
        assert_int_equal(emb_weights_count(w), 4);
        for (int i = 0; i < 4; i++) {
            char name[2] = {(char)('a' + i), 0};
            assert_string_equal(emb_weights_at(w, i)->name, name);
            assert_int_equal(emb_weights_find(w, name)->data[0], name[0]);
            assert_string_equal(emb_weights_find(w, name)->file,
                                i % 2 ? "m-1.safetensors" : "m-2.safetensors");
        }
        assert_null(emb_weights_find(w, "unused"));
        emb_directory_release(dir);
        emb_directory_free(dir);
    }
}

static void test_bad_shards(void **state)
{
    static const struct {
        const char *index; int32_t status; const char *message;
    } cases[] = {
        {"[", EMBED_EFORMAT, "line 1: expected a value, found the end of the text"},
        {"[]", EMBED_EFORMAT, "weight_map: expected an object of file names, found absent"},
        {"{}", EMBED_EFORMAT, "weight_map: expected an object of file names, found absent"},
        {"{\"weight_map\":[]}", EMBED_EFORMAT,
         "weight_map: expected an object of file names, found an array"},
        {"{\"weight_map\":{}}", EMBED_EFORMAT,
         "weight_map: expected an object of file names, found an empty one"},
        {"{\"weight_map\":\n{\"a\":1}}", EMBED_EFORMAT,
         "line 2: tensor \"a\": expected a file name, found an integer"},
        {"{\"weight_map\":{\"a\":\"m-1\",\"a\":\"m-2\"}}", EMBED_EFORMAT,
         "line 1: expected each key once, found \"a\" again (first on line 1)"},
        {"{\"weight_map\":{\"a\":\"m\\u0000\"}}", EMBED_EFORMAT,
         "line 1: expected text, found a string with U+0000 in it"},
        {"{\"weight_map\":{\"a\":\"\"}}", EMBED_EFORMAT,
         "tensor \"a\": shard \"\": expected the name of a file in the same folder, found a path"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", EMBED_EFORMAT,
         "tensor \"a\": shard \"/etc/passwd\": expected the name of a file in the same folder, "
         "found a path"},
        {"{\"weight_map\":{\"a\":\"..\"}}", EMBED_EFORMAT,
         "tensor \"a\": shard \"..\": expected the name of a file in the same folder, found a "
         "path"},
        {"{\"weight_map\":{\"a\":\"x/m\"}}", EMBED_EFORMAT,
         "tensor \"a\": shard \"x/m\": expected the name of a file in the same folder, found a "
         "path"},
        {"{\"weight_map\":{\"a\":\"x\\\\m\"}}", EMBED_EFORMAT,
         "tensor \"a\": shard \"x\\m\": expected the name of a file in the same folder, found a "
         "path"},
        {"{\"weight_map\":{\"a\":\"m-9\"}}", EMBED_EIO,
         "tensor \"a\": shard \"m-9\": expected this file beside the index, found none"},
        {"{\"weight_map\":{\"a\":\"m-2\",\"z\":\"m-1\"}}", EMBED_ETENSOR,
         "tensor \"z\": shard \"m-1\": expected this tensor in it, found none"},
        {"{\"weight_map\":{\"a\":\"m-2\",\"b\":\"m-1\",\"both\":\"m-1\"}}", EMBED_EFORMAT,
         "tensor \"both\": expected it in the shard \"m-1\" alone, found it in \"m-2\" too"}};
    (void)state;
    put_tensors("m-1", NAMES("b", "both"));
    put_tensors("m-2", NAMES("a", "both"));
    for (int64_t i = 0; i < EMB_COUNT(cases); i++) {
        char message[512];
        snprintf(message, sizeof message, "model.safetensors.index.json: %s", cases[i].message);
        put_text("model.safetensors.index.json", cases[i].index);
        check_no_weights("", cases[i].status, message);
    }
    put_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\".\"}}");
    check_no_weights("", EMBED_EIO, ".: expected a regular file, found a directory");
    put_text("m-2", "short");
    put_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"m-2\"}}");
    check_no_weights("", EMBED_EFORMAT,
                     "m-2: expected a safetensors file of at least 8 bytes, found 5");
}

/* ---- single-file model -------------------------------------------------------------------- */

static void check_single(emb_directory *dir, const char *name)
{
    embed_error error = EMBED_ERROR_INIT;
    emb_json_document *d;
    emb_weights *w;
    const char *text;
    char expected[128];
    size_t size;
    assert_int_equal(emb_directory_text(dir, "1_Pooling", "config.json", &text, &size, &error),
                     EMBED_OK);
    assert_int_equal(size, 7);
    assert_string_equal(text, "{\"b\":2}");
    assert_int_equal(emb_directory_text(dir, "", "none", &text, &size, &error), EMBED_OK);
    assert_null(text);
    assert_int_equal(emb_directory_json(dir, "", "config.json", &d, &error), EMBED_OK);
    assert_true(emb_json_is(emb_json_get(emb_json_root(d), "a"), EMB_JSON_INTEGER));
    emb_json_free(d);

    assert_int_equal(emb_directory_weights(dir, "", &w, &error), EMBED_OK);
    assert_int_equal(emb_weights_count(w), 2);
    assert_string_equal(emb_weights_at(w, 0)->name, "2_Db");
    assert_string_equal(emb_weights_at(w, 1)->name, "a.weight");
    assert_string_equal(emb_weights_name(w), name);
    assert_string_equal(emb_weights_at(w, 0)->file, name);
    assert_int_equal(emb_directory_weights(dir, "2_Dense", &w, &error), EMBED_OK);
    assert_int_equal(emb_weights_count(w), 2);
    assert_string_equal(emb_weights_at(w, 0)->name, "linear.bias");
    assert_int_equal(emb_weights_find(w, "linear.weight")->data[0], '2');
    assert_int_equal(emb_directory_weights(dir, "2_Dense/x", &w, &error), EMBED_OK);
    assert_non_null(emb_weights_find(w, "deep"));
    assert_int_equal(emb_directory_weights(dir, "2_D", &w, &error), EMBED_EIO);
    assert_null(w);
    snprintf(expected, sizeof expected,
             "%s: expected tensors whose names begin with \"2_D/\", found none", name);
    assert_string_equal(error.message, expected);
    emb_directory_release(dir);
    emb_directory_free(dir);
}

static void test_single_file(void **state)
{
    static const char metadata[] = "{\"config.json\":\"{\\\"a\\\":1}\",\"1_Pooling/"
                                   "config.json\":\"{\\\"b\\\":2}\"}";
    const char *const *names = NAMES("2_Dense/linear.weight", "2_Db", "2_Dense/linear.bias",
                                     "a.weight", "2_Dense/x/deep", "2_Dense2/z");
    char file[8192];
    size_t size = make_tensors(file, metadata, names);
    emb_directory *dir;
    emb_weights *w;
    embed_error error = EMBED_ERROR_INIT;
    (void)state;
    put("one.safetensors", file, size);
    for (int map = 0; map < 2; map++) {
        assert_int_equal(
            emb_directory_open(&dir, path_of("one.safetensors"), map, &emb_libc_allocator, NULL),
            EMBED_OK);
        check_single(dir, "one.safetensors");
    }
    assert_int_equal(emb_directory_open_memory(&dir, file, size, &emb_libc_allocator, NULL),
                     EMBED_OK);
    check_single(dir, "model in memory");

    size = make_tensors(file, metadata, NAMES("x/a"));
    assert_int_equal(emb_directory_open_memory(&dir, file, size, &emb_libc_allocator, NULL),
                     EMBED_OK);
    assert_int_equal(emb_directory_weights(dir, "", &w, &error), EMBED_EIO);
    assert_string_equal(error.message, "model in memory: expected tensors without a folder in "
                                       "their names, found none");
    emb_directory_free(dir);
}

/* ---- memory --------------------------------------------------------------------------------- */

static int32_t use_everything(const char *path, const emb_allocator *a, embed_error *error)
{
    emb_directory *dir;
    emb_json_document *d = NULL;
    emb_weights *w;
    int32_t status = emb_directory_open(&dir, path, false, a, error);
    if (status < 0) return status;
    status = emb_directory_json(dir, "", "config.json", &d, error);
    emb_json_free(d);
    if (status == EMBED_OK) status = emb_directory_weights(dir, "", &w, error);
    if (status == EMBED_OK) status = emb_directory_weights(dir, "2_Dense", &w, error);
    emb_directory_free(dir);
    return status;
}

static void fail_each(const char *path)
{
    int32_t status = EMBED_ENOMEM;
    for (int64_t n = 1; status != EMBED_OK; n++) {
        failing f = {.fail_at = n};
        emb_allocator a = failing_allocator(&f);
        embed_error error = EMBED_ERROR_INIT;
        status = use_everything(path, &a, &error);
        assert_int_equal(f.alive, 0);
        assert_true(n < 500);
        if (status == EMBED_OK) {
            assert_true(n > 10);
        } else {
            assert_int_equal(status, EMBED_ENOMEM);
            assert_int_equal(error.status, EMBED_ENOMEM);
            assert_non_null(strstr(error.message, "out of memory"));
        }
    }
}

static void test_failing_allocations(void **state)
{
    char file[8192];
    (void)state;
    put("one", file, make_tensors(file, "{\"config.json\":\"{}\"}", NAMES("a", "2_Dense/a")));
    put_text("config.json", "{\"a\": [1]}");
    put_tensors("m-1", NAMES("b"));
    put_tensors("m-2", NAMES("a"));
    put_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"m-2\",\"b\":\"m-1\"}}");
    mkdir(path_of("2_Dense"), 0700);
    put_tensors("2_Dense/model.safetensors", NAMES("w"));
    fail_each(root);
    fail_each(path_of("one"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),       TEST(test_texts),       TEST(test_bad_texts),
        TEST(test_one_file),   TEST(test_no_weights),  TEST(test_shards),
        TEST(test_bad_shards), TEST(test_single_file), TEST(test_failing_allocations)};
    return cmocka_run_group_tests_name("directory", tests, NULL, NULL);
}
