/* files: which files an argument or a line of a list means when images are asked for. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DEPTH = 64 };

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder);
    char *path = allocate((int64_t)(size + strlen(name) + 2), 1);

    memcpy(path, folder, size);
    if (size > 0 && folder[size - 1] != '/')
        path[size++] = '/';
    memcpy(path + size, name, strlen(name));
    return path;
}

static void push(name_list *n, char *path)
{
    if (n->count == n->capacity) {
        n->capacity = n->capacity * 2 + 16;
        n->list = reallocate(n->list, n->capacity, sizeof(*n->list));
    }
    n->list[n->count++] = path;
}

/* Formats that are not read are named too: a folder of them should not look empty. */
static bool is_image_name(const char *name)
{
    static const char *const suffixes[] = {
        ".jpg",  ".jpeg", ".jpe",  ".jfif", ".png", ".gif",  ".bmp",
        ".dib",  ".tga",  ".pnm",  ".ppm",  ".pgm", ".pbm",  ".webp",
        ".tif",  ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl"};
    const char *suffix = strrchr(name, '.');

    for (size_t i = 0; suffix && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (strcasecmp(suffix, suffixes[i]) == 0)
            return true;
    return false;
}

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Links to folders are not followed: they could lead back here. */
static void add_entry(name_list *n, name_list *folders, const char *folder, const char *name)
{
    char *path = join(folder, name);
    struct stat status;

    if (name[0] == '.' || lstat(path, &status) < 0)
        free(path);
    else if (S_ISDIR(status.st_mode))
        push(folders, path);
    else if (is_image_name(name) && !is_folder(path))
        push(n, path);
    else
        free(path);
}

static void add_folder(name_list *n, const char *folder, int depth)
{
    name_list folders = {0};
    DIR *d = opendir(folder);
    struct dirent *entry;

    if (!d)
        die("%s: cannot open: %s", folder, strerror(errno));
    if (depth > MAX_DEPTH)
        die("%s: more than %d folders deep", folder, MAX_DEPTH);
    for (errno = 0; (entry = readdir(d)); errno = 0)
        add_entry(n, &folders, folder, entry->d_name);
    if (errno)
        die("%s: cannot read: %s", folder, strerror(errno));
    closedir(d);
    for (int64_t i = 0; i < folders.count; i++)
        add_folder(n, folders.list[i], depth + 1);
    names_clear(&folders);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_add(name_list *n, const char *name)
{
    int64_t before = n->count;

    if (!is_folder(name)) {
        push(n, join("", name));
        return;
    }
    add_folder(n, name, 0);
    if (n->count == before)
        warning("%s: no images in this folder", name);
    else
        qsort(n->list + before, (size_t)(n->count - before), sizeof(*n->list), compare);
}

void names_clear(name_list *n)
{
    for (int64_t i = 0; i < n->count; i++)
        free(n->list[i]);
    free(n->list);
    *n = (name_list){0};
}

void read_standard_input(buffer *b)
{
    static char block[1 << 16];
    ssize_t n;

    while ((n = read(STDIN_FILENO, block, sizeof(block))) != 0) {
        if (n > 0)
            buffer_add(b, block, (size_t)n);
        else if (errno != EINTR)
            die("standard input: cannot read: %s", strerror(errno));
    }
}
