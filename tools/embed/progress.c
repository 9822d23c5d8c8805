/* progress: a line on standard error that says how far a long run is. Only on a terminal, only
 * after a second, and gone before anything else is printed. */
#include "cli.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    volatile bool enabled, shown;
    double started, updated;
} bar;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void progress_start(bool to_terminal)
{
    bar.enabled = !to_terminal && isatty(STDERR_FILENO);
    bar.started = bar.updated = now();
}

void progress_clear(void)
{
    static const char clear[] = "\r\033[K";

    if (bar.shown && write(STDERR_FILENO, clear, sizeof(clear) - 1) < 0)
        return;
    bar.shown = false;
}

static void show(const char *unit, int64_t done, int64_t total, double fraction, double seconds)
{
    enum { WIDTH = 24 };
    char line[160];
    int n = 0, filled = (int)(fraction * WIDTH);

    n += snprintf(line, sizeof(line), "\r\033[K%lld", (long long)done);
    if (total > 0)
        n += snprintf(line + n, sizeof(line) - (size_t)n, "/%lld", (long long)total);
    n += snprintf(line + n, sizeof(line) - (size_t)n, " %s", unit);
    if (fraction > 0) {
        line[n++] = ' ';
        line[n++] = '[';
        for (int i = 0; i < WIDTH; i++)
            line[n++] = i < filled ? '#' : '.';
        n += snprintf(line + n, sizeof(line) - (size_t)n, "] %3.0f%%", fraction * 100);
    }
    n += snprintf(line + n, sizeof(line) - (size_t)n, ", %.0f/s", (double)done / seconds);
    if (fraction > 0) {
        long left = (long)(seconds / fraction - seconds + 0.5);

        n += snprintf(line + n, sizeof(line) - (size_t)n, ", %ld:%02ld left", left / 60, left % 60);
    }
    bar.shown = true;
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        bar.enabled = false;
}

int32_t progress_callback(void *span, int64_t done, int64_t total)
{
    const progress_span *s = span;
    double time, fraction = 0;

    if (!bar.enabled)
        return 0;
    time = now();
    if (time - bar.started < 1 || time - bar.updated < 0.1)
        return 0;
    bar.updated = time;
    if (s->to > 0 && total > 0)
        fraction = s->from + (s->to - s->from) * (double)done / (double)total;
    show(s->unit, s->first + done, s->total, fraction > 1 ? 1 : fraction, time - bar.started);
    return 0;
}
