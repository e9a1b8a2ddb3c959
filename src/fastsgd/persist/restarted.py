"""The rule of what a model file holds of restarts: how each ended, its history, and the models of its start and its end."""

import math

import numpy as np

from fastsgd.history import HISTORY
from fastsgd.persist.rules import Array, History, pop
from fastsgd.persist.values import brief, pack, unpack
from fastsgd.restarts import Restart

MODELS = {
    "start": Array("float", ("restarts", "K", "d"), optional=True, finite=False),
    "end": Array("float", ("restarts", "K", "d"), optional=True, finite=False),
    "start_intercept": Array("float64", ("restarts", "K"), optional=True, finite=False),
    "end_intercept": Array("float64", ("restarts", "K"), optional=True, finite=False),
}


class Restarts:
    """A list of restarts.Restart."""

    def put(self, name, value, parts):
        parts.values[name] = [[pack(one.objective), one.reason, one.best] for one in value]
        for i, one in enumerate(value):
            self._history(i).put(f"{name}.{i}", one.history, parts)
        for field, rule in MODELS.items():
            models = [getattr(one, field) for one in value]
            if models[0] is not None:
                shape = (len(value), parts.sizes["K"], parts.sizes["d"])[: len(rule.shape)]
                rule.put(f"{name}.{field}", np.array(models).reshape(shape), parts)

    def take(self, name, parts):
        ends = [self._end(name, one) for one in pop(parts, name, list)]
        histories = [self._history(i).take(f"{name}.{i}", parts) for i in range(len(ends))]
        models = {field: rule.take(f"{name}.{field}", parts) for field, rule in MODELS.items()}
        there = [array for array in models.values() if array is not None]
        if len(there) not in (0, len(MODELS)) or any(len(array) != len(ends) for array in there):
            raise ValueError(f"{name} must have a model for each start and end of {len(ends)} restarts, or none")
        if there and parts.sizes["ndim"] == 1:
            models["start"], models["end"] = models["start"][:, 0], models["end"][:, 0]
        found = []
        for i, (objective, reason, best) in enumerate(ends):
            of_it = {field: None if array is None else array[i] for field, array in models.items()}
            found.append(Restart(**of_it, objective=objective, history=histories[i], reason=reason, best=best))
        return found

    @staticmethod
    def _history(i):
        return History(HISTORY, f"restart {i}")

    @staticmethod
    def _end(name, one):
        if type(one) is list and len(one) == 3:
            objective, reason, best = unpack(one[0]), one[1], one[2]
            if type(objective) is float and not math.isnan(objective) and type(reason) is str and type(best) is bool:
                return objective, reason, best
        raise ValueError(f"{name} must say the objective, the reason and whether it is the best, found {brief(one)}")
