"""`-` in place of a file: what comes on stdin is written to a temporary file, as data are read more than once."""

import functools
import os
import re
import shutil
import sys
import tempfile
import zlib

STDIN = "-"
SNIFFED_BYTES = 1 << 16
STARTS = {b"PAR1": "parquet", b"ARROW1": "arrow", b"\xff\xff\xff\xff": "arrow", b"\x93NUMPY": "npy"}
COMPRESSED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2"}
SVMLIGHT = re.compile(rb"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?(\s+qid:\d+)?(\s+\d+:[^\s,]+)+\s*(#.*)?$")


def from_stdin(function):
    """A command of which `data` may be stdin."""

    @functools.wraps(function)
    def command(**given):
        data = given.get("data") or []
        if STDIN not in data:
            return function(**given)
        with tempfile.TemporaryDirectory(prefix="fastsgd-") as folder:
            path = _spooled(folder)
            given["data"] = [path if one == STDIN else one for one in data]
            try:
                return function(**given)
            except (ValueError, OSError) as error:
                if folder not in str(error):
                    raise
                raise ValueError(str(error).replace(os.path.join(folder, ""), "")) from error

    return command


def _spooled(folder):
    """The path of a file with what comes on stdin; its ending says what that is."""
    if sys.stdin.isatty():
        raise ValueError("- means stdin, which is a terminal here: pipe data to it, or name a file.")
    stream = getattr(sys.stdin, "buffer", sys.stdin)
    start = stream.read(SNIFFED_BYTES)
    if not start:
        raise ValueError("- means stdin, and nothing came on it.")
    path = os.path.join(folder, f"stdin{ending_of(start)}")
    with open(path, "wb") as file:
        file.write(start)
        shutil.copyfileobj(stream, file)
    return _as_file(path) if start.startswith(b"\xff\xff\xff\xff") else path


def ending_of(start):
    """The ending of a file that begins so.

    >>> ending_of(b"PAR1..."), ending_of(b"a,b\\n1,2\\n"), ending_of(b"-1 1:0.5 7:1\\n")
    ('.parquet', '.csv', '.svm')
    """
    for magic, name in STARTS.items():
        if start.startswith(magic):
            return f".{name}"
    for magic, ending in COMPRESSED.items():
        if start.startswith(magic):
            return ending_of(_gunzipped(start)) + ending if ending == ".gz" else f".csv{ending}"
    lines = [line for line in start.splitlines() if line.strip() and not line.startswith(b"#")]
    return ".svm" if lines and SVMLIGHT.match(lines[0]) else ".csv"


def _gunzipped(start):
    """The beginning of the text of which this is the beginning."""
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(start)


def _as_file(path):
    """A stream of Arrow as a file of Arrow, which can be read from anywhere."""
    import pyarrow as pa

    new = path.replace("stdin", "stdin-file")
    with pa.ipc.open_stream(path) as stream, pa.ipc.new_file(new, stream.schema) as file:
        for batch in stream:
            file.write_batch(batch)
    os.unlink(path)
    return new
