/* The model directory: a folder of files or one safetensors file that holds them all, and the
 * weights of its module folders, in one file or in shards. */
#include <stdlib.h>

#include "directory.h"
#include "torch_file.h"

/* Longest text taken: far above any real file, low enough that a tree of it fits in memory. */
#define TEXT_LIMIT ((size_t)64 << 20)
#define TOKENIZER_LIMIT ((size_t)512 << 20)

#define ALIGN EMBED_WORKSPACE_ALIGN /* of weights that are used where they lie */

/* Files of weights, looked for in this order. */
typedef struct weight_format {
    const char *single, *index;
    int32_t (*open)(emb_safetensors *st, const char *name, const char *data, size_t size,
                    const emb_allocator *a, embed_error *error);
} weight_format;
static const weight_format formats[] = {
    {"model.safetensors", "model.safetensors.index.json", emb_safetensors_open},
    {"pytorch_model.bin", "pytorch_model.bin.index.json", emb_torch_file_open},
};

typedef struct text_file {
    struct text_file *next;
    char *name; /* relative to the directory */
    emb_file file; /* not of a single-file model */
    const char *text;
    size_t size;
} text_file;

typedef struct shard {
    char *name; /* relative to the directory */
    emb_file file;
    emb_safetensors st;
} shard;

struct emb_weights {
    struct emb_weights *next;
    char *folder, *name;
    const weight_format *format; /* of the files; NULL in a single-file model */
    shard *shards; /* the files opened for this folder; none in a single-file model */
    int64_t shard_count;
    emb_tensor *tensors; /* sorted by name */
    int64_t count;
};

struct emb_directory {
    const emb_allocator *allocator;
    char *path; /* of the folder; of a single file: what messages call it */
    bool map, single;
    size_t bytes;       /* single */
    char *aligned;      /* a copy of what was in memory at an odd place */
    emb_file file;      /* single */
    emb_safetensors st; /* single */
    text_file *texts;
    emb_weights *weights;
};

static int32_t out_of_memory(const char *name, embed_error *error)
{
    return emb_fail(error, EMBED_ENOMEM, "%s: out of memory", name);
}

static emb_excerpt excerpt(const char *text)
{
    return emb_excerpt_of(text, strlen(text));
}

/* ---- names ------------------------------------------------------------------------------- */

/* folder/file; just the file in folder "". NULL: out of memory. */
static char *join(const emb_allocator *a, const char *folder, const char *file)
{
    emb_buffer b;
    emb_buffer_init(&b, a);
    emb_buffer_printf(&b, "%s%s%s", folder, *folder ? "/" : "", file);
    if (b.failed) emb_buffer_free(&b);
    return b.data;
}

/* Folders come from modules.json: they must stay inside the directory. */
static int32_t check_folder(const char *folder, embed_error *error)
{
    bool inside = folder[0] != '/' && !strchr(folder, '\\');
    for (const char *part = folder; *part && inside; ) {
        size_t n = strcspn(part, "/");
        inside = !(n == 2 && part[0] == '.' && part[1] == '.');
        part += n + (part[n] == '/');
    }
    if (inside) return EMBED_OK;
    return emb_fail(error, EMBED_EFORMAT,
                    "modules.json: path \"%s\": expected a folder of the model directory, found "
                    "one that leads out of it",
                    excerpt(folder).text);
}

/* What the relative name is on disk (EMB_PATH_*), or a negative status. */
static int32_t kind_of(const emb_directory *dir, const char *name, embed_error *error)
{
    char *path = join(dir->allocator, dir->path, name);
    if (!path) return out_of_memory(name, error);
    int kind = emb_path_kind(path);
    emb_free(dir->allocator, path);
    return kind;
}

static int32_t open_file(const emb_directory *dir, emb_file *file, const char *name,
                         embed_error *error)
{
    char *path = join(dir->allocator, dir->path, name);
    if (!path) return out_of_memory(name, error);
    int32_t status = emb_file_open(file, path, name, dir->map, dir->allocator, error);
    emb_free(dir->allocator, path);
    return status;
}

/* ---- opening and closing ----------------------------------------------------------------- */

static int32_t open_path(emb_directory *dir, const char *path, bool map, embed_error *error)
{
    int kind = emb_path_kind(path);
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (kind == EMB_PATH_MISSING)
        return emb_fail(error, EMBED_EIO,
                        "%s: expected a model directory or a single-file model, found no such path",
                        path);
    dir->map = map;
    dir->single = kind != EMB_PATH_DIRECTORY;
    if (dir->single) path = name;
    dir->path = emb_strdup(dir->allocator, path, strlen(path));
    return dir->path ? EMBED_OK : out_of_memory(path, error);
}

/* A file of another version is refused here, before anything of it is believed. */
static int32_t open_single(emb_directory *dir, const char *data, size_t size, embed_error *error)
{
    int32_t status = emb_safetensors_open(&dir->st, dir->path, data, size, dir->allocator, error);
    const char *version = emb_directory_metadata(dir, EMB_FORMAT_KEY);
    dir->bytes = size;
    if (status < 0 || !version) return status;
    if (strcmp(version, EMB_FORMAT_VERSION) != 0)
        return emb_fail(error, EMBED_EUNSUPPORTED,
                        "%s: " EMB_FORMAT_KEY ": expected " EMB_FORMAT_VERSION
                        ", found \"%s\": convert the model again, or take a newer libembed",
                        dir->path, excerpt(version).text);
    if (emb_directory_prepared(dir)) return EMBED_OK;
    return emb_fail(error, EMBED_EFORMAT, "%s: " EMB_WEIGHTS_KEY ": expected what they are, found none",
                    dir->path);
}

int32_t emb_directory_open(emb_directory **out, const char *path, bool map, const emb_allocator *a,
                           embed_error *error)
{
    emb_directory *dir = emb_calloc(a, 1, sizeof *dir);
    *out = NULL;
    if (!dir) return out_of_memory(path, error);
    dir->allocator = dir->file.allocator = dir->st.allocator = a;
    int32_t status = open_path(dir, path, map, error);
    if (status == EMBED_OK && dir->single)
        status = emb_file_open(&dir->file, path, dir->path, map, a, error);
    if (status == EMBED_OK && dir->single)
        status = open_single(dir, dir->file.data, dir->file.size, error);
    if (status < 0) emb_directory_free(dir);
    else *out = dir;
    return status;
}

/* Prepared weights are used where they lie, if that is where a file would have been mapped. */
static int32_t open_aligned(emb_directory *dir, const char *data, size_t size, embed_error *error)
{
    int32_t status = open_single(dir, data, size, error);
    if (status < 0 || (uintptr_t)data % ALIGN == 0 || !emb_directory_prepared(dir)) return status;
    emb_safetensors_close(&dir->st);
    dir->aligned = emb_alloc(dir->allocator, size, 1);
    if (!dir->aligned) return out_of_memory(dir->path, error);
    memcpy(dir->aligned, data, size);
    return open_single(dir, dir->aligned, size, error);
}

int32_t emb_directory_open_memory(emb_directory **out, const void *data, size_t size,
                                  const emb_allocator *a, embed_error *error)
{
    static const char name[] = "model in memory";
    emb_directory *dir = emb_calloc(a, 1, sizeof *dir);
    *out = NULL;
    if (!dir) return out_of_memory(name, error);
    dir->allocator = dir->file.allocator = dir->st.allocator = a;
    dir->single = true;
    dir->path = emb_strdup(a, name, sizeof name - 1);
    int32_t status =
        dir->path ? open_aligned(dir, data, size, error) : out_of_memory(name, error);
    if (status < 0) emb_directory_free(dir);
    else *out = dir;
    return status;
}

static void free_text(const emb_allocator *a, text_file *text)
{
    emb_file_close(&text->file);
    emb_free(a, text->name);
    emb_free(a, text);
}

static void free_weights(const emb_allocator *a, emb_weights *w)
{
    for (int64_t i = 0; i < w->shard_count; i++) {
        emb_safetensors_close(&w->shards[i].st);
        emb_file_close(&w->shards[i].file);
        emb_free(a, w->shards[i].name);
    }
    emb_free(a, w->shards);
    emb_free(a, w->tensors);
    emb_free(a, w->folder);
    emb_free(a, w->name);
    emb_free(a, w);
}

void emb_directory_free(emb_directory *dir)
{
    if (!dir) return;
    const emb_allocator *a = dir->allocator;
    while (dir->texts) {
        text_file *text = dir->texts;
        dir->texts = text->next;
        free_text(a, text);
    }
    while (dir->weights) {
        emb_weights *w = dir->weights;
        dir->weights = w->next;
        free_weights(a, w);
    }
    emb_safetensors_close(&dir->st);
    emb_file_close(&dir->file);
    emb_free(a, dir->aligned);
    emb_free(a, dir->path);
    emb_free(a, dir);
}

/* ---- a single file ----------------------------------------------------------------------- */

const char *emb_directory_metadata(const emb_directory *dir, const char *key)
{
    return dir->single ? emb_safetensors_metadata(&dir->st, key) : NULL;
}

const emb_tensor *emb_directory_tensor(const emb_directory *dir, const char *name)
{
    return dir->single ? emb_safetensors_find(&dir->st, name) : NULL;
}

int64_t emb_directory_bytes(const emb_directory *dir)
{
    return (int64_t)dir->bytes;
}

const char *emb_directory_prepared(const emb_directory *dir)
{
    bool ours = emb_directory_metadata(dir, EMB_FORMAT_KEY) != NULL;
    return ours ? emb_directory_metadata(dir, EMB_WEIGHTS_KEY) : NULL;
}

/* ---- texts ------------------------------------------------------------------------------- */

static int32_t read_text(const emb_directory *dir, text_file *text, embed_error *error)
{
    int32_t status = open_file(dir, &text->file, text->name, error);
    text->text = text->file.data;
    text->size = text->file.size;
    return status;
}

static int32_t check_size(const text_file *text, embed_error *error)
{
    const char *slash = strrchr(text->name, '/');
    bool tokenizer = strcmp(slash ? slash + 1 : text->name, "tokenizer.json") == 0;
    size_t limit = tokenizer ? TOKENIZER_LIMIT : TEXT_LIMIT;
    if (text->size <= limit) return EMBED_OK;
    return emb_fail(error, EMBED_EFORMAT, "%s: expected a text of at most %zu bytes, found %zu",
                    text->name, limit, text->size);
}

/* In __metadata__, or a tensor of bytes. */
static int32_t find_single(const emb_directory *dir, text_file *text, embed_error *error)
{
    text->text = emb_safetensors_metadata(&dir->st, text->name);
    if (text->text) {
        text->size = strlen(text->text);
        return EMBED_OK;
    }
    char *name = join(dir->allocator, EMB_FILES, text->name);
    if (!name) return out_of_memory(text->name, error);
    const emb_tensor *t = emb_safetensors_find(&dir->st, name);
    emb_free(dir->allocator, name);
    if (!t) return EMBED_OK;
    if (t->dtype != EMB_U8 || t->rank != 1)
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: tensor \"%s\": expected U8 of one dimension, found %s of shape %s",
                        t->file, excerpt(t->name).text, emb_dtype_name(t->dtype),
                        emb_shape_of(t->shape, t->rank).text);
    text->text = t->data;
    text->size = t->bytes;
    return EMBED_OK;
}

/* Look for the text called name, and add it to dir's texts if it is there. */
static int32_t add_text(emb_directory *dir, const char *name, embed_error *error)
{
    const emb_allocator *a = dir->allocator;
    text_file *text = emb_calloc(a, 1, sizeof *text);
    if (!text) return out_of_memory(name, error);
    text->file.allocator = a;
    text->name = emb_strdup(a, name, strlen(name));
    int32_t status = !text->name   ? out_of_memory(name, error)
                     : dir->single ? find_single(dir, text, error)
                                   : read_text(dir, text, error);
    if (status == EMBED_OK) status = check_size(text, error);
    if (status < 0 || !text->text) {
        free_text(a, text);
        return status;
    }
    text->next = dir->texts;
    dir->texts = text;
    return EMBED_OK;
}

static text_file *text_called(const emb_directory *dir, const char *name)
{
    text_file *t = dir->texts;
    while (t && strcmp(t->name, name) != 0) t = t->next;
    return t;
}

static int32_t find_text(emb_directory *dir, const char *name, const char **text, size_t *size,
                         embed_error *error)
{
    const text_file *t = text_called(dir, name);
    if (!t) {
        int32_t status = dir->single ? EMB_PATH_FILE : kind_of(dir, name, error);
        if (status == EMB_PATH_MISSING) return EMBED_OK;
        if (status >= 0) status = add_text(dir, name, error);
        if (status < 0) return status;
        if (!(t = text_called(dir, name))) return EMBED_OK;
    }
    *text = t->text;
    *size = t->size;
    return EMBED_OK;
}

bool emb_directory_asked(const emb_directory *dir, int64_t index, const char **name,
                         const char **text, size_t *size)
{
    const text_file *t = dir->texts;
    for (; t && index > 0; index--) t = t->next;
    if (!t) return false;
    *name = t->name;
    *text = t->text;
    *size = t->size;
    return true;
}

int32_t emb_directory_text(emb_directory *dir, const char *folder, const char *file,
                           const char **text, size_t *size, embed_error *error)
{
    *text = NULL;
    *size = 0;
    int32_t status = check_folder(folder, error);
    if (status < 0) return status;
    char *name = join(dir->allocator, folder, file);
    if (!name) return out_of_memory(file, error);
    status = find_text(dir, name, text, size, error);
    emb_free(dir->allocator, name);
    return status;
}

int32_t emb_directory_json(emb_directory *dir, const char *folder, const char *file,
                           emb_json_document **document, embed_error *error)
{
    const char *text;
    size_t size;
    embed_error local = EMBED_ERROR_INIT; /* for the status, when the caller wants no message */
    if (!error) error = &local;
    *document = NULL;
    int32_t status = emb_directory_text(dir, folder, file, &text, &size, error);
    if (status < 0 || !text) return status;
    char *name = join(dir->allocator, folder, file);
    if (!name) return out_of_memory(file, error);
    *document = emb_json_parse(name, text, size, NULL, dir->allocator, error);
    emb_free(dir->allocator, name);
    return *document ? EMBED_OK : error->status;
}

/* ---- weights of a single-file model ------------------------------------------------------ */

/* The tensors called folder/name, of folder "" those without a '/', under their plain names. */
static int32_t view_folder(const emb_directory *dir, emb_weights *w, embed_error *error)
{
    size_t prefix = strlen(w->folder) + (*w->folder ? 1 : 0);
    w->name = emb_strdup(dir->allocator, dir->path, strlen(dir->path));
    w->tensors = emb_calloc(dir->allocator, (size_t)dir->st.count, sizeof *w->tensors);
    if (!w->name || !w->tensors) return out_of_memory(dir->path, error);
    for (int64_t i = 0; i < dir->st.count; i++) { /* by name: without a common prefix too */
        const emb_tensor *t = &dir->st.tensors[i];
        size_t slash = prefix ? prefix - 1 : 0;
        if (prefix && (strncmp(t->name, w->folder, slash) != 0 || t->name[slash] != '/')) continue;
        if (strchr(t->name + prefix, '/')) continue;
        w->tensors[w->count] = *t;
        w->tensors[w->count++].name += prefix;
    }
    if (w->count > 0) return EMBED_OK;
    if (prefix == 0)
        return emb_fail(error, EMBED_EIO,
                        "%s: expected tensors without a folder in their names, found none",
                        dir->path);
    return emb_fail(error, EMBED_EIO,
                    "%s: expected tensors whose names begin with \"%s/\", found none", dir->path,
                    excerpt(w->folder).text);
}

/* ---- weights in one file ----------------------------------------------------------------- */

static int32_t open_shard(const emb_directory *dir, const emb_weights *w, shard *s, const char *file,
                          embed_error *error)
{
    s->file.allocator = s->st.allocator = dir->allocator;
    s->name = join(dir->allocator, w->folder, file);
    if (!s->name) return out_of_memory(file, error);
    int32_t status = open_file(dir, &s->file, s->name, error);
    if (status < 0) return status;
    return w->format->open(&s->st, s->name, s->file.data, s->file.size, dir->allocator, error);
}

static int32_t open_one(const emb_directory *dir, emb_weights *w, embed_error *error)
{
    const char *file = w->format->single;
    w->name = join(dir->allocator, w->folder, file);
    w->shards = emb_calloc(dir->allocator, 1, sizeof *w->shards);
    if (!w->name || !w->shards) return out_of_memory(file, error);
    w->shard_count = 1;
    int32_t status = open_shard(dir, w, &w->shards[0], file, error);
    if (status < 0) return status;
    w->tensors = w->shards[0].st.tensors; /* moved, not shared */
    w->count = w->shards[0].st.count;
    w->shards[0].st.tensors = NULL;
    w->shards[0].st.count = 0;
    return EMBED_OK;
}

/* ---- weights in shards ------------------------------------------------------------------- */

typedef struct placement { /* a line of weight_map; the texts are the document's */
    const char *tensor, *file;
} placement;

static int by_file(const void *a, const void *b)
{
    const placement *x = a, *y = b;
    int order = strcmp(x->file, y->file);
    return order ? order : strcmp(x->tensor, y->tensor);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const emb_tensor *)a)->name, ((const emb_tensor *)b)->name);
}

/* `model.safetensors.index.json: tensor "x": shard "y": expected E, found F` */
static int32_t misplaced(const emb_weights *w, const placement *p, int32_t status, const char *what,
                         embed_error *error)
{
    return emb_fail(error, status, "%s: tensor \"%s\": shard \"%s\": %s", w->name,
                    excerpt(p->tensor).text, excerpt(p->file).text, what);
}

static int32_t check_placement(const emb_weights *w, const placement *p, embed_error *error)
{
    if (*p->file && !strstr(p->file, "..") && !strpbrk(p->file, "/\\")) return EMBED_OK;
    return misplaced(w, p, EMBED_EFORMAT,
                     "expected the name of a file in the same folder, found a path", error);
}

/* weight_map as a list, sorted by file. */
static int32_t read_weight_map(const emb_directory *dir, const emb_weights *w, const emb_json *map,
                               placement **placements, size_t *count, embed_error *error)
{
    int64_t members = emb_json_length(map);
    if (!emb_json_is(map, EMB_JSON_OBJECT) || members == 0)
        return emb_fail(
            error, EMBED_EFORMAT, "%s: weight_map: expected an object of file names, found %s",
            w->name, emb_json_is(map, EMB_JSON_OBJECT) ? "an empty one" : emb_json_kind_name(map));
    placement *p = *placements = emb_calloc(dir->allocator, (size_t)members, sizeof *p);
    if (!p) return out_of_memory(w->name, error);
    *count = (size_t)members;
    for (const emb_json *v = emb_json_first(map); v; v = emb_json_next_sibling(v), p++) {
        *p = (placement){emb_json_key(v), emb_json_text(v)};
        if (!p->file)
            return emb_fail(error, EMBED_EFORMAT,
                            "%s: line %lld: tensor \"%s\": expected a file name, found %s", w->name,
                            (long long)emb_json_value_line(v), excerpt(p->tensor).text,
                            emb_json_kind_name(v));
        int32_t status = check_placement(w, p, error);
        if (status < 0) return status;
    }
    qsort(*placements, *count, sizeof **placements, by_file);
    return EMBED_OK;
}

/* Open the shard that p names. */
static int32_t add_shard(const emb_directory *dir, emb_weights *w, const placement *p,
                         embed_error *error)
{
    shard *s = &w->shards[w->shard_count++];
    char *name = join(dir->allocator, w->folder, p->file);
    if (!name) return out_of_memory(p->file, error);
    int32_t status = kind_of(dir, name, error);
    emb_free(dir->allocator, name);
    if (status < 0) return status;
    if (status == EMB_PATH_MISSING)
        return misplaced(w, p, EMBED_EIO, "expected this file beside the index, found none", error);
    return open_shard(dir, w, s, p->file, error);
}

/* No other shard may have a tensor of the same name. */
static int32_t check_unique(const emb_weights *w, embed_error *error)
{
    for (int64_t i = 0; i < w->shard_count; i++) {
        const emb_safetensors *st = &w->shards[i].st;
        for (int64_t j = 0; j < st->count; j++) {
            const emb_tensor *t = emb_tensor_find(w->tensors, w->count, st->tensors[j].name);
            if (t && t->file != st->tensors[j].file)
                return emb_fail(error, EMBED_EFORMAT,
                                "%s: tensor \"%s\": expected it in the shard \"%s\" alone, "
                                "found it in \"%s\" too",
                                w->name, excerpt(t->name).text, excerpt(t->file).text,
                                excerpt(st->tensors[j].file).text);
        }
    }
    return EMBED_OK;
}

static int32_t open_placements(const emb_directory *dir, emb_weights *w, const placement *p,
                               size_t count, embed_error *error)
{
    size_t files = 0;
    for (size_t i = 0; i < count; i++) files += i == 0 || strcmp(p[i].file, p[i - 1].file) != 0;
    w->shards = emb_calloc(dir->allocator, files, sizeof *w->shards);
    w->tensors = emb_calloc(dir->allocator, count, sizeof *w->tensors);
    if (!w->shards || !w->tensors) return out_of_memory(w->name, error);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(p[i].file, p[i - 1].file) != 0) {
            int32_t status = add_shard(dir, w, &p[i], error);
            if (status < 0) return status;
        }
        const emb_tensor *t = emb_safetensors_find(&w->shards[w->shard_count - 1].st, p[i].tensor);
        if (!t)
            return misplaced(w, &p[i], EMBED_ETENSOR, "expected this tensor in it, found none",
                             error);
        w->tensors[w->count++] = *t;
    }
    qsort(w->tensors, count, sizeof *w->tensors, by_name);
    return check_unique(w, error);
}

static int32_t open_shards(emb_directory *dir, emb_weights *w, embed_error *error)
{
    emb_json_document *index = NULL;
    placement *placements = NULL;
    size_t count = 0;
    const char *file = w->format->index;
    w->name = join(dir->allocator, w->folder, file);
    if (!w->name) return out_of_memory(file, error);
    int32_t status = emb_directory_json(dir, w->folder, file, &index, error);
    if (status == EMBED_OK && !index)
        status = emb_fail(error, EMBED_EIO, "%s: expected a file, found none", w->name);
    if (status == EMBED_OK)
        status = read_weight_map(dir, w, emb_json_get(emb_json_root(index), "weight_map"),
                                 &placements, &count, error);
    if (status == EMBED_OK) status = open_placements(dir, w, placements, count, error);
    emb_free(dir->allocator, placements);
    emb_json_free(index);
    return status;
}

/* ---- weights ----------------------------------------------------------------------------- */

/* Whether folder/file is there: 1, 0, or a negative status. */
static int32_t exists(const emb_directory *dir, const char *folder, const char *file,
                      embed_error *error)
{
    char *name = join(dir->allocator, folder, file);
    if (!name) return out_of_memory(file, error);
    int32_t kind = kind_of(dir, name, error);
    emb_free(dir->allocator, name);
    return kind < 0 ? kind : kind != EMB_PATH_MISSING;
}

static int32_t open_weights(emb_directory *dir, emb_weights *w, embed_error *error)
{
    if (dir->single) return view_folder(dir, w, error);
    for (int64_t i = 0; i < EMB_COUNT(formats); i++) {
        w->format = &formats[i];
        int32_t found = exists(dir, w->folder, formats[i].single, error);
        if (found) return found < 0 ? found : open_one(dir, w, error);
        found = exists(dir, w->folder, formats[i].index, error);
        if (found) return found < 0 ? found : open_shards(dir, w, error);
    }
    return emb_fail(error, EMBED_EIO,
                    "%s: expected model.safetensors or pytorch_model.bin, whole or with an index of "
                    "shards, found neither",
                    *w->folder ? w->folder : dir->path);
}

int32_t emb_directory_weights(emb_directory *dir, const char *folder, emb_weights **weights,
                              embed_error *error)
{
    const emb_allocator *a = dir->allocator;
    *weights = NULL;
    for (emb_weights *w = dir->weights; w && !*weights; w = w->next)
        if (strcmp(w->folder, folder) == 0) *weights = w;
    if (*weights) return EMBED_OK;

    int32_t status = check_folder(folder, error);
    if (status < 0) return status;
    emb_weights *w = emb_calloc(a, 1, sizeof *w);
    if (!w) return out_of_memory(folder, error);
    w->folder = emb_strdup(a, folder, strlen(folder));
    status = w->folder ? open_weights(dir, w, error) : out_of_memory(folder, error);
    if (status < 0) {
        free_weights(a, w);
        return status;
    }
    w->next = dir->weights;
    dir->weights = *weights = w;
    return EMBED_OK;
}

const emb_tensor *emb_weights_find(const emb_weights *weights, const char *name)
{
    return emb_tensor_find(weights->tensors, weights->count, name);
}

int64_t emb_weights_count(const emb_weights *weights)
{
    return weights->count;
}

const emb_tensor *emb_weights_at(const emb_weights *weights, int64_t index)
{
    return &weights->tensors[index];
}

const char *emb_weights_folder(const emb_weights *weights)
{
    return weights->folder;
}

const char *emb_weights_name(const emb_weights *weights)
{
    return weights->name;
}

void emb_directory_release(emb_directory *dir)
{
    if (!emb_directory_prepared(dir)) emb_file_forget(&dir->file);
    for (const emb_weights *w = dir->weights; w; w = w->next)
        for (int64_t i = 0; i < w->shard_count; i++) emb_file_forget(&w->shards[i].file);
}
