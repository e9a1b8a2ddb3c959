/* Along one row of learning_rate="auto" on CSR, see auto_csr.pxi. A weight is a record of four numbers: w, its average A, and of
 * the rows that have it the sum of the squared values and the number, both weighted. */
#ifndef FASTSGD_AUTO_H
#define FASTSGD_AUTO_H
#include <math.h>
#include <stdint.h>
#include "lanes.h"

enum { FASTSGD_A = 1, FASTSGD_SQUARES = 2, FASTSGD_VISITS = 3 };

/* Of one row and head: its weight and number, the mean curvature, and of P the factors, see auto_csr.pxi. */
typedef struct {
    double c, t, curve, kappa, prior, l2;
    int first;
} Visit;

#if defined(__GNUC__) || defined(__clang__)
#define FASTSGD_SOON(p) __builtin_prefetch(p, 1, 3)
#else
#define FASTSGD_SOON(p) ((void)(p))
#endif

#define FASTSGD_AUTO(T, V, N, I, NAME, TINY)                                                                                 \
    /* The records of four values, or of those that are left: then the others are `none`, and their values, in v, 0. */      \
    static inline const T *four_##NAME(const T *x, const I *ix, ptrdiff_t left, T *W, ptrdiff_t stride, T *none, T **w, T *v) {\
        if (left >= 4) {                                                                                                     \
            for (int r = 0; r < 4; r++) w[r] = W + (ptrdiff_t)ix[r] * stride;                                                \
            return x;                                                                                                        \
        }                                                                                                                    \
        for (int r = 0; r < 4; r++) {                                                                                        \
            w[r] = r < left ? W + (ptrdiff_t)ix[r] * stride : none;                                                          \
            v[r] = r < left ? x[r] : 0;                                                                                      \
        }                                                                                                                    \
        return v;                                                                                                            \
    }                                                                                                                        \
    /* Count the row in the records; z += x w; returns sum x^2 / P.                                                          \
     * Twelve numbers for four values in S: 1 / P, by what the penalty of this visit shrinks w, and the visit's \
     * share of A. P is times visits / t, so that nothing overflows. A weight learnt from values that turn out to have been  \
     * small for their column shrinks: else it would be as large as they were small. */                                      \
    static double margins_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g, T *S,       \
                                 double *z) {                                                                                \
        const T row = (T)g->c, c = (T)(1.0 / g->t), l = (T)g->l2, own = (T)(g->first ? g->c * g->l2 : 0.0);                  \
        const T k = (T)(g->kappa * g->curve), p = (T)(g->prior / g->t), all = g->first ? 0 : l;                              \
        const V rows = N##_set(row, row, row, row), per_t = N##_set(c, c, c, c), prior = N##_set(p, p, p, p);                \
        const V tiny = N##_set((T)TINY, (T)TINY, (T)TINY, (T)TINY), three = N##_set(3, 3, 3, 3), l4 = N##_set(all, all, all, all);\
        V z0 = N##_zero(), norm = z0;                                                                                        \
        T none[4] = {0, 0, 1, 1}, *w[4], v[4], out[8];                                                                       \
        for (ptrdiff_t i = 0; i < nnz; i += 4, S += 12) {                                                                    \
            const T *at = four_##NAME(x + i, ix + i, nnz - i, W, stride, none, w, v);                                        \
            for (int r = 0; r < 4; r++) {                                                                                    \
                const T fresh = at[r] * at[r] * w[r][FASTSGD_VISITS];                                                        \
                FASTSGD_SOON(W + (ptrdiff_t)ix[i + 16 + r < nnz ? i + 16 + r : i] * stride);                                 \
                if (fresh > 16 * w[r][FASTSGD_SQUARES] && w[r][FASTSGD_VISITS] + row <= 16) {                                \
                    const T both = (T)0.5 * (w[r][FASTSGD_SQUARES] + fresh);                                                 \
                    const T less = (T)sqrt((double)(w[r][FASTSGD_SQUARES] / both));                                          \
                    w[r][0] *= less, w[r][FASTSGD_A] *= less, w[r][FASTSGD_SQUARES] = both;                                  \
                }                                                                                                            \
            }                                                                                                                \
            const V x4 = N##_load(at), x2 = N##_mul(x4, x4);                                                                 \
            const V visits = N##_add(N##_set(w[0][3], w[1][3], w[2][3], w[3][3]), rows);                                     \
            const V squares = N##_times(N##_set(w[0][2], w[1][2], w[2][2], w[3][2]), row, x2);                               \
            const V f = N##_mul(visits, per_t), share = N##_div(rows, visits);                                               \
            const V P = N##_add(N##_mul(squares, N##_times(prior, k, f)), tiny), per_P = N##_div(f, P);                      \
            N##_store(S, per_P);                                                                                             \
            N##_store(S + 4, N##_div(P, N##_add(P, N##_times(l4, own, f))));                                                 \
            N##_store(S + 8, N##_mul(share, N##_sub(three, N##_mul(share, N##_sub(three, share)))));                         \
            norm = N##_add(norm, N##_mul(x2, per_P));                                                                        \
            z0 = N##_add(z0, N##_mul(x4, N##_set(w[0][0], w[1][0], w[2][0], w[3][0])));                                      \
            N##_store(out, squares);                                                                                         \
            N##_store(out + 4, visits);                                                                                      \
            for (int r = 0; r < 4; r++) w[r][FASTSGD_SQUARES] = out[r], w[r][FASTSGD_VISITS] = out[4 + r];                   \
        }                                                                                                                    \
        *z += N##_sum(z0);                                                                                                   \
        return N##_sum(norm);                                                                                                \
    }                                                                                                                        \
    /* z += x A, and x A with the rest of the penalty on it, of a row that is counted. */                                    \
    static void candidates_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g, double *z) { \
        const T c = (T)(1.0 / g->t), l = (T)g->l2, p = (T)(g->prior / g->t), h = (T)g->curve;                                \
        const V per_t = N##_set(c, c, c, c), prior = N##_set(p, p, p, p);                                                    \
        const V tiny = N##_set((T)TINY, (T)TINY, (T)TINY, (T)TINY);                                                          \
        V z0 = N##_zero(), z1 = z0;                                                                                          \
        T none[4] = {0, 0, 1, 1}, *w[4], v[4];                                                                               \
        for (ptrdiff_t i = 0; i < nnz; i += 4) {                                                                             \
            const T *at = four_##NAME(x + i, ix + i, nnz - i, W, stride, none, w, v);                                        \
            const V a = N##_mul(N##_load(at), N##_set(w[0][1], w[1][1], w[2][1], w[3][1]));                                  \
            const V squares = N##_set(w[0][2], w[1][2], w[2][2], w[3][2]);                                                   \
            const V visits = N##_set(w[0][3], w[1][3], w[2][3], w[3][3]), f = N##_mul(visits, per_t);                        \
            const V H = N##_add(N##_mul(squares, N##_times(prior, h, f)), tiny);                                             \
            z0 = N##_add(z0, a);                                                                                             \
            z1 = N##_add(z1, N##_div(N##_mul(a, N##_times(H, l, N##_mul(f, visits))), N##_times(H, l, visits)));             \
        }                                                                                                                    \
        z[0] += N##_sum(z0), z[1] += N##_sum(z1);                                                                            \
    }                                                                                                                        \
    /* w <- S(w + a x / P, l1 / P, times the rows that a visit stands for), shrunk; A <- A + share (w - A). */               \
    static void move_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *S, double step,         \
                            double t, double l1) {                                                                           \
        T none[4] = {0, 0, 1, 1}, *w[4], v[4], out[8];                                                                       \
        for (ptrdiff_t i = 0; i < nnz; i += 4, S += 12) {                                                                    \
            const T *at = four_##NAME(x + i, ix + i, nnz - i, W, stride, none, w, v);                                        \
            V u = N##_times(N##_set(w[0][0], w[1][0], w[2][0], w[3][0]), (T)step, N##_mul(N##_load(at), N##_load(S)));       \
            V A = N##_set(w[0][1], w[1][1], w[2][1], w[3][1]);                                                               \
            if (l1 > 0) {                                                                                                    \
                N##_store(out, u);                                                                                           \
                for (int r = 0; r < 4; r++) {                                                                                \
                    const double rows = t / w[r][FASTSGD_VISITS], most = 0.1 * t + 1.0;                                      \
                    const T off = (T)((rows < most ? rows : most) * l1) * S[r];                                              \
                    out[r] = out[r] > off ? out[r] - off : out[r] < -off ? out[r] + off : 0;                                 \
                }                                                                                                            \
                u = N##_load(out);                                                                                           \
            }                                                                                                                \
            u = N##_mul(u, N##_load(S + 4));                                                                                 \
            A = N##_add(A, N##_mul(N##_load(S + 8), N##_sub(u, A)));                                                         \
            N##_store(out, u);                                                                                               \
            N##_store(out + 4, A);                                                                                           \
            for (int r = 0; r < 4; r++) w[r][0] = out[r], w[r][FASTSGD_A] = out[4 + r];                                      \
        }                                                                                                                    \
    }
FASTSGD_AUTO(float, f4, f4, int32_t, f4_i32, 1e-37)
FASTSGD_AUTO(float, f4, f4, int64_t, f4_i64, 1e-37)
FASTSGD_AUTO(double, d4, d4, int32_t, d4_i32, 1e-300)
FASTSGD_AUTO(double, d4, d4, int64_t, d4_i64, 1e-300)

#endif
