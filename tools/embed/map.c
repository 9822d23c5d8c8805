/* map: embed map, one HTML page that lays out texts or images by their two principal components. It
 * needs no network: pictures are part of it, and a policy in it forbids to load anything. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    NEIGHBOURS = 5,
    MAX_COMPARED = 4000, /* points each of which is compared with each, to tell the nearest */
    MAX_LABEL = 2000,    /* bytes of a text */
    AT_ONCE = 64,        /* thumbnails */
    WIDTH = 1000, HEIGHT = 640, EDGE = 60 /* of the page without its script, which then fits it */
};

struct point {
    int64_t input; /* index in the batch */
    double at[2];
    int64_t near[NEIGHBOURS];
    float scores[NEIGHBOURS];
    int near_count;
};

struct map {
    const options *o;
    FILE *f;
    batch b;
    int64_t count, dim;
    struct point *points; /* of the inputs that could be used */
    float *vectors;       /* theirs */
    double explained[2];
    double middle[2], scale; /* of the page without its script */
    int32_t similarity;
};

/* ---- what is laid out --------------------------------------------------------------------- */

static void fit(struct map *m)
{
    double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY}, x, y;

    for (int64_t i = 0; i < m->count; i++)
        for (int k = 0; k < 2; k++) {
            low[k] = fmin(low[k], m->points[i].at[k]);
            high[k] = fmax(high[k], m->points[i].at[k]);
        }
    for (int k = 0; k < 2; k++)
        m->middle[k] = (low[k] + high[k]) / 2;
    x = high[0] > low[0] ? (WIDTH - 2 * EDGE) / (high[0] - low[0]) : INFINITY;
    y = high[1] > low[1] ? (HEIGHT - 2 * EDGE) / (high[1] - low[1]) : INFINITY;
    m->scale = isfinite(fmin(x, y)) ? fmin(x, y) : 1;
}

static void lay_out(struct map *m)
{
    double *xy;

    for (int64_t i = 0; i < m->b.count; i++) {
        if (m->b.errors[i])
            continue;
        memmove(m->vectors + m->count * m->dim, m->vectors + i * m->dim,
                (size_t)m->dim * sizeof(float));
        m->points[m->count++].input = i;
    }
    xy = allocate(m->count, 2 * sizeof(*xy));
    pca(m->vectors, m->count, m->dim, xy, m->explained);
    for (int64_t i = 0; i < m->count; i++)
        memcpy(m->points[i].at, xy + 2 * i, sizeof(m->points[i].at));
    fit(m);
    free(xy);
}

static void offer(struct point *p, int64_t index, float score)
{
    int at = p->near_count;

    while (at > 0 && score > p->scores[at - 1])
        at--;
    if (at == NEIGHBOURS)
        return;
    if (p->near_count < NEIGHBOURS)
        p->near_count++;
    for (int k = p->near_count - 1; k > at; k--) {
        p->near[k] = p->near[k - 1];
        p->scores[k] = p->scores[k - 1];
    }
    p->near[at] = index;
    p->scores[at] = score;
}

/* In all dimensions, not the two that are shown. */
static void find_near(struct map *m)
{
    float *scores = allocate(m->count, sizeof(float));

    for (int64_t i = 0; i < m->count && m->count <= MAX_COMPARED; i++) {
        if (embed_similarity(m->similarity, m->vectors + i * m->dim, 1, m->vectors, m->count,
                             m->dim, scores) < 0)
            die("cannot compare vectors by %s", similarity_name(m->similarity));
        for (int64_t k = 0; k < m->count; k++)
            if (k != i && isfinite(scores[k]))
                offer(&m->points[i], k, scores[k]);
    }
    free(scores);
}

/* ---- markup ---------------------------------------------------------------------------------- */

/* Nothing in a text is taken for a tag, the end of an attribute, or a script. */
static void write_escaped(FILE *f, const char *text, size_t size)
{
    for (size_t i = 0, n; i < size; i += n) {
        unsigned char c = (unsigned char)text[i];
        size_t valid = utf8_size(text + i, size - i);

        n = valid ? valid : 1;
        if (c == '<')
            fputs("&lt;", f);
        else if (c == '>')
            fputs("&gt;", f);
        else if (c == '&')
            fputs("&amp;", f);
        else if (c == '\'')
            fputs("&#39;", f);
        else if (c == '"')
            fputs("&quot;", f);
        else if (!valid || (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
            fputs("&#xfffd;", f);
        else
            fwrite(text + i, 1, n, f);
    }
}

static void write_label(FILE *f, const char *text, size_t size)
{
    size_t shown = size < MAX_LABEL ? size : MAX_LABEL;

    for (int i = 0; i < 3 && shown < size && ((unsigned char)text[shown] & 0xc0) == 0x80; i++)
        shown--;
    write_escaped(f, text, shown);
    if (shown < size)
        fputs("&hellip;", f);
}

static void write_base64(FILE *f, const buffer *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)b->data;

    for (size_t i = 0; i < b->size; i += 3) {
        size_t left = b->size - i;
        uint32_t bits = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                        (left > 2 ? p[i + 2] : 0);

        putc(digits[bits >> 18], f);
        putc(digits[bits >> 12 & 63], f);
        putc(left > 1 ? digits[bits >> 6 & 63] : '=', f);
        putc(left > 2 ? digits[bits & 63] : '=', f);
    }
}

static void write_lines(FILE *f, const char *const *lines)
{
    for (; *lines; lines++)
        fprintf(f, "%s\n", *lines);
}

/* ---- the page ------------------------------------------------------------------------------ */

static const char *unit(const struct map *m)
{
    return m->b.of_images ? m->count == 1 ? "image" : "images" : m->count == 1 ? "text" : "texts";
}

static void write_title(const struct map *m)
{
    if (m->o->title)
        write_escaped(m->f, m->o->title, strlen(m->o->title));
    else
        fprintf(m->f, "A map of %lld %s", (long long)m->count, unit(m));
}

static void write_model_name(const struct map *m)
{
    const char *start = m->o->model, *end = start + strlen(start);

    while (end > start + 1 && end[-1] == '/')
        end--;
    for (const char *p = start; p < end; p++)
        if (*p == '/' && p + 1 < end)
            start = p + 1;
    write_escaped(m->f, start, (size_t)(end - start));
}

static void write_head(const struct map *m)
{
    fputs("<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
          "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; "
          "img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
          "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
          "<meta name='generator' content='embed map'>\n<title>",
          m->f);
    write_title(m);
    fputs("</title>\n<style>\n", m->f);
    write_lines(m->f, page_style);
    fputs("</style>\n</head>\n<body class='no-script'>\n<header>\n<h1 dir='auto'>", m->f);
    write_title(m);
    fprintf(m->f, "</h1>\n<p>%lld %s by ", (long long)m->count, unit(m));
    write_model_name(m);
    fprintf(m->f,
            ". The two principal components shown explain %.1f&nbsp;%% of the variance.</p>\n"
            "<div class='tools'>\n"
            "<input id='find' type='search' placeholder='Find' aria-label='Find' "
            "aria-keyshortcuts='/'>\n<span id='found' role='status'></span>\n"
            "<button id='out' aria-label='Zoom out' title='Zoom out (-)'>&minus;</button>\n"
            "<button id='in' aria-label='Zoom in' title='Zoom in (+)'>+</button>\n"
            "<button id='all' title='Show everything (0)'>All</button>\n</div>\n</header>\n",
            100 * (m->explained[0] + m->explained[1]));
}

static void write_point(const struct map *m, int64_t i, const buffer *jpeg)
{
    const struct point *p = &m->points[i];
    FILE *f = m->f;

    fprintf(f, "<g class='p' role='img' tabindex='%d' aria-labelledby='t%lld' data-x='%.6g' "
               "data-y='%.6g' transform='translate(%.2f %.2f)%s'",
            i ? -1 : 0, (long long)i, p->at[0], p->at[1], (p->at[0] - m->middle[0]) * m->scale,
            (m->middle[1] - p->at[1]) * m->scale,
            m->b.of_images ? " scale(.5)" : "");
    for (int k = 0; k < p->near_count; k++)
        fprintf(f, "%s%lld:%.4f", k ? " " : " data-near='", (long long)p->near[k],
                (double)p->scores[k]);
    fputs(p->near_count ? "'>" : ">", f);
    if (jpeg && jpeg->size) {
        fputs("<image x='-64' y='-64' width='128' height='128' href='data:image/jpeg;base64,", f);
        write_base64(f, jpeg);
        fputs("'/><rect x='-64' y='-64' width='128' height='128' rx='8'/></g>\n", f);
    } else {
        fputs("<circle r='7'/></g>\n", f);
    }
}

static void write_points(const struct map *m)
{
    thumbnails *t = m->b.of_images ? thumbnails_open(m->o) : NULL;

    for (int64_t first = 0; first < m->count; first += AT_ONCE) {
        int64_t count = m->count - first < AT_ONCE ? m->count - first : AT_ONCE;
        embed_image images[AT_ONCE];
        buffer jpegs[AT_ONCE] = {{0}};

        for (int64_t i = 0; t && i < count; i++)
            images[i] = m->b.images[m->points[first + i].input];
        if (t)
            thumbnails_make(t, images, count, jpegs);
        for (int64_t i = 0; i < count; i++) {
            write_point(m, first + i, t ? &jpegs[i] : NULL);
            buffer_free(&jpegs[i]);
        }
    }
    if (t)
        thumbnails_close(t);
}

static void write_map(const struct map *m)
{
    fprintf(m->f,
            "<main>\n<svg viewBox='0 0 %d %d' role='group' aria-label='Map of %lld %s. Arrow keys "
            "move to the next one in a direction, Enter tells its nearest ones, plus and minus "
            "zoom, 0 shows everything.'>\n"
            "<line id='across' class='axis'/>\n<line id='down' class='axis'/>\n"
            "<g id='world' transform='translate(%d %d)'>\n<g id='lines'></g>\n",
            WIDTH, HEIGHT, (long long)m->count, unit(m), WIDTH / 2, HEIGHT / 2);
    write_points(m);
    fprintf(m->f,
            "<g id='names' aria-hidden='true'></g>\n<g id='front' aria-hidden='true'></g>\n</g>\n"
            "<text id='first' class='name' text-anchor='end' x='%d' y='%d'>first component, "
            "%.1f&nbsp;%% of the variance &rarr;</text>\n"
            "<text id='second' class='name' x='10' y='18'>&uarr; second component, %.1f&nbsp;%%"
            "</text>\n</svg>\n<div id='tip' role='tooltip' hidden></div>\n</main>\n",
            WIDTH - 10, HEIGHT - 10, 100 * m->explained[0], 100 * m->explained[1]);
}

static void write_list(const struct map *m)
{
    fprintf(m->f,
            "<aside aria-label='Chosen' hidden>\n<div id='chosen' class='whole'></div>\n"
            "<div id='near'><h2>Nearest, by %s similarity</h2><ol></ol></div>\n"
            "<button id='close'>Close</button>\n</aside>\n"
            "<details>\n<summary>All %lld %s as a list</summary>\n<ol>\n",
            similarity_name(m->similarity), (long long)m->count, unit(m));
    for (int64_t i = 0; i < m->count; i++) {
        int64_t at = m->points[i].input;

        fprintf(m->f, "<li id='t%lld' dir='auto'>", (long long)i);
        write_label(m->f, m->b.texts[at], (size_t)m->b.text_sizes[at]);
        fputs("</li>\n", m->f);
    }
    fputs("</ol>\n</details>\n", m->f);
}

void run_map(const options *o)
{
    struct map m = {.o = o};
    output out;
    engine e;
    input *in;

    engine_open(&e, o);
    engine_dim(&e, &o->encode);
    output_open(&out, o->output, FORMAT_HTML);
    m.f = out.stream;
    m.similarity = engine_similarity(&e, o);
    e.in = in = input_open(o, o->file, o->arguments, o->argument_count, e.images);
    input_read_all(in, &m.b);
    if (m.b.count == 0)
        die("no %s to lay out", e.images ? "images" : "texts");
    progress_start(false);
    m.vectors = engine_encode_all(&e, in, &m.b, &o->encode, &m.dim);
    m.points = allocate(m.b.count, sizeof(*m.points));
    lay_out(&m);
    if (m.count == 0)
        quit(1); /* each has been reported */
    find_near(&m);

    write_head(&m);
    write_map(&m);
    write_list(&m);
    fputs("<script type='module'>\n", m.f);
    write_lines(m.f, page_script);
    fputs("</script>\n</body>\n</html>\n", m.f);
    output_close(&out);

    free(m.points);
    free(m.vectors);
    batch_free(&m.b);
    input_close(in);
    engine_close(&e);
}
