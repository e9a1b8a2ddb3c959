"""Training on a cluster of Dask, whose packages are loaded where it is asked for."""

import logging
import re
from contextlib import contextmanager, suppress


def of_cluster(est):
    """The estimator of the same parameters that trains on a cluster."""
    from fastsgd import dask

    return getattr(dask, type(est).__name__)(**est.get_params(deep=False))


@contextmanager
def connected(est, address):
    """Have an estimator train on the cluster at this address, or on so many processes of this machine ("local:4")."""
    from distributed import Client, LocalCluster

    from fastsgd.dask import ClusterError, PartitionError

    local = re.fullmatch(r"local:([0-9]+)", address)
    if re.match("local(:|$)", address, re.IGNORECASE) and not (local and int(local[1])):
        raise ValueError(f"--dask: of local processes it must say how many, such as local:4, got {address!r}.")
    try:
        if local:
            how = {
                "threads_per_worker": 1,
                "processes": True,
                "dashboard_address": ":0",
                "silence_logs": logging.CRITICAL,
            }
            with (
                LocalCluster(n_workers=int(local[1]), **how) as cluster,
                Client(cluster, set_as_default=False) as client,
            ):
                yield est.set_params(client=client)
        else:
            with _client(Client, address) as client:
                yield est.set_params(client=client)
    except (ClusterError, PartitionError) as error:
        raise ValueError(f"--dask {address}: {error}") from error
    finally:
        est.set_params(client=None)


def _client(Client, address):
    """A client of the scheduler there.

    One that could not be started is closed at once: else it is when Python ends, and waits for a thread that is gone.
    """
    client = Client.__new__(Client)
    try:
        client.__init__(address, set_as_default=False)
        return client
    except (OSError, ValueError, TypeError, ImportError) as error:
        with suppress(Exception):
            client.close(timeout=1)
        why = str(error).rstrip(".")
        raise ValueError(
            f"--dask: no scheduler of Dask answers at {address!r} ({why}). Give its address, such as tcp://host:8786, or local:4 "
            "for so many processes of this machine."
        ) from error
