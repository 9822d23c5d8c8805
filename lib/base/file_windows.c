/* Whole files, mapped or read, and what a path is. Windows: paths are UTF-8, as everywhere here. */
#include <limits.h>
#include <windows.h>

#include "base.h"

enum { PATH_UNITS = 32768 }; /* the longest path of the system */

/* path in UTF-16, from the allocator; NULL: not valid UTF-8, too long, or out of memory. */
static wchar_t *wide(const char *path, const emb_allocator *a)
{
    wchar_t *copy = emb_calloc(a, PATH_UNITS, sizeof *copy);
    if (copy && !MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path, -1, copy, PATH_UNITS)) {
        emb_free(a, copy);
        return NULL;
    }
    return copy;
}

/* The system's own words for its last error, without the line end that they come with. */
static int32_t fail(embed_error *error, const char *name, const char *what)
{
    const DWORD code = GetLastError();
    wchar_t sentence[256];
    char text[512] = "";
    DWORD n = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code, 0,
                             sentence, EMB_COUNT(sentence), NULL);
    while (n > 0 && (sentence[n - 1] <= L' ' || sentence[n - 1] == L'.')) n--;
    WideCharToMultiByte(CP_UTF8, 0, sentence, (int)n, text, sizeof text - 1, NULL, NULL);
    return emb_fail(error, EMBED_EIO, "%s: %s: %s (error %lu)", name, what, text, (unsigned long)code);
}

static int32_t read_all(HANDLE handle, char *data, size_t size, const char *name, embed_error *error)
{
    for (size_t at = 0; at < size;) {
        DWORD n, most = (DWORD)EMB_MIN(size - at, INT_MAX);
        if (!ReadFile(handle, data + at, most, &n, NULL)) return fail(error, name, "cannot read");
        if (n == 0)
            return emb_fail(error, EMBED_EIO,
                            "%s: expected %zu bytes, found %zu: the file was cut short", name, size,
                            at);
        at += n;
    }
    return EMBED_OK;
}

static int32_t map_all(emb_file *file, HANDLE handle, const char *name, embed_error *error)
{
    HANDLE mapping = CreateFileMappingW(handle, NULL, PAGE_READONLY, 0, 0, NULL);
    if (!mapping) return fail(error, name, "cannot map");
    file->data = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
    int32_t status = file->data ? EMBED_OK : fail(error, name, "cannot map");
    CloseHandle(mapping); /* the view keeps it */
    file->mapped = file->data != NULL;
    return status;
}

static int32_t load(emb_file *file, HANDLE handle, size_t size, const char *name, bool map,
                    embed_error *error)
{
    int32_t status;
    if (size == 0) {
        file->data = "";
        return EMBED_OK;
    }
    if (map) {
        status = map_all(file, handle, name, error);
    } else {
        char *data = emb_calloc(file->allocator, size, 1);
        if (!data)
            return emb_fail(error, EMBED_ENOMEM, "%s: out of memory for %zu bytes", name, size);
        file->data = data;
        status = read_all(handle, data, size, name, error);
        if (status < 0) emb_free(file->allocator, data);
    }
    if (status == EMBED_OK) file->size = size;
    return status;
}

static HANDLE open_to_read(const char *path, const emb_allocator *a)
{
    wchar_t *name = wide(path, a);
    if (!name) {
        SetLastError(ERROR_INVALID_NAME);
        return INVALID_HANDLE_VALUE;
    }
    HANDLE handle = CreateFileW(name, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
                                OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    const DWORD code = GetLastError();
    emb_free(a, name);
    SetLastError(code);
    return handle;
}

int32_t emb_file_open(emb_file *file, const char *path, const char *name, bool map,
                      const emb_allocator *a, embed_error *error)
{
    *file = (emb_file){.allocator = a};
    if (emb_path_kind(path) == EMB_PATH_DIRECTORY)
        return emb_fail(error, EMBED_EIO, "%s: expected a regular file, found a directory", name);
    HANDLE handle = open_to_read(path, a);
    if (handle == INVALID_HANDLE_VALUE) return fail(error, name, "cannot open");

    LARGE_INTEGER size;
    int32_t status;
    if (GetFileType(handle) != FILE_TYPE_DISK)
        status = emb_fail(error, EMBED_EIO, "%s: expected a regular file, found something else", name);
    else if (!GetFileSizeEx(handle, &size)) status = fail(error, name, "cannot stat");
    else if ((uint64_t)size.QuadPart > SIZE_MAX)
        status = emb_fail(error, EMBED_EIO, "%s: larger than this machine's address space", name);
    else status = load(file, handle, (size_t)size.QuadPart, name, map, error);
    CloseHandle(handle);
    if (status < 0) *file = (emb_file){.allocator = a};
    return status;
}

void emb_file_close(emb_file *file)
{
    if (file->mapped) UnmapViewOfFile(file->data);
    else if (file->size) emb_free(file->allocator, (void *)(uintptr_t)file->data);
    *file = (emb_file){.allocator = file->allocator};
}

/* Windows drops pages of a view when it needs them. */
void emb_file_forget(const emb_file *file) { (void)file; }

int emb_path_kind(const char *path)
{
    wchar_t *name = wide(path, &emb_libc_allocator);
    if (!name) return EMB_PATH_OTHER;
    const DWORD attributes = GetFileAttributesW(name), code = GetLastError();
    emb_free(&emb_libc_allocator, name);
    if (attributes == INVALID_FILE_ATTRIBUTES)
        return code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND ? EMB_PATH_MISSING
                                                                           : EMB_PATH_OTHER;
    if (attributes & FILE_ATTRIBUTE_DIRECTORY) return EMB_PATH_DIRECTORY;
    return attributes & FILE_ATTRIBUTE_DEVICE ? EMB_PATH_OTHER : EMB_PATH_FILE;
}
