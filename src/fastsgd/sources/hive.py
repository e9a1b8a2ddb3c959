"""Columns that are in the names of folders, ``country=DE/part-0.parquet``. It imports pyarrow, and so is imported in
functions alone."""

from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

NULL = "__HIVE_DEFAULT_PARTITION__"


def with_keys(files, schema, asked, words=()):
    """The schema of files with the keys of their folders, and of each file the values {name: scalar} of these.

    They are those that pyarrow.dataset makes with partitioning="hive": int32 where all values are such integers, else
    strings. Keys below the folder or pattern that was given are columns; those in it are where they are asked for. What
    the files hold themselves is read from them.

    Parameters
    ----------
    files : list of File
    schema : pyarrow.Schema
        Of the files.
    asked : list of str
        Names of columns that are used for certain.
    words : list of str
        Names of columns that are strings, whatever their values.
    """
    found = []
    for file in files:
        below = Path(file.path).relative_to(file.base).parent
        above = {name: value for name, value in _keys(Path(file.base).absolute()) if name in asked}
        found.append(above | dict(_keys(below)))
    fields = [
        pa.field(name, pa.string() if name in words else _type([keys.get(name) for keys in found]))
        for name in dict.fromkeys(name for keys in found for name in keys)
        if name not in schema.names
    ]
    values = [{field.name: _scalar(keys.get(field.name), field.type) for field in fields} for keys in found]
    return pa.schema([*schema, *fields], schema.metadata), values


def constants(values, names, batch, rows):
    """The record batch of those columns, some of them keys of these values, the others of a batch of that many rows."""
    arrays = [_repeated(values[name], rows) if name in values else batch.column(name) for name in names]
    return pa.RecordBatch.from_arrays(arrays, names)


def _keys(folder):
    for part in folder.parts:
        name, equals, value = part.partition("=")
        if name and equals:
            yield unquote(name), None if value == NULL else unquote(value)


def _type(words):
    """That of a key, of its values."""
    try:
        pa.array([word for word in words if word is not None], pa.string()).cast(pa.int32())
    except pa.ArrowInvalid:
        return pa.string()
    return pa.string() if all(word is None for word in words) else pa.int32()


def _scalar(word, dtype):
    return pa.scalar(word, pa.string()).cast(dtype)


def _repeated(value, rows):
    """So many of a value; of a string a dictionary, which is hashed once."""
    if not pa.types.is_string(value.type):
        return pa.repeat(value, rows)
    codes = pa.repeat(pa.scalar(0 if value.is_valid else None, pa.int32()), rows)
    return pa.DictionaryArray.from_arrays(codes, pa.array([value.as_py()] if value.is_valid else [], pa.string()))
