/* Drives a fuzz target without a fuzzer: replays files and the files of folders, and with -mutate
 * N SEED runs N mutations of each. The same arguments give the same runs; on a crash the input is
 * in the file that -save names. */
#define _DEFAULT_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 16 }; /* that mutations may add */

static long mutations;
static uint64_t seed;
static const char *save;

/* Exactly size bytes, so that a read past the end is seen. */
static void run_one(const uint8_t *data, size_t size)
{
    uint8_t *tight = malloc(size ? size : 1);
    if (!tight) exit(2);
    memcpy(tight, data, size);
    if (save) {
        FILE *f = fopen(save, "wb");
        if (!f || fwrite(data, 1, size, f) != size || fclose(f)) exit(2);
    }
    LLVMFuzzerTestOneInput(tight, size);
    free(tight);
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(2);
    }
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f), capacity = size + ROOM;
    uint8_t *original = malloc(capacity), *data = malloc(capacity);
    rewind(f);
    if (!original || !data || fread(original, 1, size, f) != size) exit(2);
    fclose(f);
    run_one(original, size);
    uint64_t rng = seed;
    for (long i = 0; i < mutations; i++) {
        memcpy(data, original, size);
        size_t now = size;
        for (size_t n = 1 + random_below(&rng, 4); n > 0; n--)
            now = mutate(data, now, capacity, &rng);
        run_one(data, now);
    }
    free(original);
    free(data);
}

static void run_path(const char *path)
{
    struct stat st;
    struct dirent **names;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    int count = scandir(path, &names, NULL, alphasort);
    if (count < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        snprintf(name, sizeof name, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') run_path(name);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-mutate") == 0 && i + 2 < argc) {
            mutations = strtol(argv[++i], NULL, 10);
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "-save") == 0 && i + 1 < argc) {
            save = argv[++i];
        } else {
            run_path(argv[i]);
        }
    }
    return 0;
}
