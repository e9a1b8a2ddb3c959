"""svmlight text that is odd or broken: made at random, read, and compared with a plain parser in Python.

    python -m tests.support.fuzz_svmlight 5000000 [seed]

goes through so many, one in 256 of them through a file. A text is accepted, or refused by a ValueError with the line and
the column of the first fault; anything else is a bug, and a crash ends the program. One in eight is compared with the plain
parser, in every bit.
"""

import copy
import gzip
import itertools
import os
import random
import re
import struct
import sys
import tempfile
import time
import warnings
from collections import Counter

import numpy as np

from fastsgd.sources import from_svmlight
from fastsgd.sources.svmlight import BOM, Piece

NUMBER = re.compile(rb"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
FINITE_FLOAT32 = 2.0**128 - 2.0**103  # halfway from the largest to the next: rounds to infinity
ODD = (
    *(
        b"nan",
        b"-inf",
        b"Infinity",
        b"1e400",
        b"-1e-400",
        b"0x1p3",
        b"1_0",
        b"1e",
        b"1e+",
        b".",
        b"-",
        b"+",
        b"",
        b"--1",
    ),
    *(b"3.4028235e38", b"3.4028236e38", b"1.7976931348623158e308", b"1.7976931348623159e308", b"4.9e-324", b"2.4e-324"),
    *(
        b"9007199254740993",
        b"18446744073709551617",
        b"0e9999999999999999999",
        b"1e99999999999999999999",
        b"-0",
        b"5e-1.",
    ),
    *(
        b"0." + b"0" * 400 + b"1e401",
        b"1" + b"0" * 400 + b"e-400",
        b"1" * 800,
        b"." + b"7" * 800 + b"e3",
        b"1,2",
        b"1,",
    ),
    *(b"1\x002", b"\xff\xfe", "é".encode(), b"\xd9\xa1", b"1e-99999999999999999999", b"00000000000000000000000001"),
)
PLACES = b"0", b"1", b"2", b"3", b"10", b"007", b"2147483647", b"2147483648", b"4294967297", b"999999999999999999"
BAD_PLACES = b"-1", b"+1", b"", b"1.0", b"1e1", b"x", b"1000000000000000000", b"9" * 30, b"qid", b"\x00"
BYTES = b" \t\n\r#:.,+-eEqid0123456789\x00\xff\v\x0c"
OPTIONS = {
    "n_features": (None, None, 1, 3, 12, 2**31 - 1, 2**31, 10**18),
    "zero_based": ("auto", True, False),
    "dtype": (np.float32, np.float64),
    "on_error": ("raise", "skip"),
}


# ---------------------------------------------------------------- the plain parser
class MalformedError(Exception):
    """(line, column)"""


def plain_line(line, base, limit, dtype):
    """(label, {index: value}), or None, or the column of the first fault."""
    line = line.removesuffix(b"\r").split(b"#")[0]
    tokens = [(m.start() + 1, m[0]) for m in re.finditer(rb"[^ \t]+", line)]
    if not tokens:
        return None
    (column, label), *tokens = tokens
    if not NUMBER.fullmatch(label) or np.isinf(float(label)):
        return column
    if tokens and tokens[0][1].startswith(b"q"):
        column, qid = tokens.pop(0)
        if not re.fullmatch(rb"qid:[+-]?[0-9]+", qid):
            return column
    row, twice = {}, None
    for column, token in tokens:
        index, colon, value = token.partition(b":")
        if not re.fullmatch(rb"[0-9]{1,18}", index) or not colon or not 0 <= int(index) - base < limit:
            return column
        if not NUMBER.fullmatch(value) or abs(float(value)) >= (FINITE_FLOAT32 if dtype == np.float32 else np.inf):
            return column + len(index) + 1
        if int(index) - base in row:
            twice = twice or column
        row[int(index) - base] = dtype(float(value))
    return twice or (float(label), row)


def plain_rows(text, base, limit, dtype, skip):
    rows, left_out = [], 0
    for number, line in enumerate(text.removeprefix(BOM).split(b"\n"), 1):
        found = plain_line(line, base, limit, dtype)
        if isinstance(found, int):
            if not skip:
                raise MalformedError(number, found)
            left_out += 1
        elif found is not None:
            rows.append(found)
    return rows, left_out


def plain(text, n_features, zero_based, dtype, on_error):
    """(rows, columns of the matrix, lines left out); MalformedError where the text is refused."""
    skip, most, base = on_error == "skip", 10**18 if n_features is None else n_features, int(not zero_based)
    if zero_based == "auto":
        rows, _ = plain_rows(text, 0, most + (n_features is not None), dtype, skip)
        base = 0 if any(0 in row for _, row in rows) else 1
    rows, left_out = plain_rows(text, base, most, dtype, skip)
    return rows, n_features or 1 + max((max(row, default=-1) for _, row in rows), default=-1), left_out


# ---------------------------------------------------------------- texts
def number(rnd):
    kind = rnd.random()
    if kind < 0.5:
        return b"%.*g" % (rnd.randint(1, 9), rnd.gauss(0, 1))
    if kind < 0.7:
        return repr(struct.unpack("d", rnd.randbytes(8))[0]).encode()  # any double; nan and inf too
    if kind < 0.9:
        digits = b"%d" % rnd.getrandbits(rnd.choice((8, 53, 54, 64, 65, 90)))
        at = rnd.randint(0, len(digits))
        return b"%s%s.%se%d" % (rnd.choice((b"", b"-", b"+")), digits[:at], digits[at:], rnd.randint(-345, 310))
    return rnd.choice(ODD)


def line(rnd):
    tokens = [rnd.choice((b"1", b"-1", b"+1", b"0", b"2.5")) if rnd.random() < 0.95 else rnd.choice(ODD)]
    if rnd.random() < 0.1:
        tokens.append(rnd.choice((b"qid:3", b"qid:-1", b"qid:", b"qid:x", b"q", b"qi:1", b"qid:1:2")))
    here = 0
    for _ in range(rnd.choice((0, 1, 2, 3, 5, 12))):
        here = here + rnd.randint(1, 3) if rnd.random() < 0.95 else rnd.randint(0, 30)
        index = b"%d" % here if rnd.random() < 0.97 else rnd.choice(rnd.choice((PLACES, BAD_PLACES)))
        tokens.append(index + b":" + number(rnd))
    if rnd.random() < 0.1:
        tokens.append(b"# 1:1 # \xff")
    text = rnd.choice((b" ", b" ", b"  ", b"\t")).join(tokens)
    return b"" if rnd.random() < 0.02 else text + rnd.choice((b"", b"", b" ", b"\r", b"\r\r"))


def texts(rnd, size=500):
    """Without end: a few lines of a pool of that size, which is made anew now and then, with some bytes changed."""
    while True:
        pool = [line(rnd) for _ in range(size)]
        for _ in range(4000):
            text = bytearray(b"\n".join(rnd.choices(pool, k=rnd.choice((1, 2, 3, 6)))))
            if rnd.random() < 0.6:
                text += b"\n"
            if rnd.random() < 0.02:
                text[:0] = BOM
            for _ in range(rnd.choice((0, 0, 1, 2, 4))):
                mutate(text, rnd)
            yield bytes(text)


def mutate(text, rnd):
    at, kind = int(rnd.random() * (len(text) + 1)), int(rnd.random() * 5)
    if kind == 0:
        text[at:at] = BYTES[int(rnd.random() * len(BYTES))].to_bytes()
    elif kind == 1:
        text[at : at + 1] = BYTES[int(rnd.random() * len(BYTES))].to_bytes()
    elif kind == 2:
        del text[at : at + 1 + int(rnd.random() * 4)]
    elif kind == 3:
        text[at:at] = text[at - 5 : at]
    else:
        text[at : at + 1] = bytes([int(rnd.random() * 256)])


# ---------------------------------------------------------------- reading them
def result(source, path):
    """("read", y, data, indices, indptr, shape, left out) or ("refused", line, column)."""
    try:
        blocks = list(source.blocks())
    except ValueError as error:
        place = re.match(re.escape(path) + r":([0-9]+):([0-9]+): found .*; .*\.\Z", str(error), re.S)
        assert place, f"no line and column: {error}"
        return "refused", int(place[1]), int(place[2])
    indptr = np.cumsum([0, *(size for rows in blocks for size in np.diff(rows.X.indptr))])
    parts = zip(*((rows.y, rows.X.data, rows.X.indices) for rows in blocks), strict=True)
    y, data, indices = map(np.concatenate, parts) if blocks else (np.empty(0),) * 3
    for rows in blocks:
        assert rows.X.indices.dtype == rows.X.indptr.dtype == (np.int64 if source.n_features >= 2**31 else np.int32)
        assert rows.X.dtype == source.dtype and rows.X.shape == (len(rows.y), source.n_features)
    return "read", y, data, indices, indptr, source.n_features, source.skipped


def compare(text, options, found):
    """That the plain parser finds the same."""
    try:
        rows, width, left_out = plain(text, **options)
    except MalformedError as error:
        assert found == ("refused", *error.args), (found, error.args)
        return
    assert found[0] == "read", found
    y, data, indices, indptr, n_features, skipped = found[1:]
    assert (n_features, skipped) == (width, left_out)
    assert y.tobytes() == np.array([label for label, _ in rows]).tobytes()
    assert indices.tolist() == [index for _, row in rows for index in sorted(row)]
    values = [row[index] for _, row in rows for index in sorted(row)]
    assert data.tobytes() == np.array(values, options["dtype"]).tobytes()
    assert indptr.tolist() == [0, *itertools.accumulate(len(row) for _, row in rows)]


class Reader:
    """Reads texts, from memory or through a file."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "text")
        with open(self.path, "wb") as file:
            file.write(b"1 1:1\n")
        values = list(itertools.product(*OPTIONS.values()))
        self.cases = [dict(zip(OPTIONS, case, strict=True)) for case in values]
        self.sources = [from_svmlight(self.path, **case) for case in self.cases]

    def memory(self, text, case):
        """In one piece: what the parser sees ends where the text does, so that AddressSanitizer finds what goes beyond."""
        source = copy.copy(self.sources[case])
        source.n_blocks, source._left_out, source._first = None, {}, {}
        text = text.removeprefix(BOM) + (b"" if text.endswith(b"\n") else b"\n")
        source._pieces = lambda: [Piece((0, 0), self.path, text, lambda: 0)]
        return result(source, self.path)

    def file(self, text, case, packed, block_bytes):
        with open(self.path, "wb") as file:
            file.write(gzip.compress(text, 1) if packed else text)
        return result(from_svmlight(self.path, block_bytes=block_bytes, **self.cases[case]), self.path)


def main(n, seed=0):
    rnd, counts, start = random.Random(seed), Counter(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*malformed lines were left out")
        reader = Reader(folder)
        for number, text in enumerate(itertools.islice(texts(rnd), n)):
            case = int(rnd.random() * len(reader.cases))
            try:
                if number % 256:
                    found = reader.memory(text, case)
                else:
                    found = reader.file(text, case, rnd.random() < 0.3, rnd.choice((1, 2, 7, 20, 64, 1000)))
                if number % 8 == 0:
                    compare(text, reader.cases[case], found)
            except Exception:
                print(f"input {number} of seed {seed}: {text!r}, {reader.cases[case]}", file=sys.stderr)
                raise
            counts[found[0]] += 1
            if (number + 1) % 250_000 == 0:
                print(f"{number + 1:,} ...", flush=True)
    seconds = time.perf_counter() - start
    print(f"{n:,} texts, {dict(counts)}; none failed. {n / seconds:,.0f} a second.")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or ["100000"]))
