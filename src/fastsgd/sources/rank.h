/* Which place each of a few keys has in their order. */
#ifndef FASTSGD_RANK_H
#define FASTSGD_RANK_H
#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__) && __GNUC__ >= 12
#define FASTSGD_RANK_CLONES /* which take glibc */ __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define FASTSGD_RANK_CLONES
#endif

#define FASTSGD_LANES 16 /* keys that are counted together; so many beyond the last are read, and their ranks mean nothing */

/* rank[j] is how many of n keys are smaller than key j: there is no branch that depends on the keys, so for some tens of them in
   random order this takes less time than a sort. Returns whether any two are equal. */
FASTSGD_RANK_CLONES
static int fastsgd_ranks(const int32_t *restrict key, int n, int32_t *restrict rank) {
    int64_t total = 0;
    for (int from = 0; from < n; from += FASTSGD_LANES) {
        int32_t below[FASTSGD_LANES] = {0};
        for (int i = 0; i < n; i++) {
            const int32_t x = key[i];
            for (int j = 0; j < FASTSGD_LANES; j++)
                below[j] += x < key[from + j];
        }
        for (int j = 0; j < FASTSGD_LANES; j++)
            rank[from + j] = below[j];
    }
    for (int j = 0; j < n; j++)
        total += rank[j];
    return total != (int64_t) n * (n - 1) / 2;
}
#endif
