/* The machine's limit, as far as a C compiler reaches it: the same work as our kernel on a passive
   cell. Hines elimination, substitution and the decay of two-exponential synapses on every
   compartment, LANES cells side by side.

   cc -O3 -march=native -ffast-math -fopenmp-simd -DREAL=double -DLANES=16 limit.c -o limit
   With -DUNLIKE every lane has its own parents and coefficients, as cells of different models in one
   block would need: each access to a parent becomes a gather or a scatter.

   ./limit KINDS < tree      where tree holds: nodes, then for each: parent, coupling, diagonal,
                             C/dt and leak current; prints nanoseconds per node, lane and step */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CELLS = 512, BLOCKS = CELLS / LANES, WINDOW = 20, WINDOWS = 10, TURNS = 7 };

#ifdef UNLIKE
#define OF(x) (x)[i * LANES + l]
enum { COPIES = LANES };
#else
#define OF(x) (x)[i]
enum { COPIES = 1 };
#endif

static int n;
static int *parent;
static REAL *coupling, *diagonal, *capacitance, *leak;

static REAL *rows(long count) {
    REAL *array = aligned_alloc(64, (size_t)count * LANES * sizeof(REAL));
    for (long k = 0; k < count * LANES; k++) array[k] = (REAL)1e-3;
    return array;
}

static void advance(REAL *restrict v, REAL *restrict d, REAL *restrict r, REAL *restrict a,
                    REAL *restrict b, int kinds) {
    for (int i = 0; i < n; i++) {
        REAL *di = d + i * LANES, *ri = r + i * LANES, *vi = v + i * LANES;
#pragma omp simd
        for (int l = 0; l < LANES; l++)
            di[l] = OF(diagonal), ri[l] = OF(capacitance) * vi[l] + OF(leak);
        for (int k = 0; k < kinds; k++) {
            REAL *ak = a + ((long)i * kinds + k) * LANES, *bk = b + ((long)i * kinds + k) * LANES;
#pragma omp simd
            for (int l = 0; l < LANES; l++) {
                REAL s = bk[l] - ak[l];
                di[l] += s;
                ri[l] += s * (REAL)-10.0;
                ak[l] *= (REAL)0.9;
                bk[l] *= (REAL)0.98;
            }
        }
    }
    for (int i = n - 1; i > 0; i--) {
        REAL *di = d + i * LANES, *ri = r + i * LANES;
#pragma omp simd
        for (int l = 0; l < LANES; l++) {
            REAL inverse = (REAL)1.0 / di[l], c = OF(coupling);
            REAL f = c * inverse, q = ri[l] * inverse;
            di[l] = f;
            ri[l] = q;
            d[OF(parent) * LANES + l] -= f * c;
            r[OF(parent) * LANES + l] += q * c;
        }
    }
#pragma omp simd
    for (int l = 0; l < LANES; l++) v[l] = r[l] / d[l];
    for (int i = 1; i < n; i++) {
        REAL *vi = v + i * LANES;
        REAL *di = d + i * LANES, *ri = r + i * LANES;
#pragma omp simd
        for (int l = 0; l < LANES; l++) vi[l] = ri[l] + di[l] * v[OF(parent) * LANES + l];
    }
}

int main(int argc, char **argv) {
    int kinds = atoi(argv[1]);
    if (argc != 2 || scanf("%d", &n) != 1) return 1;
    parent = malloc(n * COPIES * sizeof *parent);
    coupling = malloc(n * COPIES * sizeof(REAL)), diagonal = malloc(n * COPIES * sizeof(REAL));
    capacitance = malloc(n * COPIES * sizeof(REAL)), leak = malloc(n * COPIES * sizeof(REAL));
    for (int i = 0; i < n; i++) {
        double c, g, m, e;
        int up;
        if (scanf("%d %lf %lf %lf %lf", &up, &c, &g, &m, &e) != 5) return 1;
        for (int l = 0; l < COPIES; l++)
            OF(parent) = up, OF(coupling) = c, OF(diagonal) = g, OF(capacitance) = m, OF(leak) = e;
    }
    REAL *v[BLOCKS], *a[BLOCKS], *b[BLOCKS], *d = rows(n), *r = rows(n);
    for (int k = 0; k < BLOCKS; k++)
        v[k] = rows(n), a[k] = rows((long)n * kinds + 1), b[k] = rows((long)n * kinds + 1);
    double best = 1e9;
    for (int turn = 0; turn < TURNS; turn++) {
        struct timespec begun, ended;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        for (int window = 0; window < WINDOWS; window++)
            for (int k = 0; k < BLOCKS; k++) {
                for (long at = 0; at < (long)n * kinds * LANES; at++) /* events keep them alive */
                    a[k][at] = (REAL)1e-3, b[k][at] = (REAL)2e-3;
                for (int step = 0; step < WINDOW; step++) advance(v[k], d, r, a[k], b[k], kinds);
            }
        clock_gettime(CLOCK_MONOTONIC, &ended);
        double seconds = ended.tv_sec - begun.tv_sec + 1e-9 * (ended.tv_nsec - begun.tv_nsec);
        double each = seconds * 1e9 / ((double)n * CELLS * WINDOW * WINDOWS);
        if (each < best) best = each;
    }
    printf("%.4f %g\n", best, (double)v[0][0]);
    return 0;
}
