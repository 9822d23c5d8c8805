/* score: embed score, what a cross-encoder says of pairs of texts: embed text --pair --pool scores, with
 * the pairs of a query given as arguments. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* "QUERY\tTEXT" of each TEXT. */
static char **pairs_of(const options *o)
{
    size_t query = strlen(o->arguments[0]);
    char **pairs = allocate(o->argument_count, sizeof(*pairs));

    if (o->argument_count < 2)
        usage("a query without a text: give one or more after it");
    for (int64_t i = 0; i < o->argument_count; i++)
        if (strchr(o->arguments[i], '\t'))
            usage("a tab in \"%s\": give pairs with -f", o->arguments[i]);
    for (int64_t i = 1; i < o->argument_count; i++) {
        size_t text = strlen(o->arguments[i]);

        pairs[i - 1] = allocate((int64_t)(query + text + 2), 1);
        memcpy(pairs[i - 1], o->arguments[0], query);
        pairs[i - 1][query] = '\t';
        memcpy(pairs[i - 1] + query + 1, o->arguments[i], text);
    }
    return pairs;
}

void run_score(const options *o)
{
    options own = *o;

    own.pair = 1;
    own.encode.pooling = EMBED_POOL_SCORES;
    if (o->argument_count) {
        own.arguments = pairs_of(o);
        own.argument_count = o->argument_count - 1;
    }
    run_vectors(&own);
    for (int64_t i = 0; i < own.argument_count; i++)
        free(own.arguments[i]);
    if (o->argument_count)
        free(own.arguments);
}
