# MurmurHash3_x86_32 (A. Appleby, public domain), with which scikit-learn hashes tokens and words.
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

cdef enum:
    SHORT_BLOCKS = 4
    MURMUR_READS = 4 * SHORT_BLOCKS


cdef inline uint32_t rotated(uint32_t x, int by) noexcept nogil:
    return (x << by) | (x >> (32 - by))


cdef inline uint32_t four_bytes(const uint8_t* p) noexcept nogil:
    return p[0] | <uint32_t> p[1] << 8 | <uint32_t> p[2] << 16 | <uint32_t> p[3] << 24


cdef inline uint32_t mixed(uint32_t h, const uint8_t* p) noexcept nogil:
    """The hash h, and then the block of four bytes at p."""
    cdef uint32_t k = rotated(four_bytes(p) * <uint32_t> 0xCC9E2D51, 15) * <uint32_t> 0x1B873593
    return rotated(h ^ k, 13) * 5 + <uint32_t> 0xE6546B64


cdef inline uint32_t murmur3(const uint8_t* key, int64_t n) noexcept nogil:
    """The hash of n bytes, with seed 0. The MURMUR_READS bytes behind them are read, and do not count."""
    cdef uint32_t h = 0, k
    cdef int64_t i, blocks = n >> 2
    # The lengths of words can't be foreseen, so that no branch depends on that of a short one.
    for i in range(SHORT_BLOCKS):
        h = mixed(h, key + 4 * i) if i < blocks else h
    for i in range(SHORT_BLOCKS, blocks):
        h = mixed(h, key + 4 * i)
    k = four_bytes(key + 4 * blocks) & ((<uint32_t> 1 << (8 * (n & 3))) - 1)
    h ^= rotated(k * <uint32_t> 0xCC9E2D51, 15) * <uint32_t> 0x1B873593
    h ^= <uint32_t> n
    h = (h ^ (h >> 16)) * <uint32_t> 0x85EBCA6B
    h = (h ^ (h >> 13)) * <uint32_t> 0xC2B2AE35
    return h ^ (h >> 16)


cdef inline int32_t place_of(uint32_t h, uint32_t n_features) noexcept nogil:
    """|h| % n_features of the signed 32-bit hash h."""
    cdef uint32_t size = 0 - h if h >> 31 else h
    # Most numbers of features are powers of two, and a division takes longer than the rest.
    return <int32_t> (size & (n_features - 1) if n_features & (n_features - 1) == 0 else size % n_features)


cdef inline int sign_of(uint32_t h) noexcept nogil:
    """1 where the signed 32-bit hash h is at least 0, else -1."""
    return -1 if h >> 31 else 1
