"""Files of numbers and words: safetensors with one entry of metadata, "fastsgd", a JSON text; and a CRC-32 of all of it.

`rules.py` and `tables.py` say what must be in them.
"""

import json
import os
import zlib
from contextlib import contextmanager

import numpy as np

from fastsgd.persist import disk, lists, untouched
from fastsgd.persist.rules import Array, Parts
from fastsgd.persist.values import brief, expect

# The first number grows when older versions can't read the file: those of 0.1 know no lists in arrays, the next ones no
# arrays that are not stored whole, and no models without the state of their training.
PLAIN, LISTED, THIN = [1, 0], [2, 0], [3, 0]
PLAIN_BYTES = 1 << 16  # The lists of a longer JSON text are in arrays.
MAX_HEADER, MAX_ARRAYS = 1 << 25, 100_000
MANY_ARRAYS = 100  # Versions before THIN read no more.
# The JSON text may have FREE_VALUES values, and one more for each VALUE_BYTES of arrays.
FREE_VALUES, VALUE_BYTES = 10_000, 4
# These are safetensors' names of the dtypes used.
DTYPES = {"BOOL": "bool", "F32": "float32", "F64": "float64", "I64": "int64", "U32": "uint32", "U8": "uint8"}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
CHECKSUM = "crc32"


class Refused(ValueError):
    """The file is sound, but can't be used as it was asked to be."""


def path_of(argument, path):
    """That path as text; a TypeError that names the argument where it is none."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{argument} must be a str or path-like, got {path!r}.") from None


# ---------------------------------------------------------------- writing
def write(path, head, arrays, previous=None, version=PLAIN):
    """Write a file, which takes the place of the one at `path` once it is on disk: there is never half a file there.

    Parameters
    ----------
    path : str
        As `disk.place` returns it.
    head : dict
        Of what JSON has; the version is written here.
    arrays : dict of str to ndarray
    previous : str, default=None
        Where the file goes that was there.
    version : list
        The least one that can read what is written.

    Raises
    ------
    ValueError
        The JSON is larger than what is read.
    OSError
        It can't be written; the old file is where it was.
    """
    said, arrays = untouched.stow(arrays)
    if len(arrays) > MAX_ARRAYS:
        raise ValueError(f"it has {len(arrays)} arrays, the limit is {MAX_ARRAYS}")
    if said:
        head = head | {untouched.KEY: said}
    if said or len(arrays) > MANY_ARRAYS - len(lists.ARRAYS):
        version = THIN
    text = json.dumps(head | {"version": version}, allow_nan=False)
    if len(text) > PLAIN_BYTES:
        head, its_lists = lists.stow(head)
        version = max(version, THIN if lists.is_new(its_lists, head) else LISTED)
        text = json.dumps(head | {"version": version}, allow_nan=False)
        arrays = arrays | its_lists
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    if len(text) > MAX_HEADER // 2:  # It is escaped once more.
        raise ValueError(f"parameters and single words take {len(text)} bytes, the limit is {MAX_HEADER // 2}")
    _check_values(text, sum(array.nbytes for array in arrays.values()))
    sums = {name: array_checksum(name, array) for name, array in arrays.items()}
    arrays = arrays | {CHECKSUM: np.array([checksum(text, sums)], np.uint32)}
    with disk.replacing(path, previous) as file:
        _write_safetensors(file, text, arrays)


def _write_safetensors(file, text, arrays):
    # safetensors.save_file is not used: a kill would leave a hidden file of a name that nobody knows.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header, end = {"__metadata__": {"fastsgd": text}}, 0
    for name in names:
        start, end = end, end + arrays[name].nbytes
        dtype, shape = NAMES[arrays[name].dtype.name], arrays[name].shape
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": (start, end)}
    header = json.dumps(header, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    file.write(len(header).to_bytes(8, "little") + header)
    for name in names:
        array = np.ascontiguousarray(arrays[name], arrays[name].dtype.newbyteorder("<"))
        file.write(array.reshape(-1).view(np.uint8))


def array_checksum(name, a):
    """CRC-32 of an array: its name, dtype, shape and numbers."""
    numbers = a.reshape(-1).view(np.uint8)
    return zlib.crc32(numbers, zlib.crc32(f"{name} {a.dtype.name} {a.shape}".encode()))


def checksum(text, sums):
    """CRC-32 of the text and of the checksums of the arrays, by name."""
    return zlib.crc32(repr(sorted(sums.items())).encode(), zlib.crc32(text.encode()))


def _check_values(text, array_bytes):
    """That JSON has few values beside the arrays: `[],` takes 3 bytes in a file, and 60 and more when it is read."""
    raw = np.frombuffer(text.encode().replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    outside = ~np.logical_xor.accumulate(raw == ord('"'))  # These are outside strings.
    found, most = np.count_nonzero(outside & np.isin(raw, list(b",[{"))), FREE_VALUES + array_bytes // VALUE_BYTES
    if found > most:
        raise ValueError(f"its JSON has {found} values, the limit beside arrays of {array_bytes} bytes is {most}")


# ---------------------------------------------------------------- reading
class Stored:
    """An array in an open file; `checksum` is of what was read."""

    def __init__(self, file, name):
        self.file, self.name, view = file, name, file.get_slice(name)
        self.dtype, self.shape = DTYPES.get(view.get_dtype(), view.get_dtype()), tuple(view.get_shape())

    def read(self, check=None):
        """The array, which is now the caller's; `check` is given it first."""
        array = np.require(self.file.get_tensor(self.name), requirements="CAW")
        self.checksum = array_checksum(self.name, array)
        if check is not None:
            check(array)
        return array


class Held:
    """An array in memory, to be read as if it were in a file."""

    def __init__(self, array):
        self.dtype, self.shape, self.array = array.dtype.name, array.shape, array

    def read(self, check=None):
        """The array; it was checked when it was put."""
        return self.array


@contextmanager
def reading(path, kind, form, keys):
    """The JSON and the arrays of a file, which are all to be read within the context; what is wrong is a ValueError then.

    Parameters
    ----------
    path : str
    kind : str
        In words.
    form : str
        Its format.
    keys : set of str
        The keys of the JSON beside format and version.

    Yields
    ------
    head : dict
    arrays : dict of str to Stored
    """
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:  # There may be none yet for a new Python, or for one without the GIL.
        raise ImportError(
            f"reading {path} needs the package safetensors: pip install safetensors ({error})."
        ) from error
    try:
        array_bytes = _check_header(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if set(metadata) != {"fastsgd"}:
                raise ValueError(f"its metadata must be 'fastsgd' alone, found {brief(sorted(metadata))}")
            text = metadata["fastsgd"]
            _check_values(text, array_bytes)
            head = expect(json.loads(text), dict, "the metadata")
            _check_format(head, form, keys)
            if len(file.keys()) > MAX_ARRAYS:
                raise ValueError(f"it has {len(file.keys())} arrays, the limit is {MAX_ARRAYS}")
            arrays = {name: Stored(file, name) for name in file.keys()}  # noqa: SIM118, not a dict
            found = Array("uint32", (1,)).take(CHECKSUM, Parts({}, arrays))
            left = dict(arrays)
            head = lists.restore(head, left)
            if untouched.KEY in head:
                left = untouched.restore(head.pop(untouched.KEY), left)
            yield head, left
            if found[0] != checksum(text, {name: array.checksum for name, array in arrays.items()}):
                raise ValueError("its checksum is not that of its content")
    except MemoryError as error:
        raise Refused(f"{path} can't be loaded: {error or 'there is not enough memory'}.") from None
    except (ValueError, TypeError, OverflowError, RecursionError, SafetensorError) as error:
        if isinstance(error, Refused):
            raise Refused(f"{path}: {error}") from None
        why = "its JSON is nested too deeply" if isinstance(error, RecursionError) else str(error).rstrip(".")
        raise ValueError(f"{path} is not a {kind} of fastsgd, or is damaged: {why}.") from error


def all_taken(parts, what):
    """A ValueError if parts of a file are left that were not taken."""
    left = [*parts.values, *parts.arrays]
    if left:
        raise ValueError(f"it has {brief(left)} beside what {what} consists of")


def _check_header(path):
    """That the header lies within the file and is no larger than any that is written; how many bytes follow it."""
    what = disk.no_file(path)
    if what is not None:  # to open a pipe is to wait for who writes to it
        raise ValueError(f"it is {what}")
    with open(path, "rb") as file:
        size, start = os.fstat(file.fileno()).st_size, file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > size - 8:
        raise ValueError(f"its header has {length} bytes, the file {size}")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, the limit is {MAX_HEADER}")
    return size - 8 - length


def _check_format(head, name, keys):
    """The format and its version, and the keys."""
    if head.get("format") != name:
        raise ValueError(f"its format must be {name!r}, found {brief(head.get('format'))}")
    version = head.get("version")
    if type(version) is not list or len(version) != 2 or any(type(v) is not int or v < 0 for v in version):
        raise ValueError(f"its version must be two integers, found {brief(version)}")
    if version[0] > THIN[0]:
        raise Refused(
            f"its format is of version {brief(version[0])}, and this fastsgd reads {THIN[0]}: upgrade fastsgd."
        )
    keys = {"format", "version", *keys, *({untouched.KEY} & set(head))}
    if set(head) != keys:
        raise ValueError(f"it must have {sorted(keys)}, found {brief(sorted(head))}")
    for library, number in expect(head["versions"], dict, "versions").items():
        expect(number, str, f"the version of {brief(library)}")
