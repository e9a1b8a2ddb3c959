/* Along one row of learning_rate="auto" on CSR, see auto_csr.pxi. A weight is a record of four numbers: w, its average A, and of
 * the rows that have it the sum of the squared values and the number, both weighted. Where values are so large or so small that
 * their squares are no numbers (2^BITS and more, or less than 2^-BITS), the sum is of values times a power of two, and negative;
 * the power is 2^(2 BITS), or 2^(-2 BITS) if the number of rows is kept times that. */
#ifndef FASTSGD_AUTO_H
#define FASTSGD_AUTO_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "lanes.h"

enum { FASTSGD_A = 1, FASTSGD_SQUARES = 2, FASTSGD_VISITS = 3, FASTSGD_CLIP = 100 };

/* Of one row and head: its weight and number, the mean curvature, and of P the factors, see auto_csr.pxi; and the indices of the
 * row that comes next, whose records are fetched meanwhile: those of many features lie in memory that no cache holds. */
typedef struct {
    double c, t, curve, kappa, prior, l1, l2;
    int first;
    const void *x, *next;
    ptrdiff_t n_next;
} Visit;

#if defined(__GNUC__) || defined(__clang__)
#define FASTSGD_SOON(p) __builtin_prefetch(p, 1, 3)
#else
#define FASTSGD_SOON(p) ((void)(p))
#endif

#define FASTSGD_AUTO(T, V, N, I, NAME, TINY, SQRT, BITS)                                                                    \
    /* The records of four values, or of those that are left: then the others are `none`, and their values, in v, 0. */     \
    static inline const T *four_##NAME(const T *x, const I *ix, ptrdiff_t left, T *W, ptrdiff_t stride, T *none, T **w, T *v) {\
        if (left >= 4) {                                                                                                    \
            for (int r = 0; r < 4; r++) w[r] = W + (ptrdiff_t)ix[r] * stride;                                               \
            return x;                                                                                                       \
        }                                                                                                                   \
        for (int r = 0; r < 4; r++) {                                                                                       \
            w[r] = r < left ? W + (ptrdiff_t)ix[r] * stride : none;                                                         \
            v[r] = r < left ? x[r] : 0;                                                                                     \
        }                                                                                                                   \
        return v;                                                                                                           \
    }                                                                                                                       \
    /* Of a record in other units, the power of two by which its values are multiplied; 1 of others. */                     \
    static inline T power_##NAME(const T *w) {                                                                              \
        if (!(w[FASTSGD_SQUARES] < 0)) return 1;                                                                            \
        return (T)ldexp(1, w[FASTSGD_VISITS] < (T)ldexp(1, -BITS) ? -2 * BITS : 2 * BITS);                                  \
    }                                                                                                                       \
    static inline T visits_##NAME(const T *w, T power) {                                                                    \
        return power < 1 ? w[FASTSGD_VISITS] * (T)ldexp(1, 2 * BITS) : w[FASTSGD_VISITS];                                   \
    }                                                                                                                       \
    /* What is not as it was so far: x as it is to count, in the units of its record. Early on a value far larger than those\
     * before it is taken as it is, and later as FASTSGD_CLIP root mean squares, so that no row can ruin a scale. The weight\
     * shrinks: it stays what it is in units of the root mean square. Where squares would be too large or too small for a   \
     * number, the record is copied to `other`, in units of a power of two, which is other[4]. */                           \
    FASTSGD_APART static T unusual_##NAME(T x, T *w, T row, T *other) {                                                     \
        const T most = (T)ldexp(1, BITS), far = (T)ldexp(1, BITS + BITS / 3);                                               \
        T c = power_##NAME(w), n = visits_##NAME(w, c), S = c == 1 ? w[FASTSGD_SQUARES] : -w[FASTSGD_SQUARES];              \
        T size = x < 0 ? -x : x, less = 1;                                                                                  \
        other[4] = 1;                                                                                                       \
        if (c == 1 && S == 0) c = size > most ? 1 / (most * most) : size > 0 && size < 1 / most ? most * most : 1;          \
        else if (n + row <= 16) {                                                                                           \
            for (; size * c > far && c * most > 1; S = S / most / most / most / most) c = c / most / most;                  \
            const T fresh = size * c * (size * c) * n, both = (T)0.5 * (S + fresh);                                         \
            if (fresh > 16 * S) less = SQRT(S / both), S = both;                                                            \
        } else {                                                                                                            \
            const T rms = SQRT(S / n), share = row / (n + row);                                                             \
            size = size * c;                                                                                                \
            if (size > 4 * rms) {                                                                                           \
                if (size > FASTSGD_CLIP * rms) size = FASTSGD_CLIP * rms;                                                   \
                less = 1 / SQRT(1 + (size / rms * (size / rms) - 1) * share);                                               \
            }                                                                                                               \
            size = size / c;                                                                                                \
            if (rms > far && c * most > 1) c = c / most / most, S = S / most / most / most / most;                          \
        }                                                                                                                   \
        w[0] *= less, w[FASTSGD_A] *= less;                                                                                 \
        if (c == 1) w[FASTSGD_SQUARES] = S, w[FASTSGD_VISITS] = n;                                                          \
        other[0] = w[0] / c, other[1] = 0, other[2] = S, other[3] = n, other[4] = c;                                        \
        return x < 0 ? -size * c : size * c;                                                                                \
    }                                                                                                                       \
    /* Put such a record back, by what the penalty shrinks it, and x: times 1 / P in its units, the step in those of X. */  \
    FASTSGD_APART static void put_back_##NAME(const T *other, T *w, const Visit *g, T *S, T *x) {                           \
        const double c = other[4], n = other[3], f = n / g->t, P = other[2] * (g->prior / g->t + g->kappa * g->curve * f);  \
        const double owed = g->first ? g->c * g->l2 * f : g->l2;                                                            \
        w[FASTSGD_SQUARES] = -other[2], w[FASTSGD_VISITS] = (T)(c < 1 ? ldexp(n, -2 * BITS) : n);                           \
        S[4] = (T)(owed > 0 ? P / (P + owed * c * c) : 1), *x *= other[4];                                                  \
    }                                                                                                                       \
    /* Count values in the records; z += x w; norm += x^2 / P. Twelve numbers for four values in S: 1 / P, by what the penalty\
     * of this visit shrinks w, and the visit's share of A. P is times visits / t, so that nothing overflows. Up to the four of\
     * which one is unusual, or if it may be `rare` to the end, the values as they count then being in `copy` and g->x; returns\
     * where that is. Apart, as calls in a loop cost it its registers. */                                                   \
    static inline ptrdiff_t count_##NAME(const T *x, const I *ix, ptrdiff_t i, ptrdiff_t nnz, T *W, ptrdiff_t stride,       \
                                         const Visit *g, T *S, T *copy, double *z, double *size, int rare) {                \
        const T row = (T)g->c, c = (T)(1.0 / g->t), l = (T)g->l2, own = (T)(g->first ? g->c * g->l2 : 0.0);                 \
        const T k = (T)(g->kappa * g->curve), p = (T)(g->prior / g->t), all = g->first ? 0 : l;                             \
        const T low = (T)ldexp(1, -2 * BITS), high = (T)ldexp(1, 2 * BITS);                                                 \
        const V rows = N##_all(row), per_t = N##_all(c), prior = N##_all(p), tiny = N##_all((T)TINY), three = N##_all(3);   \
        const V l4 = N##_all(all);                                                                                          \
        V z0 = N##_zero(), norm = z0;                                                                                       \
        T none[4] = {0, 0, 1, 1}, *w[4], v[4], out[8], other[4][5];                                                         \
        const I *next = g->n_next ? (const I *)g->next : ix;                                                                \
        for (; i < nnz; i += 4) {                                                                                           \
            const T *at = four_##NAME(x + i, ix + i, nnz - i, W, stride, none, w, v);                                       \
            int others = 0;                                                                                                 \
            V x4 = N##_load(at), x2 = N##_mul(x4, x4);                                                                      \
            V before = N##_set(w[0][2], w[1][2], w[2][2], w[3][2]), visits = N##_set(w[0][3], w[1][3], w[2][3], w[3][3]);   \
            V squares = N##_times(before, row, x2);                                                                         \
            for (int r = 0; r < 4; r++) FASTSGD_SOON(W + (ptrdiff_t)next[i + r < g->n_next ? i + r : 0] * stride);          \
            if (!N##_all_within(N##_mul(x2, visits), N##_mul(before, N##_all(16)), squares, low, high)) {                   \
                if (!rare) break;                                                                                           \
                for (int r = 0; r < 4 && i + r < nnz; r++) {                                                                \
                    const T sum = w[r][FASTSGD_SQUARES], x1 = at[r] * at[r];                                                \
                    if (x1 * w[r][FASTSGD_VISITS] < 16 * sum || (sum == 0 && x1 > low && x1 < high)) continue;              \
                    for (int q = 0; q < 4; q++) v[q] = at[q];                                                               \
                    if (x != copy) memcpy(copy, x, nnz * sizeof(T)), x = copy;                                              \
                    at = v, copy[i + r] = v[r] = unusual_##NAME(v[r], w[r], row, other[r]);                                 \
                    if (other[r][4] != 1) w[r] = other[r], others = 1;                                                      \
                }                                                                                                           \
                x4 = N##_load(at), x2 = N##_mul(x4, x4);                                                                    \
                before = N##_set(w[0][2], w[1][2], w[2][2], w[3][2]), visits = N##_set(w[0][3], w[1][3], w[2][3], w[3][3]); \
                squares = N##_times(before, row, x2);                                                                       \
            }                                                                                                               \
            visits = N##_add(visits, rows);                                                                                 \
            const V f = N##_mul(visits, per_t), share = N##_div(rows, visits);                                              \
            const V P = N##_add(N##_mul(squares, N##_times(prior, k, f)), tiny), per_P = N##_div(f, P);                     \
            T *s = S + 3 * i;                                                                                               \
            N##_store(s, per_P);                                                                                            \
            N##_store(s + 4, N##_div(P, N##_add(P, N##_times(l4, own, f))));                                                \
            N##_store(s + 8, N##_mul(share, N##_sub(three, N##_mul(share, N##_sub(three, share)))));                        \
            norm = N##_add(norm, N##_mul(x2, per_P));                                                                       \
            z0 = N##_add(z0, N##_mul(x4, N##_set(w[0][0], w[1][0], w[2][0], w[3][0])));                                     \
            N##_store(out, squares);                                                                                        \
            N##_store(out + 4, visits);                                                                                     \
            for (int r = 0; r < 4; r++) w[r][FASTSGD_SQUARES] = out[r], w[r][FASTSGD_VISITS] = out[4 + r];                  \
            for (int r = 0; others && r < 4; r++)                                                                           \
                if (w[r] == other[r]) put_back_##NAME(other[r], W + (ptrdiff_t)ix[i + r] * stride, g, s + r, copy + i + r); \
        }                                                                                                                   \
        for (ptrdiff_t k = i; i >= nnz && k < g->n_next; k++) FASTSGD_SOON(W + (ptrdiff_t)next[k] * stride);                \
        ((Visit *)g)->x = x;                                                                                                \
        *z += N##_sum(z0), *size += N##_sum(norm);                                                                          \
        return i;                                                                                                           \
    }                                                                                                                       \
    FASTSGD_APART static void rest_##NAME(const T *x, const I *ix, ptrdiff_t i, ptrdiff_t nnz, T *W, ptrdiff_t stride,      \
                                          const Visit *g, T *S, double *z, double *size) {                                  \
        count_##NAME(x, ix, i, nnz, W, stride, g, S, S + (nnz + 3) / 4 * 12, z, size, 1);                                   \
    }                                                                                                                       \
    /* Count the row; z += x w; returns sum x^2 / P. */                                                                     \
    static double margins_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g, T *S,      \
                                 double *z) {                                                                               \
        double size = 0;                                                                                                    \
        const ptrdiff_t i = count_##NAME(x, ix, 0, nnz, W, stride, g, S, (T *)0, z, &size, 0);                              \
        if (i < nnz) rest_##NAME(x, ix, i, nnz, W, stride, g, S, z, &size);                                                 \
        return size;                                                                                                        \
    }                                                                                                                       \
    /* z += x A, and x A with the rest of the penalty on it, of a row that is counted. */                                   \
    static void candidates_##NAME(const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g, double *z) {          \
        const T *x = (const T *)g->x;                                                                                       \
        const T c = (T)(1.0 / g->t), l = (T)g->l2, p = (T)(g->prior / g->t), h = (T)g->curve;                               \
        const V per_t = N##_set(c, c, c, c), prior = N##_set(p, p, p, p);                                                   \
        const V tiny = N##_set((T)TINY, (T)TINY, (T)TINY, (T)TINY);                                                         \
        V z0 = N##_zero(), z1 = z0;                                                                                         \
        T none[4] = {0, 0, 1, 1}, *w[4], v[4];                                                                              \
        for (ptrdiff_t i = 0; i < nnz; i += 4) {                                                                            \
            const T *at = four_##NAME(x + i, ix + i, nnz - i, W, stride, none, w, v);                                       \
            for (int r = 0; r < 4 && N##_any_below(N##_set(w[0][2], w[1][2], w[2][2], w[3][2]), 0); r++)                    \
                if (w[r][FASTSGD_SQUARES] < 0) {                                                                            \
                    const double c = power_##NAME(w[r]), n = visits_##NAME(w[r], (T)c), A = at[r] / c / c * w[r][FASTSGD_A];\
                    const double P = -w[r][FASTSGD_SQUARES] * (g->prior / g->t + g->curve * n / g->t) / c / c;              \
                    z[0] += A, z[1] += g->l2 > 0 ? A * (P + g->l2 * n / g->t * n) / (P + g->l2 * n) : A;                    \
                    w[r] = none;                                                                                            \
                }                                                                                                           \
            const V a = N##_mul(N##_load(at), N##_set(w[0][1], w[1][1], w[2][1], w[3][1]));                                 \
            const V squares = N##_set(w[0][2], w[1][2], w[2][2], w[3][2]);                                                  \
            const V visits = N##_set(w[0][3], w[1][3], w[2][3], w[3][3]), f = N##_mul(visits, per_t);                       \
            const V H = N##_add(N##_mul(squares, N##_times(prior, h, f)), tiny);                                            \
            z0 = N##_add(z0, a);                                                                                            \
            z1 = N##_add(z1, N##_div(N##_mul(a, N##_times(H, l, N##_mul(f, visits))), N##_times(H, l, visits)));            \
        }                                                                                                                   \
        z[0] += N##_sum(z0), z[1] += N##_sum(z1);                                                                           \
    }                                                                                                                       \
    /* w <- S(w + a x / P, l1 / P, times the rows that a visit stands for), shrunk; A <- A + share (w - A). */              \
    static void move_##NAME(const Visit *g, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *S, double step) {  \
        const T *x = (const T *)g->x;                                                                                       \
        const double t = g->t, l1 = g->l1;                                                                                  \
        T none[4] = {0, 0, 1, 1}, *w[4], v[4], out[8];                                                                      \
        for (ptrdiff_t i = 0; i < nnz; i += 4, S += 12) {                                                                   \
            const T *at = four_##NAME(x + i, ix + i, nnz - i, W, stride, none, w, v);                                       \
            V u = N##_times(N##_set(w[0][0], w[1][0], w[2][0], w[3][0]), (T)step, N##_mul(N##_load(at), N##_load(S)));      \
            V A = N##_set(w[0][1], w[1][1], w[2][1], w[3][1]);                                                              \
            if (l1 > 0) {                                                                                                   \
                N##_store(out, u);                                                                                          \
                for (int r = 0; r < 4; r++) {                                                                               \
                    const T c = power_##NAME(w[r]);                                                                         \
                    const double rows = t / visits_##NAME(w[r], c), most = 0.1 * t + 1.0;                                   \
                    const T off = (T)((rows < most ? rows : most) * l1) * S[r] * c * c;                                     \
                    out[r] = out[r] > off ? out[r] - off : out[r] < -off ? out[r] + off : 0;                                \
                }                                                                                                           \
                u = N##_load(out);                                                                                          \
            }                                                                                                               \
            u = N##_mul(u, N##_load(S + 4));                                                                                \
            A = N##_add(A, N##_mul(N##_load(S + 8), N##_sub(u, A)));                                                        \
            N##_store(out, u);                                                                                              \
            N##_store(out + 4, A);                                                                                          \
            for (int r = 0; r < 4; r++) w[r][0] = out[r], w[r][FASTSGD_A] = out[4 + r];                                     \
        }                                                                                                                   \
    }
FASTSGD_AUTO(float, f4, f4, int32_t, f4_i32, 1e-37, sqrtf, 42)
FASTSGD_AUTO(float, f4, f4, int64_t, f4_i64, 1e-37, sqrtf, 42)
FASTSGD_AUTO(double, d4, d4, int32_t, d4_i32, 1e-300, sqrt, 340)
FASTSGD_AUTO(double, d4, d4, int64_t, d4_i64, 1e-300, sqrt, 340)

#endif
