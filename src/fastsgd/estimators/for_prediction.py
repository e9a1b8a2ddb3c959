"""Models from files that hold no state of the training: what these can't do says why."""

from fastsgd.persist import FOR_PREDICTION

MARK = FOR_PREDICTION
WHY = (
    "it comes from a file without the state of the training, of save(path, training_state=False): load one that holds it, or "
    "fit anew"
)


def refuse(est, what):
    """A ValueError where a model has no state of its training, without which it can't do that."""
    if MARK in vars(est):
        raise ValueError(f"this {type(est).__name__} has no {what}: {WHY}.")


def missing(est, name, why=""):
    """The error of an attribute that is not there; `why` says when it is."""
    why = WHY if MARK in vars(est) else why
    said = f"{type(est).__name__!r} object has no attribute {name!r}{': ' * bool(why)}{why}"
    return AttributeError(said, name=name, obj=est)


class OfTraining:
    """An attribute that a training puts into the estimator, and that files for prediction alone do not hold."""

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, est, cls=None):
        if est is None:
            return self
        raise missing(est, self.name)
