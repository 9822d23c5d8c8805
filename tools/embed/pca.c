/* pca: the two principal components of a set of vectors, in double, by subspace iteration. The same
 * vectors give the same numbers every time. */
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* WIDTH directions are followed, so that the first two settle quickly even where later ones come
 * close to them. */
enum { WIDTH = 6, ROUNDS = 300 };

struct data {
    double *x; /* [count][dim], centred */
    int64_t count, dim;
};

static struct data centre(const float *vectors, int64_t count, int64_t dim)
{
    struct data d = {allocate(count * dim, sizeof(double)), count, dim};

    for (int64_t i = 0; i < dim; i++) {
        double sum = 0;

        for (int64_t r = 0; r < count; r++)
            sum += (double)vectors[r * dim + i];
        for (int64_t r = 0; r < count; r++)
            d.x[r * dim + i] = (double)vectors[r * dim + i] - sum / (double)count;
    }
    return d;
}

static double dot(const double *a, const double *b, int64_t n)
{
    double sums[4] = {0};

    for (int64_t i = 0; i < n; i++)
        sums[i & 3] += a[i] * b[i];
    return sums[0] + sums[1] + (sums[2] + sums[3]);
}

static void add_scaled(double *a, double scale, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        a[i] += scale * b[i];
}

/* Directions that depend on earlier ones become zero. */
static void make_orthonormal(double *v, int64_t dim)
{
    for (int k = 0; k < WIDTH; k++) {
        double *a = v + k * dim, before = sqrt(dot(a, a, dim)), length;

        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < k; i++)
                add_scaled(a, -dot(a, v + i * dim, dim), v + i * dim, dim);
        length = sqrt(dot(a, a, dim));
        if (!(length > 1e-12 * before))
            memset(a, 0, (size_t)dim * sizeof(*a));
        else
            for (int64_t i = 0; i < dim; i++)
                a[i] /= length;
    }
}

/* w = X'X v, and v'X'X v -> h. */
static void multiply(const struct data *d, const double *v, double *w, double h[WIDTH][WIDTH])
{
    memset(w, 0, (size_t)(WIDTH * d->dim) * sizeof(*w));
    memset(h, 0, sizeof(double) * WIDTH * WIDTH);
    for (int64_t r = 0; r < d->count; r++) {
        const double *x = d->x + r * d->dim;
        double along[WIDTH];

        for (int k = 0; k < WIDTH; k++) {
            along[k] = dot(x, v + k * d->dim, d->dim);
            add_scaled(w + k * d->dim, along[k], x, d->dim);
        }
        for (int i = 0; i < WIDTH; i++)
            for (int k = 0; k < WIDTH; k++)
                h[i][k] += along[i] * along[k];
    }
}

/* One rotation of Jacobi's method, which makes h[p][q] zero; q collects the eigenvectors. */
static void rotate(double h[WIDTH][WIDTH], double e[WIDTH][WIDTH], int p, int q)
{
    double theta = (h[q][q] - h[p][p]) / (2 * h[p][q]);
    double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
    double c = 1 / sqrt(t * t + 1), s = t * c;

    for (int i = 0; i < WIDTH; i++) {
        double a = h[i][p], b = h[i][q];

        h[i][p] = c * a - s * b;
        h[i][q] = s * a + c * b;
    }
    for (int i = 0; i < WIDTH; i++) {
        double a = h[p][i], b = h[q][i];

        h[p][i] = c * a - s * b;
        h[q][i] = s * a + c * b;
    }
    for (int i = 0; i < WIDTH; i++) {
        double a = e[i][p], b = e[i][q];

        e[i][p] = c * a - s * b;
        e[i][q] = s * a + c * b;
    }
}

/* Eigenvectors of h -> columns of e, largest eigenvalue first -> values. */
static void solve(double h[WIDTH][WIDTH], double e[WIDTH][WIDTH], double values[WIDTH])
{
    for (int i = 0; i < WIDTH; i++)
        for (int k = 0; k < WIDTH; k++)
            e[i][k] = i == k;
    for (int sweep = 0; sweep < 30; sweep++)
        for (int p = 0; p < WIDTH; p++)
            for (int q = p + 1; q < WIDTH; q++)
                if (fabs(h[p][q]) > 1e-300)
                    rotate(h, e, p, q);
    for (int i = 0; i < WIDTH; i++)
        values[i] = h[i][i];
    for (int i = 0; i < WIDTH; i++)
        for (int k = i + 1; k < WIDTH; k++)
            if (values[k] > values[i]) {
                double value = values[i];

                values[i] = values[k];
                values[k] = value;
                for (int r = 0; r < WIDTH; r++) {
                    double column = e[r][i];

                    e[r][i] = e[r][k];
                    e[r][k] = column;
                }
            }
}

/* The directions of most variance -> v[WIDTH][dim], and the sums of squares along them. */
static void find_directions(const struct data *d, double *v, double values[WIDTH])
{
    double *w = allocate(WIDTH * d->dim, sizeof(*w)), h[WIDTH][WIDTH], e[WIDTH][WIDTH];
    double before[2] = {0};
    uint32_t random = 1;

    for (int64_t i = 0; i < WIDTH * d->dim; i++) {
        random = random * 1664525 + 1013904223;
        v[i] = (double)(random >> 8) / (1 << 24) - 0.5;
    }
    for (int round = 0; round < ROUNDS; round++) {
        make_orthonormal(v, d->dim);
        multiply(d, v, w, h);
        solve(h, e, values);
        memset(v, 0, (size_t)(WIDTH * d->dim) * sizeof(*v));
        for (int k = 0; k < WIDTH; k++)
            for (int i = 0; i < WIDTH; i++)
                add_scaled(v + k * d->dim, e[i][k], w + i * d->dim, d->dim);
        if (fabs(values[0] - before[0]) + fabs(values[1] - before[1]) <= 1e-12 * values[0])
            break;
        before[0] = values[0];
        before[1] = values[1];
    }
    make_orthonormal(v, d->dim);
    free(w);
}

static double sign(const double *a, int64_t n)
{
    double largest = 0;

    for (int64_t i = 0; i < n; i++)
        if (fabs(a[i]) > fabs(largest))
            largest = a[i];
    return largest < 0 ? -1 : 1;
}

void pca(const float *vectors, int64_t count, int64_t dim, double *xy, double explained[2])
{
    struct data d = centre(vectors, count, dim);
    double *v = allocate(WIDTH * dim, sizeof(*v)), values[WIDTH] = {0};
    double total = dot(d.x, d.x, count * dim);

    explained[0] = explained[1] = 0;
    memset(xy, 0, (size_t)count * 2 * sizeof(*xy));
    if (total > 0)
        find_directions(&d, v, values);
    for (int k = 0; k < 2 && total > 0; k++) {
        double s = sign(v + k * dim, dim);

        explained[k] = values[k] > 0 ? values[k] / total : 0;
        for (int64_t r = 0; r < count; r++)
            xy[2 * r + k] = s * dot(d.x + r * dim, v + k * dim, dim);
    }
    free(v);
    free(d.x);
}
