"""Where notebooks find the documentation of an estimator: the link in what they show of it."""


class Documented:
    """The question mark of scikit-learn's HTML representation leads to the page of the class on the site of fastsgd.

    A subclass of a user's own has no page there, and no link.
    """

    _doc_link_module = "fastsgd"
    _doc_link_template = "https://fastsgd.github.io/fastsgd/api/generated/{public_name}.html"

    def _doc_link_url_param_generator(self):
        """The name under which the class is imported: those on Dask are in `fastsgd.dask`, all others in `fastsgd`."""
        cls = type(self)
        package = "fastsgd.dask" if cls.__module__.startswith("fastsgd.dask.") else "fastsgd"
        return {"public_name": f"{package}.{cls.__name__}"}
