"""The parameters of the estimators as flags, in the command's own words."""

from typing import NamedTuple


class Flag(NamedTuple):
    """What the help says of a flag.

    Attributes
    ----------
    panel : str
        Under which heading it stands.
    metavar : str or None
        What its value is called; None where it takes none.
    text : str
    rare : bool
        Whether `--help` has its name alone, and `--help-all` what it means.
    """

    panel: str
    metavar: str | None
    text: str
    rare: bool = False


DATA, MODEL, TRAINING, HELD_OUT, OUTPUT = "Data", "Model", "Training", "Held-out rows, and when to stop", "Output"
PANELS = DATA, MODEL, TRAINING, HELD_OUT, OUTPUT
PARAMETERS = {
    "loss": Flag(
        MODEL,
        "NAME",
        "For classes log_loss (default), hinge, squared_hinge, modified_huber, perceptron, sigmoid; for numbers "
        "squared_error, huber, epsilon_insensitive, squared_epsilon_insensitive, quantile, poisson, gamma, "
        "tukey, cauchy, welsch.",
    ),
    "penalty": Flag(MODEL, "NAME", "l2 (default), l1, elasticnet or none."),
    "alpha": Flag(
        MODEL,
        "X",
        "Strength of the penalty. auto: of 1e-6, 1e-5, 1e-4 and 1e-3 the one that does best on rows not learnt from; the default "
        "where --max-iter is auto and rows are less than a million, without texts. Else 0.0001, of texts 0.00001.",
    ),
    "l1_ratio": Flag(MODEL, "X", "Share of L1 in elasticnet; 0.15 by default.", rare=True),
    "fit_intercept": Flag(MODEL, None, "Whether there is an intercept; there is by default.", rare=True),
    "epsilon": Flag(MODEL, "X", "Of huber and the epsilon-insensitive losses; 0.1 by default.", rare=True),
    "class_weight": Flag(MODEL, "VALUE", 'balanced, or a factor for each class: "{0: 1, 1: 5}".'),
    "multi_class": Flag(
        MODEL,
        "NAME",
        "Of three classes and more: multinomial (default of log_loss with auto), ovr, crammer_singer.",
    ),
    "standardize": Flag(MODEL, None, "Scale columns; coefficients stay in units of the data."),
    "init": Flag(
        MODEL,
        "VALUE",
        "First weights: zeros (default), normal (of standard deviation 1 / sqrt(features)), or a standard deviation.",
        rare=True,
    ),
    "max_iter": Flag(
        TRAINING,
        "N",
        "Epochs: passes over the rows. auto (default): until the loss of rows that were not learnt from falls no more, 10 at "
        "most, and 1 of a million rows or more. It is 1 where steps are chosen by other flags.",
    ),
    "learning_rate": Flag(
        TRAINING,
        "NAME",
        "auto (default): nothing to tune, and columns need no scaling. Or constant, optimal, invscaling, adaptive, "
        "exponential, step, cosine, one_cycle, pa1, pa2. A note says what stands in place of auto where another flag does "
        "not go with it.",
    ),
    "eta0": Flag(TRAINING, "X", "First step size of other schedules; 0.01 by default."),
    "power_t": Flag(
        TRAINING, "X", "Exponent of invscaling; by default 0.5 for classes and 0.25 for numbers.", rare=True
    ),
    "optimizer": Flag(TRAINING, "NAME", "sgd (default), momentum, nesterov, adagrad, rmsprop, adam, adamw or ftrl."),
    "batch_size": Flag(TRAINING, "N", "Rows of a step, or full; 1 by default."),
    "average": Flag(
        TRAINING,
        "VALUE",
        "true: keep the average of the weights over all steps; a number: over those from that step on.",
        rare=True,
    ),
    "half_life": Flag(
        TRAINING,
        "N",
        "Rows after which a row counts half, where what is to be learnt changes with time; none fades by default. auto: none, "
        "1000000, 100000 or 10000, whichever does best on rows not learnt from. Rows are learnt once, in their order. Goes with "
        "auto and --average.",
    ),
    "shuffle": Flag(TRAINING, None, "A new order of the rows in each epoch; the default.", rare=True),
    "random_state": Flag(TRAINING, "N", "Seed of the order of rows; 0 by default."),
    "n_jobs": Flag(TRAINING, "N", "Threads; 1 by default, -1 for all cores."),
    "parallel": Flag(
        TRAINING,
        "NAME",
        "What several threads do to one model: deterministic (default: the same result each time) or hogwild (they write "
        "to the same weights, by plain SGD).",
        rare=True,
    ),
    "intercept_decay": Flag(
        TRAINING,
        "X",
        "Factor of the intercept's step. auto (default): 0.01 on sparse rows by single steps of plain SGD, else 1.",
        rare=True,
    ),
    "n_init": Flag(
        TRAINING,
        "N",
        "Train this often, from other first weights and in another order, and keep the model of least objective: for "
        "losses that are not convex. 1 by default.",
        rare=True,
    ),
    "gradient_noise": Flag(
        TRAINING, "X", "Variance of normal noise on each slope, falling as 1 / (1 + t)^0.55; 0 by default.", rare=True
    ),
    "n_bootstrap": Flag(
        TRAINING,
        "N",
        "Train this many more models, each on a bootstrap sample of the rows, so that the model in Python says how sure it "
        "is (coef_table, predict_interval). Goes with auto; 20 will do.",
        rare=True,
    ),
    "n_splits": Flag(
        TRAINING,
        "N",
        "For the same intervals: train a model more on each of this many disjoint parts of the rows. Goes with auto.",
        rare=True,
    ),
    "tol": Flag(
        HELD_OUT,
        "X",
        "Stop when the score of held-out rows, or without these the objective, has not improved by X for "
        "--n-iter-no-change epochs; by default never.",
    ),
    "n_iter_no_change": Flag(HELD_OUT, "N", "See --tol and --early-stopping; 5 by default.", rare=True),
    "validation_scoring": Flag(
        HELD_OUT,
        "NAME",
        "What scores held-out rows: loss or a scorer of scikit-learn such as roc_auc; accuracy or R2 by default.",
    ),
    "stopping": Flag(
        HELD_OUT,
        "NAME",
        "What --tol looks at: objective, gradient, parameters or validation.",
        rare=True,
    ),
    "max_seconds": Flag(HELD_OUT, "X", "End the training after this many seconds."),
}
