"""scikit-learn's own tests of its SGD estimators, run on ours in their place.

The test module is executed anew with our classes patched in, and its tests are collected here. What can't hold is listed with
its reason; everything else must pass.
"""

import importlib.util
import types

import pytest
import sklearn.linear_model

import fastsgd

CLASSES = ("SGDClassifier", "SGDRegressor", "SGDOneClassSVM")
PRIVATE = "reads private attributes or modules of scikit-learn's implementation"
LEFT_OUT = {  # name of a test, or name and a part of its id: why
    "test_plain_has_no_average_attr": PRIVATE,
    "test_validation_mask_correctly_subsets": PRIVATE,
    "test_sgd_early_stopping_with_partial_fit": "here early_stopping does not forbid partial_fit, by contract",
    "test_input_format[SGDRegressor]": "here a regressor takes a two-dimensional y",
    "test_input_format[SparseSGDRegressor]": "here a regressor takes a two-dimensional y",
}

pytestmark = pytest.mark.filterwarnings("default")  # scikit-learn's suite does not turn warnings into errors


def _load():
    """The module, with `linear_model` in it holding our classes."""
    try:
        spec = importlib.util.find_spec("sklearn.linear_model.tests.test_sgd")
        theirs = {name: getattr(sklearn.linear_model, name) for name in CLASSES}
        module = importlib.util.module_from_spec(spec)
        for name in CLASSES:
            setattr(sklearn.linear_model, name, getattr(fastsgd, name))
        try:
            spec.loader.exec_module(module)
        finally:
            for name, cls in theirs.items():
                setattr(sklearn.linear_model, name, cls)
    except (ImportError, AttributeError):  # some distributions leave tests out
        return None
    module.linear_model = types.SimpleNamespace(
        **{**vars(sklearn.linear_model), **{n: getattr(fastsgd, n) for n in CLASSES}}
    )
    return module


def _checked(test, name):
    """The test, to be skipped for the cases of LEFT_OUT."""
    if name in LEFT_OUT:
        return pytest.mark.skip(reason=LEFT_OUT[name])(test)
    return test


_module = _load()
if _module is None:
    pytest.skip("scikit-learn came without its tests", allow_module_level=True)
globals().update({name: _checked(test, name) for name, test in vars(_module).items() if name.startswith("test_")})


@pytest.fixture(params=[42])
def global_random_seed(request):
    """scikit-learn's fixture."""
    return request.param


@pytest.fixture(autouse=True)
def _leave_out(request):
    for name, reason in LEFT_OUT.items():
        if request.node.name == name:
            pytest.skip(reason)


def test_it_is_our_classes_that_were_tested():
    for name in CLASSES:
        made = getattr(_module, name)()
        assert type(made) is getattr(fastsgd, name)
        assert isinstance(getattr(_module, "Sparse" + name)(), getattr(fastsgd, name))
