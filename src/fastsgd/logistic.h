/* Value and slope of the logistic losses: for many predictions at once, in a form that compilers vectorise, and for the
   one that a row waits for. No parameters. */
#ifndef FASTSGD_LOGISTIC_H
#define FASTSGD_LOGISTIC_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__) && __GNUC__ >= 12
#define FASTSGD_CLONES /* which take glibc */ __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FASTSGD_CLONES
#endif

/* v, computed as it is written: where the compiler was told that it may reorder sums, it makes one long chain of a short tree. */
static inline double fastsgd_kept(double v) {
#if defined(FASTSGD_REORDERED) && defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(FASTSGD_REORDERED) && defined(__aarch64__)
    __asm__("" : "+w"(v));
#elif defined(FASTSGD_REORDERED)
    __asm__("" : "+m"(v));
#endif
    return v;
}

/* exp(x), |x| <= 708: 2^k times the Taylor series of exp on [-log(2)/2, log(2)/2], good to 1 ulp. Adding 1.5 * 2^52 rounds
   to k, which is then in the lowest bits: quicker than conversions. */
static inline double fastsgd_exp(double x) {
    const double shift = 6755399441055744.0;
    union { uint64_t i; double x; } shifted, two_k;
    shifted.x = fastsgd_kept(x * 1.4426950408889634074 + shift);
    const double k = shifted.x - shift;
    const double r = fastsgd_kept(x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    const double r2 = fastsgd_kept(r * r), r4 = fastsgd_kept(r2 * r2); /* Estrin's scheme: short chains */
    const double a = fastsgd_kept((1.0 + r) + r2 * (0.5 + r * (1.0 / 6.0)));
    const double b = fastsgd_kept((1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0)));
    const double c = fastsgd_kept((1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0)));
    const double d = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0);
    const double s = fastsgd_kept(a + r4 * b) + r4 * r4 * fastsgd_kept(c + r4 * d);
    two_k.i = (shifted.i + 1023) << 52;
    return s * two_k.x;
}

static inline double fastsgd_between(double low, double x, double high) {
    x = x > low ? x : low;
    return x < high ? x : high;
}

/* log(1 + min(E, 1 / E)), E >= 0: 2 atanh(q) by its series, good to 4 ulp. */
static inline double fastsgd_log1p(double E) {
    const double q = (E < 1.0 ? E : 1.0) / ((1.0 + E) + (E > 1.0 ? E : 1.0)), v = q * q;
    const double v2 = v * v, v4 = v2 * v2, v8 = v4 * v4;
    const double a = (1.0 + v * (1.0 / 3.0)) + v2 * (1.0 / 5.0 + v * (1.0 / 7.0));
    const double b = (1.0 / 9.0 + v * (1.0 / 11.0)) + v2 * (1.0 / 13.0 + v * (1.0 / 15.0));
    const double c = (1.0 / 17.0 + v * (1.0 / 19.0)) + v2 * (1.0 / 21.0 + v * (1.0 / 23.0));
    const double d = (1.0 / 25.0 + v * (1.0 / 27.0)) + v2 * (1.0 / 29.0 + v * (1.0 / 31.0));
    const double s = (a + v4 * b) + v8 * (c + v4 * d);
    return 2.0 * q * s;
}

/* The slope of log(1 + exp(p)) - y p, which is max(p, 0) - y p + log(one_plus_e), 1 <= one_plus_e <= 2. After the exp,
   an addition and a division are all that is left. */
static inline double fastsgd_logistic_slope(double p, double y, double *one_plus_e) {
    const double m = -fabs(p), e = fastsgd_exp(m > -708.0 ? m : -708.0);
    const double a = p > 0 ? -y : 1.0 - y, b = p > 0 ? 1.0 - y : -y;
    *one_plus_e = 1.0 + e;
    return (a * e + b) / (1.0 + e);
}

/* Of one. */
static inline double fastsgd_logistic_value(double p, double y) {
    return 0.5 * (p + fabs(p)) - y * p + fastsgd_log1p(fastsgd_exp(fastsgd_between(-708.0, -fabs(p), 0.0)));
}

FASTSGD_CLONES
static void fastsgd_logistic(ptrdiff_t n, const double *restrict p, const double *restrict y, double *restrict value,
                             double *restrict slope, const double *par) {
    (void)par;
    for (ptrdiff_t i = 0; i < n; i++) slope[i] = fastsgd_between(-708.0, p[i], 708.0);
    for (ptrdiff_t i = 0; i < n; i++) slope[i] = fastsgd_exp(slope[i]);
    for (ptrdiff_t i = 0; i < n; i++) { /* three loops: in one, the compiler finds branches, and does not vectorise */
        const double E = slope[i];
        value[i] = 0.5 * (p[i] + fabs(p[i])) - y[i] * p[i] + fastsgd_log1p(E);
        slope[i] = ((1.0 - y[i]) * E - y[i]) / (1.0 + E);
    }
}

/* The n heads of one row, y a distribution over them: value_k = -y_k log q_k, slope_k = q_k - y_k, q = softmax(p). */
FASTSGD_CLONES
static void fastsgd_softmax(ptrdiff_t n, const double *restrict p, const double *restrict y, double *restrict value,
                            double *restrict slope, const double *par) {
    double top = p[0], sum = 0.0, log_sum, per_sum;
    (void)par;
    for (ptrdiff_t i = 1; i < n; i++) top = p[i] > top ? p[i] : top;
    for (ptrdiff_t i = 0; i < n; i++) {
        const double m = p[i] - top;
        slope[i] = m > -708.0 ? m : -708.0;
    }
    for (ptrdiff_t i = 0; i < n; i++) slope[i] = fastsgd_exp(slope[i]);
    for (ptrdiff_t i = 0; i < n; i++) sum += slope[i];
    log_sum = log(sum);
    per_sum = 1.0 / sum;
    for (ptrdiff_t i = 0; i < n; i++) {
        value[i] = y[i] * (log_sum + (top - p[i]));
        slope[i] = slope[i] * per_sum - y[i];
    }
}
#endif
