"""The rule of what a model file holds of a record: its rows, and the models of its path."""

import numpy as np

from fastsgd.persist.rules import Array, History, pop
from fastsgd.persist.values import brief
from fastsgd.record import RECORD, Grown, Kept, Record, RecordRows

ROWS = History(RECORD, "recorded")
PATH = {
    "steps": Array("int64", ("kept",)),
    "coef": Array("float", ("kept", "K", "d"), finite=False),
    "intercept": Array("float64", ("kept", "K"), finite=False),
}


LAST = Array("float", ("K", "d"), optional=True, finite=False), Array("float64", ("K",), optional=True, finite=False)


class Recorded:
    """A record.Record."""

    def put(self, name, value, parts):
        ROWS.put(name, value.array(), parts)
        parts.values[f"{name}.until"] = value.until
        if value.last is not None:
            coef, intercept = value.last
            LAST[0].put(f"{name}.last.coef", np.atleast_2d(coef), parts)
            LAST[1].put(f"{name}.last.intercept", intercept, parts)
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
        coef, intercept = (
            rule.take(f"{name}.last.{field}", parts) for rule, field in zip(LAST, ("coef", "intercept"), strict=True)
        )
        if (coef is None) != (intercept is None):
            raise ValueError(f"{name}.last must have both coefficients and intercepts, or neither")
        last = None if coef is None else (self._shaped(coef, parts), intercept)
        until = pop(parts, f"{name}.until", int)
        if not -1 <= until < 2**62:
            raise ValueError(f"{name}.until must be a number of steps, found {brief(until)}")
        return Record(RecordRows(rows), kept, last, until)

    def _shaped(self, coef, parts):
        """Coefficients of the shape of coef_."""
        return coef[0] if parts.sizes["ndim"] == 1 else coef

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
