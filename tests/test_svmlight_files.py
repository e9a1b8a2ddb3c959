"""svmlight from files: several, compressed, in blocks, in bounded memory; and texts at random."""

import bz2
import gzip
import json
import random
import re
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from support import fuzz_svmlight
from support.svmlight import made, read, same, together

from fastsgd.sources import from_svmlight, svmlight

# ---------------------------------------------------------------- files


def test_folders_patterns_and_lists(tmp_path):
    for k, name in enumerate(["b.txt", "a.txt", "c.svm", ".hidden", "_SUCCESS"]):
        made(tmp_path, f"{k} 1:1\n", name)
    (tmp_path / "folder").mkdir()

    def labels(paths):
        return together(from_svmlight(paths))[1].tolist()

    assert labels(tmp_path) == labels(str(tmp_path)) == [1, 0, 2]
    assert labels(tmp_path / "*.txt") == [1, 0]
    assert labels([tmp_path / "c.svm", str(tmp_path / "*.txt")]) == [2, 1, 0]
    made(tmp_path, "7 1:1", "c[1].txt")
    assert labels(tmp_path / "c[1].txt") == [7]
    with pytest.raises(FileNotFoundError, match="none"):
        from_svmlight(tmp_path / "none")
    for nothing in (tmp_path / "*.csv", tmp_path / "folder"):
        with pytest.raises(ValueError, match=re.escape(f"paths: there are no files in {str(nothing)!r}")):
            from_svmlight(nothing)
    with pytest.raises(ValueError, match="paths: the list is empty"):
        from_svmlight([])


def test_a_file_that_changed_is_not_read_on(tmp_path):
    path = made(tmp_path, "1 1:1\n" * 10)
    source = from_svmlight(path)
    source.survey()
    made(tmp_path, "1 1:1\n" * 9)
    with pytest.raises(ValueError, match="has changed: it had 60 bytes, and has 54"):
        source.read(0)


def test_what_a_checkpoint_says_of_it(tmp_path):
    path = made(tmp_path, "1 1:1\n")
    source = from_svmlight(path)
    said = json.loads(json.dumps(source.describe()))
    (file,) = said["files"]
    assert said["source"] == "from_svmlight" and (file["name"], file["size"]) == ("rows.txt", 6)
    source.survey()
    assert source.describe() == said
    for changed in ({"n_features": 2}, {"zero_based": True}, {"dtype": "f8"}, {"on_error": "skip"}, {"block_bytes": 9}):
        assert from_svmlight(path, **changed).describe() != said


def test_blocks_may_be_read_by_several_threads_in_any_order(tmp_path):
    text = "".join(f"{k} 1:{k} {k % 7 + 2}:0.5\n" for k in range(2000))
    source = from_svmlight([made(tmp_path, text), made(tmp_path, text, "again")], block_bytes=300)
    order = random.Random(0).sample(range(source.n_blocks), source.n_blocks)
    with ThreadPoolExecutor(4) as pool:
        read = dict(zip(order, pool.map(source.read, order), strict=True))
    X, y = together(source)
    np.testing.assert_array_equal(np.concatenate([read[k].y for k in range(source.n_blocks)]), y)
    same(sp.vstack([read[k].X for k in range(source.n_blocks)], "csr"), X)
    with pytest.raises(IndexError, match="block must be in"):
        source.read(source.n_blocks)


def test_long_lines(tmp_path, monkeypatch):
    long = "1 " + " ".join(f"{k}:1.25" for k in range(1, 1_000_001))  # 12 MB
    path = made(tmp_path, f"0 1:1\n{long}\n2 1:1\n")
    source = from_svmlight(path, block_bytes=1 << 20)
    X, y = together(source)
    assert y.tolist() == [0, 1, 2] and np.diff(X.indptr).tolist() == [1, 1_000_000, 1]
    packed = made(tmp_path, gzip.compress(path.read_bytes(), 1), "packed")
    monkeypatch.setattr(svmlight, "LINE_BYTES", 5 << 20)
    for source in (from_svmlight(path, block_bytes=1 << 20), from_svmlight(packed, block_bytes=1 << 20)):
        with pytest.raises(ValueError, match=r":2:1: found a line of more than 5242880 bytes; svmlight is expected"):
            list(source.blocks())


# ---------------------------------------------------------------- compressed files


def packed(text, codec):
    pa = pytest.importorskip("pyarrow")
    if codec == "bz2":
        return bz2.compress(text.encode())
    return pa.compress(text.encode(), codec=codec, asbytes=True)


@pytest.mark.parametrize("codec", ["gzip", "bz2", "zstd"])
@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 20])
def test_compressed_files_are_known_by_their_first_bytes(tmp_path, codec, block_bytes):
    text = "\ufeff" + "".join(f"{k} 1:{k} {k % 5 + 1}0:2\r\n" for k in range(40))
    plain = from_svmlight(made(tmp_path, text), block_bytes=block_bytes)
    source = from_svmlight(made(tmp_path, packed(text, codec), "no_suffix"), block_bytes=block_bytes)
    assert source.n_blocks is None
    for _ in range(2):
        for mine, theirs in zip(together(source), together(plain), strict=True):
            np.testing.assert_array_equal(*(a.toarray() if sp.issparse(a) else a for a in (mine, theirs)))
    both = from_svmlight([tmp_path / "no_suffix", tmp_path / "rows.txt"], block_bytes=block_bytes)
    assert both.n_blocks is None and together(both)[0].shape == (80, 50)
    both.survey()
    assert both.n_rows == 80


def test_several_gzip_members(tmp_path):
    pytest.importorskip("pyarrow")
    for pack in (gzip.compress, bz2.compress):
        _, y = read(tmp_path, pack(b"1 1:1\n2 1") + pack(b":1\n3 1:1"))
        assert y.tolist() == [1, 2, 3]


@pytest.mark.parametrize("codec", ["gzip", "bz2", "zstd"])
def test_faults_of_compressed_files(tmp_path, codec):
    text = "".join(f"{k} 1:{k}\n" for k in range(9000))
    whole = packed(text.replace(" 1:8000\n", " 1:8000 z\n"), codec)
    path = made(tmp_path, whole)
    with pytest.raises(ValueError, match=re.escape(f"{path}:8001:13: found 'z'; index:value")):
        from_svmlight(path, block_bytes=500).survey()
    with pytest.warns(UserWarning, match=r"1 malformed lines were left out .*:8001:13: found 'z'"):
        source = from_svmlight(path, block_bytes=500, on_error="skip", n_features=1)
        assert len(together(source)[1]) == 8999
    whole = packed(text, codec)
    with pytest.raises(ValueError, match=f"its {codec} data are damaged or end too early"):
        from_svmlight(made(tmp_path, whole[: len(whole) // 2])).survey()
    with pytest.raises(ValueError, match=re.escape(str(path))):
        from_svmlight(made(tmp_path, whole[:2000] + b"\0" * 500 + whole[2500:])).survey()


def test_compression_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="is gzip, which needs pyarrow: pip install pyarrow"):
        read(tmp_path, gzip.compress(b"1 1:1\n"))


# ---------------------------------------------------------------- memory, and anything at all


@pytest.mark.parametrize("pack", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path, pack):
    if pack:
        pytest.importorskip("pyarrow")
    rows = "".join(f"{k % 2} {k % 7 + 1}:0.125 10:{k}\n" for k in range(10_000)).encode()
    path = tmp_path / "rows"
    with (gzip.open if pack else open)(path, "wb", **({"compresslevel": 1} if pack else {})) as file:
        for _ in range(150):
            file.write(rows)  # 29 MB in all
    source = from_svmlight(path, block_bytes=1 << 19)
    tracemalloc.start()
    source.survey()
    assert sum(len(block.y) for block in source.blocks()) == source.n_rows == 1_500_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6e6


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return fuzz_svmlight.Reader(str(tmp_path_factory.mktemp("fuzz")))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**64), st.integers(1, 100))
def test_any_text_is_read_as_a_plain_parser_does_or_refused_at_the_same_place(reader, seed, block_bytes):
    rnd = random.Random(seed)
    text, case = next(fuzz_svmlight.texts(rnd, 3)), rnd.randrange(len(reader.cases))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*malformed lines were left out")
        fuzz_svmlight.compare(text, reader.cases[case], reader.memory(text, case))
        fuzz_svmlight.compare(text, reader.cases[case], reader.file(text, case, False, block_bytes))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text("019 :.-e#\nq", max_size=60).map(str.encode), st.integers(0, 95))
def test_any_bytes(reader, text, case):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*malformed lines were left out")
        fuzz_svmlight.compare(text, reader.cases[case], reader.memory(text, case))
