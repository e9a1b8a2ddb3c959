"""Export to ONNX: a fitted estimator as a graph of standard operators, for runtimes without Python."""

from typing import NamedTuple

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastsgd import _version

OPSET, IR = 17, 8  # These are of 2022, and most runtimes can read them.
MAX_LOG_MEAN = 85.0  # The exponential of more is beyond float32, in which the outputs are.


def export(est):
    """See `persist.to_onnx`."""
    check_is_fitted(est)
    try:
        from onnx import checker, helper
    except ImportError:
        raise ImportError('to_onnx needs the package onnx: pip install "fastsgd[onnx]".') from None
    model = est._exported()
    graph = Graph(model.coef.dtype)
    X = graph.node("Cast", "X", to=graph.type_of(graph.dtype))
    margins = graph.node("Add", graph.node("MatMul", X, graph.number(model.coef.T)), graph.number(model.intercept))
    OUTPUTS[model.kind](graph, model, margins)
    X = helper.make_tensor_value_info("X", graph.type_of(np.float32), ["n", model.coef.shape[1]])
    made = helper.make_model(
        helper.make_graph(graph.nodes, type(est).__name__, [X], graph.outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="fastsgd",
        producer_version=_version.__version__,
    )
    checker.check_model(made, full_check=True)
    return made


class Linear(NamedTuple):
    """A linear model, by all that its predictions depend on.

    Attributes
    ----------
    kind : {"classifier", "regressor", "outliers"}
    coef : (K, n_features) array
    intercept : (K,) array
    link : str or None
        What follows from the margins: the probabilities by "softmax", by "logistic" functions, or by margins "clipped" to
        [-1, 1], of a classifier; the mean by "exp", of a regressor.
    classes : array or None
    flat : bool
        Whether a regressor predicts an array of one dimension.
    """

    kind: str
    coef: np.ndarray
    intercept: np.ndarray
    link: str | None = None
    classes: np.ndarray | None = None
    flat: bool = True


class Graph:
    """Nodes, constants and outputs, each node with a name of its own."""

    def __init__(self, dtype):
        self.dtype, self.nodes, self.constants, self.outputs = dtype, [], [], []

    def type_of(self, dtype):
        """ONNX's number of a dtype; object is for strings."""
        from onnx import helper

        return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def array(self, values):
        """A constant."""
        from onnx import numpy_helper

        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def number(self, values):
        """A constant in the dtype in which the graph calculates."""
        return self.array(np.ascontiguousarray(values, self.dtype).reshape(np.shape(values)))

    def node(self, kind, *inputs, **attributes):
        """The result of an operator."""
        from onnx import helper

        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def output(self, name, of, dtype=np.float32, columns=None):
        """Name a result, with so many columns or, if None, of one dimension."""
        from onnx import helper

        cast = "Identity" if dtype != np.float32 else "Cast"
        given = {} if dtype != np.float32 else {"to": self.type_of(dtype)}
        self.nodes.append(helper.make_node(cast, [of], [name], **given))
        shape = ["n"] if columns is None else ["n", columns]
        self.outputs.append(helper.make_tensor_value_info(name, self.type_of(dtype), shape))


def _flat(graph, column):
    return graph.node("Squeeze", column, graph.array([1]))


def _classifier(graph, model, margins):
    classes, two = model.classes, len(model.classes) == 2
    if two:
        place = graph.node("Cast", graph.node("Greater", margins, graph.number(0.0)), to=graph.type_of(np.int64))
        place = _flat(graph, place)
    else:
        place = graph.node("ArgMax", margins, axis=1, keepdims=0)
    labels = _labels(classes)
    graph.output("label", graph.node("Gather", graph.array(labels), place), labels.dtype)
    if model.link is not None:
        graph.output("probabilities", _probabilities(graph, model.link, margins, len(classes)), columns=len(classes))
    elif two:
        graph.output("scores", _flat(graph, margins))
    else:
        graph.output("scores", margins, columns=len(classes))


def _labels(classes):
    """The labels in a dtype of ONNX: int64, float32, float64, bool, or strings."""
    if classes.dtype.kind in "US" or (classes.dtype == object and all(isinstance(c, str) for c in classes)):
        return classes.astype(object)
    if classes.dtype == object:
        classes = np.array(classes.tolist())
    if classes.dtype.kind in "iu" and classes.max() <= np.iinfo(np.int64).max:
        return classes.astype(np.int64)
    if classes.dtype in (np.float16, np.float32, np.float64):
        return classes.astype(np.promote_types(classes.dtype, np.float32))
    if classes.dtype == bool:
        return classes
    raise ValueError(f"classes_ must be integers of 64 bits, floats, bools or strings for ONNX, found {classes.dtype}.")


def _probabilities(graph, link, margins, n_classes):
    """As `predict_proba`."""
    if link == "softmax":
        return graph.node("Softmax", margins, axis=1)
    one, other = graph.number(1.0), graph.node("Neg", margins)
    if link == "logistic":
        if n_classes == 2:
            parts = [_log_logistic(graph, z, one) for z in (other, margins)]
            return graph.node("Exp", graph.node("Concat", *parts, axis=1))
        # The logistic functions are normalised as logarithms, since all of them may round to 0.
        return graph.node("Softmax", _log_logistic(graph, margins, one), axis=1)
    if n_classes == 2:
        return graph.node("Concat", _clipped(graph, other, one), _clipped(graph, margins, one), axis=1)
    p = _clipped(graph, margins, one)
    total = graph.node("ReduceSum", p, graph.array([1]), keepdims=1)
    some = graph.node("Greater", total, graph.number(0.0))
    over = graph.node("Where", some, total, graph.number(n_classes))
    return graph.node("Div", graph.node("Where", some, p, one), over)


def _clipped(graph, z, one):
    """(clip(z, -1, 1) + 1) / 2."""
    clipped = graph.node("Clip", z, graph.number(-1.0), one)
    return graph.node("Div", graph.node("Add", clipped, one), graph.number(2.0))


def _log_logistic(graph, z, one):
    """min(z, 0) - log(1 + exp(-|z|)): runtimes cut the tail of Sigmoid off."""
    tail = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    low = graph.node("Min", z, graph.number(0.0))
    return graph.node("Sub", low, graph.node("Log", graph.node("Add", one, tail)))


def _regressor(graph, model, margins):
    if model.link == "exp":
        margins = graph.node("Exp", graph.node("Min", margins, graph.number(MAX_LOG_MEAN)))
    if model.flat:
        graph.output("variable", _flat(graph, margins))
    else:
        graph.output("variable", margins, columns=len(model.coef))


def _outliers(graph, model, margins):
    inside = graph.node("GreaterOrEqual", margins, graph.number(0.0))
    graph.output("label", _flat(graph, graph.node("Where", inside, graph.array([1]), graph.array([-1]))), np.int64)
    graph.output("scores", _flat(graph, margins))


OUTPUTS = {"classifier": _classifier, "regressor": _regressor, "outliers": _outliers}
