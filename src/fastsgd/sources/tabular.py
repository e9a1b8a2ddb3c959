"""Tables as sources: Parquet, Arrow and CSV. pyarrow is imported when one is made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fastsgd.sources.base import Source
from fastsgd.sources.hints import Paths


def from_parquet(paths: Paths, **options: Any) -> Source:
    """Rows of Parquet files.

    A block is a row group, read in full when it is its turn, so that memory is that of a row group: 65,536 rows are a good
    size (`pyarrow.parquet.write_table(..., row_group_size=65536, use_dictionary=False)` for columns of numbers). Only
    the columns that are used are read. Folders named ``key=value`` below the path (Hive partitions) are columns, as pyarrow makes
    them: int32 where all values are such integers, else strings. In a pattern they are from the first `*` on; keys before
    that are columns where `columns`, `target` or `weight` names them.

    Parameters
    ----------
    paths : str, path, or list of them
        Files; folders, of which all files .parquet, .parq and .pq are taken, in those below too; patterns with `*`, and
        `**` for any folders, of files or of folders. In the order of the names. All must have the columns of the first, of
        the same kinds.
    target : str or list of str, default=None
        The column of targets, as it is: numbers, booleans, or strings. A list gives y of shape (n, n_targets).
    weight : str, default=None
        The column of sample weights.
    columns : list of str, default=None
        The columns that are features, in this order: names, patterns with `*` and `?`, or "kind:number" (category, boolean,
        date, text). None takes all others, but not the index that pandas wrote, be it named or not.
    exclude : list of str, default=()
        Columns that are no features, as in `columns`.
    categorical : {"hash", "one-hot", "error"}, default="hash"
        What to do with columns of strings or dictionaries, and of lists of strings or integers:

        - "hash": the value v of column c goes where `FeatureHasher` puts the token "c=v": column ``|h| % n_hashed`` of those
          after all others, with the value 1, or -1 where the 32-bit MurmurHash3 h is negative.
        - "one-hot": a column for each category, in sorted order. Where `categories` does not give them, they are found
          in one pass over the data.
        - "error": refuse them.

        A null, unless `null_indicator` is set, and what is not among the categories, is a row of zeros. What is several times
        in a list counts several times.
    categorical_features : list of str, default=()
        Columns of numbers, booleans, dates or times that are categories too. They are spelled by their value, whatever the
        format: 7 and 7.0 as "7", True as "true", a date as "2024-02-29", a time as "2024-02-29 10:00:00".
    categories : dict of str to list, default=None
        With "one-hot", the categories of columns. `categories=train.categories` gives a second source the features of the
        first.
    kinds : dict of str to str, default=None
        What columns were in training, as `reading_` of an estimator says, where they were not numbers: "text", "numeral",
        "boolean" or "time" (categories, and how they are spelled), "tokens", "vector", "pairs", "date" or "words" (free text).
        Then a column that is of another kind is read as that, or refused. None: as the types of the columns are.
    n_hashed : int or "auto", default=2**20
        Columns that all hashed tokens share. "auto": 2**18 where these are single words of texts alone, else 2**20.
    alternate_sign : bool, default=True
        False: hashed tokens have the value 1, never -1.
    text_features : list of str or "auto", default="auto"
        Columns of free text, by name or pattern. Their words are hashed as `HashingVectorizer` does: runs of two and more
        letters, digits and underscores, in lower case, with `n_hashed` and `alternate_sign`; the values of a text have
        length 1. With several such columns the features of all but the first are shifted, by a number that follows from the
        name, so that a word of each column is a feature of its own. A null is a text without words. "auto" takes columns whose
        first rows are different texts of four words and more, and warns of it; not of streams, nor after training.
    ngram_range : (int, int), default=(1, 1)
        Sizes of the n-grams of texts that are features: (1, 2) is words and pairs of words next to each other.
    analyzer : {"word", "char", "char_wb"}, default="word"
        Whether n-grams of texts are of words, of characters, or of characters within words with a blank at both ends.
    idf : bool or "auto", default=False
        Multiply the values of texts by the inverse document frequency, ``log((1 + n) / (1 + n_j)) + 1`` of n texts, n_j of
        which have feature j, before they get length 1: rare words count more. It takes one pass over the data. "auto"
        is True where there are texts, and that pass can be made: not of streams.
    interactions : list of (str, str), default=()
        Pairs of columns whose products are features. Of two columns of numbers, the product; of categories, the pair as a
        category, token "a:b=va:vb"; of both, the category's token "a:b=v" with the number as its value. Or of rules, as in
        `columns`: ("C*", "C*") is each pair of different columns that the pattern fits, ("age", "kind:category") age with
        each column of categories.
    polynomial : {2}, default=None
        2: the squares and products of all columns of numbers, and of true and false, are features, but for the products that
        `interactions` names: "age^2", "age:miles".
    dates : str, list of str or dict, default="cyclic"
        What columns of dates, times and times of day become; or a dict of columns, or patterns, to one of these:

        - "cyclic": the years since 2000, and sine and cosine of month, weekday, day of the year and hour, so that December
          is beside January. Dates have no hours, times of day nothing else.
        - "parts": year, month, weekday (Monday is 0), day_of_year and hour, as numbers.
        - "days": days since 1970-01-01, with the share of the day that has passed; or "days since 2020-01-01".
        - a list of year, years_since_2000, month, day, weekday, day_of_year, hour, minute, days, month_cycle, weekday_cycle,
          day_of_year_cycle, hour_cycle.
        - "drop": no features; "error": refuse them.

        Their features are named `when.year`, `when.month_sin`. A column of text that the dict names is read as dates in ISO
        8601.
    time_zone : str or dict of str to str, default=None
        The zone, such as "Europe/Berlin", in which times are taken that have a zone; None takes them in the zone that they
        have. A model keeps it. Times without a zone are taken as they are.
    fill_null : float, {"mean", "median", "most_frequent"}, or dict of str to these, default=None
        Stands for nulls and NaN in columns of numbers, of true and false, and in fixed-size lists of numbers, place by place.
        None makes them an error. A dict says it by column, or by pattern with `*` and `?`; the first that matches counts. A
        word is what one pass over the data before the training finds, without infinities: an exact mean in float64; the
        median, or the most frequent number (the least of several), of all up to 1,000,000 of a column (16,000,000 of all
        columns), beyond that of a random sample of as many, the same each time. `reading_` of an estimator keeps it, so that
        a null at prediction is filled as in training, also in a column that had none then. A column without a number is
        filled with 0, with a warning.
    null_indicator : bool, default=False
        Have a feature "x is null", 1 or 0, for each column x of numbers that had nulls in training; these features follow the
        numbers. And null is a category of its own: the token "c is null" where column c is hashed, else a feature of that
        name if c had nulls in training. In products with another column it is none.
    bins : dict of str to int, default=None
        Columns of numbers, or patterns, and into how many bins each is cut, of about as many rows each: the number becomes a
        category, with a feature of its own for each bin, such as "age=(20.5, 31]", and "age is null". The edges are quantiles
        of what `fill_null` has for a median, and of edges that are the same, or that have no number between them, one is
        left. Where such a column is in `interactions` it counts as a category.
    log1p : list of str, default=()
        Columns of numbers, or patterns, of which log(1 + x) is the feature, and -log(1 - x) where x is below 0: counts, prices
        and sizes, a few of which are far larger than the others. It is called "log1p(x)". Words of `fill_null` are of the
        logarithms.
    center : bool, default=False
        In rows of CSR, take a round number near its mean off each number of which most values are not 0: then columns that lie
        far from 0, such as years, are learnt from as well as others, by any rule of SGD. It changes the intercept of a model,
        and no coefficient. The means are of 10,000 rows; `reading_` of an estimator keeps them as a list. Dense rows stay as
        they are: learning_rate="auto" and standardize=True take the means off those, and "auto" off columns of CSR that more
        than half of the rows have. The command does so by default.
    target_nulls : {"error", "drop"}, default="error"
        "drop": leave out the rows whose target, or one of whose targets, is null or NaN, and say once how many they are, which
        `n_left_out` of the source has. They are left out wherever the source is used, in predictions too.
    learnt : dict, default=None
        What the pass before a training found out by column, as `reading_` of its estimator says: then there is no such pass.
    n_features : int, default=None
        How many features a column of lists of (index, value) has. None takes it from the column's metadata "n_features",
        or else from one pass over the data.
    na_values : list of str, or dict of columns to such lists, default=None
        More words that stand for nothing, such as "-" or "unknown", in text that says numbers or dates and in words.
    thousands : {",", ".", " ", "'", "_"}, or dict of columns to one, default=None
        The mark between thousands, as in 1,234, of text that is read as numbers.
    decimal : {".", ","}, or dict of columns to one, default=None
        The decimal mark of such text. None is ".", or "," where points are between thousands.
    percent : bool, default=False
        Such text may end in %: "12.5%" is 0.125.
    currency : bool, default=False
        Marks of currencies are left off such text: "$12.50", "3 EUR"; and "(12.50)" is -12.5.
    date_format : str, or dict of columns to such, default=None
        The format of `strptime` of text that is read as dates. None finds it, where it follows from the cells.

        A column of text that is one of numbers but for such marks and words, or of dates of which it is open what is the day
        and what the month, is an error of `fit`, which names cells and the keywords that settle it. In Parquet and Arrow text
        that is all numbers without marks is text, and so are dates in ISO 8601. A model keeps the formats, for other data.
    dtype : dtype, default=np.float32
        float32 or float64.

    Returns
    -------
    Source
        Dense, where all columns are numbers, booleans, dates or fixed-size lists of numbers; else CSR. The features are, in
        this order: numbers and dates; which of them were null; products of numbers; lists of (index, value), which are
        `list<struct<index, value>>` or maps; categories and bins; hashed tokens. `feature_names` is None where tokens are
        hashed or indices lists. `categories` has what was found for "one-hot".

    Raises
    ------
    ValueError
        An argument, or a file that can't be read, lacks a column, has nulls in numbers, target or weight, or has changed.
    FileNotFoundError
    ImportError
        pyarrow is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import pyarrow as pa
    >>> import pyarrow.parquet as pq
    >>> from fastsgd.sources import from_parquet
    >>> table = pa.table({"late": [1, 0, 1], "miles": [2.0, 0.0, 4.0], "from": ["JFK", "LGA", "JFK"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     pq.write_table(table, folder + "/flights.parquet")
    ...     source = from_parquet(folder, target="late", categorical="one-hot")
    ...     rows = source.read(0)
    >>> source.feature_names
    ['miles', 'from=JFK', 'from=LGA']
    >>> rows.X.toarray().tolist(), rows.y.tolist()
    ([[2.0, 1.0, 0.0], [0.0, 0.0, 1.0], [4.0, 1.0, 0.0]], [1, 0, 1])
    """
    _ready("from_parquet", options)
    from fastsgd.sources.parquet import source_of

    return source_of(paths, options)


def from_arrow(data: Any, **options: Any) -> Source:
    """Rows of Arrow data: of polars, duckdb or pandas too, or of IPC (Feather) files.

    Parameters
    ----------
    data : path or list of them, or an object with `__arrow_c_stream__`
        - IPC files (.arrow, .feather, .ipc), as `paths` of `from_parquet`, but the names of folders are not columns. They
          are mapped to memory, and must not be cut while they are used. Where they are not compressed and the only features
          are a fixed-size list of `dtype`, X is not copied.
        - A table in memory: of pyarrow, polars, pandas.
        - A stream, such as a query of duckdb: its rows come in order only, and each pass asks for the stream anew.
        - A `pyarrow.RecordBatchReader`: for one pass, which `partial_fit` and `predict` make, and `fit` where a buffer
          holds all rows. A second is a ValueError.
    **options
        target, weight, columns, exclude, categorical, categorical_features, categories, kinds, n_hashed, alternate_sign,
        text_features, ngram_range, analyzer, idf, interactions, polynomial, bins, log1p, dates, time_zone, fill_null,
        center, null_indicator, target_nulls, learnt, n_features, na_values, thousands, decimal, percent, currency, date_format,
        dtype: as in `from_parquet`.

    Returns
    -------
    Source

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As `from_parquet`.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from fastsgd.sources import from_arrow
    >>> table = pa.table({"a": [1.0, 2.0], "b": [3, 4], "y": ["no", "yes"]})
    >>> rows = from_arrow(table, target="y", interactions=[("a", "b")]).read(0)
    >>> rows.X.tolist(), rows.y.tolist()
    ([[1.0, 3.0, 3.0], [2.0, 4.0, 8.0]], ['no', 'yes'])
    """
    _ready("from_arrow", options)
    from fastsgd.sources.arrow import source_of

    return source_of(data, options)


def from_csv(
    paths: Paths,
    *,
    delimiter: str | None = None,
    column_names: Sequence[str] | None = None,
    column_types: Mapping[str, Any] | None = None,
    block_bytes: int = 1 << 22,
    encoding: str | None = None,
    **options: Any,
) -> Source:
    """Rows of CSV files, plain or compressed (.gz, .bz2, .zst), in the order of the files.

    Text is slow to read: for more than one pass, convert it to Parquet first. Empty fields are nulls, and in
    columns of numbers and of the target words such as NA, too; in columns of words NA is a word, as it is in Parquet. Values
    in quotes may hold newlines. Columns that are to be categories are read as text, so that "007" stays what it is.

    Parameters
    ----------
    paths : str, path, or list of them
        As in `from_parquet`; of folders, .csv and .tsv, and these compressed. The names of folders are not columns.
    delimiter : str, default=None
        One character. None: of comma, semicolon, tab and bar the one that splits the first rows into as many fields each, or
        that of a first line `sep=;`, as Excel writes it.
    column_names : list of str, default=None
        Names of the columns of files without a header.
    column_types : dict of str to Arrow type or its name, default=None
        For example `{"zip": "string"}`. The types of other columns come from the first `block_bytes` of the first file with
        rows, where numbers are features of `dtype`. What does not fit them later is an error, which names the cell and what
        settles it. A warning names columns of whole numbers with leading zeros, which may be codes.
    block_bytes : int, default=4194304
        Text that is read at once. A row must fit in.
    encoding : str, default=None
        A codec of Python, such as "cp1252". None: UTF-8, or what a byte order mark says (UTF-16, UTF-32).
    **options
        target, weight, columns, exclude, categorical, categorical_features, categories, kinds, n_hashed, alternate_sign,
        text_features, ngram_range, analyzer, idf, interactions, polynomial, bins, log1p, dates, time_zone, fill_null,
        center, null_indicator, target_nulls, learnt, n_features, na_values, thousands, decimal, percent, currency, date_format,
        dtype: as in `from_parquet`.

    Returns
    -------
    Source

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As `from_parquet`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastsgd.sources import from_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "points.csv")
    ...     _ = path.write_text("y,a,b\\n1,2.5,3\\n0,4,5\\n")
    ...     (rows,) = from_csv(path, target="y").blocks()
    >>> rows.X.tolist(), rows.y.tolist()
    ([[2.5, 3.0], [4.0, 5.0]], [1, 0])
    """
    _ready("from_csv", options)
    from fastsgd.sources.csv import source_of

    given = {"delimiter": delimiter, "column_names": column_names, "column_types": column_types, "encoding": encoding}
    return source_of(paths, {**given, "block_bytes": block_bytes}, options)


def _ready(name, options):
    """That pyarrow is there, and that the options are known."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ImportError(f'{name} needs the package pyarrow: pip install "fastsgd[parquet]".') from None
    from fastsgd.sources.features.options import OPTIONS

    options.pop("first_names", None)  # `reading_` of an estimator has them beside the keywords.
    for option in options:
        if option not in OPTIONS:
            raise TypeError(f"{name}() got an unexpected keyword argument {option!r}; it takes {', '.join(OPTIONS)}.")


def first_batches(
    paths: Paths, format: str, given: Mapping[str, Any], rows: int | None = None
) -> tuple[Any, Iterator[Any]]:
    """The cells of the first file as they are, whatever would become of them.

    Parameters
    ----------
    format : {"parquet", "arrow", "csv"}
    given : dict
        Keywords of `from_csv`; all others are ignored.
    rows : int or None
        How many rows; None: all.

    Returns
    -------
    schema : pyarrow.Schema
    batches : iterator of RecordBatch
    """
    from fastsgd.sources import arrow, csv, parquet

    opened = {"parquet": parquet.raw_batches, "arrow": arrow.raw_batches, "csv": csv.raw_batches}[format]
    schema, batches = opened(paths, given)
    return schema, _of_rows(batches, rows)


def _of_rows(batches: Iterable[Any], rows: int | None) -> Iterator[Any]:
    """The first rows of some batches."""
    for batch in batches:
        yield batch if rows is None else batch.slice(0, rows)
        rows = rows and rows - len(batch)
        if rows is not None and rows <= 0:
            return
