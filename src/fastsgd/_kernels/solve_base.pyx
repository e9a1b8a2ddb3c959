# The kernels of the solvers for any processor.
include "solve.pxi"
include "dual.pxi"
include "softmax.pxi"
