/* Of the K classes of one row: losses, rates and the implicit step, four classes at a time. Arrays have places for a multiple of
   four; in those that are no class margins are FASTSGD_NO_CLASS, and targets 0. And what a row needs of its columns. */
#ifndef FASTSGD_TOGETHER_H
#define FASTSGD_TOGETHER_H
#include <math.h>
#include <stddef.h>
#include "lanes.h"

#define FASTSGD_NO_CLASS -1e9 /* of which the exponential is nothing, and differences are numbers */
#define FASTSGD_SOLVED 0.03   /* Where all probabilities change by less together the steps are found: left is about the square. */
#define FASTSGD_ROUNDS 30     /* of Newton's method for a step, at most */
#define FASTSGD_JUDGED 11     /* margins of a row that are judged: see fastsgd_judged_margins */

#if defined(__GNUC__) || defined(__clang__)
/* exp(x), |x| <= 708, good to 1e-12: 2^k times a series. */
static inline d4 d4_exp(d4 x) {
    const i4 k = __builtin_convertvector(x * 1.4426950408889634074 + 1024.5, i4) - 1024; /* as of positive numbers it rounds down */
    const d4 r = x - __builtin_convertvector(k, d4) * 6.93147180559945309417e-01, r2 = r * r, r4 = r2 * r2;
    const d4 a = (1.0 + r) + r2 * (0.5 + r * (1.0 / 6.0));
    const d4 b = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0));
    const d4 c = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0);
    return (a + r4 * (b + r4 * c)) * (d4)((__builtin_convertvector(k, l4) + 1023) << 52);
}

/* log(x) of positive numbers, good to 1e-13: of 2^e m, m between the roots of 1/2 and 2, it is e log(2) + 2 atanh(q). */
static inline d4 d4_log(d4 x) {
    const l4 e = ((l4)x - 0x3fe6a09e667f3bcdLL) >> 52;
    const d4 m = (d4)((l4)x - (e << 52)), q = (m - 1.0) / (m + 1.0), v = q * q, v2 = v * v;
    const d4 a = (1.0 + v * (1.0 / 3.0)) + v2 * (1.0 / 5.0 + v * (1.0 / 7.0));
    const d4 b = (1.0 / 9.0 + v * (1.0 / 11.0)) + v2 * (1.0 / 13.0 + v * (1.0 / 15.0));
    return __builtin_convertvector(__builtin_convertvector(e, i4), d4) * 6.93147180559945309417e-01 + 2.0 * q * (a + v2 * v2 * b);
}
#else
static inline d4 d4_exp(d4 a) { for (int l = 0; l < 4; l++) a.v[l] = exp(a.v[l]); return a; }
static inline d4 d4_log(d4 a) { for (int l = 0; l < 4; l++) a.v[l] = log(a.v[l]); return a; }
#endif

static inline double fastsgd_top(d4 a) {
    const double b = FASTSGD_LANE(a, 0), c = FASTSGD_LANE(a, 1), d = FASTSGD_LANE(a, 2), e = FASTSGD_LANE(a, 3);
    const double f = b > c ? b : c, g = d > e ? d : e;
    return f > g ? f : g;
}

/* sum exp(z - top), top being the largest of the n margins; each exp(z - top) goes to q, unless that is NULL. */
static inline double fastsgd_joint_sum(ptrdiff_t n, const double *z, double *q, double *top) {
    const d4 least = d4_all(-600.0); /* Less, over the sum, would be subnormal, which is slow. */
    d4 most = d4_load(z), sum = d4_zero(), e;
    for (ptrdiff_t k = 4; k < n; k += 4) most = d4_max(most, d4_load(z + k));
    *top = fastsgd_top(most), most = d4_all(*top);
    for (ptrdiff_t k = 0; k < n; k += 4) {
        e = d4_exp(d4_max(d4_sub(d4_load(z + k), most), least));
        sum = d4_add(sum, e);
        if (q) d4_store(q + k, e);
    }
    return d4_sum(sum);
}

static inline double fastsgd_joint_product(ptrdiff_t n, const double *x, const double *y) {
    d4 sum = d4_zero();
    for (ptrdiff_t k = 0; k < n; k += 4) sum = d4_add(sum, d4_mul(d4_load(x + k), d4_load(y + k)));
    return d4_sum(sum);
}

/* q = softmax(z) of m models, 1 or 2, and the logarithm of the sum of exp(z) of each. */
static void fastsgd_joint_softmax(int m, ptrdiff_t n, const double *z, double *restrict q, double *restrict total) {
    double top[2], sum[2];
    d4 logs;
    for (int i = 0; i < m; i++) sum[i] = fastsgd_joint_sum(n, z + i * n, q + i * n, top + i);
    logs = d4_log(d4_set(sum[0], sum[m - 1], 1.0, 1.0));
    for (int i = 0; i < m; i++) {
        const d4 per = d4_all(1.0 / sum[i]);
        for (ptrdiff_t k = i * n; k < (i + 1) * n; k += 4) d4_store(q + k, d4_mul(d4_load(q + k), per));
        total[i] = top[i] + (i ? FASTSGD_LANE(logs, 1) : FASTSGD_LANE(logs, 0));
    }
}

/* Margins that are judged, n of each: three candidates, the means of two of them, that of all, the leader of these in part, and
   the constant. */
static void fastsgd_judged_margins(ptrdiff_t n, const double *z, const double *flat, int leader, const double *part,
                                   double *restrict out) {
    for (ptrdiff_t k = 0; k < n; k += 4) {
        const d4 a = d4_load(z + k), b = d4_load(z + n + k), c = d4_load(z + 2 * n + k), f = d4_load(flat + k);
        const d4 half = d4_all(0.5), ab = d4_add(a, b);
        d4 lead;
        d4_store(out + k, a), d4_store(out + n + k, b), d4_store(out + 2 * n + k, c);
        d4_store(out + 3 * n + k, d4_mul(half, ab)), d4_store(out + 4 * n + k, d4_mul(half, d4_add(a, c)));
        d4_store(out + 5 * n + k, d4_mul(half, d4_add(b, c)));
        d4_store(out + 6 * n + k, d4_div(d4_add(ab, c), d4_all(3.0)));
        lead = d4_sub(d4_load(out + leader * n + k), f);
        for (int i = 0; i < 3; i++) d4_store(out + (7 + i) * n + k, d4_times(f, part[i], lead));
        d4_store(out + 10 * n + k, f);
    }
}

/* The losses of m margins of n classes each, m at most FASTSGD_JUDGED, y being a distribution; infinite if they are no numbers. */
static void fastsgd_joint_losses(int m, ptrdiff_t n, const double *z, const double *y, double *restrict loss) {
    double sum[FASTSGD_JUDGED + 1], rest[FASTSGD_JUDGED + 1], size = 0.0;
    for (ptrdiff_t k = 0; k < n; k++) size += y[k];
    for (int i = 0; i < m; i++) {
        double top;
        sum[i] = fastsgd_joint_sum(n, z + i * n, NULL, &top);
        rest[i] = size * top - fastsgd_joint_product(n, z + i * n, y);
    }
    for (int i = m; i % 4; i++) sum[i] = 1.0;
    for (int i = 0; i < m; i += 4) d4_store(sum + i, d4_log(d4_load(sum + i)));
    for (int i = 0; i < m; i++) loss[i] = isfinite(rest[i]) && isfinite(sum[i]) ? size * sum[i] + rest[i] : INFINITY;
}

/* The loss of a distribution y, `total` being the logarithm of the sum of exp(z); s times that of each class goes to `loss`. */
static double fastsgd_count_losses(ptrdiff_t n, const double *z, const double *y, double total, double s, double *restrict loss) {
    d4 sum = d4_zero();
    for (ptrdiff_t k = 0; k < n; k += 4) {
        const d4 one = d4_mul(d4_load(y + k), d4_sub(d4_all(total), d4_load(z + k)));
        sum = d4_add(sum, one);
        d4_store(loss + k, d4_times(d4_load(loss + k), s, one));
    }
    return d4_sum(sum);
}

/* log((count + one / K) / (total + one)) of n counts; of what is no class FASTSGD_NO_CLASS. */
static void fastsgd_frequencies(ptrdiff_t K, ptrdiff_t n, const double *count, double one, double total, double *restrict flat) {
    const d4 some = d4_all(one / (double)K), per = d4_all(1.0 / (total + one));
    for (ptrdiff_t k = 0; k < n; k += 4) d4_store(flat + k, d4_log(d4_mul(d4_add(d4_load(count + k), some), per)));
    for (ptrdiff_t k = K; k < n; k++) flat[k] = FASTSGD_NO_CLASS;
}

/* Count the curvature of each class, of the mean of two softmaxes, with weight c: q (1 - q), or (q - y)^2 where that is more.
   The sum of the (q - y)^2; that of the curvatures is added up in `curve`, and all that were counted in `total`. */
static double fastsgd_curvatures(ptrdiff_t n, const double *q, const double *q2, const double *y, double c, double *restrict weight,
                                 double *restrict curve, double *restrict total) {
    d4 squares = d4_zero(), sum = d4_zero(), all = d4_zero();
    for (ptrdiff_t k = 0; k < n; k += 4) {
        const d4 p = d4_mul(d4_all(0.5), d4_add(d4_load(q + k), d4_load(q2 + k)));
        d4 a = d4_sub(p, d4_load(y + k));
        a = d4_mul(a, a), squares = d4_add(squares, a);
        a = d4_max(a, d4_mul(p, d4_sub(d4_all(1.0), p))), sum = d4_add(sum, a);
        a = d4_times(d4_load(weight + k), c, a), all = d4_add(all, a);
        d4_store(weight + k, a);
    }
    *curve = d4_sum(sum), *total = d4_sum(all);
    return d4_sum(squares);
}

/* The root of the mean over each of these numbers, both and `some` more. */
static void fastsgd_rates(ptrdiff_t n, const double *numbers, double mean, double some, double *restrict rates) {
    const d4 up = d4_all(mean + some), more = d4_all(some);
    for (ptrdiff_t k = 0; k < n; k += 4) d4_store(rates + k, d4_root(d4_div(up, d4_add(d4_load(numbers + k), more))));
}

/* See fastsgd_joint_steps. The models take turns, as a division of one need not wait for that of the other. */
static inline void fastsgd_steps_of(const int m, const ptrdiff_t n, const double *z, const double *y, double *restrict q,
                                    const double *rate, const double *total, const double *size, double *restrict room,
                                    double *restrict a) {
    double *restrict log_q = room, *restrict per = room + m * n, *restrict rest = room + 2 * m * n;
    const d4 one = d4_all(1.0), minus_one = d4_all(-1.0), low = d4_all(-600.0), high = d4_all(708.0);
    double sum[2];
    for (int e = 0; e < m; e++)
        for (ptrdiff_t k = e * n; k < (e + 1) * n; k += 4) d4_store(log_q + k, d4_sub(d4_load(z + k), d4_all(total[e])));
    for (int round = 0; round < FASTSGD_ROUNDS; round++) {
        d4 changed = d4_zero();
        double up[2];
        for (int e = 0; e < m; e++) {
            d4 above = d4_zero(), below = d4_zero();
            for (ptrdiff_t i = 0, k = e * n; i < n; i += 4, k += 4) {
                const d4 p = d4_load(q + k), s = d4_mul(d4_all(size[e]), d4_load(rate + i));
                const d4 w = d4_div(one, d4_add(one, d4_mul(s, p))), pw = d4_mul(p, w);
                const d4 r = d4_sub(d4_add(d4_load(z + k), d4_mul(s, d4_sub(d4_load(y + i), p))), d4_load(log_q + k));
                below = d4_add(below, pw), above = d4_add(above, d4_add(p, d4_mul(pw, r)));
                d4_store(per + k, w), d4_store(rest + k, r);
            }
            up[e] = (d4_sum(above) - 1.0) / d4_sum(below);
        }
        for (int e = 0; e < m; e++)
            for (ptrdiff_t k = e * n; k < (e + 1) * n; k += 4) {
                const d4 r = d4_min(d4_mul(d4_sub(d4_load(rest + k), d4_all(up[e])), d4_load(per + k)), one);
                changed = d4_add(changed, d4_mul(d4_load(q + k), d4_abs(r)));
                d4_store(rest + k, r), d4_store(log_q + k, d4_add(d4_load(log_q + k), r));
            }
        if (round > 0 && d4_sum(changed) < FASTSGD_SOLVED) break; /* as all changes that matter are small, the rest is a series */
        for (int e = 0; e < m; e++)
            for (ptrdiff_t k = e * n; k < (e + 1) * n; k += 4) {
                d4_store(q + k, d4_exp(d4_max(d4_min(d4_load(log_q + k), high), low)));
                d4_store(rest + k, d4_zero());
            }
    }
    for (int e = 0; e < m; e++) {
        d4 all = d4_zero();
        for (ptrdiff_t k = e * n; k < (e + 1) * n; k += 4) {
            const d4 r = d4_max(d4_load(rest + k), minus_one);
            const d4 p = d4_mul(d4_load(q + k), d4_add(one, d4_mul(r, d4_add(one, d4_mul(d4_all(0.5), r)))));
            d4_store(q + k, p), all = d4_add(all, p);
        }
        sum[e] = 1.0 / d4_sum(all);
    }
    for (int e = 0; e < m; e++)
        for (ptrdiff_t i = 0, k = e * n; i < n; i += 4, k += 4)
            d4_store(a + k, d4_mul(d4_load(rate + i), d4_sub(d4_load(y + i), d4_mul(d4_load(q + k), d4_all(sum[e])))));
}

/* a = rate (y - p), p = softmax(z + s (y - p)), s = size * rate, of m models, 1 or 2, by Newton's method in log p, from q, the
   softmax of z, and `total`, the logarithm of the sum of exp(z). q becomes something else. `room` has 3 m n places. */
static void fastsgd_joint_steps(int m, ptrdiff_t n, const double *z, const double *y, double *restrict q, const double *rate,
                                const double *total, const double *size, double *restrict room, double *restrict a) {
    if (m == 2 && n == 4) /* in registers */
        fastsgd_steps_of(2, 4, z, y, q, rate, total, size, room, a);
    else if (m == 2)
        fastsgd_steps_of(2, n, z, y, q, rate, total, size, room, a);
    else
        fastsgd_steps_of(1, n, z, y, q, rate, total, size, room, a);
}

/* 4 `fours` numbers of x M, M being (d, d). */
static inline void fastsgd_times_fours(ptrdiff_t d, const double *x, const double *M, double *restrict out, const int fours) {
    d4 sum[8];
    for (int f = 0; f < fours; f++) sum[f] = d4_zero();
    for (ptrdiff_t i = 0; i < d; i++)
        for (int f = 0; f < fours; f++) sum[f] = d4_plus(sum[f], x[i], M + i * d + 4 * f);
    for (int f = 0; f < fours; f++) d4_store(out + 4 * f, sum[f]);
}

/* out = M x of a symmetric M, and what both have in common. */
static double fastsgd_times_symmetric(ptrdiff_t d, const double *x, const double *M, double *restrict out) {
    ptrdiff_t j = 0;
    double size = 0.0;
    for (; j + 32 <= d; j += 32) fastsgd_times_fours(d, x, M + j, out + j, 8);
    switch ((d - j) / 4) { /* numbers that compilers see, so that sums are in registers */
    case 7: fastsgd_times_fours(d, x, M + j, out + j, 7); break;
    case 6: fastsgd_times_fours(d, x, M + j, out + j, 6); break;
    case 5: fastsgd_times_fours(d, x, M + j, out + j, 5); break;
    case 4: fastsgd_times_fours(d, x, M + j, out + j, 4); break;
    case 3: fastsgd_times_fours(d, x, M + j, out + j, 3); break;
    case 2: fastsgd_times_fours(d, x, M + j, out + j, 2); break;
    case 1: fastsgd_times_fours(d, x, M + j, out + j, 1); break;
    }
    for (j = d / 4 * 4; j < d; j++) out[j] = d4_dot(x, M + j * d, d);
    for (j = 0; j < d; j++) size += out[j] * x[j];
    return size;
}

/* M += c x x', of its lower triangle. */
static void fastsgd_add_products(ptrdiff_t d, const double *x, double c, double *restrict M) {
    for (ptrdiff_t i = 0; i < d; i++, M += d) {
        const double by = c * x[i];
        ptrdiff_t j = 0;
        for (; j + 4 <= i + 1; j += 4) d4_store(M + j, d4_times(d4_load(M + j), by, d4_load(x + j)));
        for (; j <= i; j++) M[j] += by * x[j];
    }
}

/* Of each value of a row, in arrays that are filled up to a multiple of four; and of all. */
typedef struct {
    double *x;          /* what it counts, less the mean */
    double *size;       /* its root mean squares as of before the row, or 1 where `unit` stays what it is */
    double *unit;       /* 1 / root mean square, which takes the row in */
    double *seen;       /* the rows that have the feature, with this one */
    double *slopes;     /* their squared slopes; these and `seen` in units that grow as older rows fade */
    double *kappa;      /* of the filter */
    double *share;      /* out: of the visit in the average, */
    double *step[2];    /* x / P of either rule, */
    double *shrink[2];  /* by what the penalty shrinks the weights, */
    double *off[2];     /* and by what L1 shortens them, unless l1 is 0 */
    double sum[2];      /* of x^2 / P */
    double added, prior, per_eta, start, faded, l1, l2; /* of the row; `faded` is 1 / the units */
    double one, visits, most_visits; /* weight of the row; that a visit pays L1 for: rows, times its share, and at most */
    int first, rules, sizes;    /* whether it is the first pass; 1 or 2; whether any size is not 1 */
} Values;

/* What the steps of n values need; L2 is at most MOST_OWED beside the precision, so that products are numbers. */
static void fastsgd_value_steps(ptrdiff_t n, Values *v, double most_owed) {
    const d4 one = d4_all(1.0), three = d4_all(3.0), most = d4_all(most_owed);
    d4 first = d4_zero(), second = d4_zero();
    for (ptrdiff_t i = 0; i < n; i += 4) {
        const d4 seen = d4_load(v->seen + i), share = d4_div(d4_all(v->added), seen);
        d4 unit = d4_load(v->unit + i), x, square, p, p2 = one, per, per2;
        if (v->sizes) {
            p = d4_load(v->size + i), p = d4_sub(d4_mul(p, p), one);
            unit = d4_div(unit, d4_root(d4_add(one, d4_mul(p, share))));
            d4_store(v->unit + i, unit);
        }
        x = d4_mul(d4_load(v->x + i), unit), square = d4_mul(unit, unit);
        d4_store(v->share + i, d4_mul(share, d4_sub(three, d4_mul(share, d4_sub(three, share)))));
        p = d4_add(d4_mul(d4_load(v->kappa + i), seen), d4_all(v->prior));
        if (v->rules == 2) {
            p2 = d4_root(d4_add(d4_all(v->start), d4_mul(d4_load(v->slopes + i), d4_all(v->faded))));
            p2 = d4_mul(d4_all(v->per_eta), p2);
        }
        if (v->l2 > 0) { /* one division for all that is divided by */
            const d4 owed = d4_mul(d4_mul(d4_all(v->l2), square), v->first ? d4_all(v->one) : d4_mul(d4_all(v->visits), share));
            const d4 a = d4_add(p, d4_min(owed, most)), b = d4_add(p2, d4_min(owed, most)), own = d4_mul(p, p2);
            const d4 ab = d4_mul(a, b), inverse = d4_div(one, d4_mul(own, ab)), paid = d4_mul(inverse, own);
            d4_store(v->shrink[0] + i, d4_mul(d4_mul(p, b), paid)), d4_store(v->shrink[1] + i, d4_mul(d4_mul(p2, a), paid));
            per = d4_mul(inverse, ab);
        } else {
            per = d4_div(one, d4_mul(p, p2));
            d4_store(v->shrink[0] + i, one), d4_store(v->shrink[1] + i, one);
        }
        per2 = d4_mul(per, p), per = d4_mul(per, p2); /* 1 / p2, and 1 / p */
        if (v->l1 > 0) {
            const d4 off = d4_mul(d4_min(d4_mul(d4_all(v->visits), share), d4_all(v->most_visits)), d4_mul(d4_all(v->l1), square));
            d4_store(v->off[0] + i, d4_mul(off, per)), d4_store(v->off[1] + i, d4_mul(off, per2));
        }
        square = d4_mul(x, x), x = d4_mul(x, unit);
        first = d4_add(first, d4_mul(square, per)), second = d4_add(second, d4_mul(square, per2));
        d4_store(v->step[0] + i, d4_mul(x, per)), d4_store(v->step[1] + i, d4_mul(x, per2));
    }
    v->sum[0] = d4_sum(first), v->sum[1] = d4_sum(second);
}
#endif
