/* Along one row of learning_rate="auto" on CSR, see auto_csr.pxi. A weight is a record of eight numbers: two rules w, their
 * averages A, the sum H of the curvatures, the mean q of the last squared values, visits, and one of padding. Rules and
 * averages lie together, so that they are one vector. */
#ifndef FASTSGD_AUTO_H
#define FASTSGD_AUTO_H
#include <math.h>
#include <stdint.h>
#include "lanes.h"

enum { FASTSGD_H = 4, FASTSGD_Q = 5, FASTSGD_VISITS = 6, FASTSGD_RECORD = 8 };

#if defined(__GNUC__) || defined(__clang__)
#define FASTSGD_SOON(p) __builtin_prefetch(p, 1, 3)
#else
#define FASTSGD_SOON(p) ((void)(p))
#endif

#define FASTSGD_AUTO(T, V, N, I, NAME, TINY)                                                                 \
    /* Count the visits; z += x w for rules and averages; norm = sum x^2 / P. Four numbers a value in P: P of the rules,  \
     * kappa (H + ridge) + prior q; the rows that a visit stands for; and its share of the average. A weight learnt from  \
     * values that turn out to have been small for their column shrinks: else it would be as large as they were small. */ \
    static void margins_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, double c, double t,       \
                               const double *kappa, const double *prior, double ridge, T *P, double *z, double *norm) { \
        const V k4 = N##_set((T)kappa[0], (T)kappa[1], 0, 0), p4 = N##_set((T)prior[0], (T)prior[1], 0, 0);  \
        const V least = N##_set((T)TINY, (T)TINY, 0, 2);                                                     \
        const T more = (T)ridge, row = (T)c, rows = (T)t, most = (T)(0.1 * t + 1.0);                         \
        V sum = N##_zero(), squares = N##_zero();                                                            \
        T out[4];                                                                                            \
        for (ptrdiff_t k = 0; k < nnz; k++) {                                                                \
            T *w = W + (ptrdiff_t)ix[k] * stride;                                                            \
            const T v = x[k], v2 = v * v, visits = w[FASTSGD_VISITS] + row, q = w[FASTSGD_Q];                \
            T mean = q + (v2 - q) * (q > 0 ? (T)0.125 : (T)1);                                               \
            V p;                                                                                             \
            FASTSGD_SOON(W + (ptrdiff_t)ix[k + 12 < nnz ? k + 12 : k] * stride);                             \
            if (v2 > 16 * q && visits <= 16 && q > 0) {                                                      \
                mean = (T)0.5 * (q + v2);                                                                    \
                const T less = (T)sqrt((double)(q / mean));                                                  \
                N##_store(w, N##_mul(N##_load(w), N##_set(less, less, less, less)));                         \
            }                                                                                                \
            w[FASTSGD_Q] = mean;                                                                             \
            w[FASTSGD_VISITS] = visits;                                                                      \
            sum = N##_times(sum, v, N##_load(w));                                                            \
            p = N##_times(N##_times(least, w[FASTSGD_H] + more, k4), mean, p4);                              \
            N##_store(P + 4 * k, p);                                                                         \
            p = N##_div(N##_set(v2, v2, rows, 3), N##_add(p, N##_set(0, 0, visits, visits)));                \
            squares = N##_add(squares, p); /* four divisions in one */                                       \
            N##_store(out, p);                                                                               \
            P[4 * k + 2] = out[2] < most ? out[2] : most;                                                    \
            P[4 * k + 3] = out[3] < 1 ? out[3] : 1;                                                          \
        }                                                                                                    \
        N##_store(out, sum);                                                                                 \
        for (int r = 0; r < 4; r++) z[r] += out[r];                                                          \
        N##_store(out, squares);                                                                             \
        norm[0] = out[0], norm[1] = out[1];                                                                  \
    }                                                                                                        \
    /* w <- S(w P + a x, times l1) / (P + times l2), times the rows that a visit stands for; A <- A + share (w - A). */   \
    static void move_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *P, const double *a, \
                            double curve, double l1, double l2) {                                            \
        const V a4 = N##_set((T)a[0], (T)a[1], 0, 0);                                                        \
        const T h = (T)curve;                                                                                \
        for (ptrdiff_t k = 0; k < nnz; k++) {                                                                \
            T *w = W + (ptrdiff_t)ix[k] * stride;                                                            \
            const T v = x[k], times = P[4 * k + 2], more = times * (T)l2;                                    \
            const V p = N##_set(P[4 * k], P[4 * k + 1], 1, 1);                                               \
            V u = N##_times(N##_mul(N##_load(w), p), v, a4);                                                 \
            w[FASTSGD_H] += h * v * v;                                                                       \
            if (l1 > 0) {                                                                                    \
                const T off = times * (T)l1;                                                                 \
                T part[4];                                                                                   \
                N##_store(part, u);                                                                          \
                for (int r = 0; r < 2; r++)                                                                  \
                    part[r] = part[r] > off ? part[r] - off : part[r] < -off ? part[r] + off : 0;            \
                u = N##_load(part);                                                                          \
            }                                                                                                \
            u = N##_div(u, N##_add(p, N##_set(more, more, 0, 0)));                                           \
            N##_store(w, N##_times(u, P[4 * k + 3], N##_sub(N##_twice(u), u)));                              \
        }                                                                                                    \
    }
FASTSGD_AUTO(float, f4, f4, int32_t, f4_i32, 1e-37)
FASTSGD_AUTO(float, f4, f4, int64_t, f4_i64, 1e-37)
FASTSGD_AUTO(double, d4, d4, int32_t, d4_i32, 1e-300)
FASTSGD_AUTO(double, d4, d4, int64_t, d4_i64, 1e-300)

#endif
