/* AdaGrad along the heads of several models: loops as in paying.h, blocks of heads outside and the features of a row inside. */
#ifndef FASTSGD_ADAGRAD_H
#define FASTSGD_ADAGRAD_H
#include "paying.h"

/* Numbers of a step in each head, arrays of S. A head that does not see the row has zeros, and stays as it is.
   The average gets MORE of the new weight, less PAST of what the weight has changed by. OWED, NOW_OWED: L1 that a weight should
   have received before and after the step, where features that a row does not have pay late. */
enum { SLOPE, STEP_SIZE, OF_L1, OF_L2, MORE, PAST, OWED, NOW_OWED, ADAGRAD_NUMBERS };

/* The slopes of a row, s times the loss's, into H->slope; the steps of the intercepts; and sums of losses and weights. */
static inline void fastsgd_adagrad_steps(const Models *H, double *restrict vb, double eps) {
    for (ptrdiff_t h = 0; h < H->K; h++) {
        const double s = H->s[h], seen = s > 0 ? 1.0 : 0.0, eta = seen * H->eta[h], slope = s * H->slope[h];
        const double q = seen * (slope + H->nu[h]);
        H->loss_sum[h] += s * H->value[h];
        H->weight_sum[h] += s;
        vb[h] += q * q;
        H->step[h] = eta * H->nu[h] - eta * q / (sqrt(vb[h]) + eps); /* as `advance` takes off eta nu */
        H->slope[h] = slope;
        H->eta[h] = eta;
    }
}

#define FASTSGD_ADAGRAD_NUMBERS(T, N)                                                                        \
    /* The numbers of a step; `late` is 1 in heads whose absent features pay later; all: each feature takes the step. */ \
    static void N##_adagrad_numbers(const Models *H, ptrdiff_t S, const double *restrict late, int all, T *restrict R) { \
        for (ptrdiff_t h = 0; h < H->K; h++) {                                                               \
            const double seen = H->s[h] > 0 ? 1.0 : 0.0;                                                     \
            const int averaged = (H->average[h] > 0) & (H->average[h] <= H->t[h]);                           \
            R[SLOPE * S + h] = (T)H->slope[h];                                                               \
            R[STEP_SIZE * S + h] = (T)H->eta[h];                                                             \
            R[OF_L1 * S + h] = (T)(seen * H->l1[h]);                                                         \
            R[OF_L2 * S + h] = (T)(seen * H->l2[h]);                                                         \
            R[MORE * S + h] = (T)(all && averaged ? seen : 0.0);                                             \
            R[PAST * S + h] = (T)(all ? 0.0 : H->avg_a[h]);                                                  \
            R[NOW_OWED * S + h] = (T)(seen * (H->u[h] + late[h] * H->eta[h] * H->l1[h]));                    \
            H->u[h] += late[h] * H->eta[h] * H->l1[h];                                                       \
        }                                                                                                    \
    }                                                                                                        \
    static void N##_owed(const Models *H, T *restrict owed) {                                                \
        for (ptrdiff_t h = 0; h < H->K; h++) owed[h] = (T)(H->s[h] > 0 ? H->u[h] : 0.0);                     \
    }
FASTSGD_ADAGRAD_NUMBERS(float, f4)
FASTSGD_ADAGRAD_NUMBERS(double, d4)

/* One vector of heads, at W, v, A, paid; A and paid may be NULL. */
#define FASTSGD_ADAGRAD_ALONG(T, V, N, L, LAYOUT, INDEX, AT)                                                 \
    static inline void N##_adagrad_along_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, T *restrict W, \
                                                  T *restrict v, T *restrict A, T *restrict paid, ptrdiff_t S, \
                                                  const T *restrict R, T eps) {                              \
        const V c = N##_load(R + SLOPE * S), l1 = N##_load(R + OF_L1 * S), l2 = N##_load(R + OF_L2 * S);     \
        const V eta = N##_load(R + STEP_SIZE * S), none = N##_zero();                                        \
        int any = 0, drawn = 0, k_;                                                                          \
        ptrdiff_t k;                                                                                         \
        (void)ix;                                                                                            \
        for (k_ = 0; k_ < L; k_++) {                                                                         \
            any |= (R[SLOPE * S + k_] != 0) | (R[OF_L2 * S + k_] != 0) | (R[OF_L1 * S + k_] != 0) | (R[MORE * S + k_] != 0); \
            drawn |= R[OF_L1 * S + k_] != 0;                                                                 \
        }                                                                                                    \
        for (k = 0; k < (any ? n : 0); k++) {                                                                \
            const ptrdiff_t at = (AT) * S;                                                                   \
            const V w = N##_load(W + at), q = N##_times(N##_mul(l2, w), x[k], c);                            \
            const V squares = N##_add(N##_load(v + at), N##_mul(q, q));                                      \
            const V step = N##_div(eta, N##_add(N##_root(squares), N##_all(eps)));                           \
            V now = N##_sub(w, N##_mul(step, q));                                                            \
            if (drawn) {                                                                                     \
                const V most = N##_mul(step, l1);                                                            \
                now = N##_soft(now, most, N##_sub(none, most));                                              \
            }                                                                                                \
            N##_store(v + at, squares);                                                                      \
            N##_store(W + at, now);                                                                          \
            if (A)                                                                                           \
                N##_store(A + at, N##_add(N##_load(A + at), N##_sub(N##_mul(N##_load(R + MORE * S), now),    \
                                                                    N##_mul(N##_load(R + PAST * S), N##_sub(now, w))))); \
            if (paid) N##_store(paid + at, N##_max(N##_load(paid + at), N##_load(R + NOW_OWED * S)));        \
        }                                                                                                    \
    }                                                                                                        \
    /* What the features of a row owe before it. */                                                          \
    static inline void N##_late_along_##LAYOUT(const INDEX *restrict ix, ptrdiff_t n, T *restrict W, const T *restrict v, \
                                               T *restrict paid, ptrdiff_t S, const T *restrict owed, T eps) { \
        const V all = N##_load(owed), none = N##_zero();                                                     \
        ptrdiff_t k;                                                                                         \
        (void)ix;                                                                                            \
        for (k = 0; k < n; k++) {                                                                            \
            const ptrdiff_t at = (AT) * S;                                                                   \
            const V due = N##_max(N##_sub(all, N##_load(paid + at)), none);                                  \
            const V most = N##_div(due, N##_add(N##_root(N##_load(v + at)), N##_all(eps)));                  \
            N##_store(W + at, N##_soft(N##_load(W + at), most, N##_sub(none, most)));                        \
            N##_store(paid + at, N##_max(N##_load(paid + at), all));                                         \
        }                                                                                                    \
    }
#define FASTSGD_ADAGRAD_LAYOUTS(T, V, N, L)                                                                  \
    FASTSGD_ADAGRAD_ALONG(T, V, N, L, dense, int32_t, k)                                                     \
    FASTSGD_ADAGRAD_ALONG(T, V, N, L, csr32, int32_t, (ptrdiff_t)ix[k])                                      \
    FASTSGD_ADAGRAD_ALONG(T, V, N, L, csr64, int64_t, (ptrdiff_t)ix[k])
FASTSGD_ADAGRAD_LAYOUTS(float, f4, f4, 4)
FASTSGD_ADAGRAD_LAYOUTS(double, d4, d4, 4)
#ifdef FASTSGD_F8
FASTSGD_ADAGRAD_LAYOUTS(float, f8, f8, 8)
#endif

#define FASTSGD_ADAGRAD(T, N, B, L, LAYOUT, INDEX)                                                           \
    static void N##_adagrad_##LAYOUT(const T *restrict x, const INDEX *restrict ix, ptrdiff_t n, T *restrict W, \
                                     T *restrict v, T *restrict A, T *restrict paid, ptrdiff_t S, const T *restrict R, T eps) { \
        ptrdiff_t h = 0;                                                                                     \
        for (; h + L <= S; h += L)                                                                           \
            B##_adagrad_along_##LAYOUT(x, ix, n, W + h, v + h, A ? A + h : A, paid ? paid + h : paid, S, R + h, eps); \
        for (; h < S; h += 4)                                                                                \
            N##_adagrad_along_##LAYOUT(x, ix, n, W + h, v + h, A ? A + h : A, paid ? paid + h : paid, S, R + h, eps); \
    }                                                                                                        \
    static void N##_late_##LAYOUT(const INDEX *restrict ix, ptrdiff_t n, T *restrict W, const T *restrict v, \
                                  T *restrict paid, ptrdiff_t S, const T *restrict owed, T eps) {            \
        ptrdiff_t h = 0;                                                                                     \
        for (; h + L <= S; h += L) B##_late_along_##LAYOUT(ix, n, W + h, v + h, paid + h, S, owed + h, eps); \
        for (; h < S; h += 4) N##_late_along_##LAYOUT(ix, n, W + h, v + h, paid + h, S, owed + h, eps);      \
    }
#ifdef FASTSGD_F8
FASTSGD_ADAGRAD(float, f4, f8, 8, dense, int32_t)
FASTSGD_ADAGRAD(float, f4, f8, 8, csr32, int32_t)
FASTSGD_ADAGRAD(float, f4, f8, 8, csr64, int64_t)
#else
FASTSGD_ADAGRAD(float, f4, f4, 4, dense, int32_t)
FASTSGD_ADAGRAD(float, f4, f4, 4, csr32, int32_t)
FASTSGD_ADAGRAD(float, f4, f4, 4, csr64, int64_t)
#endif
FASTSGD_ADAGRAD(double, d4, d4, 4, dense, int32_t)
FASTSGD_ADAGRAD(double, d4, d4, 4, csr32, int32_t)
FASTSGD_ADAGRAD(double, d4, d4, 4, csr64, int64_t)

#endif
