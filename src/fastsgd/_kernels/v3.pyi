from fastsgd._kernels.base import *  # noqa: F403
