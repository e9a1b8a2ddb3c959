"""The methods of newcomers.py beside those of fastsgd, by passes alone: a part of optimizers.py."""

import math

import newcomers
import numpy as np
from measure import ALPHA, COMMON, WAYS, choose, tell

from fastsgd import LinearClassifier, SGDClassifier
from fastsgd.optimizers import AdaGrad, Adam

CHOSEN = [(name, "averaged") for name in ("sgd", "adagrad", "adam", "ftrl")] + [
    (name, "cosine")
    for name in ("sgd", "adagrad", "adam")  # FTRL has step sizes of its own
]


class Newer:
    """Newer methods beside those of fastsgd on a layout: each run is {passes: (gap, what was chosen, held-out log-loss)}."""

    def __init__(self, data, size):
        self.data, self.size, self.marks = data, size, size["marks"]
        self.F = newcomers.Logistic(data.X, data.y, ALPHA)
        self.test = newcomers.Logistic(data.X_test, data.y_test, 0.0)

    def found(self, w, words=""):
        """The cells of a model."""
        gap = self.F.objective(w) - self.data.best
        return (gap if math.isfinite(gap) else math.inf, words, self.test.objective(w))

    def of_fit(self, model, words=""):
        """The cells of an estimator, which is fitted here if it is not yet."""
        model = model if hasattr(model, "coef_") else model.fit(self.data.X, self.data.y)
        return self.found(np.append(model.coef_, model.intercept_), words)

    def auto(self):
        """Passes of "auto" alone; and its fit by default, which the solver ends."""
        params = COMMON | {"learning_rate": "auto", "intercept_decay": "auto"}
        alone = {n: self.of_fit(SGDClassifier(**params | {"max_iter": n})) for n in self.marks}
        last = max(10, self.marks[-1])  # fewer than ten would be of SGD alone
        model = SGDClassifier(**params | {"tol": 1e-3, "max_iter": last}).fit(self.data.X, self.data.y)
        return [alone], [{self.marks[-1]: self.of_fit(model, f"{model.n_iter_} passes")}]

    def solver(self):
        """LinearClassifier."""
        params = {"loss": "log_loss", "alpha": ALPHA, "tol": 1e-9}
        return [{n: self.of_fit(LinearClassifier(**params, max_iter=n)) for n in self.marks}]

    def averaged(self, passes):
        """Plain SGD, averaged, with a step size for so many passes."""
        sizes, etas = self.size["batches"][:2], self.size["etas"]
        run, _ = choose(self.data, sizes, etas, max_iter=passes, average=True)
        return self.of_fit(run.model, run.settings)

    def tuned(self, passes):
        """The best of some optimizers, with a step size and a batch size for so many passes."""
        sizes, runs = self.size["batches"], []
        ways = [(name, way, sizes[::2]) for name, way in CHOSEN]
        if hasattr(self.data.X, "indptr"):
            ways += [(one, "cosine", sizes[1::2]) for one in (AdaGrad(lazy=False), Adam(lazy=False))]
        for optimizer, way, batches in ways:
            params = {"optimizer": optimizer, "max_iter": passes} | WAYS[way]
            run, _ = choose(self.data, batches, self.size["etas"], **params)
            name = optimizer if isinstance(optimizer, str) else f"{optimizer.name}, lazy=False"
            runs.append((run.gap, f"{name}, {way}, {run.settings}", run.model))
        _, words, model = min(runs, key=lambda run: run[0])
        return self.of_fit(model, words)

    def new(self, method, batch, passes=None, **settings):
        """A run of a method of newcomers.py."""
        with np.errstate(over="ignore", invalid="ignore"):  # of those that diverge
            models = newcomers.along(method, self.F, batch, passes or self.marks, **settings)
            words = f"{batch}, {settings['rate']:g}" if "rate" in settings else str(batch)
            return {n: self.found(w, words) for n, w in models.items()}

    def in_both(self, method, **settings):
        """Runs in batches of 256 and of 32 rows."""
        return [self.new(method, batch, **settings) for batch in (256, 32)]

    def by_decades(self, method):
        """Runs at rates by decades and near the best, in batches of 256 rows; and at some of them in batches of 32."""
        tried, last = {rate: self.new(method, 256, rate=rate) for rate in self.size["etas"]}, self.marks[-1]
        for factors in [(0.1, 10.0)] * 3 + [(0.3, 3.0)]:
            best = min(tried, key=lambda rate: tried[rate][last][0])
            beyond = [float(f"{best * factor:.0e}") for factor in factors]
            tried |= {rate: self.new(method, 256, rate=rate) for rate in beyond if rate not in tried}
        best = min(tried, key=lambda rate: tried[rate][last][0])
        return [*tried.values(), *(self.new(method, 32, rate=float(f"{best * f:.0e}")) for f in (0.1, 0.3, 1.0))]

    def with_cosine(self, batch):
        """Prodigy with a cosine of as many passes as it is given."""
        steps = self.F.steps(batch)
        return {n: self.new(newcomers.prodigy, batch, (n,), cosine=n * steps)[n] for n in self.marks}

    def lines(self):
        """One line of the table after another: its name, whether a step size was chosen, and runs, of which the best counts."""
        alone, by_default = self.auto()
        yield '"auto", passes of SGD alone', "none", alone
        yield '"auto", by default', "none", by_default
        yield "LinearClassifier", "none", self.solver()
        yield "the best of the optimizers above", "chosen", [{n: self.tuned(n) for n in self.marks}]
        yield "plain SGD, averaged", "chosen", [{n: self.averaged(n) for n in self.marks}]
        yield "schedule-free SGD", "chosen", self.by_decades(newcomers.schedule_free_sgd)
        yield "schedule-free Adam", "chosen", self.by_decades(newcomers.schedule_free_adam)
        yield "DoG", "none", self.in_both(newcomers.dog)
        yield "Prodigy", "none", self.in_both(newcomers.prodigy)
        yield "Prodigy, cosine", "none", [self.with_cosine(batch) for batch in (256, 32)]
        yield "SketchySGD", "none", self.in_both(newcomers.sketchy_sgd)
        yield "SketchySAGA", "none", self.in_both(newcomers.sketchy_saga)
        yield "SketchySAGA, rank 0: SAGA", "none", self.in_both(newcomers.sketchy_saga, rank=0)


def newer(page, data, size):
    """Methods that fastsgd does not have, and what it has, by passes alone."""
    rows, marks = [], size["marks"]
    for name, rate, runs in Newer(data, size).lines():
        best = {n: min((run[n] for run in runs if n in run), default=None) for n in marks}
        cells = [f"{tell(one[0])}{f' ({one[1]})' if one[1] else ''}" if one else "" for one in best.values()]
        rows.append([name, rate, *cells, f"{best[marks[0]][2]:.4f}" if best[marks[0]] else ""])
        print(f"  {data.name}, {', '.join(rows[-1])}", flush=True)
    heads = ["", "step size", f"gap after {marks[0]} pass", *(f"after {n}" for n in marks[1:])]
    page.table(f"newer-{data.name.split()[-1]}", [*heads, f"held-out log-loss after {marks[0]}"], rows)
