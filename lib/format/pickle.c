/* The machine. Values are small and copied; what a pickle can share and change (dicts) is a number, and the
 * pairs of all dicts stand in one list, told apart by it. Nothing recurses; every value costs the pickle a
 * byte at least, so that its length bounds memory. */
#include <stdio.h>

#include "pickle.h"

enum { SIZE_LIMIT = 64 << 20, STEP_LIMIT = 1 << 22 /* a tensor takes about thirty */ };

typedef enum {
    NOTHING, MARK, NUMBER, TRUTH, TEXT, NAME, TUPLE, LIST, DICT, STORAGE, TENSOR
} value_kind;
static const char *const kind_names[] = {
    "nothing", "a mark", "a number", "a truth value", "a text", "a name", "a tuple", "a list", "a dict",
    "a storage", "a tensor"};

typedef enum { /* the names that a state dict uses */
    ORDERED_DICT, REBUILD_TENSOR, REBUILD_PARAMETER, STORAGE_TYPE /* and its dtype */
} callee;

static const struct {
    const char *module, *name;
    callee callee;
    emb_dtype dtype;
} names[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, 0},
    {"torch", "FloatStorage", STORAGE_TYPE, EMB_F32},
    {"torch", "HalfStorage", STORAGE_TYPE, EMB_F16},
    {"torch", "BFloat16Storage", STORAGE_TYPE, EMB_BF16},
    {"torch", "DoubleStorage", STORAGE_TYPE, EMB_F64},
    {"torch", "LongStorage", STORAGE_TYPE, EMB_I64},
    {"torch", "IntStorage", STORAGE_TYPE, EMB_I32},
    {"torch", "ShortStorage", STORAGE_TYPE, EMB_I16},
    {"torch", "CharStorage", STORAGE_TYPE, EMB_I8},
    {"torch", "ByteStorage", STORAGE_TYPE, EMB_U8},
    {"torch", "BoolStorage", STORAGE_TYPE, EMB_BOOL},
};

typedef struct value {
    value_kind kind;
    int64_t number;   /* NUMBER; NAME: its index; DICT: which; TENSOR, STORAGE: place among tensors */
    const char *text; /* TEXT */
    size_t size;      /* of text; of a TUPLE, whose first item is items[number] */
} value;

typedef struct pair { /* of a dict */
    int64_t dict;
    value key, value;
} pair;

typedef struct machine {
    const char *name;
    const char *start, *at, *end;
    embed_error *error;
    int32_t status;
    emb_buffer stack, items, memo; /* value[] */
    emb_buffer pairs;              /* pair[] */
    emb_buffer tensors;            /* emb_pickled_tensor[]; a storage is one without a shape */
    int64_t dicts;
} machine;

/* ---- failing --------------------------------------------------------------------------------------- */

/* The first failure stays. */
static void fail(machine *m, int32_t status, const char *expected, const char *found)
{
    if (m->status == EMBED_OK)
        m->status = emb_fail(m->error, status, "%s: offset %lld: expected %s, found %s", m->name,
                             (long long)(m->at - m->start), expected, found);
}

static void check_memory(machine *m, const emb_buffer *b)
{
    if (b->failed && m->status == EMBED_OK)
        m->status = emb_fail(m->error, EMBED_ENOMEM, "%s: out of memory", m->name);
}

/* ---- the stack ------------------------------------------------------------------------------------- */

static size_t count_of(const emb_buffer *b)
{
    return b->size / sizeof(value);
}

static value *values(const emb_buffer *b)
{
    return (value *)(void *)b->data;
}

static void push(machine *m, value v)
{
    emb_buffer_add(&m->stack, &v, sizeof v);
    check_memory(m, &m->stack);
}

static void push_kind(machine *m, value_kind kind, int64_t number)
{
    push(m, (value){.kind = kind, .number = number});
}

static value pop(machine *m)
{
    const size_t n = count_of(&m->stack);
    if (n == 0 || values(&m->stack)[n - 1].kind == MARK) {
        fail(m, EMBED_EFORMAT, "a value on the stack", n ? "a mark" : "none");
        return (value){NOTHING, 0, NULL, 0};
    }
    m->stack.size -= sizeof(value);
    return values(&m->stack)[n - 1];
}

static value top(machine *m)
{
    const value v = pop(m);
    if (m->status == EMBED_OK) m->stack.size += sizeof v;
    return v;
}

/* The number of values above the last mark, which goes; they stay, as *first .. */
static size_t pop_mark(machine *m, const value **first)
{
    size_t n = count_of(&m->stack), mark = n;
    const value *v = values(&m->stack);
    while (mark > 0 && v[mark - 1].kind != MARK) mark--;
    *first = v + mark;
    if (mark == 0) {
        fail(m, EMBED_EFORMAT, "a mark on the stack", "none");
        return 0;
    }
    m->stack.size = (mark - 1) * sizeof *v;
    return n - mark;
}

static void make_tuple(machine *m, const value *first, size_t count)
{
    const value tuple = {TUPLE, (int64_t)count_of(&m->items), NULL, count};
    emb_buffer_add(&m->items, first, count * sizeof *first);
    check_memory(m, &m->items);
    if (m->status == EMBED_OK) push(m, tuple);
}

static void make_short_tuple(machine *m, int count)
{
    value v[3];
    for (int i = count; i-- > 0;) v[i] = pop(m);
    if (m->status == EMBED_OK) make_tuple(m, v, (size_t)count);
}

/* ---- the memo -------------------------------------------------------------------------------------- */

/* Places are filled in order, as picklers do. */
static void put_memo(machine *m, uint32_t index)
{
    const value v = top(m);
    if (m->status < 0) return;
    if (index > count_of(&m->memo)) {
        fail(m, EMBED_EFORMAT, "the next place of the memo", "one beyond it");
    } else if (index == count_of(&m->memo)) {
        emb_buffer_add(&m->memo, &v, sizeof v);
        check_memory(m, &m->memo);
    } else values(&m->memo)[index] = v;
}

static void get_memo(machine *m, uint32_t index)
{
    if (index >= count_of(&m->memo)) fail(m, EMBED_EFORMAT, "a place of the memo that was filled", "another");
    else push(m, values(&m->memo)[index]);
}

/* ---- what is called ---------------------------------------------------------------------------------- */

/* The item of a tuple if it is of that kind. */
static bool item(const machine *m, value tuple, size_t i, value_kind kind, value *out)
{
    if (tuple.kind != TUPLE || i >= tuple.size) return false;
    *out = values(&m->items)[(size_t)tuple.number + i];
    return out->kind == kind;
}

static void add_tensor(machine *m, value_kind kind, const emb_pickled_tensor *t)
{
    const int64_t place = (int64_t)(m->tensors.size / sizeof *t);
    emb_buffer_add(&m->tensors, t, sizeof *t);
    check_memory(m, &m->tensors);
    if (m->status == EMBED_OK) push_kind(m, kind, place);
}

/* ('storage', torch.FloatStorage, '0', 'cpu', 147456) */
static void load_storage(machine *m)
{
    const value id = pop(m);
    value what, type, key, count;
    if (m->status < 0) return;
    if (!item(m, id, 0, TEXT, &what) || what.size != 7 || memcmp(what.text, "storage", 7) != 0 ||
        !item(m, id, 1, NAME, &type) || names[type.number].callee != STORAGE_TYPE ||
        !item(m, id, 2, TEXT, &key) || !item(m, id, 4, NUMBER, &count) || count.number < 0) {
        fail(m, EMBED_EFORMAT, "('storage', its type, key, device, size) as a persistent id",
             "something else");
        return;
    }
    add_tensor(m, STORAGE, &(emb_pickled_tensor){.storage = key.text, .storage_size = key.size,
                                                 .dtype = names[type.number].dtype,
                                                 .storage_count = count.number});
}

/* The items of a tuple of numbers, none negative. */
static bool numbers_of(const machine *m, value tuple, int64_t *out)
{
    value n;
    if (tuple.size > EMB_TENSOR_MAX_RANK) return false;
    for (size_t i = 0; i < tuple.size; i++) {
        if (!item(m, tuple, i, NUMBER, &n) || n.number < 0) return false;
        out[i] = n.number;
    }
    return true;
}

/* _rebuild_tensor_v2(storage, storage_offset, size, stride, ...) */
static void rebuild_tensor(machine *m, value args)
{
    value storage, offset, size, stride;
    emb_pickled_tensor t;
    if (!item(m, args, 0, STORAGE, &storage) || !item(m, args, 1, NUMBER, &offset) || offset.number < 0 ||
        !item(m, args, 2, TUPLE, &size) || !item(m, args, 3, TUPLE, &stride) || size.size != stride.size) {
        fail(m, EMBED_EFORMAT, "(storage, offset, size, stride) of a tensor", "something else");
        return;
    }
    t = ((emb_pickled_tensor *)(void *)m->tensors.data)[storage.number];
    t.offset = offset.number;
    t.rank = (int32_t)size.size;
    if (!numbers_of(m, size, t.shape) || !numbers_of(m, stride, t.stride))
        fail(m, EMBED_EFORMAT, "at most 8 sizes and strides of a tensor, none below 0", "something else");
    else add_tensor(m, TENSOR, &t);
}

static void reduce(machine *m)
{
    const value args = pop(m), callable = pop(m);
    value tensor;
    if (m->status < 0) return;
    if (callable.kind != NAME || args.kind != TUPLE) {
        fail(m, EMBED_EFORMAT, "a name and its arguments", kind_names[callable.kind]);
        return;
    }
    switch (names[callable.number].callee) {
    case ORDERED_DICT:
        if (args.size) fail(m, EMBED_EFORMAT, "OrderedDict()", "arguments");
        else push_kind(m, DICT, m->dicts++);
        break;
    case REBUILD_TENSOR: rebuild_tensor(m, args); break;
    case REBUILD_PARAMETER:
        if (item(m, args, 0, TENSOR, &tensor)) push(m, tensor);
        else fail(m, EMBED_EFORMAT, "a tensor as a parameter", "something else");
        break;
    case STORAGE_TYPE: fail(m, EMBED_EFORMAT, "a storage by its persistent id", "a call"); break;
    }
}

static void set_items(machine *m, const value *v, size_t count)
{
    const value dict = top(m);
    if (m->status < 0) return;
    if (dict.kind != DICT || count % 2) {
        fail(m, EMBED_EFORMAT, "a dict that takes keys and values", kind_names[dict.kind]);
        return;
    }
    for (size_t i = 0; i < count; i += 2) {
        const pair p = {dict.number, v[i], v[i + 1]};
        emb_buffer_add(&m->pairs, &p, sizeof p);
    }
    check_memory(m, &m->pairs);
}

/* ---- opcodes ------------------------------------------------------------------------------------------- */

/* The next size bytes, or NULL. */
static const char *take(machine *m, uint64_t size)
{
    const char *p = m->at;
    if (size > (uint64_t)(m->end - p)) {
        fail(m, EMBED_EFORMAT, "more bytes", "the end of the pickle: the file was cut short");
        return NULL;
    }
    m->at += size;
    return p;
}

/* A little-endian number of 1 to 4 bytes. */
static uint32_t take_number(machine *m, int bytes)
{
    const char *p = take(m, (uint64_t)bytes);
    uint32_t n = 0;
    for (int i = 0; p && i < bytes; i++) n |= (uint32_t)(unsigned char)p[i] << 8 * i;
    return n;
}

/* LONG1: a two's complement number of at most 8 bytes */
static void take_long(machine *m)
{
    const uint32_t size = take_number(m, 1);
    const char *p = take(m, size);
    uint64_t n = 0;
    if (!p) return;
    if (size > 8) {
        fail(m, EMBED_EFORMAT, "a number of at most 64 bits", "a longer one");
        return;
    }
    for (uint32_t i = 0; i < size; i++) n |= (uint64_t)(unsigned char)p[i] << 8 * i;
    if (size && size < 8 && p[size - 1] & 0x80) n |= ~UINT64_C(0) << 8 * size;
    push_kind(m, NUMBER, (int64_t)n);
}

static void take_text(machine *m, int bytes)
{
    const uint32_t size = take_number(m, bytes);
    const char *text = take(m, size);
    if (text) push(m, (value){TEXT, 0, text, size});
}

/* A line without its end; *size: its bytes */
static const char *take_line(machine *m, size_t *size)
{
    const char *line = m->at, *end = memchr(line, '\n', (size_t)(m->end - line));
    if (!end) {
        take(m, (uint64_t)(m->end - line) + 1);
        return NULL;
    }
    m->at = end + 1;
    *size = (size_t)(end - line);
    return line;
}

static bool same(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

static void take_name(machine *m)
{
    size_t module_size, name_size;
    const char *module = take_line(m, &module_size), *name = module ? take_line(m, &name_size) : NULL;
    if (!name) return;
    for (int64_t i = 0; i < EMB_COUNT(names); i++)
        if (same(module, module_size, names[i].module) && same(name, name_size, names[i].name)) {
            push_kind(m, NAME, i);
            return;
        }
    if (m->status == EMBED_OK)
        m->status = emb_fail(m->error, EMBED_EUNSUPPORTED,
                             "%s: offset %lld: expected a dict of tensors, found the name %s.%s, which "
                             "is not looked up: nothing of a pickle is run", m->name,
                             (long long)(module - m->start), emb_excerpt_of(module, module_size).text,
                             emb_excerpt_of(name, name_size).text);
}

/* BUILD: what an object gets besides its items (_metadata) does not matter here. */
static void build(machine *m)
{
    pop(m);
    const value v = top(m);
    if (m->status == EMBED_OK && v.kind != DICT)
        fail(m, EMBED_EFORMAT, "a dict to which attributes are given", kind_names[v.kind]);
}

/* Lists hold nothing that matters: their items go. */
static void append(machine *m)
{
    const value list = top(m);
    if (m->status == EMBED_OK && list.kind != LIST) fail(m, EMBED_EFORMAT, "a list", kind_names[list.kind]);
}

static void run_opcode(machine *m, unsigned char opcode)
{
    const value *first;
    value pair_of[2];
    size_t count;
    char code[16];

    switch (opcode) {
    case 0x80: /* PROTO */
        if (take_number(m, 1) > 2) fail(m, EMBED_EUNSUPPORTED, "a pickle of protocol 2", "a later one");
        break;
    case '(': push_kind(m, MARK, 0); break;
    case 'N': push_kind(m, NOTHING, 0); break;
    case 0x88: push_kind(m, TRUTH, 1); break;
    case 0x89: push_kind(m, TRUTH, 0); break;
    case 'K': push_kind(m, NUMBER, take_number(m, 1)); break;
    case 'M': push_kind(m, NUMBER, take_number(m, 2)); break;
    case 'J': push_kind(m, NUMBER, (int32_t)take_number(m, 4)); break;
    case 0x8a: take_long(m); break;
    case 'G': /* BINFLOAT */
        if (take(m, 8)) push_kind(m, NOTHING, 0);
        break;
    case 'X': take_text(m, 4); break;
    case 'c': take_name(m); break;
    case ')': make_tuple(m, NULL, 0); break;
    case 0x85: make_short_tuple(m, 1); break;
    case 0x86: make_short_tuple(m, 2); break;
    case 0x87: make_short_tuple(m, 3); break;
    case 't':
        count = pop_mark(m, &first);
        if (m->status == EMBED_OK) make_tuple(m, first, count);
        break;
    case ']': push_kind(m, LIST, 0); break;
    case 'a': pop(m), append(m); break;
    case 'e': pop_mark(m, &first), append(m); break;
    case '}': push_kind(m, DICT, m->dicts++); break;
    case 's':
        pair_of[1] = pop(m);
        pair_of[0] = pop(m);
        set_items(m, pair_of, 2);
        break;
    case 'u':
        count = pop_mark(m, &first);
        set_items(m, first, count);
        break;
    case 'q': put_memo(m, take_number(m, 1)); break;
    case 'r': put_memo(m, take_number(m, 4)); break;
    case 'h': get_memo(m, take_number(m, 1)); break;
    case 'j': get_memo(m, take_number(m, 4)); break;
    case 'Q': load_storage(m); break;
    case 'R': reduce(m); break;
    case 'b': build(m); break;
    default:
        snprintf(code, sizeof code, "0x%02X", opcode);
        m->at--;
        fail(m, EMBED_EUNSUPPORTED, "an opcode of a dict of tensors", code);
    }
}

static void run(machine *m)
{
    for (int64_t steps = 0; m->status == EMBED_OK; steps++) {
        const char *opcode = take(m, 1);
        if (!opcode || *opcode == '.') return;
        if (steps == STEP_LIMIT) fail(m, EMBED_EUNSUPPORTED, "at most 2^22 opcodes", "more");
        run_opcode(m, (unsigned char)*opcode);
    }
}

/* ---- the result ------------------------------------------------------------------------------------------- */

static void collect(machine *m, emb_state_dict *dict)
{
    const value result = pop(m);
    const pair *pairs = (const pair *)(const void *)m->pairs.data;
    const size_t count = m->pairs.size / sizeof *pairs;
    const emb_pickled_tensor *tensors = (const emb_pickled_tensor *)(const void *)m->tensors.data;
    if (m->status == EMBED_OK && result.kind != DICT)
        fail(m, EMBED_EFORMAT, "a dict of tensors", kind_names[result.kind]);
    if (m->status < 0) return;
    dict->tensors = emb_calloc(dict->allocator, count, sizeof *dict->tensors);
    if (!dict->tensors) {
        m->status = emb_fail(m->error, EMBED_ENOMEM, "%s: out of memory", m->name);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const pair *p = &pairs[i];
        if (p->dict != result.number || p->key.kind != TEXT || p->value.kind != TENSOR) continue;
        emb_pickled_tensor *t = &dict->tensors[dict->count++];
        *t = tensors[p->value.number];
        t->name = p->key.text;
        t->name_size = p->key.size;
    }
}

int32_t emb_state_dict_read(emb_state_dict *dict, const char *name, const char *data, size_t size,
                            const emb_allocator *a, embed_error *error)
{
    machine m = {.name = name, .start = data, .at = data, .end = data + size, .error = error};
    emb_buffer *const buffers[] = {&m.stack, &m.items, &m.memo, &m.pairs, &m.tensors};
    *dict = (emb_state_dict){.allocator = a};
    if (size > SIZE_LIMIT)
        return emb_fail(error, EMBED_EUNSUPPORTED, "%s: expected a pickle of at most 64 MiB, found %zu bytes",
                        name, size);
    for (int64_t i = 0; i < EMB_COUNT(buffers); i++) emb_buffer_init(buffers[i], a);
    run(&m);
    if (m.status == EMBED_OK) collect(&m, dict);
    for (int64_t i = 0; i < EMB_COUNT(buffers); i++) emb_buffer_free(buffers[i]);
    if (m.status < 0) emb_state_dict_free(dict);
    return m.status;
}

void emb_state_dict_free(emb_state_dict *dict)
{
    emb_free(dict->allocator, dict->tensors);
    *dict = (emb_state_dict){.allocator = dict->allocator};
}
