"""A runner as bad as a cluster may be: tasks in any order, twice, with results that get lost, on copies of all they are given."""

import pickle

import numpy as np

from fastsgd.dask.runners import LocalRunner


class Chaotic(LocalRunner):
    """As LocalRunner, but for the order and number of the calls; each is of copies that went through pickle."""

    def __init__(self, seed=0):
        self.rng, self.calls = np.random.default_rng(seed), 0

    def run(self, function, parts, *args, then=None):
        found, waiting = {}, [part for part in parts for _ in range(self.rng.integers(1, 3))]
        self.rng.shuffle(waiting)
        while waiting:
            part = waiting.pop()
            self.calls += 1
            result = pickle.dumps(self.one(*pickle.loads(pickle.dumps((part, function, args)))))
            if self.rng.random() < 0.3:
                waiting.insert(self.rng.integers(len(waiting) + 1), part)  # It got lost.
            elif part.number in found and found[part.number] != result:
                raise AssertionError(f"{part} gave two results of the same call of {function}")
            else:
                found[part.number] = result
        found = [pickle.loads(found[part.number]) for part in parts]
        return found if then is None else then(found, *args)
