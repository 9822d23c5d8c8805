/* SentencePiece .model files: a ModelProto in protobuf's wire format. Fields that matter are
 * checked, others are skipped by their wire type, as protobuf does. */
#include "sentencepiece.h"

#include <math.h>
#include <stdio.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* ---- the wire ----------------------------------------------------------------------- */

typedef struct field {
    uint64_t number;  /* of a VARINT, FIXED32 or FIXED64 */
    const char *data; /* of BYTES */
    size_t size;
    uint32_t tag, wire;
} field;

typedef struct message {
    const char *file, *place; /* for errors: "x.model", "pieces[3]" */
    int64_t index;            /* of the place; -1: it has none */
    const char *start, *at, *end;
    embed_error *error;
} message;

static int32_t fail(const message *m, const char *what)
{
    char index[32] = "";
    if (m->index >= 0) snprintf(index, sizeof index, "[%lld]", (long long)m->index);
    return emb_fail(m->error, EMBED_EFORMAT, "%s: %s%s: byte %lld: %s", m->file, m->place, index,
                    (long long)(m->at - m->start), what);
}

static bool varint(message *m, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 70 && m->at < m->end; shift += 7) {
        uint8_t byte = (uint8_t)*m->at++;
        if (shift == 63 && byte > 1) return false;
        *value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* 1: a field; 0: the end; a status. */
static int32_t next(message *m, field *f)
{
    uint64_t key, size;
    if (m->at == m->end) return 0;
    if (!varint(m, &key) || key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) {
        return fail(m, "expected the number of a field");
    }
    *f = (field){.tag = (uint32_t)(key >> 3), .wire = key & 7};
    size_t left = (size_t)(m->end - m->at);
    switch (f->wire) {
    case VARINT:
        return varint(m, &f->number) ? 1 : fail(m, "a number that does not end");
    case FIXED64:
    case FIXED32:
        size = f->wire == FIXED64 ? 8 : 4;
        if (left < size) return fail(m, "a number that is cut short");
        f->number = size == 8 ? emb_le64(m->at) : emb_le32(m->at);
        m->at += size;
        return 1;
    case BYTES:
        if (!varint(m, &size) || size > (size_t)(m->end - m->at)) {
            return fail(m, "a field that is longer than what is left");
        }
        f->data = m->at;
        f->size = (size_t)size;
        m->at += size;
        return 1;
    default:
        return fail(m, "expected a field of a SentencePiece model, found another wire type");
    }
}

static message inside(const message *m, const field *f, const char *place, int64_t index)
{
    return (message){m->file, place, index, m->start, f->data, f->data + f->size, m->error};
}

static int32_t expect(const message *m, const field *f, uint32_t wire)
{
    return f->wire == wire ? EMBED_OK : fail(m, "a field of another wire type than expected");
}

/* ---- fields ------------------------------------------------------------------------- */

typedef struct known { /* a field that is kept; out: where in an emb_sentencepiece */
    uint32_t tag;
    enum { FLAG, INT32, ID, TEXT, RAW } kind;
    size_t out, out_size;
} known;

#define AT(member) offsetof(emb_sentencepiece, member)

static const known trainer_fields[] = {
    {3, INT32, AT(model_type), 0},
    {24, FLAG, AT(treat_whitespace_as_suffix), 0},
    {35, FLAG, AT(byte_fallback), 0},
    {40, ID, AT(unk_id), 0},
    {41, ID, AT(bos_id), 0},
    {42, ID, AT(eos_id), 0},
    {43, ID, AT(pad_id), 0},
    {45, TEXT, AT(unk_piece), AT(unk_piece_size)},
    {46, TEXT, AT(bos_piece), AT(bos_piece_size)},
    {47, TEXT, AT(eos_piece), AT(eos_piece_size)},
    {48, TEXT, AT(pad_piece), AT(pad_piece_size)},
    {0, FLAG, 0, 0},
};

static const known normalizer_fields[] = {
    {1, TEXT, AT(normalizer_name), AT(normalizer_name_size)},
    {2, RAW, AT(charsmap), AT(charsmap_size)},
    {3, FLAG, AT(add_dummy_prefix), 0},
    {4, FLAG, AT(remove_extra_whitespaces), 0},
    {5, FLAG, AT(escape_whitespaces), 0},
    {0, FLAG, 0, 0},
};

static int32_t keep(emb_sentencepiece *out, const known *k, const message *m, const field *f)
{
    char *base = (char *)out;
    bool text = k->kind == TEXT || k->kind == RAW;
    int32_t status = expect(m, f, text ? BYTES : VARINT);
    if (status < 0) return status;
    if (k->kind == TEXT && f->size && emb_utf8_invalid(f->data, f->size) >= 0) {
        return fail(m, "a text that is not UTF-8");
    }
    if (text) {
        memcpy(base + k->out, &f->data, sizeof f->data);
        memcpy(base + k->out_size, &f->size, sizeof f->size);
    } else if (k->kind == FLAG) {
        *(bool *)(base + k->out) = f->number != 0;
    } else { /* int32: the low half, as protobuf reads it */
        int32_t value = (int32_t)(uint32_t)f->number;
        if (k->kind == INT32) *(int32_t *)(base + k->out) = value;
        else *(int64_t *)(base + k->out) = value < 0 ? -1 : value;
    }
    return EMBED_OK;
}

static int32_t read_spec(emb_sentencepiece *out, message m, const known *fields)
{
    field f;
    int32_t status;
    while ((status = next(&m, &f)) > 0) {
        const known *k = fields;
        while (k->tag && k->tag != f.tag) k++;
        if (k->tag && (status = keep(out, k, &m, &f)) < 0) return status;
    }
    return status;
}

static int32_t read_piece(emb_sp_piece *p, message m)
{
    field f;
    int32_t status;
    *p = (emb_sp_piece){.text = "", .type = EMB_SP_NORMAL};
    while ((status = next(&m, &f)) > 0) {
        if (f.tag > 3) continue;
        status = expect(&m, &f, f.tag == 1 ? BYTES : f.tag == 2 ? FIXED32 : VARINT);
        if (status < 0) return status;
        if (f.tag == 1) {
            if (f.size > UINT32_MAX / 2 || (f.size && emb_utf8_invalid(f.data, f.size) >= 0)) {
                return fail(&m, "a piece that is not UTF-8");
            }
            p->text = f.data;
            p->size = (uint32_t)f.size;
        } else if (f.tag == 2) {
            uint32_t bits = (uint32_t)f.number;
            memcpy(&p->score, &bits, sizeof p->score);
            if (!isfinite(p->score)) return fail(&m, "a score that is not a number");
        } else if (f.number >= EMB_SP_NORMAL && f.number <= EMB_SP_BYTE) {
            p->type = (int32_t)f.number;
        } else {
            return fail(&m, "a type of piece that is not known");
        }
    }
    return status;
}

/* ---- the file ----------------------------------------------------------------------- */

static int32_t read_model(emb_sentencepiece *out, message m, bool *trainer)
{
    field f;
    int32_t status;
    int64_t i = 0;
    *trainer = false;
    while ((status = next(&m, &f)) > 0) {
        if (f.tag > 3) continue;
        if ((status = expect(&m, &f, BYTES)) < 0) return status;
        if (f.tag == 1) {
            status = read_piece(&out->pieces[i], inside(&m, &f, "pieces", i));
            i++;
        } else if (f.tag == 2) {
            status = read_spec(out, inside(&m, &f, "trainer_spec", -1), trainer_fields);
            *trainer = true;
        } else {
            status = read_spec(out, inside(&m, &f, "normalizer_spec", -1), normalizer_fields);
        }
        if (status < 0) return status;
    }
    return status;
}

static int32_t count_pieces(emb_sentencepiece *out, message m)
{
    field f;
    int32_t status;
    while ((status = next(&m, &f)) > 0) out->count += f.tag == 1;
    if (status < 0) return status;
    if (out->count == 0) return fail(&m, "expected pieces, found none");
    return out->count > INT32_MAX / 2 ? fail(&m, "too many pieces") : EMBED_OK;
}

static int32_t check(const emb_sentencepiece *m, const char *name, bool trainer, embed_error *error)
{
    int64_t unknown = -1;
    if (trainer && (m->model_type < EMB_SP_UNIGRAM || m->model_type > EMB_SP_CHAR)) {
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: trainer_spec: model_type: expected 1 to 4, found %d", name,
                        (int)m->model_type);
    }
    for (int64_t i = 0; i < m->count; i++) {
        if (m->pieces[i].size == 0) {
            return emb_fail(error, EMBED_EFORMAT, "%s: pieces[%lld]: empty", name, (long long)i);
        }
        if (m->pieces[i].type != EMB_SP_UNKNOWN) continue;
        if (unknown >= 0) {
            return emb_fail(error, EMBED_EFORMAT, "%s: pieces[%lld]: unknown, as pieces[%lld] is",
                            name, (long long)i, (long long)unknown);
        }
        unknown = i;
    }
    if (unknown < 0) {
        return emb_fail(error, EMBED_EFORMAT,
                        "%s: pieces: expected one of type unknown, found none", name);
    }
    return EMBED_OK;
}

int32_t emb_sentencepiece_open(emb_sentencepiece *m, const char *data, size_t size,
                               const char *name, const emb_allocator *a, embed_error *error)
{
    static const char unk[] = "<unk>", bos[] = "<s>", eos[] = "</s>", pad[] = "<pad>";
    message file = {name, "ModelProto", -1, data, data, data + size, error};
    bool trainer;
    *m = (emb_sentencepiece){
        .allocator = a, .model_type = EMB_SP_UNIGRAM, .bos_id = 1, .eos_id = 2, .pad_id = -1,
        .unk_piece = unk, .unk_piece_size = sizeof unk - 1,
        .bos_piece = bos, .bos_piece_size = sizeof bos - 1,
        .eos_piece = eos, .eos_piece_size = sizeof eos - 1,
        .pad_piece = pad, .pad_piece_size = sizeof pad - 1,
        .add_dummy_prefix = true, .remove_extra_whitespaces = true, .escape_whitespaces = true,
    };
    int32_t status = count_pieces(m, file);
    if (status < 0) return status;
    m->pieces = emb_alloc(a, (size_t)m->count, sizeof *m->pieces);
    if (!m->pieces) return emb_fail(error, EMBED_ENOMEM, "%s: no memory", name);
    status = read_model(m, file, &trainer);
    if (status == EMBED_OK) status = check(m, name, trainer, error);
    if (m->charsmap_size == 0) m->charsmap = NULL;
    return status;
}

int32_t emb_sentencepiece_rest(const char *data, size_t size, emb_buffer *out, embed_error *error)
{
    message m = {"SentencePiece", "ModelProto", -1, data, data, data + size, error};
    field f;
    int32_t status;
    const char *begin = m.at;
    while ((status = next(&m, &f)) > 0) {
        emb_sp_piece piece = {.type = EMB_SP_UNKNOWN};
        if (f.tag == 1) status = read_piece(&piece, inside(&m, &f, "pieces", -1));
        if (status < 0) return status;
        if (piece.type != EMB_SP_NORMAL) emb_buffer_add(out, begin, (size_t)(m.at - begin));
        begin = m.at;
    }
    return status;
}

void emb_sentencepiece_close(emb_sentencepiece *m)
{
    if (!m->allocator) return;
    emb_free(m->allocator, m->pieces);
    m->pieces = NULL;
    m->count = 0;
}
