"""Model files: safetensors with JSON, which hold numbers and words and no code.

A file has one entry of metadata, "fastsgd", a JSON text: format and version, class, parameters, labels, names of the
features, versions of the libraries, and the scalars of the state. Its tensors are `coef_`, `intercept_`, `history_`,
`_state.W` and so on, and a CRC-32 of all of it. `rules.py` and `tables.py` say what each must be.
"""

import json
import os
import platform
import secrets
import stat
import zlib

import numpy as np
import scipy
import sklearn
from sklearn.utils.validation import check_is_fitted

from fastsgd.persist.onnx import to_onnx
from fastsgd.persist.rules import Array, Names, Parts
from fastsgd.persist.tables import BY_NAME
from fastsgd.persist.values import Code, brief, expect, pack, unpack

__all__ = ["load", "save", "to_onnx"]
FORMAT, VERSION = "fastsgd model", (1, 0)  # the first number grows when older versions can't read the file
MAX_HEADER, MAX_ARRAYS = 1 << 25, 100
FREE_VALUES, VALUE_BYTES = 10_000, 4  # values that the JSON may have: so many, and one for so many bytes of arrays
DTYPES = {"BOOL": "bool", "F32": "float32", "F64": "float64", "U32": "uint32"}  # safetensors' names, of those used
CHECKSUM = "crc32"


def save(est, path):
    """Write a fitted estimator to a model file.

    The file holds all of the training state: what `load` returns predicts, and goes on with `partial_fit`, bit for bit
    as this estimator. (Of LinearClassifier and LinearRegressor it does not hold the duals, a number for each row of X:
    with warm_start=True a `fit` then starts from the coefficients alone.) It is written beside the old one, if there is
    one, and then takes its place: there is never half a file.

    Parameters
    ----------
    est : SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier or LinearRegressor
        Parameters that are code (a `losses.Custom`, callbacks, a scorer) are not written: `load` takes them. Nor are
        scikit-learn's callbacks and requests for metadata.
    path : str or path-like

    Raises
    ------
    NotFittedError
    ValueError
        The estimator holds what a file can't.
    OSError
        The file can't be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    model = BY_NAME.get(type(est).__name__)
    if model is None or type(est) is not model.cls:
        raise ValueError(f"est must be one of {', '.join(BY_NAME)}, found {type(est).__name__}; joblib.dump takes any.")
    check_is_fitted(est, model.fitted)
    path = os.path.realpath(path)  # of a link, the file it points to
    try:
        text, arrays = _parts(est, model)
    except ValueError as error:
        raise ValueError(f"{type(est).__name__} can't be saved to {path}: {error}.") from error
    temporary = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "xb") as file:  # errors of the system as such, and the mode of a new file
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        save_file(arrays, temporary, {"fastsgd": text})
        os.chmod(temporary, mode)
        with open(temporary, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(os.path.dirname(path))
    except SafetensorError as error:
        raise OSError(f"{path} can't be written: {error}") from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _sync_folder(folder):
    """Have the new name on disk too, where folders can be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _parts(est, model):
    """The JSON text and the arrays of an estimator."""
    from fastsgd import __version__

    parts = Parts({}, {}, model.sizes)
    for name, rule in model.table.items():
        rule.put(name, getattr(est, name, None), parts)
    model.put(est, parts)
    est._validate_params()
    text = json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "class": type(est).__name__,
            "params": {name: _packed(value) for name, value in est.get_params(deep=False).items()},
            "fitted": parts.values,
            "versions": {
                "fastsgd": __version__,
                "python": platform.python_version(),
                **{library.__name__: library.__version__ for library in (np, scipy, sklearn)},
            },
        },
        allow_nan=False,
    )
    if len(text) > MAX_HEADER // 2:  # it is escaped once more
        raise ValueError(f"names, labels and parameters take {len(text)} bytes, the limit is {MAX_HEADER // 2}")
    _check_values(text, sum(array.nbytes for array in parts.arrays.values()))
    sums = {name: _array_checksum(name, array) for name, array in parts.arrays.items()}
    return text, parts.arrays | {CHECKSUM: np.array([_checksum(text, sums)], np.uint32)}


def _packed(value):
    try:
        return pack(value)
    except Code as what:
        return {"code": str(what)}


def _array_checksum(name, a):
    """CRC-32 of an array: its name, dtype, shape and numbers."""
    numbers = a.reshape(-1).view(np.uint8)
    return zlib.crc32(numbers, zlib.crc32(f"{name} {a.dtype.name} {a.shape}".encode()))


def _checksum(text, sums):
    """CRC-32 of the text and of the checksums of the arrays, by name."""
    return zlib.crc32(repr(sorted(sums.items())).encode(), zlib.crc32(text.encode()))


def _check_values(text, array_bytes):
    """That JSON has few values beside the arrays: `[],` takes 3 bytes in a file, and 60 and more when it is read."""
    raw = np.frombuffer(text.encode().replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    outside = ~np.logical_xor.accumulate(raw == ord('"'))  # of strings
    found, most = np.count_nonzero(outside & np.isin(raw, list(b",[{"))), FREE_VALUES + array_bytes // VALUE_BYTES
    if found > most:
        raise ValueError(f"its JSON has {found} values, the limit beside arrays of {array_bytes} bytes is {most}")


def load(path, **code):
    """The estimator that `save` wrote: fitted, with the same parameters, to go on with `partial_fit` bit for bit.

    The file may come from anyone. It holds no code and names none, everything in it is checked before it is used, no array
    is made that the file does not hold, and what is made of its JSON is bounded. A checksum tells of damage; it is no
    signature: who wrote the file decides what the model predicts.

    Parameters
    ----------
    path : str or path-like
    **code
        The parameters that are code and so not in the file: ``load(path, loss=my_loss)``.

    Returns
    -------
    SGDClassifier, SGDRegressor, SGDOneClassSVM, LinearClassifier or LinearRegressor

    Raises
    ------
    ValueError
        It is not such a file, or damaged; or a parameter that is code is not given.
    OSError
        The file can't be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastsgd
    >>> reg = fastsgd.SGDRegressor(random_state=0).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "line.safetensors")
    ...     reg.save(path)
    ...     again = fastsgd.load(path)
    >>> again.predict([[3.0]]) == reg.predict([[3.0]])
    array([ True])
    """
    from safetensors import SafetensorError, safe_open

    path = os.fspath(path)
    try:
        array_bytes = _check_header(path)
        with safe_open(path, framework="numpy") as file:
            return _estimator(file, code, array_bytes)
    except (ValueError, TypeError, OverflowError, RecursionError, SafetensorError) as error:
        if isinstance(error, Missing):
            raise ValueError(f"{path}: {error}") from None
        why = "its JSON is nested too deeply" if isinstance(error, RecursionError) else str(error).rstrip(".")
        raise ValueError(f"{path} is not a model file of fastsgd, or is damaged: {why}.") from error


class Missing(ValueError):
    """The file is sound, but can't be loaded as it was asked to be."""


class Stored:
    """An array in an open file; `checksum` is of what was read."""

    def __init__(self, file, name):
        self.file, self.name, view = file, name, file.get_slice(name)
        self.dtype, self.shape = DTYPES.get(view.get_dtype(), view.get_dtype()), tuple(view.get_shape())

    def read(self):
        """The array, which is now the caller's."""
        array = np.require(self.file.get_tensor(self.name), requirements="CAW")
        self.checksum = _array_checksum(self.name, array)
        return array


def _check_header(path):
    """That the header lies within the file and is no larger than any that is written; how many bytes follow it."""
    with open(path, "rb") as file:
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode):
            raise ValueError("it is not a file on disk")
        start = file.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > info.st_size - 8:
        raise ValueError(f"its header has {length} bytes, the file {info.st_size}")
    if length > MAX_HEADER:
        raise ValueError(f"its header has {length} bytes, the limit is {MAX_HEADER}")
    return info.st_size - 8 - length


def _estimator(file, code, array_bytes):
    metadata = file.metadata() or {}
    if set(metadata) != {"fastsgd"}:
        raise ValueError(f"its metadata must be 'fastsgd' alone, found {brief(sorted(metadata))}")
    text = metadata["fastsgd"]
    _check_values(text, array_bytes)
    head = expect(json.loads(text), dict, "the metadata")
    _check_format(head)
    if len(file.keys()) > MAX_ARRAYS:
        raise ValueError(f"it has {len(file.keys())} arrays, the limit is {MAX_ARRAYS}")
    arrays = {name: Stored(file, name) for name in file.keys()}  # noqa: SIM118, not a dict
    checksum = Array("uint32", (1,)).take(CHECKSUM, Parts({}, arrays))
    model = BY_NAME.get(expect(head["class"], str, "class"))
    if model is None:
        raise ValueError(f"its class must be one of {', '.join(BY_NAME)}, found {brief(head['class'])}")
    est = _unfitted(model.cls, head["params"], code)
    parts = Parts(expect(head["fitted"], dict, "fitted"), dict(arrays), model.sizes)
    for name, rule in model.table.items():
        value = rule.take(name, parts)
        if not (value is None and isinstance(rule, Names)):
            setattr(est, name, value)
    model.take(est, parts)
    if parts.sparse:
        est.sparsify()
    left = [*parts.values, *parts.arrays]
    if left:
        raise ValueError(f"it has {brief(left)} beside what {model.cls.__name__} consists of")
    if checksum[0] != _checksum(text, {name: array.checksum for name, array in arrays.items()}):
        raise ValueError("its checksum is not that of its content")
    return est


def _unfitted(cls, params, code):
    """The estimator with those parameters, which it checks itself."""
    params, known = expect(params, dict, "params"), cls().get_params(deep=False)
    absent = [name for name, value in params.items() if type(value) is dict and set(value) == {"code"}]
    for name in sorted(params.keys() - known.keys()):
        raise ValueError(f"{cls.__name__} has no parameter {brief(name)}")
    for name in absent:
        if name not in code:
            raise Missing(
                f"{name} of this {cls.__name__} is code, {brief(params[name]['code'])}, which a file does not hold: keep it "
                f"in a module, and call fastsgd.load(path, {name}=...)."
            )
    for name in sorted(code.keys() - set(absent)):
        raise Missing(f"{name} is in the file: load it without, and change it by set_params.")
    est = cls(**{name: code[name] if name in absent else unpack(value) for name, value in params.items()})
    est._check_params()
    return est


def _check_format(head):
    """The format and its version, and the keys."""
    if head.get("format") != FORMAT:
        raise ValueError(f"its format must be {FORMAT!r}, found {brief(head.get('format'))}")
    version = head.get("version")
    if type(version) is not list or len(version) != 2 or any(type(v) is not int or v < 0 for v in version):
        raise ValueError(f"its version must be two integers, found {brief(version)}")
    if version[0] > VERSION[0]:
        raise Missing(
            f"its format is of version {brief(version[0])}, and this fastsgd reads {VERSION[0]}: upgrade fastsgd."
        )
    keys = {"format", "version", "class", "params", "fitted", "versions"}
    if set(head) != keys:
        raise ValueError(f"it must have {sorted(keys)}, found {brief(sorted(head))}")
    for library, number in expect(head["versions"], dict, "versions").items():
        expect(number, str, f"the version of {brief(library)}")
