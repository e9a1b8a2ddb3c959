# Philox4x32-10, a counter-based generator (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3).
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    LANES = 32


cdef inline void philox(uint32_t* a, uint32_t* b, uint32_t* c, uint32_t* d, uint32_t k0, uint32_t k1) noexcept nogil:
    """Ten rounds on LANES counters (a[i], b[i], c[i], d[i]) at once, in place."""
    cdef uint64_t high, low
    cdef int _, i
    for _ in range(10):
        for i in range(LANES):
            low = <uint64_t> a[i] * <uint32_t> 0xD2511F53
            high = <uint64_t> c[i] * <uint32_t> 0xCD9E8D57
            a[i] = <uint32_t> (high >> 32) ^ b[i] ^ k0
            b[i] = <uint32_t> high
            c[i] = <uint32_t> (low >> 32) ^ d[i] ^ k1
            d[i] = <uint32_t> low
        k0 += <uint32_t> 0x9E3779B9
        k1 += <uint32_t> 0xBB67AE85


cdef enum:
    RESAMPLES = 0x5EED      # the places of these draws in the generator's counter; the order of the rows has other ones
    FOLDS = 0xF01D
    DRAWS = 0xD4A3


cdef inline int poisson_of(uint32_t word) noexcept nogil:
    """A draw of the Poisson distribution of mean 1, by inversion of a uniform 32-bit word."""
    cdef double left = word * (1.0 / 4294967296.0), p = 0.36787944117144233
    cdef int k = 0
    while left >= p and k < 12:
        left -= p
        k += 1
        p /= k
    return k
