"""fastsgd on a cluster of Dask: estimators of the same names and parameters, on collections that are spread over workers.

It needs the extra `dask`. See docs/dask.md.
"""

try:
    import dask.array  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"fastsgd.dask needs dask and distributed: pip install 'fastsgd[dask]' ({error})", name=error.name
    ) from error

from fastsgd.dask.cluster import ClusterError
from fastsgd.dask.linear import LinearClassifier, LinearRegressor
from fastsgd.dask.pieces import partitioned
from fastsgd.dask.runners import PartitionError
from fastsgd.dask.sgd import SGDClassifier, SGDRegressor

__all__ = [
    "ClusterError",
    "LinearClassifier",
    "LinearRegressor",
    "PartitionError",
    "SGDClassifier",
    "SGDRegressor",
    "partitioned",
]
