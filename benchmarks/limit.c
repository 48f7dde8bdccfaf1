/* The machine's limit, as far as a C compiler reaches it: the same work as our kernel on a passive
   cell. Hines elimination, substitution and the decay of two-exponential synapses on every
   compartment, LANES cells side by side.

   cc -O3 -march=native -ffast-math -fopenmp-simd -DREAL=double -DLANES=16 limit.c -o limit
   With -DUNLIKE every lane has its own parents and coefficients, as cells of different models in one
   block would need: each access to a parent becomes a gather or a scatter. With -DPOWERS synapses
   are written in a window's last step alone: until then they stand for themselves times a power of
   their decay. With -DIN_PLACE the right-hand side lies where the voltages do. -DWINDOW=9: steps.

   ./limit KINDS < tree      where tree holds: nodes, then for each: parent, coupling, diagonal,
                             C/dt, leak current and whether it has synapses; prints the processor's
                             nanoseconds per node, lane and step, and a voltage */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef WINDOW
#define WINDOW 20
#endif
enum { CELLS = 512, BLOCKS = CELLS / LANES, WINDOWS = 200 / WINDOW, TURNS = 7 };

#ifdef UNLIKE
#define OF(x) (x)[i * LANES + l]
enum { COPIES = LANES };
#else
#define OF(x) (x)[i]
enum { COPIES = 1 };
#endif

static int n;
static int *parent, *synapses;
static REAL *coupling, *diagonal, *capacitance, *leak;
static const REAL RISE = (REAL)0.9, DECAY = (REAL)0.98;
static REAL rise[WINDOW + 1], decay[WINDOW + 1]; /* their powers */

static REAL *rows(long count) {
    REAL *array = aligned_alloc(64, (size_t)count * LANES * sizeof(REAL));
    for (long k = 0; k < count * LANES; k++) array[k] = (REAL)1e-3;
    return array;
}

/* One kind of synapses of a node; its conductance changes the diagonal and the right-hand side. */
static inline void conduct(REAL *restrict a, REAL *restrict b, REAL *restrict d, REAL *restrict r,
                           int step) {
#ifdef POWERS
    const REAL fallen = rise[step], faded = decay[step];
#pragma omp simd
    for (int l = 0; l < LANES; l++) {
        REAL s = b[l] * faded - a[l] * fallen;
        d[l] += s;
        r[l] += s * (REAL)-10.0;
    }
    if (step < WINDOW - 1) return;
#pragma omp simd
    for (int l = 0; l < LANES; l++) a[l] *= rise[WINDOW], b[l] *= decay[WINDOW];
#else
#pragma omp simd
    for (int l = 0; l < LANES; l++) {
        REAL s = b[l] - a[l];
        d[l] += s;
        r[l] += s * (REAL)-10.0;
        a[l] *= RISE;
        b[l] *= DECAY;
    }
#endif
}

static void advance(REAL *v, REAL *restrict d, REAL *r, REAL *restrict a, REAL *restrict b,
                    int kinds, int step) {
    for (int i = 0; i < n; i++) {
        REAL *di = d + i * LANES, *ri = r + i * LANES, *vi = v + i * LANES;
#pragma omp simd
        for (int l = 0; l < LANES; l++)
            di[l] = OF(diagonal), ri[l] = OF(capacitance) * vi[l] + OF(leak);
        for (int k = 0; k < synapses[i] * kinds; k++, a += LANES, b += LANES)
            conduct(a, b, di, ri, step);
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
    parent = malloc(n * COPIES * sizeof *parent), synapses = malloc(n * sizeof *synapses);
    coupling = malloc(n * COPIES * sizeof(REAL)), diagonal = malloc(n * COPIES * sizeof(REAL));
    capacitance = malloc(n * COPIES * sizeof(REAL)), leak = malloc(n * COPIES * sizeof(REAL));
    long n_rows = 0;
    for (int i = 0; i < n; i++) {
        double c, g, m, e;
        int up;
        if (scanf("%d %lf %lf %lf %lf %d", &up, &c, &g, &m, &e, synapses + i) != 6) return 1;
        n_rows += synapses[i] * kinds;
        for (int l = 0; l < COPIES; l++)
            OF(parent) = up, OF(coupling) = c, OF(diagonal) = g, OF(capacitance) = m, OF(leak) = e;
    }
    rise[0] = decay[0] = (REAL)1.0;
    for (int k = 0; k < WINDOW; k++) rise[k + 1] = rise[k] * RISE, decay[k + 1] = decay[k] * DECAY;
    REAL *v[BLOCKS], *a[BLOCKS], *b[BLOCKS], *d = rows(n), *r = rows(n);
    for (int k = 0; k < BLOCKS; k++) v[k] = rows(n), a[k] = rows(n_rows + 1), b[k] = rows(n_rows + 1);
    double best = 1e9;
    for (int turn = 0; turn < TURNS; turn++) {
        struct timespec begun, ended;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
        for (int window = 0; window < WINDOWS; window++)
            for (int k = 0; k < BLOCKS; k++) {
                for (long at = 0; at < n_rows * LANES; at++) /* events keep them alive */
                    a[k][at] += (REAL)1e-3, b[k][at] += (REAL)1e-3;
#ifdef IN_PLACE
                REAL *right = v[k];
#else
                REAL *right = r;
#endif
                for (int step = 0; step < WINDOW; step++)
                    advance(v[k], d, right, a[k], b[k], kinds, step);
            }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
        double seconds = ended.tv_sec - begun.tv_sec + 1e-9 * (ended.tv_nsec - begun.tv_nsec);
        double each = seconds * 1e9 / ((double)n * CELLS * WINDOW * WINDOWS);
        if (each < best) best = each;
    }
    printf("%.4f %.9g\n", best, (double)v[0][(n - 1) * LANES]);
    return 0;
}
