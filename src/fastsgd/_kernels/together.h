/* Of the K classes of one row: losses, rates and the implicit step, in loops that compilers vectorise. */
#ifndef FASTSGD_TOGETHER_H
#define FASTSGD_TOGETHER_H
#include <math.h>
#include <stddef.h>
#include "logistic.h"

#define FASTSGD_SOLVED 0.03  /* Where all probabilities change by less together the step is found: what is left is about the square. */
#define FASTSGD_ROUNDS 30    /* of Newton's method for a step, at most */

/* The loss of margins z, y being a distribution; infinite where they are no numbers. `room` has n places. */
static double fastsgd_joint_loss(ptrdiff_t n, const double *restrict z, const double *restrict y, double *restrict room) {
    double top = z[0], sum = 0.0, right = 0.0, size = 0.0;
    for (ptrdiff_t k = 1; k < n; k++) top = z[k] > top ? z[k] : top;
    for (ptrdiff_t k = 0; k < n; k++) {
        const double m = z[k] - top;
        room[k] = m > -708.0 ? m : -708.0;
        right += y[k] * m;
        size += y[k];
    }
    for (ptrdiff_t k = 0; k < n; k++) room[k] = fastsgd_exp(room[k]);
    for (ptrdiff_t k = 0; k < n; k++) sum += room[k];
    sum = size * log(sum) - right;
    return isfinite(top) && isfinite(sum) ? sum : INFINITY;
}

/* The root of the mean over each of these numbers, both and `some` more. */
static void fastsgd_rates(ptrdiff_t n, const double *restrict numbers, double mean, double some, double *restrict rates) {
    for (ptrdiff_t k = 0; k < n; k++) rates[k] = sqrt((mean + some) / (numbers[k] + some));
}

/* a = rate (y - q), q = softmax(z + s (y - q)), s = size * rate, by Newton's method in log q from loss and slopes at z.
   `room` has 5 n places. */
static void fastsgd_joint_step(ptrdiff_t n, const double *restrict z, const double *restrict y, const double *restrict slope,
                               const double *restrict rate, double loss, double size, double *restrict room, double *restrict a) {
    double *restrict q = room, *restrict log_q = room + n, *restrict s = room + 2 * n, *restrict per = room + 3 * n;
    double *restrict rest = room + 4 * n;
    double total = loss;
    for (ptrdiff_t k = 0; k < n; k++) total += y[k] * z[k]; /* the logarithm of the sum of exp(z), as y adds up to 1 */
    for (ptrdiff_t k = 0; k < n; k++) {
        q[k] = slope[k] + y[k];
        log_q[k] = z[k] - total;
        s[k] = size * rate[k];
    }
    for (int round = 0; round < FASTSGD_ROUNDS; round++) {
        double up = -1.0, down = 0.0, changed = 0.0;
        for (ptrdiff_t k = 0; k < n; k++) {
            per[k] = 1.0 / (1.0 + s[k] * q[k]);
            rest[k] = z[k] + s[k] * (y[k] - q[k]) - log_q[k];
            down += q[k] * per[k];
            up += q[k] + q[k] * per[k] * rest[k];
        }
        up /= down;
        for (ptrdiff_t k = 0; k < n; k++) {
            const double change = (rest[k] - up) * per[k];
            rest[k] = change < 1.0 ? change : 1.0;
            changed += q[k] * fabs(rest[k]);
            log_q[k] += rest[k];
        }
        total = 0.0;
        if (changed < FASTSGD_SOLVED) { /* then all changes that matter are small */
            for (ptrdiff_t k = 0; k < n; k++) {
                const double r = rest[k] > -1.0 ? rest[k] : -1.0;
                q[k] *= 1.0 + r * (1.0 + 0.5 * r);
            }
            for (ptrdiff_t k = 0; k < n; k++) total += q[k];
            break;
        }
        for (ptrdiff_t k = 0; k < n; k++) q[k] = fastsgd_exp(fastsgd_between(-708.0, log_q[k], 708.0));
        for (ptrdiff_t k = 0; k < n; k++) total += q[k];
    }
    for (ptrdiff_t k = 0; k < n; k++) a[k] = rate[k] * (y[k] - q[k] / total);
}
#endif
