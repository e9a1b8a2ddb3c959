/* Value and slope of the logistic losses for many predictions at once, in a form that compilers vectorise; no parameters. */
#ifndef FASTSGD_LOGISTIC_H
#define FASTSGD_LOGISTIC_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__) && __GNUC__ >= 12
#define FASTSGD_CLONES __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FASTSGD_CLONES
#endif

/* exp(-m), 0 <= m <= 708: 2^k times the Taylor series of exp on [-log(2)/2, log(2)/2], good to 1 ulp. Adding 1.5 * 2^52 rounds
   to k, which is then in the lowest bits: quicker than conversions, and it needs a compiler that keeps to the order of sums. */
static inline double fastsgd_exp_minus(double m) {
    const double shift = 6755399441055744.0;
    union { uint64_t i; double x; } shifted, two_k;
    shifted.x = m * -1.4426950408889634074 + shift;
    const double k = shifted.x - shift;
    const double r = (-m - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    const double r2 = r * r, r4 = r2 * r2; /* Estrin's scheme: short chains */
    const double a = (1.0 + r) + r2 * (0.5 + r * (1.0 / 6.0));
    const double b = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0));
    const double c = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0));
    const double d = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0);
    const double s = (a + r4 * b) + r4 * r4 * (c + r4 * d);
    two_k.i = (shifted.i + 1023) << 52;
    return s * two_k.x;
}

/* log(1 + e), 0 <= e <= 1: 2 atanh(e / (2 + e)) by its series, good to 4 ulp. */
static inline double fastsgd_log1p(double e) {
    const double q = e / (2.0 + e), v = q * q;
    const double v2 = v * v, v4 = v2 * v2, v8 = v4 * v4;
    const double a = (1.0 + v * (1.0 / 3.0)) + v2 * (1.0 / 5.0 + v * (1.0 / 7.0));
    const double b = (1.0 / 9.0 + v * (1.0 / 11.0)) + v2 * (1.0 / 13.0 + v * (1.0 / 15.0));
    const double c = (1.0 / 17.0 + v * (1.0 / 19.0)) + v2 * (1.0 / 21.0 + v * (1.0 / 23.0));
    const double d = (1.0 / 25.0 + v * (1.0 / 27.0)) + v2 * (1.0 / 29.0 + v * (1.0 / 31.0));
    const double s = (a + v4 * b) + v8 * (c + v4 * d);
    return 2.0 * q * s;
}

/* positive ? a : b, without a branch: the sign of a margin can't be foreseen. */
static inline double fastsgd_choose(int positive, double a, double b) {
    union { uint64_t i; double x; } ua, ub;
    const uint64_t mask = -(uint64_t)positive;
    ua.x = a;
    ub.x = b;
    ua.i = (ua.i & mask) | (ub.i & ~mask);
    return ua.x;
}

static inline double fastsgd_logistic_both(double p, double y, double *value) {
    const double m = fabs(p), e = fastsgd_exp_minus(m < 708.0 ? m : 708.0);
    const double up = fastsgd_choose(p > 0, 1.0, e), down = fastsgd_choose(p > 0, e, 1.0);
    *value = (p > 0 ? p : 0.0) - y * p + fastsgd_log1p(e);
    return ((1.0 - y) * up - y * down) / (1.0 + e);
}

/* The slope, and the value. */
FASTSGD_CLONES
static double fastsgd_logistic_one(double p, double y, double *value, const double *par) {
    (void)par;
    return fastsgd_logistic_both(p, y, value);
}

FASTSGD_CLONES
static void fastsgd_logistic(ptrdiff_t n, const double *restrict p, const double *restrict y, double *restrict value,
                             double *restrict slope, const double *par) {
    (void)par;
    for (ptrdiff_t i = 0; i < n; i++) { /* three loops: in one, the compiler finds branches, and does not vectorise */
        const double m = fabs(p[i]);
        slope[i] = m < 708.0 ? m : 708.0;
    }
    for (ptrdiff_t i = 0; i < n; i++) slope[i] = fastsgd_exp_minus(slope[i]);
    for (ptrdiff_t i = 0; i < n; i++) {
        const double z = p[i], e = slope[i], up = z > 0 ? 1.0 : e, down = z > 0 ? e : 1.0;
        value[i] = 0.5 * (z + fabs(z)) - y[i] * z + fastsgd_log1p(e);
        slope[i] = ((1.0 - y[i]) * up - y[i] * down) / (1.0 + e);
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
        const double m = top - p[i];
        slope[i] = m < 708.0 ? m : 708.0;
    }
    for (ptrdiff_t i = 0; i < n; i++) slope[i] = fastsgd_exp_minus(slope[i]);
    for (ptrdiff_t i = 0; i < n; i++) sum += slope[i];
    log_sum = log(sum);
    per_sum = 1.0 / sum;
    for (ptrdiff_t i = 0; i < n; i++) {
        value[i] = y[i] * (log_sum + (top - p[i]));
        slope[i] = slope[i] * per_sum - y[i];
    }
}
#endif
