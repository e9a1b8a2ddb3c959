/* Along one row of learning_rate="auto" on CSR, see auto_csr.pxi. A weight is a record of eight numbers: its two versions,
 * their averages, the sum H of the curvatures, the mean q of the last squared values, visits, and one of padding. Versions
 * and averages lie together, so that they are one vector. */
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

#define FASTSGD_AUTO(T, V, N, I, NAME, TINY)                                                                                 \
    /* Count the visits; z += x w for versions and averages; returns sum x^2 / P, P = kappa (H + t l2) + prior q. Four       \
     * numbers a value in S: the factors by which the penalty of this visit shrinks the two versions, 1 / P, and the share of\
     * the visit in the average. A weight learnt from values that turn out to have been small for their column shrinks: else \
     * it would be as large as they were small. */                                                                           \
    static double margins_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, double c, double t,         \
                                 double kappa, double prior, double l2, T *S, double *z) {                                   \
        const T k = (T)kappa, per_q = (T)prior, ridge = (T)(kappa * t * l2), row = (T)c, tiny = (T)TINY;                     \
        const T per_row = (T)(1.0 / t), least = (T)(1.0 / (0.1 * t + 1.0)), all = (T)l2, own = (T)(c * l2);                  \
        V sum = N##_zero();                                                                                                  \
        T out[4];                                                                                                            \
        double norm = 0;                                                                                                     \
        for (ptrdiff_t i = 0; i < nnz; i++) {                                                                                \
            T *w = W + (ptrdiff_t)ix[i] * stride;                                                                            \
            const T v = x[i], v2 = v * v, visits = w[FASTSGD_VISITS] + row, q = w[FASTSGD_Q];                                \
            const T rows = visits * per_row, part = rows > least ? rows : least;                                             \
            T mean = q + (v2 - q) * (q > 0 ? (T)0.125 : (T)1), P;                                                            \
            FASTSGD_SOON(W + (ptrdiff_t)ix[i + 12 < nnz ? i + 12 : i] * stride);                                             \
            if (v2 > 16 * q && visits <= 16 && q > 0) {                                                                      \
                mean = (T)0.5 * (q + v2);                                                                                    \
                const T less = (T)sqrt((double)(q / mean));                                                                  \
                N##_store(w, N##_mul(N##_load(w), N##_set(less, less, less, less)));                                         \
            }                                                                                                                \
            w[FASTSGD_Q] = mean;                                                                                             \
            w[FASTSGD_VISITS] = visits;                                                                                      \
            sum = N##_times(sum, v, N##_load(w));                                                                            \
            P = (k * w[FASTSGD_H] + ridge) + per_q * mean + tiny;                                                            \
            N##_store(S + 4 * i, N##_div(N##_set(P * part + tiny, P, 1, 3), /* four divisions in one */                      \
                                         N##_set((P * part + tiny) + all, P + own, P, (visits > 1 ? visits : 1) + 2)));      \
            norm += (double)(v2 * S[4 * i + 2]);                                                                             \
        }                                                                                                                    \
        N##_store(out, sum);                                                                                                 \
        for (int r = 0; r < 4; r++) z[r] += out[r];                                                                          \
        return norm;                                                                                                         \
    }                                                                                                                        \
    /* w <- S(w + a x / P, l1 / P, times the rows that a visit stands for), times its factor; A <- A + share (w - A). */     \
    static void move_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *S, const double *a,     \
                            double curve, double t, double l1) {                                                             \
        const V a4 = N##_set((T)a[0], (T)a[1], 0, 0);                                                                        \
        const T h = (T)curve;                                                                                                \
        for (ptrdiff_t i = 0; i < nnz; i++) {                                                                                \
            T *w = W + (ptrdiff_t)ix[i] * stride;                                                                            \
            const T v = x[i], step = v * S[4 * i + 2];                                                                       \
            V u = N##_times(N##_load(w), step, a4);                                                                          \
            w[FASTSGD_H] += h * v * v;                                                                                       \
            if (l1 > 0) {                                                                                                    \
                const double rows = t / w[FASTSGD_VISITS], most = 0.1 * t + 1.0;                                             \
                const T off = (T)((rows < most ? rows : most) * l1) * S[4 * i + 2];                                          \
                T part[4];                                                                                                   \
                N##_store(part, u);                                                                                          \
                for (int r = 0; r < 2; r++)                                                                                  \
                    part[r] = part[r] > off ? part[r] - off : part[r] < -off ? part[r] + off : 0;                            \
                u = N##_load(part);                                                                                          \
            }                                                                                                                \
            u = N##_mul(u, N##_set(S[4 * i], S[4 * i + 1], 1, 1));                                                           \
            N##_store(w, N##_times(u, S[4 * i + 3], N##_sub(N##_twice(u), u)));                                              \
        }                                                                                                                    \
    }
FASTSGD_AUTO(float, f4, f4, int32_t, f4_i32, 1e-37)
FASTSGD_AUTO(float, f4, f4, int64_t, f4_i64, 1e-37)
FASTSGD_AUTO(double, d4, d4, int32_t, d4_i32, 1e-300)
FASTSGD_AUTO(double, d4, d4, int64_t, d4_i64, 1e-300)

#endif
