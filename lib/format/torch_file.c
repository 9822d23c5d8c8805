/* What torch.save writes since PyTorch 1.6: an archive whose data.pkl is the dict, and whose data/0, data/1 ...
 * are the storages. */
#include <stdlib.h>

#include "pickle.h"
#include "torch_file.h"
#include "zip.h"

static const char pickle_name[] = "data.pkl";
enum { PICKLE_SIZE = sizeof pickle_name - 1 };

typedef struct torch_file {
    const char *name;
    const emb_allocator *allocator;
    embed_error *error;
    size_t size;
    emb_zip zip;
    const char *folder; /* what stands before data.pkl */
    size_t folder_size;
    emb_buffer path;
} torch_file;

static int32_t out_of_memory(const torch_file *f)
{
    return emb_fail(f->error, EMBED_ENOMEM, "%s: out of memory", f->name);
}

/* The archive has one folder, of any name. */
static int32_t find_pickle(torch_file *f, const emb_zip_file **pickle)
{
    for (size_t i = 0; i < f->zip.count && !*pickle; i++) {
        const emb_zip_file *z = &f->zip.files[i];
        const size_t size = z->name_size - EMB_MIN(z->name_size, PICKLE_SIZE);
        if (memcmp(z->name + size, pickle_name, EMB_MIN(z->name_size, PICKLE_SIZE)) != 0) continue;
        if (z->name_size < PICKLE_SIZE || (size && z->name[size - 1] != '/')) continue;
        *pickle = z;
        f->folder = z->name;
        f->folder_size = size;
    }
    if (*pickle) return EMBED_OK;
    return emb_fail(f->error, EMBED_EFORMAT, "%s: expected data.pkl in the archive, found none", f->name);
}

/* A file of the folder, or NULL. */
static const emb_zip_file *find(torch_file *f, const char *folder, const char *rest, size_t rest_size)
{
    f->path.size = 0;
    emb_buffer_add(&f->path, f->folder, f->folder_size);
    emb_buffer_add(&f->path, folder, strlen(folder));
    emb_buffer_add(&f->path, rest, rest_size);
    return f->path.failed ? NULL : emb_zip_find(&f->zip, f->path.data, f->path.size);
}

static int32_t check_byte_order(torch_file *f)
{
    static const char name[] = "byteorder";
    const emb_zip_file *z = find(f, "", name, sizeof name - 1);
    if (!z || (z->size == 6 && memcmp(z->data, "little", 6) == 0)) return EMBED_OK;
    return emb_fail(f->error, EMBED_EUNSUPPORTED, "%s: byteorder: expected little, found \"%s\"", f->name,
                    emb_excerpt_of(z->data, z->size).text);
}

/* ---- one tensor --------------------------------------------------------------------------------------- */

typedef struct extent {
    size_t width;   /* bytes of a number */
    size_t bytes;   /* of the tensor */
    size_t last;    /* number of the storage that it reaches */
    bool in_a_row;  /* row-major without gaps */
} extent;

/* false: overflow */
static bool measure(const emb_pickled_tensor *t, extent *e)
{
    size_t count = 1, step;
    *e = (extent){.width = emb_dtype_bits(t->dtype) / 8, .last = (size_t)t->offset, .in_a_row = true};
    for (int32_t i = t->rank; i-- > 0;) {
        const size_t size = (size_t)t->shape[i], stride = (size_t)t->stride[i];
        if (size > 1) {
            if (stride != count) e->in_a_row = false;
            if (!emb_mul(size - 1, stride, &step) || !emb_add(e->last, step, &e->last)) return false;
        }
        if (!emb_mul(count, size, &count)) return false;
    }
    if (count == 0) e->in_a_row = true;
    return emb_mul(count, e->width, &e->bytes);
}

static void copy_numbers(const emb_pickled_tensor *t, size_t width, const char *storage, char *out)
{
    int64_t at[EMB_TENSOR_MAX_RANK] = {0}, place = t->offset;
    for (int32_t i = t->rank; i >= 0; out += width) {
        memcpy(out, storage + (size_t)place * width, width);
        for (i = t->rank; i-- > 0;) { /* the next place: the last index runs fastest */
            place += t->stride[i];
            if (++at[i] < t->shape[i]) break;
            place -= t->shape[i] * t->stride[i];
            at[i] = 0;
        }
    }
}

static int32_t wrong(const torch_file *f, const emb_pickled_tensor *t, const char *expected, const char *found)
{
    return emb_fail(f->error, EMBED_EFORMAT, "%s: tensor \"%s\": expected %s, found %s", f->name,
                    emb_excerpt_of(t->name, t->name_size).text, expected, found);
}

/* The tensor's place in its storage, without its data if it has to be copied: *copied, then. */
static int32_t place(torch_file *f, const emb_pickled_tensor *t, emb_tensor *out, const char **storage,
                     extent *e)
{
    const emb_zip_file *z = find(f, "data/", t->storage, t->storage_size);
    size_t size;
    if (f->path.failed) return out_of_memory(f);
    if (!z) return wrong(f, t, "its storage in the archive", "none");
    if (!measure(t, e) || !emb_mul((size_t)t->storage_count, e->width, &size) || size > z->size ||
        (e->bytes && e->last >= (size_t)t->storage_count) || e->bytes > z->size)
        return wrong(f, t, "numbers within its storage", "some that lie outside");
    out->dtype = t->dtype;
    out->rank = t->rank;
    memcpy(out->shape, t->shape, sizeof out->shape);
    out->bytes = e->bytes;
    *storage = z->data;
    return EMBED_OK;
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const emb_tensor *)a)->name, ((const emb_tensor *)b)->name);
}

/* Names and what has to be copied, in one piece of memory each. */
static int32_t plan(torch_file *f, const emb_state_dict *dict, size_t *names, size_t *copies)
{
    *names = strlen(f->name) + 1;
    *copies = 0;
    for (size_t i = 0; i < dict->count; i++) {
        const emb_pickled_tensor *t = &dict->tensors[i];
        emb_tensor unused;
        const char *storage;
        extent e;
        int32_t status = place(f, t, &unused, &storage, &e);
        if (status < 0) return status;
        if (memchr(t->name, '\0', t->name_size)) return wrong(f, t, "a name", "U+0000 in it");
        *names += t->name_size + 1;
        if (e.in_a_row) continue;
        if (!emb_add(*copies, e.bytes, copies) || *copies > f->size)
            return wrong(f, t, "copies of no more than the file's bytes", "tensors that share them too often");
    }
    return EMBED_OK;
}

static int32_t fill(torch_file *f, const emb_state_dict *dict, emb_safetensors *st)
{
    size_t names, copies;
    int32_t status = plan(f, dict, &names, &copies);
    if (status < 0) return status;
    st->tensors = emb_calloc(f->allocator, dict->count, sizeof *st->tensors);
    st->strings = emb_alloc(f->allocator, names, 1);
    st->copies = emb_alloc(f->allocator, copies, 1);
    if (!st->tensors || !st->strings || !st->copies) return out_of_memory(f);

    char *text = st->strings, *copy = st->copies;
    memcpy(text, f->name, strlen(f->name) + 1);
    text += strlen(f->name) + 1;
    for (size_t i = 0; i < dict->count; i++) {
        const emb_pickled_tensor *t = &dict->tensors[i];
        emb_tensor *out = &st->tensors[i];
        const char *storage;
        extent e;
        status = place(f, t, out, &storage, &e);
        if (status < 0) return status;
        memcpy(text, t->name, t->name_size);
        text[t->name_size] = '\0';
        out->name = text;
        out->file = st->strings;
        text += t->name_size + 1;
        out->data = storage + (e.bytes ? (size_t)t->offset * e.width : 0);
        if (e.in_a_row) continue;
        copy_numbers(t, e.width, storage, copy);
        out->data = copy;
        copy += e.bytes;
    }
    st->count = (int64_t)dict->count;
    if (st->count) qsort(st->tensors, dict->count, sizeof *st->tensors, by_name);
    for (int64_t i = 1; i < st->count; i++)
        if (strcmp(st->tensors[i - 1].name, st->tensors[i].name) == 0)
            return emb_fail(f->error, EMBED_EFORMAT, "%s: tensor \"%s\": expected the name once, found it again",
                            f->name, emb_excerpt_of(st->tensors[i].name, strlen(st->tensors[i].name)).text);
    return EMBED_OK;
}

static int32_t read_dict(torch_file *f, emb_safetensors *st)
{
    const emb_zip_file *pickle = NULL;
    emb_state_dict dict = {.allocator = f->allocator};
    int32_t status = find_pickle(f, &pickle);
    if (status == EMBED_OK) status = check_byte_order(f);
    if (status < 0) return status;
    f->path.size = 0;
    emb_buffer_printf(&f->path, "%s: data.pkl", f->name);
    if (f->path.failed) return out_of_memory(f);
    status = emb_state_dict_read(&dict, f->path.data, pickle->data, pickle->size, f->allocator, f->error);
    if (status == EMBED_OK) status = fill(f, &dict, st);
    emb_state_dict_free(&dict);
    return status;
}

int32_t emb_torch_file_open(emb_safetensors *st, const char *name, const char *data, size_t size,
                            const emb_allocator *a, embed_error *error)
{
    torch_file f = {.name = name, .allocator = a, .error = error, .size = size};
    *st = (emb_safetensors){.allocator = a};
    if (!emb_zip_is(data, size))
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "%s: expected an archive of torch.save, found %s", name,
                        size && (unsigned char)data[0] == 0x80
                            ? "a plain pickle, as PyTorch before 1.6 wrote them: load and save it again"
                            : "something else");
    int32_t status = emb_zip_open(&f.zip, name, data, size, a, error);
    if (status < 0) return status;
    emb_buffer_init(&f.path, a);
    status = read_dict(&f, st);
    emb_buffer_free(&f.path);
    emb_zip_close(&f.zip);
    if (status < 0) emb_safetensors_close(st);
    return status;
}
