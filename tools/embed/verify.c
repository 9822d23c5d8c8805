/* verify: embed verify, whether a single-file model gives on this machine what it gave where it was
 * made. */
#include "cli.h"

#include <string.h>

/* Every instruction set by which this library and CPU can run; a line each. */
static void verify_isa(const options *o, const char *isa)
{
    embed_verification found = EMBED_VERIFICATION_INIT;
    embed_error error = EMBED_ERROR_INIT;
    options own = *o;
    engine e;

    own.open.isa = isa;
    engine_open_again(&e, &own);
    if (embed_session_create(e.model, &own.session, &e.session, &error) < 0)
        die("%s", error.message);
    if (embed_verify(e.session, &found) < 0)
        die("%s: %s", o->model, embed_session_error(e.session));
    printf("%-8s %lld of %lld vectors have the same bits", isa,
           (long long)(found.inputs - found.different), (long long)found.inputs);
    if (found.different)
        printf("; largest difference %.3g, smallest cosine %.9f", found.largest, found.cosine);
    putchar('\n');
    if (found.different)
        failure("%s: %s: not what it was where the file was made", o->model, isa);
    engine_close(&e);
}

static bool has_isa(const options *o, const char *isa)
{
    embed_open_options open = o->open;
    embed_model *model;
    int32_t status;

    open.isa = isa;
    status = embed_model_open(o->model, &open, &model, NULL);
    embed_model_free(model);
    return status == EMBED_OK;
}

void run_verify(const options *o)
{
    static const char *const sets[] = {"c", "avx2", "avx512"};
    engine e;

    engine_open_model(&e, o); /* what is wrong with the file is said once */
    engine_close(&e);
    if (o->open.isa) {
        verify_isa(o, o->open.isa);
    } else {
        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
            if (has_isa(o, sets[i]))
                verify_isa(o, sets[i]);
    }
    output_printed();
}
