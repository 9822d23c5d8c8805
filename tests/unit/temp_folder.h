/* A folder of its own for a test: a copy of a frozen model, in which one thing is changed. */
#ifndef TEMP_FOLDER_H
#define TEMP_FOLDER_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before the first header: nftw, mkdtemp and memmem"
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char temp[64]; /* the folder */

static inline int make_temp(void **state)
{
    (void)state;
    snprintf(temp, sizeof temp, "/tmp/embed-test-XXXXXX");
    return mkdtemp(temp) ? 0 : -1;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type;
    return ftw->level ? remove(path) : 0;
}

static inline void empty_temp(void)
{
    assert_int_equal(nftw(temp, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline int remove_temp(void **state)
{
    (void)state;
    empty_temp();
    return rmdir(temp);
}

static inline const char *temp_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s%s%s", temp, *name ? "/" : "", name);
    return path;
}

/* The whole file; a NUL follows that size does not count. The caller frees it. */
static inline char *slurp(const char *path, size_t *size)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || stat(path, &st) != 0) fail_msg("cannot open %s", path);
    char *data = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(data);
    *size = fread(data, 1, (size_t)st.st_size, f);
    assert_int_equal(*size, st.st_size);
    fclose(f);
    return data;
}

static inline void put_file(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(temp_path(name), "wb");
    if (!f) fail_msg("cannot write %s", name);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static size_t copied_prefix; /* of the path being copied */

static inline int copy_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *name = path + copied_prefix + (ftw->level > 0);
    (void)st;
    if (type == FTW_D) return ftw->level ? mkdir(temp_path(name), 0700) : 0;
    size_t size;
    char *data = slurp(path, &size);
    put_file(name, data, size);
    free(data);
    return 0;
}

/* Empty the folder, then copy a frozen model into it. */
static inline void copy_model(const char *model)
{
    char path[256];
    empty_temp();
    snprintf(path, sizeof path, "tests/data/models/%s", model);
    copied_prefix = strlen(path);
    assert_int_equal(nftw(path, copy_one, 8, FTW_PHYS), 0);
}

/* Replace the first occurrence of from in a file. In a safetensors file the size of the header
 * follows. */
static inline void replace_in(const char *name, const char *from, const char *to)
{
    size_t size, removed = strlen(from), added = strlen(to);
    char *data = slurp(temp_path(name), &size), *at = memmem(data, size, from, removed);
    if (!at) fail_msg("%s has no %s", name, from);
    size_t head = (size_t)(at - data), suffix = strlen(".safetensors");
    char *changed = malloc(size + added);
    assert_non_null(changed);
    memcpy(changed, data, head);
    memcpy(changed + head, to, added);
    memcpy(changed + head + added, at + removed, size - head - removed);
    if (strlen(name) > suffix && strcmp(name + strlen(name) - suffix, ".safetensors") == 0) {
        uint64_t header;
        memcpy(&header, changed, sizeof header);
        header = header + added - removed;
        memcpy(changed, &header, sizeof header);
    }
    put_file(name, changed, size - removed + added);
    free(changed);
    free(data);
}

#endif
