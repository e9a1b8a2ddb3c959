"""Compare fastsgd with its peers: `python -m asv_benchmarks.compare [PART] [flags of the part]`, from the root of the clone.

Each part is a module beside this one, prints its table, and has a --help of its own. Without a part it is "solvers", which writes
the comparison page of the documentation and its picture.
"""

import sys
from importlib import import_module
from pathlib import Path

FOLDER = Path(__file__).parents[1]
sys.path.insert(0, str(FOLDER))  # where `benchmarks` is

PARTS = {
    "solvers": "time to an objective, beside every solver of the same problems that is installed",
    "beyond": "learning_rate='auto' to the optimum, in products X @ w, beside SGD alone and the solver",
    "sgd": "time of five epochs, and of fits with defaults, beside scikit-learn's SGD",
    "plain": "time of an epoch of each optimizer, beside plain SGD",
    "threads": "time to a certificate on several threads, beside scikit-learn's solvers",
    "clusters": "time on a Dask cluster, beside dask-ml",
    "formats": "time of a pass over files of each format, beside the array in memory",
    "readers": "time to read svmlight files, beside scikit-learn's and others' readers",
    "texts": "rate of hashing words, and 20 topics learnt from a CSV file, beside scikit-learn",
    "clicks": "time of a pass over click logs, training and predicting, beside Vowpal Wabbit",
    "grid_search": "time of a cross-validated choice of alpha, beside GridSearchCV",
}


def main() -> None:
    """Run the part that the first argument names."""
    words = sys.argv[1:]
    part = words.pop(0) if words and not words[0].startswith("-") else "solvers"
    if part not in PARTS or (words == ["--help"] and len(sys.argv) == 2):
        width = max(map(len, PARTS))
        print(__doc__, *(f"  {name:{width}}  {what}" for name, what in PARTS.items()), sep="\n")
        sys.exit(0 if part in PARTS else f"\nPART must be one of these, found {part!r}.")
    sys.argv = [f"python -m asv_benchmarks.compare {part}", *words]
    import_module(f"asv_benchmarks.compare.{part}").main()


if __name__ == "__main__":
    main()
