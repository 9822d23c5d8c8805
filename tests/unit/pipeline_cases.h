/* Reading tests/data/tokenizer/pipelines.jsonl; after cmocka.h. */
#ifndef PIPELINE_CASES_H
#define PIPELINE_CASES_H

#include <stdio.h>
#include <stdlib.h>

#include "../../lib/base/base.h"

static char *slurp(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(*size + 1);
    assert_int_equal(fread(text, 1, *size, f), *size);
    text[*size] = '\0';
    fclose(f);
    return text;
}

/* The text with the pieces of all bytes where it says @bytes@. */
static void put_tokenizer(emb_buffer *out, const char *text)
{
    const char *at = strstr(text, "@bytes@");
    out->size = 0;
    emb_buffer_add(out, text, at ? (size_t)(at - text) : strlen(text));
    for (int b = 0; at && b < 256; b++) {
        emb_buffer_printf(out, "%s\"<0x%02X>\":%d", b ? "," : "", (unsigned)b, b);
    }
    if (at) emb_buffer_add(out, at + 7, strlen(at + 7));
    assert_false(out->failed);
}

#endif
