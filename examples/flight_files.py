"""The flights that left New York City in 2013 as Parquet files, for the command line.

    pip install ".[demo,cli,parquet]" && python examples/flight_files.py && fastsgd train flights-train.parquet --target late

A row is a flight that arrived: numbers, and words, as they are known before take-off; and `late`, whether it was more than
15 minutes late. One in four, drawn at random, goes to flights-test.parquet.
"""

import argparse
from pathlib import Path

import numpy as np
from flight_data import KINDS, NUMBERS, load

ROW_GROUP = 16384  # what is read as one block: these are small files, and the order of the blocks is drawn at random


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", default=".", help="where to write them (default: here)")
    folder = Path(parser.parse_args().folder)
    flights, late = load()
    table = flights[NUMBERS].astype(np.float32).join(flights[KINDS].astype(str)).assign(late=late)
    test = np.random.default_rng(0).random(len(table)) < 0.25
    for name, part in (("train", table[~test]), ("test", table[test])):
        path = folder / f"flights-{name}.parquet"
        part.to_parquet(path, index=False, row_group_size=ROW_GROUP)
        print(f"{path}: {len(part):,} flights")


if __name__ == "__main__":
    main()
