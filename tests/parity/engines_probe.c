/* Drives the text engines for text_engines.py, over pipes. A command is a letter, a size and so
 * many bytes; every command has an answer. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../../lib/text/charsmap.h"
#include "../../lib/text/normal_forms.h"
#include "../../lib/text/regex.h"
#include "../../lib/text/sentencepiece.h"
#include "../../lib/text/unigram.h"

static embed_error error = EMBED_ERROR_INIT;
static emb_regex *regex;
static emb_charsmap map;
static emb_unigram *unigram;

static void put(const void *data, size_t size)
{
    if (size) fwrite(data, size, 1, stdout);
}

static void put_number(int64_t n)
{
    put(&n, sizeof n);
}

static void put_status(int32_t status)
{
    put_number(status);
    if (status >= 0) return;
    put_number((int64_t)strlen(error.message));
    put(error.message, strlen(error.message));
}

static void *scratch_of(size_t bytes)
{
    static void *memory;
    static size_t held;
    if (bytes > held) {
        free(memory);
        held = (bytes * 2 + 63) / 64 * 64;
        memory = aligned_alloc(64, held);
    }
    return memory;
}

static void put_matches(const char *text, size_t size, bool table)
{
    static size_t (*spans)[2], room;
    size_t count = 0, begin, end;
    emb_regex_scan scan;
    emb_regex_start(&scan, regex, scratch_of(emb_regex_scratch_size(regex, size)), text, size);
    if (table) scan.steps = SIZE_MAX / 2;
    while (emb_regex_next(&scan, &begin, &end)) {
        if (count == room) spans = realloc(spans, (room = room * 2 + 64) * sizeof *spans);
        spans[count][0] = begin;
        spans[count++][1] = end;
    }
    put_number((int64_t)count);
    put(spans, count * sizeof *spans);
}

/* Characters through the charsmap, or in the form of that number. */
static void put_chars(char command, const char *text, size_t size)
{
    size_t count = 0, room = size * 40 + 64;
    emb_char *in = malloc((size + 1) * sizeof *in), *out = malloc(room * sizeof *out);
    for (size_t at = 0; at < size; at += in[count++].size) {
        uint32_t code;
        in[count].start = at;
        in[count].size = (uint32_t)emb_utf8_decode(text + at, size - at, &code);
        in[count].code = code;
    }
    if (command == 'c') count = emb_charsmap_apply(&map, in, count, out, room);
    else count = emb_normal_form(command - '0', in, count, out, room);
    if (count > room) exit(4);
    put_number((int64_t)count);
    for (size_t i = 0; i < count; i++) {
        uint64_t fields[] = {out[i].code, out[i].size, out[i].start};
        put(fields, sizeof fields);
    }
    free(in);
    free(out);
}

/* count, unk_id, byte_fallback (int64 each), then size (int64), score (double), text of each */
static int32_t load_unigram(const char *data)
{
    int64_t head[3];
    memcpy(head, data, sizeof head);
    data += sizeof head;
    emb_unigram_piece *pieces = malloc((size_t)head[0] * sizeof *pieces + 1);
    for (int64_t i = 0, size; i < head[0]; i++, data += 16 + size) {
        memcpy(&size, data, 8);
        memcpy(&pieces[i].score, data + 8, 8);
        pieces[i].size = (uint32_t)size;
        pieces[i].text = data + 16;
    }
    emb_unigram_free(unigram);
    clock_t start = clock();
    int32_t status = emb_unigram_open(&unigram, pieces, head[0], head[1], head[2] != 0, "vocab",
                                      &emb_libc_allocator, &error);
    fprintf(stderr, "    %lld pieces opened in %.1f ms\n", (long long)head[0],
            1e3 * (double)(clock() - start) / CLOCKS_PER_SEC);
    free(pieces);
    return status;
}

static void put_tokens(const char *text, size_t size)
{
    emb_unigram_walk walk;
    emb_unigram_token token;
    int64_t *out = malloc((size + 1) * 24), count = 0;
    void *scratch = scratch_of(emb_unigram_scratch_size(unigram, size));
    int32_t status = emb_unigram_start(&walk, unigram, scratch, text, size, &error);
    while (status >= 0 && emb_unigram_next(&walk, &token)) {
        out[3 * count] = token.id;
        out[3 * count + 1] = (int64_t)token.begin;
        out[3 * count++ + 2] = (int64_t)token.end;
    }
    if (status < 0) put_status(status);
    else {
        put_number(count);
        put(out, (size_t)count * 24);
    }
    free(out);
}

static void put_text(const char *text, size_t size)
{
    put_number((int64_t)size);
    put(text, size);
}

static void put_sentencepiece(const char *data, size_t size)
{
    emb_sentencepiece m;
    int32_t status = emb_sentencepiece_open(&m, data, size, "model", &emb_libc_allocator, &error);
    put_status(status);
    if (status >= 0) {
        put_number(m.count);
        for (int64_t i = 0; i < m.count; i++) {
            put_number(m.pieces[i].type);
            put(&m.pieces[i].score, 4);
            put_text(m.pieces[i].text, m.pieces[i].size);
        }
        int64_t numbers[] = {m.model_type, m.unk_id, m.bos_id, m.eos_id, m.pad_id, m.byte_fallback,
                             m.treat_whitespace_as_suffix, m.add_dummy_prefix,
                             m.remove_extra_whitespaces, m.escape_whitespaces};
        put(numbers, sizeof numbers);
        put_text(m.normalizer_name, m.normalizer_name_size);
        put_text(m.charsmap, m.charsmap_size);
    }
    emb_sentencepiece_close(&m);
}

/* Seconds of one pass over the text, the best of five. */
static void put_time(char what, const char *text, size_t size)
{
    double best = 1e9;
    size_t sum = 0;
    for (int i = 0; i < 5; i++) {
        clock_t start = clock();
        if (what == 'r') {
            emb_regex_scan scan;
            size_t begin, end;
            void *scratch = scratch_of(emb_regex_scratch_size(regex, size));
            emb_regex_start(&scan, regex, scratch, text, size);
            while (emb_regex_next(&scan, &begin, &end)) sum += end;
        } else {
            emb_unigram_walk walk;
            emb_unigram_token token;
            void *scratch = scratch_of(emb_unigram_scratch_size(unigram, size));
            if (emb_unigram_start(&walk, unigram, scratch, text, size, &error) < 0) exit(5);
            while (emb_unigram_next(&walk, &token)) sum += (size_t)token.id;
        }
        double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        best = EMB_MIN(best, seconds);
    }
    put(&best, sizeof best);
    put_number((int64_t)sum);
}

int main(void)
{
    int command;
    while ((command = getchar()) != EOF) {
        uint32_t size;
        if (fread(&size, 4, 1, stdin) != 1) return 3;
        char *data = malloc(size ? size : 1);
        if (size && fread(data, size, 1, stdin) != 1) return 3;
        switch (command) {
        case 'R':
            emb_regex_free(regex);
            put_status(emb_regex_compile(&regex, data, size, "test", &emb_libc_allocator, &error));
            break;
        case 'r': put_matches(data, size, false); break;
        case 'b': put_matches(data, size, true); break;
        case 'C':
            emb_charsmap_close(&map);
            put_status(emb_charsmap_open(&map, data, size, "test", &emb_libc_allocator, &error));
            break;
        case 'U': put_status(load_unigram(data)); break;
        case 'u': put_tokens(data, size); break;
        case 'S': put_sentencepiece(data, size); break;
        case 'm': put_time('r', data, size); break;
        case 'M': put_time('u', data, size); break;
        default: put_chars((char)command, data, size);
        }
        free(data);
        fflush(stdout);
    }
    return 0;
}
