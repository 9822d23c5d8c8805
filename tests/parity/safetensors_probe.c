/* Reads file paths from standard input, a path a line, and prints for each "accept" with its
 * tensors or "refuse", the status and the message. Driven by safetensors_check.py. */
#include <stdio.h>

#include "../../lib/format/safetensors.h"

static void print_tensors(const emb_safetensors *st, const char *data)
{
    printf("accept");
    for (int64_t i = 0; i < st->count; i++) {
        const emb_tensor *t = &st->tensors[i];
        unsigned sum = 0;
        for (size_t k = 0; k < t->bytes; k++) sum = sum * 31 + (unsigned char)t->data[k];
        printf("\t%s %s %zu %u", emb_dtype_name(t->dtype), emb_shape_of(t->shape, t->rank).text,
               t->bytes, t->data < data ? 0 : sum);
    }
    printf("\n");
}

int main(void)
{
    char path[4096];
    while (fgets(path, sizeof path, stdin)) {
        embed_error error = EMBED_ERROR_INIT;
        emb_safetensors st;
        emb_file file;
        path[strcspn(path, "\n")] = '\0';
        int32_t status = emb_file_open(&file, path, "f", false, &emb_libc_allocator, &error);
        if (status == EMBED_OK)
            status =
                emb_safetensors_open(&st, "f", file.data, file.size, &emb_libc_allocator, &error);
        if (status < 0) {
            printf("refuse\t%d\t%s\n", status, error.message);
        } else {
            print_tensors(&st, file.data);
            emb_safetensors_close(&st);
        }
        emb_file_close(&file);
        fflush(stdout);
    }
    return 0;
}
