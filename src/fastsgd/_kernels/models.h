/* Along the heads of several models: loops over arrays that do not overlap, which compilers vectorise, see many.pxi. */
#ifndef FASTSGD_MODELS_H
#define FASTSGD_MODELS_H
#include <float.h>
#include "lanes.h"
#include "paying.h"
#include "../logistic.h"

typedef struct {
    ptrdiff_t K;
    /* The clock of each head, as in Scalars. */
    double *restrict t, *restrict scale, *restrict u, *restrict avg_a, *restrict avg_n, *restrict factor;
    /* Its settings, as in HeadRecord. */
    double *restrict l1, *restrict l2, *restrict intercept_decay, *restrict nu, *restrict average;
    double *schedule; /* six rows of K */
    int32_t *restrict column, *restrict fold, *restrict resample;
    /* Of the row at hand: weight, margin, target, loss and its slope, step size, step, 1 / scale; u and 1 / scale before it;
       and the size of the last step. */
    double *restrict s, *restrict p, *restrict y, *restrict value, *restrict slope;
    double *restrict eta, *restrict step, *restrict inv, *restrict u0, *restrict inv0, *restrict last;
    double *restrict product; /* of what the logarithms are taken of, in the losses of rows of weight 1 */
    double *restrict b, *restrict b_avg, *restrict loss_sum, *restrict weight_sum; /* of the state, and of the caller */
    int folded, resampled, averaged;
    uint64_t seed;
} Models;

enum { MODELS_DOUBLES = 29, MODELS_INTS = 3 }; /* arrays of K numbers that belong to it, the rows of `schedule` among them */

/* The weight of a row in the heads that do not leave out its fold. */
static inline void fastsgd_leave_out(const Models *H, int32_t fold) {
    for (ptrdiff_t h = 0; h < H->K; h++) H->s[h] = H->fold[h] == fold ? 0.0 : H->s[h];
}

/* Whether a step would take a scale below `least`. */
static inline int fastsgd_any_small(const Models *H, double least) {
    int any = 0;
    for (ptrdiff_t h = 0; h < H->K; h++) {
        const double decay = 1.0 - H->eta[h] * H->l2[h];
        any |= (H->s[h] > 0) & (H->scale[h] * (decay > 0 ? decay : 0.0) < least);
    }
    return any;
}

static inline void fastsgd_hinges(const Models *H, double threshold) {
    for (ptrdiff_t h = 0; h < H->K; h++) {
        const double gap = threshold - H->p[h] * H->y[h];
        H->value[h] = gap > 0 ? gap : 0.0;
        H->slope[h] = gap >= 0 ? -H->y[h] : 0.0;
    }
}

/* x = exp(x), |x| <= 708. */
static void fastsgd_exps(ptrdiff_t K, double *restrict x) {
    ptrdiff_t h = 0;
#ifdef FASTSGD_F8 /* as fastsgd_exp, whose sums no compiler vectorises where it must keep their order */
    for (; h + 4 <= K; h += 4) {
        const double shift = 6755399441055744.0;
        const d4 v = d4_load(x + h);
        d4 shifted = v * 1.4426950408889634074 + shift, k, r, r2, r4, s;
        __asm__("" : "+x"(shifted));
        k = shifted - shift;
        r = v - k * 6.93147180369123816490e-01;
        __asm__("" : "+x"(r));
        r -= k * 1.90821492927058770002e-10;
        r2 = r * r, r4 = r2 * r2;
        s = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0));
        s += r4 * (1.0 / 479001600.0 + r * (1.0 / 6227020800.0));
        s = ((1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0))) + r4 * s;
        s = ((1.0 + r) + r2 * (0.5 + r * (1.0 / 6.0))) + r4 * s;
        d4_store(x + h, s * (d4)(((l4)shifted + 1023) << 52));
    }
#endif
    for (; h < K; h++) x[h] = fastsgd_exp(x[h]);
}

/* The loops below take their arrays as arguments: of what a struct points to gcc does not believe that it does not overlap. */
FASTSGD_APART static void fastsgd_logistic_heads(ptrdiff_t K, const double *restrict p, const double *restrict y,
                                                 const double *restrict s, double *restrict value, double *restrict slope,
                                                 double *restrict product) {
    for (ptrdiff_t h = 0; h < K; h++) {
        const double m = -fabs(p[h]);
        slope[h] = m > -708.0 ? m : -708.0;
    }
    fastsgd_exps(K, slope);
    for (ptrdiff_t h = 0; h < K; h++) {
        const double e = slope[h], rest = 1.0 - y[h], up = p[h] > 0 ? rest : -y[h], down = p[h] > 0 ? -y[h] : rest;
        value[h] = 0.5 * (p[h] + fabs(p[h])) - y[h] * p[h];
        slope[h] = (down * e + up) / (1.0 + e);
        product[h] *= s[h] > 0 ? 1.0 + e : 1.0;
    }
}

/* As fastsgd_logistic, where each weight is 0 or 1: a sum of logarithms is the logarithm of a product, see fastsgd_log_losses. */
static inline void fastsgd_logistics(const Models *H) {
    fastsgd_logistic_heads(H->K, H->p, H->y, H->s, H->value, H->slope, H->product);
}

/* Add the logarithms of the products, each of at most 1,000 numbers up to 2, and begin new ones. */
static void fastsgd_log_losses(const Models *H) {
    for (ptrdiff_t h = 0; h < H->K; h++) {
        H->loss_sum[h] += log(H->product[h]);
        H->product[h] = 1.0;
    }
}

FASTSGD_APART static void fastsgd_step_heads(ptrdiff_t K, double most, const double *restrict slopes, const double *restrict s,
                                             const double *restrict eta, const double *restrict value, double *restrict step,
                                             double *restrict loss_sum, double *restrict weight_sum) {
    for (ptrdiff_t h = 0; h < K; h++) {
        double slope = slopes[h];
        slope = slope > -most ? slope : -most;
        slope = slope < most ? slope : most;
        step[h] = (-s[h] * eta[h]) * slope;
        loss_sum[h] += s[h] * value[h];
        weight_sum[h] += s[h];
    }
}

/* Plain steps, within [-most, most] of slope; and the sums of losses and weights. */
static inline void fastsgd_steps(const Models *H, double most) {
    fastsgd_step_heads(H->K, most, H->slope, H->s, H->eta, H->value, H->step, H->loss_sum, H->weight_sum);
}

FASTSGD_APART static int fastsgd_decay_heads(ptrdiff_t K, double least, const double *restrict s, const double *restrict l1,
                                             const double *restrict l2, const double *restrict inv, double *restrict etas,
                                             double *restrict u, double *restrict u0, double *restrict inv0,
                                             double *restrict scale) {
    double any = 0;
    for (ptrdiff_t h = 0; h < K; h++) {
        const double eta = s[h] > 0 ? etas[h] : 0.0, decay = 1.0 - eta * l2[h];
        etas[h] = eta;
        u0[h] = u[h];
        inv0[h] = inv[h];
        scale[h] *= decay > 0 ? decay : 0.0;
        u[h] += eta * l1[h];
        any += scale[h] < least ? 1.0 : 0.0;
    }
    return any > 0;
}

/* The L2 of the step on the scales, and the L1 due; 1 if a scale has become less than `least`. A head that has not seen the
   row takes no step, and pays nothing. */
static inline int fastsgd_decay(const Models *H, double least) {
    return fastsgd_decay_heads(H->K, least, H->s, H->l1, H->l2, H->inv, H->eta, H->u, H->u0, H->inv0, H->scale);
}

static inline void fastsgd_invert(const Models *H) {
    for (ptrdiff_t h = 0; h < H->K; h++) H->inv[h] = 1.0 / H->scale[h];
}

FASTSGD_APART static void fastsgd_average_heads(ptrdiff_t K, const double *restrict average, const double *restrict t,
                                                const double *restrict s, const double *restrict scale,
                                                const double *restrict b, double *restrict avg_a, double *restrict avg_n,
                                                double *restrict b_avg) {
    for (ptrdiff_t h = 0; h < K; h++) {
        const int on = (average[h] > 0) & (average[h] <= t[h]) & (s[h] > 0);
        avg_a[h] += on ? scale[h] : 0.0;
        avg_n[h] += on ? 1.0 : 0.0;
        b_avg[h] += on ? (b[h] - b_avg[h]) / avg_n[h] : 0.0;
    }
}

FASTSGD_APART static void fastsgd_advance_heads(ptrdiff_t K, const double *restrict s, const double *restrict eta,
                                                double *restrict t, double *restrict last) {
    for (ptrdiff_t h = 0; h < K; h++) {
        t[h] += s[h] > 0 ? 1.0 : 0.0;
        last[h] = s[h] > 0 ? eta[h] : last[h];
    }
}

/* The intercepts, the averages and the clocks after a step. */
static inline void fastsgd_advance(const Models *H) {
    for (ptrdiff_t h = 0; h < H->K; h++) H->b[h] += (H->step[h] - H->eta[h] * H->nu[h]) * H->intercept_decay[h];
    if (H->averaged) fastsgd_average_heads(H->K, H->average, H->t, H->s, H->scale, H->b, H->avg_a, H->avg_n, H->b_avg);
    fastsgd_advance_heads(H->K, H->s, H->eta, H->t, H->last);
}

#define FASTSGD_MODELS(T, N, V, L)                                                                           \
    /* p = scale * z + b; whether all are finite. */                                                         \
    static inline int N##_margins(const Models *H, const T *restrict z) {                                    \
        int finite = 1;                                                                                      \
        for (ptrdiff_t h = 0; h < H->K; h++) {                                                               \
            H->p[h] = H->scale[h] * z[h] + H->b[h];                                                          \
            finite &= fabs(H->p[h]) <= DBL_MAX;                                                              \
        }                                                                                                    \
        return finite;                                                                                       \
    }                                                                                                        \
    /* c = step / scale; how many are not 0. */                                                              \
    static inline ptrdiff_t N##_changes(const Models *H, T *restrict c) {                                    \
        double live = 0;                                                                                     \
        for (ptrdiff_t h = 0; h < H->K; h++) {                                                               \
            c[h] = (T)(H->step[h] * H->inv[h]);                                                              \
            live += H->step[h] != 0;                                                                         \
        }                                                                                                    \
        return (ptrdiff_t)live;                                                                              \
    }                                                                                                        \
    /* Of the heads from h on: z = x . W and W += x c', one feature after another; `AT` gives the places of these. */ \
    FASTSGD_DOTS(T, N, V, L, dense, ptrdiff_t, k)                                                            \
    FASTSGD_DOTS(T, N, V, L, csr32, int32_t, (ptrdiff_t)ix[k])                                               \
    FASTSGD_DOTS(T, N, V, L, csr64, int64_t, (ptrdiff_t)ix[k])                                               \
    /* The thresholds of the weights of each head. */                                                       \
    static inline void N##_thresholds(const Models *H, T *restrict tau) {                                    \
        for (ptrdiff_t h = 0; h < H->K; h++)                                                                 \
            tau[h] = (T)((H->l2[h] > 0 ? H->l1[h] / (H->l2[h] > 0 ? H->l2[h] : 1.0) : H->u[h]) * H->inv[h]);  \
    }                                                                                                        \
    static inline void N##_paying_of(const Models *H, ptrdiff_t S, T *restrict R) {                          \
        N##_paying(H->K, S, H->l1, H->l2, H->last, H->u0, H->inv0, H->u, H->scale, H->inv, H->step, R);       \
    }

#define FASTSGD_DOTS(T, N, V, L, LAYOUT, INDEX, AT)                                                          \
    static void N##_dots_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, const T *restrict W, \
                                  ptrdiff_t S, T *restrict z, ptrdiff_t h) {                                 \
        ptrdiff_t k, i;                                                                                      \
        (void)ix;                                                                                            \
        (void)i;                                                                                             \
        FASTSGD_IN_BLOCKS(T, N, L, LAYOUT, AT)                                                               \
        for (; h < S; h += 4) {                                                                              \
            V a = N##_zero(), b = a;                                                                         \
            for (k = 0; k + 2 <= n; k += 2) {                                                                \
                a = N##_plus(a, x[k], W + (AT) * S + h);                                                     \
                k++;                                                                                         \
                b = N##_plus(b, x[k], W + (AT) * S + h);                                                     \
                k--;                                                                                         \
            }                                                                                                \
            if (k < n) a = N##_plus(a, x[k], W + (AT) * S + h);                                              \
            N##_store(z + h, N##_add(a, b));                                                                 \
        }                                                                                                    \
    }                                                                                                        \
    static void N##_adds_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, T *restrict W, \
                                  ptrdiff_t S, const T *restrict c, ptrdiff_t h) {                           \
        ptrdiff_t k;                                                                                         \
        (void)ix;                                                                                            \
        FASTSGD_ADDS_IN_BLOCKS(T, N, L, AT)                                                                  \
        for (; h < S; h += 4) {                                                                              \
            const V a = N##_load(c + h);                                                                     \
            for (k = 0; k < n; k++) N##_store(W + (AT) * S + h, N##_times(N##_load(W + (AT) * S + h), x[k], a)); \
        }                                                                                                    \
    }
#define FETCH_dense(w, n) {}
#define FETCH_csr32(w, n) for (i = 0; i < (n); i += 64 / (ptrdiff_t)sizeof *(w)) fastsgd_near((w) + i);
#define FETCH_csr64 FETCH_csr32

/* Most heads are taken 4 L at a time, in registers, where the compiler has vector types. Meanwhile the weights of a feature to
   come are fetched. */
#if (defined(__GNUC__) || defined(__clang__)) && !defined(FASTSGD_PLAIN)
typedef float f4_block __attribute__((vector_size(32), aligned(4)));
typedef double d4_block __attribute__((vector_size(32), aligned(8)));
#define FASTSGD_IN_BLOCKS(T, N, L, LAYOUT, AT)                                                               \
        for (; h + 4 * L <= S; h += 4 * L) { /* in registers, and meanwhile the weights of a feature to come are fetched */ \
            N##_block a = {0}, b = a, c = a, e = a;                                                          \
            for (k = 0; k < n; k++) {                                                                        \
                const T *restrict w = W + (AT) * S + h;                                                      \
                const T v = x[k];                                                                            \
                a += v * *(const N##_block *)w;                                                              \
                b += v * *(const N##_block *)(w + L);                                                        \
                c += v * *(const N##_block *)(w + 2 * L);                                                    \
                e += v * *(const N##_block *)(w + 3 * L);                                                    \
                if (h == 0 && k + 4 < n) FETCH_##LAYOUT(W + (ptrdiff_t)ix[k + 4] * S, S)                     \
            }                                                                                                \
            *(N##_block *)(z + h) = a;                                                                       \
            *(N##_block *)(z + h + L) = b;                                                                   \
            *(N##_block *)(z + h + 2 * L) = c;                                                               \
            *(N##_block *)(z + h + 3 * L) = e;                                                               \
        }                                                                                                    \
        for (; h + 2 * L <= S; h += 2 * L) { /* the same sums, so that heads may be parted at each multiple of 2 L */ \
            N##_block a = {0}, b = a;                                                                        \
            for (k = 0; k < n; k++) {                                                                        \
                const T *restrict w = W + (AT) * S + h;                                                      \
                const T v = x[k];                                                                            \
                a += v * *(const N##_block *)w;                                                              \
                b += v * *(const N##_block *)(w + L);                                                        \
            }                                                                                                \
            *(N##_block *)(z + h) = a;                                                                       \
            *(N##_block *)(z + h + L) = b;                                                                   \
        }
#define FASTSGD_ADDS_IN_BLOCKS(T, N, L, AT)                                                                  \
        for (; h + 4 * L <= S; h += 4 * L) {                                                                 \
            const N##_block a = *(const N##_block *)(c + h), b = *(const N##_block *)(c + h + L);            \
            const N##_block e = *(const N##_block *)(c + h + 2 * L), f = *(const N##_block *)(c + h + 3 * L); \
            for (k = 0; k < n; k++) {                                                                        \
                T *restrict w = W + (AT) * S + h;                                                            \
                const T v = x[k];                                                                            \
                *(N##_block *)w += v * a;                                                                    \
                *(N##_block *)(w + L) += v * b;                                                              \
                *(N##_block *)(w + 2 * L) += v * e;                                                          \
                *(N##_block *)(w + 3 * L) += v * f;                                                          \
            }                                                                                                \
        }                                                                                                    \
        for (; h + L <= S; h += L) {                                                                         \
            const N##_block a = *(const N##_block *)(c + h);                                                 \
            for (k = 0; k < n; k++) *(N##_block *)(W + (AT) * S + h) += x[k] * a;                            \
        }
#define FASTSGD_BOTH_IN_BLOCKS(T, N, L)                                                                      \
        for (; h + 4 * L <= S; h += 4 * L) {                                                                 \
            const N##_block c0 = *(const N##_block *)(c + h), c1 = *(const N##_block *)(c + h + L);          \
            const N##_block c2 = *(const N##_block *)(c + h + 2 * L), c3 = *(const N##_block *)(c + h + 3 * L); \
            N##_block z0 = {0}, z1 = z0, z2 = z0, z3 = z0;                                                   \
            for (k = 0; k < n; k++) {                                                                        \
                T *restrict w = W + k * S + h;                                                               \
                const T v = x[k], u = next[k];                                                               \
                const N##_block w0 = *(N##_block *)w + v * c0, w1 = *(N##_block *)(w + L) + v * c1;          \
                const N##_block w2 = *(N##_block *)(w + 2 * L) + v * c2, w3 = *(N##_block *)(w + 3 * L) + v * c3; \
                *(N##_block *)w = w0, *(N##_block *)(w + L) = w1;                                            \
                *(N##_block *)(w + 2 * L) = w2, *(N##_block *)(w + 3 * L) = w3;                              \
                z0 += u * w0, z1 += u * w1, z2 += u * w2, z3 += u * w3;                                      \
            }                                                                                                \
            *(N##_block *)(z + h) = z0, *(N##_block *)(z + h + L) = z1;                                      \
            *(N##_block *)(z + h + 2 * L) = z2, *(N##_block *)(z + h + 3 * L) = z3;                          \
        }
#else
#define FASTSGD_IN_BLOCKS(T, N, L, LAYOUT, AT)
#define FASTSGD_ADDS_IN_BLOCKS(T, N, L, AT)
#define FASTSGD_BOTH_IN_BLOCKS(T, N, L)
#endif

/* As adds and then dots of another dense row: each weight is read once for both, and the sums are the same. */
#define FASTSGD_BOTH(T, N, L)                                                                                \
    static void N##_adds_dots(const T *restrict x, const T *restrict next, ptrdiff_t n, T *restrict W, ptrdiff_t S, \
                              const T *restrict c, T *restrict z) {                                          \
        ptrdiff_t h = 0, k;                                                                                  \
        (void)k;                                                                                             \
        FASTSGD_BOTH_IN_BLOCKS(T, N, L)                                                                      \
        N##_adds_dense(x, NULL, n, W, S, c, h);                                                              \
        N##_dots_dense(next, NULL, n, W, S, z, h);                                                           \
    }

FASTSGD_MODELS(float, f4, f4, 8)
FASTSGD_MODELS(double, d4, d4, 4)
FASTSGD_BOTH(float, f4, 8)
FASTSGD_BOTH(double, d4, 4)

#endif
