"""What a cluster promises to a fit: the same results whoever dies, and an error that names the partition in place of a hang."""

import asyncio
import os
import signal
import threading

import dask
import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from distributed import Client
from support import clusters
from support.chaos import Chaotic
from support.clusters import all_of, loaded, weighed

from fastsgd.dask import SGDClassifier
from fastsgd.dask import cluster as module
from fastsgd.dask.cluster import Cluster, ClusterError
from fastsgd.dask.runners import LocalRunner, PartitionError

pytestmark = pytest.mark.skipif(
    "PYTEST_XDIST_WORKER" in os.environ,
    reason="workers are stopped and begin anew, with time limits that other tests would upset: run this file by itself",
)
W = np.arange(3.0)
MANY = np.arange(40_000.0)  # More than MAX_TASK_BYTES, so that it goes another way.


@pytest.fixture(scope="module")
def two():
    with clusters.cluster(2) as (local, client):
        # A nanny whose worker dies while it starts gives up; others come in its place.
        local.adapt(minimum=2, maximum=2, interval="500ms")
        yield local, client


@pytest.fixture
def client(two):
    """Two workers that are there, and have imported what the tests need, which takes seconds."""
    two[1].wait_for_workers(2, timeout=60)
    two[1].run(clusters.ready, on_error="ignore")
    return two[1]


def same(found, right):
    for one, other in zip(found, right, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("w", [W, MANY], ids=["small", "large"])
def test_results_come_in_the_order_of_the_partitions(client, w):
    with LocalRunner() as serial:
        right = serial.run(weighed, loaded(serial), w)
    with Chaotic(1) as chaotic, Cluster(client) as cluster:
        same(chaotic.run(weighed, loaded(chaotic), w), right)
        assert chaotic.calls > 4
        parts = loaded(cluster)
        same(cluster.run(weighed, parts, w), right)
        found, back = cluster.run(weighed, parts, w, then=all_of)
        same([found], [[x for x, _ in right]])
        np.testing.assert_array_equal(back, w)
        assert str(parts[2]) == "partition 2 (file 2)"


def test_what_a_fit_had_on_the_cluster_is_released(client):
    for _ in range(3):
        with Cluster(client) as cluster:
            cluster.run(weighed, cluster.keep(np.copy, loaded(cluster)), MANY, then=all_of)
    assert client.run_on_scheduler(clusters.left_over) == []
    assert not client.futures


def test_two_fits_at_once_do_not_mix(client):
    found = {}

    def fit(n):
        with Cluster(client) as cluster:
            found[n] = [cluster.run(weighed, loaded(cluster, n), W) for _ in range(3)]

    threads = [threading.Thread(target=fit, args=(n,)) for n in (3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with LocalRunner() as serial:
        for n in (3, 5):
            for one in found[n]:
                same(one, serial.run(weighed, loaded(serial, n), W))


def test_a_fit_from_within_a_task_does_not_wait_for_its_own_thread(client):
    """Each of the workers has one, and is taken by such a task."""
    with LocalRunner() as serial:
        right = serial.run(weighed, loaded(serial, 3), np.ones(2))
    for found in client.gather([client.submit(clusters.whole_fit, 3, pure=False) for _ in range(2)]):
        same(found, right)


def test_workers_that_are_killed_in_the_middle_cost_time_alone(client, tmp_path):
    with Cluster(client) as cluster:
        assert cluster.run(clusters.killed_once, loaded(cluster), tmp_path) == [0, 10, 20, 30]
        assert (tmp_path / "killed").exists()


def test_all_workers_killed_at_once_and_their_data_with_them(client):
    with LocalRunner() as serial, Cluster(client) as cluster:
        right, parts = serial.run(weighed, loaded(serial), W), loaded(cluster)
        clusters.strike(client, [0, 1])
        same(cluster.run(weighed, parts, W), right)


def test_a_fit_whose_workers_are_killed_has_the_bits_of_one_in_this_process(client):
    X = np.random.default_rng(0).standard_normal((400, 6))
    y = da.from_array((X[:, 0] > X[:, 1]).astype(int), chunks=100)
    X = da.from_array(X, chunks=(100, -1)).map_blocks(sp.csr_matrix)
    how = {"loss": "log_loss", "learning_rate": "auto", "max_iter": 3, "tol": None, "random_state": 0}

    def kills(progress):
        if progress.epoch == 1:
            clusters.strike(client, [0])

    right = SGDClassifier(client=LocalRunner(), **how).fit(X, y)
    found = SGDClassifier(client=client, callbacks=kills, **how).fit(X, y)
    assert found.coef_.tobytes() == right.coef_.tobytes() and found.intercept_.tobytes() == right.intercept_.tobytes()
    assert found.client_ is client and found.score(X, y) == right.score(X, y) > 0.9


def test_what_a_stopped_worker_has_is_done_elsewhere(client, tmp_path):
    with Cluster(client, round_timeout=2) as cluster:
        assert cluster.run(clusters.stopped_once, loaded(cluster), tmp_path) == [0, 10, 20, 30]


def test_a_task_that_does_not_end_is_given_to_another_worker(client, tmp_path):
    with Cluster(client, round_timeout=3) as cluster:
        assert cluster.run(clusters.stuck_once, loaded(cluster), tmp_path) == [0, 10, 20, 30]
        assert (tmp_path / "done").exists()


def test_a_function_that_raises_is_said_to_be_of_a_partition(client):
    for runner in (LocalRunner(), Cluster(client)):
        with runner:
            parts = loaded(runner)
            with pytest.raises(PartitionError, match=r"Partition 2 \(file 2\): LookupError: no such thing") as found:
                runner.run(clusters.raising, parts, 20)
            assert found.value.partition == 2 and isinstance(found.value.__cause__, LookupError)
            with pytest.raises(ValueError, match=r"Partition 0 \(file 0\): a number is odd, 0"):
                runner.run(clusters.refusing, parts[:1])
            assert runner.run(np.sum, parts) == [10, 60, 110, 160]


def test_a_partition_that_kills_its_workers_is_named(client):
    def few(dask_scheduler=None):
        before, dask_scheduler.allowed_failures = dask_scheduler.allowed_failures, 0
        return before

    def back(before, dask_scheduler=None):
        dask_scheduler.allowed_failures = before

    before = client.run_on_scheduler(few)
    with Cluster(client) as cluster:
        parts = loaded(cluster)
        with pytest.raises(
            PartitionError, match=r"Partition 1 \(file 1\) took its workers with it.*smaller partitions"
        ):
            cluster.run(clusters.poisonous, parts[1:2])
    client.run_on_scheduler(back, before)


def test_scattered_data_that_are_lost_are_named(client):
    scattered = client.scatter([np.arange(5.0) + i for i in range(4)])
    with Cluster(client) as cluster:
        parts = cluster.load([dask.delayed(np.copy)(one) for one in scattered], ["a", "b", "c", "d"])
        assert cluster.run(np.sum, parts) == [10, 15, 20, 25]
        clusters.strike(client, [0, 1])
        with pytest.raises(PartitionError, match=r"Partition \d \(\w\): its data are lost.*client.scatter"):
            cluster.run(np.sum, parts)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_cancels_what_is_under_way(client, tmp_path):
    with Cluster(client) as cluster:
        parts = loaded(cluster)
        strike = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        strike.start()
        with pytest.raises(KeyboardInterrupt):
            cluster.run(clusters.stuck_once, parts[:1], tmp_path)
        (tmp_path / "done").touch()
        assert cluster.run(np.sum, parts) == [10, 60, 110, 160]


def test_without_workers_a_fit_waits_and_then_says_so(monkeypatch):
    monkeypatch.setattr(module, "TICK_SECONDS", 0.05)
    with clusters.cluster(0) as (local, client), Cluster(client, timeout=0.3) as cluster:
        with pytest.raises(ClusterError, match=r"no worker for 0.3 seconds \(timeout\), and 4 partitions are left"):
            loaded(cluster)
        adapts = threading.Timer(0.2, local.scale, [1])
        adapts.start()
        cluster.timeout = 60
        assert cluster.run(np.sum, loaded(cluster)) == [10, 60, 110, 160]


def test_a_scheduler_that_is_gone_is_an_error():
    with clusters.cluster(1) as (local, client), Cluster(client) as cluster:
        parts = loaded(cluster)
        local.close()
        with pytest.raises((ClusterError, PartitionError), match="scheduler"):
            cluster.run(np.sum, parts)


def test_clients_that_are_none_are_refused(client):
    with pytest.raises(ValueError, match=r"client must be a distributed\.Client or None, got str"):
        Cluster("tcp://host:8786")
    with pytest.raises(ValueError, match="timeout must be a number of seconds > 0, or None, got -1"):
        Cluster(client, timeout=-1)
    with pytest.raises(ValueError, match="round_timeout must be a number"):
        Cluster(client, round_timeout="1s")


def test_an_asynchronous_client_is_refused_with_advice(two):
    async def tried():
        async with Client(two[0].scheduler_address, asynchronous=True) as client:
            Cluster(client)

    with pytest.raises(ValueError, match=r"client is asynchronous.*asyncio\.to_thread"):
        asyncio.run(tried())
