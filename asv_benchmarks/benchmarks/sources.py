"""Reading files, as a ratio to a peer that reads the same file in the same process."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from sklearn.datasets import dump_svmlight_file, load_svmlight_file

from fastsgd import SGDClassifier
from fastsgd.sources import from_csv, from_parquet, from_svmlight

from .common import interleaved, make

ROWS = 65536


def read(source):
    for _ in source.blocks():
        pass


class Svmlight:
    """Text of 69 values a row, all of it in memory in the end or not; above 1 it is faster than scikit-learn's reader."""

    unit = "ratio"

    def setup(self):
        X, y = make("text", "float32")
        self.folder = tempfile.TemporaryDirectory()
        self.path, self.width = Path(self.folder.name, "rows.svm"), X.shape[1]
        dump_svmlight_file(X[:2000], y[:2000], str(self.path), zero_based=False)

    def teardown(self):
        self.folder.cleanup()

    def track_ratio(self):
        source = from_svmlight(self.path, n_features=self.width, zero_based=False)
        theirs, ours = interleaved(
            3, lambda: load_svmlight_file(str(self.path), n_features=self.width), lambda: read(source)
        )
        return theirs / ours


class Parquet:
    """50 columns of float32 as rows; above 1 it is faster than pyarrow and NumPy alone."""

    unit = "ratio"

    def setup(self):
        X = np.random.default_rng(0).standard_normal((ROWS, 50), np.float32)
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "rows.parquet")
        table = pa.table({f"x{j}": np.ascontiguousarray(column) for j, column in enumerate(X.T)})
        pq.write_table(table, self.path, row_group_size=ROWS // 4, use_dictionary=False, compression="none")

    def teardown(self):
        self.folder.cleanup()

    def _alone(self):
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, use_threads=False)
                np.stack([column.to_numpy() for column in table.columns], axis=1)

    def track_ratio(self):
        source = from_parquet(self.path)
        alone, ours = interleaved(3, self._alone, lambda: read(source))
        return alone / ours


class Readers:
    """Training on CSV of numbers and words while it is read; above 1, as many readers as pay are faster than one."""

    unit = "ratio"

    def setup(self):
        rng = np.random.default_rng(0)
        columns = {f"x{j}": rng.standard_normal(ROWS, np.float32) for j in range(13)}
        columns |= {f"c{j}": rng.integers(0, 20_000, ROWS).astype("U") for j in range(26)}
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "rows.csv")
        pc.write_csv(pa.table(columns | {"y": rng.integers(0, 2, ROWS)}), self.path)

    def teardown(self):
        self.folder.cleanup()

    def _train(self, readers):
        source = from_csv(self.path, target="y").buffered("128MB", readers=readers)
        SGDClassifier("log_loss", random_state=0).partial_fit(source, classes=[0, 1])

    def track_ratio(self):
        one, auto = interleaved(3, lambda: self._train(1), lambda: self._train("auto"))
        return one / auto


class Clicks:
    """Rows of 13 numbers with nulls and 26 words; above 1 they take less than twice the time of pyarrow alone."""

    unit = "ratio"

    def setup(self):
        rng = np.random.default_rng(0)
        columns = {
            f"x{j}": pa.array(rng.standard_normal(ROWS, np.float32), mask=rng.random(ROWS) < 0.1) for j in range(13)
        }
        columns |= {f"c{j}": np.char.mod("%08x", rng.zipf(1.3, ROWS) % 20_000 * 2**16) for j in range(26)}
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name, "rows.parquet")
        pq.write_table(pa.table(columns), self.path, row_group_size=ROWS)
        self.words = [name for name in columns if name[0] == "c"]

    def teardown(self):
        self.folder.cleanup()

    def _alone(self):
        with pq.ParquetFile(self.path, read_dictionary=self.words) as file:
            file.read_row_group(0, use_threads=False)

    def track_ratio(self):
        source = from_parquet(self.path, n_hashed=2**22, fill_null=0.0).buffered(readers=1)
        alone, ours = interleaved(5, self._alone, lambda: read(source))
        return 2 * alone / ours
