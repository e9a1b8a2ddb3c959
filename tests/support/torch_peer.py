"""What torch.optim makes of small data, stored in torch_peer.json: `python -m tests.support.torch_peer` writes it anew.

Only `train` needs torch. The data are eighths drawn by `random()`, exact in float32 and the same with every NumPy.
"""

import json
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np

STORE = Path(__file__).with_suffix(".json")
EPOCHS = 3
STEP = {
    "sgd": 0.05,
    "momentum": 0.05,
    "nesterov": 0.05,
    "adagrad": 0.05,
    "rmsprop": 0.01,
    "adam": 0.01,
    "adamw": 0.01,
}
LOSSES = ["log_loss", "squared_error", "multinomial"]
BATCHES = [1, 32, "full"]
L2 = [0.0, 1e-2]


class Case(NamedTuple):
    optimizer: str
    loss: str
    batch: int | str
    l2: float

    @property
    def name(self):
        return f"{self.optimizer}-{self.loss}-{self.batch}-{'l2' if self.l2 else 'none'}"

    @property
    def step(self):
        return STEP[self.optimizer]


def cases():
    return [Case(*parts) for parts in product(STEP, LOSSES, BATCHES, L2)]


@cache
def data(n=100, d=7):
    """X, half of it zeros, and the targets of each loss: 2 classes, real numbers, 4 classes; none of them balanced."""
    rng = np.random.default_rng(0)

    def eighths(*shape):  # -1, -7/8, ..., 1
        return np.floor(17 * rng.random(shape)) / 8 - 1

    X = eighths(n, d) * (rng.random((n, d)) < 0.5)
    X[7], X[32:64, 4] = 0, 0  # an empty row, and a feature that the second batch of 32 does not meet
    margins = 4 * (X @ eighths(d, 4)) + eighths(n, 4) + [1, 0.5, 0, 0]
    y = margins[:, 0] - 2 * margins[:, 1]
    return X, {"log_loss": (y > -1).astype(int), "squared_error": y / 8, "multinomial": margins.argmax(axis=1)}


def train(case):
    """The weights (heads, features) and the intercepts (heads,) by torch.optim, in float64."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    X, y = data()[0], data()[1][case.loss]
    heads = 4 if case.loss == "multinomial" else 1
    size = len(X) if case.batch == "full" else case.batch
    X, y = torch.tensor(X), torch.tensor(y, dtype=torch.int64 if heads > 1 else torch.float64)
    W = torch.zeros((heads, X.shape[1]), dtype=torch.float64, requires_grad=True)
    b = torch.zeros(heads, dtype=torch.float64, requires_grad=True)
    loss = {
        "log_loss": lambda p, y: functional.binary_cross_entropy_with_logits(p[:, 0], y),
        "squared_error": lambda p, y: ((p[:, 0] - y) ** 2 / 2).mean(),
        "multinomial": functional.cross_entropy,
    }[case.loss]
    make, settings = {
        "sgd": (torch.optim.SGD, {}),
        "momentum": (torch.optim.SGD, {"momentum": 0.9}),
        "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        "adagrad": (torch.optim.Adagrad, {"eps": 1e-10}),
        "rmsprop": (torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-8}),
        "adam": (torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8}),
        "adamw": (torch.optim.AdamW, {"betas": (0.9, 0.999), "eps": 1e-8}),
    }[case.optimizer]
    groups = [{"params": [W], "weight_decay": case.l2}, {"params": [b], "weight_decay": 0.0}]
    optimizer = make(groups, lr=case.step, **settings)
    for _ in range(EPOCHS):
        for rows, targets in zip(X.split(size), y.split(size), strict=True):
            optimizer.zero_grad()
            loss(rows @ W.T + b, targets).backward()
            optimizer.step()
    return W.detach().numpy(), b.detach().numpy()


@cache
def stored():
    """torch's version, and for each case's name what `train` gave."""
    told = json.loads(STORE.read_text())
    return told["torch"], {name: tuple(map(np.array, values)) for name, values in told["values"].items()}


def write():
    import torch

    values = {case.name: [part.tolist() for part in train(case)] for case in cases()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(parts)}" for name, parts in values.items())
    STORE.write_text(f'{{"torch": "{torch.__version__}", "values": {{\n{lines}\n}}}}\n')
    print(f"{len(values)} cases by torch {torch.__version__}")


if __name__ == "__main__":
    write()
