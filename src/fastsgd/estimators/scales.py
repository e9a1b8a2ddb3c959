"""How much the features of a model vary: as training has seen it, or in rows that are given."""

import numpy as np

from fastsgd.sources.arrays import Table
from fastsgd.sources.base import Rows, Source
from fastsgd.sources.blocks import over_blocks
from fastsgd.sources.scaling import moments_in_turn


def in_training(est):
    """(scale of each feature, what it is), as far as the state of the training has it; (None, "") where it does not.

    With standardize=True, and with learning_rate="auto" on dense rows, that is the standard deviation. On CSR, "auto" knows
    the mean only of features that most rows have: of others it is the root mean square, which is the same for rare ones.
    """
    if (scale := getattr(est, "scale_", None)) is not None:
        return scale, "standard deviation in training"
    auto = getattr(vars(est).get("_state"), "auto", None)
    if auto is None:
        return None, ""
    known = not auto.sparse or len(auto.centre[0])
    return auto.scales, f"{'standard deviation' if known else 'root mean square'} in training"


def in_rows(est, data):
    """(standard deviation of each feature in these rows, what it is)."""
    if isinstance(data, Source) and data.once and data.feature_names is None:
        raise ValueError(
            "data can be read once, and is read twice, for the scales of the features and for their names: give a table or files."
        )
    blocks = over_blocks(est, data, lambda rows: rows) if isinstance(data, Source) else [Rows(est._features_of(data))]
    with np.errstate(over="ignore", invalid="ignore"):
        found = moments_in_turn(Table(rows.X, s=rows.weight) for rows in blocks)
    if found is None:
        raise ValueError("data has no rows: give some that the model can read.")
    return found.finish()[1], "standard deviation in the data given"
