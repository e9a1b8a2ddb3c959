"""What a notebook shows of an estimator: scikit-learn's boxes, whose question mark leads to the page of the class."""

import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastsgd
import fastsgd.dask

SITE = "https://fastsgd.github.io/fastsgd/api/generated/"
PUBLIC = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in (fastsgd, fastsgd.dask)
    for name in package.__all__
    if hasattr(getattr(package, name), "fit")
}


@pytest.mark.parametrize("name", PUBLIC)
def test_the_page_that_a_notebook_links_is_that_of_the_public_name(name):
    est = PUBLIC[name]()
    for shown in (est, clone(est), make_pipeline(StandardScaler(), est)):
        assert f'href="{SITE}{name}.html"' in shown._repr_html_()
    assert 'href="https://scikit-learn' not in est._repr_html_()


def test_each_estimator_has_a_page_of_its_own():
    assert len({cls()._get_doc_link() for cls in PUBLIC.values()}) == len(PUBLIC)


def test_a_subclass_of_a_users_own_has_no_page():
    class Mine(fastsgd.SGDClassifier):
        pass

    assert Mine()._get_doc_link() == ""
    assert "fastsgd.github.io" not in Mine()._repr_html_()
