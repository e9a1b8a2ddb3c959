"""What auto_merge.py does first with states of learning_rate="auto" on CSR: the same columns become centred in all of them."""

import numpy as np

from fastsgd.auto import AVERAGED, CENTRED, RECORD, UNIT, B


def centre_alike(own, heads, parts):
    """Centre in all states the columns that are centred in one of them, by the mean of all rows; each model stays what it is.

    A part that has not centred such a column says nothing of its weight, which other steps have led to.

    own : Auto
        That of which the parts are forks, in place.
    heads : (K, n) array
        Its heads, in place.
    parts : list of Auto
        In place; they may be without the records that are as in `own` (`compact` of auto_merge.py).
    """
    own.at["last"] = max(part.at["last"][0] for part in parts)
    columns = np.array(list(dict.fromkeys(j for one in (own, *parts) for j in one.centre[0].tolist())), np.intp)[
        :CENTRED
    ]
    if not len(columns):
        return
    (weight, total, _), starts = _moments(own, columns), []
    start, sums = weight, total
    for part in parts:
        w, s, _ = found = _moments(part, columns)
        weight, total = weight + (w - start), total + (s - sums)
        starts.append(found)
    mean = total / weight
    before = own.records[columns]
    _move(heads, before, mean - _moments(own, columns)[2])
    own.records[columns[start == 0]] = 0
    for part, (w, _, used) in zip(parts, starts, strict=True):
        records, there, at = _of(part.records, columns)
        now = before.copy()
        now[there] = records[at]
        _move(part.heads, now, mean - used)
        new = w[there] == 0
        records[at[new]] = own.records[columns[there][new]]
    own.centred = np.zeros((4, CENTRED))
    own.centred[:, : len(columns)] = columns + 1, weight, mean, mean


def _moments(auto, columns):
    """The weight of the rows since each of the columns joined, their sum, and what it is centred by; zeros if it is not."""
    found, own = np.zeros((3, len(columns))), auto.centre[0]
    place = {j: i for i, j in enumerate(columns.tolist())}
    for i, j in enumerate(own.tolist()):
        if j in place:
            _, weight, mean, used = auto.centred[:, i]
            found[:, place[j]] = weight, weight * mean, used
    return found


def _move(heads, records, by):
    """Change the intercepts, so that models stay what they are where columns are centred by means that are larger by so much."""
    for place in range(AVERAGED + 1):
        heads[:, B.start + place] += by @ (records[:, place::RECORD].astype(np.float64) * records[:, UNIT::RECORD])


def _of(records, columns):
    """The records; of each column whether it has some; and the places of those that have."""
    if isinstance(records, np.ndarray):
        return records, np.ones(len(columns), bool), columns
    features, records = records
    if not len(features):
        return records, np.zeros(len(columns), bool), columns[:0]
    at = np.minimum(np.searchsorted(features, columns), len(features) - 1)
    there = features[at] == columns
    return records, there, at[there]
