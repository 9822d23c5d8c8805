/* npy: arrays that come in as .npy files: float32, rows one after another. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The header: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 20), } -> header[4096]. */
static void read_header(FILE *f, const char *name, char *header)
{
    unsigned char start[12];
    size_t size;

    if (fread(start, 1, 10, f) != 10 || memcmp(start, "\x93NUMPY", 6) != 0 || start[6] < 1 ||
        start[6] > 3)
        die("%s: expected a .npy file", name);
    size = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) {
        if (fread(start + 10, 1, 2, f) != 2)
            die("%s: expected a .npy file", name);
        size |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (size >= 4096 || fread(header, 1, size, f) != size)
        die("%s: expected a .npy file, found a header that is cut short or too long", name);
    header[size] = 0;
}

/* "(2, 20)" -> shape; false: not what is expected. */
static bool read_shape(const char *header, int64_t *shape, int dims)
{
    const char *p = strstr(header, "'shape': (");
    char *end;

    if (!p)
        return false;
    p += strlen("'shape': (");
    for (int i = 0; i < dims; i++) {
        long long n;

        errno = 0;
        n = strtoll(p, &end, 10);
        if (end == p || errno || n < 0 || n > INT32_MAX || (shape[i] && shape[i] != n))
            return false;
        shape[i] = n;
        p = end;
        if (*p == ',')
            p++;
    }
    return *p == ')';
}

float *npy_read(const char *name, int64_t *shape, int dims)
{
    FILE *f = fopen(name, "rb");
    char header[4096], expected[80];
    int64_t count = 1;
    int n = 0;
    float *x;

    if (!f)
        die("%s: cannot open: %s", name, strerror(errno));
    for (int i = 0; i < dims; i++)
        n += snprintf(expected + n, sizeof(expected) - (size_t)n, shape[i] ? "%s%lld" : "%sn",
                      i ? ", " : "", (long long)shape[i]);
    read_header(f, name, header);
    if (!strstr(header, "'descr': '<f4'") || !strstr(header, "'fortran_order': False") ||
        !read_shape(header, shape, dims))
        die("%s: expected float32 of shape (%s), found %.*s", name, expected,
            (int)strcspn(header, "}") + 1, header);
    for (int i = 0; i < dims; i++) {
        if (shape[i] && count > INT64_MAX / (int64_t)sizeof(float) / shape[i])
            die("%s: too many numbers", name);
        count *= shape[i];
    }
    x = allocate(count, sizeof(float));
    if (fread(x, sizeof(float), (size_t)count, f) != (size_t)count || fgetc(f) != EOF)
        die("%s: expected %lld numbers after the header, found another size", name,
            (long long)count);
    fclose(f);
    return x;
}

float *read_ranges(const char *name, int64_t dim)
{
    int64_t shape[2] = {2, dim};
    float *ranges = npy_read(name, shape, 2);

    for (int64_t i = 0; i < 2 * dim; i++)
        if (!isfinite(ranges[i]))
            die("%s: number %lld is not finite", name, (long long)i);
    return ranges;
}
