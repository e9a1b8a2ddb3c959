"""How much penalty, and how sure are the coefficients? Delayed flights, in one picture.

A model of logistic regression for each of 20 alphas and each of 5 folds: by fastsgd in one pass for all of them, by
scikit-learn's GridSearchCV one after another, with the same alphas, folds, epochs and step size, on one thread. Then the path of
the coefficients, and their intervals at the alpha that was chosen. Seconds are of the processor.

    pip install ".[demo]" && python examples/choose_alpha.py
"""

import argparse
import time
import warnings

import matplotlib
import numpy as np
import pandas as pd
from flight_data import encoded, encoder, load
from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, train_test_split

import fastsgd
from fastsgd.inspection import step_sizes

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ALPHAS = np.logspace(-6, -2, 20)
EPOCHS, SHOWN = 5, 18
STEPS = {"loss": "log_loss", "learning_rate": "constant", "average": True, "max_iter": EPOCHS, "tol": None}
COLOURS = BLUE, ORANGE, _, GREY = "#0072b2", "#d55e00", "#009e73", "0.6"


def searches(folds, eta0):
    """What chooses alpha, by name: all with the same alphas and folds."""

    def grid(library):
        est = library.SGDClassifier(**STEPS, eta0=eta0, random_state=0)
        return GridSearchCV(est, {"alpha": ALPHAS}, scoring="neg_log_loss", cv=folds, n_jobs=1)

    return {
        "fastsgd, SGDClassifierCV": fastsgd.SGDClassifierCV(
            **STEPS, eta0s=eta0, alphas=ALPHAS, cv=folds, random_state=0
        ),
        "fastsgd, LinearClassifierCV": fastsgd.LinearClassifierCV(alphas=ALPHAS, cv=folds, random_state=0),
        "fastsgd, GridSearchCV": grid(fastsgd),
        "scikit-learn, GridSearchCV": grid(linear_model),
    }


def alpha_of(search):
    """The alpha that was chosen."""
    return search.alpha_ if hasattr(search, "alpha_") else search.best_params_["alpha"]


def scores_of(search):
    """Alphas, the mean held-out log-loss of each, and its standard error over the folds."""
    found = search.cv_results_
    alphas = np.asarray(found["param_alpha"], float)
    order, folds = np.argsort(alphas), len(search.scores_) if hasattr(search, "scores_") else search.n_splits_
    return alphas[order], -found["mean_test_score"][order], found["std_test_score"][order] / np.sqrt(folds - 1)


def timed(search, X, y):
    """Processor seconds of its fit; sklearn's warnings that five epochs are few are expected."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(X, y)
    return time.process_time() - start


def draw_scores(ax, fitted):
    """Held-out loss by alpha, the alphas that were chosen, and one standard error of the first search."""
    for (name, search), colour in zip(fitted.items(), COLOURS, strict=True):
        alphas, loss, error = scores_of(search)
        ax.plot(alphas, loss, color=colour, label=name, marker="o", markersize=3)
        ax.axvline(alpha_of(search), color=colour, linestyle=":", linewidth=1)
        if colour == BLUE:
            ax.fill_between(alphas, loss - error, loss + error, color=colour, alpha=0.15, linewidth=0)
    ax.set(xscale="log", xlabel="alpha", ylabel="held-out log-loss", title="The choice of alpha")
    ax.legend(frameon=False, fontsize=8)


def draw_path(ax, search, shown):
    """Some coefficients, mean over the folds, by alpha."""
    paths = search.coefs_paths_.mean(axis=0)[0, :, 0]
    ax.plot(search.alphas_, paths[:, shown], color=BLUE, linewidth=1)
    ax.axvline(search.alpha_, color=BLUE, linestyle=":", linewidth=1)
    ax.set(xscale="log", xlabel="alpha", ylabel="coefficient", title="The path, mean over the folds")


def draw_intervals(ax, tables, names, shown):
    """95% intervals of some coefficients, one below the other."""
    places = np.arange(len(shown))[::-1]
    for (label, table), colour, off in zip(tables.items(), (BLUE, ORANGE), (0.15, -0.15), strict=True):
        some = table.loc[[names[j] for j in shown]]
        ends = np.abs(some[["ci_lower", "ci_upper"]].to_numpy().T - some["coef"].to_numpy())
        ax.errorbar(some["coef"], places + off, xerr=ends, fmt="o", color=colour, markersize=3, label=label)
    ax.axvline(0, color="0.8", linewidth=1)
    ax.set_yticks(places, [names[j] for j in shown], fontsize=8)
    ax.set(xlabel="coefficient", title="Its 95% intervals at that alpha")
    ax.legend(frameon=False, fontsize=8)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000, help="flights to train on (default: %(default)s)")
    parser.add_argument("--plot", default="choose_alpha.png", help="where to save the picture (default: %(default)s)")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "Found unknown categories")

    flights, late = load()
    train, test, y, y_test = train_test_split(
        flights, late, train_size=args.rows, test_size=args.rows // 3, random_state=0, stratify=late
    )
    # Without the first value of each kind, as the others imply it, and rare ones together: else no data say what each is worth.
    encode = encoder(drop="first", min_frequency=0.002, handle_unknown="infrequent_if_exist").fit(train)
    (X, X_test), names = encoded(encode, train, test), list(encode.get_feature_names_out())
    folds = list(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y))
    print(f"{len(X):,} flights, {X.shape[1]} columns; {len(ALPHAS)} alphas, {len(folds)} folds, {EPOCHS} epochs\n")

    start = time.process_time()
    sizes = step_sizes(fastsgd.SGDClassifier(**STEPS, random_state=0), X, y)
    print(f"{len(sizes.etas)} step sizes in {time.process_time() - start:.2f} seconds of the processor:", end=" ")
    print(f"eta0={sizes.suggestion_:.2g}, fits diverge at {sizes.diverges_at_:.2g}\n")

    fitted = searches(folds, sizes.suggestion_)
    print(f"{'':30}{'seconds':>9}{'alpha':>10}{'log-loss of other flights':>27}")
    for name, search in fitted.items():
        seconds = timed(search, X, y)
        loss = log_loss(y_test, search.predict_proba(X_test)[:, 1])
        print(f"{name:30}{seconds:>9.2f}{alpha_of(search):>10.2g}{loss:>27.4f}", flush=True)

    chosen = fitted["fastsgd, LinearClassifierCV"]  # whose path and model are at the optimum, which intervals need
    table = pd.DataFrame(X, columns=names)
    model = fastsgd.LinearClassifier(alpha=chosen.alpha_, tol=1e-7, random_state=0).fit(table, y)
    # Flights of one day share its weather and its queues: they say less than as many flights of different days.
    tables = {
        "if flights were independent": model.coef_table(),
        "if days are independent": model.coef_table(clusters=train["month"] * 100 + train["day"]),
    }
    wider = tables["if days are independent"]["se"] / tables["if flights were independent"]["se"]
    print(
        f"\nby the day, standard errors are {wider.median():.2f} times as large (median), at most {wider.max():.1f} times"
    )

    sure = tables["if days are independent"].iloc[1:]
    shown = np.argsort(-sure["z_value"].abs().to_numpy())[:SHOWN]
    shown = shown[np.argsort(-sure["coef"].to_numpy()[shown])]
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.8), layout="constrained")
    draw_scores(axes[0], fitted)
    draw_path(axes[1], chosen, shown)
    draw_intervals(axes[2], tables, names, shown)
    figure.savefig(args.plot, dpi=80)
    print(f"the picture is in {args.plot}")


if __name__ == "__main__":
    main()
