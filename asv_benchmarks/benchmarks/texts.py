"""Words of texts as features, as a ratio to scikit-learn's HashingVectorizer on the same texts in the same process."""

import os

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import HashingVectorizer

from fastsgd.sources import from_arrow

from .common import interleaved

TEXTS = 200 if os.environ.get("FASTSGD_BENCH") == "small" else 4000


def zipf(n, topics=20, words=150, vocabulary=20_000, spread=0.32, seed=0):
    """n documents whose words follow Zipf's law, of topics that use the same words more or less often; and the topics."""
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("etaoinshrdlucmfwypvbgk"), (vocabulary, 14))
    lengths = rng.poisson(5.5, vocabulary).clip(2, 14)
    names = np.array([f"{''.join(row[:size])}" for row, size in zip(letters, lengths, strict=True)])
    shares = np.exp(rng.normal(0, spread, (topics, vocabulary))) / (np.arange(vocabulary) + 5.0)
    ends = np.cumsum(shares / shares.sum(axis=1, keepdims=True), axis=1)
    topic = rng.integers(0, topics, n)
    sizes = rng.lognormal(np.log(words), 0.5, n).clip(10, 2000).astype(int)
    texts = []
    for t, size in zip(topic, sizes, strict=True):
        found = names[np.searchsorted(ends[t], rng.random(size)).clip(0, vocabulary - 1)].tolist()
        texts.append(". ".join(" ".join(found[lo : lo + 14]).capitalize() for lo in range(0, size, 14)))
    return texts, topic


class Words:
    """Rows of CSR of a table of texts; above 1 it is faster than HashingVectorizer."""

    params = (["word", "char_wb"], [(1, 1), (1, 2), (3, 5)])
    param_names = ("analyzer", "ngram_range")
    unit = "ratio"

    def setup(self, analyzer, ngram_range):
        texts, _ = zipf(TEXTS)
        how = {"analyzer": analyzer, "ngram_range": ngram_range}
        source = from_arrow(pa.table({"text": texts}), text_features=["text"], **how)
        vectorizer = HashingVectorizer(dtype=np.float32, **how)
        self.pair = (lambda: vectorizer.transform(texts)), (lambda: [rows.X for rows in source.blocks()])

    def track_ratio(self, analyzer, ngram_range):
        theirs, ours = interleaved(3, *self.pair)
        return theirs / ours
