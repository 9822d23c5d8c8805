/* Cutting a batch of inputs into passes that fit the workspace. */
#include "inputs.h"

/* The pass that is being filled. */
typedef struct filling {
    embed_session *session;
    const emb_call *call;
    emb_pass_fn run;
    void *user;
    int64_t sequences, used; /* tokens */
} filling;

static int32_t run_pass(filling *f)
{
    embed_session *s = f->session;
    if (f->sequences == 0) return EMBED_OK;
    emb_batch batch = {
        .sequences = f->sequences,
        .tokens = s->starts[f->sequences],
        .starts = s->starts,
        .ids = s->ids,
        .type_ids = s->type_ids,
        .grid_height = s->grid[0],
        .grid_width = s->grid[1],
        .pixels = s->pixels,
    };
    int64_t last = f->sequences - 1, done = s->owners[last] + !s->more[last];
    f->sequences = f->used = 0;
    int32_t status = f->run(s, f->call, &batch, f->user);
    return status < 0 ? status : emb_call_progress(s, f->call, done);
}

/* A sequence whose n tokens are behind those of the pass; those before it are run when it does not
 * fit beside them. text_tokens and more are of a window. */
static int32_t add_sequence(filling *f, int64_t input, int64_t n, const int64_t grid[2], bool failed,
                            int64_t text_tokens, bool more)
{
    embed_session *s = f->session;
    int64_t used = f->used, q;
    bool other = f->sequences && !failed && s->grid[0] &&
                 (grid[0] != s->grid[0] || grid[1] != s->grid[1]);
    if (used + n > s->batch_tokens || f->sequences == s->max_sequences || other) {
        int32_t status = run_pass(f);
        if (status < 0) return status;
        memmove(s->ids, s->ids + used, (size_t)n * sizeof *s->ids);
        memmove(s->type_ids, s->type_ids + used, (size_t)n * sizeof *s->type_ids);
    }
    if (!failed) memcpy(s->grid, grid, sizeof s->grid);
    q = f->sequences++;
    s->owners[q] = input;
    s->failed[q] = s->told[q] = failed;
    s->text_tokens[q] = text_tokens;
    s->more[q] = more;
    s->starts[q] = f->used;
    s->starts[q + 1] = f->used += n;
    return EMBED_OK;
}

/* An input that cannot be used keeps its place, where whoever called wants to go on. */
static int32_t add_failed(filling *f, int64_t i)
{
    static const int64_t no_grid[2];
    int32_t status = emb_call_failed(f->session, f->call, i);
    return status < 0 ? status : add_sequence(f, i, 0, no_grid, true, 0, false);
}

typedef struct window_taker {
    filling *filling;
    int64_t input;
    emb_token_arrays out;
    bool stopped; /* not for a reason that lies in the text */
} window_taker;

static void aim(window_taker *t)
{
    embed_session *s = t->filling->session;
    t->out.ids = s->ids + t->filling->used;
    t->out.type_ids = s->type_ids + t->filling->used;
}

static int32_t take_window(void *user, const emb_window *window)
{
    static const int64_t no_grid[2];
    window_taker *t = user;
    filling *f = t->filling;
    int64_t n = emb_text_finish(f->session, f->call, window->tokens, f->used);
    if (n < 0) return (int32_t)n;
    int32_t status = add_sequence(f, t->input, n, no_grid, false, window->text_tokens,
                                  !window->last);
    t->stopped = status < 0;
    aim(t);
    return status;
}

static int32_t add_windows(filling *f, int64_t i)
{
    embed_session *s = f->session;
    window_taker t = {.filling = f, .input = i, .out = {.capacity = s->batch_tokens}};
    aim(&t);
    int32_t status = emb_text_windows(s, f->call, i, &t.out, take_window, &t);
    return status == EMBED_OK || t.stopped ? status : add_failed(f, i);
}

int32_t emb_run_passes(embed_session *s, const emb_call *c, emb_pass_fn run, void *user)
{
    filling f = {s, c, run, user, 0, 0};
    int64_t grid[2] = {0, 0};
    s->grid[0] = s->grid[1] = s->weight = 0;
    for (int64_t i = 0; i < c->input->count; i++) {
        int32_t status;
        int64_t n = c->input->images ? emb_image_measure(s, c, i, grid)
                    : c->windows     ? emb_text_ready(s, c, i, f.used)
                                     : emb_text_load(s, c, i, f.used);
        if (c->windows && n < 0) {
            status = add_windows(&f, i);
        } else {
            status = n < 0 ? add_failed(&f, i) : add_sequence(&f, i, n, grid, false, 0, false);
        }
        if (status < 0) return status;
    }
    return run_pass(&f);
}
