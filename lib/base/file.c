/* Whole files, mapped or read, and what a path is. POSIX; file_windows.c is the other one. */
#define _DEFAULT_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base.h"

static int32_t read_all(int fd, char *data, size_t size, const char *name, embed_error *error)
{
    size_t at = 0;
    while (at < size) {
        ssize_t n = read(fd, data + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return emb_fail(error, EMBED_EIO, "%s: cannot read: %s", name, strerror(errno));
        if (n == 0)
            return emb_fail(error, EMBED_EIO,
                            "%s: expected %zu bytes, found %zu: the file was cut short", name, size,
                            at);
        at += (size_t)n;
    }
    return EMBED_OK;
}

static int32_t load(emb_file *file, int fd, size_t size, const char *name, bool map,
                    embed_error *error)
{
    if (size == 0) {
        file->data = "";
        return EMBED_OK;
    }
    if (map) {
        void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED)
            return emb_fail(error, EMBED_EIO, "%s: cannot map %zu bytes: %s", name, size,
                            strerror(errno));
        file->data = data;
        file->mapped = true;
    } else {
        char *data = emb_calloc(file->allocator, size, 1);
        if (!data)
            return emb_fail(error, EMBED_ENOMEM, "%s: out of memory for %zu bytes", name, size);
        file->data = data;
        int32_t status = read_all(fd, data, size, name, error);
        if (status < 0) {
            emb_free(file->allocator, data);
            return status;
        }
    }
    file->size = size;
    return EMBED_OK;
}

int32_t emb_file_open(emb_file *file, const char *path, const char *name, bool map,
                      const emb_allocator *a, embed_error *error)
{
    *file = (emb_file){.allocator = a};
    int fd;
    do fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not make us wait */
    while (fd < 0 && errno == EINTR);
    if (fd < 0) return emb_fail(error, EMBED_EIO, "%s: cannot open: %s", name, strerror(errno));

    struct stat st;
    int32_t status;
    if (fstat(fd, &st) < 0)
        status = emb_fail(error, EMBED_EIO, "%s: cannot stat: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = emb_fail(error, EMBED_EIO, "%s: expected a regular file, found %s", name,
                          S_ISDIR(st.st_mode) ? "a directory" : "something else");
    else if ((uintmax_t)st.st_size > SIZE_MAX)
        status = emb_fail(error, EMBED_EIO, "%s: larger than this machine's address space", name);
    else status = load(file, fd, (size_t)st.st_size, name, map, error);
    close(fd);
    if (status < 0) *file = (emb_file){.allocator = a};
    return status;
}

void emb_file_close(emb_file *file)
{
    if (file->mapped) munmap((void *)(uintptr_t)file->data, file->size);
    else if (file->size) emb_free(file->allocator, (void *)(uintptr_t)file->data);
    *file = (emb_file){.allocator = file->allocator};
}

void emb_file_forget(const emb_file *file)
{
    if (file->mapped) madvise((void *)(uintptr_t)file->data, file->size, MADV_DONTNEED);
}

int emb_path_kind(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? EMB_PATH_MISSING : EMB_PATH_OTHER;
    if (S_ISREG(st.st_mode)) return EMB_PATH_FILE;
    return S_ISDIR(st.st_mode) ? EMB_PATH_DIRECTORY : EMB_PATH_OTHER;
}
