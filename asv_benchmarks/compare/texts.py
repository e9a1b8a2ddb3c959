"""Texts, beside scikit-learn, as Markdown: `python -m asv_benchmarks.compare texts`.

The first table is the rate of hashing words on one core: HashingVectorizer, and rows of CSR of a source, of documents that
lie in memory. In the second both learn the 20 topics of 9,600 documents of a CSV file and predict 2,400 of another: the command
`fastsgd train`, as it is and with flags, and then `fastsgd predict`, and a script that reads with the csv module and fits
TfidfVectorizer and SGDClassifier. Each is a process of its own; seconds are of processor time, the medians of all repeats, with
what importing takes, and without. --spread says how far apart the topics are. --csv LABEL TEXT FILE... takes documents of CSV
files, in place of made ones; every fifth is predicted.
"""

import benchmarks  # noqa: F401 isort: skip  (first: it sets one thread)

import argparse
import csv
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import pyarrow as pa
from benchmarks.common import interleaved
from benchmarks.texts import zipf
from sklearn.feature_extraction.text import HashingVectorizer

from fastsgd.sources import from_arrow

RATES = [("word", (1, 1)), ("word", (1, 2)), ("word", (1, 3)), ("char", (3, 5)), ("char_wb", (3, 5))]
OURS = """
import sys
from fastsgd.cli import main
sys.exit(main(sys.argv[1:]))
"""
AUTO = "--learning-rate", "auto"
FLAGS = {"": (), " --learning-rate auto": AUTO, " --learning-rate auto --no-idf": (*AUTO, "--no-idf")}
IMPORTS = "from fastsgd import SGDClassifier; import pyarrow.csv, pyarrow.compute"
THEIRS = """
import csv, sys
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return zip(*list(csv.reader(file))[1:])
labels, texts = read(sys.argv[1])
model = make_pipeline(TfidfVectorizer(), SGDClassifier(random_state=0)).fit(texts, labels)
with open(sys.argv[3], "w") as file:
    file.write("\\n".join(["prediction", *model.predict(list(read(sys.argv[2]))[1])]))
"""
THEIR_IMPORTS = (
    "from sklearn.feature_extraction.text import TfidfVectorizer; import sklearn.linear_model, sklearn.pipeline"
)


def rates(texts, repeats):
    print(
        "| n-grams | HashingVectorizer, texts/s | fastsgd, texts/s | ratio |", "| --- | ---: | ---: | ---: |", sep="\n"
    )
    for analyzer, ngram_range in RATES:
        how = {"analyzer": analyzer, "ngram_range": ngram_range}
        source = from_arrow(pa.table({"text": texts}), text_features=["text"], **how)
        vectorizer = HashingVectorizer(dtype=np.float32, **how)
        pair = (lambda v=vectorizer: v.transform(texts)), (lambda s=source: [rows.X for rows in s.blocks()])
        theirs, ours = (len(texts) / seconds for seconds in interleaved(repeats, *pair, clock=process_time))
        print(f"| {analyzer} {ngram_range} | {theirs:,.0f} | {ours:,.0f} | {ours / theirs:.1f} |", flush=True)


def seconds(code, *words):
    """Of processor time, of a process of its own."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    before = os.times()
    subprocess.run([sys.executable, "-P", "-W", "ignore", "-c", code, *words], env=env, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def documents(path, texts, labels):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label", "text"), *zip(labels, texts, strict=True)])


def accuracy(path, labels):
    with open(path, newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    return np.mean([row["prediction"] == label for row, label in zip(found, labels, strict=True)])


def end_to_end(folder, texts, labels, repeats):
    train, test, model = (str(Path(folder, name)) for name in ("train.csv", "test.csv", "model"))
    held_out = np.arange(len(texts)) % 5 == 4
    documents(train, np.array(texts, object)[~held_out], labels[~held_out])
    documents(test, np.array(texts, object)[held_out], labels[held_out])
    ours, theirs = str(Path(folder, "ours.csv")), str(Path(folder, "theirs.csv"))
    peer = "TfidfVectorizer, SGDClassifier"
    took, right = {name: [] for name in (peer, *FLAGS, "our imports", "their imports")}, {}
    for _ in range(repeats):
        took["our imports"].append(seconds(IMPORTS))
        took["their imports"].append(seconds(THEIR_IMPORTS))
        took[peer].append(seconds(THEIRS, train, test, theirs))
        right[peer] = accuracy(theirs, labels[held_out])
        for name, flags in FLAGS.items():
            took[name].append(seconds(OURS, "train", train, "--target", "label", "--model", model, "-q", *flags))
            seconds(OURS, "predict", test, "--model", model, "--output", ours, "--header")
            right[name] = accuracy(ours, labels[held_out])
    found = {name: statistics.median(values) for name, values in took.items()}
    print("| 20 topics | accuracy | seconds | without imports |", "| --- | ---: | ---: | ---: |", sep="\n")
    for name, share in right.items():
        title, imports = (peer, "their imports") if name == peer else (f"fastsgd train{name}", "our imports")
        print(f"| {title} | {share:.4f} | {found[name]:.2f} | {found[name] - found[imports]:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--small", action="store_true", help="a fortieth of the documents: a smoke test")
    parser.add_argument("--spread", type=float, default=0.32, help="of the logarithms of a word's rates in the topics")
    parser.add_argument("--csv", nargs="+", metavar="WORD", help="LABEL TEXT FILE...: documents of these columns")
    args = parser.parse_args()
    if args.csv:
        label, text, *files = args.csv
        csv.field_size_limit(1 << 30)
        rows = []
        for path in files:
            with open(path, newline="", encoding="utf-8") as file:
                rows += csv.DictReader(file)
        texts, labels = [row[text] for row in rows], np.array([row[label] for row in rows])
    else:
        texts, topics = zipf(300 if args.small else 12_000, spread=args.spread)
        labels = np.array([f"topic {t}" for t in topics])
    rates(texts[:4000], args.repeats)
    print()
    with tempfile.TemporaryDirectory() as folder:
        end_to_end(folder, texts, labels, args.repeats)
    print(f"\nPython {platform.python_version()}; medians of {args.repeats}, one thread.")


if __name__ == "__main__":
    main()
