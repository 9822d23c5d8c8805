/* choose: which products of an int8 model stay float32, by measurement. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* The errors of products add up, and none alone is to blame for a text. So each product is measured
 * by itself on the texts (or images) that are farthest off when all are whole numbers: how much
 * nearer they come when it stays float32, for each byte that this takes. (Time goes as bytes do.)
 * The best are kept, one more at a time. The worst texts say whether that is enough yet; when it
 * is, the whole sample does, and may put other texts in their place. At last those are left out
 * again that turn out not to be needed beside the others. Vectors have the same bits on every
 * machine, so the choice is the same. */

typedef struct product {
    char *name;
    int64_t place; /* in the model */
    bool kept;
    double gain; /* of the worst, a byte */
} product;

typedef struct choice {
    comparison *comparison;
    const options *o;
    product *products; /* that may be kept beside o->open.keep_float */
    int64_t count;
} choice;

static void add_name(buffer *names, const char *name)
{
    if (names->size)
        names->data[names->size - 1] = ','; /* was NUL */
    buffer_add(names, name, strlen(name) + 1);
}

/* What is kept, as keep_float takes it; NULL: nothing. */
static char *names_kept(const choice *c)
{
    const char *given = c->o->open.keep_float;
    buffer names = {0};

    if (given && *given)
        add_name(&names, given);
    for (int64_t i = 0; i < c->count; i++)
        if (c->products[i].kept)
            add_name(&names, c->products[i].name);
    return names.data;
}

static nearness measure(const choice *c, bool worst)
{
    options o = *c->o;
    char *names = names_kept(c);
    nearness found;

    o.open.keep_float = names;
    found = comparison_measure(c->comparison, &o, worst);
    free(names);
    return found;
}

static bool reaches(const choice *c, bool worst)
{
    return measure(c, worst).smallest >= c->o->min_cosine;
}

static void list_products(choice *c)
{
    const char *name;
    engine e;

    engine_open_again(&e, c->o);
    while (embed_model_product(e.model, c->count))
        c->count++;
    c->products = allocate(c->count, sizeof(*c->products));
    for (int64_t i = 0; (name = embed_model_product(e.model, i)); i++) {
        buffer copy = {0};

        add_name(&copy, name);
        c->products[i].name = copy.data;
        c->products[i].place = i;
    }
    engine_close(&e);
}

static void keep_all(const choice *c, bool kept)
{
    for (int64_t i = 0; i < c->count; i++)
        c->products[i].kept = kept;
}

/* With all of them kept, word embeddings alone are rounded. */
static void check_reachable(const choice *c)
{
    double reached;

    keep_all(c, true);
    reached = measure(c, false).smallest;
    if (reached < c->o->min_cosine)
        die("--min-cosine %.12g: the best reached is %.12g, with every product in float32; no file "
            "is written",
            c->o->min_cosine, reached);
    keep_all(c, false);
}

static int by_gain(const void *a, const void *b)
{
    const product *x = a, *y = b;

    if (x->gain != y->gain)
        return x->gain > y->gain ? -1 : 1;
    return x->place < y->place ? -1 : 1;
}

static void rank(const choice *c)
{
    progress_span span = {0, c->count, 0, 1, "products"};
    nearness before = measure(c, true);

    progress_start(false);
    for (int64_t i = 0; i < c->count; i++) {
        product *p = &c->products[i];
        nearness found;
        int64_t bytes;

        p->kept = true;
        found = measure(c, true);
        p->kept = false;
        bytes = found.weight_bytes - before.weight_bytes;
        p->gain = (found.sum - before.sum) / (double)(bytes > 0 ? bytes : 1);
        progress_callback(&span, i + 1, c->count);
    }
    progress_clear();
    qsort(c->products, (size_t)c->count, sizeof(*c->products), by_gain);
}

/* Until it is enough, which all of them are. */
static void keep_best(const choice *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        c->products[i].kept = true;
        if (!reaches(c, true))
            continue;
        if (reaches(c, false))
            break;
        comparison_take_worst(c->comparison);
    }
}

static void leave_out_needless(const choice *c)
{
    for (int64_t i = c->count; i-- > 0;) {
        product *p = &c->products[i];

        if (!p->kept)
            continue;
        p->kept = false;
        if (!reaches(c, true) || !reaches(c, false))
            p->kept = true;
    }
}

char *choose_products(comparison *all, const options *o)
{
    choice c = {all, o, NULL, 0};
    nearness plain = measure(&c, false);
    char *names;

    if (!plain.count)
        die("--min-cosine: nothing of the sample could be compared");
    if (plain.smallest < o->min_cosine) {
        comparison_take_worst(all);
        list_products(&c);
        check_reachable(&c);
        rank(&c);
        keep_best(&c);
        leave_out_needless(&c);
    }
    names = names_kept(&c);
    for (int64_t i = 0; i < c.count; i++)
        free(c.products[i].name);
    free(c.products);
    return names;
}
