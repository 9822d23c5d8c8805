/* convert: embed convert, a model directory as one file, and what the report says of it. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MEGABYTE = 20 };

static int32_t write_part(void *out, const void *data, int64_t size)
{
    output_write(out, data, (size_t)size);
    return 0;
}

static int32_t show_progress(void *span, int64_t done, int64_t total)
{
    ((progress_span *)span)->total = total >> MEGABYTE;
    return progress_callback(span, done >> MEGABYTE, total >> MEGABYTE);
}

static const char *weights_name(int32_t kind)
{
    static const char *const names[] = {"f32", "f32", "f16", "bf16", "int8"};

    return names[kind];
}

static void write_model(const options *o, output *out)
{
    embed_save_options save = EMBED_SAVE_OPTIONS_INIT;
    embed_error error = EMBED_ERROR_INIT;
    progress_span span = {0, 0, 0, 1, "MiB"};
    options to_save = *o;
    engine e;

    to_save.open.flags |= EMBED_OPEN_TO_SAVE;
    engine_open_model(&e, &to_save);
    save.progress = show_progress;
    save.progress_user = &span;
    progress_start(false);
    if (embed_model_save(e.model, write_part, out, &save, &error) < 0)
        die("%s", error.message);
    output_close(out);
    progress_clear();
    engine_close(&e);
}

/* o: of the file that is written. */
static void report(const options *o, const char *kept)
{
    struct stat status;
    engine e;

    engine_open_again(&e, o);
    printf("%-18s%s\n", "file", o->model);
    if (stat(o->model, &status) == 0)
        printf("%-18s%.1f MiB\n", "size", (double)status.st_size / (1 << MEGABYTE));
    printf("%-18s%s\n", "weights", weights_name(o->open.weights));
    if (o->min_cosine > 0)
        printf("%-18s%s\n", "keep-float", kept ? kept : "none");
    printf("%-18s%lld inputs\n", "golden",
           (long long)embed_model_info(e.model, EMBED_INFO_GOLDEN));
    fflush(stdout);
    engine_close(&e);
}

void run_convert(const options *asked)
{
    comparison *c = NULL;
    options o = *asked, file;
    char *kept = NULL;
    struct stat status;
    output out;

    if (!o.output || strcmp(o.output, "-") == 0)
        usage("no file to write: give its name with -o FILE");
    if (stat(o.output, &status) == 0 && !o.force)
        die("%s: is there already; --force replaces it", o.output);
    output_open(&out, o.output, FORMAT_F32);
    out.exclusive = !o.force;
    out.durable = true;
    if (o.open.weights > EMBED_WEIGHTS_F32)
        c = comparison_open(&o);
    if (o.min_cosine > 0)
        o.open.keep_float = kept = choose_products(c, &o);
    write_model(&o, &out);

    file = o;
    file.model = o.output;
    file.open.keep_float = NULL;
    report(&file, kept);
    if (c) {
        comparison_measure(c, &file, false);
        comparison_print(c, &file);
        comparison_close(c);
    }
    free(kept);
    output_printed();
}
