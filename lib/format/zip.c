/* Stored zip archives: the directory at the end, then each file's own header (APPNOTE 4.3, with zip64).
 * Offsets and sizes are the archive's word: each is checked against its bytes. */
#include <stdlib.h>

#include "zip.h"

enum {
    LOCAL = 0x04034b50, ENTRY = 0x02014b50, END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50,
    LOCAL_SIZE = 30, ENTRY_SIZE = 46, END_SIZE = 22, END64_SIZE = 56, LOCATOR64_SIZE = 20,
    COMMENT_MAX = 65535, EXTRA64 = 1, ENCRYPTED = 1
};

typedef struct archive {
    const char *name, *data;
    size_t size;
    embed_error *error;
} archive;

static uint32_t le16(const char *p)
{
    return (uint32_t)(unsigned char)p[0] | (uint32_t)(unsigned char)p[1] << 8;
}

/* size bytes at offset, or NULL where the archive has them not. */
static const char *bytes_at(const archive *z, uint64_t offset, uint64_t size)
{
    return offset <= z->size && size <= z->size - offset ? z->data + offset : NULL;
}

static int32_t malformed(const archive *z, const char *what)
{
    return emb_fail(z->error, EMBED_EFORMAT, "%s: zip archive: %s", z->name, what);
}

bool emb_zip_is(const char *data, size_t size)
{
    return size >= 4 && emb_le32(data) == LOCAL;
}

/* ---- the directory -------------------------------------------------------------------------------- */

typedef struct directory {
    uint64_t entries, offset, size;
} directory;

/* The record at the end; a comment may follow it. */
static const char *find_end(const archive *z)
{
    size_t least = z->size > COMMENT_MAX + END_SIZE ? z->size - COMMENT_MAX - END_SIZE : 0;
    if (z->size < END_SIZE) return NULL;
    for (size_t at = z->size - END_SIZE; ; at--) {
        if (emb_le32(z->data + at) == END) return z->data + at;
        if (at == least) return NULL;
    }
}

static int32_t find_directory(const archive *z, directory *d)
{
    const char *end = find_end(z);
    if (!end)
        return malformed(z, "expected a directory of its files at the end, found none: the file was cut "
                            "short");
    *d = (directory){le16(end + 10), emb_le32(end + 16), emb_le32(end + 12)};
    const char *locator = NULL;
    if (end - z->data >= LOCATOR64_SIZE) locator = end - LOCATOR64_SIZE;
    if (locator && emb_le32(locator) == LOCATOR64) {
        const char *end64 = bytes_at(z, emb_le64(locator + 8), END64_SIZE);
        if (!end64 || emb_le32(end64) != END64)
            return malformed(z, "expected its zip64 directory where the locator says, found none");
        *d = (directory){emb_le64(end64 + 32), emb_le64(end64 + 48), emb_le64(end64 + 40)};
    }
    if (bytes_at(z, d->offset, d->size) && d->entries <= d->size / ENTRY_SIZE) return EMBED_OK;
    return malformed(z, "expected its directory within the file, found it to lie outside");
}

/* ---- one file ------------------------------------------------------------------------------------- */

/* Numbers of 32 bits that are all ones stand in the extra field of zip64, in this order. */
static bool read_extra64(const char *extra, size_t size, uint64_t **wide, int count)
{
    while (size >= 4) {
        uint32_t id = le16(extra), length = le16(extra + 2);
        if (length > size - 4) return false;
        if (id == EXTRA64) {
            for (int i = 0; i < count; i++) {
                if (length < 8) return false;
                extra += i ? 8 : 4;
                length -= 8;
                *wide[i] = emb_le64(extra);
            }
            return true;
        }
        extra += 4 + length;
        size -= 4 + length;
    }
    return count == 0;
}

/* entry: within the directory's rest; *used: its bytes */
static int32_t read_entry(const archive *z, const char *entry, size_t rest, emb_zip_file *file,
                          size_t *used)
{
    if (rest < ENTRY_SIZE || emb_le32(entry) != ENTRY)
        return malformed(z, "expected another file in its directory, found something else");
    size_t name_size = le16(entry + 28), extra_size = le16(entry + 30);
    *used = ENTRY_SIZE + name_size + extra_size + le16(entry + 32);
    if (*used > rest) return malformed(z, "expected another file in its directory, found its end");

    uint64_t packed = emb_le32(entry + 20), size = emb_le32(entry + 24), offset = emb_le32(entry + 42);
    uint64_t *wide[3];
    int count = 0;
    if (size == UINT32_MAX) wide[count++] = &size;
    if (packed == UINT32_MAX) wide[count++] = &packed;
    if (offset == UINT32_MAX) wide[count++] = &offset;
    const char *name = entry + ENTRY_SIZE;
    emb_excerpt said = emb_excerpt_of(name, name_size);
    if (!read_extra64(name + name_size, extra_size, wide, count))
        return emb_fail(z->error, EMBED_EFORMAT, "%s: zip archive: \"%s\": expected sizes of zip64, "
                                                 "found none", z->name, said.text);
    if (le16(entry + 10) != 0 || le16(entry + 8) & ENCRYPTED || packed != size)
        return emb_fail(z->error, EMBED_EUNSUPPORTED,
                        "%s: zip archive: \"%s\": expected a stored file, found one that is compressed or "
                        "encrypted", z->name, said.text);
    const char *local = bytes_at(z, offset, LOCAL_SIZE);
    uint64_t skip = local ? LOCAL_SIZE + (uint64_t)le16(local + 26) + le16(local + 28) : 0;
    const char *data = local && emb_le32(local) == LOCAL && offset + skip <= z->size
                           ? bytes_at(z, offset + skip, size) : NULL;
    if (!data)
        return emb_fail(z->error, EMBED_EFORMAT,
                        "%s: zip archive: \"%s\": expected %llu bytes at %llu, found the archive's end",
                        z->name, said.text, (unsigned long long)size, (unsigned long long)offset);
    *file = (emb_zip_file){name, name_size, data, (size_t)size};
    return EMBED_OK;
}

static int compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, EMB_MIN(a_size, b_size));
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int by_name(const void *a, const void *b)
{
    const emb_zip_file *x = a, *y = b;
    return compare(x->name, x->name_size, y->name, y->name_size);
}

int32_t emb_zip_open(emb_zip *zip, const char *name, const char *data, size_t size,
                     const emb_allocator *a, embed_error *error)
{
    const archive z = {name, data, size, error};
    directory d = {0};
    *zip = (emb_zip){.allocator = a};
    int32_t status = find_directory(&z, &d);
    if (status < 0) return status;
    zip->files = emb_calloc(a, (size_t)d.entries, sizeof *zip->files);
    if (!zip->files) return emb_fail(error, EMBED_ENOMEM, "%s: out of memory", name);
    for (size_t at = (size_t)d.offset, rest = (size_t)d.size, used = 0;
         status == EMBED_OK && zip->count < d.entries; at += used, rest -= used)
        status = read_entry(&z, data + at, rest, &zip->files[zip->count++], &used);
    if (status == EMBED_OK) qsort(zip->files, zip->count, sizeof *zip->files, by_name);
    for (size_t i = 1; i < zip->count && status == EMBED_OK; i++)
        if (by_name(&zip->files[i - 1], &zip->files[i]) == 0)
            status = emb_fail(error, EMBED_EFORMAT,
                              "%s: zip archive: \"%s\": expected one file of that name, found two", name,
                              emb_excerpt_of(zip->files[i].name, zip->files[i].name_size).text);
    if (status < 0) emb_zip_close(zip);
    return status;
}

void emb_zip_close(emb_zip *zip)
{
    emb_free(zip->allocator, zip->files);
    *zip = (emb_zip){.allocator = zip->allocator};
}

const emb_zip_file *emb_zip_find(const emb_zip *zip, const char *name, size_t name_size)
{
    const emb_zip_file wanted = {.name = name, .name_size = name_size};
    return zip->count ? bsearch(&wanted, zip->files, zip->count, sizeof wanted, by_name) : NULL;
}
