"""How a CSV file begins: its encoding, its delimiter, where its rows begin, and what its columns are called.

It imports pyarrow, and so is imported in functions alone.
"""

import codecs
import csv
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

SAMPLE_BYTES = 1 << 16  # So much of a file is looked at first; more if its header does not fit.
SAMPLE_RECORDS = 50  # This many records decide on the delimiter.
MARKS = ",;\t|"  # A delimiter that is not given is one of these.
REGULAR_SHARE = 0.8  # A delimiter splits at least this share of the first records into as many fields.
BOMS = {  # UTF-32 first, whose mark begins as that of UTF-16 does.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
NATIVE = "utf-8", "utf-8-sig", "ascii"  # These need no transcoding.
NOT_CP1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")  # Windows-1252 has no characters for these bytes.
SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel says so in a first line.
SCANNED_BYTES = 1 << 26  # This much of a file is looked at to guess its encoding.


@dataclass
class Head:
    """What the beginning of a file says.

    Attributes
    ----------
    encoding, delimiter : str
    names : list of str
        Of its columns: without blanks around them, and each once.
    renamed : dict of str to list of str
        Names that several columns have, and what these are called.
    left_out : list of str
        Columns without a name that are no features: those that are empty, and a first one that counts the rows.
    begins : int
        Where the first row begins, in bytes of the text as UTF-8.
    skipped : int
        Lines and records before it, the header among them.
    empty : bool
        Whether there are no rows.
    """

    encoding: str
    delimiter: str
    names: list
    renamed: dict = field(default_factory=dict)
    left_out: list = field(default_factory=list)
    begins: int = 0
    skipped: int = 0
    empty: bool = False


def checked_encoding(encoding):
    """The usual name of a codec of text; None stays None."""
    if encoding is None:
        return None
    try:
        found = codecs.lookup(encoding)
    except (LookupError, TypeError):
        found = None
    if found is None or not found._is_text_encoding:
        raise ValueError(f"encoding must be None or a codec of Python, such as 'utf-8' or 'cp1252', got {encoding!r}.")
    return found.name


@contextmanager
def decoded(file, encoding="utf-8"):
    """The text of a file as a stream of UTF-8, decompressed."""
    with pa.input_stream(file.unchanged(), compression=file.codec or "detect") as raw:
        yield raw if encoding in NATIVE else pa.transcoding_input_stream(raw, encoding, "utf-8")


def head_of(file, encoding, delimiter, column_names, most):
    """The Head of a file, of which at most so many bytes are read.

    Parameters
    ----------
    file : File
    encoding, delimiter : str or None
        None: found.
    column_names : list of str or None
        Names of the columns of a file without a header.
    most : int
    """
    encoding = _encoding(file, encoding)
    size = min(SAMPLE_BYTES, most)
    while True:
        with decoded(file, encoding) as stream:
            data = stream.read(size)
        whole = len(data) < size
        text, mark = data.decode("utf-8", "surrogateescape"), 0
        if text.startswith("\ufeff"):
            text, mark = text[1:], len(codecs.BOM_UTF8)
        if (found := _read(file, text, whole or size == most, delimiter, column_names)) is not None:
            found.encoding, found.begins = encoding, found.begins + mark
            found.empty = whole and not text.encode("utf-8", "surrogateescape")[found.begins - mark :].strip()
            return found
        size = min(4 * size, most)


def _encoding(file, given):
    """The encoding of a file, which its first bytes may say."""
    with decoded(file) as stream:
        start = stream.read(SAMPLE_BYTES)
    own = next((name for bom, name in BOMS.items() if start.startswith(bom)), None)
    if own is not None:
        return own
    if start.startswith(b"PK\x03\x04"):
        raise ValueError(f"{file.path} is a ZIP archive, or a workbook of Excel, not CSV: save it as CSV.")
    if given is None:
        if zeros := start.count(0) > len(start) // 4:
            ends = [start[at::2].count(0) for at in (0, 1)]
            guess = "utf-16-be" if zeros and ends[0] > ends[1] else "utf-16-le"
            raise ValueError(f"{file.path} seems to be UTF-16 without a byte order mark: set encoding={guess!r}.")
        return "utf-8"
    if given not in NATIVE and not given.startswith("utf") and not start.isascii():
        try:
            codecs.getincrementaldecoder("utf-8")().decode(start)
        except UnicodeDecodeError:
            return given
        raise ValueError(f"encoding={given!r}, and {file.path} is UTF-8: set encoding='utf-8'.")
    return given


class _Lines:
    """The lines of a text, with those that a csv.reader has taken counted."""

    def __init__(self, text, at=0):
        self.text, self.at, self.number = text, at, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at >= len(self.text):
            raise StopIteration
        end = self.text.find("\n", self.at)
        line = self.text[self.at : len(self.text) if end < 0 else end + 1]
        self.at, self.number = self.at + len(line), self.number + 1
        return line


def _records(text, delimiter, at=0, most=SAMPLE_RECORDS):
    """(fields, where it begins, lines before it) of the first records of a text that are not blank."""
    lines = _Lines(text, at)
    reader, found, begin = csv.reader(lines, delimiter=delimiter), [], (at, 0)
    try:
        for record in reader:
            if any(map(str.strip, record)) or len(record) > 1:
                found.append((record, *begin))
            if len(found) == most:
                break
            begin = lines.at, lines.number
    except csv.Error:
        pass
    return found, (lines.at, lines.number)


def _read(file, text, whole, delimiter, column_names):
    """The Head of a text; None if there must be more of it, as it is not `whole`."""
    at, before = 0, 0
    lines = _Lines(text)
    for line in lines:
        bare = line.strip("\r\n")
        if found := SEPARATOR.fullmatch(bare.strip()):
            delimiter = delimiter or found[1]
        elif bare.strip() and not (bare.startswith("#") and _is_comment(text, lines.at, bare, delimiter)):
            break
        at, before = lines.at, lines.number
    number = None if column_names is None else len(column_names)
    delimiter = delimiter or _delimiter(text, at, whole, number, file.path.lower())
    records, _ = _records(text, delimiter, at, SAMPLE_RECORDS + 1)
    if not whole and len(records) <= SAMPLE_RECORDS:
        records = records[:-1]  # which may be cut
        if len(records) < 2 - (column_names is not None):
            return None
    records = _without_titles(records)
    if column_names is not None:
        begins, lines_before = records[0][1:] if records else (at, 0)
        head = Head("", delimiter, list(column_names), skipped=before + lines_before)
    elif not records and "\r" in text.strip() and "\n" not in text:
        raise ValueError(
            f"{file.path} ends its rows as old Macs did, by \\r alone: save it with other line endings (tr '\\r' '\\n')."
        )
    elif not records:
        raise ValueError(f"{file.path} is empty, without even a header: remove it.")
    else:
        header = records[0]
        _, (begins, lines_before) = _records(text, delimiter, header[1], 1)
        head = Head("", delimiter, [], skipped=before + header[2] + max(1, lines_before))
        _name(head, file, header[0], [record for record, *_ in records[1:]])
    head.begins = len(text[:begins].encode("utf-8", "surrogateescape"))
    return head


def _is_comment(text, at, line, delimiter):
    """Whether a line that begins with # has another number of fields than the record after it: else it is the header."""
    for mark in delimiter or MARKS:
        own = len(next(csv.reader([line], delimiter=mark)))
        after, _ = _records(text, mark, at, 1)
        if after and own == len(after[0][0]) and own > 1:
            return False
    return True


def _without_titles(records):
    """The records from the first on that is no title above the table."""
    width = Counter(len(record) for record, *_ in records).most_common(1)[0][0] if records else 0
    while len(records) > 1 and width > 1:
        record = records[0][0]
        filled = sum(bool(cell.strip()) for cell in record)
        if len(record) == 1 or (filled <= 1 and width > 2):
            records = records[1:]
        else:
            break
    return records


def _delimiter(text, at, whole, number, path):
    """The one that splits the first records into the same number of fields, more than one; or what the ending says."""
    usual = "\t" if ".tsv" in path else ","
    found = {}
    for mark in MARKS:
        records, _ = _records(text, mark, at)
        found[mark] = records if whole else records[:-1] or records
    for without_titles in (list, _without_titles):
        best = (0, 0, usual)
        for mark, records in found.items():
            widths = [len(record) for record, *_ in without_titles(records)]
            width = number or (widths[0] if widths else 0)
            if width < 2:
                continue
            most = Counter(widths[1:]).most_common(1)[0][0] if widths[1:] else width
            ok = [w == width or w == most == width + 1 for w in widths[1:]] or [True]
            if (share := sum(ok) / len(ok)) >= REGULAR_SHARE:
                best = max(best, (share, width, mark), key=lambda one: (*one[:2], one[2] == usual))
        if best[0]:
            break
    return best[2]


def _name(head, file, header, rows):
    """Give the columns their names, as the header says."""
    names = [name.strip() for name in header]
    if any(re.search("[\ud800-\udfff]", name) for name in names):
        raise not_utf8(file)
    if rows and (surplus := Counter(map(len, rows)).most_common(1)[0][0]) == len(names) + 1:
        # A delimiter at the end of each row, or a first column of row names, as R writes them.
        names = [*names, ""] if all(not row[-1].strip() for row in rows if len(row) == surplus) else ["", *names]
    there, seen = set(names), Counter()
    for at, name in enumerate(names):
        cells = [row[at].strip() for row in rows if len(row) == len(names)]
        if not name:
            name = f"Unnamed: {at}"
            if not any(cells) or (at == 0 and _counts(cells)):
                head.left_out.append(name)
        elif seen[name]:
            number = seen[name]
            while f"{name}.{number}" in there:
                number += 1
            head.renamed.setdefault(name, [name]).append(f"{name}.{number}")
            seen[name], name = number, f"{name}.{number}"
            there.add(name)
        seen[name] += 1
        head.names.append(name)


def _counts(cells):
    """Whether cells are whole numbers, each one more than the one before, from 0 or 1."""
    return len(cells) > 1 and any(cells == [str(i) for i in range(first, first + len(cells))] for first in (0, 1))


class NotUtf8(ValueError):
    """A file has text that is not UTF-8.

    Attributes
    ----------
    path, guess : str
        The file, and an encoding that it may have.
    where : str
        In words, where it is not UTF-8.
    """

    def __init__(self, path, guess, where):
        self.path, self.guess, self.where = path, guess, f"{path} has text that is not UTF-8{where}"
        super().__init__(
            f"{self.where}: set encoding={guess!r}, which Western files have, or the one in which it was written."
        )


def not_utf8(file):
    """The error that says where a file has text that is not UTF-8."""
    line, byte, high = 1, None, b""
    with decoded(file) as stream:
        rest, size = b"", 0
        while size < SCANNED_BYTES and (data := stream.read(1 << 20)):
            size += len(data)
            high += data.translate(None, bytes(range(128)))[: 1 << 16]
            if byte is None:
                data, _, rest = (rest + data).rpartition(b"\n") if b"\n" in data else (rest + data, b"", b"")
                try:
                    data.decode()
                    line += data.count(b"\n") + 1
                except UnicodeDecodeError as error:
                    byte, line = data[error.start], line + data[: error.start].count(b"\n")
        if byte is None:
            try:
                rest.decode()
            except UnicodeDecodeError as error:
                byte = rest[error.start]
    guess = "latin-1" if NOT_CP1252.search(high) else "cp1252"
    where = f", in row {line}, counting the header, the byte 0x{byte:02x}" if byte is not None else ""
    return NotUtf8(file.path, guess, where)
