/* Four numbers at once: in a vector register where the compiler has vector types, else in an array. */
#ifndef FASTSGD_LANES_H
#define FASTSGD_LANES_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* What a step with L1 and L2 is on CSR, see `step_and_pay` in penalty.pxi. */
enum { U0, TAU0, RATE, U, INV, SCALE, TAU, STEP, SMALL_STEP, SMALL_U, TWICE_SMALL_U0, SMALL, PER_SMALL, PAYS };

/* Those of one head in all lanes, or of one head in each lane: arrays of S heads, R being at the first one. */
#define FASTSGD_ONE_HEAD(N, i) N##_all(R[i])
#define FASTSGD_EACH_HEAD(N, i) N##_load(R + (i) * S)

#if defined(__GNUC__) || defined(__clang__)
#define FASTSGD_APART __attribute__((noinline))
#define fastsgd_one_by_one() __asm__ volatile("")
/* gcc takes a function that only prefetches for one without effect, and leaves out the calls of it. */
#define fastsgd_near(p) do { __builtin_prefetch(p, 0, 3); fastsgd_one_by_one(); } while (0)
#define fastsgd_far(p) do { __builtin_prefetch(p, 0, 2); fastsgd_one_by_one(); } while (0)
typedef float f4 __attribute__((vector_size(16), aligned(4)));
typedef double d4 __attribute__((vector_size(32), aligned(8)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef int64_t l4 __attribute__((vector_size(32)));
#define FASTSGD_LANES(T, V, N, I)                                                                            \
    static inline V N##_zero(void) { return (V){0, 0, 0, 0}; }                                              \
    static inline V N##_set(T a, T b, T c, T d) { return (V){a, b, c, d}; }                                  \
    static inline V N##_all(T a) { return (V){a, a, a, a}; }                                                 \
    static inline V N##_twice(V a) { return (V){a[0], a[1], a[0], a[1]}; }                                   \
    static inline T N##_sum(V a) { a += (V){a[2], a[3], a[0], a[1]}; return a[0] + a[1]; }                   \
    FASTSGD_EACH(T, V, N, I)                                                                                 \
    FASTSGD_MOVE(V, N, I, _move, FASTSGD_ONE_HEAD, const T *R)                                               \
    FASTSGD_MOVE(V, N, I, _move_heads, FASTSGD_EACH_HEAD, const T *R, ptrdiff_t S)
/* Lane by lane, of however many. */
#define FASTSGD_EACH(T, V, N, I)                                                                             \
    static inline V N##_sub(V a, V b) { return a - b; }                                                      \
    static inline V N##_mul(V a, V b) { return a * b; }                                                      \
    static inline V N##_div(V a, V b) { return a / b; }                                                      \
    static inline V N##_add(V a, V b) { return a + b; }                                                      \
    static inline V N##_plus(V a, T x, const T *w) { return a + x * *(const V *)w; }                         \
    static inline V N##_times(V a, T x, V w) { return a + x * w; }                                           \
    static inline V N##_load(const T *w) { return *(const V *)w; }                                           \
    static inline void N##_store(T *w, V a) { *(V *)w = a; }                                                \
    static inline V N##_signed(V a, V b) { return (V)((I)a | ((I)b & N##_SIGN)); }                           \
    static inline V N##_abs(V a) { return (V)((I)a & ~N##_SIGN); }                                           \
    static inline V N##_within(V size, V t, V a, V b) { I m = size <= t; return (V)(((I)a & m) | ((I)b & ~m)); } \
    static inline int N##_any_within(V size, V low, V high) { return N##_any((size > low) & (size < high)); } \
    static inline int N##_all_within(V a, V most, V b, T low, T high) {                                      \
        return !N##_any(~((a <= most) & (b > low) & (b < high)));                                            \
    }                                                                                                        \
    static inline int N##_any_below(V a, T low) { return N##_any(a < low); }
#define FASTSGD_MOVE(V, N, I, NAME, AT, ...)                                                                 \
    static inline V N##NAME(V g, V x, __VA_ARGS__, int *stays) {                                             \
        V size = N##_abs(g), now;                                                                            \
        I alive = size > AT(N, TAU0), same;                                                                  \
        now = g + x * (V)(((I)AT(N, STEP) & alive) | ((I)AT(N, SMALL_STEP) & ~alive));                       \
        size = N##_abs(now);                                                                                 \
        same = (((I)now ^ (I)g) >= 0) & (size > AT(N, TAU));                                                 \
        *stays = !N##_any(~((same & alive) | ((size <= AT(N, SMALL_U)) & ~alive)));                          \
        return now;                                                                                          \
    }
#define f4_SIGN ((i4){INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN})
#define d4_SIGN ((l4){INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN})
#if defined(__AVX2__)
#include <immintrin.h>
static inline f4 f4_max(f4 a, f4 b) { return (f4)_mm_max_ps((__m128)a, (__m128)b); }
static inline f4 f4_min(f4 a, f4 b) { return (f4)_mm_min_ps((__m128)a, (__m128)b); }
static inline f4 f4_root(f4 a) { return (f4)_mm_sqrt_ps((__m128)a); }
static inline int f4_any(i4 m) { return _mm_movemask_ps((__m128)m); }
static inline d4 d4_max(d4 a, d4 b) { return (d4)_mm256_max_pd((__m256d)a, (__m256d)b); }
static inline d4 d4_min(d4 a, d4 b) { return (d4)_mm256_min_pd((__m256d)a, (__m256d)b); }
static inline d4 d4_root(d4 a) { return (d4)_mm256_sqrt_pd((__m256d)a); }
static inline int d4_any(l4 m) { return _mm256_movemask_pd((__m256d)m); }
#define FASTSGD_F8
typedef float f8 __attribute__((vector_size(32), aligned(4))); /* for what goes along many heads */
typedef int32_t i8 __attribute__((vector_size(32)));
#define f8_SIGN ((i8)_mm256_set1_epi32(INT32_MIN))
static inline f8 f8_zero(void) { return (f8)_mm256_setzero_ps(); }
static inline f8 f8_all(float a) { return (f8)_mm256_set1_ps(a); }
static inline f8 f8_max(f8 a, f8 b) { return (f8)_mm256_max_ps((__m256)a, (__m256)b); }
static inline f8 f8_min(f8 a, f8 b) { return (f8)_mm256_min_ps((__m256)a, (__m256)b); }
static inline f8 f8_root(f8 a) { return (f8)_mm256_sqrt_ps((__m256)a); }
static inline int f8_any(i8 m) { return _mm256_movemask_ps((__m256)m); }
FASTSGD_EACH(float, f8, f8, i8)
FASTSGD_MOVE(f8, f8, i8, _move_heads, FASTSGD_EACH_HEAD, const float *R, ptrdiff_t S)
#else
#define FASTSGD_MORE_LANES(T, V, N, I, ROOT)                                                                 \
    static inline V N##_max(V a, V b) { I m = a > b; return (V)(((I)a & m) | ((I)b & ~m)); }                 \
    static inline V N##_min(V a, V b) { I m = a < b; return (V)(((I)a & m) | ((I)b & ~m)); }                 \
    static inline V N##_root(V a) { return (V){ROOT(a[0]), ROOT(a[1]), ROOT(a[2]), ROOT(a[3])}; }            \
    static inline int N##_any(I m) { return (m[0] | m[1] | m[2] | m[3]) != 0; }
FASTSGD_MORE_LANES(float, f4, f4, i4, sqrtf)
FASTSGD_MORE_LANES(double, d4, d4, l4, sqrt)
#endif
#define FASTSGD_LANE(a, i) (a)[i]
#else
#define FASTSGD_APART
#define fastsgd_near(p) ((void)(p))
#define fastsgd_far(p) ((void)(p))
#define fastsgd_one_by_one()
typedef struct { float v[4]; } f4;
typedef struct { double v[4]; } d4;
#define FASTSGD_LANES(T, V, N, I)                                                                            \
    static inline V N##_zero(void) { V a = {{0, 0, 0, 0}}; return a; }                                       \
    static inline V N##_set(T a, T b, T c, T d) { V v = {{a, b, c, d}}; return v; }                          \
    static inline V N##_all(T a) { V v = {{a, a, a, a}}; return v; }                                         \
    static inline V N##_twice(V a) { a.v[2] = a.v[0]; a.v[3] = a.v[1]; return a; }                           \
    static inline V N##_sub(V a, V b) { int l; for (l = 0; l < 4; l++) a.v[l] -= b.v[l]; return a; }         \
    static inline V N##_mul(V a, V b) { int l; for (l = 0; l < 4; l++) a.v[l] *= b.v[l]; return a; }         \
    static inline V N##_div(V a, V b) { int l; for (l = 0; l < 4; l++) a.v[l] /= b.v[l]; return a; }         \
    static inline V N##_add(V a, V b) { int l; for (l = 0; l < 4; l++) a.v[l] += b.v[l]; return a; }         \
    static inline V N##_plus(V a, T x, const T *w) { int l; for (l = 0; l < 4; l++) a.v[l] += x * w[l]; return a; } \
    static inline V N##_times(V a, T x, V w) { int l; for (l = 0; l < 4; l++) a.v[l] += x * w.v[l]; return a; } \
    static inline V N##_load(const T *w) { V a; int l; for (l = 0; l < 4; l++) a.v[l] = w[l]; return a; }    \
    static inline T N##_sum(V a) { return (a.v[0] + a.v[2]) + (a.v[1] + a.v[3]); }                           \
    static inline void N##_store(T *w, V a) { int l; for (l = 0; l < 4; l++) w[l] = a.v[l]; }                \
    static inline V N##_max(V a, V b) { int l; for (l = 0; l < 4; l++) if (b.v[l] > a.v[l]) a.v[l] = b.v[l]; return a; } \
    static inline V N##_min(V a, V b) { int l; for (l = 0; l < 4; l++) if (b.v[l] < a.v[l]) a.v[l] = b.v[l]; return a; } \
    static inline V N##_root(V a) { int l; for (l = 0; l < 4; l++) a.v[l] = (T)sqrt(a.v[l]); return a; }     \
    static inline V N##_signed(V a, V b) { int l; for (l = 0; l < 4; l++) if (b.v[l] < 0) a.v[l] = -a.v[l]; return a; } \
    static inline V N##_abs(V a) { int l; for (l = 0; l < 4; l++) if (a.v[l] < 0) a.v[l] = -a.v[l]; return a; } \
    static inline V N##_within(V size, V t, V a, V b) { int l; for (l = 0; l < 4; l++) if (size.v[l] <= t.v[l]) b.v[l] = a.v[l]; return b; } \
    static inline int N##_any_within(V size, V low, V high) {                                                \
        int l, any = 0;                                                                                      \
        for (l = 0; l < 4; l++) any |= size.v[l] > low.v[l] && size.v[l] < high.v[l];                                  \
        return any;                                                                                          \
    }                                                                                                        \
    static inline int N##_all_within(V a, V most, V b, T low, T high) {                                      \
        int l, all = 1;                                                                                      \
        for (l = 0; l < 4; l++) all &= a.v[l] <= most.v[l] && b.v[l] > low && b.v[l] < high;                 \
        return all;                                                                                          \
    }                                                                                                        \
    static inline int N##_any_below(V a, T low) {                                                            \
        int l, any = 0;                                                                                      \
        for (l = 0; l < 4; l++) any |= a.v[l] < low;                                                         \
        return any;                                                                                          \
    }                                                                                                        \
    static inline V N##_move(V g, V x, const T *R, int *stays) { (void)x, (void)R; *stays = 0; return g; }   \
    static inline V N##_move_heads(V g, V x, const T *R, ptrdiff_t S, int *stays) { (void)S; return N##_move(g, x, R, stays); }
#define FASTSGD_LANE(a, i) (a).v[i]
#endif
FASTSGD_LANES(float, f4, f4, i4)
FASTSGD_LANES(double, d4, d4, l4)

/* L1 and L2 on CSR, see penalty.pxi: four numbers after a step, from those before it and the values of the row. `move` is
   for those that stay what they are, weights or zeros, and says whether all four do: then nothing is paid. Of those that have
   become zeros between two visits (|g| < tau0) log(tau0 / |g|) is 4 atanh(s) by its series. */
#define FASTSGD_PAY(T, V, N, NAME, AT, ...)                                                                  \
    FASTSGD_APART static V N##NAME(V g, V x, __VA_ARGS__) {                                                  \
        V size = N##_abs(g), none = N##_zero(), tau0 = AT(N, TAU0), got = AT(N, U0), q, z, w;                \
        if (N##_any_within(size, AT(N, TWICE_SMALL_U0), tau0)) {                                             \
            V a = N##_root(tau0), b = N##_root(size), s = N##_div(N##_sub(a, b), N##_add(a, b)), v;          \
            s = N##_max(s, none);                                                                            \
            v = N##_mul(s, s);                                                                               \
            w = N##_add(N##_all((T)(4.0 / 7)), N##_mul(v, N##_all((T)(4.0 / 9))));                           \
            w = N##_add(N##_all((T)0.8), N##_mul(v, w));                                                     \
            w = N##_add(N##_all((T)(4.0 / 3)), N##_mul(v, w));                                               \
            w = N##_mul(s, N##_add(N##_all(4), N##_mul(v, w)));                                              \
            got = N##_max(N##_sub(got, N##_mul(AT(N, RATE), w)), none);                                      \
        }                                                                                                    \
        q = N##_within(size, AT(N, TWICE_SMALL_U0), N##_mul(g, AT(N, PER_SMALL)), N##_signed(got, g));       \
        z = N##_add(N##_signed(N##_max(N##_sub(size, tau0), none), g), N##_mul(AT(N, STEP), x));             \
        w = N##_max(N##_sub(z, N##_mul(N##_sub(AT(N, U), q), AT(N, INV))), none);                            \
        w = N##_add(w, N##_min(N##_add(z, N##_mul(N##_add(AT(N, U), q), AT(N, INV))), none));                \
        q = N##_mul(AT(N, SMALL), N##_add(q, N##_mul(AT(N, SCALE), N##_sub(z, w))));                         \
        return N##_within(N##_abs(w), none, q, N##_add(w, N##_signed(AT(N, TAU), w)));                       \
    }
#define FASTSGD_SOFT(T, V, N)                                                                                \
    static inline V N##_soft(V a, V t, V minus_t) { return N##_sub(a, N##_max(N##_min(a, t), minus_t)); }    \
    FASTSGD_PAY(T, V, N, _pay_heads, FASTSGD_EACH_HEAD, const T *R, ptrdiff_t S)
#define FASTSGD_PUT(T, V, N)                                                                                 \
    static inline void N##_put(T *a, T *b, T *c, T *d, V v) {                                                \
        *a = FASTSGD_LANE(v, 0), *b = FASTSGD_LANE(v, 1), *c = FASTSGD_LANE(v, 2), *d = FASTSGD_LANE(v, 3);   \
    }                                                                                                        \
    FASTSGD_PAY(T, V, N, _pay, FASTSGD_ONE_HEAD, const T *R)                                                 \
    FASTSGD_SOFT(T, V, N)
FASTSGD_PUT(float, f4, f4)
FASTSGD_PUT(double, d4, d4)
#ifdef FASTSGD_F8
FASTSGD_SOFT(float, f8, f8)
#endif

/* Several sums of four at once, of one number and 4, 8 or 12 weights; and the sum of two such. */
#define FASTSGD_PLUS(T, V, N)                                                                                \
    static inline void N##_plus_all(V *a, T x, const T *w, int fours) {                                      \
        a[0] = N##_plus(a[0], x, w);                                                                         \
        if (fours > 1) a[1] = N##_plus(a[1], x, w + 4);                                                      \
        if (fours > 2) a[2] = N##_plus(a[2], x, w + 8);                                                      \
    }                                                                                                        \
    static inline void N##_add_all(T *w, T x, const V *c, int fours) {                                       \
        N##_store(w, N##_times(N##_load(w), x, c[0]));                                                       \
        if (fours > 1) N##_store(w + 4, N##_times(N##_load(w + 4), x, c[1]));                                \
        if (fours > 2) N##_store(w + 8, N##_times(N##_load(w + 8), x, c[2]));                                \
    }                                                                                                        \
    static inline void N##_store_all(T *z, const V *a, const V *b, int fours) {                              \
        N##_store(z, N##_add(a[0], b[0]));                                                                   \
        if (fours > 1) N##_store(z + 4, N##_add(a[1], b[1]));                                                \
        if (fours > 2) N##_store(z + 8, N##_add(a[2], b[2]));                                                \
    }
FASTSGD_PLUS(float, f4, f4)
FASTSGD_PLUS(double, d4, d4)

/* x . w in 16 independent sums, so that no addition waits for the one before, and in fours; added up as vectors are. */
#define FASTSGD_DOT(T, V, N)                                                                                 \
    static inline T N##_dot(const T *x, const T *w, ptrdiff_t n) {                                           \
        T lane[16] = {0}, rest = 0;                                                                          \
        V few = N##_zero();                                                                                  \
        ptrdiff_t k = 0;                                                                                     \
        int i;                                                                                               \
        for (; k + 16 <= n; k += 16)                                                                         \
            for (i = 0; i < 16; i++) lane[i] += x[k + i] * w[k + i];                                         \
        for (; k + 4 <= n; k += 4) few = N##_add(few, N##_mul(N##_load(x + k), N##_load(w + k)));            \
        for (; k < n; k++) {                                                                                 \
            rest += x[k] * w[k];                                                                             \
            fastsgd_one_by_one();                                                                            \
        }                                                                                                    \
        for (i = 0; i < 16; i += 4) few = N##_add(few, N##_load(lane + i));                                  \
        return rest + N##_sum(few);                                                                          \
    }
FASTSGD_DOT(float, f4, f4)
FASTSGD_DOT(double, d4, d4)

/* x . w, and x . v into `second`: for short rows. Sums of their own, as of an array of lanes twice over gcc makes a mess. */
#define FASTSGD_TWO_DOTS(T, V, N)                                                                            \
    static inline V N##_and(V sum, const T *x, const T *w) { return N##_add(sum, N##_mul(N##_load(x), N##_load(w))); } \
    static inline T N##_two_dots(const T *x, const T *w, const T *v, ptrdiff_t n, double *second) {          \
        V a = N##_zero(), b = a, c = a, d = a, e = a, f = a, g = a, h = a;                                   \
        T one, two;                                                                                          \
        ptrdiff_t k = 0;                                                                                     \
        for (; k + 16 <= n; k += 16) {                                                                       \
            a = N##_and(a, x + k, w + k), e = N##_and(e, x + k, v + k);                                      \
            b = N##_and(b, x + k + 4, w + k + 4), f = N##_and(f, x + k + 4, v + k + 4);                      \
            c = N##_and(c, x + k + 8, w + k + 8), g = N##_and(g, x + k + 8, v + k + 8);                      \
            d = N##_and(d, x + k + 12, w + k + 12), h = N##_and(h, x + k + 12, v + k + 12);                  \
        }                                                                                                    \
        if (k + 8 <= n) {                                                                                    \
            a = N##_and(a, x + k, w + k), e = N##_and(e, x + k, v + k);                                      \
            b = N##_and(b, x + k + 4, w + k + 4), f = N##_and(f, x + k + 4, v + k + 4);                      \
            k += 8;                                                                                          \
        }                                                                                                    \
        if (k + 4 <= n) {                                                                                    \
            c = N##_and(c, x + k, w + k), g = N##_and(g, x + k, v + k);                                      \
            k += 4;                                                                                          \
        }                                                                                                    \
        one = N##_sum(N##_add(N##_add(a, b), N##_add(c, d)));                                                \
        two = N##_sum(N##_add(N##_add(e, f), N##_add(g, h)));                                                \
        for (; k < n; k++) {                                                                                 \
            one += x[k] * w[k];                                                                              \
            two += x[k] * v[k];                                                                              \
            fastsgd_one_by_one();                                                                            \
        }                                                                                                    \
        *second = two;                                                                                       \
        return one;                                                                                          \
    }
FASTSGD_TWO_DOTS(float, f4, f4)
FASTSGD_TWO_DOTS(double, d4, d4)

/* n numbers of the row `soon` to the first cache, and of `next` to the second. */
#define FASTSGD_FETCH(T, N)                                                                                  \
    static inline void N##_fetch(const T *soon, const T *next, ptrdiff_t n) {                                \
        ptrdiff_t i;                                                                                         \
        for (i = 0; i < n; i += 64 / (int)sizeof(T)) {                                                       \
            fastsgd_near(soon + i);                                                                          \
            fastsgd_far(next + i);                                                                           \
        }                                                                                                    \
    }
FASTSGD_FETCH(float, f4)
FASTSGD_FETCH(double, d4)

/* x . w. Meanwhile the rows `soon` and `next` are fetched, `each` numbers with 16 of x: were a wide row asked for at once, its
   lines would wait in a queue, and the row at hand behind them. A function by itself, so that the kernel around it has its
   registers for narrow rows. */
#define FASTSGD_DOT_AND_FETCH(T, N)                                                                          \
    FASTSGD_APART static T N##_dot_and_fetch(const T *x, const T *w, ptrdiff_t n, const T *soon, const T *next, \
                                             ptrdiff_t each) {                                               \
        T lane[16] = {0}, total = 0;                                                                         \
        ptrdiff_t k = 0;                                                                                     \
        int i;                                                                                               \
        for (; k + 16 <= n; k += 16, soon += each, next += each) {                                           \
            N##_fetch(soon, next, each);                                                                     \
            for (i = 0; i < 16; i++) lane[i] += x[k + i] * w[k + i];                                         \
        }                                                                                                    \
        for (i = 0; i < 16; i++) total += lane[i];                                                           \
        return total + N##_dot(x + k, w + k, n - k);                                                         \
    }
FASTSGD_DOT_AND_FETCH(float, f4)
FASTSGD_DOT_AND_FETCH(double, d4)

#endif
