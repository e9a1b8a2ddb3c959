"""What `half_life` gives where what is to be learnt changes along the rows: log-loss of the rows after those that were learnt.

`python asv_benchmarks/half_lives.py [CHANGE ...]` prints a table: a row for each kind of data, a column for each half-life; of
half_life="auto" the one chosen, and the processor time over that of None, stand behind. One pass in the order of the rows. "auto"
is learning_rate="auto", "average" the average of steps of AVERAGED. Five categories (CSR) or 30 columns (dense), 180,000 rows to
learn from and the next 20,000. How effects change: "slowly" they turn by 90 degrees from the first row to the last; "at once"
they are others from row 150,000 on; "not" at all.
"""

import sys
import time

import numpy as np
from one_pass import loss, one_hot

from fastsgd import SGDClassifier

N, SEEN, TURN = 200_000, 180_000, 150_000
HALF_LIVES = None, 100_000, 30_000, 10_000, 3_000, 1_000, "auto"
AVERAGED = dict(learning_rate="constant", eta0=0.1, average=True, alpha=1e-6)


def rows(sparse, world):
    """Rows to learn from and the next ones."""
    rng = np.random.default_rng(0)
    if sparse:
        X, size = one_hot(*((m * rng.random(N) ** 2).astype(int) for m in (10, 30, 100, 300, 1000))), 0.6
    else:
        X, size = rng.standard_normal((N, 30)).astype(np.float32), 0.25
    before, after = (X @ (size * rng.standard_normal(X.shape[1])) for _ in range(2))
    at = np.arange(N)
    angle = {"slowly": at / N, "at once": 1.0 * (at >= TURN), "not": 0.0 * at}[world] * np.pi / 2
    y = np.cos(angle) * before + np.sin(angle) * after + rng.logistic(size=N) > 0
    return X[:SEEN], y[:SEEN], X[SEEN:], y[SEEN:]


def main(worlds):
    print("| rows | effects change | |" + "".join(f" {h or 'None'} |" for h in HALF_LIVES))
    print("|---|---|---|" + "---:|" * len(HALF_LIVES))
    for sparse in (True, False):
        for world in worlds or ("slowly", "at once", "not"):
            X, y, others, known = rows(sparse, world)
            for name, params in (("auto", {"learning_rate": "auto"}), ("average", AVERAGED)):
                cells, times = [], []
                for half_life in HALF_LIVES:
                    clf = SGDClassifier("log_loss", max_iter=1, tol=None, shuffle=False, half_life=half_life, **params)
                    times.append(-time.process_time())
                    clf.fit(X, y)
                    times[-1] += time.process_time()
                    cells.append(f"{loss(clf.decision_function(others), known):.4f}")
                cells[-1] += f" ({clf.half_life_:.0f}; {times[-1] / times[0]:.1f})"
                print(f"| {'CSR' if sparse else 'dense'} | {world} | {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
