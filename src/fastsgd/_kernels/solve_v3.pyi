from fastsgd._kernels.solve_base import *  # noqa: F403
