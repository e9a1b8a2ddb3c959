"""The rule of what a model file holds of a record: its rows, and the models of its path."""

import numpy as np

from fastsgd.persist.rules import Array, History, pop
from fastsgd.persist.values import brief
from fastsgd.record import RECORD, Grown, Kept, Record

ROWS = History(RECORD, "recorded")
PATH = {
    "steps": Array("int64", ("kept",)),
    "coef": Array("float", ("kept", "K", "d"), finite=False),
    "intercept": Array("float64", ("kept", "K"), finite=False),
}


class Recorded:
    """A record.Record, but for the last model where no coefficients are kept, which is that of the state."""

    def put(self, name, value, parts):
        ROWS.put(name, value.array(), parts)
        if value.kept is not None:
            path, sizes = value.kept.path(), parts.sizes
            parts.values[f"{name}.path"] = [value.kept.seen, value.kept.stride]
            shaped = path._replace(coef=path.coef.reshape(len(path.steps), sizes["K"], sizes["d"]))
            for field, rule in PATH.items():
                rule.put(f"{name}.path.{field}", getattr(shaped, field), parts)

    def take(self, name, parts):
        rows = ROWS.take(name, parts)
        if not (np.diff(rows["steps"]) > 0).all() or not (rows["steps"] >= 0).all():
            raise ValueError(f"{name} must have steps that rise, found {brief(rows['steps'])}")
        kept = self._kept(f"{name}.path", parts) if f"{name}.path" in parts.values else None
        items = rows.tolist()
        return Record(Grown(items, len(items)), kept, None if kept is None else kept.last[1:])

    def _kept(self, name, parts):
        given = pop(parts, name, list)
        steps, coef, intercept = (rule.take(f"{name}.{field}", parts) for field, rule in PATH.items())
        if len(given) != 2 or any(type(n) is not int or not 1 <= n < 2**62 for n in given):
            raise ValueError(f"{name} must be two numbers of models, found {brief(given)}")
        seen, stride = given
        on_stride = -(-seen // stride)
        if len(steps) != on_stride + ((seen - 1) % stride > 0) or not (np.diff(steps) > 0).all() or steps[0] < 0:
            raise ValueError(f"{name} must have a model of each {stride} of {seen}, and the last, found {len(steps)}")
        coef = coef[:, 0] if parts.sizes["ndim"] == 1 else coef
        models = list(zip(steps.tolist(), coef, intercept, strict=True))
        return Kept(Grown(models[:on_stride], on_stride), seen, stride, models[-1])
