# The kernels of the solvers for x86-64-v3: AVX2 and FMA.
include "solve.pxi"
include "dual.pxi"
include "softmax.pxi"
