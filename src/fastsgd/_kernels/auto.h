/* Along one row of learning_rate="auto" on CSR, see auto_csr.pxi. A weight is a record of eight numbers: three weights, one of each
 * rule; the average of one of them; and of the rows that have the feature the sum of the squared values, the number and the sum
 * of the squared slopes, each times the weights of the rows. Values are in units of a power of two, the last of the eight, in which
 * the first one was between 1 and 2: so their squares are numbers whatever they are, and weights are in these units too. */
#ifndef FASTSGD_AUTO_H
#define FASTSGD_AUTO_H
#include <math.h>
#include <stdint.h>
#include <string.h>
#include "lanes.h"

enum { FASTSGD_AVERAGE = 3, FASTSGD_SQUARES, FASTSGD_VISITS, FASTSGD_SLOPES, FASTSGD_UNIT, FASTSGD_RECORD };
enum { FASTSGD_EARLY = 16, FASTSGD_FAR = 4, FASTSGD_CLIP = 300 }; /* visits; root mean squares */
/* What is kept of four values between `gather` and `move`: the eight numbers of each, and these. */
enum { FASTSGD_VALUE = FASTSGD_RECORD, FASTSGD_SHARE, FASTSGD_PER, FASTSGD_ROOM = FASTSGD_PER + 3 };

/* Of one row and head.
 *   c, added     the row's weight over the mean weight; the same in units of the sums, which grow where older rows fade
 *   faded        1 over these units
 *   t            the rows so far, or where older ones fade, what is left of them
 *   curve, prior of P of the filter, the factors of the sum of squares and of the mean square
 *   start, per   of P of the other rules, see auto_csr.pxi
 *   l1, l2       the penalty
 *   next, n_next the indices of the row that comes next, whose records are fetched meanwhile: those of many features lie in
 *                memory that no cache holds
 *   averaged     which of the first two weights is averaged */
typedef struct {
    double c, added, faded, t, curve, prior, start[2], per[2], l1, l2;
    const void *next;
    ptrdiff_t n_next;
    int averaged;
} Visit;

#if defined(__GNUC__) || defined(__clang__)
#define FASTSGD_SOON(p) __builtin_prefetch(p, 1, 3)
#define FASTSGD_INLINE static inline __attribute__((always_inline))
#else
#define FASTSGD_SOON(p) ((void)(p))
#define FASTSGD_INLINE static inline
#endif

/* The records of as many values as a vector has lanes, as the columns of a matrix whose rows are its vectors; and back. */
#define FASTSGD_COLUMNS(T, V, N)                                                                                                    \
    static inline void N##_columns(T **w, V *a) {                                                                                   \
        for (int r = 0; r < 4; r++) a[r] = N##_load(w[r]), a[4 + r] = N##_load(w[r] + 4);                                           \
        N##_turn(a), N##_turn(a + 4);                                                                                               \
    }                                                                                                                               \
    static inline void N##_back(V *a, T **w) {                                                                                      \
        N##_turn(a), N##_turn(a + 4);                                                                                               \
        for (int r = 0; r < 4; r++) N##_store(w[r], a[r]), N##_store(w[r] + 4, a[4 + r]);                                           \
    }
#define FASTSGD_SUMS(N)                                                                                                             \
    static inline void N##_sums(N *a, double *z, double *sizes) {                                                                   \
        for (int r = 0; r < 4; r++) z[r] += N##_sum(a[r]);                                                                          \
        for (int r = 0; r < 3; r++) sizes[r] += N##_sum(a[4 + r]);                                                                  \
    }
#if defined(__AVX2__)
static inline void d4_turn(d4 *a) {
    const __m256d b = _mm256_unpacklo_pd((__m256d)a[0], (__m256d)a[1]), c = _mm256_unpackhi_pd((__m256d)a[0], (__m256d)a[1]);
    const __m256d d = _mm256_unpacklo_pd((__m256d)a[2], (__m256d)a[3]), e = _mm256_unpackhi_pd((__m256d)a[2], (__m256d)a[3]);
    a[0] = (d4)_mm256_permute2f128_pd(b, d, 0x20), a[1] = (d4)_mm256_permute2f128_pd(c, e, 0x20);
    a[2] = (d4)_mm256_permute2f128_pd(b, d, 0x31), a[3] = (d4)_mm256_permute2f128_pd(c, e, 0x31);
}
static inline void f8_turn(f8 *a) {
    __m256 b[8], c[8];
    for (int r = 0; r < 8; r += 2)
        b[r] = _mm256_unpacklo_ps((__m256)a[r], (__m256)a[r + 1]), b[r + 1] = _mm256_unpackhi_ps((__m256)a[r], (__m256)a[r + 1]);
    for (int r = 0; r < 8; r += 4) {
        c[r] = _mm256_shuffle_ps(b[r], b[r + 2], 0x44), c[r + 1] = _mm256_shuffle_ps(b[r], b[r + 2], 0xEE);
        c[r + 2] = _mm256_shuffle_ps(b[r + 1], b[r + 3], 0x44), c[r + 3] = _mm256_shuffle_ps(b[r + 1], b[r + 3], 0xEE);
    }
    for (int r = 0; r < 4; r++)
        a[r] = (f8)_mm256_permute2f128_ps(c[r], c[r + 4], 0x20), a[r + 4] = (f8)_mm256_permute2f128_ps(c[r], c[r + 4], 0x31);
}
static inline void f8_columns(float **w, f8 *a) {
    for (int r = 0; r < 8; r++) a[r] = f8_load(w[r]);
    f8_turn(a);
}
static inline void f8_back(f8 *a, float **w) {
    f8_turn(a);
    for (int r = 0; r < 8; r++) f8_store(w[r], a[r]);
}
/* Add the sums of four vectors to z, and of three more to `sizes`: eight at once, as their lanes come together in pairs. */
FASTSGD_INLINE void f8_sums(f8 *a, double *z, double *sizes) {
    __m256 b[4];
    __m128 c[2];
    double rest[4];
    for (int r = 0; r < 4; r++) b[r] = _mm256_hadd_ps((__m256)a[2 * r], (__m256)a[2 * r + 1]);
    for (int r = 0; r < 2; r++) {
        b[r] = _mm256_hadd_ps(b[2 * r], b[2 * r + 1]);
        c[r] = _mm_add_ps(_mm256_castps256_ps128(b[r]), _mm256_extractf128_ps(b[r], 1));
    }
    _mm256_storeu_pd(z, _mm256_add_pd(_mm256_loadu_pd(z), _mm256_cvtps_pd(c[0])));
    _mm256_storeu_pd(rest, _mm256_cvtps_pd(c[1]));
    for (int r = 0; r < 3; r++) sizes[r] += rest[r];
}
/* The first n of eight, or four, values; 0 for the others, which are not touched. */
static inline f8 f8_load_some(const float *x, int n) {
    static const int32_t there[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    return (f8)_mm256_maskload_ps(x, _mm256_loadu_si256((const __m256i *)(there + 8 - n)));
}
static inline d4 d4_load_some(const double *x, int n) {
    static const int64_t there[8] = {-1, -1, -1, -1};
    return (d4)_mm256_maskload_pd(x, _mm256_loadu_si256((const __m256i *)(there + 4 - n)));
}
#else
#define FASTSGD_TURN(V, N)                                                                                                          \
    static inline void N##_turn(V *a) {                                                                                             \
        const V b = a[0], c = a[1], d = a[2], e = a[3];                                                                             \
        a[0] = N##_set(FASTSGD_LANE(b, 0), FASTSGD_LANE(c, 0), FASTSGD_LANE(d, 0), FASTSGD_LANE(e, 0));                             \
        a[1] = N##_set(FASTSGD_LANE(b, 1), FASTSGD_LANE(c, 1), FASTSGD_LANE(d, 1), FASTSGD_LANE(e, 1));                             \
        a[2] = N##_set(FASTSGD_LANE(b, 2), FASTSGD_LANE(c, 2), FASTSGD_LANE(d, 2), FASTSGD_LANE(e, 2));                             \
        a[3] = N##_set(FASTSGD_LANE(b, 3), FASTSGD_LANE(c, 3), FASTSGD_LANE(d, 3), FASTSGD_LANE(e, 3));                             \
    }
FASTSGD_TURN(f4, f4)
FASTSGD_TURN(d4, d4)
FASTSGD_COLUMNS(float, f4, f4)
#define FASTSGD_LOAD_SOME(T, N)                                                                                                     \
    static inline N N##_load_some(const T *x, int n) {                                                                              \
        T v[4] = {0};                                                                                                               \
        for (int r = 0; r < n; r++) v[r] = x[r];                                                                                    \
        return N##_load(v);                                                                                                         \
    }
FASTSGD_LOAD_SOME(float, f4)
FASTSGD_LOAD_SOME(double, d4)
FASTSGD_SUMS(f4)
#endif
FASTSGD_COLUMNS(double, d4, d4)
FASTSGD_SUMS(d4)

#define FASTSGD_AUTO(T, V, N, I, NAME, LANES, TINY, HUGE, SQRT, EXPONENT)                                                           \
    /* The records of LANES values, or of those that are left: then the others are `none`. */                                       \
    static inline void at_##NAME(const I *ix, ptrdiff_t left, T *W, ptrdiff_t stride, T *none, T **w) {                             \
        for (int r = 0; r < LANES; r++) w[r] = r < left ? W + (ptrdiff_t)ix[r] * stride : none;                                     \
    }                                                                                                                               \
    /* What is not as it was so far. A first value sets the unit. Early on a value far larger than those before it is taken         \
     * as it is, and later as FASTSGD_CLIP root mean squares, so that no row can ruin a scale; the weights shrink: they stay        \
     * what they are in units of the root mean square. Returns the value as it is to count, in units of the record. */              \
    static inline T unusual_##NAME(T x, T *w, const Visit *g) {                                                                     \
        T size = x < 0 ? -x : x, less = 1, n = w[FASTSGD_VISITS] * (T)g->faded, S = w[FASTSGD_SQUARES] * (T)g->faded;               \
        if (w[FASTSGD_UNIT] == 0) {                                                                                                 \
            int e = -EXPONENT;                                                                                                      \
            if (size > 0) e = -ilogb(size);                                                                                         \
            w[FASTSGD_UNIT] = (T)ldexp(1, e > EXPONENT ? EXPONENT : e < -EXPONENT ? -EXPONENT : e);                                 \
            if (size == 0) w[FASTSGD_UNIT] = 0;                                                                                     \
            return x * w[FASTSGD_UNIT];                                                                                             \
        }                                                                                                                           \
        size *= w[FASTSGD_UNIT];                                                                                                    \
        if (!(size * size * n > FASTSGD_FAR * FASTSGD_FAR * S)) return x * w[FASTSGD_UNIT];                                         \
        if (n + (T)g->c <= FASTSGD_EARLY) {                                                                                         \
            T both, before = S;                                                                                                     \
            if (!(size < (T)1e10)) { /* Its square may be no number in this unit: it sets another, where those before are 0. */     \
                const int e = -ilogb(x);                                                                                            \
                w[FASTSGD_UNIT] = (T)ldexp(1, e > EXPONENT ? EXPONENT : e < -EXPONENT ? -EXPONENT : e);                             \
                size = (x < 0 ? -x : x) * w[FASTSGD_UNIT], S = 0;                                                                   \
            }                                                                                                                       \
            both = (T)0.5 * (S + size * size * n);                                                                                  \
            less = SQRT(before / both), w[FASTSGD_SQUARES] = both * (T)(g->added / g->c);                                           \
        } else {                                                                                                                    \
            const T rms = SQRT(S / n);                                                                                              \
            if (size > FASTSGD_CLIP * rms) size = FASTSGD_CLIP * rms;                                                               \
            less = 1 / SQRT(1 + (size / rms * (size / rms) - 1) * (T)g->c / (n + (T)g->c));                                         \
        }                                                                                                                           \
        for (int r = 0; r <= FASTSGD_AVERAGE; r++) w[r] *= less;                                                                    \
        return x < 0 ? -size : size;                                                                                                \
    }                                                                                                                               \
    /* Apart, as calls in a loop cost it its registers. */                                                                          \
    FASTSGD_APART static void unusual_ones_##NAME(T *x, const I *ix, ptrdiff_t n, T *W, ptrdiff_t stride, const Visit *g) {         \
        for (ptrdiff_t r = 0; r < n; r++) x[r] = unusual_##NAME(x[r], W + (ptrdiff_t)ix[r] * stride, g);                            \
    }                                                                                                                               \
    /* What a visit pays of L2: in the first pass that of its row, later that of the rows for which it stands. */                   \
    static inline V owed_##NAME(const Visit *g, V share, V u, int rules) {                                                          \
        const V l2 = N##_all((T)(rules > 1 ? g->c * g->l2 : g->t / g->c * g->l2)), most = N##_all((T)(HUGE / 4));                   \
        return N##_min(N##_mul(N##_mul(l2, u), rules > 1 ? u : N##_mul(u, share)), most);                                           \
    }                                                                                                                               \
    /* Of a row, the same for all its values. */                                                                                    \
    typedef struct {                                                                                                                \
        V row, curve, prior, faded, start[2], per_mean[2];                                                                          \
    } Row_##NAME;                                                                                                                   \
    /* A group of values, `left` of which are there, of gather_rules; `next` are the `ahead` indices whose records are fetched. */  \
    FASTSGD_INLINE void gather_group_##NAME(const T *x, const I *ix, ptrdiff_t left, T *W, ptrdiff_t stride, const Visit *g,        \
                                           const Row_##NAME *R, const I *next, ptrdiff_t ahead, T *room, V *sums, int rules) {      \
        V x4, x2, share, mean, owed = N##_all((T)TINY), per, a[FASTSGD_RECORD];                                                     \
        T none[FASTSGD_RECORD] = {0, 0, 0, 0, 0, 0, 0, 1}, *w[LANES];                                                               \
        at_##NAME(ix, left, W, stride, none, w), N##_columns(w, a);                                                                 \
        if (ahead >= LANES) for (int r = 0; r < LANES; r++) FASTSGD_SOON(W + (ptrdiff_t)next[r] * stride);                          \
        x4 = N##_mul(left < LANES ? N##_load_some(x, (int)left) : N##_load(x), a[FASTSGD_UNIT]);                                    \
        if (!N##_all_within(N##_mul(N##_mul(x4, x4), a[FASTSGD_VISITS]),                                                            \
                            N##_mul(N##_all(FASTSGD_FAR * FASTSGD_FAR), a[FASTSGD_SQUARES]), a[FASTSGD_UNIT], 0, HUGE)) {           \
            T v[LANES] = {0};                                                                                                       \
            for (int r = 0; r < LANES && r < left; r++) v[r] = x[r];                                                                \
            unusual_ones_##NAME(v, ix, left < LANES ? left : LANES, W, stride, g);                                                  \
            at_##NAME(ix, left, W, stride, none, w), N##_columns(w, a);                                                             \
            x4 = N##_load(v);                                                                                                       \
        }                                                                                                                           \
        x2 = N##_mul(x4, x4);                                                                                                       \
        a[FASTSGD_VISITS] = N##_add(a[FASTSGD_VISITS], R->row);                                                                     \
        a[FASTSGD_SQUARES] = N##_add(a[FASTSGD_SQUARES], N##_mul(R->row, x2));                                                      \
        share = N##_div(R->row, a[FASTSGD_VISITS]), mean = N##_mul(a[FASTSGD_SQUARES], share);                                      \
        if (g->l2 > 0) owed = N##_add(owed, owed_##NAME(g, share, a[FASTSGD_UNIT], rules));                                         \
        per = N##_add(owed, N##_add(N##_mul(R->curve, a[FASTSGD_SQUARES]), N##_mul(R->prior, mean)));                               \
        per = N##_div(N##_all(1), per);                                                                                             \
        N##_store(room + LANES * FASTSGD_PER, per), sums[4] = N##_add(sums[4], N##_mul(x2, per));                                   \
        for (int r = 0; r < rules - 1; r++) {                                                                                       \
            const V root = N##_min(N##_root(N##_add(R->start[r], N##_mul(a[FASTSGD_SLOPES], R->faded))), N##_all((T)HUGE));         \
            per = N##_div(N##_all(1), N##_add(owed, N##_mul(N##_mul(R->per_mean[r], mean), root)));                                 \
            N##_store(room + LANES * (FASTSGD_PER + 1 + r), per), sums[5 + r] = N##_add(sums[5 + r], N##_mul(x2, per));             \
        }                                                                                                                           \
        for (int r = 0; r < 4; r++) sums[r] = N##_add(sums[r], N##_mul(x4, a[r]));                                                  \
        for (int r = 0; r < FASTSGD_RECORD; r++) N##_store(room + LANES * r, a[r]);                                                 \
        N##_store(room + LANES * FASTSGD_VALUE, x4), N##_store(room + LANES * FASTSGD_SHARE, share);                                \
    }                                                                                                                               \
    /* Bring the records together in `room`, with the row counted in them, and 1 / (P + owed) of each rule; z += x w, of each       \
     * weight and the average; sizes += x^2 / (P + owed). */                                                                        \
    static inline void gather_rules_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g,          \
                                           T *room, double *z, double *sizes, int rules) {                                          \
        const Row_##NAME R = {N##_all((T)g->added), N##_all((T)(g->curve * g->faded)), N##_all((T)(g->prior / g->added)),           \
                              N##_all((T)g->faded), {N##_all((T)g->start[0]), N##_all((T)g->start[1])},                             \
                              {N##_all((T)(g->per[0] / g->added)), N##_all((T)(g->per[1] / g->added))}};                            \
        const I *next = g->n_next ? (const I *)g->next : ix; /* no arithmetic on what is no array */                                \
        const ptrdiff_t full = nnz / LANES * LANES, groups = g->n_next < nnz ? g->n_next / LANES * LANES : full;                    \
        V sums[8] = {N##_zero(), N##_zero(), N##_zero(), N##_zero(), N##_zero(), N##_zero(), N##_zero(), N##_zero()};               \
        for (ptrdiff_t k = groups; k < g->n_next; k++) FASTSGD_SOON(W + (ptrdiff_t)next[k] * stride);                               \
        for (ptrdiff_t i = 0; i < full; i += LANES, room += LANES * FASTSGD_ROOM)                                                   \
            gather_group_##NAME(x + i, ix + i, LANES, W, stride, g, &R, next + i, groups - i, room, sums, rules);                   \
        if (full < nnz)                                                                                                             \
            gather_group_##NAME(x + full, ix + full, nnz - full, W, stride, g, &R, next, 0, room, sums, rules);                     \
        N##_sums(sums, z, sizes);                                                                                                   \
    }                                                                                                                               \
    static void gather_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g, T *room, double *z,   \
                              double *sizes) {                                                                                      \
        gather_rules_##NAME(x, ix, nnz, W, stride, g, room, z, sizes, 3);                                                           \
    }                                                                                                                               \
    static void gather_one_##NAME(const T *x, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const Visit *g, T *room,          \
                                  double *z, double *sizes) {                                                                       \
        gather_rules_##NAME(x, ix, nnz, W, stride, g, room, z, sizes, 1);                                                           \
    }                                                                                                                               \
    /* A group of values, `left` of which are there, of go. */                                                                      \
    FASTSGD_INLINE void go_group_##NAME(const Visit *g, const I *ix, ptrdiff_t left, T *W, ptrdiff_t stride, const T *room,         \
                                       const double *steps, V slope, int rules) {                                                   \
        const T rows = (T)(g->l1 * g->t / g->c), most = (T)(g->l1 * (0.1 * g->t + 1)); /* of each visit, times L1 */                \
        const V three = N##_all(3), zero = N##_zero(), u = N##_load(room + LANES * FASTSGD_UNIT);                                   \
        const V x = N##_load(room + LANES * FASTSGD_VALUE), share = N##_load(room + LANES * FASTSGD_SHARE);                         \
        const V part = N##_mul(share, N##_sub(three, N##_mul(share, N##_sub(three, share))));                                       \
        V a[FASTSGD_RECORD], owed = zero, off = zero, now;                                                                          \
        T none[FASTSGD_RECORD], *w[LANES];                                                                                          \
        at_##NAME(ix, left, W, stride, none, w);                                                                                    \
        for (int r = 0; r < FASTSGD_RECORD; r++) a[r] = N##_load(room + LANES * r);                                                 \
        if (g->l2 > 0) owed = owed_##NAME(g, share, u, rules);                                                                      \
        if (g->l1 > 0) off = N##_mul(N##_min(N##_mul(N##_all(rows), share), N##_all(most)), u);                                     \
        for (int r = 0; r < rules; r++) {                                                                                           \
            const V per = N##_load(room + LANES * (FASTSGD_PER + r));                                                               \
            now = N##_mul(N##_all((T)steps[r]), x);                                                                                 \
            if (g->l2 > 0) now = N##_sub(now, N##_mul(owed, a[r]));                                                                 \
            a[r] = N##_add(a[r], N##_mul(now, per));                                                                                \
            if (g->l1 > 0) {                                                                                                        \
                const V t = N##_mul(off, per);                                                                                      \
                a[r] = N##_sub(a[r], N##_max(N##_min(a[r], t), N##_sub(zero, t)));                                                  \
            }                                                                                                                       \
        }                                                                                                                           \
        a[FASTSGD_SLOPES] = N##_add(a[FASTSGD_SLOPES], slope);                                                                      \
        now = N##_sub(g->averaged ? a[1] : a[0], a[FASTSGD_AVERAGE]);                                                               \
        a[FASTSGD_AVERAGE] = N##_add(a[FASTSGD_AVERAGE], N##_mul(part, now));                                                       \
        N##_back(a, w);                                                                                                             \
    }                                                                                                                               \
    /* w <- S(w + (a x - owed w) / (P + owed), l1 / P): a step of each rule, and its penalty; the average; and the records          \
     * back to where they are. */                                                                                                   \
    static inline void go_##NAME(const Visit *g, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *room,                 \
                                 const double *steps, double squared_slope, int rules) {                                            \
        const V slope = N##_all((T)(g->added * squared_slope));                                                                     \
        const ptrdiff_t full = nnz / LANES * LANES;                                                                                 \
        for (ptrdiff_t i = 0; i < full; i += LANES, room += LANES * FASTSGD_ROOM)                                                   \
            go_group_##NAME(g, ix + i, LANES, W, stride, room, steps, slope, rules);                                                \
        if (full < nnz) go_group_##NAME(g, ix + full, nnz - full, W, stride, room, steps, slope, rules);                            \
    }                                                                                                                               \
    static void move_##NAME(const Visit *g, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *room,                      \
                            const double *steps, double squared_slope) {                                                            \
        go_##NAME(g, ix, nnz, W, stride, room, steps, squared_slope, 3);                                                            \
    }                                                                                                                               \
    static void move_one_##NAME(const Visit *g, const I *ix, ptrdiff_t nnz, T *W, ptrdiff_t stride, const T *room,                  \
                                const double *steps, double squared_slope) {                                                        \
        go_##NAME(g, ix, nnz, W, stride, room, steps, squared_slope, 1);                                                            \
    }
#ifdef FASTSGD_F8
FASTSGD_AUTO(float, f8, f8, int32_t, f4_i32, 8, 1e-37, 1e38, sqrtf, 120)
FASTSGD_AUTO(float, f8, f8, int64_t, f4_i64, 8, 1e-37, 1e38, sqrtf, 120)
#else
FASTSGD_AUTO(float, f4, f4, int32_t, f4_i32, 4, 1e-37, 1e38, sqrtf, 120)
FASTSGD_AUTO(float, f4, f4, int64_t, f4_i64, 4, 1e-37, 1e38, sqrtf, 120)
#endif
FASTSGD_AUTO(double, d4, d4, int32_t, d4_i32, 4, 1e-300, 1e300, sqrt, 1000)
FASTSGD_AUTO(double, d4, d4, int64_t, d4_i64, 4, 1e-300, 1e300, sqrt, 1000)

#endif
