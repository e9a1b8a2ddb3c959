"""What the parameters of the SGD estimators may be, and the plan that follows from them."""

from numbers import Integral, Real
from operator import is_
from types import SimpleNamespace

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from fastsgd import decide, losses, optimizers, parallel, penalties, schedules, stopping, threads
from fastsgd.contest import SideBySide
from fastsgd.estimators import contested
from fastsgd.estimators.constraints import validate_params
from fastsgd.estimators.progress import listed
from fastsgd.plan import Plan
from fastsgd.sources.arrays import Table

SPARSE_INTERCEPT_DECAY = 0.01  # scikit-learn's: on CSR the intercept, met in every row, would run ahead


class Parameters:
    """From parameters to a plan. Needs those that the estimators have, and scikit-learn's `_validate_params`."""

    loss_functions = {}
    # scikit-learn's fixed choices, for the estimators that have no such parameter
    loss, penalty, l1_ratio, epsilon, multi_class = "hinge", "l2", 0.0, 0.1, "ovr"
    early_stopping, validation_fraction, n_iter_no_change, validation_scoring = False, 0.1, 5, None
    n_bootstrap, n_splits, half_life = 0, 0, None

    _parameter_constraints: dict = {
        "fit_intercept": ["boolean"],
        "max_iter": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "shuffle": ["boolean", StrOptions({"replace"})],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "average": [Interval(Integral, 0, None, closed="left"), "boolean"],
        "eta0": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, None, None, closed="neither")],
        "learning_rate": [StrOptions(set(schedules.SCHEDULES)), schedules.Schedule, callable],
        "max_seconds": [Interval(Real, 0, None, closed="neither"), None],
        "callbacks": "no_validation",  # by `listed`
        "optimizer": [StrOptions(set(optimizers.OPTIMIZERS)), optimizers.Optimizer],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"full"})],
        "stopping": [StrOptions(set(stopping.STOPPING)), stopping.Stopping, list, tuple, None],
        "init": [StrOptions({"zeros", "normal"}), Interval(Real, 0, None, closed="left"), "array-like", None],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "gradient_noise": [Interval(Real, 0, None, closed="left")],
        "intercept_decay": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "standardize": ["boolean"],
        "n_jobs": [Integral, None],
        "parallel": [StrOptions({"deterministic", "hogwild"})],
        "half_life": [Interval(Real, 1, None, closed="left"), StrOptions({"auto"}), None],
    }
    _common_constraints: dict = {
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "epsilon": [Interval(Real, 0, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "validation_scoring": [str, callable, None],
    }

    # ------------------------------------------------------------ parameters
    def _check_params(self):
        validate_params(self)
        contested.check(self)
        optimizer = optimizers.get(self.optimizer)
        rate = self._schedule(optimizer)
        if rate.name == "optimal" and self._alpha == 0:
            raise ValueError(
                "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the optimal learning rate."
            )
        if rate.pa and self._task not in self._loss().passive_aggressive:
            names = [name for name, cls in losses.LOSSES.items() if self._task in cls.passive_aggressive]
            if not names:
                raise ValueError(
                    f"{type(self).__name__} has no learning_rate='{rate.name}': it has no loss of that kind."
                )
            raise ValueError(f"Learning rate '{rate.name}' only works with loss '{names[0]}'.")
        alone = optimizer.plain and self.batch_size == 1 and not self.gradient_noise and self.multi_class == "ovr"
        if rate.pa and not alone:
            raise ValueError(
                f"learning_rate='{rate.name}' takes its step from one row: it needs optimizer='sgd', batch_size=1 and "
                "multi_class='ovr'."
            )
        if optimizer.name == "ftrl" and rate.name != "constant":
            raise ValueError(
                "optimizer='ftrl' has step sizes of its own, from eta0: leave learning_rate at its default, got "
                f"{self.learning_rate!r}."
            )
        if rate.auto:
            self._check_auto(optimizer)
        if self.half_life is not None:
            self._check_half_life(optimizer, rate)
        if self.n_bootstrap or self.n_splits:
            self._check_beside(rate)
        l1, _ = penalties.weights(self.penalty, self._alpha, self.l1_ratio)
        if getattr(optimizer, "line_search", False):
            self._check_line_search(rate, l1)
        if self.parallel == "hogwild":
            self._check_hogwild(optimizer, rate, l1)
        listed(self.callbacks)
        threads.n_threads(self.n_jobs)
        if self.stopping is not None:
            stopping.get(self.stopping)
        if self.max_iter == "auto":
            from fastsgd.estimators import judging  # Few fits need it.

            judging.check(self)
        self._checked = self._given(), {}  # and the plans made of them: see _partial_plan

    def _given(self):
        return list(map(vars(self).get, self._parameter_constraints))

    def _check_changed(self):
        """As `_check_params`, which takes longer than a step, unless these very parameters have been checked."""
        checked = vars(self).get("_checked")
        if checked is None or not all(map(is_, self._given(), checked[0])):
            self._check_params()

    def _check_auto(self, optimizer):
        if self._nu:
            raise ValueError(
                f"{type(self).__name__} can't take learning_rate='auto': its objective has a slope in the offset."
            )
        if self.multi_class == "crammer_singer":
            raise ValueError(
                f"learning_rate='auto' needs multi_class='ovr' or multi_class='multinomial', got {self.multi_class!r}."
            )
        wrong = {
            f"optimizer='sgd', got {self.optimizer!r}": not optimizer.plain or getattr(optimizer, "line_search", False),
            f"batch_size=1, got {self.batch_size!r}": self.batch_size != 1,
            f"average=False, as it always averages, got {self.average!r}": bool(self.average),
            f"gradient_noise=0, got {self.gradient_noise!r}": bool(self.gradient_noise),
            f"init='zeros' and n_init=1, got {self.init!r} and {self.n_init!r}": not self._from_zeros
            or self.n_init != 1,
            f"intercept_decay='auto', got {self.intercept_decay!r}": self.intercept_decay != "auto",
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise ValueError(f"learning_rate='auto' needs {what}.")

    def _check_half_life(self, optimizer, rate):
        if not (rate.auto or self.average):
            raise ValueError(
                f"half_life={self.half_life!r} needs learning_rate='auto' or average=True, got {self.learning_rate!r} and "
                f"{self.average!r}: without either, the model is where the last steps have led, and nothing is kept that could "
                "fade."
            )
        needs = {
            f"optimizer='sgd', got {self.optimizer!r}": optimizer.plain
            and not getattr(optimizer, "line_search", False),
            f"batch_size=1, got {self.batch_size!r}": self.batch_size == 1,
            f"gradient_noise=0, got {self.gradient_noise!r}": not self.gradient_noise,
            "a number of passes as max_iter, got 'auto', which judges them by rows of all times": self.max_iter
            != "auto",
            f"n_init=1, got {self.n_init!r}, which chooses by the objective, in which all rows count alike": self.n_init
            == 1,
            "n_bootstrap=0 and n_splits=0, whose models are of other rows, and so of another half-life": not (
                self.n_bootstrap or self.n_splits
            ),
        }
        for what, there in needs.items():
            if not there:
                raise ValueError(f"half_life={self.half_life!r} needs {what}.")

    def _check_order(self):
        """Of a fit: its rows must come in the order of time."""
        if self.half_life is not None and self.shuffle:
            raise ValueError(
                f"half_life={self.half_life!r} counts rows in the order in which they are learnt, and shuffle={self.shuffle!r} "
                "draws that anew: set shuffle=False, and give the rows in the order of time."
            )
        if self.half_life == "auto" and self.max_iter > 1:
            raise ValueError(
                f"half_life='auto' is chosen by rows before they are learnt from, which are those of a first pass, got "
                f"max_iter={self.max_iter!r}: set max_iter=1, or give half_life a number, or None."
            )

    def _check_line_search(self, rate, l1):
        needs = {
            "batch_size='full'": self.batch_size == "full",
            "no L1 penalty": not l1,
            "average=False": not self.average,
            "gradient_noise=0": not self.gradient_noise,
            "a smooth loss": self._loss().smooth,
            "all rows, with shuffle=True or False": self.shuffle != "replace",
            "a learning_rate that is no function, as it gives the first step alone": not rate.tabled,
        }
        missing = [what for what, there in needs.items() if not there]
        if missing:
            raise ValueError(f"optimizer={self.optimizer!r} searches along the line, and needs {', '.join(missing)}.")

    def _check_hogwild(self, optimizer, rate, l1):
        needs = {
            f"optimizer='sgd', got {self.optimizer!r}": optimizer.plain
            and not getattr(optimizer, "line_search", False),
            f"batch_size=1, got {self.batch_size!r}": self.batch_size == 1,
            f"no L1 penalty, got penalty={self.penalty!r}": not l1,
            f"average=False, got {self.average!r}": not self.average,
            f"gradient_noise=0, got {self.gradient_noise!r}": not self.gradient_noise,
            f"a schedule of step sizes, got learning_rate={self.learning_rate!r}": not (rate.auto or rate.pa),
        }
        for what, there in needs.items():
            if not there:
                raise ValueError(
                    f"parallel='hogwild' moves the weights from several threads at once, and needs {what}. "
                    "parallel='deterministic' takes it."
                )

    @property
    def _passes(self):
        """How many passes are made at most."""
        return decide.MAX_PASSES if self.max_iter == "auto" else self.max_iter

    def _rules(self, held_out, split_off=False):
        """The stopping rules of this fit; whether the validation rows were split off those given to it."""
        rules = self._rules_given(held_out, split_off)
        if self.half_life is not None and self._passes > 1:
            for rule in rules:
                if rule.needs in ("objective", "gradient_norm"):
                    raise ValueError(
                        f"half_life={self.half_life!r} has early rows fade, and in what is to end the passes ({rule.name}) all "
                        "rows count alike: set max_iter=1; or tol=None, or X_val in fit, with rows of the end."
                    )
        return rules

    def _rules_given(self, held_out, split_off):
        if self.stopping is None:
            if self.tol is None:
                # of rows that were split off the last weights are returned, as by scikit-learn
                return [] if held_out is None or split_off else stopping.get("validation", 0.0, stopping.FOREVER)
            name = "objective" if held_out is None else "validation"
            return stopping.get(name, self.tol, self.n_iter_no_change)
        rules = stopping.get(self.stopping, self.tol, self.n_iter_no_change)
        if held_out is None and any(rule.needs == "validation_score" for rule in rules):
            raise ValueError("stopping by the validation score needs early_stopping=True, or X_val and y_val in fit.")
        return rules

    @property
    def _alpha(self):
        """alpha as a number: with "auto" the one that was chosen, or that a model begins with."""
        return contested.value_of(self, "alpha")

    @property
    def _half_life(self):
        """half_life as a number, or None: with "auto" the one that was chosen, or that a model begins with."""
        return contested.half_life_of(self)

    def _loss(self):
        """The loss that the user names."""
        return losses.get(self.loss, self.epsilon)

    def _schedule(self, optimizer):
        """The schedule: "optimal" is one for plain SGD, and the step sizes of FTRL fall by themselves; else a constant."""
        rate = schedules.get(self.learning_rate)
        own = {"ftrl": ("optimal", "invscaling")}.get(optimizer.name, () if optimizer.plain else ("optimal",))
        return schedules.Constant() if rate.name in own else rate

    @property
    def _init_array(self):
        """The coefficients that `init` gives, None where it gives none."""
        return None if self.init is None or isinstance(self.init, (str, Real)) else self.init

    @property
    def _init_drawn(self):
        """Whether initial weights are drawn."""
        return self._init_array is None and self.init not in ("zeros", None, 0)

    @property
    def _from_zeros(self):
        """Whether a training starts from zero, if nothing else is given to it."""
        return self._init_array is None and not self._init_drawn

    def _partial_plan(self, table):
        """The plan of `partial_fit`: kept until parameters change, as to make one takes longer than a step.

        Objects among them may change where they are, so that with these it is made anew.
        """
        plans, key = self._checked[1], (table.sparse, self._alpha, self._half_life)
        kept = type(self.loss) is type(self.optimizer) is str and not isinstance(self.learning_rate, schedules.Schedule)
        if not kept or key not in plans:
            is_new, plans[key] = key not in plans, self._plan(table, 1, True)
            if is_new:
                from fastsgd.estimators import told

                told.warn_of_steps(self, plans[key])
        return plans[key]

    def _plan_of_objective(self, table):
        # Schedules that count in passes need both numbers; no objective depends on them.
        of_rows = SimpleNamespace(sparse=table.sparse, n_rows=table.n_rows or 1)
        return self._plan(of_rows, max(self._passes, 1), False)

    def _plan(self, table, passes, partial):
        optimizer = optimizers.get(self.optimizer)
        batch_size = np.inf if self.batch_size == "full" else self.batch_size
        schedule = self._schedule(optimizer).bind(
            eta0=self.eta0,
            alpha=self._alpha,
            power_t=self.power_t,
            loss=self._loss(),
            pass_rows=None if partial else table.n_rows,
            passes=passes,
            batch_size=batch_size,
        )
        l1, l2 = penalties.weights(self.penalty, self._alpha, self.l1_ratio)
        decay = self.intercept_decay
        if decay == "auto":
            like_sklearns = optimizer.plain and batch_size == 1 and not self.standardize and not schedule.auto
            decay = SPARSE_INTERCEPT_DECAY if table.sparse and like_sklearns else 1.0
        return Plan.of(
            self._heads_loss(),
            schedule,
            l1=l1,
            l2=l2,
            intercept_decay=decay if self.fit_intercept else 0.0,
            nu=self._nu,
            average=int(self.average),
            half_life=self._half_life or 0.0,
            optimizer=optimizer,
            batch_size=batch_size,
            noise=self.gradient_noise,
        )

    def _lanes(self, plan, table, state, plans=()):
        """The way to do rounds that `n_jobs` and `parallel` ask for; `plans`: those of the models of a contest."""
        if plans:
            return SideBySide(plans, table.sparse, threads.Threads(threads.n_threads(self.n_jobs)))
        if state.beside is not None:
            from fastsgd.beside import WithOthers

            return WithOthers(plan, threads.Threads(threads.n_threads(self.n_jobs)))
        return parallel.lanes(self.n_jobs, self.parallel, plan, table, state)

    def _share(self, table, state):
        """Have sums over the rows worked out by the threads that `n_jobs` asks for."""
        if isinstance(table, Table):
            table.threads = parallel.for_sums(self.n_jobs, table, state)

    _nu = 0.0
    _candidate = False  # of a search, whose parameters are alphas and eta0s
    _alphas_follow = False  # whether these alphas follow from the rows
