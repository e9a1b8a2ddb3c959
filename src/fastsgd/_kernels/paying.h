/* L1 along the heads of several models: what penalty.pxi says of one head, in each lane. Blocks of
   heads are outside and the features of the row inside, so that the numbers of a head stay in registers. */
#ifndef FASTSGD_PAYING_H
#define FASTSGD_PAYING_H
#include "lanes.h"

enum { PAYING = 14 }; /* numbers of a head, from U0 to PAYS: 1 if it has L1 and L2 and takes a step, else 0 */

/* The numbers of the step of a row. A head that pays nothing goes along with infinite thresholds: its weights are "zeros" that
   stay what they are, and move by x times its step. `last` is the size of its last step; the shrinkages of steps of that size
   say how u has grown by the logarithm of 1 / scale (`per_log`). */
#define FASTSGD_PAYING_NUMBERS(T, N, TINY)                                                                   \
    static void N##_paying(ptrdiff_t K, ptrdiff_t S, const double *restrict l1, const double *restrict l2,   \
                           const double *restrict last, const double *restrict u0, const double *restrict inv0, \
                           const double *restrict u, const double *restrict scale, const double *restrict inv, \
                           const double *restrict step, T *restrict R) {                                     \
        const double tiny = TINY;                                                                            \
        ptrdiff_t h;                                                                                         \
        int large = 0;                                                                                       \
        for (h = 0; h < K; h++) {                                                                            \
            const int pays = (l1[h] > 0) & (l2[h] > 0) & (step[h] != 0);                                     \
            const double r = l1[h] / (l2[h] > 0 ? l2[h] : 1.0), x = last[h] * l2[h];                         \
            large |= pays & (x >= 0.01);                                                                     \
            R[U0 * S + h] = (T)u0[h];                                                                        \
            R[RATE * S + h] = (T)(r * (1.0 - x * (0.5 + x * (1.0 / 12 + x * (1.0 / 24)))));                  \
            R[U * S + h] = (T)u[h];                                                                          \
            R[INV * S + h] = (T)inv[h];                                                                      \
            R[SCALE * S + h] = (T)scale[h];                                                                  \
            R[TAU0 * S + h] = (T)(pays ? r * inv0[h] : INFINITY);                                            \
            R[TAU * S + h] = (T)(r * inv[h]);                                                                \
            R[STEP * S + h] = (T)(step[h] * inv[h]);                                                         \
            R[SMALL_STEP * S + h] = (T)(pays ? step[h] * tiny : step[h] * inv[h]);                           \
            R[SMALL_U * S + h] = (T)(pays ? u[h] * tiny : INFINITY);                                         \
            R[TWICE_SMALL_U0 * S + h] = (T)(pays ? 2 * u0[h] * tiny : INFINITY);                             \
            R[SMALL * S + h] = (T)tiny;                                                                      \
            R[PER_SMALL * S + h] = (T)(1 / tiny);                                                            \
            R[PAYS * S + h] = (T)pays;                                                                       \
        }                                                                                                    \
        for (h = 0; h < (large ? K : 0); h++) {                                                              \
            const double x = last[h] * l2[h] < 1.0 ? last[h] * l2[h] : 1.0;                                  \
            if (x >= 0.01) R[RATE * S + h] = (T)(l1[h] * last[h] / -log1p(-x));                              \
        }                                                                                                    \
    }
FASTSGD_PAYING_NUMBERS(float, f4, 5.421010862427522e-20)  /* `small` of penalty.pxi */
FASTSGD_PAYING_NUMBERS(double, d4, 6.223015277861142e-61)

/* Dense rows: w += c x, then the penalty, as add_and_shrink. */
#define FASTSGD_SHRINK_ALONG(T, V, N)                                                                        \
    static inline void N##_shrink_along(const T *restrict x, ptrdiff_t n, T *restrict W, T *restrict Q, ptrdiff_t S, \
                                        const T *restrict c, const T *restrict most, const T *restrict inv,  \
                                        const T *restrict scale) {                                           \
        const V c1 = N##_load(c), most1 = N##_load(most), inv1 = N##_load(inv), scale1 = N##_load(scale);    \
        ptrdiff_t k;                                                                                         \
        for (k = 0; k < n; k++) {                                                                            \
            const V q = N##_load(Q + k * S), z = N##_times(N##_load(W + k * S), x[k], c1), due = N##_mul(q, inv1); \
            const V part = N##_min(N##_max(z, N##_sub(due, most1)), N##_add(due, most1));                    \
            N##_store(W + k * S, N##_sub(z, part));                                                          \
            N##_store(Q + k * S, N##_sub(q, N##_mul(scale1, part)));                                         \
        }                                                                                                    \
    }
FASTSGD_SHRINK_ALONG(float, f4, f4)
FASTSGD_SHRINK_ALONG(double, d4, d4)
#ifdef FASTSGD_F8
FASTSGD_SHRINK_ALONG(float, f8, f8)
#endif
#define FASTSGD_SHRINK(T, N, B, L)                                                                           \
    static void N##_shrink_heads(const T *restrict x, ptrdiff_t n, T *restrict W, T *restrict Q, ptrdiff_t S, \
                                 const T *restrict c, const T *restrict most, const T *restrict inv, const T *restrict scale) { \
        ptrdiff_t h = 0;                                                                                     \
        for (; h + L <= S; h += L) B##_shrink_along(x, n, W + h, Q + h, S, c + h, most + h, inv + h, scale + h); \
        for (; h < S; h += 4) N##_shrink_along(x, n, W + h, Q + h, S, c + h, most + h, inv + h, scale + h);  \
    }
#ifdef FASTSGD_F8
FASTSGD_SHRINK(float, f4, f8, 8)
#else
FASTSGD_SHRINK(float, f4, f4, 4)
#endif
FASTSGD_SHRINK(double, d4, d4, 4)

/* On CSR: one vector of heads, at W; R is at the numbers of the first. */
#define FASTSGD_PAY_ALONG(T, V, N, L, LAYOUT, INDEX)                                                         \
    static inline void N##_pay_along_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, T *restrict W, \
                                              ptrdiff_t S, const T *restrict R) {                            \
        ptrdiff_t k;                                                                                         \
        int stays, any = 0;                                                                                  \
        for (k = 0; k < L; k++) any |= R[SMALL_STEP * S + k] != 0;                                           \
        for (k = 0; k < (any ? n : 0); k++) {                                                                \
            T *restrict w = W + (ptrdiff_t)ix[k] * S;                                                        \
            V g = N##_load(w), now = N##_move_heads(g, N##_all(x[k]), R, S, &stays);                         \
            if (!stays) {                                                                                    \
                now = N##_times(g, x[k], N##_load(R + SMALL_STEP * S));                                      \
                now = N##_within(N##_load(R + PAYS * S), N##_zero(), now, N##_pay_heads(g, N##_all(x[k]), R, S)); \
            }                                                                                                \
            N##_store(w, now);                                                                               \
        }                                                                                                    \
    }                                                                                                        \
    static inline void N##_soft_along_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n,   \
                                               const T *restrict W, ptrdiff_t S, const T *restrict tau, T *restrict z) { \
        V a = N##_zero(), t = N##_load(tau), minus_t = N##_sub(a, t);                                        \
        ptrdiff_t k;                                                                                         \
        for (k = 0; k < n; k++) a = N##_times(a, x[k], N##_soft(N##_load(W + (ptrdiff_t)ix[k] * S), t, minus_t)); \
        N##_store(z, a);                                                                                     \
    }                                                                                                        \
    /* Of two vectors; and the weights of a feature to come are fetched, all S of them, if `fetch`. */       \
    static inline void N##_soft_twice_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n,   \
                                               const T *restrict W, ptrdiff_t S, const T *restrict tau, T *restrict z, \
                                               int fetch) {                                                  \
        V a = N##_zero(), b = a, t = N##_load(tau), v = N##_load(tau + L), minus_t = N##_sub(a, t), minus_v = N##_sub(a, v); \
        ptrdiff_t k, i;                                                                                      \
        for (k = 0; k < n; k++) {                                                                            \
            const T *restrict w = W + (ptrdiff_t)ix[k] * S;                                                  \
            a = N##_times(a, x[k], N##_soft(N##_load(w), t, minus_t));                                       \
            b = N##_times(b, x[k], N##_soft(N##_load(w + L), v, minus_v));                                   \
            if (fetch && k + 4 < n)                                                                          \
                for (i = 0; i < S; i += 64 / (ptrdiff_t)sizeof(T)) fastsgd_near(W + (ptrdiff_t)ix[k + 4] * S + i); \
        }                                                                                                    \
        N##_store(z, a);                                                                                     \
        N##_store(z + L, b);                                                                                 \
    }
FASTSGD_PAY_ALONG(float, f4, f4, 4, csr32, int32_t)
FASTSGD_PAY_ALONG(float, f4, f4, 4, csr64, int64_t)
FASTSGD_PAY_ALONG(double, d4, d4, 4, csr32, int32_t)
FASTSGD_PAY_ALONG(double, d4, d4, 4, csr64, int64_t)
#ifdef FASTSGD_F8
FASTSGD_PAY_ALONG(float, f8, f8, 8, csr32, int32_t)
FASTSGD_PAY_ALONG(float, f8, f8, 8, csr64, int64_t)
#endif

/* S heads, a multiple of 4: L at a time, the lanes of B, and then 4, those of N. */
#define FASTSGD_OF_HEADS(T, N, B, L, LAYOUT, INDEX)                                                          \
    /* The step of a row of weights that are soft thresholds, and what they pay. */                          \
    static void N##_pay_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, T *restrict W, ptrdiff_t S, \
                                 const T *restrict R) {                                                      \
        ptrdiff_t h = 0;                                                                                     \
        for (; h + L <= S; h += L) B##_pay_along_##LAYOUT(x, ix, n, W + h, S, R + h);                        \
        for (; h < S; h += 4) N##_pay_along_##LAYOUT(x, ix, n, W + h, S, R + h);                             \
    }                                                                                                        \
    /* z = x . w of weights that are soft thresholds. */                                                     \
    static void N##_soft_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, const T *restrict W, \
                                  ptrdiff_t S, const T *restrict tau, T *restrict z) {                       \
        ptrdiff_t h = 0;                                                                                     \
        for (; h + 2 * L <= S; h += 2 * L) B##_soft_twice_##LAYOUT(x, ix, n, W + h, S, tau + h, z + h, h == 0); \
        for (; h + L <= S; h += L) B##_soft_along_##LAYOUT(x, ix, n, W + h, S, tau + h, z + h);              \
        for (; h < S; h += 4) N##_soft_along_##LAYOUT(x, ix, n, W + h, S, tau + h, z + h);                   \
    }
#ifdef FASTSGD_F8
FASTSGD_OF_HEADS(float, f4, f8, 8, csr32, int32_t)
FASTSGD_OF_HEADS(float, f4, f8, 8, csr64, int64_t)
#else
FASTSGD_OF_HEADS(float, f4, f4, 4, csr32, int32_t)
FASTSGD_OF_HEADS(float, f4, f4, 4, csr64, int64_t)
#endif
FASTSGD_OF_HEADS(double, d4, d4, 4, csr32, int32_t)
FASTSGD_OF_HEADS(double, d4, d4, 4, csr64, int64_t)

#endif
