"""Model files, checkpoints and ONNX. What reads and writes them is loaded when it is used."""

import sys
from os import PathLike
from typing import Any, Protocol, Self, TypeVar

from fastsgd.persist.checkpoint import Checkpoint

__all__ = ["Checkpoint", "load", "save", "to_onnx"]
Class = TypeVar("Class", bound=type)
# In the `__dict__` of a model that was loaded from a file without the state of its training, until it is fitted anew.
FOR_PREDICTION = "_for_prediction"
CLASSES: dict[str, Any] = {}  # A file names one of these classes; nothing is ever imported by a name.


class Storable(Protocol):
    """All that this package asks of an estimator, beside what scikit-learn asks of each."""

    @classmethod
    def _stored(cls) -> Any:
        """What a model file holds of this class: a `tables.Stored`."""

    def _snapshot(self) -> Self:
        """A copy that holds still, whatever another thread does to the estimator."""

    def _check_params(self) -> None:
        """A ValueError where the parameters can't be these, or don't go together."""

    def _exported(self) -> Any:
        """The fitted model as a graph needs it: an `onnx.Linear`."""


def storable(cls: Class) -> Class:
    """Have model files of this class, which must be `Storable`."""
    CLASSES[cls.__name__] = cls
    return cls


def save(est: Any, path: str | PathLike[str], *, training_state: bool = True) -> None:
    """Write a fitted estimator to a model file.

    The file holds all of the training state: what `load` returns predicts, and goes on with `partial_fit`, bit for bit
    as this estimator. It is of the size of what was learnt: features that no row had take no room in it. (Of
    LinearClassifier and LinearRegressor it does not hold the duals, a number for each row of X: with warm_start=True a
    `fit` then starts from the coefficients alone.) It is written beside the old one, if there is one, and then takes its
    place, with its mode and owner: there is never half a file.

    Parameters
    ----------
    est : SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier, LinearRegressor, or those with CV
        Parameters that are code (a `losses.Custom`, callbacks, a scorer) are not written: `load` takes them. Nor are
        scikit-learn's callbacks, requests for metadata, and a `Checkpoint`, which says where a fit writes.
    path : str or path-like
    training_state : bool, default=True
        False: for prediction alone. The file has the coefficients, labels, names, how a table is read, the parameters and
        `history_`, and takes a third of the room or less. What `load` returns predicts, scores, exports and explains bit for
        bit as this estimator, and `fit` begins anew, or with warm_start=True from the coefficients. It can't go on
        (`partial_fit`) and has no `optimizer_state_`, `progressive_`, `record_`, `path_`, `restarts_`, nor standard errors of
        models beside it; a search has no `coefs_paths_`. To ask for these is an error that says so. See docs/model-files.md.

    Raises
    ------
    NotFittedError
    TypeError
        `path` is no path.
    ValueError
        The estimator holds what a file can't; or it has no state of a training to be saved.
    OSError
        The file can't be written; or the path is that of a folder, a pipe or a device.
    """
    from fastsgd.persist import models

    models.save(est, path, training_state)


def load(path: str | PathLike[str], **code: Any) -> Any:
    """The estimator that `save` wrote: fitted, with the same parameters, to go on with `partial_fit` bit for bit.

    The file may come from anyone. It holds no code and names none, everything in it is checked before it is used, and what
    is made of its JSON is bounded. Features that no row had are not in it, so that a small file may ask for large arrays:
    for no more than three quarters of the memory of the machine or container. A checksum tells of damage; it is no
    signature: who wrote the file decides what the model predicts.

    Parameters
    ----------
    path : str or path-like
    **code
        The parameters that are code and so not in the file: ``load(path, loss=my_loss)``.

    Returns
    -------
    SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier, LinearRegressor, or those with CV

    Raises
    ------
    TypeError
        `path` is no path.
    ValueError
        It is not such a file, or damaged; a parameter that is code is not given; or the model needs more memory than there is.
    OSError
        The file can't be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastsgd
    >>> reg = fastsgd.SGDRegressor(random_state=0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "line.safetensors")
    ...     reg.save(path)
    ...     again = fastsgd.load(path)
    >>> again.predict([[3.0]]) == reg.predict([[3.0]])
    array([ True])
    """
    from fastsgd.persist import models

    _ = sys.modules["fastsgd"].estimators  # Asked for, they are loaded, and enter themselves in CLASSES.
    return models.load(path, code)


def holds_training_state(est: Any) -> bool | None:
    """Whether a fitted estimator has the state of its training, or was loaded without; None of those that have none."""
    return None if not est._stored().training else FOR_PREDICTION not in vars(est)


def to_onnx(est: Any) -> Any:
    """An ONNX model that predicts as the estimator does.

    Its input is `X`, float32 of shape (n, n_features). Outputs, of the shapes of the estimator's methods and float32 where
    they are not labels:

    - a classifier: `label`, of the dtype of `classes_` (integers are int64), and `probabilities` where it has
      `predict_proba`, else `scores`, its `decision_function`;
    - a regressor: `variable`, as `predict`;
    - `SGDOneClassSVM`: `label`, 1 or -1, and `scores`.

    Within, it calculates in the dtype of `coef_`: labels are those of the estimator. Train on float32 for runtimes
    that have no float64.

    Parameters
    ----------
    est : SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier, LinearRegressor, or those with CV

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    NotFittedError
    ValueError
        `classes_` is of a dtype that ONNX does not have.
    ImportError
        The package onnx is not installed.
    """
    from fastsgd.persist import onnx

    return onnx.export(est)
