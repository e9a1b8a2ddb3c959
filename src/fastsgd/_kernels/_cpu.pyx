"""What this processor can do. Built for the baseline, and loaded before any other build is."""

cdef extern from *:
    """
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    static int fastsgd_has_v3(void) {
        __builtin_cpu_init();
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    }
    #else
    static int fastsgd_has_v3(void) { return 0; }
    #endif
    """
    int fastsgd_has_v3() nogil


def has_v3():
    """Whether the processor and the system run x86-64-v3 code (AVX2, FMA, BMI2)."""
    return bool(fastsgd_has_v3())
