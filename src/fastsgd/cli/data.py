"""From paths to a source: which format they are, and how it is to be read."""

import glob
import inspect
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fastsgd.cli.flags import DATA
from fastsgd.cli.options import flag, less_often, literal


class Format(StrEnum):
    parquet = "parquet"
    arrow = "arrow"
    csv = "csv"
    svmlight = "svmlight"
    npy = "npy"


ENDINGS = {
    Format.parquet: (".parquet", ".pq"),
    Format.arrow: (".arrow", ".feather", ".ipc"),
    Format.csv: (".csv", ".tsv"),
    Format.svmlight: (".svm", ".svmlight", ".libsvm"),
    Format.npy: (".npy",),
}
OF_ANY_TEXT = (".txt", ".tab", ".psv", ".dat")  # Tables, but for lines such as those of svmlight.
LIKE_SVMLIGHT = re.compile(rb"\s*[-+.\deE,]+[ \t]+(?:qid:\d+[ \t]+)?\d+:[-+.\deE]+(?:\s|$)")
COMPRESSED = (".gz", ".zst", ".bz2", ".lz4")

Data = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders or patterns; - is stdin, by way of a temporary file.",
        metavar="DATA",
        show_default=False,
    ),
]


def _reading(kind, text, metavar="VALUE", rare=False):
    return flag(kind, text, DATA, metavar=metavar, rare=rare)


# Every flag has the name that the function of fastsgd.sources has for it.
READING = {
    "target": _reading(str, "The column to be predicted (.npy: the file of y).", "COLUMN"),
    "weight": _reading(str, "The column of the weights of rows (.npy: a file).", "COLUMN"),
    "columns": _reading(list[str], "A feature, pattern (C*) or kind (kind:number).", "COLUMN"),
    "exclude": _reading(list[str], "A column or pattern that is no feature.", "COLUMN"),
    "categorical": _reading(str, "How words become features: hash (default), one-hot or error.", "NAME"),
    "categorical_features": _reading(list[str], "A column whose numbers are categories.", "COLUMN"),
    "n_hashed": _reading(
        int, "Features of hashed categories; 1048576, or 262144 of words of texts alone.", "N", rare=True
    ),
    "interactions": _reading(list[str], "Two columns, whose products are features too.", "A:B"),
    "polynomial": _reading(int, "2: squares and products of the columns of numbers.", "N", rare=True),
    "text_features": _reading(list[str], "A column of text, whose words are features; found by default.", "COLUMN"),
    "ngram_range": _reading(str, "How many words of texts are a feature: 1,2 is one or two.", "MIN,MAX", rare=True),
    "analyzer": _reading(str, "Units of texts: word (default), char, or char_wb within words.", "NAME", rare=True),
    "idf": _reading(
        bool, "Rare words of texts count more; so by default, where rows can be read twice.", None, rare=True
    ),
    "fill_null": _reading(
        list[str], "In place of missing numbers: X, mean, median, most_frequent; A:mean for column A.", "X"
    ),
    "null_indicator": _reading(bool, "Features that say which values were missing.", None),
    "center": _reading(
        bool, "Beside words, take the means off columns of numbers; train does by default.", None, rare=True
    ),
    "target_nulls": _reading(str, "Rows without a target: error (default) or drop.", "NAME"),
    "dates": _reading(
        list[str], "What dates become: cyclic (default), parts, days or drop; A:days for column A.", "NAME"
    ),
    "time_zone": _reading(
        str, "The zone to whose clocks times are brought that have a zone, such as Europe/Berlin.", "ZONE", rare=True
    ),
    "bins": _reading(list[str], "A column of numbers to be cut into bins, such as age:10.", "A:N"),
    "log1p": _reading(list[str], "A column or pattern of numbers whose logarithm is the feature.", "COLUMN"),
    "format": _reading(Format, "parquet, arrow, csv, svmlight, npy; as the ending says.", "NAME"),
    "delimiter": _reading(str, "Of CSV files; by default found from their first rows.", "CHAR", rare=True),
    "column_names": _reading(
        list[str], "A column of CSV files without a header, for all of them in order.", "NAME", rare=True
    ),
    "column_types": _reading(
        list[str], "A column of CSV files and its Arrow type, such as zip:string.", "A:TYPE", rare=True
    ),
    "block_bytes": _reading(int, "Of CSV and svmlight files: text that is read at once.", "N", rare=True),
    "encoding": _reading(str, "Of CSV files, such as cp1252; UTF-8 by default.", "NAME"),
    "na_values": _reading(list[str], "A word for a missing value, such as - or unknown.", "WORD"),
    "thousands": _reading(list[str], "The mark between thousands, as in 1,234; A:, for column A alone.", "CHAR"),
    "decimal": _reading(list[str], "The decimal mark, as in 0,5; A:, for column A alone.", "CHAR"),
    "percent": _reading(bool, "Read text such as 12.5% as 0.125.", None),
    "currency": _reading(bool, "Read text such as $12.50 or 12 EUR as numbers.", None, rare=True),
    "date_format": _reading(list[str], "How dates are written, such as %d/%m/%Y.", "FORMAT"),
    "n_features": _reading(int, "Of svmlight files; by default found in a pass over them.", "N", rare=True),
    "zero_based": _reading(
        str, "Whether indices of svmlight files begin at 0: auto (default), true or false.", "VALUE", rare=True
    ),
    "on_error": _reading(str, "Of malformed lines of svmlight files: raise (default) or skip.", "NAME", rare=True),
    "dtype": _reading(str, "float32 (default) or float64, of the values of features.", "NAME", rare=True),
    "max_memory": _reading(str, "For rows in memory at once; 256MB by default.", "SIZE"),
    "readers": _reading(str, "Threads that read: as many as pay (auto, by default), or N.", "N", rare=True),
}
# How data are read is in the model: whoever predicts with it says less.
OF_MODEL = less_often(READING, ("target", "weight", "format", "max_memory"))
OF_CSV = "delimiter", "column_names", "column_types", "block_bytes", "encoding"
OF_PAIRS = {"column_types": "name:type, such as zip:string", "bins": "name:number, such as age:10"}
OF_TEXT = "na_values", "thousands", "decimal", "percent", "currency", "date_format"
TO_CONVERT = "format", *OF_CSV, *OF_TEXT, "n_features", "zero_based", "on_error", "dtype"
NPY = {"target": "y_path", "weight": "weight_path"}


def open_source(paths, reading, labelled=True, like=None, booleans=()):
    """The source of these paths.

    Parameters
    ----------
    paths : list of str
    reading : dict
        Of READING, those given.
    labelled : bool
        Whether it must have targets.
    like : dict or None
        `Source.reading` of what it must have the features of.
    booleans : sequence of str
        Its columns of true and false.
    """
    from fastsgd import sources
    from fastsgd.sources.reading import merged

    given = parsed(reading)
    kind = Format(given.pop("format", None) or format_of(paths))
    bounds = {name: given.pop(name) for name in ("max_memory", "readers") if name in given}
    make = getattr(sources, f"from_{kind}")
    accepted = set(inspect.signature(make).parameters)
    if "options" in accepted:
        from fastsgd.sources.features.options import OPTIONS

        accepted |= set(OPTIONS)
    if kind == Format.npy:
        given = {NPY.get(name, name): value for name, value in given.items()}
    if labelled and kind != Format.svmlight and not {"target", "y_path"} & set(given):
        raise ValueError("--target must name the column (of .npy files, the file) that is to be predicted.")
    for name in sorted(given.keys() - accepted):
        raise ValueError(f"{kind} files have no --{name.replace('_', '-')}: leave it out.")
    if "idf" in accepted and like is None:
        given = {"idf": "auto", "n_hashed": "auto"} | given
    given = merged({name: value for name, value in (like or {}).items() if name in accepted}, given, booleans)
    source = make(paths if len(paths) > 1 else paths[0], **given)
    return source.buffered(**bounds) if bounds else source


def fitted(model, data, reading, labelled=False):
    """The model, and the source read as it was in training, but for what is given.

    Parameters
    ----------
    labelled : bool
        Whether it must have targets: where none are named, those of the columns that the model was trained on.
    """
    import fastsgd

    est = fastsgd.load(model)
    own = getattr(est, "_label_columns", {}) if labelled and is_table(data, reading) else {}
    if "target" not in reading and "target" in own:
        reading = reading | {"target": own["target"]}
    like = getattr(est, "reading_", None)
    if (
        "weight" in own
        and "weight" not in reading
        and own["weight"] in open_source(data, reading, like=like).columns.schema.names
    ):
        reading = reading | {"weight": own["weight"]}
    return est, open_source(data, reading, labelled, like, getattr(est, "_made", {}).get("booleans", ()))


def is_table(data, reading):
    return (reading.get("format") or format_of(data)) in (Format.parquet, Format.arrow, Format.csv)


def files_read(data, reading):
    """The files that are read, as `check_places` takes them: the data and, of .npy files, those of targets and weights."""
    return {"the data": data} | {f"--{name}": npy(reading.get(name)) for name in ("target", "weight")}


def npy(path):
    """A list of this path where it is one of a .npy file."""
    return [path] if path is not None and path.endswith(".npy") else []


def parsed(reading):
    """What the texts of flags stand for."""
    given = dict(reading)
    if "interactions" in given:
        given["interactions"] = [_pair(text) for text in given["interactions"]]
    if "dates" in given:
        given["dates"] = _by_column(given["dates"], _parts)
    if given.get("text_features") in (["auto"], ["none"]):
        given["text_features"] = "auto" if given["text_features"] == ["auto"] else []
    if "ngram_range" in given:
        given["ngram_range"] = literal(given["ngram_range"])
    for name in ("zero_based", "readers"):
        if name in given:
            given[name] = literal(given[name])
    if "delimiter" in given:
        given["delimiter"] = {"\\t": "\t", "tab": "\t"}.get(given["delimiter"], given["delimiter"])
    for name in ("thousands", "decimal", "date_format"):
        if name in given:
            given[name] = _formats(name, given[name])
    for option, form in OF_PAIRS.items():
        if option in given:
            pairs = [pair.rpartition(":") for pair in given[option]]
            if not all(name for name, *_ in pairs):
                raise ValueError(f"--{option.replace('_', '-')} must be of the form {form}.")
            given[option] = {name: value for name, _, value in pairs}
    if "bins" in given:
        given["bins"] = {name: literal(n) for name, n in given["bins"].items()}
    if "fill_null" in given:
        given["fill_null"] = _by_column(given["fill_null"], literal)
    return given


def _by_column(texts, value):
    """What a flag that may be repeated says of all columns, or by column: of "mean", of "age:0" or of "age=0".

    >>> _by_column(["mean"], literal), _by_column(["age:0", "mean"], literal), _by_column(["*_at:year,hour"], _parts)
    ('mean', {'age': 0, '*': 'mean'}, {'*_at': ['year', 'hour']})
    """
    found = {}
    for text in texts:
        name, _, said = text.replace("=", ":").rpartition(":")
        found[text[: len(name)] or "*"] = value(said)
    rest = found.pop("*", None)
    return found | ({} if rest is None else {"*": rest}) if found else rest


def _pair(text):
    """The two columns or rules of a flag.

    >>> _pair("age:C*"), _pair("age:kind:category")
    (['age', 'C*'], ['age', 'kind:category'])
    """
    return text.split(":") if text.count(":") < 2 else re.findall("(?:kind:)?[^:]+", text)


def _parts(text):
    return text.split(",") if "," in text else text


def _formats(name, texts):
    """What flags of formats say of all columns, or by column: of "," or of "price:,".

    >>> _formats("thousands", [","]), _formats("date_format", ["at:%H:%M %d/%m/%Y", "%Y%m%d"])
    (',', {'at': '%H:%M %d/%m/%Y', '*': '%Y%m%d'})
    """
    pattern = r"(?:([^%]*):)?([^%]*%.*)" if name == "date_format" else r"(?:(.+):)?(.)"
    pairs = [found.groups() if (found := re.fullmatch(pattern, text)) else (None, text) for text in texts]
    return pairs[0][1] if len(pairs) == 1 and pairs[0][0] is None else {column or "*": said for column, said in pairs}


def format_of(paths):
    """The format that the ending of the first file says."""
    path = Path(paths[0])
    if not path.exists() and glob.has_magic(paths[0]):
        path = Path(next(iter(sorted(glob.glob(paths[0], recursive=True))), path))
    if path.is_dir():
        inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
        if not inside:
            raise ValueError(f"{path} is a folder without files.")
        path = inside[0]
    endings = [ending.lower() for ending in path.suffixes]
    while endings and endings[-1] in COMPRESSED:
        endings.pop()
    for name, known in ENDINGS.items():
        if endings and endings[-1] in known:
            return name
    if path.suffix.lower() in OF_ANY_TEXT and Path(paths[0]).is_file():
        with open(path, "rb") as file:
            lines = (line for line in file.read(1 << 16).splitlines() if line.strip() and not line.startswith(b"#"))
            return Format.svmlight if LIKE_SVMLIGHT.match(next(lines, b"")) else Format.csv
    every = ", ".join(ending for known in ENDINGS.values() for ending in known)
    raise ValueError(f"the format of {path} does not follow from its ending (known: {every}): give --format.")
